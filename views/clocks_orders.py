"""What the clocks add to the list of orders: days left, 注意事项, the summary line and the buttons of each row (APT-15, APT-16, APT-23)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import g, request
from flask_babel import gettext
from sqlalchemy import func, select

from app import clock
from app.fab.formats import plain
from app.fab.parts import Button, state_chip
from app.operations.clocks_remaining import heading, remaining
from app.profiles import setting, switch_on
from app.workdays import exceptions
from app.workflow.appointment_words import manual
from app.workflow.engine import offered
from models.appointment import Appointment, AppointmentItem
from models.base import db
from models.enums import DeliveryMode
from models.types import mask_phone
from views.workflow_view import me

if TYPE_CHECKING:
    Host = Any  # the list of orders
else:
    Host = object
Columns: TypeAlias = list[str]
MOBILE = re.compile(r"1[3-9][0-9]{9}")
IN_ROW = (
    "submit",
    "submit_for_confirmation",
    "delete",
    "cancel",
    "request_withdraw",
    "request_extension",
    "request_restore",
)
"""Steps of a unit that manual 002 puts at the end of a row, in its order."""
ROW_WORDS = {"delete": "撤销", "cancel": "撤销", "submit": "提交", "submit_for_confirmation": "提交"}
"""What the manual calls them there; the others keep their names."""


def with_remaining(columns: Columns) -> Columns:
    """The column of days left, before the state, where any term runs here."""
    if not (switch_on("appointment.auto_withdraw") or switch_on("appointment.onsite_nag")):
        return columns
    place = columns.index("state") if "state" in columns else len(columns)
    return [*columns[:place], "remaining", *columns[place:]]


class OrderClocks(Host):
    """Mixed into AppointmentView, whose hooks come first and end in these."""

    list_template = "pages/orders.html"

    def all_columns(self) -> Columns:
        return with_remaining(super().all_columns())

    def default_columns(self) -> Columns:
        """Manual 002 shows it to units; whoever works on orders sees it wherever a term runs (APT-23)."""
        own = super().default_columns()
        return with_remaining(own) if manual() == "zhejiang" or not me().of_unit else own

    def show_value(self, item: Any, column: str) -> Any:
        if column == "remaining":
            return remaining_chip(item)
        if column == "created_at" and manual() == "zhejiang":
            return plain(item.created_at.astimezone(clock.ZONE).date())  # 发起预约日期
        shown = super().show_value(item, column)
        if column == "institute.phone" and manual() == "zhejiang" and MOBILE.fullmatch(str(shown)):
            return mask_phone(str(shown))  # a person's number; that of a switchboard is public
        return shown

    def label_of_column(self, column: str) -> Any:
        if column == "remaining":
            return heading(
                next((m for m in DeliveryMode if m.value in request.args.getlist(self._mode_argument())), "")
            )
        return super().label_of_column(column)

    def _mode_argument(self) -> str:
        kinds = [f.arg_name for f in self.datamodel.get_filters(["mode"]).get_search_filters()["mode"]]
        return f"_flt_{kinds.index('in')}_mode"

    def row_class(self, item: Any) -> str:
        """Red for the institute: an order whose half day went by before anybody answered."""
        lost = item.state == "submitted" and item.slot_id is None and switch_on("appointment.slots")
        return "row-danger" if lost and me().of_institute else str(super().row_class(item))

    def row_buttons(self, item: Any) -> list[Button]:
        """The buttons that manual 002 gives each state; elsewhere a row has none, they stand on the order's page."""
        if not (me().of_unit and manual() == "zhejiang"):
            return list(super().row_buttons(item))
        found = [Button("show", gettext("查看"), self.url("show", pk=item.id), "get")] if item.state != "draft" else []
        steps = {step.name: step for step, why in offered(db.session(), item, me()) if why is None}
        for name in IN_ROW:
            if name in steps:
                button = self.step_button(steps[name], item, None)
                found.append(_renamed(button, ROW_WORDS.get(name)))
        return found

    def notes(self) -> list[str]:
        """The 注意事项 that stand above the list, with the numbers of this deployment's settings."""
        found = []
        if switch_on("appointment.auto_withdraw"):
            days, longest = setting("appointment", "deadline_workdays"), setting("appointment", "extended_workdays")
            found.append(
                gettext(
                    "检定类型为送检的预约单，检定机构受理后%(days)s个工作日（可申请延长至%(longest)s工作日）未送检的，系统将自动撤销，"
                    "撤销后可申请恢复预约单，审核通过后，预约单将拥有新的%(days)s个工作日送检时间。审核不通过，则要重新预约。",
                    days=days,
                    longest=longest,
                )
            )
        if switch_on("appointment.onsite_nag"):
            found.append(
                gettext(
                    "检定类型为现场检的预约单，检定机构受理后%(days)s个自然日未检定完成的，系统将短信提醒检定机构尽快完成检定。",
                    days=setting("appointment", "onsite_nag_days"),
                )
            )
        return found

    def redirect_notice(self) -> dict[str, str]:
        """Where a part of the area books instead (APT-22)."""
        return {key: str(setting("appointment", f"redirect_{key}")) for key in ("notice", "name", "url")}

    def summary(self, count: int) -> str:
        """预约总数为…条，涉及器具数量…个: of exactly the rows that the list's conditions find."""
        if manual() != "zhejiang":
            return ""
        filters = self._filters.get_joined_filters(self._base_filters)
        query = self.datamodel.apply_filters(db.session().query(Appointment), self.datamodel.get_inner_filters(filters))
        orders = query.with_entities(Appointment.id).order_by(None).subquery()
        statement = select(func.count(AppointmentItem.instrument_id.distinct())).where(
            AppointmentItem.appointment_id.in_(select(orders))
        )
        instruments = db.session().scalar(statement) or 0
        return gettext("预约总数为%(n)s条，涉及器具数量%(m)s个", n=count, m=instruments)


def _renamed(button: Button, word: str | None) -> Button:
    from dataclasses import replace

    return replace(button, label=word) if word else button


def remaining_chip(order: Appointment) -> Any:
    """The days left as a chip; the calendar's exceptions are asked for once a request."""
    if "calendar_exceptions" not in g:
        g.calendar_exceptions = exceptions(db.session())
    left = remaining(order, clock.today(), g.calendar_exceptions)
    return state_chip(left.tone, left.words) if left is not None else "—"
