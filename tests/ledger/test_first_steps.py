"""A unit whose ledger is empty is told on its first page how to begin; nobody else is."""

from app.access.principal import as_system
from app.operations.institute import create_institute
from models.base import db
from models.enums import AccountKind, Role
from tests.client import login, text
from tests.ledger.support import fresh_unit
from tests.world import instrument, person


def test_an_empty_ledger_begins_with_a_first_step(app, world):
    with app.app_context():
        unit = fresh_unit(world, "firststeps")
    page = text(login(app, world, unit).get("/home/"))
    assert "从这里开始" in page
    assert 'href="/imports/new"' in page.split("从这里开始")[1]
    assert "从这里开始" not in text(login(app, world, "recA").get("/home/"))


def test_an_empty_tab_does_not_speak_of_an_empty_ledger(app, world):
    with app.app_context():
        unit = fresh_unit(world, "emptytab")
        instrument(world, unit)
    page = text(login(app, world, unit).get("/instruments/list/?band=overdue"))
    assert "这一类没有" in page
    assert "用模板一次导入整本台账" not in page
    assert 'href="/instruments/list/">查看全部' in page


def test_the_head_of_a_new_institute_is_told_what_is_missing_and_nobody_else(app, world):
    with app.app_context():
        with as_system("test"):
            place = {"division_code": "440103", "address": "新路1号", "phone": "020-1"}
            made = create_institute(db.session(), name="新设计量检定测试所", code="FIRST1", **place)
            db.session.commit()
        person(world, "imgNew", AccountKind.INSTITUTE, [Role.IMG], institute_id=made.id)
        db.session.remove()
    head = login(app, world, "imgNew")
    page = text(head.get("/home/"))
    assert "登记检定能力" in page.split("开始受理前")[1]
    assert "开始受理前" not in text(login(app, world, "imgA").get("/home/"))
    ledger, filings = text(head.get("/instruments/list/")), text(head.get("/filings/list/"))
    assert "使用单位向本机构备案或预约的器具会显示在这里。" in ledger
    assert "新增一台器具" not in ledger, "an institute enters none"
    assert "使用单位提交的备案会显示在这里。" in filings
