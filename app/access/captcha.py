"""A picture to read, or a sound to hear, before an act that robots like (REG-12, TRUST 7.1).

Made on our own server: no key of a foreign service, nothing about the visitor leaves. The answer stands in the database
alone, sealed; a page carries a random token that is bound to the visitor's session and to one action. Answering uses it
up, right or wrong, in a transaction of its own: a form that is refused afterwards cannot bring it back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from functools import cache
from io import BytesIO

from captcha.audio import AudioCaptcha
from captcha.image import ImageCaptcha
from flask import current_app, request, session
from flask_babel import gettext
from flask_wtf.csrf import generate_csrf
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app import clock
from app.errors import InvalidInputError
from app.profiles import setting
from models.account import Captcha
from models.base import db

LIFETIME, LENGTH = timedelta(minutes=5), 4
ALPHABET = "acdefhjkmnprtwxy346789"
"""Small letters and digits, as the manuals' samples (8cc2, n6yn), without those that look alike: 0 o, 1 i l, 2 z, 5 s, b 6, g q, v u."""
WIDTH, HEIGHT = 160, 60  # pixels


def required() -> bool:
    """Whether this deployment asks for a captcha."""
    return bool(setting("login", "captcha"))


def _fingerprint(*parts: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, "\x1f".join(("captcha", *parts)).encode(), hashlib.sha256).hexdigest()


def _answer_hash(token: str, answer: str) -> str:
    return _fingerprint("answer", token, "".join(answer.split()).casefold())


def deal(action: str, visitor: str) -> str:
    """A new captcha for one action of one visitor (any text that names the session); returns its token."""
    token = secrets.token_urlsafe(24)
    answer = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    row = {
        "token_hash": _fingerprint("token", token),
        "action": action,
        "visitor_hash": _fingerprint("visitor", visitor),
        "answer_hash": _answer_hash(token, answer),
        "answer": answer,
        "expires_at": clock.now() + LIFETIME,
    }
    # its own transaction: the page that shows it is a GET, which is rolled back
    with db.engine.begin() as connection:
        connection.execute(insert(Captcha).values(row))
    return token


def _answer(token: str, visitor: str) -> str | None:
    statement = select(Captcha.answer).where(
        Captcha.token_hash == _fingerprint("token", token),
        Captcha.visitor_hash == _fingerprint("visitor", visitor),
        Captcha.expires_at > clock.now(),
    )
    with db.engine.connect() as connection:
        return connection.execute(statement).scalar_one_or_none()


@cache
def _painter() -> ImageCaptcha:
    return ImageCaptcha(WIDTH, HEIGHT)


@cache
def _speaker() -> AudioCaptcha:
    return AudioCaptcha()


def picture(token: str, visitor: str) -> bytes | None:
    """PNG of a living captcha of this visitor, drawn anew each time; None for anybody else's or an old one."""
    answer = _answer(token, visitor)
    if answer is None:
        return None
    out = BytesIO()
    _painter().generate_image(answer).save(out, format="png")
    return out.getvalue()


def sound(token: str, visitor: str) -> bytes | None:
    """WAV that reads the same captcha aloud, letter by letter (WCAG 1.1.1)."""
    answer = _answer(token, visitor)
    return None if answer is None else bytes(_speaker().generate(answer.upper()))


def solved(action: str, visitor: str, token: str, answer: str) -> bool:
    """Whether the answer is right for this action and visitor. The captcha is used up either way."""
    statement = (
        delete(Captcha)
        .where(Captcha.token_hash == _fingerprint("token", token))
        .returning(Captcha.action, Captcha.visitor_hash, Captcha.answer_hash, Captcha.expires_at)
    )
    with db.engine.begin() as connection:
        row = connection.execute(statement).first()
    if row is None or row.expires_at <= clock.now():
        return False
    facts = (row.action == action, hmac.compare_digest(row.visitor_hash, _fingerprint("visitor", visitor)))
    return all(facts) and hmac.compare_digest(row.answer_hash, _answer_hash(token, answer))


def this_visitor() -> str:
    """What a captcha is bound to: the token that this browser's forms carry, made when there is none yet."""
    if "csrf_token" not in session:
        generate_csrf()
    return str(session["csrf_token"])


def check_form(action: str) -> None:
    """Refuse this request's form when its captcha is wrong, old, used or another's; nothing where none is asked for.

    To be called before anything that costs or tells something: a wrong captcha never tests a password.
    """
    if not required():
        return
    token, answer = request.form.get("captcha_token", "")[:64], request.form.get("captcha", "")[:12]
    if not answer.strip():
        raise InvalidInputError(gettext("请填写“验证码”。"), field="captcha")
    if not solved(action, str(session.get("csrf_token", "")), token, answer):
        raise InvalidInputError(gettext("验证码错误或已过期。"), field="captcha")


def sweep() -> int:
    """Remove what nobody answered in time; returns how many."""
    with db.engine.begin() as connection:
        return connection.execute(delete(Captcha).where(Captcha.expires_at <= clock.now())).rowcount
