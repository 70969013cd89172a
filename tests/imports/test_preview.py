"""The preview: corrected in place, good rows now and the rest as a draft, and the result is what was shown."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import openpyxl
import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.documents.xlsx import write_rows
from app.errors import QuanhengError, WrongStateError
from app.operations import import_edit, ledger_import
from app.operations.import_store import cell_text
from app.operations.instrument import EXPORT_COLUMNS, export_rows
from models import Instrument, TransitionLog
from models.base import db
from tests.client import post, text
from tests.imports.support import (
    ask,
    book,
    checked,
    ledger_of,
    messy,
    outcomes_of,
    rows_of,
    sentences_of,
    written,
)
from tests.ledger.support import fresh_unit, ledger_size, read_job, work


@pytest.mark.feature("IMP-03")
def test_a_thousand_rows_with_one_bad(world, session):
    unit = fresh_unit(world, "im1")
    pk = checked(world, unit, book([{"使用地点行政区划": "440100"} if n == 7 else {} for n in range(1_000)]))
    assert outcomes_of(pk).count("refused") == 1
    bad = rows_of(pk)[7]
    problem = next(p for p in bad.problems if p["severity"] == "error")
    assert (bad.row_number, problem["column"]) == (9, "use_division")
    assert "【440100】是属于市级代码，使用区域须填最后两位不是“00”的区县级代码！" in problem["message"]
    assert written(world, unit, pk) == "waiting"
    assert ledger_size(world, unit) == 999
    job = read_job(pk)
    assert (job.counts["created"], job.counts["refused"], job.counts["new"]) == (999, 1, 0)
    with as_system("test"):
        lines = select(TransitionLog.instrument_id).where(TransitionLog.unit_id == world.units[unit])
        assert len(set(session.execute(lines.where(TransitionLog.step == "import")).scalars())) == 999


@pytest.mark.parametrize("seed", [1, 2])
def test_what_the_preview_says_is_what_happens(world, session, seed):
    """I-11: a thousand seeded rows; accepted rows and sentences, again after the writing, differ in nothing."""
    unit = fresh_unit(world, f"im2{seed}")
    pk = checked(world, unit, book(messy(seed, 1_000)))
    shown = {row.position: (row.outcome, row.problems, row.values) for row in rows_of(pk)}
    promised = {p for p, (outcome, _, _) in shown.items() if outcome == "new"}
    assert 400 < len(promised) < 950
    written(world, unit, pk)
    rows = rows_of(pk)
    assert {row.position for row in rows if row.outcome == "created"} == promised
    assert [(r.problems, r.values) for r in rows] == [shown[r.position][1:] for r in rows]
    ledger = {row.id: row for row in ledger_of(world, unit)}
    assert len(ledger) == len(promised)
    for row in rows:
        if row.outcome == "created":
            made = ledger[row.instrument_id]
            for key in ("name", "serial_no", "model", "place", "purpose", "delivery_mode", "quantity", "category_id"):
                assert getattr(made, key) == row.values[key], key


def test_checking_again_finds_the_same(world, session):
    """What a correction does to the rest of the file: nothing."""
    unit = fresh_unit(world, "im3")
    pk = checked(world, unit, book(messy(3, 300)))
    before = [(r.outcome, r.problems, r.values, r.dup_key) for r in rows_of(pk)]
    with world.acting(unit) as actor:
        job = ledger_import.open_import(session, pk)
        import_edit.recheck_all(session, job, actor)
    assert [(r.outcome, r.problems, r.values, r.dup_key) for r in rows_of(pk)] == before


def test_a_cell_is_corrected_and_its_row_checked(world, browser, session):
    unit = fresh_unit(world, "im4")
    client = browser(unit)
    pk = checked(world, unit, book([{}, {"器具用途": "做生意"}, {"出厂编号": "N00000"}]))
    assert outcomes_of(pk) == ["new", "refused", "refused"]
    assert 'data-edit="purpose"' in text(client.get(f"/jobs/{pk}"))
    status, answer = ask(client, f"/imports/{pk}/cells/3", column="purpose", value="乱写")
    assert status == 200
    assert answer["counts"]["refused"] == 2
    status, answer = ask(client, f"/imports/{pk}/cells/3", column="purpose", value="贸易结算")
    assert (answer["counts"]["new"], answer["counts"]["refused"]) == (2, 1)
    assert 'data-outcome="new"' in answer["rows"][0]["html"]
    # the first row gives its number up: the third, which repeated it, becomes good by itself
    status, answer = ask(client, f"/imports/{pk}/cells/2", column="serial_no", value="ANOTHER")
    assert {row["position"] for row in answer["rows"]} == {2, 4}
    assert outcomes_of(pk) == ["new", "new", "new"]
    assert written(world, unit, pk) == "done"
    assert ledger_size(world, unit) == 3


def test_the_same_for_all_rows_like_it(world, browser, session):
    unit = fresh_unit(world, "im5")
    client = browser(unit)
    rows = [{"器具用途": "做生意"} for _ in range(37)] + [{"器具用途": "别的"}, {}]
    pk = checked(world, unit, book(rows))
    assert "应用到相同的37行" in text(client.get(f"/jobs/{pk}?outcome=refused"))
    status, answer = ask(client, f"/imports/{pk}/cells/5", column="purpose", value="贸易结算", every="1")
    assert status == 200
    assert (answer["counts"]["new"], answer["counts"]["refused"]) == (38, 1)
    assert outcomes_of(pk) == ["new"] * 37 + ["refused", "new"]


def test_a_suggestion_for_all_rows_that_have_it(world, browser, session):
    unit = fresh_unit(world, "im6")
    client = browser(unit)
    pressure = {"一级目录": "压力仪表", "二级目录": "指示类压力表", "器具名称": "一般压力表", "测量范围": "(0-1.6)mpa"}
    pk = checked(world, unit, book([pressure] * 5 + [{}]))
    cures = [p for p in rows_of(pk)[0].problems if p.get("cure")]
    assert cures, "the rules suggest MPa"
    number = rows_of(pk)[0].problems.index(cures[0])
    page = text(client.get(f"/jobs/{pk}"))
    assert f"改为“{cures[0]['cure']}”" in page
    assert "全部5行都这样改" in page
    status, _answer = ask(client, f"/imports/{pk}/cures/2", number=str(number), every="1")
    assert status == 200
    assert all(row.values["measuring_range"] == "(0-1.6)MPa" for row in rows_of(pk)[:5])


def test_many_rows_are_the_workers(world, browser, session, monkeypatch):
    monkeypatch.setattr(import_edit, "AT_ONCE", 10)
    unit = fresh_unit(world, "im7")
    client = browser(unit)
    pk = checked(world, unit, book([{"器具用途": "做生意"} for _ in range(25)]))
    status, answer = ask(client, f"/imports/{pk}/cells/2", column="purpose", value="贸易结算", every="1")
    assert (status, answer["reload"]) == (200, True)
    assert read_job(pk).state == "queued"
    assert work(pk) == "waiting"
    assert outcomes_of(pk) == ["new"] * 25
    assert read_job(pk).counts["new"] == 25


def test_without_a_script_a_row_is_a_form(world, browser, session):
    unit = fresh_unit(world, "im8")
    client = browser(unit)
    pk = checked(world, unit, book([{"器具用途": "做生意"}]))
    page = text(client.get(f"/imports/{pk}/rows/2/edit"))
    assert "做生意" in page
    assert "贸易结算" in page  # the sentence names the choices
    values = {key: cell_text(value) for key, value in rows_of(pk)[0].cells.items()} | {"purpose": "贸易结算"}
    answer = post(client, f"/imports/{pk}/rows/2/edit", values)
    assert answer.status_code == 303
    assert outcomes_of(pk) == ["new"]


def test_a_row_left_out_lets_its_double_in(world, browser, session):
    unit = fresh_unit(world, "im9")
    client = browser(unit)
    pk = checked(world, unit, book([{}, {"出厂编号": "N00000", "安装/使用地点": "别处"}]))
    assert outcomes_of(pk) == ["new", "refused"]
    status, answer = ask(client, f"/imports/{pk}/drop/2")
    assert status == 200
    assert answer["counts"]["rows"] == 1
    assert outcomes_of(pk) == ["new"]
    written(world, unit, pk)
    assert [row.place for row in ledger_of(world, unit)] == ["别处"]


def test_an_instrument_of_no_catalogue_is_kept_as_not_compulsory(world, browser, session):
    unit = fresh_unit(world, "im10")
    client = browser(unit)
    pk = checked(world, unit, book([{"器具名称": "卷尺", "二级目录": "钢卷尺", "一级目录": "长度"}, {}]))
    assert outcomes_of(pk) == ["refused", "new"]
    assert "按非强检保留" in text(client.get(f"/jobs/{pk}"))
    status, _answer = ask(client, f"/imports/{pk}/keep/2")
    assert status == 200
    assert outcomes_of(pk) == ["new", "new"], sentences_of(pk)
    written(world, unit, pk)
    assert {row.name: row.compulsory for row in ledger_of(world, unit)} == {"卷尺": False, "电子计价秤": True}


@pytest.mark.feature("IMP-10")
def test_the_rest_is_a_draft_that_can_be_finished_later(world, browser, session):
    unit = fresh_unit(world, "im11")
    client = browser(unit)
    data = book([{}, {"器具用途": "做生意"}, {}])
    pk = checked(world, unit, data)
    assert written(world, unit, pk) == "waiting"
    assert f"/jobs/{pk}" in text(client.get("/imports/"))
    assert f"/jobs/{pk}" in text(client.get("/imports/new"))
    sheet = openpyxl.load_workbook(io.BytesIO(client.get(f"/imports/{pk}/errors.xlsx").data)).active
    assert sheet.max_row == 2
    ask(client, f"/imports/{pk}/cells/3", column="purpose", value="贸易结算")
    assert written(world, unit, pk) == "done"
    assert ledger_size(world, unit) == 3
    # the same bytes once more: said, and nothing is added
    again = checked(world, unit, data)
    assert "导入过，已在台账中的器具不会重复录入" in text(client.get(f"/jobs/{again}"))
    assert outcomes_of(again) == ["unchanged", "refused", "unchanged"]
    with world.acting(unit) as actor, pytest.raises(WrongStateError):
        ledger_import.confirm_import(session, actor, again)


def test_ending_a_draft_keeps_what_was_written(world, browser, session):
    unit = fresh_unit(world, "im12")
    pk = checked(world, unit, book([{}, {"器具用途": "做生意"}]))
    written(world, unit, pk)
    post(browser(unit), f"/imports/{pk}/give-up")
    assert read_job(pk).state == "done"
    assert ledger_size(world, unit) == 1


@pytest.mark.feature("IMP-09")
def test_an_export_with_one_row_more_adds_that_row(world, browser, session):
    unit = fresh_unit(world, "im13")
    pk = checked(world, unit, book([{}, {}]))
    written(world, unit, pk)
    with TemporaryDirectory() as folder, world.acting(unit):
        out = Path(folder) / "export.xlsx"
        write_rows(out, EXPORT_COLUMNS, export_rows(session))
        sheet = openpyxl.load_workbook(out)
        unchanged = out.read_bytes()
    first = checked(world, unit, unchanged)
    assert outcomes_of(first) == ["unchanged", "unchanged"], sentences_of(first)
    rows = sheet.active
    last = [cell.value for cell in rows[rows.max_row]]
    heads = [cell.value for cell in rows[1]]
    at = next(i for i, head in enumerate(heads) if "出厂编号" in str(head))
    rows.append([*last[:at], "BRANDNEW", *last[at + 1 :]])
    data = io.BytesIO()
    sheet.save(data)
    post(browser(unit), f"/imports/{first}/give-up")
    second = checked(world, unit, data.getvalue())
    assert outcomes_of(second) == ["unchanged", "unchanged", "new"]
    written(world, unit, second)
    assert [row.serial_no for row in ledger_of(world, unit)] == ["N00000", "N00001", "BRANDNEW"]


def test_all_or_nothing(world, app, session, monkeypatch):
    import app.operations.ledger_import as module

    real = module.setting
    monkeypatch.setattr(module, "setting", lambda s, k: True if (s, k) == ("import", "atomic") else real(s, k))
    unit = fresh_unit(world, "im14")
    pk = checked(world, unit, book([{}, {"器具用途": "做生意"}]))
    with world.acting(unit) as actor, pytest.raises(QuanhengError, match="还有1行有错误"):
        ledger_import.confirm_import(session, actor, pk)
    session.rollback()
    with world.acting(unit) as actor:
        import_edit.edit_cell(session, actor, pk, 3, "purpose", "贸易结算")
        session.commit()
    assert written(world, unit, pk) == "done"
    assert ledger_size(world, unit) == 2


def test_all_or_nothing_with_a_rival(world, session, monkeypatch):
    import app.operations.ledger_import as module
    from tests.imports.support import GOOD
    from tests.world import instrument

    assert GOOD
    real = module.setting
    monkeypatch.setattr(module, "setting", lambda s, k: True if (s, k) == ("import", "atomic") else real(s, k))
    unit = fresh_unit(world, "im15")
    pk = checked(world, unit, book([{}, {}]))
    instrument(world, unit, serial_no="N00001", place="别处")
    assert written(world, unit, pk) == "waiting"
    assert ledger_size(world, unit) == 1
    assert outcomes_of(pk) == ["new", "refused"]


def test_two_tabs_confirm_at_once(world, session):
    from tests.faults.herd import herd

    unit = fresh_unit(world, "im16")
    pk = checked(world, unit, book([{} for _ in range(20)]))
    said, _ = herd("confirm_import", 6, account=world.people[unit], job=pk)
    assert said.count("queued") == 1, said
    assert work(pk) == "done"
    assert ledger_size(world, unit) == 20
    with as_system("test"):
        serials = session.execute(select(Instrument.serial_no).where(Instrument.unit_id == world.units[unit])).scalars()
        assert len(set(serials)) == 20
    assert db.session is not None
