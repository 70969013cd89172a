"""I-23: a form that is sent twice, because the first answer was lost on the way, acts once and says so.

A form carries the version of the row it was opened on; the second request meets the version that the first one made. A
program names its request by a key of its own and gets the first answer again.
"""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.operations.appointment import book
from models import AppointmentItem, IdempotencyKey, TransitionLog
from tests.client import login, text, token
from tests.world import booked, filed, instrument, slot_of

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


# -- keys of the caller's own ---------------------------------------------------------------------------------------------


def suspended(session, pk):
    return lines(session, "instrument", pk, "suspend")


def asked(client, pk, key, reason="停用检修一段时间", **more):
    headers = {"X-CSRFToken": token(client), "Idempotency-Key": key}
    return client.post(f"/api/v1/instruments/{pk}/steps/suspend", json={"reason": reason, **more}, headers=headers)


def test_the_same_key_acts_once_and_answers_the_same(app, world, session):
    pk = instrument(world, "ua1").id
    client = login(app, world, "ua1")
    first = asked(client, pk, "order-1")
    again = [asked(client, pk, "order-1") for _number in range(3)]
    assert first.status_code == 200
    assert {(a.status_code, a.get_data()) for a in again} == {(200, first.get_data())}
    assert {a.headers.get("Idempotent-Replayed") for a in again} == {"true"}
    assert "Idempotent-Replayed" not in first.headers
    assert suspended(session, pk) == 1


def test_one_key_for_another_request_is_refused(app, world, session):
    one, two = instrument(world, "ua1").id, instrument(world, "ua1").id
    client = login(app, world, "ua1")
    assert asked(client, one, "order-2").status_code == 200
    for answer in (asked(client, two, "order-2"), asked(client, one, "order-2", reason="另外一个停用原因")):
        assert answer.status_code == 422
        assert "已用于另一个请求" in answer.json["error"]
    assert suspended(session, two) == 0
    for wrong in ("x" * 101, "钥匙"):
        assert asked(client, two, wrong.encode().decode("latin-1")).status_code == 422
    assert asked(client, two, "order-3").status_code == 200, "the own key of each request"


def test_a_refused_request_is_asked_again(app, world, session):
    made = instrument(world, "ua1")
    pk, version = made.id, made.version
    client = login(app, world, "ua1")
    assert asked(client, pk, "order-4", version=version + 9).status_code == 409
    assert asked(client, pk, "order-4", version=version).status_code == 200
    assert suspended(session, pk) == 1


def test_a_key_is_its_accounts_own(app, world, session):
    mine, theirs = instrument(world, "ua1").id, instrument(world, "ua2").id
    assert asked(login(app, world, "ua1"), mine, "order-5").status_code == 200
    answer = asked(login(app, world, "ua2"), theirs, "order-5")
    assert answer.status_code == 200
    assert suspended(session, theirs) == 1


def test_a_form_with_a_key_leads_to_the_same_page(app, world, session):
    one, slot = filed(world, "ua1").id, slot_of(world, "A").id
    client = login(app, world, "ua1")
    data = {"ids": str(one), "contact_name": "王小明", "contact_phone": "13912345678", "note": "", "slot_id": str(slot)}
    answers = [
        client.post("/book/submit", data={**data, "csrf_token": token(client)}, headers={"Idempotency-Key": "form-1"})
        for _number in range(3)
    ]
    assert {(a.status_code, a.location) for a in answers} == {(303, answers[0].location)}
    assert answers[0].location


def test_many_at_once_under_one_key_are_one_act(app, world, session):
    """Twenty rounds of four threads that send the same request together, as a client does that gave up waiting."""
    client = login(app, world, "ua1")
    csrf, cookie = token(client), client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    for number in range(20):
        pk = instrument(world, "ua1").id
        session.commit()
        gate, answers = threading.Barrier(4), []

        def send(pk=pk, gate=gate, answers=answers, number=number):
            own = app.test_client()
            own.set_cookie(cookie.key, cookie.value, domain=cookie.domain)
            headers = {"X-CSRFToken": csrf, "Idempotency-Key": f"race-{number}"}
            gate.wait()
            answer = own.post(
                f"/api/v1/instruments/{pk}/steps/suspend", json={"reason": "停用检修一段时间"}, headers=headers
            )
            answers.append((answer.status_code, answer.get_data()))

        threads = [threading.Thread(target=send) for _each in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(answers)) == 1, answers
        assert answers[0][0] == 200
        assert suspended(session, pk) == 1


def test_keys_are_forgotten_after_a_day(app, world, session):
    import jobs.tasks

    pk = instrument(world, "ua1").id
    assert asked(login(app, world, "ua1"), pk, "order-6").status_code == 200
    with as_system("test"):
        kept = select(func.count()).select_from(IdempotencyKey).where(IdempotencyKey.key == "order-6")
        assert session.scalar(kept) == 1
        session.rollback()
    with clock.frozen(clock.now() + timedelta(hours=25)):
        jobs.tasks.clean_up()
    with as_system("test"):
        session.rollback()
        assert session.scalar(kept) == 0
