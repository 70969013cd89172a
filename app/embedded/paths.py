"""Where the embedded servers keep their data, logs and sockets. Pure: nothing is started, nothing is written."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DATABASE = "quanheng"
ROLE = "quanheng"
SUPERUSER = "postgres"

# sun_path holds 108 bytes on Linux and 104 on BSD, and PostgreSQL refuses a longer name at start.
MAX_SOCKET_BYTES = 100
POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"

# unix_socket_directories is a comma-separated list with its own quoting: only harmless names are used in place.
_HARMLESS = re.compile(r"[A-Za-z0-9_./+-]+")


@dataclass(frozen=True)
class Endpoints:
    """The two addresses the platform needs, as SQLAlchemy and redis-py read them."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Layout:
    """Every path below one data directory (``QUANHENG_VAR``)."""

    var: Path

    @property
    def postgres(self) -> Path:
        """The PostgreSQL cluster."""
        return self.var / "postgres"

    @property
    def redis(self) -> Path:
        """The folder of Redis' append-only file."""
        return self.var / "redis"

    @property
    def log(self) -> Path:
        """One log file per process."""
        return self.var / "log"

    @property
    def tag(self) -> str:
        """A short name of this data directory, the same in every process."""
        return hashlib.sha256(os.fsencode(self.var)).hexdigest()[:12]

    @property
    def sockets(self) -> Path:
        """The folder of both Unix sockets: ``var/run``, or a short one under the temp directory.

        ``/tmp`` rather than ``$TMPDIR``: two terminals with different TMPDIR must find the same socket.
        """
        near = self.var / "run"
        longest = near / POSTGRES_SOCKET
        if len(os.fsencode(longest)) < MAX_SOCKET_BYTES and _HARMLESS.fullmatch(str(near)):
            return near
        root = Path("/tmp")
        if not os.access(root, os.W_OK | os.X_OK):
            root = Path(tempfile.gettempdir())
        return root / f"quanheng-{os.getuid()}-{self.tag}"

    @property
    def redis_socket(self) -> Path:
        """The socket Redis listens on."""
        return self.sockets / REDIS_SOCKET

    def endpoints(self) -> Endpoints:
        """The addresses the application uses."""
        return Endpoints(self.postgres_url(), f"unix://{quote(str(self.redis_socket))}?db=0")

    def postgres_url(self, role: str = ROLE, database: str = DATABASE) -> str:
        """A SQLAlchemy URL of one database of this cluster."""
        return f"postgresql+psycopg://{role}@/{database}?host={quote(str(self.sockets), safe='')}"


def layout(var: Path | str) -> Layout:
    """The layout of a data directory; symbolic links are resolved so that every spelling means the same servers."""
    return Layout(Path(var).resolve())


def endpoints(var: Path | str) -> Endpoints:
    """The addresses of the servers of this data directory, whether they run or not."""
    return layout(var).endpoints()


def libpq_url(url: str) -> str:
    """The same address without SQLAlchemy's driver name, as psycopg reads it."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
