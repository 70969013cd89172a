"""A seeded random life of instruments, and a second, naive way to know the past: photographs."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.instrument import edit_instrument
from app.workflow import INSTRUMENT, fire
from app.workflow.journal import columns
from models import Instrument, TransitionLog
from models.base import db
from tests.world import instrument

START = datetime(2026, 3, 1, 9, tzinfo=clock.ZONE)
WORDS = ("一号车间", "二号车间", "化验室", "收银台", "仓库", "门卫")


def photograph(row: Instrument) -> dict:
    """The row's columns as plain values, read straight off the object."""
    found = {key: getattr(row, key) for key in columns(Instrument)}
    return {
        "state": row.state,
        **{k: v.isoformat() if hasattr(v, "isoformat") else (None if v in ("", []) else v) for k, v in found.items()},
    }


def live(world, seed: int, steps: int = 25) -> tuple[int, list[tuple[datetime, dict]]]:
    """One instrument through `steps` random acts; gives its id and (moment, photograph) after each."""
    dice, moment, shots = random.Random(seed), START + timedelta(days=seed), []
    session = db.session()
    with clock.frozen(moment):
        row = instrument(world, "ua1", serial_no=f"LIFE{seed}X{dice.randrange(10**6)}")
    shots.append((moment, photograph(row)))
    for _number in range(steps):
        moment += timedelta(hours=dice.randint(1, 400))
        with clock.frozen(moment), world.acting("ua1") as actor:
            act(session, actor, row, dice)
            session.commit()
            session.refresh(row)
        shots.append((moment, photograph(row)))
    return row.id, shots


def act(session, actor, row: Instrument, dice: random.Random) -> None:
    """Edit something, or stop and start the instrument."""
    if row.state == "suspended":
        fire(session, INSTRUMENT, row.id, "enable", actor)
        return
    if dice.random() < 0.25:
        fire(session, INSTRUMENT, row.id, "suspend", actor, {"reason": "暂停使用一段时间"})
        return
    values = {
        "place": f"{dice.choice(WORDS)}{dice.randint(1, 9)}号",
        "model": dice.choice(("ACS-30", "ACS-15", "TCS-60", "")),
        "quantity": dice.randint(1, 5),
        "note": dice.choice(("", "已贴标签", "备用")),
        "purpose": dice.choice(("trade", "safety")),
    }
    chosen = dict(dice.sample(sorted(values.items()), dice.randint(1, 4)))
    edit_instrument(session, actor, row.id, chosen, seen_version=None)


def lines_of(session, entity: str, pk: int) -> list[TransitionLog]:
    """The raw lines of a row."""
    rows = select(TransitionLog).where(TransitionLog.entity == entity, TransitionLog.entity_id == pk)
    with as_system("test"):
        return list(session.scalars(rows.order_by(TransitionLog.id)))
