"""Writing the audit log and sealing it into a hash chain (TRUST 7.2)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from flask import current_app
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.access.principal import current_principal
from app.access.request_facts import request_facts
from models.account import Account
from models.log import AuditLog

SEAL_LOCK = 7_201  # advisory lock: one sequencer at a time


def audit(
    session: Session,
    action: str,
    *,
    outcome: str = "done",
    entity: str | None = None,
    entity_id: object = None,
    account: Account | None = None,
    name: str | None = None,
    **detail: Any,
) -> None:
    """Add one line in the transaction of the act itself. Detail carries no secrets and only masked personal data."""
    principal = current_principal()
    ip, request_id = request_facts()
    actor = account.name if account else (name or (principal.name if principal else "公众"))
    session.add(
        AuditLog(
            actor_id=account.id if account else (principal.account_id if principal else None),
            actor_name=actor,
            role=principal.role_word if principal else "ANON",
            action=action,
            entity=entity,
            entity_id=None if entity_id is None else str(entity_id),
            outcome=outcome,
            ip=ip,
            request_id=request_id,
            detail=detail,
        )
    )


def _digest(row: Any, previous: str) -> str:
    facts = [
        row.seq,
        row.at.isoformat(),
        row.actor_id,
        row.actor_name,
        row.role,
        row.action,
        row.entity,
        row.entity_id,
        row.outcome,
        row.ip,
        row.request_id,
        row.detail,
    ]
    body = json.dumps([previous, facts], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hmac.new(str(current_app.config["AUDIT_KEY"]).encode(), body.encode(), hashlib.sha256).hexdigest()


def seal(session: Session, limit: int = 5_000) -> int:
    """Chain the rows not yet sealed; returns how many. One sequencer at a time, so that writers never queue."""
    locked = session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": SEAL_LOCK})
    if not locked:
        return 0
    last = session.scalar(
        select(AuditLog.hash)
        .where(AuditLog.hash.is_not(None))
        .order_by(AuditLog.seq.desc())
        .limit(1)
        .execution_options(unscoped=True)
    )
    previous, count = last or "", 0
    rows = session.execute(
        select(AuditLog)
        .where(AuditLog.hash.is_(None))
        .order_by(AuditLog.seq)
        .limit(limit)
        .execution_options(unscoped=True)
    ).scalars()
    for row in rows.all():
        digest = _digest(row, previous)
        session.execute(
            update(AuditLog)
            .where(AuditLog.seq == row.seq)
            .values(prev_hash=previous, hash=digest)
            .execution_options(unscoped=True, synchronize_session=False)
        )
        previous, count = digest, count + 1
    return count


def broken_link(session: Session) -> int | None:
    """The first sealed row whose hash does not follow, or None when the chain holds."""
    previous = ""
    rows = session.execute(
        select(AuditLog)
        .where(AuditLog.hash.is_not(None))
        .order_by(AuditLog.seq)
        .execution_options(unscoped=True, yield_per=2_000)
    ).scalars()
    for row in rows:
        if row.prev_hash != previous or row.hash != _digest(row, previous):
            return int(row.seq)
        previous = row.hash
    return None
