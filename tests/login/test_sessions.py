"""Sessions live on the server: they end by logging out, by idleness, by age, by their owner and by security."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.operations.own_sessions import browser_word
from models import AuditLog, WebSession
from models.base import db
from tests.client import log_in, login, post, text, visitor
from tests.login.support import NEW, facts, somebody, stolen
from tests.world import PASSWORD

KEYS = re.compile(r'name="session" value="([0-9a-f]{64})"')


def sessions_of(app, world, nick: str) -> int:
    with app.app_context(), as_system("test"):
        statement = select(func.count()).where(WebSession.account_id == world.people[nick])
        count = db.session.scalar(statement)
        db.session.remove()
    return count


@pytest.mark.feature("LOG-17")
def test_after_logging_out_neither_back_button_nor_old_cookie_opens_the_ledger(app, world):
    nick = somebody(app, world)
    client = login(app, world, nick)
    page = client.get("/instruments/list/")
    assert page.headers["Cache-Control"] == "no-store"
    assert "退出登录" in text(page)
    thief = stolen(app, client)
    assert thief.get("/instruments/list/").status_code == 200
    answer = post(client, "/logout/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    for browser in (client, thief):
        assert browser.get("/instruments/list/").status_code == 302
    assert sessions_of(app, world, nick) == 0


@pytest.mark.feature("LOG-19")
def test_thirty_idle_minutes_end_a_session(app, world):
    nick = somebody(app, world)
    client, now = login(app, world, nick), clock.now()
    with clock.frozen(now + timedelta(minutes=29)):
        assert client.get("/home/").status_code == 200
    with clock.frozen(now + timedelta(minutes=58)):
        assert client.get("/home/").status_code == 200
    with clock.frozen(now + timedelta(minutes=88, seconds=5)):
        assert client.get("/home/").status_code == 302


@pytest.mark.feature("LOG-19")
def test_twelve_hours_end_a_session_that_is_in_use(app, world):
    nick = somebody(app, world)
    client, now = login(app, world, nick), clock.now()
    for minutes in range(25, 12 * 60, 25):
        with clock.frozen(now + timedelta(minutes=minutes)):
            assert client.get("/home/").status_code == 200, minutes
    with clock.frozen(now + timedelta(hours=12, seconds=5)):
        assert client.get("/home/").status_code == 302


@pytest.mark.feature("LOG-03")
def test_a_remembered_session_lives_for_seven_days_idle_or_not(app, world):
    client, now = visitor(app), clock.now()
    assert log_in(client, world.names["ub1"], remember="1").status_code == 302
    for days, status in ((3, 200), (6.99, 200), (7.01, 302)):
        with clock.frozen(now + timedelta(days=days)):
            assert client.get("/home/").status_code == status, days


def test_own_sessions_are_listed_and_ended_one_by_one(app, world):
    nick = somebody(app, world)
    here, other = login(app, world, nick), visitor(app, "10.9.8.7")
    other.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (iPhone; CPU) AppleWebKit Version/17 Safari/604.1"
    log_in(other, world.names[nick])
    page = text(here.get("/me/sessions"))
    assert "本机" in page
    assert "Safari，iPhone" in page
    assert "10.9.8.7" in page
    keys = KEYS.findall(page)
    assert len(keys) == 1
    assert post(here, "/me/sessions/end", {"session": keys[0]}).status_code == 303
    assert other.get("/home/").status_code == 302
    assert here.get("/home/").status_code == 200
    assert post(here, "/me/sessions/end", {"session": keys[0]}).status_code == 404


def test_all_others_end_at_once(app, world):
    nick = somebody(app, world)
    here, others = login(app, world, nick), [login(app, world, nick) for _number in range(2)]
    assert "（2处）" in text(post(here, "/me/sessions/end-others", follow_redirects=True))
    assert [o.get("/home/").status_code for o in others] == [302, 302]
    assert here.get("/home/").status_code == 200


def test_nobody_ends_a_stranger_s_session(app, world):
    mine, theirs = somebody(app, world), somebody(app, world)
    here, there, third = login(app, world, mine), login(app, world, theirs), login(app, world, theirs)
    key = KEYS.findall(text(there.get("/me/sessions")))[0]
    assert post(here, "/me/sessions/end", {"session": key}).status_code == 404
    assert third.get("/home/").status_code == 200


def test_security_sees_and_ends_and_nobody_else_finds_the_page(app, world):
    nick = somebody(app, world)
    person = login(app, world, nick)
    address = f"/sessions/{world.people[nick]}"
    security = login(app, world, "sec")
    page = text(security.get(address))
    assert len(KEYS.findall(page)) == 1
    for other in ("adm", "aud", "recA", "regA", "ua1", nick):
        assert login(app, world, other).get(address).status_code == 404, other
    assert security.get(f"/sessions/{world.people['sec']}").status_code == 404
    assert security.get("/sessions/999999999").status_code == 404
    assert post(security, f"{address}/end-others").status_code == 303
    assert person.get("/home/").status_code == 302
    with app.app_context(), as_system("test"):
        last = db.session.scalar(
            select(AuditLog)
            .where(AuditLog.action == "end_sessions", AuditLog.entity_id == str(world.people[nick]))
            .order_by(AuditLog.seq.desc())
        )
        assert (last.actor_id, last.role) == (world.people["sec"], "SEC")
        db.session.remove()


def test_a_request_under_way_does_not_bring_back_an_ended_session(app, world):
    nick = somebody(app, world)
    here, other = login(app, world, nick), login(app, world, nick)
    now = clock.now()
    post(here, "/me/sessions/end-others")
    with clock.frozen(now + timedelta(minutes=5)):  # late enough for the session to be written again
        assert other.get("/home/").status_code == 302
    assert sessions_of(app, world, nick) == 1


def test_the_session_names_its_account_from_the_first_moment(app, world):
    nick = somebody(app, world)
    login(app, world, nick)
    assert sessions_of(app, world, nick) == 1


def test_the_password_typed_again_opens_what_needs_it(app, world):
    client = login(app, world, somebody(app, world))
    assert client.get("/me/second-factor").location == "/me/confirm?next=/me/second-factor"
    wrong = post(client, "/me/confirm?next=/me/second-factor", {"password": "wrong-password-1"})
    assert wrong.status_code == 422
    assert "密码不正确" in text(wrong)
    right = post(client, "/me/confirm?next=/me/second-factor", {"password": PASSWORD})
    assert (right.status_code, right.location) == (303, "/me/second-factor")
    assert client.get("/me/second-factor").status_code == 200
    now = clock.now()
    with clock.frozen(now + timedelta(minutes=11)):
        assert client.get("/me/second-factor").status_code == 303
    away = post(client, "/me/confirm?next=//evil.example", {"password": PASSWORD})
    assert away.location == "/me"


def test_ten_wrong_passwords_an_hour_and_no_more(app, world):
    client = login(app, world, somebody(app, world))
    codes = [post(client, "/me/confirm", {"password": "wrong-password-1"}).status_code for _number in range(11)]
    assert codes == [422] * 10 + [429]


@pytest.mark.feature("LOG-16")
def test_changing_the_password(app, world):
    nick = somebody(app, world)
    client, other = login(app, world, nick), login(app, world, nick)
    page = text(client.get("/password"))
    assert all(word in page for word in ("旧密码", "新密码", "确认密码", "确认修改"))

    def change(old, new, again):
        data = {"old": old, "password": new, "password_again": again}
        return post(client, "/password", data, page="/password")

    for old, new, again, sentence in (
        ("wrong-old-one", NEW, NEW, "旧密码不正确"),
        (PASSWORD, NEW, NEW + "x", "两次输入的密码不一致"),
        (PASSWORD, PASSWORD, PASSWORD, "新密码不能与旧密码相同"),
        (PASSWORD, "admin@123456", "admin@123456", "该密码过于常见"),
    ):
        answer = change(old, new, again)
        assert answer.status_code == 422, sentence
        assert sentence in text(answer)
    assert other.get("/home/").status_code == 200
    thief = stolen(app, client)
    assert change(PASSWORD, NEW, NEW).status_code == 303
    assert client.get("/home/").status_code == 200
    assert [b.get("/home/").status_code for b in (other, thief)] == [302, 302]
    assert log_in(visitor(app), world.names[nick], PASSWORD).status_code == 422
    assert log_in(visitor(app), world.names[nick], NEW).status_code == 302
    changed, must = facts(app, world, nick, "password_changed_at", "must_change_password")
    assert clock.now() - changed < timedelta(minutes=1)
    assert must is False


def test_ninety_days_lead_to_a_new_password(app, world, monkeypatch):
    from app.profiles import load

    nick = somebody(app, world)
    client = login(app, world, nick)
    monkeypatch.setitem(load("all")["password"], "policy", "dengbao90")
    assert client.get("/home/").status_code == 200
    now = clock.now()
    with clock.frozen(now + timedelta(days=91)):
        later = login(app, world, nick)
        assert later.get("/home/").location == "/password"


def test_experts_without_a_personal_centre_still_have_their_password_page(app, world):
    if "exp" in world.names:
        assert login(app, world, "exp").get("/password").status_code == 200


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit Chrome/130 Safari/537.36 Edg/130", "Edge，Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko Firefox/130.0", "Firefox，Linux"),
        ("Mozilla/5.0 (Linux; Android 14) MicroMessenger/8 Chrome/120", "微信，Android"),
        ("接口令牌 python", "接口令牌"),
        (None, "其他浏览器"),
    ],
)
def test_browsers_in_a_word(agent, words):
    assert browser_word(agent) == words
