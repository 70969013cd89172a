"""Machine 5 of WORKFLOWS: the appointment (预约单). Its items move with it, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, REGULATOR, SYSTEM, UNIT
from app.profiles import setting, switch_on
from app.workdays import deadline
from app.workflow.authorisation import lapsed
from app.workflow.engine import REASON, REASON_OPTIONAL, Context, Field, Guard, Prior, Step, Workflow, cascade
from app.workflow.slots import give_back, held_places, take
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import LIVE_ITEM_STATES, AppointmentState, DeliveryMode, ItemState

S = AppointmentState
SENT = (S.SUBMITTED, S.ACCEPTED)


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
    statement = (
        select(AppointmentItem).where(AppointmentItem.appointment_id == ctx.obj.id).order_by(AppointmentItem.id)
    )
    return list(ctx.session.execute(statement.execution_options(unscoped=True)).scalars())


def move_items(step: str, *, only: tuple[ItemState, ...] = LIVE_ITEM_STATES) -> Callable[[Context], None]:
    """An effect that takes `step` on every item whose state is in `only`."""

    def effect(ctx: Context) -> None:
        with header_moves(ctx.session):
            for item in items_of(ctx):
                if item.state in only:
                    cascade(ctx, item, step, {"reason": ctx.data.get("reason")})

    return effect


def _has_items(ctx: Context) -> str | None:
    return None if items_of(ctx) else "请选择至少一台器具。"


def _bookable(ctx: Context) -> str | None:
    from app.workflow.instrument import INSTRUMENT

    for item in items_of(ctx):
        if item.instrument.state != "in_use":
            word = INSTRUMENT.label_of(item.instrument.state)
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”状态为“{word}”，不能预约。"
    return None


def _slot_chosen(ctx: Context) -> str | None:
    if not switch_on("appointment.slots"):
        return None
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is None:
        return "请选择预约时段。"
    fits = slot.institute_id == ctx.obj.institute_id and slot.mode == ctx.obj.mode
    return None if fits else "所选时段不属于该机构或检定方式，请重新选择。"


def _none_received(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        late = {ItemState.RECEIVED, ItemState.VERIFYING, ItemState.DONE}
        return f"已送检的器具不能{verb}。" if any(i.state in late for i in items_of(ctx)) else None

    return Guard(f"none_received_{verb}", check)


def _none_verifying(ctx: Context) -> str | None:
    busy = {ItemState.VERIFYING, ItemState.DONE}
    return "已有器具在检，不能整单退回。" if any(i.state in busy for i in items_of(ctx)) else None


def _authorised(ctx: Context) -> str | None:
    for item in items_of(ctx):
        what = lapsed(ctx.session, ctx.obj.institute_id, item.instrument.category_id, clock.today())
        if what:
            return f"{what}已失效，不能受理“{item.instrument.name}”，请退回或更新授权信息。"
    return None


def _cancel_accepted(ctx: Context) -> str | None:
    request_first = ctx.obj.state == S.ACCEPTED and switch_on("appointment.withdraw_request")
    return "机构已受理，请使用“申请撤销”。" if request_first else None


def _extendable(ctx: Context) -> str | None:
    if ctx.obj.mode != DeliveryMode.DELIVER:
        return "只有送检的预约单可以申请延长。"
    if ctx.obj.extended or ctx.obj.extension_asked_at:
        return "每张预约单只能延长一次。"
    if ctx.obj.deadline_at and ctx.obj.deadline_at < clock.now():
        return "已超过送检期限。"
    return None


def _extension_asked(ctx: Context) -> str | None:
    return None if ctx.obj.extension_asked_at else "该预约单没有待审核的延长申请。"


def _overdue(ctx: Context) -> str | None:
    waits = ctx.obj.mode == DeliveryMode.DELIVER and ctx.obj.deadline_at is not None
    return None if waits and clock.now() > ctx.obj.deadline_at else "尚未超过送检期限。"


def _restorable(ctx: Context) -> str | None:
    if not ctx.obj.auto_withdrawn:
        return "只有系统自动撤销的预约单可以申请恢复。"
    if ctx.obj.updated_at < clock.now() - timedelta(days=30):
        return "已超过恢复期限，请重新预约。"
    limit = int(setting("appointment", "restores"))
    return f"该预约单已恢复过{ctx.obj.restores}次，请重新预约。" if ctx.obj.restores >= limit else None


def _onsite_late(ctx: Context) -> str | None:
    days = int(setting("appointment", "onsite_nag_days"))
    late = ctx.obj.mode == DeliveryMode.ONSITE and ctx.obj.accepted_at is not None
    return None if late and ctx.obj.accepted_at + timedelta(days=days) < clock.now() else "尚未超过现场检定期限。"


def _number(ctx: Context) -> None:
    """yyyymmdd + 5 digits of the day's counter, as the national system numbers (DOMAIN e)."""
    from app.workflow.numbers import next_number

    if ctx.obj.number is None:
        day = f"{clock.today():%Y%m%d}"
        ctx.obj.number = f"{day}{next_number(ctx.session, 'appointment', 'all', day):05d}"
    ctx.obj.submitted_at = clock.now()


def _take_places(ctx: Context) -> None:
    if ctx.obj.slot_id is not None:
        take(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def _give_back_places(ctx: Context) -> None:
    """Before the items move: as many places as live items still hold."""
    if ctx.obj.slot_id is not None and ctx.obj.submitted_at is not None:
        give_back(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def _accept(ctx: Context) -> None:
    ctx.obj.accepted_at = clock.now()
    _set_deadline(ctx)


def _set_deadline(ctx: Context) -> None:
    if ctx.obj.mode == DeliveryMode.DELIVER and switch_on("appointment.auto_withdraw"):
        days = int(setting("appointment", "deadline_workdays"))
        ctx.obj.deadline_at = deadline(ctx.session, clock.today(), days)
        ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日", False


def _ask_extension(ctx: Context) -> None:
    ctx.obj.extension_asked_at = clock.now()


def _extend(ctx: Context) -> None:
    days = int(setting("appointment", "extended_workdays"))
    accepted = ctx.obj.accepted_at.astimezone(clock.ZONE).date()
    ctx.obj.deadline_at = deadline(ctx.session, accepted, days)
    ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日（已延长）", True


def _mark_auto(ctx: Context) -> None:
    ctx.obj.auto_withdrawn = True


def _restored(ctx: Context) -> None:
    """A slot that has passed meanwhile is let go: the new term for bringing the instruments counts (S2 §2.2)."""
    ctx.obj.auto_withdrawn = False
    ctx.obj.restores += 1
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is not None and slot.day < clock.today() and not _places_kept(ctx):
        ctx.obj.slot_id = None
    _take_places(ctx)
    _set_deadline(ctx)


def _places_kept(ctx: Context) -> int:
    return held_places(ctx.obj.state, [i.state for i in items_of(ctx)])


def _change_slot(ctx: Context) -> None:
    places = len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES])
    new_slot = int(ctx.data["slot_id"])
    take(ctx.session, new_slot, places)
    if ctx.obj.slot_id is not None:
        give_back(ctx.session, ctx.obj.slot_id, places)
    ctx.obj.slot_id = new_slot


SLOT_FIELD = Field("slot_id", "时段", "slot")

APPOINTMENT = Workflow(
    name="appointment",
    label="预约单",
    model=Appointment,
    states=S,
    labels={
        S.DRAFT: "待提交",
        S.ADMIN_REVIEW: "待行政确认",
        S.SUBMITTED: "已提交",
        S.ACCEPTED: "已受理",
        S.IN_PROGRESS: "检定中",
        S.WITHDRAW_REQUESTED: "撤销待审核",
        S.COMPLETED: "已完检",
        S.REJECTED: "被拒绝",
        S.SENT_BACK: "被退回",
        S.WITHDRAWN: "已撤销",
        S.RESTORE_REQUESTED: "恢复待审核",
    },
    tones={
        S.DRAFT: "muted", S.ADMIN_REVIEW: "info", S.SUBMITTED: "info", S.ACCEPTED: "info", S.IN_PROGRESS: "warning",
        S.WITHDRAW_REQUESTED: "warning", S.COMPLETED: "success", S.REJECTED: "danger", S.SENT_BACK: "danger",
        S.RESTORE_REQUESTED: "warning",
    },
    final=frozenset({S.COMPLETED, S.REJECTED, S.SENT_BACK}),
    instrument_of=lambda _appointment: None,
    steps=(
        Step("save_draft", "暂存预约单", (), S.DRAFT, UNIT, switch="appointment", own_page=True, basis="S1 §4.3; S4 §五.1"),
        Step("edit", "修改", (S.DRAFT,), Prior.SAME, UNIT, relation=is_own, own_page=True, basis="S1 §4.3"),
        Step(
            "delete", "删除草稿", (S.DRAFT,), S.WITHDRAWN, UNIT, relation=is_own, effects=(move_items("cancel"),),
            danger=True, basis="S1 §4.3",
        ),
        Step(
            "submit", "提交申请", (S.DRAFT,), S.SUBMITTED, UNIT, relation=is_own, switch="appointment", primary=True,
            guards=(Guard("items", _has_items), Guard("bookable", _bookable), Guard("slot", _slot_chosen)),
            effects=(_number, _take_places, move_items("assign")), basis="S1 §4.3; S2 §2.1–2.2; S4 §五.1",
        ),
        Step(
            "submit_for_confirmation", "提交申请", (S.DRAFT,), S.ADMIN_REVIEW, UNIT, relation=is_own,
            switch="appointment.admin_confirm", primary=True,
            guards=(Guard("items", _has_items), Guard("bookable", _bookable), Guard("slot", _slot_chosen)),
            effects=(_number, _take_places),
            basis="S2 §2.2, §6.1",
        ),
        Step(
            "admin_approve", "行政确认", (S.ADMIN_REVIEW,), S.SUBMITTED, REGULATOR, switch="appointment.admin_confirm",
            effects=(move_items("assign"),), primary=True, basis="S2 §2.2, §6.1; 强检办法 art. 5",
        ),
        Step(
            "admin_reject", "行政不同意", (S.ADMIN_REVIEW,), S.REJECTED, REGULATOR, needs=(REASON,), danger=True,
            switch="appointment.admin_confirm", effects=(_give_back_places, move_items("reject")), basis="S2 §1.3",
        ),
        Step(
            "accept", "确认受理", (S.SUBMITTED,), S.ACCEPTED, RECEPTION, relation=at_mine, primary=True, bulk=True,
            needs=(Field("note", "给申请方的说明", "long", required=False),),
            guards=(Guard("authorised", _authorised),), effects=(_accept, move_items("accept")),
            basis="S1 §4.3; S2 §2.2; S4 §五.3",
        ),
        Step(
            "reject", "拒绝", (S.SUBMITTED,), S.REJECTED, RECEPTION, relation=at_mine, needs=(REASON,), danger=True,
            effects=(_give_back_places, move_items("reject")), basis="S4 §五.2–3; S1 回执单",
        ),
        Step(
            "reschedule", "改期", SENT, Prior.SAME, UNIT | RECEPTION, relation=own_or_mine, needs=(SLOT_FIELD, REASON),
            switch="appointment.slots", effects=(_change_slot,), basis="own",
        ),
        Step(
            "cancel", "撤销预约", (S.ADMIN_REVIEW, S.SUBMITTED, S.ACCEPTED), S.WITHDRAWN, UNIT, relation=is_own,
            needs=(REASON_OPTIONAL,), danger=True,
            guards=(_none_received("取消预约"), Guard("request_first", _cancel_accepted)),
            effects=(_give_back_places, move_items("cancel")), basis="S1 §4.3; S2 §2.2; S4 §五.3",
        ),
        Step(
            "request_withdraw", "申请撤销", SENT, S.WITHDRAW_REQUESTED, UNIT, relation=is_own, remember=True,
            needs=(REASON,), switch="appointment.withdraw_request", guards=(_none_received("撤销"),), basis="S2 §2.2",
        ),
        Step(
            "withdraw_ok", "同意撤销", (S.WITHDRAW_REQUESTED,), S.WITHDRAWN, RECEPTION, relation=at_mine, primary=True,
            switch="appointment.withdraw_request", effects=(_give_back_places, move_items("cancel")), basis="S2 §2.2",
        ),
        Step(
            "withdraw_no", "不同意撤销", (S.WITHDRAW_REQUESTED,), Prior.BEFORE, RECEPTION, relation=at_mine,
            needs=(REASON,), switch="appointment.withdraw_request", basis="S2 §2.2",
        ),
        Step(
            "request_extension", "申请延长", (S.ACCEPTED,), Prior.SAME, UNIT, relation=is_own, needs=(REASON,),
            switch="appointment.auto_withdraw", guards=(Guard("extendable", _extendable),), effects=(_ask_extension,),
            basis="S2 §2.2",
        ),
        Step(
            "extension_ok", "同意延长", (S.ACCEPTED,), Prior.SAME, RECEPTION, relation=at_mine,
            switch="appointment.auto_withdraw", guards=(Guard("asked", _extension_asked),), effects=(_extend,),
            basis="S2 §2.2",
        ),
        Step(
            "extension_no", "不同意延长", (S.ACCEPTED,), Prior.SAME, RECEPTION, relation=at_mine, needs=(REASON,),
            switch="appointment.auto_withdraw", guards=(Guard("asked", _extension_asked),), basis="S2 §2.2",
        ),
        Step(
            "auto_withdraw", "系统自动撤销", (S.ACCEPTED,), S.WITHDRAWN, SYSTEM, switch="appointment.auto_withdraw",
            guards=(Guard("overdue", _overdue), _none_received("撤销")),
            effects=(_mark_auto, _give_back_places, move_items("expire")), basis="S2 §2.2 注意事项1",
        ),
        Step(
            "request_restore", "申请恢复", (S.WITHDRAWN,), S.RESTORE_REQUESTED, UNIT, relation=is_own, needs=(REASON,),
            switch="appointment.restore", guards=(Guard("restorable", _restorable),),
            effects=(move_items("restore", only=(ItemState.CANCELLED,)),), basis="S2 §2.2",
        ),
        Step(
            "restore_ok", "恢复通过", (S.RESTORE_REQUESTED,), S.ACCEPTED, RECEPTION, relation=at_mine, primary=True,
            switch="appointment.restore", effects=(_restored, move_items("accept")), basis="S2 §2.2",
        ),
        Step(
            "restore_no", "恢复不通过", (S.RESTORE_REQUESTED,), S.WITHDRAWN, RECEPTION, relation=at_mine,
            needs=(REASON,), switch="appointment.restore", effects=(move_items("cancel"),), basis="S2 §2.2",
        ),
        Step("start", "开始送检", (S.ACCEPTED,), S.IN_PROGRESS, SYSTEM, basis="S4 §六"),
        Step(
            "send_back", "退回", (S.ACCEPTED, S.IN_PROGRESS), S.SENT_BACK, RECEPTION, relation=at_mine,
            needs=(REASON,), danger=True, guards=(Guard("none_verifying", _none_verifying),),
            effects=(_give_back_places, move_items("return")), basis="S4 §五.3, §六",
        ),
        Step("complete", "完检", (S.IN_PROGRESS,), S.COMPLETED, SYSTEM, basis="S2 §2.2; S4 §六"),
        Step("all_cancelled", "全部取消", (S.SUBMITTED, S.ACCEPTED, S.IN_PROGRESS), S.WITHDRAWN, SYSTEM, basis="WORKFLOWS 6"),
        Step("all_rejected", "全部不予受理", (S.SUBMITTED, S.ACCEPTED), S.REJECTED, SYSTEM, needs=(REASON,), basis="WORKFLOWS 6"),
        Step("all_returned", "全部退单", (S.ACCEPTED, S.IN_PROGRESS), S.SENT_BACK, SYSTEM, needs=(REASON,), basis="WORKFLOWS 6"),
        Step(
            "onsite_nag", "催办", (S.ACCEPTED, S.IN_PROGRESS), Prior.SAME, SYSTEM,
            guards=(Guard("late", _onsite_late),), basis="S2 §2.2 注意事项2",
        ),
    ),
)
