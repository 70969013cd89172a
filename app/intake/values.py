"""One cell → one value. Every function returns the value or raises :class:`BadCell` with the cure.

Sentences here carry no row number; :mod:`app.intake.rules` puts 第{n}行 before them.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from app.intake.fields import Field
from app.intake.reader import ERROR_CELL
from app.intake.reference import DivisionRef, ReferenceTables, is_county_like
from app.intake.text import clean, fold, half_width

_DATE = re.compile(
    r"(\d{4})(?:([-./])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})[日号]?|(\d{2})(\d{2}))(?:[ T]0?0:00(?::00)?)?"
)
_CODE = re.compile(r"\d{6}(?:\d{3}|\d{6})?")
_CODE_IN_BRACKETS = re.compile(r".*\[(\d{6}|\d{9}|\d{12})\]")
_ERROR_TEXTS = frozenset((ERROR_CELL, "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"))
# Beyond 15 digits a spreadsheet number has already been rounded: the typed digits are gone.
_EXACT_BELOW = 10**15
_MAX_QUANTITY = 1_000_000
_FIRST_YEAR, _LAST_YEAR = 1900, 2099


class BadCell(Exception):
    """A cell that cannot be taken; the argument is the Chinese sentence."""


def shown(value: Any) -> str:
    """Return ``value`` as quoted in a sentence, shortened to 40 characters."""
    text = clean(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:40] + "…"


def parse_text(field: Field, cell: Any) -> str:
    """Return clean text of at most ``field.max_length`` characters; 30011.0 becomes "30011"."""
    if type(cell) is str:
        text = clean(cell)
        if text in _ERROR_TEXTS:
            raise BadCell(f"“{field.label}”单元格含错误值，请改填正确内容。")
    else:
        text = _number_text(field.label, cell)
    if len(text) > field.max_length:
        raise BadCell(f"“{field.label}”超过{field.max_length}字（现有{len(text)}字），请缩短。")
    return text


def _number_text(label: str, cell: Any) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, (int, float)):
        if abs(cell) >= _EXACT_BELOW:
            raise BadCell(f"“{label}”是超过15位的数值，尾数已失真，请把单元格设为文本格式后重新填写。")
        return str(int(cell)) if cell == int(cell) else repr(cell)
    raise BadCell(f"“{label}”单元格是日期或时间格式，请设为文本格式后重新填写。")


def parse_date(field: Field, cell: Any) -> dt.date | None:
    """Return the date of a date cell or of 2027-03-14, 2027.03.14, 2027/3/14, 20270314, 2027年3月14日."""
    if isinstance(cell, dt.datetime):
        return _in_range(field, cell.date(), cell)
    if isinstance(cell, dt.date):
        return _in_range(field, cell, cell)
    if type(cell) is str:
        text = half_width(clean(cell))
        if not text:
            return None
    elif isinstance(cell, (int, float)) and not isinstance(cell, bool) and cell == cell // 1:
        text = str(int(cell))
    else:
        raise _bad_date(field, cell)
    match = _DATE.fullmatch(text.replace(" ", "") if "年" in text else text)
    if not match:
        raise _bad_date(field, cell)
    year, _, m1, d1, m2, d2, m3, d3 = match.groups()
    try:
        value = dt.date(int(year), int(m1 or m2 or m3), int(d1 or d2 or d3))
    except ValueError:
        raise _bad_date(field, cell) from None
    return _in_range(field, value, cell)


def _in_range(field: Field, value: dt.date, cell: Any) -> dt.date:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise _bad_date(field, cell)
    return value


def _bad_date(field: Field, cell: Any) -> BadCell:
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else shown(cell)
    return BadCell(f"“{field.label}”填写的“{text}”不是有效日期，请按 2027-03-14 的格式填写。")


def parse_quantity(field: Field, cell: Any) -> int:
    """Return a whole number ≥ 1; a blank counts as 1 (the form's default)."""
    if type(cell) is str:
        text = half_width(clean(cell))
        if not text:
            return 1
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
    elif isinstance(cell, (int, float)) and not isinstance(cell, bool) and abs(cell) < _EXACT_BELOW:
        number = int(cell) if cell == int(cell) else 0
    else:
        number = 0
    if not 1 <= number <= _MAX_QUANTITY:
        text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else shown(cell)
        raise BadCell(f"“{field.label}”填写的“{text}”不是大于0的整数，请填写阿拉伯数字，例如 1。")
    return number


def parse_choice(field: Field, cell: Any, coded: bool) -> str | None:
    """Return the stored value of a closed list; ``coded`` templates take only the numbers of the list."""
    text = parse_text(field, cell)
    if not text:
        return None
    folded = fold(text)
    for choice in field.choices:
        if coded:
            if folded == choice.code:
                return choice.value
        elif folded == choice.label or folded in choice.aliases:
            return choice.value
    if coded:
        listed = "，".join(f"{c.code}.{c.label}" for c in sorted(field.choices, key=lambda c: c.code))
        raise BadCell(f"{field.label}代码只能为数字：{listed}，请检查确认！")
    raise BadCell(f"{field.label}须为{'、'.join(c.label for c in field.choices)}之一。")


def parse_division(field: Field, cell: Any, ref: ReferenceTables) -> str:
    """Return a county code (or that of a city without counties); a street code gives its county."""
    text = half_width(parse_text(field, cell))
    if not text:
        return ""
    bracketed = _CODE_IN_BRACKETS.fullmatch(text)
    code = bracketed.group(1) if bracketed else text
    if not _CODE.fullmatch(code) or not code.isascii():
        raise _not_a_code(field, text, ref)
    division = ref.divisions.get(code[:6])
    if division is None:
        raise BadCell(f"{field.label}“{shown(text)}”不存在，请对照《行政区划信息》填写6位区县级代码。")
    if is_county_like(division):
        return division.code
    if division.level == "city":
        # Quoted from the Guangdong manual, mark and all.
        raise BadCell(f"{field.label}【{division.code}】是属于市级代码，使用区域须填最后两位不是“00”的区县级代码！")
    raise BadCell(f"{field.label}【{division.code}】是属于省级代码，请填写6位区县级代码，见《行政区划信息》。")


def _not_a_code(field: Field, text: str, ref: ReferenceTables) -> BadCell:
    named: tuple[DivisionRef, ...] = ref.counties_by_name.get(text, ())
    if len(named) == 1:
        return BadCell(f"{field.label}须填6位数字代码，“{shown(text)}”请改填 {named[0].code}。")
    return BadCell(f"{field.label}“{shown(text)}”不是6位数字代码，请对照《行政区划信息》填写，例如 440103。")


def parse_institute(field: Field, cell: Any, ref: ReferenceTables) -> str:
    """Return the name of an institute that the platform knows, as typed."""
    text = parse_text(field, cell)
    if text and fold(text) not in ref.institutes:
        raise BadCell(f"“{field.label}”填写的“{shown(text)}”没有在平台登记，请填写登记的技术机构全称。")
    return text
