"""我的业务办理 (/me/business, ORG-13): bookings and filings of the own unit or institute, newest first."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext
from markupsafe import Markup

from app.fab.paging import Pager
from app.operations.my_business import Line, my_business
from app.workflow import REGISTRY
from models.base import db
from models.enums import Role
from views.guards import roles
from views.workflow_view import chip, me

business_pages = Blueprint("my_business", __name__)
NAME = "business"
SIZES = (25, 50, 100, 200)
PAGES = 400  # deeper pages of a list that grows for years are reached by the lists' own filters


@business_pages.get("/me/business")
@roles(Role.ENT, Role.SUB, Role.AFF, Role.IMG)
def business() -> str:
    """业务流水号, 申请事项, 申请时间, 结果状态."""
    page, size = _number(f"page_{NAME}", 0, PAGES), _number(f"psize_{NAME}", SIZES[0], SIZES[-1])
    size = size if size in SIZES else SIZES[0]
    if me().unit_id is None and me().institute_id is None:
        abort(403)
    lines, count = my_business(db.session(), me(), page, size)
    return render_template(
        "kinds/list.html",
        title=gettext("我的业务办理"),
        count=count,
        unit_word=gettext("项"),
        heads=[gettext("业务流水号"), gettext("申请事项"), gettext("申请时间"), gettext("结果状态")],
        rows=[_cells(line) for line in lines],
        empty_text=gettext("还没有办理过业务"),
        pager=Pager(page, size, count, len(lines)),
        name=NAME,
    )


def _number(name: str, default: int, most: int) -> int:
    text = request.args.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 6 else default


def _cells(line: Line) -> list[Any]:
    number = Markup('<a href="/{}s/show/{}" class="num">{}</a>').format(line.entity, line.id, line.number)
    subject = gettext("预约检定") if line.entity == "appointment" else gettext("器具备案")
    if me().has(Role.AFF) and me().unit_id is None:
        number = Markup('<span class="num">{}</span>').format(line.number)  # reads the list, opens nothing
    return [number, subject, line.at, chip(REGISTRY[line.entity], line.state)]
