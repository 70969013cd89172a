"""`python -m bench [--rows 1000000] [--small] [--keep FOLDER]`: its own PostgreSQL, its own data, a table and a JSON file.

Pages are asked for through the test client, from the route to the finished HTML, as regulators of the province and of a
county, as a large and a small unit and as an institute; each figure is the median of nine after one to warm up. The same
pages in a database of 1,000 rows stand next to it: what grows with the table shows as a ratio. `--keep /tmp/folder`
keeps both databases, so that the next measurement begins at once (delete the folder after changing the schema).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.own import ROOT, Own, own_servers, write_result

TARGET_MS = 150
TIMES = 9
FEW = 1_000
PEOPLE = {"regP": "省级监管", "regA1": "县级监管", "ua1": "单位五千台", "ua2": "单位五十台", "recA": "技术机构"}
LIST = "/instruments/list/"


def pages() -> dict[str, str]:
    """What is asked for."""
    from bench.data import RARE

    return {
        "第一页": LIST,
        "筛选：状态": f"{LIST}?_flt_0_state=suspended",
        "筛选：即将到期": f"{LIST}?band=due",
        "筛选：已超期": f"{LIST}?band=overdue",
        "查找：罕见": f"{LIST}?_flt_0_search_text={RARE}",
        "查找：常见": f"{LIST}?_flt_0_search_text=加油机",
        "查找：没有": f"{LIST}?_flt_0_search_text=天外飞仙",
        "出厂编号": f"{LIST}?_flt_0_serial_no=B000000500",
        "最后一页": f"{LIST}?page_InstrumentView=-1",
    }


def measured(client: Any, url: str) -> float:
    """Milliseconds of one page, the median of nine."""
    answer = client.get(url)
    if answer.status_code != 200:
        raise SystemExit(f"{url} answered {answer.status_code}: measure nothing rather than an error page")
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        client.get(url).get_data()
        times.append((time.perf_counter() - begun) * 1_000)
    return round(statistics.median(times), 1)


def round_of(app: Any, world: Any) -> dict[str, dict[str, float]]:
    """Every page for every person."""
    from tests.client import login

    found = {}
    for nick, word in PEOPLE.items():
        client = login(app, world, nick)
        found[word] = {title: measured(client, url) for title, url in pages().items()}
    return found


def seconds(function: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    function()
    return round(time.perf_counter() - begun, 2)


def jobs_of(world: Any, folder: Path, import_rows: int) -> dict[str, float]:
    """Import and reminders beside the full table, in seconds."""
    from app import clock
    from app.access.principal import as_system
    from app.operations.job import run_job
    from app.operations.ledger_import import confirm_import, start_import
    from app.operations.reminders import run_reminders
    from models.base import db
    from tests.faults.test_kills import workbook

    session, found = db.session(), {}
    with world.acting("ub1") as actor:
        data = workbook(folder / "bench.xlsx", import_rows, "BENCH")
        job = start_import(session, actor, filename="台账.xlsx", data=data)
        session.commit()
        found[f"导入{import_rows}行：核对"] = seconds(lambda: run_job(session, job.id))
        confirm_import(session, actor, job.id)
        session.commit()
        found[f"导入{import_rows}行：写入"] = seconds(lambda: run_job(session, job.id))
    with as_system("measuring"):

        def remind() -> None:
            run_reminders(session, clock.today())
            session.commit()

        found["提醒：首次"] = seconds(remind)
        found["提醒：再次"] = seconds(remind)
    return found


def fresh_world(app: Any) -> Any:
    """Migrate the empty database of the application's context and make reference data, grants and the tests' world."""
    from flask_migrate import upgrade

    from app import reference
    from app.access.grants import sync
    from app.access.principal import as_system
    from models.base import db
    from tests.world import build_world

    upgrade()
    session = db.session()
    with as_system("measuring"):
        reference.load(session)
        sync(session, app.appbuilder.baseviews)
        session.commit()
    return build_world()


def build(rows: int, kept: Path) -> float:
    """The world, the units and `rows` instruments in the database of DATABASE_URL; the people go to `kept`."""
    from app.access.principal import as_system
    from bench import data
    from models.base import db
    from models.types import Encrypted

    app = application()
    with app.app_context():
        world = fresh_world(app)
        session = db.session()
        with as_system("measuring"):
            phone = Encrypted(200).process_bind_param("13800000000", db.engine.dialect)
            owners = data.units(session, str(phone))
            session.commit()
            own = (world.units["ua1"], world.units["ua2"])
            took = seconds(lambda: data.instruments(session, rows, owners, own, world.institutes["A"]))
        db.session.remove()
    kept.write_text(json.dumps(asdict(world)), encoding="utf-8")
    return took


def application() -> Any:
    """The whole application on the stores the environment names."""
    from run import create_app

    limits = os.environ["REDIS_URL"].replace("unix://", "redis+unix://", 1)
    return create_app({"TESTING": True, "RATELIMIT_STORAGE_URI": limits})


def child(task: str, rows: int, folder: Path) -> Any:
    """Run one task in a process of its own, as a server begins with nothing in its memory; gives its JSON."""
    command = [sys.executable, "-m", "bench", "--task", task, "--rows", str(rows), "--keep", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(ended.stdout.splitlines()[-1])


def do(task: str, rows: int, folder: Path) -> Any:
    """What `child` asks for."""
    from tests.world import World

    kept = folder / f"people-{rows}.json"
    if task == "build":
        return build(rows, kept)
    app, world = application(), World(**json.loads(kept.read_text(encoding="utf-8")))
    if task == "pages":
        return round_of(app, world)
    with app.app_context():
        return jobs_of(world, folder, min(10_000, max(rows // 10, 500)))


def prepared(own: Own, name: str, rows: int) -> float:
    """Point the environment at a database of `rows` instruments, built unless it was kept; gives the seconds that took."""
    if (own.folder / f"people-{rows}.json").exists():
        os.environ["DATABASE_URL"] = own.url(name)
        return 0.0
    os.environ["DATABASE_URL"] = own.create(name)
    took = float(child("build", rows, own.folder))
    say(f"{rows:,} rows are there after {took} s")
    return took


def run(rows: int, own: Own) -> dict[str, Any]:
    """Two databases, one with a thousand rows; built unless they are still there, then measured."""
    result: dict[str, Any] = {"rows": rows}
    for number in (FEW, rows):
        result["load_seconds"] = prepared(own, f"bench_{number}", number)
        result["pages_ms_1000" if number == FEW else "pages_ms"] = child("pages", number, own.folder)
    result["jobs_s"] = child("jobs", rows, own.folder)
    return result


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def table(result: dict[str, Any]) -> str:
    """The figures for a terminal."""
    lines = [f"{'页面':<22}{'一千行':>10}{result['rows']:>14,}{'倍数':>8}"]
    for who, figures in result["pages_ms"].items():
        for title, value in figures.items():
            small = result["pages_ms_1000"][who][title]
            mark = "" if value <= TARGET_MS else f"  超过{TARGET_MS} ms"
            lines.append(f"{who} {title:<14}{small:>10.1f} ms{value:>10.1f} ms{value / small:>8.1f}{mark}")
    lines += [f"{title:<24}{value:>10.2f} s" for title, value in result["jobs_s"].items()]
    return "\n".join(lines)


def main() -> int:
    """Measure and write var/bench/<time>.json; 1 when a page is slower than the target."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="性能测量")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--small", action="store_true", help="20,000 rows: shows that it works")
    parser.add_argument("--keep", type=Path, help="a short folder under /tmp that keeps the data for the next time")
    parser.add_argument("--task", choices=("build", "pages", "jobs"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    rows = 20_000 if given.small else given.rows
    if given.task:
        print(json.dumps(do(given.task, rows, given.keep)))
        return 0
    with own_servers(durable=False, keep=given.keep) as own:
        result = run(rows, own)
    out = write_result(f"pages-{rows}", result)
    print(table(result))
    print(out)
    slow = [v for figures in result["pages_ms"].values() for v in figures.values() if v > TARGET_MS]
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
