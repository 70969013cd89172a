"""Limits of the open pages: they refuse with a time to wait, and they refuse when Redis is lost."""

import pytest
from redis.exceptions import ConnectionError as RedisLost

from tests.client import log_in, post, text, token, visitor
from tests.registration.support import filled, register, send


@pytest.fixture
def config(app):
    """Settings of this test alone."""
    before = dict(app.config)
    yield app.config
    app.config.clear()
    app.config.update(before)
    app.extensions.pop("limits", None)


def test_public_search_30_a_minute(app, world):
    client = visitor(app)
    answers = [client.get("/instruments?q=电子秤") for _ in range(31)]
    assert [a.status_code for a in answers] == [200] * 30 + [429]
    last = answers[-1]
    assert "秒后再试" in text(last)
    assert 1 <= int(last.headers["Retry-After"]) <= 61
    assert visitor(app).get("/instruments?q=电子秤").status_code == 200  # another address goes on
    assert client.get("/instruments").status_code == 200  # the page itself is not a search


@pytest.mark.must_never(5)
def test_five_wrong_codes_close_the_number_for_everybody(app, world):
    number = f"LIM{filled(world)['username']}"
    answers = [visitor(app).get(f"/v/{number}/WRONG{n}").status_code for n in range(6)]
    assert answers == [404] * 5 + [429]
    assert "分钟后再试" in text(visitor(app).get(f"/v/{number.lower()}/WRONG"))
    assert visitor(app).get(f"/v/{number}X/WRONG").status_code == 404


def test_fifty_lookups_an_hour_from_one_address(app, world, config):
    config["LOOKUP_LIMIT"] = "3 per hour"
    client = visitor(app)
    number = f"ADR{filled(world)['username']}"
    answers = [client.get(f"/v/{number}{n}/WRONG").status_code for n in range(4)]
    assert answers == [404] * 3 + [429]


def test_registrations_from_one_address(app, world, config):
    config["REGISTER_LIMIT"] = "1 per hour"
    client = visitor(app)
    register(app, client, world)
    refused = send(client, filled(world, email_code="123456"))
    assert refused.status_code == 429
    assert "分钟后再试" in text(refused)


def test_codes_from_one_address(app, world, config):
    config["CODE_LIMIT"] = "2 per hour"
    client = visitor(app)
    headers = {"Accept": "application/json"}
    answers = [
        post(client, "/register/code", {"email": filled(world)["email"]}, page="/register", headers=headers).status_code
        for _ in range(3)
    ]
    assert answers == [200, 200, 429]


def test_redis_lost_refuses_instead_of_opening(app, world, config):
    config["RATELIMIT_STORAGE_URI"] = "redis+unix:///nowhere/redis.sock"
    app.extensions.pop("limits", None)
    client = visitor(app)
    for path in ("/instruments?q=电子秤", "/v/A-1/B", "/activate/abc"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "请稍后再试" in text(answer)
    assert send(client, filled(world, email_code="123456")).status_code == 503
    code = {"email": filled(world)["email"]}
    answer = post(client, "/register/code", code, page="/register", headers={"Accept": "application/json"})
    assert answer.status_code == 503
    assert client.get("/").status_code == client.get("/instruments").status_code == 200


def test_login_refuses_when_redis_is_lost(app, world, monkeypatch):
    client = visitor(app)
    key = token(client, "/login/")

    def lost(*_args, **_kwargs):
        raise RedisLost("gone")

    monkeypatch.setattr(app.appbuilder.sm.limiter.limiter, "hit", lost)
    answer = client.post("/login/", data={"username": world.names["recA"], "password": "x", "csrf_token": key})
    assert answer.status_code == 503


def test_login_says_how_long_to_wait(app, world):
    client = visitor(app)
    key = token(client, "/login/")
    data = {"username": "nobody-here", "password": "x", "csrf_token": key}
    answers = [client.post("/login/", data=data).status_code for _ in range(51)]
    assert answers[:50] == [422] * 50
    last = log_in(client, "nobody-here", "x")
    assert last.status_code == 429
    assert "分钟后再试" in text(last)
    assert int(last.headers["Retry-After"]) > 60
