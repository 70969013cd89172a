"""Guards and effects of the appointment's machine; its items move with it, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.profiles import setting, switch_on
from app.workdays import deadline
from app.workflow.authorisation import authorised, lapsed
from app.workflow.band import INVALID, barred_from_booking
from app.workflow.engine import Context, Guard, cascade
from app.workflow.live import NOT_COMPULSORY
from app.workflow.slots import give_back, held_places, take
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import LIVE_ITEM_STATES, AppointmentState, DeliveryMode, ItemState

S = AppointmentState


def is_own(appointment: Appointment, actor: Principal) -> bool:
    return appointment.unit_id == actor.unit_id


def at_mine(appointment: Appointment, actor: Principal) -> bool:
    return appointment.institute_id == actor.institute_id


def own_or_mine(appointment: Appointment, actor: Principal) -> bool:
    return is_own(appointment, actor) or at_mine(appointment, actor)


@contextmanager
def header_moves(session: Session) -> Iterator[None]:
    """Inside, items follow their header: they neither settle it nor give places back one by one."""
    session.info["header_moves"] = True
    try:
        yield
    finally:
        session.info["header_moves"] = False


def items_of(ctx: Context) -> list[AppointmentItem]:
    """The items in the order of their ids, which is the order in which they are locked (WORKFLOWS 0.2)."""
    statement = select(AppointmentItem).where(AppointmentItem.appointment_id == ctx.obj.id).order_by(AppointmentItem.id)
    return list(ctx.session.execute(statement.execution_options(unscoped=True)).scalars())


def move_items(step: str, *, only: tuple[ItemState, ...] = LIVE_ITEM_STATES) -> Callable[[Context], None]:
    """An effect that takes `step` on every item whose state is in `only`."""

    def effect(ctx: Context) -> None:
        with header_moves(ctx.session):
            for item in items_of(ctx):
                if item.state in only:
                    cascade(ctx, item, step, {"reason": ctx.data.get("reason")})

    return effect


def has_items(ctx: Context) -> str | None:
    return None if items_of(ctx) else "请选择至少一台器具。"


def bookable(ctx: Context) -> str | None:
    from app.workflow.instrument import INSTRUMENT

    for item in items_of(ctx):
        if item.instrument.state != "in_use":
            word = INSTRUMENT.label_of(item.instrument.state)
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”状态为“{word}”，不能预约。"
        if not item.instrument.compulsory:
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”：{NOT_COMPULSORY}"
        if barred_from_booking(item.instrument, clock.today()):
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”{INVALID}"
    return None


def slot_chosen(ctx: Context) -> str | None:
    if not switch_on("appointment.slots"):
        return None
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is None:
        return "请选择预约时段。"
    fits = slot.institute_id == ctx.obj.institute_id and slot.mode == ctx.obj.mode
    return None if fits else "所选时段不属于该机构或检定方式，请重新选择。"


def none_received(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        late = {ItemState.RECEIVED, ItemState.VERIFYING, ItemState.DONE}
        return f"已送检的器具不能{verb}。" if any(i.state in late for i in items_of(ctx)) else None

    return Guard("none_received", check, fix=None)


def none_verifying(ctx: Context) -> str | None:
    busy = {ItemState.VERIFYING, ItemState.DONE}
    return "已有器具在检，不能整单退回。" if any(i.state in busy for i in items_of(ctx)) else None


def all_authorised(ctx: Context) -> str | None:
    for item in items_of(ctx):
        what = lapsed(ctx.session, ctx.obj.institute_id, item.instrument.category_id, clock.today())
        if what:
            return f"{what}已失效，不能受理“{item.instrument.name}”，请退回或更新授权信息。"
    return None


def can_be_assigned(ctx: Context) -> str | None:
    """No new booking for a category that the institute does not, or no longer, verify (ORG-15)."""
    for item in items_of(ctx):
        category = item.instrument.category_id
        if not authorised(ctx.session, ctx.obj.institute_id, category, clock.today()):
            return f"检定机构未获“{item.instrument.name}”的检定授权或授权已过期，暂不能预约，请联系该机构。"
    return None


def cancel_accepted(ctx: Context) -> str | None:
    request_first = ctx.obj.state == S.ACCEPTED and switch_on("appointment.withdraw_request")
    return "机构已受理，请使用“申请撤销”。" if request_first else None


def extendable(ctx: Context) -> str | None:
    if ctx.obj.mode != DeliveryMode.DELIVER:
        return "只有送检的预约单可以申请延长。"
    if ctx.obj.extended or ctx.obj.extension_asked_at:
        return "每张预约单只能延长一次。"
    if ctx.obj.deadline_at and ctx.obj.deadline_at < clock.now():
        return "已超过送检期限。"
    return None


def extension_asked(ctx: Context) -> str | None:
    return None if ctx.obj.extension_asked_at else "该预约单没有待审核的延长申请。"


def overdue(ctx: Context) -> str | None:
    waits = ctx.obj.mode == DeliveryMode.DELIVER and ctx.obj.deadline_at is not None
    return None if waits and clock.now() > ctx.obj.deadline_at else "尚未超过送检期限。"


def restorable(ctx: Context) -> str | None:
    if not ctx.obj.auto_withdrawn:
        return "只有系统自动撤销的预约单可以申请恢复。"
    if ctx.obj.updated_at < clock.now() - timedelta(days=30):
        return "已超过恢复期限，请重新预约。"
    limit = int(setting("appointment", "restores"))
    return f"该预约单已恢复过{ctx.obj.restores}次，请重新预约。" if ctx.obj.restores >= limit else None


def onsite_late(ctx: Context) -> str | None:
    days = int(setting("appointment", "onsite_nag_days"))
    late = ctx.obj.mode == DeliveryMode.ONSITE and ctx.obj.accepted_at is not None
    return None if late and ctx.obj.accepted_at + timedelta(days=days) < clock.now() else "尚未超过现场检定期限。"


def give_number(ctx: Context) -> None:
    """yyyymmdd + 5 digits of the day's counter, as the national system numbers (DOMAIN e)."""
    from app.workflow.numbers import next_number

    if ctx.obj.number is None:
        day = f"{clock.today():%Y%m%d}"
        ctx.obj.number = f"{day}{next_number(ctx.session, 'appointment', 'all', day):05d}"
    ctx.obj.submitted_at = clock.now()


def take_places(ctx: Context) -> None:
    if ctx.obj.slot_id is not None:
        take(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def give_back_places(ctx: Context) -> None:
    """Before the items move: as many places as live items still hold."""
    if ctx.obj.slot_id is not None and ctx.obj.submitted_at is not None:
        give_back(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def set_accepted(ctx: Context) -> None:
    ctx.obj.accepted_at = clock.now()
    set_deadline(ctx)


def set_deadline(ctx: Context) -> None:
    if ctx.obj.mode == DeliveryMode.DELIVER and switch_on("appointment.auto_withdraw"):
        days = int(setting("appointment", "deadline_workdays"))
        ctx.obj.deadline_at = deadline(ctx.session, clock.today(), days)
        ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日", False


def ask_extension(ctx: Context) -> None:
    ctx.obj.extension_asked_at = clock.now()


def extend_term(ctx: Context) -> None:
    days = int(setting("appointment", "extended_workdays"))
    accepted = ctx.obj.accepted_at.astimezone(clock.ZONE).date()
    ctx.obj.deadline_at = deadline(ctx.session, accepted, days)
    ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日（已延长）", True


def mark_auto(ctx: Context) -> None:
    ctx.obj.auto_withdrawn = True


def restored(ctx: Context) -> None:
    """A slot that has passed meanwhile is let go: the new term for bringing the instruments counts (S2 §2.2)."""
    ctx.obj.auto_withdrawn = False
    ctx.obj.restores += 1
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is not None and slot.day < clock.today() and not places_kept(ctx):
        ctx.obj.slot_id = None
    take_places(ctx)
    set_deadline(ctx)


def places_kept(ctx: Context) -> int:
    return held_places(ctx.obj.state, [i.state for i in items_of(ctx)])


def change_slot(ctx: Context) -> None:
    places = len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES])
    new_slot = int(ctx.data["slot_id"])
    take(ctx.session, new_slot, places)
    if ctx.obj.slot_id is not None:
        give_back(ctx.session, ctx.obj.slot_id, places)
    ctx.obj.slot_id = new_slot
