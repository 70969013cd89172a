"""Random days at an institute (I-1, I-2, I-3, I-5, I-6, I-7, I-12, I-13, I-16, I-20, I-21, I-22 by properties).

    QUANHENG_DAYS=500 python -m pytest tests/reliability/test_random_days.py -n 0 -s

plays other days than those of every run, as many as are asked for.
"""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations import certificate
from app.operations.appointment import book
from app.operations.filing import submit_filings
from app.operations.institute import open_slots
from app.operations.integrity import check_all
from app.workflow import APPOINTMENT, FILING, fire
from models import AppointmentItem, Certificate, Filing, Institute, Slot
from tests.reliability.books import Paper, told_by
from tests.reliability.machine import Day
from tests.world import instrument, issued

DAYS, STEPS = 6, 50
REACHED = (
    *("book", "visit", "task.take", "record", "edit", "certificate.submit", "certificate.check", "certificate.issue"),
    *("publish", "begin_correction", "certificate.ask_revocation", "certificate.revoke", "send_record"),
)
"""No run of the suite passes that has not taken each of these at least once."""


@pytest.fixture
def ready(world, session, monkeypatch):
    """Four instruments for each of two units and two slots of five places: two wait for their visit, one has its paper,
    two are filed, three are not. What a paper looks like is tested elsewhere; here it is its number."""
    monkeypatch.setattr(certificate, "signed_paper", lambda paper: str(paper.number).encode())
    monkeypatch.setattr(certificate, "check_file", lambda _data: SimpleNamespace(good=True))
    ids = {u: [instrument(world, u, delivery_mode="deliver").id for _ in range(4)] for u in ("ua1", "ua2")}
    slots = two_slots(world, session)
    files(world, session, "ua1", ids["ua1"])
    files(world, session, "ua2", ids["ua2"][:1])
    orders(world, session, ids["ua1"][:2], slots[0])
    done = orders(world, session, ids["ua1"][2:3], slots[1])
    paper = issued(world, done[0], verified_on=clock.today() - timedelta(days=20))
    Day.world, Day.session, Day.ids, Day.slots = world, session, ids, slots
    with as_system("test"):
        row = session.get(Certificate, paper)
        said = (row.instrument_id, row.verified_on, True, row.number, row.conclusion, row.valid_until)
        Day.standing = {(True, paper): Paper(*said)}
        Day.before = {f.id: f.violations for f in check_all(session)}
    Day.tried.clear()


def two_slots(world, session):
    with as_system("test"):
        institute = session.get(Institute, world.institutes["A"])
        days = [clock.today() + timedelta(days=n) for n in (430, 431)]
        open_slots(session, institute, days, capacity=5)
        found = select(Slot.id).where(
            Slot.institute_id == institute.id, Slot.day.in_(days), Slot.mode == "deliver", Slot.period == "morning"
        )
        slots = list(session.scalars(found.order_by(Slot.day)))
        session.commit()
    return slots


def files(world, session, unit, ids):
    """Declared and approved."""
    declared = {"institute_id": world.institutes["A"], "declaration": True, "allow_province": True}
    with world.acting(unit) as actor:
        submit_filings(session, actor, ids, declared)
        session.commit()
    with world.acting("recA") as actor:
        for pk in session.scalars(select(Filing.id).where(Filing.instrument_id.in_(ids))).all():
            fire(session, FILING, pk, "approve", actor)
        session.commit()


def orders(world, session, ids, slot):
    """Booked and accepted; gives the items."""
    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=ids, slot_id=slot).id
        session.commit()
    with world.acting("recA") as actor:
        fire(session, APPOINTMENT, order, "accept", actor)
        session.commit()
        items = select(AppointmentItem.id).where(AppointmentItem.appointment_id == order)
        return session.scalars(items.order_by(AppointmentItem.id)).all()


def test_what_the_papers_say_in_whatever_order_they_were_written():
    """The naive fold itself, on cases small enough to see (I-7)."""
    first, later = date(2026, 3, 1), date(2026, 4, 1)
    old = Paper(1, first, True, "J1", "pass", date(2027, 2, 28))
    failed = Paper(1, later, True, "T2", "fail", None)
    other = Paper(1, later, False, "L3", "pass", date(2027, 3, 31))
    nothing = (None, None, None, "")
    assert told_by([]) == nothing
    assert told_by([old]) == ("pass", first, date(2027, 2, 28), "J1")
    assert told_by([failed, old]) == told_by([old, failed]) == ("fail", later, None, "T2")
    assert told_by([old, other]) == ("pass", later, date(2027, 3, 31), "L3")
    assert told_by([failed, other]) == told_by([other, failed]) == ("fail", later, None, "T2"), "of one day our own"
    assert told_by([failed, failed._replace(number="J4", result="pass")])[3] == "J4", "of one day the later written"


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
    missing = [word for word in REACHED if not tried[word]]
    assert not missing, f"no day came as far as {missing}: {dict(tried)}"
