"""The home page of the back office: what waits today, then figures, by role."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import current_app, g, redirect
from flask_appbuilder import IndexView, expose
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy import select

from app import clock
from app.access.principal import Principal, current_principal
from app.operations.clocks import InstituteDay, institute_day
from app.operations.home import Card, home_figures
from app.operations.saved_views import pinned_views
from app.profiles import switch_on
from models import InstituteCapability, Instrument, Slot
from models.base import db
from models.enums import Role

TONES = {"danger": "danger", "warn": "warn", "info": "info"}
CAP = 10_000


class HomeView(IndexView):
    """`/home/`; the portal has `/`."""

    route_base = "/home"
    index_template = "pages/home.html"

    @expose("/")
    def index(self) -> Any:
        """Today's work first, each line a link to the list already filtered."""
        if not current_user.is_authenticated:
            return redirect("/login/?next=/home/")
        principal = current_principal()
        assert principal is not None
        if principal.has(Role.APPLICANT):
            return redirect("/register/mine")
        from views.menu import my_todos

        lines = [{"url": t.url, "label": t.label, "count": t.count, "kind": TONES[t.tone]} for t in my_todos(CAP)]
        greeting = gettext("%(name)s，您好", name=principal.name)
        return self.render_template(
            self.index_template,
            title=gettext("首页"),
            greeting=greeting,
            todos=lines,
            figures=figures(principal),
            body=principal.body,
            lapsed=lapsed_on(),
            today=clock.today(),
            first_steps=nothing_yet(principal),
            institute_steps=not_ready(principal),
            institute_day=day_of_institute(principal),
        )


def day_of_institute(principal: Principal) -> InstituteDay | None:
    """Today's visits, what waits and the weeks ahead, for reception and heads where bookings are made here."""
    if not (principal.of_institute and principal.has(Role.REC, Role.IMG) and switch_on("appointment")):
        return None
    return institute_day(db.session(), principal)


def nothing_yet(principal: Principal) -> bool:
    """A unit whose ledger is still empty: its first page says how to begin instead of counting to nought."""
    if not principal.has(Role.ENT, Role.SUB):
        return False
    return db.session.scalar(select(Instrument.id).limit(1)) is None


def not_ready(principal: Principal) -> list[tuple[str, str, str]]:
    """What the head of a new institute has still to do before units can come: (address, name, why) each."""
    if not principal.of_institute or not principal.has(Role.IMG):
        return []
    here, found = principal.institute_id, []
    if (
        db.session.scalar(select(InstituteCapability.id).where(InstituteCapability.institute_id == here).limit(1))
        is None
    ):
        why = gettext("没有登记的种别，备案和预约不会派给本机构。")
        found.append(("/capabilities/list/", gettext("登记检定能力"), why))
    if switch_on("appointment.slots") and (
        db.session.scalar(select(Slot.id).where(Slot.institute_id == here, Slot.day >= clock.today()).limit(1)) is None
    ):
        found.append(("/slots/list/", gettext("开放预约时段"), gettext("没有开放的时段，使用单位选不到日期。")))
    return found


def lapsed_on() -> date | None:
    """The last day in office of somebody whose term has run out: no rights are left, and the page says why."""
    account = g.get("account")
    until: date | None = account.valid_until if account is not None else None
    return until if until is not None and until < clock.today() else None


def figures(p: Principal) -> list[dict[str, Any]]:
    """Numbers that are links, with what the person pinned; every one passes through the principal's scope."""
    if not (p.of_unit or p.of_institute or p.has(Role.REG)):
        return []
    cards = [*home_figures(db.session(), p), *pinned_cards(p)]
    return [{"number": card.number, "label": card.label, "url": card.url} for card in cards]


def pinned_cards(p: Principal) -> list[Card]:
    """The filters that the person keeps on his home page, with the number of rows they find now (BEYOND 6)."""
    appbuilder = current_app.extensions["appbuilder"]
    views = {type(view).__name__: view for view in appbuilder.baseviews}
    found = []
    for saved in pinned_views(db.session(), p):
        view = views.get(saved.list_name)
        if view is not None and view.may("list"):
            found.append(Card(saved.name, view.count_of(saved.query), view.address_of(saved)))
    return found
