"""Verification certificates and notices of rejection as PDF.

The same facts always give the same bytes, so a file can be made again at any time
and compared with the SHA-256 kept when it was issued.
"""

from __future__ import annotations

from typing import BinaryIO

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.certificate_cover import Cover, draw_cover, plan_cover
from app.documents.certificate_facts import CertificateFacts, StandardUsed
from app.documents.layout import (
    HAIR,
    LEFT,
    PAGE_HEIGHT,
    RIGHT,
    STRONG,
    WIDTH,
    Column,
    Piece,
    draw_pieces,
    lines_piece,
    open_canvas,
    or_blank,
    paginate,
    paragraph,
    rule,
    table,
    text,
    text_centred,
    text_right,
)
from app.documents.wrap import wrap

__all__ = ["CertificateFacts", "StandardUsed", "render_certificate"]

BODY_TOP = PAGE_HEIGHT - 28 * mm
BODY_BOTTOM = 24 * mm
BODY, SMALL, HEADING = 10.0, 9.0, 11.5
NUMERALS = "一二三四五六七八九"

STANDARD_COLUMNS = (
    Column("标准器名称", 30),
    Column("测量范围", 22),
    Column("不确定度/准确度等级\n/最大允许误差", 30),
    Column("证书编号", 24),
    Column("有效期至", 17, centred=True),
)
READING_COLUMNS = (
    Column("序号", 9, centred=True),
    Column("检定项目", 40),
    Column("检定结果", 36),
    Column("技术要求", 36),
)
NOTES = (
    "本证书未加盖检定专用章无效。",
    "未经本机构书面批准，不得部分复印本证书。",
    "检定结果仅对所检计量器具有效。",
)


def render_certificate(facts: CertificateFacts, out: BinaryIO) -> None:
    """Write the PDF of `facts` to `out`: a cover and at least one inner page, A4.

    Raises `segno.DataOverflowError` if the verify URL is too long for a QR code.
    """
    canvas = open_canvas(
        out,
        title=f"{facts.title} {facts.number}",
        author=facts.institute_name,
        subject=f"{facts.instrument_name} {facts.serial_no}".strip(),
        day=facts.issued_on,
    )
    cover = plan_cover(facts)
    inner = paginate(_inner_pieces(facts, cover), BODY_TOP - BODY_BOTTOM)
    pages = 1 + len(inner)
    draw_cover(canvas, cover, pages)
    canvas.showPage()
    for number, pieces in enumerate(inner, start=2):
        _draw_frame(canvas, cover.shown, number, pages)
        draw_pieces(canvas, pieces, BODY_TOP)
        canvas.showPage()
    canvas.save()


def _inner_pieces(facts: CertificateFacts, cover: Cover) -> list[Piece]:
    sections: list[tuple[str, list[Piece]]] = [
        ("检定依据", _lines(facts.regulations)),
        ("检定所用计量标准器具", _standards(facts)),
        ("检定条件", _conditions(facts)),
        ("检定结果", _readings(facts)),
    ]
    if facts.rejected:
        sections.append(("不合格项目", _lines((facts.failures,))))
    if cover.moved:
        continued = [f"{label}：{value}" for label, value in cover.moved]
        sections.append(("封面续", _lines(continued)))
    pieces: list[Piece] = []
    for numeral, (heading, content) in zip(NUMERALS, sections, strict=False):
        pieces.append(lines_piece([f"{numeral}、{heading}"], HEADING, after=1.6 * mm, keep_with_next=True))
        pieces.extend(content)
        pieces.append(_space(5 * mm))
    return [*pieces, *_closing(facts)]


def _space(height: float) -> Piece:
    return Piece(height, lambda canvas, top: None)


def _lines(values: tuple[str, ...] | list[str]) -> list[Piece]:
    """One paragraph for each value; a lone "/" if there is none."""
    shown = [or_blank(value) for value in values] or [or_blank(None)]
    return [piece for value in shown for piece in paragraph(value, BODY, indent=2 * BODY)]


def _standards(facts: CertificateFacts) -> list[Piece]:
    rows = [(s.name, s.range, s.uncertainty, s.certificate_no, s.valid_until) for s in facts.standards]
    return table(STANDARD_COLUMNS, rows or [("",) * len(STANDARD_COLUMNS)], SMALL)


def _conditions(facts: CertificateFacts) -> list[Piece]:
    """Place and record on lines of their own, the two short climate values side by side."""
    pieces = paragraph(f"检定地点：{or_blank(facts.place)}", BODY, indent=2 * BODY)
    climate = (f"环境温度：{or_blank(facts.temperature)}", f"相对湿度：{or_blank(facts.humidity)}")
    half = WIDTH / 2 - 2 * BODY
    if all(len(wrap(value, BODY, half)) == 1 for value in climate):
        pieces.append(_side_by_side(*climate))
    else:
        for value in climate:
            pieces.extend(paragraph(value, BODY, indent=2 * BODY))
    return [*pieces, *paragraph(f"原始记录号：{or_blank(facts.record_no)}", BODY, indent=2 * BODY)]


def _side_by_side(first: str, second: str) -> Piece:
    one = lines_piece([first], BODY, indent=2 * BODY)
    two = lines_piece([second], BODY, indent=WIDTH / 2)

    def draw(canvas: Canvas, top: float) -> None:
        one.draw(canvas, top)
        two.draw(canvas, top)

    return Piece(one.height, draw)


def _readings(facts: CertificateFacts) -> list[Piece]:
    rows = [(str(n), *reading) for n, reading in enumerate(facts.readings, start=1)]
    return table(READING_COLUMNS, rows or [("",) * len(READING_COLUMNS)], SMALL)


def _closing(facts: CertificateFacts) -> list[Piece]:
    """ "Nothing below" after the last entry, then the notes, kept together."""

    def end(canvas: Canvas, top: float) -> None:
        text_centred(canvas, (LEFT + RIGHT) / 2, top - SMALL * 1.1, "—— 以下空白 ——", SMALL)

    name = "本通知书" if facts.rejected else "本证书"
    notes = [f"{n}. {note.replace('本证书', name)}" for n, note in enumerate(NOTES, start=1)]
    heading = lines_piece(["说明："], SMALL, keep_with_next=True)
    listed = lines_piece([line for note in notes for line in wrap(note, SMALL, WIDTH)], SMALL)
    return [Piece(8 * mm, end, keep_with_next=True), heading, listed]


def _draw_frame(canvas: Canvas, facts: CertificateFacts, number: int, pages: int) -> None:
    """Head and foot of an inner page."""
    y = PAGE_HEIGHT - 20 * mm
    page = f"第 {number} 页 共 {pages} 页"
    text_right(canvas, RIGHT, y, page, SMALL)
    label = f"{facts.title}  证书编号：{or_blank(facts.number)}"
    _fitted(canvas, y, label, WIDTH - 30 * mm, upwards=True)
    rule(canvas, y - 2.5 * mm, weight=STRONG)
    rule(canvas, 18 * mm, weight=HAIR)
    _fitted(canvas, 13.5 * mm, or_blank(facts.institute_name), WIDTH - 45 * mm, upwards=False)
    text_right(canvas, RIGHT, 13.5 * mm, f"核验码 {or_blank(facts.lookup_code)}", 8)


def _fitted(canvas: Canvas, y: float, value: str, width: float, *, upwards: bool) -> None:
    """A line at y, or smaller lines that grow away from the page's body."""
    size = SMALL if len(wrap(value, SMALL, width)) == 1 else 6.5
    lines = wrap(value, size, width)
    first = y + (len(lines) - 1) * size * 1.2 if upwards else y
    for index, line in enumerate(lines):
        text(canvas, LEFT, first - index * size * 1.2, line, size)
