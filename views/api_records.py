"""Results of other systems through the interface: an institute's system sends them, a repeat changes nothing (VER-05)."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask_appbuilder.api import expose
from flask_appbuilder.security.decorators import permission_name, protect

from app.access.roles import INSTITUTE, UNIT
from app.errors import InvalidInputError
from app.fab.interface import PGInterface
from app.operations.verification_records import FIELDS, send_record
from app.workflow import UNMATCHED
from app.workflow.unmatched import SENDERS
from models.base import db
from models.enums import RecordSource, Role
from models.unmatched import UnmatchedRecord
from views.api import StepApi
from views.edge import clean
from views.workflow_view import me

KEYS = frozenset(declared.key for declared in FIELDS)


class VerificationRecordApi(StepApi):
    """检定记录"""

    resource_name, class_permission_name = "verification-records", "VerificationRecordApi"
    datamodel, workflow = PGInterface(UnmatchedRecord), UNMATCHED
    include_route_methods = {"get", "get_list", "steps", "take", "send"}
    base_permissions = ["can_get", "can_step", "can_send"]
    grants = {
        "can_get": UNIT | INSTITUTE | frozenset({Role.REG}),
        "can_step": UNIT | INSTITUTE | frozenset({Role.REG}),
        "can_send": SENDERS,
    }
    list_columns = [
        "id",
        "state",
        "certificate_no",
        "instrument_name",
        "model",
        "serial_no",
        "conclusion",
        "verified_on",
        "valid_until",
        "instrument_id",
        "version",
    ]
    show_columns = [*list_columns, "unit_code", "unit_name", "manufacturer", "reason", "source"]
    search_columns = ["state", "certificate_no", "serial_no", "verified_on"]
    order_columns = ["id"]

    @expose("/", methods=["POST"])
    @protect(allow_browser_login=True)
    @permission_name("send")
    def send(self) -> Any:
        """Send one. Body: values by key. 201 with the record, or 200 and `repeated` for a certificate number that this
        institute has sent before: the record stands as it was."""
        record, fresh = send_record(db.session(), me(), _cells(), RecordSource.API)
        answer = {"id": record.id, "state": record.state, "label": UNMATCHED.label_of(record.state)}
        return jsonify(**answer, version=record.version, repeated=not fresh), 201 if fresh else 200


def _cells() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidInputError('请求内容须为 JSON 对象，例如 {"certificate_no": "J2026000001"}。')
    for key in body:
        if key not in KEYS:
            raise InvalidInputError(
                f"“{clean(key, 40)}”不能填写，可以填写：{'、'.join(sorted(KEYS))}。", field=str(key)[:40]
            )
    return {key: clean(value, 2_000) if isinstance(value, str) else value for key, value in body.items()}


RECORD_APIS: tuple[type[StepApi], ...] = (VerificationRecordApi,)
