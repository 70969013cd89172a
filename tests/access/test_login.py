"""Logging in and out: the session lives on the server, five wrong passwords lock, states decide who may enter."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models import Account, WebSession
from models.base import db
from models.enums import AccountKind, Role
from tests.client import log_in, login, post, token, visitor
from tests.world import PASSWORD, person


def cookie(client):
    return client.get_cookie("session")


@pytest.fixture
def someone(app, world):
    """A fresh regulator, so that locking does not disturb the world."""
    nick = "tmp"
    with app.app_context():
        person(world, nick, AccountKind.REGULATOR, [Role.REG], area="4401")
        db.session.remove()
    return nick


def test_logging_out_kills_the_cookie_on_the_server(app, world):
    client = login(app, world, "regA")
    key = cookie(client).value
    assert client.get("/home/").status_code == 200
    assert post(client, "/logout/").status_code == 302
    thief = visitor(app)
    thief.set_cookie("session", key)
    assert thief.get("/home/").status_code == 302


def test_logging_in_changes_the_session_key(app, world):
    client = visitor(app)
    token(client, "/login/")
    before = cookie(client).value
    log_in(client, world.names["regA"])
    assert cookie(client).value != before


def test_the_cookie_holds_nothing_but_a_key(app, world):
    client = login(app, world, "regA")
    with app.app_context():
        rows = db.session.execute(select(WebSession).execution_options(unscoped=True)).scalars().all()
        assert all(cookie(client).value not in str(row.key_hash) for row in rows)
        db.session.remove()
    assert len(cookie(client).value) < 60
    assert cookie(client).http_only
    assert cookie(client).same_site == "Lax"


def test_log_out_is_not_a_link(app, world):
    client = login(app, world, "regA")
    assert client.get("/logout/").status_code == 405


@pytest.mark.parametrize("name", ["nobody-here", "", "x" * 300])
def test_wrong_name_and_wrong_password_answer_alike(app, world, name):
    known, unknown = log_in(visitor(app), world.names["regB"], "wrong-password-1"), log_in(visitor(app), name, "wrong")
    assert known.status_code == unknown.status_code == 422
    sentence = "账号或密码错误，或账号已被锁定。"
    assert sentence in known.get_data(as_text=True)
    if name:
        assert sentence in unknown.get_data(as_text=True)


def test_five_wrong_passwords_lock_and_the_right_one_is_refused(app, world, someone):
    for _number in range(5):
        log_in(visitor(app), world.names[someone], "wrong-password-1")
    assert log_in(visitor(app), world.names[someone]).status_code == 422
    with app.app_context(), as_system("test") as system:
        account = db.session.get(Account, world.people[someone])
        assert account.state == "locked"
        fire(db.session(), ACCOUNT, account.id, "unlock", system)
        db.session.commit()
        db.session.remove()
    assert log_in(visitor(app), world.names[someone]).status_code == 302


def test_a_disabled_account_is_out_at_its_next_request(app, world, someone):
    client = login(app, world, someone)
    with app.app_context(), world.acting("adm") as actor:
        fire(db.session(), ACCOUNT, world.people[someone], "disable", actor, {"reason": "离职，停用账号"})
        db.session.commit()
        db.session.remove()
    assert client.get("/home/").status_code == 302
    assert log_in(visitor(app), world.names[someone]).status_code == 422


def test_a_unit_logs_in_with_its_phone(app, world):
    with app.app_context(), as_system("test"):
        phone = db.session.get(Account, world.people["ua1"]).phone
        db.session.remove()
    assert log_in(visitor(app), phone).status_code == 302


def test_phones_are_not_readable_in_the_database(app, world):
    with app.app_context(), as_system("test"):
        phone = db.session.get(Account, world.people["ua1"]).phone
        raw = db.session.execute(
            text("SELECT phone FROM account WHERE id = :id"), {"id": world.people["ua1"]}
        ).scalar_one()
        stored = db.session.execute(text("SELECT contact_phone FROM unit WHERE id = :id"), {"id": world.units["ua1"]})
        assert phone not in raw
        assert raw.startswith("k1.")
        assert phone not in stored.scalar_one()
        db.session.remove()


def test_the_way_back_stays_on_this_site(app, world):
    client = visitor(app)
    data = {"username": world.names["regA"], "password": PASSWORD, "csrf_token": token(client, "/login/")}
    answer = client.post("/login/?next=https://evil.example/x", data=data)
    assert answer.location == "/home/"
