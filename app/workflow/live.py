"""Questions about business still going on; asked by guards of several machines.

A bulk act or its dry run asks them of thousands of rows: inside `foreseen` the answers for a chunk are read at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from app.profiles import setting
from app.workflow.merged import of_family
from models.appointment import Appointment, AppointmentItem
from models.certificate import Certificate
from models.enums import LIVE_ITEM_STATES, CertificateState, FilingState, InstrumentState
from models.filing import Filing
from models.instrument import Instrument

PUBLISHED = (CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED)
NOT_COMPULSORY = "非强检器具不需要备案或预约强制检定。"
GONE = (InstrumentState.PURGED, InstrumentState.MERGED, InstrumentState.FORMER)
"""States of rows that are in nobody's ledger any more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Answers for a chunk of instruments, read together; what was not read is None and asked one by one."""

    ids: frozenset[int]
    live: dict[int, AppointmentItem]
    booked: frozenset[int] | None = None
    verified: frozenset[int] | None = None
    filed: frozenset[int] | None = None
    filings: dict[int, Filing] | None = None
    rivals: dict[int, int] | None = None


@contextmanager
def foreseen(session: Session, instrument_ids: Iterable[int], *, live_only: bool = False) -> Iterator[None]:
    """Answer the questions below for these instruments from one reading, or only who stands in a live item: booking asks
    no more. Hold their row locks when the answers decide something: booking and filing lock the instrument first, so
    nothing changes meanwhile."""
    before, ids = session.info.get("foreseen"), frozenset(instrument_ids)
    session.info["foreseen"] = Facts(ids, _live(session, ids)) if live_only else _read(session, ids)
    try:
        yield
    finally:
        session.info["foreseen"] = before


def _read(session: Session, ids: frozenset[int]) -> Facts:
    def keys(column: Any, *conditions: Any) -> frozenset[int]:
        statement = select(column).where(column.in_(ids), *conditions).distinct()
        return frozenset(session.execute(statement.execution_options(unscoped=True)).scalars())

    filings = select(Filing).where(Filing.instrument_id.in_(ids), Filing.state != FilingState.CLOSED)
    filed = session.execute(filings.execution_options(unscoped=True)).scalars()
    return Facts(
        ids - keys(Instrument.merged_into_id),  # those that took in others are asked one by one
        _live(session, ids),
        keys(AppointmentItem.instrument_id, AppointmentItem.state != "pending"),
        keys(Certificate.instrument_id, Certificate.state.in_(PUBLISHED)),
        keys(Filing.instrument_id, Filing.final_institute_id.is_not(None)),
        {filing.instrument_id: filing for filing in filed},
        _rivals(session, ids),
    )


def _live(session: Session, ids: frozenset[int]) -> dict[int, AppointmentItem]:
    statement = select(AppointmentItem).where(
        AppointmentItem.instrument_id.in_(ids), AppointmentItem.state.in_(LIVE_ITEM_STATES)
    )
    items = session.execute(statement.execution_options(unscoped=True)).scalars()
    return {item.instrument_id: item for item in items}


def _facts(session: Session, instrument_id: int, name: str) -> Any:
    """The answers of that name, when they were read for the instrument."""
    info = getattr(session, "info", None) or {}
    facts: Facts | None = info.get("foreseen")
    return getattr(facts, name) if facts is not None and instrument_id in facts.ids else None


def live_item_of(session: Session, instrument_id: int) -> AppointmentItem | None:
    """The one live item an instrument stands in, if any (I-1)."""
    if (facts := _facts(session, instrument_id, "live")) is not None:
        found: AppointmentItem | None = facts.get(instrument_id)
        return found
    statement = select(AppointmentItem).where(
        AppointmentItem.instrument_id == instrument_id, AppointmentItem.state.in_(LIVE_ITEM_STATES)
    )
    return session.execute(statement.execution_options(unscoped=True)).scalars().first()


def live_filing_of(session: Session, instrument_id: int) -> Filing | None:
    """The filing of an instrument that is not closed, if any."""
    if (facts := _facts(session, instrument_id, "filings")) is not None:
        found: Filing | None = facts.get(instrument_id)
        return found
    live = select(Filing).where(Filing.instrument_id == instrument_id, Filing.state != FilingState.CLOSED)
    return session.execute(live.execution_options(unscoped=True)).scalars().first()


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
    if (facts := _facts(session, instrument_id, "verified")) is not None:
        return instrument_id in facts
    statement = select(Certificate.id).where(
        of_family(session, Certificate.instrument_id, instrument_id), Certificate.state.in_(PUBLISHED)
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def ever_booked(session: Session, instrument_id: int) -> bool:
    """Whether the instrument ever stood in an appointment that was more than a draft."""
    if (facts := _facts(session, instrument_id, "booked")) is not None:
        return instrument_id in facts
    statement = select(AppointmentItem.id).where(
        AppointmentItem.instrument_id == instrument_id, AppointmentItem.state != "pending"
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def ever_filed(session: Session, instrument_id: int) -> bool:
    """Whether an institute ever approved a filing of the instrument."""
    if (facts := _facts(session, instrument_id, "filed")) is not None:
        return instrument_id in facts
    statement = select(Filing.id).where(Filing.instrument_id == instrument_id, Filing.final_institute_id.is_not(None))
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def counted() -> ColumnElement[bool]:
    """Records that stand in the way of entering the same instrument again (LED-14): those in the ledger, and those that
    were scrapped or put away where the deployment counts them (`ledger.duplicate_includes_scrapped`). What a unit has
    removed for good counts nowhere: nobody could be shown it."""
    if setting("ledger", "duplicate_includes_scrapped"):
        return and_(Instrument.state.not_in(GONE[:2]), Instrument.hidden.is_(False))
    return Instrument.state.not_in((*GONE, InstrumentState.SCRAPPED))


IN_LEDGER: ColumnElement[bool] = literal_column("instrument.state NOT IN ('purged', 'merged', 'former', 'scrapped')")


def _rivals(session: Session, ids: frozenset[int]) -> dict[int, int]:
    mine = aliased(Instrument)
    statement = select(mine.id, Instrument.id).join(
        Instrument,
        and_(Instrument.unit_id == mine.unit_id, Instrument.dup_key == mine.dup_key, Instrument.id != mine.id),
    )
    statement = statement.where(mine.id.in_(ids), IN_LEDGER)
    return dict(session.execute(statement.execution_options(unscoped=True)).tuples().all())


def forget_rivals(session: Session) -> None:
    """Rows that are done one by one may become each other's rivals: ask of each again."""
    if (facts := session.info.get("foreseen")) is not None:
        session.info["foreseen"] = replace(facts, rivals=None)


def rival_of(session: Session, instrument: Any) -> int | None:
    """Another instrument of the unit that is in the ledger with the same key (I-19). The states stand in the statement
    itself, so that the partial unique index answers it also from a prepared plan."""
    if (facts := _facts(session, instrument.id, "rivals")) is not None:
        found: int | None = facts.get(instrument.id)
        return found
    return rival_with(session, instrument.unit_id, instrument.dup_key, instrument.id)


def rival_with(session: Session, unit_id: int, key: str, besides: int) -> int | None:
    """A record in the unit's ledger with that key, other than `besides`."""
    statement = select(Instrument.id).where(
        Instrument.unit_id == unit_id, Instrument.dup_key == key, Instrument.id != besides, IN_LEDGER
    )
    return session.scalar(statement.limit(1).execution_options(unscoped=True))
