"""The form of a result of another system; its fields are those that the workbook and the interface have."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField

from app.intake.fields import Field
from app.operations.verification_records import FIELDS
from models.unmatched import UnmatchedRecord
from views.edge import clean
from views.required_mark import Marked

RESULTS = (("", _("请选择")), ("pass", _("合格")), ("fail", _("不合格")))


def _input(declared: Field) -> Any:
    common: dict[str, Any] = {"label": declared.label, "description": declared.hint}
    common["validators"] = [Marked()] if declared.required else []
    if declared.kind == "choice":
        return SelectField(choices=RESULTS, validate_choice=False, **common)
    kind = {"type": "date"} if declared.kind == "date" else {"maxlength": declared.max_length}
    return StringField(render_kw={"autocomplete": "off", **kind}, **common)


def _made() -> type[FlaskForm]:
    return type("RecordForm", (FlaskForm,), {declared.key: _input(declared) for declared in FIELDS})


RecordForm: Any = _made()


def cells_of(form: FlaskForm) -> dict[str, str]:
    """What was typed, by key; app.operations.verification_records.checked says what is wrong with it."""
    return {declared.key: clean(form[declared.key].data, 500) for declared in FIELDS}


def fill(form: FlaskForm, record: UnmatchedRecord) -> None:
    """The record as it is."""
    for declared in FIELDS:
        value = getattr(record, declared.key)
        form[declared.key].data = "" if value is None else str(value)
