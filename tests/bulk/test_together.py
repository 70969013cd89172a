"""A chunk that is written together does what the rows one by one would do, with the same history (law 1)."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import event, select, text

from app.access.principal import as_system
from app.operations import bulk
from app.operations.job import run_job
from app.workflow.together import open_batch, together
from models import BulkLine, Filing, Instrument, TransitionLog
from models.base import db
from tests.bulk.test_acts import REASON, chosen, confirmed, counted, many
from tests.lifecycle.support import put, row_of
from tests.world import booked, filed, instrument

SETS = itertools.count(1)
OWN = {"id", "code", "serial_no", "dup_key", "search_text", "created_at", "updated_at", "place"}
"""What differs between two sets of like rows."""


def mixed(world) -> list[int]:
    """Rows that can and rows that cannot, with filings that follow; each set the same but for its numbers."""
    number = f"{next(SETS):03}"
    plain = [instrument(world, "ua1", serial_no=f"T{number}-{n}", manufacturer=f"厂{n}").id for n in range(4)]
    followed = [filed(world, "ua1").id for _ in range(2)]
    busy = list(booked(world, "ua1").instruments)
    put(plain[3], "suspended")
    # the same number and maker but for the one that an edit makes equal
    twins = [instrument(world, "ua1", serial_no=f"Z{number}", manufacturer=maker).id for maker in ("子厂", "丑厂")]
    return [*plain, *followed, *busy, *twins]


def told_of(ids: list[int], job: int) -> list[dict]:
    """Outcome, row, filing and history of each, without what is each row's own."""
    found = []
    with as_system("test"):
        db.session.expire_all()
        lines = {line.entity_id: line for line in db.session.scalars(select(BulkLine).where(BulkLine.job_id == job))}
        for pk in ids:
            row = row_of(pk)
            history = select(TransitionLog).where(TransitionLog.instrument_id == pk).order_by(TransitionLog.id)
            filing = db.session.scalar(select(Filing).where(Filing.instrument_id == pk))
            steps = [
                (entry.entity, entry.step, entry.from_state, entry.to_state, entry.caused_by, entry.actor_name)
                for entry in db.session.scalars(history)
            ]
            last = db.session.scalars(history).all()[-1].input
            found.append(
                {
                    "outcome": (
                        lines[pk].outcome,
                        lines[pk].after_version,
                        lines[pk].sentence.replace(row.serial_no, ""),
                    ),
                    "row": {c.name: getattr(row, c.name) for c in Instrument.__table__.columns if c.name not in OWN},
                    "filing": (filing.state, filing.version) if filing else None,
                    "steps": steps,
                    "changed": last.get("changed"),
                }
            )
    return found


ACTS = [
    ("suspend", {}),
    ("scrap", REASON),
    ("delete", {}),
    ("enable", {}),
    ("bulk_edit", {"values": {"manufacturer": "同一厂", "measuring_range": "0～60kg"}}),
    ("bulk_edit", {"values": {"measuring_range": "0～60kg", "note": "核对"}}),
]


@pytest.mark.parametrize("act, data", ACTS)
def test_together_is_one_by_one(app, world, session, monkeypatch, act, data):
    runs = []
    real = bulk._together
    for way in ("together", "alone"):
        ids = mixed(world)
        monkeypatch.setattr(bulk, "_together", real if way == "together" else lambda *_args: None)
        monkeypatch.setattr(bulk, "AT_ONCE", 1)
        job = chosen(session, world, act, ids, data=data)
        confirmed(session, world, job)
        assert run_job(session, job) == "done"
        runs.append((counted(job), told_of(ids, job)))
    (counts, together_rows), (counts_alone, alone_rows) = runs
    assert counts == counts_alone
    assert counts.get("done") or act == "enable"
    for one, other in zip(together_rows, alone_rows, strict=True):
        wrong = {key: (value, other["row"][key]) for key, value in one["row"].items() if value != other["row"][key]}
        assert wrong == {}
        assert one == other


def test_statements_do_not_grow_with_the_rows(app, world, session):
    ids = many(world, 60)
    job = chosen(session, world, "suspend", ids)
    confirmed(session, world, job)
    sent = []

    def count(_conn, _cursor, statement, *_rest):
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        assert run_job(session, job) == "done"
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    assert counted(job) == {"done": 60}
    assert len(sent) < 60
    with as_system("test"):
        lines = select(TransitionLog.entity_id).where(
            TransitionLog.entity == "instrument", TransitionLog.step == "suspend", TransitionLog.entity_id.in_(ids)
        )
        assert sorted(db.session.scalars(lines)) == sorted(ids)


def _breaks(session, row):
    with session.begin_nested(), together(session, [row]):
        assert open_batch(session) is not None
        raise ZeroDivisionError


def test_what_the_database_refuses_leaves_nothing(app, world, session):
    """A batch that fails at its end: no row, no line, and it is closed."""
    pk = many(world, 1)[0]
    before = row_of(pk).version
    with world.acting("ua1"):
        row = session.scalar(select(Instrument).where(Instrument.id == pk).with_for_update(of=Instrument))
        with pytest.raises(ZeroDivisionError):
            _breaks(session, row)
        assert open_batch(session) is None
        session.rollback()
    with as_system("test"):
        assert session.scalar(text("SELECT version FROM instrument WHERE id = :pk"), {"pk": pk}) == before
