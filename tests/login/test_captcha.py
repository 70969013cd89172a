"""Captchas: answered on the server, once, by the visitor who got them, for one action, within five minutes."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import func, select

from app import clock
from app.access import captcha
from models.account import Captcha
from models.base import db
from tests.captcha import TOKEN, answer_of, captcha_of
from tests.client import post, text, visitor

ME = "somebody's session"

pytestmark = pytest.mark.feature("REG-12")


@pytest.fixture
def asked(app, monkeypatch):
    """A deployment that asks for captchas."""
    monkeypatch.setitem(app.config, "PROFILE", "national")


def dealt(app, action: str = "login", visitor_: str = ME) -> tuple[str, str]:
    token = captcha.deal(action, visitor_)
    return token, answer_of(app, token)


def test_four_signs_without_look_alikes():
    assert not set(captcha.ALPHABET) & set("0o1il2z5sbgqvu")
    assert len(captcha.ALPHABET) ** captcha.LENGTH > 200_000


def test_the_right_answer_counts_once_whatever_its_case(app, context):
    token, answer = dealt(app)
    assert captcha.solved("login", ME, token, f" {answer.upper()} ")
    assert not captcha.solved("login", ME, token, answer)


def test_a_wrong_answer_uses_it_up_too(app, context):
    token, answer = dealt(app)
    assert not captcha.solved("login", ME, token, "zzzz")
    assert not captcha.solved("login", ME, token, answer)


@pytest.mark.parametrize(("action", "who"), [("register", ME), ("login", "another session")])
def test_it_belongs_to_one_action_and_one_visitor(app, context, action, who):
    token, answer = dealt(app)
    assert not captcha.solved(action, who, token, answer)


def test_it_dies_after_five_minutes_and_is_swept(app, context):
    token, answer = dealt(app)
    with clock.frozen(clock.now() + timedelta(minutes=5, seconds=1)):
        assert captcha.picture(token, ME) is None
        assert captcha.sweep() >= 1
        assert not captcha.solved("login", ME, token, answer)
    assert db.session.scalar(select(func.count()).select_from(Captcha)) == 0


def test_the_answer_is_nowhere_but_in_the_database(app, asked):
    client = visitor(app)
    answer = client.get("/login/")
    page = text(answer)
    found = captcha_of(app, page)
    assert found["captcha"] not in re.sub(re.escape(found["captcha_token"]), "", page)
    assert found["captcha"] not in str(answer.headers)
    with app.app_context():
        raw = db.session.connection().exec_driver_sql("SELECT answer FROM captcha").scalars().all()
        assert all(found["captcha"] not in value or value.startswith("k") for value in raw)
        assert all(value.startswith("k") and len(value) > 40 for value in raw)
        db.session.remove()


def test_picture_and_sound_for_their_visitor_only(app, asked):
    client = visitor(app)
    token = TOKEN.search(text(client.get("/login/"))).group(1)
    picture = client.get(f"/captcha/{token}.png")
    assert picture.headers["Cache-Control"] == "no-store"
    assert Image.open(BytesIO(picture.data)).size == (160, 60)
    sound = client.get(f"/captcha/{token}.wav")
    assert sound.data[:4] == b"RIFF"
    assert len(sound.data) > 8_000
    other = visitor(app)
    other.get("/login/")
    assert other.get(f"/captcha/{token}.png").status_code == 404
    assert visitor(app).get(f"/captcha/{token}.wav").status_code == 404


def test_one_captcha_is_not_drawn_without_end(app, asked):
    client = visitor(app)
    token = TOKEN.search(text(client.get("/login/"))).group(1)
    codes = [client.get(f"/captcha/{token}.png").status_code for _number in range(8)]
    assert codes == [200] * 6 + [429] * 2


def test_another_one_without_leaving_the_form(app, asked):
    client = visitor(app)
    first = TOKEN.search(text(client.get("/login/"))).group(1)
    answer = post(client, "/captcha/again", {"action": "login"}, page="/login/")
    token = answer.get_json()["token"]
    assert token != first
    assert client.get(f"/captcha/{token}.png").status_code == 200
    assert client.get("/captcha/again").status_code == 405


def test_no_captcha_where_the_profile_asks_for_none(app):
    assert "captcha_token" not in text(visitor(app).get("/login/"))
