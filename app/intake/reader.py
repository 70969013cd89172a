"""Reading a ledger workbook into raw rows, numbered exactly as the spreadsheet shows them.

The header is found by its labels within the first ten rows; column order is free; every visible sheet that
carries the header is read. Values come from python-calamine, formulas from :mod:`app.intake.scan`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.intake.errors import WorkbookRefused
from app.intake.fields import (
    CATEGORY_CODE,
    FIELDS,
    LABELS,
    PROBLEM_LABEL,
    REQUIRED_KEYS,
    ROW_NUMBER_LABEL,
    TEMPLATE_VERSION,
)
from app.intake.scan import SheetMarks, scan_sheet, sheet_parts
from app.intake.text import label_key

MAX_ROWS = 100_000
HEADER_WITHIN = 10
_ENOUGH_LABELS = 4
ERROR_CELL = "#错误值"
_NO_KEYS: frozenset[str] = frozenset()
# Values that hardly repeat would only fill the table of shared strings.
_UNIQUE_KEYS = frozenset(("serial_no", "own_no"))

_KEY_BY_LABEL: dict[str, str] = {
    label_key(label): f.key for f in (*FIELDS, CATEGORY_CODE) for label in (f.label, *f.aliases)
}
_OWN_LABELS = frozenset((label_key(ROW_NUMBER_LABEL), label_key(PROBLEM_LABEL)))


class RawRow(NamedTuple):
    """One filled row. ``number`` as the spreadsheet shows it; ``sheet`` is "" when the file has only one ledger sheet."""

    number: int
    cells: dict[str, Any]
    formula: frozenset[str] = _NO_KEYS
    sheet: str = ""
    position: int = 0
    """Unique over the whole file: equals ``number`` on the first ledger sheet; later sheets add 2**20 each."""


@dataclass(slots=True)
class LedgerSheet:
    """All rows of a workbook. ``columns``: field key → heading as typed; ``unknown_columns``: headings ignored."""

    sheet_name: str
    header_row: int
    columns: dict[str, str]
    rows: list[RawRow]
    sheet_names: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()


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


def read_ledger(path: Path) -> LedgerSheet:
    """Read every ledger sheet of ``path``.

    Raises WorkbookRefused: unreadable file, no header, missing required columns, a column twice, no data
    rows, more than 100,000 rows. Call :func:`app.intake.guard.check_upload` first.
    """
    rows: list[RawRow] = []
    with open_ledger(path) as sheets:
        names = tuple(sheet.name for sheet in sheets)
        for index, sheet in enumerate(sheets):
            _collect(sheet, sheet.name if len(sheets) > 1 else "", index << 20, rows)
        first = sheets[0]
        columns = {key: str(first.header[at]) for key, at in first.indexes.items()}
        unknown = tuple(dict.fromkeys(title for sheet in sheets for title in _unknown(sheet)))
    if not rows:
        raise WorkbookRefused("文件中没有数据行，请在表头下方逐行填写器具信息后再上传。")
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
            raise WorkbookRefused(f"文件超过{MAX_ROWS}行，请拆分成几个文件后分批上传。")
        rows.append(RawRow(number, cells, formula, shown_name, base + number))


def _is_filled(cells: dict[str, Any]) -> bool:
    return any(type(value) is not str or not value.isspace() for value in cells.values())


@contextmanager
def open_ledger(path: Path) -> Iterator[list[FoundSheet]]:
    """Give the ledger sheets of ``path``, rows not yet read."""
    try:
        with zipfile.ZipFile(path) as archive:
            book = _call(CalamineWorkbook.from_path, path)
            try:
                yield _find_sheets(book, archive)
            finally:
                book.close()
    except (zipfile.BadZipFile, OSError) as error:
        raise WorkbookRefused("文件不完整或已损坏，请重新保存为 .xlsx 后再上传。") from error


def _find_sheets(book: CalamineWorkbook, archive: zipfile.ZipFile) -> list[FoundSheet]:
    parts = sheet_parts(archive)
    found: list[FoundSheet] = []
    best: FoundSheet | None = None
    for meta in book.sheets_metadata:
        if meta.typ != SheetTypeEnum.WorkSheet or meta.visible != SheetVisibleEnum.Visible:
            continue
        if parts.get(meta.name) not in archive.NameToInfo:
            continue
        marks = scan_sheet(archive, parts[meta.name], meta.name)
        sheet = _find_header(_call(book.get_sheet_by_name, meta.name), meta.name)
        if sheet is None:
            continue
        sheet.marks = marks
        if len(sheet.indexes) >= _ENOUGH_LABELS:
            found.append(sheet)
        elif best is None or len(sheet.indexes) > len(best.indexes):
            best = sheet
    sheets = found or ([best] if best else [])
    if not sheets:
        raise WorkbookRefused(
            f"前{HEADER_WITHIN}行中没有找到表头，请使用最新模板（版本{TEMPLATE_VERSION}），不要修改表头文字。"
        )
    for sheet in sheets:
        _check_columns(sheet, several=len(sheets) > 1)
    return sheets


def _find_header(sheet: Any, name: str) -> FoundSheet | None:
    """Return the row among the first ten that has the most known labels, None when no row has any."""
    offset = sheet.start[1] if sheet.start else 0
    lines = enumerate(_call(sheet.iter_rows), 1)
    best: FoundSheet | None = None
    waiting: list[tuple[int, list[Any]]] = []
    for number, line in lines:
        waiting.append((number, line))
        indexes = _recognise(line)
        if indexes and (best is None or len(indexes) > len(best.indexes)):
            best = FoundSheet(name, number, line, indexes, offset, lines)
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


def _recognise(line: Sequence[Any]) -> dict[str, int]:
    """Return field key → index for one candidate header row; a repeated column keeps its first place."""
    labels = [label_key(value) for value in line]
    # Guangdong's pair is 种别/种类 where the national form says 项别/种别.
    shifted = "种类" in labels and "种别" in labels
    indexes: dict[str, int] = {}
    for at, label in enumerate(labels):
        key = "level1" if shifted and label == "种别" else _KEY_BY_LABEL.get(label)
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


def _check_columns(sheet: FoundSheet, several: bool) -> None:
    where = f"工作表“{sheet.name}”" if several else "文件"
    twice = [
        str(value).strip()
        for at, value in enumerate(sheet.header)
        if (key := _KEY_BY_LABEL.get(label_key(value)))
        and sheet.indexes.get(key) != at
        and at not in sheet.indexes.values()
    ]
    if twice:
        raise WorkbookRefused(f"{where}中“{'”“'.join(twice)}”列重复，请只保留一列后再上传。")
    needed = set(REQUIRED_KEYS)
    if CATEGORY_CODE.key in sheet.indexes:
        needed -= {"level1", "level2"}
    missing = [LABELS[key] for key in REQUIRED_KEYS if key in needed and key not in sheet.indexes]
    if missing:
        raise WorkbookRefused(f"{where}缺少必填列：{'、'.join(missing)}，请使用最新模板（版本{TEMPLATE_VERSION}）。")


def _call(function: Any, *arguments: Any) -> Any:
    """Call the native reader; turn its errors, including a panic (a BaseException), into a refusal."""
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise WorkbookRefused("无法读取工作簿，请用 Excel 或 WPS 另存为 .xlsx 后再上传。") from error
