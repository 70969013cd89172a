"""The test client: every request in a context of its own, as on a server; log-in and posting with the CSRF token.

    client = login(app, world, "recA")
    answer = post(client, "/accounts/action_post", {"action": "approve", "rowid": "1"})

Each client comes from an address of its own, so that the limits per address do not meet between tests.
"""

from __future__ import annotations

import contextvars
import random
import re

from flask.testing import FlaskClient
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import select

from app import clock
from app.access import limits
from app.access.login import TYPES
from models.account import Account
from models.base import db
from tests.captcha import captcha_of
from tests.world import PASSWORD

TOKEN = re.compile(r'name="csrf_token"[^>]*?value="([^"]+)"')


def forget_limits() -> None:
    """Forget how often anybody did anything; within an application context."""
    limits._limiter().storage.reset()


class CleanClient(FlaskClient):
    """A request must not inherit `g`, the principal or the database session of the test around it."""

    def open(self, *args, **kwargs):
        fresh = contextvars.Context()
        fresh.run(clock._frozen.set, clock._frozen.get())  # the server's clock is the test's
        return fresh.run(super().open, *args, **kwargs)


def visitor(app, address: str | None = None) -> FlaskClient:
    """A browser that is not logged in."""
    found = CleanClient(app, app.response_class, use_cookies=True)
    numbers = [str(random.randint(1, 250)) for _ in range(3)]
    found.environ_base["REMOTE_ADDR"] = address or ".".join(["10", *numbers])
    found.environ_base["HTTP_USER_AGENT"] = "test"
    return found


def login(app, world, nick: str, password: str = PASSWORD) -> FlaskClient:
    """A browser in which the person of that nickname has logged in through the log-in page."""
    client = visitor(app)
    answer = log_in(client, world.names[nick], password)
    assert answer.status_code == 302, f"{nick} could not log in: {answer.status_code}"
    return client


def log_in(client: FlaskClient, username: str, password: str = PASSWORD, *, url: str = "/login/", **more):
    """Fill in the log-in form, captcha and user type too where it asks for them; answers with the response."""
    page = client.get(url, follow_redirects=True).get_data(as_text=True)
    data = {"username": username, "password": password, "csrf_token": TOKEN.search(page).group(1)}
    data |= captcha_of(client.application, page)
    if 'name="user_type"' in page:
        data["user_type"] = type_of(client.application, username)
    return client.post(url, data={**data, **more})


def type_of(app, username: str) -> str:
    """The word for the account's kind in the choice of user types."""
    with app.app_context():
        statement = select(Account.kind).join(User, User.id == Account.user_id).where(User.username == username)
        kind = db.session.execute(statement.execution_options(unscoped=True)).scalar() or "enterprise"
        db.session.remove()
    return next((word for word, (_label, kinds) in TYPES.items() if kind in kinds), "enterprise")


def token(client: FlaskClient, *urls: str) -> str:
    """The CSRF token of this browser's session, from the first page that shows one."""
    for url in (*urls, "/home/", "/login/"):
        answer = client.get(url, follow_redirects=True)
        found = TOKEN.search(answer.get_data(as_text=True))
        if found:
            return found.group(1)
    raise AssertionError(f"no page with a CSRF token among {urls}")


def post(client: FlaskClient, url: str, data: dict | None = None, *, page: str | None = None, **kwargs):
    """Post with a fresh token; `page` is where the form stands when that is not the home or log-in page.

    Lists in `data` become repeated fields; files as (stream, name) pairs.
    """
    pages = (page,) if page else ()
    return client.post(url, data={**(data or {}), "csrf_token": token(client, *pages)}, **kwargs)


def text(answer) -> str:
    """The answer's body as text."""
    return answer.get_data(as_text=True)
