"""Check digits, passwords, roles that exclude each other, settings that must hold, headers and error pages."""

from __future__ import annotations

import pytest

from app.access.hardening import UnsafeSettingsError, assert_safe, problems
from app.access.passwords import problem_with
from app.access.roles import forbidden_combination
from app.access.validators import normal_code, valid_id_number, valid_org_code, valid_phone, valid_uscc
from models.enums import AccountKind, Role
from models.types import mask_name, mask_phone
from tests.client import login, text, visitor


@pytest.mark.parametrize("code", ["91110000600037341L", "N2150821MF0000000J"])
def test_credit_codes_of_the_standard(code):
    assert valid_uscc(code)
    assert not valid_uscc(code[:-1] + ("A" if code[-1] != "A" else "B"))


@pytest.mark.parametrize("code", ["913301087377712345", "91330108737712345", "", "9111000060003734IL"])
def test_credit_codes_of_the_manuals_are_wrong(code):
    assert not valid_uscc(code)


def test_codes_are_compared_without_blanks_case_and_width():
    assert normal_code("９１1100 0060-0037341l") == "91110000600037341L"


@pytest.mark.parametrize(("code", "right"), [("D2143569X", True), ("600037341", True), ("333444555", False)])
def test_organisation_codes(code, right):
    assert valid_org_code(code) is right


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("11010519491231002X", True),
        ("440524188001010014", True),
        ("230183198808140728", False),
        ("110105194902300021", False),
    ],
)
def test_id_numbers(number, right):
    assert valid_id_number(number) is right


@pytest.mark.parametrize(("phone", "right"), [("13911111111", True), ("12011111111", False), ("1391111111", False)])
def test_phones(phone, right):
    assert valid_phone(phone) is right


def test_masks():
    assert (mask_phone("13312341111"), mask_name("王小明")) == ("133****1111", "王**")


@pytest.mark.parametrize(
    "password", ["short1A", "1234567890", "aaaaaaaaaaaa", "guangming2026x", "123321123321", "x" * 129]
)
def test_bad_passwords_get_a_sentence(password):
    assert problem_with(password, ["guangming2026"]) is not None


def test_a_long_plain_sentence_is_a_good_password():
    assert problem_with("四月的雨落在院子里的梧桐树上") is None


@pytest.mark.parametrize(
    ("kind", "roles", "allowed"),
    [
        (AccountKind.INSTITUTE, [Role.VER, Role.APR], True),
        (AccountKind.INSTITUTE, [Role.REC, Role.VER], True),
        (AccountKind.INSTITUTE, [Role.IMG, Role.APR], True),
        (AccountKind.INSTITUTE, [Role.REC, Role.APR], False),
        (AccountKind.INSTITUTE, [Role.REC, Role.VER, Role.APR], False),
        (AccountKind.INSTITUTE, [Role.REG], False),
        (AccountKind.REGULATOR, [Role.REG, Role.REC], False),
        (AccountKind.ADMIN, [Role.ADM, Role.SEC], False),
        (AccountKind.ADMIN, [Role.ADM, Role.AUD], False),
        (AccountKind.AUDITOR, [], False),
    ],
)
def test_roles_that_one_person_may_hold(kind, roles, allowed):
    assert (forbidden_combination(kind, roles) is None) is allowed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("FAB_ADD_SECURITY_API", True),
        ("FAB_ALLOW_GET_UNSAFE_MUTATIONS", True),
        ("WTF_CSRF_ENABLED", False),
        ("RATELIMIT_ENABLED", False),
        ("AUTH_USER_REGISTRATION", True),
        ("FAB_API_MAX_PAGE_SIZE", 1000),
        ("SECRET_KEY", "short"),
        ("FAB_SAFE_REDIRECT_HOSTS", []),
        ("AUTH_DB_FAKE_PASSWORD_HASH_CHECK", "pbkdf2:x"),
    ],
)
def test_an_unsafe_setting_stops_the_start(app, monkeypatch, key, value):
    assert problems(app) == []
    monkeypatch.setitem(app.config, key, value)
    with pytest.raises(UnsafeSettingsError):
        assert_safe(app)


def test_production_asks_for_more(app, monkeypatch):
    monkeypatch.setitem(app.config, "ENVIRONMENT", "production")
    found = " ".join(problems(app))
    assert "SESSION_COOKIE_SECURE" in found
    assert "QUANHENG_HOSTS" in found


def test_headers_of_every_page(app, world):
    for client in (visitor(app), login(app, world, "recA")):
        headers = client.get("/home/", follow_redirects=True).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("who", ["anon", "recA"])
def test_error_pages_are_chinese(app, world, who):
    client = visitor(app) if who == "anon" else login(app, world, who)
    for address, status in (("/no-such-page", 404), ("/instruments/show/999999999", 404)):
        answer = client.get(address)
        if answer.status_code == 302:
            continue
        assert answer.status_code == status
        assert "没有找到这个页面" in text(answer)


def test_a_form_without_its_token_is_refused_with_the_cure(app, world):
    client = login(app, world, "recA")
    answer = client.post("/logout/", data={})
    assert answer.status_code == 400
    assert "页面停留过久，请重新提交" in text(answer)


def test_health_tells_the_stores(app):
    answer = visitor(app).get("/healthz")
    assert answer.status_code == 200
    assert answer.get_json()["database"] == answer.get_json()["redis"] == "up"


def test_stock_views_are_not_there(app, world):
    client = login(app, world, "adm")
    for address in (
        "/users/list/",
        "/roles/list/",
        "/permissions/list/",
        "/resetpassword/form",
        "/registeruser/list/",
        "/userstatschartview/chart/",
        "/resetmypassword/form",
        "/userinfoeditview/form",
        "/swagger/v1",
    ):
        assert client.get(address).status_code == 404, address


def test_a_draft_booking_is_no_badge_on_certificates(app, world, session):
    """Keys of to-do lines are badges' names: two meanings of one key once put a booking's number beside 证书."""
    from app.operations.todo import todos
    from tests.world import filed, slot_of

    made = filed(world, "ub1", "B", division="440304").id
    slot = slot_of(world, "B").id
    with world.acting("ub1") as actor:
        from app.operations.appointment import save_draft

        save_draft(session, actor, instrument_ids=[made], slot_id=slot)
        session.flush()
        keys = {line.key for line in todos(session, actor)}
        session.rollback()
    assert "booking_drafts" in keys
    assert "drafts" not in keys
