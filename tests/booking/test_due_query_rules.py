"""全部预约, the public query by number, and the administrator's assignment rules."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.booking_due import due, propose
from app.workflow.assigning import institute_for
from models import Appointment, AssignmentRule, AuditLog, Instrument
from models.base import db
from tests.captcha import captcha_of
from tests.client import login, post, text, visitor
from tests.world import booked, category, filed, new_unit

pytestmark = pytest.mark.usefixtures("context")
HIDDEN = re.compile(r'name="(ids-[^"]+)" value="([^"]*)"')
ORDER = re.compile(r'name="order" value="([^"]+)"')
SLOT = re.compile(r'name="(slot-[^"]+)">.*?<option value="(\d+)" selected', re.DOTALL)


@pytest.fixture
def fresh(world, context):
    """A unit with nothing but what the test gives it."""

    def make(nick):
        new_unit(world, nick, "440103", "recA", "A")
        return nick

    return make


def fields(page):
    """What the browser would send of the proposal."""
    return {"order": ORDER.findall(page), **dict(HIDDEN.findall(page)), **dict(SLOT.findall(page))}


def test_all_that_is_due_is_booked_by_one_confirmation_and_the_sum_matches(app, world, fresh):
    unit = fresh("ud1")
    for institute in ("A", "A1"):
        for way in ("onsite", "deliver"):
            for _ in range(2):
                filed(world, unit, institute, delivery_mode=way)
    taken = booked(world, unit)
    with world.acting(unit) as actor:
        rows, beyond = due(db.session(), actor, clock.today())
        found = propose(db.session(), actor)
        assert (len(rows), beyond) == (9, 0)
        assert found.total == 9
        assert found.count == 8
        assert [i.id for i, _why in found.left] == taken.instruments
        assert f"已在预约单{taken.number}中" in found.left[0][1]
        assert len(found.orders) == 4
        for order in found.orders:
            assert len({(i.institute_id, i.delivery_mode) for i in order.instruments}) == 1
            assert order.slot.institute_id == order.instruments[0].institute_id
    client = login(app, world, unit)
    page = text(client.get("/book/due"))
    assert "到期的器具共 9 台：可预约 8 台，生成 4 张预约单；不能预约 1 台。" in page
    sent = {**fields(page), "contact_name": "王小明", "contact_phone": "1"}
    wrong = post(client, "/book/due", sent)
    assert wrong.status_code == 422
    assert "7～20位" in text(wrong)
    done = post(client, "/book/due", {**sent, "contact_phone": "13912345678"})
    assert done.status_code == 303
    with as_system("test"):
        db.session.expire_all()
        made = list(
            db.session.scalars(
                select(Appointment).where(Appointment.unit_id == world.units[unit], Appointment.state == "submitted")
            )
        )
        assert sorted(len(order.items) for order in made) == [2, 2, 2, 2]
    with world.acting(unit) as actor:
        assert propose(db.session(), actor).count == 0
    again = post(client, "/book/due", {**sent, "contact_phone": "13912345678"}, follow_redirects=True)
    assert "8台没有预约成功" in text(again)
    assert login(app, world, "recA").get("/book/due").status_code == 403


def test_where_the_platform_divides_one_application_is_proposed(world, fresh, profile):
    unit = fresh("ud2")
    for institute in ("A", "A1"):
        filed(world, unit, institute)
    profile("national")
    with world.acting(unit) as actor:
        found = propose(db.session(), actor)
    assert len(found.orders) == 1
    assert found.total == found.count == 2


@pytest.mark.feature("APT-31")
def test_a_number_and_four_digits_tell_state_and_dates_only(app, world):
    order = booked(world, "ua1")
    with as_system("test"):
        row = db.session.get(Appointment, order.id)
        tail, names = row.contact_phone[-4:], (row.unit.name, row.institute.name, row.contact_name)
    anybody = visitor(app)
    page = text(post(anybody, "/booking-query", {"number": order.number, "tail": tail}, page="/booking-query"))
    assert "已受理" in page
    assert clock.today().isoformat() in page
    assert not [name for name in names if name in page]
    missing = text(post(anybody, "/booking-query", {"number": "2025040799999", "tail": tail}, page="/booking-query"))
    wrong = text(post(anybody, "/booking-query", {"number": order.number, "tail": "0001"}, page="/booking-query"))
    for said in (missing, wrong):
        assert "未找到该预约单" in said
    fourth = {"number": order.number, "tail": tail}
    blocked = text(post(anybody, "/booking-query", fourth, page="/booking-query"))
    assert "请填写“验证码”" in blocked
    assert "已受理" not in blocked
    solved = {**fourth, **captcha_of(app, blocked)}
    assert "已受理" in text(post(anybody, "/booking-query", solved, page="/booking-query"))
    assert "已受理" not in text(post(anybody, "/booking-query", solved, page="/booking-query")), "used up"


def test_the_administrator_decides_who_takes_what_where(app, world, home, free, profile):
    made = free(home, "440104")
    profile("national")
    admin, kind = login(app, world, "adm"), category()
    ask = f"/assignment-rules/preview?place=440104&category={kind.id}&mode=deliver&day={clock.today()}"
    with as_system("test"):
        from models import Institute

        names = {nick: db.session.get(Institute, pk).name for nick, pk in world.institutes.items()}
    assert names["A2"] in text(admin.get(ask)), "the nearest"
    form = {
        "position": "10",
        "division_prefix": "440104",
        "category_code": "",
        "mode": "deliver",
        "institute": world.institutes["A"],
        "valid_from": clock.today().isoformat(),
        "active": "y",
    }
    wrong = post(admin, "/assignment-rules/add", {**form, "division_prefix": "44010"})
    assert wrong.status_code == 422
    assert "须为2位（省）、4位（市）或6位（区县）数字" in text(wrong)
    assert "没有这个行政区划" in text(post(admin, "/assignment-rules/add", {**form, "division_prefix": "99"}))
    assert post(admin, "/assignment-rules/add", form).status_code == 303
    answer = text(admin.get(ask))
    assert names["A"] in answer
    assert "按指派规则" in answer
    assert names["A2"] in text(admin.get(ask.replace("deliver", "onsite")))
    assert "没有登记检定机构" in text(admin.get(ask.replace("440104", "150802")))
    with as_system("test"):
        row = db.session.get(Instrument, made)
        assert institute_for(db.session(), row, "deliver", clock.today()) == world.institutes["A"]
        rule = db.session.scalar(select(AssignmentRule.id).order_by(AssignmentRule.id.desc()).limit(1))
        lines = select(AuditLog).where(AuditLog.action == "add_assignment_rule")
        assert db.session.scalars(lines).first() is not None
    assert login(app, world, "regA").get(f"/assignment-rules/show/{rule}").status_code == 200
    assert login(app, world, home).get("/assignment-rules/list/").status_code == 403
    assert post(login(app, world, "regA"), f"/assignment-rules/delete/{rule}").status_code == 403
    assert post(admin, f"/assignment-rules/delete/{rule}").status_code == 303
    with as_system("test"):
        db.session.expire_all()
        assert db.session.get(AssignmentRule, rule) is None
