"""Terms of an appointment: when it is withdrawn, extended, nagged about, and when its half day has gone by (WORKFLOWS 5)."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.profiles import setting, switch_on
from app.workdays import deadline
from app.workflow.appointment_rules import is_own, waiting_items
from app.workflow.elsewhere import elsewhere
from app.workflow.engine import Context
from models.appointment import Appointment, Slot
from models.enums import AppointmentState, DeliveryMode, Period
from models.log import TransitionLog

EXTENSION_GRACE = 2
"""Working days for which an extension nobody decided on keeps the order from being withdrawn (WORKFLOWS 5, [own])."""
LAST_MOMENT = timedelta(hours=24)
"""Before the half day begins; the morning is taken to begin at midnight, as where it goes by unanswered."""
ABOUT_EXTENSION = ("request_extension", "extension_ok", "extension_no", "auto_withdraw", "restore_ok")


def extension_waits(session: Session, order: Appointment) -> bool:
    """Whether an extension was asked for and not decided: it is the last thing that was said about the term."""
    if order.extension_asked_at is None:
        return False
    return _last_of(session, order, ABOUT_EXTENSION) == "request_extension"


def _last_of(session: Session, order: Appointment, steps: tuple[str, ...]) -> str | None:
    """Which of the steps the order took last, or None; both sides of an order see the lines of its log."""
    statement = (
        select(TransitionLog.step)
        .where(
            TransitionLog.entity == "appointment",
            TransitionLog.entity_id == order.id,
            TransitionLog.step.in_(steps),
        )
        .order_by(TransitionLog.id.desc())
        .limit(1)
    )
    return session.scalar(statement)


def restore_refused(ctx: Context) -> str | None:
    """审核不通过，则要重新预约 (APT-20): a refusal is final until the order is withdrawn anew."""
    last = _last_of(ctx.session, ctx.obj, ("auto_withdraw", "restore_no"))
    return "恢复申请未通过，请重新预约。" if last == "restore_no" else None


def extension_asked(ctx: Context) -> str | None:
    return None if extension_waits(ctx.session, ctx.obj) else "该预约单没有待审核的延长申请。"


def overdue(ctx: Context) -> str | None:
    waits = ctx.obj.mode == DeliveryMode.DELIVER and ctx.obj.deadline_at is not None
    if not waits or clock.now() <= ctx.obj.deadline_at:
        return "尚未超过送检期限。"
    if extension_waits(ctx.session, ctx.obj):
        last_day = ctx.obj.deadline_at.astimezone(clock.ZONE).date()
        if clock.now() <= deadline(ctx.session, last_day, EXTENSION_GRACE):
            return "延长申请尚未答复，暂不撤销。"
    return None


def onsite_late(ctx: Context) -> str | None:
    """Natural days are counted from day to day: accepted on the 1st, the 30th day is the 31st and the first word is said
    on the day after; again after as many days as the deployment says (APT-21)."""
    days, again = (int(setting("appointment", key)) for key in ("onsite_nag_days", "nag_repeat_days"))
    late = ctx.obj.mode == DeliveryMode.ONSITE and ctx.obj.accepted_at is not None
    if not late or _days_since(ctx.obj.accepted_at) <= days:
        return "尚未超过现场检定期限。"
    # what was said before this acceptance belongs to a term that has been given anew
    said = ctx.obj.nagged_at is not None and ctx.obj.nagged_at >= ctx.obj.accepted_at
    return "尚未到再次催办的日期。" if said and _days_since(ctx.obj.nagged_at) < again else None


def _days_since(moment: datetime) -> int:
    return (clock.today() - moment.astimezone(clock.ZONE).date()).days


def confirmed_first(_state: object) -> str | None:
    """Where the administration confirms, no draft goes to an institute past it: 提交申请 is another step there."""
    return "" if switch_on("appointment.admin_confirm") else None


def handled_elsewhere(ctx: Context) -> str | None:
    """The notice of a place whose bookings another platform takes (APT-22)."""
    return next((said for item in waiting_items(ctx) if (said := elsewhere(item.use_division))), None)


def slot_passed(ctx: Context) -> str | None:
    """Whether the half day began before anybody answered."""
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0)
    if slot is None:
        return "该预约单没有预约时段。"
    return None if clock.now() >= _begins(slot) else "预约时段尚未开始。"


def _begins(slot: Slot) -> datetime:
    opens = time() if slot.period == Period.MORNING else time(12)
    return datetime.combine(slot.day, opens, clock.ZONE)


def moved_in_time(ctx: Context) -> str | None:
    """A unit changes the half day by itself until the institute has agreed to it, and not at the last moment."""
    if not is_own(ctx.obj, ctx.actor):
        return None
    if ctx.obj.state == AppointmentState.ACCEPTED:
        return "机构已受理的预约由检定机构改期，请联系检定机构。"
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0)
    near = slot is not None and clock.now() > _begins(slot) - LAST_MOMENT
    return "距预约时间不足24小时，请联系检定机构。" if near else None


def new_slot_fits(ctx: Context) -> str | None:
    """The other half day is of the same institute and way."""
    text = str(ctx.data.get("slot_id") or "")
    slot = ctx.session.get(Slot, int(text) if text.isdecimal() else 0)
    fits = slot is not None and slot.institute_id == ctx.obj.institute_id and slot.mode == ctx.obj.mode
    return None if fits else "所选时段不属于该机构或检定方式，请重新选择。"


def leave_slot(ctx: Context) -> None:
    """After its places went back: the order asks for another half day."""
    ctx.obj.slot_id = None


def mark_ended(ctx: Context) -> None:
    """From here on the order's clock stands still (APT-23)."""
    ctx.obj.ended_at = clock.now()
