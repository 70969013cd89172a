"""The clocks of appointments (WORKFLOWS 19): what the platform does when nobody does anything.

Each run asks "what is due and not done" instead of "what is due today": a pause of any length is caught up at the next
run, and running twice changes nothing. What a step does is guarded by the machine under the row's lock; what is only
said carries a key of job, order and due moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import QuanhengError
from app.profiles import setting, switch_on
from app.workdays import add_workdays, exceptions, is_workday
from app.workflow import APPOINTMENT, fire
from app.workflow.outgoing import enqueue_mail, enqueue_sms, message
from models.account import Account
from models.appointment import Appointment, Slot
from models.enums import AccountState, AppointmentState, DeliveryMode, Period, Role
from models.log import TransitionLog
from models.outbox import Message

S = AppointmentState
ANSWER_WORKDAYS = 3
"""How long an institute or an administration may leave a step unanswered (WORKFLOWS 5, [own])."""
NEXT_LEVEL_WORKDAYS = 5
"""After so many working days the administration above is told of an application that waits for confirmation."""
LEFT = (3, 1)
"""A unit is reminded with so many working days left for bringing its instruments."""
NOTICE = timedelta(days=7)
"""A draft is announced so long before it is deleted."""
ANSWERS = {S.SUBMITTED: "受理", S.WITHDRAW_REQUESTED: "答复撤销申请", S.RESTORE_REQUESTED: "答复恢复申请"}


def tick(session: Session, system: Principal) -> int:
    """Every ten minutes: withdrawals, grants, slots that passed, reminders; returns how many orders were withdrawn."""
    withdrawn = withdraw_overdue(session, system)
    grant_withdrawals(session, system)
    free_passed_slots(session, system)
    remind_of_deadlines(session)
    return withdrawn


def _fire_each(session: Session, ids: Iterable[int], step: str, system: Principal, after: Any = None) -> int:
    """The step on each order, one transaction each; an order that moved on meanwhile is left alone."""
    count = 0
    for pk in list(ids):
        try:
            done = fire(session, APPOINTMENT, pk, step, system)
            if after is not None:
                after(session, done)
            session.commit()
            count += 1
        except QuanhengError:
            session.rollback()  # answered or brought at the last second: the guard has looked again
    return count


# -- steps ------------------------------------------------------------------------------------------------------------


def withdraw_overdue(session: Session, system: Principal) -> int:
    """系统自动撤销 (APT-19): accepted orders whose term for bringing the instruments has passed."""
    if not switch_on("appointment.auto_withdraw"):
        return 0
    due = select(Appointment.id).where(
        Appointment.state == S.ACCEPTED,
        Appointment.mode == DeliveryMode.DELIVER,
        Appointment.deadline_at < clock.now(),
    )
    return _fire_each(session, session.execute(due.order_by(Appointment.id)).scalars(), "auto_withdraw", system)


def grant_withdrawals(session: Session, system: Principal) -> int:
    """申请撤销 that the institute left unanswered for three working days is granted."""
    if not switch_on("appointment.withdraw_request"):
        return 0
    late = (pk for pk, _since in _late(session, S.WITHDRAW_REQUESTED, ANSWER_WORKDAYS))
    return _fire_each(session, late, "withdraw_ok", system)


def free_passed_slots(session: Session, system: Principal) -> int:
    """Half days that began before the institute (or the administration) answered: the places go back, the unit is told
    to choose again, the order stays where it is."""
    now = clock.now().astimezone(clock.ZONE)
    statement = (
        select(Appointment.id, Slot.day, Slot.period)
        .join(Slot, Slot.id == Appointment.slot_id)
        .where(Appointment.state.in_((S.SUBMITTED, S.ADMIN_REVIEW)), Slot.day <= now.date())
        .order_by(Appointment.id)
    )
    passed = [pk for pk, day, period in session.execute(statement).tuples() if slot_begun(day, period, now)]
    return _fire_each(session, passed, "lose_slot", system)


def slot_begun(day: date, period: str, now: datetime) -> bool:
    """Whether a half day has begun: the morning with its day, the afternoon at noon."""
    start = time() if period == Period.MORNING else time(12)
    return now >= datetime.combine(day, start, clock.ZONE)


def nag_on_site(session: Session, system: Principal) -> int:
    """催办 (APT-21): on-site orders not finished in time; the institute gets a message, a mail and one text message."""
    if not switch_on("appointment.onsite_nag"):
        return 0
    last = clock.today() - timedelta(days=int(setting("appointment", "onsite_nag_days")))
    before = datetime.combine(last, time(), clock.ZONE)
    due = select(Appointment.id).where(
        Appointment.state.in_((S.ACCEPTED, S.IN_PROGRESS)),
        Appointment.mode == DeliveryMode.ONSITE,
        Appointment.accepted_at < before,
    )
    return _fire_each(session, session.execute(due).scalars(), "onsite_nag", system, _text_institute)


def _text_institute(session: Session, order: Appointment) -> None:
    """One text message to the head of the institute, else to its reception."""
    people = [a for a in active_people(session, Account.institute_id == order.institute_id) if a.phone]
    for role in (Role.IMG, Role.REC):
        told = next((a for a in people if role in a.roles), None)
        if told is not None and told.phone:
            days = (clock.today() - _day(order.accepted_at)).days
            words = f"现场检预约单{order.number}受理已{days}天未检定完成，请尽快安排检定。"
            enqueue_sms(session, told.phone, words, key=f"onsite-nag-{order.id}-{clock.today():%Y%m%d}")
            return


# -- reminders --------------------------------------------------------------------------------------------------------


def remind_of_deadlines(session: Session) -> int:
    """A word to the unit with three and with one working day left; returns how many orders were spoken of."""
    if not switch_on("appointment.auto_withdraw"):
        return 0
    today, table = clock.today(), exceptions(session)
    horizon = add_workdays(today, max(LEFT), table)
    statement = select(Appointment).where(
        Appointment.state == S.ACCEPTED,
        Appointment.mode == DeliveryMode.DELIVER,
        Appointment.deadline_at >= clock.now(),
        Appointment.deadline_at < datetime.combine(horizon + timedelta(days=1), time(), clock.ZONE),
    )
    count = 0
    for order in session.execute(statement.order_by(Appointment.id)).scalars().all():
        day = _day(order.deadline_at)
        left = workdays_left(today, day, table)
        step = min((t for t in LEFT if left <= t), default=None)
        if step is not None:
            words = f"预约单{order.number}还有{left}个工作日到送检期限（{day}），请及时送检，逾期系统自动撤销。"
            if left == 0:
                words = f"预约单{order.number}今天到送检期限（{day}），请及时送检，逾期系统自动撤销。"
            count += _tell_unit(session, order, words, f"deadline-{order.id}-{day:%Y%m%d}-{step}")
    session.commit()
    return count


def workdays_left(today: date, last: date, table: dict[date, str]) -> int:
    """Working days after `today` up to `last`; negative when `last` has passed."""
    if last < today:
        return -workdays_left(last, today, table)
    return sum(is_workday(today + timedelta(days=n), table) for n in range(1, (last - today).days + 1))


def tell_of_unanswered(session: Session) -> int:
    """On working days: a digest to each institute of what it has left unanswered for more than three working days, and
    to the administrations of applications that wait for confirmation. Returns how many people were told."""
    today, table = clock.today(), exceptions(session)
    if not is_workday(today, table):
        return 0
    told = _digest_of_institutes(session, today)
    told += _digest_of_administrations(session, today, table)
    session.commit()
    return told


def _digest_of_institutes(session: Session, today: date) -> int:
    waiting: dict[int, dict[str, int]] = {}
    for state, word in ANSWERS.items():
        late = [pk for pk, _since in _late(session, state, ANSWER_WORKDAYS)]
        for institute_id in session.execute(select(Appointment.institute_id).where(Appointment.id.in_(late))).scalars():
            if institute_id is not None:
                own = waiting.setdefault(institute_id, {})
                own[word] = own.get(word, 0) + 1
    told = 0
    for institute_id, counts in sorted(waiting.items()):
        parts = "、".join(f"{n}张待{word}" for word, n in counts.items())
        words = f"有预约单超过{ANSWER_WORKDAYS}个工作日未答复：{parts}，请尽快处理。"
        key = f"unanswered-{institute_id}-{today.isoformat()}"
        for account in active_people(session, Account.institute_id == institute_id):
            if {Role.REC, Role.IMG} & set(account.roles):
                message(session, account.id, words, "", "/clocks/", key=key)
                told += 1
    return told


def _digest_of_administrations(session: Session, today: date, table: dict[date, str]) -> int:
    """行政确认: the county after three working days, the city as well after five."""
    areas: dict[str, int] = {}
    for days, digits in ((ANSWER_WORKDAYS, 6), (NEXT_LEVEL_WORKDAYS, 4)):
        late = [pk for pk, _since in _late(session, S.ADMIN_REVIEW, days, table)]
        places = select(Appointment.use_division).where(Appointment.id.in_(late))
        for division in session.execute(places).scalars():
            areas[division[:digits]] = areas.get(division[:digits], 0) + 1
    told = 0
    for area, count in sorted(areas.items()):
        days = ANSWER_WORKDAYS if len(area) == 6 else NEXT_LEVEL_WORKDAYS
        words = f"有{count}张预约申请超过{days}个工作日未行政确认，请尽快处理。"
        for account in active_people(session, Account.area == area):
            key = f"unconfirmed-{area}-{today.isoformat()}"
            message(session, account.id, words, "", "/appointments/list/?state=admin_review", key=key)
            told += 1
    return told


# -- drafts -----------------------------------------------------------------------------------------------------------


def clear_drafts(session: Session, system: Principal) -> int:
    """Drafts that nobody touched are announced a week before and then deleted; returns how many were.

    The day is said in the announcement and kept in its key: after a pause nothing is deleted that was not announced a
    week before, unless nobody is there to be told.
    """
    days = timedelta(days=int(setting("appointment", "draft_days")))
    before = datetime.combine(clock.today() - days + NOTICE + timedelta(days=1), time(), clock.ZONE)
    statement = select(Appointment).where(Appointment.state == S.DRAFT, Appointment.updated_at < before)
    due: list[int] = []
    for draft in session.execute(statement.order_by(Appointment.id)).scalars().all():
        if _draft_is_due(session, draft, _day(draft.updated_at) + days):
            due.append(draft.id)
    session.commit()
    return _fire_each(session, due, "delete", system)


def _draft_is_due(session: Session, draft: Appointment, ends: date) -> bool:
    """Whether its day has come; announces it when that has not been done yet."""
    prefix = f"draft-{draft.id}-{draft.updated_at.astimezone(clock.ZONE):%Y%m%d%H%M%S}-"
    said = select(Message.key).where(Message.key.startswith(prefix, autoescape=True)).order_by(Message.key).limit(1)
    key = session.scalar(said)
    if key is not None:
        return clock.today() >= date.fromisoformat(key.removeprefix(prefix))
    day = max(ends, clock.today() + NOTICE)
    words = f"待提交的预约单（{len(draft.items)}台器具）长期未提交，将于{day}删除；如仍需要，请在此之前提交或修改。"
    told = _tell_unit(session, draft, words, f"{prefix}{day.isoformat()}")
    return not told and clock.today() >= ends


# -- shared -----------------------------------------------------------------------------------------------------------


def since_when(state: str) -> Any:
    """A statement of (order, since when it has been in `state`), from the log of its steps."""
    return (
        select(Appointment.id, func.max(TransitionLog.at).label("since"))
        .join(TransitionLog, TransitionLog.entity_id == Appointment.id)
        .where(
            Appointment.state == state,
            TransitionLog.entity == APPOINTMENT.name,
            TransitionLog.to_state == state,
            TransitionLog.from_state.is_distinct_from(state),
        )
        .group_by(Appointment.id)
    )


def _late(
    session: Session, state: str, days: int, table: dict[date, str] | None = None
) -> Iterator[tuple[int, datetime]]:
    """Orders that have been in `state` for more than `days` working days."""
    first = late_before(clock.today(), days, exceptions(session) if table is None else table)
    inner = since_when(state).subquery()
    moment = datetime.combine(first, time(), clock.ZONE)
    statement = select(inner.c.id, inner.c.since).where(inner.c.since < moment).order_by(inner.c.id)
    yield from session.execute(statement).tuples().all()


def late_before(today: date, days: int, table: dict[date, str]) -> date:
    """What began before this day has had its `days` working days: the term of a day ends with the last of them."""
    day = today
    while add_workdays(day, days, table) >= today:
        day -= timedelta(days=1)
    return day + timedelta(days=1)


def _day(moment: datetime | None) -> date:
    assert moment is not None
    return moment.astimezone(clock.ZONE).date()


def active_people(session: Session, whose: Any) -> list[Account]:
    """Those of a body or an area whose accounts are in force."""
    statement = select(Account).where(Account.state == AccountState.ACTIVE, whose).order_by(Account.id)
    return list(session.execute(statement).unique().scalars())


def _tell_unit(session: Session, order: Appointment, words: str, key: str) -> int:
    """A message and a mail to everybody who acts for the unit; returns how many they are."""
    people = active_people(session, Account.unit_id == order.unit_id)
    for account in people:
        message(session, account.id, words, "", f"/appointments/show/{order.id}", key=key)
        if account.email:
            enqueue_mail(session, account.email, words, words, key=f"{key}-{account.id}")
    return len(people)


DAILY: dict[str, Callable[[Session, Principal], int]] = {
    "onsite_nag": nag_on_site,
    "booking_drafts": clear_drafts,
    "unanswered": lambda session, _system: tell_of_unanswered(session),
}
"""What jobs.tasks runs once a day: name of the beat → what it does."""
