"""Calendar feeds: made once, read without a log-in, moved with their booking, taken back; nobody else's rows, no person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.workflow import APPOINTMENT, fire
from models.appointment import Appointment, Slot
from models.booking import CalendarFeed
from models.organisation import Unit
from tests.client import login, post, text, visitor
from tests.clocks.test_ical import read, unescape
from tests.world import booked


@pytest.fixture(autouse=True)
def often(app, monkeypatch):
    monkeypatch.setitem(app.config, "FEED_LIMIT", "1000 per hour")


def make(client, kind="bookings"):
    page = text(post(client, "/feeds/", {"kind": kind}))
    return page.split("/feed/")[1].split(".ics")[0]


def events(app, token):
    answer = visitor(app).get(f"/feed/{token}.ics")
    assert answer.status_code == 200
    assert answer.content_type == "text/calendar; charset=utf-8"
    return {e["UID"][0][1]: e for e in read(answer.get_data().decode())}


def test_a_moved_booking_is_the_same_event(app, world, session):
    order = booked(world, "ua1")
    unit = login(app, world, "ua1")
    token = make(unit)
    again = text(unit.get("/feeds/"))
    assert token not in again, "the address is shown once"
    assert "的订阅地址" not in again
    uid = next(u for u in events(app, token) if u.startswith(f"visit-{order.id}@"))
    before = events(app, token)[uid]
    with as_system("test"):
        slot_id = session.get(Appointment, order.id).slot_id
        free = select(Slot).where(Slot.institute_id == world.institutes["A"], Slot.mode == "onsite", Slot.id != slot_id)
        other = session.execute(free.where(Slot.day > clock.today(), ~Slot.closed).order_by(Slot.day)).scalars().first()
        other_id, day = other.id, other.day
    with world.acting("recA") as actor:
        fire(session, APPOINTMENT, order.id, "reschedule", actor, {"slot_id": other_id, "reason": "设备检修改期"})
        session.commit()
    after = events(app, token)[uid]
    assert after["DTSTART"][0][1].startswith(f"{day:%Y%m%d}T")
    assert int(after["SEQUENCE"][0][1]) > int(before["SEQUENCE"][0][1])
    assert after["DTSTART"][0][0] == ["TZID=Asia/Shanghai"]
    assert order.number in unescape(after["SUMMARY"][0][1])


def test_a_feed_holds_no_other_unit_and_no_person(app, world, session):
    own, foreign = booked(world, "ua1"), booked(world, "ua2")
    token = make(login(app, world, "ua1"))
    body = visitor(app).get(f"/feed/{token}.ics").get_data(as_text=True).replace("\r\n ", "")
    assert own.number in body
    assert foreign.number not in body
    institute = make(login(app, world, "recA"))
    both = visitor(app).get(f"/feed/{institute}.ics").get_data(as_text=True).replace("\r\n ", "")
    assert own.number in both
    assert foreign.number in both
    with as_system("test"):
        for unit in session.execute(select(Unit)).scalars():
            for personal in (unit.contact_name, unit.contact_phone, unit.name):
                assert not personal or personal not in both, "an institute's feed leaves the address bar as well"
    elsewhere = make(login(app, world, "recB"))
    assert own.number not in visitor(app).get(f"/feed/{elsewhere}.ics").get_data(as_text=True)


def test_taken_back_replaced_and_unknown(app, world, session):
    unit, other = login(app, world, "ua1"), login(app, world, "ua2")
    first = make(unit, "due")
    assert visitor(app).get(f"/feed/{first}.ics").status_code == 200
    second = make(unit, "due")
    assert visitor(app).get(f"/feed/{first}.ics").status_code == 410, "a new address replaces the old one"
    with as_system("test"):
        live = select(CalendarFeed).where(
            CalendarFeed.account_id == world.people["ua1"],
            CalendarFeed.kind == "due",
            CalendarFeed.revoked_at.is_(None),
        )
        feed = session.execute(live).scalar_one()
        assert feed.last_read_at is None
        assert second not in feed.token_hash
        pk = feed.id
    visitor(app).get(f"/feed/{second}.ics")
    with as_system("test"):
        session.expire_all()
        assert session.get(CalendarFeed, pk).last_read_at is not None
    assert post(other, f"/feeds/{pk}/revoke").status_code == 404
    assert post(unit, f"/feeds/{pk}/revoke").status_code == 303
    assert visitor(app).get(f"/feed/{second}.ics").status_code == 410
    assert visitor(app).get("/feed/nothing.ics").status_code == 404
    assert visitor(app).get("/feed/%00%ff.ics").status_code in {404, 400}


def test_who_may_make_which(app, world):
    assert post(login(app, world, "ua1"), "/feeds/", {"kind": "tasks"}).status_code == 422
    assert post(login(app, world, "recA"), "/feeds/", {"kind": "due"}).status_code == 422
    assert login(app, world, "adm").get("/feeds/").status_code == 403
    assert "/login/" in visitor(app).get("/feeds/").location


def test_due_days_are_counted_by_day(app, world, session):
    from tests.world import instrument

    made = [instrument(world, "ua2") for _ in range(3)]
    day = clock.today() + timedelta(days=77)
    with as_system("test"):
        for row in made:
            found = session.merge(row)
            found.valid_until = day
        session.commit()
        states = {session.merge(row).state for row in made}
    token = make(login(app, world, "ua2"), "due")
    found = events(app, token).get(f"due-{world.units['ua2']}-{day:%Y%m%d}@127.0.0.1")
    if states == {"in_use"}:
        assert unescape(found["SUMMARY"][0][1]) == "电子计价秤等3台器具到期"
    else:
        assert found is None, "what is not in use is not due"
