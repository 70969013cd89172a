"""全部预约 (/book/due): everything that is due as orders with institute, way and slot, confirmed once (BEYOND 5)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.roles import UNIT
from app.operations.booking_due import Proposal, Proposed, book_all, propose
from app.profiles import switch_on
from models.base import db
from models.organisation import Unit
from views.answers import NUMBER, whole
from views.appointment_words import mode_word, slot_word
from views.booking import contact_problems
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

due_pages = Blueprint("booking_due", __name__, url_prefix="/book/due")
CONTACT = ("contact_name", "contact_phone", "note")


@due_pages.route("", methods=["GET", "POST"])
@roles(*UNIT)
def index() -> Any:
    """The proposal; posted, the orders that were left ticked are submitted, each by itself."""
    if request.method == "POST":
        return _confirm()
    unit = db.session.get(Unit, me().unit_id)
    typed = {"contact_name": unit.contact_name, "contact_phone": unit.contact_phone} if unit else {}
    return _page(propose(db.session(), me()), {**dict.fromkeys(CONTACT, ""), **typed}, {})


def _confirm() -> Any:
    typed = {name: clean(request.form.get(name)) for name in CONTACT}
    wanted: dict[str, tuple[list[int], int | None]] = {}
    for key in request.form.getlist("order")[:200]:
        ids = [int(t) for t in request.form.get(f"ids-{key}", "").split(",")[:200] if NUMBER.fullmatch(t)]
        if ids:
            wanted[key] = ids, whole(request.form.get(f"slot-{key}"))
    problems = contact_problems(typed)
    if not wanted:
        problems["orders"] = gettext("请至少勾选一张预约单。")
    if problems:
        return _page(propose(db.session(), me()), typed, problems)
    done = book_all(db.session(), me(), wanted, **typed)
    if done.made:
        numbers = gettext("、").join(str(order) for order in done.made[:10])
        said = gettext(
            "已提交%(n)s台器具，共%(orders)s张预约单：%(numbers)s",
            n=done.booked,
            orders=len(done.made),
            numbers=numbers,
        )
        flash(said + ("…" if len(done.made) > 10 else gettext("。")), "success")
    if done.failed:
        why = " ".join(gettext("%(n)s台：%(why)s", n=count, why=sentence) for count, sentence in done.failed[:5])
        flash(gettext("%(n)s台没有预约成功，请核对后再试。", n=done.missed) + why, "warning")
        return redirect("/book/due", 303)
    return redirect("/appointments/list/", 303)


def _page(proposal: Proposal, typed: dict[str, str], problems: dict[str, str]) -> Any:
    ticked = set(request.form.getlist("order")) if request.method == "POST" else {o.key for o in proposal.orders}
    page = render_template(
        "pages/book_due.html",
        title=gettext("全部预约"),
        proposal=proposal,
        typed=typed,
        problems=problems,
        ticked=ticked,
        chosen={order.key: _slot_of(order) for order in proposal.orders},
        mode_word=mode_word,
        slot_word=slot_word,
        slots_on=switch_on("appointment.slots"),
    )
    return page, 422 if problems else 200


def _slot_of(order: Proposed) -> int | None:
    """The slot that was chosen before a refusal, else the proposed one."""
    asked = whole(request.form.get(f"slot-{order.key}"))
    return asked or (order.slot.id if order.slot else None)
