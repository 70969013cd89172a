"""审计日志: every important act, read only, for the auditor and the security administrator."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup

from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import state_chip
from models.enums import Role
from models.log import AuditLog

OUTCOMES = (("done", _("成功"), "ok"), ("refused", _("被拒绝"), "danger"), ("failed", _("失败"), "danger"))


class AuditLogView(CrudView):
    """Lines of the audit log, newest first."""

    datamodel = PGInterface(AuditLog)
    class_permission_name = "AuditLogView"
    route_base = "/audit"
    noun, unit_word = _("审计日志"), _("条")
    list_columns = ["seq", "at", "actor_name", "role", "action", "entity", "entity_id", "outcome", "ip"]
    show_columns = [
        "seq",
        "at",
        "actor_name",
        "actor_id",
        "role",
        "action",
        "entity",
        "entity_id",
        "outcome",
        "ip",
        "request_id",
        "detail",
        "prev_hash",
        "hash",
    ]
    search_columns = ["at", "action", "actor_name", "outcome", "entity", "entity_id", "role", "ip"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["seq"]
    base_order = ("seq", "desc")
    choices = {"outcome": OUTCOMES}
    base_permissions = ["can_list", "can_show"]
    grants = {"*": frozenset({Role.AUD, Role.SEC})}

    def row_label(self, item: Any) -> str:
        return gettext("审计日志 %(seq)s", seq=item.seq)

    def show_value(self, item: Any, column: str) -> Any:
        if column == "detail":
            return Markup('<span class="pre">{}</span>').format(json.dumps(item.detail, ensure_ascii=False, indent=1))
        if column == "hash" and not item.hash:
            return state_chip("muted", gettext("尚未封存"))
        return super().show_value(item, column)
