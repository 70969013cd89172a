"""`python -m bench.history`: the history of an instrument with 500 lines, the score of 10,000 rows, pairs among 20,000.

Its own servers and a database with the world of the tests; medians and 95th percentiles of thirty runs, in
milliseconds, to standard output and var/bench/history.json.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select, text

from app import clock
from app.access.principal import Principal, as_system
from app.operations.duplicates import pairs_among
from app.operations.history import instrument_history, row_as_was
from app.operations.instrument_quality import refresh
from app.workflow import INSTRUMENT
from bench.__main__ import application, fresh_world
from bench.own import ROOT, own_servers, write_result
from models import Instrument, TransitionLog
from models.base import db
from models.enums import Role
from tests.world import instrument

LINES, ROWS, PAIRS, TIMES = 500, 10_000, 20_000, 30


def _lines(row: Instrument) -> list[TransitionLog]:
    start = clock.now() - timedelta(days=LINES)
    return [
        TransitionLog(
            entity="instrument",
            entity_id=row.id,
            step="edit",
            from_state=row.state,
            to_state=row.state,
            actor_name="量测",
            actor_role=Role.ENT.value,
            at=start + timedelta(days=number),
            input={"changed": {"place": [f"{number}号", f"{number + 1}号"], "category_id": [1, 2]}},
            instrument_id=row.id,
        )
        for number in range(LINES)
    ]


def _copies(row: Instrument) -> list[dict[str, Any]]:
    dice, kept = random.Random(1), {}
    for column in Instrument.__mapper__.column_attrs:
        if column.key not in {"id", "code", "dup_key", "serial_no"}:
            kept[column.key] = getattr(row, column.key)
    serials = [f"BENCH{number:06d}{dice.randrange(10)}" for number in range(ROWS)]
    return [{**kept, "serial_no": s, "dup_key": s, "accuracy_class": dice.choice(("", "Ⅲ"))} for s in serials]


def _timed(act: Callable[[], Any], times: int = TIMES) -> dict[str, float]:
    found = []
    for _each in range(times):
        begun = time.perf_counter()
        act()
        found.append((time.perf_counter() - begun) * 1000)
    return {"median_ms": round(statistics.median(found), 1), "p95_ms": round(sorted(found)[int(times * 0.95)], 1)}


def measure() -> dict[str, Any]:
    """All figures; the database is as before afterwards."""
    session = db.session()
    reader = Principal(None, "量测", frozenset({Role.REG}), area="44")
    with as_system("measuring"):
        row = session.scalars(select(Instrument).limit(1)).first()
        if row is None:
            raise SystemExit("the ledger is empty")
        session.add_all(_lines(row))
        session.flush()
        day = clock.now() - timedelta(days=LINES // 2)
        result: dict[str, Any] = {
            f"history of {LINES} lines": _timed(lambda: instrument_history(session, reader, row.id)),
            f"as it was, {LINES} lines": _timed(lambda: row_as_was(session, INSTRUMENT, row, day)),
        }
        session.bulk_insert_mappings(Instrument.__mapper__, _copies(row))
        session.execute(text("ANALYZE instrument"))  # as autovacuum does after a while
        mine = Instrument.serial_no.startswith("BENCH")
        result[f"score of {ROWS} rows, first time"] = _timed(lambda: refresh(session, mine), 1)
        result[f"score of {ROWS} rows, again"] = _timed(lambda: refresh(session, mine), 3)
        session.rollback()
    dice = random.Random(2)
    rows = [
        SimpleNamespace(
            id=n, name="压力表", model=f"Y-{dice.randrange(40)}", serial_no=f"K{dice.randrange(10**7)}", own_no="",
            manufacturer=f"仪表{dice.randrange(30)}厂", place=f"{dice.randrange(900)}号", category_id=1, code=None,
        )
        for n in range(PAIRS)
    ]  # fmt: skip
    result[f"pairs among {PAIRS} rows"] = _timed(lambda: pairs_among(rows), 3)
    return result


def measure_in_fresh_world() -> dict[str, Any]:
    """The figures of this process's empty database."""
    app = application()
    with app.app_context():
        instrument(fresh_world(app), "ua1")
        return measure()


def main() -> None:
    """Print the figures and keep them."""
    if "--here" in sys.argv[1:]:
        print(json.dumps(measure_in_fresh_world(), ensure_ascii=False))
        return
    with own_servers(durable=False) as own:
        os.environ["DATABASE_URL"] = own.create("history")
        command = [sys.executable, "-m", "bench.history", "--here"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    write_result("history", found)
    print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
