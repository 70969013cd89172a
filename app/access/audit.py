"""Writing the audit log and sealing it into a hash chain (TRUST 7.2)."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.access.masking import for_log
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
    role: str | None = None,
    **detail: Any,
) -> None:
    """Add one line in the transaction of the act itself. Detail carries no secrets and only masked personal data.

    `role` is the word for somebody who acts before a principal says it: at the log-in page.
    """
    principal = current_principal()
    ip, request_id = request_facts()
    actor = account.name if account else (name or (principal.name if principal else "公众"))
    session.add(
        AuditLog(
            actor_id=account.id if account else (principal.account_id if principal else None),
            actor_name=actor,
            role=role or (principal.role_word if principal else "ANON"),
            action=action,
            entity=entity,
            entity_id=None if entity_id is None else str(entity_id),
            outcome=outcome,
            ip=ip,
            request_id=request_id,
            detail=for_log(detail),
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
    if not locked or not _no_writer(session):
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


def _no_writer(session: Session) -> bool:
    """Wait until nobody is between drawing a number and committing it: a row that came late with a lower number
    would stand before rows already sealed. False when a writer takes longer; the next minute tries again."""
    try:
        with session.begin_nested():
            session.execute(text("SET LOCAL lock_timeout = '2s'"))
            session.execute(text("LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE"))
    except OperationalError:
        return False
    return True


def _seals() -> Path:
    return Path(str(current_app.config["VAR_DIR"])) / "audit-seals.jsonl"


def note_seal(session: Session) -> None:
    """Write the head of the chain to a second place, a file that only grows; call it after the seal's commit.

    Cutting off the end of the table breaks no link, so only this note can show it (TRUST 7.2).
    """
    sealed = select(func.count(), func.min(AuditLog.seq), func.max(AuditLog.seq)).where(AuditLog.hash.is_not(None))
    count, first, last = session.execute(sealed.execution_options(unscoped=True)).one()
    if not count:
        return
    line = {"first": _hash_at(session, first), "seq": last, "hash": _hash_at(session, last), "count": count}
    file = _seals()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as out:
        out.write(json.dumps(line, sort_keys=True) + "\n")
        out.flush()
        os.fsync(out.fileno())


def _hash_at(session: Session, seq: int) -> str | None:
    return session.scalar(select(AuditLog.hash).where(AuditLog.seq == seq).execution_options(unscoped=True))


def _last_note(first: str | None) -> dict[str, Any] | None:
    """The newest note about this chain; notes of another database that used the same folder do not count."""
    file = _seals()
    if not file.is_file():
        return None
    notes = (json.loads(line) for line in file.read_text(encoding="ascii").splitlines() if line.endswith("}"))
    return next((note for note in reversed(list(notes)) if note["first"] == first), None)


def _cut_off(session: Session, first: str | None, count: int) -> int | None:
    """The last noted row when the table no longer reaches it; 0 when the whole log is gone."""
    if not session.scalar(select(func.count()).select_from(AuditLog).execution_options(unscoped=True)):
        somebody = session.scalar(select(func.count()).select_from(Account).execution_options(unscoped=True))
        return 0 if somebody else None  # every account's making was logged
    note = _last_note(first)
    if note is None or (note["hash"] == _hash_at(session, note["seq"]) and note["count"] <= count):
        return None
    return int(note["seq"])


def broken_link(session: Session) -> int | None:
    """The number of the first sealed row that does not follow or is missing; None when the chain holds."""
    previous, first, count = "", None, 0
    rows = session.execute(
        select(AuditLog)
        .where(AuditLog.hash.is_not(None))
        .order_by(AuditLog.seq)
        .execution_options(unscoped=True, yield_per=2_000)
    ).scalars()
    for row in rows:
        if row.prev_hash != previous or row.hash != _digest(row, previous):
            return int(row.seq)
        previous, first, count = row.hash, first or row.hash, count + 1
    return _cut_off(session, first, count)
