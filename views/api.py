"""REST: the same rows through the same scope, and the same steps through the same engine, as JSON under /api/v1.

Cookie sessions may use it, with the CSRF token in `X-CSRFToken`; no resource writes a column, states change by steps
only: `GET /api/v1/<entity>/<pk>/steps`, `POST /api/v1/<entity>/<pk>/steps/<name>`.
"""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask_appbuilder import ModelRestApi
from flask_appbuilder.api import expose
from flask_appbuilder.api.convert import Model2SchemaConverter
from flask_appbuilder.security.decorators import permission_name, protect
from marshmallow_sqlalchemy import SQLAlchemyAutoSchema
from sqlalchemy import select

from app.access.roles import INSTITUTE, RECEPTION, UNIT
from app.errors import InvalidInputError, NotVisibleError
from app.fab.interface import PGInterface
from app.fab.request_filters import RequestFilters
from app.operations.filing import declared
from app.workflow import AMENDMENT, APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM
from app.workflow.engine import Workflow, fire, offered
from models import Appointment, AppointmentItem, Certificate, Filing, FilingAmendment, Instrument
from models.base import db
from models.enums import Role
from views.api_instruments import EntryApi
from views.workflow_view import me

BUSINESS = UNIT | INSTITUTE | frozenset({Role.REG})


class ReadSchemas(Model2SchemaConverter):
    """Schemas that also carry foreign keys as plain integers; marshmallow leaves them out by itself."""

    def _meta_schema_factory(self, columns: Any, model: Any, class_mixin: Any, parent_schema_name: Any = None) -> Any:
        base = super()._meta_schema_factory(columns, model, class_mixin, parent_schema_name)
        # class_mixin was made for FAB's base; the options class is read once, so a fresh class carries include_fk
        meta = type("Meta", (base.Meta,), {"include_fk": True})
        return type("MetaSchema", (class_mixin, SQLAlchemyAutoSchema), {"Meta": meta})


class StepApi(RequestFilters, ModelRestApi):
    """A read-only resource with steps. Declare workflow, datamodel, columns and grants."""

    workflow: Workflow
    csrf_exempt = False
    allow_browser_login = True
    include_route_methods = {"get", "get_list", "steps", "take"}
    base_permissions = ["can_get", "can_step"]
    add_columns: list[str] = ["id"]
    edit_columns: list[str] = ["id"]
    max_page_size = 100
    model2schemaconverter = ReadSchemas
    grants: dict[str, frozenset[Role]] = {"*": BUSINESS}

    def _row(self, pk: str) -> Any:
        model = self.workflow.model
        if not pk.isdecimal():
            raise NotVisibleError
        row = db.session.execute(select(model).where(model.id == int(pk))).unique().scalar_one_or_none()
        if row is None:
            raise NotVisibleError
        return row

    def given(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a step as the engine gets them."""
        return body

    @expose("/<pk>/steps", methods=["GET"])
    @protect(allow_browser_login=True)
    @permission_name("step")
    def steps(self, pk: str) -> Any:
        """What can be done with the row now, and why not."""
        row = self._row(pk)
        found = [
            {
                "name": step.name,
                "label": step.label,
                "why_not": why,
                "code": why.code if why else None,
                "fix_url": why.fix_url if why else None,
                "inputs": [{"name": n.name, "label": n.label, "required": n.required} for n in step.needs],
            }
            for step, why in offered(db.session(), row, me())
            if not step.own_page
        ]
        return jsonify(state=row.state, label=self.workflow.label_of(row.state), version=row.version, steps=found)

    @expose("/<pk>/steps/<string:name>", methods=["POST"])
    @protect(allow_browser_login=True)
    @permission_name("step")
    def take(self, pk: str, name: str) -> Any:
        """Take a step. Body: the inputs, and `version` as last seen."""
        self._row(pk)
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise InvalidInputError('请求内容须为 JSON 对象，例如 {"version": 1}。')
        version = body.pop("version", None)
        if version is not None and not isinstance(version, int):
            raise InvalidInputError("“version”须为整数，请先读取记录的当前版本。")
        step = self.workflow.step(name)
        if step.own_page:
            raise NotVisibleError
        row = fire(db.session(), self.workflow, int(pk), name, me(), self.given(name, body), seen_version=version)
        return jsonify(state=row.state, label=self.workflow.label_of(row.state), version=row.version)


class InstrumentApi(EntryApi, StepApi):
    """器具"""

    resource_name, class_permission_name = "instruments", "InstrumentApi"
    datamodel, workflow = PGInterface(Instrument), INSTRUMENT
    list_columns = [
        "id",
        "name",
        "model",
        "serial_no",
        "state",
        "place",
        "use_division",
        "valid_until",
        "last_result",
        "version",
    ]
    show_columns = [
        *list_columns,
        "measuring_range",
        "accuracy_class",
        "own_no",
        "manufacturer",
        "origin",
        "quantity",
        "purpose",
        "delivery_mode",
        "purchased_on",
        "installed_on",
        "produced_on",
        "kind",
        "station",
        "type_approval_no",
        "note",
        "verified_on",
        "code",
        "certificate_no",
        "compulsory",
        "institute.name",
        "category.code",
        "category.level1",
        "category.level2",
        "category.supervision",
    ]
    search_columns = ["state", "serial_no", "use_division", "valid_until", "search_text"]
    order_columns = ["id", "valid_until"]


class FilingApi(StepApi):
    """备案"""

    resource_name, class_permission_name = "filings", "FilingApi"
    grants = {"*": UNIT | RECEPTION | frozenset({Role.REG})}
    datamodel, workflow = PGInterface(Filing), FILING
    list_columns = ["id", "state", "instrument_id", "use_division", "reason", "submitted_at", "decided_at", "version"]
    show_columns = list_columns
    search_columns = ["state", "instrument_id"]
    order_columns = ["id"]

    def given(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A submission names the version of the 责任声明 that it confirms; without one it is the one in force."""
        if name != "submit":
            return body
        seen = body.pop("statement_version", None)
        return declared(db.session(), body, None if seen is None else str(seen))


class AmendmentApi(StepApi):
    """备案变更"""

    resource_name, class_permission_name = "filing-amendments", "AmendmentApi"
    grants = {"*": UNIT | RECEPTION | frozenset({Role.REG})}
    datamodel, workflow = PGInterface(FilingAmendment), AMENDMENT
    list_columns = ["id", "state", "filing_id", "instrument_id", "reason", "decided_at", "version"]
    show_columns = [*list_columns, "changes", "why"]
    search_columns = ["state", "instrument_id"]
    order_columns = ["id"]


class AppointmentApi(StepApi):
    """预约单"""

    resource_name, class_permission_name = "appointments", "AppointmentApi"
    datamodel, workflow = PGInterface(Appointment), APPOINTMENT
    list_columns = [
        "id",
        "number",
        "state",
        "mode",
        "use_division",
        "submitted_at",
        "accepted_at",
        "deadline_at",
        "version",
    ]
    show_columns = [*list_columns, "note", "reason", "extended", "restores"]
    search_columns = ["state", "number"]
    order_columns = ["id"]


class ItemApi(StepApi):
    """预约器具"""

    resource_name, class_permission_name = "items", "ItemApi"
    datamodel, workflow = PGInterface(AppointmentItem), ITEM
    list_columns = ["id", "appointment_id", "instrument_id", "state", "result", "reason", "version"]
    show_columns = list_columns
    search_columns = ["state", "appointment_id", "instrument_id"]
    order_columns = ["id"]


class CertificateApi(StepApi):
    """证书"""

    resource_name, class_permission_name = "certificates", "CertificateApi"
    datamodel, workflow = PGInterface(Certificate), CERTIFICATE
    list_columns = [
        "id",
        "number",
        "kind",
        "state",
        "instrument_id",
        "conclusion",
        "verified_on",
        "valid_until",
        "version",
    ]
    show_columns = [*list_columns, "issued_at", "pdf_sha256", "cycle_months"]
    search_columns = ["state", "number", "instrument_id"]
    order_columns = ["id"]


APIS: tuple[type[StepApi], ...] = (
    InstrumentApi,
    FilingApi,
    AmendmentApi,
    AppointmentApi,
    ItemApi,
    CertificateApi,
)
