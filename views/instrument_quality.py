"""数据质量 (/quality): a unit's score with what to repair; for regulators every county of the area (BEYOND 15)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template
from flask_babel import gettext
from markupsafe import Markup

from app.operations.instrument_quality import quality_by_county, quality_of_unit
from models.base import db
from models.enums import Role
from views.guards import roles
from views.workflow_view import me

ledger_quality = Blueprint("ledger_quality", __name__)


@ledger_quality.get("/quality")
@roles(Role.ENT, Role.SUB, Role.AFF, Role.REG)
def quality() -> str:
    """The score, the faults with their counts, and the list of the rows that have each."""
    if me().of_unit:
        return _of_unit()
    if not me().has(Role.REG):
        abort(403)
    return _of_area()


def _of_unit() -> str:
    found = quality_of_unit(db.session(), me())
    figures = [
        ("—" if found.score is None else found.score, gettext("数据质量得分（满分100）"), ""),
        (found.instruments, gettext("参与评分的器具（台）"), "/instruments/list/"),
        (found.clean, gettext("没有问题的器具（台）"), ""),
    ]
    rows: list[list[Any]] = [
        [fault.rule.sentence, fault.count, _fix(f"/instruments/list/?_flt_x_fault={fault.rule.code}")]
        for fault in found.faults
    ]
    own = [[rule.sentence, _fix("/unit")] for rule in found.own]
    return render_template("pages/quality.html", title=gettext("数据质量"), figures=figures, rows=rows, own=own)


def _of_area() -> str:
    places = quality_by_county(db.session())
    rows = [
        [f"{place.name} {place.code}", place.score, place.instruments, place.doubtful, _list(place.code)]
        for place in places
    ]
    return render_template("pages/quality_area.html", title=gettext("数据质量"), rows=rows)


def _fix(url: str) -> Markup:
    return Markup('<a class="btn btn-small" href="{}">{}</a>').format(url, gettext("去修正"))


def _list(code: str) -> Markup:
    url = f"/instruments/list/?_flt_x_county={code}"
    return Markup('<a href="{}">{}</a>').format(url, gettext("查看器具"))
