"""相关资料 of an instrument: read by its unit, by the institutes that have to do with it, and where it is used (rule S-1)."""

from __future__ import annotations

import pytest

from app.operations.instrument_files import add_file
from models.base import db
from tests.client import login, text
from tests.world import PNG, booked, filed, instrument

NAME = "型式评价证书.png"


@pytest.fixture(scope="module")
def people(app, world):
    with app.app_context():
        nicks = ("ua1", "sub1", "ua2", "recA", "verA", "aprA", "imgA", "recB", "imgB", "regA", "regA2", "regB", "adm")
        return {nick: login(app, world, nick) for nick in nicks}


def put(world, pk: int) -> str:
    with world.acting("ua1") as actor:
        made = add_file(db.session(), actor, pk, filename=NAME, data=PNG)
        db.session.commit()
        return f"/files/{made.id}"


def readers(people, address: str) -> set[str]:
    found = {nick: client.get(address).status_code for nick, client in people.items()}
    assert set(found.values()) <= {200, 404}
    return {nick for nick, status in found.items() if status == 200}


def test_an_institute_reads_what_lies_beside_an_instrument_once_it_is_filed_with_it(world, people, context):
    pk = instrument(world, "ua1").id
    address = put(world, pk)
    assert readers(people, address) == {"ua1", "sub1", "regA"}, "before filing no institute has to do with it"
    pk = filed(world, "ua1").id
    address = put(world, pk)
    assert readers(people, address) == {"ua1", "sub1", "regA", "recA", "verA", "aprA", "imgA"}
    assert NAME in text(people["recA"].get(f"/instruments/show/{pk}")), "and finds it on the instrument's page"


def test_so_does_the_institute_it_is_booked_with(world, people, context):
    pk = booked(world, "ua1", "A").instruments[0]
    assert {"recA", "imgA"} <= readers(people, put(world, pk))


def test_a_regulator_reads_it_where_the_instrument_is_used(world, people, context):
    """Must-never 53: a local unit's instrument that stands elsewhere is the other area's."""
    address = put(world, instrument(world, "ua1", "440304").id)
    assert readers(people, address) == {"ua1", "sub1", "regB"}
