"""QQ, the electronic business licence, and the page of bound identities (LOG-08, LOG-09, LOG-18)."""

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models import Account, ExternalIdentity
from models.base import db
from tests.client import login, post, text
from tests.sso.conftest import browser, come_back, number, rows_of, units_of
from tests.world import PASSWORD, uscc

WRONG = "账号或密码错误"


def state_of(address: str) -> str:
    from urllib.parse import parse_qs, urlsplit

    return parse_qs(urlsplit(address).query)["state"][0]


def scan(client, code="right", target=""):
    """Scan the QR code: from our button to our answer."""
    away = client.get(f"/login/with/qq{'?next=' + target if target else ''}")
    assert away.status_code == 302
    return client.get("/login/back/qq", query_string={"code": code, "state": state_of(away.location)})


def bind_by_password(client, world, nick, password=PASSWORD):
    data = {"username": world.names[nick], "password": password}
    return post(client, "/login/bind", data, page="/login/bind")


def identity_of(app, subject):
    with app.app_context(), as_system("test looks"):
        found = db.session.execute(
            select(ExternalIdentity.account_id).where(ExternalIdentity.subject == subject)
        ).scalar_one_or_none()
        db.session.remove()
    return found


# -- QQ ---------------------------------------------------------------------------------------------------------------


@pytest.mark.feature("LOG-08")
def test_the_qq_button_follows_profile_and_app_id(app, world, qq, monkeypatch):
    for profile, there in (("national", True), ("bayannur", True), ("guangdong", False), ("zhejiang", False)):
        monkeypatch.setitem(app.config, "PROFILE", profile)
        assert ("QQ扫码登录" in text(browser(app).get("/login/"))) is there, profile
        assert browser(app).get("/login/with/qq").status_code == (302 if there else 404)
    monkeypatch.setitem(app.config, "PROFILE", "national")
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {"qq": {"client_id": ""}})
    assert "QQ扫码登录" not in text(browser(app).get("/login/"))
    assert browser(app).get("/login/with/qq").status_code == 404


@pytest.mark.feature("LOG-08")
def test_an_unbound_qq_is_bound_by_password_and_then_logs_in(app, world, qq):
    client = browser(app)
    answer = scan(client, target="/messages/list/")
    assert answer.location == "/login/bind"
    page = text(client.get("/login/bind"))
    assert "QQ扫码登录" in page
    assert qq.openid not in page
    wrong = bind_by_password(client, world, "ua1", "Falsch-Falsch-1")
    assert wrong.status_code == 422
    assert WRONG in text(wrong)
    assert identity_of(app, qq.openid) is None
    right = bind_by_password(client, world, "ua1")
    assert right.status_code in {302, 303}
    assert right.location == "/messages/list/"
    assert identity_of(app, qq.openid) == world.people["ua1"]
    other = browser(app)
    assert scan(other).location == "/home/"
    assert world.codes["ua1"] or other.get("/home/").status_code == 200
    assert other.get("/home/").status_code == 200


@pytest.mark.feature("LOG-08", "LOG-19")
def test_wrong_passwords_at_the_binding_count_towards_the_lock(app, world, qq):
    client = browser(app)
    scan(client)
    for _n in range(5):
        assert bind_by_password(client, world, "verB", "Falsch-Falsch-1").status_code == 422
    assert bind_by_password(client, world, "verB").status_code == 422, "locked: even the right one is refused"
    assert identity_of(app, qq.openid) is None
    with app.app_context():
        with as_system("test") as system:
            fire(db.session(), ACCOUNT, world.people["verB"], "unlock", system)
            db.session.commit()
        db.session.remove()


@pytest.mark.feature("LOG-08")
def test_qq_refuses_a_spent_code_another_state_and_another_application(app, world, qq):
    assert scan(browser(app), code="spent").status_code == 403
    client = browser(app)
    client.get("/login/with/qq")
    assert client.get("/login/back/qq?code=right&state=guess").status_code == 403
    qq.client_id = "another-app"
    refused = scan(browser(app))
    assert refused.status_code == 403
    assert "统一身份认证失败，请重新登录。" in text(refused)


@pytest.mark.feature("LOG-08")
def test_nothing_to_bind_without_a_fresh_scan(app, world, qq):
    assert browser(app).get("/login/bind").status_code == 403
    answer = post(browser(app), "/login/bind", {"username": world.names["ua1"], "password": PASSWORD})
    assert answer.status_code == 403


# -- the electronic business licence ------------------------------------------------------------------------------------


@pytest.mark.feature("LOG-09")
def test_the_licence_of_an_approved_enterprise_logs_in_as_it(app, world, issuer):
    sub, client = f"licence-{number()}", browser(app)
    assert "电子营业执照登录" in text(client.get("/login/"))
    answer = come_back(client, issuer, "licence", sub=sub, unit_code=world.codes["ub1"])
    assert answer.location == "/home/"
    assert rows_of(app, sub) == [(world.people["ub1"], world.units["ub1"])]
    with app.app_context(), as_system("test looks"):
        name = db.session.get(Account, world.people["ub1"]).name
        db.session.remove()
    assert name in text(client.get("/home/"))


@pytest.mark.feature("REG-08")
def test_zhejiangs_log_in_page_leads_to_the_government_service(app, world, issuer, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    client = browser(app)
    page = text(client.get("/login/"))
    assert 'href="https://uuser.zjzfw.gov.cn/jsp/client/uuuser/uuuserRegistStep1.jsp"' in page
    assert "去注册" in page
    assert "法人注册指南" in page
    guide = client.get("/register/guide.pdf", follow_redirects=True)
    assert guide.status_code == 200
    assert 'href="/register"' not in page.split("<main")[1].split("</main>")[0]
    assert post(client, "/register", {"username": "abcd1234"}, page="/login/").status_code == 404


@pytest.mark.feature("LOG-09")
def test_an_unknown_licence_leads_to_the_registration_with_its_code(app, world, issuer):
    code, client = uscc(number()), browser(app)
    answer = come_back(client, issuer, "licence", sub=f"licence-{number()}", unit_code=code, unit_name="新店")
    assert answer.status_code == 302
    assert answer.location.startswith("/register")
    assert f"code={code}" in answer.location
    assert units_of(app, code) == []
    assert client.get("/home/").location.startswith("/login/")
    page = text(client.get(answer.location, follow_redirects=True))
    assert f'value="{code}"' in page


# -- bound identities -----------------------------------------------------------------------------------------------------


def confirm(client, password=PASSWORD):
    return post(client, "/me/confirm?next=/me/bindings", {"password": password}, page="/me/confirm?next=/me/bindings")


@pytest.mark.feature("LOG-18")
def test_one_sees_and_unbinds_and_then_it_logs_in_no_more(app, world, qq):
    client = browser(app)
    scan(client)
    bind_by_password(client, world, "ua2")
    page = text(client.get("/me/bindings"))
    assert "QQ扫码登录" in page
    assert qq.openid not in page
    fresh = login(app, world, "ua2")
    pk = identity_key(app, qq.openid)
    asked = post(fresh, "/me/bindings/remove", {"identity": pk}, page="/me/bindings")
    assert asked.location.startswith("/me/confirm"), "the password is asked first"
    assert identity_of(app, qq.openid) is not None
    assert confirm(fresh).status_code in {302, 303}
    assert post(fresh, "/me/bindings/remove", {"identity": pk}, page="/me/bindings").location == "/me/bindings"
    assert identity_of(app, qq.openid) is None
    assert scan(browser(app)).location == "/login/bind"
    assert "还没有绑定" in text(fresh.get("/me/bindings"))


def identity_key(app, subject):
    with app.app_context(), as_system("test looks"):
        found = db.session.scalar(select(ExternalIdentity.id).where(ExternalIdentity.subject == subject))
        db.session.remove()
    return found


@pytest.mark.feature("LOG-18")
def test_one_binds_while_logged_in_and_only_for_oneself(app, world, qq):
    client = login(app, world, "recB")
    confirm(client)
    away = post(client, "/me/bindings/add", {"provider": "qq"}, page="/me/bindings")
    assert away.status_code == 303
    answer = {"code": "right", "state": state_of(away.location)}
    assert browser(app).get("/login/back/qq", query_string=answer).status_code == 403
    assert client.get("/login/back/qq", query_string=answer).location == "/me/bindings"
    assert identity_of(app, qq.openid) == world.people["recB"]
    assert "绑定成功" in text(client.get("/me/bindings"))
    other = login(app, world, "verA")
    confirm(other)
    away = post(other, "/me/bindings/add", {"provider": "qq"}, page="/me/bindings")
    taken = other.get("/login/back/qq", query_string={"code": "right", "state": state_of(away.location)})
    assert "已绑定其他账号" in text(taken)
    assert identity_of(app, qq.openid) == world.people["recB"]


@pytest.mark.feature("LOG-18")
def test_nobody_unbinds_for_another(app, world, qq):
    client = browser(app)
    scan(client)
    bind_by_password(client, world, "ub1")
    pk = identity_key(app, qq.openid)
    thief = login(app, world, "ua1")
    confirm(thief)
    assert post(thief, "/me/bindings/remove", {"identity": pk}, page="/home/").status_code == 404
    assert identity_of(app, qq.openid) == world.people["ub1"]


@pytest.mark.feature("LOG-18")
def test_the_last_way_in_stays(app, world, issuer):
    count, client = number(), browser(app)
    come_back(client, issuer, sub=f"legal-{count}", unit_code=uscc(count), unit_name=f"独门{count}")
    pk = identity_key(app, f"legal-{count}")
    answer = post(client, "/me/bindings/remove", {"identity": pk}, page="/me/bindings")
    assert answer.location == "/me/bindings", "a fresh answer of the provider is as good as the password"
    assert "解绑后将无法登录" in text(client.get("/me/bindings"))
    assert identity_of(app, f"legal-{count}") is not None


@pytest.mark.feature("LOG-18")
def test_a_units_identity_opens_its_main_account_only(app, world, issuer):
    client = login(app, world, "recA")
    confirm(client)
    issuer.claims = {"sub": f"legal-{number()}", "unit_code": world.codes["ua1"], "unit_name": "x"}
    away = post(client, "/me/bindings/add", {"provider": "sso_gov"}, page="/me/bindings")
    answer = client.get("/login/back/sso_gov", query_string=issuer.authorize(away.location, f"code-{number()}"))
    assert answer.status_code == 403
    assert "企业主账号" in text(answer)
    assert identity_of(app, issuer.claims["sub"]) is None


def test_bindings_are_for_people_who_are_logged_in(app, world):
    assert browser(app).get("/me/bindings").location.startswith("/login/")
