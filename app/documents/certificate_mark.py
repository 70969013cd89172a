"""The copy of a paper that no longer holds: the issued file, byte for byte, with a mark appended over every page.

The mark is an incremental update (ISO 32000-1, 7.5.6): the signed original stays inside unchanged, and a reader
program can still show it. The copy is made when it is asked for and never stored.
"""

from __future__ import annotations

import io

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.fonts import FONT_NAME, load_font, text_width
from app.documents.layout import PAGE_HEIGHT, PAGE_WIDTH, WIDTH, text_centred
from app.documents.wrap import wrap

NAME = "/QuanhengMark"
SIZE, TILT = 96.0, 50.0  # points; degrees
RED = (0.75, 0.1, 0.1)


def marked(data: bytes, word: str, sentence: str) -> bytes:
    """`data` with `word` (已更正, 已撤销) across each page and `sentence` at its head."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    mark = writer.import_page_as_xobject(PdfFileReader(io.BytesIO(_overlay(word, sentence))))
    drawing = writer.add_object(generic.StreamObject(stream_data=f"q {NAME} Do Q".encode()))
    resources = generic.DictionaryObject(
        {generic.pdf_name("/XObject"): generic.DictionaryObject({generic.pdf_name(NAME): mark})}
    )
    for page in range(int(writer.root["/Pages"]["/Count"])):
        writer.add_stream_to_page(page, drawing, resources=resources)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _overlay(word: str, sentence: str) -> bytes:
    load_font()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(PAGE_WIDTH, PAGE_HEIGHT), invariant=1, initialFontName=FONT_NAME)
    canvas.setFillColorRGB(*RED)
    for line, value in enumerate(wrap(sentence, 9, WIDTH)):
        text_centred(canvas, PAGE_WIDTH / 2, PAGE_HEIGHT - 9 * mm - 12 * line, value, 9)
    canvas.setFillAlpha(0.22)  # the text below must stay readable
    canvas.translate(PAGE_WIDTH / 2, PAGE_HEIGHT / 2)
    canvas.rotate(TILT)
    canvas.setFont(FONT_NAME, SIZE)
    spread = SIZE * 0.3
    width = text_width(word, SIZE) + spread * (len(word) - 1)
    canvas.drawString(-width / 2, -SIZE / 3, word, charSpace=spread)
    canvas.save()
    return out.getvalue()
