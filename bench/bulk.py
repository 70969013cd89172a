"""Bulk acts: `python -m bench.bulk [--rows 10000]`: rows a second of the dry run and of the doing, as a worker does them.

Its own servers (durable, as in service) and data: a unit with `--rows` instruments that all can, one in twenty with a live
filing that follows its instrument. Measured for 批量修改, 停用 and 启用: choosing, dry run, doing; statements a row; peak
megabytes; and the same with a tenth of the rows, because the rate must not fall with the number. What was written is
counted afterwards: a line of history and a done line for every row, or the figure is none.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.__main__ import application, fresh_world, say
from bench.own import ROOT, own_servers, write_result

GOAL = 300
"""Rows a second."""
ACTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bulk_edit", {"values": {"place": "二号车间", "measuring_range": "0～30kg"}}),
    ("suspend", {}),
    ("enable", {}),
)
INSTRUMENTS = """
    INSERT INTO instrument (state, unit_id, category_id, name, model, serial_no, manufacturer, use_division, place, purpose,
        delivery_mode, dup_key, search_text, version, origin, quantity)
    SELECT 'in_use', unit_id, category_id, name, model, 'N' || g, manufacturer, use_division, place, purpose, delivery_mode,
        'N' || g, search_text, 1, origin, 1
    FROM instrument, generate_series(1, :rows) g WHERE id = :one
"""
KEYS = """
    UPDATE instrument SET dup_key = k.key
    FROM unnest(CAST(:numbers AS text[]), CAST(:keys AS text[])) AS k(number, key) WHERE serial_no = k.number
"""
"""As the form makes them; an edit that changes no key looks for no twin."""
FILINGS = """
    INSERT INTO filing (state, instrument_id, unit_id, use_division, target_institute_id, final_institute_id, route,
        submitted_at, version)
    SELECT 'approved', id, unit_id, use_division, :institute, :institute, jsonb_build_array(jsonb_build_object('institute',
        CAST(:institute AS bigint))), now(), 1
    FROM instrument WHERE serial_no LIKE 'N%' AND id % 20 = 0
"""


def measure(rows: int) -> dict[str, Any]:
    """Every act on `rows` rows of one unit, in the empty database of DATABASE_URL."""
    from sqlalchemy import text

    from app.access.principal import as_system
    from app.intake.dup import dup_key
    from app.profiles import setting
    from models.base import db
    from tests.world import instrument

    app = application()
    with app.app_context():
        world, session = fresh_world(app), db.session()
        with as_system("measuring"):
            made = instrument(world, "ua1")
            one, maker = made.id, made.manufacturer
            session.execute(text(INSTRUMENTS), {"rows": rows, "one": one})
            numbers = [f"N{n}" for n in range(1, rows + 1)]
            rule = tuple(setting("ledger", "duplicate_key"))
            keys = [dup_key(rule, {"manufacturer": maker, "serial_no": number}) for number in numbers]
            session.execute(text(KEYS), {"numbers": numbers, "keys": keys})
            session.execute(text(FILINGS), {"institute": world.institutes["A"]})
            session.commit()
            session.execute(text("ANALYZE"))
            session.commit()
        found = {name: act(world, name, data, rows) for name, data in ACTS}
    return {"acts": found, "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}


def act(world: Any, name: str, data: dict[str, Any], rows: int) -> dict[str, float]:
    """One act from the choice to the end, through the operations that page and worker call."""
    from sqlalchemy import event

    from app.operations import bulk
    from app.operations.job import run_job
    from models.base import db

    session, sent = db.session(), [0]
    times = [time.perf_counter()]
    with world.acting("ua1") as actor:
        job = bulk.choose(session, actor, name, bulk.choose_query(session, "_flt_0_serial_no=N"), data)
        session.commit()
        times.append(time.perf_counter())
        pk = job.id
        bulk.prepare(session, actor, job)
        session.commit()
    if job.state == "queued":
        run_job(session, pk)
    times.append(time.perf_counter())
    with world.acting("ua1") as actor:
        bulk.confirm(session, actor, pk)
        session.commit()

    def count(*_args: Any) -> None:
        sent[0] += 1

    event.listen(db.engine, "before_cursor_execute", count)
    begun, worked = time.perf_counter(), time.process_time()
    state = run_job(session, pk)
    doing, worked = time.perf_counter() - begun, time.process_time() - worked
    event.remove(db.engine, "before_cursor_execute", count)
    check(session, name, pk, rows)
    assert state == "done", state
    return {
        "choose_s": round(times[1] - times[0], 2),
        "try_per_s": round(rows / (times[2] - times[1])),
        "do_per_s": round(rows / doing),
        "do_per_s_of_cpu": round(rows / worked),
        "statements_per_row": round(sent[0] / rows, 2),
    }


def check(session: Any, name: str, job_id: int, rows: int) -> None:
    """A line of history and a done line for every row, or there is nothing to measure."""
    from sqlalchemy import func, select

    from app.access.principal import as_system
    from models import BulkLine, TransitionLog

    with as_system("measuring"):
        ids = select(BulkLine.entity_id).where(BulkLine.job_id == job_id, BulkLine.outcome == "done")
        lines = select(func.count()).where(
            TransitionLog.entity == "instrument", TransitionLog.step == name, TransitionLog.entity_id.in_(ids)
        )
        done, told = session.scalar(select(func.count()).select_from(ids.subquery())), session.scalar(lines)
        session.rollback()
    if (done, told) != (rows, rows):
        raise SystemExit(f"{name}: {rows} rows, {done} done, {told} lines of history: measure nothing rather than that")


def child(rows: int, folder: Path, address: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.bulk", "--task", "--rows", str(rows), "--keep", str(folder)]
    environment = {**os.environ, "DATABASE_URL": address}
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"{rows:,} rows: {found}")
    return found


def main() -> int:
    """Measure and write JSON; 1 when an act is slower than the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description="批量办理的测量")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--task", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(measure(given.rows)))
        return 0
    with own_servers(durable=True) as own:
        sizes = (max(given.rows // 10, 500), given.rows)
        found = {rows: child(rows, own.folder, own.create(f"bulk_{rows}")) for rows in sizes}
    few, many = (found[rows]["acts"] for rows in sizes)
    growth = {name: round(few[name]["do_per_s"] / many[name]["do_per_s"], 2) for name in many}
    result = {
        "rows": given.rows,
        "goal_per_s": GOAL,
        **found[given.rows],
        "tenth": few,
        "slowdown_for_ten_times": growth,
    }
    write_result(f"bulk-{given.rows}", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    return 0 if all(figures["do_per_s"] >= GOAL for figures in many.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
