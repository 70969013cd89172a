"""What docs/security.md says is shown by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def rows() -> dict[int, list[str]]:
    """Line of the list of requirements → the tests that its row names."""
    found = {}
    for line in TEXT.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if cells[0].isdecimal():
            found[int(cells[0])] = re.findall(r"tests/\S+?\.py::\w+", cells[-1])
    return found


def test_every_line_has_its_row_and_every_row_a_test():
    assert sorted(rows()) == list(range(37, 56))
    assert [n for n, tests in rows().items() if not tests] == []


def test_every_named_test_exists():
    missing = []
    for name in re.findall(r"tests/\S+?\.py::\w+", TEXT):
        file, _, test = name.partition("::")
        path = ROOT / file
        if not path.is_file() or f"def {test}(" not in path.read_text(encoding="utf-8"):
            missing.append(name)
    assert missing == []
