"""`python -m bench.filing [--rows 5000]`: filing so many instruments as one job, as a worker does it.

Its own servers (durable, as in service) and a unit with `--rows` unfiled instruments. Measured: choosing, the dry run, doing
it, statements a row, peak memory, and the same with a tenth of the rows: the rate must not fall and the memory
must not grow with the number. Beside it stands the floor: the rows such a job leaves behind, written by five statements.
Every filing is counted afterwards, with its instrument and its lines of history, or there is no figure.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

from bench.__main__ import application, fresh_world, say
from bench.own import ROOT, own_servers, write_result

GOAL, MOST_MB = 60, 400
"""Rows a second, and the peak of the process: 5,000 filings within a minute and a half, in the memory of any worker."""
INSTRUMENTS = """
    INSERT INTO instrument (state, unit_id, category_id, name, model, serial_no, manufacturer, use_division, place, purpose,
        delivery_mode, dup_key, search_text, version, origin, quantity)
    SELECT 'unfiled', unit_id, category_id, name, model, 'N' || g, manufacturer, use_division, place, purpose, delivery_mode,
        'N' || g, search_text, 1, origin, 1
    FROM instrument, generate_series(1, :rows) g WHERE id = :one RETURNING id
"""
FLOOR = (
    """INSERT INTO filing (state, instrument_id, unit_id, use_division, holder_institute_id, target_institute_id, route,
         submitted_at, version)
       SELECT 'submitted', id, unit_id, use_division, :institute, :institute, '[]', now(), 1 FROM instrument
       WHERE id = ANY(:ids)""",
    "UPDATE instrument SET state = 'filing', version = version + 1 WHERE id = ANY(:ids)",
    *(
        f"""INSERT INTO transition_log (entity, entity_id, step, from_state, to_state, actor_name, actor_role, instrument_id,
              unit_id, use_division, input)
            SELECT '{entity}', id, '{step}', {before}, '{after}', '某人', 'ENT', id, unit_id, use_division,
              '{{"institute_id": "1", "declaration": true}}' FROM instrument WHERE id = ANY(:ids)"""
        for entity, step, before, after in (
            ("filing", "open", "NULL", "pending"),
            ("filing", "submit", "'pending'", "submitted"),
            ("instrument", "submit_filing", "'unfiled'", "filing"),
        )
    ),
)


def measure(rows: int) -> dict[str, Any]:
    """The job on `rows` instruments, in the empty database of DATABASE_URL."""
    from sqlalchemy import event, text

    from app.access.principal import as_system
    from app.operations import bulk, filing
    from app.operations.job import run_job
    from models.base import db
    from tests.world import instrument

    app = application()
    with app.app_context():
        world, session = fresh_world(app), db.session()
        with as_system("measuring"):
            one = instrument(world, "ua1").id
            ids = list(session.execute(text(INSTRUMENTS), {"rows": rows, "one": one}).scalars())
            session.commit()
            session.execute(text("ANALYZE"))
            session.commit()
        floor = written_bare(session, ids, world.institutes["A"])
        begun = time.perf_counter()
        with world.acting("ua1") as actor:
            asked = {"institute_id": str(world.institutes["A"]), "declaration": True, "allow_province": False}
            chosen = bulk.choose(session, actor, "file", ids, filing.declared(session, asked))
            session.commit()
            job, queued = chosen.id, time.perf_counter() - begun
            bulk.prepare(session, actor, chosen)  # what would be left out, which the unit sees before it confirms
            session.commit()
        if chosen.state == "queued":
            run_job(session, job)
        tried, sent = time.perf_counter() - begun - queued, [0]
        with world.acting("ua1") as actor:
            bulk.confirm(session, actor, job)
            session.commit()

        def count(*_arguments: Any) -> None:
            sent[0] += 1

        event.listen(db.engine, "before_cursor_execute", count)
        before, begun, worked = peak(), time.perf_counter(), time.process_time()
        state = run_job(session, job)
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
        check(session, ids, state)
    return {
        "queue_s": round(queued, 2),
        "tried_per_s": round(rows / tried),
        "seconds": round(seconds, 2),
        "rows_per_s": round(rows / seconds),
        "rows_per_s_of_cpu": round(rows / worked),
        "statements_per_row": round(sent[0] / rows, 2),
        "floor_s": round(floor, 2),
        "peak_mb": peak(),
        "grown_mb": round(peak() - before, 1),
    }


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def written_bare(session: Any, ids: list[int], institute: int) -> float:
    """Seconds of the same rows by plain statements, which check nothing; taken back at the end."""
    from sqlalchemy import text

    from app.access.principal import as_system

    begun = time.perf_counter()
    with as_system("measuring"):
        for statement in FLOOR:
            wanted = {"ids": ids} | ({"institute": institute} if ":institute" in statement else {})
            session.execute(text(statement), wanted)
        session.flush()
        took = time.perf_counter() - begun
        session.rollback()
    return took


def check(session: Any, ids: list[int], state: str) -> None:
    """A submitted filing and three lines of history for every instrument, or there is nothing to measure."""
    from sqlalchemy import func, select

    from app.access.principal import as_system
    from models import Filing, Instrument, TransitionLog

    with as_system("measuring"):
        filed = session.scalar(select(func.count()).where(Filing.instrument_id.in_(ids), Filing.state == "submitted"))
        stands = session.scalar(select(func.count()).where(Instrument.id.in_(ids), Instrument.state == "filing"))
        steps = ("open", "submit", "submit_filing")
        told = session.scalar(
            select(func.count()).where(TransitionLog.instrument_id.in_(ids), TransitionLog.step.in_(steps))
        )
        session.rollback()
    if (state, filed, stands, told) != ("done", len(ids), len(ids), 3 * len(ids)):
        raise SystemExit(f"{len(ids)} rows: {state}, {filed} filed, {stands} instruments, {told} lines")


def child(rows: int, address: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.filing", "--task", "--rows", str(rows)]
    environment = {**os.environ, "DATABASE_URL": address}
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"{rows:,} rows: {found}")
    return found


def main() -> int:
    """Measure and write JSON; 1 when it is slower or larger than the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.filing", description="批量备案的测量")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--task", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(measure(given.rows)))
        return 0
    sizes = (max(given.rows // 10, 250), given.rows)  # fewer would be done within the click
    with own_servers(durable=True) as own:
        few, many = (child(rows, own.create(f"filing_{rows}")) for rows in sizes)
    slowdown = round(few["rows_per_s"] / many["rows_per_s"], 2)
    result = {"rows": given.rows, "goal_per_s": GOAL, "most_mb": MOST_MB, **many, "tenth": few, "slowdown": slowdown}
    write_result(f"filing-{given.rows}", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    return 0 if many["rows_per_s"] >= GOAL and many["peak_mb"] <= MOST_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
