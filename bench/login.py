"""What the log-in page costs: `python -m bench.login`.

Starts the whole platform (`python run.py`) in a folder of its own and reports

- medians of wrong log-ins with known and with unknown names, interleaved (ASVS 6.3.8: within 5 %);
- the 95th percentile of a good user's pages, with and without a flood of wrong log-ins from another address at ten
  times the limit of an hour, sent within each window (goal: at most 10 % slower).

Addresses of the loopback net stand for clients: 127.0.0.1 is the good user.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from app.embedded import endpoints

ROOT = Path(__file__).resolve().parents[1]
TOKEN = re.compile(r'name="csrf_token"[^>]*?value="([^"]+)"')
NAME, PASSWORD, LIMIT = "benchadmin", "Zhongqiu-Yuebing-26", 50


@dataclass
class Client:
    """A browser at an address of its own."""

    port: int
    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, float]:
        """(status, body, seconds)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(self.address, 0))
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "User-Agent": "bench"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        begun = time.perf_counter()
        connection.request(method, path, urlencode(form) if form is not None else None, headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        taken = time.perf_counter() - begun
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, body, taken

    def token(self) -> str:
        """The CSRF token of the log-in page."""
        found = TOKEN.search(self.ask("GET", "/login/")[1])
        assert found is not None
        return found.group(1)

    def try_login(self, token: str, name: str, password: str) -> tuple[int, float]:
        """(status, seconds) of one log-in."""
        form = {"username": name, "password": password, "csrf_token": token}
        status, _body, taken = self.ask("POST", "/login/", form)
        return status, taken


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(var: Path, port: int) -> subprocess.Popen[str]:
    """The platform, ready to answer, with one administrator."""
    environment = os.environ | {
        "QUANHENG_VAR": str(var),
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "QUANHENG_BASE_URL": f"http://127.0.0.1:{port}",
        "QUANHENG_SECOND_FACTOR": "offered",
        "PYTHONUNBUFFERED": "1",
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "run.py"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            break
    else:
        raise RuntimeError("the platform did not start")
    threading.Thread(target=process.stdout.read, daemon=True).start()
    command = [sys.executable, "-m", "flask", "--app", "run", "user", "create-admin"]
    command += ["--username", NAME, "--name", "基准管理员", "--password", PASSWORD]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return process


def medians(port: int, database: str, calls: int) -> tuple[float, float]:
    """Seconds of a wrong log-in with a known and with an unknown name; the count that would lock is reset between."""
    known, unknown = [], []
    with psycopg.connect(database, autocommit=True) as connection:
        for number in range(calls):
            if number % 20 == 0:
                client = Client(port, f"127.0.{1 + number // 20 // 200}.{2 + number // 20 % 200}")
                token = client.token()
            for name, times in ((NAME, known), (f"nobody{number}x", unknown)):
                status, taken = client.try_login(token, name, "wrong-password-1")
                assert status == 422, status
                times.append(taken)
            connection.execute("UPDATE account SET failed_logins = 0")
    return statistics.median(known), statistics.median(unknown)


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[94]


def window(client: Client, seconds: float, pause: float) -> list[float]:
    """A person who opens a page every `pause` seconds: how long each took."""
    end, times = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        status, _body, taken = client.ask("GET", "/me")
        assert status == 200, status
        times.append(taken)
        time.sleep(pause)
    return times


def flood(port: int, address: str, seconds: float, count: int, statuses: list[int]) -> None:
    """`count` wrong log-ins from one address, spread over the time."""
    client = Client(port, address)
    token, begun = client.token(), time.perf_counter()
    for number in range(count):
        wait = begun + seconds * number / count - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        statuses.append(client.try_login(token, "nobody-here", "wrong-password-1")[0])


def flooded(port: int, rounds: int, seconds: float, *, hashes: bool) -> tuple[float, float, list[int]]:
    """(p95 in quiet, p95 under the flood, the flood's answers); windows alternate, each flood from a new address."""
    good = Client(port, "127.0.0.1")
    status, _taken = good.try_login(good.token(), NAME, PASSWORD)
    assert status == 302, status
    window(good, 5, 0.05)
    quiet, loud, statuses = [], [], []
    for number in range(rounds):
        quiet += window(good, seconds, 0.05)
        address = f"127.0.9.{2 + number}"
        if not hashes:  # the tries within the limit cost a hash each: fifty an hour, not fifty a window
            flood(port, address, 1, LIMIT, [])
        attack = threading.Thread(target=flood, args=(port, address, seconds, 10 * LIMIT, statuses))
        attack.start()
        loud += window(good, seconds, 0.05)
        attack.join()
    return _p95(quiet), _p95(loud), statuses


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each window")
    parser.add_argument(
        "--hashes", action="store_true", help="let the hour's fifty tested passwords fall into each window"
    )
    options = parser.parse_args()
    var, port = Path(tempfile.mkdtemp(prefix="quanheng-bench-", dir="/tmp")), _free_port()
    process = start(var, port)
    try:
        database = endpoints(var).database_url.replace("postgresql+psycopg://", "postgresql://")
        known, unknown = medians(port, database, options.calls)
        gap = abs(known - unknown) / max(known, unknown)
        print(
            f"wrong log-ins, {options.calls} each: known {known * 1000:.1f} ms, unknown {unknown * 1000:.1f} ms, {gap:.1%}"
        )
        quiet, loud, statuses = flooded(port, options.rounds, options.seconds, hashes=options.hashes)
        refused = statuses.count(429)
        print(
            f"a good user's p95: {quiet * 1000:.1f} ms in quiet, {loud * 1000:.1f} ms under a flood, ratio {loud / quiet:.2f}"
        )
        print(
            f"the flood: {len(statuses)} tries in {options.rounds} windows of {options.seconds:.0f} s, {refused} refused"
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        shutil.rmtree(var, ignore_errors=True)


if __name__ == "__main__":
    main()
