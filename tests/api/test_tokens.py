"""Access tokens: 15 minutes, one algorithm, one audience, one type, and taken back at once (ASVS line 55)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import jwt
import pytest

from app import clock
from app.access.principal import as_system
from app.operations.account import change_password
from app.workflow import ACCOUNT, fire
from models.base import db
from tests.client import login, visitor
from tests.world import PASSWORD, filed, new_unit


@pytest.fixture(scope="module")
def unit(app, world):
    """A unit of its own: these tests block and change its account."""
    with app.app_context():
        new_unit(world, "uTok", "440103", "recA", "A")
        return filed(world, "uTok").id


def fetch(client, world, who="uTok", password=PASSWORD):
    return client.post("/api/v1/token", json={"username": world.names[who], "password": password})


def header(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def token(app, world, unit):
    answer = fetch(visitor(app), world)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["access_token"]


def forged(token, app, *, head=None, **claims):
    body = jwt.decode(token, options={"verify_signature": False}) | claims
    headers = {"typ": "at+jwt", **(head or {})}
    return jwt.encode(body, app.config["SECRET_KEY"], algorithm=headers.pop("alg", "HS256"), headers=headers)


def test_a_token_opens_the_api_and_steps_need_no_csrf_token(app, world, unit, token):
    client = visitor(app)
    assert unit in client.get("/api/v1/instruments/", headers=header(token)).get_json()["ids"]
    done = client.post(f"/api/v1/instruments/{unit}/steps/suspend", json={}, headers=header(token))
    assert (done.status_code, done.get_json()["label"]) == (200, "停用")
    client.post(f"/api/v1/instruments/{unit}/steps/enable", json={}, headers=header(token))


def test_a_token_is_no_session_for_pages(app, world, unit, token):
    assert visitor(app).get("/home/", headers=header(token)).status_code == 302


def test_a_token_beside_a_cookie_decides_alone(app, world, unit, token):
    client = login(app, world, "ub1")
    assert unit in client.get("/api/v1/instruments/", headers=header(token)).get_json()["ids"]
    assert client.get("/api/v1/instruments/", headers=header("nonsense")).status_code == 401


def test_wrong_passwords_read_alike_and_say_nothing(app, world, unit):
    client = visitor(app)
    wrong, unknown = (
        fetch(client, world, password="Falsch-und-falsch"),
        client.post("/api/v1/token", json={"username": "nobody", "password": PASSWORD}),
    )
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.get_data() == unknown.get_data()
    assert client.post("/api/v1/token", json=["x"]).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody-else"},
        {"iss": "somebody-else"},
        {"sid": "another"},
        {"sub": "999999999"},
        {"head": {"typ": "JWT"}},
        {"head": {"alg": "HS512"}},
    ],
)
def test_a_token_that_is_not_ours_is_refused(app, unit, token, change):
    client = visitor(app)
    assert client.get("/api/v1/instruments/", headers=header(forged(token, app, **change))).status_code == 401
    assert client.get("/api/v1/instruments/", headers=header(forged(token, app))).status_code == 200


def test_no_algorithm_is_no_signature(app, unit, token):
    parts = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode().rstrip("=")
    unsigned = f"{head}.{parts[1]}."
    assert visitor(app).get("/api/v1/instruments/", headers=header(unsigned)).status_code == 401


def test_fifteen_minutes(app, unit, token):
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 15 * 60
    late = forged(token, app, exp=int((clock.now() - timedelta(seconds=1)).timestamp()))
    assert visitor(app).get("/api/v1/instruments/", headers=header(late)).status_code == 401


def test_logging_out_takes_the_token_back(app, unit, token):
    client = visitor(app)
    assert client.delete("/api/v1/token", headers=header(token)).status_code == 200
    assert client.get("/api/v1/instruments/", headers=header(token)).status_code == 401


def test_a_new_password_ends_every_token(app, world, unit, token):
    with app.app_context():
        with world.acting("uTok") as actor:
            change_password(db.session(), actor, PASSWORD, "Neue-Muenze-2026")
            change_password(db.session(), actor, "Neue-Muenze-2026", PASSWORD)
            db.session.commit()
        db.session.remove()
    assert visitor(app).get("/api/v1/instruments/", headers=header(token)).status_code == 401


def test_blocking_the_account_ends_every_token(app, world, unit, token):
    with app.app_context():
        with world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, world.people["uTok"], "disable", actor, {"reason": "测试停用账号"})
            db.session.commit()
        db.session.remove()
    assert visitor(app).get("/api/v1/instruments/", headers=header(token)).status_code == 401
    assert fetch(visitor(app), world).status_code == 401
    with app.app_context():
        with as_system("test"), world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, world.people["uTok"], "enable", actor)
            db.session.commit()
        db.session.remove()


def test_who_uses_dynamic_codes_needs_one_here_too(app, world, unit):
    import pyotp

    from app.access import second_factor
    from models import Account

    secret = second_factor.new_secret()
    with app.app_context():
        with as_system("test"):
            account = db.session.get(Account, world.people["uTok"])
            account.totp_secret, account.totp_confirmed_at, account.totp_counter = secret, clock.now(), 0
            db.session.commit()
        db.session.remove()
    client = visitor(app)
    body = {"username": world.names["uTok"], "password": PASSWORD}
    without = client.post("/api/v1/token", json=body)
    wrong = client.post("/api/v1/token", json={**body, "code": "000000"})
    code = pyotp.TOTP(secret).now()
    right = client.post("/api/v1/token", json={**body, "code": code})
    again = client.post("/api/v1/token", json={**body, "code": code})
    assert [a.status_code for a in (without, wrong, right, again)] == [401, 401, 200, 401]
    with app.app_context():
        with as_system("test"):
            account = db.session.get(Account, world.people["uTok"])
            account.totp_secret = account.totp_confirmed_at = None
            db.session.commit()
        db.session.remove()
