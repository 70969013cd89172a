"""UNM-02, VER-11, I-7: which instrument a record means, when it is looked for, and what it does to the ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app import clock
from app.access.principal import as_system
from app.operations import unmatched
from app.operations.instrument import edit_instrument
from app.operations.integrity import QUERIES, _query
from app.operations.merge import merge, unmerge
from app.workflow import UNMATCHED, fire
from models import Message
from models.base import db
from tests.client import login
from tests.client import text as text_of
from tests.unmatched.support import instrument_row, record, sent
from tests.world import instrument, new_unit, uscc

pytestmark = pytest.mark.usefixtures("context")


def as_seven():
    with as_system("test"):
        entry = next(q for q in QUERIES if q[0] == "I-7")
        return _query(db.session(), *entry).violations


def test_a_record_finds_its_instrument_when_it_arrives(app, world):
    row = instrument(world, "ua1", serial_no="AB(O1)-77881")
    pk = sent(world, serial_no="ab（01）－77881")
    found = record(pk)
    assert (found.state, found.instrument_id) == ("linked", row.id)
    row = instrument_row(row.id)
    assert (row.last_result, row.verified_on, row.certificate_no) == ("pass", found.verified_on, found.certificate_no)
    assert row.valid_until == found.valid_until
    assert as_seven() == 0


def test_of_several_with_one_number_the_name_decides_and_doubt_stays(app, world):
    one = instrument(world, "ua1", serial_no="TWIN-1", manufacturer="甲")
    other = instrument(world, "ua1", serial_no="TWIN-1", name="电子台秤", manufacturer="乙", model="TCS-1")
    assert record(sent(world, serial_no="TWIN-1", instrument_name="电子台秤")).instrument_id == other.id
    assert record(sent(world, serial_no="TWIN-1", instrument_name="别的秤")).state == "pending"
    third = instrument(world, "ua1", serial_no="TWIN-I", manufacturer="丙", model="ACS-15")
    assert record(sent(world, serial_no="TWIN-1")).state == "pending", f"{one.id} or {third.id}?"
    foreign = instrument(world, "ua2", serial_no="ELSEWHERE-9")
    assert record(sent(world, serial_no=foreign.serial_no)).instrument_id is None


@pytest.mark.feature("UNM-02")
def test_correcting_the_number_in_the_ledger_links_the_record(app, world):
    row = instrument(world, "ua1", serial_no="WRONG-4711")
    pk = sent(world, serial_no="RIGHT-4711")
    assert record(pk).state == "pending"
    with world.acting("ua1") as actor:
        edit_instrument(db.session(), actor, row.id, {"serial_no": "RIGHT-4711"}, seen_version=None)
        db.session.commit()
    assert (record(pk).state, record(pk).instrument_id) == ("linked", row.id)
    assert instrument_row(row.id).valid_until == record(pk).valid_until
    assert as_seven() == 0


def test_a_new_instrument_takes_the_record_that_waited(app, world):
    pk = sent(world)
    made = instrument(world, "ua1", serial_no=record(pk).serial_no)
    assert record(pk).instrument_id == made.id


def test_what_a_person_took_apart_is_not_joined_again_but_the_next_record_is(app, world):
    row = instrument(world, "ua1")
    pk = sent(world, serial_no=row.serial_no)
    with world.acting("ua1") as actor:
        fire(db.session(), UNMATCHED, pk, "unlink", actor, {"reason": "不是同一台器具"})
        db.session.commit()
    assert instrument_row(row.id).last_result is None
    with as_system("test"):
        assert unmatched.match_units(db.session()) == 0
    assert record(pk).state == "pending"
    assert record(sent(world, serial_no=row.serial_no)).state == "linked"


@pytest.mark.feature("VER-11")
def test_a_new_validity_takes_the_warning_away(app, world):
    row, today = instrument(world, "ua1"), clock.today()
    client = login(app, world, "ua1")
    for until, warned in ((today + timedelta(days=5), True), (today + timedelta(days=300), False)):
        sent(
            world,
            serial_no=row.serial_no,
            verified_on=(today - timedelta(days=20 if warned else 1)).isoformat(),
            valid_until=until.isoformat(),
        )
        assert (row.serial_no in text_of(client.get("/warnings/list/", follow_redirects=True))) == warned
    done = instrument_row(row.id)
    assert (done.last_result, done.state) == ("pass", "in_use")


@pytest.mark.feature("VER-11")
def test_the_ledger_names_the_last_institute_where_nothing_is_filed(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")
    filed_profile = instrument(world, "ua1")
    before = instrument_row(filed_profile.id).institute_id
    sent(world, serial_no=filed_profile.serial_no)
    assert instrument_row(filed_profile.id).institute_id == before, "a filing names the institute"
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    row = instrument(world, "ua1")
    pk = sent(world, serial_no=row.serial_no)
    assert record(pk).state == "linked"
    assert instrument_row(row.id).institute_id == record(pk).institute_id


@pytest.mark.feature("VER-11")
def test_the_later_day_wins_whatever_came_first(app, world):
    row = instrument(world, "ua1")
    today = clock.today()
    late = sent(world, serial_no=row.serial_no)
    old = (today - timedelta(days=200)).isoformat()
    early = sent(world, serial_no=row.serial_no, verified_on=old, valid_until=today.isoformat(), conclusion="合格")
    assert record(early).state == "linked"
    now = instrument_row(row.id)
    assert (now.verified_on, now.certificate_no) == (today, record(late).certificate_no)
    assert now.valid_until > today
    failed = sent(world, serial_no=row.serial_no, conclusion="不合格", valid_until="")
    now = instrument_row(row.id)
    assert (now.last_result, now.valid_until, now.certificate_no) == ("fail", None, record(failed).certificate_no)
    assert as_seven() == 0


def test_merged_rows_count_all_their_records(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")
    kept = instrument(world, "ua1", manufacturer="甲厂")
    gone = instrument(world, "ua1", serial_no=kept.serial_no + "X", manufacturer="乙厂")
    day = clock.today() - timedelta(days=30)
    sent(world, serial_no=gone.serial_no, verified_on=day.isoformat())
    assert instrument_row(gone.id).verified_on == day
    with world.acting("ua1") as actor:
        done = merge(db.session(), actor, kept.id, gone.id, confirmed=True)
        db.session.commit()
    assert instrument_row(kept.id).verified_on == day
    assert as_seven() == 0
    with world.acting("ua1") as actor:
        unmerge(db.session(), actor, done.id)
        db.session.commit()
    assert instrument_row(kept.id).verified_on is None
    assert instrument_row(gone.id).verified_on == day
    assert as_seven() == 0


def test_seven_notices_a_ledger_that_disagrees(app, world):
    row = instrument(world, "ua1")
    sent(world, serial_no=row.serial_no)
    with as_system("test"):
        db.session.execute(text("UPDATE instrument SET valid_until = valid_until + 1 WHERE id = :pk"), {"pk": row.id})
        assert as_seven() == 1
        db.session.rollback()


def test_every_morning_units_learn_of_what_is_new_and_late_units_get_their_records(app, world, monkeypatch, zhejiang):
    with monkeypatch.context() as usual:
        usual.setitem(app.config, "PROFILE", zhejiang)
        new_unit(world, "uDay", "440103", "recA", "A")
    pk = sent(world, "uDay")
    code = uscc(4_000_001)
    orphan = sent(world, unit_code=code, unit_name="还没有注册的单位")
    assert record(orphan).unit_id is None
    mine = select(Message).where(Message.account_id == world.people["uDay"], Message.key.like("unmatched-%"))
    with as_system("test"):
        assert unmatched.daily(db.session()) >= 1
        unmatched.daily(db.session())
        db.session.commit()
        told = db.session.execute(mine).scalars().all()
        assert len(told) == 1, "once a day"
        assert "有1条未匹配的检定记录待处理" in told[0].subject
        row = record(orphan)
        row.unit_code = world.codes["uDay"]  # as if it had registered since
        assert unmatched.adopt(db.session()) == 1
        assert (row.unit_id, row.unit_name) == (record(pk).unit_id, record(pk).unit_name)
        db.session.rollback()
