"""Workbooks written for the user: the template and the error workbook.

The error workbook holds the refused rows as they were typed, the row number before them and the problems
behind them; corrected, it can be imported as it is, for the reader knows and ignores both columns.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from app.intake.fields import LABELS, PROBLEM_LABEL, ROW_NUMBER_LABEL
from app.intake.plan import REFUSED, PlannedRow
from app.intake.reader import FoundSheet, RawRow, open_ledger
from app.intake.rules import ERROR, Problem, row_prefix
from app.intake.template import write_template
from app.intake.text import label_key

__all__ = ["write_error_workbook", "write_template"]

if not openpyxl.DEFUSEDXML:  # openpyxl does not guard against entity expansion by itself
    raise RuntimeError("openpyxl must run with defusedxml installed")

_ERROR_FILL = PatternFill("solid", fgColor="F8CBAD")
_WARNING_FILL = PatternFill("solid", fgColor="FFF2CC")
_HEADER_FONT = Font(bold=True)
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_OWN = frozenset((label_key(ROW_NUMBER_LABEL), label_key(PROBLEM_LABEL)))
_MAX_CELL = 32_767


def write_error_workbook(source: Path | Sequence[RawRow], planned: Iterable[PlannedRow], out: Path) -> int:
    """Write the refused rows of ``planned`` to ``out``; return how many there are.

    ``source`` is the uploaded file (all its columns are kept, also unknown ones) or its raw rows (known columns
    only). Rows with warnings alone were taken and are left out; warnings of refused rows are marked too.
    """
    refused = {(row.sheet, row.number): row for row in planned if row.outcome == REFUSED}
    book = openpyxl.Workbook(write_only=True)
    if isinstance(source, Path):
        with open_ledger(source) as sheets:
            for sheet in sheets:
                shown = sheet.name if len(sheets) > 1 else ""
                _write_sheet(book, sheet.name, *_from_file(sheet), refused, shown)
    else:
        for shown in dict.fromkeys(row.sheet for row in source) or ("",):
            rows = [row for row in source if row.sheet == shown]
            keys = [key for key in LABELS if any(key in row.cells or key in row.formula for row in rows)]
            lines = ((row.number, [row.cells.get(key, "") for key in keys]) for row in rows)
            _write_sheet(
                book,
                shown or "器具信息",
                [LABELS[key] for key in keys],
                {key: at for at, key in enumerate(keys)},
                lines,
                refused,
                shown,
            )
    book.save(out)
    return len(refused)


def _from_file(sheet: FoundSheet) -> tuple[list[Any], dict[str, int], Iterator[tuple[int, list[Any]]]]:
    """Return heading, key → index and lines without the two columns of an earlier error workbook."""
    kept = [at for at, label in enumerate(sheet.header) if label_key(label) not in _OWN]
    places = {at: place for place, at in enumerate(kept)}
    lines = ((number, [line[at] for at in kept]) for number, line in sheet.lines)
    return [sheet.header[at] for at in kept], {key: places[at] for key, at in sheet.indexes.items()}, lines


def _write_sheet(
    book: Any,
    title: str,
    header: list[Any],
    indexes: dict[str, int],
    lines: Iterator[tuple[int, list[Any]]],
    refused: dict[tuple[str, int], PlannedRow],
    shown: str,
) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    sheet.column_dimensions["A"].width = 8
    for index in range(2, len(header) + 2):
        sheet.column_dimensions[get_column_letter(index)].width = 16
    sheet.column_dimensions[get_column_letter(len(header) + 2)].width = 60
    sheet.append([_styled(sheet, label, _HEADER_FONT) for label in (ROW_NUMBER_LABEL, *header, PROBLEM_LABEL)])
    for number, line in lines:
        row = refused.get((shown, number))
        if row is not None:
            sheet.append(_error_line(sheet, row, line, indexes))


def _error_line(sheet: Any, row: PlannedRow, line: list[Any], indexes: dict[str, int]) -> list[Any]:
    cells: list[Any] = [row.number, *(_plain(sheet, value) for value in line)]
    by_place: dict[int, list[Problem]] = {}
    for problem in row.problems:
        if problem.column in indexes:
            by_place.setdefault(indexes[problem.column], []).append(problem)
    for place, problems in by_place.items():
        cell = _text_cell(sheet, line[place])
        worst = any(problem.severity == ERROR for problem in problems)
        cell.fill = _ERROR_FILL if worst else _WARNING_FILL
        cell.comment = Comment("\n".join(_without_row(row, problem) for problem in problems), PROBLEM_LABEL)
        cells[place + 1] = cell
    told = _text_cell(sheet, "\n".join(_without_row(row, problem) for problem in row.problems))
    told.alignment = _WRAPPED
    return [*cells, told]


def _without_row(row: PlannedRow, problem: Problem) -> str:
    """Drop 第{n}行：; in this workbook the row stands elsewhere, its old number is in the first column."""
    return problem.message.removeprefix(row_prefix(row.number, row.sheet))


def _styled(sheet: Any, value: Any, font: Font) -> Any:
    cell = _text_cell(sheet, value)
    cell.font = font
    return cell


def _plain(sheet: Any, value: Any) -> Any:
    """Return ``value`` for the sheet: bare where that is safe and quick, as a text cell where it could act."""
    if type(value) is str and (
        value[:1] == "=" or not value.isprintable() or len(value) > _MAX_CELL or value.startswith("#")
    ):
        return _text_cell(sheet, value)
    if isinstance(value, dt.date):
        return _text_cell(sheet, value)
    return value if value != "" else None


def _text_cell(sheet: Any, value: Any) -> Any:
    """Return a cell that no spreadsheet runs: text stays text even when it begins with an equals sign."""
    if isinstance(value, dt.datetime) or not isinstance(value, (str, dt.date)):
        return WriteOnlyCell(sheet, value=value)
    if isinstance(value, dt.date):
        cell = WriteOnlyCell(sheet, value=value)
        cell.number_format = "yyyy-mm-dd"
        return cell
    text = ILLEGAL_CHARACTERS_RE.sub("", value)[:_MAX_CELL]
    cell = WriteOnlyCell(sheet, value=text or None)
    if text:
        cell.data_type = "s"
    return cell
