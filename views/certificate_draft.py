"""The form of a draft: the result, and what the paper says of client and instrument (更正 needs the latter)."""

from __future__ import annotations

from typing import Any

from wtforms import StringField

from app.operations.certificate import SNAPSHOT
from models.certificate import Certificate
from views.edge import clean
from views.required_mark import Marked
from views.result_form import ResultForm, typed_result


def _fields() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, label, must in SNAPSHOT:
        checks = [Marked()] if must else []
        found[key] = StringField(label, validators=checks, render_kw={"maxlength": 200, "autocomplete": "off"})
    return found


DraftForm: Any = type(
    "DraftForm", (ResultForm,), {**_fields(), "snapshot": tuple(key for key, _label, _must in SNAPSHOT)}
)


def fill_snapshot(form: Any, certificate: Certificate) -> None:
    """What the draft says now."""
    for key in form.snapshot:
        form[key].data = str(certificate.facts.get(key) or "")


def typed_draft(form: Any) -> dict[str, Any]:
    """What app.operations.certificate.edit_result asks for."""
    sent = [key for key in form.snapshot if form[key].raw_data]
    return {**typed_result(form), "snapshot": {key: clean(form[key].data, 200) for key in sent}}
