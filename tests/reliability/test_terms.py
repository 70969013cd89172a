"""I-15: terms in working days, by the platform and by a second way of counting, for every day of the known years."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from app import clock
from app.access.principal import as_system
from app.clock import ZONE
from app.profiles import setting
from app.workdays import add_workdays, deadline, exceptions, known_year
from app.workflow import APPOINTMENT, fire
from models import Appointment
from tests.world import booked

FIRST, LAST = date(2023, 1, 1), date(2026, 12, 31)
TERMS = (1, 7, 10, 14, 20)
WHY = "车辆检修，申请延长送检期限"


def worked_days(session, until: date) -> list[date]:
    """Every working day in order, made from the table the other way round: a list, not a walk."""
    rows = session.execute(text("SELECT day, kind FROM calendar_exception")).all()
    free, worked = ({r.day for r in rows if r.kind == kind} for kind in ("holiday", "workday"))
    days = (FIRST + timedelta(days=n) for n in range((until - FIRST).days + 1))
    return sorted(worked | {d for d in days if d.isoweekday() < 6 and d not in free})


def test_two_ways_of_counting_agree_on_every_day(session):
    table, days = exceptions(session), worked_days(session, LAST + timedelta(days=90))
    compared = 0
    day = FIRST
    while day <= LAST:
        place = bisect_right(days, day)
        for term in TERMS:
            assert add_workdays(day, term, table) == days[place + term - 1], (day, term)
            compared += 1
        day += timedelta(days=1)
    print(f"\n{compared} terms of {len(TERMS)} lengths, {FIRST} to {LAST}: all the same")
    assert compared == 1461 * len(TERMS)


@pytest.mark.parametrize("year", [2027, 2031])
def test_a_year_that_is_not_announced_is_counted_and_said(session, year):
    """It neither crashes nor pretends: Monday to Friday, and the page can say that the year is unknown."""
    assert not known_year(session, year)
    table, day = exceptions(session), date(year, 1, 1)
    while day.year == year:
        end = add_workdays(day, 7, table)
        assert sum((day + timedelta(days=n)).isoweekday() < 6 for n in range(1, (end - day).days + 1)) == 7
        assert end.isoweekday() < 6
        day += timedelta(days=1)


@pytest.mark.parametrize("on", [date(2026, 9, 29), date(2026, 11, 20), date(2026, 12, 31), date(2027, 9, 29)])
def test_seven_then_fourteen_and_never_later(world, session, on):
    """From acceptance 7, extended 14 from the same acceptance; a second extension is refused."""
    order = booked(world, "ua1", delivery_mode="deliver")
    accepted = datetime(on.year, on.month, on.day, 9, tzinfo=ZONE)
    with as_system("test"):
        row = session.get(Appointment, order.id)
        row.accepted_at, row.deadline_at = (
            accepted,
            deadline(session, on, int(setting("appointment", "deadline_workdays"))),
        )
        assert row.deadline_at.date() == add_workdays(on, 7, exceptions(session))
        session.flush()
        for who, step in (("ua1", "request_extension"), ("recA", "extension_ok")):
            with clock.frozen(accepted + timedelta(days=2)), world.acting(who) as actor:
                fire(session, APPOINTMENT, order.id, step, actor, {"reason": WHY})
        assert row.deadline_at == deadline(session, on, 14)
        with clock.frozen(accepted + timedelta(days=3)), world.acting("ua1") as actor:
            from app.errors import InvalidInputError

            with pytest.raises(InvalidInputError, match="每张预约单只能延长一次"):
                fire(session, APPOINTMENT, order.id, "request_extension", actor, {"reason": WHY})
        session.rollback()
