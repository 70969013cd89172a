"""The 委托单 after reception: how far its instruments are, its papers, a new customer password, the hotline's search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.audit import audit
from app.access.limits import hit
from app.access.principal import Principal, as_system
from app.errors import InvalidInputError, NotVisibleError
from app.operations.certificate_files import PRINTED
from app.workflow import COMMISSION, fire
from app.workflow.commission_rules import secret_once
from models.appointment import AppointmentItem
from models.certificate import Certificate
from models.commission import Commission, Task
from models.enums import CertificateState, CommissionState, TaskState
from models.organisation import Unit

C, T = CertificateState, TaskState
LOOKUPS = "60 per hour"
MOST = 200
OPENED = tuple(state for state in CommissionState if state not in {CommissionState.CHECKING, CommissionState.VOID})
RUNNING = (CommissionState.OPEN, CommissionState.WORKING)


# -- how far it is -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """One instrument of a commission as anybody may know it who holds the commission: no readings, no verifier."""

    task_id: int
    name: str
    model: str
    serial_no: str
    stage: str
    tone: str
    review: str
    result: str
    due_on: date
    number: str
    certificate_id: int | None


STAGES: dict[str, tuple[str, str]] = {
    T.QUEUED: ("待检定", "info"),
    T.ASSIGNED: ("待检定", "info"),
    T.IN_PROGRESS: ("检定中", "warn"),
    T.PAUSED: ("暂停", "danger"),
    T.RECORDED: ("审核中", "warn"),
    T.CLOSED: ("已完成", "ok"),
    T.ABORTED: ("已终止", "muted"),
}
"""Words for the customer, and the kind of their chip."""


def progress_of(session: Session, commission: Commission) -> list[Progress]:
    """Every instrument of a commission that the caller has been shown, in the order of reception.

    审核状态 follows the paper's own path (VER-10): 待审核 until the approver has signed, then 审核通过; the result is told
    only with the published paper.
    """
    with as_system("whoever holds the commission may know how far its instruments are"):
        statement = (
            select(Task)
            .where(Task.commission_id == commission.id)
            .options(selectinload(Task.instrument))
            .order_by(Task.id)
            .execution_options(populate_existing=True)
        )
        tasks = list(session.execute(statement).scalars())
        papers = _papers(session, [task.item_id for task in tasks])
        return [_progress(task, papers.get(task.item_id)) for task in tasks]


def _papers(session: Session, item_ids: list[int]) -> dict[int, Certificate]:
    """The paper that counts for each item: the newest one that was not dropped."""
    statement = (
        select(Certificate)
        .where(Certificate.item_id.in_(item_ids), Certificate.state != C.DROPPED)
        .order_by(Certificate.id)
    )
    found: dict[int, Certificate] = {}
    for row in session.execute(statement).unique().scalars():
        before = found.get(row.item_id)
        if before is None or row.state in PRINTED or before.state not in PRINTED:
            found[row.item_id] = row
    return found


def _progress(task: Task, paper: Certificate | None) -> Progress:
    printed = paper is not None and paper.state in PRINTED and task.state != T.ABORTED
    word, tone = STAGES[task.state]
    return Progress(
        task_id=task.id,
        name=task.instrument.name,
        model=task.instrument.model,
        serial_no=task.instrument.serial_no,
        stage=word,
        tone=tone,
        review=_review(task, paper),
        result=("合格" if paper.conclusion == "pass" else "不合格") if printed and paper is not None else "",
        due_on=task.due_on,
        number=(paper.number or "") if printed and paper is not None else "",
        certificate_id=paper.id if printed and paper is not None else None,
    )


def _review(task: Task, paper: Certificate | None) -> str:
    if paper is None or task.state in {T.QUEUED, T.ASSIGNED, T.IN_PROGRESS, T.PAUSED, T.ABORTED}:
        return ""
    if paper.state in {C.DRAFT, C.CHECKING, C.APPROVING}:
        return "待审核"
    return "已撤销" if paper.state == C.REVOKED else "审核通过"


def received_of(session: Session, commission: Commission) -> list[AppointmentItem]:
    """What was received with a commission: the instruments that it made tasks of."""
    statement = (
        select(AppointmentItem)
        .join(Task, Task.item_id == AppointmentItem.id)
        .where(Task.commission_id == commission.id, Task.state != T.ABORTED)
        .options(selectinload(AppointmentItem.instrument))
        .order_by(AppointmentItem.id)
    )
    return list(session.execute(statement).scalars())


def late_days(commission: Commission) -> int:
    """Days that a promise is broken by; 0 while it holds or nothing is awaited any more."""
    if commission.state not in RUNNING or commission.promised_on is None:
        return 0
    return max((clock.today() - commission.promised_on).days, 0)


def papers_of(session: Session, commission: Commission) -> list[Certificate]:
    """The published papers of a commission's instruments; ask only for one that the caller has proved to hold."""
    items = select(Task.item_id).where(Task.commission_id == commission.id, Task.state != T.ABORTED)
    statement = (
        select(Certificate)
        .where(Certificate.item_id.in_(items), Certificate.state.in_(PRINTED))
        .options(selectinload(Certificate.instrument), selectinload(Certificate.unit))
        .order_by(Certificate.number)
    )
    return list(session.execute(statement).unique().scalars())


# -- the customer's password -------------------------------------------------------------------------------------------


def reset_secret(session: Session, actor: Principal, commission_id: int) -> tuple[Commission, str]:
    """A new password, told this once; the old one is dead from now on."""
    done: Commission = fire(session, COMMISSION, commission_id, "reset_secret", actor)
    audit(session, "reset_customer_password", entity="commission", entity_id=done.number)
    return done, secret_once(session, done.id) or ""


def hotline(session: Session, actor: Principal, unit: str, phone: str) -> list[Commission]:
    """Commissions of the operator's institute whose unit has that name or a part of it, and where somebody has exactly
    that phone: who brought the instruments, the order's contact or the unit's. Every look-up leaves its line."""
    unit, digits = unit.strip(), re.sub(r"[^0-9]", "", phone)
    problems = {}
    if len(unit) < 2:
        problems["unit"] = "请填写“单位名称”，至少2个字。"
    if len(digits) < 7:
        problems["phone"] = "请填写“联系电话”，至少7位数字。"
    if problems:
        raise InvalidInputError("".join(problems.values()), problems=problems)
    hit(f"hotline:{actor.account_id}", LOOKUPS)
    statement = (
        select(Commission)
        .join(Unit, Unit.id == Commission.unit_id)
        .where(
            Commission.institute_id == actor.institute_id,
            Commission.state.in_(OPENED),
            Unit.name.contains(unit, autoescape=True),
        )
        .options(selectinload(Commission.unit), selectinload(Commission.appointment))
        .order_by(Commission.id.desc())
        .limit(MOST)
    )
    rows = [row for row in session.execute(statement).scalars() if digits in _phones(row)]
    audit(
        session,
        "hotline_lookup",
        entity="commission",
        entity_id=rows[0].number if len(rows) == 1 else None,
        unit=unit,
        phone=phone,
        found=len(rows),
    )
    return rows


def _phones(row: Commission) -> set[str]:
    """Numbers by which the caller may be known, digits only."""
    told = (row.bringer_phone, row.appointment.contact_phone if row.appointment else "", row.unit.contact_phone)
    return {re.sub(r"[^0-9]", "", number) for number in told if number}


def opened(session: Session, commission_id: int) -> Commission:
    """A commission of the actor's scope that has its number; raises NotVisibleError."""
    row = session.get(Commission, commission_id)
    if row is None or row.number is None:
        raise NotVisibleError
    return row
