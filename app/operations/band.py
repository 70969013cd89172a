"""The colour of an instrument: one function and one SQL expression, used by list, filter, count and reminder (I-17)."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, case, literal

from app.profiles import setting
from models.enums import Conclusion, InstrumentState
from models.instrument import Instrument


class Band(StrEnum):
    """合格 · 即将到期 · 已超期 · 不合格 · 未检定 · 不提醒 (not in use)."""

    GOOD = "good"
    DUE = "due"
    OVERDUE = "overdue"
    FAILED = "failed"
    NEVER = "never"
    QUIET = "quiet"


LABELS = {
    Band.GOOD: "有效",
    Band.DUE: "即将到期",
    Band.OVERDUE: "已超期",
    Band.FAILED: "不合格",
    Band.NEVER: "未检定",
    Band.QUIET: "不提醒",
}
TONES = {
    Band.GOOD: "ok",
    Band.DUE: "warn",
    Band.OVERDUE: "danger",
    Band.FAILED: "danger",
    Band.NEVER: "muted",
    Band.QUIET: "muted",
}


def band_of(state: str, result: str | None, valid_until: date | None, today: date) -> Band:
    """The band of one instrument on one day."""
    if state != InstrumentState.IN_USE:
        return Band.QUIET
    if result == Conclusion.FAIL:
        return Band.FAILED
    if valid_until is None:
        return Band.NEVER if result is None else Band.GOOD
    if valid_until < today:
        return Band.OVERDUE
    yellow = int(setting("reminder", "yellow_days"))
    return Band.DUE if valid_until <= today + timedelta(days=yellow) else Band.GOOD


def band_expression(today: date) -> ColumnElement[str]:
    """The same as a SQL expression over `instrument`."""
    yellow = today + timedelta(days=int(setting("reminder", "yellow_days")))
    return case(
        (Instrument.state != InstrumentState.IN_USE, literal(Band.QUIET.value)),
        (Instrument.last_result == Conclusion.FAIL, literal(Band.FAILED.value)),
        (Instrument.valid_until.is_(None) & Instrument.last_result.is_(None), literal(Band.NEVER.value)),
        (Instrument.valid_until.is_(None), literal(Band.GOOD.value)),
        (Instrument.valid_until < today, literal(Band.OVERDUE.value)),
        (Instrument.valid_until <= yellow, literal(Band.DUE.value)),
        else_=literal(Band.GOOD.value),
    )


def band_condition(band: str, today: date) -> ColumnElement[bool]:
    """The rows of one band, written so that the partial index on due dates serves it."""
    yellow = today + timedelta(days=int(setting("reminder", "yellow_days")))
    in_use = Instrument.state == InstrumentState.IN_USE
    not_failed = Instrument.last_result.is_distinct_from(Conclusion.FAIL)
    return {
        Band.OVERDUE: in_use & not_failed & (Instrument.valid_until < today),
        Band.DUE: in_use & not_failed & (Instrument.valid_until >= today) & (Instrument.valid_until <= yellow),
        Band.FAILED: in_use & (Instrument.last_result == Conclusion.FAIL),
        Band.NEVER: in_use & Instrument.valid_until.is_(None) & Instrument.last_result.is_(None),
        Band.GOOD: in_use
        & not_failed
        & (
            (Instrument.valid_until > yellow) | (Instrument.valid_until.is_(None) & Instrument.last_result.is_not(None))
        ),
        Band.QUIET: ~in_use,
    }[Band(band)]
