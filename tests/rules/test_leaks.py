"""Every registered address × every person × a row of somebody else's: nothing leaks and nothing changes (I-18).

Generated from the URL map and the scope declarations; a new view is covered without anybody adding it here.
"""

from __future__ import annotations

import re

import pytest

from models.base import db
from tests.client import TOKEN, login, visitor
from tests.must_never.test_data_leaving import ID_NUMBER
from tests.personal.numbers import SKIPPED, STRANGERS, body_of, numbers_of
from tests.rules import leaks

PEOPLE = [
    "ua2",
    "ub1",
    "recA",
    "verA",
    "aprA",
    "imgA",
    "recA1",
    "recB",
    "verB",
    "regA1",
    "regA2",
    "regB",
    "regP",
    "aud",
    "adm",
    "sec",
    "sub1",
    "aff1",
    "ind",
    "exp",
    "recP",
    "imgP",
    "anon",
]
CELLS: dict[str, int] = {}
"""How many requests each person tried; the last test says the sum."""


@pytest.fixture(scope="module")
def rows(app, world):
    with app.app_context():
        made = leaks.one_of_each(world)
        db.session.remove()
        return made


def browser(app, world, nick):
    client = visitor(app) if nick == "anon" else login(app, world, nick)
    page = client.get("/login/" if nick == "anon" else "/home/", follow_redirects=True)
    found = TOKEN.search(page.get_data(as_text=True))
    return client, found.group(1) if found else ""


def test_every_rule_with_an_argument_is_known(app):
    known, unknown = leaks.row_routes(app)
    assert unknown == [], "say in tests/rules/leaks.py which rows these pages show"
    assert len(known) >= 20


@pytest.mark.parametrize("nick", PEOPLE)
@pytest.mark.must_never(11, 16, 53)
def test_a_foreign_row_is_not_there(app, world, rows, nick):
    routes, _unknown = leaks.row_routes(app)
    with app.app_context():
        principal = leaks.principals(world)[nick]
        foreign = {m for m, key in rows.items() if key is not None and key not in leaks.visible(m, principal)}
        hidden = {text for m, key, text in leaks.secrets_of(world, rows) if key not in leaks.visible(m, principal)}
        before = leaks.fingerprint(rows)
        db.session.remove()
    client, token = browser(app, world, nick)
    cells = 0
    for route in (r for r in routes if r.model in foreign):
        for fill in leaks.share(fillers(route), PEOPLE.index(nick)):
            address = route.url(rows[route.model], fill)
            for method in sorted(route.methods):
                body = {
                    "csrf_token": token,
                    "seen_version": "1",
                    "reason": "试图越权办理的原因",
                    "rowid": str(rows[route.model]),
                }
                kwargs = {"json": {"reason": "试图越权"}} if "/api/" in address else {"data": body}
                answer = client.open(address, method=method, headers={"X-CSRFToken": token}, **kwargs)
                cells += 1
                said = f"{nick} {method} {address} → {answer.status_code}"
                assert answer.status_code in {302, 401, 403, 404}, said
                if answer.status_code == 302:
                    assert "/login/" in answer.location, said
                # the page may repeat the address that was asked for; it tells nothing that the asker did not bring
                said_back = readable(answer).replace(address, "").replace(str(rows[route.model]), "")
                leaked = [s for s in hidden if s in said_back]
                assert not leaked, f"{said} shows {leaked}"
    with app.app_context():
        assert leaks.fingerprint(rows) == before
        db.session.remove()
    CELLS[nick] = cells


def judge_numbers(nick, address, answer, numbers):
    """What holds of every page, whoever asks."""
    if address.startswith(SKIPPED):
        return
    body = body_of(answer)
    if nick in STRANGERS and not address.startswith("/search"):
        leaked = [s for s in numbers["secrets"] if s in body]
        assert not leaked, f"{nick} {address} shows {leaked}"
    if answer.content_type.startswith(("text/", "application/json")):
        found = ID_NUMBER.search(re.sub(r'value="\d{18}"', "", body))
        assert found is None, f"{nick} {address} shows {found.group()}"
    if nick != "anon" and address not in SAME_FOR_ALL and not address.startswith(("/imports/", "/register/guide")):
        assert "no-store" in answer.headers.get("Cache-Control", ""), f"{nick} {address} may be kept"


SAME_FOR_ALL = {"/robots.txt", "/divisions", "/divisions/institutes", "/register/authorisation.pdf"}
"""Pages without anything of a person; caches may keep them."""


def readable(answer) -> str:
    """The text of a page or of JSON; what is in workbooks is read by the export's own tests."""
    kind = answer.content_type or ""
    return answer.get_data(as_text=True) if kind.startswith(("text/", "application/json")) else ""


def fillers(route):
    """All steps of the machine where the route asks for a step's name."""
    if "kind" in route.others:
        return ["account-phone", "account-id-number"]
    if "name" not in route.others:
        return ["x"]
    from app.workflow import REGISTRY

    machine = next((w for w in REGISTRY.values() if w.model is route.model), None)
    names = [s.name for s in machine.steps if not s.by_system and not s.is_birth and not s.own_page] if machine else []
    return names or ["x"]


@pytest.fixture(scope="module")
def numbers(app, world):
    return numbers_of(app, world)


@pytest.mark.parametrize("nick", PEOPLE)
@pytest.mark.must_never(81, 83)
@pytest.mark.feature("SUP-12")
def test_lists_and_searches_show_only_what_the_scope_gives(app, world, rows, numbers, nick):
    """Also: no page shows a number in full to somebody else, an ID number to anybody, or may be kept by a cache."""
    with app.app_context():
        principal = leaks.principals(world)[nick]
        hidden = {
            (m.__name__, text)
            for m, key, text in leaks.secrets_of(world, rows)
            if key not in leaks.visible(m, principal)
        }
        # an institute or regulator may read the unit's name on rows it does see; the anonymous public on its search
        hidden = {(name, text) for name, text in hidden if name != "Unit" or nick in {"ua2", "ub1", "regB", "recB"}}
        serial = next((text for name, text in hidden if name == "Instrument"), "无")
        db.session.remove()
    client, _token = browser(app, world, nick)
    for address in leaks.plain_routes(app):
        refused = False
        for query in ("", f"?q={serial}&term={serial}"):
            if query and refused:
                continue  # the page is closed to this person, whatever is asked of it
            answer = client.get(address + query)
            if not query:
                judge_numbers(nick, address, answer, numbers)
            refused = answer.status_code in {401, 403}
            assert answer.status_code < 500, f"{nick} GET {address}{query} → {answer.status_code}"
            if address == "/instruments" and nick != "anon":
                continue  # the public search shows everybody what the public may see; the anonymous run judges it
            if address == "/audit/list/" and nick in {"aud", "sec"}:
                continue  # the log is theirs to read, as it stands (ROLES section 3)
            body = readable(answer).replace(f'value="{serial}"', "")
            leaked = [t for _n, t in hidden if t in body and not (query and t == serial)]
            assert not leaked, f"{nick} GET {address}{query} shows {leaked}"
            if query and answer.status_code == 200 and serial != "无":
                assert f">{serial}<" not in body, f"{nick} GET {address}{query} finds a foreign serial"


@pytest.mark.parametrize("nick", ["ua2", "ub1", "recB", "regB", "regA2"])
@pytest.mark.must_never(78)
def test_bulk_steps_leave_foreign_rows_alone(app, world, rows, nick):
    from app.workflow import REGISTRY

    with app.app_context():
        before = leaks.fingerprint(rows)
        db.session.remove()
    client, token = browser(app, world, nick)
    tried = 0
    for view in app.appbuilder.baseviews:
        machine = getattr(view, "workflow", None)
        if machine is None or not hasattr(view, "bulk_actions"):
            continue
        for step in (s for s in REGISTRY[machine.name].steps if s.bulk):
            data = {
                "csrf_token": token,
                "action": step.name,
                "rowid": str(rows.get(machine.model)),
                "reason": "试图越权办理",
            }
            answer = client.post(f"{view.route_base}/action_post", data=data)
            assert answer.status_code in {302, 303, 403, 404}
            tried += 1
    with app.app_context():
        assert leaks.fingerprint(rows) == before
        db.session.remove()
    assert tried > 0


def test_how_much_was_tried():
    """Stands last: the sum of all cells; a leak would have failed above."""
    print(f"\nleak matrix: {len(CELLS)} people, {sum(CELLS.values())} cells, 0 leaks")
    assert not CELLS or sum(CELLS.values()) > 100 * len(CELLS) / 2
