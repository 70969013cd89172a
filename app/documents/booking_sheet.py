"""The sheet a user prints and brings along with the instruments (预约单)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.layout import (
    LEADING,
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
)
from app.documents.qr import draw_qr
from app.documents.sheet_parts import BODY, SMALL, draw_foot, gap, handover, labelled
from app.documents.wrap import wrap

TOP = PAGE_HEIGHT - 18 * mm
BOTTOM = 22 * mm
QR_SIDE = 32 * mm

COLUMNS = (
    Column("序号", 10, centred=True),
    Column("计量器具名称", 40),
    Column("型号规格", 32),
    Column("出厂编号", 32),
    Column("使用地点", 38),
)


@dataclass(frozen=True)
class BookingItem:
    """One instrument on a booking sheet."""

    name: str
    model: str
    serial_no: str
    place: str


@dataclass(frozen=True)
class BookingFacts:
    """What a booking sheet says. `phone_masked` is printed as it is, so mask it before.

    `printed_at` is shown as given: pass it in the time zone of the reader.
    """

    number: str
    status_label: str
    unit_name: str
    contact: str
    phone_masked: str
    institute_name: str
    institute_address: str
    institute_phone: str
    mode_label: str
    slot_label: str
    deadline: date | None
    printed_at: datetime
    items: tuple[BookingItem, ...]
    notes: tuple[str, ...]
    query_url: str


def render_booking_sheet(facts: BookingFacts, out: BinaryIO) -> None:
    """Write the PDF of `facts` to `out`; the same facts give the same bytes.

    Raises `segno.DataOverflowError` if the query URL is too long for a QR code.
    """
    canvas = open_canvas(
        out,
        title=f"强制检定预约单 {facts.number}",
        author=facts.institute_name,
        subject=facts.unit_name,
        day=facts.printed_at.date(),
    )
    pages = paginate(_pieces(facts), TOP - BOTTOM)
    for number, pieces in enumerate(pages, start=1):
        draw_pieces(canvas, pieces, TOP)
        draw_foot(canvas, facts.printed_at, f"预约编号 {facts.number}", number, len(pages))
        canvas.showPage()
    canvas.save()


def _pieces(facts: BookingFacts) -> list[Piece]:
    count = f"送检计量器具（共 {len(facts.items):,} 台/件）"
    rows = [(str(n), i.name, i.model, i.serial_no, i.place) for n, i in enumerate(facts.items, start=1)]
    pieces = [_title(facts), *_fields(facts)]
    pieces.append(lines_piece([count], BODY, after=1.5 * mm, keep_with_next=True))
    pieces.extend(table(COLUMNS, rows or [("",) * len(COLUMNS)], SMALL))
    pieces.append(gap(5 * mm))
    if facts.notes:
        pieces.append(lines_piece(["注意事项"], BODY, after=1 * mm, keep_with_next=True))
        for number, note in enumerate(facts.notes, start=1):
            pieces.extend(paragraph(f"{number}. {note}", SMALL))
        pieces.append(gap(4 * mm))
    return [*pieces, handover(("送检人签名：", "收样人签名：", "收样日期："))]


def _title(facts: BookingFacts) -> Piece:
    """Name of the form and number at the left, QR code at the right."""
    numbers = wrap(f"预约编号：{or_blank(facts.number)}", 12, WIDTH - QR_SIDE)
    height = max(QR_SIDE, 21 * mm + len(numbers) * 12 * LEADING) + 4 * mm

    def draw(canvas: Canvas, top: float) -> None:
        text(canvas, LEFT, top - 10 * mm, "强制检定预约单", 22, spread=2)
        for index, line in enumerate(numbers):
            text(canvas, LEFT, top - 20 * mm - index * 12 * LEADING, line, 12)
        draw_qr(canvas, facts.query_url, RIGHT - QR_SIDE + 3 * mm, top - QR_SIDE + 4 * mm, QR_SIDE)
        text_centred(canvas, RIGHT - QR_SIDE / 2 + 3 * mm, top - QR_SIDE + 2 * mm, "扫码查询进度", 8)
        rule(canvas, top - height + 2 * mm, weight=STRONG)

    return Piece(height, draw)


def _fields(facts: BookingFacts) -> list[Piece]:
    contact = " ".join(part for part in (facts.contact, facts.phone_masked) if part)
    values = (
        ("当前状态", facts.status_label),
        ("使用单位", facts.unit_name),
        ("联系人", contact),
        ("检定机构", facts.institute_name),
        ("机构地址", facts.institute_address),
        ("机构电话", facts.institute_phone),
        ("检定方式", facts.mode_label),
        ("预约时段", facts.slot_label),
        ("送检期限", facts.deadline.isoformat() if facts.deadline else ""),
    )
    return [*labelled(values, characters=4, pitch=1.7), gap(4 * mm)]
