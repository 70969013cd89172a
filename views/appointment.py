"""预约单: list, detail with its instruments, the sheet to print, and every step of its workflow."""

from __future__ import annotations

import io
from typing import Any

from flask import current_app
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import INSTITUTE, RECEPTION, REGULATOR, UNIT
from app.documents.booking_sheet import BookingFacts, BookingItem, render_booking_sheet
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.appointment import free_slots
from app.operations.unmask import LIVE_ORDERS
from app.workflow import APPOINTMENT, ITEM
from app.workflow.engine import Field, Step
from app.workflow.subjects import fill_subjects
from models.appointment import Appointment, AppointmentItem, Slot
from models.base import db
from models.enums import LIVE_ITEM_STATES, AppointmentState, DeliveryMode, Period, Role
from models.types import mask_name, mask_phone
from views.answers import pdf
from views.unmask import unmask_button
from views.workflow_view import WorkflowView, chip, me

MODES = ((DeliveryMode.DELIVER, _("送检")), (DeliveryMode.ONSITE, _("现场检")))
PERIODS = {Period.MORNING: _("上午"), Period.AFTERNOON: _("下午")}
S = AppointmentState
EVERYONE = UNIT | INSTITUTE | REGULATOR


def mode_word(mode: str) -> str:
    """送检 or 现场检."""
    return next((str(word) for value, word in MODES if value == mode), mode)


def slot_word(slot: Slot | None) -> str:
    """2026-11-23（周一）上午."""
    if slot is None:
        return "—"
    return f"{slot.day.isoformat()}（{weekday(slot.day)}）{PERIODS[Period(slot.period)]}"


def weekday(day: Any) -> str:
    """周一 … 周日."""
    words = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
    return str(words[day.weekday()])


def contact_of(appointment: Appointment) -> tuple[str, str]:
    """Name and phone as the principal may see them (ROLES 4): both in full for the unit; the name for regulators and for
    the institute while the order is live. Everybody else sees 王* and 133****1111; the number in full is an act of its
    own that leaves its line (must-never case 50)."""
    p = me()
    if p.of_unit and appointment.unit_id == p.unit_id:
        return appointment.contact_name, appointment.contact_phone
    serving = p.of_institute and appointment.institute_id == p.institute_id and appointment.state in LIVE_ORDERS
    name = appointment.contact_name if serving or p.has(Role.REG) else mask_name(appointment.contact_name)
    return name, mask_phone(appointment.contact_phone)


class AppointmentView(WorkflowView):
    """Every booking the principal may see."""

    workflow = APPOINTMENT
    datamodel = PGInterface(
        Appointment,
        load=(
            selectinload(Appointment.unit),
            selectinload(Appointment.institute),
            selectinload(Appointment.slot),
            selectinload(Appointment.items),
        ),
    )
    class_permission_name = "AppointmentView"
    route_base = "/appointments"
    noun, unit_word = _("预约单"), _("张")
    empty_text = _("使用单位可在“预约检定”中选择器具并预约。")
    list_columns = ["number", "unit", "institute", "mode", "slot", "items", "created_at", "state"]
    show_columns = [
        "number",
        "unit",
        "institute",
        "mode",
        "slot",
        "contact_name",
        "contact_phone",
        "note",
        "submitted_at",
        "accepted_at",
        "deadline_at",
        "deadline_basis",
        "reason",
    ]
    search_columns = ["number", "state", "unit", "mode", "created_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["number", "created_at"]
    base_order = ("id", "desc")
    label_columns = {"unit": _("使用单位"), "institute": _("检定机构"), "slot": _("预约时段"), "items": _("器具（台）")}
    options_urls = {"unit": "/units/options"}
    choices = {"mode": MODES}
    tab_states = ("submitted", "accepted", "in_progress", "withdraw_requested", "restore_requested", "draft")
    grants = {"*": EVERYONE, "can_step": UNIT | RECEPTION | REGULATOR}

    def row_label(self, item: Any) -> str:
        return gettext("预约单 %(number)s", number=str(item))

    def show_value(self, item: Any, column: str) -> Any:
        if column == "number":
            return str(item)
        if column == "slot":
            return slot_word(item.slot)
        if column == "items":
            return len(item.items)
        if column in {"contact_name", "contact_phone"}:
            return contact_of(item)[column == "contact_phone"] or "—"
        return super().show_value(item, column)

    def row_class(self, item: Any) -> str:
        late = item.state == S.ACCEPTED and item.deadline_at is not None and item.deadline_at < clock.now()
        return "row-danger" if late else ""

    def list_buttons(self) -> list[Button]:
        if not me().of_unit:
            return []
        return [Button("book", gettext("预约检定"), "/book/", "get", style="primary", icon="calendar")]

    def extra_buttons(self, item: Any) -> list[Button]:
        if item.number is None:
            return []
        shown = unmask_button("appointment-phone", item, gettext("查看完整电话"))
        return [
            *shown,
            Button("sheet", gettext("打印预约单"), self.url("sheet", pk=item.id, inline=1), "get", icon="print"),
        ]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        rows = [(i, chip(ITEM, i.state)) for i in items_of(item.id)]
        shown = DetailTab("items", gettext("器具"), "pages/appointment_items.html", {"rows": rows}, count=len(rows))
        return [shown, *super().detail_tabs(item)]

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        if need.kind != "slot":
            return []
        places = sum(1 for i in items_of(item.id) if i.state in LIVE_ITEM_STATES)
        free = free_slots(db.session(), item.institute_id, item.mode, places=max(places, 1))
        return [(str(s.id), slot_word(s)) for s in free if s.id != item.slot_id]

    @expose("/sheet/<pk>")
    @has_access
    @permission_name("show")
    def sheet(self, pk: str) -> Any:
        """The sheet a unit prints and brings along."""
        item = self.load_item(pk)
        buffer = io.BytesIO()
        render_booking_sheet(sheet_facts(item), buffer)
        return pdf(buffer.getvalue(), gettext("预约单_%(number)s.pdf", number=str(item)))


def items_of(appointment_id: int) -> list[AppointmentItem]:
    """The instruments of an appointment that the principal has been shown."""
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.appointment_id == appointment_id)
        .options(selectinload(AppointmentItem.instrument))
        .order_by(AppointmentItem.id)
    )
    items = list(db.session.execute(statement).scalars())
    fill_subjects(db.session(), items)
    return items


PRESSURE = "压力仪表"
"""First level of the catalogue with gauges that must stay free of oil (CAT-10, S3)."""


def sheet_facts(a: Appointment) -> BookingFacts:
    """What the printed sheet says; phones on paper are masked whoever prints it."""
    live = [i for i in items_of(a.id) if i.state not in {"cancelled", "rejected", "returned"}]
    deadline = a.deadline_at.astimezone(clock.ZONE).date() if a.deadline_at else None
    notes: tuple[str, ...] = (
        gettext("送检前请核对器具的型号、编号、使用单位等信息与登记一致，并携带相关资料和配套电源等附件。"),
        gettext("送检的器具应处于正常工作状态；存在故障的，请维修后再送检。"),
        gettext("现场检定的，请与检定机构约定具体时间，并提供必要的人员、场地和设备支持。"),
    )
    if any(i.instrument.category.level1 == PRESSURE for i in live):
        notes = (*notes, gettext("禁油压力表须与其他压力表分开装存,以防发生事故。"))
    return BookingFacts(
        number=str(a),
        status_label=APPOINTMENT.label_of(a.state),
        unit_name=a.unit.name,
        contact=contact_of(a)[0],
        phone_masked=mask_phone(a.contact_phone),
        institute_name=a.institute.name,
        institute_address=a.institute.address,
        institute_phone=a.institute.phone,
        mode_label=mode_word(a.mode),
        slot_label=slot_word(a.slot),
        deadline=deadline,
        printed_at=clock.now().astimezone(clock.ZONE),
        items=tuple(
            BookingItem(i.instrument.name, i.instrument.model, i.instrument.serial_no, i.instrument.place) for i in live
        ),
        notes=notes,
        query_url=f"{current_app.config['BASE_URL']}/appointments/show/{a.id}",
    )
