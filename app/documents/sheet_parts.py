"""Parts that the sheets people carry have in common: labelled values, lines to sign on, the foot of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.layout import (
    HAIR,
    LEFT,
    RIGHT,
    WIDTH,
    Piece,
    justified,
    or_blank,
    rule,
    text,
    text_centred,
    text_right,
)
from app.documents.wrap import wrap

BODY, SMALL = 10.5, 9.0


def gap(height: float) -> Piece:
    """White space."""
    return Piece(height, lambda canvas, top: None)


def labelled(values: Iterable[tuple[str, str]], *, characters: int, pitch: float) -> list[Piece]:
    """(label, value) lines; labels are set `characters` wide, a line is `pitch` times the type size high. One piece per
    line, so that even a very long value may break over pages."""
    width = characters * BODY
    pieces = []
    for label, value in values:
        for index, line in enumerate(wrap(or_blank(value), BODY, WIDTH - width - BODY)):
            pieces.append(_line(label if index == 0 else "", line, width, pitch))
    return pieces


def _line(label: str, line: str, width: float, pitch: float) -> Piece:
    def draw(canvas: Canvas, top: float) -> None:
        base = top - BODY * 1.2
        if label:
            justified(canvas, LEFT, base, label, BODY, width)
            text(canvas, LEFT + width, base, "：", BODY)
        text(canvas, LEFT + width + BODY, base, line, BODY)

    return Piece(BODY * pitch, draw)


def handover(labels: Sequence[str]) -> Piece:
    """Lines to be filled in by hand, side by side."""

    def draw(canvas: Canvas, top: float) -> None:
        base = top - 10 * mm
        share = WIDTH / len(labels)
        for index, label in enumerate(labels):
            start = LEFT + index * share
            text(canvas, start, base, label, SMALL)
            rule(canvas, base - 2, left=start + len(label) * SMALL, right=start + share - 4 * mm, weight=HAIR)

    return Piece(14 * mm, draw)


def draw_foot(canvas: Canvas, printed_at: datetime, named: str, number: int, pages: int) -> None:
    """When it was printed, which page this is, and from the second page on whose sheet it is."""
    rule(canvas, 17 * mm, weight=HAIR)
    text(canvas, LEFT, 12.5 * mm, f"打印时间 {printed_at:%Y-%m-%d %H:%M}", 8)
    text_right(canvas, RIGHT, 12.5 * mm, f"第 {number} 页 共 {pages} 页", 8)
    if number > 1:
        text_centred(canvas, (LEFT + RIGHT) / 2, 12.5 * mm, wrap(named, 8, WIDTH / 2)[0], 8)
