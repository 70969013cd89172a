"""The list of forbidden acts is complete: each is shown by a test, or waits for an entity that does not exist yet."""

from __future__ import annotations

import models
from tests.must_never import report
from tests.must_never.cases import CASES, WAITING

assert models


def test_every_case_is_shown_or_waits():
    assert list(CASES) == list(range(1, 86))
    assert set(WAITING) <= set(CASES)
    assert report.problems(report.shown()) == []


def test_a_waiting_case_turns_red_when_its_table_arrives(monkeypatch):
    from sqlalchemy import Table

    from models.base import metadata

    Table("charge_order", metadata)
    try:
        assert any("case 20" in line for line in report.problems(report.shown()))
    finally:
        metadata.remove(metadata.tables["charge_order"])


def test_a_missing_mark_and_an_unknown_one_turn_red():
    found = report.shown()
    del found[12]
    found[99] = ["x"]
    said = "\n".join(report.problems(found))
    assert "case 12" in said
    assert "names no case: 99" in said
