"""REST: the same scope and the same engine as the pages."""

from __future__ import annotations

import pytest

from tests.client import login, token, visitor
from tests.world import filed


@pytest.fixture(scope="module")
def row(app, world):
    with app.app_context():
        return filed(world, "ua1").id


def test_a_unit_reads_its_own_instruments_and_steps(app, world, row):
    client = login(app, world, "ua1")
    answer = client.get("/api/v1/instruments/?q=(page_size:5)").get_json()
    assert row in answer["ids"]
    assert len(answer["result"]) <= 5
    steps = client.get(f"/api/v1/instruments/{row}/steps").get_json()
    assert {s["name"] for s in steps["steps"]} >= {"suspend", "scrap"}
    assert steps["label"] == "在用"


def test_nobody_writes_a_state_or_a_column(app, world, row):
    client = login(app, world, "ua1")
    headers = {"X-CSRFToken": token(client)}
    for method in ("put", "post", "delete", "patch"):
        answer = getattr(client, method)(f"/api/v1/instruments/{row}", json={"state": "scrapped"}, headers=headers)
        assert answer.status_code in {404, 405, 422}
        if answer.status_code == 422:
            assert "“state”不能通过接口填写" in answer.get_json()["error"]
    assert client.get(f"/api/v1/instruments/{row}/steps").get_json()["label"] == "在用"


def test_a_step_needs_the_csrf_token_even_with_json(app, world, row):
    client = login(app, world, "ua1")
    answer = client.post(f"/api/v1/instruments/{row}/steps/suspend", json={})
    assert answer.status_code == 400


def test_a_step_by_rest_and_its_refusals(app, world, row):
    client = login(app, world, "ua1")
    headers = {"X-CSRFToken": token(client)}
    url = f"/api/v1/instruments/{row}/steps"
    version = client.get(url).get_json()["version"]
    stale = client.post(f"{url}/suspend", json={"version": version - 1}, headers=headers)
    assert (stale.status_code, stale.get_json()["error"]) == (409, "该记录已被他人处理，请刷新后重试。")
    done = client.post(f"{url}/suspend", json={"version": version}, headers=headers)
    assert (done.status_code, done.get_json()["label"]) == (200, "停用")
    again = client.post(f"{url}/suspend", json={}, headers=headers)
    assert (again.status_code, again.get_json()["error"]) == (409, "当前状态为“停用”，不能执行“停用”。")
    missing = client.post(f"{url}/scrap", json={}, headers=headers)
    assert (missing.status_code, missing.get_json()["error"]) == (422, "请填写原因（5～500字）。")
    assert client.post(f"{url}/enable", json={}, headers=headers).get_json()["label"] == "在用"
    assert client.post(f"{url}/no_such_step", json={}, headers=headers).status_code == 404
    assert client.post(f"{url}/suspend", data="not json", headers=headers).status_code == 422


@pytest.mark.parametrize("who", ["ua2", "ub1", "recB", "regA2"])
def test_a_foreign_row_answers_like_a_missing_one(app, world, row, who):
    client = login(app, world, who)
    foreign, missing = (client.get(f"/api/v1/instruments/{pk}/steps") for pk in (row, 99_999_999))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.get_json()["error"] == missing.get_json()["error"]
    assert row not in client.get("/api/v1/instruments/").get_json()["ids"]


def test_nobody_without_a_session(app, world, row):
    answer = visitor(app).get(f"/api/v1/instruments/{row}")
    assert (answer.status_code, answer.get_json()["error"]) == (401, "登录已失效，请重新登录。")


def test_page_size_has_a_cap(app, world, row):
    client = login(app, world, "ua1")
    answer = client.get("/api/v1/instruments/?q=(page_size:100000)").get_json()
    assert len(answer["result"]) <= 100
