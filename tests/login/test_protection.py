"""LOG-19: five wrong passwords lock, every log-in is written down, refused floods cost no password hash."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access import security
from app.access.principal import as_system
from models import AuditLog
from models.base import db
from tests.client import TOKEN, log_in, login, text, visitor
from tests.login.support import facts, logins, somebody
from tests.world import PASSWORD

pytestmark = pytest.mark.feature("LOG-19")


def wrong(app, world, nick: str, times: int) -> None:
    for _number in range(times):
        log_in(visitor(app), world.names[nick], "wrong-password-1")


def test_the_sixth_try_is_refused_even_with_the_right_password(app, world):
    nick = somebody(app, world)
    wrong(app, world, nick, 5)
    assert log_in(visitor(app), world.names[nick]).status_code == 422
    with clock.frozen(clock.now() + timedelta(minutes=14, seconds=50)):
        assert log_in(visitor(app), world.names[nick]).status_code == 422
    with clock.frozen(clock.now() + timedelta(minutes=15, seconds=5)):
        assert log_in(visitor(app), world.names[nick]).status_code == 302


def test_four_wrong_ones_and_the_right_one_start_anew(app, world):
    nick = somebody(app, world)
    wrong(app, world, nick, 4)
    assert log_in(visitor(app), world.names[nick]).status_code == 302
    wrong(app, world, nick, 4)
    assert log_in(visitor(app), world.names[nick]).status_code == 302


def test_each_further_lock_is_twice_as_long(app, world):
    nick = somebody(app, world)
    now = clock.now()
    for minutes in (15, 30):
        with clock.frozen(now):
            wrong(app, world, nick, 5)
            (until,) = facts(app, world, nick, "locked_until")
            assert until - now == timedelta(minutes=minutes)
        now = until + timedelta(seconds=1)


def test_log_ins_stand_in_the_log_with_method_role_time_and_address(app, world):
    nick = somebody(app, world)
    wrong(app, world, nick, 1)
    login(app, world, nick)
    done, refused = logins(app, world, nick)[:2]
    assert (done.outcome, done.role, done.detail) == ("done", "REG", {"method": "password"})
    assert done.ip.startswith("10.")
    assert clock.now() - done.at < timedelta(minutes=1)
    assert (refused.outcome, refused.role) == ("refused", "ANON")


def test_the_administrator_reads_log_ins_and_nothing_else_of_the_log(app, world):
    nick = somebody(app, world)
    login(app, world, nick)
    with app.app_context(), world.acting("adm"):
        actions = set(db.session.execute(select(AuditLog.action)).scalars())
        db.session.remove()
    assert actions == {"login"}
    with app.app_context(), world.acting("regA"):
        actors = set(db.session.execute(select(AuditLog.actor_id)).scalars())
        db.session.remove()
    assert actors <= {world.people["regA"]}
    page = text(login(app, world, "adm").get(f"/accounts/show/{world.people[nick]}"))
    assert "登录记录" in page
    assert "最近登录记录" in text(login(app, world, nick).get("/me/sessions"))


def test_what_was_typed_as_an_unknown_name_is_not_kept(app, world):
    log_in(visitor(app), "13912345678", "wrong-password-1")
    log_in(visitor(app), "11010519491231002X", "wrong-password-1")
    with app.app_context(), as_system("test"):
        statement = select(AuditLog.actor_name).where(AuditLog.action == "login").order_by(AuditLog.seq.desc())
        assert list(db.session.execute(statement.limit(2)).scalars()) == ["11***", "13***"]
        db.session.remove()


def test_a_flood_from_one_address_is_refused_without_testing_passwords(app, world, monkeypatch):
    counted = []
    real = security.check_password_hash
    monkeypatch.setattr(security, "check_password_hash", lambda *given: counted.append(1) or real(*given))
    client = visitor(app)
    token = TOKEN.search(text(client.get("/login/"))).group(1)
    data = {"username": "nobody-here", "password": "wrong-password-1", "csrf_token": token}
    codes = [client.post("/login/", data=data).status_code for _number in range(60)]
    assert codes == [422] * 50 + [429] * 10
    assert len(counted) == 50
    refused = client.post("/login/regulator", data={**data, "username": world.names["regA"], "password": PASSWORD})
    assert refused.status_code == 429, "the other door has the same limit"
    assert int(refused.headers["Retry-After"]) > 0


def test_logging_out_is_not_limited_with_logging_in(app, world):
    """An office behind one address logs out as often as it wants."""
    client = visitor(app)
    token = TOKEN.search(text(client.get("/login/"))).group(1)
    data = {"username": "nobody-here", "password": "wrong-password-1", "csrf_token": token}
    for _number in range(51):
        last = client.post("/login/", data=data)
    assert last.status_code == 429
    assert client.post("/logout/", data={"csrf_token": token}).status_code == 302


def test_a_lost_counter_shuts_the_door(app, world, monkeypatch):
    from redis.exceptions import ConnectionError as RedisConnectionError

    from app.access import limits

    def away(*_given):
        raise RedisConnectionError("gone")

    class Lost:
        hit = test = away

    client = login(app, world, somebody(app, world))
    monkeypatch.setattr(limits, "_limiter", lambda: Lost())
    page = client.get("/me/confirm?next=/me")
    token = TOKEN.search(text(page)).group(1)
    answer = client.post("/me/confirm?next=/me", data={"password": PASSWORD, "csrf_token": token})
    assert answer.status_code == 503
