"""What the tests of this area share: a password just typed again, and the text of everything the platform stores."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import psycopg
import redis
from sqlalchemy import text

from app import clock
from app.embedded.paths import libpq_url
from models.base import db, metadata


def confirm(app, account_id: int) -> None:
    """As if the person had typed the password again a moment ago, in every browser."""
    with app.app_context():
        db.session.execute(
            text(
                "UPDATE web_session SET data = data || jsonb_build_object('confirmed_at', CAST(:at AS float)) "
                "WHERE account_id = :id"
            ),
            {"at": clock.now().timestamp(), "id": account_id},
        )
        db.session.commit()
        db.session.remove()


def dump_of(url: str) -> dict[str, str]:
    """Every table of the database as COPY writes it: what a dump or a stolen replica shows."""
    with psycopg.connect(libpq_url(url)) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        ]
        found = {}
        for name in names:
            with connection.cursor().copy(f"COPY {name} TO STDOUT") as copy:
                found[name] = b"".join(bytes(part) for part in copy).decode("utf-8", "replace")
    assert {f"public.{t}" for t in metadata.tables} <= set(found), "every table of the models is in the dump"
    return found


def stored_files(folder: Path) -> dict[str, str]:
    """Every file as it lies, and what is inside of workbooks and archives."""
    found = {}
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        data = file.read_bytes()
        found[file.name] = data.decode("utf-8", "replace")
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.namelist():
                    found[f"{file.name}/{member}"] = archive.read(member).decode("utf-8", "replace")
    return found


def in_redis(url: str) -> dict[str, str]:
    """Every key with its value, whatever its type."""
    client = redis.Redis.from_url(url)
    found = {}
    for key in client.scan_iter("*"):
        kind = client.type(key).decode()
        value = {
            "string": lambda k=key: client.get(k),
            "list": lambda k=key: client.lrange(k, 0, -1),
            "set": lambda k=key: sorted(client.smembers(k)),
            "zset": lambda k=key: client.zrange(k, 0, -1, withscores=True),
            "hash": lambda k=key: client.hgetall(k),
        }.get(kind, lambda: b"")()
        found[key.decode("utf-8", "replace")] = json.dumps(repr(value), ensure_ascii=False)
    return found
