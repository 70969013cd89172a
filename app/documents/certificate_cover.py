"""The cover of a certificate: who, what, the conclusion, signatures, seal and QR code.

The order of fields follows the usual cover of 检定证书 issued by legal metrology
institutes. Long values wrap and the type shrinks; what still cannot fit is moved
whole to the inner pages and the cover says so, nothing is ever cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.certificate_facts import CertificateFacts
from app.documents.layout import (
    HAIR,
    LEADING,
    LEFT,
    PAGE_HEIGHT,
    RIGHT,
    STRONG,
    THIN,
    WIDTH,
    chinese_date,
    justified,
    or_blank,
    rule,
    text,
    text_centred,
    text_right,
)
from app.documents.qr import draw_qr
from app.documents.wrap import wrap

LABEL_SIZE = 12.0
LABEL_WIDTH = 6.5 * LABEL_SIZE
VALUE_LEFT = LEFT + LABEL_WIDTH + 6 * mm
SIZES = (12.5, 11.5, 10.5, 9.5, 8.5, 7.5)
ROW_GAP, ROW_GAP_MAX = 2.2 * mm, 6.5 * mm
SIGNATURES = 5  # lines: three names, the day, the validity
SIGNATURE_PITCH = 10.2 * mm
FOOT_TOP = 50 * mm
SEE_INSIDE = "（全文见内页“封面续”）"
FOOT_SIZES = (9.5, 8.5, 7.5, 6.5)
QR_SIDE = 30 * mm
FOOT_WIDTH = RIGHT - QR_SIDE - LEFT - 6 * FOOT_SIZES[0] - 1 * mm
SIGNATURE_LEFT = LEFT + 86 * mm + 4 * LABEL_SIZE + 16

# Values outside the rows: what to call them inside, smallest type, width, most lines there.
CONFINED = {
    "institute_name": ("检定机构", 9.0, WIDTH, 3),
    "number": ("证书编号", 8.0, WIDTH - 6 * LABEL_SIZE, 2),
    "approver": ("批准人", 7.0, RIGHT - SIGNATURE_LEFT, 2),
    "checker": ("核验员", 7.0, RIGHT - SIGNATURE_LEFT, 2),
    "verifier": ("检定员", 7.0, RIGHT - SIGNATURE_LEFT, 2),
    "authorisation_no": ("授权证书号", FOOT_SIZES[-1], FOOT_WIDTH, 2),
    "institute_address": ("机构地址", FOOT_SIZES[-1], FOOT_WIDTH, 3),
    "institute_phone": ("联系电话", FOOT_SIZES[-1], FOOT_WIDTH, 2),
    "verify_url": ("核验网址", FOOT_SIZES[-1], FOOT_WIDTH, 3),
}

REJECTION_NOTICE = (
    "该计量器具经检定不合格。依照《中华人民共和国计量法》第九条，修理并重新检定合格前不得使用。",
    "对检定结果有异议的，有权在规定期限内申请复检；期限和受理机构可按本页联系电话询问。",
)


@dataclass(frozen=True)
class Cover:
    """A cover ready to draw, and the values that have to be printed inside.

    `shown` are the facts with a reference in place of each confined value too long.
    """

    shown: CertificateFacts
    qr_text: str
    size: float
    rows: list[tuple[str, list[str]]]
    notice: list[str]
    gap: float
    moved: list[tuple[str, str]]


def plan_cover(facts: CertificateFacts) -> Cover:
    """Choose the largest type in which every row fits above the signatures."""
    shown, moved = _confine(facts)
    values = _values(shown)
    notice = [line for sentence in _notice(facts) for line in wrap(sentence, 10, WIDTH)]
    room = _rows_top(shown) - _signatures_top(facts) - _notice_height(notice)
    while True:
        for size in SIZES:
            rows = [(label, wrap(value, size, RIGHT - VALUE_LEFT)) for label, value in values]
            height = sum(_row_height(lines, size) for _, lines in rows)
            if height + ROW_GAP * len(rows) <= room:
                gap = min(ROW_GAP_MAX, (room - height) / len(rows))
                return Cover(shown, facts.verify_url, size, rows, notice, gap, moved)
        # One value leaves per turn; eleven one-line rows always fit, so this ends.
        longest = max(range(len(values)), key=lambda i: len(rows[i][1]))
        moved.append(values[longest])
        values[longest] = (values[longest][0], SEE_INSIDE)


def _confine(facts: CertificateFacts) -> tuple[CertificateFacts, list[tuple[str, str]]]:
    """Replace values too long for their fixed place by a reference to the inner pages."""
    moved: list[tuple[str, str]] = []
    for field, (label, size, width, most) in CONFINED.items():
        value = getattr(facts, field)
        if len(wrap(or_blank(value), size, width)) > most:
            moved.append((label, value))
            reference: dict[str, Any] = {field: SEE_INSIDE}
            facts = replace(facts, **reference)
    return facts, moved


def draw_cover(canvas: Canvas, cover: Cover, pages: int) -> None:
    """Draw the cover as page 1 of `pages`."""
    facts = cover.shown
    text_right(canvas, RIGHT, PAGE_HEIGHT - 16 * mm, f"第 1 页 共 {pages} 页", 9)
    _draw_head(canvas, facts)
    _draw_rows(canvas, cover, _rows_top(facts))
    if cover.notice:
        _draw_notice(canvas, cover.notice, _signatures_top(facts))
    _draw_seal(canvas, (_signatures_top(facts) + FOOT_TOP) / 2)
    _draw_signatures(canvas, facts)
    _draw_foot(canvas, facts, cover.qr_text)


def _values(facts: CertificateFacts) -> list[tuple[str, str]]:
    rows = [
        ("委托方", facts.client),
        ("委托方地址", facts.client_address),
        ("计量器具名称", facts.instrument_name),
        ("型号规格", facts.model),
        ("出厂编号", facts.serial_no),
        ("制造单位", facts.manufacturer),
        ("测量范围", facts.measuring_range),
        ("准确度等级", facts.accuracy_class),
        ("检定依据", "；".join(facts.regulations)),
        ("检定结论", facts.conclusion),
    ]
    if facts.rejected:
        rows.append(("不合格项目", facts.failures))
    return [(label, or_blank(value)) for label, value in rows]


def _notice(facts: CertificateFacts) -> tuple[str, ...]:
    return REJECTION_NOTICE if facts.rejected else ()


def _signatures_top(facts: CertificateFacts) -> float:
    """A rejection has no validity line, so its rows get that room."""
    return FOOT_TOP + 6 * mm + SIGNATURE_PITCH * (SIGNATURES - facts.rejected)


def _notice_height(notice: list[str]) -> float:
    return len(notice) * 10 * LEADING + 8 * mm if notice else 0


def _row_height(lines: list[str], size: float) -> float:
    return (len(lines) - 1) * size * LEADING + max(size, LABEL_SIZE) * 1.3


def _institute_lines(facts: CertificateFacts) -> tuple[list[str], float]:
    name = or_blank(facts.institute_name)
    for size in (20.0, 18.0, 16.0, 14.0):
        lines = wrap(name, size, WIDTH)
        if len(lines) == 1:
            return lines, size
    size = 14.0 if len(lines) <= 2 else CONFINED["institute_name"][1]
    return wrap(name, size, WIDTH), size


def _rows_top(facts: CertificateFacts) -> float:
    lines, size = _institute_lines(facts)
    return PAGE_HEIGHT - 76 * mm - (len(lines) - 1) * size * LEADING


def _draw_head(canvas: Canvas, facts: CertificateFacts) -> None:
    centre = (LEFT + RIGHT) / 2
    lines, size = _institute_lines(facts)
    y = PAGE_HEIGHT - 33 * mm
    for index, line in enumerate(lines):
        text_centred(canvas, centre, y, line, size, spread=1.5 if len(lines) == 1 and size > 16 else 0)
        if index < len(lines) - 1:
            y -= size * LEADING
    text_centred(canvas, centre, y - 19 * mm, facts.title, 30, spread=6 if facts.rejected else 18)
    rule(canvas, y - 25 * mm, weight=STRONG)
    rule(canvas, y - 25.9 * mm, weight=HAIR)
    number = f"证书编号：{or_blank(facts.number)}"
    if len(wrap(number, 12, WIDTH)) == 1:
        text_centred(canvas, centre, y - 33.5 * mm, number, 12)
    else:
        for index, line in enumerate(wrap(number, 8, WIDTH)):
            text_centred(canvas, centre, y - 32 * mm - index * 11, line, 8)


def _draw_rows(canvas: Canvas, cover: Cover, top: float) -> None:
    size, y = cover.size, top
    for label, lines in cover.rows:
        base = y - LABEL_SIZE
        justified(canvas, LEFT, base, label, LABEL_SIZE, LABEL_WIDTH)
        text(canvas, LEFT + LABEL_WIDTH, base, "：", LABEL_SIZE)
        for index, line in enumerate(lines):
            line_base = base - index * size * LEADING
            emphasised = label == "检定结论" and len(lines) == 1 and len(line) < 20
            text(canvas, VALUE_LEFT, line_base, line, size + 2 if emphasised else size)
            rule(canvas, line_base - size * 0.32, left=VALUE_LEFT - mm, weight=HAIR)
        y -= _row_height(lines, size) + cover.gap


def _draw_notice(canvas: Canvas, notice: list[str], bottom: float) -> None:
    """The sentence a user must not overlook, between two rules."""
    top = bottom + _notice_height(notice) - 1 * mm
    rule(canvas, top, weight=THIN)
    for index, line in enumerate(notice):
        text(canvas, LEFT, top - 2 * mm - 10 * (1 + LEADING * index), line, 10)
    rule(canvas, top - len(notice) * 10 * LEADING - 3.5 * mm, weight=THIN)


def _draw_seal(canvas: Canvas, y: float) -> None:
    """A dotted ring shows where the seal goes; the seal itself is put on later."""
    x, radius = LEFT + 36 * mm, 20 * mm
    canvas.saveState()
    canvas.setLineWidth(HAIR)
    canvas.setDash(1, 2.5)
    canvas.circle(x, y, radius)
    canvas.restoreState()
    text_centred(canvas, x, y - 3, "（检定专用章）", 9)


def _draw_signatures(canvas: Canvas, facts: CertificateFacts) -> None:
    rows = [
        ("批准人", or_blank(facts.approver)),
        ("核验员", or_blank(facts.checker)),
        ("检定员", or_blank(facts.verifier)),
        ("检定日期", chinese_date(facts.verified_on)),
    ]
    if not facts.rejected:
        rows.append(("有效期至", chinese_date(facts.valid_until)))
    start, width = SIGNATURE_LEFT, 4 * LABEL_SIZE
    left = start - width - 16
    y = _signatures_top(facts) - 9 * mm
    for label, value in rows:
        justified(canvas, left, y, label, LABEL_SIZE, width)
        text(canvas, left + width, y, "：", LABEL_SIZE)
        lines = wrap(value, 12, RIGHT - start)
        size = 12.0
        if len(lines) > 1:
            size = 7.0
            lines = wrap(value, size, RIGHT - start)
        for index, line in enumerate(lines):
            text(canvas, start, y + (len(lines) - 1 - index) * size * 1.15, line, size)
        rule(canvas, y - 4, left=start - 3, weight=HAIR)
        y -= SIGNATURE_PITCH


def _draw_foot(canvas: Canvas, facts: CertificateFacts, qr_text: str) -> None:
    rule(canvas, FOOT_TOP, weight=THIN)
    centre = RIGHT - QR_SIDE / 2 + 2 * mm
    draw_qr(canvas, qr_text, centre - QR_SIDE / 2, FOOT_TOP - QR_SIDE - 1 * mm, QR_SIDE)
    text_centred(canvas, centre, FOOT_TOP - QR_SIDE - 4 * mm, f"核验码 {or_blank(facts.lookup_code)}", 9)
    values = (facts.authorisation_no, facts.institute_address, facts.institute_phone, facts.verify_url)
    labels = ("授权证书号", "机构地址", "联系电话", "核验网址")
    for size in FOOT_SIZES:
        wrapped = [wrap(or_blank(value), size, FOOT_WIDTH) for value in values]
        height = sum(len(lines) for lines in wrapped) * size * 1.5
        if height <= FOOT_TOP - 17 * mm:
            break
    gap = min((FOOT_TOP - 15 * mm - height) / len(values), 2 * mm)
    y = FOOT_TOP - 3 * mm - size
    for label, lines in zip(labels, wrapped, strict=True):
        justified(canvas, LEFT, y, label, size, 5 * FOOT_SIZES[0])
        text(canvas, LEFT + 5 * FOOT_SIZES[0], y, "：", size)
        for line in lines:
            text(canvas, LEFT + 6 * FOOT_SIZES[0], y, line, size)
            y -= size * 1.5
        y -= gap
