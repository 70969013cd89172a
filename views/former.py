"""曾用计量器具库 (/former): instruments that were put away, to be taken back or removed for good (LED-17 to LED-19)."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Query, selectinload

from app.access.roles import UNIT
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.workflow import INSTRUMENT
from app.workflow.engine import Step, why_not
from app.workflow.lifecycle import KEPT
from app.workflow.live import ever_verified
from models.base import db
from models.enums import InstrumentState
from models.instrument import Instrument
from views.workflow_view import WorkflowView, me

STEPS = ("restore", "purge")


class PutAway(BaseFilter):
    """The former ones."""

    name = "曾用"
    arg_name = "former"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(Instrument.state == InstrumentState.FORMER)


class FormerView(WorkflowView):
    """The unit's former instruments. The ledger's own list leaves them out."""

    workflow = INSTRUMENT
    datamodel = PGInterface(Instrument, load=(selectinload(Instrument.category),))
    class_permission_name = "FormerView"
    route_base = "/former"
    noun, unit_word = _("器具"), _("台")
    list_title = _("曾用计量器具库")
    list_columns = ["name", "model", "serial_no", "category.level2", "place", "valid_until", "updated_at"]
    show_columns = ["name", "model", "serial_no", "category.level2", "manufacturer", "place", "valid_until", "reason"]
    base_filters = [["state", PutAway, None]]
    search_columns = ["search_text", "serial_no"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["valid_until"]
    base_order = ("id", "desc")
    label_columns = {
        "search_text": _("名称、厂家"),
        "category.level2": _("种别"),
        "place": _("安装/使用地点"),
        "updated_at": _("转入时间"),
        "reason": _("原因"),
    }
    empty_text = _("转入曾用库的器具会显示在这里，可以恢复或彻底删除。")
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {"can_list": UNIT, "can_show": UNIT, "can_step": UNIT}

    def row_label(self, item: Any) -> str:
        return f"{item.name} {item.serial_no}"

    def row_buttons(self, item: Any) -> list[Button]:
        """恢复 and 彻底删除, greyed with the reason."""
        found = []
        for name in STEPS:
            step = INSTRUMENT.step(name)
            why = why_not(db.session(), INSTRUMENT, item, step, me())
            found.append(self.step_button(step, item, why))
        return found

    def bulk_actions(self) -> list[Button]:
        """One by one: each has its own number to type or its own twin to look at."""
        return []

    def step_intro(self, step: Step, item: Any) -> str:
        said = super().step_intro(step, item)
        kept = step.name == "purge" and ever_verified(db.session(), item.id)
        return f"{said}。{KEPT}" if kept else said

    @expose("/step/<string:name>/<pk>", methods=["GET", "POST"])
    @has_access
    def step(self, name: str, pk: str) -> Any:
        """Only what this library is for."""
        if name not in STEPS:
            abort(404)
        return super().step(name, pk)
