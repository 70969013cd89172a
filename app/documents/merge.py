"""Many PDF files as one to print, written as it goes: memory holds one source at a time, however many there are.

Pages are taken as they look. Signatures and forms stay behind: they belong to the single file, and a merged copy is
for the printer only.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, BinaryIO

from pypdf import PageObject, PdfReader
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    EncodedStreamObject,
    IndirectObject,
    NameObject,
    PdfObject,
    StreamObject,
)

CATALOG, PAGES = 1, 2
KEPT = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")  # what a page may inherit (ISO 32000-1, table 30)


class _Output:
    """Objects written one after the other, their places remembered for the table at the end."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.at, self.next = out, 0, PAGES + 1
        self.places: dict[int, int] = {}
        self.put(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def put(self, data: bytes) -> None:
        self.at += self.out.write(data)

    def number(self) -> int:
        self.next += 1
        return self.next - 1

    def object(self, number: int, body: bytes) -> None:
        self.places[number] = self.at
        self.put(b"%d 0 obj\n" % number + body + b"\nendobj\n")

    def finish(self) -> None:
        start = self.at
        self.put(b"xref\n0 %d\n0000000000 65535 f \n" % self.next)
        for number in range(1, self.next):
            self.put(b"%010d 00000 n \n" % self.places[number])
        self.put(b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (self.next, CATALOG, start))


class _Source:
    """One file on its way into the output: its objects get new numbers when they are first met."""

    def __init__(self, data: bytes, out: _Output) -> None:
        self.reader, self.out = PdfReader(io.BytesIO(data)), out
        self.numbers: dict[int, int] = {}
        self.waiting: list[IndirectObject] = []

    def pages(self) -> list[int]:
        found = [self._page(page) for page in self.reader.pages]
        while self.waiting:
            reference = self.waiting.pop()
            self.out.object(self.numbers[reference.idnum], _written(self._copy(reference.get_object())))
        return found

    def _page(self, page: PageObject) -> int:
        number = self.out.number()
        fresh = DictionaryObject({NameObject("/Type"): NameObject("/Page")})
        for key in KEPT:
            if (value := _inherited(page, key)) is not None:
                fresh[NameObject(key)] = self._copy(value)
        if "/Contents" in page:
            fresh[NameObject("/Contents")] = self._copy(page.raw_get("/Contents"))
        fresh[NameObject("/Parent")] = IndirectObject(PAGES, 0, None)
        self.out.object(number, _written(fresh))
        return number

    def _copy(self, value: Any) -> PdfObject:
        """The same value with references into the output instead of into the source."""
        if isinstance(value, IndirectObject):
            if value.idnum not in self.numbers:
                self.numbers[value.idnum] = self.out.number()
                self.waiting.append(value)
            return IndirectObject(self.numbers[value.idnum], 0, None)
        if isinstance(value, StreamObject):
            stream = EncodedStreamObject()
            stream._data = value._data  # still compressed as it came
            stream.update(self._items(value))
            return stream
        if isinstance(value, DictionaryObject):
            return DictionaryObject(self._items(value))
        if isinstance(value, ArrayObject):
            return ArrayObject(self._copy(item) for item in list.__iter__(value))
        return value

    def _items(self, value: DictionaryObject) -> dict[Any, Any]:
        return {key: self._copy(value.raw_get(key)) for key in value if key != "/Length"}


def _inherited(page: PageObject, key: str) -> Any:
    node: Any = page
    while node is not None:
        if key in node:
            return node.raw_get(key)
        parent = node.get("/Parent")
        node = parent.get_object() if parent is not None else None
    return None


def _written(value: PdfObject) -> bytes:
    out = io.BytesIO()
    value.write_to_stream(out)
    return out.getvalue()


def merge_pdfs(sources: Iterable[bytes], out: BinaryIO) -> int:
    """Write all pages of all sources to `out`, in order; returns how many. Raises PyPdfError on a file that is none."""
    output = _Output(out)
    kids: list[int] = []
    for data in sources:
        kids += _Source(data, output).pages()
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    output.object(PAGES, b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), references))
    output.object(CATALOG, b"<< /Type /Catalog /Pages %d 0 R >>" % PAGES)
    output.finish()
    return len(kids)
