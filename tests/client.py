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

from tests.world import PASSWORD

TOKEN = re.compile(r'name="csrf_token"[^>]*?value="([^"]+)"')


class CleanClient(FlaskClient):
    """A request must not inherit `g`, the principal or the database session of the test around it."""

    def open(self, *args, **kwargs):
        return contextvars.Context().run(super().open, *args, **kwargs)


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


def log_in(client: FlaskClient, username: str, password: str = PASSWORD):
    """Fill in the log-in form; answers with the response, whatever it is."""
    data = {"username": username, "password": password, "csrf_token": token(client, "/login/")}
    return client.post("/login/", data=data)


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
