"""`make bench` runs every measurement there is."""

from __future__ import annotations

import re
from pathlib import Path

from bench.every import SIZES

BENCH = Path(__file__).parents[2] / "bench"


def test_make_bench_knows_every_measurement():
    programs = {p.stem for p in BENCH.glob("*.py") if "__main__" in p.read_text(encoding="utf-8")} - {"every"}
    named = {module.removeprefix("bench.") for module in SIZES}
    assert {"__main__" if name == "bench" else name for name in named} == programs | {"__main__"}
    assert "-m bench.every" in (BENCH.parent / "Makefile").read_text(encoding="utf-8")


def test_sizes_are_arguments_that_the_programs_know():
    for module, sizes in SIZES.items():
        file = BENCH / f"{module.removeprefix('bench.') if module != 'bench' else '__main__'}.py"
        known = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', file.read_text(encoding="utf-8")))
        for arguments in sizes:
            assert {a for a in arguments if a.startswith("--")} <= known, module
