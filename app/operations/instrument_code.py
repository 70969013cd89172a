"""计量器具编码 (LED-26): 6 digits of the place of use, the day, a number of 4 digits; given once, with the first filing or
appointment that is submitted. Inferred from the manual's sample 330225201802215000."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby

from sqlalchemy.orm import Session

from app import clock
from app.workflow.numbers import next_number
from models.instrument import Instrument

KIND = "instrument_code"
LAST = 9_999


def give_code(session: Session, instrument: Instrument) -> str:
    """Give the instrument its code unless it has one. A day that has used up its numbers borrows from the next, so that a
    bulk submission never stops for want of one; rivals wait for the counter's row."""
    give_codes(session, [instrument])
    assert instrument.code is not None
    return instrument.code


def give_codes(session: Session, instruments: Iterable[Instrument]) -> None:
    """As `give_code`, of several: the counter of each place is asked once, and the places in one order, so that two
    submissions never wait for each other's counters."""
    without = [instrument for instrument in instruments if not instrument.code]
    without.sort(key=lambda instrument: (instrument.use_division[:6], instrument.id))
    for region, members in groupby(without, key=lambda instrument: instrument.use_division[:6]):
        _give(session, region, list(members))


def _give(session: Session, region: str, instruments: list[Instrument]) -> None:
    day = clock.today()
    while instruments:
        told = f"{day:%Y%m%d}"
        last = next_number(session, KIND, region, told, count=len(instruments))
        first = last - len(instruments) + 1
        able, instruments = instruments[: max(LAST - first + 1, 0)], instruments[max(LAST - first + 1, 0) :]
        for number, instrument in enumerate(able, first):
            instrument.code = f"{region}{told}{number:04d}"
        day += timedelta(days=1)
