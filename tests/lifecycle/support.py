"""Instruments in any state, for tests of their life."""

from __future__ import annotations

from app.access.principal import as_system
from app.workflow import INSTRUMENT
from app.workflow.engine import Prior, engine_writes
from models import Instrument, TransitionLog
from models.base import db
from tests.world import instrument

STATES = ("unfiled", "filing", "in_use", "suspended", "scrapped", "former")


def put(pk: int, state: str, *, prior: str | None = None, **more) -> None:
    """Move an instrument to a state, as no person can; the log tells a way there that the machine allows (I-12)."""
    session = db.session()
    with as_system("fixture"), engine_writes(session):
        row = session.get(Instrument, pk)
        before = row.state
        for step, after in way(before, state):
            told = {"entity": "instrument", "entity_id": pk, "step": step, "from_state": before, "to_state": after}
            who = {"actor_name": "测试", "actor_role": "SYS", "instrument_id": pk, "unit_id": row.unit_id}
            session.add(TransitionLog(**told, **who, use_division=row.use_division))
            before = after
        row.state, row.prior_state = state, prior or ("in_use" if state == "suspended" else None)
        for key, value in more.items():
            setattr(row, key, value)
        session.commit()


def way(start: str, goal: str) -> list[tuple[str, str]]:
    """The shortest way of (step, state after it) through the machine; empty when there is none."""
    found: dict[str, list[tuple[str, str]]] = {start: []}
    queue = [start]
    while queue:
        here = queue.pop(0)
        if here == goal:
            return found[here]
        for step in INSTRUMENT.steps:
            if here not in {s.value for s in step.source}:
                continue
            targets = ("unfiled", "in_use") if step.target == Prior.BEFORE else (step.target.value,)
            for after in targets:
                if after not in found and after != Prior.SAME.value:
                    found[after] = [*found[here], (step.name, after)]
                    queue.append(after)
    return []


def in_state(world, state: str, unit: str = "ua1", **more) -> int:
    """A new instrument of the unit in that state; gives its id."""
    pk = instrument(world, unit, **more).id
    put(pk, state)
    return pk


def state_of(pk: int) -> str:
    """The state as the database has it, "gone" when the row is not there."""
    with as_system("test"):
        db.session.expire_all()
        row = db.session.get(Instrument, pk)
        return row.state if row is not None else "gone"


def row_of(pk: int) -> Instrument:
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(Instrument, pk)
