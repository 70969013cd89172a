"""`python -m bench.kills [--kills 50] [--rows 20000]`: kill -9 at random moments of an import, resumed each time.

Counts afterwards: rows missing, rows twice, history lines; all must be what the file holds (I-10).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.own import ROOT, own_servers

CHUNK = 250
"""Smaller chunks than in service, so that there is something between two of them to kill."""


def work(app: Any, job: int) -> None:
    """What a worker does with the job, in chunks small enough to be interrupted between two of them."""
    from app.operations import job as jobs
    from app.operations import ledger_import
    from models.base import db

    ledger_import.CHUNK = CHUNK
    jobs.MAX_ATTEMPTS = 10_000
    with app.app_context():
        jobs.run_job(db.session(), job)


def begin(file: Path, rows: int) -> int:
    """A confirmed import that waits; returns its id."""
    from app.operations import ledger_import
    from app.operations.job import run_job
    from bench.__main__ import application
    from models.base import db
    from tests.faults.test_kills import workbook
    from tests.world import World

    with application().app_context():
        world = World(**json.loads((file / "people.json").read_text(encoding="utf-8")))
        session = db.session()
        with world.acting("ua1") as actor:
            data = workbook(file / "kills.xlsx", rows, "KL")
            job = ledger_import.start_import(session, actor, filename="kills.xlsx", data=data)
            session.commit()
            run_job(session, job.id)
            ledger_import.confirm_import(session, actor, job.id)
            session.commit()
            return job.id


def count(job: int) -> dict[str, int]:
    """What the database holds of the import."""
    import psycopg

    with psycopg.connect(os.environ["BENCH_LIBPQ"]) as connection:
        row = connection.execute(
            """SELECT count(*), count(DISTINCT serial_no),
                (SELECT count(*) FROM transition_log WHERE step = 'import' AND input ->> 'job' = %(job)s::text),
                (SELECT count(DISTINCT instrument_id) FROM import_row WHERE job_id = %(job)s AND outcome = 'created'),
                (SELECT attempts FROM job WHERE id = %(job)s)
               FROM instrument WHERE serial_no LIKE 'KL%%'""",
            {"job": job},
        ).fetchone()
    names = ("rows", "different", "history", "checkpoints", "attempts")
    return dict(zip(names, row or (), strict=True))


def drill(job: int, rows: int, kills: int) -> dict[str, Any]:
    """Kill the worker at random moments until it has been killed often enough, then let it finish. Each worker is a fork
    of a process that has the application in memory and no connection yet."""
    from bench.__main__ import application

    app, dice, done = application(), random.Random(7), 0
    reached: list[int] = []
    while True:
        child = os.fork()
        if child == 0:
            try:
                work(app, job)
            finally:
                os._exit(0)
        if done >= kills:
            os.waitpid(child, 0)
            break
        time.sleep(dice.uniform(0.05, 0.8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        done += 1
        reached.append(count(job)["rows"])
    found = count(job)
    found |= {
        "kills": done,
        "kills_with_rows_left": sum(n < rows for n in reached),
        "missing": rows - found["different"],
        "twice": found["rows"] - found["different"],
    }
    return found


def main() -> int:
    """Run the drill on servers of its own; 1 when a row is missing or twice."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description="导入中断演练")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--task", choices=("drill", "begin"), help=argparse.SUPPRESS)
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task == "drill":
        print(json.dumps(drill(given.job, given.rows, given.kills)))
        return 0
    if given.task == "begin":
        print(begin(given.file, given.rows))
        return 0
    with own_servers(durable=False) as own:
        os.environ["DATABASE_URL"] = own.create("kills")
        os.environ["BENCH_LIBPQ"] = own.libpq("kills")
        prepare = [sys.executable, "-m", "bench.imports", "--task", "prepare", "--file", str(own.folder)]
        subprocess.run(prepare, check=True, cwd=ROOT)
        begun = [sys.executable, "-m", "bench.kills", "--task", "begin"]
        begun += ["--rows", str(given.rows), "--file", str(own.folder)]
        made = subprocess.run(begun, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        drilled = [sys.executable, "-m", "bench.kills", "--task", "drill", "--job", made.stdout.split()[-1]]
        drilled += ["--rows", str(given.rows), "--kills", str(given.kills)]
        said = subprocess.run(drilled, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        result: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    print(json.dumps(result))
    return 1 if result["missing"] or result["twice"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
