"""The one search box: instruments, orders, certificates and units, each through the principal's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import func, or_, select

from app.access.principal import Principal
from app.access.roles import INSTITUTE, REGULATOR, UNIT
from models.appointment import Appointment
from models.base import db
from models.certificate import Certificate
from models.enums import Role
from models.instrument import Instrument
from models.organisation import Unit
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

search_pages = Blueprint("search_pages", __name__)
MOST = 20
SHORTEST = 2
BUSINESS = UNIT | INSTITUTE | REGULATOR


@dataclass(frozen=True)
class Hit:
    """One row found: what it is called, what else tells it apart, where it is."""

    name: str
    note: str
    url: str


@search_pages.get("/search")
@roles()
def search() -> Any:
    """Everything the words lead to, at most 20 of a kind; a single row is opened at once."""
    term = clean(request.args.get("q"), 100)
    p, sections, hint = me(), [], ""
    if len(term) < SHORTEST:
        hint = gettext("请输入至少%(n)s个字。", n=SHORTEST) if term else ""
    else:
        sections = [(title, found) for title, found in _sections(p, term) if found]
        every = [hit for _title, found in sections for hit in found]
        if len(every) == 1:
            return redirect(every[0].url, 302)
    return render_template(
        "pages/search.html", title=gettext("搜索"), term=term, sections=sections, hint=hint, most=MOST
    )


def _sections(p: Principal, term: str) -> list[tuple[str, list[Hit]]]:
    found: list[tuple[str, list[Hit]]] = []
    if p.has(*BUSINESS):
        found += [
            (gettext("器具"), instruments(term)),
            (gettext("预约单"), appointments(term)),
            (gettext("证书"), certificates(term)),
        ]
    if p.has(*INSTITUTE, Role.REG, Role.ADM):
        found.append((gettext("使用单位"), units(term)))
    return found


def instruments(term: str) -> list[Hit]:
    """By the beginning or the end of the factory number, then by words of the name; both have an index.

    Without an order: sorting by key would make the database walk a million rows to find twenty.
    """
    upper = term.upper()
    starts = [Instrument.serial_no.startswith(t, autoescape=True) for t in {term, upper}]
    ends = [func.reverse(Instrument.serial_no).startswith(t[::-1], autoescape=True) for t in {term, upper}]
    rows = _rows(select(Instrument).where(or_(*starts, *ends)))
    if len(rows) < MOST:
        words = func.bigrams(Instrument.search_text).op("@>")(func.bigrams(term))
        exact = Instrument.search_text.contains(term, autoescape=True)
        known = {row.id for row in rows}
        more = _rows(select(Instrument).where(words, exact))
        rows += [row for row in more if row.id not in known]
    return [Hit(f"{i.name} {i.serial_no}", i.place, f"/instruments/show/{i.id}") for i in rows[:MOST]]


def appointments(term: str) -> list[Hit]:
    """By the beginning of the number."""
    if not term.isdecimal():
        return []
    statement = select(Appointment).where(Appointment.number.startswith(term, autoescape=True))
    rows = _rows(statement.order_by(Appointment.id.desc()))
    return [Hit(str(a), a.unit.name, f"/appointments/show/{a.id}") for a in rows]


def certificates(term: str) -> list[Hit]:
    """By the beginning of the number."""
    statement = select(Certificate).where(Certificate.number.startswith(term.upper(), autoescape=True))
    rows = _rows(statement.order_by(Certificate.id.desc()))
    return [Hit(str(c), str(c.facts.get("instrument_name") or ""), f"/certificates/show/{c.id}") for c in rows]


def units(term: str) -> list[Hit]:
    """By a part of the name."""
    words = func.bigrams(Unit.name).op("@>")(func.bigrams(term))
    statement = select(Unit).where(words, Unit.name.contains(term, autoescape=True)).order_by(Unit.id.desc())
    return [Hit(u.name, u.code, f"/units/show/{u.id}") for u in _rows(statement)]


def _rows(statement: Any) -> list[Any]:
    return list(db.session.execute(statement.limit(MOST)).unique().scalars())
