"""Which rows are one instrument: the kept one and what was merged into it (BEYOND 16).

An issued certificate keeps its instrument for ever (I-5), so papers stay with the row they were issued for; the kept
instrument counts its whole family's.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.enums import InstrumentState
from models.instrument import Instrument

DEEP = 20  # merges of merges; a ring cannot arise, because a merged row is never kept


def family(session: Session, instrument_id: int) -> list[int]:
    """The instrument's id and the ids of everything that was merged into it, also through others."""
    found, layer = [instrument_id], [instrument_id]
    for _round in range(DEEP):
        below = select(Instrument.id).where(
            Instrument.merged_into_id.in_(layer), Instrument.state == InstrumentState.MERGED
        )
        layer = [pk for pk in session.scalars(below.execution_options(unscoped=True)) if pk not in found]
        if not layer:
            break
        found += layer
    return found


def kept_of(session: Session, instrument: Instrument) -> Instrument:
    """The instrument that a merged one lives on in; itself when it was not merged."""
    current = instrument
    for _round in range(DEEP):
        if current.state != InstrumentState.MERGED or current.merged_into_id is None:
            break
        above = session.get(Instrument, current.merged_into_id, execution_options={"unscoped": True})
        if above is None:
            break
        current = above
    return current


def of_family(
    session: Session, column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None], instrument_id: int
) -> ColumnElement[bool]:
    """The condition that a row belongs to the instrument or to what was merged into it."""
    return column.in_(family(session, instrument_id))
