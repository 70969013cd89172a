"""使用单位: read only, as far as the principal's scope reaches."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, Tab
from app.operations.places import place_name
from app.operations.unit_profile import rows_of
from app.operations.units_without_contact import WithoutContact
from models.base import db
from models.enums import Role
from models.organisation import Unit
from models.types import mask_name, mask_phone
from views.unmask import unmask_button
from views.workflow_view import me

CONTACT = "contact"


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

    def tabs(self) -> list[Tab]:
        """无联系人单位 for those who look after the ledger of a unit that has nobody left."""
        if not me().has(Role.REG, Role.ADM):
            return []
        alone = request.args.get(CONTACT) == "none"
        words = (
            (gettext("全部"), False, self.url("list")),
            (gettext("无联系人单位"), True, self.url("list", contact="none")),
        )
        return [Tab(word, url, None, alone == own) for word, own, url in words]

    def narrow(self, args: Any) -> None:
        if args.get(CONTACT) == "none" and me().has(Role.REG, Role.ADM):
            self._filters._add_filter(WithoutContact("name", self.datamodel), [True])

    def show_value(self, item: Any, column: str) -> Any:
        own = me().unit_id == item.id
        if column == "contact_phone" and not own:
            return mask_phone(item.contact_phone)
        if column == "contact_name" and not (own or me().has(Role.REG)):
            return mask_name(item.contact_name)
        return super().show_value(item, column)

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        """Contacts and type approvals as far as the scope gives them; phones masked for everybody but the unit."""
        contacts, approvals = rows_of(db.session(), item.id)
        own = me().unit_id == item.id
        people = [
            [
                c.name,
                c.phone if own else mask_phone(c.phone),
                place_name(db.session(), c.division_code or ""),
                c.address,
            ]
            for c in contacts
        ]
        models = [[a.certificate_no, a.instrument_name, a.model, a.flow_range] for a in approvals]
        heads = [gettext("联系人"), gettext("联系方式"), gettext("省市区县街道"), gettext("详细地址")]
        words = [gettext("型批证书号"), gettext("计量器具名称"), gettext("型号"), gettext("流量范围")]
        tables = (("contacts", gettext("联系人信息"), heads, people), ("models", gettext("型评信息"), words, models))
        return [
            DetailTab(name, title, "kinds/_table.html", {"heads": head, "rows": rows}, count=len(rows))
            for name, title, head, rows in tables
            if rows
        ]

    def option_text(self, item: Any) -> str:
        return f"{item.name}（{item.code}）"

    def head_buttons(self, item: Any) -> list[Button]:
        if me().has(Role.ADM):
            return []
        address = f"/appointments/list/?_flt_0_unit={item.id}"
        shown = unmask_button("unit-phone", item, gettext("查看完整电话"))
        return [*shown, Button("orders", gettext("查看预约单"), address, "get", icon="log")]
