"""Cases 69–80: what the state machines never allow."""

from __future__ import annotations

import itertools
import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy import text as sql

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import acting_as, as_system
from app.errors import InvalidInputError, QuanhengError, SwitchedOffError, WrongStateError
from app.operations.appointment import book
from app.operations.job import run_job
from app.workflow import APPOINTMENT, INSTRUMENT, ITEM, REGISTRY, fire
from models import Account, Appointment, AppointmentItem, BulkLine, Instrument, Message, TransitionLog
from models.base import db
from tests.client import TOKEN, login, post, text
from tests.rules import leaks
from tests.world import booked, category, filed, slot_of

REASON = {"reason": "市场调整，暂不需要"}


@pytest.fixture(scope="module")
def rows(app, world):
    with app.app_context():
        made = leaks.one_of_each(world)
        db.session.remove()
    return made


def steps_in_log(session, entity: str, pk: int, step: str) -> int:
    with as_system("test"):
        where = (TransitionLog.entity == entity, TransitionLog.entity_id == pk, TransitionLog.step == step)
        return session.scalar(select(func.count()).where(*where))


def state_of(session, model, pk) -> str:
    with as_system("test"):
        session.expire_all()
        return session.get(model, pk).state


@pytest.mark.must_never(70)
def test_case_70_no_step_by_get_without_token_or_across_sites(app, world, rows):
    with app.app_context():
        pk = filed(world, "ua1").id
        db.session.remove()
    client = login(app, world, "ua1")
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    with app.app_context():
        before = leaks.fingerprint({Instrument: pk, **{m: k for m, k in rows.items() if m is not Instrument}})
        db.session.remove()
    page, api = f"/instruments/step/suspend/{pk}", f"/api/v1/instruments/{pk}/steps/suspend"
    data = {"seen_version": "1", "reason": "暂停使用一段时间"}
    tries = [
        client.get(page, query_string={**data, "csrf_token": token}),
        client.head(page),
        client.post(page, data=data),
        client.post(page, data={**data, "csrf_token": "x" * len(token)}),
        client.post(api, json={}),
        client.post(api, data="{}", content_type="text/plain"),
        client.get(api),
        client.post("/instruments/action_post", data={"action": "suspend", "rowid": str(pk)}),
        client.get("/instruments/action_post", query_string={"action": "suspend", "rowid": str(pk)}),
        client.get(f"/instruments/action/suspend/{pk}"),
    ]
    assert all(a.status_code in {200, 302, 303, 400, 401, 403, 404, 405} for a in tries), [a.status_code for a in tries]
    assert all(a.status_code == 400 for a in (tries[2], tries[3], tries[4], tries[7]))
    with app.app_context(), as_system("test"):
        assert db.session.get(Instrument, pk).state == "in_use"
        db.session.remove()
    from app.access.hardening import REQUIRED

    assert REQUIRED["SESSION_COOKIE_SAMESITE"] == "Lax"
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    with app.app_context():
        after = leaks.fingerprint({Instrument: pk, **{m: k for m, k in rows.items() if m is not Instrument}})
        assert after == before
        db.session.remove()


@pytest.mark.must_never(70)
@pytest.mark.parametrize("who", ["ua1", "recA", "adm"])
def test_case_70_reading_changes_nothing(app, world, who):
    """Every address that answers GET: the tables of business hold the same afterwards."""
    client = login(app, world, who)
    watched = list(REGISTRY.values())

    def sums() -> dict[str, tuple]:
        with app.app_context(), as_system("test"):
            found = {
                m.name: tuple(
                    db.session.execute(
                        select(func.count(), func.sum(m.model.version), func.max(m.model.updated_at))
                    ).one()
                )
                for m in watched
            }
            found["log"] = (db.session.scalar(select(func.count()).select_from(TransitionLog)),)
            db.session.remove()
        return found

    before = sums()
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            client.get(rule.rule, query_string={"action": "delete", "rowid": "1", "state": "closed", "delete": "1"})
    assert sums() == before


@pytest.mark.must_never(72)
def test_case_72_cancelling_and_accepting_at_once(app, world):
    for _round in range(4):
        with app.app_context():
            made = filed(world, "ua1").id
            slot = slot_of(world, "A").id
            with world.acting("ua1") as actor:
                order = book(db.session(), actor, instrument_ids=[made], slot_id=slot).id
                db.session.commit()
            before = dict(
                db.session.execute(
                    select(TransitionLog.step, func.count())
                    .where(TransitionLog.entity == "appointment", TransitionLog.entity_id == order)
                    .group_by(TransitionLog.step)
                    .execution_options(unscoped=True)
                )
                .tuples()
                .all()
            )
            db.session.remove()
        said = rivals(app, world, order, (("ua1", "cancel"), ("recA", "accept")))
        with app.app_context():
            state = state_of(db.session(), Appointment, order)
            won = [s for s in ("cancel", "accept") if steps_in_log(db.session(), "appointment", order, s)]
            assert len(won) == 1, (said, state)
            assert sorted(said.values()).count("done") == 1, said
            assert state == {"cancel": "withdrawn", "accept": "accepted"}[won[0]]
            assert not before.get("accept")
            db.session.remove()


def rivals(app, world, pk: int, pairs) -> dict[str, str]:
    """Two people take a step on one row at the same moment, each on a connection of his own."""
    gate, said = threading.Barrier(len(pairs)), {}

    def act(who: str, step: str) -> None:
        with app.app_context():
            try:
                with acting_as(principal_of(account_by_id(db.session(), world.people[who]))) as actor:
                    db.session.commit()
                    gate.wait(5)
                    fire(db.session(), APPOINTMENT, pk, step, actor, REASON)
                    db.session.commit()
                    said[step] = "done"
            except QuanhengError as error:
                db.session.rollback()
                said[step] = error.sentence
            finally:
                db.session.remove()

    threads = [threading.Thread(target=act, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return said


def to_deliver(world, session, **more):
    """An accepted order that the unit has to bring: it has a term."""
    order = booked(world, "ua1", delivery_mode="deliver", **more)
    with as_system("test"):
        session.expire_all()
        assert session.get(Appointment, order.id).deadline_at is not None
    return order


@pytest.mark.must_never(73, 74)
def test_case_73_and_74_the_clock_withdraws_once_and_never_what_came(world, session):
    came, late = to_deliver(world, session), to_deliver(world, session)
    with world.acting("recA") as actor:
        fire(session, ITEM, came.items[0], "receive", actor, {"checked": True})
        session.commit()
    with as_system("test"):
        over = session.get(Appointment, late.id).deadline_at + timedelta(seconds=1)
    with clock.frozen(over), as_system("the clock") as system:
        for order in (came, late):
            try:
                fire(session, APPOINTMENT, order.id, "auto_withdraw", system)
                session.commit()
            except QuanhengError:
                session.rollback()
        with pytest.raises(WrongStateError):
            fire(session, APPOINTMENT, late.id, "auto_withdraw", system)
        session.rollback()
    assert state_of(session, Appointment, came.id) == "in_progress"
    assert state_of(session, AppointmentItem, came.items[0]) == "received"
    assert state_of(session, Appointment, late.id) == "withdrawn"
    assert steps_in_log(session, "appointment", late.id, "auto_withdraw") == 1
    assert steps_in_log(session, "appointment", came.id, "auto_withdraw") == 0
    from app.channels.deliver import deliver

    with as_system("test"):
        deliver(session)
        link = f"/appointments/show/{late.id}"
        found = (
            session.execute(
                select(Message.subject, func.count())
                .where(Message.link == link, Message.account_id == world.people["ua1"])
                .group_by(Message.subject)
            )
            .tuples()
            .all()
        )
    assert all(count == 1 for _s, count in found)


@pytest.mark.must_never(75)
def test_case_75_only_what_the_clock_withdrew_and_twice_at_most(world, session):
    order = to_deliver(world, session)
    by_hand = to_deliver(world, session)
    with as_system("test") as system:
        for step in ("request_withdraw",):
            with world.acting("ua1") as actor:
                fire(session, APPOINTMENT, by_hand.id, step, actor, REASON)
            with world.acting("recA") as actor:
                names = {s.name for s in APPOINTMENT.steps}
                yes = (
                    "withdraw_ok" if "withdraw_ok" in names else next(n for n in names if "withdraw" in n and "ok" in n)
                )
                fire(session, APPOINTMENT, by_hand.id, yes, actor, REASON)
                session.commit()
        assert system
    with world.acting("ua1") as actor:
        with pytest.raises(InvalidInputError, match="只有系统自动撤销的预约单可以申请恢复"):
            fire(session, APPOINTMENT, by_hand.id, "request_restore", actor, REASON)
        session.rollback()
    for turn in range(3):
        with as_system("test"):
            session.expire_all()
            over = session.get(Appointment, order.id).deadline_at + timedelta(seconds=1)
        with clock.frozen(over):
            with as_system("the clock") as system:
                fire(session, APPOINTMENT, order.id, "auto_withdraw", system)
                session.execute(sql("UPDATE appointment SET updated_at = :t WHERE id = :i"), {"t": over, "i": order.id})
                session.commit()
            with world.acting("ua1") as actor:
                if turn == 2:
                    with pytest.raises(InvalidInputError, match="已恢复过2次"):
                        fire(session, APPOINTMENT, order.id, "request_restore", actor, REASON)
                    session.rollback()
                    break
                fire(session, APPOINTMENT, order.id, "request_restore", actor, REASON)
                session.commit()
            with world.acting("recA") as actor:
                fire(session, APPOINTMENT, order.id, "restore_ok", actor, REASON)
                session.commit()
    assert state_of(session, Appointment, order.id) == "withdrawn"


@pytest.mark.must_never(76)
@pytest.mark.parametrize("asked", list(itertools.product(("ok", "no"), repeat=2)))
def test_case_76_no_term_beyond_fourteen_working_days(world, session, asked):
    """Requests in any order and any answers: the term never lies behind the 14th working day after acceptance."""
    from app.workdays import deadline

    order = to_deliver(world, session)
    with as_system("test"):
        accepted = session.get(Appointment, order.id).accepted_at.astimezone(clock.ZONE).date()
        latest = deadline(session, accepted, 14)
    for hours, answer in enumerate(asked, start=1):
        with clock.frozen(clock.now() + timedelta(days=hours)):
            for who, step in (("ua1", "request_extension"), ("recA", f"extension_{answer}")):
                try:
                    with world.acting(who) as actor:
                        fire(session, APPOINTMENT, order.id, step, actor, REASON)
                        session.commit()
                except QuanhengError:
                    session.rollback()
        with as_system("test"):
            session.expire_all()
            assert session.get(Appointment, order.id).deadline_at <= latest
    with as_system("test"):
        assert steps_in_log(session, "appointment", order.id, "request_extension") == 1


@pytest.mark.must_never(77)
def test_case_77_messages_know_no_step(app, world):
    """Receiving a message is the person's own act; no machine and no operation of the system does it."""
    assert "message" not in REGISTRY
    with app.app_context(), as_system("test"):
        unread = db.session.scalar(select(func.count()).where(Message.received_at.is_not(None)))
        from app.channels.deliver import deliver

        deliver(db.session())
        assert db.session.scalar(select(func.count()).where(Message.received_at.is_not(None))) == unread
        db.session.remove()


OTHERS = 999
"""A thousand rows with the foreign one, ticked as many at once as a list allows."""


@pytest.mark.must_never(78)
def test_case_78_one_foreign_row_among_a_thousand(app, world):
    with app.app_context(), as_system("test"):
        common = {
            "purpose": "trade",
            "delivery_mode": "onsite",
            "state": "unfiled",
            "category_id": category().id,
            "use_division": "440103",
            "place": "x",
        }
        values = [
            {
                **common,
                "unit_id": world.units["ub1"],
                "name": f"第{n}台",
                "serial_no": f"B78-{n:04d}",
                "dup_key": f"b78-{n}",
                "search_text": f"B78-{n:04d}",
            }
            for n in range(OTHERS)
        ]
        table = Instrument.__table__
        ids = list(db.session.execute(insert(table).returning(table.c.id), values).scalars())
        births = [{"entity": "instrument", "entity_id": pk, "step": "add", "to_state": "unfiled"} for pk in ids]
        who = {"actor_name": "测试", "actor_role": "SYS", "unit_id": world.units["ub1"]}
        db.session.execute(insert(TransitionLog), [{**birth, **who} for birth in births])
        db.session.commit()
        foreign = filed(world, "ua2").id
        db.session.remove()
    client = login(app, world, "ub1")
    keys = [*ids[:500], foreign, *ids[500:]]
    step = next(s for s in INSTRUMENT.steps if s.name == "delete")
    assert step.bulk
    answer = post(client, "/instruments/action_post", {"action": "delete", "rowid": [str(k) for k in keys]})
    assert answer.status_code == 303, text(answer)
    job = int(re.search(r"\d+", answer.location).group())
    for part in ("confirm", ""):  # what would happen, then the doing
        with app.app_context():
            run_job(db.session(), job)
            db.session.remove()
        if part:
            assert post(client, f"/bulk/{job}/{part}").status_code == 303
    page = text(client.get(f"/jobs/{job}"))
    with app.app_context(), as_system("test"):
        lines = select(BulkLine.outcome, func.count()).where(BulkLine.job_id == job).group_by(BulkLine.outcome)
        counted = dict(db.session.execute(lines).tuples().all())
        done = db.session.scalar(select(func.count()).where(Instrument.id.in_(ids), Instrument.state == "purged"))
        assert db.session.get(Instrument, foreign).state == "in_use"
        db.session.remove()
    assert done == OTHERS
    assert counted == {"done": OTHERS, "failed": 1}
    assert "记录不存在或您无权查看" in page


@pytest.mark.must_never(79)
def test_case_79_what_is_switched_off_is_not_there(app, world, session, monkeypatch):
    """national: no sub-users, no filing; hohhot: no affiliation, no booking. By operation, page and REST: 404 and nothing."""
    from app import profiles

    instrument = filed(world, "ua1").id
    with as_system("test"):
        session.rollback()
        counts = {m: session.scalar(select(func.count()).select_from(m)) for m in (Account, TransitionLog)}
    client, person = login(app, world, "ua1"), login(app, world, "ind")
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    profiles.forget()
    for machine, step, who in (
        (INSTRUMENT, "retire", "ua1"),
        (INSTRUMENT, "merge", "ua1"),
        (INSTRUMENT, "change_nozzle", "ua1"),
    ):
        with world.acting(who) as actor:
            with pytest.raises(SwitchedOffError, match="本平台未开通此功能"):
                fire(session, machine, instrument, step, actor, REASON)
            session.rollback()
    for machine in REGISTRY.values():
        for step in machine.steps:
            if step.switch and step.switch.startswith(
                ("filing", "affiliation", "subaccounts", "appointment.", "former")
            ):
                from app.workflow.engine import check_role

                with world.acting("ua1") as actor, pytest.raises(SwitchedOffError):
                    check_role(step, actor)
    tried = [
        client.get("/subaccounts/list/"),
        client.get("/subaccounts/invite"),
        client.post("/subaccounts/invite", data={"csrf_token": token, "name": "x", "phone": "13612340000"}),
        person.get("/me/affiliation"),
        post(person, "/me/affiliation", {"code": world.codes["ua1"]}),
        client.post(f"/instruments/step/retire/{instrument}", data={"csrf_token": token, **REASON}),
        client.post(f"/api/v1/instruments/{instrument}/steps/retire", json=REASON, headers={"X-CSRFToken": token}),
    ]
    assert [a.status_code for a in tried] == [404] * len(tried)
    assert tried[-1].get_json()["error"] == "本平台未开通此功能。"
    with as_system("test"):
        session.expire_all()
        assert {m: session.scalar(select(func.count()).select_from(m)) for m in counts} == counts


@pytest.mark.must_never(80)
def test_case_80_locked_fields_have_no_side_door(app, world, session):
    from app.operations.instrument import edit_instrument, locked_fields
    from tests.ledger.support import form_data

    made = filed(world, "ua1")
    pk, serial, maker = made.id, made.serial_no, made.manufacturer
    with world.acting("ua1") as actor:
        locked = locked_fields(session.get(Instrument, pk))
        assert {"serial_no", "name", "use_division"} & locked
        with pytest.raises(QuanhengError):
            edit_instrument(session, actor, pk, {"serial_no": "GEFÄLSCHT"}, seen_version=None)
        session.rollback()
        for step in ("edit", "bulk_edit", "complete_info", "update_address", "merge", "copy"):
            try:
                fire(session, INSTRUMENT, pk, step, actor, {"serial_no": "X", "name": "X", "into": str(pk)})
                session.commit()
            except QuanhengError:
                session.rollback()
    client = login(app, world, "ua1")
    post(client, f"/instruments/edit/{pk}", form_data(serial_no="GEFÄLSCHT", name="别的", use_division="440104"))
    post(client, "/instruments/action_post", {"action": "bulk_edit", "rowid": str(pk), "serial_no": "GEFÄLSCHT"})
    headers = {"X-CSRFToken": TOKEN.search(text(client.get("/home/"))).group(1)}
    client.put(f"/api/v1/instruments/{pk}", json={"serial_no": "GEFÄLSCHT"}, headers=headers)
    client.post(f"/api/v1/instruments/{pk}/steps/bulk_edit", json={"serial_no": "GEFÄLSCHT"}, headers=headers)
    with as_system("test"):
        session.expire_all()
        found = session.get(Instrument, pk)
        assert (found.serial_no, found.manufacturer, found.use_division) == (serial, maker, "440103")
        assert found.name == "电子计价秤"
