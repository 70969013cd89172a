"""Random days at an institute (I-1, I-2, I-3, I-6, I-7, I-12, I-13, I-16, I-20, I-21, I-22 by properties).

    QUANHENG_DAYS=500 python -m pytest tests/reliability/test_random_days.py -n 0 -s

plays other days than those of every run, as many as are asked for.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.institute import open_slots
from app.operations.integrity import check_all
from models import Institute, Slot
from tests.reliability.machine import Day
from tests.world import instrument

DAYS, STEPS = 6, 50


@pytest.fixture
def ready(world, session):
    """Four instruments for each of two units, brought to the institute, and two slots of three places."""
    ids = {u: [instrument(world, u, delivery_mode="deliver").id for _ in range(4)] for u in ("ua1", "ua2")}
    with as_system("test"):
        institute = session.get(Institute, world.institutes["A"])
        days = [clock.today() + timedelta(days=n) for n in (430, 431)]
        open_slots(session, institute, days, capacity=3)
        found = select(Slot.id).where(
            Slot.institute_id == institute.id, Slot.day.in_(days), Slot.mode == "deliver", Slot.period == "morning"
        )
        slots = list(session.scalars(found.order_by(Slot.day)))
        session.commit()
    Day.world, Day.session, Day.ids, Day.slots = world, session, ids, slots
    with as_system("test"):
        Day.before = {f.id: f.violations for f in check_all(session)}
    Day.tried.clear()


def test_the_books_balance_after_every_step(ready):
    asked = int(os.environ.get("QUANHENG_DAYS", "0"))
    how = settings(
        max_examples=asked or DAYS,
        stateful_step_count=STEPS,
        derandomize=not asked,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
        print_blob=False,
    )
    begun, worked = time.monotonic(), time.process_time()
    run_state_machine_as_test(Day, settings=how)
    seconds, worked, tried = time.monotonic() - begun, time.process_time() - worked, Day.tried
    print(f"\n{sum(tried.values())} acts, {tried['refused']} refused, {seconds:.1f} s ({worked:.1f} s of processor)")
    print(dict(tried.most_common()))
    assert sum(tried.values()) > DAYS * STEPS / 4, "the days were too quiet to show anything"
    for word in ("book", "visit"):
        assert tried[word], f"no day came as far as “{word}”: {dict(tried)}"
