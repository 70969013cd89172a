"""`ledger.duplicate_includes_scrapped`: whether what was scrapped or put away stands in the way (LED-14)."""

from __future__ import annotations

import copy

import pytest
from sqlalchemy import select

from app import profiles
from app.access.principal import as_system
from app.errors import QuanhengError
from app.operations.instrument import TYPED, add_instrument, edit_instrument
from app.workflow import INSTRUMENT, fire
from models import Instrument
from models.base import db
from tests.client import post, text, token
from tests.ledger.support import form_data, fresh_unit
from tests.lifecycle.support import put, state_of
from tests.world import category, instrument

COUNTED = {"national": True, "bayannur": True, "hohhot": True, "guangdong": True, "zhejiang": False, "all": True}


@pytest.fixture
def counting(monkeypatch, app):
    """counting(False) leaves scrapped and former instruments out of the check."""

    def set_to(value: bool) -> None:
        changed = copy.deepcopy(profiles.load("all"))
        changed["ledger"]["duplicate_includes_scrapped"] = value
        monkeypatch.setattr(profiles, "load", lambda _name: changed)
        profiles.forget()

    monkeypatch.setitem(app.config, "PROFILE", "all")
    yield set_to
    profiles.forget()


def test_every_profile_says_it():
    assert {name: profiles.load(name)["ledger"]["duplicate_includes_scrapped"] for name in profiles.names()} == COUNTED


@pytest.mark.parametrize("away", ["scrapped", "former"])
@pytest.mark.parametrize("counts", [True, False])
def test_form_check_and_rest(app, world, browser, context, counting, away, counts):
    client = browser(fresh_unit(world, "uaway"))
    number = f"AWAY-{away}-{counts}"
    pk = instrument(world, "uaway", serial_no=number).id
    put(pk, away)
    counting(counts)
    data = form_data(serial_no=number)
    word = {"scrapped": "报废", "former": "曾用"}[away]
    sentence = f"该器具已存在（电子计价秤 ACS-30 {number}，{word}），不能重复录入。"
    typed = post(client, "/instruments/check?field=serial_no", data, page="/instruments/add").json
    assert typed["problem"] == (sentence if counts else "")
    headers = {"X-CSRFToken": token(client)}
    body = {
        **data,
        "category_code": category().code,
        "origin": "国产",
        "purpose": "贸易结算",
        "delivery_mode": "现场检",
    }
    body = {k: v for k, v in body.items() if v != "" and k != "category"}
    told = client.post("/api/v1/instruments/", json=body, headers=headers)
    answer = post(client, "/instruments/add", data)
    if counts:
        assert answer.status_code == 422
        assert sentence in text(answer)
        assert (told.status_code, told.json["error"]) == (409, sentence), told.json
    else:
        assert told.status_code in {200, 201}, told.json
        assert answer.status_code == 422, "what REST has entered is in the ledger now"
        assert f"{number}，" not in text(answer)
    assert state_of(pk) == away


@pytest.mark.parametrize("counts", [True, False])
def test_changing_a_number_into_that_of_a_scrapped_one(world, context, counting, counts):
    fresh_unit(world, "uaway")
    gone = instrument(world, "uaway", serial_no=f"GONE-{counts}")
    other = instrument(world, "uaway", serial_no=f"STAYS-{counts}")
    put(gone.id, "scrapped")
    counting(counts)
    with world.acting("uaway") as actor:
        try:
            edit_instrument(db.session(), actor, other.id, {"serial_no": f"GONE-{counts}"}, seen_version=None)
            refused = ""
        except QuanhengError as error:
            refused = error.sentence
            db.session.rollback()
    assert ("报废" in refused) == counts


def test_one_of_two_comes_back_into_the_ledger(world, context, counting):
    """Whatever counts: two of one key never stand in the ledger together (I-19)."""
    fresh_unit(world, "uaway")
    first = instrument(world, "uaway", serial_no="TWICE-1").id
    put(first, "scrapped")
    counting(False)
    instrument(world, "uaway", serial_no="TWICE-1")
    with world.acting("uaway") as actor, pytest.raises(QuanhengError, match="已有相同器具在用，不能启用。"):
        fire(db.session(), INSTRUMENT, first, "enable", actor)
    db.session.rollback()


def test_what_takes_the_place_of_another_may_do_so_again_and_again(world, context, counting):
    """更换加油枪: the record put away keeps the key of the one that follows it."""
    fresh_unit(world, "uaway")
    pk = instrument(world, "uaway", serial_no="NEXT-1").id
    counting(True)
    for _ in range(2):
        put(pk, "former")
        row = db.session.get(Instrument, pk, execution_options={"unscoped": True})
        values = {key: getattr(row, key) for key in TYPED}
        with world.acting("uaway") as actor:
            with pytest.raises(QuanhengError, match="该器具已存在"):
                add_instrument(db.session(), actor, values)
            db.session.rollback()
            pk = add_instrument(db.session(), actor, values, successor_of=pk).id
            db.session.commit()


def test_what_a_unit_removed_for_good_counts_nowhere(world, context, counting):
    fresh_unit(world, "uaway")
    first = instrument(world, "uaway", serial_no="HIDDEN-1").id
    put(first, "former", hidden=True)
    counting(True)
    again = instrument(world, "uaway", serial_no="HIDDEN-1").id
    with as_system("test"):
        rows = db.session.scalars(select(Instrument.id).where(Instrument.serial_no == "HIDDEN-1")).all()
    assert set(rows) == {first, again}
