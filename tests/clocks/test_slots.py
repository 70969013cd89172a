"""An institute's calendar: weeks, the usual week, copying, closing a day, half days that go by unanswered."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql

from app import clock
from app.access.principal import as_system
from app.operations import appointment_clock, slots
from app.operations.integrity import check_all
from app.profiles import switch_on
from models.appointment import Appointment, Slot
from models.booking import SlotPattern
from models.log import TransitionLog
from tests.client import login, post, text
from tests.world import filed

MONDAY = date(2026, 12, 7)


def count(session, world, nick, first, last):
    with as_system("test"):
        session.expire_all()
        mine = Slot.institute_id == world.institutes[nick]
        return list(session.execute(select(Slot).where(mine, Slot.day.between(first, last))).scalars())


def fill(values):
    return {slots.field_of(key): str(n) for key, n in values.items()}


@pytest.mark.feature("APT-32")
def test_the_usual_week_is_applied_without_free_days(app, world, session):
    head = login(app, world, "imgB")
    typed = fill({("deliver", day, "morning"): 6 for day in range(1, 6)} | {("onsite", 3, "afternoon"): 2})
    assert post(head, "/slots/pattern", typed).status_code == 303
    assert 'value="6"' in text(head.get("/slots/pattern"))
    with as_system("test"):
        mine = select(SlotPattern).where(SlotPattern.institute_id == world.institutes["B"])
        assert len(list(session.execute(mine).scalars())) == 6
    with clock.frozen(datetime(2026, 9, 20, 9, tzinfo=clock.ZONE)):
        answer = post(head, "/slots/apply", {"first": "2026-09-28", "last": "2026-10-11"}, follow_redirects=True)
        assert "新开放6个时段" in text(answer)  # Mon–Wed before the holiday with a visit, Thu and Fri after it
        found = count(session, world, "B", date(2026, 9, 28), date(2026, 10, 11))
        days = {s.day for s in found}
        assert days & {date(2026, 10, n) for n in range(1, 8)} == set(), "the National Day holiday"
        assert {s.day for s in found if s.mode == "onsite"} == {date(2026, 9, 30)}
        again = post(head, "/slots/apply", {"first": "2026-09-28", "last": "2026-10-11"}, follow_redirects=True)
        assert "新开放0个时段，原有6个保持不变" in text(again)
        page = text(head.get("/slots/week?start=2026-10-01"))
        assert "休" in page
        assert "班" in page, "10 October is a Saturday that is worked"


def test_what_is_typed_wrong_is_said_and_kept(app, world):
    head = login(app, world, "imgB")
    wrong = post(head, "/slots/pattern", fill({("deliver", 1, "morning"): "x1", ("deliver", 2, "morning"): 5}))
    assert wrong.status_code == 422
    assert "“送检 周一 上午”须为0～9999的整数。" in text(wrong)
    assert 'value="x1"' in text(wrong)
    assert 'value="5"' in text(wrong)
    for data, said in (
        ({"first": "", "last": "2027-01-01"}, "请填写“开始日期”。"),
        ({"first": "2027-01-05", "last": "2027-01-01"}, "“结束日期”不能早于“开始日期”。"),
        ({"first": "2020-01-05", "last": "2027-01-01"}, "“开始日期”不能早于今天。"),
    ):
        answer = post(head, "/slots/apply", data)
        assert answer.status_code == 422
        assert said in text(answer)


def test_a_year_without_announced_holidays_is_said_and_never_crashes(app, world):
    head = login(app, world, "imgA")
    assert "2027年的放假安排还没有录入工作日历" in text(head.get("/slots/week?start=2027-03-01"))
    assert "还没有录入" not in text(head.get("/slots/week?start=2026-11-02"))
    for start in ("x", "9999-12-31", "0001-01-01", "2026-13-40"):
        assert head.get(f"/slots/week?start={start}").status_code < 500


def test_a_week_is_copied_with_its_capacities(app, world, session):
    head = login(app, world, "imgB")
    with as_system("test"):
        for n, capacity in ((0, 4), (2, 9)):
            day = MONDAY + timedelta(days=n)
            session.add(
                Slot(institute_id=world.institutes["B"], mode="deliver", day=day, period="morning", capacity=capacity)
            )
        session.commit()
    answer = post(head, "/slots/copy", {"monday": MONDAY.isoformat(), "count": "2"}, follow_redirects=True)
    assert "新开放" in text(answer)
    for weeks in (1, 2):
        start = MONDAY + timedelta(weeks=weeks)
        made = {s.day: s.capacity for s in count(session, world, "B", start, start + timedelta(days=6))}
        assert made[start] == 4
        assert made[start + timedelta(days=2)] == 9
    assert post(head, "/slots/copy", {"monday": MONDAY.isoformat(), "count": "27"}).status_code == 422
    assert post(head, "/slots/copy", {"monday": MONDAY.isoformat(), "count": "x"}).status_code == 422
    empty = post(head, "/slots/copy", {"monday": "2029-01-01", "count": "1"})
    assert "没有开放的时段" in text(empty)
    assert post(head, "/slots/copy", {"monday": "no"}).status_code == 404


def booked_on(world, orders, session, day, period="morning"):
    with as_system("test"):
        made = Slot(institute_id=world.institutes["A"], mode="onsite", day=day, period=period, capacity=5)
        session.add(made)
        session.commit()
        slot_id = made.id
    ids = [filed(world, "ua1").id for _ in range(2)]
    from app.operations.appointment import book

    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=ids, slot_id=slot_id)
        session.commit()
    return slot_id, order.id


@pytest.mark.feature("APT-32")
def test_closing_a_day_hides_it_and_lists_what_is_to_be_moved(app, world, orders, session):
    assert switch_on("appointment.slots")
    day = clock.today() + timedelta(days=30)
    slot_id, order_id = booked_on(world, orders, session, day)
    number = orders.row(order_id).number
    head, desk, unit = (login(app, world, who) for who in ("imgA", "recA", "ua1"))
    more = filed(world, "ua1")
    assert f'value="{slot_id}"' in text(unit.get(f"/book/time?ids={more.id}"))
    assert post(desk, f"/slots/day/{day}", {"closed": "1"}).status_code == 403, "reception looks, the head decides"
    answer = post(head, f"/slots/day/{day}", {"closed": "1"}, follow_redirects=True)
    assert "仍有1张预约单在这一天" in text(answer)
    assert "须改期的预约单" in text(answer)
    assert number in text(answer)
    assert f"/appointments/step/reschedule/{order_id}" in text(answer)
    assert f'value="{slot_id}"' not in text(unit.get(f"/book/time?ids={more.id}")), "hidden from users"
    few = post(head, f"/slots/edit/{slot_id}", {"capacity": "1"})
    assert "已有2台预约，容量不能低于该数" in text(few)
    post(head, f"/slots/day/{day}", {"closed": "0"})
    assert f'value="{slot_id}"' in text(unit.get(f"/book/time?ids={more.id}"))
    assert text(desk.get("/slots/week")).count("/slots/day/") == 28
    assert head.get("/slots/day/2026-99-99").status_code == 404
    other = text(login(app, world, "imgB").get(f"/slots/day/{day}"))
    assert number not in other


def test_a_half_day_that_passes_unanswered_is_freed_and_the_unit_is_told(app, world, orders, session):
    day = clock.today() + timedelta(days=33)
    slot_id, order_id = booked_on(world, orders, session, day, "afternoon")
    number = orders.row(order_id).number

    def run(hours):
        moment = datetime.combine(day, datetime.min.time(), clock.ZONE) + timedelta(hours=hours)
        with clock.frozen(moment), as_system("test") as system:
            appointment_clock.free_passed_slots(session, system)
            session.commit()

    def places():
        with as_system("test"):
            session.expire_all()
            return session.get(Slot, slot_id).taken

    assert places() == 2
    run(11)
    assert places() == 2, "the afternoon has not begun"
    run(12)
    run(13)
    assert places() == 0
    order: Appointment = orders.row(order_id)
    assert (order.state, order.slot_id) == ("submitted", None)
    assert len(orders.messages(f"预约单{number}的预约时段已过")) == 1
    listed = text(login(app, world, "imgA").get("/appointments/list/?state=submitted", follow_redirects=True))
    row = next(part for part in listed.split("<tr") if f'data-row-url="/appointments/show/{order_id}"' in part)
    assert 'class="row-danger"' in row, "red for the head of the institute"
    with as_system("test"):
        lines = select(TransitionLog).where(TransitionLog.entity == "appointment", TransitionLog.entity_id == order_id)
        assert [line.step for line in session.execute(lines).scalars()].count("lose_slot") == 1
        assert session.scalar(sql("SELECT count(*) FROM slot WHERE taken < 0")) == 0
        broken = {f.id: f.violations for f in check_all(session)}
        assert broken["I-2"] == 0
