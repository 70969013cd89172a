"""Duplicates per profile and under concurrency, what a record lacks, who verifies it, its code."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.access.principal import acting_as, as_system
from app.errors import ConflictError
from app.operations.completeness import incomplete, missing_of
from app.operations.filing import submit_filings
from app.operations.instrument import add_instrument, check_values
from app.operations.instrument_code import give_code
from models import Instrument
from models.base import db
from models.certificate import NumberCounter
from tests.client import post, text
from tests.ledger.support import form_data, fresh_unit
from tests.world import booked, category, filed, instrument, slot_of


def under(monkeypatch, app, profile):
    monkeypatch.setitem(app.config, "PROFILE", profile)


def only(session, serial):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Instrument).where(Instrument.serial_no == serial)).scalars().all()


@pytest.mark.feature("LED-14")
def test_the_key_of_a_duplicate_is_the_profile_s(app, world, browser, session, monkeypatch):
    client = browser(fresh_unit(world, "udup"))

    def add(profile, **changes):
        under(monkeypatch, app, profile)
        return post(client, "/instruments/add", form_data(kind="working", **changes)).status_code

    assert add("national", serial_no="D-1", manufacturer="甲厂") == 303
    assert add("national", serial_no="Ｄ-1 ", manufacturer="甲厂", name="别的秤") == 422
    assert add("national", serial_no="D-1", manufacturer="乙厂") == 303
    assert add("guangdong", serial_no="D-2", own_no="1") == 303
    assert add("guangdong", serial_no="D-2", own_no="1") == 422
    assert add("guangdong", serial_no="D-2", own_no="2") == 303
    assert add("guangdong", serial_no="D-2", own_no="2", model="另一型号") == 303


def test_the_scope_of_duplicates_may_be_the_whole_platform(app, world, browser, session, monkeypatch):
    from app import profiles

    wide = {**profiles.load("all"), "ledger": {**profiles.load("all")["ledger"], "duplicate_scope": "system"}}
    first, second = browser("ua1"), browser("ub1")
    assert post(first, "/instruments/add", form_data(serial_no="WIDE-1")).status_code == 303
    with monkeypatch.context() as patch:
        patch.setattr(profiles, "load", lambda _name: wide)
        answer = post(second, "/instruments/add", form_data(serial_no="WIDE-1"))
        assert "该器具已由其他单位录入" in text(answer)
    assert post(second, "/instruments/add", form_data(serial_no="WIDE-1")).status_code == 303


@pytest.mark.feature("LED-14")
def test_two_who_save_the_same_instrument_at_once_make_one_record(app, world, session):
    fresh_unit(world, "urace")
    actor = world.principal("urace")
    kind, ready, outcomes = category().id, threading.Barrier(2, timeout=20), []
    session.commit()
    values = {
        "name": "电子台秤", "category_id": kind, "serial_no": "RACE-1", "model": "", "manufacturer": "大华",
        "use_division": "440103", "place": "市场", "purpose": "trade", "delivery_mode": "onsite", "quantity": 1,
    }  # fmt: skip

    def save():
        with app.app_context(), acting_as(actor):
            try:
                ready.wait()
                add_instrument(db.session(), actor, values)
                db.session.commit()
                outcomes.append("saved")
            except (ConflictError, IntegrityError) as error:
                db.session.rollback()
                outcomes.append(getattr(error, "sentence", type(error).__name__))
            finally:
                db.session.remove()

    threads = [threading.Thread(target=save) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert min(outcomes, key=len) == "saved"
    assert len(only(session, "RACE-1")) == 1
    assert any("该器具已存在" in word for word in outcomes)


@pytest.mark.feature("LED-05")
def test_a_copy_carries_nothing_of_verification_filing_or_numbers(app, world, browser, session):
    client, made = browser("ua1"), filed(world, "ua1", name="电子台秤", own_no="N-7")
    with as_system("test"):
        row = session.get(Instrument, made.id)
        serial, code = row.serial_no, row.code
    assert code
    form = text(client.get(f"/instruments/copy/{made.id}")).split('id="instrument-form"')[1]
    assert 'value="电子台秤"' in form
    for word in (serial, "N-7", code):
        assert word not in form
    unchanged = form_data(name="电子台秤", serial_no=serial)
    assert "该器具已存在" in text(post(client, "/instruments/add", unchanged))
    assert post(client, "/instruments/add", {**unchanged, "serial_no": "COPY-9"}).status_code == 303
    copied = only(session, "COPY-9")[0]
    assert (copied.state, copied.code, copied.filed_on, copied.last_result) == ("unfiled", None, None, None)


@pytest.mark.feature("LED-16")
def test_what_a_record_lacks_is_marked_and_completed(app, world, browser, session, monkeypatch):
    under(monkeypatch, app, "zhejiang")
    made = instrument(world, "ua1", measuring_range="", category_id=category().id)
    client = browser("ua1")

    def marked():
        with as_system("test"), app.test_request_context():
            row = db.session.get(Instrument, made.id)
            found = db.session.scalar(select(Instrument.id).where(incomplete(), Instrument.id == made.id))
            missing = missing_of(row)
        assert bool(found) == bool(missing)
        return missing

    assert marked() == ["measuring_range"]
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert f"/instruments/complete/{made.id}" in page
    form = text(client.get(f"/instruments/complete/{made.id}"))
    assert 'name="measuring_range"' in form
    assert 'name="serial_no"' not in form
    assert "请填写“测量范围”。" in text(post(client, f"/instruments/complete/{made.id}", {"measuring_range": ""}))
    sent = {"measuring_range": "(0-30)kg", "serial_no": "HACKED"}
    assert post(client, f"/instruments/complete/{made.id}", sent).status_code == 303
    assert marked() == []
    assert only(session, "HACKED") == []
    assert f"/instruments/complete/{made.id}" not in text(client.get(f"/instruments/show/{made.id}"))
    with as_system("test"):
        from models.log import TransitionLog

        lines = select(TransitionLog.step).where(TransitionLog.instrument_id == made.id).order_by(TransitionLog.id)
        steps = session.scalars(lines).all()
    assert steps[-1] in {"complete_info", "edit"}


def test_an_instrument_without_catalogue_entry_is_completed_with_one(app, world, browser, session, monkeypatch):
    under(monkeypatch, app, "zhejiang")
    made = instrument(world, "ua1", name="奇异仪", measuring_range="1", category_id=category("未分类").id)
    client = browser("ua1")
    form = text(client.get(f"/instruments/complete/{made.id}"))
    assert 'name="category"' in form
    assert post(client, f"/instruments/complete/{made.id}", {"category": category("焦度计").code}).status_code == 303
    session.rollback()
    with as_system("test"):
        session.expire_all()
        assert session.get(Instrument, made.id).category.level2 == "焦度计"


def test_the_record_of_another_unit_cannot_be_completed(app, world, browser, session):
    made = instrument(world, "ub1")
    for method in (browser("ua1").get, lambda url: post(browser("ua1"), url, {})):
        assert method(f"/instruments/complete/{made.id}").status_code == 404
    assert post(browser("ua1"), f"/instruments/files/{made.id}", {}).status_code == 404


@pytest.mark.feature("LED-25")
def test_another_district_is_another_institute(app, world, browser, session, monkeypatch):
    from app.operations.assignment import proposed_institute
    from models.organisation import Institute
    from models.reference import Division

    under(monkeypatch, app, "national")
    client = browser(fresh_unit(world, "uplace"))
    with as_system("test"):
        kind = category().id
        ours = select(Institute).where(Institute.id.in_(world.institutes.values()))  # not those of the demonstration
        places = [(i.division_code, i.name) for i in session.execute(ours).scalars() if i.level == "city"]
    names = {}
    for code in sorted({place[:4] + "03" for place, _name in places}):
        with as_system("test"):
            if session.get(Division, code) is None:  # other tests add institutes of places without such a county
                continue
            found = proposed_institute(session, kind, code)
        if found is not None:
            names[code] = found.name
    assert len(set(names.values())) > 1, names
    (first, second), serial = list(names)[:2], "PLACE-1"

    def note(code):
        data = {**form_data(use_division=code), "field": "use_division"}
        return post(client, "/instruments/check", data).json["note"]

    assert (note(first), note(second)) == (f"检定机构：{names[first]}", f"检定机构：{names[second]}")
    data = form_data(use_division=first, serial_no=serial)
    assert post(client, "/instruments/add", data).status_code == 303
    made = only(session, serial)[0]
    with as_system("test"):
        assert made.institute.name == names[first]
    assert post(client, f"/instruments/edit/{made.id}", {**data, "use_division": second}).status_code == 303
    again = only(session, serial)[0]
    with as_system("test"):
        assert again.institute.name == names[second]


@pytest.mark.feature("LED-26")
def test_the_code_comes_with_the_first_submission_and_stays(app, world, session):
    made = instrument(world, "ua1")
    assert made.code is None
    with world.acting("ua1") as actor:
        data = {"institute_id": world.institutes["A"], "declaration": True}
        assert submit_filings(session, actor, [made.id], data).done == [made.id]
        session.commit()
    with as_system("test"):
        session.expire_all()
        code = session.get(Instrument, made.id).code
        assert len(code) == 18
        assert code.isdecimal()
        assert code.startswith("440103")
        order = booked(world, "ua1")
        codes = [session.get(Instrument, pk).code for pk in (made.id, *order.instruments)]
        assert len(set(codes)) == len(codes)
        assert give_code(session, session.get(Instrument, made.id)) == code


@pytest.mark.feature("LED-26")
def test_an_appointment_gives_the_code_where_nothing_is_filed(app, world, session):
    from app.operations.appointment import book

    made = filed(world, "ua1")
    with world.acting("ua1") as actor:
        row = session.get(Instrument, made.id)
        row.code = None
        session.flush()
        book(session, actor, instrument_ids=[row.id], slot_id=slot_of(world, "A").id)
        assert row.code.startswith("440103")
        session.rollback()


def test_a_day_that_used_up_its_numbers_borrows_from_the_next(app, world, session):
    made = instrument(world, "ua1", division="440104")
    with as_system("test"):
        from app import clock

        row = session.get(Instrument, made.id)
        session.merge(
            NumberCounter(kind="instrument_code", owner="440104", period=f"{clock.today():%Y%m%d}", value=9999)
        )
        session.flush()
        code = give_code(session, row)
        assert code.endswith("0001")
        assert code[6:14] > f"{clock.today():%Y%m%d}"
        session.rollback()


def test_a_deployment_s_own_unit_fills_the_values(app, world, session, monkeypatch):
    under(monkeypatch, app, "hohhot")
    with world.acting("ua1"), app.test_request_context():
        from app.access.principal import current_principal

        assert current_principal() is not None
        from app.errors import InvalidInputError

        with pytest.raises(InvalidInputError) as caught:
            check_values(session, {"name": "电子秤", "serial_no": "1"})
    assert set(caught.value.problems) == {"valid_until", "institute"}
