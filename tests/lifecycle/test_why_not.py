""" "Why not?" (BEYOND 3): the grey button's sentence is the answer one would get, and every guard knows the cure or that
there is none."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import re
from types import SimpleNamespace

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound

from app.access.principal import Principal
from app.errors import QuanhengError
from app.workflow import REGISTRY, engine
from app.workflow.engine import UNSAID, Guard
from models.enums import Role
from tests.client import login, post, text, token
from tests.lifecycle.support import in_state, put
from tests.workflows.test_matrix import valid_input
from tests.world import booked, instrument

MACHINES = sorted(REGISTRY)
GUARDS = [(m, s, g) for m in MACHINES for s in REGISTRY[m].steps for g in s.guards]


def test_every_guard_says_where_the_cure_is_or_that_there_is_none():
    silent = [(m, s.name, g.name) for m, s, g in GUARDS if g.fix == UNSAID]
    assert silent == []
    assert all(re.fullmatch(r"[a-z_]+", g.name) for _m, _s, g in GUARDS), "codes are for programs"
    cured = sum(g.fix is not None for _m, _s, g in GUARDS)
    print(f"{len(GUARDS)} guards, {cured} with a page that cures, {len(GUARDS) - cured} explicitly without")


def test_the_addresses_exist(app):
    """A template leads to a page that the platform has."""
    routes = app.url_map.bind("localhost")
    for machine, step, guard in GUARDS:
        if isinstance(guard.fix, str):
            obj = SimpleNamespace(id=1, instrument_id=1)
            address = guard.fix.format(obj=obj, actor=None)
            try:
                routes.match(address)
            except MethodNotAllowed:
                pass
            except NotFound:
                pytest.fail(f"{machine}.{step.name}.{guard.name}: {address}")


def twin_of(machine, refusing: int | None, needs_input: bool):
    """The machine with guards that hold, but for one of each step."""
    twin = copy.copy(machine)
    steps = []
    for step in machine.steps:
        guards = tuple(
            Guard(
                g.name, (lambda _c, n=n: f"第{n}条不满足。" if n == refusing else None), g.needs_input, fix=f"/fix/{n}"
            )
            for n, g in enumerate(step.guards)
        )
        steps.append(dataclasses.replace(step, guards=guards, effects=(), relation=None))
    object.__setattr__(twin, "steps", tuple(steps))
    return twin


@pytest.mark.parametrize("name", MACHINES)
def test_the_preview_is_the_real_answer(name, monkeypatch):
    """Every (state, step, role), with every guard refusing in turn: what the button says is what `fire` answers."""
    monkeypatch.setattr(engine, "_write", lambda *_args, **_named: "written")
    monkeypatch.setattr(engine, "switch_on", lambda _name: True)
    machine = REGISTRY[name]
    most = max((len(s.guards) for s in machine.steps), default=0)
    differences, tried = [], 0
    for refusing in (None, *range(most)):
        twin = twin_of(machine, refusing, False)
        monkeypatch.setattr(engine, "workflow_of", lambda _row, twin=twin: twin)
        for step, state, role in itertools.product(twin.steps, machine.states, Role):
            if step.is_birth or step.by_system:
                continue
            row, session = SimpleNamespace(id=1, state=state.value, version=1), SimpleNamespace(info={})
            monkeypatch.setattr(engine, "lock", lambda *_args, row=row, **_named: row)
            actor = Principal(7, "某人", frozenset({role}), unit_id=1, institute_id=1)
            preview = engine.why_not(session, twin, row, step, actor)
            try:
                engine.fire(session, twin, 1, step.name, actor, valid_input(step))
                real = None
            except QuanhengError as error:
                real = error
            asked = refusing is not None and refusing < len(step.guards) and step.guards[refusing].needs_input
            tried += 1
            if asked and preview is None:
                continue  # only what is typed can tell
            if (preview is None) != (real is None) or (
                real is not None
                and (str(preview), preview.code, preview.fix_url)
                != (
                    real.sentence,
                    real.code,
                    real.fix_url,
                )
            ):
                differences.append((refusing, state, step.name, role))
            offered = {s.name: why for s, why in engine.offered(session, row, actor)}
            if step.name in offered:
                assert offered[step.name] == preview
            elif preview is None:
                differences.append(("not offered", state, step.name, role))
    assert differences == []
    print(f"{name}: {tried} previews, differences 0")


def test_page_and_rest_say_the_same(app, world, context):
    """A booked instrument: sentence, code and the way to the booking on the button and in REST's refusal."""
    order = booked(world, "ua1")
    pk = order.instruments[0]
    client = login(app, world, "ua1")
    sentence, cure = "器具已预约，请先取消预约再停用。", f"/appointments/show/{order.id}"
    page = text(client.get(f"/instruments/show/{pk}"))
    assert f'{sentence} <a href="{cure}">去处理</a>' in page
    steps = {s["name"]: s for s in client.get(f"/api/v1/instruments/{pk}/steps").get_json()["steps"]}
    assert (steps["suspend"]["why_not"], steps["suspend"]["code"]) == (sentence, "instrument.not_booked")
    answer = client.post(f"/api/v1/instruments/{pk}/steps/suspend", json={}, headers={"X-CSRFToken": token(client)})
    told = answer.get_json()
    assert answer.status_code == 422
    assert (told["code"], told["sentence"], told["fix_url"]) == ("instrument.not_booked", sentence, cure)
    assert told["error"] == sentence
    wrong = client.post(f"/api/v1/instruments/{pk}/steps/restore", json={}, headers={"X-CSRFToken": token(client)})
    assert (wrong.status_code, wrong.get_json()["code"], wrong.get_json()["fix_url"]) == (409, "G-STATE", None)


def test_what_is_not_compulsory_is_neither_filed_nor_booked(app, world, context, under):
    said = "非强检器具不需要备案或预约强制检定。"
    client = login(app, world, "ua1")
    pk = instrument(world, "ua1").id
    put(pk, "unfiled", compulsory=False)
    data = {
        "mode": "ids",
        "ids": str(pk),
        "count": "1",
        "institute_id": str(world.institutes["A"]),
        "declaration": "1",
    }
    page = post(client, "/filings/submit", data, page=f"/filings/submit?ids={pk}", follow_redirects=True)
    assert said in text(page)
    other = in_state(world, "in_use")
    put(other, "in_use", compulsory=False, institute_id=world.institutes["A"])
    page = text(client.get(f"/book/?ids={other}", follow_redirects=True))
    assert said in page
