"""What lies too long at counter and bench (WORKFLOWS 7 to 9), told once a working day.

One digest an institute, to its heads: tasks that nobody was given, tasks that rest, papers that wait for the checker,
visits past the day that was promised, instruments that nobody fetches. A promise that is broken for two working days is
told to the county of the place of use as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import clock
from app.operations.appointment_clock import active_people, late_before
from app.operations.clocks import entered
from app.profiles import switch_on
from app.workdays import exceptions, is_workday
from app.workflow import CERTIFICATE, COMMISSION, TASK
from app.workflow.outgoing import message
from models.account import Account
from models.commission import Commission
from models.enums import CertificateState, CommissionState, Role, TaskState

ASSIGN_WORKDAYS, CHECK_WORKDAYS, PAUSE_WORKDAYS, BROKEN_WORKDAYS = 2, 2, 10, 2
FETCH_DAYS = 30
RUNNING = (CommissionState.OPEN, CommissionState.WORKING)


def tell_of_late_work(session: Session) -> int:
    """The digests of a day; nothing on free days. Returns how many people were told; a second run tells nobody again."""
    today, table = clock.today(), exceptions(session)
    if not is_workday(today, table):
        return 0
    found: dict[int, list[str]] = defaultdict(list)
    for words, rows in _late(today, table):
        for institute_id, count in session.execute(rows).tuples():
            found[institute_id].append(f"{words}{count}")
    told = 0
    for institute_id, lines in sorted(found.items()):
        key = f"late-work-{institute_id}-{today.isoformat()}"
        for account in active_people(session, Account.institute_id == institute_id):
            if Role.IMG in account.roles:
                message(session, account.id, f"请督促办理：{'；'.join(lines)}。", "", "/tasks/list/", key=key)
                told += 1
    told += _tell_administrations(session, today, table)
    session.commit()
    return told


def _late(today: date, table: dict[date, str]) -> Iterator[tuple[str, Select[int, int]]]:
    """(words, how many of each institute) of everything that is late."""

    def before(days: int) -> datetime:
        return datetime.combine(late_before(today, days, table), time(), clock.ZONE)

    def since(machine: Any, state: str, moment: datetime) -> Select[int, int]:
        model = machine.model
        entry = entered(machine.name, model).label("since")
        rows = select(model.institute_id.label("whose"), entry).where(model.state == state).subquery()
        return select(rows.c.whose, func.count()).where(rows.c.since < moment).group_by(rows.c.whose)

    if switch_on("commission"):
        yield (
            f"超过{ASSIGN_WORKDAYS}个工作日未分派的检定任务",
            since(TASK, TaskState.QUEUED, before(ASSIGN_WORKDAYS)),
        )
        yield f"暂停超过{PAUSE_WORKDAYS}个工作日的检定任务", since(TASK, TaskState.PAUSED, before(PAUSE_WORKDAYS))
        yield "超过承诺日期未完检的委托单", _by_institute(*_promised_before(today))
        fetched = datetime.combine(today - timedelta(days=FETCH_DAYS), time(), clock.ZONE)
        yield f"完检超过{FETCH_DAYS}天未领取的委托单", since(COMMISSION, CommissionState.READY, fetched)
    yield (
        f"超过{CHECK_WORKDAYS}个工作日未核验的证书",
        since(CERTIFICATE, CertificateState.CHECKING, before(CHECK_WORKDAYS)),
    )


def _promised_before(day: date) -> tuple[Any, ...]:
    return Commission.state.in_(RUNNING), Commission.promised_on < day


def _by_institute(*conditions: Any) -> Select[int, int]:
    return select(Commission.institute_id, func.count()).where(*conditions).group_by(Commission.institute_id)


def _tell_administrations(session: Session, today: date, table: dict[date, str]) -> int:
    if not switch_on("commission"):
        return 0
    area = func.left(Commission.use_division, 6)
    broken = _promised_before(late_before(today, BROKEN_WORKDAYS, table))
    told = 0
    for division, count in session.execute(select(area, func.count()).where(*broken).group_by(area)).tuples():
        words = f"辖区内有{count}张委托单超过承诺日期{BROKEN_WORKDAYS}个工作日未完检，请督促技术机构办理。"
        key = f"late-work-{division}-{today.isoformat()}"
        for account in active_people(session, Account.area == division):
            message(session, account.id, words, "", "/commissions/list/", key=key)
            told += 1
    return told
