"""今日待办 and the figures: every number is the number of rows of the list it leads to (BEYOND 5, DSH-01, DSH-02)."""

from __future__ import annotations

import re

import pytest

from app import clock
from app.access.principal import as_system
from app.operations.band import Band, band_condition, tab_label
from models import Instrument, SavedView
from models.base import db
from tests.client import login, text
from tests.reminders.conftest import Home

PROFILES = ("hohhot", "national", "zhejiang", "guangdong", "bayannur", "all")


def figure(page, label):
    """(number, address) of a card."""
    for url, inner in re.findall(r'<a[^>]*class="[^"]*figure[^"]*"[^>]*href="([^"]+)"[^>]*>(.*?)</a>', page, re.DOTALL):
        words = re.sub(r"<[^>]+>", " ", inner)
        if label in words:
            return int(re.search(r"[\d,]+", words).group().replace(",", "")), url
    for url, inner in re.findall(r'<a[^>]*href="([^"]+)"[^>]*class="[^"]*figure[^"]*"[^>]*>(.*?)</a>', page, re.DOTALL):
        words = re.sub(r"<[^>]+>", " ", inner)
        if label in words:
            return int(re.search(r"[\d,]+", words).group().replace(",", "")), url
    return None


def todo_lines(page):
    """[(number, label, address)] of 今日待办."""
    part = page.split("今日待办</h2>")[1].split("</section>")[0]
    found = []
    for url, inner in re.findall(r'<li><a href="([^"]+)">(.*?)</a>', part, re.DOTALL):
        words = re.sub(r"<[^>]+>", " ", inner).split()
        found.append((int(words[0].replace(",", "")), words[1], url))
    return found


def listed(client, url):
    """The number beside the title of a list."""
    page = text(client.get(url))
    return int(re.search(r'class="count num">([\d,]+)', page).group(1).replace(",", ""))


@pytest.mark.parametrize("name", PROFILES)
def test_every_line_counts_what_its_list_shows(profile, app, world, home, name):
    profile(name)
    for days in (-60, -5, -1, 0, 3, 15, 16, 25, 45, None):
        home.add(days)
    home.add(3, last_result="fail")
    home.add(3, compulsory=False)
    home.add(3, state="suspended")
    client = login(app, world, home.nick)
    lines = [line for line in todo_lines(text(client.get("/home/"))) if line[2].startswith("/instruments/")]
    assert len(lines) >= 3
    for count, label, url in lines:
        assert listed(client, url) == count, label
    with as_system("test"):
        own = Instrument.unit_id == home.unit_id
        for band in Band:
            url = f"/instruments/list/?band={band.value}"
            expected = db.session.query(Instrument.id).filter(own, band_condition(band, clock.today())).count()
            shown = {u: n for n, _label, u in lines}
            if url in shown:
                assert shown[url] == expected


def test_guangdong_cards_lead_to_their_lists(profile, app, world, home):
    profile("guangdong")
    for days in (3, -3, -40, 300):
        home.add(days)
    client = login(app, world, home.nick)
    page = text(client.get("/home/"))
    for band in (Band.DUE, Band.OVERDUE, Band.INVALID, Band.FAILED):
        count, url = figure(page, tab_label(band))
        assert count == listed(client, url), band
    assert figure(page, "仪器总数")[0] == 4
    assert listed(client, figure(page, "仪器总数")[1]) == 4


def test_the_order_is_urgent_first(profile, app, world, home):
    profile("national")
    home.add(3)
    home.add(-3)
    tones = [label for _n, label, _u in todo_lines(text(login(app, world, home.nick).get("/home/")))]
    assert tones.index("已超期的器具") < tones.index("即将到期的器具")


def test_a_unit_without_work_is_told_kindly(profile, app, world):
    profile("national")
    page = text(login(app, world, Home(world).nick).get("/home/"))
    part = page.split("今日待办</h2>")[1].split("</section>")[0]
    assert "没有待办事项" in part or todo_lines(page)


def test_pinned_filters_with_their_number(profile, app, world, home):
    profile("national")
    home.add(-3)
    home.add(-4)
    home.add(300)
    with as_system("test"):
        saved = SavedView(
            account_id=home.account_id, list_name="InstrumentView", name="超期的秤", query="band=overdue", pinned=True
        )
        db.session.add(saved)
        db.session.commit()
    client = login(app, world, home.nick)
    count, url = figure(text(client.get("/home/")), "超期的秤")
    assert count == 2
    assert listed(client, url.replace("&amp;", "&")) == 2
