"""`/feeds/`: one's calendar addresses, made and taken back; `/feed/<token>.ics`: what a calendar program reads."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request
from flask_babel import gettext

from app.access.limits import by_address, hit
from app.errors import InvalidInputError
from app.operations import feeds as rules
from models.base import db
from models.enums import Role
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

feed_pages = Blueprint("feeds", __name__)
READERS = (Role.ENT, Role.SUB, Role.AFF, Role.REC, Role.VER, Role.APR, Role.IMG)
READS, GUESSES = "120 per hour", "6000 per hour"
"""Of one address, and from one place: calendar services read for thousands of people from a few machines, and an address
of 256 bits is not guessed."""


def _page(**more: Any) -> str:
    return render_template(
        "pages/feeds.html",
        title=gettext("日历订阅"),
        feeds=rules.feeds(db.session()),
        kinds=rules.kinds_of(me()),
        names=rules.KINDS,
        **more,
    )


@feed_pages.get("/feeds/")
@roles(*READERS)
def index() -> str:
    """The addresses one has."""
    return _page()


@feed_pages.post("/feeds/")
@roles(*READERS)
def create() -> Any:
    """A new address, shown on this page and nowhere else afterwards."""
    kind = clean(request.form.get("kind"), 20)
    try:
        token = rules.create_feed(db.session(), me(), kind)
    except InvalidInputError as error:
        db.session.rollback()
        return _page(problem=error.sentence), 422
    page = current_app.make_response(
        _page(secret=f"{current_app.config['BASE_URL']}/feed/{token}.ics", made=rules.KINDS[kind])
    )
    page.headers["Cache-Control"] = "no-store"
    return page


@feed_pages.post("/feeds/<int:feed_id>/revoke")
@roles(*READERS)
def revoke(feed_id: int) -> Any:
    """Take an address back: from now on it answers 410."""
    rules.revoke_feed(db.session(), feed_id)
    flash(gettext("订阅地址已停用，日历程序不会再收到更新。"), "success")
    return redirect("/feeds/", 303)


@feed_pages.get("/feed/<string:token>.ics")
def read(token: str) -> Response:
    """The calendar; the address is the permission, no log-in is asked for."""
    key = clean(token, 100)
    hit(by_address("calendar-feed"), GUESSES)
    hit(f"calendar-feed:{key[:16]}", str(current_app.config.get("FEED_LIMIT", READS)))
    text = rules.read_feed(db.session(), key)
    g.keep_writes = True  # when it was last read
    answer = Response(text.encode(), mimetype="text/calendar")
    answer.headers["Content-Type"] = "text/calendar; charset=utf-8"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Disposition"] = 'inline; filename="quanheng.ics"'
    return answer
