"""A unit whose ledger is empty is told on its first page how to begin; nobody else is."""

from tests.client import login, text
from tests.ledger.support import fresh_unit
from tests.world import instrument


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
