"""Accounts from a workbook: all or none, each wrong row by its number, links shown once, hostile files refused."""

from __future__ import annotations

import base64
import io
import itertools
import re

import openpyxl
import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from models import Account, AuditLog
from models.base import db
from tests.accounts.test_issuing import LINK, activated, by_username, id_number, sent_to, wrong_number
from tests.client import log_in, login, post, text, visitor

pytestmark = pytest.mark.usefixtures("context")
_numbers = itertools.count(830_001)
STAFF = ["账号类型*", "用户名*", "姓名*", "手机号", "邮箱", "角色", "技术机构", "辖区", "任职有效期至"]
EXPERTS = ["用户名*", "姓名*", "身份证号*", "手机号*", "工作单位", "专业"]


def workbook(heads, rows) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(heads)
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def uploaded(client, kind, data, name="账号.xlsx"):
    return post(client, "/accounts/import", {"kind": kind, "file": (io.BytesIO(data), name)})


def count():
    with as_system("test"):
        db.session.rollback()
        return db.session.scalar(select(func.count()).select_from(Account))


def institute_name(world, nick="A"):
    from models import Institute

    return db.session.get(Institute, world.institutes[nick]).name


@pytest.mark.feature("SUP-03")
def test_the_templates_carry_the_columns(app, world):
    admin = login(app, world, "adm")
    for kind, heads in (("staff", STAFF), ("experts", EXPERTS)):
        book = openpyxl.load_workbook(io.BytesIO(admin.get(f"/accounts/import/{kind}.xlsx").data))
        assert [cell.value for cell in book["账号"][1]] == heads
        assert book["账号"]["B2"].number_format == "@", "a phone stays text"
        assert "不正确则全部不派发" in book["填写说明"]["A1"].value


@pytest.mark.feature("REG-22")
def test_two_experts_are_imported_and_log_in(app, world):
    admin, rows = login(app, world, "adm"), []
    for name in ("孙专家", "李专家"):
        n = next(_numbers)
        rows.append([f"exp{n}", name, id_number(n), f"135{n:08d}", "省计量科学研究院", "电能表"])
    answer = uploaded(admin, "experts", workbook(EXPERTS, rows))
    page = text(answer)
    assert answer.status_code == 200, page
    assert "已派发2个账号" in page
    assert answer.headers["Cache-Control"] == "no-store"
    for username, name, number, phone, *_rest in rows:
        assert number not in page
        made = by_username(username)
        assert (made.kind, made.roles, made.name, made.state) == ("expert", ["EXP"], name, "invited")
        assert (made.id_number, made.phone, made.specialty) == (number, phone, "电能表")
        (body,) = sent_to(phone)
        link = LINK.search(body).group()
        assert link in page
        assert link not in text(admin.get(f"/accounts/show/{made.id}")), "shown once"
        activated(app, link)
        browser = visitor(app)
        assert log_in(browser, username).status_code == 302
        assert browser.get("/home/").status_code == 200
    assert text(admin.get("/accounts/import")).count("/activate/") == 0
    with as_system("test"):
        line = select(AuditLog).where(AuditLog.action == "issue_workbook").order_by(AuditLog.seq.desc()).limit(1)
        assert db.session.execute(line).scalar_one().detail["count"] == 2


@pytest.mark.feature("SUP-03")
def test_one_wrong_row_issues_nobody(app, world):
    admin, n, m = login(app, world, "adm"), next(_numbers), next(_numbers)
    good = ["监管人员", f"sup{n}", "周全", "", f"sup{n}@example.com", "", "", "440103", "2099-12-31"]
    rows = [
        good,
        ["监管人员", f"sup{n}", "吴一", "12345", "", "", "", "999999", ""],
        ["检定员", f"sup{m}", "郑二", "", "", "", "", "", "明天"],
        ["技术机构人员", f"ins{m}", "王三", "", "", "受理员、批准人", "没有的所", "", ""],
        ["", "", "冯四", "", "", "", "", "", ""],
    ]
    before = count()
    answer = uploaded(admin, "staff", workbook(STAFF, rows))
    page = text(answer)
    assert answer.status_code == 422
    told = re.findall(r"<li>(第\d+行：[^<]+)</li>", page)
    assert [line.split("行")[0] for line in told] == ["第3", "第4", "第5", "第6"]
    assert "手机号格式不正确" in told[0]
    assert "“用户名”与第2行重复" in told[0]
    assert "“999999”不是6位行政区划代码" in told[0]
    assert "“账号类型”须为技术机构人员、监管人员" in told[1]
    assert "“任职有效期至”不是日期" in told[1]
    assert "没有名称或代号为“没有的所”的技术机构" in told[2]
    assert "不能由同一人兼任" in told[2]
    assert "请填写“账号类型”" in told[3]
    assert count() == before
    alone = uploaded(admin, "staff", workbook(STAFF, [good]))
    assert alone.status_code == 200, text(alone)
    made = by_username(f"sup{n}")
    assert (made.area, made.roles, made.valid_until.isoformat()) == ("440103", ["REG"], "2099-12-31")
    again = uploaded(admin, "staff", workbook(STAFF, [good]))
    assert "第2行：该用户名已被使用" in text(again)


@pytest.mark.feature("SUP-03")
def test_staff_by_institute_and_the_result_as_a_workbook(app, world):
    admin, n, m = login(app, world, "adm"), next(_numbers), next(_numbers)
    rows = [
        ["技术机构人员", f"ins{n}", "陈五", 13_600_000_000 + n, "", "检定员、批准人", institute_name(world), "", ""],
        ["审计员", f"aud{m}", "卫六", "", f"aud{m}@example.com", "", "", "", ""],
    ]
    page = text(uploaded(admin, "staff", workbook(STAFF, rows)))
    made = by_username(f"ins{n}")
    assert (made.roles, made.institute_id) == (["APR", "VER"], world.institutes["A"])
    assert made.phone == str(13_600_000_000 + n), "a number typed as a number is no 1.36E+10"
    found = re.search(r'href="data:[^;]+;base64,([^"]+)"', page).group(1)
    book = openpyxl.load_workbook(io.BytesIO(base64.b64decode(found)))
    lines = list(book.active.iter_rows(values_only=True))
    assert lines[0] == ("行", "用户名", "姓名", "账号类型", "链接发送到", "激活链接")
    assert LINK.search(lines[1][5])
    assert lines[2][4] == "会签后发给本人"
    assert not lines[2][5], "nobody but the person gets an auditor's link"
    assert sent_to(f"aud{m}@example.com") == []


@pytest.mark.feature("SUP-03", "REG-22")
def test_files_that_are_no_workbooks_are_refused(app, world):
    admin, before = login(app, world, "adm"), count()
    n = next(_numbers)
    row = [f"exp{n}", "杨七", id_number(n), f"135{n:08d}", "", ""]
    for data, name, sentence in (
        (b"", "空.xlsx", "文件是空的"),
        (b"a,b\n1,2\n", "表.csv", "CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600, "旧.xls", ".xls"),
        (workbook(["甲", "乙"], [["1", "2"]]), "别的.xlsx", "没有找到表头"),
        (workbook(["用户名", "姓名"], [["a", "b"]]), "缺列.xlsx", "缺少必填列：身份证号、手机号"),
        (workbook(EXPERTS, []), "没有行.xlsx", "没有数据行"),
        (workbook(EXPERTS, [["=1+1", *row[1:]]]), "公式.xlsx", "第2行：单元格含公式"),
        (workbook(EXPERTS, [row] * 501), "太多.xlsx", "超过500行"),
    ):
        answer = uploaded(admin, "experts", data, name)
        assert answer.status_code == 422, name
        assert sentence in text(answer), name
    assert "请选择要上传的" in text(post(admin, "/accounts/import", {"kind": "experts"}))
    assert "身份证号码校验不正确" in text(
        uploaded(admin, "experts", workbook(EXPERTS, [[*row[:2], wrong_number(n), *row[3:]]]))
    )
    assert count() == before


@pytest.mark.feature("SUP-03")
@pytest.mark.parametrize("who", ["ua1", "imgA", "regA", "aud", "sec"])
def test_only_the_administrator_imports(app, world, who):
    client = login(app, world, who)
    assert client.get("/accounts/import").status_code == 403
    assert client.get("/accounts/import/staff.xlsx").status_code == 403
    assert uploaded(client, "staff", workbook(STAFF, [])).status_code == 403
