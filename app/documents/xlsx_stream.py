"""A long list out as xlsx from text that PostgreSQL has put together: no Python object per cell, memory flat.

The database writes each row as one text in which four control characters say what a cell is (`TEXT` … `END_TEXT` and
`NUMBER` … `END_NUMBER`; dates are numbers of days written as `DATE` … `END_NUMBER`). Here a chunk of thousands of rows
becomes XML by a handful of replacements over the whole chunk, and is packed by a second thread while the next chunk is
read. What a user typed cannot pose as a mark: `forged` finds a chunk that has more marks than cells, and the caller asks
for it again without the characters of `MARKS`.

Text never becomes a formula: the cell type says "text" (app/documents/xlsx.py, which writes everything shorter).
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from app.documents.xlsx import MAX_ROWS, widths

TEXT, END_TEXT, NUMBER, END_NUMBER, DATE, END_ROW = "\x01", "\x02", "\x03", "\x04", "\x05", "\x06"
EPOCH = "1899-12-30"
"""Day 0 of a spreadsheet; right from 1 March 1900 on, because spreadsheets believe in 29 February 1900."""
FIRST_DATE = "1900-03-01"
MARKS = TEXT + END_TEXT + NUMBER + END_NUMBER + DATE + END_ROW
LEVEL = 3  # of zlib: a third of the time of the usual 6 for a third more bytes
_UNWRITABLE = bytes(c for c in range(32) if chr(c) not in MARKS + "\t\n\r")
_NO_CHARACTERS = ("\ufffe".encode(), "\uffff".encode())
_SAMPLE = 50  # rows looked at for the column widths
_SEEMS_ESCAPED = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")
_CELL = re.compile(f"[{TEXT}{NUMBER}{DATE}]([^{END_TEXT}{END_NUMBER}]*)[{END_TEXT}{END_NUMBER}]")
_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


class Chunk(NamedTuple):
    """Marked rows, `END_ROW` between them."""

    rows: int
    text: str


def write_marked(
    out_path: str | os.PathLike[str],
    columns: Sequence[str],
    chunks: Iterable[Chunk],
    *,
    sheet_name: str = "器具信息",
) -> int:
    """Write one sheet of marked rows under a heading; returns the number of rows.

    The file appears only when complete: an error, also one raised by `chunks`, leaves nothing at `out_path`. Raises
    ValueError for doubled column names and for more rows than a sheet can hold.
    """
    if len(set(columns)) != len(columns):
        raise ValueError("导出的列名有重复，请修改列设置后重新导出。")
    target = Path(out_path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as book:
            count = _sheet(book, columns, chunks)
            for name, content in _parts(sheet_name, _place(len(columns), count)).items():
                book.writestr(name, content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _sheet(book: zipfile.ZipFile, columns: Sequence[str], chunks: Iterable[Chunk]) -> int:
    """The rows, packed by a thread of its own (zlib lets go of the interpreter) one chunk behind the reading."""
    count, pending = 0, None
    with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part, ThreadPoolExecutor(1) as packer:

        def pack(chunk: Chunk) -> None:
            part.write(xml_of(chunk.text))

        for chunk in chunks:
            if not count:
                part.write(_head(columns, chunk.text.split(END_ROW, _SAMPLE)[:_SAMPLE]))
            count += chunk.rows
            if count > MAX_ROWS:
                raise ValueError(f"一个工作表最多容纳 {MAX_ROWS:,} 行，请缩小筛选范围后分次导出。")
            _settled(pending)
            pending = packer.submit(pack, chunk)
        _settled(pending)
        if not count:
            part.write(_head(columns, ()))
        part.write(_foot(len(columns), count))
    return count


def _settled(pending: Future[None] | None) -> None:
    if pending is not None:
        pending.result()


def forged(chunk: Chunk, width: int) -> bool:
    """Whether rows of `width` cells hold marks that the database has not put there, that is, more than they have to."""
    opened, closed = (sum(map(chunk.text.count, m)) for m in ((TEXT, NUMBER, DATE), (END_TEXT, END_NUMBER)))
    return not opened == closed == width * chunk.rows or chunk.text.count(END_ROW) != chunk.rows - 1


def xml_of(text: str) -> bytes:
    """The rows as XML: the order of the replacements matters, text first, marks last."""
    data = text.encode().translate(None, _UNWRITABLE)
    for bad in _NO_CHARACTERS:
        if bad in data:
            data = data.replace(bad, b"")
    data = data.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    if b"_x" in data:
        data = _SEEMS_ESCAPED.sub(b"_x005F_", data)
    if b"\r" in data:
        data = data.replace(b"\r", b"_x000D_")
    spaced = any(edge in data for edge in _EDGES)
    for mark, markup in _MARKUP:
        data = data.replace(mark, _KEPT_SPACE if spaced and mark == _TEXT else markup)
    return b"<row>" + data + b"</row>"


_TEXT = TEXT.encode()
_KEPT_SPACE = b'<c t="inlineStr"><is><t xml:space="preserve">'
_EDGES = [(TEXT + c).encode() for c in " \t\n"] + [(c + END_TEXT).encode() for c in " \t\n"]
"""A chunk in which a text begins or ends with a space says of all its texts that spaces are to be kept."""
_MARKUP = (
    ((TEXT + END_TEXT).encode(), b"<c/>"),
    ((NUMBER + END_NUMBER).encode(), b"<c/>"),
    (_TEXT, b'<c t="inlineStr"><is><t>'),
    (END_TEXT.encode(), b"</t></is></c>"),
    (NUMBER.encode(), b"<c><v>"),
    (DATE.encode(), b'<c s="2"><v>'),
    (END_NUMBER.encode(), b"</v></c>"),
    (END_ROW.encode(), b"</row><row>"),
)


def _head(columns: Sequence[str], sample: Sequence[str]) -> bytes:
    cells = [[cell or None for cell in _CELL.findall(line)] for line in sample]
    breadths = "".join(
        f'<col min="{n}" max="{n}" width="{width:g}" customWidth="1"/>'
        for n, width in enumerate(widths(columns, cells), 1)
    )
    pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    heading = "".join(
        f'<c t="inlineStr" s="1"><is><t xml:space="preserve">{escape(column)}</t></is></c>' for column in columns
    )
    return (
        f'{_DECLARATION}<worksheet xmlns="{_SPREADSHEET}">'
        f'<sheetViews><sheetView tabSelected="1" workbookViewId="0">{pane}</sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="15"/><cols>{breadths}</cols><sheetData><row>{heading}</row>'
    ).encode()


def _foot(width: int, count: int) -> bytes:
    place = _place(width, count)
    return (
        f'</sheetData><autoFilter ref="{place}"/>'
        f'<ignoredErrors><ignoredError sqref="{place}" numberStoredAsText="1"/></ignoredErrors></worksheet>'
    ).encode()


def _place(width: int, count: int) -> str:
    return f"A1:{_letters(width)}{count + 1}"


def _letters(number: int) -> str:
    """1 → A, 27 → AA."""
    found = ""
    while number:
        number, rest = divmod(number - 1, 26)
        found = chr(65 + rest) + found
    return found


def _parts(sheet_name: str, place: str) -> dict[str, str]:
    """Everything of the package besides the sheet (ECMA-376, part 1)."""
    return dict(_package(escape(sheet_name, {'"': "&quot;"}), place))


def _package(name: str, place: str) -> Iterator[tuple[str, str]]:
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    yield (
        "[Content_Types].xml",
        (
            f'{_DECLARATION}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{main}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{main}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{main}.styles+xml"/></Types>'
        ),
    )
    yield "_rels/.rels", _relations(("officeDocument", "xl/workbook.xml"))
    yield "xl/_rels/workbook.xml.rels", _relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"))
    absolute = f"'{name.replace(chr(39), chr(39) * 2)}'!" + re.sub(r"([A-Z]+)(\d+)", r"$\1$\2", place)
    yield (
        "xl/workbook.xml",
        (
            f'{_DECLARATION}<workbook xmlns="{_SPREADSHEET}" xmlns:r="{_OFFICE}">'
            f'<sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets><definedNames>'
            f'<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">{absolute}</definedName>'
            "</definedNames></workbook>"
        ),
    )
    yield "xl/styles.xml", _STYLES


def _relations(*targets: tuple[str, str]) -> str:
    lines = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'


_STYLES = (
    f'{_DECLARATION}<styleSheet xmlns="{_SPREADSHEET}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFEEF2F7"/><bgColor indexed="64"/></patternFill></fill></fills>'
    '<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border>'
    '<border><left/><right/><top/><bottom style="thin"><color auto="1"/></bottom><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="2" borderId="1" xfId="0" applyFont="1" applyFill="1" applyBorder="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
"""0 plain, 1 the heading, 2 a date."""
