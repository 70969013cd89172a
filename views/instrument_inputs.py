"""Inputs of the instrument form: the catalogue in one select, counties, institutes, rows of nozzles. They work without
script; scripts make them more comfortable."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import select
from wtforms.widgets import html_params

from app.intake.rulebook import PSEUDO_CODES
from app.operations.ledger_fields import label_of
from app.operations.nozzles import PLACES
from app.profiles import setting
from models.base import db
from models.organisation import Institute, Unit
from models.reference import Category, Division
from views.options import county_like, division_text
from views.workflow_view import me


class Must:
    """Marks a required field; the rules themselves are those of the import."""

    field_flags = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        """Nothing: the operation decides."""


class GroupedSelect:
    """All 62 lines of the catalogue in one select, grouped by the first level; a script makes two of it."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        rows = db.session.execute(select(Category).where(Category.valid).order_by(Category.id)).scalars()
        groups: dict[str, list[Category]] = {}
        for row in rows:
            if (row.mandatory and row.code not in PSEUDO_CODES) or row.code == field.data:
                groups.setdefault(row.level1, []).append(row)
        coded = bool(setting("category", "show_code"))
        parts = [option("", gettext("请选择"), field.data)]
        for level1, members in groups.items():
            inner = Markup("").join(
                option(c.code, f"{c.code} {c.level2}" if coded else c.level2, field.data) for c in members
            )
            parts.append(Markup('<optgroup label="{}">{}</optgroup>').format(level1, inner))
        if field.data in PSEUDO_CODES:  # what the record is now; nobody chooses it
            kept = db.session.execute(select(Category).where(Category.code == field.data)).scalar_one_or_none()
            parts.append(option(field.data, kept.level2 if kept is not None else field.data, field.data))
        word = label_of("level1")
        marks = {"data-levels": word, "data-first": gettext("请先选择%(level)s", level=word)}
        return select_tag(field, parts, {**marks, **kwargs})


class DivisionSelect:
    """The counties round the unit as options, any other by searching."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        chosen = field.data or ""
        near = (chosen or _home())[:4]
        statement = select(Division).where(county_like(), Division.code.startswith(near, autoescape=True))
        found = list(db.session.execute(statement.order_by(Division.code)).scalars())
        parts = [option("", gettext("请选择"), chosen), *(option(d.code, division_text(d), chosen) for d in found)]
        if chosen and chosen not in {d.code for d in found}:
            parts.append(option(chosen, chosen, chosen))
        more = {
            "class_": "remote-select",
            "data-url": "/options/divisions",
            "data-placeholder": gettext("输入区县名称或代码"),
        }
        return select_tag(field, parts, {**more, **kwargs})


class InstituteSelect:
    """The institutes of the unit's province by name; the name is what is sent."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        chosen, home = field.data or "", _home()[:2]
        statement = select(Institute.name).where(Institute.active, Institute.division_code.startswith(home))
        names = list(db.session.execute(statement.order_by(Institute.name).limit(500)).scalars())
        if chosen and chosen not in names:
            names.append(chosen)
        parts = [option("", gettext("请选择"), chosen), *(option(name, name, chosen) for name in names)]
        return select_tag(field, parts, kwargs)


class NozzleRows:
    """Rows of 枪号 and 枪出厂编号; more of them than anybody's dispenser has nozzles."""

    def __init__(self, locked: bool) -> None:
        self.locked = locked

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        kept = list(field.data) if isinstance(field.data, (list, tuple)) else []
        if request.method == "POST" and not self.locked:
            kept = [
                (request.form.get(f"nozzle_no_{n}", ""), request.form.get(f"nozzle_serial_{n}", ""))
                for n in range(PLACES)
            ]
            while kept and kept[-1] == ("", ""):
                kept.pop()
        rows = Markup("")
        for place in range(len(kept) if self.locked else min(PLACES, max(4, len(kept) + 2))):
            number, serial = kept[place] if place < len(kept) else ("", "")
            common = {"autocomplete": "off", **({"disabled": True} if self.locked else {})}
            first = html_params(
                name=f"nozzle_no_{place}",
                value=number,
                inputmode="numeric",
                maxlength=2,
                size=3,
                aria_label=gettext("第%(n)s行枪号", n=place + 1),
                placeholder=gettext("枪号"),
                **common,
            )
            second = html_params(
                name=f"nozzle_serial_{place}",
                value=serial,
                maxlength=100,
                aria_label=gettext("第%(n)s行枪出厂编号", n=place + 1),
                placeholder=gettext("枪出厂编号"),
                **common,
            )
            # html_params has escaped the attributes
            rows += Markup(f'<div class="pair"><input {first}> <input {second}></div>')  # noqa: S704
        anchor = html_params(id=field.id, class_="pairs", role="group", **kwargs)
        return Markup(f"<div {anchor}>{rows}</div>")  # noqa: S704


def _home() -> str:
    unit = db.session.get(Unit, me().unit_id) if me().unit_id else None
    return unit.division_code if unit is not None else ""


def option(value: str, text: str, chosen: Any) -> Markup:
    """One entry of a select."""
    mark = Markup(" selected") if value and value == chosen else Markup("")
    return Markup('<option value="{}"{}>{}</option>').format(value, mark, text)


def select_tag(field: Any, parts: list[Markup], attributes: dict[str, Any]) -> Markup:
    """A select of ready options."""
    if field.flags.required:
        attributes["required"] = True
    attributes = {**attributes, **(field.render_kw or {})}
    # html_params has escaped the attributes, option its texts.
    opening = Markup(html_params(id=field.id, name=field.name, **attributes))  # noqa: S704
    return Markup("<select {}>{}</select>").format(opening, Markup("").join(parts))
