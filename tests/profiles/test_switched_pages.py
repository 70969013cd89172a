"""A function that a deployment has not opened has no page, no menu entry and no button; its address says so (G-OFF).

The table is written by hand, not read from views/switched.py: whoever forgets a page there is found here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import profiles
from app.profiles.schema import SETTINGS
from app.workflow import REGISTRY
from models.base import db
from tests.client import login, post, text
from tests.world import filed
from views.menu import ITEMS
from views.switched import PAGES, offered_here, switches_of

ROOT = Path(__file__).parents[2]
SENTENCE = "本平台未开通此功能。"
TABLE = (
    # switches, who, address, whether the menu leads there
    (("filing",), "ua1", "/filings/list/", True),
    (("filing",), "recA", "/filings/list/", True),
    (("filing",), "regA", "/filings/list/", True),
    (("filing",), "ua1", "/filings/submit?ids=0", False),
    (("filing",), "ua1", "/filings/pending/list/", False),
    (("filing",), "ua1", "/filing-amendments/list/", True),
    (("filing",), "recA", "/filing-amendments/list/", True),
    (("filing",), "ua1", "/filing-change/0", False),
    (("filing",), "ua1", "/api/v1/filing-amendments/", False),
    (("filing",), "ua1", "/api/v1/filings/", False),
    (("appointment",), "ua1", "/book/", True),
    (("appointment",), "ua1", "/book/time", False),
    (("appointment",), "ua1", "/appointments/list/", True),
    (("appointment",), "recA", "/appointments/list/", True),
    (("appointment",), "regA", "/appointments/list/", True),
    (("appointment",), "ua1", "/api/v1/appointments/", False),
    (("appointment", "appointment.slots"), "imgA", "/slots/list/", True),
    (("appointment", "appointment.slots"), "imgA", "/slots/open", False),
    (("commission",), "ua1", "/commissions/list/", True),
    (("commission",), "recA", "/commissions/list/", True),
    (("commission",), "imgA", "/tasks/list/", True),
    (("commission",), "imgA", "/tasks/verifiers", False),
    (("commission",), "recA", "/counter/hotline", False),
    (("commission", "commission.walk_in"), "recA", "/counter/walk-in", False),
    (("commission",), "ua1", "/d/", False),
    (("former",), "ua1", "/former/list/", True),
    (("transfer_unit",), "ua1", "/transfers/list/", True),
    (("transfer_unit",), "regA", "/transfers/list/", True),
    (("merge",), "ua1", "/duplicates", True),
    (("merge",), "ua1", "/duplicates/compare", False),
    (("subaccounts",), "ua1", "/subaccounts/list/", True),
    (("subaccounts",), "ua1", "/subaccounts/invite", False),
    (("affiliation",), "ua1", "/affiliations/list/", True),
    (("affiliation",), "imgA", "/affiliations/list/", True),
    (("affiliation",), "ind", "/me/affiliation", False),
    (("affiliation",), "ua1", "/api/v1/affiliations/", False),
    (("change_nozzle",), "ua1", "/imports/template-nozzle.xlsx", False),
    (("commission",), "ua1", "/api/v1/commissions/", False),
    (("commission",), "imgA", "/api/v1/tasks/", False),
    (("unmatched",), "ua1", "/unmatched/list/", True),
    (("unmatched",), "recA", "/unmatched/list/", True),
    (("unmatched",), "regA", "/unmatched/list/", True),
    (("unmatched",), "recA", "/verification-records/new", False),
    (("unmatched",), "recA", "/verification-records/upload", False),
    (("unmatched",), "recA", "/api/v1/verification-records/", False),
)
POSTED = (
    (("appointment",), "/book/submit"),
    (("filing",), "/filings/submit"),
    (("merge",), "/duplicates/merge"),
    (("merge",), "/duplicates/dismiss"),
    (("clear",), "/bulk/clear"),
    (("commission",), "/d/papers"),
    (("affiliation",), "/me/affiliation/remove"),
)
BUTTONS = (
    # switch, and what the page of an instrument in use offers with it and must not offer without
    ("appointment", "/book/?ids="),
    ("transfer_unit", "/transfer/"),
)


@pytest.fixture(params=profiles.names())
def name(request, app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", request.param)
    profiles.forget()
    yield request.param
    profiles.forget()


def on(name: str, switches: tuple[str, ...]) -> bool:
    return all(profiles.load(name)["switches"][switch] for switch in switches)


def refused(answer) -> bool:
    """404 with the sentence, on a page or for a program."""
    if answer.status_code != 404:
        return False
    return SENTENCE in (answer.json.get("sentence", "") if answer.is_json else text(answer))


@pytest.fixture(scope="module")
def instrument_in_use(app, world):
    with app.app_context():
        pk = filed(world, "ua1").id
        db.session.remove()
    return pk


@pytest.fixture(scope="module")
def people(app, world):
    """Everybody of the table, logged in once."""
    with app.app_context():
        return {nick: login(app, world, nick) for nick in {row[1] for row in TABLE}}


def test_pages_and_menu(people, name):
    menus = {nick: text(client.get("/home/")) for nick, client in people.items()}
    for switches, who, address, listed in TABLE:
        answer, link = people[who].get(address), f'href="{address}"'
        if on(name, switches):
            assert not refused(answer), (name, address)
            assert not listed or link in menus[who], f"{name}: {who} finds no way to {address}"
        else:
            assert refused(answer), f"{name}: {who} opened {address}"
            assert link not in menus[who], f"{name}: the menu of {who} leads to {address}"


def test_forms_are_refused_too(people, name):
    for switches, address in POSTED:
        if on(name, switches):
            continue
        assert refused(post(people["ua1"], address)), (name, address)


def test_programs_are_told_the_code(people, name):
    if on(name, ("filing",)):
        return
    told = people["ua1"].get("/api/v1/filings/")
    assert (told.status_code, told.json["code"], told.json["sentence"]) == (404, "G-OFF", SENTENCE)


def test_buttons_of_an_instrument_in_use(people, instrument_in_use, name):
    switches = profiles.load(name)["switches"]
    page = text(people["ua1"].get(f"/instruments/show/{instrument_in_use}"))
    for switch, mark in BUTTONS:
        assert (mark in page) == switches[switch], f"{name}: {mark}"
    for switch, word in (("appointment", "还没有预约"), ("filing", "查看备案")):
        assert (word in page) == switches[switch], f"{name}: the panel “{word}”"


def test_clearing_is_offered_where_it_is_switched_on(people, name):
    page = text(people["ua1"].get("/instruments/list/"))
    assert ("/bulk/clear" in page) == profiles.load(name)["switches"]["clear"]


def test_the_regulator_finds_requests_of_transfer(people, name):
    """ROLES: whoever may read a page finds it in the menu."""
    assert ("/transfers/list/" in text(people["regA"].get("/home/"))) == on(name, ("transfer_unit",))


def test_menu_entries_ask_for_what_their_page_asks_for(app):
    """Else an entry leads to a 404."""
    with app.test_request_context():
        for item in ITEMS:
            if item.endpoint and item.endpoint not in app.view_functions:
                continue
            wanted = set(switches_of(item.url()))
            assert not wanted or item.switch in wanted, f"{item.name} stands in the menu without {wanted}"


def test_the_address_decides_not_its_query_or_end(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    with app.app_context():
        assert [offered_here(path) for path in ("/book", "/book/", "/book/time?ids=1")] == [False] * 3
        assert [offered_here(path) for path in ("/bookings", "/", "/home/", "/transferred")] == [True] * 4
        db.session.remove()


def test_the_table_names_switches_that_exist():
    declared = set(profiles.defaults()["switches"])
    assert {switch for switches in PAGES.values() for switch in switches} <= declared
    assert {switch for row in TABLE for switch in row[0]} <= declared


def test_no_switch_is_without_effect():
    """A switch on the settings page that nothing asks would be a lie."""
    steps = {step.switch for machine in REGISTRY.values() for step in machine.steps}
    asked = set()
    for folder in ("app", "views", "jobs"):
        for path in (ROOT / folder).rglob("*.py"):
            if "profiles" not in path.parts:
                asked |= set(re.findall(r'switch(?:_on\(|=)"([a-z_.]+)"', path.read_text(encoding="utf-8")))
    pages = {switch for switches in PAGES.values() for switch in switches}
    switches = {s.key.removeprefix("switches.") for s in SETTINGS if s.section == "switches"}
    assert switches - steps - asked - pages == set()


def test_what_is_off_in_the_profile_of_everything_says_why():
    source = (profiles.FOLDER / "all.toml").read_text(encoding="utf-8")
    for switch, value in profiles.load("all")["switches"].items():
        reason = re.search(rf'^"?{re.escape(switch)}"? = false  # .{{10,}}$', source, re.MULTILINE)
        assert value or reason, f"all.toml leaves {switch} off and does not say why"
