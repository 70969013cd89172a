"""回执单信息: what each institute said to an application, over all orders it was divided into (APT-07, APT-08, APT-13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.operations.appointment import orders_of
from app.operations.appointment_draft import unassigned
from app.operations.site import text_of
from app.workflow.assigning import shares
from app.workflow.subjects import fill_subjects
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import AppointmentState, DeliveryMode, ItemState
from models.organisation import Institute

A, S = AppointmentState, ItemState
BEFORE = (A.DRAFT, A.ADMIN_REVIEW)
"""Orders of which nobody has decided yet where they go: the receipt foretells it."""
TAKEN = (S.ACCEPTED, S.RECEIVED, S.VERIFYING, S.DONE, S.RETURNED, S.ABORTED)
FLOW_HELP = "flow_status"


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One instrument: its item and what the institute said to it."""

    item: AppointmentItem
    answer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one institute has of an application by one way. Without institute its instruments are 未分配."""

    order: Appointment
    institute: Institute | None
    mode: str
    day: date | None
    slot: Slot | None
    reply: str
    lines: tuple[ReceiptLine, ...]
    foretold: bool

    @property
    def onsite(self) -> bool:
        return self.mode == DeliveryMode.ONSITE

    @property
    def cures(self) -> list[str]:
        """Of instruments that no institute takes: what to do about each."""
        if self.institute is not None:
            return []
        return [unassigned(f"{line.item.instrument.name} {line.item.instrument.serial_no}") for line in self.lines]


def items_below(session: Session, orders: list[Appointment]) -> list[AppointmentItem]:
    """The instruments of some orders that the principal may see; those taken out of a draft are no part of it."""
    keys = [order.id for order in orders]
    drafts = {order.id for order in orders if order.state == A.DRAFT}
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.appointment_id.in_(keys))
        .options(selectinload(AppointmentItem.instrument))
        .order_by(AppointmentItem.appointment_id, AppointmentItem.id)
    )
    items = list(session.execute(statement).scalars())
    fill_subjects(session, items)
    return [i for i in items if i.appointment_id not in drafts or i.state == S.PENDING]


def receipts(session: Session, order: Appointment) -> list[Receipt]:
    """The receipts of an application or of one order; instruments of no institute come last."""
    if order.state in BEFORE:
        return _foretold(session, order)
    orders = orders_of(session, order)
    items = items_below(session, orders)
    return [
        Receipt(
            one,
            one.institute,
            one.mode,
            one.visit_day,
            one.slot,
            one.reply,
            tuple(_line(item) for item in items if item.appointment_id == one.id),
            False,
        )
        for one in orders
    ]


def _foretold(session: Session, order: Appointment) -> list[Receipt]:
    waiting = [item for item in items_below(session, [order]) if item.state == S.PENDING]
    found = [
        Receipt(
            order,
            session.get(Institute, share.institute_id) if share.institute_id else None,
            share.mode,
            None,
            order.slot,
            "",
            tuple(ReceiptLine(item, "", "") for item in share.items),
            True,
        )
        for share in shares(session, waiting, order.mode, clock.today())
    ]
    return sorted(found, key=lambda receipt: receipt.institute is None)


def _line(item: AppointmentItem) -> ReceiptLine:
    """受理, 不受理 with its reason, or that nobody has answered yet."""
    reason = item.reason or "" if item.state in (S.REJECTED, S.RETURNED, S.ABORTED, S.CANCELLED) else ""
    if item.state in TAKEN:
        return ReceiptLine(item, "受理", reason)
    words = {S.REJECTED.value: "不受理", S.CANCELLED.value: "已取消"}
    return ReceiptLine(item, words.get(item.state, "待受理"), reason)


def flow_word(item: AppointmentItem) -> str:
    """The flow status of an instrument (S1 流程状态): 待送检 or 待上门 by its way, else the word of its state."""
    from app.workflow import ITEM

    if item.state == S.ACCEPTED:
        onsite = (item.mode or item.appointment.mode) == DeliveryMode.ONSITE
        return "待上门" if onsite else "待送检"
    return ITEM.label_of(item.state)


def flow_help(session: Session) -> Mapping[str, str]:
    """Flow status → its explanation, as the administrator keeps it among the site's texts ("待预约：…")."""
    body = text_of(session, FLOW_HELP).body
    pairs = (paragraph.strip().partition("：") for paragraph in body.split("\n\n"))
    return {word: text for word, colon, text in pairs if colon}


def as_submitted(item: AppointmentItem, column: str) -> tuple[Any, Any]:
    """(what the ledger said of the instrument when the order was submitted, what it says now) (APT-11)."""
    now = getattr(item.instrument, column)
    then = item.snapshot.get(column, now) if item.snapshot else now
    return then, now
