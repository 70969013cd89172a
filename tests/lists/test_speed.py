"""What keeps lists quick: which text searches ask the index, few rows sorted apart, counts that stop; and 待完善 (LED-16)."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from app.access.principal import as_system
from app.fab import grams
from app.fab.interface import PGInterface
from app.operations.ledger_query import ledger_query
from models import Instrument
from models.base import db
from tests.client import login
from tests.client import text as body
from tests.ledger.support import Statements, fresh_unit
from tests.world import instrument

pytestmark = pytest.mark.usefixtures("session")
LIST = "/instruments/list/"


def sql_of(condition):
    return str(condition.compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": False}))


def shown(answer):
    """Keys of the rows of a page, in their order."""
    return [int(key) for key in re.findall(r'name="rowid" value="(\d+)"', body(answer))]


@pytest.fixture
def frequencies(monkeypatch):
    """The statistics of the index as the test wants them."""
    known = {}
    monkeypatch.setattr(grams.FREQUENCIES, "of", lambda _session: known)
    return known.setdefault(("instrument", "search_text"), {})


# -- parts of words -------------------------------------------------------------------------------------------------


def test_grams_of_a_term():
    assert grams.grams_of("大华衡器") == ["大华", "华衡", "衡器"]
    assert grams.grams_of("敕") == ["敕"]
    assert grams.grams_of("哈哈哈") == ["哈哈"]


def test_the_index_knows_every_sign_and_every_two_neighbours(session):
    found = session.execute(text("SELECT bigrams('大华A')")).scalar_one()
    assert sorted(found) == sorted(["大", "华", "A", "大华", "华A"])
    assert session.execute(text("SELECT bigrams('')")).scalar_one() == []
    assert session.execute(text("SELECT bigrams('秤')")).scalar_one() == ["秤"]


def test_rare_parts_ask_the_index_and_common_ones_walk(session, frequencies):
    frequencies |= {"公司": 0.98, "限公": 0.97, "大华": 0.04}
    rare = [grams.contains(session, Instrument.search_text, t) for t in ("敕勒", "敕", "大华公司", "大华")]
    assert all("bigrams" in sql_of(condition) for condition in rare)
    common = grams.contains(session, Instrument.search_text, "限公司")
    assert "bigrams" not in sql_of(common)
    assert "LIKE" in sql_of(common)
    assert "bigrams" not in sql_of(grams.contains(session, Instrument.search_text, "敕勒", walk=True))


def test_the_shares_come_from_the_statistics_of_the_index(world, session):
    with as_system("test"):
        session.execute(text("ANALYZE unit"))
        found = grams.Frequencies().read(session)
        share = found["unit", "name"]["公司"]
        counted = session.execute(text("SELECT avg((name LIKE '%公司%')::int) FROM unit")).scalar_one()
    assert abs(share - float(counted)) < 0.05


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("term", ["釜", "釜甑", "甑釜鬲", "釜%", "鼎", "_"])
def test_both_ways_find_the_same(world, frequencies, common, term):
    unit = fresh_unit(world, "grams")
    with as_system("test"):
        if not db.session.scalar(select(Instrument.id).where(Instrument.unit_id == world.units[unit]).limit(1)):
            for name in ("釜甑秤", "甑釜鬲秤", "鬲秤", "釜%秤"):
                instrument(world, unit, name=name)
    if common:
        frequencies |= dict.fromkeys(grams.grams_of(term), 1.0)
    with world.acting(unit):
        rows = ledger_query(db.session(), f"_flt_0_search_text={term}".replace("%", "%25")).all()
        every = ledger_query(db.session(), "").all()
    assert {row.id for row in rows} == {row.id for row in every if term in row.search_text}


# -- pages ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dated(app, world):
    """Twenty-three instruments of one unit, a third of them without a due date, some due on the same day."""
    with app.app_context():
        unit = fresh_unit(world, "dated")
        with as_system("test"):
            for n in range(23):
                until = None if n % 3 == 0 else date(2027, 1, 1) + timedelta(days=n % 4)
                instrument(world, unit, valid_until=until)
            db.session.commit()
            db.session.remove()
    return unit


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_of_few_rows_follow_the_order_without_gap_or_repetition(app, world, dated, direction):
    client = login(app, world, dated)
    order = f"_oc_InstrumentView=valid_until&_od_InstrumentView={direction}"
    pages = [shown(client.get(f"{LIST}?{order}&page_InstrumentView={page}")) for page in range(3)]
    with world.acting(dated):
        rows = db.session.scalars(select(Instrument)).unique().all()
    far = date.max  # where PostgreSQL puts rows without a value
    wanted = sorted(rows, key=lambda row: (row.valid_until or far, row.id), reverse=direction == "desc")
    assert [key for page in pages for key in page] == [row.id for row in wanted]
    assert shown(client.get(f"{LIST}?{order}&page_InstrumentView=-1")) == pages[2]
    assert shown(client.get(f"{LIST}?{order}&page_InstrumentView=9")) == []


def test_few_rows_are_looked_for_apart_from_their_order(app, world, dated):
    client = login(app, world, dated)
    with Statements() as asked:
        client.get(LIST)
    page = [s for s in asked.seen if "instrument.serial_no AS" in s]
    assert len(page) == 1
    assert "OFFSET" in page[0].split("ORDER BY")[0]


def test_nothing_found_asks_for_no_rows(app, world, dated):
    client = login(app, world, dated)
    with Statements() as asked:
        client.get(f"{LIST}?_flt_0_search_text=天外飞仙")
    assert not [s for s in asked.seen if "instrument.serial_no AS" in s]


def test_a_count_stops_where_the_person_says(world, session):
    with as_system("test"):
        every = PGInterface(Instrument, session)
        capped = PGInterface(Instrument, session, cap=lambda: 2)
        assert str(capped.query_count(session.query(Instrument))) == "2+"
        assert int(every.query_count(session.query(Instrument))) > 2


# -- 待完善 ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("LED-16")
def test_incomplete_rows_are_marked_and_found(app, world, monkeypatch):
    unit = fresh_unit(world, "lacking")
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")  # wants 测量范围
    with as_system("test"):
        bare, whole = instrument(world, unit, measuring_range=""), instrument(world, unit, measuring_range="(0-30)kg")
        keys = bare.id, whole.id
        db.session.commit()
    client = login(app, world, unit)
    page = body(client.get(LIST))
    mark = '<span class="chip chip-warn">待完善</span>'
    rows = {key: page.split(f'name="rowid" value="{key}"')[1].split("</tr>")[0] for key in keys}
    assert mark in rows[bare.id]
    assert mark not in rows[whole.id]
    assert 'name="_flt_x_incomplete"' in page
    assert shown(client.get(f"{LIST}?_flt_x_incomplete=1")) == [bare.id]
    assert shown(client.get(f"{LIST}?_flt_x_incomplete=0")) == [whole.id]
    with as_system("test"):
        db.session.rollback()
        db.session.get(Instrument, bare.id).measuring_range = "(0-6)kg"
        db.session.commit()
    assert mark not in body(client.get(LIST))
    assert shown(client.get(f"{LIST}?_flt_x_incomplete=1")) == []
