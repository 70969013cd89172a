"""Dates as enterprises write them. ``exact_date`` takes what can mean one day only, ``likely_date`` what probably does."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Any

from app.intake.text import clean, half_width

FIRST_YEAR, LAST_YEAR = 1950, 2099
# Excel counts days from here, its mistaken 1900-02-29 included
_EPOCH = dt.date(1899, 12, 30)
_SERIALS = range(18_264, 73_051)  # 1950-01-01 … 2099-12-31

_PARTS = re.compile(r"(\d{4})\s*[-./,、年\\_~]\s*(\d{1,2})\s*[-./,、月\\_~]\s*(\d{1,2})\s*[日号]?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_AFTER = re.compile(r"[\sT]*(?:[012]?\d[:时]\d{1,2}(?:[:分]\d{1,2}(?:\.\d+)?秒?)?)?[.,;。]?")
_SPAN = re.compile(r"(.+?)\s*(?:至|到|~|—|--|——)\s*(\d.+)")
_AROUND = re.compile(r"^(?:有效期?|检定日?期?)?(?:截?至|到|于|[:：])|(?:止|前|前有效|到期|有效|检定|之前)$")
_SHORT = re.compile(r"(\d{2})[-./年](\d{1,2})[-./月](\d{1,2})日?")
_SIX = re.compile(r"(\d{2})(\d{2})(\d{2})")
_MONTH = re.compile(r"(\d{4})[-./年](\d{1,2})月?")
_DAY_FIRST = re.compile(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})")
_WORDS = str.maketrans("〇零○Ｏ一二三四五六七八九", "0000123456789")
_DIGITS = re.compile(r"\d{4}年?[0-9十]{1,3}月[0-9十]{1,3}[日号]")


def exact_date(value: Any) -> dt.date | None:
    """Return the day of a date, a serial number or a text with year, month and day; None for anything else.

    Takes 2025.07.12, 20250712, 2025年7月12日, 2025/7/12 00:00, 2025. 7. 12., ２０２５-０７-１２ and 45850.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _from_number(value)
    if not isinstance(value, str):
        return None
    text = half_width(clean(value)).strip("'\"")
    match = _PARTS.match(text) or _COMPACT.match(text)
    if match and _AFTER.fullmatch(text[match.end() :]):
        return _day(*match.groups())
    return _from_number(float(text)) if re.fullmatch(r"\d{5}(?:\.0*)?", text) else None


def _from_number(value: float) -> dt.date | None:
    if value != value or abs(value) > 30_000_000:
        return None
    whole = int(value)
    if whole in _SERIALS:
        return _EPOCH + dt.timedelta(days=whole)
    if value == whole and 19_500_101 <= whole <= 20_991_231:
        text = str(whole)
        return _day(text[:4], text[4:6], text[6:])
    return None


def _day(year: str, month: str, day: str) -> dt.date | None:
    try:
        found = dt.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def likely_date(value: Any, end: bool = False) -> dt.date | None:
    """Return the day that ``value`` most likely means.

    ``end`` (for a validity) takes the last day of a month, of a span its end, and the last day of a month that is too
    short (2027.02.30); otherwise the first ones.
    """
    sure = exact_date(value)
    if sure is not None or not isinstance(value, str):
        return sure
    text = _AROUND.sub("", _chinese(half_width(clean(value)).replace(" ", "")))
    span = _SPAN.fullmatch(text)
    if span and (found := likely_date(span.group(2) if end else span.group(1), end)):
        return found
    if found := exact_date(text):
        return found
    for pattern in (_SHORT, _SIX):
        if match := pattern.fullmatch(text):
            return _day("20" + match.group(1), match.group(2), match.group(3))
    if match := _DAY_FIRST.fullmatch(text):
        first, second, year = match.groups()
        return _day(year, second, first) if int(first) > 12 else _day(year, first, second)
    if match := _MONTH.fullmatch(text):
        return _in_month(int(match.group(1)), int(match.group(2)), 31 if end else 1)
    if match := _PARTS.match(text) or _COMPACT.match(text):
        year, month, day = (int(part) for part in match.groups())
        return _day(str(year), str(month), str(day)) or (_in_month(year, month, day) if 28 < day <= 31 else None)
    return None


def _in_month(year: int, month: int, day: int) -> dt.date | None:
    if not (FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12):
        return None
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _chinese(text: str) -> str:
    """Turn 二〇二五年七月十二日 into 2025年7月12日; other texts stay."""
    figures = text.translate(_WORDS)
    if not _DIGITS.fullmatch(figures):
        return text
    figures = re.sub(r"(\d)十(\d)", r"\1\2", figures)
    figures = re.sub(r"(\d)十", r"\g<1>0", figures)
    return re.sub(r"十(\d)", r"1\1", figures).replace("十", "10")


def add_months(day: dt.date, months: int) -> dt.date:
    """Return the day ``months`` later, the last of the month where that is shorter."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return _clamped(years, month + 1, day.day)


def _clamped(year: int, month: int, day: int) -> dt.date:
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))


_CYCLE = re.compile(r"(\d{1,2}|半|一|两|二|三|四|五|六)\s*个?\s*(月|年)?")
_COUNT = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6}


def months_of(value: Any, unit: str = "") -> int:
    """Return the months of a 检定周期: 12, 12个月, 1年, 半年; ``unit`` (月 or 年) is that of the heading. 0 when none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1 and 0 < value <= 120:
        return int(value) * (12 if unit == "年" else 1)
    match = _CYCLE.fullmatch(half_width(clean(value))) if isinstance(value, str) else None
    if not match:
        return 0
    count, word = match.groups()
    word = word or unit or ("年" if count in _COUNT else "月")
    if count == "半":
        return 6 if word == "年" else 0
    number = _COUNT.get(count) or int(count)
    return number * (12 if word == "年" else 1)
