"""Texts with versions and files to download: what the administrator puts, everybody gets (REG-07, REG-09)."""

from __future__ import annotations

import io
import re
import zipfile

import openpyxl
import pytest
from sqlalchemy import delete, select

from app.access.principal import as_system
from app.operations import site
from models import AuditLog, Consent, SiteFile, SiteText
from models.base import db
from tests.client import login, post, text, visitor

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture(autouse=True)
def as_delivered(context):
    yield
    db.session.rollback()
    with as_system("test"):
        for model in (SiteText, SiteFile):
            db.session.execute(delete(model))
        db.session.commit()


def word(content: str = "授权书") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", content)
    return out.getvalue()


def sheet() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active["A1"] = "指南"
    book.save(out)
    return out.getvalue()


def put(client, kind, data, name):
    return post(client, "/site/file", {"kind": kind, "file": (io.BytesIO(data), name)})


@pytest.mark.feature("REG-07")
def test_the_link_downloads_the_document_uploaded_last(app, world):
    admin, anybody = login(app, world, "adm"), visitor(app)
    first, second = word("第一份"), word("第二份")
    assert put(admin, "letter", first, "法人授权书模板.docx").status_code == 303
    assert anybody.get("/site-files/letter").data == first
    assert put(admin, "letter", second, "法人授权书模板（2026）.docx").status_code == 303
    answer = anybody.get("/site-files/letter")
    assert answer.data == second
    assert answer.content_type == site.WORD
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with as_system("test"):
        line = select(AuditLog).where(AuditLog.action == "site_file").order_by(AuditLog.seq.desc()).limit(1)
        found = db.session.execute(line).scalar_one()
        assert (found.entity_id, found.actor_id) == ("letter", world.people["adm"])
    assert put(admin, "letter", b"%PDF-1.7\n...", "授权书.pdf").status_code == 303
    assert anybody.get("/site-files/letter").content_type == "application/pdf"
    assert put(admin, "guide", sheet(), "注册指南.xlsx").status_code == 303
    assert "注册指南.xlsx" in text(admin.get("/site/"))


@pytest.mark.feature("REG-07")
def test_before_the_first_upload_the_platforms_own_form_is_given(app, world):
    answer = visitor(app).get("/site-files/letter", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.data.startswith(b"%PDF-")
    assert visitor(app).get("/site-files/guide").status_code == 404
    assert visitor(app).get("/site-files/no-such").status_code == 404


@pytest.mark.feature("REG-07")
def test_wrong_files_are_refused_with_the_cure(app, world):
    admin = login(app, world, "adm")
    macro = io.BytesIO(word())
    with zipfile.ZipFile(macro, "a") as archive:
        archive.writestr("word/vbaProject.bin", "x")
    for data, name, sentence in (
        (b"", "空.docx", "文件是空的"),
        (b"<html>", "页.docx", "内容须与扩展名一致"),
        (b"%PDF-1.7", "假.docx", "内容须与扩展名一致"),
        (b"MZ" + b"0" * 100, "程序.exe", "只能上传 docx、pdf、xlsx"),
        (b"PK\x03\x04broken", "坏.docx", "不是 Word 文档"),
        (b"PK\x03\x04broken", "坏.xlsx", "文件不完整或已损坏"),
        (word(), "其实是文档.xlsx", "不是 Excel 工作簿"),
        (macro.getvalue(), "宏.docx", "含宏"),
        (b"%PDF-1.7 /OpenAction /JavaScript", "脚本.pdf", "含脚本或嵌入内容"),
        (b"%PDF-" + b"0" * (10 * 1024 * 1024), "大.pdf", "超过10 MB"),
    ):
        answer = put(admin, "letter", data, name)
        assert answer.status_code in {413, 422}, name
        assert sentence in text(answer), name
    assert "请选择要上传的文件" in text(post(admin, "/site/file", {"kind": "letter"}))
    with as_system("test"):
        assert site.file_of(db.session(), "letter") is None


@pytest.mark.feature("REG-09")
def test_a_new_wording_is_a_new_version_and_old_consents_keep_theirs(app, world):
    admin, anybody = login(app, world, "adm"), visitor(app)
    first = text(anybody.get("/texts/privacy"))
    assert "第1版" in first
    page = text(admin.get("/site/text?key=privacy"))
    seen = re.search(r'name="seen_version" value="(\d+)"', page).group(1)
    data = {"key": "privacy", "seen_version": seen, "title": "个人信息隐私政策（修订）"}
    data["body"] = "一、收集\n只收集必要的<script>alert(1)</script>信息。\n\n二、保存\n三年。"
    assert post(admin, "/site/text", data).status_code == 303
    now = text(anybody.get("/texts/privacy"))
    assert "个人信息隐私政策（修订）" in now
    assert "第2版" in now
    assert "<script>alert(1)" not in now
    assert "<h2>二、保存</h2>" in now
    assert "我们收集什么" in text(anybody.get("/texts/privacy?version=1")), "who agreed before can read what it was"
    assert anybody.get("/texts/privacy?version=9").status_code == 404
    with as_system("test"):
        consent = Consent(account_id=world.people["ua1"], document="privacy", text_version="1")
        db.session.add(consent)
        db.session.commit()
        post(admin, "/site/text", {**data, "seen_version": "2", "title": "第三次"})
        db.session.expire_all()
        assert db.session.get(Consent, consent.id).text_version == "1"
        assert site.text_of(db.session(), "privacy").version == 3
        line = select(AuditLog).where(AuditLog.action == "site_text").order_by(AuditLog.seq.desc()).limit(1)
        assert db.session.execute(line).scalar_one().detail == {"old": 2, "new": 3}


@pytest.mark.feature("REG-09")
def test_two_editors_do_not_overwrite_each_other(app, world):
    admin = login(app, world, "adm")
    data = {"key": "agreement", "seen_version": "1", "title": "协议", "body": "甲"}
    assert post(admin, "/site/text", data).status_code == 303
    late = post(admin, "/site/text", {**data, "body": "我写的长文字"})
    assert late.status_code == 422
    assert "已被他人处理" in text(late)
    assert "我写的长文字" in text(late), "what was typed stays"
    same = post(admin, "/site/text", {**data, "seen_version": "2"})
    assert "内容没有变化" in text(same)
    empty = post(admin, "/site/text", {**data, "seen_version": "2", "body": " "})
    assert empty.status_code == 422


@pytest.mark.feature("REG-09")
def test_every_text_opens_and_has_chinese_words(app):
    anybody = visitor(app)
    for key in site.text_keys():
        page = anybody.get(f"/texts/{key}")
        assert page.status_code == 200, key
        with app.app_context():
            assert site.text_of(db.session(), key).title in text(page)
    assert anybody.get("/texts/..%2f..%2fetc").status_code == 404


@pytest.mark.parametrize("who", ["ua1", "recA", "regA", "aud", "sec"])
def test_only_the_administrator_edits(app, world, who):
    client = login(app, world, who)
    assert client.get("/site/").status_code == 403
    assert client.get("/site/text?key=privacy").status_code == 403
    assert post(client, "/site/text", {"key": "privacy", "title": "x", "body": "y"}).status_code == 403
    assert put(client, "letter", word(), "a.docx").status_code == 403
