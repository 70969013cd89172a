"""The rule table on pages: the proposal while typing, cures, help, the administrator's table, files and filing."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from sqlalchemy import select

from app.access.principal import as_system
from app.documents.booking_sheet import render_booking_sheet
from app.operations.filing import submit_filings
from app.reference import load
from models import Instrument
from models.attachment import Attachment
from models.base import db
from models.reference import Category, CategoryRule
from tests.client import post, text, visitor
from tests.ledger.support import form_data
from tests.world import booked, category, filed, instrument


@pytest.fixture
def bayannur(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")


def only(session, serial):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Instrument).where(Instrument.serial_no == serial)).scalars().all()


def png():
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(out, "PNG")
    return out.getvalue()


def rule_of(session, name):
    with as_system("test"):
        return session.execute(select(CategoryRule).where(CategoryRule.names.startswith(name))).scalar_one()


@pytest.mark.feature("CAT-01")
def test_a_name_proposes_the_five_contents(app, world, browser, session, bayannur):
    client = browser("ua1")
    found = client.get("/instruments/guidance", query_string={"name": "焦度计"}).json
    assert (found["level1"], found["level2"], found["delivery_mode"], found["purpose"]) == (
        *("焦度计", "焦度计"),
        *("onsite", "medical"),
    )
    assert found["category"] == category("焦度计").code
    oil = client.get("/instruments/guidance", query_string={"category": category("燃油加油机").code}).json
    assert oil["examples"]["measuring_range"] == "(5-50) L/min"
    assert oil["emphasis"] == "出厂编号: 编号+枪号 示例: AA19070003(6枪)"
    assert oil["help"].startswith("/help/categories#rule-")
    scale = client.get("/instruments/guidance", query_string={"name": "电子台秤"}).json
    assert (scale["delivery_mode"], scale["delivery_note"]) == ("", "现场检或送检,根据实际情况")
    page = text(client.get("/instruments/add"))
    assert 'data-guide="/instruments/guidance"' in page


@pytest.mark.feature("CAT-05")
def test_a_moisture_meter_is_proposed_and_saved_as_what_the_local_institute_verifies(
    app, world, browser, session, monkeypatch, bayannur
):
    dry, grain = category("烘干法水分测定仪"), category("谷物容重器")
    client = browser("ua1")
    found = client.get("/instruments/guidance", query_string={"category": dry.code}).json
    assert (found["redirected"], found["category"]) == ("谷物容重器", grain.code)
    data = form_data(name="水份仪", category=dry.code, serial_no="MOIST-1", kind="working", measuring_range="0-20%")
    assert post(client, "/instruments/add", data).status_code == 303
    made = only(session, "MOIST-1")[0]
    assert (made.name, made.category_id, made.declared_category_id) == ("水份仪", grain.id, dry.id)
    monkeypatch.setitem(app.config, "PROFILE", "national")
    assert client.get("/instruments/guidance", query_string={"category": dry.code}).json == {}
    assert post(client, "/instruments/add", {**data, "serial_no": "MOIST-2"}).status_code == 303
    assert only(session, "MOIST-2")[0].category_id == dry.id


def test_a_mistake_is_cured_by_one_press_without_script(app, world, browser, session, bayannur):
    client = browser("ua1")
    code = category("指示类压力表").code
    data = form_data(name="压力表", category=code, measuring_range="(0~1.6)Mpa", serial_no="CURE-1", kind="working")
    page = text(post(client, "/instruments/add", data))
    press = re.search(r'name="cure" value="(measuring_range:[^"]+)"', page).group(1)
    assert press == "measuring_range:(0~1.6)MPa"
    cured = post(client, "/instruments/add", {**data, "cure": press})
    assert cured.status_code == 200
    assert 'value="(0~1.6)MPa"' in text(cured)
    assert only(session, "CURE-1") == [], "a press only puts the value in"
    answer = client.post  # the same, asked on leaving the field
    assert answer
    told = post(client, "/instruments/check", {**data, "field": "measuring_range"}).json
    assert told["cure"] == {"label": "(0~1.6)MPa", "value": "(0~1.6)MPa"}
    place = {**form_data(name="雷达测速仪", category=category("机动车测速仪").code, kind="working"), "place": "110国道"}
    told = post(client, "/instruments/check", {**place, "field": "place"}).json
    assert (told["problem"], "110国道900公里+110米东向西车道1" in told["note"]) == ("", True)


@pytest.mark.feature("CAT-08")
def test_a_wrong_character_is_corrected_and_told(app, world, browser, session, bayannur):
    client, data = browser("ua1"), form_data(name="电子台称", serial_no="CHENG-1", kind="working")
    answer = post(client, "/instruments/add", data)
    assert answer.status_code == 303
    page = text(client.get(answer.headers["Location"]))
    assert "应写作“秤”，已按“电子台秤”录入" in page
    assert only(session, "CHENG-1")[0].name == "电子台秤"


@pytest.mark.feature("CAT-11")
@pytest.mark.feature("CAT-01")
def test_everybody_may_read_the_table_and_the_examples_with_pictures(app, world, browser, session):
    rule = rule_of(session, "燃油加油机")
    admin = browser("adm")
    answer = admin.post(
        f"/category-rules/pictures/{rule.id}",
        data={
            "csrf_token": token(admin, f"/category-rules/pictures/{rule.id}"),
            "picture": (io.BytesIO(png()), "铭牌.png"),
        },
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    page = text(visitor(app).get("/help/categories"))
    for words in ("特别强调事项", "测速仪按铭牌填写", "42D4243F", "现场检或送检,根据实际情况", f'id="rule-{rule.id}"'):
        assert words in page
    picture = re.search(r"/help/categories/pictures/[0-9a-f-]{36}", page).group(0)
    shown = visitor(app).get(picture)
    assert (shown.status_code, shown.mimetype) == (200, "image/png")
    wrong = admin.post(
        f"/category-rules/pictures/{rule.id}",
        data={
            "csrf_token": token(admin, f"/category-rules/pictures/{rule.id}"),
            "picture": (io.BytesIO(b"MZ.."), "x.png"),
        },
        content_type="multipart/form-data",
        follow_redirects=True,
    )
    assert "只能是" in text(wrong)
    made = instrument(world, "ua1")
    with as_system("test"):
        paper = Attachment(
            owner_type="instrument", owner_id=made.id, kind="document", filename="x.png", content_type="image/png",
            sha256="0" * 64, size=1, unit_id=made.unit_id,
        )  # fmt: skip
        db.session.add(paper)
        db.session.commit()
        key = paper.id
    assert visitor(app).get(f"/help/categories/pictures/{key}").status_code == 404
    browser_help = text(browser("ua1").get("/instruments/add"))
    assert 'href="/help/categories"' in browser_help


def token(client, url):
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text(client.get(url))).group(1)


@pytest.mark.feature("CAT-01")
def test_the_administrator_edits_rules_and_a_reload_keeps_them(app, world, browser, session, bayannur):
    rule = rule_of(session, "焦度计")
    admin = browser("adm")
    form = {
        "position": rule.position, "names": rule.names, "level1": rule.level1, "level2": rule.level2,
        "emphasis": "请核对", "delivery_mode": "deliver", "purpose": "medical", "active": "y",
        **dict.fromkeys(("model_example", "range_pattern", "range_example", "accuracy_example", "serial_pattern",
                         "serial_example", "redirect_to", "help_title", "help_text"), ""),
    }  # fmt: skip
    bad = post(admin, f"/category-rules/edit/{rule.id}", {**form, "range_pattern": "("})
    assert "不是有效的正则表达式" in text(bad)
    answer = post(admin, f"/category-rules/edit/{rule.id}", form)
    assert answer.status_code in {302, 303}, re.findall(r'class="wrong"[^>]*>([^<]+)', text(answer))
    with as_system("test"):
        load(session, force=True)
        session.commit()
    found = browser("ua1").get("/instruments/guidance", query_string={"name": "焦度计"}).json
    assert (found["delivery_mode"], found["emphasis"]) == ("deliver", "请核对")
    assert browser("ua1").get("/category-rules/list/").status_code in {302, 403}
    with as_system("test"):
        kept = session.get(CategoryRule, rule.id)
        kept.delivery_mode, kept.emphasis = "onsite", ""
        session.commit()


@pytest.mark.feature("CAT-10")
def test_gauges_that_must_stay_free_of_oil_are_noted_on_entry_and_on_paper(app, world, browser, session, monkeypatch):
    from views.appointment import sheet_facts

    order = booked(world, "ua1")
    with as_system("test"):
        gauge = session.get(Instrument, order.instruments[0])
        gauge.category_id = category("指示类压力表").id
        session.commit()
        from models.appointment import Appointment

        with app.test_request_context():
            booked_one = db.session.get(Appointment, order.id)
            facts = sheet_facts(booked_one, [booked_one], "accepted")
        assert "禁油压力表须与其他压力表分开装存,以防发生事故。" in facts.notes
        render_booking_sheet(facts, io.BytesIO())
    other = booked(world, "ua1")
    with as_system("test"), app.test_request_context():
        booked_other = db.session.get(Appointment, other.id)
        assert not any("禁油" in note for note in sheet_facts(booked_other, [booked_other], "accepted").notes)
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    query = {"category": category("指示类压力表").code}
    assert "禁油压力表" in browser("ua1").get("/instruments/guidance", query_string=query).json["emphasis"]


@pytest.mark.feature("LED-27")
@pytest.mark.feature("CAT-13")
def test_a_type_evaluated_kind_brings_its_certificate_before_filing(app, world, browser, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    client, made = browser("ua1"), instrument(world, "ua1")
    other = instrument(world, "ua1", category_id=category("焦度计").id)
    data = {"institute_id": world.institutes["A"], "declaration": True}
    with world.acting("ua1") as actor:
        result = submit_filings(session, actor, [made.id, other.id], data)
        session.commit()
    assert result.done == [other.id]
    assert "需上传“型式评价”证书" in result.skipped[0][1]
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert "监管方式为“P+V”类的工作计量器具需上传“型式评价”证书。" in page

    def send(pk, content, name="型评.png"):
        files = {
            "csrf_token": token(client, f"/instruments/show/{made.id}"),
            "attachments": (io.BytesIO(content), name),
        }
        return client.post(f"/instruments/files/{pk}", data=files, content_type="multipart/form-data")

    assert "只能是" in text(client.get(send(made.id, b"MZ").headers["Location"]))
    assert send(made.id, png()).status_code == 303
    assert "型评.png" in text(client.get(f"/instruments/show/{made.id}"))
    with world.acting("ua1") as actor:
        assert submit_filings(session, actor, [made.id], data).done == [made.id]
        session.commit()
    with as_system("test"):
        key = session.execute(
            select(Attachment.id).where(Attachment.owner_type == "instrument", Attachment.owner_id == made.id)
        ).scalar_one()
    answer = post(
        client,
        f"/instruments/files/{made.id}/remove",
        {"file": str(key)},
    )
    assert "不能删除资料" in text(client.get(answer.headers["Location"]))
    assert send(filed_of_another(world), png()).status_code == 404


def filed_of_another(world):
    return instrument(world, "ub1", division="440303" if False else "440103").id


@pytest.mark.feature("CAT-13")
def test_switching_a_kind_to_type_evaluation_asks_for_the_file(app, world, browser, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    made = instrument(world, "ua1", category_id=category("糖量计").id)
    with as_system("test"):
        session.execute(select(Category).where(Category.level2 == "糖量计")).scalar_one().supervision = "P+V"
        session.commit()
    try:
        with world.acting("ua1") as actor:
            data = {"institute_id": world.institutes["A"], "declaration": True}
            result = submit_filings(session, actor, [made.id], data)
            session.rollback()
        assert "型式评价" in result.skipped[0][1]
    finally:
        with as_system("test"):
            session.execute(select(Category).where(Category.level2 == "糖量计")).scalar_one().supervision = "V"
            session.commit()


def test_no_file_is_asked_for_where_the_profile_does_not_ask(world, session):
    assert filed(world, "ua1").id
