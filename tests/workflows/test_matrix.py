"""The approved matrices: what a machine allows was read and agreed by people, so any change of it must be seen.

After a wanted change: `python -m tests.workflows.approve`, read the difference, commit it with the change.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.access.principal import Principal
from app.access.roles import LABELS
from app.errors import NotAllowedError, NotVisibleError, SwitchedOffError, WrongStateError
from app.workflow import REGISTRY, engine
from app.workflow.show import matrix
from models.enums import Role

FOLDER = Path(__file__).parent
WORKFLOWS = sorted(REGISTRY)
ROLE_OF = {label: role for role, label in LABELS.items()}
PROFILE_OFF = {"switches": {}}


def approved(name: str) -> str:
    return (FOLDER / f"{name}.approved.md").read_text(encoding="utf-8")


def allowed_triples(name: str) -> set[tuple[str | None, str, Role]]:
    """(state, step, role) as the approved file says, not as the declaration does."""
    machine, found = REGISTRY[name], set()
    state_of = {label: state.value for state, label in machine.labels.items()}
    assert len(state_of) == len(machine.labels), "two states share a word"
    for line in approved(name).splitlines()[4:]:
        start, step, _target, roles, *_rest = (cell.strip() for cell in line.strip("|").split("|"))
        state = None if start == "（新建）" else state_of[start]
        found |= {(state, step.split()[0], ROLE_OF[word]) for word in roles.split("、")}
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_matrix_is_the_approved_one(name):
    assert matrix(REGISTRY[name]) == approved(name), (
        f"流程“{name}”与批准的矩阵不一致。若是有意修改：python -m tests.workflows.approve，核对差异后一并提交。"
    )


def bare(machine):
    """The machine without relations, guards and effects: only role and state are left to decide."""
    twin = copy.copy(machine)
    steps = tuple(
        dataclasses.replace(s, relation=None, guards=(), effects=(), bars=None, whose=None) for s in machine.steps
    )
    object.__setattr__(twin, "steps", steps)
    return twin


def valid_input(step) -> dict:
    values = {}
    for need in step.needs:
        if need.choices:
            values[need.name] = need.choices[0][0]
        else:
            values[need.name] = True if need.kind == "tick" else "资料齐全，同意办理"
    return values


def actor(role: Role) -> Principal:
    return Principal(7, "某人", frozenset({role}), unit_id=1, institute_id=1)


@pytest.fixture
def no_database(monkeypatch):
    """Rows are stubs and nothing is written: `fire` itself runs from its first check to the last."""
    monkeypatch.setattr(engine, "switch_on", lambda _name: True)
    monkeypatch.setattr(engine, "_write", lambda ctx, *_more, **_named: "written")


def outcome(machine, state: str | None, step, role: Role, monkeypatch) -> str:
    row, session = SimpleNamespace(id=1, state=state, version=1), SimpleNamespace(info={})
    monkeypatch.setattr(engine, "lock", lambda *_args, **_named: row)
    monkeypatch.setattr(engine, "workflow_of", lambda _row: machine)
    try:
        if state is None:
            return engine.bear(session, row, step.name, actor(role), valid_input(step))
        return engine.fire(session, machine, 1, step.name, actor(role), valid_input(step))
    except (NotAllowedError, WrongStateError, NotVisibleError) as error:
        return type(error).__name__


@pytest.mark.feature("LED-10", "APT-05")
@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.must_never(69)
def test_truth_table(name, no_database, monkeypatch):
    machine, allowed = bare(REGISTRY[name]), allowed_triples(name)
    seen = Counter()
    for step in machine.steps:
        states = [s.value for s in machine.states] if step.source else [None]
        for state in states:
            for role in Role:
                got = outcome(machine, state, step, role, monkeypatch)
                if (state, step.name, role) in allowed:
                    want = "written"
                elif any(triple[1:] == (step.name, role) for triple in allowed):
                    want = "WrongStateError"
                else:
                    want = "NotAllowedError"
                assert got == want, (name, state, step.name, role)
                seen[got] += 1
    assert seen["written"] == len(allowed)
    print(f"{name}: {sum(seen.values())} triples, {dict(seen)}")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_birth_step_is_not_a_button(name, no_database, monkeypatch):
    machine = bare(REGISTRY[name])
    for step in machine.steps:
        if step.is_birth:
            state = next(iter(machine.states)).value
            assert outcome(machine, state, step, next(iter(step.by)), monkeypatch) == "NotVisibleError"


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.must_never(79)
def test_a_step_that_is_switched_off_is_not_there(name, no_database, monkeypatch):
    monkeypatch.setattr(engine, "switch_on", lambda _name: False)
    machine = bare(REGISTRY[name])
    for step in machine.steps:
        if step.switch:
            for role in step.by:
                with pytest.raises(SwitchedOffError):
                    engine.check_role(step, actor(role))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_somebody_unrelated_is_refused_in_every_state(name, no_database, monkeypatch):
    """Right role, right state, but a row of somebody else that happens to be visible."""
    machine = copy.copy(REGISTRY[name])
    count = 0
    for step in machine.steps:
        if step.relation is None or step.by_system:
            continue
        stripped = dataclasses.replace(
            step, guards=(), effects=(), bars=None, whose=None, relation=lambda _row, _actor: False
        )
        object.__setattr__(machine, "steps", (stripped,))
        for state in step.source:
            for role in step.by - {Role.SYS}:
                assert outcome(machine, state.value, stripped, role, monkeypatch) == "NotAllowedError"
                count += 1
    assert count or name == "none"


def test_an_unknown_step_looks_missing():
    for machine in REGISTRY.values():
        with pytest.raises(NotVisibleError):
            machine.step("does_not_exist")
