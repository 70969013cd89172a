"""``make features``: which test shows which feature.

A test carries ``@pytest.mark.feature("REG-06", "REG-07")``, on itself or its class, or ``pytestmark`` in its file. The
files are read, not imported, so the report needs no server. Ends with 1 when a mark names an unknown feature.
"""

from __future__ import annotations

import ast
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
IDS = TESTS / "feature_ids.csv"


def known_features(path: Path = IDS) -> dict[str, tuple[str, str]]:
    """Title and area of every feature, in the order of the file."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: (row["title"], row["area"]) for row in csv.DictReader(file)}


def marks(tests: Path = TESTS) -> Iterator[tuple[str, str]]:
    """Pairs of a feature id and the test that shows it, e.g. ``("REG-06", "accounts/test_forms.py::test_guangdong")``."""
    for file in sorted(tests.rglob("*.py")):
        name = file.relative_to(tests).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        for node in ast.iter_child_nodes(tree):
            if isinstance(node, ast.Assign) and any(_is_pytestmark(target) for target in node.targets):
                yield from ((mark, name) for mark in _ids(node.value))
            yield from _of_definition(node, name)


def _of_definition(node: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    name = f"{prefix}::{node.name}"
    for decorator in node.decorator_list:
        yield from ((mark, name) for mark in _ids(decorator))
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            yield from _of_definition(child, name)


def _ids(node: ast.AST) -> Iterator[str]:
    """The ids of every ``…mark.feature(…)`` call inside an expression, ``pytest.param(…, marks=…)`` included."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "feature":
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def _is_pytestmark(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "pytestmark"


def report(features: dict[str, tuple[str, str]], shown: dict[str, list[str]]) -> list[str]:
    """The lines of the report: every feature with its tests, then the count of every area."""
    lines, total, done = [], defaultdict(int), defaultdict(int)
    for number, (title, area) in features.items():
        tests = shown.get(number, [])
        total[area] += 1
        done[area] += bool(tests)
        lines.append(f"{'✔' if tests else '·'} {number} {title}")
        lines += [f"      {test}" for test in tests]
    lines.append("")
    lines += [f"{done[area]:>4}/{count:<4} {area}" for area, count in total.items()]
    lines.append(f"{sum(done.values()):>4}/{len(features):<4} 合计")
    return lines


def main() -> int:
    """Print the report; 1 when a test names a feature that does not exist."""
    features = known_features()
    shown: dict[str, list[str]] = defaultdict(list)
    for number, test in marks():
        shown[number].append(test)
    print("\n".join(report(features, shown)))
    unknown = sorted(set(shown) - set(features))
    for number in unknown:
        print(f"未知的功能编号 {number}：{', '.join(shown[number])}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    raise SystemExit(main())
