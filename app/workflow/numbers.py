"""Numbers that are given once: a counter row locked in the transaction of its use, so a roll-back gives it back (I-4)."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.certificate import NumberCounter


def next_number(session: Session, kind: str, owner: str, period: str, *, count: int = 1) -> int:
    """The next number of (kind, owner, period), starting at 1, or the last of the next `count`; rivals wait for this
    transaction's end."""
    statement = (
        insert(NumberCounter)
        .values(kind=kind, owner=owner, period=period, value=count)
        .on_conflict_do_update(index_elements=["kind", "owner", "period"], set_={"value": NumberCounter.value + count})
        .returning(NumberCounter.value)
    )
    return int(session.execute(statement).scalar_one())
