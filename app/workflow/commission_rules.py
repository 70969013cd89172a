"""Guards and effects of commissions and tasks: what the counter checks, numbers, the customer's password, due dates."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date, timedelta

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.profiles import setting
from app.workdays import add_workdays, exceptions
from app.workflow.authorisation import verifier_lapsed
from app.workflow.engine import Context, bear, cascade
from app.workflow.numbers import next_number
from models.account import Account
from models.appointment import Appointment, AppointmentItem
from models.commission import Commission, Task
from models.enums import AppointmentState, CommissionState, DeliveryMode, ItemState, TaskState
from models.organisation import Institute

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0 O 1 I: the password is read off paper and typed on phones."""
SECRET_LENGTH = 10
TASK_FINAL = frozenset({TaskState.CLOSED, TaskState.ABORTED})
TICKS = (("name", "名称"), ("model", "型号"), ("serial", "出厂编号"), ("unit", "使用单位"), ("condition", "状态"))
"""The five points that are compared at the counter (S3 送检准备)."""


# -- who ---------------------------------------------------------------------------------------------------------------


def at_mine(row: Commission | Task, actor: Principal) -> bool:
    return row.institute_id == actor.institute_id


def own_or_mine(commission: Commission, actor: Principal) -> bool:
    return commission.unit_id == actor.unit_id or at_mine(commission, actor)


def is_assignee(task: Task, actor: Principal) -> bool:
    return at_mine(task, actor) and task.verifier_id == actor.account_id


# -- the commission ----------------------------------------------------------------------------------------------------


def order_admitted(ctx: Context) -> str | None:
    """The order is with this institute and waits for the visit."""
    from app.workflow.appointment import APPOINTMENT

    order = ctx.session.get(Appointment, ctx.obj.appointment_id, execution_options={"unscoped": True})
    if order is None:
        return "请先选择预约单。"
    if order.institute_id != ctx.actor.institute_id:
        whose = ctx.session.get(Institute, order.institute_id) if order.institute_id else None
        return f"该预约单由{whose or '其他机构'}受理，请引导用户前往。"
    if order.state not in {AppointmentState.ACCEPTED, AppointmentState.IN_PROGRESS}:
        return f"预约单状态为“{APPOINTMENT.label_of(order.state)}”，不能登记。"
    return None


def item_of(ctx: Context) -> AppointmentItem | None:
    """The line that a step of the commission names."""
    text = str(ctx.data.get("item_id") or "")
    if not text.isdecimal():
        return None
    item = ctx.session.get(AppointmentItem, int(text), execution_options={"unscoped": True})
    return item if item is not None and item.appointment_id == ctx.obj.appointment_id else None


def line_known(ctx: Context) -> str | None:
    item = item_of(ctx)
    if item is None:
        return "请选择本预约单中的器具。"
    if item.state != ItemState.ACCEPTED:
        return "该器具已核对过或不在待送检状态，请刷新页面。"
    return None


def five_ticked(ctx: Context) -> str | None:
    """All five points agree, or the instrument goes back with its reason."""
    if ctx.data.get("verdict") != "receive":
        return None
    missing = [word for key, word in TICKS if key not in set(ctx.data.get("ticks") or ())]
    if not missing:
        return None
    if missing == ["状态"]:
        return "器具存在故障，请维修后再送检。"
    return f"请逐项核对铭牌与登记信息：{'、'.join(missing)}未核对；不一致的请选择退单。"


def return_explained(ctx: Context) -> str | None:
    if ctx.data.get("verdict") != "return":
        return None
    if not ctx.data.get("kind"):
        return "请选择退单类别。"
    reason = str(ctx.data.get("reason") or "").strip()
    return None if 5 <= len(reason) <= 500 else "请填写原因（5～500字）。"


def settle_line(ctx: Context) -> None:
    """The item is received with what was found, or sent back."""
    item = item_of(ctx)
    if item is None:  # the guard has said so already
        return
    found = {"accessories": str(ctx.data.get("accessories") or "")[:200], "by": ctx.actor.name}
    found |= {"condition": str(ctx.data.get("condition_note") or "")[:200], "commission": ctx.obj.id}

    def keep(row: AppointmentItem) -> None:
        row.checks = {**found, "ticks": sorted(ctx.data.get("ticks") or ())}

    if ctx.data.get("verdict") == "receive":
        cascade(ctx, item, "receive", {"checked": True}, change=keep)
    else:
        cascade(ctx, item, "return", {"kind": ctx.data.get("kind"), "reason": ctx.data.get("reason")}, change=keep)


ALL_RETURNED = "送检的器具全部退单，没有可受理的器具。"


def end_if_all_returned(ctx: Context) -> None:
    """A visit from which everything was sent back ends by itself: no 委托单 can come of it any more."""
    items = select(AppointmentItem).where(AppointmentItem.appointment_id == ctx.obj.appointment_id)
    rows = list(ctx.session.execute(items.execution_options(unscoped=True)).scalars())
    here = [row for row in rows if row.checks and row.checks.get("commission") == ctx.obj.id]
    waits = any(row.state == ItemState.ACCEPTED for row in rows)
    if here and not waits and all(row.state == ItemState.RETURNED for row in here):
        ctx.session.flush()  # the visit is read afresh by its next step
        cascade(ctx, ctx.obj, "void", {"reason": ALL_RETURNED})


def received_items(session: Session, commission: Commission) -> list[AppointmentItem]:
    """Items of the order that this visit received and that have no task yet."""
    busy = select(Task.item_id).where(Task.state != TaskState.ABORTED)
    statement = (
        select(AppointmentItem)
        .where(
            AppointmentItem.appointment_id == commission.appointment_id,
            AppointmentItem.state == ItemState.RECEIVED,
            AppointmentItem.id.not_in(busy),
        )
        .order_by(AppointmentItem.id)
    )
    return list(session.execute(statement.execution_options(unscoped=True)).scalars())


def something_received(ctx: Context) -> str | None:
    return None if received_items(ctx.session, ctx.obj) else "没有可受理的器具。"


def due_day(session: Session, start: date, mode: str) -> date:
    """When the work must be done: days of the profile after the start, working or natural ones (Zhejiang art. 20)."""
    days = int(setting("verification", "due_onsite" if mode == DeliveryMode.ONSITE else "due_lab"))
    if setting("verification", "due_unit") == "workday":
        return add_workdays(start, days, exceptions(session))
    return start + timedelta(days=days)


def open_up(ctx: Context) -> None:
    """Number, password, promised day and one task for each received instrument, all in this transaction."""
    row: Commission = ctx.obj
    institute = ctx.session.get(Institute, row.institute_id)
    year = f"{clock.today():%Y}"
    count = next_number(ctx.session, "commission", str(row.institute_id), year)
    row.number = f"{institute.code if institute else ''}W{year}{count:06d}"
    row.opened_at = clock.now()
    start = clock.today()
    if row.mode == DeliveryMode.ONSITE:
        order = ctx.session.get(Appointment, row.appointment_id, execution_options={"unscoped": True})
        start = order.submitted_at.astimezone(clock.ZONE).date() if order and order.submitted_at else start
    row.promised_on = row.promised_on or due_day(ctx.session, start, row.mode)
    give_secret(ctx)
    ctx.session.flush()
    for item in received_items(ctx.session, row):
        queue_task(ctx, item)


def queue_task(ctx: Context, item: AppointmentItem) -> Task:
    """A task for one received instrument (machine 8, create)."""
    row: Commission = ctx.obj
    task = Task(
        commission_id=row.id,
        item_id=item.id,
        instrument_id=item.instrument_id,
        unit_id=row.unit_id,
        institute_id=row.institute_id,
        use_division=row.use_division,
        due_on=row.promised_on or clock.today(),
    )
    bear(ctx.session, task, "create", ctx.actor, caused_by=f"commission.{ctx.step.name}")
    return task


def secret_hash(commission_id: int, secret: str) -> str:
    """What is kept of a customer's password: a keyed digest, useless without the deployment's key."""
    text = f"commission:{commission_id}:{secret.strip().upper()}"
    return hmac.new(str(current_app.config["SECRET_KEY"]).encode(), text.encode(), hashlib.sha256).hexdigest()


def give_secret(ctx: Context) -> None:
    """A new 客户密码; the page of this request shows it once, nothing else ever does."""
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    ctx.obj.secret_hash = secret_hash(ctx.obj.id, secret)
    ctx.session.info.setdefault("commission_secrets", {})[ctx.obj.id] = secret


def secret_once(session: Session, commission_id: int) -> str | None:
    """The password that was made in this very transaction, or None."""
    secret: str | None = session.info.get("commission_secrets", {}).pop(commission_id, None)
    return secret


def none_begun(ctx: Context) -> str | None:
    begun = any(t.state not in {TaskState.QUEUED, TaskState.ASSIGNED, TaskState.ABORTED} for t in tasks_of(ctx))
    return "已有器具开始检定，不能作废。" if begun else None


def tasks_of(ctx: Context) -> list[Task]:
    statement = select(Task).where(Task.commission_id == ctx.obj.id).order_by(Task.id)
    return list(ctx.session.execute(statement.execution_options(unscoped=True)).scalars())


def undo_visit(ctx: Context) -> None:
    """What was received in this visit waits again, and its tasks end (WORKFLOWS 7, void)."""
    reason = ctx.data.get("reason")
    for task in tasks_of(ctx):
        if task.state not in TASK_FINAL:
            cascade(ctx, task, "void", {"reason": reason})
    statement = (
        select(AppointmentItem)
        .where(
            AppointmentItem.appointment_id == ctx.obj.appointment_id,
            AppointmentItem.state == ItemState.RECEIVED,
            AppointmentItem.checks["commission"].as_integer() == ctx.obj.id,
        )
        .order_by(AppointmentItem.id)
    )
    for item in list(ctx.session.execute(statement.execution_options(unscoped=True)).scalars()):
        cascade(ctx, item, "unreceive")


def collected(ctx: Context) -> None:
    ctx.obj.collector_name = str(ctx.data["collector_name"]).strip()[:40]
    ctx.obj.collector_phone = str(ctx.data["collector_phone"]).strip()[:30]
    ctx.obj.closed_at = clock.now()


def finished(ctx: Context) -> None:
    ctx.obj.ready_at = clock.now()
    if ctx.obj.mode == DeliveryMode.ONSITE:
        ctx.obj.closed_at = clock.now()


def closes_on_site(ctx: Context) -> CommissionState | None:
    """Nothing is collected where the institute came to the user."""
    return CommissionState.CLOSED if ctx.obj.mode == DeliveryMode.ONSITE else None


def settle_commission(ctx: Context) -> None:
    """After a task's step: work has begun, or all of it is done."""
    row = ctx.session.get(Commission, ctx.obj.commission_id, execution_options={"unscoped": True})
    if row is None or row.state not in {CommissionState.OPEN, CommissionState.WORKING}:
        return
    ctx.session.flush()
    states = {
        TaskState(s)
        for s in ctx.session.scalars(
            select(Task.state).where(Task.commission_id == row.id).execution_options(unscoped=True)
        )
    }
    if states <= TASK_FINAL:
        cascade(ctx, row, "all_done")
    elif row.state == CommissionState.OPEN and states - {TaskState.QUEUED, TaskState.ASSIGNED}:
        cascade(ctx, row, "start_work")


# -- the task ----------------------------------------------------------------------------------------------------------


def chosen_verifier(ctx: Context) -> Account | None:
    text = str(ctx.data.get("verifier_id") or "")
    return ctx.session.get(Account, int(text)) if text.isdecimal() else None


def verifier_fits(ctx: Context) -> str | None:
    """A verifier of this institute, certified for the project today (计量法 art. 20)."""
    who = chosen_verifier(ctx)
    if who is None or who.institute_id != ctx.obj.institute_id or "VER" not in who.roles:
        return "请选择本机构的检定员。"
    said = verifier_lapsed(ctx.session, who.id, ctx.obj.institute_id, ctx.obj.instrument.category_id, clock.today())
    return f"{who.name}{said}。" if said else None


def self_fits(ctx: Context) -> str | None:
    said = verifier_lapsed(
        ctx.session, ctx.actor.account_id, ctx.obj.institute_id, ctx.obj.instrument.category_id, clock.today()
    )
    return f"您{said}，不能领取。" if said else None


def give_to(ctx: Context) -> None:
    ctx.obj.verifier_id = int(str(ctx.data["verifier_id"]))


def take(ctx: Context) -> None:
    ctx.obj.verifier_id = ctx.actor.account_id


def begin_item(ctx: Context) -> None:
    ctx.obj.begun_at = clock.now()
    for key in ("place", "temperature", "humidity"):
        if str(ctx.data.get(key) or "").strip():
            setattr(ctx.obj, key, str(ctx.data[key]).strip()[: 200 if key == "place" else 20])
    if ctx.obj.item.state == ItemState.RECEIVED:
        cascade(ctx, ctx.obj.item, "begin")


def pause(ctx: Context) -> None:
    ctx.obj.pause_kind, ctx.obj.paused_on = str(ctx.data["kind"]), clock.today()


def resume(ctx: Context) -> None:
    """The clock stood still only while the user was waited for (Zhejiang art. 20, 另有约定)."""
    if ctx.obj.pause_kind == "customer" and ctx.obj.paused_on is not None:
        days = (clock.today() - ctx.obj.paused_on).days
        ctx.obj.waited_days += days
        ctx.obj.due_on = ctx.obj.due_on + timedelta(days=days)
    ctx.obj.pause_kind = ctx.obj.paused_on = None


def recorded(ctx: Context) -> None:
    ctx.obj.recorded_at = clock.now()
    if ctx.data.get("conclusion"):
        ctx.obj.conclusion = str(ctx.data["conclusion"])


def ask_abort(ctx: Context) -> None:
    ctx.obj.abort_asked_by_id = ctx.actor.account_id


def abort_asked(ctx: Context) -> str | None:
    return None if ctx.obj.abort_asked_by_id else "终止须先由检定员提出，请联系承担任务的检定员。"


def abort_item(ctx: Context) -> None:
    if ctx.obj.item.state in {ItemState.RECEIVED, ItemState.VERIFYING}:
        cascade(ctx, ctx.obj.item, "abort", {"reason": ctx.data.get("reason")})
    settle_commission(ctx)


def task_of(session: Session, item_id: int) -> Task | None:
    """The task of an item that counts, if the counter made one."""
    statement = select(Task).where(Task.item_id == item_id, Task.state != TaskState.ABORTED)
    return session.execute(statement.execution_options(unscoped=True)).scalars().first()
