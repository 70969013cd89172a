"""Registrations that wait: a digest to whoever reviews them at the times the profile names (S1: 客服每天审核三次), and a
word to them and their heads when one has waited longer than a working day (WORKFLOWS 1, approve).

Both may run as often as they like: the key of each message names the time or the day, so nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.profiles import setting
from app.workdays import add_workdays, exceptions, is_workday
from app.workflow import ACCOUNT
from app.workflow.outgoing import message
from models.account import Account
from models.affiliation import UnitChange
from models.enums import AccountState, Role, UnitChangeState
from models.log import TransitionLog

QUEUE = "/accounts/list/?state=pending"
PATIENCE = 1
"""Working days after which a waiting registration is late."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Who reviews: an institute's reception, or the administrators (institute None), and how much waits there."""

    institute_id: int | None
    registrations: int
    changes: int


def last_round(now: datetime) -> datetime | None:
    """The newest of the day's review times that has come; None before the first."""
    local = now.astimezone(clock.ZONE)
    times = [time.fromisoformat(t) for t in setting("registration", "review_times")]
    come = [t for t in times if t <= local.timetz().replace(tzinfo=None)]
    return datetime.combine(local.date(), max(come), clock.ZONE) if come else None


def remind_reviewers(session: Session) -> int:
    """Tell each reviewer how much waits, once per review time; returns how many were told. Act as the platform."""
    moment = last_round(clock.now())
    if moment is None:
        return 0
    told = 0
    for desk in _desks(session):
        words = [f"{desk.registrations}个注册申请"] if desk.registrations else []
        words += [f"{desk.changes}项单位信息变更"] if desk.changes else []
        for account_id in reviewers_at(session, desk.institute_id):
            link = QUEUE if desk.registrations else "/unit-changes/list/"
            key = f"review-round-{moment:%Y-%m-%d-%H%M}"
            message(session, account_id, f"有{'、'.join(words)}等待审核。", "", link, key=key)
            told += 1
    return told


def _desks(session: Session) -> Iterator[Desk]:
    registrations = _by_desk(session, Account, Account.state == AccountState.PENDING)
    changes = _by_desk(session, UnitChange, UnitChange.state == UnitChangeState.PENDING)
    for institute_id in sorted({*registrations, *changes}, key=lambda key: key or 0):
        yield Desk(institute_id, registrations.get(institute_id, 0), changes.get(institute_id, 0))


def _by_desk(session: Session, model: type[Account | UnitChange], waiting: object) -> dict[int | None, int]:
    statement = select(model.reviewer_institute_id, func.count()).where(waiting)  # type: ignore[arg-type]
    return dict(session.execute(statement.group_by(model.reviewer_institute_id)).tuples().all())


def reviewers_at(session: Session, institute_id: int | None) -> list[int]:
    """Ids of the accounts that review there today: reception and head of the institute, or the administrators."""
    today = clock.today()
    if institute_id is None:
        mine = [Account.roles.contains([Role.ADM.value])]
    else:
        mine = [Account.institute_id == institute_id, Account.roles.overlap([Role.REC.value, Role.IMG.value])]
    statement = select(Account).where(Account.state == AccountState.ACTIVE, *mine).order_by(Account.id)
    rows = session.execute(statement).unique().scalars()
    return [a.id for a in rows if a.roles_on(today)]


def tell_of_late_reviews(session: Session) -> int:
    """Name each registration that has waited longer than a working day to its reviewers, the head of the institute
    (who is among them) and the administrators, once per registration and working day; returns how many are late."""
    today, table = clock.today(), exceptions(session)
    if not is_workday(today, table):
        return 0
    administrators, late = reviewers_at(session, None), 0
    for account, since in _waiting(session):
        if add_workdays(since.astimezone(clock.ZONE).date(), PATIENCE, table) >= today:
            continue
        late += 1
        who = account.unit or account.institute or account
        words = f"注册申请已等待超过{PATIENCE}个工作日，请尽快审核：{who.name}"
        readers = dict.fromkeys([*reviewers_at(session, account.reviewer_institute_id), *administrators])
        for reader in readers:
            key = f"review-late-{account.id}-{today.isoformat()}"
            message(session, reader, words, "", f"/accounts/show/{account.id}", key=key)
    return late


def _waiting(session: Session) -> Iterator[tuple[Account, datetime]]:
    """Pending accounts and since when: a corrected registration waits anew."""
    begun = (
        select(TransitionLog.entity_id, func.max(TransitionLog.at).label("at"))
        .join(Account, Account.id == TransitionLog.entity_id)
        .where(
            TransitionLog.entity == ACCOUNT.name,
            TransitionLog.to_state == AccountState.PENDING,
            Account.state == AccountState.PENDING,
        )
        .group_by(TransitionLog.entity_id)
        .subquery()
    )
    statement = select(Account, begun.c.at).join(begun, begun.c.entity_id == Account.id).order_by(Account.id)
    yield from session.execute(statement).unique().tuples().all()
