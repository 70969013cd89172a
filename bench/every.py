"""`make bench`, `python -m bench.every [--small] [--only NAME …]`: every measurement, one after the other.

Each runs in a process of its own with the sizes given here; what it prints goes to var/bench/every-<name>.log and its figures
to its own JSON file beside it. `--small` uses sizes that show in minutes that everything works. At the end stands a table;
the exit code is 1 when one missed its goal or broke. Sizes of a single measurement: `python -m bench.<name> --help`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # module: arguments of a full run, arguments of a small one
    "bench": (("--rows", "1000000"), ("--small",)),
    "bench.lists": (("--rows", "1000000"), ("--rows", "20000")),
    "bench.imports": (("--rows", "10000", "--times", "5", "--peer"), ("--rows", "1000", "--times", "1")),
    "bench.kills": (("--kills", "50", "--rows", "20000"), ("--kills", "3", "--rows", "2000")),
    "bench.promises": (
        ("--scale", "1"),
        ("--size", "I-1=5", "I-2=200", "I-3=200", "I-4=40", "I-5=1", "I-7=2000", "I-16=40", "I-23=40"),
    ),
    "bench.export": (("--rows", "100000", "--peer"), ("--rows", "2000")),
    "bench.bulk": (("--rows", "10000"), ("--rows", "1000")),
    "bench.reminders": (("--rows", "1000000", "--more", "5000000"), ("--rows", "20000")),
    "bench.certificates": (("--issued", "40", "--papers", "500"), ("--issued", "5", "--papers", "20")),
    "bench.booking": (("--clients", "50", "--each", "20"), ("--clients", "10", "--each", "3")),
    "bench.filing": (("--rows", "5000"), ("--rows", "600")),
    "bench.key_rotation": (("--rows", "100000"), ("--rows", "2000")),
    "bench.history": ((), ()),
    "bench.login": (("--calls", "200", "--rounds", "3"), ("--calls", "20", "--rounds", "1", "--seconds", "5")),
}


def run(module: str, arguments: tuple[str, ...], folder: Path) -> tuple[int, float]:
    """Exit code and seconds of one measurement; its words are kept."""
    begun = time.perf_counter()
    log = folder / f"every-{module.rpartition('.')[2]}.log"
    with log.open("w", encoding="utf-8") as out:
        command = [sys.executable, "-m", module, *arguments]
        ended = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False)
    return ended.returncode, time.perf_counter() - begun


def main() -> int:
    """Run them all; 1 when one of them ended with another code than 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.every", description="全部性能测量")
    parser.add_argument("--small", action="store_true", help="small sizes: shows in minutes that everything works")
    parser.add_argument("--only", nargs="*", choices=sorted(SIZES), help="these alone")
    given = parser.parse_args()
    folder = ROOT / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    codes = {}
    for module in given.only or SIZES:
        arguments = SIZES[module][given.small]
        print(f"{time.strftime('%H:%M:%S')} {module} {' '.join(arguments)}", flush=True)
        codes[module], took = run(module, arguments, folder)
        word = "达标" if codes[module] == 0 else f"未达标或出错（{codes[module]}）"
        print(f"         {word}，{took:.0f} 秒", flush=True)
    print(f"结果在 {folder.relative_to(ROOT)}/。")
    return int(any(codes.values()))


if __name__ == "__main__":
    raise SystemExit(main())
