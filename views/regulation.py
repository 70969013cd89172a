"""检定规程: which regulation is in force, kept by the administrator; what was withdrawn stops verification on the day."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.access.audit import audit
from app.access.roles import INSTITUTE
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import state_chip
from app.fab.refusals import FormRefused
from app.operations.qualification import regulation_standing
from models.base import db
from models.enums import Role
from models.qualification import Regulation

ADM = frozenset({Role.ADM})


class RegulationView(CrudView):
    """Institutes read the table; a regulation that was used is withdrawn with its date, not deleted."""

    datamodel = PGInterface(Regulation)
    class_permission_name = "RegulationView"
    route_base = "/regulations"
    noun, unit_word = _("检定规程"), _("项")
    list_columns = ["number", "name", "in_force_from", "withdrawn_on", "replaced_by", "standing"]
    show_columns = ["number", "name", "in_force_from", "withdrawn_on", "replaced_by", "standing"]
    search_columns = ["number", "name", "in_force_from", "withdrawn_on"]
    add_columns = ["number", "name", "in_force_from", "withdrawn_on", "replaced_by"]
    edit_columns = ["name", "in_force_from", "withdrawn_on", "replaced_by"]
    optional_columns = frozenset({"replaced_by"})
    order_columns = ["number", "in_force_from", "withdrawn_on"]
    base_order = ("number", "asc")
    label_columns = {"standing": _("当前状态")}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit"]
    grants = {"can_list": ADM | INSTITUTE, "can_show": ADM | INSTITUTE, "can_add": ADM, "can_edit": ADM}

    def show_value(self, item: Any, column: str) -> Any:
        if column == "standing":
            word, tone = regulation_standing(item)
            return state_chip(tone, word)
        return super().show_value(item, column)

    def row_label(self, item: Any) -> str:
        return str(item)

    def pre_add(self, item: Any) -> None:
        item.replaced_by = item.replaced_by or ""
        if item.withdrawn_on is not None and item.withdrawn_on <= item.in_force_from:
            raise FormRefused(gettext("“废止日期”须晚于“实施日期”。"), "withdrawn_on")

    pre_update = pre_add

    def post_add(self, item: Any) -> None:
        audit(db.session(), "add_regulation", entity="regulation", entity_id=item.id, number=item.number)

    def post_update(self, item: Any) -> None:
        withdrawn = item.withdrawn_on.isoformat() if item.withdrawn_on else ""
        audit(db.session(), "edit_regulation", entity="regulation", entity_id=item.id, withdrawn_on=withdrawn)
