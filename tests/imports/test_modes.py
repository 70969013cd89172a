"""更多导入: row by row, addresses of the three meters, nozzles of dispensers; and workbooks of the unit's own making."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import ColumnMapping, TransitionLog
from models.base import db
from models.ledger import Nozzle
from tests.client import post, text
from tests.imports.support import ask, book, checked, ledger_of, outcomes_of, rows_of, sentences_of, table, written
from tests.ledger.support import fresh_unit, job_of, ledger_size, read_job, work
from tests.ledger.test_import_pages import upload
from tests.world import category, instrument


@pytest.mark.feature("IMP-04")
def test_row_by_row(world, browser, session):
    unit = fresh_unit(world, "mo1")
    client = browser(unit)
    pk = checked(world, unit, book([{}, {}, {"器具用途": "做生意"}, {}, {}]), mode="rows")
    page = text(client.get(f"/jobs/{pk}"))
    assert "data-rows-start" in page
    said = []
    for position in (2, 3, 4, 5):  # stopped before the last row
        status, answer = ask(client, f"/imports/{pk}/rows/{position}")
        assert status == 200
        said.append(answer["rows"][0]["html"])
        assert ledger_size(world, unit) == [1, 2, 2, 3][position - 2]
    assert 'data-outcome="refused"' in said[2]
    assert "器具用途须为" in said[2]
    assert outcomes_of(pk) == ["created", "created", "refused", "created", "new"]
    ask(client, f"/imports/{pk}/rows/2")  # asked twice, written once
    assert ledger_size(world, unit) == 3
    ask(client, f"/imports/{pk}/cells/4", column="purpose", value="贸易结算")
    for position in (4, 6):
        ask(client, f"/imports/{pk}/rows/{position}")
    assert read_job(pk).state == "done"
    assert ledger_size(world, unit) == 5


@pytest.mark.feature("IMP-05")
def test_addresses_of_the_three_meters(world, browser, session):
    unit = fresh_unit(world, "mo2")
    meter = instrument(world, unit, serial_no="WM1", name="水表", category_id=category("水表").id)
    scale = instrument(world, unit, serial_no="SC1")
    data = table(
        ["出厂编号", "安装使用地点"], ["WM1", "新址9号楼"], ["SC1", "别处"], ["NOBODY", "某处"], ["WM1", "再搬一次"]
    )
    before = {c.name: getattr(meter, c.name) for c in meter.__table__.columns}
    meter_id, scale_place = meter.id, scale.place
    pk = checked(world, unit, data, mode="address")
    assert outcomes_of(pk) == ["new", "refused", "refused", "refused"]
    said = [s[0] if s else "" for s in sentences_of(pk)]
    assert "“更新地址”仅用于水表、电表、燃气表。" in said[1]
    assert "没有找到出厂编号为“NOBODY”的器具" in said[2]
    assert "与本文件第2行是同一台器具" in said[3]
    assert written(world, unit, pk) == "done"
    rows = {row.serial_no: row for row in ledger_of(world, unit)}
    assert rows["WM1"].place == "新址9号楼"
    assert rows["SC1"].place == scale_place
    free = {"place", "version", "updated_at", "quality", "quality_faults"}
    for key in set(before) - free:
        assert getattr(rows["WM1"], key) == before[key], key
    with as_system("test"):
        line = session.execute(
            select(TransitionLog).where(TransitionLog.instrument_id == meter_id, TransitionLog.step == "update_address")
        ).scalar_one()
        assert line.input["changed"]["place"][1] == "新址9号楼"


@pytest.mark.feature("IMP-06")
def test_nozzles_of_dispensers(world, session):
    unit = fresh_unit(world, "mo3")
    pump = category("燃油加油机").id
    marked = instrument(world, unit, serial_no="AA19(1枪)", name="燃油加油机", model="J1", category_id=pump)
    rows = instrument(world, unit, serial_no="BB20", name="燃油加油机", model="J2", category_id=pump)
    with world.acting(unit):
        session.add(Nozzle(instrument_id=rows.id, number=2, serial_no="OLD2"))
        session.commit()
    instrument(world, unit, serial_no="SC9")
    heads = ["出厂编号", "型号规格", "枪号", "原枪编号", "新枪编号", "更换日期"]
    data = table(
        heads,
        ["AA19", "J1", 1, "", "GUN-NEW", "2026-05-01"],
        ["BB20", "J2", 2, "OLD2", "NEW2", "2026.05.02"],
        ["SC9", "", 1, "", "X", ""],
        ["BB20", "J2", 7, "", "X", ""],
        ["BB20", "J2", 2, "WRONG", "NEW3", ""],
    )
    marked_id, rows_id = marked.id, rows.id
    pk = checked(world, unit, data, mode="nozzle")
    assert outcomes_of(pk) == ["new", "new", "refused", "refused", "refused"], sentences_of(pk)
    said = [s[0] if s else "" for s in sentences_of(pk)]
    assert "“更换加油枪”仅用于加油机。" in said[2]
    assert "没有这台加油机的7号枪" in said[3]
    assert "不一致" in said[4]
    assert written(world, unit, pk) == "done"
    assert [r.outcome for r in rows_of(pk)][:2] == ["created", "created"], sentences_of(pk)
    ledger = [row for row in ledger_of(world, unit) if row.serial_no == "AA19(1枪)"]
    assert next(row.state for row in ledger) == "former"
    assert ledger[0].id == marked_id
    assert ledger[1].last_result is None
    with as_system("test"):
        kept = (
            session.execute(select(Nozzle).where(Nozzle.instrument_id == rows_id).order_by(Nozzle.id)).scalars().all()
        )
        assert [(n.serial_no, n.state) for n in kept] == [("OLD2", "former"), ("NEW2", "in_use")]
        assert str(kept[0].replaced_on) == "2026-05-02"


def test_only_what_the_profile_offers(app, world, browser, session, monkeypatch):
    unit = fresh_unit(world, "mo4")
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    page = text(browser(unit).get("/imports/new"))
    assert "更换加油枪" in page
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    assert "逐行导入" not in text(browser(unit).get("/imports/new"))
    answer = post(browser(unit), "/imports/new", {"mode": "rows", "file": (__import__("io").BytesIO(b"x"), "a.xlsx")})
    assert answer.status_code == 422


OWN = (
    ["某某公司计量器具台账"],
    ["序号", "设备名称", "规格型号", "机身号", "使用部门", "有效期"],
    [1, "电子计价秤", "ACS-15", "K001", "一车间", "2027.07.12"],
    [2, "电子计价秤", "ACS-30", "K002", "二车间", "2027.07.12"],
)


def test_a_workbook_of_ones_own_is_mapped_and_remembered(world, browser, session):
    unit = fresh_unit(world, "mo5")
    client = browser(unit)
    pk = job_of(upload(client, table(*OWN), "自己的台账.xlsx"))
    assert work(pk) == "waiting"
    assert read_job(pk).phase == "map"
    page = text(client.get(f"/jobs/{pk}", follow_redirects=True))
    assert "核对各列的内容" in page
    assert "机身号" in page
    plan = read_job(pk).params["plans"][0]
    chosen = {
        "设备名称": "name",
        "规格型号": "model",
        "机身号": "serial_no",
        "使用部门": "place",
        "有效期": "valid_until",
    }
    form = {"take-0": "1"} | {f"column-0-{c['index']}": chosen.get(c["heading"], "") for c in plan["columns"]}
    form |= {"constant-0-use_division": "440103", "constant-0-purpose": "贸易结算", "constant-0-delivery_mode": "送检"}
    answer = post(client, f"/imports/{pk}/mapping", form)
    assert answer.status_code == 303
    assert work(pk) == "waiting"
    rows = rows_of(pk)
    assert [row.values["serial_no"] for row in rows] == ["K001", "K002"]
    assert [row.values["place"] for row in rows] == ["一车间", "二车间"]
    assert read_job(pk).counts["sheets"][0]["rows"] == 2
    with as_system("test"):
        kept = session.execute(select(ColumnMapping).where(ColumnMapping.unit_id == world.units[unit])).scalar_one()
        assert kept.mapping["机身号"] == "serial_no"
    post(client, f"/imports/{pk}/give-up")
    assert db.session is not None


@pytest.mark.feature("IMP-07")
@pytest.mark.parametrize(
    ("cells", "profile", "sentence"),
    [
        ({"二级目录": "", "一级目录": ""}, "bayannur", "仪器的种别代码不能为空"),
        (
            {"种别代码": "99xx99", "一级目录": "", "二级目录": ""},
            "guangdong",
            "仪器的种别代码：99xx99可能有误或已作废，无法找到相对应的名称",
        ),
        (
            {"使用地点行政区划": "440100"},
            "guangdong",
            "【440100】是属于市级代码，使用区域须填最后两位不是“00”的区县级代码！",
        ),
        (
            {"器具用途": "贸易"},
            "guangdong",
            "代码只能为数字：1.安全防护，2.医疗卫生，3.贸易结算，4.环境监测，请检查确认！",
        ),
    ],
)
def test_the_manuals_sentences(app, world, session, monkeypatch, cells, profile, sentence):
    unit = fresh_unit(world, "mo6")
    monkeypatch.setitem(app.config, "PROFILE", profile)
    from flask import g

    g.pop("profiles", None)
    columns = (*dict.fromkeys((*book_columns(), *cells)),)
    coded = {"器具用途": "3", "送检方式": "1"} if profile == "guangdong" else {}
    pk = checked(world, unit, book([{**coded, **cells}], columns))
    assert any(sentence in s for s in sentences_of(pk)[0]), sentences_of(pk)
    with world.acting(unit):
        from app.operations.ledger_import import give_up

        give_up(session, pk)
        session.commit()


def book_columns():
    from app.operations.instrument import EXPORT_COLUMNS

    return EXPORT_COLUMNS


def test_templates_hold_what_may_change(world, browser, session):
    unit = fresh_unit(world, "mo9")
    pump = category("燃油加油机").id
    instrument(world, unit, serial_no="WM8", name="水表", category_id=category("水表").id)
    dispenser = instrument(world, unit, serial_no="BB8", name="燃油加油机", model="J2", category_id=pump)
    with world.acting(unit):
        session.add(Nozzle(instrument_id=dispenser.id, number=3, serial_no="GUN3"))
        session.commit()
    client = browser(unit)
    found = {}
    for mode in ("address", "nozzle"):
        answer = client.get(f"/imports/template-{mode}.xlsx")
        assert answer.status_code == 200
        sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).worksheets[0]
        found[mode] = [[str(v or "") for v in row] for row in sheet.iter_rows(values_only=True)]
    assert found["address"][0][0] == "出厂编号"
    assert [row[0] for row in found["address"][1:]] == ["WM8"]
    serial, model, number, gun = found["nozzle"][1][:4]
    assert (serial, model, float(number), gun) == ("BB8", "J2", 3, "GUN3")
    pk = checked(world, unit, client.get("/imports/template-address.xlsx").data, mode="address")
    assert outcomes_of(pk) == ["unchanged"]
