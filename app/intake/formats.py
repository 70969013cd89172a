"""One face for the files a ledger may come in: .xlsx, .xls and .csv, told apart by content.

Every format gives sheets of numbered lines; what only .xlsx knows (formulas, error cells) is empty for the others.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from app.intake.delimited import read_text
from app.intake.errors import WorkbookRefused
from app.intake.old_excel import Merge, read_xls
from app.intake.ole import SIGNATURE
from app.intake.scan import SheetMarks, scan_sheet, sheet_parts

XLSX, XLS, CSV = "xlsx", "xls", "csv"
LEDGER_KINDS = frozenset((XLSX, XLS, CSV))
Line = tuple[int, list[Any]]


def _no_merges() -> list[Merge]:
    return []


@dataclass(slots=True)
class BookSheet:
    """A visible sheet. ``lines`` gives (row number, cells) once; ``offset`` is the column of the first cell.

    ``merges`` are ((row, column), (row, column)) from 0, over the whole sheet; asked for only when needed.
    """

    name: str
    lines: Iterator[Line]
    offset: int = 0
    marks: SheetMarks = field(default_factory=SheetMarks)
    merges: Callable[[], list[Merge]] = _no_merges


def kind_of(path: Path) -> str:
    """Return the format by the first bytes; the guard has already refused what is none of the three."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(b"PK\x03\x04"):
        return XLSX
    return XLS if head == SIGNATURE else CSV


@contextmanager
def open_sheets(path: Path) -> Iterator[Iterator[BookSheet]]:
    """Give the visible sheets of ``path`` one after the other. Raises WorkbookRefused for what cannot be read."""
    kind = kind_of(path)
    if kind == XLS:
        yield (
            BookSheet(name, iter(list(enumerate(rows, 1))), start, merges=lambda found=merges: found)  # type: ignore[misc]
            for name, start, merges, rows in read_xls(path)
        )
    elif kind == CSV:
        yield iter([BookSheet("", read_text(path))])
    else:
        with _open_xlsx(path) as sheets:
            yield sheets


@contextmanager
def _open_xlsx(path: Path) -> Iterator[Iterator[BookSheet]]:
    try:
        with zipfile.ZipFile(path) as archive:
            book = native(CalamineWorkbook.from_path, path)
            try:
                yield _xlsx_sheets(book, archive)
            finally:
                book.close()
    except (zipfile.BadZipFile, OSError) as error:
        raise WorkbookRefused("文件不完整或已损坏，请重新保存为 .xlsx 后再上传。") from error


def _xlsx_sheets(book: CalamineWorkbook, archive: zipfile.ZipFile) -> Iterator[BookSheet]:
    parts = sheet_parts(archive)
    for meta in book.sheets_metadata:
        if meta.typ != SheetTypeEnum.WorkSheet or meta.visible != SheetVisibleEnum.Visible:
            continue
        if parts.get(meta.name) not in archive.NameToInfo:
            continue
        # before the values: the reader allocates the whole rectangle a sheet claims
        marks = scan_sheet(archive, parts[meta.name], meta.name)
        sheet = native(book.get_sheet_by_name, meta.name)
        yield BookSheet(
            meta.name,
            enumerate(native(sheet.iter_rows), 1),
            sheet.start[1] if sheet.start else 0,
            marks,
            lambda sheet=sheet: native(lambda: sheet.merged_cell_ranges) or [],  # type: ignore[misc]
        )


def native(function: Any, *arguments: Any) -> Any:
    """Call the native reader; turn its errors, including a panic (a BaseException), into a refusal."""
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise WorkbookRefused("无法读取工作簿，请用 Excel 或 WPS 另存为 .xlsx 后再上传。") from error
