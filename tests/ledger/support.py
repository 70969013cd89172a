"""What the ledger's tests share: form data, running a job as the worker does, units of one's own."""

from __future__ import annotations

import itertools
import re

from sqlalchemy import event, func, select

from app.access.principal import as_system
from app.operations.job import run_job
from models import Instrument, Job
from models.base import db
from tests.world import category, new_unit

_numbers = itertools.count(1)


def form_data(**changes):
    """A good form of a scale."""
    values = {
        "name": "电子计价秤",
        "category": category().code,
        "model": "ACS-30",
        "measuring_range": "(0-30)kg",
        "accuracy_class": "Ⅲ",
        "serial_no": f"F{next(_numbers):05d}",
        "own_no": "",
        "manufacturer": "大华",
        "origin": "domestic",
        "use_division": "440103",
        "place": "农贸市场1号",
        "purchased_on": "",
        "quantity": "1",
        "purpose": "trade",
        "delivery_mode": "onsite",
        "valid_until": "",
        "note": "",
    }
    return {**values, **changes}


def fresh_unit(world, nick):
    """A unit with an empty ledger under institute A; made once."""
    if nick not in world.units:
        new_unit(world, nick, "440103", "recA", "A")
    return nick


def work(job_id):
    """Run a job row as the worker does; gives its state."""
    db.session.remove()
    state = run_job(db.session(), job_id)
    db.session.remove()
    return state


def job_of(answer):
    """The job that a redirect leads to."""
    return int(re.search(r"/jobs/(\d+)", answer.headers["Location"]).group(1))


def read_job(job_id):
    with as_system("test"):
        db.session.remove()
        return db.session.get(Job, job_id)


def ledger_size(world, unit):
    """How many instruments a unit has."""
    with as_system("test"):
        db.session.rollback()
        return db.session.scalar(select(func.count()).where(Instrument.unit_id == world.units[unit]))


class Statements:
    """Counts the statements that reach the database inside the block."""

    def __enter__(self):
        self.seen = []
        event.listen(db.engine, "before_cursor_execute", self._note)
        return self

    def _note(self, _conn, _cursor, statement, *_rest):
        self.seen.append(statement)

    def __exit__(self, *_exc):
        event.remove(db.engine, "before_cursor_execute", self._note)
