"""Taking and giving back places of a slot by guarded updates, so that nobody overbooks (I-2, WORKFLOWS 5.2)."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from app import clock
from app.errors import ConflictError, InvalidInputError
from models.appointment import Slot


def take(session: Session, slot_id: int, places: int) -> None:
    """Take `places`; raises ConflictError when the slot is full, closed or past."""
    slot = session.get(Slot, slot_id, execution_options={"unscoped": True})
    if slot is None or slot.closed or slot.day < clock.today():
        raise InvalidInputError("该时段不可预约，请选择其他时段。", field="slot_id")
    statement = (
        update(Slot)
        .where(Slot.id == slot_id, Slot.closed.is_(False), Slot.taken + places <= Slot.capacity)
        .values(taken=Slot.taken + places)
        .returning(Slot.id)
        .execution_options(unscoped=True, synchronize_session=False)
    )
    if session.execute(statement).first() is None:
        raise ConflictError("该时段已约满，请选择其他时段。", field="slot_id")
    session.expire(slot)


def give_back(session: Session, slot_id: int, places: int) -> None:
    """Return `places`; the CHECK on the table refuses giving back more than was taken."""
    statement = (
        update(Slot)
        .where(Slot.id == slot_id)
        .values(taken=Slot.taken - places)
        .execution_options(unscoped=True, synchronize_session=False)
    )
    session.execute(statement)
