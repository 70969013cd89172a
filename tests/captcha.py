"""Reading a captcha in tests: the answer from the database, as no browser can.

data |= captcha_of(app, text(client.get("/login/")))
"""

from __future__ import annotations

import re

from sqlalchemy import select

from app.access.captcha import _fingerprint
from models.account import Captcha
from models.base import db

TOKEN = re.compile(r'name="captcha_token" value="([^"]+)"')


def captcha_of(app, page: str) -> dict[str, str]:
    """The two form fields that answer the captcha of this page; nothing when it has none."""
    found = TOKEN.search(page)
    return {"captcha_token": found.group(1), "captcha": answer_of(app, found.group(1))} if found else {}


def answer_of(app, token: str) -> str:
    """What the picture of that token shows."""
    with app.app_context(), db.engine.connect() as connection:
        statement = select(Captcha.answer).where(Captcha.token_hash == _fingerprint("token", token))
        return connection.execute(statement).scalar_one()
