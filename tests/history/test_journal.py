"""Every write leaves old → new; the past found from the journal is the past that was (LED-28, BEYOND 2, I-12)."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError
from app.operations import journal as reading
from app.operations.appointment import save_draft
from app.operations.certificate import edit_result
from app.operations.history import entity_history, instrument_history
from app.operations.instrument import edit_instrument
from app.workflow import INSTRUMENT, REGISTRY
from app.workflow import journal as writing
from models import Account, Appointment, Instrument, TransitionLog
from models.base import db
from tests.history.support import START, lines_of, live
from tests.world import booked, drafted, filed, instrument, issued, result_form, slot_of


def test_a_birth_carries_the_values_and_an_edit_old_and_new(world, session):
    made = instrument(world, "ua1", note="备用")
    with world.acting("ua1") as actor:
        edit_instrument(session, actor, made.id, {"place": "仓库2号", "note": ""}, seen_version=made.version)
        session.commit()
    birth, edit = lines_of(session, "instrument", made.id)
    assert birth.input["born"]["name"] == "电子计价秤"
    assert birth.input["born"]["note"] == "备用"
    assert "changed" not in birth.input
    assert "own_no" not in birth.input["born"]
    assert edit.input["changed"] == {"place": ["农贸市场1号", "仓库2号"], "note": ["备用", ""]}


def test_what_a_caused_step_writes_stands_in_its_own_line(world, session):
    made = filed(world, "ua1")
    line = lines_of(session, "instrument", made.id)[-1]
    assert line.step == "filing_ok"
    assert line.input["changed"]["institute_id"] == [None, world.institutes["A"]]
    assert made.institute_id == world.institutes["A"]


def test_a_certificate_leaves_the_new_result_in_one_line(world, session):
    order = booked(world, "ua1")
    issued(world, order.items[0])
    lines = lines_of(session, "instrument", order.instruments[0])
    (update,) = [line for line in lines if line.step == "cert_update"]
    stray = [line.input["changed"] for line in lines if line.step == writing.AMEND]
    assert all(set(changed) == {"code"} for changed in stray)  # the code is given when the booking goes out
    changed = update.input["changed"]
    assert changed["last_result"] == [None, "pass"]
    assert changed["verified_on"] == [None, str(clock.today())]


def test_a_corrected_draft_tells_what_was_retyped(world, session):
    order = booked(world, "ua1")
    pk = drafted(world, order.items[0])
    with world.acting("verA") as actor:
        edit_result(session, actor, pk, result_form("fail"), seen_version=None)
        session.commit()
    line = lines_of(session, "certificate", pk)[-1]
    assert line.step == "edit"
    assert line.input["changed"]["conclusion"] == ["pass", "fail"]


def test_causes_stand_before_their_consequences(world, session):
    made = filed(world, "ua1")
    statement = select(TransitionLog.entity, TransitionLog.step).where(TransitionLog.instrument_id == made.id)
    with as_system("test"):
        rows = [tuple(r) for r in session.execute(statement.order_by(TransitionLog.id))]
    assert rows.index(("filing", "approve")) < rows.index(("instrument", "filing_ok"))


def test_a_write_outside_a_step_leaves_a_line_of_its_own(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1"):
        made.station = "东站"
        session.commit()
    line = lines_of(session, "instrument", made.id)[-1]
    assert (line.step, line.from_state, line.to_state) == (writing.AMEND, "unfiled", "unfiled")
    assert line.input["changed"] == {"station": ["", "东站"]}
    assert line.actor_id == world.people["ua1"]


def test_a_write_of_what_is_there_already_leaves_none(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1"):
        made.station, made.place = "", str(made.place)
        session.commit()
    assert [line.step for line in lines_of(session, "instrument", made.id)] == ["add"]


def test_numbers_of_persons_never_get_in(world, session):
    made = instrument(world, "ua1", note="找13912345678")
    with world.acting("ua1") as actor:
        edit_instrument(session, actor, made.id, {"note": "改找13812340000"}, seen_version=None)
        session.commit()
        slot = slot_of(world, "A")
        order = save_draft(session, actor, instrument_ids=[filed(world, "ua1").id], slot_id=slot.id)
        session.commit()
    said = str([line.input for line in lines_of(session, "instrument", made.id)])
    assert "13912345678" not in said
    assert "13812340000" not in said
    assert "139****5678" in said
    (line,) = [x for x in lines_of(session, "appointment", order.id) if "born" in x.input]
    assert not {"contact_name", "contact_phone"} & set(line.input["born"])
    assert {"contact_phone", "contact_name"} & set(writing.columns(Appointment)) == set()
    assert {"name", "phone", "email", "totp_secret", "address"} & set(writing.columns(Account)) == set()


def test_a_stored_record_is_told_the_same_by_sql_and_by_python(world, session):
    made = instrument(world, "ua1", purchased_on=clock.today())
    row = db.session.execute(
        text(f"SELECT {writing.born_sql(Instrument, 'i')} FROM instrument i WHERE i.id = :pk"), {"pk": made.id}
    ).scalar_one()
    record = {c.key: getattr(made, c.key) for c in Instrument.__mapper__.column_attrs}
    told = writing.born_of(Instrument, record)
    assert row == told
    assert "search_text" not in row
    assert "state" not in row


def test_the_past_of_a_thousand_random_moments_is_what_the_photographs_show(world, session):
    dice, tried = random.Random(2), 0
    lives = [live(world, seed) for seed in range(8)]
    for _each in range(125):
        for pk, shots in lives:
            place = dice.randrange(len(shots))
            end = shots[place + 1][0] if place + 1 < len(shots) else shots[place][0] + timedelta(days=30)
            moment = shots[place][0] + (end - shots[place][0]) * dice.random() * 0.999
            with as_system("test"):
                then = reading.as_was(session, INSTRUMENT, session.get(Instrument, pk), moment)
            seen = {"state": then.state, **{k: writing.blank(v) for k, v in then.values.items()}}
            assert seen == shots[place][1], (pk, moment)
            tried += 1
    assert tried == 1_000


def test_before_its_birth_there_was_nothing(world, session):
    pk, shots = live(world, 40, steps=1)
    with as_system("test"):
        then = reading.as_was(session, INSTRUMENT, session.get(Instrument, pk), shots[0][0] - timedelta(seconds=1))
    assert not then.known
    assert then.state is None


def test_every_row_of_the_world_is_what_its_history_says(world, session):
    order = booked(world, "ua1", count=2)
    issued(world, order.items[0], conclusion="fail")
    live(world, 50, steps=5)
    with as_system("test"):
        rows = list(session.scalars(select(Instrument.id).where(Instrument.unit_id == world.units["ua1"])))
        for workflow in REGISTRY.values():
            if workflow.model.__tablename__ in writing.NET:
                ids = rows if workflow is INSTRUMENT else None
                assert list(reading.differing(session, workflow, ids)) == [], workflow.name


def test_a_row_that_somebody_changed_behind_the_history_is_found(world, session):
    made = instrument(world, "ua1")
    with as_system("test"):
        before = reading.broken(session)
        session.execute(text("UPDATE instrument SET place = '别处' WHERE id = :pk"), {"pk": made.id})
        session.expire_all()
        assert reading.broken(session) == before + 1
        assert list(reading.differing(session, INSTRUMENT, [made.id])) == [(made.id, "place")]
        session.rollback()


@pytest.mark.parametrize(("typed", "moment"), [("2026-03-14", "2026-03-14T23:59:59.999999+08:00")])
def test_a_day_means_its_end(typed, moment):
    assert reading.moment_of(typed).isoformat() == moment


@pytest.mark.parametrize("typed", ["2026-13-01", "昨天", "9999-99-99", "2026/03/14"])
def test_a_date_that_is_none_is_refused(typed):
    with pytest.raises(InvalidInputError):
        reading.moment_of(typed)


def test_lines_of_old_without_values_stay_readable(world, session):
    made = instrument(world, "ua1")
    with as_system("test"):
        line = TransitionLog(
            entity="instrument",
            entity_id=made.id,
            step="edit",
            from_state="unfiled",
            to_state="unfiled",
            actor_name="旧",
            actor_role="ENT",
            at=START,
            input={},
            instrument_id=made.id,
        )
        session.add(line)
        session.flush()
        lines = entity_history(session, world.principal("ua1"), "instrument", made.id)
        assert [x.step for x in lines] == ["新增", "修改"]
        assert lines[1].changes == ()
        session.rollback()


def test_the_history_speaks_in_words(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor:
        change = {"purpose": "safety", "use_division": "440104"}
        edit_instrument(session, actor, made.id, change, seen_version=None)
        session.commit()
        line = instrument_history(session, actor, made.id)[-1]
    told = {c.label: (c.old, c.new) for c in line.changes}
    assert told["器具用途"] == ("贸易结算", "安全防护")
    assert told["使用地点行政区划"] == ("越秀区", "海珠区") or "区" in told["使用地点行政区划"][0]


def test_a_correction_of_a_paper_is_no_stray_write(world, session):
    order = booked(world, "ua1")
    pk = issued(world, order.items[0])
    steps = {line.step for line in lines_of(session, "certificate", pk)}
    assert steps == {"create", "submit", "check", "issue", "publish"}
