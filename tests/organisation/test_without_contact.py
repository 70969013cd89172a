"""无联系人单位: the ledger of a unit whose last account is gone stays, and the administration of its place is told."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.operations.todo import todos
from app.workflow import ACCOUNT, fire
from models import Account, Instrument, Unit
from models.base import db
from models.enums import AccountState
from tests.client import login, text
from tests.ledger.support import fresh_unit
from tests.world import instrument

LIST = "/units/list/?contact=none"


def name_of(pk):
    with as_system("test"):
        return db.session.get(Unit, pk).name


def test_the_county_reads_of_a_unit_that_nobody_acts_for(app, world, context):
    fresh_unit(world, "alone1")
    unit = world.units["alone1"]
    kept, made = name_of(unit), instrument(world, "alone1").id
    county, city, other = (login(app, world, nick) for nick in ("regA1", "regA", "regB"))
    assert kept not in text(county.get(LIST))
    with world.acting("adm") as actor:
        fire(db.session(), ACCOUNT, world.people["alone1"], "disable", actor, {"reason": "单位已注销，账号停用"})
        db.session.commit()
    with as_system("test"):
        assert db.session.get(Account, world.people["alone1"]).state == AccountState.DISABLED
        assert db.session.scalar(select(Instrument.unit_id).where(Instrument.id == made)) == unit, "the ledger stays"
    assert kept in text(county.get(LIST))
    assert kept in text(city.get(LIST))
    assert kept not in text(other.get(LIST)), "another area's"
    assert "无联系人的单位" in text(county.get("/home/"))
    with world.acting("regA1") as actor:
        line = next(line for line in todos(db.session(), actor) if line.key == "alone")
    assert line.url == LIST
    assert line.count >= 1


@pytest.mark.parametrize("nick", ["ua1", "recA"])
def test_nobody_else_has_the_tab(app, world, nick):
    page = text(login(app, world, nick).get(LIST))
    assert "无联系人单位" not in page
