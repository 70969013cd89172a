"""预约检定: instruments, then one institute and way, then time and contact, then a page that says what will happen.

Nothing is kept on the server between the pages; what was chosen and typed travels in the forms, contact data by POST
only, so that a refusal (a rival took the slot or the instrument) brings everything back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.roles import UNIT
from app.errors import QuanhengError
from app.operations.appointment import (
    MOST,
    Group,
    book,
    bookable,
    grouped,
    save_draft,
    slot_calendar,
)
from app.profiles import switch_on
from models.appointment import Slot
from models.base import db
from models.organisation import Unit
from views.answers import ids_of, whole
from views.appointment import mode_word, slot_word, weekday
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

booking = Blueprint("booking", __name__, url_prefix="/book")
PAGE = 50
FIELDS = ("contact_name", "contact_phone", "note", "slot_id")


def words() -> list[str]:
    """The wizard's steps."""
    return [gettext("选择器具"), gettext("时间与联系人"), gettext("核对并提交")]


@booking.get("/")
@roles(*UNIT)
def choose() -> Any:
    """Ticked instruments go on to their groups; without any, the bookable ones are listed to choose from."""
    ids = ids_of("ids")
    if ids and not {"page", "more"} & set(request.args):
        return _groups(ids)
    term, page = clean(request.args.get("q"), 50), min(whole(request.args.get("page")) or 0, 200)
    rows = bookable(db.session(), me(), term, page * PAGE, PAGE)
    shown, chosen = rows[:PAGE], ids[:MOST]
    kept = [pk for pk in chosen if pk not in {r.id for r in shown}]
    return render_template(
        "pages/book_choose.html",
        title=gettext("预约检定"),
        steps=words(),
        current=1,
        rows=shown,
        chosen=set(chosen),
        kept=kept,
        term=term,
        page=page,
        more=len(rows) > PAGE,
        mode_word=mode_word,
        most=MOST,
    )


def _groups(ids: list[int]) -> Any:
    """Straight on when all can be booked together, else the groups to choose from and what cannot be booked."""
    try:
        groups, refused = grouped(db.session(), me(), ids)
    except QuanhengError as error:
        if error.status == 404:
            raise
        flash(error.sentence, "warning")
        return redirect("/book/", 303)
    if len(groups) == 1 and not refused:
        return redirect(f"/book/time?ids={','.join(str(i) for i in groups[0].ids)}", 303)
    return render_template(
        "pages/book_groups.html",
        title=gettext("预约检定"),
        steps=words(),
        current=1,
        groups=groups,
        refused=refused,
        mode_word=mode_word,
    )


@dataclass
class Page:
    """What the second and the third page need."""

    group: Group
    typed: dict[str, str]
    calendar: list[tuple[Slot, bool]]

    @property
    def ids(self) -> str:
        return ",".join(str(i) for i in self.group.ids)

    @property
    def days(self) -> list[tuple[date, str, list[tuple[Slot, bool]]]]:
        """The calendar by day."""
        return [(d, weekday(d), list(rows)) for d, rows in groupby(self.calendar, key=lambda pair: pair[0].day)]

    @property
    def slot(self) -> Slot | None:
        return next((s for s, _fits in self.calendar if str(s.id) == self.typed["slot_id"]), None)


@booking.route("/time", methods=["GET", "POST"])
@roles(*UNIT)
def time() -> Any:
    """Date and half day, contact and note; posted it leads to the last page or says what is missing."""
    page = _page()
    if not isinstance(page, Page):
        return page
    if request.method == "GET" or request.form.get("act") == "back":
        return _time(page, {})
    problems = _problems(page)
    return _time(page, problems) if problems else _confirm(page)


@booking.post("/submit")
@roles(*UNIT)
def submit() -> Any:
    """Submit, or keep as a draft; whatever refuses, the page before comes back with everything typed."""
    page = _page()
    if not isinstance(page, Page):
        return page
    if request.form.get("act") == "back":
        return _time(page, {})
    problems = _problems(page)
    if problems:
        return _time(page, problems)
    act = save_draft if request.form.get("act") == "draft" else book
    session = db.session()
    try:
        made = act(
            session,
            me(),
            instrument_ids=page.group.ids,
            slot_id=whole(page.typed["slot_id"]),
            mode=page.group.mode,
            note=page.typed["note"],
            contact_name=page.typed["contact_name"],
            contact_phone=page.typed["contact_phone"],
        )
        session.flush()
    except QuanhengError as error:
        session.rollback()
        if error.status == 404:
            raise
        fresh = _page()
        return _time(fresh, {error.field or "": error.sentence}) if isinstance(fresh, Page) else fresh
    if act is book:
        number = made.number or ""
        flash(gettext("预约单%(number)s已提交，请留意机构的受理结果。", number=number), "success")
    else:
        flash(gettext("预约单已暂存，提交前不占用时段。"), "success")
    return redirect(f"/appointments/show/{made.id}", 303)


def _page() -> Any:
    """The one group that the ids make; several or refused ones go back to the page that explains them."""
    ids = ids_of("ids")
    if not ids:
        flash(gettext("请选择至少一台器具。"), "warning")
        return redirect("/book/", 303)
    typed = {name: clean(request.form.get(name)) for name in FIELDS}
    groups, refused = grouped(db.session(), me(), ids)
    if len(groups) != 1 or refused:
        return _lost(groups, refused, typed)
    group = groups[0]
    if request.method == "GET":
        unit = db.session.get(Unit, me().unit_id)
        typed |= {"contact_name": unit.contact_name, "contact_phone": unit.contact_phone} if unit else {}
    calendar = slot_calendar(db.session(), group.institute.id, group.mode, places=len(group.ids))
    return Page(group, typed, calendar if switch_on("appointment.slots") else [])


def _lost(groups: list[Group], refused: list[Any], typed: dict[str, str]) -> Any:
    """Some of the instruments can no longer be booked together: say which and why, and keep what was typed."""
    page = render_template(
        "pages/book_groups.html",
        title=gettext("预约检定"),
        steps=words(),
        current=1,
        groups=groups,
        refused=refused,
        mode_word=mode_word,
        typed=typed if request.method == "POST" else None,
    )
    return page, 409 if request.method == "POST" else 200


def _problems(page: Page) -> dict[str, str]:
    found: dict[str, str] = {}
    if switch_on("appointment.slots"):
        fits = {str(s.id): ok for s, ok in page.calendar}
        if not page.typed["slot_id"]:
            found["slot_id"] = gettext("请选择预约时段。")
        elif page.typed["slot_id"] not in fits:
            found["slot_id"] = gettext("该时段不可预约，请选择其他时段。")
        elif not fits[page.typed["slot_id"]]:
            found["slot_id"] = gettext("该时段已约满，请选择其他时段。")
    if not page.typed["contact_name"]:
        found["contact_name"] = gettext("请填写“联系人”。")
    if not 7 <= len(page.typed["contact_phone"]) <= 20:
        found["contact_phone"] = gettext("请填写“联系电话”，7～20位。")
    return found


def _time(page: Page, problems: dict[str, str]) -> Any:
    answer = render_template(
        "pages/book_time.html",
        title=gettext("预约检定"),
        steps=words(),
        current=2,
        page=page,
        problems=problems,
        mode=mode_word(page.group.mode),
        slots_on=switch_on("appointment.slots"),
    )
    return answer, 422 if problems else 200


def _confirm(page: Page) -> Any:
    return render_template(
        "pages/book_confirm.html",
        title=gettext("预约检定"),
        steps=words(),
        current=3,
        page=page,
        mode=mode_word(page.group.mode),
        slot=slot_word(page.slot),
    )
