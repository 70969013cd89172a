"""Headers, error pages, languages and weight of the face."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.fab.parts import state_chip

STATIC = Path(__file__).resolve().parents[2] / "app" / "static"
TEMPLATES = STATIC.parent / "templates"


def test_headers_of_a_logged_in_page(client):
    answer = client.get("/toydeviceview/list/")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert len(answer.headers["X-Request-ID"]) >= 8
    assert "Strict-Transport-Security" not in answer.headers
    assert "Strict-Transport-Security" in client.get("/home", base_url="https://localhost").headers


def test_request_id_is_taken_over_only_when_harmless(anonymous):
    assert anonymous.get("/portal", headers={"X-Request-ID": "abcdef123456"}).headers["X-Request-ID"] == "abcdef123456"
    assert anonymous.get("/portal", headers={"X-Request-ID": "<script>"}).headers["X-Request-ID"] != "<script>"


@pytest.mark.parametrize("path", ["/portal", "/login/", "/nothing"])
def test_public_pages_are_light_and_need_no_library(anonymous, path):
    page = anonymous.get(path).get_data(as_text=True)
    used = re.findall(r'(?:href|src)="/static/([\w./-]+)"', page)
    assert not [u for u in used if "appbuilder" in u]
    weight = (
        len(page.encode()) + sum((STATIC / u).stat().st_size for u in set(used)) + (STATIC / "icons.svg").stat().st_size
    )
    assert weight < 100_000
    assert "http://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in page


def test_no_inline_script_or_style_in_any_template():
    seen = 0
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        seen += 1
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"\sstyle=|\son[a-z]+=\"|<style", text), path
    assert seen > 20


@pytest.mark.parametrize(
    "path",
    ["/toydeviceview/list/", "/toydeviceview/show/1", "/toydeviceview/add", "/job", "/home", "/wizard", "/nothing"],
)
def test_no_english_is_left(client, path):
    page = client.get(path).get_data(as_text=True)
    text = re.sub(r"<(script|style).*?</\1>", "", page.split("<body", 1)[1], flags=re.DOTALL)
    shown = re.sub(r"<[^>]+>", " ", text.split(">", 1)[1])
    words = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"&\w+;|&#\d+;", " ", shown)))
    keys = {"Enter"}  # of the keyboard
    assert words <= {"img", "src", "onerror", "alert", "script"} | keys | {
        w for w in words if re.fullmatch(r"[0-9a-f]{3,}", w)
    }


def test_error_page_inside_and_outside(client, anonymous):
    inside, outside = client.get("/nothing"), anonymous.get("/nothing")
    assert inside.status_code == outside.status_code == 404
    assert "没有找到这个页面" in inside.get_data(as_text=True)
    assert 'class="side"' in inside.get_data(as_text=True)
    assert 'class="portal"' in outside.get_data(as_text=True)


def test_unforeseen_error_tells_a_number_and_nothing_else(client):
    answer = client.get("/boom")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "系统出现意外" in page
    assert answer.headers["X-Request-ID"] in page
    assert "secret" not in page
    assert "Traceback" not in page


def test_programs_get_json(anonymous):
    answer = anonymous.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.get_json()["error"].startswith("没有找到")
    assert anonymous.get("/nothing", headers={"Accept": "application/json"}).is_json
    assert not anonymous.get("/nothing", headers={"Accept": "text/html,*/*"}).is_json


def test_stranger_is_sent_to_login_in_chinese(anonymous):
    answer = anonymous.get("/toydeviceview/list/", follow_redirects=True)
    page = answer.get_data(as_text=True)
    assert "请先登录，再打开该页面。" in page
    assert 'id="username"' in page


def test_login_works_and_is_limited(anonymous):
    wrong = {"username": "admin", "password": "wrong"}
    page = anonymous.post("/login/", data=wrong, follow_redirects=True).get_data(as_text=True)
    assert "用户名或密码不正确" in page
    codes = [anonymous.post("/login/", data=wrong).status_code for _ in range(6)]
    assert codes[-1] == 429
    assert "操作过于频繁" in anonymous.post("/login/", data=wrong).get_data(as_text=True)


def test_text_size_never_leads_away(anonymous):
    assert anonymous.get("/text-size/large?next=//evil.example").location == "/"
    assert anonymous.get("/text-size/large?next=/portal").location == "/portal"
    assert 'class="large"' in anonymous.get("/portal").get_data(as_text=True)


def test_public_page_sets_no_cookie(anonymous):
    answer = anonymous.get("/portal/nothing")
    assert "Set-Cookie" not in answer.headers
    assert "没有找到" in answer.get_data(as_text=True)


def test_state_chip_escapes_its_word_and_knows_its_kinds():
    assert "<b>" not in state_chip("ok", "<b>在用</b>")
    assert 'class="chip chip-muted"' in state_chip('"><script>', "在用")


def test_icons_used_exist(client):
    known = set(re.findall(r'symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    for path in ("/toydeviceview/list/", "/toydeviceview/show/1", "/home", "/job", "/portal", "/nothing"):
        used = set(re.findall(r"icons\.svg#([\w-]+)", client.get(path).get_data(as_text=True)))
        assert used
        assert used <= known
