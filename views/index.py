"""The home page of the back office: what waits today, then figures, by role."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import g, redirect
from flask_appbuilder import IndexView, expose
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy import func, select

from app import clock
from app.access.principal import Principal, current_principal
from app.operations.band import Band, band_condition
from models import Appointment, Certificate, Instrument
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
        )


def lapsed_on() -> date | None:
    """The last day in office of somebody whose term has run out: no rights are left, and the page says why."""
    account = g.get("account")
    until: date | None = account.valid_until if account is not None else None
    return until if until is not None and until < clock.today() else None


def _capped(model: type[Any], *conditions: Any) -> int:
    inner = select(model.id).where(*conditions).limit(CAP + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(inner)) or 0


def figures(p: Principal) -> list[dict[str, Any]]:
    """Numbers that are links; every one passes through the principal's scope."""
    if not (p.of_unit or p.of_institute or p.has(Role.REG)):
        return []
    today = clock.today()
    good = _capped(Instrument, band_condition(Band.GOOD, today))
    return [
        {
            "number": _capped(Instrument, Instrument.state == "in_use"),
            "label": gettext("在用器具（台）"),
            "url": "/instruments/list/?state=in_use",
        },
        {"number": good, "label": gettext("有效期内（台）"), "url": "/instruments/list/?band=good"},
        {
            "number": _capped(Appointment, Appointment.state.in_(("submitted", "accepted", "in_progress"))),
            "label": gettext("进行中的预约单"),
            "url": "/appointments/list/",
        },
        {
            "number": _capped(Certificate, Certificate.state == "issued"),
            "label": gettext("已签发证书"),
            "url": "/certificates/list/?state=issued",
        },
    ]
