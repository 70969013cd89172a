"""State × step of an instrument's life under every profile, through the page and through REST (LED-10 to LED-13).

The table is written by hand from the manuals (FEATURES LED-10, settings U-2), not read from the declaration.
"""

from __future__ import annotations

import itertools

import pytest

from app import profiles
from models.base import db
from tests.client import login, token
from tests.lifecycle.support import STATES, put, state_of
from tests.world import instrument

STEPS = ("suspend", "enable", "scrap", "retire", "restore", "purge", "delete")
NATIONAL = {
    ("in_use", "suspend"): "suspended",
    ("unfiled", "suspend"): "suspended",
    ("suspended", "enable"): "in_use",
    ("suspended", "scrap"): "scrapped",
    ("scrapped", "enable"): "in_use",
    ("in_use", "delete"): "purged",
    ("unfiled", "delete"): "purged",
}
GUANGDONG = {
    ("in_use", "suspend"): "suspended",
    ("unfiled", "suspend"): "suspended",
    ("suspended", "enable"): "unfiled",  # filing.after_enable = 待备案
    ("suspended", "scrap"): "scrapped",
    ("in_use", "scrap"): "scrapped",
    ("unfiled", "scrap"): "scrapped",
    ("unfiled", "delete"): "purged",
}
ZHEJIANG = {
    ("in_use", "suspend"): "suspended",
    ("unfiled", "suspend"): "suspended",
    ("suspended", "enable"): "in_use",
    ("suspended", "scrap"): "scrapped",
    ("in_use", "delete"): "former",
    ("unfiled", "delete"): "former",
    ("suspended", "delete"): "former",
    ("scrapped", "delete"): "former",
    ("former", "restore"): "in_use",
    ("former", "purge"): "purged",
}
HOHHOT = {
    ("in_use", "suspend"): "suspended",
    ("unfiled", "suspend"): "suspended",
    ("suspended", "enable"): "in_use",
    ("suspended", "scrap"): "scrapped",
    ("in_use", "delete"): "purged",
    ("unfiled", "delete"): "purged",
    ("suspended", "delete"): "purged",
    ("scrapped", "delete"): "purged",
}
ALL = {
    ("in_use", "suspend"): "suspended",
    ("unfiled", "suspend"): "suspended",
    ("suspended", "enable"): "in_use",
    ("suspended", "scrap"): "scrapped",
    ("in_use", "scrap"): "scrapped",
    ("unfiled", "scrap"): "scrapped",
    ("in_use", "retire"): "former",
    ("suspended", "retire"): "former",
    ("scrapped", "enable"): "unfiled",  # scrapping closed the filing
    ("scrapped", "retire"): "former",
    ("former", "restore"): "unfiled",  # putting away closed the filing
    ("former", "purge"): "purged",
    ("unfiled", "delete"): "purged",
}
TABLES = {
    "national": NATIONAL,
    "bayannur": NATIONAL,
    "guangdong": GUANGDONG,
    "zhejiang": ZHEJIANG,
    "hohhot": HOHHOT,
    "all": ALL,
}
WORDS = {
    "national": ("在检", "停用", "报废"),
    "bayannur": ("在检", "停用", "报废"),
    "guangdong": ("在用", "停用", "已报废"),
    "zhejiang": ("在用", "停用", "报废"),
    "hohhot": ("在用", "停用", "报废"),
    "all": ("在用", "停用", "报废"),
}
CELLS = list(itertools.product(STATES, STEPS))


@pytest.fixture(params=sorted(TABLES))
def name(request, app, monkeypatch, context):
    monkeypatch.setitem(app.config, "PROFILE", request.param)
    profiles.forget()
    yield request.param
    profiles.forget()


def body(step: str, serial: str) -> dict[str, str]:
    data = {"serial_no": serial} if step == "purge" else {}
    return {**data, "reason": "设备更新，不再使用"} if step in {"suspend", "scrap", "retire"} else data


@pytest.mark.feature("LED-10", "LED-12")
def test_every_step_from_every_state(app, world, name):
    """The page and REST do what the table says, refuse the rest, and a refusal changes nothing."""
    client = login(app, world, "ua1")
    secret = token(client)
    table, tried = TABLES[name], 0
    made = instrument(world, "ua1")
    pk, serial = made.id, made.serial_no
    for state, step in CELLS:
        want = table.get((state, step), state)
        for way in ("page", "rest"):
            if state_of(pk) == "purged":
                made = instrument(world, "ua1")
                pk, serial = made.id, made.serial_no
            put(pk, state)
            data = body(step, serial)
            if way == "page":
                answer = client.post(f"/instruments/step/{step}/{pk}", data={**data, "csrf_token": secret})
                fits = {303} if want != state else {303, 404, 422}
            else:
                address = f"/api/v1/instruments/{pk}/steps/{step}"
                answer = client.post(address, json=data, headers={"X-CSRFToken": secret})
                fits = {200} if want != state else {404, 409, 422}
            said = f"{name}: {state} –{step}→ by {way}: {answer.status_code}"
            assert answer.status_code in fits, said
            assert state_of(pk) == want, said
            if way == "rest" and answer.status_code in {409, 422}:
                told = answer.get_json()
                assert told["sentence"].endswith("。"), said
                assert set(told) >= {"code", "sentence", "fix_url"}, said
            tried += 1
    assert tried == 2 * len(CELLS)


@pytest.mark.feature("LED-11", "LED-13")
def test_words_and_buttons(app, world, name):
    """The words of the manual; exactly the table's steps are offered, by the page and by REST, in every state."""
    client, secret = login(app, world, "ua1"), None
    pk = instrument(world, "ua1").id
    states = ("in_use", "suspended", "scrapped")
    for state in STATES:
        put(pk, state)
        told = client.get(f"/api/v1/instruments/{pk}/steps").get_json()
        offered = {s["name"] for s in told["steps"] if s["why_not"] is None} & set(STEPS)
        assert offered == {step for start, step in TABLES[name] if start == state}, state
        if state in states:
            assert told["label"] == WORDS[name][states.index(state)]
        page = client.get(f"/instruments/show/{pk}").get_data(as_text=True)
        for step in STEPS:
            shown = f"/instruments/step/{step}/{pk}" in page
            assert shown == (step in offered), (state, step)
    assert secret is None


SENTENCES = [
    ("national", "scrapped", "suspend", 409, "当前状态为“报废”，不能执行“停用”。"),
    ("national", "in_use", "scrap", 422, "请先停用，再报废。"),
    ("guangdong", "scrapped", "enable", 409, "已报废的器具不能重新启用。"),
    ("guangdong", "in_use", "delete", 409, "已备案或已检定的器具不能删除。"),
    ("zhejiang", "in_use", "retire", 409, "请使用“删除”，器具将移入曾用计量器具库。"),
    ("national", "former", "restore", 404, "本平台未开通此功能。"),
]


@pytest.mark.parametrize("profile, state, step, status, sentence", SENTENCES)
def test_the_sentence_of_a_refusal(app, world, context, monkeypatch, profile, state, step, status, sentence):
    monkeypatch.setitem(app.config, "PROFILE", profile)
    client, pk = login(app, world, "ua1"), instrument(world, "ua1").id
    put(pk, state)
    headers = {"X-CSRFToken": token(client)}
    answer = client.post(f"/api/v1/instruments/{pk}/steps/{step}", json=body(step, ""), headers=headers)
    assert (answer.status_code, answer.get_json()["sentence"]) == (status, sentence)
    db.session.remove()
