"""An instrument's whole history: its own steps and those of its filings, bookings and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.access.roles import LABELS
from app.workflow import REGISTRY
from models.enums import Role
from models.log import TransitionLog
from models.types import mask_name

COMMON = ("备案", "预约器具", "证书", "器具", "账号", "预约单")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of history in words: who, when, from, to."""

    at: datetime
    entity: str
    step: str
    before: str
    after: str
    who: str
    body: str
    role: str
    reason: str
    detail: dict[str, Any]


def instrument_history(session: Session, principal: Principal, instrument_id: int) -> list[Line]:
    """All lines of one instrument, oldest first. Ask only for an instrument that the principal has been shown: the
    visible instrument is the permission, other bodies' persons are masked (ROLES section 2, transition_log)."""
    statement = (
        select(TransitionLog)
        .where(TransitionLog.instrument_id == instrument_id)
        .order_by(TransitionLog.id)
        .execution_options(unscoped=True)
    )
    return _lines(session.execute(statement).scalars().all(), principal)


def entity_history(session: Session, principal: Principal, entity: str, entity_id: int) -> list[Line]:
    """All lines of one row that the principal has been shown."""
    statement = (
        select(TransitionLog)
        .where(TransitionLog.entity == entity, TransitionLog.entity_id == entity_id)
        .order_by(TransitionLog.id)
        .execution_options(unscoped=True)
    )
    return _lines(session.execute(statement).scalars().all(), principal)


def _lines(rows: Sequence[TransitionLog], principal: Principal) -> list[Line]:
    return [_line(row, principal) for row in rows]


def _line(row: TransitionLog, principal: Principal) -> Line:
    workflow = REGISTRY[row.entity]
    step = next((s.label for s in workflow.steps if s.name == row.step), row.step)
    role = Role(row.actor_role) if row.actor_role in set(Role) else None
    return Line(
        at=row.at,
        entity=workflow.label,
        step=step,
        before=workflow.label_of(row.from_state),
        after=workflow.label_of(row.to_state),
        who=_who(row, principal),
        body=row.actor_body,
        role=LABELS.get(role, row.actor_role) if role else row.actor_role,
        reason=str(row.input.get("reason") or ""),
        detail=row.input,
    )


def _who(row: TransitionLog, principal: Principal) -> str:
    """Own people and, for regulators, everybody by name; others by family name only."""
    if row.actor_id is None:
        return row.actor_name
    own = (
        row.actor_id == principal.account_id
        or (principal.of_unit and row.actor_body == principal.body)
        or (principal.of_institute and row.actor_body == principal.body)
        or principal.has(Role.REG)
    )
    return row.actor_name if own else mask_name(row.actor_name)
