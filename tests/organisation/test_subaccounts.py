"""子用户: opened by the main account by phone, the same ledger, the same rights but a few, stopped at once."""

import re

import pytest

from app.access.principal import as_system
from app.errors import InvalidInputError, NotAllowedError
from app.operations.subaccount import invite_sub
from models import Account
from models.base import db
from tests.client import log_in, login, post, text, visitor
from tests.organisation.support import a_unit, account_of, menu, new_phone, texted
from tests.world import PASSWORD, instrument

pytestmark = pytest.mark.feature("ORG-11")
PAGE = "/subaccounts/invite"


@pytest.fixture(autouse=True)
def guangdong(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")


@pytest.fixture(scope="module")
def unit(app, world):
    return a_unit(app, world)


def invite(client, name: str, phone: str):
    return post(client, PAGE, {"name": name, "phone": phone}, page=PAGE)


def activated(app, phone: str) -> str:
    """Follow the link in the text message; gives the token."""
    token = re.search(r"/activate/([\w-]+)", texted(app, phone)).group(1)
    data = {"password": PASSWORD, "password_again": PASSWORD}
    assert post(visitor(app), f"/activate/{token}", data, page=f"/activate/{token}").status_code == 303
    return token


def a_sub(app, world, unit: str) -> tuple[str, int]:
    """(phone, account id) of a new active sub-user."""
    phone = new_phone()
    assert invite(login(app, world, unit), "李子号", phone).status_code == 303
    activated(app, phone)
    from sqlalchemy import select

    from models.types import blind_index

    with app.app_context(), as_system("test"):
        pk = db.session.scalar(select(Account.id).where(Account.phone_index == blind_index(phone)))
        db.session.remove()
    return phone, pk


def test_two_sub_users_work_in_the_same_ledger(app, world, unit):
    phones = [a_sub(app, world, unit)[0] for _ in range(2)]
    clients = []
    for phone in phones:
        client = visitor(app)
        assert log_in(client, phone, PASSWORD).status_code == 302
        clients.append(client)
    with app.app_context():
        pk = instrument(world, unit, name="共用电子秤").id
        db.session.remove()
    for client in clients:
        assert "共用电子秤" in text(client.get("/instruments/list/"))
    from views.instrument import InstrumentView  # the page of one instrument shows who did what

    assert InstrumentView is not None
    with app.app_context():
        from sqlalchemy import select

        from app.access.load import account_by_id, principal_of
        from app.access.principal import acting_as
        from app.workflow import INSTRUMENT, fire
        from models.types import blind_index

        with as_system("test"):
            sub = db.session.scalar(select(Account.id).where(Account.phone_index == blind_index(phones[0])))
        with acting_as(principal_of(account_by_id(db.session(), sub))) as actor:
            from models import Instrument

            steps = [s.name for s in INSTRUMENT.steps if s.name == "scrap"]
            state = db.session.get(Instrument, pk).state
            fire(db.session(), INSTRUMENT, pk, steps[0], actor, {"reason": "已无法修复，作报废处理。"})
            assert state
            db.session.commit()
        db.session.remove()
    page = text(clients[1].get(f"/instruments/show/{pk}"))
    assert "李子号" in page
    assert "企业子账号" in page


def test_the_link_goes_to_the_phone_only(app, world, unit):
    client, phone = login(app, world, unit), new_phone()
    answer = invite(client, "王子号", phone)
    assert (answer.status_code, answer.location) == (303, "/subaccounts/list/")
    page = text(client.get("/subaccounts/list/"))
    assert "/activate/" not in page
    assert phone not in page
    assert f"{phone[:3]}****{phone[-4:]}" in page
    assert "72小时" in texted(app, phone)
    token = activated(app, phone)
    assert visitor(app).get(f"/activate/{token}").status_code == 410


def test_wrong_input_stays_in_the_form(app, world, unit):
    client = login(app, world, unit)
    for name, phone, sentence in (
        ("", new_phone(), "请填写“姓名”。"),
        ("张三", "", "请填写“手机号”。"),
        ("张三", "12345", "手机号格式不正确"),
    ):
        answer = invite(client, name, phone)
        assert answer.status_code == 422
        assert sentence in text(answer)
    taken = account_of(app, world.people[unit]).phone
    assert "该手机号已被使用。" in text(invite(client, "张三", taken))


def test_the_limit(app, world, monkeypatch):
    nick = a_unit(app, world)
    with app.app_context():
        from app import profiles

        profile = profiles.load("guangdong")
        monkeypatch.setitem(profile["organisation"], "subaccount_limit", 1)
        with world.acting(nick) as actor:
            invite_sub(db.session(), actor, name="甲", phone=new_phone())
            db.session.flush()
            with pytest.raises(InvalidInputError, match="子用户数量已达上限（1个）。"):
                invite_sub(db.session(), actor, name="乙", phone=new_phone())
        db.session.rollback()
        db.session.remove()


def test_disabled_cannot_log_in_and_open_sessions_end(app, world, unit):
    phone, pk = a_sub(app, world, unit)
    client, main = visitor(app), login(app, world, unit)
    log_in(client, phone, PASSWORD)
    assert client.get("/instruments/list/").status_code == 200
    answer = post(main, f"/subaccounts/step/disable/{pk}", {"reason": "已离职，停用账号。"})
    assert answer.status_code == 303
    assert client.get("/instruments/list/").status_code == 302
    assert log_in(visitor(app), phone, PASSWORD).status_code == 422
    assert post(main, f"/subaccounts/step/enable/{pk}").status_code == 303
    assert log_in(visitor(app), phone, PASSWORD).status_code == 302


def test_a_new_link_kills_the_old_one(app, world, unit):
    main, phone = login(app, world, unit), new_phone()
    invite(main, "赵子号", phone)
    first = re.search(r"/activate/([\w-]+)", texted(app, phone)).group(1)
    pk = re.findall(r"/subaccounts/renew/(\d+)", text(main.get("/subaccounts/list/")))[0]
    assert post(main, f"/subaccounts/renew/{pk}").status_code == 303
    assert visitor(app).get(f"/activate/{first}").status_code == 410
    activated(app, phone)


def test_what_a_sub_user_may_not_do(app, world, unit):
    """Must-never 28."""
    phone, pk = a_sub(app, world, unit)
    client = visitor(app)
    log_in(client, phone, PASSWORD)
    assert "子用户" not in menu(client, "机构与账号")
    for url in ("/subaccounts/list/", PAGE, f"/subaccounts/show/{pk}"):
        assert client.get(url).status_code == 403, url
    assert invite(client, "丁", new_phone()).status_code == 403
    assert post(client, f"/subaccounts/step/disable/{pk}", {"reason": "试图停用同事"}).status_code == 403
    main = world.people[unit]
    assert post(client, f"/accounts/step/disable/{main}", {"reason": "试图停用主账号"}).status_code in {403, 404}
    with app.app_context():
        from app.access.load import account_by_id, principal_of
        from app.access.principal import acting_as
        from app.workflow import ACCOUNT, fire

        with acting_as(principal_of(account_by_id(db.session(), pk))) as actor:
            with pytest.raises(NotAllowedError):
                fire(db.session(), ACCOUNT, pk, "close", actor)
            with pytest.raises(NotAllowedError):
                invite_sub(db.session(), actor, name="丁", phone=new_phone())
        db.session.rollback()
        db.session.remove()
    assert account_of(app, main).state == "active"


def test_another_units_sub_users_look_missing(app, world, unit):
    _phone, pk = a_sub(app, world, unit)
    foreign = login(app, world, "ua2")
    for url in (f"/subaccounts/show/{pk}", "/subaccounts/show/999999999"):
        assert foreign.get(url).status_code == 404
    assert post(foreign, f"/subaccounts/step/disable/{pk}", {"reason": "试图越权停用"}).status_code == 404
    assert post(foreign, f"/subaccounts/renew/{pk}").status_code == 404


def test_not_offered_elsewhere(app, world, unit, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")
    assert login(app, world, unit).get("/subaccounts/list/").status_code == 404
