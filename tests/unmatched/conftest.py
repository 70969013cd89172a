"""Every test of this folder runs where the function is open, as in Zhejiang."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def zhejiang(app, monkeypatch):
    """Gives the profile that the tests run under elsewhere."""
    usual = app.config.get("PROFILE")
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    return usual
