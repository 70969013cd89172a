"""计量器具编码 (LED-26): 6 digits of the place of use, the day, a number of 4 digits; given once, with the first filing or
appointment that is submitted. Inferred from the manual's sample 330225201802215000."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from app import clock
from app.workflow.numbers import next_number
from models.instrument import Instrument

KIND = "instrument_code"
LAST = 9_999


def give_code(session: Session, instrument: Instrument) -> str:
    """Give the instrument its code unless it has one. A day that has used up its numbers borrows from the next, so that a
    bulk submission never stops for want of one; rivals wait for the counter's row."""
    if instrument.code:
        return instrument.code
    region, day = instrument.use_division[:6], clock.today()
    while (number := next_number(session, KIND, region, f"{day:%Y%m%d}")) > LAST:
        day += timedelta(days=1)
    instrument.code = f"{region}{day:%Y%m%d}{number:04d}"
    return instrument.code
