"""流转经过: where a filing went, who sent it on and why, for its own page and its instrument's (FIL-09 to FIL-11)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select

from app.fab.parts import DetailTab
from app.operations.history import Line
from app.workflow import FILING
from models import Institute
from models.base import db

KINDS = {
    "approve": "ok",
    "confirm": "ok",
    "return": "danger",
    "counter_return": "danger",
    "revoke": "danger",
    "refuse": "warn",
    "recall": "warn",
    "withdraw": "warn",
}
SILENT = {"open", "suspend", "enable", "close"}
"""Steps that move nothing between unit and institutes."""


def route_tab(lines: Iterable[Line], filing_id: int) -> DetailTab:
    """The way of one filing, from the lines of its history."""
    travelled = [
        line
        for line in lines
        if line.entity_name == FILING.name and line.entity_id == filing_id and line.step_name not in SILENT
    ]
    names = _institutes(line.detail.get("institute_id") for line in travelled)
    steps = [_stage(line, names) for line in travelled if any(s.name == line.step_name for s in FILING.steps)]
    return DetailTab("route", gettext("备案流转"), "kinds/_history.html", {"steps": steps}, count=len(steps))


def filing_tabs(lines: Sequence[Line]) -> list[DetailTab]:
    """On the page of an instrument: the way of its newest filing."""
    newest = max((line.entity_id for line in lines if line.entity_name == FILING.name), default=0)
    found = route_tab(lines, newest)
    return [found] if found.count else []


def _stage(line: Line, names: dict[str, str]) -> dict[str, Any]:
    to = names.get(str(line.detail.get("institute_id") or ""), "")
    version = line.detail.get("statement_version")
    said = [gettext("送往：%(name)s", name=to)] if to else []
    if line.reason:
        said.append(gettext("原因：%(text)s", text=line.reason))
    note: Any = "，".join(said)
    if isinstance(version, int):
        link = Markup('<a href="/texts/filing_statement?version={}">{}</a>').format(
            version, gettext("已确认责任声明（第%(n)s版）", n=version)
        )
        note = Markup("{}{}{}").format(note, "，" if note else "", link)
    return {
        "time": line.at,
        "who": line.body or line.who,
        "what": line.step,
        "note": note,
        "kind": KINDS.get(line.step_name, "info"),
    }


def _institutes(keys: Iterable[Any]) -> dict[str, str]:
    wanted = {int(str(key)) for key in keys if str(key or "").isdecimal()}
    if not wanted:
        return {}
    found = db.session.execute(select(Institute.id, Institute.name).where(Institute.id.in_(wanted)))
    return {str(pk): name for pk, name in found.tuples()}
