"""Rows in states that the world does not hand out: an order that is over, a registration nobody verified."""

from __future__ import annotations

from types import SimpleNamespace

from sqlalchemy import select, text

from app.operations.appointment import book
from app.workflow import APPOINTMENT, fire
from models import Account, AppointmentItem
from models.base import db
from tests.world import filed, slot_of


def over(world, unit: str) -> SimpleNamespace:
    """An order that the unit cancelled before anybody took it up; gives its id and its items' ids."""
    session = db.session()
    pk = filed(world, unit).id
    with world.acting(unit) as actor:
        made = book(session, actor, instrument_ids=[pk], slot_id=slot_of(world, "A").id)
        session.commit()
        fire(session, APPOINTMENT, made.id, "cancel", actor, {"reason": "暂时不需要检定"})
        session.commit()
        items = session.execute(select(AppointmentItem.id).where(AppointmentItem.appointment_id == made.id)).scalars()
        return SimpleNamespace(id=made.id, items=list(items))


def unverify(account_id: int) -> None:
    """Put an account back to where its registration began; what follows removes it."""
    db.session.execute(
        text(f"UPDATE {Account.__tablename__} SET state = 'unverified' WHERE id = :id"), {"id": account_id}
    )
    db.session.commit()
