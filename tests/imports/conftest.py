"""One browser per person and test run."""

from __future__ import annotations

import pytest

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
