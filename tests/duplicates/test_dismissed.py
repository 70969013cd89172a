"""不是重复: a pair that a person has told apart is left out of list and number, until that is taken back (BEYOND 16)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app import clock, profiles
from app.access.principal import as_system
from app.errors import InvalidInputError, NotVisibleError, SwitchedOffError
from app.operations.duplicates import candidates, dismiss, dismissed, suspect_again
from models import AuditLog, DuplicateDismissal, Instrument
from models.base import db
from tests.client import login, post, text
from tests.world import instrument


@pytest.fixture
def pair(app, world, context, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")
    number = f"DIS{clock.now():%f}"
    return tuple(sorted(instrument(world, "ua1", serial_no=n).id for n in (number, f"{number[:3]}-{number[3:]}")))


def suspected(world) -> set[tuple[int, int]]:
    with world.acting("ua1"):
        return {(p.a, p.b) for p in candidates(db.session(), world.units["ua1"])}


def number_on(client) -> int:
    return int(re.search(r"共(\d+)对", text(client.get("/duplicates"))).group(1))


def test_a_pair_leaves_the_list_and_comes_back(app, world, pair):
    client, (a, b) = login(app, world, "ua1"), pair
    row = f"/duplicates/compare?a={a}&amp;b={b}"
    before = number_on(client)
    assert row in text(client.get("/duplicates"))
    for _ in range(2):  # saying it twice is saying it once
        answer = post(client, "/duplicates/dismiss", {"a": b, "b": a}, page="/duplicates")
        assert (answer.status_code, answer.location) == (303, "/duplicates")
    page = text(client.get("/duplicates"))
    assert row not in page
    assert number_on(client) == before - 1
    assert "已标为不是重复" in page
    pk = int(re.search(r'name="dismissal" value="(\d+)"', page).group(1))
    assert post(client, "/duplicates/suspect", {"dismissal": pk}, page="/duplicates").status_code == 303
    assert row in text(client.get("/duplicates"))
    with as_system("test"):
        lines = select(AuditLog.action).where(AuditLog.entity == "instrument", AuditLog.entity_id == str(a))
        assert db.session.scalars(lines.order_by(AuditLog.seq)).all() == [
            "duplicate_dismiss",
            "duplicate_suspect_again",
        ]


def test_colleagues_see_it_and_other_pairs_stay(world, pair):
    a, b = pair
    with as_system("test"):
        number = db.session.get(Instrument, a).serial_no
    third = instrument(world, "ua1", serial_no=f"{number[:3]}/{number[3:]}").id
    with world.acting("ua1") as actor:
        dismiss(db.session(), actor, a, b)
        db.session.commit()
    with world.acting("sub1"):
        assert (a, b) in {(row.first_id, row.second_id) for row in dismissed(db.session())}
    assert (a, b) not in suspected(world)
    assert {(a, third), (b, third)} <= suspected(world)


def test_strangers_and_wrong_pairs(app, world, pair):
    (a, b), foreign = pair, instrument(world, "ua2").id
    session = db.session()
    with world.acting("ua1") as actor:
        with pytest.raises(NotVisibleError):
            dismiss(session, actor, a, foreign)
        with pytest.raises(InvalidInputError, match="请选择两台不同的器具"):
            dismiss(session, actor, a, a)
        pk = dismiss(session, actor, a, b).id
        session.commit()
    with world.acting("ua2") as actor:
        with pytest.raises(NotVisibleError):
            dismiss(session, actor, a, b)
        with pytest.raises(NotVisibleError):
            suspect_again(session, actor, pk)
    for nick in ("recA", "regA"):
        with world.acting(nick) as actor, pytest.raises(NotVisibleError):
            dismiss(session, actor, a, b)
    stranger = login(app, world, "ua2")
    assert post(stranger, "/duplicates/dismiss", {"a": a, "b": b}).status_code == 404
    assert post(stranger, "/duplicates/suspect", {"dismissal": pk}).status_code == 404
    with as_system("test"):
        assert session.get(DuplicateDismissal, pk) is not None


def test_only_where_instruments_may_be_merged(app, world, pair, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    profiles.forget()
    with world.acting("ua1") as actor, pytest.raises(SwitchedOffError):
        dismiss(db.session(), actor, *pair)
    profiles.forget()
