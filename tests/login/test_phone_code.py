"""Logging in by a code to the phone: active accounts, phones verified within two years, and no word about others."""

from __future__ import annotations

import itertools
import os
from datetime import timedelta

import pytest

from app import clock
from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models.base import db
from tests.client import post, text, visitor
from tests.login.support import change, logins, sub_user, texts_to

_phones = itertools.count(13600000000 + os.getpid() % 9000 * 10)
pytestmark = pytest.mark.feature("LOG-10")


@pytest.fixture
def sub(app, world):
    """A sub-user of this test alone: nickname and phone."""
    phone = str(next(_phones))
    return sub_user(app, world, "ua2", phone), phone


def ask(client, phone: str):
    return post(client, "/login/phone/code", {"phone": phone}, page="/login/phone")


def enter(client, phone: str, code: str):
    return post(client, "/login/phone", {"phone": phone, "phone_code": code}, page="/login/phone")


def test_a_code_from_the_phone_opens_the_account(app, world, sub):
    nick, phone = sub
    client = visitor(app)
    assert ask(client, phone).status_code == 200
    answer = enter(client, phone, texts_to(app, phone)[0])
    assert (answer.status_code, answer.location) == (302, "/home/")
    assert world.names[nick] in text(client.get("/me"))
    assert logins(app, world, nick)[0].detail == {"method": "phone_code"}


def test_a_code_counts_once(app, world, sub):
    _nick, phone = sub
    ask(visitor(app), phone)
    code = texts_to(app, phone)[0]
    assert enter(visitor(app), phone, code).status_code == 302
    again = enter(visitor(app), phone, code)
    assert again.status_code == 422
    assert "短信验证码错误或已过期" in text(again)


def test_five_wrong_codes_wear_it_out(app, world, sub):
    _nick, phone = sub
    ask(visitor(app), phone)
    code = texts_to(app, phone)[0]
    wrong = "000000" if code != "000000" else "111111"
    for _number in range(5):
        assert enter(visitor(app), phone, wrong).status_code == 422
    assert enter(visitor(app), phone, code).status_code == 422


def test_an_unknown_phone_gets_the_same_answer_and_no_message(app, world, sub):
    _nick, phone = sub
    unknown = str(next(_phones))
    first, second = ask(visitor(app), phone), ask(visitor(app), unknown)
    assert first.status_code == second.status_code == 200
    assert "该手机号已注册的，验证码已发送" in text(first)
    assert "该手机号已注册的，验证码已发送" in text(second)
    assert len(texts_to(app, phone)) == 1
    assert texts_to(app, unknown) == []
    assert "短信验证码错误或已过期" in text(enter(visitor(app), unknown, "123456"))
    assert ask(visitor(app), phone).status_code == ask(visitor(app), unknown).status_code == 429


@pytest.mark.parametrize("days", [None, 731])
def test_a_phone_not_verified_within_two_years_is_refused_with_the_cure(app, world, sub, days):
    """Must-never case 35: the number may belong to somebody else by now."""
    nick, phone = sub
    change(app, world, nick, phone_verified_at=None if days is None else clock.now() - timedelta(days=days))
    ask(visitor(app), phone)
    client = visitor(app)
    answer = enter(client, phone, texts_to(app, phone)[0])
    assert answer.status_code == 422
    assert "请用密码登录后在“我的账号”重新验证手机号" in text(answer)
    assert client.get("/home/").status_code == 302
    assert logins(app, world, nick)[0].outcome == "refused"


def test_a_phone_verified_just_within_two_years_is_good(app, world, sub):
    nick, phone = sub
    change(app, world, nick, phone_verified_at=clock.now() - timedelta(days=729))
    ask(visitor(app), phone)
    assert enter(visitor(app), phone, texts_to(app, phone)[0]).status_code == 302


def test_a_disabled_account_is_out(app, world, sub):
    nick, phone = sub
    with app.app_context(), world.acting("ua2") as actor:
        fire(db.session(), ACCOUNT, world.people[nick], "disable", actor, {"reason": "离职，停用账号"})
        db.session.commit()
        db.session.remove()
    ask(visitor(app), phone)
    answer = enter(visitor(app), phone, texts_to(app, phone)[0])
    assert answer.status_code == 422
    assert "账号已停用" in text(answer)


def test_a_locked_account_waits(app, world, sub):
    nick, phone = sub
    with app.app_context(), as_system("fixture") as system:
        fire(db.session(), ACCOUNT, world.people[nick], "lock", system)
        db.session.commit()
        db.session.remove()
    ask(visitor(app), phone)
    assert "账号已被锁定" in text(enter(visitor(app), phone, texts_to(app, phone)[0]))


def test_one_address_asks_for_twenty_codes_a_day(app, monkeypatch):
    monkeypatch.setitem(app.config, "LOGIN_CODE_LIMIT", "3 per day")
    client = visitor(app)
    codes = [ask(client, str(next(_phones))).status_code for _number in range(4)]
    assert codes == [200, 200, 200, 429]


def test_not_there_where_the_profile_has_no_phone_codes(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    assert visitor(app).get("/login/phone").status_code == 404
    assert "手机验证码登录" not in text(visitor(app).get("/login/"))
