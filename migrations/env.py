"""Alembic's environment: one chain for FAB's tables and ours, with short lock and statement limits."""

from __future__ import annotations

import warnings

from alembic import context
from flask import current_app
from sqlalchemy import text

import models
from models.base import db, metadata

# indexes with an operator class are written by hand (0002) and left out of the comparison above
warnings.filterwarnings("ignore", message=".*operator clause.*")
assert models.Instrument, "importing the package registers every table"
config = context.config


def include_object(obj, name, kind, reflected, compare_to):
    """Expression indexes are written by hand in migrations; autogenerate cannot compare them."""
    if kind == "index" and obj is not None and not reflected:
        return not any(getattr(e, "__visit_name__", "") == "textclause" for e in obj.expressions)
    if kind == "index" and reflected and compare_to is None:
        return not name.endswith(("_bg", "_reversed", "_serial", "_division", "_folded"))
    return True


def render_item(kind, obj, _autogen):
    """A migration never imports the application: encrypted columns are plain text to the database."""
    if kind == "type" and type(obj).__name__ == "Encrypted":
        return f"sa.String(length={obj.impl.length})"
    if kind == "type" and type(obj).__name__ == "EncryptedText":
        return "sa.Text()"
    return False


def run() -> None:
    """Run the migrations on the application's own engine."""
    with db.engine.connect() as connection:
        # a migration that waits for a lock would stop the whole site behind it
        connection.execute(text("SET lock_timeout = '4s'"))
        connection.execute(text("SET statement_timeout = '600s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=include_object,
            compare_type=True,
            render_item=render_item,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


assert current_app, "run through `flask db …`"
run()
