"""Due-date reminders: one set-based INSERT per moment, each reminder once, whoever runs it and however often (I-8).

A moment is the day on which a band of the deployment's scheme begins (app.workflow.band), and what the setting
`reminder.thresholds` adds. The run asks "what is due and not done": a missed day is caught up, a certificate issued
meanwhile has changed the due date and so removed the row from the question. What is sent is composed when it is sent
(app.operations.reminder_digest), so that it never speaks of a date that is no longer true (I-9).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, and_, cast, exists, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app import clock
from app.operations.reminder_digest import Batch, tell_units
from app.profiles import setting
from app.workflow.band import Ladder, Scheme, filing_clock, scheme, watched
from models.instrument import Instrument
from models.outbox import NO_RECORD, Reminder

CHANNEL = "site"
"""Every reminder is a site message; mail and text messages carry the same reminders (one row of the outbox each)."""
AT_ONCE = 4_000
"""Units told by one statement."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Reminders of one kind: `rows` are due, `due_on` is their date, `below` the next later moment of the same clock."""

    threshold: int
    below: int | None
    due_on: Any
    rows: ColumnElement[bool]


def moments(rules: Scheme, on: date) -> Iterator[Moment]:
    """What a run asks for.

    Only the days from a moment to the next are asked for, so that an instrument first seen at 5 days gets the 10-day
    reminder and not the 30-day one as well.
    """
    runs = filing_clock(rules)
    starts = _starts(rules.expiry, rules.expiry[0].days or 0)
    extra = {int(t) for t in setting("reminder", "thresholds")}
    days = sorted({*starts, *(t for t in extra if t < max(starts))}, reverse=True)
    by_expiry = [~runs] if rules.filing else []
    yield from _windows(days, Instrument.valid_until, on, 0, by_expiry)
    if rules.filing:
        ahead = rules.filing_due_days
        yield from _windows(_starts(rules.filing, ahead + 1), Instrument.filed_on, on, ahead, [runs])
    if rules.name == "tricolor":  # 警示 is said once of an instrument without any record
        bare = and_(Instrument.valid_until.is_(None), Instrument.last_result.is_(None))
        entered = cast(func.timezone(clock.ZONE.key, Instrument.created_at), Date)
        yield Moment(NO_RECORD, NO_RECORD - 1, entered, bare)


def _starts(ladder: Ladder, first: int) -> list[int]:
    """The first day of each band below `first`, counted to the due date."""
    above = [first, *(rung.days for rung in ladder if rung.days is not None and rung.days < first)]
    return [days - 1 for days in above]


def _windows(days: list[int], column: Any, on: date, ahead: int, more: list[ColumnElement[bool]]) -> Iterator[Moment]:
    """Ranges of `column`, whose due date lies `ahead` days later."""
    for threshold, below in zip(days, [*days[1:], None], strict=True):
        bounds = [column <= on + timedelta(days=threshold - ahead)]
        if below is not None:
            bounds.append(column > on + timedelta(days=below - ahead))
        yield Moment(threshold, below, column + ahead if ahead else column, and_(*bounds, *more))


def run_reminders(session: Session, on: date) -> int:
    """Write every reminder that is due on `on` and not written yet, and tell the units; returns how many were new."""
    written: dict[int, Batch] = {}
    for moment in moments(scheme(), on):
        with _no_nested_loops(session):
            rows = _write(session, moment, on)
        for unit_id, count, first, last in rows:
            batch = written.get(unit_id)
            low, high = (min(first, batch.first), max(last, batch.last)) if batch else (first, last)
            written[unit_id] = Batch(low, high, count + (batch.count if batch else 0))
    units = sorted(written.items())
    for begin in range(0, len(units), AT_ONCE):
        tell_units(session, dict(units[begin : begin + AT_ONCE]), on)
    return sum(batch.count for batch in written.values())


@contextmanager
def _no_nested_loops(session: Session) -> Iterator[None]:
    """Right after a first run the table of reminders has no statistics: the planner would take it for a handful of rows
    and compare every instrument with every reminder. Hashing is never far from the best plan here."""
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))


def _write(session: Session, moment: Moment, on: date) -> list[tuple[int, int, int, int]]:
    """(unit, reminders, first id, last id) of what was new.

    A reminder of the same window is enough: a number changed on the settings page must not tell everybody again.
    """
    told = aliased(Reminder)
    window = [told.threshold <= moment.threshold]
    if moment.below is not None:
        window.append(told.threshold > moment.below)
    done = exists().where(
        told.instrument_id == Instrument.id, told.due_on == moment.due_on, told.channel == CHANNEL, *window
    )
    due = select(
        Instrument.id,
        Instrument.unit_id,
        Instrument.use_division,
        literal(moment.threshold),
        moment.due_on,
        literal(CHANNEL),
        literal(on),
    ).where(watched(), moment.rows, ~done)
    columns = ["instrument_id", "unit_id", "use_division", "threshold", "due_on", "channel", "run_on"]
    written = (
        insert(Reminder)
        .from_select(columns, due)
        .on_conflict_do_nothing(constraint="uq_reminder_once")
        .returning(Reminder.unit_id, Reminder.id)
        .cte("written")
    )
    # counted where they were written: a million rows need not travel here to become a few thousand numbers
    counted = select(written.c.unit_id, func.count(), func.min(written.c.id), func.max(written.c.id)).group_by(
        written.c.unit_id
    )
    return [tuple(row) for row in session.execute(counted)]
