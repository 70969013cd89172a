"""剩余撤销天数 (APT-23): how long an order still has, with its unit and whether its clock stands still.

现场检: 30 natural days less those since the present clock began (application, then acceptance), negative when late.
送检: working days left of 7 or 14, counted from acceptance; before acceptance the whole term, because its clock has not
begun. Both stand still when the order ends; that of 送检 already when the first instrument is brought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app import clock
from app.operations.appointment_clock import workdays_left
from app.profiles import setting, switch_on
from models.appointment import Appointment
from models.enums import AppointmentState, DeliveryMode

S = AppointmentState
ENDED = frozenset({S.COMPLETED, S.WITHDRAWN, S.REJECTED, S.SENT_BACK, S.RESTORE_REQUESTED})
SOON = 3


@dataclass(frozen=True, slots=True)
class Remaining:
    """`days` in working days or natural days; negative when late; `running` is False when the clock stands still."""

    days: int
    workdays: bool
    running: bool

    @property
    def words(self) -> str:
        """5个工作日 or -22天."""
        return f"{self.days}{'个工作日' if self.workdays else '天'}"

    @property
    def tone(self) -> str:
        """danger when late, warn with three days left, muted when it stands still, else ok."""
        if not self.running:
            return "muted"
        return "danger" if self.days < 0 else "warn" if self.days <= SOON else "ok"


def remaining(order: Appointment, today: date, table: dict[date, str]) -> Remaining | None:
    """What is left of the order's term on `today`; `table` are the calendar's exceptions. None for drafts, for folders
    of other orders, and where the deployment knows no such term."""
    if order.submitted_at is None or order.state in {S.DRAFT, S.SPLIT}:
        return None
    if order.mode == DeliveryMode.ONSITE:
        return _on_site(order, today)
    return _brought(order, today, table) if switch_on("appointment.auto_withdraw") else None


def _day(moment: datetime) -> date:
    return moment.astimezone(clock.ZONE).date()


def _ended(order: Appointment) -> date | None:
    """The day on which the order's clock stopped, or None while it runs."""
    return _day(order.ended_at or order.updated_at) if order.state in ENDED else None


def _on_site(order: Appointment, today: date) -> Remaining:
    began = order.accepted_at or order.submitted_at
    assert began is not None
    stopped = _ended(order)
    term = int(setting("appointment", "onsite_nag_days"))
    return Remaining(term - ((stopped or today) - _day(began)).days, False, stopped is None)


def _brought(order: Appointment, today: date, table: dict[date, str]) -> Remaining | None:
    if order.accepted_at is None:
        return Remaining(int(setting("appointment", "deadline_workdays")), True, False)
    if order.deadline_at is None:
        return None
    stopped = _ended(order) or _first_brought(order)
    days = workdays_left(stopped or today, _day(order.deadline_at), table)
    return Remaining(days, True, stopped is None)


def _first_brought(order: Appointment) -> date | None:
    brought = [item.received_at for item in order.items if item.received_at is not None]
    return _day(min(brought)) if brought else None


def heading(mode: str = "") -> str:
    """The column's head, by the way that the list is filtered by (`apt.remaining_label`)."""
    if mode == DeliveryMode.DELIVER:
        return "剩余撤销天数(工作日)"
    return "剩余天数(天)" if mode == DeliveryMode.ONSITE else "剩余撤销天数"
