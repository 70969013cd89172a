"""政务服务网登录（法人）: who comes in, what is made, what is refused (LOG-06, must-never cases 31 and 66)."""

import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models import Account, AuditLog, Unit
from models.base import db
from tests.client import login, post, text
from tests.sso.conftest import browser, come_back, number, rows_of, units_of
from tests.world import uscc

pytestmark = pytest.mark.feature("LOG-06")
REFUSED = "统一身份认证失败，请重新登录。"


def stranger(**more):
    count = number()
    return {"sub": f"legal-{count}", "unit_code": uscc(count), "unit_name": f"西湖加油站{count}", **more}


def test_the_button_stands_only_where_it_is_offered(app, world, issuer, monkeypatch):
    assert "政务服务网登录（法人）" in text(browser(app).get("/login/"))
    for profile in ("national", "guangdong"):
        monkeypatch.setitem(app.config, "PROFILE", profile)
        assert "政务服务网登录" not in text(browser(app).get("/login/"))
        assert browser(app).get("/login/with/sso_gov").status_code == 404
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    assert "政务服务网登录（法人）" in text(browser(app).get("/login/"))
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {})
    assert "政务服务网登录" not in text(browser(app).get("/login/"))
    assert browser(app).get("/login/with/sso_gov").status_code == 404
    assert browser(app).get("/login/with/password").status_code == 404


@pytest.mark.feature("REG-08", "ORG-07")
def test_first_login_makes_the_enterprise_and_the_second_does_not(app, world, issuer, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    who = stranger(name="何法人")
    client = browser(app)
    answer = come_back(client, issuer, **who)
    assert answer.status_code in {302, 303}
    prompt = client.get("/home/", follow_redirects=True)
    assert prompt.request.path == "/me/contact-prompt", "ORG-07 asks for the contact first"
    assert "完善联络人员信息" in text(prompt)
    [(account_id, unit_id)] = rows_of(app, who["sub"])
    with app.app_context(), as_system("test looks"):
        account = db.session.get(Account, account_id)
        unit = db.session.get(Unit, unit_id)
        assert (account.state, account.roles, account.kind) == ("active", ["ENT"], "enterprise")
        assert account.user.password is None
        assert (unit.code, unit.name, unit.active) == (who["unit_code"], who["unit_name"], True)
        assert unit.contact_name == ""
        db.session.remove()
    again = come_back(browser(app), issuer, **who)
    assert again.status_code in {302, 303}
    assert rows_of(app, who["sub"]) == [(account_id, unit_id)]
    assert len(units_of(app, who["unit_code"])) == 1


def test_a_new_name_in_the_register_is_taken_over(app, world, issuer, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    who = stranger()
    come_back(browser(app), issuer, **who)
    come_back(browser(app), issuer, **{**who, "unit_name": "改名后的加油站"})
    assert [unit.name for unit in units_of(app, who["unit_code"])] == ["改名后的加油站"]


def test_another_units_code_under_a_known_subject_is_no_login(app, world, issuer):
    who = stranger()
    assert come_back(browser(app), issuer, **who).status_code in {302, 303}
    answer = come_back(browser(app), issuer, **{**who, "unit_code": uscc(number())})
    assert answer.status_code == 403
    assert "请联系平台管理员核对" in text(answer)


def test_a_known_unit_is_joined_by_its_code(app, world, issuer):
    sub = f"legal-{number()}"
    client = browser(app)
    answer = come_back(client, issuer, sub=sub, unit_code=world.codes["ua1"], unit_name="随便什么名字")
    assert answer.status_code in {302, 303}
    assert rows_of(app, sub) == [(world.people["ua1"], world.units["ua1"])]
    assert len(units_of(app, world.codes["ua1"])) == 1


def test_a_known_unit_is_never_joined_by_its_name_or_person(app, world, issuer):
    with app.app_context(), as_system("test"):
        account = db.session.get(Account, world.people["ua2"])
        name, person = account.unit.name, account.name
        db.session.remove()
    who = stranger(unit_name=name, name=person)
    come_back(browser(app), issuer, **who)
    [(account_id, unit_id)] = rows_of(app, who["sub"])
    assert account_id != world.people["ua2"]
    assert unit_id != world.units["ua2"]


def test_a_registration_that_waits_is_nobodys_to_join(app, world, issuer):
    """Somebody else may have typed the code: the government's word makes its own account."""
    from tests.registration.support import account_named
    from tests.world import PASSWORD, PNG, accounts, mail_code

    count = number()
    code, email = uscc(count), f"w{count}@example.com"
    form = {
        "unit_name": "抢注的单位", "code": code, "division_code": "440103", "address": "某路1号", "contact_name": "某人",
        "phone": f"139{count:08d}"[:11], "email": email, "username": f"w{count}", "password": PASSWORD,
        "password_again": PASSWORD, "institute_id": str(world.institutes["A"]), "agree": "1",
    }  # fmt: skip
    with app.app_context():
        form["email_code"] = mail_code(email)
        papers = {k: accounts.Paper(k, label, f"{k}.png", PNG) for k, label in accounts.PAPERS.items()}
        waiting = accounts.register_unit(db.session(), form, papers).id
        db.session.commit()
        db.session.remove()
    who = stranger(unit_code=code)
    assert come_back(browser(app), issuer, **who).status_code in {302, 303}
    [(account_id, _unit)] = rows_of(app, who["sub"])
    assert account_id != waiting
    assert account_named(app, f"w{count}").state == "pending"
    assert [unit.active for unit in units_of(app, code)] == [False, True]


def test_one_goes_on_to_the_wanted_page_but_never_away(app, world, issuer):
    who = stranger()
    answer = come_back(browser(app), issuer, target="/instruments/list/%3Fband%3Ddue", **who)
    assert urlsplit(answer.location).path == "/instruments/list/"
    for evil in ("//evil.example/", "https://evil.example/", "/%5Cevil.example"):
        assert come_back(browser(app), issuer, target=evil, **who).location == "/home/", evil


def test_the_way_back_is_under_our_own_address(app, world, issuer):
    away = browser(app).get("/login/with/sso_gov", headers={"Host": "evil.example"})
    query = parse_qs(urlsplit(away.location).query)
    assert query["redirect_uri"] == ["http://127.0.0.1:8080/login/back/sso_gov"]


@pytest.mark.must_never(66)
def test_an_answer_is_good_once(app, world, issuer):
    client = browser(app)
    away = client.get("/login/with/sso_gov")
    issuer.claims = stranger()
    answer = issuer.authorize(away.location, f"code-{number()}")
    cookie = client.get_cookie("session").value
    assert client.get("/login/back/sso_gov", query_string=answer).status_code in {302, 303}
    replay = browser(app)
    replay.set_cookie("session", cookie)
    asked = issuer.tokens_asked
    for other in (client, replay, browser(app)):
        again = other.get("/login/back/sso_gov", query_string=answer)
        assert again.status_code == 403
        assert REFUSED in text(again)
    assert issuer.tokens_asked == asked, "a replay does not even reach the provider"


def test_an_answer_for_another_browser_is_refused(app, world, issuer):
    victim, attacker = browser(app), browser(app)
    victim.get("/login/with/sso_gov")
    away = attacker.get("/login/with/sso_gov")
    issuer.claims = stranger()
    answer = issuer.authorize(away.location, f"code-{number()}")
    refused = victim.get("/login/back/sso_gov", query_string=answer)
    assert refused.status_code == 403
    assert victim.get("/home/").status_code == 302


@pytest.mark.must_never(66)
def test_an_answer_after_five_minutes_is_refused(app, world, issuer):
    client = browser(app)
    away = client.get("/login/with/sso_gov")
    issuer.claims = stranger()
    answer = issuer.authorize(away.location, f"code-{number()}")
    with clock.frozen(clock.now() + timedelta(seconds=301)):
        import contextvars

        from flask.testing import FlaskClient

        late = contextvars.copy_context().run(FlaskClient.open, client, "/login/back/sso_gov", query_string=answer)
    assert late.status_code == 403
    assert REFUSED in text(late)


WRONG = {
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "somebody-else"},
    "shared audience": {"aud": ["quanheng", "somebody-else"]},
    "issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(time.time()) - 120},
    "no expiry": {"exp": None},
    "old": {"iat": int(time.time()) - 400, "exp": int(time.time()) + 3000},
    "from the future": {"iat": int(time.time()) + 600},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.must_never(66)
def test_a_token_that_is_wrong_in_one_thing_is_refused(app, world, issuer, what):
    who = stranger()
    client = browser(app)
    answer = come_back(client, issuer, **{**who, **WRONG[what]})
    assert answer.status_code == 403
    assert REFUSED in text(answer)
    assert client.get("/home/").location.startswith("/login/")
    assert units_of(app, who["unit_code"]) == []


@pytest.mark.must_never(66)
def test_a_token_of_another_key_is_refused(app, world, issuer):
    for spoiled in (
        {"key": RSAKey.generate_key(2048, {"kid": "one"})},
        {"key": RSAKey.generate_key(2048, {"kid": "two"})},
        {"forge": "HS256"},
        {"forge": "none"},
    ):
        issuer.reset()
        vars(issuer).update(spoiled)
        assert come_back(browser(app), issuer, **stranger()).status_code == 403, spoiled


def test_a_provider_that_fails_or_lies_is_a_page_and_no_crash(app, world, issuer, monkeypatch):
    issuer.fail = True
    assert come_back(browser(app), issuer, **stranger()).status_code == 403
    assert browser(app).get("/login/back/sso_gov?error=access_denied&state=x").status_code == 403
    one = {"issuer": "http://127.0.0.1:9", "client_id": "quanheng"}
    monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {"sso_gov": one})
    answer = browser(app).get("/login/with/sso_gov")
    assert answer.status_code == 403
    assert REFUSED in text(answer)


def test_claims_may_come_from_the_user_info_page_of_the_same_subject(app, world, issuer):
    who = stranger()
    issuer.user_info = {"unit_code": who["unit_code"], "unit_name": who["unit_name"], "sub": "another"}
    assert come_back(browser(app), issuer, sub=who["sub"]).status_code == 403
    issuer.user_info["sub"] = who["sub"]
    assert come_back(browser(app), issuer, sub=who["sub"]).status_code in {302, 303}
    assert len(units_of(app, who["unit_code"])) == 1


def test_a_code_with_a_wrong_check_digit_makes_nothing(app, world, issuer, monkeypatch):
    who = stranger()
    wrong = who["unit_code"][:17] + ("0" if who["unit_code"][17] != "0" else "1")
    assert come_back(browser(app), issuer, **{**who, "unit_code": wrong}).status_code == 403
    assert come_back(browser(app), issuer, **{**who, "unit_code": ""}).status_code == 403
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")  # validate.uscc_checksum = false
    assert come_back(browser(app), issuer, **{**who, "unit_code": wrong}).status_code in {302, 303}


def test_a_disabled_or_closed_account_stays_shut(app, world, issuer):
    who = stranger()
    come_back(browser(app), issuer, **who)
    [(account_id, _unit)] = rows_of(app, who["sub"])
    running = browser(app)
    come_back(running, issuer, target="/me", **who)
    with app.app_context():
        with world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, account_id, "disable", actor, {"reason": "违规使用账号"})
            db.session.commit()
        db.session.remove()
    assert running.get("/me").location.startswith("/login/"), "the running session is dead too"
    answer = come_back(browser(app), issuer, **who)
    assert answer.status_code == 403
    assert REFUSED in text(answer)
    assert come_back(browser(app), issuer, **{**who, "sub": f"{who['sub']}-other"}).status_code == 403
    assert rows_of(app, f"{who['sub']}-other") == []
    with app.app_context(), as_system("test looks"):
        last = db.session.execute(
            select(AuditLog).where(AuditLog.action == "login").order_by(AuditLog.seq.desc()).limit(1)
        ).scalar_one()
        assert (last.outcome, last.detail["provider"]) == ("refused", "sso_gov")
        db.session.remove()


def test_a_password_does_not_open_an_account_without_one(app, world, issuer):
    from tests.client import log_in

    who = stranger()
    come_back(browser(app), issuer, **who)
    assert log_in(browser(app), who["unit_code"], "").status_code == 422
    assert log_in(browser(app), who["unit_code"], "None").status_code == 422


def test_who_came_by_single_sign_on_sets_a_first_password_right_after(app, world, issuer):
    from datetime import timedelta

    from app import clock
    from tests.client import log_in, post

    who, new = stranger(), "Erstes-Passwort-2026"
    client = browser(app)
    come_back(client, issuer, **who)
    page = text(client.get("/password"))
    assert "旧密码" not in page
    done = post(client, "/password", {"password": new, "password_again": new}, page="/password")
    assert done.status_code == 303, text(done)
    assert log_in(browser(app), who["unit_code"], new).status_code == 302
    late = stranger()
    client = browser(app)
    come_back(client, issuer, **late)
    with clock.frozen(clock.now() + timedelta(minutes=11)):
        answer = client.get("/password")
    assert answer.location == "/me/confirm?next=/password"


def test_a_visitors_session_key_is_not_carried_over(app, world, issuer):
    client = browser(app)
    client.get("/login/with/sso_gov")
    before = client.get_cookie("session").value
    come_back(client, issuer, **stranger())
    assert client.get_cookie("session").value != before


def test_a_real_openid_provider_round_trip(app, world, monkeypatch):
    """Against oidc-provider-mock: real discovery, PKCE-bearing request, code, signed token."""
    import httpx
    from oidc_provider_mock import User, run_server_in_thread

    count = number()
    claims = {"unit_code": uscc(count), "unit_name": f"真实往返{count}"}
    with run_server_in_thread(user_claims=[User(sub=f"mock-{count}", claims=claims)]) as server:
        issuer = f"http://localhost:{server.server_port}"
        one = {"issuer": issuer, "client_id": "quanheng", "client_secret": "x"}
        monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {"sso_gov": one})
        app.extensions.pop("identity_providers", None)
        client = browser(app)
        away = client.get("/login/with/sso_gov").location
        agreed = httpx.post(away, data={"sub": f"mock-{count}"}, trust_env=False)
        assert agreed.status_code == 302, agreed.text
        back = urlsplit(agreed.headers["Location"])
        assert back.path == "/login/back/sso_gov"
        answer = client.get(f"{back.path}?{back.query}")
    assert answer.status_code in {302, 303}, text(answer)[:1500]
    assert len(rows_of(app, f"mock-{count}")) == 1


def test_logging_out_and_posting_work_as_after_a_password(app, world, issuer):
    client = browser(app)
    come_back(client, issuer, sub=f"x-{number()}", unit_code=world.codes["ua1"], unit_name="x")
    assert post(client, "/logout/").location == "/"
    assert client.get("/home/").location.startswith("/login/")
    assert login(app, world, "ua1").get("/home/").status_code == 200, "the password still works beside it"


def test_production_asks_for_https_providers(app, monkeypatch):
    from app.access.hardening import problems

    def found(name, **more):
        monkeypatch.setitem(app.config, "IDENTITY_PROVIDERS", {name: {"client_id": "x", **more}})
        return [line for line in problems(app) if "ISSUER" in line]

    monkeypatch.setitem(app.config, "ENVIRONMENT", "production")
    assert found("sso_gov", issuer="http://sso.example") == ["QUANHENG_SSO_GOV_ISSUER must be https"]
    assert found("sso_gov", issuer="") == ["QUANHENG_SSO_GOV_ISSUER must be https"]
    assert found("sso_gov", issuer="https://sso.example") == []
    assert found("qq") == []
