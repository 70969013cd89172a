"""预约单查询 (/booking-query): how an order stands, for whoever knows its number and the end of its phone (APT-31)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, session
from flask_babel import gettext

from app.access import captcha
from app.access.limits import by_address, check, hit
from app.errors import TooOftenError
from app.operations.appointment_query import order_standing
from models.base import db
from views.edge import clean

query_pages = Blueprint("booking_query", __name__, url_prefix="/booking-query")
ACTION = "booking-query"
FREE_TRIES = "3 per hour"
LIMIT = "60 per hour"
TONES = {"success": "ok", "warning": "warn", "danger": "danger", "info": "info", "muted": "muted"}


@query_pages.route("", methods=["GET", "POST"])
def index() -> Any:
    """The form and, posted, the answer. Numbers stand in no address, so that none is kept in logs or histories."""
    number, tail = clean(request.form.get("number"), 20), clean(request.form.get("tail"), 8)
    if request.method == "GET":
        return _page("", "", {}, None)
    problems = _problems(number, tail)
    if problems:
        return _page(number, tail, problems, None)
    hit(by_address(ACTION), LIMIT)
    _count_try()
    found = order_standing(db.session(), number, tail)
    if found is None:
        return _page(number, tail, {"number": gettext("未找到该预约单，请核对预约单号和联系电话后4位。")}, None)
    return _page(number, tail, {}, found)


def asks_captcha() -> bool:
    """Whether this address has used up its tries without one."""
    try:
        check(by_address(f"{ACTION}-free"), FREE_TRIES)
    except TooOftenError:
        return True
    return False


def _count_try() -> None:
    try:
        hit(by_address(f"{ACTION}-free"), FREE_TRIES)
    except TooOftenError:
        return  # beyond the free ones each try has answered a captcha


def _problems(number: str, tail: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if not number:
        found["number"] = gettext("请填写“预约单号”。")
    if len(tail) != 4 or not (tail.isascii() and tail.isdecimal()):
        found["tail"] = gettext("请填写“联系电话后4位”，4位数字。")
    if not found and asks_captcha():
        token, answer = request.form.get("captcha_token", "")[:64], request.form.get("captcha", "")[:12]
        if not answer.strip():
            found["captcha"] = gettext("请填写“验证码”。")
        elif not captcha.solved(ACTION, str(session.get("csrf_token", "")), token, answer):
            found["captcha"] = gettext("验证码错误或已过期。")
    return found


def _page(number: str, tail: str, problems: dict[str, str], found: Any) -> Any:
    page = render_template(
        "portal/booking_query.html",
        title=gettext("预约单查询"),
        number=number,
        tail=tail,
        problems=problems,
        found=found,
        kind=TONES[found.tone] if found else "",
        token=captcha.deal(ACTION, captcha.this_visitor()) if asks_captcha() else "",
        action=ACTION,
    )
    return page, 422 if problems else 200
