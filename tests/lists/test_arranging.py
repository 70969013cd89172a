"""选择列 and 每页条数: kept for the person alone, in any list, without a script too (LED-20, LED-21)."""

from __future__ import annotations

import re

import pytest

from app.access.principal import as_system
from models.base import db
from models.preference import ListSetting
from tests.client import post, text
from tests.ledger.support import fresh_unit
from tests.world import instrument

pytestmark = pytest.mark.usefixtures("session")
LIST = "/instruments/list/"


def columns(client, url=LIST):
    return re.findall(r'<th scope="col" data-col="([^"]+)"', text(client.get(url)))


def choose(client, *names, places=None, **more):
    data = {"list": "InstrumentView", "back": LIST, "column": list(names), **more}
    data |= {f"place_{name}": str(place) for name, place in (places or {}).items()}
    return post(client, "/lists/columns", data)


@pytest.mark.feature("LED-20")
def test_an_unticked_column_is_gone_after_reload_and_for_that_person_only(world, browser):
    instrument(world, "ua1")
    one, other = browser("ua1"), browser("sub1")
    before = columns(one)
    assert "place" in before
    assert choose(one, *(c for c in before if c != "place")).status_code == 303
    assert "place" not in columns(one)
    assert columns(one) == [c for c in before if c != "place"]
    assert "place" in columns(other)
    assert choose(one, "name", reset="1").status_code == 303
    assert columns(one) == before


def test_numbers_put_the_columns_in_order_and_the_first_stays(world, browser):
    instrument(world, "ua1")
    client = browser("ua1")
    choose(client, "serial_no", "model", "place", places={"name": 1, "place": 2, "model": 3, "serial_no": 4})
    assert columns(client) == ["name", "place", "model", "serial_no"]
    choose(client, "model", "no_such_column", "unit.name")
    assert columns(client) == ["name", "model"], "a unit has no column that says whose its instruments are"
    choose(client, "name", reset="1")


def test_what_is_kept_belongs_to_the_account(world, browser):
    choose(browser("regA1"), "name", "model")
    with as_system("test"):
        kept = db.session.query(ListSetting).filter_by(account_id=world.people["regA1"]).one()
        assert (kept.list_name, kept.columns) == ("InstrumentView", ["name", "model"])
        assert db.session.query(ListSetting).filter_by(account_id=world.people["regP"]).count() == 0
    choose(browser("regA1"), "name", reset="1")


def test_every_list_has_the_chooser_and_keeps_its_size(world, browser):
    client = browser("recA")
    for url, name in (("/filings/list/", "FilingView"), ("/appointments/list/", "AppointmentView")):
        page = text(client.get(url))
        if "<tbody>" in page:
            assert f'name="list" value="{name}"' in page
        assert post(client, "/lists/size", {"list": name, "size": "50", "back": url}).location == url
        with as_system("test"):
            kept = db.session.query(ListSetting).filter_by(account_id=world.people["recA"], list_name=name).one()
            assert kept.page_size == 50
    assert post(client, "/lists/size", {"list": "SettingView", "size": "50"}).status_code == 404
    assert post(client, "/lists/columns", {"list": "AuditLogView", "column": "step"}).status_code == 404


def test_the_page_asks_no_more_for_more_rows_or_columns(world, browser):
    from tests.ledger.support import Statements

    unit = fresh_unit(world, "uar")
    client, counts = browser(unit), []
    every = re.findall(r'name="place_([^"]+)"', text(client.get(LIST)))
    for size in (2, 6):
        for _ in range(size):
            instrument(world, unit)
        every = every or re.findall(r'name="place_([^"]+)"', text(client.get(LIST)))
        choose(client, *every)
        client.get(LIST)
        with Statements() as asked:
            assert client.get(LIST).status_code == 200
        counts.append(len(asked.seen))
    assert counts[0] == counts[1]
    assert len(every) > 25
