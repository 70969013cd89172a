"""Rows out as xlsx or CSV, streamed: memory stays flat whatever the number of rows.

Text never becomes a formula. In xlsx the cell type says "text"; in CSV there are no
types, so text that a spreadsheet would run gets a leading apostrophe (OWASP, "CSV
Injection"), which `strip_guard` takes off again on re-import. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from rustpy_xlsxwriter import Format, write_worksheet

MAX_ROWS = 1_048_575  # Excel's 1,048,576 less the heading
MAX_TEXT = 32_767  # characters in one cell
CUT_MARK = "…（内容过长，已截断）"
LOCAL_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")  # China keeps no summer time
_EXACT = 10**15  # a spreadsheet keeps 15 digits; longer numbers must be text
_GUARDED = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_FIRST = frozenset("'=+-@\t\r\n＝＋－＠")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SAMPLE = 50  # rows looked at for the column widths


def write_rows(
    out_path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    sheet_name: str = "器具信息",
) -> int:
    """Write one sheet with a heading row; returns the number of data rows.

    `rows` may be a generator and is read once. Dates and naive or aware datetimes
    become real dates (aware ones in China Standard Time), numbers numbers.
    The file appears only when complete: an error, also one raised by `rows`,
    leaves nothing at `out_path`. Raises ValueError for doubled column names, for a
    row of the wrong length and for more rows than a sheet can hold.
    """
    if len(set(columns)) != len(columns):
        raise ValueError("导出的列名有重复，请修改列设置后重新导出。")
    target = Path(out_path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    source = iter(rows)
    sample = [tuple(row) for row in islice(source, _SAMPLE)]
    counter = _Records(columns, chain(sample, source))
    header = Format().set_bold().set_background_color("#EEF2F7").set_border_bottom("thin")
    try:
        with partial.open("wb") as out:
            write_worksheet(
                iter(counter),
                out,
                sheet_name=sheet_name,
                freeze_row=1,
                autofilter=True,
                datetime_format="yyyy-mm-dd hh:mm:ss",
                header_format=header,
                column_widths=widths(columns, sample),
                ignore_errors=list(columns),
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return counter.count


class _Records:
    """Rows as the mappings the writer wants, counted on the way."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self.columns = list(columns)
        self.rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        width = len(self.columns)
        plain_dates: set[int] = set()
        settled: set[int] = set()
        for row in self.rows:
            self.count += 1
            if self.count > MAX_ROWS:
                raise ValueError(f"一个工作表最多容纳 {MAX_ROWS:,} 行，请缩小筛选范围后分次导出。")
            if len(row) != width:
                raise ValueError(f"第 {self.count} 行有 {len(row)} 列，应为 {width} 列。")
            # nearly every cell is short, printable text: it is taken as it is, without a call for each
            cells = [
                value if type(value) is str and len(value) <= MAX_TEXT and value.isprintable() else _cell(value)
                for value in row
            ]
            for index, cell in enumerate(cells):
                if type(cell) is not str and isinstance(cell, date):
                    cells[index] = _keep_time(index, cell, plain_dates, settled)
            yield dict(zip(self.columns, cells, strict=True))
        if not self.count:
            # The writer takes the heading from the first record; empty cells leave no trace.
            yield dict.fromkeys(self.columns)


def _keep_time(index: int, cell: date, plain_dates: set[int], settled: set[int]) -> date | str:
    """The writer fixes a column's type at its first date and then cuts times off in silence."""
    if index not in settled:
        settled.add(index)
        if not isinstance(cell, datetime):
            plain_dates.add(index)
    if isinstance(cell, datetime) and index in plain_dates:
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    return cell


def _cell(value: Any) -> Any:
    """A value the writer keeps without loss: text, number, truth value, date or None."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        exact = value.is_finite() and len(value.as_tuple().digits) <= 15
        return float(value) if exact else str(value)
    if isinstance(value, datetime):
        value = _local(value)
    if isinstance(value, date):
        # Excel's calendar begins in 1900; earlier days can only be text.
        return value if value.year >= 1900 else value.isoformat()
    return _text(str(value))


def _local(moment: datetime) -> datetime:
    return moment.astimezone(LOCAL_TIME).replace(tzinfo=None) if moment.tzinfo else moment


def _text(value: str) -> str:
    value = _UNWRITABLE.sub("", value)
    return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - len(CUT_MARK)] + CUT_MARK


def widths(columns: Sequence[str], sample: Sequence[Sequence[Any]]) -> list[float]:
    """Widths in characters that suit the heading and the first rows."""
    widths = [float(_breadth(column) + 4) for column in columns]
    for row in sample:
        for index, value in enumerate(row[: len(widths)]):
            breadth = 19 if isinstance(value, datetime) else 0 if value is None else _breadth(str(value)[:60])
            widths[index] = max(widths[index], float(min(breadth + 2, 44)))
    return widths


def _breadth(value: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in value)


def csv_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Lines of a CSV file in UTF-8 with byte order mark, the heading first.

    The first piece is yielded before `rows` is touched, so a download starts at once.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([guard(column) for column in columns])
    yield b"\xef\xbb\xbf" + _drain(buffer)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])
        yield _drain(buffer)


def _drain(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode("utf-8", errors="replace")
    buffer.seek(0)
    buffer.truncate()
    return data


def _csv_cell(value: Any) -> Any:
    if type(value) is str:
        return guard(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, (int, float, Decimal)):
        return value
    if isinstance(value, datetime):
        return _local(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return guard(str(value))


def guard(value: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    if value[:1] not in _FIRST:
        return value
    return "'" + value if _GUARDED.match(value) else value


def strip_guard(value: str) -> str:
    """Undo `guard`: for every text t, strip_guard(guard(t)) == t."""
    return value[1:] if value.startswith("'") and _GUARDED.match(value, 1) else value
