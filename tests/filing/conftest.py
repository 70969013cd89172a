"""One browser per person and test run."""

from __future__ import annotations

import pytest

from app import profiles
from tests.client import login


@pytest.fixture(scope="session")
def browser(app, world):
    """browser("ua1") is logged in as that person."""
    known = {}

    def of(nick):
        if nick not in known:
            known[nick] = login(app, world, nick)
        return known[nick]

    return of


@pytest.fixture
def guangdong(app, world, browser, monkeypatch, context):
    """The deployment that files: everybody is logged in before, because its log-in page asks for more."""
    for who in ("ua1", "ub1", "recA", "recA1", "recB", "recP", "imgA", "regA", "regB", "adm"):
        browser(who)
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    profiles.forget()
    yield
    profiles.forget()
