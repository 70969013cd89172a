"""Comma-, tab- or semicolon-separated text as one sheet: UTF-8 with or without mark, GB 18030, UTF-16 with mark."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.intake.errors import WorkbookRefused

MAX_FIELD = 32_767
"""Characters in one cell, as in a spreadsheet."""
MAX_LINE = 1 << 20
MAX_COLUMNS = 500
_SAMPLE = 64 * 1024
_SAVE = "请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。"
_NO_CODE = "文件的文字编码无法识别，" + _SAVE
_NO_TABLE = "文件中有过长的一行，不是表格，" + _SAVE
_NO_COLUMNS = "文件中没有用逗号、分号或制表符分隔的列，不是表格，" + _SAVE
_QUOTES = "第{row}行起的引号不成对，" + _SAVE


def decode(data: bytes) -> str:
    """Return the text; raise WorkbookRefused when it holds NUL characters or is in no known encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            raise WorkbookRefused(_NO_CODE)
        return text
    raise WorkbookRefused(_NO_CODE)


def check_text(data: bytes) -> None:
    """Raise WorkbookRefused unless ``data`` is text in columns, in lines of a bearable length."""
    text = decode(data)
    _check_lines(text)
    if not any(mark in text for mark in ",;\t，；"):
        raise WorkbookRefused(_NO_COLUMNS)


def _check_lines(text: str) -> None:
    """No line break for a million characters is no table; looked for by jumps, not line by line."""
    place, length = 0, len(text)
    while length - place > MAX_LINE:
        near = max(text.rfind("\n", place, place + MAX_LINE), text.rfind("\r", place, place + MAX_LINE))
        if near < 0:
            raise WorkbookRefused(_NO_TABLE)
        place = near + 1


def read_text(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield (row number as a spreadsheet shows it, cells); every row is as wide as the widest of the first hundred.

    Raises WorkbookRefused for what is no table.
    """
    text = decode(path.read_bytes())
    _check_lines(text)
    return _rows(text, delimiter_of(text[:_SAMPLE]))


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 0
    waiting: list[list[Any]] = []
    width = 0
    try:
        for row in reader:
            number += 1
            if len(row) > MAX_COLUMNS:
                raise WorkbookRefused(_NO_TABLE)
            if number <= 100:
                waiting.append(row)
                width = max(width, len(row))
                continue
            if waiting:
                yield from _leading(waiting, width)
                waiting = []
            yield number, _padded(row, width, number)
        yield from _leading(waiting, width)
    except csv.Error as error:
        raise WorkbookRefused(_QUOTES.format(row=number + 1)) from error


def _leading(rows: list[list[Any]], width: int) -> Iterator[tuple[int, list[Any]]]:
    for number, row in enumerate(rows, 1):
        yield number, _padded(row, width, number)


def _padded(row: list[Any], width: int, number: int) -> list[Any]:
    if len(row) < width:
        row += [""] * (width - len(row))
    # an opening quote without its end swallows the rest of the file into one cell
    if any(len(cell) > MAX_FIELD for cell in row):
        raise WorkbookRefused(_QUOTES.format(row=number))
    return row


def delimiter_of(sample: str) -> str:
    """Return the character that splits the first lines most evenly; the comma when none does."""
    lines = [line for line in _outside_quotes(sample).splitlines() if line.strip()][:30]
    best, best_score = ",", 0.0
    for mark in (",", "\t", ";", "，", "|"):
        counts = [line.count(mark) for line in lines]
        most = max(counts, default=0)
        if not most:
            continue
        score = most * sum(1 for count in counts if count == most) / len(counts)
        if score > best_score:
            best, best_score = mark, score
    return best


def _outside_quotes(sample: str) -> str:
    return "".join(part for at, part in enumerate(sample.split('"')) if at % 2 == 0)
