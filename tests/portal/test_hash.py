"""Checking a file by its fingerprint: nothing is uploaded, nothing can be walked, and it works without a script."""

import hashlib
import os

import pytest

from app import filestore
from app.access.principal import as_system
from models import Certificate, Unit
from models.base import db
from tests.client import text, visitor
from tests.world import booked, issued


@pytest.fixture(scope="module")
def made(app, world):
    with app.app_context():
        good, failed = (issued(world, booked(world, "ua1").items[0], conclusion=word) for word in ("pass", "fail"))
        with as_system("test"):
            row, bad = db.session.get(Certificate, good), db.session.get(Certificate, failed)
            unit = db.session.get(Unit, world.units["ua1"])
            found = {
                "data": filestore.read(row.pdf_sha256),
                "failed": bad.pdf_sha256,
                "number": row.number,
                "serial": row.facts["serial_no"],
                "hidden": [unit.contact_phone, unit.contact_name, unit.code, unit.address],
            }
        db.session.remove()
    return found


@pytest.fixture
def config(app):
    """Settings of this test alone."""
    before = dict(app.config)
    yield app.config
    app.config.clear()
    app.config.update(before)
    app.extensions.pop("limits", None)


def test_a_file_as_issued_is_found_with_the_facts_of_its_paper(app, world, made):
    answer = visitor(app).get(f"/v/hash/{hashlib.sha256(made['data']).hexdigest()}")
    page = text(answer)
    assert answer.status_code == 200
    assert "文件与检定机构签发的电子证书完全一致。" in page
    assert made["number"] in page
    assert "<strong>有效</strong>" in page
    assert made["serial"] not in page, "masked as on every public page"
    for secret in made["hidden"]:
        assert secret not in page
    assert "<strong>不合格</strong>" in text(visitor(app).get(f"/v/hash/{made['failed']}"))
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


@pytest.mark.parametrize("change", ["bit", "cut", "longer"])
def test_a_changed_file_is_not_found(app, world, made, change):
    data = made["data"]
    bent = {"bit": data[:500] + bytes([data[500] ^ 1]) + data[501:], "cut": data[:-1], "longer": data + b"\n"}[change]
    answer = visitor(app).get(f"/v/hash/{hashlib.sha256(bent).hexdigest()}")
    assert answer.status_code == 404
    assert "未找到，文件可能被修改过" in text(answer)


def test_every_wrong_fingerprint_reads_the_same(app, world, made):
    """Unknown, of a draft, misspelt, cut: one page, one status."""
    wrong = [os.urandom(32).hex(), "0" * 64, "xyz", made["failed"][:63], "%27 OR 1=1", "a" * 500]
    answers = [visitor(app).get(f"/v/hash/{value}") for value in wrong]
    assert {a.status_code for a in answers} == {404}
    pages = {text(a).replace(a.request.path, "#").replace(value, "#") for a, value in zip(answers, wrong, strict=True)}
    shown = {page[page.index("<main") : page.index("</main>")] for page in pages}
    assert len(shown) == 1


def test_a_fingerprint_pasted_with_spaces_and_capitals_works_without_a_script(app, world, made):
    client = visitor(app)
    typed = hashlib.sha256(made["data"]).hexdigest().upper()
    answer = client.get("/v/check", query_string={"sha256": f"  {typed[:32]} {typed[32:]} "})
    assert answer.status_code == 303
    assert made["number"] in text(client.get(answer.location))
    for bad in ("", "abc", "g" * 64, "<script>alert(1)</script>"):
        refused = client.get("/v/check", query_string={"sha256": bad})
        assert refused.status_code == 422
        assert "文件指纹应为64位" in text(refused)
        assert "<script>alert(1)" not in text(refused)


def test_the_page_uploads_nothing(app, world):
    page = text(visitor(app).get("/v/check"))
    start = page.index('id="check"')
    form = page[page.rindex("<form", 0, start) : page.index("</form>", start)]
    assert 'method="get"' in form
    assert 'type="file"' not in form, "the file stands outside the form, so no browser can send it"
    assert 'enctype="multipart' not in page
    assert "/static/hash.js" in page
    assert " style=" not in page
    for link in ("/v", "/v/NO-1/AAAAAAA2"):
        assert 'href="/v/check"' in text(visitor(app).get(link))


def test_fingerprints_count_with_the_other_look_ups(app, world, config):
    config["LOOKUP_LIMIT"] = "3 per hour"
    client = visitor(app)
    answers = [client.get(f"/v/hash/{n:064x}").status_code for n in range(3)]
    assert answers == [404] * 3
    assert client.get("/v/hash/" + "a" * 64).status_code == 429
    assert client.get("/v/NO-1/AAAAAAA2").status_code == 429


@pytest.mark.browser
def test_the_browser_computes_and_only_the_fingerprint_leaves(app, world, made, tmp_path):
    import threading

    from playwright.sync_api import sync_playwright
    from werkzeug.serving import make_server

    file = tmp_path / "证书.pdf"
    file.write_bytes(made["data"])
    server = make_server("127.0.0.1", 0, app, threaded=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sent = []
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
            )
            page = browser.new_page()
            page.on("request", lambda r: sent.append((r.method, r.url, r.post_data)))
            page.goto(f"http://127.0.0.1:{server.port}/v/check")
            page.set_input_files("#file", str(file))
            page.wait_for_url("**/v/hash/*")
            assert "有效" in page.inner_text("main")
            assert made["number"] in page.inner_text("main")
            browser.close()
    finally:
        server.shutdown()
    assert {method for method, _url, _data in sent} == {"GET"}
    assert {data for _method, _url, data in sent} == {None}
    assert max(len(url) for _method, url, _data in sent) < 200
