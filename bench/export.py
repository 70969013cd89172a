"""Export of 100,000 instruments × 18 columns: `python -m bench.export [--rows 100000] [--peer]`.

Ours (xlsx in the list's columns, CSV as it is streamed), beside the floor (the same rows through a server-side cursor,
nothing written), openpyxl's write_only mode and, with --peer, django-import-export in an environment of its own, which reads
the same table. Every figure is made in a process of its own (peak memory is the process's), in turns; the table shows
medians. `base_mb` is what the whole application weighs in a process before it begins; the goal of 120 MB is for what an
export adds to it. JSON goes to var/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.__main__ import application, prepared, say
from bench.own import ROOT, own_servers, write_result
from bench.peer_export import PEER

WAYS = ("fetch", "ours_xlsx", "ours_csv", "ours_template", "openpyxl")
COLUMNS = (
    "name",
    "category.level1",
    "category.level2",
    "model",
    "measuring_range",
    "accuracy_class",
    "serial_no",
    "own_no",
    "manufacturer",
    "origin",
    "division.name",
    "place",
    "purchased_on",
    "quantity",
    "purpose",
    "delivery_mode",
    "valid_until",
    "state",
)
TIMES = 3


def measure(way: str, folder: Path) -> dict[str, float]:
    """One way in this process: seconds to the end and to the first bytes, peak memory of the process, kB written."""
    from app.access.principal import as_system
    from app.operations import ledger_export
    from app.operations.ledger_query import ledger_query
    from models.base import db

    app, out, first = application(), folder / f"out-{way}", 0.0
    wanted = {
        "ours_csv": ledger_export.Wanted("shown", "csv", COLUMNS),
        "ours_template": ledger_export.Wanted(),
    }.get(way, ledger_export.Wanted("shown", "xlsx", COLUMNS))
    with app.app_context(), as_system("measuring"):
        session, rows = db.session(), 0
        assert ledger_query(session, "") is not None  # what every way needs once is not counted
        before, begun = peak(), time.perf_counter()
        if way in {"fetch", "openpyxl"}:
            statement = ledger_export._statement(list(COLUMNS)).where(ledger_export.condition(session, ""))
            found = session.connection().execution_options(stream_results=True, yield_per=2_000).execute(statement)
            rows = sum(1 for _row in found) if way == "fetch" else by_openpyxl(found, out)
        elif way == "ours_csv":
            with out.open("wb") as file:
                for piece in ledger_export.csv_pieces(session, "", wanted):
                    first = first or time.perf_counter() - begun
                    rows += piece.count(b"\n")
                    file.write(piece)
            rows -= 1
        else:
            rows = ledger_export.write_export(session, "", wanted, out)
        took = time.perf_counter() - begun
        session.rollback()
    size = out.stat().st_size // 1024 if out.exists() else 0
    return {
        "s": round(took, 3),
        "first_s": round(first, 3),
        "mb": round(peak(), 1),
        "base_mb": round(before, 1),
        "rows": rows,
        "kb": size,
    }


def by_openpyxl(found: Any, out: Path) -> int:
    """The usual way without a Rust writer."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet, rows = book.create_sheet(), 0
    sheet.append(list(COLUMNS))
    for row in found:
        sheet.append(list(row[1:]))
        rows += 1
    book.save(out)
    return rows


def peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peer(folder: Path, url: str) -> dict[str, float]:
    """django-import-export in an environment of its own, on the same table."""
    place = folder / "peer"
    if not (place / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        wanted = ["Django==5.2.8", "django-import-export[xlsx]==4.3.14", "psycopg[binary]==3.3.9"]
        subprocess.run([place / "bin" / "pip", "install", "-q", *wanted], check=True)
    script = folder / "peer_export.py"
    script.write_text(PEER, encoding="utf-8")
    done = subprocess.run(
        [place / "bin" / "python", script, url, str(folder)], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def turns(ways: tuple[str, ...], ask: Callable[[str], dict[str, float]]) -> dict[str, dict[str, float]]:
    """Every way `TIMES` times in turn; the median of each figure."""
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(TIMES):
        for way in ways:
            seen[way].append(ask(way))
            say(f"{way}: {seen[way][-1]}")
    return {way: {key: statistics.median(r[key] for r in runs) for key in runs[0]} for way, runs in seen.items()}


def asked(way: str, folder: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "bench.export", "--way", way, "--keep", str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure and write JSON; 1 when a target of the design is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.export", description="导出的测量")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peer", action="store_true", help="also django-import-export, once")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(given.way, given.keep)))
        return 0
    with own_servers(durable=False, keep=given.keep) as own:
        prepared(own, f"export_{given.rows}", given.rows)
        result: dict[str, Any] = {"rows": given.rows, "ways": turns(WAYS, lambda way: asked(way, own.folder))}
        if given.peer:
            result["ways"]["peer"] = peer(own.folder, os.environ["DATABASE_URL"])
    ways = result["ways"]
    result["ratio_to_fetch"] = {way: round(f["s"] / ways["fetch"]["s"], 2) for way, f in ways.items()}
    if "peer" in ways:
        result["times_faster_than_peer"] = round(ways["peer"]["s"] / ways["ours_xlsx"]["s"], 1)
    write_result(f"export-{given.rows}", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    good = (
        result["ratio_to_fetch"]["ours_xlsx"] <= 2.5
        and ways["ours_xlsx"]["mb"] - ways["ours_xlsx"]["base_mb"] <= 120
        and ways["ours_csv"]["first_s"] < 1
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
