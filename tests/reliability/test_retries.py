"""I-23: a form that is sent twice, because the first answer was lost on the way, acts once and says so.

A form carries the version of the row it was opened on; the second request meets the version that the first one made.
"""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.operations.appointment import book
from models import AppointmentItem, TransitionLog
from tests.client import login, text, token
from tests.world import booked, filed, slot_of

VERSION = re.compile(r'name="seen_version"[^>]*value="(\d+)"')


def lines(session, entity, pk, step):
    with as_system("test"):
        session.rollback()
        found = select(func.count()).where(
            TransitionLog.entity == entity, TransitionLog.entity_id == pk, TransitionLog.step == step
        )
        return session.scalar(found)


def test_a_step_sent_twice(app, world, session):
    order = booked(world, "ua1")
    client = login(app, world, "recA")
    url = f"/appointments/step/send_back/{order.id}"
    page = text(client.get(url))
    data = {
        "reason": "器具与预约信息不符",
        "seen_version": VERSION.search(page).group(1),
        "csrf_token": token(client, url),
    }
    first, second = client.post(url, data=data), client.post(url, data=data)
    assert first.status_code == 303
    assert second.status_code in {303, 409, 422}
    assert lines(session, "appointment", order.id, "send_back") == 1
    said = text(client.get(f"/appointments/show/{order.id}"))
    assert "已被他人处理" in said or "不能执行" in said


def test_a_bulk_act_sent_twice(app, world, session):
    orders = []
    for _number in range(2):
        one, slot = filed(world, "ua1").id, slot_of(world, "A").id
        with world.acting("ua1") as actor:
            orders.append(book(session, actor, instrument_ids=[one], slot_id=slot).id)
            session.commit()
    client = login(app, world, "recA")
    data = {"action": "accept", "rowid": [str(pk) for pk in orders], "csrf_token": token(client)}
    for _number in range(2):
        assert client.post("/appointments/action_post", data=data).status_code == 303
    assert [lines(session, "appointment", pk, "accept") for pk in orders] == [1, 1]


@pytest.mark.parametrize("times", [2, 5])
def test_a_booking_sent_again_makes_no_second_order(app, world, session, times):
    one, slot = filed(world, "ua1").id, slot_of(world, "A").id
    client = login(app, world, "ua1")
    data = {
        "ids": str(one),
        "contact_name": "王小明",
        "contact_phone": "13912345678",
        "note": "",
        "slot_id": str(slot),
        "csrf_token": token(client),
    }
    codes = [client.post("/book/submit", data=data).status_code for _number in range(times)]
    assert codes[0] == 303
    assert set(codes[1:]) <= {409, 422, 303}
    with as_system("test"):
        session.rollback()
        found = select(func.count()).where(AppointmentItem.instrument_id == one)
        assert session.scalar(found) == 1, codes
