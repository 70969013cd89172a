"""The whole platform as its users meet it: `python run.py` in a process of its own, and a real browser in front.

Database and Redis are those of the test run (a fresh database, a Redis number of its own); web, worker and scheduler
are started and stopped by the platform's own supervisor. The browser notes every console error and every violation of
the content policy; a test that ends with one fails.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from tests.servers import create_database

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "var" / "screenshots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Platform:
    """A running platform: its address, its environment, and its commands."""

    def __init__(self, url: str, environment: dict[str, str], process: subprocess.Popen[str]) -> None:
        self.url, self.environment, self.process = url, environment, process

    def flask(self, *arguments: str) -> str:
        """Run one command of the platform's own command line; gives what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "run", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


@contextmanager
def running_platform(admin_url: str, redis_url: str, var: Path, name: str) -> Iterator[Platform]:
    """Start `python run.py` on a fresh database and wait for its ready line."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "DATABASE_URL": create_database(admin_url, name),
        "REDIS_URL": re.sub(r"db=\d+$", "db=14", redis_url),
        "QUANHENG_VAR": str(var),
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "QUANHENG_BASE_URL": url,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "run.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith("ready "):
            break
    else:
        raise AssertionError("the platform did not start: " + "".join(lines))
    assert urlopen(f"{url}/healthz").status == 200
    try:
        yield Platform(url, environment, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The application under test on a port of its own, in a thread; gives its address."""
    port = free_port()
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium of the distribution."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            yield made
        finally:
            made.close()


class Person:
    """Somebody before a browser of their own. `shot` keeps a picture; `complaints` gathers what the console said."""

    def __init__(self, chromium: Browser, url: str, name: str, viewport: dict[str, int] | None = None) -> None:
        self.context: BrowserContext = chromium.new_context(
            base_url=url,
            viewport=viewport or DESKTOP,
            locale="zh-CN",
            accept_downloads=True,  # type: ignore[arg-type]
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.name, self.complaints = name, []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"pageerror: {error}"))

    def _console(self, message) -> None:
        # the browser itself reports an answer of 4xx as an error; those are asserted where they are meant
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.text} ({self.page.url})")

    def go(self, address: str) -> Person:
        self.page.goto(address)
        return self

    def login(self, username: str, password: str) -> Person:
        self.go("/login/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]:has-text('登录')")
        self.page.wait_for_url("**/home/**")
        return self

    def login_as_registrant(self, username: str, password: str) -> Person:
        """Log in while the registration is not approved: only one's own registration is there."""
        self.go("/login/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]:has-text('登录')")
        self.page.wait_for_url("**/register/mine**")
        return self

    def press(self, words: str, *, confirm: bool = False, reason: str | None = None) -> Person:
        """Press a button or link by its words; answer the dialog that asks for a confirmation or a reason."""
        page = self.page
        page.locator(
            f"main button:not([aria-hidden=true]):has-text('{words}'):visible, main a:has-text('{words}'):visible"
        ).first.click()
        if reason is not None or confirm:
            dialog = page.locator("dialog[open]")
            dialog.wait_for()
            if reason is not None:
                dialog.locator("textarea").fill(reason)
            with page.expect_navigation():
                dialog.locator("button[value=yes]").click()
        return self

    def pick(self, field: str, term: str) -> Person:
        """Choose in a field that searches the server: type, wait, take the first answer."""
        box = self.page.locator(f"#{field}-box")
        box.click()
        box.fill(term)
        option = self.page.locator(f"#{field}-box-list [role=option]", has_text=term).first
        option.wait_for()
        option.click()
        return self

    def bulk(self, words: str) -> Person:
        """Press a button of the bar for ticked rows, say yes if a dialog asks, and wait for the next page."""
        with self.page.expect_navigation():
            self.page.locator(f"[data-bulk] button:has-text('{words}')").click()
            self.page.wait_for_timeout(300)
            if self.page.locator("dialog[open]").count():
                self.page.locator("dialog[open] button[value=yes]").click()
        return self

    def send(self) -> Person:
        """Press the filled button of the page's form and wait for the answer."""
        with self.page.expect_navigation():
            self.page.locator("main form button.btn-primary:visible").last.click()
        return self

    def sees(self, text: str, within: float = 15) -> Person:
        """Wait until the page shows the text."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if text in self.page.locator("body").inner_text():
                return self
            self.page.wait_for_timeout(150)
        raise AssertionError(
            f"{self.name} does not see “{text}” at {self.page.url}:\n{self.page.locator('body').inner_text()[:1500]}"
        )

    def shot(self, name: str, *, full: bool = False) -> Person:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=full)
        return self

    def fits(self) -> Person:
        """Nothing sticks out sideways."""
        width = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 1, f"{self.page.url} is {width} px too wide for {self.page.viewport_size}"
        return self
