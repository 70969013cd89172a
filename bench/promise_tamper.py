"""I-5: everything that could change an issued paper, tried by its owner's database role, by the ORM and over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from flask import current_app
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import filestore
from app.access.principal import as_system

STANDING = ("state", "version", "updated_at", "reason", "prior_state", "revoke_confirmed_by_id")
"""What may be written of an issued paper: that it is revoked or corrected, never what it says."""
VALUES = {
    "VARCHAR": "'X'",
    "TEXT": "'X'",
    "DATE": "DATE '2001-01-01'",
    "JSONB": "'{\"x\": 1}'",
    "INTEGER": "7777",
    "BIGINT": "7777777",
}
WHOLE = (
    "DELETE FROM certificate WHERE id = :pk",
    "TRUNCATE certificate",
    "UPDATE certificate SET state = 'draft' WHERE id = :pk",
    "UPDATE certificate SET state = 'dropped' WHERE id = :pk",
    "UPDATE certificate SET id = -id WHERE id = :pk",
    "INSERT INTO certificate OVERRIDING SYSTEM VALUE SELECT * FROM certificate WHERE id = :pk ON CONFLICT (id) DO UPDATE SET conclusion = 'fail'",
    """MERGE INTO certificate c USING (SELECT 1) x ON c.id = :pk WHEN MATCHED THEN UPDATE SET valid_until = valid_until + 9""",
)
PEOPLE = ("verA", "chkA", "aprA", "imgA", "recA", "ua1", "regA", "adm", "sec")
REQUESTS = (
    ("PUT", "/api/v1/certificates/{pk}"),
    ("PATCH", "/api/v1/certificates/{pk}"),
    ("DELETE", "/api/v1/certificates/{pk}"),
    ("POST", "/certificates/draft/{pk}"),
    ("POST", "/certificates/edit/{pk}"),
    ("POST", "/certificates/delete/{pk}"),
)
STEPS = ("edit", "submit", "check", "back", "issue", "publish", "correct", "drop")
"""Every step of the machine but those that say something of a paper's standing."""
CHANGE = {
    "conclusion": "fail",
    "valid_until": "2001-01-01",
    "verified_on": "2001-01-01",
    "number": "X",
    "reason": "改一改内容",
}


def content(session: Session, pk: int) -> Any:
    """What the paper says, with the file's own digest."""
    with as_system("measuring"):
        session.rollback()
        row = session.execute(text("SELECT to_jsonb(c) FROM certificate c WHERE id = :pk"), {"pk": pk}).scalar()
        if row is None:
            return None
        stored = hashlib.sha256(filestore.read(row["pdf_sha256"])).hexdigest()
        session.rollback()
    return {key: value for key, value in row.items() if key not in STANDING} | {
        "file": stored,
        "issued": row["state"] in {"issued", "superseded", "revoked"},
    }


def statements(session: Session) -> Iterator[str]:
    """An UPDATE of each column that is content, and what destroys the whole row."""
    for column in inspect(session.get_bind()).get_columns("certificate"):
        if column["name"] not in STANDING and column["name"] != "id":
            kind = type(column["type"]).__name__.upper()
            value = VALUES.get(kind, "now()")
            yield f"UPDATE certificate SET {column['name']} = {value} WHERE id = :pk"
    yield from WHOLE


def by_sql(session: Session, pk: int) -> tuple[int, list[str]]:
    """As the role that owns the tables; how many were tried, and what the database let through."""
    engine, through, tried = create_engine(current_app.config["SQLALCHEMY_DATABASE_URI"]), [], 0
    with engine.connect() as connection:
        for statement in statements(session):
            tried += 1
            try:
                done = connection.execute(text(statement), {"pk": pk} if ":pk" in statement else {})
                if done.rowcount:
                    through.append(statement)
            except DBAPIError:
                pass
            connection.rollback()
    engine.dispose()
    return tried, through


def by_orm(session: Session, pk: int) -> tuple[int, list[str]]:
    """As a program of ours with a mistake in it."""
    from app.workflow.guarded import DirectStateWriteError
    from models.certificate import Certificate

    through, tried = [], 0
    names = [c.key for c in inspect(Certificate).column_attrs if c.key not in {*STANDING, "id"}]
    for name in [*names, "state", ""]:
        tried += 1
        with as_system("measuring"):
            row = session.get(Certificate, pk)
            assert row is not None
            try:
                if not name:
                    session.delete(row)
                elif name == "state":
                    row.state = "draft"
                else:
                    kept = getattr(row, name)
                    setattr(row, name, "X" if isinstance(kept, str) else None if kept is not None else 7)
                session.flush()
                through.append(name or "delete")
            except (DBAPIError, DirectStateWriteError):
                pass
            session.rollback()
            session.expunge_all()
    return tried, through


def by_http(world: Any, session: Session, pk: int) -> tuple[int, list[str]]:
    """As everybody who may log in."""
    from tests.client import login, token

    through, tried, before = [], 0, content(session, pk)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    asked = [*REQUESTS, *[("POST", f"/api/v1/certificates/{{pk}}/steps/{step}") for step in STEPS]]
    for nick in PEOPLE:
        client = login(app, world, nick)
        csrf = token(client)
        for method, url in asked:
            api = url.startswith("/api/")
            given: dict[str, Any] = {"json": CHANGE} if api else {"data": {**CHANGE, "csrf_token": csrf}}
            client.open(url.format(pk=pk), method=method, headers={"X-CSRFToken": csrf}, **given)
            tried += 1
            if content(session, pk) != before:
                through.append(f"{nick} {method} {url}")
                before = content(session, pk)
    return tried, through


def tampered(world: Any, session: Session, pk: int) -> dict[str, Any]:
    """All of it on one issued paper: tries by each way, and what came through."""
    before = content(session, pk)
    ways = {"sql": by_sql(session, pk), "orm": by_orm(session, pk), "http": by_http(world, session, pk)}
    through = [f"{way}: {what}" for way, (_tried, found) in ways.items() for what in found]
    if content(session, pk) != before:
        through.append("the paper is not what it was")
    return {"tries": {way: tried for way, (tried, _found) in ways.items()}, "through": through}
