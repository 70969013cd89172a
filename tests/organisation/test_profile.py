"""我的资料: what a person changes about the own account, and how a new phone or address is proved."""

import pytest

from app.access.principal import as_system
from app.workflow.outgoing import enqueue_mail
from models.base import db
from models.enums import Role
from tests.client import log_in, login, post, text, visitor
from tests.organisation.support import (
    a_unit,
    account_of,
    an_individual,
    code_in,
    confirm,
    mailed,
    new_phone,
    number,
    staff,
    texted,
)
from tests.world import PASSWORD


@pytest.mark.feature("ORG-02")
def test_a_person_edits_the_own_data(app, world):
    nick = an_individual(app, world)
    client, pk = login(app, world, nick), world.people[nick]
    before = account_of(app, pk)
    page = text(client.get("/me/edit"))
    for word in ("用户名称", "公民身份证号码", "性别", "民族", "所在地", "详细地址", world.names[nick], "440***"):
        assert word in page
    assert before.id_number not in page
    data = {
        "gender": "女",
        "ethnicity": "壮族",
        "province": "440000",
        "city": "440100",
        "county": "440103",
        "address": "龙津路8号",
        "roles": "ADM",
        "unit_id": str(world.units["ua1"]),
        "id_number": "x",
        "username": "other",
        "name": "改名",
    }
    answer = post(client, "/me/edit", data, page="/me/edit")
    assert (answer.status_code, answer.location) == (303, "/me")
    page = text(client.get("/me"))
    for word in ("女", "壮族", "广东省广州市荔湾区", "龙津路8号"):
        assert word in page
    after = account_of(app, pk)
    kept = ("roles", "unit_id", "id_number", "name", "kind", "state", "email", "phone")
    assert [getattr(after, k) for k in kept] == [getattr(before, k) for k in kept]
    assert after.user.username == before.user.username


@pytest.mark.feature("ORG-02")
def test_wrong_values_come_back_in_the_form(app, world):
    client = login(app, world, an_individual(app, world))
    answer = post(client, "/me/edit", {"gender": "x", "ethnicity": "壮族", "address": "新址"}, page="/me/edit")
    assert answer.status_code == 422
    assert "不在可选范围内" in text(answer)
    assert 'value="新址"' in text(answer)


@pytest.mark.feature("ORG-02")
def test_labels_of_an_enterprise_account(app, world):
    nick = a_unit(app, world)
    client = login(app, world, nick)
    page = text(client.get("/me/edit"))
    for word in ("我的资料", "用户名称", "真实姓名", "手机号码", "电子邮箱"):
        assert word in page
    assert post(client, "/me/edit", {"name": "企业管理员甲"}, page="/me/edit").status_code == 303
    assert "企业管理员甲" in text(client.get("/me"))


@pytest.mark.feature("ORG-02")
def test_names_of_staff_stand_on_certificates_and_are_not_changed_here(app, world):
    nick = staff(app, world, [Role.VER])
    client = login(app, world, nick)
    assert "由派发账号的管理员维护" in text(client.get("/me/edit"))
    post(client, "/me/edit", {"name": "别人"}, page="/me/edit")
    assert account_of(app, world.people[nick]).name == f"员{nick}"


@pytest.mark.feature("REG-26", "ORG-02")
def test_a_new_phone_is_proved_and_used_from_then_on(app, world):
    nick = a_unit(app, world)
    client, pk, phone = login(app, world, nick), world.people[nick], new_phone()
    old = account_of(app, pk).phone
    assert "/me/confirm" in client.get("/me/phone").location
    assert confirm(client, "/me/phone").location == "/me/phone"
    answer = post(client, "/me/phone", {"phone": phone, "phone_code": "000000"}, page="/me/phone")
    assert answer.status_code == 422
    assert "短信验证码错误或已过期" in text(answer)
    answer = post(client, "/me/phone", {"phone": phone, "send": "1"}, page="/me/phone")
    assert answer.status_code == 200
    assert f'value="{phone}"' in text(answer)
    code = code_in(texted(app, phone))
    answer = post(client, "/me/phone", {"phone": phone, "phone_code": code}, page="/me/phone")
    assert (answer.status_code, answer.location) == (303, "/me")
    assert f"{phone[:3]}****{phone[-4:]}" in text(client.get("/me"))
    assert account_of(app, pk).phone == phone
    assert account_of(app, pk).phone_verified_at is not None
    before = texted(app, old)
    from app.workflow.outgoing import enqueue_sms

    with app.app_context():
        with as_system("test"):
            enqueue_sms(db.session(), account_of(app, pk).phone, "新的通知", key=f"later-{number()}")
            db.session.commit()
        db.session.remove()
    assert texted(app, phone) == "新的通知"
    assert texted(app, old) == before
    assert log_in(visitor(app), phone, PASSWORD).status_code == 302
    assert log_in(visitor(app), old, PASSWORD).status_code == 422


@pytest.mark.feature("REG-26", "ORG-02")
def test_a_new_address_gets_the_notices_and_the_old_one_does_not(app, world):
    nick = a_unit(app, world)
    client, pk = login(app, world, nick), world.people[nick]
    old, email = account_of(app, pk).email, f"new{number()}@example.com"
    confirm(client, "/me/email")
    post(client, "/me/email", {"email": email, "send": "1"}, page="/me/email")
    code = code_in(mailed(app, email)[-1])
    wrong = post(client, "/me/email", {"email": f"x{email}", "email_code": code}, page="/me/email")
    assert wrong.status_code == 422  # a code belongs to its address
    answer = post(client, "/me/email", {"email": email, "email_code": code}, page="/me/email")
    assert (answer.status_code, answer.location) == (303, "/me")
    assert email in text(client.get("/me"))
    count = len(mailed(app, old))
    from app.workflow import ACCOUNT, fire

    with app.app_context():
        with world.acting("adm") as actor:
            fire(db.session(), ACCOUNT, pk, "disable", actor, {"reason": "测试停用后再启用。"})
            fire(db.session(), ACCOUNT, pk, "enable", actor)
            db.session.commit()
        db.session.remove()
    assert any("恢复使用" in body for body in mailed(app, email))
    assert len(mailed(app, old)) == count
    assert enqueue_mail


@pytest.mark.feature("REG-26")
def test_somebody_elses_phone_and_address_are_refused(app, world):
    nick = a_unit(app, world)
    client, other = login(app, world, nick), account_of(app, world.people["ua1"])
    confirm(client, "/me/phone")
    answer = post(client, "/me/phone", {"phone": other.phone, "send": "1"}, page="/me/phone")
    assert "该手机号已被使用，请更换。" in text(answer)
    answer = post(client, "/me/email", {"email": other.email, "send": "1"}, page="/me/email")
    assert "该邮箱已被使用，请更换。" in text(answer)
    answer = post(client, "/me/phone", {"phone": "123", "send": "1"}, page="/me/phone")
    assert "手机号格式不正确" in text(answer)
