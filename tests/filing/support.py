"""Filings in every state, made by the people who bring them there; a step by page and by program."""

from __future__ import annotations

from sqlalchemy import select

from app.access.principal import as_system
from app.operations.filing import submit_filings
from app.workflow import FILING, INSTRUMENT, fire
from models import Filing
from tests.client import token
from tests.world import category, instrument

WHY = "铭牌编号与登记不一致"
PLAIN = "焦度计"
"""A kind of the catalogue that is filed without papers (监管方式 V)."""


def submitted(world, session, unit="ua1", allow_province=True, **more):
    """The id of a filing that waits with institute A."""
    more.setdefault("category_id", category(PLAIN).id)
    made = instrument(world, unit, **more)
    with world.acting(unit) as actor:
        data = {"institute_id": world.institutes["A"], "declaration": True, "allow_province": allow_province}
        result = submit_filings(session, actor, [made.id], data)
        assert result.done, result.skipped
        session.commit()
    return row_of(session, made.id).id


def row_of(session, instrument_id):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Filing).where(Filing.instrument_id == instrument_id)).scalar_one()


def filing(session, pk):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        row = session.get(Filing, pk)
        session.refresh(row)
        _ = row.instrument.state
        return row


def taken(world, session, pk, who, step, **data):
    with world.acting(who) as actor:
        fire(session, FILING, pk, step, actor, data)
        session.commit()


def on_instrument(world, session, pk, who, step, **data):
    key = filing(session, pk).instrument_id
    with world.acting(who) as actor:
        fire(session, INSTRUMENT, key, step, actor, data)
        session.commit()


def in_state(world, session, state):
    """The id of a filing of ua1 in that state."""
    pk = submitted(world, session)
    a1 = str(world.institutes["A1"])
    if state == "pending":
        taken(world, session, pk, "ua1", "withdraw")
    if state in {"to_confirm", "to_process"}:
        taken(world, session, pk, "recA", "dispatch", institute_id=a1)
    if state == "to_process":
        taken(world, session, pk, "recA1", "refuse", reason=WHY)
    if state == "returned":
        taken(world, session, pk, "recA", "return", kind="incomplete", reason=WHY)
    if state in {"approved", "revoked", "suspended", "closed"}:
        taken(world, session, pk, "recA", "approve")
    if state == "revoked":
        taken(world, session, pk, "imgA", "revoke", reason=WHY)
    if state == "suspended":
        on_instrument(world, session, pk, "ua1", "suspend", reason=WHY)
    if state == "closed":
        on_instrument(world, session, pk, "ua1", "scrap", reason=WHY)
    assert filing(session, pk).state == state
    return pk


_tokens = {}


def token_of(client):
    """One token for many posts: it holds as long as the session."""
    if client not in _tokens:
        _tokens[client] = token(client)
    return _tokens[client]


def by_page(browser, who, pk, step, data):
    client = browser(who)
    return client.post(f"/filings/step/{step}/{pk}", data={**data, "csrf_token": token_of(client)})


def by_program(browser, who, pk, step, data):
    client = browser(who)
    headers = {"X-CSRFToken": token_of(client)}
    return client.post(f"/api/v1/filings/{pk}/steps/{step}", json=dict(data), headers=headers)
