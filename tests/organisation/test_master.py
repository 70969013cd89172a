"""我的企业信息: saved at once, or reviewed again where registrations are reviewed."""

import io

import pytest

from app.access.principal import as_system
from models import Attachment, Institute, Unit
from models.base import db
from tests.client import login, post, text, token
from tests.organisation.support import a_unit, account_of, number
from tests.world import PNG, citizen, uscc

pytestmark = pytest.mark.feature("ORG-12")
PAGE = "/unit/master"


def unit_of(app, world, nick: str) -> Unit:
    with app.app_context(), as_system("test"):
        found = db.session.get(Unit, world.units[nick])
        assert found.division
        db.session.expunge_all()
        db.session.remove()
    return found


def form_of(unit: Unit, **more) -> dict:
    names = ("name", "code", "legal_person", "address", "category", "email")
    place = {"province": "440000", "city": "440100", "county": unit.division_code}
    return {**{n: getattr(unit, n) or "" for n in names}, "legal_id_number": "", **place, **more}


def change_of(client) -> str:
    import re

    return re.search(r"/unit-changes/show/(\d+)", text(client.get(PAGE))).group(1)


def test_an_address_is_saved_at_once(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    nick = a_unit(app, world)
    client = login(app, world, nick)
    page = text(client.get(PAGE))
    for word in ("我的企业信息", "企业名称", "统一社会信用代码", "详细地址", "须与证照一致"):
        assert word in page
    number_ = citizen(number())
    data = form_of(unit_of(app, world, nick), address="新街9号", county="440104", legal_id_number=number_)
    assert post(client, PAGE, data, page=PAGE).status_code == 303
    after = unit_of(app, world, nick)
    assert (after.address, after.division_code, after.legal_id_number) == ("新街9号", "440104", number_)
    page = text(client.get(PAGE))
    assert "新街9号" in page
    assert number_ not in page
    assert number_[:3] in page


def test_a_new_name_is_reviewed_in_guangdong(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    nick = a_unit(app, world)
    client, before = login(app, world, nick), unit_of(app, world, nick)
    data = form_of(before, name="新名称有限公司", address="另一街1号")
    assert post(client, PAGE, data, page=PAGE).status_code == 303
    page = text(client.get(PAGE))
    assert "待审核" in page
    assert unit_of(app, world, nick).name == before.name
    assert unit_of(app, world, nick).address == "另一街1号"
    again = post(client, PAGE, form_of(before, name="第三个名称"), page=PAGE)
    assert again.status_code == 422
    assert "本单位已有一项变更正在审核" in text(again)
    pk = change_of(client)
    reviewer = login(app, world, "recA")
    home = text(reviewer.get("/home/"))
    assert "待审核的单位信息变更" in home
    shown = text(reviewer.get(f"/unit-changes/show/{pk}"))
    for word in ("变更前", "变更后", before.name, "新名称有限公司"):
        assert word in shown
    for other in ("recB", "ua2"):
        assert login(app, world, other).get(f"/unit-changes/show/{pk}").status_code == 404
        assert post(login(app, world, other), f"/unit-changes/step/approve/{pk}").status_code in {403, 404}
    assert post(client, f"/unit-changes/step/approve/{pk}").status_code == 403
    assert post(reviewer, f"/unit-changes/step/approve/{pk}").status_code == 303
    assert unit_of(app, world, nick).name == "新名称有限公司"
    assert "单位信息变更已审核通过" in text(client.get("/messages/list/"))


def test_refused_and_withdrawn_change_nothing(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    nick = a_unit(app, world)
    client, before = login(app, world, nick), unit_of(app, world, nick)
    post(client, PAGE, form_of(before, name="不会通过的名称"), page=PAGE)
    data = {"reason": "名称与证照不一致，请核对。"}
    assert post(login(app, world, "recA"), f"/unit-changes/step/refuse/{change_of(client)}", data).status_code == 303
    assert unit_of(app, world, nick).name == before.name
    post(client, PAGE, form_of(before, code=uscc(number())), page=PAGE)
    assert post(client, f"/unit-changes/step/withdraw/{change_of(client)}").status_code == 303
    assert unit_of(app, world, nick).code == before.code


def test_the_administrator_reviews_in_national(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")
    nick = a_unit(app, world)
    client, before = login(app, world, nick), unit_of(app, world, nick)
    post(client, PAGE, form_of(before, legal_person="新负责人"), page=PAGE)
    pk = change_of(client)
    assert login(app, world, "recA").get(f"/unit-changes/show/{pk}").status_code == 404
    assert post(login(app, world, "adm"), f"/unit-changes/step/approve/{pk}").status_code == 303
    assert unit_of(app, world, nick).legal_person == "新负责人"


def test_a_new_licence_is_reviewed_and_replaces_the_old_one(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    nick = a_unit(app, world)
    client, before = login(app, world, nick), unit_of(app, world, nick)
    data = {**form_of(before), "licence": (io.BytesIO(PNG), "新证照.png"), "csrf_token": token(client, PAGE)}
    assert client.post(PAGE, data=data, content_type="multipart/form-data").status_code == 303
    pk = change_of(client)
    reviewer = login(app, world, "recA")
    page = text(reviewer.get(f"/unit-changes/show/{pk}"))
    assert "新证照.png" in page
    import re

    address = re.search(r'href="(/files/[0-9a-f-]+)"', page).group(1)
    assert reviewer.get(address).status_code == 200
    assert login(app, world, "recB").get(address).status_code == 404
    assert post(reviewer, f"/unit-changes/step/approve/{pk}").status_code == 303
    assert reviewer.get(address).status_code == 404  # decided: the paper is the unit's again
    with app.app_context(), as_system("test"):
        from sqlalchemy import select

        names = db.session.execute(
            select(Attachment.filename).where(
                Attachment.owner_type == "account",
                Attachment.owner_id == world.people[nick],
                Attachment.kind == "licence",
            )
        )
        assert list(names.scalars()) == ["新证照.png"]
        db.session.remove()


def test_hohhot_saves_everything_at_once(app, world, monkeypatch):
    nick = a_unit(app, world)
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    client, before = login(app, world, nick), unit_of(app, world, nick)
    code = uscc(number())
    data = form_of(before, name="呼市新名称有限公司", code=code, legal_person="张三")
    assert post(client, PAGE, data, page=PAGE).status_code == 303
    after = unit_of(app, world, nick)
    assert (after.name, after.code, after.legal_person) == ("呼市新名称有限公司", code, "张三")
    assert "/unit-changes/show/" not in text(client.get(PAGE))


def test_wrong_values_are_named_and_kept(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    nick = a_unit(app, world)
    client, before = login(app, world, nick), unit_of(app, world, nick)
    taken = unit_of(app, world, "ua1").code
    for more, sentence in (
        ({"name": ""}, "请填写“企业名称”。"),
        ({"code": "91440101MA0000000X"}, "校验位不正确"),
        ({"code": taken.lower()}, "该统一社会信用代码已注册"),
        ({"address": ""}, "请填写“详细地址”。"),
        ({"email": "nobody"}, "邮箱格式不正确"),
        ({"legal_id_number": "440103199001010000"}, "身份证号码校验不正确。"),
    ):
        answer = post(client, PAGE, form_of(before, category="民营", **more), page=PAGE)
        assert answer.status_code == 422, more
        assert sentence in text(answer)
        assert 'value="民营"' in text(answer)
    assert unit_of(app, world, nick).name == before.name


def test_a_sub_user_does_not_change_what_is_reviewed(app, world):
    client, before = login(app, world, "sub1"), unit_of(app, world, "ua1")
    assert post(client, PAGE, form_of(before, name="子用户改名"), page=PAGE).status_code == 403
    assert unit_of(app, world, "ua1").name == before.name
    for nick in ("aff1", "recA", "regA", "ind"):
        assert login(app, world, nick).get(PAGE).status_code == 403


def test_an_institute_keeps_its_own_data(app, world):
    client = login(app, world, "imgB")
    page = text(client.get("/me/institute"))
    for word in ("我的机构信息", "机构名称", "授权证书编号", "授权有效期至"):
        assert word in page
    data = {"address": "红荔路2号", "phone": "0755-1234567", "manager": "刘主任", "regions": "", "name": "改名"}
    assert post(client, "/me/institute", data, page="/me/institute").status_code == 303
    with app.app_context(), as_system("test"):
        found = db.session.get(Institute, world.institutes["B"])
        assert (found.address, found.phone, found.manager) == ("红荔路2号", "0755-1234567", "刘主任")
        assert found.name != "改名"
        db.session.remove()
    assert post(client, "/me/institute", {"address": ""}, page="/me/institute").status_code == 422
    assert login(app, world, "recB").get("/me/institute").status_code == 403
    assert account_of(app, world.people["imgB"]).institute_id == world.institutes["B"]
