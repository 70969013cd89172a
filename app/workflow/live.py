"""Questions about business still going on; asked by guards of several machines."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.appointment import Appointment, AppointmentItem
from models.certificate import Certificate
from models.enums import LIVE_ITEM_STATES, CertificateState


def live_item_of(session: Session, instrument_id: int) -> AppointmentItem | None:
    """The one live item an instrument stands in, if any (I-1)."""
    statement = select(AppointmentItem).where(
        AppointmentItem.instrument_id == instrument_id, AppointmentItem.state.in_(LIVE_ITEM_STATES)
    )
    return session.execute(statement.execution_options(unscoped=True)).scalars().first()


def live_item_sentence(session: Session, instrument: object) -> str | None:
    """器具“…”已在预约单…中。, or None when the instrument is free."""
    item = live_item_of(session, instrument.id)  # type: ignore[attr-defined]
    if item is None:
        return None
    number = session.scalar(
        select(Appointment.number).where(Appointment.id == item.appointment_id).execution_options(unscoped=True)
    )
    where = f"预约单{number}" if number else "一张待提交的预约单"
    return f"器具“{instrument.name} {instrument.serial_no}”已在{where}中。"  # type: ignore[attr-defined]


def live_business(session: Session, *, unit_id: int) -> int:
    """How many live items a unit has."""
    statement = select(func.count()).where(
        AppointmentItem.unit_id == unit_id, AppointmentItem.state.in_(LIVE_ITEM_STATES)
    )
    return session.scalar(statement.execution_options(unscoped=True)) or 0


def ever_verified(session: Session, instrument_id: int) -> bool:
    """Whether any certificate of the instrument was ever issued."""
    states = (CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED)
    statement = select(Certificate.id).where(Certificate.instrument_id == instrument_id, Certificate.state.in_(states))
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def ever_booked(session: Session, instrument_id: int) -> bool:
    """Whether the instrument ever stood in an appointment that was more than a draft."""
    statement = select(AppointmentItem.id).where(
        AppointmentItem.instrument_id == instrument_id, AppointmentItem.state != "pending"
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None
