"""Whether the database already has the newest schema, answered without importing the application.

``flask db upgrade`` would say the same, some seconds later: this keeps the second start short.
"""

from __future__ import annotations

import ast
from pathlib import Path

import psycopg

from app.embedded.paths import libpq_url


def newest_revisions(versions: Path) -> set[str]:
    """The revisions of a migrations/versions folder that no other revision follows (one, unless someone branched)."""
    known: set[str] = set()
    followed: set[str] = set()
    for file in versions.glob("*.py"):
        values = _assignments(file)
        revision = values.get("revision")
        if isinstance(revision, str):
            known.add(revision)
        before = values.get("down_revision")
        if isinstance(before, str):
            followed.add(before)
        elif isinstance(before, tuple):  # a merge has several
            followed.update(before)
    return known - followed


def at_head(database_url: str, versions: Path) -> bool:
    """Whether the database stands at the newest revision; False when it is empty or cannot be asked."""
    try:
        with psycopg.connect(libpq_url(database_url), connect_timeout=10) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except psycopg.Error:
        return False
    return bool(rows) and {row[0] for row in rows} == newest_revisions(versions)


def _assignments(file: Path) -> dict[str, object]:
    """The constants assigned at the top of a file; read, not executed."""
    values: dict[str, object] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    values[target.id] = ast.literal_eval(value)
                except ValueError:
                    continue
    return values
