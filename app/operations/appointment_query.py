"""单号查询: the state and the dates of an order for whoever knows its number and the last 4 digits of its phone.

S4 §五.4 allows the bare number; numbers can be counted through, so four digits more are asked for (WORKFLOWS 5, query_no).
A wrong number and wrong digits answer alike. No name, no instrument, no institute leaves here.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import as_system
from app.operations.appointment import orders_of
from app.workflow import APPOINTMENT
from app.workflow.appointment_words import worst
from models.appointment import Appointment

TAIL = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """What is told: the state's word with its colour, and (label, day) of each date that there is."""

    word: str
    tone: str
    dates: tuple[tuple[str, date], ...]
    orders: int


def order_standing(session: Session, number: str, tail: str) -> Standing | None:
    """The standing of an order, or None when number and digits do not belong together."""
    number, tail = number.strip()[:20], tail.strip()
    if not number or len(tail) != TAIL or not (tail.isascii() and tail.isdecimal()):
        return None
    with as_system("whoever knows number and phone may ask how the order stands; no name leaves here"):
        statement = select(Appointment).where(Appointment.number == number)
        order = session.execute(statement).scalar_one_or_none()
        phone = "".join(ch for ch in order.contact_phone if ch.isdecimal()) if order is not None else ""
        if not hmac.compare_digest(phone[-TAIL:].encode(), tail.encode()) or order is None:
            return None
        return _standing(order, orders_of(session, order))


def _standing(order: Appointment, orders: list[Appointment]) -> Standing:
    state = worst([one.state for one in orders]) or order.state
    facts: list[tuple[str, date | None]] = [("提交日期", order.submitted_at)]
    for place, one in enumerate(orders, 1):
        which = f"第{place}张：" if len(orders) > 1 else ""
        facts += [
            (f"{which}受理日期", one.accepted_at),
            (f"{which}预约日期", one.slot.day if one.slot else None),
            (f"{which}安排日期", one.visit_day),
            (f"{which}送检期限", one.deadline_at),
            (f"{which}结束日期", one.ended_at),
        ]
    dates = tuple((label, _day(moment)) for label, moment in facts if moment is not None)
    return Standing(APPOINTMENT.label_of(state), APPOINTMENT.tone_of(state), dates, len(orders))


def _day(moment: date | datetime) -> date:
    return moment.astimezone(clock.ZONE).date() if isinstance(moment, datetime) else moment
