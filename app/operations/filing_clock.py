"""The clock of filings (WORKFLOWS 4, submit: no answer in 5 working days, in 10 working days).

A digest a working day, not a message an instrument: the head of the institute that holds the filings hears of it after
five working days, the administration of the place of use as well after ten.
"""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.operations.appointment_clock import active_people, late_before
from app.operations.clocks import entered
from app.profiles import switch_on
from app.workdays import exceptions, is_workday
from app.workflow import FILING
from app.workflow.filing_office import by_regulator
from app.workflow.outgoing import message
from models.account import Account
from models.enums import FilingState, Role
from models.filing import Filing

INSTITUTE_WORKDAYS, ADMINISTRATION_WORKDAYS = 5, 10
OPEN = (FilingState.SUBMITTED, FilingState.TO_PROCESS, FilingState.TO_CONFIRM)
"""States in which an institute is asked."""


def tell_of_unanswered_filings(session: Session) -> int:
    """The digests of a day; nothing on free days. Returns how many people were told; a second run tells nobody again."""
    today, table = clock.today(), exceptions(session)
    if not switch_on("filing") or not is_workday(today, table):
        return 0
    told = _tell_institutes(session, today, late_before(today, INSTITUTE_WORKDAYS, table))
    days = INSTITUTE_WORKDAYS if by_regulator() else ADMINISTRATION_WORKDAYS
    told += _tell_administrations(session, today, days, late_before(today, days, table))
    session.commit()
    return told


def _tell_institutes(session: Session, today: date, cut: date) -> int:
    told = 0
    for institute_id, count in _waiting(session, Filing.holder_institute_id, cut, _asked()):
        words = f"有{count}台器具的备案超过{INSTITUTE_WORKDAYS}个工作日未处理，请尽快办理。"
        key = f"filings-{institute_id}-{today.isoformat()}"
        for account in active_people(session, Account.institute_id == institute_id):
            if Role.IMG in account.roles:
                message(session, account.id, words, "", "/filings/list/?mine=1", key=key)
                told += 1
    return told


def _tell_administrations(session: Session, today: date, days: int, cut: date) -> int:
    told = 0
    for area, count in _waiting(session, func.left(Filing.use_division, 6), cut):
        cure = "请尽快审核或督促技术机构确认。" if by_regulator() else "请督促技术机构办理。"
        words = f"辖区内有{count}台器具的备案超过{days}个工作日未答复，{cure}"
        key = f"filings-{area}-{today.isoformat()}"
        for account in active_people(session, Account.area == area):
            message(session, account.id, words, "", "/filings/list/", key=key)
            told += 1
    return told


def _asked() -> tuple[FilingState, ...]:
    """Where the administration reviews, institutes are asked only to confirm what was sent on to them."""
    return (FilingState.TO_CONFIRM,) if by_regulator() else OPEN


def _waiting(
    session: Session, of: object, cut: date, states: tuple[FilingState, ...] = OPEN
) -> list[tuple[object, int]]:
    """(whom it concerns, how many filings) of what came to an institute before `cut`."""
    since = entered(FILING.name, Filing)
    moment = datetime.combine(cut, time(), clock.ZONE)
    late = select(of.label("whose"), since.label("since")).where(Filing.state.in_(states)).subquery()  # type: ignore[attr-defined]
    statement = select(late.c.whose, func.count()).where(late.c.since < moment, late.c.whose.is_not(None))
    return list(session.execute(statement.group_by(late.c.whose).order_by(late.c.whose)).tuples())
