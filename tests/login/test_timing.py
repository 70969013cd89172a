"""Known and unknown names take the same time (ASVS 6.3.8): both cost one hash of the same strength and the same statements.

Milliseconds are not for a test on a shared machine: `python -m bench.login` measures them. What makes a difference in
the code, a hash or a write that only one side costs, is counted here.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from werkzeug.security import generate_password_hash

from config import HASH_METHOD
from models.base import db
from tests.client import TOKEN, text, visitor
from tests.login.support import somebody


@contextmanager
def counted(monkeypatch, engine):
    """The hashes checked (by method) and the kinds of statements run inside the block."""
    from flask_appbuilder.security import manager as fab

    from app.access import passwords, security

    seen: dict[str, list[str]] = {"hashes": [], "statements": []}

    def note(_connection, _cursor, statement, *_rest):
        seen["statements"].append(" ".join(statement.split()[:3]))

    for module in (fab, passwords, security):
        if hasattr(module, "check_password_hash"):
            real = module.check_password_hash

            def check(stored, typed, real=real):
                seen["hashes"].append(stored.split("$")[0])
                return real(stored, typed)

            monkeypatch.setattr(module, "check_password_hash", check)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
        monkeypatch.undo()


@pytest.mark.feature("LOG-19")
def test_known_and_unknown_names_cost_the_same(app, world, monkeypatch):
    nick = somebody(app, world)
    found = {}
    for word, name in (("known", world.names[nick]), ("unknown", "nobodyatall")):
        monkeypatch.setitem(app.config, "FAB_PASSWORD_HASH_METHOD", HASH_METHOD)
        decoy = generate_password_hash("nobody", method=HASH_METHOD)
        monkeypatch.setitem(app.config, "AUTH_DB_FAKE_PASSWORD_HASH_CHECK", decoy)
        client = visitor(app)
        token = TOKEN.search(text(client.get("/login/"))).group(1)
        with app.app_context():
            engine = db.engine
        with counted(monkeypatch, engine) as seen:
            answer = client.post(
                "/login/", data={"username": name, "password": "wrong-password-1", "csrf_token": token}
            )
        assert answer.status_code == 422
        found[word] = seen
    assert len(found["known"]["hashes"]) == len(found["unknown"]["hashes"]) == 1, found
    assert found["unknown"]["hashes"] == [HASH_METHOD], "the decoy costs what a real password costs"
    assert sorted(found["known"]["statements"]) == sorted(found["unknown"]["statements"]), found
