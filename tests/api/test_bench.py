"""REST of the counter and the bench: dates and states for both sides, readings and passwords for nobody."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Commission, Task
from models.base import db
from tests.client import login, token
from tests.counter.desk import opened, order, start, tasks_of
from views.api_bench import BENCH_APIS

READINGS = "机密示值误差0.7"
KEPT = {"secret_hash", "readings", "bringer_name", "bringer_phone", "collector_name", "collector_phone"}
MEASURED = {"place", "temperature", "humidity", "regulation", "standard_name", "conclusion", "verifier_id"}


@pytest.fixture(scope="module")
def visit(app, world):
    """(commission, task, password) of ua1 at institute A, with something measured; and the browsers of both sides."""
    with app.app_context():
        desk = login(app, world, "recA")
    pk, number, secret = opened(desk, order(app, world))
    task = tasks_of(app, pk)[0].id
    with app.app_context(), as_system("test"):
        row = db.session.get(Task, task)
        row.readings, row.conclusion, row.place = [["示值误差", READINGS, "±5 g"]], "pass", READINGS
        db.session.commit()
        db.session.remove()
    return pk, task, number, secret


@pytest.fixture(scope="module")
def client_of(app, world):
    with app.app_context():
        people = ("ua1", "ua2", "recA", "imgA", "verA", "aprA", "recA1", "regA1", "regA2", "adm", "aud")
        return {nick: login(app, world, nick) for nick in people}


def test_the_columns_are_the_ones_that_anybody_of_the_two_sides_may_read():
    for api in BENCH_APIS:
        named = {*api.list_columns, *api.show_columns, *api.search_columns, *api.order_columns}
        assert not named & (KEPT | MEASURED), api


@pytest.mark.must_never(51, 52)
@pytest.mark.parametrize("nick", ["ua1", "regA1", "verA", "recA", "aprA"])
def test_both_sides_read_states_and_dates_and_nobody_readings_or_passwords(app, client_of, visit, nick):
    pk, task, number, secret = visit
    client = client_of[nick]
    with app.app_context(), as_system("test"):
        kept = db.session.scalar(select(Commission.secret_hash).where(Commission.id == pk))
        db.session.remove()
    one = client.get(f"/api/v1/commissions/{pk}").get_json()["result"]
    assert (one["number"], one["state"], one["promised_on"] is not None) == (number, "open", True)
    told = client.get(f"/api/v1/tasks/{task}").get_json()["result"]
    assert (told["state"], told["commission_id"]) == ("queued", pk)
    every = [f"/api/v1/commissions/{pk}", f"/api/v1/tasks/{task}", "/api/v1/commissions/", "/api/v1/tasks/"]
    wanted = ",".join(sorted(KEPT | MEASURED))
    every += [f"/api/v1/tasks/{task}?q=(columns:!({wanted}))", f"/api/v1/commissions/{pk}?q=(columns:!({wanted}))"]
    for address in every:
        answer = client.get(address)
        said = answer.get_data(as_text=True)
        assert answer.status_code in {200, 400, 422}, (address, said)
        for word in (READINGS, READINGS.encode("unicode-escape").decode(), secret, kept, "13812345678"):
            assert word not in said, address
        found = answer.get_json().get("result") or {}
        for row in found if isinstance(found, list) else [found]:
            assert not (KEPT | MEASURED) & set(row), address
    sought = client.get("/api/v1/tasks/?q=(filters:!((col:place,opr:eq,value:x)))")
    assert sought.status_code == 400, "what is not told is not searched either"


@pytest.mark.parametrize("nick", ["ua2", "recA1", "regA2"])
def test_others_find_neither(client_of, visit, nick):
    pk, task, *_more = visit
    for address in (f"/api/v1/commissions/{pk}", f"/api/v1/tasks/{task}"):
        assert client_of[nick].get(address).status_code == 404
    assert pk not in client_of[nick].get("/api/v1/commissions/").get_json()["ids"]
    assert task not in client_of[nick].get("/api/v1/tasks/").get_json()["ids"]


@pytest.mark.parametrize("nick", ["adm", "aud"])
def test_who_has_no_business_here_is_refused(client_of, visit, nick):
    assert client_of[nick].get("/api/v1/commissions/").status_code == 403
    assert client_of[nick].get("/api/v1/tasks/").status_code == 403


def test_while_the_counter_compares_it_is_the_institutes_own(app, world, client_of):
    pk = start(client_of["recA"], order(app, world))
    assert client_of["recA"].get(f"/api/v1/commissions/{pk}").get_json()["result"]["state"] == "checking"
    for nick in ("ua1", "regA1"):
        assert client_of[nick].get(f"/api/v1/commissions/{pk}").status_code == 404


def test_steps_are_those_without_a_page_of_their_own(app, world, client_of, visit):
    pk, task, *_more = visit
    assert [s["name"] for s in client_of["imgA"].get(f"/api/v1/commissions/{pk}/steps").get_json()["steps"]] == ["void"]
    offered = {s["name"] for s in client_of["imgA"].get(f"/api/v1/tasks/{task}/steps").get_json()["steps"]}
    assert offered == {"assign"}
    for nick in ("ua1", "regA1"):
        assert client_of[nick].get(f"/api/v1/tasks/{task}/steps").status_code == 403
        assert client_of[nick].get(f"/api/v1/commissions/{pk}/steps").status_code == 403
    head = {"X-CSRFToken": token(client_of["imgA"])}
    own = client_of["imgA"].post(f"/api/v1/commissions/{pk}/steps/reset_secret", json={}, headers=head)
    assert own.status_code == 404, "the password is shown by a page and once"
    with app.app_context():
        verifier = str(world.people["verA"])
    given = client_of["imgA"].post(f"/api/v1/tasks/{task}/steps/assign", json={"verifier_id": verifier}, headers=head)
    assert (given.status_code, given.get_json()["label"]) == (200, "待检定"), given.get_data(as_text=True)
    head = {"X-CSRFToken": token(client_of["verA"])}
    begun = client_of["verA"].post(f"/api/v1/tasks/{task}/steps/begin", json={}, headers=head)
    assert begun.get_json()["label"] == "检定中"
    record = client_of["verA"].post(f"/api/v1/tasks/{task}/steps/record", json={}, headers=head)
    assert record.status_code == 404, "a result is recorded on its page"
    assert client_of["ua1"].get(f"/api/v1/commissions/{pk}").get_json()["result"]["state"] == "working"
