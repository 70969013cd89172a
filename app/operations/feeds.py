"""日历订阅 (BEYOND 1): secret, revocable addresses under which a person's dates are read by a calendar program.

A feed shows what its owner may see at the moment of reading, through the owner's scope; it names orders, instruments
and places, never a person, a phone or an address. The token is kept as a fingerprint: whoever lost the address makes a
new one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.audit import audit
from app.access.load import account_by_id, principal_of
from app.access.principal import Principal, acting_as, as_system
from app.documents.ical import Event, calendar
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError, QuanhengError
from app.profiles import profile, switch_on
from app.workflow import APPOINTMENT
from models.appointment import Appointment, Slot
from models.booking import CalendarFeed
from models.commission import Task
from models.enums import (
    LIVE_ITEM_STATES,
    AccountState,
    AppointmentState,
    DeliveryMode,
    InstrumentState,
    Period,
    Role,
    TaskState,
)
from models.instrument import Instrument

S = AppointmentState
KINDS = {"bookings": "预约与送检期限", "due": "器具到期日", "tasks": "检定任务期限"}
BACK, AHEAD = timedelta(days=31), timedelta(days=400)
MOST = 5_000
"""Events of one feed; the nearest ones are kept."""
HOURS = {Period.MORNING.value: (time(9), time(12)), Period.AFTERNOON.value: (time(14), time(17))}
"""How a half day stands in a calendar program; the sheet of the order says 上午 and 下午."""
SHOWN = (S.SUBMITTED, S.ACCEPTED, S.IN_PROGRESS, S.WITHDRAW_REQUESTED, S.ADMIN_REVIEW)
DAY_BEFORE = timedelta(hours=15)
"""Before the midnight on which a whole day begins: nine in the morning of the day before."""


class RevokedFeedError(QuanhengError):
    """The address was taken back, or its owner may no longer log in."""

    status, code = 410, "G-GONE"

    def __init__(self) -> None:
        super().__init__("该日历订阅地址已停用，请登录平台重新生成。")


def kinds_of(p: Principal) -> dict[str, str]:
    """Which feeds somebody may make."""
    found = []
    if (p.of_unit or p.of_institute) and switch_on("appointment"):
        found.append("bookings")
    if p.of_unit:
        found.append("due")
    if p.of_institute:
        found.append("tasks")
    return {kind: KINDS[kind] for kind in found}


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def feeds(session: Session) -> list[CalendarFeed]:
    """One's own addresses that still work, oldest first."""
    statement = select(CalendarFeed).where(CalendarFeed.revoked_at.is_(None)).order_by(CalendarFeed.id)
    return list(session.execute(statement).scalars())


def create_feed(session: Session, actor: Principal, kind: str) -> str:
    """A new address; returns its token, which is shown this once. An older address of the kind stops working.

    Raises InvalidInputError for a kind that is not the actor's.
    """
    if actor.account_id is None or not kinds_of(actor):
        raise NotAllowedError("您没有可以订阅的日历。")
    if kind not in kinds_of(actor):
        raise InvalidInputError("请选择要订阅的内容。", field="kind")
    for old in feeds(session):
        if old.kind == kind:
            old.revoked_at = clock.now()
    session.flush()
    token = secrets.token_urlsafe(32)
    feed = CalendarFeed(account_id=actor.account_id, kind=kind, token_hash=_fingerprint(token))
    session.add(feed)
    session.flush()
    audit(session, "create_calendar_feed", entity="calendar_feed", entity_id=feed.id, kind=kind)
    return token


def revoke_feed(session: Session, feed_id: int) -> None:
    """Take an address back. Raises NotVisibleError for somebody else's."""
    feed = session.get(CalendarFeed, feed_id)
    if feed is None:
        raise NotVisibleError
    if feed.revoked_at is None:
        feed.revoked_at = clock.now()
        session.flush()
        audit(session, "revoke_calendar_feed", entity="calendar_feed", entity_id=feed.id, kind=feed.kind)


def read_feed(session: Session, token: str) -> str:
    """The calendar of an address, as its owner may see it now.

    Raises NotVisibleError for an unknown address, RevokedFeedError for one that was taken back or whose owner may not
    log in any more. Nobody is logged in here: the address itself is the permission.
    """
    with as_system("the address of a calendar says whose it is"):
        statement = select(CalendarFeed).where(CalendarFeed.token_hash == _fingerprint(token))
        feed = session.execute(statement).scalar_one_or_none()
        account = account_by_id(session, feed.account_id) if feed is not None else None
        if feed is None:
            raise NotVisibleError
        if feed.revoked_at is not None or account is None or account.state != AccountState.ACTIVE:
            raise RevokedFeedError
        owner = principal_of(account)
        feed.last_read_at = clock.now()
        session.flush()
    with acting_as(owner):
        if feed.kind not in kinds_of(owner):
            raise RevokedFeedError
        found = sorted(SOURCES[feed.kind](session, owner), key=_nearness)[:MOST]
        found.sort(key=lambda event: (_day(event), event.uid))
        name = f"{profile()['name']}·{KINDS[feed.kind]}"
        return calendar(name, found, made=clock.now())


def _day(event: Event) -> date:
    return event.start.date() if isinstance(event.start, datetime) else event.start


def _nearness(event: Event) -> int:
    return abs((_day(event) - clock.today()).days)


def _base() -> str:
    return str(current_app.config["BASE_URL"]).rstrip("/")


def _uid(what: str, key: object) -> str:
    """The same for the same thing as long as it lives, wherever it moves."""
    return f"{what}-{key}@{urlsplit(_base()).hostname or 'quanheng'}"


def _bookings(session: Session, p: Principal) -> Iterator[Event]:
    """Visits and half days booked, and the last day for bringing instruments."""
    first, last = clock.today() - BACK, clock.today() + AHEAD
    between = or_(
        Appointment.slot.has(Slot.day.between(first, last)),
        Appointment.visit_day.between(first, last),
        Appointment.deadline_at.between(_moment(first), _moment(last)),
    )
    statement = (
        select(Appointment)
        .where(Appointment.state.in_(SHOWN), between)
        .options(selectinload(Appointment.slot), selectinload(Appointment.institute), selectinload(Appointment.items))
        .order_by(Appointment.id.desc())
        .limit(MOST)
    )
    for order in session.execute(statement).scalars():
        yield from _of_order(order, p)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), clock.ZONE)


def _of_order(order: Appointment, p: Principal) -> Iterator[Event]:
    count = sum(item.state in LIVE_ITEM_STATES for item in order.items)
    word = "送检" if order.mode == DeliveryMode.DELIVER else "现场检定"
    title = f"{word} {order.number}（{count}台，{APPOINTMENT.label_of(order.state)}）"
    where = order.institute.name if order.institute is not None and p.of_unit else ""
    about: dict[str, Any] = {
        "changed": order.updated_at,
        "sequence": order.version,
        "description": where,
        "url": f"{_base()}/appointments/show/{order.id}",
    }
    if order.slot is not None:
        opens, closes = HOURS[order.slot.period]
        start = datetime.combine(order.slot.day, opens, clock.ZONE)
        end = datetime.combine(order.slot.day, closes, clock.ZONE)
        yield Event(_uid("visit", order.id), start, title, end=end, alarm=timedelta(days=1), **about)
    elif order.visit_day is not None:
        yield Event(_uid("visit", order.id), order.visit_day, title, alarm=DAY_BEFORE, **about)
    if order.deadline_at is not None and order.state in {S.ACCEPTED, S.WITHDRAW_REQUESTED}:
        day = order.deadline_at.astimezone(clock.ZONE).date()
        last_day = f"送检期限 {order.number}（{count}台，逾期系统自动撤销）"
        yield Event(_uid("deadline", order.id), day, last_day, alarm=DAY_BEFORE, **about)


def _due(session: Session, p: Principal) -> Iterator[Event]:
    """One entry a day with how many instruments' validity ends: a unit has thousands, a calendar has days."""
    first, last = clock.today() - BACK, clock.today() + AHEAD
    changed = func.max(Instrument.updated_at)
    statement = (
        select(Instrument.valid_until, func.count(), func.min(Instrument.name), changed)
        .where(Instrument.state == InstrumentState.IN_USE, Instrument.valid_until.between(first, last))
        .group_by(Instrument.valid_until)
    )
    for day, count, name, at in session.execute(statement).tuples():
        if day is None:
            continue
        words = f"{name}等{count}台器具到期" if count > 1 else f"{name}到期"
        yield Event(
            _uid("due", f"{p.unit_id}-{day:%Y%m%d}"),
            day,
            words,
            changed=at,
            sequence=count,
            description="有效期到这一天为止，请提前预约检定。",
            url=f"{_base()}/warnings/list/",
            alarm=timedelta(days=7),
        )


def _tasks(session: Session, p: Principal) -> Iterator[Event]:
    """What the verifier has to finish by when; for reception and heads, every task of the institute."""
    open_states = (TaskState.QUEUED, TaskState.ASSIGNED, TaskState.IN_PROGRESS, TaskState.PAUSED)
    statement = (
        select(Task)
        .where(Task.state.in_(open_states), Task.due_on.between(clock.today() - BACK, clock.today() + AHEAD))
        .options(selectinload(Task.instrument))
        .order_by(Task.due_on, Task.id)
        .limit(MOST)
    )
    if p.has(Role.VER):
        statement = statement.where(or_(Task.verifier_id == p.account_id, Task.verifier_id.is_(None)))
    for task in session.execute(statement).scalars():
        what = f"{task.instrument.name} {task.instrument.serial_no}" if task.instrument is not None else str(task)
        yield Event(
            _uid("task", task.id),
            task.due_on,
            f"检定期限 {what}",
            changed=task.updated_at,
            sequence=task.version,
            url=f"{_base()}/tasks/show/{task.id}",
            alarm=DAY_BEFORE,
        )


SOURCES: dict[str, Callable[[Session, Principal], Iterator[Event]]] = {
    "bookings": _bookings,
    "due": _due,
    "tasks": _tasks,
}
