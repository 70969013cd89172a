"""pytest plugin: what takes longest, and what wants a database that others have not used yet, runs first.

`--dist worksteal` hands every worker one piece of the list and lets idle workers take from the ends of the others'. So
whatever stands at the head of a piece starts at once and is not moved; the rest evens out.
"""

from __future__ import annotations

import os

import pytest

HEADS: tuple[tuple[str, ...], ...] = (
    (
        "tests/path/test_browser.py",
        "tests/path/test_day_browser.py",
        "tests/path/test_narrow.py",
        "tests/registration/test_wrong_fields_browser.py",
    ),
    ("tests/cli/", "tests/rules/test_leaks.py"),
    ("tests/rules/test_mutants.py", "tests/rules/test_scope_naive.py", "tests/faults/"),
)
"""Each row is the head of one piece (dealt out again when there are fewer workers): minutes long, or asking something of
every row there is: the mutants compare whole tables dozens of times, the faults leave thousands of rows behind."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same order in every worker: xdist insists on it."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    heads: list[list[pytest.Item]] = [[] for _ in range(workers)]
    taken: set[str] = set()
    for number, row in enumerate(HEADS):
        for prefix in row:
            found = [item for item in items if item.nodeid.startswith(prefix)]
            heads[number % workers] += found
            taken.update(item.nodeid for item in found)
    rest = [item for item in items if item.nodeid not in taken]
    ordered: list[pytest.Item] = []
    for number, head in enumerate(heads):
        size = (len(items) - len(ordered)) // (workers - number)
        fill = max(0, size - len(head)) if number < workers - 1 else len(rest)
        ordered += head + rest[:fill]
        rest = rest[fill:]
    items[:] = ordered
