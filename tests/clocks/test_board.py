"""The clock board against a naive reading of the log, the institute's home page, and the jobs that drive the clocks."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import delete, select

from app import clock
from app.access.principal import as_system
from app.operations import clocks as board
from app.workdays import add_workdays, exceptions
from models import Beat
from models.appointment import Appointment, Slot
from models.base import db
from models.log import TransitionLog
from tests.client import login, text
from tests.clocks.test_terms import FRIDAY
from tests.world import filed

LATER = datetime(2026, 10, 12, 9, tzinfo=clock.ZONE)
ANSWERED = ("submitted", "withdraw_requested", "restore_requested", "admin_review")


def naive(session, institute_id, state, today):
    """(count, oldest, late) by walking every log line in Python."""
    table = exceptions(session)
    with as_system("test"):
        orders = select(Appointment).where(Appointment.institute_id == institute_id, Appointment.state == state)
        begun = []
        for order in session.execute(orders).scalars():
            lines = session.execute(
                select(TransitionLog)
                .where(TransitionLog.entity == "appointment", TransitionLog.entity_id == order.id)
                .order_by(TransitionLog.id)
            ).scalars()
            arrivals = [line.at for line in lines if line.to_state == state and line.from_state != state]
            begun.append(arrivals[-1])
    late = [at for at in begun if add_workdays(at.astimezone(clock.ZONE).date(), 3, table) < today]
    return len(begun), min(begun, default=None), len(late)


def test_the_board_says_what_the_log_says(profile, orders, session, world):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        for _ in range(3):
            orders.step(orders.sent(), "admin_approve", "regA1")
        asked = orders.accepted()
        orders.step(asked, "request_withdraw", "ua1")
    reception = orders.reception(asked)
    with clock.frozen(LATER - timedelta(days=1)):
        orders.step(orders.sent(), "admin_approve", "regA1")
        orders.accepted()
    with clock.frozen(LATER):
        with world.acting(reception) as actor:
            found = {c.key: c for c in board.board(session, actor)}
        compared = 0
        for state in ANSWERED:
            count, oldest, late = naive(session, world.institutes[reception.removeprefix("rec")], state, LATER.date())
            if state == "admin_review":
                assert state not in found, "what the administration has is not the institute's"
                continue
            if count:
                shown = found[state]
                assert (shown.count, shown.late) == (count, late), state
                assert abs((shown.oldest - oldest).total_seconds()) < 5 or state == "submitted"
                compared += 1
        assert compared == 2
        assert found["submitted"].late >= 3
        assert found["submitted"].tone != "ok"
        assert found["submitted"].in_time < 100
        assert found["bring"].waits_for == board.UNIT


def test_colours_have_words_and_one_late_row_is_never_all_right():
    def one(count, late):
        return board.Clock("k", "l", "w", count, None, late, "", "/")

    assert (one(10, 0).tone, one(10, 0).in_time, one(10, 0).word) == ("ok", 100, "均在期限内")
    assert (one(1000, 1).tone, one(1000, 1).in_time) == ("warn", 99)
    assert (one(10, 2).tone, one(10, 2).word) == ("danger", "超期较多")


def test_everybody_sees_the_own_rows_and_no_person(app, world, orders, session, profile):
    profile("zhejiang")
    with clock.frozen(FRIDAY):
        pk = orders.accepted()
    number, reception = orders.row(pk).number, orders.reception(pk)
    with clock.frozen(FRIDAY + timedelta(days=3)):
        for who, seen in (("ua1", True), (reception, True), ("regA1", True), ("ua2", False), ("recB", False)):
            page = text(login(app, world, who).get("/clocks/"))
            assert (number in page) == seen, who
            assert "王小明" not in page.split("<main")[1]
            if seen:
                assert "剩余" in page
        assert login(app, world, "adm").get("/clocks/").status_code == 403


def test_the_home_page_of_an_institute(app, world, orders, session):
    from app.operations.appointment import book
    from app.workflow import APPOINTMENT, fire

    day = clock.today() + timedelta(days=61)
    while day.weekday() > 4:
        day += timedelta(days=1)
    with as_system("test"):
        slot = Slot(institute_id=world.institutes["A"], mode="onsite", day=day, period="morning", capacity=4)
        session.add(slot)
        session.commit()
        slot_id = slot.id
    ids = [filed(world, "ua1").id for _ in range(2)]
    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=ids, slot_id=slot_id)
        session.commit()
    with world.acting("recA") as actor:
        fire(session, APPOINTMENT, order.id, "accept", actor)
        session.commit()
    waiting = filed(world, "ua1")
    with world.acting("ua1") as actor:
        from tests.world import slot_of

        left = book(session, actor, instrument_ids=[waiting.id], slot_id=slot_of(world, "A").id)
        session.commit()
    with clock.frozen(datetime.combine(day, time(8), clock.ZONE)):
        with world.acting("recA") as actor:
            mine = board.institute_day(session, actor)
        assert [(v.order.id, v.count) for v in mine.visits] == [(order.id, 2)]
        assert any(c.key == "submitted" and c.late for c in mine.waiting)
        assert len(mine.loads) == 4
        assert mine.loads[0].taken == 2
        assert mine.loads[0].places == 4
        assert mine.loads[0].percent == 50
        page = text(login(app, world, "imgA").get("/home/"))
        assert "今天的来访" in page
        assert order.number in page
        assert "未来几周的工作量" in page
        assert "待受理的预约单" in page
        assert "今天的来访" not in text(login(app, world, "verA").get("/home/"))
        assert "今天的来访" not in text(login(app, world, "ua1").get("/home/"))
        other = text(login(app, world, "imgB").get("/home/"))
        assert order.number not in other
        assert left.number


@pytest.mark.parametrize("name", ["onsite_nag", "booking_drafts", "unanswered"])
def test_a_missed_day_is_owed_until_it_ran(app, world, session, name):
    from jobs import tasks

    at, task = tasks.DAILY[name]
    with as_system("test"):
        db.session.execute(delete(Beat).where(Beat.name == name))
        db.session.commit()
    day = clock.today()
    early = datetime.combine(day, at, clock.ZONE) - timedelta(minutes=1)
    with clock.frozen(early):
        assert not tasks._owed(name, at)
    with clock.frozen(early + timedelta(hours=9)):
        with as_system("test"):
            assert tasks._owed(name, at), "whatever the hour at which somebody is there again"
        task()
        with as_system("test"):
            assert not tasks._owed(name, at)
    with clock.frozen(early + timedelta(days=4)), as_system("test"):
        assert not tasks._owed(name, at)
    with clock.frozen(early + timedelta(days=4, hours=1)), as_system("test"):
        assert tasks._owed(name, at)


def test_the_ten_minute_clock_leaves_its_beat(app, world, session):
    from jobs import tasks
    from jobs.cron import TABLE

    assert (tasks.withdraw_overdue, 600) in TABLE
    tasks.withdraw_overdue()
    with as_system("test"):
        assert db.session.get(Beat, "withdraw_overdue") is not None
