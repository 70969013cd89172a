"""The form, the template and the interface show the fields of the deployment, under its words, and no other."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.intake.fields import ALL_FIELDS, FIELDS, KINDS, ORIGINS, PURPOSES, field_set, heading_keys, template_version
from app.intake.reader import read_ledger
from app.intake.text import label_key
from models import Instrument
from models.organisation import Institute
from models.reference import Category
from tests.client import post, text
from tests.ledger.support import form_data, fresh_unit
from tests.world import category, filed, instrument


def words(text):
    return text.split()


COMMON = "器具名称 型号规格 测量范围 准确度等级 出厂编号 生产厂家 器具产地 使用地点行政区划 安装/使用地点 器具数量 器具用途 送检方式 有效期至 检定结论 证书编号 计量器具编码 备注"
LABELS = {
    "national": {"器具项别 / 器具种别", *COMMON.split()},
    "bayannur": {"一级目录 / 二级目录", *COMMON.split(), "器具类型", "购置时间"},
    "hohhot": set(words("器具名称 编号 规格型号 有效期 检定机构 检定结论")),
    "zhejiang": set(
        words(
            "计量器具名称 规格型号 测量范围 出厂编号 器具安装地点 安装日期 生产日期 有效日期 上次检定机构 检定结果 所属充电站 型批证书号 备注"
        )
    ),
    "guangdong": {
        "种别 / 种类 / 种别代码",
        *words(
            "仪器名称 型号规格 测量范围 出厂编号 自编号 使用区域 安装使用地点 器具用途 检定方式 有效期 备案机构 监管方式 相关资料 加油枪 备注"
        ),
    },
    "all": {
        "一级目录 / 二级目录 / 种别代码",
        *COMMON.split(),
        *words("器具类型 自编号 所属充电站 购置时间 安装日期 生产日期 检定机构 型批证书号 监管方式 相关资料 加油枪"),
    },
}


def under(monkeypatch, app, profile):
    monkeypatch.setitem(app.config, "PROFILE", profile)


def only(session, serial):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Instrument).where(Instrument.serial_no == serial)).scalars().all()


@pytest.mark.feature("LED-03")
@pytest.mark.parametrize("profile", sorted(LABELS))
def test_the_form_has_every_word_of_its_profile_and_no_other(app, world, browser, monkeypatch, profile):
    under(monkeypatch, app, profile)
    page = text(browser("ua1").get("/instruments/add"))
    shown = set(re.findall(r'class="field[^"]*" data-field="([^"]+)"', page))
    assert shown == LABELS[profile]
    answer = browser("ua1").get("/api/v1/instruments/fields").json
    words = {f["label"] for f in (*answer["fields"], *answer["read_only"])}
    levels = {word for label in LABELS[profile] if " / " in label for word in label.split(" / ")}
    expected = {label for label in LABELS[profile] if " / " not in label} - {"相关资料", "加油枪"} | levels
    assert words == expected


@pytest.mark.feature("CAT-12")
def test_one_record_reads_in_the_words_of_each_profile(app, world, browser, session, monkeypatch):
    made = instrument(world, "ua1")
    for profile, words in (
        ("national", ("器具项别", "器具种别")),
        ("bayannur", ("一级目录", "二级目录")),
        ("guangdong", ("种别", "种类", "种别代码")),
    ):
        under(monkeypatch, app, profile)
        page = text(browser("ua1").get(f"/instruments/show/{made.id}"))
        shown = set(re.findall(r"<dt[^>]*>([^<]+)</dt>", page)) or set(re.findall(r">([^<>]+)</", page))
        assert set(words) <= shown, profile


@pytest.mark.feature("IMP-01")
@pytest.mark.parametrize("profile", sorted(LABELS))
def test_the_template_has_the_columns_of_the_form(app, world, browser, monkeypatch, tmp_path, profile):
    under(monkeypatch, app, profile)
    answer = browser("ua1").get("/imports/template.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    sheet = book["器具信息"]
    heads = [cell.value.rstrip("*") for cell in sheet[2]]
    typed = [f["label"] for f in browser("ua1").get("/api/v1/instruments/fields").json["fields"]]
    assert heads == typed
    with app.test_request_context():
        from app.operations.ledger_fields import ledger_fields

        fields = ledger_fields()
    assert f"版本{template_version(fields)}" in sheet["A1"].value
    path = tmp_path / "template.xlsx"
    path.write_bytes(answer.data)
    sheet.append(["x"] * len(heads))
    book.save(path)
    read = read_ledger(path, fields)
    assert set(read.columns) == {f.key for f in fields}
    notes = [row[0].value for row in book["填写说明"].iter_rows(min_row=3)]
    assert notes == heads


def test_lists_of_the_template_are_numbers_where_the_profile_types_numbers(app, world, browser, monkeypatch):
    def rules(profile):
        under(monkeypatch, app, profile)
        book = openpyxl.load_workbook(io.BytesIO(browser("ua1").get("/imports/template.xlsx").data))
        return {rule.formula1 for rule in book["器具信息"].data_validations.dataValidation}

    assert '"1,2,3,4"' in rules("guangdong")
    assert '"贸易结算,安全防护,医疗卫生,环境监测"' in rules("national")


@pytest.mark.feature("IMP-02")
@pytest.mark.feature("IMP-11")
def test_downloads_carry_the_live_code_tables_under_the_names_of_the_profile(app, world, browser, monkeypatch, session):
    admin = browser("adm")
    line = {"code": "990777", "level1": "试验计量器具", "level2": "试验计量器具", "supervision": "V"}
    line |= {"verification_mode": "周期检定", "scope_text": "试验", "typical_use": "试验", "reason": "新增试验种别"}
    answer = post(admin, "/categories/add", line)
    assert answer.status_code in {302, 303}, re.findall(r"class=\"wrong\"[^>]*>([^<]+)", text(answer))
    under(monkeypatch, app, "guangdong")
    answer = browser("ua1").get("/imports/catalogue.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    rows = list(book.active.iter_rows(values_only=True))
    assert rows[0][:3] == ("种别代码", "种别", "种类")
    assert any(str(row[0]) == "990777" and row[-1] == "有效" for row in rows)
    assert not {"未分类", "非强检"} & {row[1] for row in rows}
    assert "附件二" in book.active.title
    divisions = openpyxl.load_workbook(io.BytesIO(browser("ua1").get("/imports/divisions.xlsx").data))
    assert "附件三" in divisions.active.title
    with as_system("test"):
        made = session.execute(select(Category).where(Category.code == "990777")).scalar_one()
    assert post(admin, f"/categories/edit/{made.id}", {**line, "cycle_months": ""}).status_code in {302, 303}
    data = form_data(category="990777")
    answer = post(browser("ua1"), "/instruments/add", data)
    assert "可能有误或已作废，无法找到相对应的名称" in text(answer)
    under(monkeypatch, app, "all")


@pytest.mark.feature("LED-04")
def test_what_the_form_of_hohhot_does_not_ask_comes_from_the_unit(app, world, browser, monkeypatch, session):
    under(monkeypatch, app, "hohhot")
    with as_system("test"):
        name = session.get(Institute, world.institutes["A"]).name
    base = {"valid_until": "2027-03-01", "institute": name, "last_result": "pass", "model": ""}
    scale = {**base, "name": "电子计价秤", "serial_no": "HH-1"}
    assert post(browser("ua1"), "/instruments/add", {**scale, "valid_until": ""}).status_code == 422
    assert post(browser("ua1"), "/instruments/add", scale).status_code == 303
    odd = {**base, "name": "奇异仪", "serial_no": "HH-2", "last_result": ""}
    assert post(browser("ua1"), "/instruments/add", odd).status_code == 303
    made, other = only(session, "HH-1")[0], only(session, "HH-2")[0]
    with as_system("test"):
        unit = made.unit
        assert (made.use_division, made.place) == (unit.division_code[:6], unit.address)
        assert (made.category.level2, other.category.level2) == ("非自动衡器", "未分类")
        assert (made.last_result, other.last_result, made.compulsory) == ("pass", None, True)
        assert made.institute_id == world.institutes["A"]
    unknown = post(browser("ua1"), "/instruments/add", {**scale, "serial_no": "HH-3", "institute": "没有的机构"})
    assert "没有在平台登记" in text(unknown)
    edited = {**scale, "last_result": "fail", "seen_version": str(made.version)}
    assert post(browser("ua1"), f"/instruments/edit/{made.id}", edited).status_code == 303
    again = only(session, "HH-1")[0]
    assert (again.last_result, again.place, again.manufacturer) == ("fail", made.place, "")


def test_entries_beside_the_catalogue_are_never_offered(app, world, browser):
    page = text(browser("ua1").get("/instruments/add"))
    assert "未分类" not in page
    assert "非强检" not in page


@pytest.mark.feature("LED-04")
def test_the_hint_about_assignment_names_the_fields_of_the_profile(app, world, browser, session, monkeypatch):
    under(monkeypatch, app, "national")
    page = text(browser("ua1").get("/instruments/add"))
    assert "请准确填写“使用地点行政区划”、“器具项别”、“器具种别”信息，系统将据此进行检定任务指派。" in page
    answer = post(browser("ua1"), "/instruments/add", form_data(measuring_range=""))
    assert "请填写“测量范围”。" in text(answer)


@pytest.mark.feature("CAT-15")
@pytest.mark.feature("CAT-14")
def test_closed_lists_are_closed_everywhere(app, world, browser, monkeypatch, session):
    under(monkeypatch, app, "bayannur")
    page = text(browser("ua1").get("/instruments/add"))
    for choice in (*KINDS, *ORIGINS, *PURPOSES):
        assert f">{choice.label}</option>" in page
    assert re.search(r'name="quantity"[^>]*value="1"', page)
    good = {**form_data(serial_no="API-1"), "level1": "非自动衡器", "level2": "非自动衡器", "kind": "工作计量器具"}
    body = {k: v for k, v in good.items() if k not in {"category", "own_no"} and v != ""}
    client = browser("ua1")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page).group(1)

    def send(method, url, data):
        return getattr(client, method)(url, json=data, headers={"X-CSRFToken": token, "Referer": "https://localhost/"})

    for key, value in (("purpose", "玩"), ("delivery_mode", "寄"), ("origin", "月球"), ("kind", "玩具")):
        refused = send("post", "/api/v1/instruments/", {**body, key: value})
        assert refused.status_code == 422, key
    made = send("post", "/api/v1/instruments/", body)
    assert made.status_code == 201, made.json
    pk = made.json["id"]
    again = send("put", f"/api/v1/instruments/{pk}", {"place": "新址", "version": made.json["version"]})
    assert again.status_code == 200, again.json
    assert only(session, "API-1")[0].place == "新址"
    assert send("put", f"/api/v1/instruments/{pk}", {"purpose": "玩"}).status_code == 422
    stale = send("put", f"/api/v1/instruments/{pk}", {"place": "别处", "version": made.json["version"]})
    assert stale.status_code == 409


@pytest.mark.feature("LED-06")
def test_the_edit_lock_is_the_profile_s(app, world, browser, monkeypatch, session):
    from tests.world import booked

    order = booked(world, "ua1")
    free = filed(world, "ua1").id
    busy = order.instruments[0]

    def page(pk):
        return text(browser("ua1").get(f"/instruments/edit/{pk}", follow_redirects=True))

    def disabled(shown):
        found = re.search(r'<input[^>]*name="serial_no"[^>]*>', shown)
        return found is not None and "disabled" in found.group(0)

    assert "器具正在预约流程中，不能修改。" in page(busy)
    assert disabled(page(free)), re.findall(r"<(?:h1|title|span)>([^<]+)<", page(free))
    under(monkeypatch, app, "national")
    assert "器具正在预约流程中，不能修改。" in page(busy)
    assert not disabled(page(free))
    under(monkeypatch, app, "hohhot")
    assert "器具正在预约流程中，不能修改。" not in page(busy)
    assert 'name="serial_no"' in page(busy)


def test_words_of_other_profiles_are_read_as_the_same_columns():
    guangdong = field_set([f.key for f in FIELDS], labels={"name": "仪器名称", "level1": "种别", "level2": "种类"})
    keys = heading_keys(guangdong)
    assert keys[label_key("仪器名称")] == keys[label_key("器具名称")] == "name"
    assert (keys[label_key("种别")], keys[label_key("种类")]) == ("level1", "level2")
    assert keys[label_key("安装日期")] == "installed_on"
    assert template_version(guangdong) != template_version(FIELDS)
    assert [f.key for f in field_set([f.key for f in ALL_FIELDS])] == [f.key for f in ALL_FIELDS]


def test_a_table_of_guns_belongs_to_its_dispenser(app, world, browser, monkeypatch, session):
    fresh_unit(world, "uguns")
    under(monkeypatch, app, "guangdong")
    data = {
        **form_data(name="燃油加油机", category=category("燃油加油机").code, serial_no="GD-9"),
        "nozzle_no_0": "1",
        "nozzle_serial_0": "Q1",
        "nozzle_no_1": "2",
        "nozzle_serial_1": "Q2",
    }
    client = browser("uguns")
    twice = post(client, "/instruments/add", {**data, "nozzle_no_1": "1"})
    assert "填写了两次" in text(twice)
    assert only(session, "GD-9") == []
    none = {k: v for k, v in data.items() if not k.startswith("nozzle")}
    assert "请填写加油枪" in text(post(client, "/instruments/add", none))
    assert post(client, "/instruments/add", data).status_code == 303
    made = only(session, "GD-9")[0]
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert "1号枪 Q1；2号枪 Q2" in page
    page = text(client.get(f"/instruments/edit/{made.id}"))
    assert 'value="Q2"' in page
    changed = {**none, "nozzle_no_0": "1", "nozzle_serial_0": "Q1B", "seen_version": str(made.version)}
    assert post(client, f"/instruments/edit/{made.id}", changed).status_code == 303
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert "加油枪：1号枪 Q1；2号枪 Q2 → 1号枪 Q1B" in page, "the history keeps old and new"
    assert page.count("Q2") == 2, "once in the line of the change, once in that of the birth"
    assert "加油枪：（空） → 1号枪 Q1；2号枪 Q2" in page
    again = {**changed, "seen_version": str(only(session, "GD-9")[0].version)}
    assert post(client, f"/instruments/edit/{made.id}", again).status_code == 303
    assert text(client.get(f"/instruments/show/{made.id}")).count("→ 1号枪 Q1B") == 1, "what stays is no change"
