"""On a telephone (390 px) no page sticks out sideways: what four kinds of people have in their menus, a row of every list,
and the bar for ticked rows, opened."""

from __future__ import annotations

import pytest

from tests.path.live import PHONE, Person, browser, served
from tests.world import PASSWORD, booked, filed, instrument, issued

PEOPLE = {
    # nickname → pages that no menu names
    "ua1": ("/instruments/add", "/imports/", "/me", "/unit", "/unit/master", "/notfound"),
    "recA": ("/me", "/search?q=S"),
    "verA": ("/me", "/certificates/list/?state=issued"),
    "regA": ("/me", "/search?q=S", "/instruments/list/?band=due"),
}
MENU = "[...document.querySelectorAll('.side a[href^=\"/\"]')].map(a => a.getAttribute('href'))"
ROW = (
    "(document.querySelector('table.data tbody a[href*=\"/show/\"]') || {getAttribute: () => ''}).getAttribute('href')"
)
TICK = "(() => { const all = document.querySelectorAll('td.tick input'); all.forEach(e => e.click()); return all.length; })()"
WIDE = """() => document.scrollingElement.scrollWidth <= 390 ? null : {
    width: document.scrollingElement.scrollWidth,
    what: [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 390.5 && e.offsetParent)
        .slice(0, 4).map(e => e.tagName.toLowerCase() + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right)),
}"""


@pytest.fixture(scope="module")
def address(app, world):
    """The application on a port of its own, in a thread, with something in every list."""
    with app.app_context():
        instrument(world, "ua1")
        filed(world, "ua1")
        issued(world, booked(world, "ua1", "A", 2).items[0])
    with served(app) as url:
        yield url


@pytest.fixture(scope="module")
def chromium(address):
    """After the database: whoever starts a loop of its own does so before the browser's."""
    with browser() as made:
        yield made


@pytest.mark.browser
@pytest.mark.parametrize("nick", PEOPLE)
def test_no_page_is_wider_than_a_telephone(chromium, address, world, nick):
    person = Person(chromium, address, nick, PHONE).login(world.names[nick], PASSWORD)
    page, seen, wide, ticked = person.page, set(), [], 0
    waiting = [*page.evaluate(MENU), *PEOPLE[nick]]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        page.goto(path, wait_until="load")
        if found := page.evaluate(WIDE):
            wide.append((path, found))
        if "/list" in path or path.startswith("/certificates"):
            if page.evaluate(TICK):
                ticked += 1
                if found := page.evaluate(WIDE):
                    wide.append((f"{path}, rows ticked", found))
            if row := page.evaluate(ROW):
                waiting.append(row)
    person.context.close()
    assert wide == []
    assert len(seen) > 10, "the menu was walked"
    assert ticked, "a bar for ticked rows was opened"
