"""The short form of `python -m tests.rules.mutate`, in every test run: each entity's predicate away, or shut."""

from __future__ import annotations

from app.access.scope import SCOPES
from models.base import db
from tests.rules.mutate import EQUIVALENT, mutants, run


def test_a_dropped_predicate_is_noticed(app, world):
    with app.app_context():
        tried, alive = run(db.session(), world, only=lambda m: "whole predicate" in m.what)
        db.session.rollback()
        db.session.remove()
    assert alive == []
    assert tried >= 2 * len(SCOPES)


def test_the_list_of_harmless_changes_names_changes_that_exist():
    assert set(EQUIVALENT) <= {m.what for m in mutants()}
