"""Reading a ledger workbook into raw rows, numbered exactly as the spreadsheet shows them.

The header is found by its labels within the first ten rows; column order is free; every visible sheet that
carries the header is read. Values come from :mod:`app.intake.formats`. This is the way of our own template and of
files made like it; a workbook of the enterprise's own making goes through :mod:`app.intake.own_book`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from app.intake.errors import WorkbookRefused
from app.intake.fields import (
    CATEGORY_CODE,
    FIELDS,
    PROBLEM_LABEL,
    ROW_NUMBER_LABEL,
    TEMPLATE_VERSION,
    Field,
    heading_keys,
)
from app.intake.formats import BookSheet, Line, open_sheets
from app.intake.scan import SheetMarks
from app.intake.text import label_key

MAX_ROWS = 100_000
HEADER_WITHIN = 10
_ENOUGH_LABELS = 4
_EVIDENT_LABELS = 12
ERROR_CELL = "#错误值"
NO_ROWS = "文件中没有数据行，请在表头下方逐行填写器具信息后再上传。"
TOO_MANY = "文件超过{most}行，请拆分成几个文件后分批上传。"
_NO_KEYS: frozenset[str] = frozenset()
# Values that hardly repeat would only fill the table of shared strings.
_UNIQUE_KEYS = frozenset(("serial_no", "own_no"))

_OWN_LABELS = frozenset((label_key(ROW_NUMBER_LABEL), label_key(PROBLEM_LABEL)))


class NotOurTemplate(WorkbookRefused):
    """The headings are not those of the template. ``evident``: so many are that it can only be a spoilt template."""

    evident = False


class RawRow(NamedTuple):
    """One filled row. ``number`` as the spreadsheet shows it; ``sheet`` is "" when the file has only one ledger sheet."""

    number: int
    cells: dict[str, Any]
    formula: frozenset[str] = _NO_KEYS
    sheet: str = ""
    position: int = 0
    """Unique over the whole file: equals ``number`` on the first ledger sheet; later sheets add 2**20 each."""


class SkippedRow(NamedTuple):
    """A filled row of an enterprise's own workbook that is no instrument: a total, a note, a heading once more."""

    number: int
    text: str
    reason: str
    sheet: str = ""


@dataclass(slots=True)
class LedgerSheet:
    """All rows of a workbook. ``columns``: field key → heading as typed; ``unknown_columns``: headings ignored."""

    sheet_name: str
    header_row: int
    columns: dict[str, str]
    rows: list[RawRow]
    sheet_names: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()
    skipped: tuple[SkippedRow, ...] = ()


@dataclass(slots=True)
class FoundSheet:
    """A sheet whose header was found; ``lines`` yields (row number, all cell values) below the header."""

    name: str
    header_row: int
    header: list[Any]
    indexes: dict[str, int]
    offset: int
    lines: Iterator[tuple[int, list[Any]]]
    marks: SheetMarks = field(default_factory=SheetMarks)


def read_ledger(path: Path, fields: Sequence[Field] = FIELDS) -> LedgerSheet:
    """Read every ledger sheet of ``path``, whose headings are those of ``fields`` or their aliases.

    Raises WorkbookRefused: unreadable file, no data rows, more than 100,000 rows; NotOurTemplate: no header, missing
    required columns, a column twice. Call :func:`app.intake.guard.check_upload` first.
    """
    rows: list[RawRow] = []
    with open_ledger(path, fields) as sheets:
        names = tuple(sheet.name for sheet in sheets)
        for index, sheet in enumerate(sheets):
            _collect(sheet, sheet.name if len(sheets) > 1 else "", index << 20, rows)
        first = sheets[0]
        columns = {key: str(first.header[at]) for key, at in first.indexes.items()}
        unknown = tuple(dict.fromkeys(title for sheet in sheets for title in _unknown(sheet)))
    if not rows:
        raise WorkbookRefused(NO_ROWS)
    return LedgerSheet(first.name, first.header_row, columns, rows, names, unknown)


def _collect(sheet: FoundSheet, shown_name: str, base: int, rows: list[RawRow]) -> None:
    plan = [(key, at, key not in _UNIQUE_KEYS) for key, at in sheet.indexes.items()]
    formulas, errors = sheet.marks.formulas, sheet.marks.errors
    shared: dict[str, str] = {}
    share = shared.setdefault
    for number, line in sheet.lines:
        cells: dict[str, Any] = {}
        for key, at, repeats in plan:
            value = line[at]
            if value != "":
                cells[key] = share(value, value) if repeats and type(value) is str else value
        formula = _NO_KEYS
        if number in formulas:
            formula = frozenset(key for key, at, _ in plan if at + sheet.offset in formulas[number])
        if number in errors:
            cells.update({key: ERROR_CELL for key, at, _ in plan if at + sheet.offset in errors[number]})
        if not formula and not _is_filled(cells):
            continue
        if len(rows) >= MAX_ROWS:
            raise WorkbookRefused(TOO_MANY.format(most=MAX_ROWS))
        rows.append(RawRow(number, cells, formula, shown_name, base + number))


def _is_filled(cells: dict[str, Any]) -> bool:
    return any(type(value) is not str or not value.isspace() for value in cells.values())


@contextmanager
def open_ledger(path: Path, fields: Sequence[Field] = FIELDS) -> Iterator[list[FoundSheet]]:
    """Give the ledger sheets of ``path``, rows not yet read."""
    with open_sheets(path) as sheets:
        yield _find_sheets(sheets, tuple(fields))


def _find_sheets(sheets: Iterable[BookSheet], fields: tuple[Field, ...]) -> list[FoundSheet]:
    keys = _keys_by_label(fields)
    found: list[FoundSheet] = []
    best: FoundSheet | None = None
    for book_sheet in sheets:
        sheet = _find_header(book_sheet, keys)
        if sheet is None:
            continue
        if len(sheet.indexes) >= _ENOUGH_LABELS:
            found.append(sheet)
        elif best is None or len(sheet.indexes) > len(best.indexes):
            best = sheet
    ledgers = found or ([best] if best else [])
    if not ledgers:
        raise NotOurTemplate(
            f"前{HEADER_WITHIN}行中没有找到表头，请使用最新模板（版本{TEMPLATE_VERSION}），不要修改表头文字。"
        )
    for sheet in ledgers:
        _check_columns(sheet, fields, keys, several=len(ledgers) > 1)
    return ledgers


@lru_cache(maxsize=16)
def _keys_by_label(fields: tuple[Field, ...]) -> dict[str, str]:
    return heading_keys(fields)


def _find_header(book_sheet: BookSheet, keys: Mapping[str, str]) -> FoundSheet | None:
    """Return the row among the first ten that has the most known labels, None when no row has any."""
    lines = book_sheet.lines
    best: FoundSheet | None = None
    waiting: list[Line] = []
    for number, line in lines:
        waiting.append((number, line))
        indexes = _recognise(line, keys)
        if indexes and (best is None or len(indexes) > len(best.indexes)):
            best = FoundSheet(book_sheet.name, number, line, indexes, book_sheet.offset, lines, book_sheet.marks)
        if number >= HEADER_WITHIN:
            break
    if best is not None:
        best.lines = _chain(waiting[best.header_row :], lines)
    return best


def _chain(
    first: list[tuple[int, list[Any]]], rest: Iterator[tuple[int, list[Any]]]
) -> Iterator[tuple[int, list[Any]]]:
    yield from first
    yield from rest


def _recognise(line: Sequence[Any], keys: Mapping[str, str]) -> dict[str, int]:
    """Return field key → index for one candidate header row; a repeated column keeps its first place."""
    labels = [label_key(value) for value in line]
    # Guangdong's pair is 种别/种类 where the national form says 项别/种别.
    shifted = "种类" in labels and "种别" in labels
    indexes: dict[str, int] = {}
    for at, label in enumerate(labels):
        key = "level1" if shifted and label == "种别" else keys.get(label)
        if key is not None:
            indexes.setdefault(key, at)
    return indexes


def _unknown(sheet: FoundSheet) -> list[str]:
    used = set(sheet.indexes.values())
    return [
        str(value).strip()
        for at, value in enumerate(sheet.header)
        if at not in used and str(value).strip() and label_key(value) not in _OWN_LABELS
    ]


def _check_columns(sheet: FoundSheet, fields: tuple[Field, ...], keys: Mapping[str, str], several: bool) -> None:
    where = f"工作表“{sheet.name}”" if several else "文件"
    twice = [
        str(value).strip()
        for at, value in enumerate(sheet.header)
        if (key := keys.get(label_key(value))) and sheet.indexes.get(key) != at and at not in sheet.indexes.values()
    ]
    if twice:
        raise _not_ours(sheet, f"{where}中“{'”“'.join(twice)}”列重复，请只保留一列后再上传。")
    coded = CATEGORY_CODE.key in sheet.indexes
    missing = [
        field.label
        for field in fields
        if field.required and field.key not in sheet.indexes and not (coded and field.key in {"level1", "level2"})
    ]
    if missing:
        raise _not_ours(sheet, f"{where}缺少必填列：{'、'.join(missing)}，请使用最新模板（版本{TEMPLATE_VERSION}）。")


def _not_ours(sheet: FoundSheet, sentence: str) -> NotOurTemplate:
    refusal = NotOurTemplate(sentence)
    refusal.evident = len(sheet.indexes) >= _EVIDENT_LABELS
    return refusal
