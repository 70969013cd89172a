"""pytest plugin: one temporary PostgreSQL and Redis for the whole run, shared by all xdist workers.

The process that commands (the xdist controller, or the only one) starts them when they are first needed and stops
them at the end, also after Ctrl-C; after kill -9 the kernel does. Workers get the addresses through ``workerinput``.

Plugged in by ``pytest_plugins = ["tests.servers"]`` in tests/conftest.py.
"""

from __future__ import annotations

import re
import shutil
import tempfile

import psycopg
import pytest
from psycopg import sql

from app.embedded.paths import SUPERUSER, layout, libpq_url
from app.embedded.servers import EmbeddedServers

_SERVERS = pytest.StashKey[EmbeddedServers]()
_KEYS = ("postgres_admin_url", "redis_base_url")


def _addresses(config: pytest.Config) -> dict[str, str]:
    """The addresses of the run's servers, starting them on the first call in the commanding process."""
    given = getattr(config, "workerinput", None)
    if given is not None:
        return {key: given[key] for key in _KEYS}
    servers = config.stash.get(_SERVERS, None)
    if servers is None:
        # Under /tmp and short: sockets lie inside. fsync off: these rows need not survive a power cut.
        servers = EmbeddedServers(layout(tempfile.mkdtemp(prefix="quanheng-test-", dir="/tmp")), durable=False)
        config.stash[_SERVERS] = servers
        servers.ensure()
    place = servers.layout
    return dict(zip(_KEYS, (place.postgres_url(SUPERUSER, "postgres"), place.endpoints().redis_url), strict=True))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Hand the addresses to one xdist worker."""
    node.workerinput.update(_addresses(node.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    servers = config.stash.get(_SERVERS, None)
    if servers is not None:
        servers.stop()
        shutil.rmtree(servers.layout.var, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_admin_url(request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of the superuser on the database ``postgres``: for making databases."""
    return _addresses(request.config)["postgres_admin_url"]


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis database of this test process alone."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    return re.sub(r"db=\d+$", f"db={number}", _addresses(request.config)["redis_base_url"])


def create_database(admin_url: str, name: str, template: str | None = None) -> str:
    """Make an empty database, or a copy of ``template`` (which nobody may be connected to); returns its URL.

    A database of that name is dropped first, connected or not.
    """
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as connection:
        database = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        # Copying files beats replaying a log of them, and nothing here must survive a crash.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        connection.execute(statement.format(database, sql.Identifier(template or "template0")))
    return re.sub(r"@/[^?]*", f"@/{name}", admin_url)
