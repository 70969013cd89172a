"""Changing the key of personal data while people work: a new key, then everything sealed anew under it.

Every column of type Encrypted is found from the metadata, so a new one is covered without anybody adding it; the same
for sealed words inside JSON and for private files. Batches of 500 rows, each its own transaction; rows that somebody
holds are skipped and met again in the next pass; a killed rotation goes on where it stopped, because what stands under
the newest key already is seen by its prefix. Source: TRUST section 4, check (c).
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from flask import current_app
from sqlalchemy import MetaData, Text, cast, column, func, literal, select, table, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.sql import bindparam

from app import filestore
from app.errors import ConflictError
from models.base import metadata
from models.types import KEY_FILE, Encrypted, newest_key, reload_keys, seal, unseal

BATCH = 500
LOCK = 7_401  # advisory lock: one rotation at a time
WAIT = 60  # seconds that the last pass waits for transactions begun before the new key
SEALED = re.compile(r"k[0-9]+\.[A-Za-z0-9_=-]{40,}")
NEVER_SEALED = {"transition_log", "audit_log", "certificate", "instrument", "import_row"}
"""Tables whose JSON holds no personal data at all (tests/personal shows it) and that are long or never change."""
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds sealed text, or JSON with sealed words in it."""

    table: str
    column: str
    keys: tuple[str, ...]
    json: bool = False

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(slots=True)
class Report:
    """What a rotation did: rows by column, files, and how long it took."""

    key: str
    rows: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    files: int = 0
    passes: int = 0
    seconds: float = 0.0


def places(of: MetaData = metadata) -> list[Place]:
    """Every column that can hold something sealed."""
    found = []
    for each in of.sorted_tables:
        keys = tuple(c.name for c in each.primary_key.columns)
        for c in each.columns:
            if isinstance(c.type, Encrypted):
                found.append(Place(each.name, c.name, keys))
            elif isinstance(c.type, JSONB) and each.name not in NEVER_SEALED:
                found.append(Place(each.name, c.name, keys, json=True))
    return found


# -- the key ----------------------------------------------------------------------------------------------------------


def make_key() -> str:
    """A new key file, readable by the service alone; returns its id. Nobody ever sees it half written."""
    folder = Path(str(current_app.config["SECRETS_DIR"]))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"k{int(newest_key()[1:]) + 1}"
    draft = folder / f".new-{secrets.token_hex(8)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_hex(32))
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, folder / f"{KEY_FILE}{name}")
    except FileExistsError as error:
        raise ConflictError("另一个更换密钥的命令正在进行，请稍后查看。") from error
    finally:
        draft.unlink()
    reload_keys()
    return name


def rotate(engine: Engine, *, new_key: bool = True, progress: Progress | None = None) -> Report:
    """Make a key (unless an interrupted rotation is taken up again) and seal everything anew under the newest one.

    Raises ConflictError when another rotation runs, or when somebody's transaction outlives the wait; what is done by
    then stays done.
    """
    started = time.monotonic()
    with engine.connect() as holder:
        if not holder.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}):
            raise ConflictError("另一个更换密钥的命令正在进行，请稍后查看。")
        holder.commit()
        try:
            report = Report(make_key() if new_key else newest_key())
            _until_clean(engine, report, progress or (lambda _place, _count: None))
        finally:
            holder.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            holder.commit()
    report.seconds = time.monotonic() - started
    return report


def _until_clean(engine: Engine, report: Report, progress: Progress) -> None:
    """Passes until nothing is left, the last one after everybody who may still have held the old key has finished."""
    time.sleep(0.2)  # a process that looked at the folder just before the key was there has begun its statement by now
    with engine.connect() as connection:
        begun = connection.scalar(select(func.clock_timestamp()))
    _every_place(engine, report, progress)
    _wait_for_elders(engine, begun)
    deadline = time.monotonic() + WAIT
    while _every_place(engine, report, progress) or _left(engine, report):
        if time.monotonic() > deadline:
            raise ConflictError("仍有记录被其他操作占用，请稍后以 --resume 继续。")
        time.sleep(0.1)


def _every_place(engine: Engine, report: Report, progress: Progress) -> int:
    """One pass over all columns and files; returns what was sealed anew."""
    count = 0
    report.passes += 1
    for place in places():
        report.unreadable.pop(place.name, None)
        for done, damaged in _reseal(engine, place, report.key):
            count += done
            report.rows[place.name] += done
            if damaged:
                report.unreadable[place.name] += damaged
            progress(place.name, report.rows[place.name])
    for digest in filestore.kept_files():
        if filestore.key_of_file(digest) not in {"", report.key}:
            filestore.reseal(digest)
            report.files += 1
            count += 1
            progress("files", report.files)
    return count


def _wait_for_elders(engine: Engine, begun: Any) -> None:
    """Transactions that wrote before the key was known to all may commit old ciphertexts until they end; those that have
    written nothing yet look at the folder when they do."""
    elders = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND xact_start < :begun AND backend_xid IS NOT NULL"
    )
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if not connection.scalar(elders, {"begun": begun}):
                return
        time.sleep(0.1)
    raise ConflictError("有事务长时间未结束，请稍后以 --resume 继续。")


# -- rows -------------------------------------------------------------------------------------------------------------


@cache
def _bare(place: Place) -> Any:
    """The table as plain text columns: neither the type nor the scope of the models steps in."""
    return table(place.table, *(column(k) for k in place.keys), column(place.column, Text if not place.json else JSONB))


def _stale(place: Place, key: str) -> Any:
    """The condition that a row holds something under another key."""
    value = _bare(place).c[place.column]
    if place.json:
        return cast(value, Text).regexp_match(f'"(?!{key}\\.)k[0-9]+\\.[A-Za-z0-9_=-]{{40,}}"')
    return value.is_not(None) & ~value.startswith(f"{key}.")


def _reseal(engine: Engine, place: Place, key: str) -> Iterator[tuple[int, int]]:
    """Seal a column anew in batches by key; yields how many rows each batch changed and how many nobody can read."""
    bare, last = _bare(place), None
    order = [bare.c[k] for k in place.keys]
    change = update(bare).values({place.column: bindparam("new_value", type_=JSONB if place.json else Text)})
    for k in place.keys:
        change = change.where(bare.c[k] == bindparam(f"key_{k}"))
    while True:
        wanted = select(*order, bare.c[place.column]).where(_stale(place, key)).order_by(*order).limit(BATCH)
        if last is not None:
            wanted = wanted.where(_after(order, last))
        with engine.begin() as connection:
            found = connection.execute(wanted.with_for_update(skip_locked=True)).all()
            if not found:
                return
            values = [
                {**{f"key_{k}": row[i] for i, k in enumerate(place.keys)}, "new_value": fresh}
                for row in found
                if (fresh := _again(row[-1], key)) != row[-1]
            ]
            if values:
                connection.execute(change, values)
        last = tuple(found[-1][:-1])
        yield len(values), len(found) - len(values)


def _after(order: list[Any], last: tuple[Any, ...]) -> Any:
    """(a, b) > (x, y): the index of the primary key serves it."""
    return order[0] > last[0] if len(order) == 1 else tuple_(*order) > tuple_(*map(literal, last))


def _again(value: Any, key: str) -> Any:
    """The value sealed under the newest key: text, or every sealed word inside JSON."""
    if isinstance(value, str):
        stale = SEALED.fullmatch(value) and not value.startswith(f"{key}.")
        with suppress(
            InvalidTag, KeyError, ValueError
        ):  # looks sealed and is not, or is damaged: it stays, and is told
            return seal(unseal(value)) if stale else value
        return value
    if isinstance(value, dict):
        return {k: _again(v, key) for k, v in value.items()}
    if isinstance(value, list):
        return [_again(v, key) for v in value]
    return value


# -- what stands under which key --------------------------------------------------------------------------------------


def standing(engine: Engine) -> dict[str, Counter[str]]:
    """By column (and "files"): how many values stand under each key."""
    found: dict[str, Counter[str]] = {}
    with engine.connect() as connection:
        for place in places():
            if counts := _count(connection, place):
                found[place.name] = counts
    files = Counter(k for k in map(filestore.key_of_file, filestore.kept_files()) if k)
    return {**found, "files": files} if files else found


def _count(connection: Connection, place: Place) -> Counter[str]:
    bare = _bare(place)
    value = bare.c[place.column]
    if not place.json:
        name = func.split_part(value, ".", 1)
        rows = connection.execute(select(name, func.count()).where(value.is_not(None)).group_by(name)).all()
    else:
        hit = func.regexp_matches(cast(value, Text), '"(k[0-9]+)\\.[A-Za-z0-9_=-]{40,}"', "g")
        inner = select(hit.label("m")).select_from(bare).subquery()
        name = func.array_to_string(inner.c.m, "")
        rows = connection.execute(select(name, func.count()).group_by(name)).all()
    return Counter({str(key): count for key, count in rows})


def _left(engine: Engine, report: Report) -> int:
    """Readable rows that still stand under another key: somebody held them during the last pass."""
    with engine.connect() as connection:
        counts = {
            p.name: connection.scalar(select(func.count()).select_from(_bare(p)).where(_stale(p, report.key)))
            for p in places()
        }
    return sum(max((n or 0) - report.unreadable[name], 0) for name, n in counts.items())
