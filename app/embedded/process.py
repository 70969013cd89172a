"""Child processes that do not outlive their parent, and the search for those that did."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.embedded.account import Account

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec a child must not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServerError(RuntimeError):
    """A server or child process could not do its work; the text is a sentence for the person at the terminal."""


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals,
    account: Account | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that appends to ``log`` and receives ``death_signal`` when this process dies, even by kill -9.

    The child leads its own session, so a Ctrl-C of the terminal reaches the supervisor alone, which then stops
    the children in the right order.

    The kernel sends the signal when the *thread* that forked ends: call this from the main thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            # subprocess changes the user first and calls preexec_fn after: a change of user clears the signal.
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=_die_with_parent(death_signal),  # noqa: PLW1509  only the main thread comes here
        )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    prctl, parent, number = _LIBC.prctl, os.getpid(), int(death_signal)

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the parent died between fork and prctl: nobody would send the signal
            os._exit(1)

    return arm


def wait(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a child; False when it still runs after ``seconds``."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def stop(child: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send the signals one by one, each with its seconds of patience; SIGKILL to the whole group at the end."""
    for number, patience in signals:
        if child.poll() is not None:
            return
        child.send_signal(number)
        if wait(child, patience):
            return
    kill_group(child.pid)
    child.wait()


def kill_group(pid: int) -> None:
    """SIGKILL a session leader and the processes it started; silent when they are gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def processes_named(*needles: str) -> list[int]:
    """Process ids whose command line or title contains every needle. Empty where there is no /proc.

    The command line is read, not the working directory: a container's root may not look at the latter.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:  # ended while we looked
            continue
        if int(entry.name) != os.getpid() and all(os.fsencode(needle) in line for needle in needles):
            found.append(int(entry.name))
    return found


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; with the pid this names one process for ever."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def end_leftovers(find: Callable[[], list[int]], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """End processes that an earlier, killed parent left behind, and return only when they are gone.

    Raises:
        ServerError: they do not end.
    """
    for number, patience in signals:
        pids = find()
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + patience
        while find() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not find():
            return
    raise ServerError(f"上次运行留下的进程 {find()} 无法结束，请手工结束后重试。")


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log file, indented, for a message on the terminal."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-count:])
