"""The import wizard: upload, dry run, confirm; every refusal leaves the page usable."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl
import pytest

from models.base import db
from tests.client import post, text
from tests.ledger.support import fresh_unit, job_of, ledger_size, read_job, work

SAMPLES = Path(__file__).parent.parent / "samples"
MISTAKES = SAMPLES / "ledger_with_mistakes.xlsx"


def upload(client, path, name=None):
    data = path if isinstance(path, bytes) else path.read_bytes()
    return post(client, "/imports/new", {"file": (io.BytesIO(data), name or path.name)}, page="/imports/new")


def imported(client, path):
    """Upload, check, confirm, write; gives the job. What was refused stays as a draft."""
    job = job_of(upload(client, path))
    assert work(job) == "waiting"
    post(client, f"/imports/{job}/confirm")
    assert work(job) == ("waiting" if read_job(job).counts["refused"] else "done")
    return job


@pytest.mark.parametrize(
    "url", ["/imports/new", "/imports/template.xlsx", "/imports/divisions.xlsx", "/imports/catalogue.xlsx"]
)
def test_only_units_import(browser, url):
    assert browser("ua1").get(url).status_code == 200
    for who in ("recA", "regA1", "adm"):
        assert browser(who).get(url).status_code == 403


def test_the_acceptance_of_a_ledger_with_mistakes(world, browser, session):
    unit = fresh_unit(world, "ui1")
    client = browser(unit)
    job = job_of(upload(client, MISTAKES))
    assert "正在逐行检查" in text(client.get(f"/jobs/{job}"))
    assert client.get(f"/jobs/{job}.json").json["state"] == "queued"
    assert work(job) == "waiting"
    assert ledger_size(world, unit) == 0
    page = text(client.get(f"/jobs/{job}"))
    assert "确认导入 7 台" in page
    counts = read_job(job).counts
    assert (counts["new"], counts["refused"], counts["unchanged"]) == (7, 9, 0)
    assert "【440100】是属于市级代码" in page
    assert "已按“电子计价秤”录入，请核对。" in page
    refused = text(client.get(f"/jobs/{job}?outcome=refused"))
    body = refused.split("<tbody>")[1]
    assert [n for n in range(1, 30) if f'data-label="行号">第{n}行<' in body] == [4, 5, 6, 8, 9, 10, 14, 16, 17]
    warned = text(client.get(f"/jobs/{job}?outcome=warning")).split("<tbody>")[1]
    assert 'data-label="行号">第12行<' in warned
    assert "下载待更正的行" in page
    sheet = openpyxl.load_workbook(io.BytesIO(client.get(f"/imports/{job}/errors.xlsx").data)).active
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == [4, 5, 6, 8, 9, 10, 14, 16, 17]
    assert post(client, f"/imports/{job}/confirm").status_code == 303
    assert post(client, f"/imports/{job}/confirm", follow_redirects=True).status_code == 200  # a double click
    assert work(job) == "waiting"  # what is left waits as a draft
    assert ledger_size(world, unit) == 7
    assert "已写入台账 7 台，其余的行保留在这里" in text(client.get(f"/jobs/{job}"))
    again = job_of(upload(client, MISTAKES))
    assert work(again) == "waiting"
    page = text(client.get(f"/jobs/{again}"))
    assert "没有可以新增的器具" in page
    assert read_job(again).counts["unchanged"] == 7
    answer = post(client, f"/imports/{again}/confirm", follow_redirects=True)
    assert "没有可以导入的新记录" in text(answer)
    assert ledger_size(world, unit) == 7
    assert post(client, f"/imports/{again}/give-up").status_code == 303
    assert read_job(again).state == "cancelled"


def test_all_categories_of_a_county_ledger(world, browser, session):
    unit = fresh_unit(world, "ui2")
    imported(browser(unit), SAMPLES / "ledger_wuyuan_all_categories.xlsx")
    assert ledger_size(world, unit) == 23
    assert "23 台" in text(browser(unit).get("/instruments/list/"))


@pytest.mark.feature("IMP-10")
def test_the_corrected_error_workbook_gives_the_rest(world, browser, session):
    unit = fresh_unit(world, "ui3")
    client = browser(unit)
    job = imported(client, MISTAKES)
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"/imports/{job}/errors.xlsx").data))
    sheet = book.active
    heads = [c.value for c in sheet[1]]
    assert heads[0] == "行号"
    assert heads[-1] == "问题"
    for row in sheet.iter_rows(min_row=2):
        if row[0].value == 6:
            row[next(i for i, h in enumerate(heads) if "行政区划" in str(h))].value = "440103"
    out = io.BytesIO()
    book.save(out)
    second = job_of(upload(client, out.getvalue(), "更正.xlsx"))
    assert work(second) == "waiting"
    assert read_job(second).counts["new"] == 1
    post(client, f"/imports/{second}/confirm")
    work(second)
    assert ledger_size(world, unit) == 8


@pytest.mark.feature("IMP-01")
def test_a_filled_template_imports(world, browser, session):
    unit = fresh_unit(world, "ui4")
    client = browser(unit)
    book = openpyxl.load_workbook(io.BytesIO(client.get("/imports/template.xlsx").data))
    sheet = book["器具信息"]
    values = {
        "器具名称": "电子计价秤",
        "一级目录": "非自动衡器",
        "二级目录": "非自动衡器",
        "使用地点行政区划": "440103",
        "安装/使用地点": "市场1号",
        "器具用途": "贸易结算",
        "送检方式": "现场检",
    }
    heads = [str(c.value).rstrip("*") for c in sheet[2]]
    for number, serial in ((3, "T-1"), (4, "T-2")):
        for at, head in enumerate(heads, 1):
            sheet.cell(number, at).value = {**values, "出厂编号": serial}.get(head)
    out = io.BytesIO()
    book.save(out)
    job = job_of(upload(client, out.getvalue(), "模板.xlsx"))
    assert work(job) == "waiting"
    post(client, f"/imports/{job}/confirm")
    assert work(job) == "done"
    assert ledger_size(world, unit) == 2


def test_reference_downloads_come_from_the_live_tables(world, browser):
    sheet = openpyxl.load_workbook(io.BytesIO(browser("ua1").get("/imports/divisions.xlsx").data)).active
    rows = {row[0]: row[1] for row in sheet.iter_rows(min_row=2, values_only=True)}
    assert rows["440104"] == "越秀区"
    sheet = openpyxl.load_workbook(io.BytesIO(browser("ua1").get("/imports/catalogue.xlsx").data)).active
    assert "非自动衡器" in [row[2] for row in sheet.iter_rows(min_row=2, values_only=True)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("空.xlsx", b""),
        ("假.xlsx", b"not a workbook"),
        ("旧.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600),
        ("断.xlsx", MISTAKES.read_bytes()[:2000]),
        ("图.xlsx", b"\x89PNG\r\n\x1a\n" + b"0" * 100),
    ],
)
def test_ugly_files_are_refused_and_the_page_stays(world, browser, session, name, data):
    answer = upload(browser("ua2"), data, name)
    page = text(answer)
    assert answer.status_code == 422
    assert "文件没有导入" in page
    assert 'type="file"' in page
    assert "，请" in page.split("文件没有导入")[1].split("</ul>")[0]  # the sentence says the cure


def test_no_file_is_a_sentence(world, browser, session):
    answer = post(browser("ua2"), "/imports/new", {}, page="/imports/new")
    assert answer.status_code == 422
    assert "请选择要导入的台账文件。" in text(answer)


def test_a_second_import_while_one_runs_is_told_so(world, browser, session):
    unit = fresh_unit(world, "ui5")
    client = browser(unit)
    job = job_of(upload(client, MISTAKES))
    answer = upload(client, MISTAKES)
    assert answer.status_code == 409
    assert "已有一个导入任务正在进行" in text(answer)
    assert f"/jobs/{job}" in text(answer)
    assert post(client, f"/jobs/{job}/cancel").status_code == 303
    assert work(job) == "cancelled"
    assert "已取消" in text(client.get(f"/jobs/{job}"))
    assert ledger_size(world, unit) == 0
    assert job_of(upload(client, MISTAKES)) != job


@pytest.mark.must_never(16)
def test_jobs_belong_to_their_account(world, browser, session):
    unit = fresh_unit(world, "ui6")
    client = browser(unit)
    job = job_of(upload(client, MISTAKES))
    work(job)
    for who in ("ua1", "recA", "adm"):
        for url in (f"/jobs/{job}", f"/jobs/{job}.json"):
            assert browser(who).get(url).status_code == 404
        assert post(browser(who), f"/jobs/{job}/cancel").status_code == 404
    assert browser("ua1").get(f"/imports/{job}/errors.xlsx").status_code == 404
    assert post(browser("ua1"), f"/imports/{job}/confirm").status_code == 404
    assert post(browser("ua1"), f"/imports/{job}/give-up").status_code == 404
    assert f"/jobs/{job}" in text(client.get("/jobs/"))
    assert f"/jobs/{job}" not in text(browser("ua1").get("/jobs/"))


def test_typed_text_of_a_file_never_becomes_markup(world, browser, session):
    unit = fresh_unit(world, "ui7")
    client = browser(unit)
    book = openpyxl.load_workbook(MISTAKES)
    header = next(r for r in book.active.iter_rows() if any("器具名称" in str(c.value) for c in r))
    at = next(c.column for c in header if "器具名称" in str(c.value))
    book.active.cell(header[0].row + 1, at).value = "<b>粗</b>"
    out = io.BytesIO()
    book.save(out)
    job = job_of(upload(client, out.getvalue(), "<i>x</i>.xlsx"))
    work(job)
    page = text(client.get(f"/jobs/{job}"))
    assert "<b>粗</b>" not in page
    assert "&lt;b&gt;粗" in page
    assert "<i>x" not in page


def test_the_worker_is_rung_after_the_commit(app, world, browser, session, monkeypatch):
    rung = []

    def ring(_app, job_id):
        db.session.remove()
        rung.append((job_id, read_job(job_id) is not None))

    monkeypatch.setattr("views.edge.ring_job", ring)
    unit = fresh_unit(world, "ui8")
    job = job_of(upload(browser(unit), MISTAKES))
    assert rung == [(job, True)]
    upload(browser(unit), b"broken", "x.xlsx")
    assert len(rung) == 1
