"""使用单位: read only, as far as the principal's scope reaches."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import Button
from models.enums import Role
from models.organisation import Unit
from models.types import mask_name, mask_phone
from views.workflow_view import me


class UnitView(CrudView):
    """Units; contacts are masked for everybody but the unit itself (ROLES 5)."""

    datamodel = PGInterface(Unit)
    class_permission_name = "UnitView"
    route_base = "/units"
    noun, unit_word = _("使用单位"), _("家")
    list_columns = ["name", "code", "division", "active"]
    show_columns = ["name", "code", "division", "address", "contact_name", "contact_phone", "active", "created_at"]
    search_columns = ["name", "code", "division", "active"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns: list[str] = []
    base_order = ("id", "desc")
    options_column = "name"
    options_urls = {"division": "/options/divisions"}
    label_columns = {"division": _("所在地")}
    base_permissions = ["can_list", "can_show"]
    grants = {"*": UNIT | INSTITUTE | REGULATOR | frozenset({Role.ADM})}

    def show_value(self, item: Any, column: str) -> Any:
        own = me().unit_id == item.id
        if column == "contact_phone" and not own:
            return mask_phone(item.contact_phone)
        if column == "contact_name" and not own:
            return mask_name(item.contact_name)
        return super().show_value(item, column)

    def option_text(self, item: Any) -> str:
        return f"{item.name}（{item.code}）"

    def head_buttons(self, item: Any) -> list[Button]:
        if me().has(Role.ADM):
            return []
        address = f"/appointments/list/?_flt_0_unit={item.id}"
        return [Button("orders", gettext("查看预约单"), address, "get", icon="log")]
