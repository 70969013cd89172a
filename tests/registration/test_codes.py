"""Codes by text message, the captcha before them, and the formats of what is typed."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app import clock
from app.access.principal import as_system
from app.profiles import load
from models.account import Consent, VerificationCode
from models.base import db
from models.types import blind_index
from tests.captcha import captcha_of
from tests.client import TOKEN, post, text, visitor
from tests.registration.forms import (
    accounts,
    coded,
    declared,
    files_of,
    good,
    hand_in,
    registered,
    send_code,
    sent_code,
    wrong_at,
    wrongs,
)
from tests.registration.support import account_named
from tests.world import id_number, uscc


def aged(app, address: str, minutes: int) -> None:
    """Let the newest code of the address grow old."""
    past = timedelta(minutes=minutes)
    with app.app_context():
        db.session.execute(
            update(VerificationCode)
            .where(VerificationCode.address_index == blind_index(address))
            .values(sent_at=clock.now() - past, expires_at=clock.now() - past + timedelta(minutes=10))
        )
        db.session.commit()
        db.session.remove()


@pytest.mark.feature("REG-10")
@pytest.mark.parametrize("kind", ["personal", "enterprise"])
def test_a_code_by_text_message_belongs_to_its_phone_and_its_time(app, profile_of, kind):
    profile_of("national")
    client, form = visitor(app), declared("national", kind)
    answers = good(form, "national")
    assert send_code(client, form, answers).json["seconds"] == 60
    again = send_code(client, form, answers)
    assert again.status_code == 429
    assert "秒后再试" in again.json["error"]
    right = sent_code(app, answers["phone"])
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    before = accounts(app)
    for said in ({"phone_code": wrong}, {"phone_code": right, "phone": good(form, "national")["phone"]}):
        refused = hand_in(client, form, {**answers, **said})
        assert "短信验证码错误或已过期" in wrong_at(text(refused), "phone_code")
    aged(app, answers["phone"], 11)
    refused = hand_in(client, form, {**answers, "phone_code": right})
    assert "短信验证码错误或已过期" in wrong_at(text(refused), "phone_code")
    assert accounts(app) == before
    assert send_code(client, form, answers).status_code == 200
    done = hand_in(client, form, {**answers, "phone_code": sent_code(app, answers["phone"])})
    assert done.status_code == 303, wrongs(done)


@pytest.mark.feature("REG-10")
def test_five_wrong_tries_wear_a_code_out(app, profile_of):
    profile_of("national")
    client, form = visitor(app), declared("national", "personal")
    answers = coded(app, client, form, good(form, "national"))
    wrong = f"{(int(answers['phone_code']) + 1) % 10**6:06d}"
    for _try in range(5):
        assert hand_in(client, form, {**answers, "phone_code": wrong}).status_code == 422
    assert hand_in(client, form, answers).status_code == 422


@pytest.mark.feature("REG-10")
def test_a_code_to_no_number_is_refused(app, profile_of):
    profile_of("national")
    client, form = visitor(app), declared("national", "personal")
    for phone in ("", "1", "23900000000", "139000000001"):
        assert "格式不正确" in send_code(client, form, {"phone": phone}).json["error"]


def test_without_a_script_the_code_page_keeps_the_form(app, profile_of):
    profile_of("national")
    client, form = visitor(app), declared("national", "enterprise")
    answers = good(form, "national")
    token = TOKEN.search(text(client.get("/register/enterprise"))).group(1)
    data = {**answers, **files_of(form), "csrf_token": token}
    answer = client.post("/register/enterprise/code", data=data, content_type="multipart/form-data")
    page = text(answer)
    assert answer.status_code == 200
    assert "验证码已发送" in page
    assert answers["phone"] not in page.split("<form")[0], "the number stands in no sentence"
    for name in ("unit_name", "legal_person", "phone"):
        assert f'value="{answers[name]}"' in page
    assert page.count("已收到：") == 2


@pytest.mark.feature("REG-12")
def test_a_captcha_comes_before_the_code_and_before_registering_and_works_once(app, profile_of):
    profile_of("national", captcha=True)
    client, form = visitor(app), declared("national", "personal")
    answers, page = good(form, "national"), text(client.get("/register/personal"))
    refused = send_code(client, form, answers)
    assert refused.status_code == 422
    assert "验证码" in refused.json["error"]
    solved = captcha_of(app, page)
    assert send_code(client, form, answers, **{**solved, "captcha": "zzzz"}).status_code == 422
    assert send_code(client, form, answers, **solved).status_code == 422, "used up by the wrong try"
    solved = captcha_of(app, text(client.get("/register/personal")))
    assert send_code(client, form, answers, **solved).status_code == 200
    answers["phone_code"] = sent_code(app, answers["phone"])
    before = accounts(app)
    replayed = hand_in(client, form, {**answers, **solved})
    assert wrong_at(text(replayed), "captcha") == "验证码错误或已过期。"
    assert f'value="{answers["person_name"]}"' in text(replayed)
    assert accounts(app) == before
    done = hand_in(client, form, {**answers, **captcha_of(app, text(replayed))})
    assert done.status_code == 303, wrongs(done)
    assert account_named(app, answers["username"]).state == "active"


@pytest.mark.feature("REG-13")
@pytest.mark.parametrize(
    ("kind", "password", "taken"),
    [
        ("personal", "abcdef1", False),
        ("personal", "Abcdef1", True),
        ("personal", "ABCDEF1", False),
        ("personal", "Ab1", False),
        ("personal", "Abcdefghij1234567890x", False),
        ("enterprise", "abcdef", False),
        ("enterprise", "abcde1", True),
        ("enterprise", "123321", False),
    ],
)
def test_password_rules_of_the_manual(app, profile_of, kind, password, taken):
    profile_of("national")
    form = declared("national", kind)
    answers = {**good(form, "national"), "password": password, "password_again": password, "phone_code": ""}
    said = wrong_at(text(hand_in(visitor(app), form, answers)), "password")
    assert bool(said) is not taken, said


@pytest.mark.feature("REG-13")
@pytest.mark.parametrize(
    ("name", "kind"), [("national", "personal"), ("hohhot", "enterprise"), ("guangdong", "applicant")]
)
def test_user_name_rules(app, profile_of, world, name, kind):
    profile_of(name)
    form = declared(name, kind)
    answers = good(form, name, world)
    for username in ("abc", "a" * 21, "张三01", "a b c d", "a-bcd", "13900000001"):
        answer = hand_in(visitor(app), form, {**answers, "username": username})
        assert wrong_at(text(answer), "username"), username
    for username in ("abcd", "1234", "a" * 20):
        answer = hand_in(visitor(app), form, {**answers, "username": username})
        assert "须为4～20位" not in wrong_at(text(answer), "username"), username


@pytest.mark.feature("REG-14")
@pytest.mark.parametrize(
    "number", ["1" * 17, "1" * 19, "230183198808140728", "44010319880231123X", "44010A198808140728"]
)
def test_wrong_identity_numbers(app, profile_of, number):
    profile_of("national")
    form = declared("national", "personal")
    answer = hand_in(visitor(app), form, {**good(form, "national"), "id_number": number})
    assert wrong_at(text(answer), "id_number")


@pytest.mark.feature("REG-14")
def test_checksums_are_switches(app, profile_of, monkeypatch):
    profile_of("national")
    form = declared("national", "enterprise")
    answers = good(form, "national", code="913301087377712345", legal_id="230183198808140728")
    page = text(hand_in(visitor(app), form, answers))
    assert "校验位不正确" in wrong_at(page, "code")
    assert "校验不正确" in wrong_at(page, "legal_id")
    for switch in ("id_checksum", "uscc_checksum"):
        monkeypatch.setitem(load("national")["validate"], switch, False)
    page = text(hand_in(visitor(app), form, answers))
    assert wrong_at(page, "code") == wrong_at(page, "legal_id") == ""
    assert wrong_at(text(hand_in(visitor(app), form, {**answers, "code": "91330108737712345"})), "code")
    assert wrong_at(text(hand_in(visitor(app), form, {**answers, "code": "333444555"})), "code") == ""


@pytest.mark.feature("REG-14")
def test_one_person_one_account(app, profile_of):
    profile_of("national")
    _client, first = registered(app, "national", "personal")
    form = declared("national", "personal")
    answers = good(form, "national", id_number=first["id_number"].lower(), phone=first["phone"])
    page = text(hand_in(visitor(app), form, answers))
    assert wrong_at(page, "id_number") == "该身份证号码已注册，请使用“找回账号”。"
    assert "该手机号已被使用" in wrong_at(page, "phone")


def test_numbers_lie_sealed_and_nowhere_in_clear(app, profile_of):
    """Neither the log, the outbox, the sessions nor the audit holds the phone or the ID number."""
    from sqlalchemy import text as sql

    profile_of("national")
    _client, answers = registered(app, "national", "enterprise")
    secrets = (answers["phone"], answers["legal_id"], answers["password"])
    with app.app_context(), as_system("test looks everywhere"):
        tables = db.session.execute(sql("select table_name from information_schema.tables where table_schema='public'"))
        for (table,) in tables.all():
            for secret in secrets:
                count = db.session.execute(
                    sql(f'select count(*) from "{table}" t where t::text like :secret'), {"secret": f"%{secret}%"}
                ).scalar_one()
                assert count == 0, (table, secret)
        db.session.remove()


def test_pressing_twice_registers_once_in_every_form(app, world, profile_of):
    from tests.registration.forms import FORMS

    for name, kind in FORMS:
        profile_of(name)
        client, answers = registered(app, name, kind, world)
        before = accounts(app)
        again = hand_in(client, declared(name, kind), answers)
        assert (again.status_code, again.location) == (303, "/register/done"), (name, kind)
        assert accounts(app) == before


def test_extra_fields_are_not_looked_at(app, profile_of, world):
    profile_of("national")
    extra = {"state": "active", "roles": "ADM", "account": "admin", "unit_id": "1", "institute_id": "1", "active": "1"}
    for kind, state in (("personal", "active"), ("enterprise", "pending"), ("institute", "pending")):
        _client, answers = registered(app, "national", kind, **extra)
        account = account_named(app, answers["username"])
        assert (account.state, "ADM" in account.roles, account.reviewer_institute_id) == (state, False, None)
        assert account.unit_id != 1


def test_consents_are_written_with_the_address(app, profile_of):
    profile_of("national")
    _client, answers = registered(app, "national", "personal")
    account = account_named(app, answers["username"])
    with app.app_context(), as_system("test"):
        row = db.session.execute(select(Consent).where(Consent.account_id == account.id)).scalar_one()
        assert (row.document, bool(row.ip), row.given_at is not None) == ("personal_agreement", True, True)
        db.session.remove()


def test_numbers_for_tests_are_valid():
    from app.access.validators import valid_id_number, valid_uscc

    assert all(valid_id_number(id_number(n)) and valid_uscc(uscc(n)) for n in (1, 77, 135_000, 999_999))


def test_a_form_is_posted_by_everybody_but_those_logged_in(app, world, profile_of):
    from tests.client import login

    client = login(app, world, "ua1")
    assert client.get("/register").location == "/home/"
    assert client.get("/register/personal").location == "/home/"
    assert post(client, "/register/personal", {}).location == "/home/"
