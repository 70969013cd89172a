"""Working days by our own calendar table (DOMAIN b): weekdays, corrected by the announced exceptions.

A year without announced exceptions falls back to Monday to Friday; `known_year` lets a page say so.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from app.clock import ZONE
from models.reference import CalendarException


def exceptions(session: Session) -> dict[date, str]:
    """All announced exceptions: day → 'holiday' or 'workday'."""
    return {row.day: row.kind for row in session.scalars(select(CalendarException))}


def known_year(session: Session, year: int) -> bool:
    """Whether any exception of the year is in the table."""
    statement = select(func.count()).where(extract("year", CalendarException.day) == year)
    return bool(session.scalar(statement))


def is_workday(day: date, table: dict[date, str]) -> bool:
    """A weekday that is not free, or a weekend day that is worked."""
    kind = table.get(day)
    return kind == "workday" if kind else day.weekday() < 5


def add_workdays(start: date, count: int, table: dict[date, str]) -> date:
    """The `count`-th working day after `start`; the day of the event itself does not count."""
    day = start
    while count > 0:
        day += timedelta(days=1)
        count -= is_workday(day, table)
    return day


def deadline(session: Session, start: date, count: int) -> datetime:
    """23:59:59 of the `count`-th working day after `start` (WORKFLOWS 0.2)."""
    return datetime.combine(add_workdays(start, count, exceptions(session)), time(23, 59, 59), ZONE)
