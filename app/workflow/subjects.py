"""What a business record is about, when its instrument has left the reader's ledger.

Who may read a booking may read which instrument it was for: also after the unit removed the instrument for good, merged
it or gave it away (LED-19: the old appointment stays readable).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from models.appointment import AppointmentItem
from models.instrument import Instrument


def fill_subjects(session: Session, items: Iterable[AppointmentItem]) -> None:
    """Give items that the reader has been shown their instruments, for reading only; one statement for all of them."""
    missing = [item for item in items if item.instrument is None]
    if not missing:
        return
    wanted = {item.instrument_id for item in missing}
    statement = select(Instrument).where(Instrument.id.in_(wanted)).execution_options(unscoped=True)
    found = {row.id: row for row in session.execute(statement).scalars()}
    for item in missing:
        set_committed_value(item, "instrument", found.get(item.instrument_id))
