"""Records that stand in an import's way besides those the unique index knows (LED-14).

The index covers the instruments in one unit's ledger. Two things go beyond it: records that were scrapped or put away
and still count (`ledger.duplicate_includes_scrapped`), and those of other units where the whole platform counts
(`ledger.duplicate_scope` = system). Of another unit's record only that it is there is ever told.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Text, any_, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.profiles import setting
from app.workflow.live import counted
from models.enums import InstrumentState
from models.instrument import Instrument

PUT_AWAY = (InstrumentState.SCRAPPED, InstrumentState.FORMER)
WHOLE_PLATFORM = 7_302
"""The lock that an import holds alone while it writes a chunk, and every form that saves shares."""


def platform_counts() -> bool:
    """Whether the same instrument of another unit is a duplicate too."""
    return bool(setting("ledger", "duplicate_scope") == "system")


def others_keys(session: Session, unit_id: int | None, keys: Sequence[str]) -> set[str]:
    """Those of the keys under which another unit has an instrument; none where only the own unit counts."""
    if not platform_counts():
        return set()
    statement = select(Instrument.dup_key).where(
        Instrument.dup_key == any_(cast(list(keys), ARRAY(Text))), Instrument.unit_id != unit_id, counted()
    )
    return set(session.execute(statement.execution_options(unscoped=True)).scalars())


def taken_keys(session: Session, unit_id: int, keys: Sequence[str]) -> list[str]:
    """Those of the keys that cannot be written although the unique index would let them pass.

    Where the platform counts it waits for whoever is saving, and lets nobody save before this transaction ends.
    """
    if platform_counts():
        session.execute(select(func.pg_advisory_xact_lock(WHOLE_PLATFORM)))
    statement = select(Instrument.dup_key).where(
        Instrument.unit_id == unit_id,
        Instrument.state.in_(PUT_AWAY),
        Instrument.dup_key == any_(cast(list(keys), ARRAY(Text))),
        counted(),
    )
    return sorted({*session.execute(statement).scalars(), *others_keys(session, unit_id, keys)})
