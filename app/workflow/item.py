"""Machine 6 of WORKFLOWS: one instrument of an appointment, from booking to its result."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, SYSTEM, UNIT
from app.workflow.appointment_rules import accepted_stays
from app.workflow.authorisation import lapsed
from app.workflow.commission_rules import task_of
from app.workflow.engine import ABOVE, REASON, REASON_OPTIONAL, Context, Field, Guard, Step, Workflow, cascade
from app.workflow.live import live_filing_of, live_item_of
from app.workflow.slots import WITHOUT_PLACES, give_back
from models.appointment import Appointment, AppointmentItem
from models.enums import AppointmentState, DeliveryMode, ItemState, Role, TaskState

S = ItemState
A = AppointmentState
COUNTER = frozenset({Role.REC, Role.VER, Role.IMG})
VERIFIER = frozenset({Role.VER})
IMG = frozenset({Role.IMG})
FINAL = frozenset({S.DONE, S.REJECTED, S.RETURNED, S.CANCELLED, S.ABORTED})


def is_own(item: AppointmentItem, actor: Principal) -> bool:
    return item.unit_id == actor.unit_id


def at_mine(item: AppointmentItem, actor: Principal) -> bool:
    return item.institute_id == actor.institute_id


def _still_free(ctx: Context) -> str | None:
    """For a restore: the instrument may stand in another appointment meanwhile."""
    rival = live_item_of(ctx.session, ctx.obj.instrument_id)
    if rival is None or rival.id == ctx.obj.id:
        return None
    instrument = ctx.obj.instrument
    return f"器具“{instrument.name} {instrument.serial_no}”已在预约单{rival.appointment.number or '草稿'}中，不能恢复。"


def _authorised_today(ctx: Context) -> str | None:
    what = lapsed(ctx.session, ctx.obj.institute_id, ctx.obj.instrument.category_id, clock.today())
    return f"{what}已失效，不能开展检定，请先更新授权信息。" if what else None


def header_state(states: list[str], before: str) -> AppointmentState:
    """The header's state as a pure function of its items' states, from `accepted` on (WORKFLOWS 6, I-13)."""
    present = {S(s) for s in states}
    if present & {S.VERIFYING, S.RECEIVED}:
        return A.IN_PROGRESS
    if present and present <= FINAL:
        if S.DONE in present:
            return A.COMPLETED
        if present == {S.REJECTED}:
            return A.REJECTED
        if present == {S.CANCELLED}:
            return A.WITHDRAWN
        return A.SENT_BACK
    if S.DONE in present:
        return A.IN_PROGRESS
    return A(before)


SETTLING = {
    A.IN_PROGRESS: "start",
    A.COMPLETED: "complete",
    A.REJECTED: "all_rejected",
    A.SENT_BACK: "all_returned",
    A.WITHDRAWN: "all_cancelled",
}


def settle_header(ctx: Context) -> None:
    """Recompute the header after an item's step, unless the header's own step is what moved the item."""
    if ctx.session.info.get("header_moves"):
        return
    header = ctx.session.get(Appointment, ctx.obj.appointment_id, execution_options={"unscoped": True})
    if header is None or header.state in {A.DRAFT, A.ADMIN_REVIEW, A.SPLIT}:
        return
    ctx.session.flush()
    states = list(
        ctx.session.scalars(
            select(AppointmentItem.state)
            .where(AppointmentItem.appointment_id == header.id)
            .execution_options(unscoped=True)
        )
    )
    wanted = header_state(states, header.state)
    if wanted != header.state:
        reason = ctx.data.get("reason") or ctx.obj.reason
        cascade(ctx, header, SETTLING[wanted], {"reason": reason})


def _received(ctx: Context) -> None:
    ctx.obj.received_at = clock.now()


def _not_received(ctx: Context) -> None:
    ctx.obj.received_at = None


def _never_there(ctx: Context) -> None:
    """What was given up before it went to an institute was never that institute's to read."""
    if not ctx.obj.snapshot:  # taken on the day of the assignment
        ctx.obj.institute_id = None


def _through_task(ctx: Context) -> str | None:
    """Where the counter made a task, the person it was given to begins it there."""
    if ctx.actor.is_system or task_of(ctx.session, ctx.obj.id) is None:
        return None
    return "该器具已有检定任务，请在检定任务中办理。"


def _task_page(ctx: Context) -> str | None:
    task = task_of(ctx.session, ctx.obj.id)
    return f"/tasks/show/{task.id}" if task else None


def _received_or_on_site(ctx: Context) -> str | None:
    on_site = (ctx.obj.mode or ctx.obj.appointment.mode) == DeliveryMode.ONSITE
    return None if ctx.obj.state != S.ACCEPTED or on_site else "送检的器具须先收样核对，再开始检定。"


def _visited(ctx: Context) -> None:
    ctx.obj.received_at = ctx.obj.received_at or clock.now()


def _free_place(ctx: Context) -> None:
    """A place that the institute can give to somebody else goes back exactly once (I-3)."""
    if ctx.session.info.get("header_moves"):
        return
    header = ctx.session.get(Appointment, ctx.obj.appointment_id, execution_options={"unscoped": True})
    if header is not None and header.slot_id is not None and header.state not in WITHOUT_PLACES:
        give_back(ctx.session, header.slot_id, 1)


def _not_confirmed(ctx: Context) -> str | None:
    """S4 §五.3: once the institute has confirmed, only the institute takes an instrument out of the order; S2 §2.2: it is
    asked for on the order."""
    follows = ctx.actor.is_system or ctx.session.info.get("header_moves")
    return None if follows or ctx.obj.state != S.ACCEPTED else accepted_stays()


def _return_filing(ctx: Context) -> None:
    """Wrong papers at the counter send the filing back too (WORKFLOWS 18)."""
    ctx.obj.return_kind = ctx.data.get("kind")
    if ctx.data.get("kind") != "mismatch":
        return
    filing = live_filing_of(ctx.session, ctx.obj.instrument_id)
    if filing is not None and filing.state == "approved":
        cascade(ctx, filing, "counter_return", {"reason": ctx.data.get("reason")})


def _end_task(ctx: Context) -> None:
    """What goes back has nothing left to be done on the bench (WORKFLOWS 18)."""
    task = task_of(ctx.session, ctx.obj.id)
    if task is not None and task.state in {TaskState.QUEUED, TaskState.ASSIGNED}:
        cascade(ctx, task, "void", {"reason": ctx.data.get("reason")})


def _take_result(ctx: Context) -> None:
    ctx.obj.result = str(ctx.data["result"])


def _lock_header(session: Session, pk: Any) -> None:
    """The order before its item: the header's own steps take them in this order too, so neither waits for the other."""
    own = select(AppointmentItem.appointment_id).where(AppointmentItem.id == pk).scalar_subquery()
    statement = select(Appointment.id).where(Appointment.id == own).with_for_update()
    session.execute(statement.execution_options(unscoped=True))


ABOVE[AppointmentItem] = _lock_header

RETURN_KIND = Field(
    "kind",
    "退单类别",
    "choice",
    choices=(("mismatch", "信息不符"), ("fault", "器具故障"), ("accessories", "缺附件"), ("beyond", "超出能力")),
)
CHECKED = Field("checked", "已逐项核对铭牌与登记信息（名称、型号、出厂编号、使用单位、状态）", "tick")

ITEM = Workflow(
    name="item",
    label="预约器具",
    model=AppointmentItem,
    states=S,
    labels={
        S.PENDING: "待预约",
        S.ASSIGNED: "待受理",
        S.ACCEPTED: "待送检/待上门",
        S.RECEIVED: "已送检",
        S.VERIFYING: "检定中",
        S.DONE: "检定完成",
        S.REJECTED: "不予受理",
        S.RETURNED: "退单",
        S.CANCELLED: "已取消",
        S.ABORTED: "终止检定",
    },
    tones={
        S.ASSIGNED: "info",
        S.ACCEPTED: "info",
        S.RECEIVED: "warning",
        S.VERIFYING: "warning",
        S.DONE: "success",
        S.REJECTED: "danger",
        S.RETURNED: "danger",
    },
    final=FINAL,
    steps=(
        Step("add", "选择器具", (), S.PENDING, UNIT | SYSTEM, own_page=True, basis="S1 §4.3; S4 §五.1"),
        Step("assign", "分配", (S.PENDING,), S.ASSIGNED, SYSTEM, basis="S1 §4.3"),
        Step("accept", "受理", (S.ASSIGNED, S.PENDING), S.ACCEPTED, SYSTEM, basis="S1 §4.3; S4 §五.2"),
        Step(
            "reject",
            "不予受理",
            (S.ASSIGNED, S.PENDING),
            S.REJECTED,
            RECEPTION | SYSTEM,
            relation=at_mine,
            needs=(REASON,),
            effects=(_never_there, _free_place, settle_header),
            danger=True,
            bulk=True,
            basis="S1 §4.3 回执单; S4 §五.2",
        ),
        Step(
            "cancel",
            "取消预约",
            (S.PENDING, S.ASSIGNED, S.ACCEPTED),
            S.CANCELLED,
            UNIT | SYSTEM,
            relation=is_own,
            needs=(REASON_OPTIONAL,),
            guards=(Guard("confirmed", _not_confirmed, fix=None),),
            effects=(_never_there, _free_place, settle_header),
            danger=True,
            bulk=True,
            basis="S1 §4.3",
        ),
        Step(
            "restore",
            "恢复",
            (S.CANCELLED,),
            S.PENDING,
            SYSTEM,
            guards=(Guard("free", _still_free, fix=None),),
            basis="S2 §2.2",
        ),
        Step(
            "receive",
            "收样核对",
            (S.ACCEPTED,),
            S.RECEIVED,
            COUNTER,
            relation=at_mine,
            needs=(CHECKED,),
            effects=(_received, settle_header),
            primary=True,
            bulk=True,
            basis="S3 送检准备; S4 §六",
        ),
        Step(
            "return",
            "退单",
            (S.ACCEPTED, S.RECEIVED),
            S.RETURNED,
            COUNTER,
            relation=at_mine,
            needs=(RETURN_KIND, REASON),
            effects=(_return_filing, _end_task, _free_place, settle_header),
            danger=True,
            basis="S4 §六",
        ),
        Step(
            "begin",
            "开始检定",
            (S.RECEIVED, S.ACCEPTED),
            S.VERIFYING,
            VERIFIER,
            relation=at_mine,
            primary=True,
            bulk=True,
            guards=(
                Guard("received", _received_or_on_site, fix=None),
                Guard("task", _through_task, fix=_task_page),
                Guard("authorised", _authorised_today, fix=None),
            ),
            effects=(_visited, settle_header),
            basis="计量法 art. 10, 20; S2 现场检",
        ),
        Step("unreceive", "撤回收样", (S.RECEIVED,), S.ACCEPTED, SYSTEM, effects=(_not_received,), basis="WORKFLOWS 7"),
        Step("recheck", "结果更正", (S.DONE,), S.DONE, SYSTEM, effects=(_take_result,), basis="own; 证书更正"),
        Step(
            "finish", "检定完成", (S.VERIFYING,), S.DONE, SYSTEM, effects=(_take_result, settle_header), basis="S2 §2.2"
        ),
        Step(
            "abort",
            "终止检定",
            (S.RECEIVED, S.VERIFYING),
            S.ABORTED,
            IMG,
            relation=at_mine,
            needs=(REASON,),
            guards=(Guard("task", _through_task, fix=_task_page),),
            effects=(settle_header,),
            danger=True,
            basis="own",
        ),
        Step(
            "expire",
            "超期未送检",
            (S.ACCEPTED,),
            S.CANCELLED,
            SYSTEM,
            effects=(_free_place, settle_header),
            basis="S2 §2.2",
        ),
    ),
)
