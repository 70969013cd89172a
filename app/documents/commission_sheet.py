"""The sheet that the counter gives to whoever brought instruments (委托单): number, password, what was received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.layout import (
    HAIR,
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
    text_right,
)
from app.documents.qr import draw_qr
from app.documents.sheet_parts import BODY, SMALL, draw_foot, gap, handover, labelled

TOP = PAGE_HEIGHT - 18 * mm
BOTTOM = 22 * mm
QR_SIDE = 30 * mm
BAR = 0.33 * mm  # narrowest bar: what hand-held scanners read off plain paper

COLUMNS = (
    Column("序号", 9, centred=True),
    Column("器具名称", 32),
    Column("型号规格", 26),
    Column("出厂编号", 28),
    Column("附件", 22),
    Column("外观与状态", 27),
)


@dataclass(frozen=True)
class CommissionItem:
    """One received instrument."""

    name: str
    model: str
    serial_no: str
    accessories: str
    condition: str


@dataclass(frozen=True)
class CommissionFacts:
    """What the sheet says. `secret` is "" on a copy: the password is printed once. Phones come masked.

    `printed_at` is shown as given: pass it in the time zone of the reader.
    """

    number: str
    secret: str
    unit_name: str
    bringer: str
    phone_masked: str
    institute_name: str
    institute_address: str
    institute_phone: str
    mode_label: str
    order_number: str
    opened_on: date | None
    promised_on: date | None
    printed_at: datetime
    items: tuple[CommissionItem, ...]
    notes: tuple[str, ...]
    url: str


def render_commission_sheet(facts: CommissionFacts, out: BinaryIO) -> None:
    """Write the PDF of `facts` to `out`; the same facts give the same bytes.

    Raises `segno.DataOverflowError` if the address is too long for a QR code.
    """
    canvas = open_canvas(
        out,
        title=f"检定委托单 {facts.number}",
        author=facts.institute_name,
        subject=facts.unit_name,
        day=facts.printed_at.date(),
    )
    pages = paginate(_pieces(facts), TOP - BOTTOM)
    for number, pieces in enumerate(pages, start=1):
        draw_pieces(canvas, pieces, TOP)
        draw_foot(canvas, facts.printed_at, f"委托单号 {facts.number}", number, len(pages))
        canvas.showPage()
    canvas.save()


def _pieces(facts: CommissionFacts) -> list[Piece]:
    count = f"委托检定的计量器具（共 {len(facts.items):,} 台/件）"
    rows = [
        (str(n), i.name, i.model, i.serial_no, i.accessories, i.condition) for n, i in enumerate(facts.items, start=1)
    ]
    pieces = [_title(facts), _key(facts), *_fields(facts)]
    pieces.append(lines_piece([count], BODY, after=1.5 * mm, keep_with_next=True))
    pieces.extend(table(COLUMNS, rows or [("",) * len(COLUMNS)], SMALL))
    pieces.append(gap(5 * mm))
    for number, note in enumerate(facts.notes, start=1):
        pieces.extend(paragraph(f"{number}. {note}", SMALL))
    return [*pieces, handover(("送检人签名：", "受理人签名：", "领取人签名："))]


def _title(facts: CommissionFacts) -> Piece:
    """Name of the form, number as a bar code, QR code of the page for papers."""
    height = QR_SIDE + 5 * mm

    def draw(canvas: Canvas, top: float) -> None:
        text(canvas, LEFT, top - 10 * mm, "检定委托单", 22, spread=2)
        if facts.number:
            bars = Code128(facts.number, barHeight=11 * mm, barWidth=BAR, humanReadable=False, quiet=False)
            bars.drawOn(canvas, LEFT, top - 26 * mm)
        text(canvas, LEFT, top - 30 * mm, f"委托单号：{or_blank(facts.number)}", 11)
        draw_qr(canvas, facts.url, RIGHT - QR_SIDE + 3 * mm, top - QR_SIDE + 3 * mm, QR_SIDE)
        text_centred(canvas, RIGHT - QR_SIDE / 2 + 3 * mm, top - QR_SIDE + 1 * mm, "扫码查询和下载证书", 8)
        rule(canvas, top - height + 1 * mm, weight=STRONG)

    return Piece(height, draw)


def _key(facts: CommissionFacts) -> Piece:
    """The customer's password in a frame, in a type that is read off paper without mistakes."""
    height = 15 * mm

    def draw(canvas: Canvas, top: float) -> None:
        canvas.setLineWidth(HAIR)
        canvas.rect(LEFT, top - height + 3 * mm, WIDTH, height - 4 * mm)
        base = top - 8.5 * mm
        if facts.secret:
            text(canvas, LEFT + 4 * mm, base, f"客户密码：{facts.secret}", 15, spread=1)
            text_right(canvas, RIGHT - 3 * mm, base, "请妥善保管，凭委托单号和客户密码下载证书", SMALL)
        else:
            text(canvas, LEFT + 4 * mm, base, "客户密码：受理时已告知；遗失的，请向检定机构申请重置。", BODY)

    return Piece(height, draw)


def _fields(facts: CommissionFacts) -> list[Piece]:
    bringer = " ".join(part for part in (facts.bringer, facts.phone_masked) if part)
    values = (
        ("委托单位", facts.unit_name),
        ("送检人", bringer),
        ("检定机构", facts.institute_name),
        ("机构地址", facts.institute_address),
        ("机构电话", facts.institute_phone),
        ("检定方式", facts.mode_label),
        ("预约单号", facts.order_number),
        ("受理日期", facts.opened_on.isoformat() if facts.opened_on else ""),
        ("承诺完成日期", facts.promised_on.isoformat() if facts.promised_on else ""),
    )
    return [*labelled(values, characters=6, pitch=LEADING), gap(3 * mm)]
