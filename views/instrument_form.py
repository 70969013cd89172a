"""The form of one instrument, made from the declaration that the import uses too (app/intake/fields.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import select
from wtforms import DateField, SelectField, StringField, TextAreaField
from wtforms.widgets import html_params

from app.errors import InvalidInputError, QuanhengError
from app.intake.fields import FIELD_BY_KEY, FIELDS, Field
from app.operations.instrument import check_values, row_policy
from models.base import db
from models.instrument import Instrument
from models.reference import Category, Division
from views.edge import clean
from views.options import county_like, division_text
from views.workflow_view import me, put_on_form

SECTIONS = (
    (
        _("器具"),
        (
            "name",
            "category",
            "model",
            "measuring_range",
            "accuracy_class",
            "serial_no",
            "own_no",
            "manufacturer",
            "origin",
            "purchased_on",
            "quantity",
        ),
    ),
    (_("使用"), ("use_division", "place", "purpose", "delivery_mode")),
    (_("检定"), ("valid_until", "note")),
)
CATEGORY_KEYS = ("level1", "level2", "category_code")
FORM_KEYS = tuple(name for _title, names in SECTIONS for name in names)


class Must:
    """Marks a required field; the rules themselves are those of the import."""

    field_flags = {"required": True}

    def __call__(self, form: Any, field: Any) -> None:
        """Nothing: check_values decides."""


class GroupedSelect:
    """All 62 lines of the catalogue in one select, grouped by the first level; a script makes two of it."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        rows = db.session.execute(select(Category).where(Category.valid).order_by(Category.code)).scalars()
        groups: dict[str, list[Category]] = {}
        for row in rows:
            if row.mandatory or row.code == field.data:
                groups.setdefault(row.level1, []).append(row)
        parts = [_option("", gettext("请选择"), field.data)]
        for level1, members in groups.items():
            inner = Markup("").join(_option(c.code, c.level2, field.data) for c in members)
            parts.append(Markup('<optgroup label="{}">{}</optgroup>').format(level1, inner))
        return _select(
            field, parts, {"data-levels": gettext("一级目录"), "data-first": gettext("请先选择一级目录"), **kwargs}
        )


class DivisionSelect:
    """The counties round the unit as options, any other by searching."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        chosen = field.data or ""
        near = (chosen or _home())[:4]
        statement = select(Division).where(county_like(), Division.code.startswith(near, autoescape=True))
        found = list(db.session.execute(statement.order_by(Division.code)).scalars())
        parts = [_option("", gettext("请选择"), chosen), *(_option(d.code, division_text(d), chosen) for d in found)]
        if chosen and chosen not in {d.code for d in found}:
            parts.append(_option(chosen, chosen, chosen))
        more = {
            "class_": "remote-select",
            "data-url": "/options/divisions",
            "data-placeholder": gettext("输入区县名称或代码"),
        }
        return _select(field, parts, {**more, **kwargs})


def _home() -> str:
    from models.organisation import Unit

    unit = db.session.get(Unit, me().unit_id) if me().unit_id else None
    return unit.division_code if unit is not None else ""


def _option(value: str, text: str, chosen: Any) -> Markup:
    mark = Markup(" selected") if value and value == chosen else Markup("")
    return Markup('<option value="{}"{}>{}</option>').format(value, mark, text)


def _select(field: Any, parts: list[Markup], attributes: dict[str, Any]) -> Markup:
    if field.flags.required:
        attributes["required"] = True
    attributes = {**attributes, **(field.render_kw or {})}
    # html_params has escaped the attributes, _option its texts.
    opening = Markup(html_params(id=field.id, name=field.name, **attributes))  # noqa: S704
    return Markup("<select {}>{}</select>").format(opening, Markup("").join(parts))


def make_form(values: Mapping[str, Any] | None = None, locked: frozenset[str] = frozenset()) -> FlaskForm:
    """A form of this request; `values` are those of a row (stored values), `locked` fields are greyed."""
    fields: dict[str, Any] = {}
    for name in FORM_KEYS:
        fields[name] = _field(name, name in locked)
    form: FlaskForm = type("InstrumentForm", (FlaskForm,), fields)(data=dict(values or {}))
    for name in locked:  # a greyed input is not sent back: what the row has stays
        if request.method == "POST" and name not in request.form:
            form[name].data = (values or {}).get(name)
    return form


def _field(name: str, locked: bool) -> Any:
    declared = FIELD_BY_KEY["level2" if name == "category" else name]
    common: dict[str, Any] = {
        "label": gettext("强检目录（一级、二级）") if name == "category" else declared.label,
        "validators": [Must()] if declared.required else [],
        "description": _hint(declared, name),
    }
    extra: dict[str, Any] = {"disabled": True} if locked else {}
    if name == "category":
        return StringField(widget=GroupedSelect(), render_kw=extra, **common)
    if declared.kind == "division":
        return StringField(widget=DivisionSelect(), render_kw=extra, **common)
    if declared.kind == "choice":
        offered = [("", gettext("请选择")), *((c.value, c.label) for c in declared.choices)]
        return SelectField(choices=offered, validate_choice=False, render_kw=extra, **common)
    if declared.kind == "date":
        return DateField(render_kw=extra, **common)
    if declared.kind == "quantity":
        return StringField(default="1", render_kw={"inputmode": "numeric", "maxlength": 7, **extra}, **common)
    kind = TextAreaField if name == "note" else StringField
    return kind(render_kw={"maxlength": declared.max_length, "autocomplete": "off", **extra}, **common)


def _hint(declared: Field, name: str) -> str:
    if name == "category":
        return gettext("据此确定检定机构和检定周期，请准确选择")
    if name == "use_division":
        return gettext("据此指派检定任务，请准确选择器具实际使用的区县")
    if declared.kind == "text" and declared.example:
        return "；".join(part for part in (declared.hint, gettext("例如 %(text)s", text=declared.example)) if part)
    return declared.hint


def values_of(instrument: Instrument) -> dict[str, Any]:
    """A row's values by form field."""
    found = {name: getattr(instrument, name) for name in FORM_KEYS if name != "category"}
    return {**found, "category": instrument.category.code, "quantity": str(instrument.quantity)}


def cells_of(form: FlaskForm) -> dict[str, Any]:
    """What was typed, as cells of an imported row: the same rules then read both."""
    coded, cells = row_policy().coded_fields, {}
    for field in FIELDS:
        if field.kind == "category":
            continue
        typed = form[field.key].data
        if field.kind == "date" and typed is None:
            typed = clean(request.form.get(field.key), 40)
        if field.kind == "choice":
            found = next((c for c in field.choices if c.value == typed), None)
            typed = (found.code if coded else found.label) if found else typed
        cells[field.key] = clean(typed, 2_000) if isinstance(typed, str) else (typed or "")
    cells["category_code"] = clean(form["category"].data, 20)
    return cells


def checked(form: FlaskForm) -> dict[str, Any]:
    """The values of the form; raises InvalidInputError whose problems are named by form field."""
    try:
        return check_values(db.session(), cells_of(form))
    except InvalidInputError as error:
        raise InvalidInputError(error.sentence, problems=on_form(error.problems)) from error


def on_form(problems: Mapping[str, str]) -> dict[str, str]:
    """Problems by column → by form field; the catalogue's three columns are one field here."""
    return {("category" if key in CATEGORY_KEYS else key): text for key, text in reversed(list(problems.items()))}


def refuse(form: FlaskForm, error: QuanhengError) -> list[str]:
    """Put the sentences on their fields; returns those that belong to none."""
    if not isinstance(error, InvalidInputError) and error.field:
        error = InvalidInputError(error.sentence, field=error.field)
    return put_on_form(form, error)
