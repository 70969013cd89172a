"""Starts, watches and stops the platform's own processes: web, worker, cron."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.embedded.paths import Layout
from app.embedded.process import ServerError, end_leftovers, last_lines, spawn, start_time, stop
from app.embedded.schema import at_head
from app.embedded.servers import EmbeddedServers
from app.embedded.web import address, check_port, health

HEALTH_PATIENCE = 60.0
_ROUND = 0.1  # seconds between two looks at the children
_LONGEST_BACKOFF = 30.0
_SETTLED = 60.0  # a child that lived this long is not in a crash loop


def say(text: str) -> None:
    """One line for the person at the terminal, at once even into a pipe."""
    print(text, flush=True)


@dataclass
class Service:
    """One child process that must always run."""

    name: str
    command: Sequence[str]
    patience: Sequence[tuple[signal.Signals, float]]
    child: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    restart_at: float | None = field(default=None)

    def died(self) -> bool:
        """Whether it was started and is gone."""
        return self.child is not None and self.child.poll() is not None


class Supervisor:
    """Everything between "the port is free" and "all has stopped".

    Args:
        place: the data directory.
        root: the folder of run.py.
        host, port: where the web server listens.
        env: the environment of the children, with both URLs.
        servers: the embedded servers, or an object without parts.
    """

    def __init__(
        self, place: Layout, root: Path, host: str, port: int, env: Mapping[str, str], servers: EmbeddedServers
    ) -> None:
        self.place, self.root, self.host, self.port, self.env, self.servers = place, root, host, port, env, servers
        self.stopping = False
        term, kill = signal.SIGTERM, signal.SIGKILL
        flask = [sys.executable, "-m", "flask", "--app", "run"]
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "app/embedded/gunicorn_conf.py", "run:create_app()"]
        # In the order they start; they stop in reverse. A worker's second SIGTERM ends the job it is in: jobs resume.
        self.services = [
            Service("web", gunicorn, [(term, 20.0), (kill, 5.0)]),
            Service("worker", [*flask, "worker"], [(term, 10.0), (term, 5.0), (kill, 5.0)]),
            Service("cron", [*flask, "cron"], [(term, 10.0), (kill, 5.0)]),
        ]

    def run(self) -> int:
        """Start everything, say ``ready``, watch until told to stop. Returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        try:
            self._end_leftovers()  # first: they may still hold the port
            check_port(self.host, self.port)
            self.servers.ensure()
            self._prepare()
            for service in self.services:
                self._start(service)
            self._await_health()
            if not self.stopping:
                say(f"ready {address(self.host, self.port)}")
            while not self.stopping:
                self._look()
                time.sleep(_ROUND)
        finally:
            self.stopping = True
            self._stop_all()
        say("已停止，数据已保存。")
        return 0

    def _asked_to_stop(self, number: int, frame: object) -> None:
        # Only a flag: children are stopped by the main loop, in order, however often Ctrl-C is pressed.
        text = "正在收尾，请稍候。" if self.stopping else "正在停止……"
        self.stopping = True
        os.write(1, f"{text}\n".encode())  # print may be interrupted by itself and then raises

    def _prepare(self) -> None:
        """Schema and reference data, before anything serves."""
        if not at_head(self.env["DATABASE_URL"], self.root / "migrations" / "versions"):
            say("正在建立或升级数据库结构……")
            self._command("migrate", "db", "upgrade")
        self._command("setup", "setup")

    def _asked(self) -> bool:
        # A call, so that the type checker knows the answer may change between two lines.
        return self.stopping

    def _command(self, name: str, *arguments: str) -> None:
        """Run one ``flask`` command to its end.

        Raises:
            ServerError: it failed; the text carries the end of its log.
        """
        if self.stopping:
            return
        log = self.place.log / f"{name}.log"
        command = [sys.executable, "-m", "flask", "--app", "run", *arguments]
        child = spawn(command, log=log, death_signal=signal.SIGTERM, cwd=self.root, env=self.env)
        while child.poll() is None:
            if self._asked():
                stop(child, [(signal.SIGTERM, 10.0)])
                return
            time.sleep(0.05)
        if child.returncode != 0:
            text = f"命令 flask {' '.join(arguments)} 失败，日志 {log} 的末尾是："
            raise ServerError(f"{text}\n{last_lines(log)}")

    def _start(self, service: Service) -> None:
        if self.stopping:
            return
        log = self.place.log / f"{service.name}.log"
        service.child = spawn(service.command, log=log, death_signal=signal.SIGTERM, cwd=self.root, env=self.env)
        service.started, service.restart_at = time.monotonic(), None
        self._remember()

    def _await_health(self) -> None:
        """Poll /healthz until it says 200.

        Raises:
            ServerError: the web process ended, or the time is over; the text carries the end of its log.
        """
        deadline = time.monotonic() + HEALTH_PATIENCE
        answer = "没有回答"
        while not self.stopping and time.monotonic() < deadline:
            if self.services[0].died():
                answer = "进程已退出"
                break
            answer = health(self.host, self.port)
            if answer == "200":
                return
            time.sleep(_ROUND)
        if self.stopping:
            return
        parts = [f"平台没有启动成功（/healthz：{answer}）。"]
        for service in self.services:
            log = self.place.log / f"{service.name}.log"
            parts.append(f"日志 {log} 的末尾是：\n{last_lines(log)}")
        raise ServerError("\n".join(parts))

    def _look(self) -> None:
        """One round: bring back whatever died."""
        if self.servers.check():
            say("内置数据库已重新启动。")
        now = time.monotonic()
        for service in self.services:
            if service.restart_at is not None and now >= service.restart_at:
                self._start(service)
            elif service.restart_at is None and service.died():
                self._plan_restart(service, now)

    def _plan_restart(self, service: Service, now: float) -> None:
        assert service.child is not None
        service.failures = 1 if now - service.started > _SETTLED else service.failures + 1
        delay = min(_LONGEST_BACKOFF, 2.0 ** (service.failures - 1))
        service.restart_at = now + delay
        code = service.child.returncode
        log = self.place.log / f"{service.name}.log"
        say(f"进程 {service.name} 意外退出（代码 {code}），{delay:.0f} 秒后重新启动；日志见 {log}。")

    def _stop_all(self) -> None:
        for service in reversed(self.services):
            if service.child is not None:
                stop(service.child, service.patience)
        self._children_file.unlink(missing_ok=True)
        self.servers.stop()

    @property
    def _children_file(self) -> Path:
        return self.place.var / "children.json"

    def _remember(self) -> None:
        """Write down who our children are, so that a start after kill -9 can end those still finishing."""
        pids = [service.child.pid for service in self.services if service.child is not None]
        text = json.dumps({str(pid): start_time(pid) for pid in pids})
        fresh = self._children_file.with_suffix(".new")
        fresh.write_text(text, encoding="ascii")
        fresh.replace(self._children_file)

    def _end_leftovers(self) -> None:
        """End children of a killed supervisor; two cron processes would do everything twice."""
        try:
            known: dict[str, str] = json.loads(self._children_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return

        def living() -> list[int]:
            # Number and start time together: a number alone may have gone to a stranger.
            return [int(pid) for pid, born in known.items() if born is not None and start_time(int(pid)) == born]

        end_leftovers(living, [(signal.SIGTERM, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
