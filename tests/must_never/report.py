"""`python -m tests.must_never.report`: which test shows which forbidden act, and which wait for their entity.

Tests carry `@pytest.mark.must_never(12, 15)`. The files are read, not imported. Ends with 1 when a case is neither
shown nor waiting, when a mark names no case, or when what a case waits for exists by now.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from models.base import metadata
from tests.must_never.cases import CASES, WAITING

TESTS = Path(__file__).resolve().parents[1]


def marks(tests: Path = TESTS) -> Iterator[tuple[int, str]]:
    """(case, test) of every mark, e.g. (57, "rules/test_scope_naive.py::test_an_area_is_…")."""
    for file in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                name = f"{file.relative_to(tests).as_posix()}::{node.name}"
                for decorator in node.decorator_list:
                    yield from ((number, name) for number in _numbers(decorator))


def _numbers(node: ast.AST) -> Iterator[int]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "must_never":
            yield from (a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, int))


def shown() -> dict[int, list[str]]:
    """Case → the tests that show it."""
    found: dict[int, list[str]] = defaultdict(list)
    for number, test in marks():
        found[number].append(test)
    return found


def arrived(condition: str) -> list[str]:
    """Tables that a waiting case was waiting for."""
    _kind, _, pattern = condition.partition(":")
    return sorted(n for n in metadata.tables if not n.startswith("ab_") and re.search(pattern, n))


def problems(found: dict[int, list[str]]) -> list[str]:
    """What makes the report red."""
    missing = sorted(set(CASES) - set(found) - set(WAITING))
    said = [f"case {n} is neither shown nor waiting: {CASES[n]}" for n in missing]
    said += [f"{', '.join(found[n])} names no case: {n}" for n in sorted(set(found) - set(CASES))]
    for number, (condition, _what) in WAITING.items():
        if here := arrived(condition):
            said.append(f"case {number} waits no longer: {', '.join(here)} exists, show it and take it from WAITING")
    return said


def lines(found: dict[int, list[str]]) -> list[str]:
    """The report."""
    said = []
    for number, what in CASES.items():
        sign = "…" if number in WAITING else "✔" if found.get(number) else "✘"
        said.append(f"{sign} {number:>2} {what}")
        if number in WAITING:
            said.append(f"      waits: {WAITING[number][1]}")
        said += [f"      {test}" for test in found.get(number, [])]
    full = len([n for n in CASES if found.get(n) and n not in WAITING])
    return [
        *said,
        "",
        f"shown {full}, waiting {len(WAITING)}, missing {len(CASES) - full - len(WAITING)} of {len(CASES)}",
    ]


def main() -> int:
    import models

    assert models
    found = shown()
    print("\n".join(lines(found)))
    red = problems(found)
    print("\n".join(red), file=sys.stderr)
    return 1 if red else 0


if __name__ == "__main__":
    raise SystemExit(main())
