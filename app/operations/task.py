"""The verification task: who may take it, giving it out, and its part in recording a result (WORKFLOWS section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.principal import Principal
from app.errors import NotAllowedError, NotVisibleError, WrongStateError
from app.workflow import TASK, fire
from app.workflow.authorisation import capability_of, verifier_lapsed
from app.workflow.commission_rules import task_of
from models.account import Account
from models.appointment import AppointmentItem
from models.commission import Task
from models.enums import AccountState, DeliveryMode, ItemState, Role, TaskState

S = TaskState
RUNNING = (S.QUEUED, S.ASSIGNED, S.IN_PROGRESS, S.PAUSED)
READERS = (Role.VER, Role.APR, Role.IMG)
"""Who reads what was measured: the assignee, checker, approver and manager of the institute (ROLES 2)."""


# -- who can do it -----------------------------------------------------------------------------------------------------


def verifiers(session: Session, actor: Principal) -> list[Account]:
    """The institute's verifiers who are active and in office today, by name."""
    statement = (
        select(Account)
        .where(
            Account.institute_id == actor.institute_id,
            Account.state == AccountState.ACTIVE,
            Account.roles.contains([Role.VER.value]),
        )
        .order_by(Account.name, Account.id)
    )
    today = clock.today()
    return [a for a in session.execute(statement).scalars() if a.valid_until is None or a.valid_until >= today]


def verifier_choices(session: Session, actor: Principal, tasks: list[Task]) -> list[tuple[str, str]]:
    """(id, name) of those who may be given these tasks; who lacks a project today is offered with the reason, and the
    machine refuses it, so that nobody wonders where a colleague is."""
    found = []
    kinds = {task.instrument.category_id for task in tasks if task.instrument is not None}
    for account in verifiers(session, actor):
        said = next(
            (
                why
                for kind in sorted(kinds)
                if (why := verifier_lapsed(session, account.id, actor.institute_id, kind, clock.today()))
            ),
            None,
        )
        found.append((str(account.id), f"{account.name}（{said}）" if said else account.name))
    return found


def tasks_by_id(session: Session, ids: list[int]) -> list[Task]:
    """Tasks of the actor's scope; raises NotVisibleError when one of the ids is not in it."""
    statement = (
        select(Task)
        .where(Task.id.in_(ids))
        .options(selectinload(Task.instrument), selectinload(Task.unit), selectinload(Task.verifier))
        .order_by(Task.id)
    )
    rows = list(session.execute(statement).scalars())
    if len(rows) != len(set(ids)):
        raise NotVisibleError
    return rows


def tasks_of_items(session: Session, items: Iterable[AppointmentItem]) -> dict[int, Task]:
    """The live task of each item, by the item's id; one statement for all of them."""
    ids = [item.id for item in items]
    statement = select(Task).where(Task.item_id.in_(ids), Task.state != S.ABORTED) if ids else None
    return {task.item_id: task for task in session.execute(statement).scalars()} if statement is not None else {}


def reads_record(actor: Principal, task: Task) -> bool:
    """Whether the person may read what was measured; nobody outside the institute ever does (must-never case 51)."""
    return actor.of_institute and task.institute_id == actor.institute_id and actor.has(*READERS)


# -- due dates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """How a due day stands: days left (negative when late), or None when nothing is awaited any more."""

    day: date
    left: int | None
    waiting: bool

    @property
    def late(self) -> bool:
        """Whether the day has passed and nobody but the institute is waited for."""
        return self.left is not None and self.left < 0 and not self.waiting


def due_of(task: Task) -> Due:
    """The clock of a task; while the user is waited for it stands still (浙江省条例 art. 20, 另有约定)."""
    waiting = task.state == S.PAUSED and task.pause_kind == "customer"
    today = task.paused_on if waiting and task.paused_on else clock.today()
    left = (task.due_on - today).days if task.state in RUNNING or task.state == S.RECORDED else None
    return Due(task.due_on, left, waiting)


# -- the result --------------------------------------------------------------------------------------------------------


def waits_on_site(item: AppointmentItem) -> bool:
    """An instrument that the institute verifies where it stands: nobody receives it (VER-03)."""
    return item.state == ItemState.ACCEPTED and (item.mode or item.appointment.mode) == DeliveryMode.ONSITE


def task_to_record(session: Session, actor: Principal, item: AppointmentItem) -> Task | None:
    """The item's task when it has one; raises for everybody but the person it was given to (must-never case 43)."""
    task = task_of(session, item.id)
    if task is None:
        return None
    if task.institute_id != actor.institute_id:
        raise NotVisibleError
    if task.verifier_id != actor.account_id:
        raise NotAllowedError("该检定任务由其他检定员承担，您不能录入结果。")
    if task.state not in {S.ASSIGNED, S.IN_PROGRESS}:
        raise WrongStateError(f"检定任务状态为“{TASK.label_of(task.state)}”，不能录入结果。")
    return task


def begin_task(session: Session, actor: Principal, task: Task, form: Mapping[str, Any]) -> None:
    """Begin what was only given out so far, with the conditions of the record."""
    if task.state == S.ASSIGNED:
        conditions = {key: form.get(key) for key in ("place", "temperature", "humidity")}
        fire(session, TASK, task.id, "begin", actor, conditions)


def record_task(session: Session, actor: Principal, task: Task, form: Mapping[str, Any]) -> None:
    """The task's own step, with what was measured."""

    def keep(row: Task) -> None:
        _keep(row, form)
        entry = capability_of(session, row.institute_id, row.instrument.category_id)
        if entry is not None:
            row.regulation, row.standard_name = entry.regulation, entry.standard_name

    fire(session, TASK, task.id, "record", actor, {"conclusion": form.get("conclusion")}, change=keep)


def keep_record(session: Session, item_id: int, form: Mapping[str, Any]) -> None:
    """The record follows a draft that its verifier corrects."""
    task = task_of(session, item_id)
    if task is not None and task.state in {S.IN_PROGRESS, S.RECORDED}:
        _keep(task, form)
        task.conclusion = str(form["conclusion"])


def _keep(row: Task, form: Mapping[str, Any]) -> None:
    row.readings = [[str(cell).strip() for cell in (*line, "", "")[:3]] for line in form.get("readings") or []]
    row.place = str(form.get("place") or "").strip()[:200]
    row.temperature = str(form.get("temperature") or "").strip()[:20]
    row.humidity = str(form.get("humidity") or "").strip()[:20]
