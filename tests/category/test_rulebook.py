"""The rule table as values: names, entries, formats, cures; the notations of guns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import app.reference as files
from app.intake import guns
from app.intake.fields import FIELDS, field_set
from app.intake.guidance import RowPolicy
from app.intake.reader import RawRow
from app.intake.reference import CategoryRef, DivisionRef, ReferenceTables
from app.intake.rulebook import FillRule, RuleBook, follows
from app.intake.rules import RowChecker

NAMES = FillRule.__dataclass_fields__.keys() - {"id", "names"}


@pytest.fixture(scope="module")
def book():
    rows = files.category_rules()
    return RuleBook(
        FillRule(id=n, names=tuple(r["names"].splitlines()), **{k: r[k] for k in NAMES}) for n, r in enumerate(rows, 1)
    )


@pytest.fixture(scope="module")
def ref():
    rows = csv.DictReader((Path(files.__file__).parent / "catalogue.csv").open(encoding="utf-8"))
    found = {
        (r["level1"], r["level2"]): CategoryRef(
            n, r["level1"], r["level2"], r["code"], "V" in r["supervision"], r["level1"] in {"加油机", "加气机"}
        )
        for n, r in enumerate(rows, 1)
    }
    for code, name in (("990000", "非强检"), ("990001", "未分类")):
        found[name, name] = CategoryRef(len(found) + 1, name, name, code, True)
    return ReferenceTables(found, {"150821": DivisionRef("150821", "五原县", "county")})


def policy(book, **more):
    return RowPolicy(book=book, guide=True, **more)


ROWS = [  # (typed name, 一级目录, 二级目录, 送检方式, 器具用途): CAT-04, one line a row of the manual
    ("雷达测速仪", "机动车测速仪", "机动车测速仪", "onsite", "safety"),
    ("透射式烟度计", "透射式烟度计", "透射式烟度计", "onsite", "environment"),
    ("医用数字摄影(CR、DR)系统X射线辐射源", "医用诊断X射线设备", "医用诊断X射线设备", "onsite", "medical"),
    ("医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源", "医用诊断X射线设备", "医用诊断X射线设备", "onsite", "medical"),
    ("医用数字摄影(DR)系统X射线(辐射源)", "医用诊断X射线设备", "医用诊断X射线设备", "onsite", "medical"),
    ("医用乳腺X射线辐射源", "医用诊断X射线设备", "医用诊断X射线设备", "onsite", "medical"),
    ("心电图仪", "心脑电测量仪器", "心电图仪", "onsite", "medical"),
    ("脑电图仪", "心脑电测量仪器", "脑电图仪", "onsite", "medical"),
    ("多参数监护仪", "心脑电测量仪器", "多参数监护仪", "onsite", "medical"),
    ("血压计", "血压计(表)", "", "deliver", "medical"),
    ("电子血压计", "血压计(表)", "", "deliver", "medical"),
    ("焦度计", "焦度计", "焦度计", "onsite", "medical"),
    ("综合验光仪", "验光仪器", "验光仪、综合验光仪", "onsite", "medical"),
    ("验光镜片箱", "验光仪器", "验光镜片箱", "deliver", "medical"),
    ("氧压力表", "压力仪表", "", "deliver", "safety"),
    ("电子计价秤", "非自动衡器", "非自动衡器", "", "trade"),
    ("燃油加油机", "加油机", "燃油加油机", "onsite", "trade"),
    ("压缩天然气加气机", "加气机", "压缩天然气加气机", "onsite", "trade"),
    ("液化天然气加气机", "加气机", "液化天然气加气机", "onsite", "trade"),
    ("水份仪", "水分测定仪", "烘干法水分测定仪", "deliver", "trade"),
    ("谷物水分仪", "水分测定仪", "电容法和电阻法谷物水分测定仪", "deliver", "trade"),
    ("容重器", "谷物容重器", "谷物容重器", "deliver", "trade"),
    ("出租车计价器(蒙L 12345)", "出租汽车计价器", "出租汽车计价器", "deliver", "trade"),
]


@pytest.mark.feature("CAT-04")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_of_the_manual_is_found_by_its_name(book, ref, row):
    name, level1, level2, mode, purpose = row
    rule = book.by_name(name)
    assert (rule.level1, rule.pinned, rule.delivery_mode, rule.purpose) == (level1, level2, mode, purpose)
    for option in rule.options:
        assert (level1, option) in ref.categories


def test_every_shipped_row_is_reached(book):
    assert {book.by_name(row[0]).id for row in ROWS} == {rule.id for rule in book.rules}
    assert len(book.rules) == 23
    pressure = book.by_name("压力表")
    assert pressure.options == ("指示类压力表", "显示类压力表")
    assert "禁油压力表须与其他压力表分开装存,以防发生事故。" in pressure.emphasis


CELLS = {
    "name": "燃油加油机",
    "level1": "加油机",
    "level2": "燃油加油机",
    "measuring_range": "(5-50) L/min",
    "serial_no": "AA19070003(6枪)",
    "manufacturer": "正星",
    "use_division": "150821",
    "place": "新华街团结加油站",
    "purpose": "贸易结算",
    "delivery_mode": "现场检",
}


def check(book, ref, more=None, **changes):
    row = RowChecker(ref, policy(book, **(more or {}))).check(RawRow(3, {**CELLS, **changes}))
    return row, {p.column: p for p in row.problems}


@pytest.mark.feature("CAT-02")
@pytest.mark.parametrize(
    ("typed", "stored", "cure"),
    [
        ("AA19070003(6枪)", "AA19070003(6枪)", None),
        ("2009092916 （2枪）", "2009092916(2枪)", None),
        ("AA19070003", None, None),
        ("2009092916 (2抢)", None, "2009092916(2枪)"),
    ],
)
def test_a_gun_stands_behind_the_number(book, ref, typed, stored, cure):
    row, problems = check(book, ref, serial_no=typed)
    if stored:
        assert "serial_no" not in problems
        assert row.values["serial_no"] == stored
    else:
        assert problems["serial_no"].severity == "error"
        assert "例如 AA19070003(1枪)" in problems["serial_no"].message
        assert problems["serial_no"].cure == cure


def test_two_guns_of_one_dispenser_are_two_records(book, ref):
    assert check(book, ref)[0].dup_key != check(book, ref, serial_no="AA19070003(1枪)")[0].dup_key


@pytest.mark.feature("CAT-02")
def test_notations_of_guns_convert_into_each_other():
    suffix = [("燃油加油机", "1809025P(5枪)"), ("燃油加油机", "1809025P(6枪)"), ("燃油加油机", "X1")]
    prefix = [("5#加油枪", "1809025P"), ("6#加油枪", "1809025P"), ("燃油加油机", "X1")]
    rows = guns.to_rows(suffix)
    assert [(d.serial_no, [n for n, _ in d.guns]) for d in rows] == [("1809025P", [5, 6]), ("X1", [])]
    assert guns.from_rows(rows, "serial_suffix") == suffix
    assert guns.from_rows(rows, "name_prefix") == prefix
    assert guns.to_rows(prefix) == rows
    assert guns.read_gun("5＃加油枪", "A").number == 5
    assert guns.write_gun(guns.read_gun("压缩天然气加气机", "B（2枪）"), "name_prefix") == ("2#加气枪", "B")
    with pytest.raises(ValueError, match="rows"):
        guns.write_gun(guns.Gun("燃油加油机", "A", 1), "gun_rows")


PRESSURE = {
    "name": "氧压力表",
    "level1": "压力仪表",
    "level2": "指示类压力表",
    "serial_no": "P1",
    "purpose": "安全防护",
}


@pytest.mark.feature("CAT-03")
def test_units_of_pressure_are_written_as_the_manual_says(book, ref):
    _row, problems = check(book, ref, **PRESSURE, measuring_range="(0~1.6)Mpa")
    assert problems["measuring_range"].severity == "error"
    assert "MP大写、a小写,计量单位需区分大小写" in problems["measuring_range"].message
    assert problems["measuring_range"].cure == "(0~1.6)MPa"
    assert check(book, ref, **PRESSURE, measuring_range="(0~1.6)MPa")[1] == {}


@pytest.mark.feature("CAT-03")
@pytest.mark.parametrize(
    ("name", "good", "bad", "example"),
    [
        ("燃油加油机", "(5-50) L/min", "5到50升", "(5-50) L/min"),
        ("压缩天然气加气机", "(0-200)kg/h", "很多", "(0-200)kg/h"),
        ("液化天然气加气机", "150kg/h", "150", "150kg/h"),
        ("电子台秤", "1000g-150kg", "一百五", "1000g-150kg"),
    ],
)
def test_formats_of_the_measuring_range(book, ref, name, good, bad, example):
    rule = book.by_name(name)
    assert follows(rule.range_pattern, good)
    cells = {"name": name, "level1": rule.level1, "level2": rule.pinned, "serial_no": "A1(1枪)"}
    _row, problems = check(book, ref, **cells, measuring_range=bad)
    assert problems["measuring_range"].severity == "warning"
    assert f"例如 {example}" in problems["measuring_range"].message
    assert "measuring_range" not in check(book, ref, **cells, measuring_range=good)[1]


def test_a_blocking_rule_refuses_and_a_broken_pattern_does_not(ref):
    same = {"id": 1, "names": ("燃油加油机",), "level1": "加油机", "level2": "燃油加油机"}
    strict = RuleBook([FillRule(**same, range_pattern=r"\d+", blocking=True)])
    assert check(strict, ref)[1]["measuring_range"].severity == "error"
    assert check(RuleBook([FillRule(**same, range_pattern="(")]), ref)[1] == {}


@pytest.mark.feature("CAT-05")
def test_moisture_meters_go_where_the_deployment_can_have_them_verified(book, ref):
    cells = {"name": "水份仪MA35", "level1": "水分测定仪", "level2": "烘干法水分测定仪", "measuring_range": ""}
    row, problems = check(book, ref, {"redirects": True}, **cells, serial_no="M1")
    assert row.values["level2"] == "谷物容重器"
    assert row.values["name"] == "水份仪MA35"
    assert ref.categories["水分测定仪", "烘干法水分测定仪"].id == row.values["declared_category_id"]
    assert problems["level2"].severity == "warning"
    row, problems = check(book, ref, **cells, serial_no="M1")
    assert (row.values["level2"], row.values["declared_category_id"], problems) == ("烘干法水分测定仪", None, {})


XRAY = {"level1": "医用诊断X射线设备", "level2": "医用诊断X射线设备", "serial_no": "X", "purpose": "医疗卫生"}


@pytest.mark.feature("CAT-06")
@pytest.mark.parametrize("short", ["CT", "ct", "DR", "ＣＲ"])
def test_a_bare_abbreviation_is_no_name(book, ref, short):
    _row, problems = check(book, ref, **XRAY, name=short)
    assert "器具名称不得简写:如CT、CR、DR等。" in problems["name"].message
    assert problems["name"].severity == "error"
    assert "name" not in check(book, ref, **XRAY, name=problems["name"].cure)[1]


@pytest.mark.feature("CAT-07")
def test_a_taxi_meter_carries_its_plate(book, ref):
    cells = {"level1": "出租汽车计价器", "level2": "出租汽车计价器", "serial_no": "T1", "measuring_range": ""}
    _row, problems = check(book, ref, **cells, name="出租车计价器")
    assert "出租车计价器(蒙L xxxxx)" in problems["name"].message
    assert "name" in check(book, ref, **cells, name=problems["name"].cure)[1], "the form itself is no plate"
    _row, problems = check(book, ref, {"taxi_prefix": "粤A"}, **cells, name="出租车计价器")
    assert problems["name"].cure == "出租车计价器(粤A xxxxx)"
    assert check(book, ref, **cells, name="出租车计价器(蒙L T1234)")[1] == {}


@pytest.mark.feature("CAT-08")
def test_the_scale_s_character(book, ref):
    cells = {"level1": "非自动衡器", "level2": "非自动衡器", "serial_no": "C1", "measuring_range": "30kg"}
    row, problems = check(book, ref, **cells, name="电子台称")
    assert (problems["name"].severity, problems["name"].cure) == ("warning", "电子台秤")
    assert row.values["name"] == "电子台秤"
    row, problems = check(book, ref, {"spelling": "error"}, **cells, name="电子台称")
    assert (problems["name"].severity, problems["name"].cure) == ("error", "电子台秤")


@pytest.mark.feature("CAT-09")
def test_a_speed_meter_needs_its_exact_site(book, ref):
    cells = {
        "name": "雷达测速仪",
        "level1": "机动车测速仪",
        "level2": "机动车测速仪",
        "serial_no": "V1",
        "measuring_range": "",
    }
    _row, problems = check(book, ref, **cells, place="110国道")
    assert problems["place"].severity == "warning"
    assert "110国道900公里+110米东向西车道1" in problems["place"].message
    assert check(book, ref, **cells, place="110国道900公里+110米东向西车道1")[1] == {}


def test_full_width_brackets_are_noted_with_their_cure(book, ref):
    _row, problems = check(book, ref, measuring_range="（5-50） L/min")
    assert problems["measuring_range"].cure == "(5-50) L/min"


def test_what_is_missing_is_proposed_by_the_rule(book, ref):
    _row, problems = check(book, ref, purpose="", delivery_mode="", level1="", level2="")
    assert {k: p.cure for k, p in problems.items()} == {
        "purpose": "贸易结算",
        "delivery_mode": "现场检",
        "level2": "燃油加油机",
    }


def test_wanted_columns_are_taken_late_by_an_import_and_demanded_by_the_form(book, ref):
    fields = field_set([f.key for f in FIELDS], required=("measuring_range",))
    _row, problems = check(book, ref, {"fields": fields}, measuring_range="")
    assert (problems["measuring_range"].severity, "待完善" in problems["measuring_range"].message) == ("warning", True)
    _row, problems = check(book, ref, {"fields": fields, "strict": True}, measuring_range="")
    assert problems["measuring_range"].severity == "error"


def test_what_a_form_does_not_ask_is_filled(book, ref):
    fields = field_set(("name", "serial_no"), labels={"serial_no": "编号"})
    more = {"fields": fields, "division": "150821", "place": "团结路1号"}

    def values(name):
        row = RowChecker(ref, policy(book, **more)).check(RawRow(3, {"name": name, "serial_no": "1809025P(1枪)"}))
        assert not [p for p in row.problems if p.severity == "error"]
        return row.values

    oil = values("燃油加油机")
    assert (oil["level2"], oil["use_division"], oil["place"]) == ("燃油加油机", "150821", "团结路1号")
    assert (oil["purpose"], oil["delivery_mode"], oil["compulsory"]) == ("trade", "onsite", True)
    assert values("奇异仪")["level2"] == "未分类"
    bare = RowChecker(ref, policy(book, fields=fields)).check(RawRow(3, {"name": "焦度计", "serial_no": "1"}))
    assert "请先在单位信息中填写所在地" in bare.problems[0].message


def test_an_instrument_beside_the_catalogue_is_not_compulsory(book, ref):
    row, problems = check(
        book, ref, name="钢直尺", level1="非强检", level2="非强检", serial_no="R1", measuring_range=""
    )
    assert (row.values["compulsory"], problems) == (False, {})
