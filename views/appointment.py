"""预约单: detail with receipts, instruments, guide and talk, the sheet to print, and every step of its workflow."""

from __future__ import annotations

import io
from typing import Any

from flask import current_app, flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import INSTITUTE, RECEPTION, REGULATOR, UNIT
from app.documents.booking_sheet import BookingFacts, BookingItem, render_booking_sheet
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.appointment import free_slots, submit
from app.operations.appointment_messages import messages_of, talks, write_message
from app.operations.appointment_receipt import flow_help, flow_word, items_below, receipts
from app.workflow import APPOINTMENT
from app.workflow.engine import Field, Step
from models.appointment import Appointment, AppointmentItem
from models.base import db
from models.enums import LIVE_ITEM_STATES, AppointmentState, ItemState, Role
from models.types import mask_phone
from views.answers import pdf
from views.appointment_list import AppointmentList
from views.appointment_words import (
    MODES,
    PERIODS,
    again_address,
    contact_of,
    mode_word,
    slot_word,
    state_of_item,
    submitted_words,
    weekday,
)
from views.clocks_orders import OrderClocks
from views.edge import clean
from views.unmask import unmask_button
from views.workflow_view import chip, me

__all__ = ["MODES", "PERIODS", "AppointmentView", "contact_of", "mode_word", "slot_word", "weekday"]
S = AppointmentState
EVERYONE = UNIT | INSTITUTE | REGULATOR
SUBMITS = frozenset({"submit", "submit_for_confirmation"})
CANCELLABLE = frozenset({ItemState.PENDING, ItemState.ASSIGNED, ItemState.ACCEPTED})


class AppointmentView(OrderClocks, AppointmentList):
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
    show_columns = [
        "number",
        "unit",
        "institute",
        "mode",
        "slot",
        "wish_day",
        "visit_day",
        "contact_name",
        "contact_phone",
        "note",
        "reply",
        "submitted_at",
        "accepted_at",
        "deadline_at",
        "deadline_basis",
        "reason",
    ]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    label_columns = {
        "unit": _("使用单位"),
        "institute": _("检定机构"),
        "institute.phone": _("检定机构电话"),
        "institute.address": _("检定机构地址"),
        "slot": _("预约时段"),
        "items": _("器具（台）"),
        "answer": _("检定机构受理情况"),
        "name": _("器具名称"),
        "serial_no": _("出厂编号"),
    }
    options_urls = {"unit": "/units/options"}
    choices = {"mode": MODES}
    base_permissions = ["can_list", "can_show", "can_step", "can_say"]
    grants = {
        "can_list": EVERYONE,
        "can_show": EVERYONE,
        "can_step": UNIT | RECEPTION | REGULATOR,
        "can_say": UNIT | RECEPTION,
    }

    def row_label(self, item: Any) -> str:
        return gettext("预约单 %(number)s", number=str(item))

    def head_state(self, item: Any) -> Any:
        return chip(self.workflow, self.state_of(item))

    # -- buttons -------------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> list[Button]:
        if item.state == S.DRAFT and me().of_unit:
            return [Button("edit", gettext("修改"), f"/book/draft/{item.id}", "get", icon="edit")]
        if item.number is None:
            return []
        shown = unmask_button("appointment-phone", item, gettext("查看完整电话"))
        sheet = Button("sheet", gettext("打印预约单"), self.url("sheet", pk=item.id, inline=1), "get", icon="print")
        again = []
        if me().of_unit and item.state in {S.REJECTED, S.SENT_BACK}:
            again.append(Button("again", gettext("重新预约"), again_address(item), "get", style="primary"))
        return [*shown, *again, sheet]

    def take(self, step: Step, item: Any, actor: Any, form: Any) -> Any:
        """Submission gives instruments their codes and says which orders came of it; other steps as everywhere."""
        if step.name not in SUBMITS:
            return super().take(step, item, actor, form)
        seen = request.form.get("seen_version", "")
        made = submit(db.session(), actor, item.id, int(seen) if seen.isdecimal() else None)
        flash(submitted_words(made), "success")
        return redirect(self.url("show", pk=made.id), 303)

    # -- detail --------------------------------------------------------------------------------------------------

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        session = db.session()
        told, rows = receipts(session, item), items_below(session, self.below(item))
        mine = me().of_unit
        context = {
            "rows": [(i, state_of_item(i)) for i in rows],
            "help": flow_help(session) if mine else {},
            "cancel": mine and any(i.state in CANCELLABLE for i in rows),
            "cancellable": CANCELLABLE,
            "back": self.url("show", pk=item.id),
            "word": flow_word,
            "many": len(self.below(item)) > 1,
        }
        found = [DetailTab("items", gettext("器具"), "pages/appointment_items.html", context, count=len(rows))]
        receipt = {"receipts": told, "mode_word": mode_word, "slot_word": slot_word, "word": flow_word}
        found.append(DetailTab("receipt", gettext("回执单信息"), "pages/appointment_receipt.html", receipt))
        if mine and item.state not in {S.DRAFT, S.WITHDRAWN}:
            ways = {"receipts": told, "pressure": any(is_pressure(i) for i in rows)}
            found.append(DetailTab("guide", gettext("预约后怎么办"), "pages/appointment_guide.html", ways))
        if item.institute_id is not None and item.state not in {S.DRAFT, S.ADMIN_REVIEW} and not me().has(Role.REG):
            said = messages_of(session, item)
            talk = {"messages": said, "may": talks(me(), item) and self.may("say"), "url": self.url("say", pk=item.id)}
            talk["typed"] = g.get("typed_message", "")
            found.append(DetailTab("talk", gettext("在线沟通"), "pages/appointment_talk.html", talk, count=len(said)))
        return [*found, *super().detail_tabs(item)]

    @expose("/say/<pk>", methods=["POST"])
    @has_access
    def say(self, pk: str) -> Any:
        """Write to the other side of an order; a refusal shows the order again with what was typed."""
        item = self.load_item(pk)
        text = clean(request.form.get("body"), 1_000)
        try:
            write_message(db.session(), me(), item.id, text)
        except QuanhengError as error:
            if error.status in {403, 404}:
                raise
            db.session.rollback()
            g.typed_message = text
            flash(error.sentence, "danger")
            return self.show(pk), 422
        flash(gettext("留言已发送。"), "success")
        return redirect(f"{self.url('show', pk=item.id)}#talk", 303)

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
        """The sheet a unit prints and brings along; of an application that was split all its orders."""
        item = self.load_item(pk)
        buffer = io.BytesIO()
        render_booking_sheet(sheet_facts(item, self.below(item), self.state_of(item)), buffer)
        return pdf(buffer.getvalue(), gettext("预约单_%(number)s.pdf", number=str(item)))


def items_of(appointment_id: int) -> list[AppointmentItem]:
    """The instruments of an order that the principal has been shown."""
    order = db.session.get(Appointment, appointment_id)
    return items_below(db.session(), [order]) if order is not None else []


PRESSURE = "压力仪表"
"""First level of the catalogue with gauges that must stay free of oil (CAT-10, S3)."""


def is_pressure(item: AppointmentItem) -> bool:
    """Whether the instrument is a gauge that must stay free of oil."""
    return bool(item.instrument.category.level1 == PRESSURE)


def sheet_facts(a: Appointment, orders: list[Appointment], state: str) -> BookingFacts:
    """What the printed sheet says; phones on paper are masked whoever prints it."""
    gone = {"cancelled", "rejected", "returned"}
    live = [i for i in items_below(db.session(), orders) if i.state not in gone]
    deadline = a.deadline_at.astimezone(clock.ZONE).date() if a.deadline_at else None
    notes: tuple[str, ...] = (
        gettext("送检前请核对器具的型号、编号、使用单位等信息与登记一致，并携带相关资料和配套电源等附件。"),
        gettext("送检的器具应处于正常工作状态；存在故障的，请维修后再送检。"),
        gettext("现场检定的，请与检定机构约定具体时间，并提供必要的人员、场地和设备支持。"),
    )
    if any(is_pressure(i) for i in live):
        notes = (*notes, gettext("禁油压力表须与其他压力表分开装存,以防发生事故。"))
    bodies = [order.institute for order in orders if order.institute]
    join = gettext("；").join
    return BookingFacts(
        number=str(a),
        status_label=APPOINTMENT.label_of(state),
        unit_name=a.unit.name,
        contact=contact_of(a)[0],
        phone_masked=mask_phone(a.contact_phone),
        institute_name=join(dict.fromkeys(body.name for body in bodies)),
        institute_address=join(dict.fromkeys(body.address for body in bodies)),
        institute_phone=join(dict.fromkeys(body.phone for body in bodies)),
        mode_label=join(dict.fromkeys(mode_word(order.mode) for order in orders)),
        slot_label=slot_word(a.slot),
        deadline=deadline,
        printed_at=clock.now().astimezone(clock.ZONE),
        items=tuple(
            BookingItem(i.instrument.name, i.instrument.model, i.instrument.serial_no, i.instrument.place) for i in live
        ),
        notes=notes,
        query_url=f"{current_app.config['BASE_URL']}/appointments/show/{a.id}",
    )
