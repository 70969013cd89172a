"""`make check`, what ruff and mypy cannot see: migrations against models, translations, words that must not stay.

Run as `python -m tests.checks`; prints what is wrong and ends with 1. `--no-database` leaves the migrations to
tests/rules/test_migrations.py, for a run that tests as well.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CODE = ("app", "models", "views", "jobs", "migrations", "tests", "bench")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FAB_PAGES = (
    # of Flask-AppBuilder's own texts: forms' validators, lists, flash messages; its API, user and role pages are shut
    "baseviews.py",
    "views.py",
    "widgets.py",
    "models/filters.py",
    "models/sqla/filters.py",
    "models/sqla/interface.py",
    "validators.py",
    "forms.py",
    "fieldwidgets.py",
    "fields.py",
    "actions.py",
    "security/forms.py",
    "security/decorators.py",
    "templates/appbuilder/general/lib.html",
    "templates/appbuilder/general/widgets/",
    "templates/appbuilder/general/model/",
    "templates/appbuilder/general/confirm.html",
)
EXPRESSION_INDEX = ("_bg", "_reversed", "_serial", "_division", "_folded")


def keep(obj: Any, name: str, kind: str, reflected: bool, compare_to: Any) -> bool:
    """What autogenerate can compare: everything but indexes of expressions (as migrations/env.py)."""
    if kind == "index" and not reflected:
        return not any(getattr(e, "__visit_name__", "") == "textclause" for e in obj.expressions)
    if kind == "index" and compare_to is None:
        return not name.endswith(EXPRESSION_INDEX)
    return True


def migration_drift() -> Iterator[str]:
    """Differences between an upgraded empty database and the models."""
    import os

    from app.embedded.paths import layout
    from app.embedded.servers import EmbeddedServers

    folder = tempfile.mkdtemp(prefix="quanheng-check-", dir="/tmp")
    servers = EmbeddedServers(layout(folder), redis=False, durable=False)
    try:
        servers.ensure()
        os.environ["QUANHENG_VAR"] = folder
        url = servers.layout.postgres_url()
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext
        from flask_migrate import upgrade

        from models.base import db, metadata
        from run import create_app

        app = create_app({"SQLALCHEMY_DATABASE_URI": url, "VAR_DIR": folder})
        with app.app_context():
            upgrade()
            logging.disable(logging.CRITICAL)
            with db.engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": keep})
                for difference in compare_metadata(context, metadata):
                    yield f"迁移与模型不一致：{difference}"
            db.engine.dispose()
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


# -- translations ------------------------------------------------------------------------------------------------------


def our_messages() -> set[str]:
    """Every text of ours that gettext sees: in Python and in templates."""
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("**/templates/**.txt", "jinja2")]
    found = set()
    for folder in ("app", "views", "models", "jobs"):
        found |= set(_extracted(ROOT / folder, methods))
    return found


def fab_messages() -> set[str]:
    """Texts of Flask-AppBuilder that our pages can show."""
    import flask_appbuilder

    folder = Path(flask_appbuilder.__file__).parent
    methods = [("**.py", "python"), ("**.html", "jinja2")]
    return {text for file, text in _located(folder, methods) if any(file == p or file.startswith(p) for p in FAB_PAGES)}


def _located(folder: Path, methods: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    from babel.messages.extract import extract_from_dir

    keywords = {
        "_": None,
        "__": None,
        "gettext": None,
        "lazy_gettext": None,
        "ngettext": (1, 2),
        "lazy_ngettext": (1, 2),
        "pgettext": ((1, "c"), 2),
        "lazy_pgettext": ((1, "c"), 2),
    }
    options = {pattern: {"silent": "true"} for pattern, _method in methods}
    rows = extract_from_dir(str(folder), methods, options, keywords)
    for file, _line, message, _comments, _context in rows:
        for text in message if isinstance(message, tuple) else (message,):
            if text:
                yield file, text


def _extracted(folder: Path, methods: list[tuple[str, str]]) -> Iterator[str]:
    return (text for _file, text in _located(folder, methods))


def catalogue() -> set[str]:
    """Texts with a Chinese translation: ours over Flask-AppBuilder's, as at run time."""
    import flask_appbuilder
    from babel.messages.pofile import read_po

    found = set()
    places = [Path(flask_appbuilder.__file__).parent / "translations", ROOT / "translations"]
    for file in (p for place in places for p in sorted(place.glob("zh/LC_MESSAGES/*.po"))):
        with file.open("rb") as handle:
            for message in read_po(handle, locale="zh"):
                ids = message.id if isinstance(message.id, tuple) else (message.id,)
                translated = message.string if isinstance(message.string, tuple) else (message.string,)
                if not message.fuzzy and any(CHINESE.search(t or "") for t in translated):
                    found |= set(ids)
    return found


def missing_translations() -> Iterator[str]:
    """Foreign words that a reader would meet."""
    known = catalogue()
    for origin, texts in (("本平台", our_messages()), ("Flask-AppBuilder", fab_messages())):
        for text in sorted(texts - known):
            if not CHINESE.search(text) and re.search(r"[A-Za-z]{2}", re.sub(r"%\(\w+\)\w|<[^>]+>|&\w+;", "", text)):
                yield f"缺少译文（{origin}）：{text!r}"


# -- words ---------------------------------------------------------------------------------------------------------------


def unfinished() -> Iterator[str]:
    """Notes to oneself that were left in the source."""
    word = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
    files = [
        p for folder in CODE for p in sorted((ROOT / folder).rglob("*")) if p.suffix in {".py", ".html", ".js", ".css"}
    ]
    for file in files:
        if "vendor" in file.parts or ".min." in file.name:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if word.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: {line.strip()}"


def main() -> int:
    """All checks; 1 when one of them found something."""
    logging.disable(logging.WARNING)
    checks = [unfinished, missing_translations]
    if "--no-database" not in sys.argv:
        checks.append(migration_drift)
    found = [line for check in checks for line in check()]
    for line in found:
        print(line)
    print("检查通过。" if not found else f"共 {len(found)} 处需要处理。", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
