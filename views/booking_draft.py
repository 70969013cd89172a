"""修改预约单 (/book/draft/<id>): instruments in and out of a draft, its contact, way and day (APT-04)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request
from flask_babel import gettext

from app import clock
from app.access.roles import UNIT
from app.errors import QuanhengError
from app.operations.appointment import MOST, bookable, change_draft, slot_calendar, submit
from app.operations.appointment_draft import waiting
from app.profiles import switch_on
from app.workflow import APPOINTMENT
from app.workflow.engine import why_not
from models.appointment import Appointment
from models.base import db
from models.enums import DeliveryMode
from views.answers import ids_of, whole
from views.appointment_words import MODES, mode_word, slot_word, submitted_words
from views.booking import FIELDS, contact_problems, day_of
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

draft_pages = Blueprint("booking_draft", __name__, url_prefix="/book/draft")
OFFERED = 50


@draft_pages.route("/<int:pk>", methods=["GET", "POST"])
@roles(*UNIT)
def edit(pk: int) -> Any:
    """The draft as it is, and what could be added; saved it stays a draft or is submitted at once."""
    draft = db.session.get(Appointment, pk)
    if draft is None:
        abort(404)
    why = why_not(db.session(), APPOINTMENT, draft, APPOINTMENT.step("edit"), me())
    if why is not None:
        flash(gettext("只有“待提交”的预约单可以修改或删除。"), "warning")
        return redirect(f"/appointments/show/{pk}", 303)
    if request.method == "GET" or request.form.get("act") == "search":
        return _form(draft, _typed(draft), {})
    typed = {name: clean(request.form.get(name)) for name in FIELDS}
    problems = contact_problems(typed)
    return _form(draft, typed, problems) if problems else _save(draft, typed)


def _typed(draft: Appointment) -> dict[str, str]:
    if request.method == "POST":
        return {name: clean(request.form.get(name)) for name in FIELDS}
    return {
        "contact_name": draft.contact_name,
        "contact_phone": draft.contact_phone,
        "note": draft.note,
        "slot_id": str(draft.slot_id or ""),
        "wish_day": draft.wish_day.isoformat() if draft.wish_day else "",
    }


def _mode() -> str | None:
    asked = clean(request.form.get("mode"), 10)
    return asked if asked in set(DeliveryMode) else None


def _save(draft: Appointment, typed: dict[str, str]) -> Any:
    session, pk = db.session(), draft.id
    try:
        changed = change_draft(
            session,
            me(),
            pk,
            seen_version=whole(request.form.get("seen_version")),
            add=ids_of("add"),
            remove=ids_of("remove"),
            mode=_mode(),
            slot_id=whole(typed["slot_id"]),
            note=typed["note"],
            contact_name=typed["contact_name"],
            contact_phone=typed["contact_phone"],
            wish_day=day_of(typed["wish_day"]),
        )
        if request.form.get("act") == "submit":
            session.flush()
            flash(submitted_words(submit(session, me(), changed.id)), "success")
        else:
            flash(gettext("预约单已保存。"), "success")
        session.flush()
    except QuanhengError as error:
        session.rollback()
        if error.status in {403, 404}:
            raise
        fresh = session.get(Appointment, pk)
        if fresh is None:
            abort(404)
        return _form(fresh, typed, {error.field or "": error.sentence})
    return redirect(f"/appointments/show/{pk}", 303)


def _form(draft: Appointment, typed: dict[str, str], problems: dict[str, str]) -> Any:
    session, term = db.session(), clean(request.values.get("q"), 50)
    items = waiting(session, draft.id)
    slots: list[tuple[str, str]] = []
    if switch_on("appointment.slots") and draft.institute_id:
        calendar = slot_calendar(session, draft.institute_id, draft.mode, places=max(len(items), 1))
        slots = [(str(s.id), slot_word(s)) for s, fits in calendar if fits or s.id == draft.slot_id]
    page = render_template(
        "pages/book_draft.html",
        title=gettext("修改预约单"),
        draft=draft,
        items=items,
        offered=bookable(session, me(), term, 0, OFFERED)[:OFFERED],
        typed=typed,
        problems=problems,
        term=term,
        slots=slots,
        slots_on=switch_on("appointment.slots"),
        modes=MODES,
        mode=_mode() or "",
        mode_word=mode_word,
        adding=set(ids_of("add")),
        removing=set(ids_of("remove")),
        seen=request.form.get("seen_version", draft.version),
        today=clock.today(),
        most=MOST,
    )
    return page, 422 if problems else 200
