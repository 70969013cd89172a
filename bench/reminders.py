"""`python -m bench.reminders [--rows 1000000] [--more 5000000]`: the daily reminder run over a whole ledger.

Its own servers and data (bench/data.py: 20,000 units with an account each, three quarters in use, a sixth of those due
or overdue). Measured: the first run, which writes and tells everything that is due, the run after it, which must find
nothing, and the run of the next day; seconds and the peak memory of the process. Beside it stands what a loop over
mapped rows does with 20,000 instruments, scaled to the same number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from bench.own import ROOT, Own, own_servers, write_result

LOOP_ROWS = 20_000
TARGETS = {"first_s": 10.0, "second_s": 2.0, "growth": 6.0}
ACCOUNTS = """
    INSERT INTO account (kind, state, user_id, name, unit_id, roles, email, version)
    SELECT 'enterprise', 'active', id, '王小明', id, ARRAY['ENT']::varchar[], 'u' || id || '@example.com', 1 FROM unit
"""


def application() -> Any:
    """The application on the bench's own stores, under the profile of the manual of S1 (yellow30)."""
    from run import create_app

    return create_app({"TESTING": True, "PROFILE": "national"})


def build(rows: int) -> dict[str, Any]:
    """Schema, reference data, units with accounts, `rows` instruments."""
    from flask_migrate import upgrade
    from sqlalchemy import text

    from app import reference
    from app.access.principal import as_system
    from bench import data
    from models.base import db

    with application().app_context(), as_system("measuring"):
        upgrade(directory=str(ROOT / "migrations"))
        session = db.session()
        reference.load(session)
        session.commit()
        owners = data.units(session, "-")
        session.execute(text("SET LOCAL session_replication_role = replica"))  # accounts without their users
        session.execute(text(ACCOUNTS))
        session.commit()
        data.instruments(session, rows, owners, owners, 1)
        session.execute(text("ANALYZE account"))
        session.commit()
    return {}


def measure(work: Callable[[], int]) -> tuple[float, int]:
    begun = time.perf_counter()
    count = work()
    return round(time.perf_counter() - begun, 2), count


def scan() -> dict[str, Any]:
    """First run, second run, next day."""
    from sqlalchemy import func, select

    from app import clock
    from app.access.principal import as_system
    from app.operations.reminders import run_reminders
    from models import Message, Outbox
    from models.base import db

    with application().app_context(), as_system("measuring"):
        session = db.session()

        def run(on: date) -> int:
            count = run_reminders(session, on)
            session.commit()
            return count

        session.execute(select(1))
        today = clock.today()
        first, written = measure(lambda: run(today))
        second, again = measure(lambda: run(today))
        next_day, new = measure(lambda: run(today + timedelta(days=1)))
        told = session.scalar(select(func.count()).select_from(Message)) or 0
        queued = session.scalar(select(func.count()).select_from(Outbox)) or 0
    return {
        "first_s": first,
        "written": written,
        "second_s": second,
        "written_again": again,
        "next_day_s": next_day,
        "written_next_day": new,
        "messages": told,
        "mails_queued": queued,
        "peak_mb": peak_mb(),
    }


def loop() -> dict[str, Any]:
    """The same rule told instrument by instrument: load, decide, look whether it was told, write."""
    from sqlalchemy import select

    from app import clock
    from app.access.principal import as_system
    from app.operations.band import Band, band_of_row
    from models import Instrument, Reminder
    from models.base import db

    threshold = {Band.DUE: 30, Band.OVERDUE: -1}
    with application().app_context(), as_system("measuring"):
        session, today = db.session(), clock.today()

        def run() -> int:
            count = 0
            for row in session.execute(select(Instrument).execution_options(yield_per=1000)).scalars():
                moment = threshold.get(band_of_row(row, today))
                if moment is None or row.valid_until is None:
                    continue
                told = select(Reminder.id).where(
                    Reminder.instrument_id == row.id, Reminder.threshold == moment, Reminder.due_on == row.valid_until
                )
                if session.execute(told).first() is None:
                    session.add(
                        Reminder(
                            instrument_id=row.id,
                            unit_id=row.unit_id,
                            use_division=row.use_division,
                            threshold=moment,
                            due_on=row.valid_until,
                            channel="site",
                            run_on=today,
                        )
                    )
                    count += 1
            session.commit()
            return count

        first, written = measure(run)
        second, again = measure(run)
    return {
        "first_s": first,
        "written": written,
        "second_s": second,
        "written_again": again,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


TASKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "build": build,
    "scan": lambda _rows: scan(),
    "loop": lambda _rows: loop(),
}


def child(task: str, rows: int) -> dict[str, Any]:
    """One task in a process of its own."""
    command = [sys.executable, "-m", "bench.reminders", "--task", task, "--rows", str(rows)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def size(rows: int, tasks: tuple[str, ...], own: Own) -> dict[str, Any]:
    """A database of `rows` instruments for each task, dropped afterwards."""
    found = {}
    for task in tasks:
        os.environ["DATABASE_URL"] = own.create("remind")
        child("build", rows)
        found[task] = child(task, rows)
        print(f"{time.strftime('%H:%M:%S')} {rows:,} {task}: {found[task]}", file=sys.stderr, flush=True)
    return found


def report(result: dict[str, Any], rows: int, more: int) -> list[str]:
    """Lines for a terminal, and what missed its target."""
    one, small = result[str(rows)]["scan"], result[str(LOOP_ROWS)]
    scaled = {key: round(small["loop"][key] * rows / LOOP_ROWS, 1) for key in ("first_s", "second_s")}
    result["loop_scaled"] = scaled
    result["times_faster"] = round(scaled["first_s"] / one["first_s"], 1)
    misses = [key for key in ("first_s", "second_s") if one[key] > TARGETS[key] * rows / 1_000_000]
    lines = [f"{'':<14}{'首次':>10}{'再次':>10}{'新写':>12}{'内存':>10}"]
    for number in sorted(int(k) for k in result if k.isdecimal()):
        for task, word in (("scan", "平台"), ("loop", "逐台循环")):
            if figures := result[str(number)].get(task):
                lines.append(
                    f"{number:>10,} {word:<6}{figures['first_s']:>8.2f} s{figures['second_s']:>8.2f} s"
                    f"{figures['written']:>12,}{figures['peak_mb']:>8} MB"
                )
    lines.append(f"逐台循环折算到{rows:,}台：首次 {scaled['first_s']} s，再次 {scaled['second_s']} s")
    if more:
        result["growth"] = round(result[str(more)]["scan"]["first_s"] / one["first_s"], 2)
        lines.append(f"{more:,}台是{rows:,}台的{result['growth']}倍")
        misses += ["growth"] if result["growth"] > TARGETS["growth"] else []
    if one["written_again"]:
        misses.append("written_again")
    result["missed"] = misses
    return lines


def main() -> int:
    """Measure and write var/bench/reminders-<time>.json; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.reminders", description="到期提醒的速度")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=0, help="a second size, for the growth")
    parser.add_argument("--task", choices=tuple(TASKS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](given.rows)))
        return 0
    with own_servers(durable=True) as own:
        result: dict[str, Any] = {str(LOOP_ROWS): size(LOOP_ROWS, ("scan", "loop"), own)}
        for rows in filter(None, (given.rows, given.more)):
            result[str(rows)] = size(rows, ("scan",), own)
    lines = report(result, given.rows, given.more)
    out = write_result("reminders", result)
    print("\n".join(lines))
    print(out)
    return int(bool(result["missed"]))


if __name__ == "__main__":
    raise SystemExit(main())
