"""企业信息维护: contacts and type approvals, written by one 保存."""

import re

import pytest

from app.access.principal import as_system
from models import Division, TypeApproval, Unit, UnitContact
from models.base import db
from tests.client import login, post, text
from tests.organisation.support import a_unit, linked

PLACE = {"province": "440000", "city": "440100", "county": "440103"}
RECORD = {
    "certificate_no": "2018F90-33",
    "instrument_name": "燃油加油机",
    "model": "LF50D1111",
    "flow_range": "(5-50)L/min",
}


@pytest.fixture
def unit(app, world):
    return a_unit(app, world)


def contact(n: int, **more) -> dict:
    values = {"name": f"联系人{n}", "phone": f"138000000{n:02d}", "address": "中山路1号", "id": "", **PLACE, **more}
    return {f"contact-{n}-{k}": v for k, v in values.items()}


def approval(n: int, **more) -> dict:
    return {f"approval-{n}-{k}": v for k, v in {**RECORD, "id": "", **more}.items()}


def opened(client) -> dict:
    """What the page would send if nothing were changed."""
    page = text(client.get("/unit"))
    page = page[: page.index("<template")] if "<template" in page else page
    data = dict(re.findall(r'name="((?:contact|approval)-\d+-\w+)" value="([^"]*)"', page))
    for name, body in re.findall(r'<select id="[^"]+" name="([^"]+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', body)
        data[name] = chosen.group(1) if chosen else ""
    data["seen"] = re.search(r'name="seen" value="([^"]*)"', page).group(1)
    return data


def save(client, *rows: dict, **more):
    data = {"seen": opened(client)["seen"]}
    for row in rows:
        data |= row
    return post(client, "/unit", {**data, **more}, page="/unit")


def stored(app, world, nick: str, model) -> list:
    with app.app_context(), as_system("test"):
        from sqlalchemy import select

        rows = db.session.execute(select(model).where(model.unit_id == world.units[nick]).order_by(model.id))
        found = list(rows.scalars())
        db.session.expunge_all()
        db.session.remove()
    return found


@pytest.mark.feature("ORG-09")
def test_head_and_tables(app, world, unit):
    page = text(login(app, world, unit).get("/unit"))
    for word in (
        "企业名称",
        "统一社会信用代码",
        "经济性质",
        "联系人信息",
        "联系方式",
        "省市区县街道",
        "详细地址",
        "型评信息",
        "型批证书号",
        "计量器具名称",
        "型号",
        "流量范围",
        "+ 新增",
        "保存",
    ):
        assert word in page


@pytest.mark.feature("ORG-09")
def test_two_added_one_deleted_one_left(app, world, unit):
    client = login(app, world, unit)
    assert save(client, contact(0), contact(1)).status_code == 303
    assert [c.name for c in stored(app, world, unit, UnitContact)] == ["联系人0", "联系人1"]
    data = opened(client)
    assert data["contact-0-county"] == "440103"
    kept = {k: v for k, v in data.items() if not k.startswith("contact-0-")}
    assert post(client, "/unit", kept, page="/unit").status_code == 303
    left = stored(app, world, unit, UnitContact)
    assert [(c.name, c.division_code) for c in left] == [("联系人1", "440103")]
    assert "联系人0" not in text(client.get("/unit"))
    assert left[0].phone == "13800000001"


@pytest.mark.feature("ORG-09")
def test_nothing_is_kept_without_saving(app, world, unit):
    """Rows that were only added or dropped with the buttons of the page without a script."""
    client = login(app, world, unit)
    save(client, contact(0))
    data = opened(client)
    answer = post(client, "/unit", {**data, "add": "contact"}, page="/unit")
    page = text(answer)
    assert answer.status_code == 200
    assert 'name="contact-1-name"' in page
    assert 'value="联系人0"' in page
    typed = {**data, "contact-0-name": "改了没保存", "drop": "contact-9"}
    assert 'value="改了没保存"' in text(post(client, "/unit", typed, page="/unit"))
    assert (
        'name="contact-0-name"'
        not in text(post(client, "/unit", {**data, "drop": "contact-0"}, page="/unit")).split("<template")[0]
    )
    load = {**data, "contact-0-province": "110000", "contact-0-city": "", "contact-0-county": "", "load": "1"}
    assert '<option value="110100"' in text(post(client, "/unit", load, page="/unit"))
    assert [c.name for c in stored(app, world, unit, UnitContact)] == ["联系人0"]


@pytest.mark.feature("ORG-09")
def test_wrong_rows_are_named_and_nothing_typed_is_lost(app, world, unit):
    client = login(app, world, unit)
    answer = save(client, contact(0), contact(1, name="", phone="12", county=""), approval(0, model=""))
    page = text(answer)
    assert answer.status_code == 422
    for key in ("contact-1-name", "contact-1-phone", "contact-1-division_code", "approval-0-model"):
        assert f'id="wrong-{key}"' in page, key
    assert "联系人信息第2行：" in page
    for word in ('value="联系人0"', 'value="12"', 'value="2018F90-33"', 'value="中山路1号"'):
        assert word in page
    assert stored(app, world, unit, UnitContact) == []


@pytest.mark.feature("ORG-09")
def test_a_page_opened_before_somebody_else_saved_is_refused(app, world, unit):
    client, other = login(app, world, unit), login(app, world, unit)
    data = opened(client)
    assert save(other, contact(0)).status_code == 303
    answer = post(client, "/unit", {**data, **contact(1)}, page="/unit")
    assert answer.status_code == 409
    assert "该记录已被他人处理，请刷新后重试。" in text(answer)
    assert [c.name for c in stored(app, world, unit, UnitContact)] == ["联系人0"]


@pytest.mark.feature("ORG-09")
def test_foreign_rows_cannot_be_named(app, world, unit):
    client, foreign = login(app, world, unit), login(app, world, "ua2")
    save(client, contact(0))
    pk = stored(app, world, unit, UnitContact)[0].id
    answer = save(foreign, contact(0, id=str(pk), name="抢走"))
    assert answer.status_code == 404
    assert stored(app, world, unit, UnitContact)[0].name == "联系人0"


@pytest.mark.feature("ORG-09")
def test_zhejiang_asks_for_the_street(app, world, unit, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    with app.app_context():
        from app.operations import places

        streets = places.children(db.session(), "330106")
        if not streets:
            db.session.add(Division(code="330106001", name="北山街道", parent_code="330106", level="street"))
            db.session.commit()
            streets = [("330106001", "北山街道")]
        db.session.remove()
    client = login(app, world, unit)
    place = {"province": "330000", "city": "330100", "county": "330106"}
    answer = save(client, contact(0, **place))
    assert answer.status_code == 422
    assert "请选择“街道”。" in text(answer)
    assert streets[0][1] in text(answer)
    answer = save(client, contact(0, **dict.fromkeys(PLACE, "")))
    assert "须选择到街道" in text(answer)
    assert save(client, contact(0, **place, street=streets[0][0])).status_code == 303
    assert stored(app, world, unit, UnitContact)[0].division_code == streets[0][0]
    assert opened(client)["contact-0-street"] == streets[0][0]


@pytest.mark.feature("ORG-10")
def test_type_approvals_are_added_reloaded_and_deleted(app, world, unit):
    client = login(app, world, unit)
    second = approval(1, model="LF50D2222")
    assert save(client, approval(0), second).status_code == 303
    page = text(client.get("/unit"))
    for word in (*RECORD.values(), "LF50D2222"):
        assert word in page
    twice = save(client, approval(7), approval(8))
    assert twice.status_code == 422
    assert "该型号已登记在此型批证书下" in text(twice)
    data = opened(client)
    kept = {k: v for k, v in data.items() if not k.startswith("approval-0-")}
    assert post(client, "/unit", kept, page="/unit").status_code == 303
    assert [a.model for a in stored(app, world, unit, TypeApproval)] == ["LF50D2222"]


@pytest.mark.feature("ORG-10")
def test_rows_may_change_places(app, world, unit):
    client = login(app, world, unit)
    save(client, approval(0), approval(1, model="B"))
    data = opened(client)
    data["approval-0-model"], data["approval-1-model"] = "B", "C"
    kept = {k: v for k, v in data.items() if not k.startswith("approval-1-")}
    assert post(client, "/unit", kept, page="/unit").status_code == 303
    assert [a.model for a in stored(app, world, unit, TypeApproval)] == ["B"]


@pytest.mark.feature("ORG-09", "ORG-10")
def test_linked_persons_read_only_and_strangers_not_at_all(app, world, unit):
    client = login(app, world, unit)
    save(client, contact(0), approval(0))
    reader = login(app, world, linked(app, world, unit))
    page = text(reader.get("/unit"))
    assert "联系人0" in page
    assert "<input" not in page[page.index("联系人信息") : page.index("</main>")]
    answer = post(reader, "/unit", {"seen": opened(client)["seen"]}, page="/home/")
    assert answer.status_code == 403
    assert len(stored(app, world, unit, UnitContact)) == 1
    for nick in ("recA", "regA", "adm", "ind", "exp"):
        assert login(app, world, nick).get("/unit").status_code == 403
    pk = world.units[unit]
    for nick in ("regA",):
        shown = text(login(app, world, nick).get(f"/units/show/{pk}"))
        assert "2018F90-33" in shown
        assert "13800000000" not in shown
        assert "138****0000" in shown
    assert login(app, world, "regB").get(f"/units/show/{pk}").status_code == 404
    assert Unit
