"""接收 of site messages: the recipient says so; opening a page or its link does not (MSG-02)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from models.outbox import Message


def receive(session: Session, actor: Principal, ids: Iterable[int]) -> int:
    """Mark own messages as received, each once; returns how many were not yet. Foreign ids change nothing."""
    statement = (
        select(Message)
        .where(Message.id.in_(list(ids)), Message.account_id == actor.account_id, Message.received_at.is_(None))
        .order_by(Message.id)
        .with_for_update()
    )
    rows = list(session.execute(statement).scalars())
    for message in rows:
        message.received_at = clock.now()
    session.flush()
    return len(rows)
