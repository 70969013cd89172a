"""完善联络人员信息 after log-in until it is filled in, and 修改联系方式."""

import pytest

from app.access.principal import as_system
from models import Appointment, Unit
from models.base import db
from tests.client import login, post, text
from tests.organisation.support import a_unit, account_of, filed_log
from tests.world import booked

PROMPT = "/me/contact-prompt"


@pytest.fixture
def nameless(app, world):
    """A unit that has not named a contact."""
    nick = a_unit(app, world)
    with app.app_context():
        with as_system("test"):
            unit = db.session.get(Unit, world.units[nick])
            unit.contact_name, unit.contact_phone = "", None
            db.session.commit()
        db.session.remove()
    return nick


@pytest.fixture
def zhejiang(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")


@pytest.mark.feature("ORG-07")
def test_asked_at_each_log_in_until_filled(app, world, nameless, zhejiang):
    client = login(app, world, nameless)
    assert client.get("/home/").location == PROMPT
    assert client.get("/instruments/list/").location == PROMPT
    page = text(client.get(PROMPT))
    for word in ("完善联络人员信息", "联系人", "联系方式", "取消", "确定"):
        assert word in page
    answer = post(client, PROMPT, {"later": "1"}, page=PROMPT)
    assert (answer.status_code, answer.location) == (303, "/home/")
    assert client.get("/instruments/list/").status_code == 200
    again = login(app, world, nameless)
    assert again.get("/home/").location == PROMPT
    for name, phone, field in (("", "13800000000", "联系人"), ("李四", "", "联系方式")):
        answer = post(again, PROMPT, {"contact_name": name, "contact_phone": phone}, page=PROMPT)
        assert answer.status_code == 422
        assert f"请填写“{field}”。" in text(answer)
        assert f'value="{name or phone}"' in text(answer)
    answer = post(again, PROMPT, {"contact_name": "李四", "contact_phone": "0571-88888888"}, page=PROMPT)
    assert (answer.status_code, answer.location) == (303, "/home/")
    assert again.get("/home/").status_code == 200
    assert login(app, world, nameless).get("/home/").status_code == 200
    steps = filed_log(app, "account", world.people[nameless])
    assert "complete_contact" in [step for step, _data in steps]
    assert "88888888" not in str(steps)


@pytest.mark.feature("ORG-07")
def test_only_where_the_profile_asks_and_only_whom(app, world, nameless, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")
    assert login(app, world, nameless).get("/home/").status_code == 200
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    assert login(app, world, "recA").get("/home/").status_code == 200
    assert login(app, world, "ua1").get("/home/").status_code == 200


@pytest.mark.feature("ORG-08")
def test_a_changed_contact_is_on_later_bookings(app, world):
    nick = a_unit(app, world)
    client = login(app, world, nick)
    assert "修改联系方式" in text(client.get("/home/"))
    page = text(client.get("/me/contact"))
    assert 'value="王小明"' in page
    data = {"contact_name": "周新人", "contact_phone": "13700000099"}
    assert post(client, "/me/contact", data, page="/me/contact").status_code == 303
    with app.app_context():
        order = booked(world, nick)
        with as_system("test"):
            made = db.session.get(Appointment, order.id)
            assert (made.contact_name, made.contact_phone) == ("周新人", "13700000099")
        db.session.remove()
    answer = post(client, "/me/contact", {"contact_name": "", "contact_phone": "1"}, page="/me/contact")
    assert answer.status_code == 422
    assert "联系方式格式不正确" in text(answer)


@pytest.mark.feature("ORG-08")
def test_linked_persons_and_institutes_have_no_such_page(app, world):
    for nick in ("aff1", "ind", "recA", "regA", "adm"):
        assert login(app, world, nick).get("/me/contact").status_code == 403
    assert "修改联系方式" not in text(login(app, world, "aff1").get("/home/"))
    assert account_of(app, world.people["aff1"]).unit_id == world.units["ua1"]
