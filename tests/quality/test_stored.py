"""The score stands with the row, is caught up at night, and the page leads to what must be repaired."""

from __future__ import annotations

from sqlalchemy import text

from app.access.principal import as_system
from app.operations.instrument import edit_instrument
from app.operations.instrument_quality import fault_counts, quality_by_county, quality_of_unit, refresh
from models import Instrument
from tests.client import login
from tests.client import text as body
from tests.world import instrument


def good(world, **more):
    values = {"accuracy_class": "Ⅲ", "measuring_range": "(0-30)kg", "manufacturer": "上海大华电子秤厂", **more}
    return instrument(world, "ua2", **values)


def test_a_new_row_is_scored_at_once_and_an_edit_scores_it_anew(world, session):
    made = good(world, accuracy_class="")
    session.refresh(made)
    assert made.quality_faults == ["no_class"]
    assert made.quality == 90
    version = made.version
    with world.acting("ua2") as actor:
        edit_instrument(session, actor, made.id, {"accuracy_class": "Ⅲ"}, seen_version=version)
        session.commit()
    session.refresh(made)
    assert (made.quality, made.quality_faults) == (100, [])


def test_what_came_in_by_sql_is_scored_in_the_night(world, session):
    one, other = good(world), good(world)
    with as_system("test"):
        session.execute(
            text("UPDATE instrument SET serial_no = :s, quality = NULL, quality_faults = '[]' WHERE id = :i"),
            {"s": one.serial_no, "i": other.id},
        )
        stamp = session.scalar(text("SELECT updated_at FROM instrument WHERE id = :i"), {"i": other.id})
        assert refresh(session, Instrument.id.in_([one.id, other.id])) == 2
        session.expire_all()
        assert one.quality_faults == other.quality_faults == ["serial_twice"]
        assert other.updated_at == stamp
        session.rollback()


def test_the_unit_sees_its_score_and_the_way_to_the_rows(app, world, session):
    made = good(world, model="", manufacturer="国产")
    with world.acting("ua2") as actor:
        found = quality_of_unit(session, actor)
        faults = {f.rule.code: f.count for f in found.faults}
        assert 0 <= found.score < 100
        assert faults["no_model"] >= 1
        assert faults["maker_junk"] >= 1
    client = login(app, world, "ua2")
    page = body(client.get("/quality"))
    assert "没有填写型号规格" in page
    assert "/instruments/list/?_flt_x_fault=no_model" in page
    listed = body(client.get("/instruments/list/?_flt_x_fault=maker_junk"))
    assert made.serial_no in listed
    assert made.serial_no not in body(client.get("/instruments/list/?_flt_x_fault=serial_twice"))


def test_the_regulator_sees_counties_of_the_area_only(app, world, session):
    good(world)
    with world.acting("regA1"):
        places = quality_by_county(session)
        assert {p.code for p in places} == {"440103"}
        assert places[0].instruments >= 1
    client = login(app, world, "regA1")
    assert "440103" in body(client.get("/quality"))


def test_counts_are_within_scope(world, session):
    made = good(world, model="")
    with world.acting("ub1"):
        assert fault_counts(session, Instrument.id == made.id) == ()


def test_others_have_no_such_page(app, world):
    assert login(app, world, "recA").get("/quality").status_code == 403
