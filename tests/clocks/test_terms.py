"""Terms of orders under manual 002: withdrawn, extended, restored, nagged about; each clock caught up and run twice."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError
from app.operations import appointment_clock as clocks
from app.operations.clocks_remaining import remaining
from app.workdays import add_workdays, deadline, exceptions
from app.workflow import ITEM, fire
from models.account import Account
from models.appointment import Appointment
from tests.clocks.conftest import end_of

FRIDAY = datetime(2026, 9, 25, 10, tzinfo=clock.ZONE)
"""The last Friday before the National Day holiday of 2026 (1–7 October free, 10 October worked)."""


def run(session, name="tick"):
    with as_system("test") as system:
        found = clocks.tick(session, system) if name == "tick" else clocks.DAILY[name](session, system)
        session.commit()
        return found


def state(orders, pk):
    return orders.row(pk).state


@pytest.mark.feature("APT-34")
def test_seven_working_days_from_the_autumn_of_2023_and_2026(session):
    table = exceptions(session)
    end = add_workdays(date(2023, 9, 27), 7, table)
    counted = [d for n in range(1, 30) if (d := date(2023, 9, 27) + timedelta(days=n)) <= end]
    worked = [d for d in counted if table.get(d) == "workday" or (d.weekday() < 5 and table.get(d) != "holiday")]
    assert len(worked) == 7
    assert not {date(2023, 9, 29) + timedelta(days=n) for n in range(8)} & set(worked), "29 September to 6 October"
    assert {date(2023, 10, 7), date(2023, 10, 8)} <= set(worked), "the make-up days"
    assert end == date(2023, 10, 12)
    assert add_workdays(date(2026, 9, 29), 7, table) == date(2026, 10, 14)
    assert add_workdays(date(2026, 9, 29), 14, table) == date(2026, 10, 23)


@pytest.mark.feature("APT-19")
def test_accepted_on_a_friday_before_a_holiday(profile, orders, session):
    """28, 29, 30 September, 8, 9, 10 (worked) and 12 October are the seven days: withdrawn on the 13th."""
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        plain, extended, brought = (orders.accepted() for _ in range(3))
        orders.step(extended, "request_extension", "ua1")
        orders.step(extended, "extension_ok", orders.reception(extended))
        with orders.world.acting(orders.reception(brought)) as actor:
            fire(session, ITEM, orders.items(brought)[0].id, "receive", actor, {"checked": True})
            session.commit()
    assert orders.row(plain).deadline_at == end_of(date(2026, 10, 12), 0) + timedelta(hours=23, minutes=59, seconds=59)
    with clock.frozen(datetime(2026, 10, 12, 23, 59, 59, tzinfo=clock.ZONE)):
        run(session)
        assert state(orders, plain) == "accepted", "the seventh working day counts to its end"
    with clock.frozen(datetime(2026, 10, 13, 0, 5, tzinfo=clock.ZONE)):
        run(session)
        assert run(session) == 0, "twice is once"
        assert state(orders, plain) == "withdrawn"
        assert orders.row(plain).auto_withdrawn
        assert {i.state for i in orders.items(plain)} == {"cancelled"}, "the instruments are free again"
        assert len(orders.messages(f"{orders.row(plain).number}超过7个工作日未送检")) == 1
        assert state(orders, extended) == "accepted"
        assert state(orders, brought) == "in_progress"
    fourteenth = date(2026, 10, 21)
    assert orders.row(extended).deadline_at.astimezone(clock.ZONE).date() == fourteenth
    with clock.frozen(end_of(fourteenth)):
        run(session)
        assert state(orders, extended) == "accepted"
    with clock.frozen(end_of(fourteenth + timedelta(days=1), 0)):
        run(session)
        assert state(orders, extended) == "withdrawn"
        assert state(orders, brought) == "in_progress", "delivered in time: never"


def test_an_extension_is_asked_for_once_and_decided_once(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
        reception = orders.reception(pk)
        orders.step(pk, "request_extension", "ua1")
        orders.step(pk, "extension_no", reception)
        with pytest.raises(InvalidInputError, match="没有待审核的延长申请"):
            orders.step(pk, "extension_ok", reception)
        session.rollback()
        with pytest.raises(InvalidInputError, match="每张预约单只能延长一次"):
            orders.step(pk, "request_extension", "ua1")
        session.rollback()


def test_an_undecided_extension_holds_the_withdrawal_back_for_two_working_days(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
        orders.step(pk, "request_extension", "ua1")
    with clock.frozen(end_of(date(2026, 10, 14))):
        run(session)
        assert state(orders, pk) == "accepted"
    with clock.frozen(end_of(date(2026, 10, 15))):
        run(session)
        assert state(orders, pk) == "withdrawn"


def test_reminders_with_three_and_with_one_working_day_left(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
    number = orders.row(pk).number
    # left after each day: 30 Sep 4, 8 Oct 3, 9 Oct 2, 10 Oct 1, 12 Oct 0
    for day, said in ((date(2026, 9, 30), 0), (date(2026, 10, 8), 1), (date(2026, 10, 9), 1), (date(2026, 10, 10), 2)):
        with clock.frozen(end_of(day)):
            run(session)
            run(session)
        assert len(orders.messages(f"预约单{number}还有")) == said, day
    with clock.frozen(FRIDAY):
        paused = orders.accepted()
    with clock.frozen(end_of(date(2026, 10, 12))):
        run(session)
    said = orders.messages(f"预约单{orders.row(paused).number}今天到送检期限")
    assert len(said) == 1, "after a pause the nearest reminder alone is given"


@pytest.mark.feature("APT-20")
def test_restored_with_seven_new_days_and_withdrawn_again(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        yes, no = orders.accepted(), orders.accepted()
    with clock.frozen(datetime(2026, 10, 13, 9, tzinfo=clock.ZONE)):
        run(session)
        for pk in (yes, no):
            orders.step(pk, "request_restore", "ua1")
            assert state(orders, pk) == "restore_requested"
        reception = orders.reception(yes)
        orders.step(yes, "restore_ok", reception)
        orders.step(no, "restore_no", reception)
        assert state(orders, yes) == "accepted"
        assert state(orders, no) == "withdrawn"
        assert orders.row(yes).deadline_at == deadline(session, date(2026, 10, 13), 7)
        assert len(orders.messages("恢复申请未通过，请重新预约")) >= 1
        with pytest.raises(InvalidInputError, match="恢复申请未通过，请重新预约"):
            orders.step(no, "request_restore", "ua1")
        session.rollback()
    with clock.frozen(end_of(date(2026, 10, 22))):
        run(session)
        assert state(orders, yes) == "accepted", "22 October is the seventh new day"
    with clock.frozen(end_of(date(2026, 10, 23), 0)):
        run(session)
        assert state(orders, yes) == "withdrawn", "the second automatic withdrawal"


def test_a_restore_is_refused_while_an_instrument_is_in_another_order(profile, orders, session):
    from app.operations.appointment import book

    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
        scale = orders.items(pk)[0].instrument_id
    with clock.frozen(datetime(2026, 10, 13, 9, tzinfo=clock.ZONE)):
        run(session)
        with orders.world.acting("ua1") as actor:
            book(session, actor, instrument_ids=[scale])
            session.commit()
        with pytest.raises(InvalidInputError, match="不能恢复"):
            orders.step(pk, "request_restore", "ua1")
        session.rollback()


@pytest.mark.feature("APT-21")
def test_on_site_day_thirty_none_day_thirty_one_one_text(profile, orders, session, world):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted(mode="onsite")
    head = f"img{orders.reception(pk).removeprefix('rec')}"
    with as_system("test"):
        session.get(Account, world.people[head]).phone = "13900001111"
        session.commit()
    for days, texts in ((30, 0), (31, 1), (32, 1), (40, 1), (41, 2), (41, 2), (75, 3)):
        with clock.frozen(FRIDAY.replace(hour=7) + timedelta(days=days)):
            run(session, "onsite_nag")
        assert len(orders.texts(pk)) == texts, f"day {days}"
    assert state(orders, pk) == "accepted", "nothing is withdrawn"
    assert len(orders.messages(f"现场检预约单{orders.row(pk).number}", head)) == 3
    with as_system("test"):
        session.get(Account, world.people[head]).phone = None
        session.commit()


def test_a_request_to_withdraw_that_nobody_answers_is_granted(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
        orders.step(pk, "request_withdraw", "ua1")
    with clock.frozen(end_of(date(2026, 9, 30))):
        run(session)
        assert state(orders, pk) == "withdraw_requested", "28, 29 and 30 September are the three days"
    with clock.frozen(end_of(date(2026, 10, 1), 1)):
        run(session)
        run(session)
        assert state(orders, pk) == "withdrawn"
        assert not orders.row(pk).auto_withdrawn, "asked for, so not restored"


def test_what_is_left_unanswered_is_said_on_working_days(profile, orders, session):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        waits = orders.sent()
        orders.step(waits, "admin_approve", "regA1")
        confirm = orders.sent()
        sent = orders.row(waits)
    reception = orders.reception(waits)
    text, county = "超过3个工作日未答复", "超过3个工作日未行政确认"
    before = len(orders.messages(text, reception)), len(orders.messages(county, "regA1"))
    for day, new in ((date(2026, 9, 30), 0), (date(2026, 10, 1), 0), (date(2026, 10, 8), 1), (date(2026, 10, 8), 1)):
        with clock.frozen(end_of(day, 9)):
            run(session, "unanswered")
        told = len(orders.messages(text, reception)) - before[0], len(orders.messages(county, "regA1")) - before[1]
        assert told == (new, new), day
    city = "超过5个工作日未行政确认"
    assert orders.messages(city, "regA") == []
    with clock.frozen(end_of(date(2026, 10, 10), 9)):  # 28, 29, 30 September, 8 and 9 October are five
        run(session, "unanswered")
    assert len(orders.messages(city, "regA")) == 1
    assert sent.state == "submitted"
    assert state(orders, confirm) == "admin_review"


def test_drafts_are_announced_a_week_before_they_go(profile, orders, session):
    profile("zhejiang")
    pk, kept = orders.draft(2), orders.draft()
    born = orders.row(pk).updated_at
    for days, said in ((82, 0), (83, 1), (84, 1), (89, 1)):
        with clock.frozen(born + timedelta(days=days)):
            run(session, "booking_drafts")
        found = [m for m in orders.messages("长期未提交") if f"/{pk}" in (m.link or "")]
        assert len(found) == said, days
        assert state(orders, pk) == "draft"
    with clock.frozen(born + timedelta(days=88)):
        orders.step(kept, "submit_for_confirmation", "ua1")
    with clock.frozen(born + timedelta(days=90)):
        run(session, "booking_drafts")
        run(session, "booking_drafts")
    assert state(orders, pk) == "withdrawn"
    assert {i.state for i in orders.items(pk)} == {"cancelled"}
    assert state(orders, kept) == "admin_review"


def test_after_a_long_pause_a_draft_is_announced_first(profile, orders, session):
    profile("zhejiang")
    pk = orders.draft()
    born = orders.row(pk).updated_at
    for days, expected in ((200, "draft"), (206, "draft"), (207, "withdrawn")):
        with clock.frozen(born + timedelta(days=days)):
            run(session, "booking_drafts")
        assert state(orders, pk) == expected, days


@pytest.mark.feature("APT-23")
def test_days_left_of_both_kinds_with_a_frozen_clock(profile, orders, session):
    profile("zhejiang")
    table = exceptions(session)

    def left(pk, day):
        order: Appointment = orders.row(pk)
        with as_system("test"):
            found = remaining(order, day, table)
        return (found.days, found.running) if found else None

    with clock.frozen(FRIDAY):
        site, bring, stopped = orders.sent(mode="onsite"), orders.sent(), orders.sent(mode="onsite")
        assert left(site, date(2026, 9, 25)) == (30, True)
        assert left(site, date(2026, 9, 28)) == (27, True), "natural days, also over a weekend"
        assert left(site, date(2026, 11, 24)) == (-30, True), "negative when late"
        assert left(bring, date(2026, 9, 28)) == (7, False), "its clock begins with acceptance"
    with clock.frozen(FRIDAY + timedelta(days=3)):
        for pk in (site, bring):
            orders.step(pk, "admin_approve", "regA1")
            orders.step(pk, "accept", orders.reception(pk))
    assert left(site, date(2026, 9, 28)) == (30, True), "a new clock from acceptance on"
    assert left(bring, date(2026, 9, 28)) == (7, True)
    assert left(bring, date(2026, 10, 8)) == (4, True), "working days: 29, 30 September and 8 October have gone"
    assert left(bring, date(2026, 10, 14)) == (-1, True)
    with clock.frozen(FRIDAY + timedelta(days=5)):
        orders.step(stopped, "cancel", "ua1")
        with orders.world.acting(orders.reception(bring)) as actor:
            fire(session, ITEM, orders.items(bring)[0].id, "receive", actor, {"checked": True})
            session.commit()
    assert left(stopped, date(2026, 12, 1)) == (25, False), "stands still from the day it was withdrawn"
    assert left(bring, date(2026, 12, 1)) == (5, False), "stands still from the day it was brought"
