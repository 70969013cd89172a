"""法人注册指南: how to get an account at the government service, for deployments that register nobody themselves (REG-08)."""

from __future__ import annotations

import io
from datetime import date
from functools import cache

from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from app.documents.layout import LEFT, PAGE_HEIGHT, RIGHT, Piece, draw_pieces, open_canvas, paragraph, text_centred

TOP, BODY = PAGE_HEIGHT - 30 * mm, 12.0
EDITION = date(2026, 1, 1)  # the day this wording was set
STEPS = (
    "打开浙江政务服务网的法人注册页面：{url}",
    "按页面提示填写单位名称、统一社会信用代码和法定代表人信息，并完成实名核验。",
    "注册成功后，用政务服务网的法人账号登录“{platform}”，首次登录时自动建立本平台的账号。",
    "由经办人办理的，请法定代表人在政务服务网上对经办人授权。",
)


@cache
def registration_guide(platform: str, url: str) -> bytes:
    """The guide as PDF; an administrator may replace it by a file of the service itself."""
    out = io.BytesIO()
    canvas = open_canvas(out, title="法人注册指南", author=platform, subject=platform, day=EDITION)
    lines = [_heading()]
    for number, step in enumerate(STEPS, start=1):
        lines.extend(paragraph(f"{number}. {step.format(url=url, platform=platform)}", BODY, after=3 * mm))
    draw_pieces(canvas, lines, TOP)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _heading() -> Piece:
    def draw(canvas: Canvas, top: float) -> None:
        text_centred(canvas, (LEFT + RIGHT) / 2, top - 10 * mm, "法人注册指南", 22, spread=4)

    return Piece(26 * mm, draw)
