"""The list of orders: columns, conditions and tabs of the deployment's manual, states of applications that were split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import g, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app import clock
from app.fab.filterbar import Box, build_boxes
from app.fab.parts import Button, Tab
from app.fab.urls import address
from app.operations import appointment_list as listed
from app.workflow.appointment_words import manual, stages
from models.appointment import Appointment
from models.base import db
from models.enums import AppointmentState, ItemState
from models.types import mask_name, mask_phone
from views.appointment_words import again_address, contact_of, mode_word, order_items, slot_word
from views.workflow_view import WorkflowView, chip, me

S = AppointmentState
CAP = 1_000
EVERY_COLUMN = [
    "number",
    "unit",
    "institute",
    "institute.phone",
    "institute.address",
    "contact_name",
    "mode",
    "slot",
    "visit_day",
    "items",
    "created_at",
    "submitted_at",
    "answer",
    "reason",
    "state",
]
AT_WORK = ["number", "unit", "institute", "mode", "slot", "items", "created_at", "state"]
"""Columns of whoever is no unit: institutes, regulators."""
WORDS = {
    # what the manuals call the columns of a unit's list (APT-01, APT-15)
    "national": {"number": _("预约编号"), "items": _("器具数量"), "created_at": _("预约时间"), "state": _("状态")},
    "zhejiang": {
        "number": _("预约编号"),
        "created_at": _("发起预约日期"),
        "institute": _("检定机构名称"),
        "state": _("状态"),
    },
}


class AppointmentList(WorkflowView):
    """What AppointmentView shows of many orders: the columns, conditions and tabs of the deployment's manual."""

    list_columns = EVERY_COLUMN
    search_columns = ["number", "state", "unit", "mode", "created_at"]
    order_columns = ["number", "created_at"]
    base_order = ("id", "desc")
    tab_states = ("submitted", "accepted", "in_progress", "withdraw_requested", "restore_requested", "draft")

    # -- columns -------------------------------------------------------------------------------------------------

    def all_columns(self) -> list[str]:
        """A unit sees its own orders only, so whose they are is no column."""
        return [c for c in EVERY_COLUMN if c != "unit"] if me().of_unit else list(EVERY_COLUMN)

    def default_columns(self) -> list[str]:
        return list(listed.listing().columns) if me().of_unit else list(AT_WORK)

    def label_of_column(self, column: str) -> Any:
        own = WORDS.get(manual(), {}) if me().of_unit else {}
        return own.get(column) or self.label_columns.get(column, column)

    # -- conditions ----------------------------------------------------------------------------------------------

    def narrow(self, args: Any) -> None:
        listed.narrow(self._filters, args, of_unit=me().of_unit)

    def boxes(self) -> list[Box]:
        made = {box.column: box for box in build_boxes(self)}
        if not me().of_unit:
            return [*made.values(), self.own_box("name", _("器具名称")), self.own_box("serial_no", _("出厂编号"))]
        found = []
        for key in listed.listing().search:
            if key in made:
                made[key].label = self.label_of_column(key)
                found.append(made[key])
            elif key == "stage":
                box = self.own_box(key, _("状态"), "select")
                box.options = [(stage.key, _(stage.word)) for stage in stages()]  # words of the manuals
                found.append(box)
            else:
                found.append(self.own_box(key, _("器具名称") if key == "name" else _("出厂编号")))
        return found

    def own_box(self, key: str, label: Any, kind: str = "text") -> Box:
        """A search field of a condition that is no column."""
        value = listed.own_value(request.args, key)
        return Box(key, label, kind, [f"{listed.OWN}{key}"], [value], own=True)

    # -- tabs ----------------------------------------------------------------------------------------------------

    def tabs(self) -> list[Tab]:
        """A unit's tabs are the stages of its manual (APT-24); whoever works on orders has the states."""
        if not me().of_unit or not stages():
            return super().tabs()
        shown = listed.own_value(request.args, "stage")
        found = [Tab(gettext("全部"), self.url("list"), None, not shown)]
        for stage in stages():
            inner = select(Appointment.id).where(listed.level(True), listed.in_stage(stage)).limit(CAP).subquery()
            count = db.session.scalar(select(func.count()).select_from(inner)) or 0
            target = self.url("list", **{f"{listed.OWN}stage": stage.key})
            found.append(Tab(stage.word, target, count, shown == stage.key))
        return found

    def clear_url(self) -> str:
        return address(("_flt_", "page_", "goto_", "view"))

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows_of_page(self, items: Sequence[Any]) -> None:
        """Applications that were split are told by their orders: read for the whole page at once."""
        keys = [item.id for item in items if item.state == S.SPLIT]
        g.split_states = listed.states_of_split(db.session(), keys)
        g.split_orders = _orders_below(keys)

    def state_of(self, item: Any) -> str:
        """The state an order is said to be in."""
        if item.state != S.SPLIT:
            return str(item.state)
        known = g.get("split_states") or listed.states_of_split(db.session(), [item.id])
        return str(known.get(item.id, item.state))

    def below(self, item: Any) -> list[Appointment]:
        """The orders of an application, itself when it is one."""
        if item.state != S.SPLIT:
            return [item]
        known: dict[int, list[Appointment]] = g.get("split_orders") or _orders_below([item.id])
        return known.get(item.id, [])

    def show_value(self, item: Any, column: str) -> Any:
        if column == "number":
            return str(item)
        if column == "state":
            return chip(self.workflow, self.state_of(item))
        if column == "slot":
            return slot_word(item.slot)
        if column == "items":
            return sum(len(order_items(order)) for order in self.below(item))
        if column == "answer":
            return self.answer(item)
        if column.startswith("institute") or column == "mode":
            return self._of_orders(item, column)
        if column in {"contact_name", "contact_phone"}:
            return self._contact(item, column) or "—"
        return super().show_value(item, column)

    def _contact(self, item: Any, column: str) -> str:
        """S2's list masks the unit's own contact as well; the detail page does not (ROLES 4)."""
        if manual() == "zhejiang" and request.endpoint == f"{self.endpoint}.list":
            return mask_name(item.contact_name) if column == "contact_name" else mask_phone(item.contact_phone)
        return contact_of(item)[column == "contact_phone"]

    def _of_orders(self, item: Any, column: str) -> str:
        """Institutes and ways: of an application that was split those of its orders, each once."""
        if column == "mode":
            words = [mode_word(order.mode) for order in self.below(item)] or [mode_word(item.mode)]
        else:
            part = column.partition(".")[2] or "name"
            words = [str(getattr(o.institute, part) or "") for o in self.below(item) if o.institute]
        return gettext("、").join(dict.fromkeys(word for word in words if word)) or "—"

    def answer(self, item: Any) -> str:
        """检定机构受理情况: how many of its instruments were taken, refused, or still wait."""
        states = [i.state for order in self.below(item) for i in order_items(order)]
        refused = states.count(ItemState.REJECTED)
        waits = sum(state in {ItemState.PENDING, ItemState.ASSIGNED} for state in states)
        taken = len(states) - refused - waits - states.count(ItemState.CANCELLED)
        said = ((gettext("受理%(n)s台"), taken), (gettext("不受理%(n)s台"), refused), (gettext("待受理%(n)s台"), waits))
        return gettext("，").join(word.replace("%(n)s", str(n)) for word, n in said if n) or "—"

    def row_class(self, item: Any) -> str:
        late = item.state == S.ACCEPTED and item.deadline_at is not None and item.deadline_at < clock.now()
        return "row-danger" if late else ""

    def row_buttons(self, item: Any) -> list[Button]:
        """修改 and 提交 of a draft, 取消预约 of what nobody has answered, 重新预约 of what was refused."""
        if not me().of_unit:
            return []
        if item.state == S.DRAFT:
            return [
                Button("edit", gettext("修改"), f"/book/draft/{item.id}", "get", style="link"),
                self._one_press("delete", item, gettext("删除")),
            ]
        if item.state == S.SUBMITTED and manual() == "guangdong":
            return [self._one_press("cancel", item, gettext("取消预约"))]
        if item.state in {S.REJECTED, S.SENT_BACK}:
            return [Button("again", gettext("重新预约"), again_address(item), "get", style="link")]
        return []

    def _one_press(self, name: str, item: Any, word: str) -> Button:
        ask = gettext("确定对“%(row)s”办理“%(step)s”吗？", row=self.row_label(item), step=word)
        hidden = {"seen_version": str(item.version), "back": request.full_path}
        return Button(name, word, self.step_url(name, item.id), style="danger", confirm=ask, hidden=hidden)

    def list_buttons(self) -> list[Button]:
        if not me().of_unit:
            return []
        return [
            Button("due", gettext("全部预约"), "/book/due", "get", icon="check"),
            Button("book", gettext("新增预约"), "/book/", "get", style="primary", icon="calendar"),
        ]


def _orders_below(keys: list[int]) -> dict[int, list[Appointment]]:
    """Application → its orders with their instruments, for a page of a list."""
    if not keys:
        return {}
    statement = (
        select(Appointment)
        .where(Appointment.parent_id.in_(keys))
        .options(selectinload(Appointment.institute), selectinload(Appointment.items))
        .order_by(Appointment.id)
    )
    found: dict[int, list[Appointment]] = {}
    for order in db.session.execute(statement).scalars():
        found.setdefault(order.parent_id or 0, []).append(order)
    return found
