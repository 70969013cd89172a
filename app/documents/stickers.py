"""Sheets of stickers with QR codes: A4, one label per instrument, to be stuck beside the verification mark.

The usual label is 40 × 20 mm (5 × 14 on a sheet). The code holds the address of the public page about the certificate;
what is printed beside it is for eyes without a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.fonts import text_width
from app.documents.layout import HAIR, PAGE_HEIGHT, PAGE_WIDTH, open_canvas, text
from app.documents.qr import draw_qr
from app.documents.wrap import clean, wrap

LABELS: dict[str, tuple[float, float]] = {
    "30x15": (30, 15),
    "40x20": (40, 20),
    "50x25": (50, 25),
    "60x30": (60, 30),
    "80x40": (80, 40),
}
"""Width and height in mm, by name; all of one shape, so that one drawing serves all."""
USUAL = "40x20"
MARGIN = 5.0  # mm that printers leave white


@dataclass(frozen=True)
class Sticker:
    """What one label says. `valid_until` None means that the certificate names no end."""

    url: str
    name: str
    serial_no: str
    number: str
    verified_on: date
    valid_until: date | None
    institute: str


def grid(label: str) -> tuple[int, int]:
    """(columns, rows) of labels on an A4 sheet."""
    width, height = LABELS[label]
    return int((PAGE_WIDTH / mm - 2 * MARGIN) // width), int((PAGE_HEIGHT / mm - 2 * MARGIN) // height)


def render_stickers(stickers: Sequence[Sticker], out: BinaryIO, *, day: date, label: str = USUAL, skip: int = 0) -> int:
    """Write the sheets; returns how many. `skip` leaves the first labels of a sheet begun earlier free.

    Raises `segno.DataOverflowError` if an address is too long for a QR code.
    """
    columns, rows = grid(label)
    width, height = (side * mm for side in LABELS[label])
    left, top = (PAGE_WIDTH - columns * width) / 2, (PAGE_HEIGHT + rows * height) / 2
    canvas = open_canvas(out, title="检定信息贴纸", author="", subject="", day=day)
    sheets = 0
    for index, sticker in enumerate(stickers, start=skip % (columns * rows)):
        place = index % (columns * rows)
        if place == 0 or not sheets:
            if sheets:
                canvas.showPage()
            sheets += 1
        row, column = divmod(place, columns)
        _draw(canvas, sticker, left + column * width, top - (row + 1) * height, width, height)
    canvas.save()
    return sheets


def _draw(canvas: Canvas, sticker: Sticker, x: float, y: float, width: float, height: float) -> None:
    """One label with its lower left corner at (x, y)."""
    canvas.setLineWidth(HAIR)
    canvas.setStrokeGray(0.75)  # a line to cut along
    canvas.rect(x, y, width, height)
    side = height * 0.95
    draw_qr(canvas, sticker.url, x + height * 0.02, y + (height - side) / 2, side)
    unit = height / 20  # of the 40 × 20 label's millimetre
    left, room = x + side + unit * 0.6, width - side - unit * 1.4
    line_y = y + height - unit
    for value, size, most in _lines(sticker):
        for line in _fitted(value, size * unit, room, most):
            line_y -= size * unit * 1.2
            text(canvas, left, line_y, line, size * unit)


def _lines(sticker: Sticker) -> list[tuple[str, float, int]]:
    """(text, size in units of the label, most lines): what matters most stands on top."""
    until = f"{sticker.valid_until:%Y-%m-%d}" if sticker.valid_until else "见证书"
    return [
        (sticker.name, 2.2, 2),
        (f"编号 {sticker.serial_no}", 1.7, 1),
        ("有效期至", 1.7, 1),
        (until, 2.6, 1),
        (sticker.number, 1.5, 1),
        (sticker.institute, 1.5, 2),
    ]


def _fitted(value: str, size: float, room: float, most: int) -> list[str]:
    """At most `most` lines; a label cannot hold everything, so a longer value ends in an ellipsis."""
    lines = wrap(" ".join(clean(value).split()), size, room)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(f"{last}…", size) > room:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]
