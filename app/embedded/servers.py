"""Both servers of one data directory, started by whoever comes first and shared with whoever comes later."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.embedded.paths import Endpoints, Layout, layout
from app.embedded.postgres import Postgres
from app.embedded.process import ServerError
from app.embedded.redis import Redis

_PATIENCE = 300.0


class FileLock:
    """An exclusive lock the kernel frees when its holder dies. Children do not inherit it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        """Whether we hold it."""
        return self._file is not None

    def take(self) -> bool:
        """Take the lock if it is free; False when another process (or object) holds it."""
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


class EmbeddedServers:
    """The servers of one data directory as one process sees them: its own, or another process's.

    The holder of ``servers.lock`` owns the servers. It writes ``servers.ready`` when both answer and removes it
    before it stops them, so that nobody joins servers that are about to end.
    """

    def __init__(self, place: Layout, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> None:
        self.layout = place
        self.postgres = Postgres(place, durable) if postgres else None
        self.redis = Redis(place) if redis else None
        self._lock = FileLock(place.var / "servers.lock")
        self._ready = place.var / "servers.ready"

    @property
    def _parts(self) -> list[Postgres | Redis]:
        return [part for part in (self.postgres, self.redis) if part is not None]

    def ensure(self) -> bool:
        """Make both servers answer: join running ones, start our own, or restart what died. Cheap when all is well.

        Returns whether anything had to be started.

        Raises:
            ServerError: a server does not start.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self._lock.take():
            if self._shared():
                return False
            if time.monotonic() > deadline:
                raise ServerError("另一个进程正在启动或停止内置数据库，等待超时。请稍后重试。")
            time.sleep(0.1)
        dead = [part for part in self._parts if not part.alive()]
        if not dead:
            return False
        self._ready.unlink(missing_ok=True)
        for part in dead:
            part.start()
        names = [type(part).__name__ for part in self._parts]
        self._ready.write_text(f"{os.getpid()} {' '.join(names)}\n", encoding="ascii")
        return True

    def check(self) -> bool:
        """What the supervisor calls on every round: like ``ensure``, but without a network question when joined."""
        return self.ensure() if self._lock.held or self._lock.take() else False

    def stop(self) -> None:
        """Stop Redis, then PostgreSQL, if they are ours; leave another process's servers alone."""
        if not self._lock.held:
            return
        self._ready.unlink(missing_ok=True)
        for part in reversed(self._parts):
            part.stop()
        self._lock.release()

    def _shared(self) -> bool:
        try:
            names = self._ready.read_text(encoding="ascii").split()[1:]
        except OSError:
            return False
        return all(type(part).__name__ in names and part.answers() for part in self._parts)


@contextmanager
def running_servers(var: Path | str) -> Iterator[Endpoints]:
    """Both servers for the time of a ``with`` block.

    If the servers of this data directory already run (``make run`` in another terminal), they are used and left
    alone; otherwise they are started and stopped at the end. Call it from the main thread.

    Raises:
        ServerError: a server does not start.
    """
    servers = EmbeddedServers(layout(var))
    try:
        servers.ensure()
        yield servers.layout.endpoints()
    finally:
        servers.stop()
