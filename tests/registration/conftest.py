"""Fixtures of the registration tests."""

import pytest

from app.profiles import load


@pytest.fixture
def profile_of(app, monkeypatch):
    """Switch the deployment: profile_of("hohhot"). Without captcha unless `captcha` is kept."""

    def switch(name: str, *, captcha: bool = False) -> None:
        monkeypatch.setitem(app.config, "PROFILE", name)
        if not captcha:
            monkeypatch.setitem(load(name)["login"], "captcha", False)

    return switch
