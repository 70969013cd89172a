"""Pages out of pieces: a piece knows its height and how to draw itself.

Pages are planned before anything is drawn, so "page x of y" needs no second pass.
Lengths are points, y grows upwards as in PDF, `top` is the upper edge of a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont
from reportlab.pdfgen.canvas import Canvas

from app.documents.fonts import FONT_NAME, load_font, runs, text_width
from app.documents.wrap import clean, wrap

PAGE_WIDTH, PAGE_HEIGHT = A4
LEFT = 27 * mm  # wider than the right margin: sheets are bound on the left
RIGHT = PAGE_WIDTH - 18 * mm
WIDTH = RIGHT - LEFT
LEADING = 1.45  # line pitch as a multiple of the type size
HAIR, THIN, STRONG = 0.4, 0.7, 1.4
MAX_ROW_LINES = 40  # a taller table row is continued as further rows
BLANK = "/"

Draw = Callable[[Canvas, float], None]

rl_config.useA85 = 0  # compressed streams as bytes: reportlab's text form of them is a quarter larger and slower


@dataclass(frozen=True)
class Piece:
    """Something of a fixed height. `header` is repeated when the piece opens a page."""

    height: float
    draw: Draw
    header: Piece | None = None
    keep_with_next: bool = False


@dataclass(frozen=True)
class Column:
    """A table column: heading, share of the table's width, and alignment."""

    heading: str
    share: float
    centred: bool = False


def or_blank(value: str | None) -> str:
    """The value, or "/" where a form must show that nothing was left out by mistake."""
    return clean(value).strip() or BLANK if value else BLANK


def chinese_date(day: date | None) -> str:
    """2026年11月20日, or "/" for no date."""
    return f"{day.year}年{day.month}月{day.day}日" if day else BLANK


def open_canvas(out: BinaryIO, *, title: str, author: str, subject: str, day: date) -> Canvas:
    """An A4 canvas whose bytes depend on nothing but what is drawn and said here.

    `day` is written as the creation date, because reportlab's reproducible mode
    would otherwise date every file to the year 2000.
    """
    load_font()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang="zh-CN", initialFontName=FONT_NAME)
    canvas.setTitle(clean(title))
    canvas.setAuthor(clean(author))
    canvas.setSubject(clean(subject))
    canvas.setCreator("Quanheng")
    stamp = f"D:{day:%Y%m%d}000000+08'00'"
    canvas.setDateFormatter(lambda *_: stamp)
    canvas.setViewerPreference("DisplayDocTitle", "true")
    return canvas


def text(canvas: Canvas, x: float, y: float, value: str, size: float, *, spread: float = 0) -> None:
    """Draw one line with its baseline at y; `spread` points are added after each character.

    The operators are written as they are (ISO 32000-1, 9.4): reportlab's text object for every line of a form took as
    long as everything else on the page.
    """
    for name, part in runs(value):
        font = getFont(name)
        shown = "".join(
            f"{font.getSubsetInternalName(subset, canvas._doc)} {size:.6g} Tf ({canvas._escape(codes)}) Tj "
            for subset, codes in font.splitString(part, canvas._doc)
        )
        spaced = f"{spread:.4g} Tc {shown}0 Tc " if spread else shown
        canvas._code.append(f"BT 1 0 0 1 {x:.2f} {y:.2f} Tm {spaced}ET")
        x += text_width(part, size) + spread * len(part)


def text_right(canvas: Canvas, x: float, y: float, value: str, size: float) -> None:
    """Draw one line that ends at x."""
    text(canvas, x - text_width(value, size), y, value, size)


def text_centred(canvas: Canvas, x: float, y: float, value: str, size: float, *, spread: float = 0) -> None:
    """Draw one line with its middle at x."""
    width = text_width(value, size) + spread * max(len(value) - 1, 0)
    text(canvas, x - width / 2, y, value, size, spread=spread)


def justified(canvas: Canvas, x: float, y: float, value: str, size: float, width: float) -> None:
    """Spread a label over `width`, as Chinese forms set their labels flush on both sides."""
    gaps = max(len(value) - 1, 1)
    text(canvas, x, y, value, size, spread=max((width - text_width(value, size)) / gaps, 0))


def rule(canvas: Canvas, y: float, *, left: float = LEFT, right: float = RIGHT, weight: float = THIN) -> None:
    """Draw a horizontal line."""
    canvas.setLineWidth(weight)
    canvas.line(left, y, right, y)


def lines_piece(
    lines: Sequence[str], size: float, *, indent: float = 0, after: float = 0, keep_with_next: bool = False
) -> Piece:
    """Lines already wrapped, set flush left."""
    pitch = size * LEADING

    def draw(canvas: Canvas, top: float) -> None:
        for index, line in enumerate(lines):
            text(canvas, LEFT + indent, top - pitch * index - size * 1.1, line, size)

    return Piece(pitch * len(lines) + after, draw, keep_with_next=keep_with_next)


def paragraph(value: str, size: float, *, indent: float = 0, after: float = 0) -> list[Piece]:
    """A paragraph as one piece per line, so that it may break over pages."""
    lines = wrap(value, size, WIDTH - indent)
    pieces = [lines_piece([line], size, indent=indent) for line in lines]
    return [*pieces, Piece(after, lambda canvas, top: None)] if after else pieces


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], size: float) -> list[Piece]:
    """A ruled table; the heading row is repeated on every page."""
    edges = [LEFT]
    total = sum(column.share for column in columns)
    for column in columns:
        edges.append(edges[-1] + WIDTH * column.share / total)
    header = _row(columns, edges, [c.heading for c in columns], size, heading=True)[0]
    pieces = [Piece(header.height, header.draw, keep_with_next=True)]
    for row in rows:
        for piece in _row(columns, edges, row, size):
            pieces.append(Piece(piece.height, piece.draw, header=header))
    return pieces


def _row(
    columns: Sequence[Column], edges: Sequence[float], cells: Sequence[str], size: float, *, heading: bool = False
) -> list[Piece]:
    padding = size * 0.45
    wrapped = [wrap(or_blank(cell), size, edges[i + 1] - edges[i] - 2 * padding) for i, cell in enumerate(cells)]
    tallest = max(len(lines) for lines in wrapped)
    return [
        _row_part(columns, edges, [w[at : at + MAX_ROW_LINES] for w in wrapped], size, padding, heading)
        for at in range(0, tallest, MAX_ROW_LINES)
    ]


def _row_part(
    columns: Sequence[Column],
    edges: Sequence[float],
    wrapped: Sequence[Sequence[str]],
    size: float,
    padding: float,
    heading: bool,
) -> Piece:
    pitch = size * LEADING
    height = max(len(lines) for lines in wrapped) * pitch + 2 * padding

    def draw(canvas: Canvas, top: float) -> None:
        canvas.setLineWidth(HAIR)
        canvas.rect(edges[0], top - height, edges[-1] - edges[0], height)
        for edge in edges[1:-1]:
            canvas.line(edge, top, edge, top - height)
        if heading:
            rule(canvas, top, weight=STRONG)
            rule(canvas, top - height, weight=THIN)
        for i, lines in enumerate(wrapped):
            first = top - (height - len(lines) * pitch) / 2 - size * 1.1
            for n, line in enumerate(lines):
                if heading or columns[i].centred:
                    text_centred(canvas, (edges[i] + edges[i + 1]) / 2, first - n * pitch, line, size)
                else:
                    text(canvas, edges[i] + padding, first - n * pitch, line, size)

    return Piece(height, draw)


def paginate(pieces: Sequence[Piece], height: float) -> list[list[Piece]]:
    """Pieces by page. A piece kept with the next never ends a page; headings are repeated."""
    pages: list[list[Piece]] = [[]]
    left = height
    for index, piece in enumerate(pieces):
        if pages[-1] and piece.height + _followers(pieces, index) > left:
            pages.append([piece.header] if piece.header else [])
            left = height - (piece.header.height if piece.header else 0)
        pages[-1].append(piece)
        left -= piece.height
    return pages


def _followers(pieces: Sequence[Piece], index: int) -> float:
    """Height that must stand on the same page below a piece kept with the next."""
    needed = 0.0
    while pieces[index].keep_with_next and index + 1 < len(pieces):
        index += 1
        needed += pieces[index].height
    return needed


def draw_pieces(canvas: Canvas, pieces: Iterable[Piece], top: float) -> float:
    """Draw pieces one under the other; returns the y where the last one ends."""
    for piece in pieces:
        piece.draw(canvas, top)
        top -= piece.height
    return top
