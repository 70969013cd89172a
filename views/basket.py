"""待处理列表 (/book/basket): what somebody put aside over many pages, to book or file it together (APT-27)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.roles import UNIT
from app.errors import InvalidInputError
from app.operations import basket
from app.operations.appointment import MOST
from app.profiles import switch_on
from models.base import db
from views.answers import ids_of
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

basket_pages = Blueprint("basket", __name__, url_prefix="/book/basket")


@basket_pages.get("")
@roles(*UNIT)
def index() -> Any:
    """What is in the list now, each group with what can be done with it."""
    found = basket.contents(db.session(), me())
    return render_template(
        "pages/basket.html",
        title=gettext("待处理列表"),
        to_book=found.to_book,
        to_file=found.to_file,
        most=MOST,
        filing=switch_on("filing"),
    )


@basket_pages.post("")
@roles(*UNIT)
def act() -> Any:
    """Book or file the ticked ones, or take them (or all) out of the list."""
    ids, wanted = ids_of("ids"), clean(request.form.get("act"), 20)
    if wanted == "empty":
        basket.remove(db.session(), me())
        flash(gettext("待处理列表已清空。"), "success")
        return redirect("/book/basket", 303)
    if not ids:
        flash(gettext("请先勾选器具。"), "warning")
        return redirect("/book/basket", 303)
    if wanted == "remove":
        gone = basket.remove(db.session(), me(), ids)
        flash(gettext("已移出%(n)s台。", n=gone), "success")
        return redirect("/book/basket", 303)
    target = "/filings/submit" if wanted == "file" else "/book/"
    return redirect(f"{target}?ids={','.join(map(str, ids))}", 303)


def put_aside(ids: list[int]) -> None:
    """加入待处理 from any list; says how many went in and how many have nothing to be done about."""
    try:
        added, unfit = basket.add(db.session(), me(), ids)
    except InvalidInputError as error:
        flash(error.sentence, "warning")
        return
    in_all = basket.count(db.session(), me())
    flash(gettext("已加入待处理%(n)s台，列表中共%(all)s台。", n=added, all=in_all), "success")
    if unfit:
        flash(gettext("%(n)s台不能加入：已停用、报废，或已在预约单、备案中。", n=unfit), "warning")
