"""What certificates cost: `python -m bench.certificates [--issued 40] [--papers 500]`.

- one paper: rendered, signed, checked (medians per core), beside a bare reportlab file that only sets the same lines in the
  same font at the same places, no layout and no wrapping; once without and once with the QR code (goal: at least 0.8 of its
  speed);
- one issue: the approver's step and the publishing, with a database of its own, one worker (goal: at least 5 a second);
- `--papers` papers in one zip and in one print job, each in a process of its own: seconds and peak megabytes, beside a tenth
  of the papers (goal: flat).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.own import ROOT, own_servers, write_result

ROUNDS = 30


def median_ms(function: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Milliseconds of CPU, the median after three to warm up: other work on the machine does not count."""
    times = []
    for number in range(rounds + 3):
        begun = time.process_time()
        function()
        if number >= 3:
            times.append((time.process_time() - begun) * 1_000)
    return round(statistics.median(times), 2)


def paper() -> dict[str, float]:
    """Milliseconds of each part of one paper, and the share of the bare file's speed that layout leaves."""
    from app.documents.signature import load_key, sign_pdf
    from app.documents.signature_check import examine
    from app.documents.signature_key import make_demo_key
    from tests.documents.samples import PASSED

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.p12"
        file.write_bytes(make_demo_key("量一量", b"secret"))
        key = load_key(file, b"secret")
    numbers = iter(range(10_000_000))
    data = rendered(0)
    signed = sign_pdf(data, key, reason="签发", location="所")
    lines = lines_of(data)
    assert examine(signed, [key.anchor]).good
    found = {
        "bare_ms": median_ms(lambda: bare(lines)),
        "bare_with_code_ms": median_ms(lambda: bare(lines, PASSED.verify_url)),
        "render_ms": median_ms(lambda: rendered(next(numbers))),
        "sign_ms": median_ms(lambda: sign_pdf(data, key, reason="签发", location="所")),
        "check_ms": median_ms(lambda: examine(signed, [key.anchor])),
        "bytes": len(signed),
    }
    found["speed_of_bare"] = round(found["bare_ms"] / found["render_ms"], 2)
    found["speed_of_bare_with_code"] = round(found["bare_with_code_ms"] / found["render_ms"], 2)
    found["per_second_per_core"] = round(1_000 / (found["render_ms"] + found["sign_ms"] + found["check_ms"]), 1)
    return found


def rendered(number: int) -> bytes:
    from app.documents.certificate import render_certificate
    from tests.documents.samples import PASSED

    out = io.BytesIO()
    render_certificate(replace(PASSED, serial_no=f"S{number:08d}"), out)
    return out.getvalue()


def lines_of(data: bytes) -> list[list[tuple[float, float, float, str]]]:
    """(x, y, size, text) of every line of every page."""
    from pypdf import PdfReader

    pages = []
    for page in PdfReader(io.BytesIO(data)).pages:
        found: list[tuple[float, float, float, str]] = []

        def visit(text: str, _cm: Any, tm: Any, _font: Any, size: float, found: Any = found) -> None:
            found.extend((tm[4], tm[5], size, part) for part in text.split("\n") if part.strip())

        page.extract_text(visitor_text=visit)
        pages.append(found)
    return pages


def bare(pages: list[list[tuple[float, float, float, str]]], code: str = "") -> bytes:
    """The same lines with nothing but reportlab; with `code` the QR code too, most of whose time is choosing its mask."""
    from reportlab.pdfgen.canvas import Canvas

    from app.documents.fonts import FONT_NAME, load_font
    from app.documents.qr import draw_qr

    load_font()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595.28, 841.89), pageCompression=1)
    for lines in pages:
        for x, y, size, text in lines:
            canvas.setFont(FONT_NAME, size)
            canvas.drawString(x, y, text)
        if code:
            draw_qr(canvas, code, 400, 60, 85)
            code = ""
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def packed(kind: str, count: int) -> dict[str, float]:
    """Seconds and peak megabytes of `count` different papers in one file; run it in a process of its own."""
    from app.documents.merge import merge_pdfs
    from app.documents.zip_files import write_zip

    with tempfile.TemporaryDirectory() as folder:
        kept = [Path(folder) / f"{n}.pdf" for n in range(20)]
        for n, file in enumerate(kept):
            file.write_bytes(rendered(n))

        def papers() -> Iterator[bytes]:
            for n in range(count):
                yield kept[n % len(kept)].read_bytes()

        begun = time.perf_counter()
        with (Path(folder) / "out").open("wb") as out:
            if kind == "zip":
                write_zip(((f"证书{n}_秤.pdf", data) for n, data in enumerate(papers())), out)
            else:
                merge_pdfs(papers(), out)
        taken = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(taken, 2), "peak_mb": round(peak, 1)}


def issued(count: int) -> dict[str, float]:
    """Wall milliseconds of issuing `count` certificates one after the other, in a database of its own."""
    with own_servers(durable=True) as own:
        os.environ["DATABASE_URL"] = own.create("bench")
        return _issued(count)


def _issued(count: int) -> dict[str, float]:

    from app.access.principal import as_system
    from app.operations.certificate import publish_certificate
    from app.workflow import CERTIFICATE, fire
    from bench.__main__ import application, fresh_world
    from models.base import db
    from tests.world import booked, drafted

    app = application()
    with app.app_context():
        world = fresh_world(app)
        session = db.session()
        steps: list[float] = []
        papers: list[float] = []
        for number in range(count):
            pk = drafted(world, booked(world, "ua1").items[0])
            for who, name in (("ver", "submit"), ("chk", "check")):
                with world.acting(f"{who}A") as actor:
                    fire(session, CERTIFICATE, pk, name, actor)
                    session.commit()
            begun = time.perf_counter()
            with world.acting("aprA") as actor:
                fire(session, CERTIFICATE, pk, "issue", actor)
                session.commit()
            between = time.perf_counter()
            with as_system("measuring"):
                publish_certificate(session, pk)
                session.commit()
            if number >= 3:
                steps.append((between - begun) * 1_000)
                papers.append((time.perf_counter() - between) * 1_000)
        db.session.remove()
    step, publish = statistics.median(steps), statistics.median(papers)
    return {
        "issue_ms": round(step, 1),
        "publish_ms": round(publish, 1),
        "per_second": round(1_000 / (step + publish), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def child(*arguments: str) -> Any:
    """One measurement in a process of its own; gives its JSON."""
    command = [sys.executable, "-m", "bench.certificates", *arguments]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> int:
    """Measure and write var/bench/<time>-certificates.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.certificates", description="证书：签发、签章、打包")
    parser.add_argument("--issued", type=int, default=40)
    parser.add_argument("--papers", type=int, default=500)
    parser.add_argument("--task", choices=("paper", "zip", "print", "issued"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        tasks: dict[str, Callable[[], Any]] = {
            "paper": paper,
            "issued": lambda: issued(given.issued),
            "zip": lambda: packed("zip", given.papers),
            "print": lambda: packed("print", given.papers),
        }
        print(json.dumps(tasks[given.task]()))
        return 0
    few = str(max(given.papers // 10, 1))
    result = {
        "paper": child("--task", "paper"),
        "issued": child("--task", "issued", "--issued", str(given.issued)),
        "papers": given.papers,
        **{task: child("--task", task, "--papers", str(given.papers)) for task in ("zip", "print")},
        **{f"{task}_tenth": child("--task", task, "--papers", few) for task in ("zip", "print")},
    }
    out = write_result("certificates", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
