"""Taking and giving back places of a slot by guarded updates, so that nobody overbooks (I-2, WORKFLOWS 5.2).

An item holds a place from its appointment's submission (also while 行政确认 is awaited) on. It gives the place back
when it is rejected, cancelled or returned, because somebody else may come instead; 检定完成 and 终止检定 have used the
place up and keep it. Items of a draft and of a withdrawn appointment that asks to be restored hold none.
`held_places` is this rule for one appointment, app/operations/integrity.py checks it over all.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from app import clock
from app.errors import ConflictError, InvalidInputError
from models.appointment import Slot
from models.enums import AppointmentState, ItemState

HOLDING = frozenset(
    {
        ItemState.ASSIGNED,
        ItemState.ACCEPTED,
        ItemState.RECEIVED,
        ItemState.VERIFYING,
        ItemState.DONE,
        ItemState.ABORTED,
    }
)
WITHOUT_PLACES = frozenset({AppointmentState.DRAFT, AppointmentState.RESTORE_REQUESTED})
"""States of an appointment in which its waiting items hold no place."""


def held_places(header: str, items: Iterable[str]) -> int:
    """How many places an appointment in state `header` holds with items in these states."""
    waiting = header == AppointmentState.ADMIN_REVIEW
    return sum(state in HOLDING or (waiting and state == ItemState.PENDING) for state in items)


def take(session: Session, slot_id: int, places: int) -> None:
    """Take `places`; raises ConflictError when the slot is full, closed or past."""
    open_slot = (Slot.id == slot_id, Slot.closed.is_(False), Slot.day >= clock.today())
    statement = (
        update(Slot)
        .where(*open_slot, Slot.taken + places <= Slot.capacity)
        .values(taken=Slot.taken + places)
        .returning(Slot.id)
        .execution_options(unscoped=True, synchronize_session=False)
    )
    if session.execute(statement).first() is None:
        asked = select(Slot.id).where(*open_slot).execution_options(unscoped=True)
        if session.scalar(asked) is None:
            raise InvalidInputError("该时段不可预约，请选择其他时段。", field="slot_id")
        raise ConflictError("该时段已约满，请选择其他时段。", field="slot_id")
    known = session.identity_map.get(inspect(Slot).identity_key_from_primary_key((slot_id,)))
    if known is not None:
        session.expire(known)


def give_back(session: Session, slot_id: int, places: int) -> None:
    """Return `places`; the CHECK on the table refuses giving back more than was taken."""
    statement = (
        update(Slot)
        .where(Slot.id == slot_id)
        .values(taken=Slot.taken - places)
        .execution_options(unscoped=True, synchronize_session=False)
    )
    session.execute(statement)
