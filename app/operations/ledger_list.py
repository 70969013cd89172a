"""What a page of the ledger needs besides its rows: the orders its instruments are in, the first level of the catalogue."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.operations.ledger_columns import booking_words
from models.appointment import LIVE_ITEM_STATES, Appointment, AppointmentItem
from models.reference import Category


def bookings_of(session: Session, keys: list[int]) -> dict[int, str]:
    """Instrument → the word of the state of its live order, in one statement; those without one are left out."""
    statement = (
        select(AppointmentItem.instrument_id, Appointment.state)
        .join(Appointment, Appointment.id == AppointmentItem.appointment_id)
        .where(AppointmentItem.instrument_id.in_(keys), AppointmentItem.state.in_(LIVE_ITEM_STATES))
    )
    words = booking_words()
    return {key: words.get(state, state) for key, state in session.execute(statement).tuples()}


def level1_names(session: Session) -> list[str]:
    """The first level of the catalogue, in its order."""
    statement = select(Category.level1).where(Category.valid).order_by(Category.code)
    return list(dict.fromkeys(session.execute(statement).scalars()))
