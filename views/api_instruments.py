"""Instruments through the interface: the deployment's fields as a list, and entering or correcting one under the same
rules as the form (LED-03, LED-04, LED-06, CAT-15)."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask_appbuilder.api import expose
from flask_appbuilder.security.decorators import permission_name, protect

from app.access.roles import INSTITUTE, UNIT
from app.errors import InvalidInputError
from app.intake.fields import Field
from app.operations.instrument import add_instrument, check_values, edit_instrument
from app.operations.ledger_fields import ledger_fields, ledger_noun, shown_fields
from app.profiles import setting
from models.base import db
from models.enums import Role
from models.instrument import Instrument
from views.edge import clean
from views.instrument_form import values_of
from views.workflow_view import me

CATEGORY = frozenset({"level1", "level2", "category_code"})


class EntryApi:
    """Mixed into the instruments' resource."""

    include_route_methods = {"get", "get_list", "steps", "take", "fields", "enter", "correct"}
    base_permissions = ["can_get", "can_step", "can_enter"]
    grants = {
        "can_get": UNIT | INSTITUTE | frozenset({Role.REG}),
        "can_step": UNIT | INSTITUTE | frozenset({Role.REG}),
        "can_enter": UNIT,
    }

    @expose("/fields", methods=["GET"])
    @protect(allow_browser_login=True)
    @permission_name("get")
    def fields(self) -> Any:
        """What an instrument is asked for here: key, word, kind, whether required, closed lists; and what is only shown."""
        shown = [{"key": f.key, "label": f.label} for f in shown_fields()]
        return jsonify(noun=ledger_noun(), fields=[_described(f) for f in ledger_fields()], read_only=shown)

    @expose("/", methods=["POST"])
    @protect(allow_browser_login=True)
    @permission_name("enter")
    def enter(self) -> Any:
        """Add one. Body: values by key; closed lists take their value or their word."""
        made = add_instrument(db.session(), me(), check_values(db.session(), _cells(_body())))
        return jsonify(id=made.id, state=made.state, version=made.version), 201

    @expose("/<pk>", methods=["PUT"])
    @protect(allow_browser_login=True)
    @permission_name("enter")
    def correct(self, pk: str) -> Any:
        """Change some values of one; the others stay. Body: values by key, and `version` as last seen."""
        row: Instrument = self._row(pk)  # type: ignore[attr-defined]
        body = _body()
        version = body.pop("version", None)
        if version is not None and not isinstance(version, int):
            raise InvalidInputError("“version”须为整数，请先读取记录的当前版本。")
        kept = values_of(row)
        now = {**kept, "category_code": kept["category"]}
        if CATEGORY & set(body):
            now.pop("category_code")
        done = edit_instrument(
            db.session(), me(), row.id, check_values(db.session(), _cells({**now, **body})), seen_version=version
        )
        return jsonify(id=done.id, state=done.state, version=done.version)


def _described(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {
        "key": field.key,
        "label": field.label,
        "kind": field.kind,
        "required": field.required or field.wanted,
        "max_length": field.max_length,
    }
    if field.choices:
        found["choices"] = [{"value": c.value, "label": c.label} for c in field.choices]
    return found


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidInputError('请求内容须为 JSON 对象，例如 {"name": "电子台秤"}。')
    taken = {field.key for field in ledger_fields()} | CATEGORY | {"version"}
    for key in body:  # a state or an owner smuggled in is told, not passed over
        if key not in taken:
            raise InvalidInputError(
                f"“{clean(key, 40)}”不能通过接口填写，可以填写的字段见 /api/v1/instruments/fields。",
                field=str(key)[:40],
            )
    return body


def _cells(values: dict[str, Any]) -> dict[str, Any]:
    """Values by key as cells of an imported row; keys that the deployment does not ask are not taken."""
    coded, cells = bool(setting("ledger", "coded_fields")), {}
    known = {field.key: field for field in ledger_fields()}
    for key, value in values.items():
        field = known.get(key)
        if value is None or (field is None and key not in CATEGORY):
            continue
        if isinstance(value, (list, dict)):
            raise InvalidInputError(f"“{key}”须为文字或数字。", field=key)
        if field is not None and field.choices:
            found = next((c for c in field.choices if value in (c.value, c.label)), None)
            value = (found.code if coded else found.label) if found else value
        cells[key] = clean(value, 2_000) if isinstance(value, str) else value
    return cells
