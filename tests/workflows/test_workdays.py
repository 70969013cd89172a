"""Terms in working days, against dates counted by hand on the calendar of the State Council."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from app.clock import ZONE
from app.workdays import add_workdays, deadline, exceptions, is_workday, known_year

VECTORS = [
    # over the National Day holiday of 2026 (1–7 October free, 10 October worked)
    (date(2026, 9, 29), 7, date(2026, 10, 14)),
    (date(2026, 9, 29), 14, date(2026, 10, 23)),
    (date(2026, 9, 29), 0, date(2026, 9, 29)),
    # an ordinary week, and a start on a Saturday
    (date(2026, 11, 16), 5, date(2026, 11, 23)),
    (date(2026, 11, 21), 1, date(2026, 11, 23)),
    # 2027 is not announced yet: Monday to Friday
    (date(2027, 9, 29), 7, date(2027, 10, 8)),
]


@pytest.mark.feature("APT-05")
@pytest.mark.parametrize("start, count, end", VECTORS)
def test_term(session, start, count, end):
    assert add_workdays(start, count, exceptions(session)) == end


def test_a_term_ends_with_its_last_second(session):
    assert deadline(session, date(2026, 9, 29), 7) == datetime(2026, 10, 14, 23, 59, 59, tzinfo=ZONE)


def test_which_years_are_known(session):
    assert known_year(session, 2026)
    assert not known_year(session, 2027)


def test_exceptions_rule_over_weekdays():
    monday, saturday = date(2026, 11, 16), date(2026, 11, 21)
    assert is_workday(monday, {})
    assert not is_workday(saturday, {})
    assert not is_workday(monday, {monday: "holiday"})
    assert is_workday(saturday, {saturday: "workday"})
