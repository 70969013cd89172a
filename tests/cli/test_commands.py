"""The command line: every command, with its exit code and what other programs read of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app import clock
from app.access.principal import as_system
from app.documents.xlsx import write_rows
from app.operations.instrument import EXPORT_COLUMNS
from app.workflow import REGISTRY
from models import Appointment, AppointmentItem, Certificate, DevelopmentMail, Filing, Instrument
from models.base import db
from tests.world import PNG, instrument, slot_of, uscc
from views.cli import walk

SAMPLES = Path(__file__).parents[1] / "samples"
KEYS = {"rows", "created", "unchanged", "refused", "problems"}


@pytest.fixture
def run(app, world):
    """Run a command; gives its result, with the session left clean."""

    def invoke(*arguments: str, code: int = 0):
        with app.app_context():
            result = app.test_cli_runner().invoke(args=list(arguments), catch_exceptions=False)
        assert result.exit_code == code, (arguments, result.output)
        return result

    with app.app_context():
        db.session.remove()
    return invoke


def one(app, statement):
    with app.app_context(), as_system("test"):
        try:
            return db.session.execute(statement).scalars().first()
        finally:
            db.session.remove()


def imported(run, file: Path, code: str, *more: str) -> dict:
    return json.loads(run("ledger", "import", str(file), "--unit", code, "--json", *more).stdout)


@pytest.fixture(scope="module")
def fresh_unit(app, world):
    """A unit with an empty ledger."""
    from tests.world import new_unit

    with app.app_context():
        new_unit(world, "ucli", "440103", "recA", "A")
        db.session.remove()
    return world.codes["ucli"]


# -- ledgers ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("IMP-03")
def test_importing_what_a_unit_keeps(run, fresh_unit):
    for name in ("ledger_wuyuan_all_categories", "ledger_hohhot_fuel_stations"):
        file = SAMPLES / f"{name}.xlsx"
        before = imported(run, file, fresh_unit, "--dry-run")
        assert set(before) >= KEYS
        assert before["dry_run"] is True
        assert before["rows"] == before["created"] + before["unchanged"] + before["refused"]
        assert before["created"] > 0
        after = imported(run, file, fresh_unit)
        assert {k: after[k] for k in KEYS} == {k: before[k] for k in KEYS}, "the dry run foretells the import"
        again = imported(run, file, fresh_unit)
        assert (again["created"], again["unchanged"]) == (0, after["created"] + after["unchanged"])


@pytest.mark.feature("IMP-07")
def test_mistakes_name_row_column_and_cure(run, fresh_unit):
    report = imported(run, SAMPLES / "ledger_with_mistakes.xlsx", fresh_unit, "--dry-run")
    assert report["refused"] > 0
    for problem in report["problems"]:
        assert set(problem) == {"row", "column", "severity", "message"}
        assert isinstance(problem["row"], int)
        assert problem["severity"] in {"error", "warning"}
        assert problem["message"].startswith(f"第{problem['row']}行")
    columns = {p["column"] for p in report["problems"]}
    assert columns <= {*EXPORT_COLUMNS, "种别代码", ""}
    words = run(
        "ledger", "import", str(SAMPLES / "ledger_with_mistakes.xlsx"), "--unit", fresh_unit, "--dry-run"
    ).stdout
    assert re.search(r"共\d+行：将新增\d+，已存在\d+，拒绝\d+。", words)


@pytest.mark.feature("IMP-09")
def test_an_export_is_an_import_that_changes_nothing(run, fresh_unit, tmp_path):
    file = tmp_path / "out.xlsx"
    said = run("ledger", "export", str(file), "--unit", fresh_unit).stdout
    count = int(re.search(r"已导出 (\d+) 台器具", said).group(1))
    report = imported(run, file, fresh_unit)
    assert (report["rows"], report["created"], report["unchanged"], report["refused"]) == (count, 0, count, 0)
    assert [p for p in report["problems"] if p["severity"] == "error"] == []


def test_an_unknown_unit_and_a_wrong_file(run, fresh_unit, tmp_path):
    file = SAMPLES / "ledger_hohhot_fuel_stations.xlsx"
    assert "没有找到代码为 X" in run("ledger", "import", str(file), "--unit", "X", code=1).output
    wrong = tmp_path / "a.xlsx"
    wrong.write_bytes(b"no workbook")
    run("ledger", "import", str(wrong), "--unit", fresh_unit, code=1)


def test_units_as_json(run, fresh_unit):
    units = json.loads(run("unit", "list", "--json").stdout)
    assert fresh_unit in {u["code"] for u in units}
    assert all(set(u) == {"code", "name"} for u in units)
    assert f"共 {len(units)} 个单位" in run("unit", "list").stdout


# -- the operator's commands -------------------------------------------------------------------------------------------


def test_reference_tables(run):
    assert "已是最新" in run("reference", "load").stdout
    assert "已更新" in run("reference", "load", "--force").stdout
    assert "权限新增0，收回0" in run("setup").stdout


def test_making_an_administrator(run):
    said = run("user", "create-admin", "--username", "cliadmin", "--name", "张三").stdout
    assert re.search(r"/activate/[\w-]{40,}", said)
    said = run(
        "user", "create-admin", "--username", "cliadmin2", "--name", "李四", "--password", "Zhongqiu-Yuebing-26"
    ).stdout
    assert "可以登录" in said
    refused = run("user", "create-admin", "--username", "cliadmin", "--name", "王五", "--password", "x", code=1)
    assert "该用户名已被使用" in refused.output
    assert (
        "密码至少10个字符"
        in run(
            "user", "create-admin", "--username", "cliadmin3", "--name", "王五", "--password", "short", code=1
        ).output
    )


def test_making_an_institute(run):
    said = run("institute", "create", "--name", "中山计量所", "--code", "ZS1", "--division", "442000").stdout
    assert "授权种别" in said
    assert (
        "行政区划代码"
        in run("institute", "create", "--name", "x", "--code", "y", "--division", "999999", code=1).output
    )


def test_reminders_of_a_day(run, app, world):
    with app.app_context():
        from datetime import timedelta

        from tests.world import filed

        until = clock.today() + timedelta(days=400)
        made = filed(world, "ua1", valid_until=until)
        day, serial = until - timedelta(days=9), made.serial_no
        db.session.remove()
    first = run("reminders", "run", "--on", day.isoformat()).stdout
    assert int(re.search(r"新增提醒 (\d+) 条", first).group(1)) >= 1, serial
    assert f"{day}：新增提醒 0 条。" in run("reminders", "run", "--on", day.isoformat()).stdout


def test_integrity_tells_the_truth_by_its_exit_code(run, app, world):
    findings = json.loads(run("integrity", "check", "--json").stdout)
    assert {f["violations"] for f in findings} == {0}
    assert all(set(f) == {"id", "title", "violations"} for f in findings)
    with app.app_context():
        made = instrument(world, "ua1")
        db.session.execute(text("UPDATE instrument SET state = 'in_use' WHERE id = :id"), {"id": made.id})
        db.session.commit()
        pk = made.id
    try:
        findings = json.loads(run("integrity", "check", "--json", code=1).stdout)
        assert [f["id"] for f in findings if f["violations"]] == ["I-12"]
        assert "✗ I-12" in run("integrity", "check", code=1).stdout
    finally:
        with app.app_context():
            db.session.execute(text("UPDATE instrument SET state = 'unfiled' WHERE id = :id"), {"id": pk})
            db.session.commit()
            db.session.remove()
    run("integrity", "check")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_showing_a_workflow(run, name):
    said = run("workflow", "show", name).stdout
    assert "stateDiagram-v2" in said
    assert "步骤：" in said


def test_every_declared_workflow_is_listed_and_may_be_walked(run):
    listed = run("workflow", "show").stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(REGISTRY)
    assert {"transfer", "affiliation", "recovery", "unit_change"} <= set(REGISTRY)
    assert list(walk.step.params[0].type.choices) == list(REGISTRY)


# -- the whole way by commands -------------------------------------------------------------------------------------------


@pytest.mark.feature("APT-03")
def test_from_registration_to_the_certificate(run, app, world, tmp_path):
    names = world.names
    code, email = uscc(777_001), "cliwalk@example.com"
    form = {
        "unit_name": "命令行加油站有限公司",
        "code": code,
        "division_code": "440103",
        "address": "人民路2号",
        "contact_name": "王小明",
        "phone": "13877770001",
        "email": email,
        "username": "cliwalk1",
        "password": "Zhongqiu-Yuebing-26",
        "password_again": "Zhongqiu-Yuebing-26",
        "institute_id": world.institutes["A"],
        "agree": "1",
    }
    (tmp_path / "form.json").write_text(json.dumps(form), encoding="utf-8")
    (tmp_path / "paper.png").write_bytes(PNG)
    papers = ["--licence", str(tmp_path / "paper.png"), "--authorisation", str(tmp_path / "paper.png")]
    said = run("register", str(tmp_path / "form.json"), *papers).stdout
    account = re.search(r"账号编号 (\d+)", said).group(1)
    assert one(app, select(DevelopmentMail.recipient).where(DevelopmentMail.recipient == email)) == email
    for stranger in ("verA", "recB"):  # only reviewers of the chosen institute see the application
        refused = run("step", "account", account, "approve", "--as", names[stranger], code=1)
        assert "记录不存在或您无权查看。" in refused.output
    assert "正常" in run("step", "account", account, "approve", "--as", names["recA"]).stdout
    rows = [
        [
            "电子计价秤",
            "非自动衡器",
            "非自动衡器",
            "ACS-30",
            "(0-30)kg",
            "Ⅲ",
            f"CLI-{n}",
            "",
            "大华",
            "国产",
            "440103",
            "农贸市场1号",
            None,
            1,
            "贸易结算",
            "现场检",
            None,
            "",
        ]
        for n in range(2)
    ]
    write_rows(tmp_path / "ledger.xlsx", EXPORT_COLUMNS, rows)
    assert imported(run, tmp_path / "ledger.xlsx", code)["created"] == 2
    ids = []
    for n in range(2):
        ids.append(str(one(app, select(Instrument.id).where(Instrument.serial_no == f"CLI-{n}"))))
    said = run("file-instruments", *ids, "--as", "cliwalk1", "--institute", str(world.institutes["A"])).stdout
    assert "成功2条，未办理0条。" in said
    for pk in ids:
        filing = str(one(app, select(Filing.id).where(Filing.instrument_id == int(pk))))
        assert "已审核" in run("step", "filing", filing, "approve", "--as", names["recA"]).stdout
    with app.app_context():
        slot = str(slot_of(world, "A").id)
        db.session.remove()
    said = run("book-instruments", *ids, "--as", "cliwalk1", "--slot", slot).stdout
    order = int(re.search(r"编号 (\d+)", said).group(1))
    assert (
        "器具“电子计价秤 CLI-0”已在预约单"
        in run("book-instruments", ids[0], "--as", "cliwalk1", "--slot", slot, code=1).output
    )
    run("step", "appointment", str(order), "accept", "--as", names["recA"])
    item = str(one(app, select(AppointmentItem.id).where(AppointmentItem.appointment_id == order)))
    run("step", "item", item, "receive", "--as", names["recA"], "--set", "checked=1")
    said = run("record-result", item, "--as", names["verA"], "--conclusion", "pass").stdout
    paper = re.search(r"证书草稿编号 (\d+)", said).group(1)
    run("step", "certificate", paper, "submit", "--as", names["verA"])
    assert (
        "核验员与检定员不能为同一人" in run("step", "certificate", paper, "check", "--as", names["verA"], code=1).output
    )
    run("step", "certificate", paper, "check", "--as", names["chkA"])
    run("step", "certificate", paper, "issue", "--as", names["aprA"])
    assert one(app, select(Certificate.state).where(Certificate.id == int(paper))) == "issued"
    assert one(app, select(Instrument.last_result).where(Instrument.id == int(ids[0]))) in {"pass", None}
    assert one(app, select(Appointment.state).where(Appointment.id == order)) == "in_progress"
    run("integrity", "check")


def test_issuing_an_account(run, world):
    said = run(
        "issue-account",
        "--as",
        world.names["adm"],
        "--username",
        "clistaff1",
        "--name",
        "赵六",
        "--kind",
        "institute",
        "--role",
        "REC",
        "--institute",
        str(world.institutes["A"]),
    ).stdout
    assert "激活链接" in said
    refused = run(
        "issue-account",
        "--as",
        world.names["adm"],
        "--username",
        "clistaff2",
        "--name",
        "赵六",
        "--kind",
        "institute",
        "--role",
        "REC",
        "--role",
        "APR",
        "--institute",
        str(world.institutes["A"]),
        code=1,
    )
    assert "不能由同一人兼任" in refused.output
