"""What the value reader cannot tell about a sheet: formula cells, error cells, and how far it really reaches.

The value reader gives only cached values, and allocates the whole rectangle between the first and the last
cell: one stray cell at XFD1048576 would ask for 17 thousand million cells. A byte scan settles ordinary sheets;
only a sheet with formulas, errors or a suspicious reach is parsed (defusedxml, streaming).
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from typing import Any

from defusedxml.ElementTree import DefusedXMLParser, fromstring

from app.intake.errors import WorkbookRefused

MAX_CELLS = 6_000_000
_CHUNK = 1 << 20
_MAX_SMALL_PART = 4 * 1024 * 1024

_PLAIN_FORMULA = (b"<f>", b"<f ", b"<f/")
_PLAIN_ERROR = b't="e"'
# Excel, WPS and every writer met so far spell attributes  r="A1" ; anything else goes to the parser.
_ODD_QUOTES = (b"r='", b"t='e'")
_ODD_BLANKS = (b"r =", b"r= ")
_ODD_WITH_BREAKS = re.compile(rb"""<f\s|[\t\n\r]r\s*=|\br[\t\n\r]+=|\br=[\t\n\r]+["']""")
_FAR = re.compile(rb' r="(?:([A-Z]{2,4})(\d{1,9})|[A-Z]?(\d{6,9}))"')
# By the schema the formula is the first child of its cell.
_FORMULA_CELL = re.compile(rb"<c ([^<>]*)><f[ >/]")
_ERROR_CELL = re.compile(rb'<c ([^<>]*)t="e"[^<>]*>')
_CELL_AT = re.compile(rb'(?:^| )r="([A-Z]{1,4})(\d{1,9})"')
_REFERENCE = re.compile(r"([A-Z]{1,4})([0-9]{1,9})")
_ROW_NUMBER = re.compile(r"[0-9]{1,9}")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TOO_WIDE = "工作表“{name}”的范围过大（到第{row}行、第{column}列），请删除数据以外的行和列，另存后再上传。"


@dataclass(slots=True)
class SheetMarks:
    """Column numbers (from 0) of formula and error cells by row number (from 1)."""

    formulas: dict[int, set[int]] = field(default_factory=dict)
    errors: dict[int, set[int]] = field(default_factory=dict)


def sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return sheet name → part name within ``archive``.

    Raises WorkbookRefused when the workbook's own lists cannot be read.
    """
    try:
        relations = fromstring(_small(archive, "xl/_rels/workbook.xml.rels"), forbid_dtd=True)
        workbook = fromstring(_small(archive, "xl/workbook.xml"), forbid_dtd=True)
    except (KeyError, SyntaxError, ValueError) as error:
        raise WorkbookRefused("工作簿结构不完整，请用 Excel 或 WPS 另存为 .xlsx 后再上传。") from error
    targets = {item.get("Id"): item.get("Target", "") for item in relations}
    parts: dict[str, str] = {}
    for element in workbook.iter():
        if element.tag.rpartition("}")[2] == "sheet":
            relation = element.get(_RELATION) or next(
                (value for key, value in element.attrib.items() if key.endswith("}id")), ""
            )
            target = targets.get(relation, "")
            parts[element.get("name", "")] = target[1:] if target.startswith("/") else f"xl/{target}"
    return parts


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MAX_SMALL_PART:
        raise ValueError(name)
    return archive.read(name)


def scan_sheet(archive: zipfile.ZipFile, part: str, name: str) -> SheetMarks:
    """Return the marks of one sheet; raise WorkbookRefused when its rectangle is too large to read."""
    scanner = _ByteScanner()
    with archive.open(part) as stream:
        while scanner.plain and (chunk := stream.read(_CHUNK)):
            scanner.feed(chunk)
    if scanner.plain and scanner.last_column * scanner.last_row <= MAX_CELLS:
        return scanner.marks
    return _parse(archive, part, name)


class _ByteScanner:
    """The cheap look: substring searches over whole chunks; ``plain`` turns false when it cannot be sure."""

    def __init__(self) -> None:
        self.marks = SheetMarks()
        self.plain = True
        self.last_row, self.last_column = 99_999, 26
        self._tail: bytes | None = None

    def feed(self, chunk: bytes) -> None:
        """Look at the next chunk; every search sees whole tags because a cut tag is kept for the next one."""
        if self._tail is None:
            self._tail = b""
            self.plain = b"<worksheet" in chunk[:65536]
        # Cut before an opening tag that may belong to a cell, so that <c …><f is never torn apart.
        cut = max(chunk.rfind(b"<c "), chunk.rfind(b"<row"))
        window, self._tail = (self._tail + chunk[:cut], chunk[cut:]) if cut > 0 else (self._tail + chunk, b"")
        self._look(window)
        if cut > 0 and b"</sheetData" in self._tail:
            self._look(self._tail)
            self._tail = b""

    def _look(self, window: bytes) -> None:
        has_breaks = any(blank in window for blank in (b"\n", b"\t", b"\r"))
        odd = any(spelt in window for spelt in (_ODD_BLANKS if b"'" not in window else _ODD_BLANKS + _ODD_QUOTES))
        if odd or (has_breaks and _ODD_WITH_BREAKS.search(window)):
            self.plain = False
            return
        for letters, row, far in _FAR.findall(window):
            if letters:
                self.last_column = max(self.last_column, _column_number(letters.decode()) + 1)
            self.last_row = max(self.last_row, int(row or far))
        formulas = sum(map(window.count, _PLAIN_FORMULA)) if b"<f" in window else 0
        if formulas:
            self.plain = self._note(_FORMULA_CELL, window, self.marks.formulas) == formulas
        if _PLAIN_ERROR in window and self.plain:
            self.plain = self._note(_ERROR_CELL, window, self.marks.errors) == window.count(_PLAIN_ERROR)

    @staticmethod
    def _note(pattern: re.Pattern[bytes], window: bytes, marks: dict[int, set[int]]) -> int:
        """Note the cells of ``pattern``; return how many had a reference."""
        noted = 0
        for match in pattern.finditer(window):
            at = _CELL_AT.search(match.group(0)[3:])
            if at:
                marks.setdefault(int(at.group(2)), set()).add(_column_number(at.group(1).decode()))
                noted += 1
        return noted


def _parse(archive: zipfile.ZipFile, part: str, name: str) -> SheetMarks:
    marker = _Marker()
    parser = DefusedXMLParser(target=marker, forbid_dtd=True)
    try:
        with archive.open(part) as stream:
            while chunk := stream.read(_CHUNK):
                parser.feed(chunk)
        parser.close()
    except (SyntaxError, ValueError) as error:
        raise WorkbookRefused("工作表内容已损坏，请用 Excel 或 WPS 另存为 .xlsx 后再上传。") from error
    if marker.last_row * marker.last_column > MAX_CELLS:
        raise WorkbookRefused(_TOO_WIDE.format(name=name, row=marker.last_row, column=marker.last_column))
    return marker.marks


class _Marker:
    """Parser target: follows row and cell references and notes formulas, errors and the reach of filled cells."""

    def __init__(self) -> None:
        self.marks = SheetMarks()
        self.last_row = self.last_column = 0
        self._row = 0
        self._column = -1
        self._kinds: dict[str, int] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        kind = self._kinds.get(tag)
        if kind is None:
            local = tag.rpartition("}")[2]
            kind = self._kinds[tag] = {"row": 1, "c": 2, "f": 3, "v": 4, "is": 4}.get(local, 0)
        if kind == 2:
            self._cell(attributes)
        elif kind == 1:
            number = attributes.get("r", "")
            self._row = int(number) if _ROW_NUMBER.fullmatch(number) else self._row + 1
            self._column = -1
        elif kind >= 3:
            if kind == 3:
                self.marks.formulas.setdefault(self._row, set()).add(self._column)
            self.last_row = max(self.last_row, self._row)
            self.last_column = max(self.last_column, self._column + 1)

    def _cell(self, attributes: dict[str, str]) -> None:
        match = _REFERENCE.fullmatch(attributes.get("r", ""))
        if match:
            self._column, self._row = _column_number(match.group(1)), int(match.group(2))
        else:
            self._column += 1
        if attributes.get("t") == "e":
            self.marks.errors.setdefault(self._row, set()).add(self._column)

    def close(self) -> Any:
        return self.marks


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
