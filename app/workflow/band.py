"""The warning band of an instrument: one ladder of days per scheme, read once by Python and once as SQL (I-17).

A scheme says how many days before and after a due date an instrument changes its band. Five manuals, four schemes:
days15 (S0: 15 days ahead), yellow30 (S1: yellow 30 days ahead, red afterwards), tricolor (S2: 提示 40, 预警 20, 警示) and
lists (S4: 须检, 超期未检, 无效, by two clocks). Every number is a setting of the profile.

Clock E runs to 有效期. Clock F (lists only) runs from the day the filing passed, for an instrument that was not covered
by a verification at that time and has had none since; afterwards clock E alone counts, so that the lists are disjoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, literal, or_

from app.profiles import profile
from models.enums import Conclusion, InstrumentState
from models.instrument import Instrument

INVALID = "已无效，须停用、启用并重新提交备案后才能预约。"
"""What is said of a row that `barred_from_booking` refuses."""


class Band(StrEnum):
    """有效 · 提示 · 即将到期 · 已超期 · 无效 · 不合格 · 未检定 · 不提醒 (not in use, or not compulsory)."""

    GOOD = "good"
    NOTICE = "notice"
    DUE = "due"
    OVERDUE = "overdue"
    INVALID = "invalid"
    FAILED = "failed"
    NEVER = "never"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Rung:
    """A band and the fewest days to the due date that still belong to it; None: however long ago it was."""

    band: Band
    days: int | None


Ladder = tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One deployment's rules. Days are calendar days; the due date itself still counts as valid."""

    name: str
    yellow_days: int
    notice_days: int
    overdue_days: int
    filing_due_days: int
    filing_invalid_days: int
    until_verified: bool

    @property
    def expiry(self) -> Ladder:
        """Clock E: days to 有效期."""
        good, due = Rung(Band.GOOD, self.yellow_days + 1), Rung(Band.DUE, 0)
        if self.name == "tricolor":
            notice = (Rung(Band.GOOD, self.notice_days + 1), Rung(Band.NOTICE, self.yellow_days + 1))
            return (*notice, due, Rung(Band.OVERDUE, None))
        if self.name == "lists":
            return (good, due, Rung(Band.OVERDUE, -self.overdue_days), Rung(Band.INVALID, None))
        return (good, due, Rung(Band.OVERDUE, None))

    @property
    def filing(self) -> Ladder:
        """Clock F: days to the last day on which a newly filed instrument should be verified; empty without it."""
        if self.name != "lists":
            return ()
        late = self.filing_invalid_days - self.filing_due_days
        return (Rung(Band.DUE, 0), Rung(Band.OVERDUE, -late), Rung(Band.INVALID, None))

    @property
    def never(self) -> Band:
        """Where an instrument without due date and without result stands: S2 counts 无检定记录 as 警示."""
        return Band.OVERDUE if self.name == "tricolor" else Band.NEVER

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands that warn, in the order of the deployment's manual."""
        found = [rung.band for rung in self.expiry if rung.band is not Band.GOOD]
        return (*found, Band.FAILED, *((Band.NEVER,) if self.never is Band.NEVER else ()))


def scheme(values: dict[str, Any] | None = None) -> Scheme:
    """The scheme in force, or that of other values of the section `reminder` (what would a change do?)."""
    found = profile()["reminder"] if values is None else values
    return _scheme(*(found[key] for key in SETTINGS))


SETTINGS = (
    "scheme",
    "yellow_days",
    "notice_days",
    "overdue_days",
    "filing_due_days",
    "filing_invalid_days",
    "filing_clock_until_verified",
)


@lru_cache(maxsize=64)
def _scheme(name: Any, yellow: Any, notice: Any, overdue: Any, due: Any, invalid: Any, until_verified: Any) -> Scheme:
    """A list asks for it once for every cell it colours."""
    return Scheme(
        name=str(name),
        yellow_days=int(yellow),
        notice_days=max(int(notice), int(yellow)),
        overdue_days=int(overdue),
        filing_due_days=int(due),
        filing_invalid_days=max(int(invalid), int(due)),
        until_verified=bool(until_verified),
    )


# -- one instrument -------------------------------------------------------------------------------------------------


def band_of(
    state: str,
    result: str | None,
    valid_until: date | None,
    today: date,
    *,
    filed_on: date | None = None,
    verified_on: date | None = None,
    compulsory: bool = True,
    rules: Scheme | None = None,
) -> Band:
    """The band of one instrument on one day."""
    if state != InstrumentState.IN_USE or not compulsory:
        return Band.QUIET
    if result == Conclusion.FAIL:
        return Band.FAILED
    rules = rules or scheme()
    if rules.filing and filed_on is not None and _filing_clock_of(rules, filed_on, verified_on, valid_until):
        return _rung(rules.filing, (filed_on - today).days + rules.filing_due_days)
    if valid_until is None:
        return rules.never if result is None else Band.GOOD
    return _rung(rules.expiry, (valid_until - today).days)


def band_of_row(item: Any, today: date, rules: Scheme | None = None) -> Band:
    """The band of a row (or anything with the columns of an instrument); `rules` where they are known already."""
    return band_of(
        item.state,
        item.last_result,
        item.valid_until,
        today,
        filed_on=item.filed_on,
        verified_on=item.verified_on,
        compulsory=item.compulsory,
        rules=rules,
    )


def _filing_clock_of(rules: Scheme, filed: date, verified: date | None, until: date | None) -> bool:
    """Whether clock F runs: no verification since the filing passed, and none in force on that day."""
    if not rules.until_verified:
        return True
    return (verified is None or verified < filed) and (until is None or until < filed)


def _rung(ladder: Ladder, days: int) -> Band:
    return next(rung.band for rung in ladder if rung.days is None or days >= rung.days)


# -- the same in SQL ------------------------------------------------------------------------------------------------


def in_force() -> ColumnElement[bool]:
    """Instruments that warn at all."""
    return and_(Instrument.state == InstrumentState.IN_USE, Instrument.compulsory)


def watched() -> ColumnElement[bool]:
    """Instruments whose band follows from days."""
    return and_(in_force(), Instrument.last_result.is_distinct_from(Conclusion.FAIL))


def filing_clock(rules: Scheme) -> ColumnElement[bool]:
    """Whether clock F runs for a row; never NULL."""
    if not rules.filing:
        return false()
    if not rules.until_verified:
        return Instrument.filed_on.is_not(None)
    filed = Instrument.filed_on
    return and_(
        filed.is_not(None),
        or_(Instrument.verified_on.is_(None), Instrument.verified_on < filed),
        or_(Instrument.valid_until.is_(None), Instrument.valid_until < filed),
    )


def band_expression(today: date, rules: Scheme | None = None) -> ColumnElement[str]:
    """The band as a SQL expression over `instrument`."""
    rules = rules or scheme()
    whens: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
        (~in_force(), literal(Band.QUIET.value)),
        (Instrument.last_result == Conclusion.FAIL, literal(Band.FAILED.value)),
    ]
    if rules.filing:
        first = _zero(rules, today)
        whens.append((filing_clock(rules), _case(rules.filing, Instrument.filed_on, first)))
    whens += [
        (Instrument.valid_until.is_(None) & Instrument.last_result.is_(None), literal(rules.never.value)),
        (Instrument.valid_until.is_(None), literal(Band.GOOD.value)),
    ]
    return case(*whens, else_=_case(rules.expiry, Instrument.valid_until, today))


def band_condition(band: str, today: date, rules: Scheme | None = None) -> ColumnElement[bool]:
    """The rows of one band, written as ranges of dates so that the indexes on them serve it.

    A band that the scheme does not know has no rows.
    """
    rules, asked = rules or scheme(), Band(band)
    if asked is Band.QUIET:
        return ~in_force()
    if asked is Band.FAILED:
        return and_(in_force(), Instrument.last_result == Conclusion.FAIL)
    by_expiry = [*_ranges(rules.expiry, asked, Instrument.valid_until, today)]
    if asked is rules.never:
        by_expiry.append(and_(Instrument.valid_until.is_(None), Instrument.last_result.is_(None)))
    if asked is Band.GOOD:
        by_expiry.append(and_(Instrument.valid_until.is_(None), Instrument.last_result.is_not(None)))
    if not rules.filing:
        return and_(watched(), or_(false(), *by_expiry))
    by_filing = _ranges(rules.filing, asked, Instrument.filed_on, _zero(rules, today))
    runs = filing_clock(rules)
    return and_(watched(), or_(and_(runs, or_(false(), *by_filing)), and_(~runs, or_(false(), *by_expiry))))


def _zero(rules: Scheme, today: date) -> date:
    """The filing day whose last day for verification is today."""
    return today - timedelta(days=rules.filing_due_days)


def _case(ladder: Ladder, column: Any, zero: date) -> ColumnElement[str]:
    *upper, last = ladder
    whens = [(column >= zero + timedelta(days=rung.days or 0), literal(rung.band.value)) for rung in upper]
    return case(*whens, else_=literal(last.band.value))


def _ranges(ladder: Ladder, band: Band, column: Any, zero: date) -> list[ColumnElement[bool]]:
    """The dates of one band as a range; none when the ladder has no such rung."""
    above: int | None = None
    for rung in ladder:
        if rung.band is band:
            bounds = [] if rung.days is None else [column >= zero + timedelta(days=rung.days)]
            if above is not None:
                bounds.append(column < zero + timedelta(days=above))
            return [and_(*(bounds or [column.is_not(None)]))]
        above = rung.days
    return []


def barred_from_booking(item: Any, today: date) -> bool:
    """Whether the deployment refuses bookings of this row: 无效 offers only 停用 (S4 §三.1)."""
    return not profile()["reminder"]["invalid_bookable"] and band_of_row(item, today) is Band.INVALID
