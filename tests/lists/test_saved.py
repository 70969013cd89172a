"""Named filters: kept, shared inside the body, pinned with a live count, opened by a link, robust (BEYOND 6)."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import update

from app.access.principal import as_system
from app.operations.saved_views import visible_views
from models.base import db
from models.preference import SavedView
from tests.client import login, post, text
from tests.ledger.support import fresh_unit
from tests.world import instrument

pytestmark = pytest.mark.usefixtures("session")
LIST = "/instruments/list/"


def save(client, name, query="", columns="", **more):
    data = {"list": "InstrumentView", "name": name, "query": query, "columns": columns, "back": LIST, **more}
    return post(client, "/views/save", data)


def key_of(world, who, name):
    with as_system("test"):
        return db.session.query(SavedView.id).filter_by(account_id=world.people[who], name=name).scalar()


def serials(answer):
    page = text(answer)
    return set(re.findall(r"SV-\w+", page.split("<tbody>")[1])) if "<tbody>" in page else set()


def test_a_filter_with_columns_and_order_opens_again_by_its_link(world, browser):
    unit = fresh_unit(world, "us1")
    instrument(world, unit, serial_no="SV-1", name="电子汽车衡")
    instrument(world, unit, serial_no="SV-2")
    client = browser(unit)
    query = "_flt_0_search_text=汽车衡&_oc_InstrumentView=valid_until&_od_InstrumentView=desc"
    assert save(client, "汽车衡", query, "name,serial_no,model").status_code == 303
    answer = client.get(f"/views/{key_of(world, unit, '汽车衡')}", follow_redirects=True)
    page = text(answer)
    assert serials(answer) == {"SV-1"}
    assert re.findall(r'<th scope="col" data-col="([^"]+)"', page) == ["name", "serial_no", "model"]
    assert "aria-sort" not in page
    assert "_od_InstrumentView=desc" in answer.request.query_string.decode()
    assert "汽车衡" in text(client.get("/views/"))


def test_the_same_name_replaces_and_an_empty_one_is_refused(world, browser):
    client = browser("ua1")
    save(client, "常用", "_flt_0_state=in_use")
    save(client, "常用", "_flt_0_state=suspended")
    with as_system("test"):
        kept = db.session.query(SavedView).filter_by(account_id=world.people["ua1"], name="常用").one()
        assert kept.query == "_flt_0_state=suspended"
    assert "请填写筛选名称" in text(
        post(client, "/views/save", {"list": "InstrumentView", "name": " "}, follow_redirects=True)
    )


def test_shared_inside_the_body_only_and_never_with_rows(world, browser, session):
    instrument(world, "ua1", serial_no="SV-mine")
    instrument(world, "ua2", serial_no="SV-other")
    owner, colleague = browser("ua1"), browser("sub1")
    save(owner, "大家看", "_flt_0_serial_no=SV", shared="1")
    save(owner, "自己看", "_flt_0_serial_no=SV")
    shared, own = key_of(world, "ua1", "大家看"), key_of(world, "ua1", "自己看")
    assert serials(colleague.get(f"/views/{shared}", follow_redirects=True)) == {"SV-mine"}
    assert colleague.get(f"/views/{own}").status_code == 404
    for who in ("ua2", "ub1", "recA", "regA1", "adm"):
        assert browser(who).get(f"/views/{shared}").status_code == 404, who
        assert post(browser(who), f"/views/{shared}/delete").status_code == 404, who
    for act in ("delete", "share", "pin"):
        assert post(colleague, f"/views/{shared}/{act}").status_code == 404
    # the query alone, passed on outside the body, shows the other's own rows
    assert serials(browser("ua2").get(f"{LIST}?_flt_0_serial_no=SV&view={shared}")) == {"SV-other"}
    assert post(owner, f"/views/{shared}/unshare").status_code == 303
    assert colleague.get(f"/views/{shared}").status_code == 404


def test_pinned_cards_count_what_the_list_shows(app, world, session):
    unit = fresh_unit(world, "us2")
    for n in range(5):
        instrument(world, unit, serial_no=f"SV-{n}", name="压力表" if n < 3 else "电子秤")
    client = login(app, world, unit)
    queries = {"全部": "", "压力": "_flt_0_search_text=压力表", "无": "_flt_0_state=scrapped", "找": "_flt_x_q=SV1"}
    for name, query in queries.items():
        save(client, name, query, pinned="1")
    figures = re.findall(r'<a class="figure" href="([^"]+)"><b>([^<]+)</b><span>([^<]+)<', text(client.get("/home/")))
    cards = {label: (number, html.unescape(url)) for url, number, label in figures if "view=" in url}
    assert {name: number for name, (number, _url) in cards.items()} == {"全部": "5", "压力": "3", "无": "0", "找": "1"}
    for name, (number, url) in cards.items():
        assert f"{number} 台" in text(client.get(url)), name


def test_a_filter_survives_columns_and_conditions_that_are_gone(world, browser):
    unit = fresh_unit(world, "us3")
    instrument(world, unit, serial_no="SV-9")
    client = browser(unit)
    save(client, "旧的", "_flt_0_serial_no=SV-9", "name,model")
    key = key_of(world, unit, "旧的")
    with as_system("test"):
        db.session.execute(
            update(SavedView)
            .where(SavedView.id == key)
            .values(columns=["name", "colour", "model"], query="_flt_0_serial_no=SV-9&_flt_0_weight=3")
        )
        db.session.commit()
    answer = client.get(f"/views/{key}", follow_redirects=True)
    assert serials(answer) == {"SV-9"}
    assert "colour、weight" in text(answer)
    assert "已不再提供" in text(answer)
    assert post(client, f"/views/{key}/delete").status_code == 303
    gone = text(client.get(f"{LIST}?_flt_0_serial_no=SV-9&view={key}"))
    assert "保存的筛选已删除" in gone
    assert client.get(f"/views/{key}").status_code == 404


def test_another_list_keeps_its_own_filters(world, browser):
    client = browser("recA")
    post(
        client,
        "/views/save",
        {"list": "FilingView", "name": "待受理", "query": "_flt_0_state=submitted", "columns": ""},
    )
    key = key_of(world, "recA", "待受理")
    assert client.get(f"/views/{key}").location.startswith("/filings/list/?_flt_0_state=submitted")
    with world.acting("recA") as actor:
        assert "待受理" not in {v.name for v in visible_views(db.session(), actor, "InstrumentView")}


@pytest.mark.parametrize("who", ["ua1", "sub1", "recA", "regA1"])
def test_at_most_eight_cards_on_the_home_page(world, browser, who):
    client = browser(who)
    for n in range(9):
        answer = post(
            client,
            "/views/save",
            {"list": "InstrumentView", "name": f"卡{n}", "query": "", "pinned": "1"},
            follow_redirects=True,
        )
    assert "首页最多固定8个筛选" in text(answer)
    for n in range(9):
        if key := key_of(world, who, f"卡{n}"):
            post(client, f"/views/{key}/delete")
