"""The profile of a test, chosen by its name."""

from __future__ import annotations

import pytest

from app import profiles


@pytest.fixture
def under(app, monkeypatch):
    """under("zhejiang") makes the deployment that of Zhejiang until the test ends."""

    def choose(name: str) -> None:
        monkeypatch.setitem(app.config, "PROFILE", name)
        profiles.forget()

    yield choose
    profiles.forget()
