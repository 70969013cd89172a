"""预约检定: instruments, then their institutes and ways, then time and contact, then a page that says what will happen.

Nothing is kept on the server between the pages; what was chosen and typed travels in the forms, contact data by POST
only, so that a refusal (a rival took the slot or the instrument) brings everything back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext

from app import clock
from app.access.roles import UNIT
from app.errors import QuanhengError
from app.operations import basket
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
from app.workflow.appointment_rules import may_split
from models.appointment import Slot
from models.base import db
from models.enums import DeliveryMode
from models.organisation import Unit
from views.answers import ids_of, whole
from views.appointment_words import MODES, mode_word, slot_word, submitted_words, weekday
from views.basket import put_aside
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

booking = Blueprint("booking", __name__, url_prefix="/book")
PAGE = 50
FIELDS = ("contact_name", "contact_phone", "note", "slot_id", "wish_day")


def words() -> list[str]:
    """The wizard's steps."""
    return [gettext("选择器具"), gettext("时间与联系人"), gettext("核对并提交")]


def chosen_mode() -> str:
    """The way chosen for all instruments, "" for each instrument's own."""
    asked = clean(request.form.get("mode", request.args.get("mode")), 10)
    return asked if asked in set(DeliveryMode) else ""


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
        modes=MODES,
        mode=chosen_mode(),
        most=MOST,
        basket=basket.count(db.session(), me()),
    )


@booking.post("/choose")
@roles(*UNIT)
def chosen() -> Any:
    """The buttons of the first page: another page of the list, put aside, or go on with what is ticked."""
    ids, act = ids_of("ids"), clean(request.form.get("act"), 20)
    page = whole(act.removeprefix("page-")) if act.startswith("page-") else None
    args = {"q": clean(request.form.get("q"), 50), "mode": chosen_mode(), "ids": ",".join(map(str, ids))}
    if act == "basket":
        put_aside(ids)
        page, args["ids"] = whole(request.form.get("here")) or 0, ""
    if page is None and not ids:
        flash(gettext("请选择至少一台器具。"), "warning")
        page = whole(request.form.get("here")) or 0
    if page is not None:
        args["page"] = str(page)
    return redirect("/book/?" + urlencode({k: v for k, v in args.items() if v}), 303)


def _groups(ids: list[int]) -> Any:
    """Straight on when all can be booked together, else the groups to choose from and what cannot be booked."""
    mode = chosen_mode()
    try:
        groups, refused = grouped(db.session(), me(), ids, mode or None)
    except QuanhengError as error:
        if error.status == 404:
            raise
        flash(error.sentence, "warning")
        return redirect("/book/", 303)
    homes = [group for group in groups if group.institute is not None]
    if homes and homes == groups and not refused and (len(groups) == 1 or may_split()):
        return redirect(time_address(ids, mode), 303)
    return render_template(
        "pages/book_groups.html",
        title=gettext("预约检定"),
        steps=words(),
        current=1,
        refused=refused,
        **_grouped(groups, mode),
    )


def time_address(ids: list[int], mode: str) -> str:
    """The second page for these instruments."""
    query = {"ids": ",".join(map(str, ids)), **({"mode": mode} if mode else {})}
    return f"/book/time?{urlencode(query, safe=',')}"


def _grouped(groups: list[Group], mode: str) -> dict[str, Any]:
    """What the page of groups says of them: those with an institute, and what no institute takes."""
    homes = [group for group in groups if group.institute is not None]
    together = [pk for group in homes for pk in group.ids] if may_split() and homes else []
    return {
        "groups": homes,
        "homeless": [group for group in groups if group.institute is None],
        "together": together,
        "mode_word": mode_word,
        "mode": mode,
        "address": lambda ids: time_address(ids, mode),
    }


@dataclass
class Page:
    """What the second and the third page need."""

    groups: list[Group]
    typed: dict[str, str]
    mode: str
    calendar: list[tuple[Slot, bool]] = field(default_factory=list)

    @property
    def members(self) -> list[int]:
        return [pk for group in self.groups for pk in group.ids]

    @property
    def ids(self) -> str:
        return ",".join(str(i) for i in self.members)

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
    if request.method == "GET" or request.form.get("act") in {"back", "way"}:
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
            instrument_ids=page.members,
            slot_id=whole(page.typed["slot_id"]),
            mode=page.mode or None,
            note=page.typed["note"],
            contact_name=page.typed["contact_name"],
            contact_phone=page.typed["contact_phone"],
            wish_day=day_of(page.typed["wish_day"]),
        )
        session.flush()
    except QuanhengError as error:
        session.rollback()
        if error.status == 404:
            raise
        fresh = _page()
        return _time(fresh, {error.field or "": error.sentence}) if isinstance(fresh, Page) else fresh
    if act is book:
        flash(submitted_words(made), "success")
    elif switch_on("appointment.slots"):
        flash(gettext("预约单已暂存，提交前不占用时段。"), "success")
    else:
        flash(gettext("预约单已暂存，可以继续修改或提交。"), "success")
    return redirect(f"/appointments/show/{made.id}", 303)


def day_of(text: str) -> date | None:
    """A typed day, None when there is none; _problems has refused what is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _page() -> Any:
    """The instruments as they go together; what cannot goes back to the page that explains it."""
    ids, mode = ids_of("ids"), chosen_mode()
    if not ids:
        flash(gettext("请选择至少一台器具。"), "warning")
        return redirect("/book/", 303)
    typed = {name: clean(request.form.get(name)) for name in FIELDS}
    groups, refused = grouped(db.session(), me(), ids, mode or None)
    alone = len(groups) == 1 or (may_split() and bool(groups))
    if not alone or refused or any(group.institute is None for group in groups):
        return _lost(groups, refused, typed, mode)
    if request.method == "GET":
        unit = db.session.get(Unit, me().unit_id)
        typed |= {"contact_name": unit.contact_name, "contact_phone": unit.contact_phone} if unit else {}
    return Page(groups, typed, mode, _calendar(groups))


def _calendar(groups: list[Group]) -> list[tuple[Slot, bool]]:
    group = groups[0]
    if not switch_on("appointment.slots") or group.institute is None:
        return []
    return slot_calendar(db.session(), group.institute.id, group.mode, places=len(group.ids))


def _lost(groups: list[Group], refused: list[Any], typed: dict[str, str], mode: str) -> Any:
    """Some of the instruments can no longer be booked together: say which and why, and keep what was typed."""
    page = render_template(
        "pages/book_groups.html",
        title=gettext("预约检定"),
        steps=words(),
        current=1,
        refused=refused,
        typed=typed if request.method == "POST" else None,
        **_grouped(groups, mode),
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
    return found | contact_problems(page.typed)


def contact_problems(typed: dict[str, str]) -> dict[str, str]:
    """What is wrong with contact and wish, field by field."""
    found: dict[str, str] = {}
    if not typed["contact_name"] or len(typed["contact_name"]) > 40:
        found["contact_name"] = gettext("请填写“联系人”，不超过40字。")
    if not 7 <= len(typed["contact_phone"]) <= 20:
        found["contact_phone"] = gettext("请填写“联系电话”，7～20位。")
    wish = typed.get("wish_day", "")
    if wish and day_of(wish) is None:
        found["wish_day"] = gettext("“期望日期”无法识别，请按 2026-11-20 的样式填写。")
    elif wish and (day_of(wish) or clock.today()) < clock.today():
        found["wish_day"] = gettext("“期望日期”不能早于今天。")
    return found


def _time(page: Page, problems: dict[str, str]) -> Any:
    answer = render_template(
        "pages/book_time.html",
        title=gettext("预约检定"),
        steps=words(),
        current=2,
        page=page,
        problems=problems,
        modes=MODES,
        mode_word=mode_word,
        slots_on=switch_on("appointment.slots"),
        today=clock.today(),
    )
    return answer, 422 if problems else 200


def _confirm(page: Page) -> Any:
    return render_template(
        "pages/book_confirm.html",
        title=gettext("预约检定"),
        steps=words(),
        current=3,
        page=page,
        mode_word=mode_word,
        slot=slot_word(page.slot),
        slots_on=switch_on("appointment.slots"),
        address=time_address(page.members, page.mode),
    )
