"""Adding, copying and editing one instrument."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Instrument
from models.enums import Role
from tests.client import post, text
from tests.ledger.support import form_data
from tests.world import booked, filed, instrument, issued


def row(session, serial):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Instrument).where(Instrument.serial_no == serial)).scalars().all()


def test_a_minimal_record_is_saved_and_listed_first(world, browser, session):
    client, data = browser("ua1"), form_data(model="", measuring_range="", accuracy_class="", manufacturer="")
    answer = post(client, "/instruments/add", data)
    assert answer.status_code == 303
    made = row(session, data["serial_no"])
    assert [(m.state, m.unit_id, m.origin) for m in made] == [("unfiled", world.units["ua1"], "domestic")]
    page = text(client.get("/instruments/list/"))
    assert page.index(data["serial_no"]) == min(page.index(s) for s in [data["serial_no"]])
    assert data["serial_no"] in page.split("<tbody>")[1].split("</tr>")[0]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "请填写“器具名称”。"),
        ("category", "", "仪器的种别代码不能为空"),
        ("category", "999999", "可能有误或已作废"),
        ("use_division", "", "请填写“使用地点行政区划”。"),
        ("use_division", "440100", "是属于市级代码"),
        ("place", "", "请填写“安装/使用地点”。"),
        ("quantity", "两台", "不是大于0的整数"),
        ("purpose", "nonsense", "器具用途须为"),
        ("valid_until", "2027.02.30", "不是有效日期"),
        ("name", "名" * 101, "超过100字"),
        ("serial_no", "", "请填写“出厂编号”。"),
    ],
)
def test_each_mistake_is_named_at_its_field_and_what_was_typed_stays(world, browser, session, field, value, sentence):
    data = form_data(**{field: value, "note": "这是备注"})
    answer = post(browser("ua1"), "/instruments/add", data)
    page = text(answer)
    assert answer.status_code == 422
    assert sentence in page
    assert f'id="wrong-{field}"' in page
    assert "这是备注" in page
    assert row(session, form_data()["serial_no"]) == []


def test_posting_twice_makes_one_record(world, browser, session):
    client, data = browser("ua1"), form_data()
    assert post(client, "/instruments/add", data).status_code == 303
    again = post(client, "/instruments/add", data)
    assert again.status_code == 422
    assert "该器具已存在" in text(again)
    assert 'id="wrong-serial_no"' in text(again)
    assert f'value="{data["serial_no"]}"' in text(again)
    assert len(row(session, data["serial_no"])) == 1


def test_same_number_of_another_maker_or_unit_is_another_instrument(world, browser, session):
    data = form_data()
    assert post(browser("ua1"), "/instruments/add", data).status_code == 303
    assert post(browser("ua1"), "/instruments/add", {**data, "manufacturer": "梅特勒"}).status_code == 303
    assert post(browser("ua2"), "/instruments/add", data).status_code == 303
    assert len(row(session, data["serial_no"])) == 3


def test_fields_that_are_not_typed_cannot_be_posted(world, browser, session):
    data = form_data(state="in_use", unit_id=str(world.units["ub1"]), last_result="pass", id="1", version="9")
    assert post(browser("ua1"), "/instruments/add", data).status_code == 303
    made = row(session, data["serial_no"])[0]
    assert (made.state, made.unit_id, made.last_result) == ("unfiled", world.units["ua1"], None)


@pytest.mark.feature("LED-05")
def test_a_copy_needs_a_new_number(world, browser, session):
    client = browser("ua1")
    made = filed(world, "ua1", name="电子台秤")
    page = text(client.get(f"/instruments/copy/{made.id}"))
    assert 'value="电子台秤"' in page
    assert made.serial_no not in page.split('<form class="form"')[1]
    data = form_data(name="电子台秤", serial_no=made.serial_no)
    assert "该器具已存在" in text(post(client, "/instruments/add", data))
    new = form_data(name="电子台秤")
    assert post(client, "/instruments/add", new).status_code == 303
    copied = row(session, new["serial_no"])[0]
    assert (copied.state, copied.last_result) == ("unfiled", None)


def test_an_edit_is_saved_and_stands_in_the_history(world, browser, session):
    client, made = browser("ua1"), instrument(world, "ua1")
    data = form_data(serial_no=made.serial_no, place="新市场2号", seen_version=str(made.version))
    assert post(client, f"/instruments/edit/{made.id}", data).status_code == 303
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert "新市场2号" in page
    assert "安装/使用地点：农贸市场1号 → 新市场2号" in page


def test_a_stale_page_overwrites_nothing(world, browser, session):
    client, made = browser("ua1"), instrument(world, "ua1")
    first = form_data(serial_no=made.serial_no, place="甲地", seen_version=str(made.version))
    assert post(client, f"/instruments/edit/{made.id}", first).status_code == 303
    answer = post(client, f"/instruments/edit/{made.id}", {**first, "place": "乙地"})
    assert answer.status_code == 409
    assert "这条记录已在别处被修改" in text(answer)
    assert "“安装/使用地点”现在是“甲地”" in text(answer)
    assert "乙地" in text(answer)
    assert row(session, made.serial_no)[0].place == "甲地"


@pytest.mark.must_never(80)
def test_after_filing_the_core_is_locked_in_the_page_and_on_the_server(world, browser, session):
    client, made = browser("ua1"), filed(world, "ua1")
    page = text(client.get(f"/instruments/edit/{made.id}"))
    for name in ("name", "category", "model", "serial_no", "manufacturer", "use_division"):
        tag = page.split(f'id="{name}"')[1].split(">")[0] + page.split(f'id="{name}"')[0].rsplit("<", 1)[1]
        assert "disabled" in tag, name
    session.refresh(made)
    free = {
        k: v
        for k, v in form_data(place="换了柜台", seen_version=str(made.version)).items()
        if k not in {"name", "category", "model", "serial_no", "manufacturer", "use_division"}
    }
    assert post(client, f"/instruments/edit/{made.id}", free).status_code == 303
    assert row(session, made.serial_no)[0].place == "换了柜台"
    answer = post(client, f"/instruments/edit/{made.id}", {**free, "name": "别的名字", "seen_version": ""})
    assert answer.status_code == 422
    assert "备案通过后不能修改“器具名称”" in text(answer)
    assert row(session, made.serial_no)[0].name == "电子计价秤"


def test_suspending_does_not_open_the_locked_fields(world, browser, session):
    client, made = browser("ua1"), filed(world, "ua1")
    post(client, "/instruments/action_post", {"action": "suspend", "rowid": str(made.id)})
    answer = post(client, f"/instruments/edit/{made.id}", form_data(serial_no="CHANGED-1"))
    assert answer.status_code == 422
    assert row(session, "CHANGED-1") == []


def test_a_date_that_a_certificate_gave_is_not_typed_over(world, browser, session):
    order = booked(world, "ua1")
    issued(world, order.items[0])
    answer = post(
        browser("ua1"), f"/instruments/edit/{order.instruments[0]}", {"place": "x", "valid_until": "2099-01-01"}
    )
    assert answer.status_code == 422
    page = text(browser("ua1").get(f"/instruments/show/{order.instruments[0]}"))
    assert "2099" not in page
    assert "/certificates/pdf/" in page


def test_an_instrument_in_a_booking_cannot_be_edited(world, browser, session):
    order = booked(world, "ua1")
    page = text(browser("ua1").get(f"/instruments/edit/{order.instruments[0]}", follow_redirects=True))
    assert "器具正在预约流程中，不能修改。" in page


@pytest.mark.parametrize("who", ["ua2", "ub1"])
@pytest.mark.must_never(18)
def test_a_foreign_instrument_cannot_be_edited_or_copied(world, browser, session, who):
    made = instrument(world, "ua1")
    for url in (f"/instruments/edit/{made.id}", f"/instruments/copy/{made.id}", "/instruments/edit/abc"):
        assert browser(who).get(url).status_code == 404
    assert post(browser(who), f"/instruments/edit/{made.id}", form_data()).status_code == 404


def test_one_field_is_checked_on_leaving_it(world, browser, session):
    client, made = browser("ua1"), instrument(world, "ua1")

    def problem(field, **changes):
        return post(client, "/instruments/check", {**form_data(**changes), "field": field}).json["problem"]

    assert "是属于市级代码" in problem("use_division", use_division="440100")
    assert problem("use_division") == ""
    assert "该器具已存在" in problem("serial_no", serial_no=made.serial_no)
    assert problem("serial_no", serial_no="NEW-1") == ""
    assert problem("place", serial_no=made.serial_no) == ""
    assert post(client, "/instruments/check", {**form_data(), "field": "state"}).status_code == 404
    assert post(browser("recA"), "/instruments/check", {**form_data(), "field": "name"}).status_code in {302, 403}


def test_counties_are_found_by_name_and_code(world, browser):
    def ask(term):
        found = browser("ua1").get("/options/divisions", query_string={"term": term}).json["results"]
        return [row["text"] for row in found]

    assert "广州市越秀区[440104]" in ask("越秀")
    assert "广州市荔湾区[440103]" in ask("440103")
    assert any("441900" in t for t in ask("东莞"))
    assert "广州市[440100]" not in ask("4401")


def test_the_page_shows_the_whole_life(world, browser, session):
    order = booked(world, "ua1")
    issued(world, order.items[0])
    for who in ("ua1", "recA", "regA1"):
        page = text(browser(who).get(f"/instruments/show/{order.instruments[0]}"))
        history = page.split('id="panel-history"')[1].split('id="panel-filings"')[0]
        wanted = [
            "器具：新增",
            "备案：提交备案",
            "备案：审核通过",
            "预约器具：受理",
            "证书：批准签发",
            "器具：检定结果入库",
        ]
        places = [history.index(w) for w in wanted]
        assert places == sorted(places, reverse=True), who  # newest first
        assert "/certificates/pdf/" in page
    assert Role.REG in world.principal("regA1").roles
