"""Fixtures: one migrated template database per run, a copy per worker, the application, and a small world."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from tests.servers import create_database

pytest_plugins = ["tests.servers", "tests.order"]
os.environ.pop("DATABASE_URL", None)
# Dozens of processes import the application here, and each would compile all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="session")
def database_url(postgres_admin_url: str, worker_id: str) -> str:
    return create_database(postgres_admin_url, f"test_{worker_id}")


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    return getattr(request.config, "workerinput", {}).get("workerid", "main")


@pytest.fixture(scope="session")
def settings(database_url: str, redis_url: str, var_dir: Path) -> dict[str, object]:
    """Settings of the application under test; also in the environment, for processes that tests start."""
    os.environ["QUANHENG_VAR"] = str(var_dir)
    os.environ["DATABASE_URL"] = database_url
    os.environ["REDIS_URL"] = redis_url
    cheap = "scrypt:1024:8:1"  # the tests log in thousands of times; tests/login/test_timing.py uses the real cost
    return {
        "FAB_PASSWORD_HASH_METHOD": cheap,
        "AUTH_DB_FAKE_PASSWORD_HASH_CHECK": generate_password_hash("nobody", method=cheap),
        "SQLALCHEMY_DATABASE_URI": database_url,
        "REDIS_URL": redis_url,
        "RATELIMIT_STORAGE_URI": redis_url.replace("unix://", "redis+unix://", 1),
        "VAR_DIR": str(var_dir),
        "UPLOAD_DIR": str(var_dir / "uploads"),
        "TESTING": True,
        "SERVER_NAME": None,
        "BASE_URL": "http://127.0.0.1:8080",
    }


@pytest.fixture(scope="session")
def app(settings: dict[str, object]):
    """The application on a database made by the migrations, with reference data and grants."""
    from flask_migrate import upgrade

    from run import create_app

    application = create_app(settings)
    with application.app_context():
        upgrade()
        from app import reference
        from app.access.grants import sync
        from app.access.principal import as_system
        from models.base import db

        with as_system("test set-up"):
            reference.load(db.session())
            sync(db.session(), application.appbuilder.baseviews)
            db.session.commit()
        db.session.remove()
    return application


@pytest.fixture(scope="session")
def world(app):
    """Units, institutes and people of every role, built through the operations; read it, add to it, never undo it."""
    from tests.world import build_world

    with app.app_context():
        made = build_world()
    return made


@pytest.fixture
def context(app):
    """An application context with a clean session; whatever a test did not commit is rolled back."""
    from models.base import db

    with app.app_context():
        yield
        db.session.rollback()
        db.session.remove()


@pytest.fixture
def session(context):
    from models.base import db

    return db.session()
