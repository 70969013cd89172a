"""`/captcha/…`: the picture, the sound and a new one; and what a form asks before it is taken."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, session

from app.access import captcha
from app.access.limits import by_address, hit
from views.edge import clean

captchas = Blueprint("captcha", __name__)
PICTURES, SOUNDS, AGAIN = "120 per minute", "30 per 10 minutes", "60 per 10 minutes"
DRAWINGS = "6 per 5 minutes"  # of one captcha: many drawings of the same answer would help a reading machine


check_captcha = captcha.check_form
"""check_captcha("register"): refuse this request's form when its captcha is not answered rightly."""


def new_captcha(action: str) -> str:
    """A captcha for a form of this page; templates call it through macros/captcha.html."""
    return captcha.deal(action, captcha.this_visitor())


@captchas.record_once
def _templates(state: Any) -> None:
    state.app.jinja_env.globals.update(new_captcha=new_captcha, captcha_required=captcha.required)


@captchas.get("/captcha/<token>.png")
def picture(token: str) -> Response:
    """The picture of this visitor's own captcha; anybody else's is not there."""
    hit(by_address("captcha"), PICTURES)
    hit(f"captcha-drawn:{token[:64]}", DRAWINGS)
    return _file(captcha.picture(token[:64], str(session.get("csrf_token", ""))), "image/png")


@captchas.get("/captcha/<token>.wav")
def sound(token: str) -> Response:
    """The same captcha read aloud."""
    hit(by_address("captcha-sound"), SOUNDS)
    hit(f"captcha-drawn:{token[:64]}", DRAWINGS)
    return _file(captcha.sound(token[:64], str(session.get("csrf_token", ""))), "audio/wav")


def _file(data: bytes | None, content_type: str) -> Response:
    if data is None:
        abort(404)
    answer = Response(data, content_type=content_type)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@captchas.post("/captcha/again")
def again() -> Response:
    """Another one for the same form: {"token": …}."""
    hit(by_address("captcha-again"), AGAIN)
    return jsonify(token=new_captcha(clean(request.form.get("action"), 20)))
