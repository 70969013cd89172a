"""The warning page (WRN-05), 超期预警管理 (WRN-01), and the words beside the colours (LED-23)."""

from __future__ import annotations

import re

import pytest

from app import clock
from app.profiles import forget
from models.base import db
from tests.client import login, text
from tests.reminders.conftest import Home
from tests.world import booked

LIST = "/warnings/list/"
HEADS = [
    "序号",
    "计量器具名称",
    "是否检定",
    "预警提示",
    "出厂编号",
    "预约状态",
    "器具安装地点",
    "安装日期",
    "有效期至",
    "器具状态",
]


def heads(page):
    found = re.findall(r"<th[^>]*>(.*?)</th>", page, re.DOTALL)
    return [re.sub(r"<[^>]+>|[⇅▲▼\s]", "", head) for head in found][: len(HEADS)]


def rows(page):
    """{serial: (class, text)} of the list's rows."""
    found = {}
    for css, cells in re.findall(r'<tr tabindex="-1" data-row-url=""(?: class="([^"]*)")?>(.*?)</tr>', page, re.DOTALL):
        words = " ".join(re.sub(r"<[^>]+>", " ", cells).split())
        found[re.search(r"S\d{6}", words).group()] = (css, words)
    return found


@pytest.fixture
def zhejiang(profile, home, app, world):
    """One row per colour, and one that needs nothing."""
    profile("zhejiang")
    made = {days: home.add(days) for days in (41, 40, 20, -1, None)}
    return home, made, login(app, world, home.nick)


@pytest.mark.feature("WRN-05", "WRN-03", "LED-23")
def test_colours_words_columns_and_footer(zhejiang):
    _home, made, client = zhejiang
    page = text(client.get(LIST))
    assert "<h1>预警信息" in page
    assert heads(page) == HEADS
    found = rows(page)
    assert {serial: css for serial, (css, _words) in found.items()} == {
        made[40].serial_no: "row-ok",
        made[20].serial_no: "row-warn",
        made[-1].serial_no: "row-danger",
        made[None].serial_no: "row-danger",
    }
    for days, word in ((40, "提示"), (20, "预警"), (-1, "警示"), (None, "警示")):
        assert word in found[made[days].serial_no][1]
    assert "广东省广州市荔湾区农贸市场1号" in found[made[20].serial_no][1]
    assert " 否 " in found[made[None].serial_no][1]
    assert " 是 " in found[made[20].serial_no][1]
    assert "未预约" in found[made[20].serial_no][1]
    assert f"/instruments/show/{made[20].id}" in page
    assert re.search(r"共\s*4\s*条", re.sub(r"<[^>]+>", "", page))


@pytest.mark.feature("WRN-05")
def test_choosing_a_colour_and_the_other_conditions(zhejiang):
    _home, made, client = zhejiang
    page = text(client.get(f"{LIST}?band=overdue"))
    assert set(rows(page)) == {made[-1].serial_no, made[None].serial_no}
    assert {css for css, _words in rows(page).values()} == {"row-danger"}
    for words in ("提示（距离到期还剩40天）", "预警（距离到期还剩20天）", "警示（已经超期或无检定记录）"):
        assert words in page, "the options of the manual"
    assert set(rows(text(client.get(f"{LIST}?_flt_x_last_result=none")))) == {made[None].serial_no}
    number = made[40].serial_no
    assert set(rows(text(client.get(f"{LIST}?_flt_0_serial_no={number}")))) == {number}
    assert rows(text(client.get(f"{LIST}?band=overdue&_flt_0_serial_no={number}"))) == {}
    assert set(rows(text(client.get(f"{LIST}?band=nonsense")))) == {m.serial_no for d, m in made.items() if d != 41}


@pytest.mark.feature("WRN-05")
def test_a_booked_row_says_so_and_hangzhou_is_sent_elsewhere(profile, app, world, monkeypatch):
    profile("all")
    home = Home(world)
    order = booked(world, home.nick)
    profile("zhejiang")
    page = text(login(app, world, home.nick).get(LIST))
    (row,) = rows(page).values()
    assert "未预约" not in row[1]
    assert "已受理" in row[1]
    assert order.id
    assert "杭州市相关的预约单请前往杭州市民生计量公共服务平台办理。" in page


@pytest.mark.feature("WRN-01")
def test_hohhot_has_its_own_name_and_keeps_the_overdue(profile, app, world, home):
    profile("hohhot")
    far, near, late = home.add(16), home.add(15), home.add(-200)
    client = login(app, world, home.nick)
    page = text(client.get(LIST))
    assert "<h1>超期预警管理" in page
    assert ">超期预警管理<" in re.sub(r"<svg.*?</svg>|\s", "", page.split("</aside>")[0], flags=re.DOTALL)
    assert set(rows(page)) == {near.serial_no, late.serial_no}
    assert far.serial_no not in page
    assert "预约状态" not in page
    home.change(near, valid_until=clock.today().replace(year=clock.today().year + 1))
    assert near.serial_no not in text(client.get(LIST))


def test_only_units_and_only_their_own(profile, app, world, home):
    profile("zhejiang")
    made = home.add(3)
    assert made.serial_no not in text(login(app, world, "ub1").get(LIST))
    assert login(app, world, "recA").get(LIST).status_code in {302, 403}
    assert "一切正常" in text(login(app, world, Home(world).nick).get(LIST))


@pytest.mark.feature("WRN-08")
def test_the_settings_page_tells_what_would_change(profile, app, world, home):
    from tests.client import post

    profile("hohhot")
    home.add(18)
    page = text(post(login(app, world, "adm"), "/settings/edit", {"key": "reminder.yellow_days", "value": "20"}))
    assert re.search(r"[1-9]\d*台器具由“有效”变为“即将到期”。", page)
    same = text(post(login(app, world, "adm"), "/settings/edit", {"key": "reminder.run_at", "value": "07:00"}))
    assert "台器具由" not in same
    forget()
    db.session.rollback()
