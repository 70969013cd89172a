"""Migrations: one head, an empty database comes up, nothing differs from the models, down and up keeps the rows."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, inspect, text

from models.base import metadata
from tests.servers import create_database


@pytest.fixture
def empty(app, postgres_admin_url, worker_id, monkeypatch):
    """The application's engine on an empty database, for this test alone."""
    from models.base import db

    url = create_database(postgres_admin_url, f"migrate_{worker_id}")
    engine = create_engine(url)
    with app.app_context():
        monkeypatch.setitem(db.engines, None, engine)
        yield engine
    engine.dispose()


def test_one_head():
    script = ScriptDirectory("migrations")
    assert len(script.get_heads()) == 1
    for revision in script.walk_revisions():
        assert revision.doc, revision.revision
        assert len(revision.revision) <= 32, revision.revision


def test_up_on_an_empty_database_and_no_drift(empty):
    upgrade()
    from tests.checks import keep

    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": keep})
        assert compare_metadata(context, metadata) == []
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_down_and_up_keeps_rows(empty):
    upgrade()
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO division (code, name, level) VALUES ('440103', '荔湾区', 'county')"))
        connection.execute(
            text(
                "INSERT INTO unit (code, name, division_code, address, contact_name, contact_phone, active) "
                "VALUES ('91440101MA00000000', '荔湾加油站', '440103', '路1号', '王', 'x', true)"
            )
        )
    downgrade(revision="0001_foundation")
    with empty.begin() as connection:
        assert "ix_unit_name_bg" not in {i["name"] for i in inspect(connection).get_indexes("unit")}
        assert connection.scalar(text("SELECT name FROM unit")) == "荔湾加油站"
    upgrade()
    with empty.begin() as connection:
        assert connection.scalar(text("SELECT name FROM unit WHERE bigrams(name) @> bigrams('加油')")) == "荔湾加油站"


def test_down_to_nothing_leaves_nothing(empty):
    upgrade()
    downgrade(revision="base")
    assert set(inspect(empty).get_table_names()) - {"alembic_version"} == set()
