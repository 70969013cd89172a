"""Fixtures of the booking tests: the deployment's profile, and a unit whose instruments nobody else books."""

from __future__ import annotations

import pytest

from app.access.principal import as_system
from app.profiles import forget
from models import Instrument
from models.base import db
from tests.world import filed, new_unit


@pytest.fixture
def profile(app, monkeypatch, context):
    """profile("national"): the pages and operations of this test speak that profile."""

    def choose(name):
        monkeypatch.setitem(app.config, "PROFILE", name)
        forget()

    yield choose
    forget()


@pytest.fixture(scope="module")
def home(app, world):
    """A unit of this module alone."""
    with app.app_context():
        new_unit(world, "uk1", "440103", "recA", "A")
    return "uk1"


@pytest.fixture
def free(world, context):
    """free("uk1", "440104"): an instrument in use that the ledger names no institute for; the place decides."""

    def make(unit, division="440103", **more):
        made = filed(world, unit, **more)
        with as_system("test"):
            row = db.session.get(Instrument, made.id)
            row.institute_id, row.use_division = None, division
            db.session.commit()
        return made.id

    return make
