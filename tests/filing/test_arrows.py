"""Machine 4, walked arrow by arrow by page and by program; whatever the table does not list is refused (FIL-01)."""

from __future__ import annotations

import pytest

from tests.filing.support import WHY, by_page, by_program, filing, in_state

pytestmark = pytest.mark.usefixtures("guangdong")
UNIT_A, CITY, COUNTY, MANAGER, REGULATOR = "ua1", "recA", "recA1", "imgA", "regA"
ARROWS = {
    # state → step → (who, state afterwards); manual 004 §四 and WORKFLOWS 4, by hand
    "pending": {"submit": (UNIT_A, "submitted")},
    "returned": {"submit": (UNIT_A, "submitted")},
    "submitted": {
        "withdraw": (UNIT_A, "pending"),
        "allow_province": (UNIT_A, "submitted"),
        "approve": (CITY, "approved"),
        "return": (CITY, "returned"),
        "dispatch": (CITY, "to_confirm"),
        "transfer": (CITY, "to_confirm"),
    },
    "to_process": {
        "allow_province": (UNIT_A, "to_process"),
        "approve": (CITY, "approved"),
        "return": (CITY, "returned"),
        "dispatch": (CITY, "to_confirm"),
        "transfer": (CITY, "to_confirm"),
    },
    "to_confirm": {
        "confirm": (COUNTY, "approved"),
        "refuse": (COUNTY, "to_process"),
        "recall": (CITY, "to_process"),
    },
    "approved": {"revoke": (MANAGER, "revoked")},
    "revoked": {},
    "suspended": {},
    "closed": {},
}
STEPS = sorted({step for steps in ARROWS.values() for step in steps})
SYSTEM = ("open", "amend", "counter_return", "suspend", "enable", "close")
CHANNELS = {"page": by_page, "program": by_program}
ALWAYS = {"submit": UNIT_A, "withdraw": UNIT_A, "allow_province": UNIT_A, "confirm": COUNTY, "refuse": COUNTY}


def inputs(world, step, state):
    if step == "submit":
        return {"institute_id": str(world.institutes["A"]), "declaration": "y"}
    target = {"dispatch": "A2" if state == "to_process" else "A1", "transfer": "P"}.get(step)
    found = {"institute_id": str(world.institutes[target])} if target else {}
    if step in {"return", "refuse", "recall", "revoke", "transfer"}:
        found["reason"] = WHY
    return found | ({"kind": "other"} if step == "return" else {})


@pytest.mark.feature("FIL-01")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("state", [state for state in ARROWS if ARROWS[state]])
def test_every_arrow_leads_where_it_says(world, browser, session, state, channel):
    for step, (who, after) in ARROWS[state].items():
        pk = in_state(world, session, state)
        answer = CHANNELS[channel](browser, who, pk, step, inputs(world, step, state))
        assert answer.status_code == (303 if channel == "page" else 200), (state, step, answer.get_data(as_text=True))
        assert filing(session, pk).state == after, (state, step)


@pytest.mark.feature("FIL-01")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("state", ARROWS)
def test_every_other_arrow_is_refused(world, browser, session, state, channel):
    pk = in_state(world, session, state)
    for step in (*STEPS, *SYSTEM):
        if step in ARROWS[state]:
            continue
        for who in dict.fromkeys((ALWAYS.get(step, CITY), MANAGER if step in SYSTEM else UNIT_A)):
            answer = CHANNELS[channel](browser, who, pk, step, inputs(world, step, state))
            if channel == "program":
                assert answer.status_code in {403, 404, 409, 422}, (state, step, who, answer.get_json())
            else:
                assert answer.status_code in {303, 403, 404, 409, 422}, (state, step, who)
            assert filing(session, pk).state == state, (state, step, who)


@pytest.mark.parametrize("channel", CHANNELS)
def test_nobody_else_draws_an_arrow(world, browser, session, channel):
    for state in ("submitted", "to_confirm", "approved"):
        pk = in_state(world, session, state)
        for step, (right, _after) in ARROWS[state].items():
            for who in {UNIT_A, CITY, COUNTY, REGULATOR, "ub1", "recB"} - {right}:
                if (step, who) == ("revoke", REGULATOR):
                    continue
                CHANNELS[channel](browser, who, pk, step, inputs(world, step, state))
                assert filing(session, pk).state == state, (state, step, who)


def test_the_regulator_of_the_area_revokes_too(world, browser, session):
    pk = in_state(world, session, "approved")
    assert by_page(browser, "regB", pk, "revoke", {"reason": WHY}).status_code == 404
    assert by_page(browser, REGULATOR, pk, "revoke", {"reason": WHY}).status_code == 303
    assert filing(session, pk).state == "revoked"
