"""The log-in page by profile: which names it takes, user types, captcha, remembering, regulators, the way back."""

from __future__ import annotations

import itertools
import os
import re

import pytest

from app.access import security
from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models import Account
from models.base import db
from models.enums import AccountKind, Role
from tests.captcha import captcha_of
from tests.client import TOKEN, log_in, login, text, visitor
from tests.login.support import NEW, change, logins, somebody, sub_user
from tests.world import PASSWORD, instrument, new_unit

REFUSED = "账号或密码错误，或账号已被锁定。"
_phones = itertools.count(13700001000 + os.getpid() % 9000)


@pytest.fixture
def profile(app, monkeypatch):
    return lambda name: monkeypatch.setitem(app.config, "PROFILE", name)


@pytest.fixture
def hashes(monkeypatch):
    """How often a password was tested."""
    counted = []
    real = security.check_password_hash
    monkeypatch.setattr(security, "check_password_hash", lambda *given: counted.append(1) or real(*given))
    return counted


@pytest.mark.feature("LOG-02")
def test_plain_log_in_lands_on_the_ledger_that_was_asked_for(app, world):
    client = visitor(app)
    asked = client.get("/instruments/list/")
    assert asked.status_code == 302
    answer = log_in(client, world.names["ua1"], url=asked.location)
    assert answer.location == "/instruments/list/"
    assert client.get(answer.location).status_code == 200


def test_a_unit_enters_by_user_name_phone_or_code(app, world):
    with app.app_context(), as_system("test"):
        phone = db.session.get(Account, world.people["ua1"]).phone
        db.session.remove()
    for name in (world.names["ua1"], phone, world.codes["ua1"], f" {world.codes['ua1'].lower()} "):
        client = visitor(app)
        assert log_in(client, name).status_code == 302, name
        assert world.names["ua1"] in text(client.get("/me"))


@pytest.mark.feature("LOG-01")
def test_the_wrong_user_type_is_refused_as_a_wrong_password_is(app, world, profile):
    profile("national")
    page = text(visitor(app).get("/login/"))
    assert all(f">{word}</label>" in page for word in ("企业", "个人", "机构", "专家"))
    assert "captcha_token" in page
    wrong = log_in(visitor(app), world.names["ua1"], user_type="individual")
    assert wrong.status_code == 422
    assert REFUSED in text(wrong)
    assert log_in(visitor(app), world.names["ua1"], user_type="enterprise").status_code == 302
    nothing = log_in(visitor(app), world.names["ua1"], user_type="")
    assert "请选择“用户类型”。" in text(nothing)
    assert log_in(visitor(app), world.names["recA"], user_type="institute").status_code == 302
    assert log_in(visitor(app), world.names["adm"], user_type="institute").status_code == 302


@pytest.mark.feature("REG-12", "LOG-01")
def test_a_wrong_captcha_never_tests_the_password(app, world, profile, hashes):
    profile("guangdong")
    answer = log_in(visitor(app), world.names["ua1"], captcha="zzzz")
    assert answer.status_code == 422
    assert "验证码错误或已过期。" in text(answer)
    assert "请填写“验证码”。" in text(log_in(visitor(app), world.names["ua1"], captcha=" "))
    assert hashes == []
    assert log_in(visitor(app), world.names["ua1"]).status_code == 302
    assert len(hashes) == 1


@pytest.mark.feature("REG-12", "LOG-19")
def test_a_used_captcha_cannot_be_replayed(app, world, profile, hashes):
    profile("guangdong")
    client = visitor(app)
    page = text(client.get("/login/"))
    data = {"username": world.names["ua1"], "password": "wrong-password-1", **captcha_of(app, page)}
    data["csrf_token"] = TOKEN.search(page).group(1)
    assert REFUSED in text(client.post("/login/", data=data))
    again = client.post("/login/", data={**data, "password": PASSWORD})
    assert "验证码错误或已过期。" in text(again)
    assert len(hashes) == 1


@pytest.mark.feature("LOG-03")
def test_remembering_keeps_the_cookie_beyond_the_browser(app, world, profile):
    profile("bayannur")
    ticked, plain = visitor(app), visitor(app)
    assert "记住密码" in text(ticked.get("/login/"))
    kept = log_in(ticked, world.names["ua1"], remember="1")
    session = log_in(plain, world.names["ua1"])
    assert "Max-Age=604800" in kept.headers["Set-Cookie"]
    assert "Max-Age" not in session.headers["Set-Cookie"]
    assert "Expires" not in session.headers["Set-Cookie"]
    assert PASSWORD not in str(kept.headers)


@pytest.mark.feature("LOG-03")
def test_remembering_is_not_for_offices_nor_where_the_profile_has_none(app, world, profile):
    profile("bayannur")
    for nick in ("adm", "recA", "regA", "aprA"):
        assert "Max-Age" not in log_in(visitor(app), world.names[nick], remember="1").headers["Set-Cookie"]
    profile("national")
    assert "记住密码" not in text(visitor(app).get("/login/"))
    assert "Max-Age" not in log_in(visitor(app), world.names["ua1"], remember="1").headers["Set-Cookie"]


@pytest.mark.feature("LOG-04")
def test_online_business_leads_through_log_in_to_the_business_page(app, world):
    home = text(visitor(app).get("/"))
    assert "在线办理" in home
    assert 'href="/login/?next=/instruments/list/"' in home
    answer = log_in(visitor(app), world.names["ua1"], url="/login/?next=/instruments/list/")
    assert answer.location == "/instruments/list/"


@pytest.mark.feature("LOG-04")
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example/x",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/%0d%0aLocation:x\r\n",
        "http:evil",
        "///evil",
    ],
)
def test_the_way_back_never_leaves_this_site(app, world, target):
    from urllib.parse import quote

    answer = log_in(visitor(app), world.names["recA"], url=f"/login/?next={quote(target)}")
    assert answer.status_code == 302
    assert answer.location.startswith("/")
    assert not answer.location.startswith(("//", "/\\"))
    assert "evil" not in answer.location


@pytest.mark.feature("LOG-05")
def test_regulators_have_a_door_of_their_own(app, world, profile):
    profile("hohhot")
    assert "监督检查部门登录" in text(visitor(app).get("/"))
    assert "监督检查部门登录" in text(visitor(app).get("/login/regulator"))
    refused = log_in(visitor(app), world.names["ua1"], url="/login/regulator")
    assert refused.status_code == 422
    assert REFUSED in text(refused)
    client = visitor(app)
    answer = log_in(client, world.names["regA"], url="/login/regulator")
    assert answer.location == "/instruments/list/"
    assert client.get(answer.location).status_code == 200


@pytest.mark.feature("LOG-05")
def test_no_such_door_where_the_profile_has_none(app, profile):
    profile("national")
    assert visitor(app).get("/login/regulator").status_code == 404
    assert "监督检查部门登录" not in text(visitor(app).get("/"))


@pytest.mark.feature("REG-20", "LOG-01")
def test_a_closed_account_is_told_so_with_the_right_password_only(app, world):
    phone = str(next(_phones))
    nick = sub_user(app, world, "ua1", phone)
    with app.app_context(), as_system("fixture") as system:
        account = db.session.get(Account, world.people[nick])
        account.roles = [Role.IND.value]
        account.kind, account.unit_id = AccountKind.INDIVIDUAL, None
        db.session.commit()
        with world.acting(nick) as actor:
            fire(db.session(), ACCOUNT, account.id, "close", actor)
        assert system
        db.session.commit()
        db.session.remove()
    right = log_in(visitor(app), world.names[nick])
    assert right.status_code == 422
    assert "账号已注销" in text(right)
    wrong = text(log_in(visitor(app), world.names[nick], "wrong-password-1"))
    assert "账号已注销" not in wrong
    assert REFUSED in wrong


@pytest.mark.feature("LOG-10")
def test_a_sub_user_enters_by_phone_and_the_log_names_the_person(app, world):
    phone = str(next(_phones))
    with app.app_context():
        new_unit(world, "usubs", "440103", "recA", "A")  # nobody has arranged its list
        serial = instrument(world, "usubs").serial_no
        db.session.remove()
    nick = sub_user(app, world, "usubs", phone)
    client = visitor(app)
    assert log_in(client, phone).status_code == 302
    main = login(app, world, "usubs")
    ledger, own = text(client.get("/instruments/list/")), text(main.get("/instruments/list/"))
    assert serial in ledger
    assert re.findall(r"S\d{6}", ledger) == re.findall(r"S\d{6}", own)
    links = r'<li><a href="([^"]+)" title'
    people_only = {"/accounts/list/", "/affiliations/list/", "/subaccounts/list/", "/unit", "/unit/changes"}
    more = set(re.findall(links, own)) - set(re.findall(links, ledger))
    assert more <= people_only, "the same business; who belongs to the unit is the main account's (ROLES section 1)"
    assert set(re.findall(links, ledger)) <= set(re.findall(links, own))
    newest = logins(app, world, nick)[0]
    assert (newest.actor_name, newest.role, newest.outcome) == ("李子户", "SUB", "done")
    assert newest.detail == {"method": "password"}


def test_zhejiang_puts_the_government_service_first(app, profile, monkeypatch):
    profile("zhejiang")
    ready = {"sso_gov": {"client_id": "quanheng", "issuer": "http://127.0.0.1:9"}}
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", ready)
    page = text(visitor(app).get("/login/?next=/instruments/list/"))
    link = '<a class="btn" href="/login/with/sso_gov?next=/instruments/list/">政务服务网登录（法人）</a>'
    assert link in page
    assert page.index(link) < page.index('name="password"')
    assert "忘记密码" not in page.split("<form", 1)[1] or "/recover" not in page
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {})
    assert "/login/with/" not in text(visitor(app).get("/login/"))


def test_a_first_password_from_somebody_else_is_changed_first(app, world):
    nick = somebody(app, world)
    change(app, world, nick, must_change_password=True)
    client = visitor(app)
    assert log_in(client, world.names[nick]).status_code == 302
    for address in ("/home/", "/instruments/list/", "/me"):
        assert client.get(address).location == "/password"
    page = client.get("/password")
    assert page.status_code == 200
    assert "请先修改密码" in text(page)
    token = TOKEN.search(text(page)).group(1)
    data = {"old": PASSWORD, "password": NEW, "password_again": NEW, "csrf_token": token}
    assert client.post("/password", data=data).status_code == 303
    assert client.get("/me").status_code == 200
