"""单位信息变更 (/unit-changes): what a unit wants changed, old → new, for the unit and for whoever reviews it."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select

from app.access.roles import RECEPTION
from app.fab.interface import PGInterface
from app.fab.parts import DetailTab
from app.workflow import UNIT_CHANGE
from models.affiliation import UnitChange
from models.attachment import Attachment
from models.base import db
from models.enums import Role
from views.workflow_view import WorkflowView

READERS = RECEPTION | frozenset({Role.ADM, Role.ENT, Role.SUB})
FIELDS = {
    "name": _("企业名称"),
    "code": _("统一社会信用代码"),
    "legal_person": _("法定代表人/负责人"),
    "licence": _("统一社会信用代码证等证照"),
}


class UnitChangeView(WorkflowView):
    """Changes within the principal's scope."""

    workflow = UNIT_CHANGE
    datamodel = PGInterface(UnitChange)
    class_permission_name = "UnitChangeView"
    route_base = "/unit-changes"
    noun, unit_word = _("单位信息变更"), _("项")
    list_columns = ["unit", "changes", "created_at", "state"]
    show_columns = ["unit", "changes", "created_at", "reason"]
    search_columns = ["state", "created_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    tab_states = ("pending", "approved", "refused")
    label_columns = {"unit": _("使用单位"), "changes": _("变更内容"), "created_at": _("提交时间")}
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {
        "can_list": READERS,
        "can_show": READERS,
        "can_step": RECEPTION | frozenset({Role.ADM, Role.ENT}),
    }

    def row_label(self, item: Any) -> str:
        return str(item.unit.name) if item.unit is not None else gettext("单位信息变更")

    def show_value(self, item: Any, column: str) -> Any:
        if column == "changes":
            return "、".join(str(FIELDS.get(name, name)) for name in item.changes)
        return super().show_value(item, column)

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        papers = select(Attachment).where(
            Attachment.owner_type == "unit_change", Attachment.owner_id == item.id, Attachment.kind == "licence"
        )
        context = {
            "heads": [gettext("项目"), gettext("变更前"), gettext("变更后")],
            "rows": [
                [FIELDS.get(name, name), old or gettext("（空）"), new] for name, (old, new) in item.changes.items()
            ],
            "papers": list(db.session.execute(papers).scalars()),
        }
        return [
            DetailTab("changes", gettext("变更内容"), "pages/unit_change.html", context),
            *super().detail_tabs(item),
        ]
