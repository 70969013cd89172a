"""`python -m bench.imports [--rows 10000] [--times 5] [--peer]`: loading an 18-column ledger, ours against floor and peer.

The floor parses the same file with the same reader and COPYs its rows into the same table with the same indexes,
nothing checked. The peer is django-import-export with cached look-ups and bulk writes, in an environment of its own
under var/bench. Runs take turns in processes of their own; medians and peak memory go into a JSON file.

The load is parsing, every rule and the instruments with their checkpoint. What a plain load does not do has lines of
its own: the preview (rows stored for correction) and the history.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.own import OUT, ROOT, own_servers, write_result

SEED = 4
KINDS = (
    ("电子计价秤", "非自动衡器", "非自动衡器", "ACS-30", "(0-30)kg"),
    ("一般压力表", "压力仪表", "指示类压力表", "Y-100", "(0-1.6)MPa"),
    ("电子血压计", "血压计(表)", "无创自动测量血压计", "HEM-7121", "(0-299)mmHg"),
)
MAKERS = ("上海大华衡器有限公司", "红旗仪表有限公司", "欧姆龙（大连）有限公司", "汉威科技集团股份有限公司")
PLACES = ("440103", "440104", "440105", "440106")
PACKAGES = ("Django==5.2.8", "django-import-export==4.3.14", "psycopg[binary]", "openpyxl", "tablib[xlsx]")


def workbook(path: Path, rows: int) -> None:
    """The file that all of them load: seeded, one row of a hundred bad."""
    from app.documents.xlsx import write_rows
    from app.operations.instrument import EXPORT_COLUMNS

    dice = random.Random(SEED)

    def line(number: int) -> list[Any]:
        name, level1, level2, model, measures = dice.choice(KINDS)
        if number % 100 == 57:
            level2 = dice.choice(("不存在的种别", "电子秤类", ""))
        day = f"20{dice.randint(24, 27)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
        serial, maker = f"{dice.randint(0, 9)}{number:08d}", dice.choice(MAKERS)
        told = [name, level1, level2, model, measures, "Ⅲ", serial, f"ZB-{number}", maker, "国产"]
        place = f"{dice.randint(1, 40)}号车间{dice.randint(1, 99)}工位"
        return [*told, dice.choice(PLACES), place, "2024-03-14", 1, "贸易结算", "现场检", day, ""]

    write_rows(path, EXPORT_COLUMNS, (line(number) for number in range(rows)))


def peak_mb() -> int:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def timed(module: Any, name: str, into: dict[str, float], key: str) -> None:
    """Count the seconds spent inside a function of a module."""
    inner: Callable[..., Any] = getattr(module, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            into[key] = into.get(key, 0.0) + time.perf_counter() - begun

    setattr(module, name, counted)


def ours(file: Path) -> dict[str, Any]:
    """The import as a unit does it, the worker's part in this process."""
    from app.operations import import_store, ledger_import
    from app.operations.job import run_job
    from bench.__main__ import application
    from models.base import db
    from tests.world import World

    app, spent = application(), {}
    started = peak_mb()
    with app.app_context():
        world = World(**json.loads((file.parent / "people.json").read_text(encoding="utf-8")))
        clear(db.session())
        timed(ledger_import, "copy_rows", spent, "preview")
        timed(import_store, "write_history", spent, "history")
        with world.acting("ua1") as actor:
            session = db.session()
            job = ledger_import.start_import(session, actor, filename=file.name, data=file.read_bytes())
            session.commit()
            begun = time.perf_counter()
            run_job(session, job.id)
            spent["checked"] = time.perf_counter() - begun
            ledger_import.confirm_import(session, actor, job.id)
            session.commit()
            begun = time.perf_counter()
            run_job(session, job.id)
            spent["written"] = time.perf_counter() - begun
            session.refresh(job)
            made = int(str(job.counts["created"]))
    total = spent["checked"] + spent["written"]
    load = total - spent["preview"] - spent["history"]
    return {"load": load, "total": total, **spent, "rows": made, "mb": peak_mb(), "mb_before": started}


EMPTY = "TRUNCATE instrument, import_row, transition_log CASCADE"


def clear(session: Any) -> None:
    """The tables as they were before: empty, their indexes fresh. The log forbids it to everybody but a superuser."""
    from sqlalchemy import text

    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text(EMPTY))
    session.commit()


def floor(file: Path) -> dict[str, Any]:
    """Parse and COPY into the same table, nothing checked."""
    import psycopg
    from python_calamine import CalamineWorkbook

    with psycopg.connect(os.environ["BENCH_LIBPQ"]) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(EMPTY)
        connection.commit()
        unit = connection.execute("SELECT min(id) FROM unit").fetchone()[0]  # type: ignore[index]
        known = {k: i for i, k in connection.execute("SELECT id, level2 FROM category")}
        connection.commit()
        begun = time.perf_counter()
        book = CalamineWorkbook.from_path(file)
        sheet, made = book.get_sheet_by_index(0), 0
        names = (
            "state, unit_id, version, name, category_id, model, measuring_range, accuracy_class, serial_no, own_no, "
            "manufacturer, origin, use_division, place, purchased_on, quantity, purpose, delivery_mode, valid_until, "
            "note, dup_key, search_text"
        )
        with connection.cursor() as cursor, cursor.copy(f"COPY instrument ({names}) FROM STDIN") as copy:
            for number, line in enumerate(sheet.iter_rows()):
                category = known.get(line[2])
                if not number or category is None:
                    continue
                made += 1
                copy.write(
                    f"in_use\t{unit}\t1\t{line[0]}\t{category}\t{line[3]}\t{line[4]}\t{line[5]}\t{line[6]}\t{line[7]}"
                    f"\t{line[8]}\tdomestic\t{line[10]}\t{line[11]}\t{line[12]}\t{int(line[13])}\ttrade\tonsite"
                    f"\t{line[16]}\t{line[17]}\t{line[8]}|{line[6]}\t{line[0]} {line[8]} 单位\n"
                )
        connection.commit()
        spent = time.perf_counter() - begun
    return {"load": spent, "rows": made, "mb": peak_mb()}


def peer(file: Path) -> dict[str, Any]:
    """django-import-export in its own environment."""
    home = OUT / "peer-import"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    done = subprocess.run(
        [python, ROOT / "bench" / "peers" / "import_export_peer.py", file, ROOT / "app" / "reference"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


TASKS = {"ours": ours, "floor": floor, "peer": peer}


def prepare(rows: int, folder: Path) -> None:
    """The schema, a unit, and the file."""
    from dataclasses import asdict

    from bench.__main__ import application, fresh_world

    app = application()
    with app.app_context():
        world = fresh_world(app)
        (folder / "people.json").write_text(json.dumps(asdict(world)), encoding="utf-8")
    del rows


def child(task: str, file: Path) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "bench.imports", "--task", task, "--file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr[-3_000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    """The median of every figure, the highest memory."""
    keys = {key for run in runs for key in run}
    return {
        key: round(max(r[key] for r in runs) if key.startswith("mb") else statistics.median(r[key] for r in runs), 3)
        for key in sorted(keys)
    }


def measure(rows: int, times: int, tasks: list[str], folder: Path) -> dict[str, Any]:
    """All of them in turn, so that what slows the machine slows each."""
    file = folder / f"ledger-{rows}.xlsx"
    workbook(file, rows)
    runs: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    for turn in range(times):
        for task in tasks:
            runs[task].append(child(task, file))
            said = runs[task][-1]
            print(f"{turn + 1}/{times} {task} {said['load']:.2f} s {said['mb']} MB", file=sys.stderr, flush=True)
    found: dict[str, Any] = {task: medians(done) for task, done in runs.items()}
    pairs = zip(runs["ours"], runs["floor"], strict=True)
    found["ours_to_floor"] = round(statistics.median(a["load"] / b["load"] for a, b in pairs), 2)
    if "peer" in runs:
        both = zip(runs["peer"], runs["ours"], strict=True)
        found["peer_to_ours"] = round(statistics.median(a["load"] / b["load"] for a, b in both), 1)
    return found


def main() -> int:
    """Measure and write var/bench/imports-<rows>.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description="导入性能测量")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="also django-import-export (minutes)")
    parser.add_argument("--task", choices=("prepare", *TASKS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task == "prepare":
        prepare(given.rows, given.file)
        return 0
    if given.task:
        print(json.dumps(TASKS[given.task](given.file)))
        return 0
    with own_servers(durable=False) as own:
        os.environ["DATABASE_URL"] = own.create("bench_import")
        os.environ["BENCH_LIBPQ"] = own.libpq("bench_import")
        own.create("bench_peer")
        os.environ["BENCH_PEER"] = own.libpq("bench_peer")
        command = [sys.executable, "-m", "bench.imports", "--task", "prepare", "--file", str(own.folder)]
        subprocess.run(command, check=True, cwd=ROOT)
        tasks = ["floor", "ours", *(["peer"] if given.peer else [])]
        result: dict[str, Any] = {"rows": given.rows, "times": given.times}
        result |= measure(given.rows, given.times, tasks, own.folder)
    write_result(f"imports-{given.rows}", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
