"""Guessing ids of what bodies decide, over pages and REST: a foreign row looks like none."""

import re

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import UnitChange
from models.base import db
from tests.client import login, post, text
from tests.organisation.support import a_unit, an_individual, asks, link_of, state_of

pytestmark = pytest.mark.feature("ORG-16")
MISSING = 999_999_999


@pytest.fixture(scope="module")
def rows(app, world):
    """A request to the unit ua1-like and a change that waits, of one unit of this module."""
    nick = a_unit(app, world)
    person = an_individual(app, world)
    asks(app, world, person, world.codes[nick])
    client = login(app, world, nick)
    data = {
        "name": "改名待审核有限公司",
        "code": world.codes[nick],
        "address": "人民路2号",
        "province": "440000",
        "city": "440100",
        "county": "440103",
    }
    assert post(client, "/unit/master", data, page="/unit/master").status_code == 303
    with app.app_context(), as_system("test"):
        link = link_of(world, person).id
        change = db.session.scalar(select(UnitChange.id).where(UnitChange.unit_id == world.units[nick]))
        db.session.remove()
    return nick, person, link, change


def same_as_missing(client, pattern: str, pk: int) -> None:
    answer, missing = client.get(pattern.format(pk)), client.get(pattern.format(MISSING))
    assert answer.status_code in {403, 404}, f"{pattern.format(pk)} {answer.status_code}"
    assert answer.status_code == missing.status_code
    assert plain(answer, pattern.format(pk)) == plain(missing, pattern.format(MISSING))


def plain(answer, address: str) -> str:
    """The page without what differs at every request: the address asked for, its number, the form's token."""
    page = re.sub(r'value="[\w.-]{60,}"', "", text(answer).replace(address, ""))
    return re.sub(r"\b[0-9a-f]{16}\b", "", page)


@pytest.mark.parametrize("nick", ["ua2", "imgB", "recB", "sub1", "ind", "aff1", "exp", "regA"])
def test_pages_and_rest_of_foreign_rows(app, world, rows, nick):
    _unit, person, link, change = rows
    client = login(app, world, nick)
    for pattern in ("/affiliations/show/{}", "/api/v1/affiliations/{}", "/api/v1/affiliations/{}/steps"):
        same_as_missing(client, pattern, link)
    for pattern in ("/unit-changes/show/{}", "/api/v1/unit-changes/{}", "/api/v1/unit-changes/{}/steps"):
        same_as_missing(client, pattern, change)
    for address in (f"/api/v1/affiliations/{link}/steps/approve", f"/api/v1/unit-changes/{change}/steps/approve"):
        page = text(client.get("/home/"))
        token = re.search(r'name="csrf_token"[^>]*?value="([^"]+)"', page).group(1)
        answer = client.post(address, json={}, headers={"X-CSRFToken": token})
        assert answer.status_code in {401, 403, 404}, address
    assert state_of(app, world, person) == "requested"


def test_lists_hold_only_the_own_rows(app, world, rows):
    unit, person, link, _change = rows
    for nick in ("ua2", "imgA"):
        client = login(app, world, nick)
        assert f"员{person}" not in text(client.get("/affiliations/list/"))
        found = client.get("/api/v1/affiliations/").json
        assert link not in [row["id"] for row in found["result"]]
    own = login(app, world, unit).get("/api/v1/affiliations/").json
    assert link in [row["id"] for row in own["result"]]
    assert "id_number" not in str(own)
    assert "phone" not in str(own)


def test_rights_cannot_be_typed(app, world):
    """Must-never 30."""
    from tests.organisation.support import account_of

    client, pk = login(app, world, "ind"), world.people["ind"]
    before = account_of(app, pk)
    data = {"roles": ["ADM"], "unit_id": world.units["ua1"], "kind": "admin", "state": "active", "is_active": "1"}
    post(client, "/me/edit", data, page="/me/edit")
    post(client, "/me/affiliation", {**data, "code": ""}, page="/me/affiliation")
    after = account_of(app, pk)
    assert (after.roles, after.unit_id, after.kind) == (before.roles, before.unit_id, before.kind)
