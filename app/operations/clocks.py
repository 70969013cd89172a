"""The clock board (BEYOND 7): which steps wait for whom, since when, how many within their limit, and what runs out next.

Every figure passes through the reader's scope. Nothing is said about a single employee: the board counts orders, filings
and tasks of a body, never of a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Date, and_, case, cast, func, select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.principal import Principal
from app.operations.appointment_clock import ANSWER_WORKDAYS, late_before
from app.operations.clocks_remaining import Remaining, remaining
from app.profiles import setting, switch_on
from app.workdays import exceptions
from app.workflow import APPOINTMENT, FILING
from app.workflow.filing_office import by_regulator
from models.appointment import Appointment, AppointmentItem, Slot
from models.commission import Task
from models.enums import AppointmentState, DeliveryMode, FilingState, ItemState, Role, TaskState
from models.filing import Filing
from models.log import TransitionLog

S = AppointmentState
FILING_WORKDAYS = 5
"""An institute's patience with filings; WORKFLOWS 4 names no term, the board only colours by it."""
NEXT = 20
Rows: TypeAlias = Any
"""A SELECT of (since, late); typing the columns of each would say nothing more."""
UNIT, INSTITUTE, REGULATOR = "使用单位", "检定机构", "监管部门"


@dataclass(frozen=True, slots=True)
class Clock:
    """One kind of step: its word, who is waited for, how many wait, the oldest, how many are over their limit."""

    key: str
    label: str
    waits_for: str
    count: int
    oldest: datetime | None
    late: int
    limit: str
    url: str

    @property
    def in_time(self) -> int:
        """Percent within the limit, rounded down: one that is late never reads as 100."""
        return (self.count - self.late) * 100 // self.count if self.count else 100

    @property
    def tone(self) -> str:
        """ok, warn (a tenth or less is late) or danger."""
        return "ok" if not self.late else "warn" if self.late * 10 <= self.count else "danger"

    @property
    def word(self) -> str:
        """The colour in words."""
        return {"ok": "均在期限内", "warn": "个别超期", "danger": "超期较多"}[self.tone]


@dataclass(frozen=True, slots=True)
class Kind:
    """A clock before it is counted: `rows` gives (since, late) of every waiting row in scope."""

    key: str
    label: str
    waits_for: str
    limit: str
    url: str
    rows: Callable[[], Rows]


def board(session: Session, p: Principal) -> list[Clock]:
    """Every kind of step that waits in the reader's scope, the ones with most late rows first."""
    table = exceptions(session)
    found = []
    for kind in _kinds(p, clock.today(), table):
        inner = kind.rows().subquery()
        late = func.count().filter(inner.c.late)
        count, oldest, over = session.execute(select(func.count(), func.min(inner.c.since), late)).one()
        if count:
            found.append(Clock(kind.key, kind.label, kind.waits_for, count, oldest, over, kind.limit, kind.url))
    return sorted(found, key=lambda c: (-c.late, -c.count, c.key))


def _kinds(p: Principal, today: date, table: dict[date, str]) -> list[Kind]:
    found: list[Kind] = []
    if switch_on("appointment"):
        found += [k for k in _of_appointments(today, table) if not (p.of_institute and k.waits_for == REGULATOR)]
    if switch_on("filing"):
        found.append(_filings(today, table))
    if p.of_institute or p.has(Role.REG):
        found.append(_tasks(today))
    return found


def _of_appointments(today: date, table: dict[date, str]) -> list[Kind]:
    cut = _start(late_before(today, ANSWER_WORKDAYS, table))
    answer = f"{ANSWER_WORKDAYS}个工作日"
    steps = [
        (S.SUBMITTED, "待受理的预约单", INSTITUTE),
        (S.WITHDRAW_REQUESTED, "待答复的撤销申请", INSTITUTE),
        (S.RESTORE_REQUESTED, "待审核的恢复申请", INSTITUTE),
        (S.ADMIN_REVIEW, "待行政确认的预约申请", REGULATOR),
    ]
    found = [
        Kind(state.value, label, whom, answer, f"/appointments/list/?state={state.value}", _answers(state, cut))
        for state, label, whom in steps
    ]
    if switch_on("appointment.auto_withdraw"):
        found.append(
            Kind(
                "bring",
                "待送检的预约单",
                UNIT,
                f"{setting('appointment', 'deadline_workdays')}个工作日",
                "/appointments/list/?state=accepted",
                _to_bring,
            )
        )
    days = int(setting("appointment", "onsite_nag_days"))
    label = "现场检未办结的预约单"
    url = "/appointments/list/?state=accepted"
    found.append(Kind("onsite", label, INSTITUTE, f"{days}天", url, lambda: _on_site(today, days)))
    return found


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), clock.ZONE)


def entered(entity: str, model: Any) -> Any:
    """Since when a row has been in its present state: the log's last arrival there, else the row's last change (rows
    that came without a step)."""
    log = (
        select(func.max(TransitionLog.at))
        .where(
            TransitionLog.entity == entity,
            TransitionLog.entity_id == model.id,
            TransitionLog.to_state == model.state,
            TransitionLog.from_state.is_distinct_from(TransitionLog.to_state),
        )
        .correlate(model)
        .scalar_subquery()
    )
    return func.coalesce(log, model.updated_at)


def _answers(state: AppointmentState, cut: datetime) -> Callable[[], Rows]:
    def rows() -> Rows:
        # what was submitted says itself since when; the line of an order that was split stands under its application
        asked = Appointment.submitted_at if state in {S.SUBMITTED, S.ADMIN_REVIEW} else None
        since = (
            entered(APPOINTMENT.name, Appointment) if asked is None else func.coalesce(asked, Appointment.updated_at)
        )
        return select(since.label("since"), (since < cut).label("late")).where(Appointment.state == state)

    return rows


def _to_bring() -> Rows:
    return select(Appointment.accepted_at.label("since"), (Appointment.deadline_at < clock.now()).label("late")).where(
        Appointment.state == S.ACCEPTED,
        Appointment.mode == DeliveryMode.DELIVER,
        Appointment.deadline_at.is_not(None),
    )


def _on_site(today: date, days: int) -> Rows:
    late = Appointment.accepted_at < _start(today - timedelta(days=days))
    return select(Appointment.accepted_at.label("since"), late.label("late")).where(
        Appointment.state.in_((S.ACCEPTED, S.IN_PROGRESS)),
        Appointment.mode == DeliveryMode.ONSITE,
        Appointment.accepted_at.is_not(None),
    )


def _filings(today: date, table: dict[date, str]) -> Kind:
    cut = _start(late_before(today, FILING_WORKDAYS, table))
    held = (FilingState.SUBMITTED, FilingState.TO_PROCESS, FilingState.TO_CONFIRM)

    def rows() -> Rows:
        since = entered(FILING.name, Filing)
        return select(since.label("since"), (since < cut).label("late")).where(Filing.state.in_(held))

    whom = REGULATOR if by_regulator() else INSTITUTE
    return Kind("filings", "待处理的备案", whom, f"{FILING_WORKDAYS}个工作日", "/filings/list/", rows)


def _tasks(today: date) -> Kind:
    open_states = (TaskState.QUEUED, TaskState.ASSIGNED, TaskState.IN_PROGRESS, TaskState.PAUSED)

    def rows() -> Rows:
        late = and_(Task.due_on < today, Task.state != TaskState.PAUSED)
        return select(Task.created_at.label("since"), late.label("late")).where(Task.state.in_(open_states))

    return Kind("tasks", "未完成的检定任务", INSTITUTE, "任务期限", "/tasks/list/", rows)


# -- what runs out next -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Running:
    """An order with a term, and what is left of it."""

    order: Appointment
    left: Remaining


def next_out(session: Session, limit: int = NEXT) -> list[Running]:
    """The orders in scope whose terms end next, late ones first."""
    days = int(setting("appointment", "onsite_nag_days"))
    ends = case(
        (Appointment.mode == DeliveryMode.DELIVER, Appointment.deadline_at),
        else_=Appointment.accepted_at + timedelta(days=days),
    )
    statement = (
        select(Appointment)
        .where(Appointment.state.in_((S.ACCEPTED, S.IN_PROGRESS)), ends.is_not(None))
        .options(selectinload(Appointment.unit), selectinload(Appointment.institute), selectinload(Appointment.items))
        .order_by(ends, Appointment.id)
        .limit(limit)
    )
    today, table = clock.today(), exceptions(session)
    found = []
    for order in session.execute(statement).scalars():
        left = remaining(order, today, table)
        if left is not None and left.running:
            found.append(Running(order, left))
    return found


# -- the institute's home page ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visit:
    """An order expected today."""

    order: Appointment
    count: int


@dataclass(frozen=True, slots=True)
class Load:
    """A week ahead: places taken and opened."""

    monday: date
    taken: int
    places: int

    @property
    def percent(self) -> int:
        """How full the week is."""
        return min(self.taken * 100 // self.places, 100) if self.places else 0


@dataclass(frozen=True, slots=True)
class InstituteDay:
    """今天的来访, waiting steps by age, what is late, the load of the weeks ahead."""

    visits: list[Visit]
    waiting: list[Clock]
    late: list[Running]
    loads: list[Load]


def institute_day(session: Session, p: Principal) -> InstituteDay:
    """What an institute's reception and head begin the day with."""
    running = next_out(session)
    return InstituteDay(
        visits_of(session, clock.today()),
        [c for c in board(session, p) if c.waits_for == INSTITUTE],
        [r for r in running if r.left.days < 0],
        loads(session, p),
    )


LIVE = (ItemState.ASSIGNED, ItemState.ACCEPTED, ItemState.RECEIVED, ItemState.VERIFYING)


def visits_of(session: Session, day: date, limit: int = 100) -> list[Visit]:
    """Orders whose half day or arranged day it is, by half day."""
    statement = (
        select(Appointment)
        .outerjoin(Slot, Slot.id == Appointment.slot_id)
        .where(
            Appointment.state.in_((S.SUBMITTED, S.ACCEPTED, S.IN_PROGRESS, S.WITHDRAW_REQUESTED)),
            (Slot.day == day) | (Appointment.visit_day == day),
        )
        .options(selectinload(Appointment.unit), selectinload(Appointment.slot), selectinload(Appointment.items))
        .order_by(Slot.period.desc().nulls_last(), Appointment.id)
        .limit(limit)
    )
    orders = session.execute(statement).scalars()
    return [Visit(order, sum(item.state in LIVE for item in order.items)) for order in orders]


def loads(session: Session, p: Principal, weeks: int = 4) -> list[Load]:
    """Places of the own institute in this week and the next ones. Where no half days are offered, the orders with an
    arranged day are counted, and the week has no capacity."""
    first = clock.today() - timedelta(days=clock.today().weekday())
    last = first + timedelta(days=7 * weeks - 1)
    if switch_on("appointment.slots"):
        week = cast(func.date_trunc("week", Slot.day), Date).label("week")
        statement = (
            select(week, func.sum(Slot.taken), func.sum(case((Slot.closed, Slot.taken), else_=Slot.capacity)))
            .where(Slot.institute_id == p.institute_id, Slot.day.between(first, last))
            .group_by(week)
        )
    else:
        week = cast(func.date_trunc("week", Appointment.visit_day), Date).label("week")
        statement = (
            select(week, func.count(AppointmentItem.id), func.count(AppointmentItem.id) * 0)
            .join(AppointmentItem, AppointmentItem.appointment_id == Appointment.id)
            .where(Appointment.visit_day.between(first, last), AppointmentItem.state.in_(LIVE))
            .group_by(week)
        )
    found = {monday: (int(taken), int(places)) for monday, taken, places in session.execute(statement).tuples()}
    mondays = [first + timedelta(weeks=n) for n in range(weeks)]
    return [Load(monday, *found.get(monday, (0, 0))) for monday in mondays]
