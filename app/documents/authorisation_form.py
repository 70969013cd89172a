"""The blank 《法人授权书》 that an applicant prints, has signed and stamped, and uploads with the registration."""

from __future__ import annotations

import io
from datetime import date
from functools import cache

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.layout import (
    LEFT,
    PAGE_HEIGHT,
    RIGHT,
    WIDTH,
    Piece,
    draw_pieces,
    lines_piece,
    open_canvas,
    paragraph,
    rule,
    text,
    text_centred,
)

TOP = PAGE_HEIGHT - 30 * mm
BODY, SMALL = 12.0, 9.5
EDITION = date(2026, 1, 1)  # the day this wording was set; the bytes depend on nothing else
LABEL = 50 * mm
BLANKS = (
    "授权单位名称",
    "统一社会信用代码",
    "法定代表人（负责人）",
    "被授权人姓名",
    "被授权人手机号",
    "被授权人职务",
)
NOTES = (
    "单位名称须与证照上的一致。",
    "由法定代表人（负责人）签字并加盖公章后，扫描或拍照上传，支持 jpg、png 图片或 PDF，不超过10MB。",
    "被授权人变更时，请重新出具本授权书。",
)


@cache
def blank_authorisation(platform: str) -> bytes:
    """The form as PDF; `platform` is the name of the deployment."""
    out = io.BytesIO()
    canvas = open_canvas(out, title="法人授权书", author=platform, subject=platform, day=EDITION)
    draw_pieces(canvas, [_heading(), *_blanks(), *_wording(platform), _signatures(), *_notes()], TOP)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _heading() -> Piece:
    def draw(canvas: Canvas, top: float) -> None:
        text_centred(canvas, (LEFT + RIGHT) / 2, top - 10 * mm, "法人授权书", 24, spread=6)

    return Piece(26 * mm, draw)


def _blanks() -> list[Piece]:
    return [_blank(label) for label in BLANKS]


def _blank(label: str) -> Piece:
    def draw(canvas: Canvas, top: float) -> None:
        base = top - 8 * mm
        text(canvas, LEFT, base, f"{label}：", BODY)
        rule(canvas, base - 2, left=LEFT + LABEL, right=RIGHT)

    return Piece(12 * mm, draw)


def _wording(platform: str) -> list[Piece]:
    said = (
        f"兹授权上述被授权人代表本单位在“{platform}”办理账号注册、强制检定计量器具备案、预约检定以及"
        "相关信息的填报和确认。被授权人在平台上的上述行为，由本单位承担相应的法律责任。"
    )
    period = "授权期限：自        年    月    日至        年    月    日。"
    return [
        Piece(8 * mm, lambda canvas, top: None),
        *paragraph(f"　　{said}", BODY, after=3 * mm),
        *paragraph(period, BODY),
    ]


def _signatures() -> Piece:
    def draw(canvas: Canvas, top: float) -> None:
        middle = LEFT + WIDTH / 2
        text(canvas, LEFT, top - 18 * mm, "被授权人（签字）：", BODY)
        text(canvas, middle, top - 18 * mm, "法定代表人（签字）：", BODY)
        text(canvas, middle, top - 32 * mm, "单位（盖章）：", BODY)
        text(canvas, middle, top - 46 * mm, "        年    月    日", BODY)

    return Piece(60 * mm, draw)


def _notes() -> list[Piece]:
    lines = [lines_piece(["填写说明"], SMALL, after=1 * mm)]
    for number, note in enumerate(NOTES, start=1):
        lines.extend(paragraph(f"{number}. {note}", SMALL))
    return lines
