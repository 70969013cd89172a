"""Words that the pages of booking share: ways, slots, contact, what is said after submission."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from app.fab.parts import state_chip
from app.operations.appointment import orders_of
from app.operations.appointment_receipt import flow_word
from app.operations.unmask import LIVE_ORDERS
from app.workflow import ITEM
from models.appointment import Appointment, AppointmentItem, Slot
from models.base import db
from models.enums import AppointmentState, DeliveryMode, ItemState, Period, Role
from models.types import mask_name, mask_phone
from views.workflow_view import TONES, me

MODES = ((DeliveryMode.DELIVER, _("送检")), (DeliveryMode.ONSITE, _("现场检")))
PERIODS = {Period.MORNING: _("上午"), Period.AFTERNOON: _("下午")}
S = AppointmentState


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


def submitted_words(made: Appointment) -> str:
    """What is said after submission: the number, and the numbers of the orders it was divided into."""
    if made.state == S.ADMIN_REVIEW:
        return gettext("预约单%(number)s已提交，等待行政确认。", number=made.number or "")
    if made.state != S.SPLIT:
        return gettext("预约单%(number)s已提交，请留意机构的受理结果。", number=made.number or "")
    numbers = [str(order) for order in orders_of(db.session(), made)]
    return gettext(
        "预约单%(number)s已提交，按机构和检定方式生成%(n)s张预约单：%(numbers)s。",
        number=made.number or "",
        n=len(numbers),
        numbers=gettext("、").join(numbers),
    )


def order_items(order: Appointment) -> list[AppointmentItem]:
    """The instruments of an order; those taken out of a draft are no part of it."""
    return [i for i in order.items if order.state != S.DRAFT or i.state == ItemState.PENDING]


def again_address(item: Appointment) -> str:
    """Booking the instruments of an order once more."""
    return "/book/?ids=" + ",".join(str(i.instrument_id) for i in item.items)


def state_of_item(item: AppointmentItem) -> Any:
    """The chip of an instrument's flow status."""
    return state_chip(TONES[ITEM.tone_of(item.state)], flow_word(item))
