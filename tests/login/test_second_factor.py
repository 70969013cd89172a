"""Dynamic codes: setting them up, the second step, no replay, who must have them, who may take them off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql

from app import clock
from app.access.principal import ANONYMOUS, as_system
from app.workflow import ACCOUNT, fire
from models import AuditLog
from models.base import db
from models.enums import AccountKind, Role
from tests.client import log_in, login, post, text, visitor
from tests.login.support import code_at, enrol, facts, logins, somebody

PAGE = "/me/second-factor"


@pytest.fixture
def secured(app, world):
    """Somebody with dynamic codes: nickname, browser, secret."""
    nick = somebody(app, world)
    client = login(app, world, nick)
    return nick, client, enrol(app, client)


def second(client, code: str):
    return post(client, "/login/code", {"code": code}, page="/login/code")


def test_setting_up_shows_a_qr_code_and_keeps_the_secret_sealed(app, world, secured):
    nick, client, secret = secured
    assert "动态口令已于" in text(client.get(PAGE))
    with app.app_context():
        raw = db.session.execute(
            sql("SELECT totp_secret FROM account WHERE id = :id"), {"id": world.people[nick]}
        ).scalar_one()
        sessions = db.session.execute(sql("SELECT string_agg(data::text, '') FROM web_session")).scalar_one()
        lines = db.session.execute(sql("SELECT string_agg(detail::text, '') FROM audit_log")).scalar_one()
        db.session.remove()
    assert secret not in raw + sessions + lines
    assert raw.startswith("k")


def test_a_wrong_first_code_switches_nothing_on(app, world):
    nick = somebody(app, world)
    client = login(app, world, nick)
    post(client, f"/me/confirm?next={PAGE}", {"password": "Zhongqiu-Yuebing-26"})
    page = text(client.get(PAGE))
    assert "<svg" in page
    answer = post(client, PAGE, {"code": "000000"}, page=PAGE)
    assert answer.status_code == 422
    assert "动态口令不正确" in text(answer)
    assert facts(app, world, nick, "totp_confirmed_at") == (None,)


def test_logging_in_takes_two_steps(app, world, secured):
    nick, _client, secret = secured
    client = visitor(app)
    first = log_in(client, world.names[nick], url="/login/?next=/me/sessions")
    assert (first.status_code, first.location) == (302, "/login/code")
    assert client.get("/home/").status_code == 302, "half logged in is not logged in"
    wrong = second(client, "000000")
    assert wrong.status_code == 422
    done = second(client, code_at(secret))
    assert (done.status_code, done.location) == (302, "/me/sessions")
    assert client.get("/home/").status_code == 200
    newest = logins(app, world, nick)
    assert newest[0].detail == {"method": "password+totp"}
    assert newest[0].role == "REG"
    assert (newest[1].outcome, newest[1].detail) == ("refused", {"method": "totp"})


def test_a_code_is_good_for_one_log_in(app, world, secured):
    nick, _client, secret = secured
    code = code_at(secret)
    browsers = [visitor(app), visitor(app)]
    for browser in browsers:
        log_in(browser, world.names[nick])
    assert second(browsers[0], code).status_code == 302
    again = second(browsers[1], code)
    assert again.status_code == 422
    assert "已使用过" in text(again)
    assert second(browsers[1], code_at(secret, -1)).status_code == 422, "nor an older one"
    with clock.frozen(clock.now() + timedelta(seconds=31)):
        assert second(browsers[1], code_at(secret)).status_code == 302


def test_the_mark_of_the_first_step_dies_after_five_minutes(app, world, secured):
    nick, _client, secret = secured
    client = visitor(app)
    log_in(client, world.names[nick])
    with clock.frozen(clock.now() + timedelta(minutes=5, seconds=2)):
        answer = post(client, "/login/code", {"code": code_at(secret)}, page="/login/")
        assert (answer.status_code, answer.location) == (303, "/login/")
        assert client.get("/home/").status_code == 302


def test_five_wrong_codes_end_the_try_and_a_new_password_does_not_help(app, world, secured):
    nick, _client, secret = secured
    client = visitor(app)
    log_in(client, world.names[nick])
    assert [second(client, "000000").status_code for _number in range(5)] == [422] * 5
    assert post(client, "/login/code", {"code": code_at(secret)}, page="/login/code").location == "/login/"
    log_in(client, world.names[nick])
    assert post(client, "/login/code", {"code": code_at(secret)}, page="/login/code").location == "/login/"
    assert client.get("/home/").status_code == 302


def test_nobody_reaches_the_second_step_without_the_first(app):
    client = visitor(app)
    assert client.get("/login/code").location == "/login/"


@pytest.mark.parametrize(
    ("kind", "role", "must"),
    [
        (AccountKind.ADMIN, Role.ADM, True),
        (AccountKind.REGULATOR, Role.REG, True),
        (AccountKind.INSTITUTE, Role.APR, True),
        (AccountKind.INSTITUTE, Role.REC, False),
    ],
)
def test_privileged_roles_set_it_up_before_anything_else(app, world, monkeypatch, kind, role, must):
    monkeypatch.setitem(app.config, "SECOND_FACTOR", "required")
    more = {"institute_id": world.institutes["A"]} if kind == AccountKind.INSTITUTE else {}
    nick = somebody(app, world, kind, [role], **more)
    client = visitor(app)
    assert log_in(client, world.names[nick]).status_code == 302
    home = client.get("/home/")
    assert (home.status_code, home.location) == ((303, PAGE) if must else (200, None))
    if must:
        enrol(app, client)
        assert client.get("/home/").status_code == 200


def test_switching_off_needs_the_password_and_is_not_for_those_who_must(app, world, monkeypatch, secured):
    nick, client, _secret = secured
    monkeypatch.setitem(app.config, "SECOND_FACTOR", "required")
    assert "您的角色必须使用动态口令登录" in text(post(client, f"{PAGE}/off", follow_redirects=True))
    assert facts(app, world, nick, "totp_confirmed_at") != (None,)
    monkeypatch.setitem(app.config, "SECOND_FACTOR", "offered")
    with clock.frozen(clock.now() + timedelta(minutes=11)):
        assert post(client, f"{PAGE}/off").location == f"/me/confirm?next={PAGE}"
    assert post(client, f"{PAGE}/off").location == PAGE
    assert facts(app, world, nick, "totp_confirmed_at") == (None,)


def test_a_new_password_does_not_switch_it_off(app, world, secured):
    nick, _client, _secret = secured
    with app.app_context(), as_system("fixture"):
        fire(db.session(), ACCOUNT, world.people[nick], "reset_password", ANONYMOUS)
        db.session.commit()
        db.session.remove()
    client = visitor(app)
    assert log_in(client, world.names[nick]).location == "/login/code"


def test_security_resets_it_with_a_reason_and_nobody_else(app, world, secured):
    nick, client, _secret = secured
    address = f"/sessions/{world.people[nick]}/reset-second-factor"
    for other in ("adm", "aud", "recA", nick):
        browser = login(app, world, other) if other != nick else client
        assert post(browser, address, {"reason": "手机遗失，已核实身份"}).status_code == 404, other
    security = login(app, world, "sec")
    post(security, address, {"reason": "短"})
    assert facts(app, world, nick, "totp_confirmed_at") != (None,)
    assert post(security, address, {"reason": "手机遗失，已核实身份"}).status_code == 303
    assert facts(app, world, nick, "totp_confirmed_at", "totp_secret") == (None, None)
    assert client.get("/home/").status_code == 302
    assert log_in(visitor(app), world.names[nick]).location == "/home/"
    with app.app_context(), as_system("test"):
        statement = select(AuditLog).where(AuditLog.action == "second_factor_reset").order_by(AuditLog.seq.desc())
        line = db.session.execute(statement.limit(1)).scalar_one()
        assert (line.actor_id, line.entity_id) == (world.people["sec"], str(world.people[nick]))
        assert line.detail == {"reason": "手机遗失，已核实身份"}
        db.session.remove()


def test_off_means_not_there(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "SECOND_FACTOR", "off")
    client = login(app, world, "recA")
    assert client.get(PAGE).status_code == 404
    assert PAGE not in text(client.get("/me"))
