"""Workbooks made by enterprises for themselves: found, mapped and read, and told apart from what is no ledger."""

import datetime as dt
import json

import openpyxl
import pytest

from app.intake.errors import WorkbookRefused
from app.intake.fields import FIELDS
from app.intake.formats import open_sheets
from app.intake.guidance import RowPolicy
from app.intake.mapping import SheetPlan, signature, target_choices
from app.intake.names import name_inside, not_compulsory
from app.intake.own_book import found_sheets, propose, read_any, read_with, with_unit
from app.intake.plan import plan_rows
from app.intake.reader import read_ledger
from app.intake.rulebook import FillRule, RuleBook
from app.intake.rules import check_row
from tests.intake.conftest import SAMPLES
from tests.intake.full_reference import full_reference
from tests.intake.support import HEADER, book, line

UNIT = {"use_division": "330106", "place": "杭州市西湖区文三路1号"}
HEAD = [
    "序号",
    "仪表名称",
    "规格型号",
    "量程（MPa）",
    "精度",
    "出厂编号",
    "生产厂家",
    "安装位置",
    "检定日期",
    "有效期至",
    "备注",
]


def gauge(number, **changes):
    cells = dict(
        zip(
            HEAD,
            [
                number,
                "压力表",
                "Y-100",
                "0~1.6",
                1.6,
                f"S{number}",
                "红旗",
                f"{number}号炉",
                "2025.07.12",
                "2026.01.11",
                None,
            ],
            strict=True,
        )
    )
    cells.update(changes)
    return [cells[label] for label in HEAD]


def take(path, policy=None, **options):
    return read_any(path, full_reference(), policy or RowPolicy(), **{"defaults": UNIT, **options})


def cells_of(path, *keys, **options):
    sheet, _ = take(path, **options)
    return [tuple(row.cells.get(key) for key in keys) for row in sheet.rows]


def outcomes(sheet, policy=None):
    ref = full_reference()
    return [row.outcome for row in plan_rows([check_row(row, ref, policy or RowPolicy()) for row in sheet.rows], {})]


@pytest.mark.parametrize("above", [0, 1, 5, 12, 28])
def test_header_anywhere_in_the_first_thirty_rows(tmp_path, above):
    rows = [*([["某公司强检计量器具台账"]] * above), HEAD, gauge(1), gauge(2)]
    sheet, plans = take(book(tmp_path / "a.xlsx", ("台账", rows)))
    assert (plans[0].header_row, plans[0].rows, sheet.rows[0].number) == (above + 1, 2, above + 2)
    assert outcomes(sheet) == ["new", "new"]


SPELLINGS = {
    "serial_no": ["出厂编号", "序列号", "编号", "出厂号", "器号", "机身号", "出 厂 编 号", "S/N", "出厂编号*"],
    "verified_on": ["检定日期", "检验时间", "校准日期", "检定时间", "上次检定日期", "检定/校准日期"],
    "valid_until": [
        "有效期至",
        "有效期",
        "到期时间",
        "下次检定日期",
        "到期日期",
        "下次检定时间",
        "检定有效期",
        "下次校准日期",
    ],
    "name": ["名称", "设备名称", "仪表名称", "器具名称", "计量器具名称", "仪器名称"],
    "model": ["规格型号", "型号规格", "型号", "规格", "型号/规格"],
    "measuring_range": ["量程", "测量范围", "量程（MPa）", "量程范围", "测量范围(MPa)", "量程/MPa"],
    "accuracy_class": ["精度", "准确度等级", "等级", "精度等级", "准确度"],
    "manufacturer": ["厂家", "制造商", "生产厂商", "生产厂家", "制造厂家", "生产单位"],
    "place": ["位置", "安装位置", "使用部门", "安装地点", "使用地点", "安装/使用地点"],
}
PLACES = {
    "name": 1,
    "model": 2,
    "measuring_range": 3,
    "accuracy_class": 4,
    "serial_no": 5,
    "manufacturer": 6,
    "place": 7,
    "verified_on": 8,
    "valid_until": 9,
}


@pytest.mark.parametrize(
    ("key", "heading"), [(key, heading) for key, headings in SPELLINGS.items() for heading in headings]
)
def test_headings_as_they_vary(tmp_path, key, heading):
    head = list(HEAD)
    head[PLACES[key]] = heading
    _, plans = take(book(tmp_path / "a.xlsx", ("台账", [["某公司台账"], head, gauge(1), gauge(2)])))
    mapping = plans[0].mapping
    assert {found: label for label, found in mapping.items() if found} == {
        **{k: HEAD[at] for k, at in PLACES.items()},
        "note": "备注",
        key: heading,
    }
    assert mapping["序号"] == ""


def test_number_beside_the_makers_number_is_our_own(tmp_path):
    head = ["编号", "名称", "型号", "出厂编号", "位置"]
    rows = [head, ["YB-01", "压力表", "Y-100", "77", "东楼"], ["YB-02", "压力表", "Y-100", "78", "东楼"]]
    assert cells_of(book(tmp_path / "a.xlsx", ("a", rows)), "own_no", "serial_no") == [("YB-01", "77"), ("YB-02", "78")]
    running = [
        head,
        [1, "压力表", "Y-100", "77", "东"],
        [2, "压力表", "Y-100", "78", "东"],
        [3, "压力表", "Y", "79", "东"],
    ]
    assert take(book(tmp_path / "b.xlsx", ("a", running)))[1][0].mapping["出厂编号"] == "serial_no"


def test_header_over_two_rows_with_merged_cells(tmp_path):
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["某医院计量器具台账"])
    sheet.append(["序号", "器具信息", None, None, "使用科室", "检定情况", None, "备注"])
    sheet.append([None, "名称", "型号", "编号", None, "日期", "有效期", None])
    sheet.append([1, "血压计", "XJ11D", "A1", "内科", dt.datetime(2025, 3, 1), dt.datetime(2025, 8, 31), None])
    for area in ("A1:H1", "A2:A3", "B2:D2", "E2:E3", "F2:G2", "H2:H3"):
        sheet.merge_cells(area)
    workbook.save(path)
    _, plans = take(path)
    assert (plans[0].header_row, plans[0].header_rows) == (2, 2)
    assert {k: h for h, k in plans[0].mapping.items() if k} == {
        "name": "名称", "model": "型号", "serial_no": "编号", "place": "使用科室", "verified_on": "检定情况日期",
        "valid_until": "有效期", "note": "备注",
    }  # fmt: skip
    assert cells_of(path, "name", "place", "valid_until") == [("血压计", "内科", dt.date(2025, 8, 31))]


def test_values_merged_downwards(tmp_path):
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (HEAD, gauge(1, 安装位置="锅炉房"), gauge(2, 安装位置=None), gauge(3, 安装位置=None), gauge(4)):
        sheet.append(row)
    sheet.merge_cells("H2:H4")
    workbook.save(path)
    assert [place for (place,) in cells_of(path, "place")] == ["锅炉房"] * 3 + ["4号炉"]


def test_name_from_the_sheet_or_the_title(tmp_path):
    head, rows = [label for label in HEAD if label != "仪表名称"], [gauge(1), gauge(2)]
    rows = [[cell for cell, label in zip(row, HEAD, strict=True) if label != "仪表名称"] for row in rows]
    path = book(
        tmp_path / "a.xlsx",
        ("压力表", [head, *rows]),
        ("2024年电接点压力表台账", [head, *rows]),
        ("Sheet3", [["一车间氧气压力表清单"], head, *rows]),
        ("Sheet4", [["一览"], head, *rows]),
        ("填写说明", [["请按要求填写"]]),
    )
    sheet, plans = take(path)
    assert [plan.constants.get("name") for plan in plans[:4]] == ["压力表", "电接点压力表", "氧气压力表", None]
    assert [plan.take for plan in plans] == [True, True, True, True, False]
    assert "器具名称" in plans[3].missing
    assert {row.sheet for row in sheet.rows} == {"压力表", "2024年电接点压力表台账", "Sheet3", "Sheet4"}
    assert len({row.position for row in sheet.rows}) == len(sheet.rows) == 8


@pytest.mark.parametrize(
    "typed",
    ["2025.07.12", "20250712", 20250712, "2025年7月12日", "2025/7/12", "2025-7-12 00:00:00", 45850, "45850", "2025. 7. 12",
     "２０２５-０７-１２", dt.datetime(2025, 7, 12), "2025.7.12."],
)  # fmt: skip
def test_dates_in_every_shape(tmp_path, typed):
    path = book(tmp_path / "a.xlsx", ("台账", [HEAD, gauge(1, 有效期至=typed), gauge(2)]))
    assert cells_of(path, "valid_until")[0] == (dt.date(2025, 7, 12),)


def test_numbers_units_and_cells_that_say_nothing(tmp_path):
    rows = [
        HEAD,
        gauge(1, 出厂编号=30011.0),
        gauge(2, 出厂编号="30012.0", 备注="/"),
        gauge(3, **{"量程（MPa）": 2.5, "精度": 0.4}),
    ]
    assert cells_of(book(tmp_path / "a.xlsx", ("台账", rows)), "serial_no", "measuring_range", "accuracy_class", "note") == [
        (30011.0, "(0~1.6)MPa", "1.6", None), ("30012", "(0~1.6)MPa", "1.6", None), ("S3", "2.5MPa", "0.4", None),
    ]  # fmt: skip
    sheet, _ = take(tmp_path / "a.xlsx")
    assert check_row(sheet.rows[0], full_reference()).values["serial_no"] == "30011"
    assert [with_unit(value, "MPa") for value in ("0-1.6MPa", "(0-4)", "-0.1～0", 6)] == [
        "0-1.6MPa",
        "(0-4)MPa",
        "(-0.1~0)MPa",
        "6MPa",
    ]


def test_formulas_count_by_their_result_and_are_named_without_one(tmp_path):
    path = book(tmp_path / "a.xlsx", ("台账", [HEAD, gauge(1, 有效期至="=I2+182"), gauge(2)]))
    sheet, _ = take(path)
    assert sheet.rows[0].formula == {"valid_until"}
    messages = [p.message for p in check_row(sheet.rows[0], full_reference()).problems]
    assert messages == ["第2行：“有效期至”单元格含公式，请粘贴为数值。"]


def test_validity_follows_from_date_and_cycle(tmp_path):
    head = ["名称", "型号", "编号", "位置", "检定日期", "检定周期（月）"]
    rows = [
        head,
        ["压力表", "Y", "1", "东", "2025.08.31", 6],
        ["压力表", "Y", "2", "东", "2024-02-29", "1年"],
        ["压力表", "Y", "3", "东", "/", 6],
    ]
    found = cells_of(book(tmp_path / "a.xlsx", ("a", rows)), "valid_until")
    assert found == [(dt.date(2026, 2, 27),), (dt.date(2025, 2, 27),), (None,)]


def test_totals_notes_repeated_headers_and_blank_ends_are_passed_over(tmp_path):
    rows = [
        ["压力表台账"], HEAD, gauge(1), ["小计", 1], HEAD, gauge(2), ["", "一车间"], gauge(3), ["合计", None, None, None, None, 3],
        ["编制：张三", None, "审核：李四"], ["注：本表每月更新"], [4], [None] * 11, [" "],
    ]  # fmt: skip
    sheet, plans = take(book(tmp_path / "a.xlsx", ("台账", rows)))
    assert [row.cells["serial_no"] for row in sheet.rows] == ["S1", "S2", "S3"]
    assert [(row.number, row.reason) for row in plans[0].skipped] == [
        (4, "合计"), (5, "重复的表头"), (7, "说明或分组"), (9, "合计"), (10, "备注"), (11, "备注"),
    ]  # fmt: skip


def test_what_is_no_compulsory_instrument_is_said_and_can_be_kept(tmp_path):
    ref = full_reference()
    for name in ("千分尺", "游标卡尺", "数显游标卡尺", "温湿度计", "万用表", "压力变送器", "电子皮带秤"):
        assert (
            not_compulsory(name, None, ref)
            == f"“{name}”不在《强检器具目录》内，不是强检器具，请删除本行，或按“非强检”保留在台账中。"
        )
    for name in (
        "压力表",
        "电子称",
        "一般压力表",
        "可燃气体报警器",
        "水银血压计",
        "电子天平",
        "CT",
        "5#加油枪",
        "XX型压力表",
    ):
        assert not_compulsory(name, None, ref) is None
    assert "没有对应的种别" in not_compulsory("搅拌机", None, ref)
    assert not_compulsory("称重传感器", ref.by_folded["称重传感器", "称重传感器"], ref)
    rows = [
        ["名称", "型号", "编号", "位置", "是否强检"],
        ["游标卡尺", "0-150", "1", "东", "否"],
        ["压力表", "Y", "2", "东", "是"],
    ]
    sheet, _ = take(book(tmp_path / "a.xlsx", ("a", rows)))
    assert [row.cells.get("category_code") for row in sheet.rows] == ["990000", None]


def test_catalogue_purpose_and_delivery_follow_from_the_name(tmp_path):
    rule = FillRule(1, ("压力表",), "压力仪表", "指示类压力表 / 显示类压力表", delivery_mode="onsite", purpose="safety")
    policy = RowPolicy(book=RuleBook([rule]))
    path = book(
        tmp_path / "a.xlsx",
        ("台账", [HEAD, gauge(1), gauge(2, 仪表名称="电子台秤"), gauge(3, 仪表名称="可燃气体探测器")]),
    )
    assert cells_of(path, "level2", "purpose", "delivery_mode", policy=policy) == [
        ("指示类压力表", "安全防护", "现场检"), ("非自动衡器", "贸易结算", "送检"), ("可燃气体检测报警器", "安全防护", "送检"),
    ]  # fmt: skip
    coded = RowPolicy(coded_fields=True)
    assert cells_of(path, "purpose", "delivery_mode", policy=coded)[1] == ("3", "1")


def test_a_corrected_mapping_is_applied_and_remembered(tmp_path):
    head = ["设备", "牌号", "识别码", "去处", "型号"]
    path = book(
        tmp_path / "a.xlsx",
        ("a", [head, ["压力表", "红旗", "Z1", "东楼", "Y-100"], ["压力表", "红旗", "Z2", "西楼", "Y-60"]]),
    )
    ref = full_reference()
    with pytest.raises(WorkbookRefused):
        take(path)
    own = ["名称", "牌号", "识别码", "去处", "型号", "位置"]
    path = book(
        tmp_path / "b.xlsx",
        ("a", [own, ["压力表", "红旗", "Z1", "东楼", "Y-100", "x"], ["压力表", "红旗", "Z2", "西楼", "Y-60", "y"]]),
    )
    plan = propose(path, ref)[0]
    assert plan.mapping["识别码"] == ""
    assert "出厂编号" in plan.missing
    chosen = {"识别码": "serial_no", "去处": "place", "位置": "", "牌号": "manufacturer"}
    corrected = plan.with_mapping(chosen).with_constants({"use_division": "330106"})
    assert corrected.missing == ()
    restored = SheetPlan.from_json(json.loads(json.dumps(corrected.as_json())))
    assert restored == corrected
    sheet, plans = read_with(path, [restored], ref)
    assert [(r.cells["serial_no"], r.cells["place"]) for r in sheet.rows] == [("Z1", "东楼"), ("Z2", "西楼")]
    assert plans[0].rows == 2
    with pytest.raises(KeyError):
        plan.with_mapping({"识别码": "password"})
    again = propose(path, ref, remembered={plan.signature: chosen})[0]
    assert again.remembered
    assert again.mapping["识别码"] == "serial_no"
    assert again.mapping["位置"] == ""
    with pytest.raises(WorkbookRefused):
        read_with(path, [plan.leave_out()], ref)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("压力表", "压力表"), ("压力表（2024）", "压力表"), ("1#站压力表", "压力表"), ("安全附件（压力表）台账", "压力表"),
        ("不锈钢耐震压力表", "不锈钢耐震压力表"), ("压力表、安全阀台账", ""), ("2025年度电子汽车衡检定台账", "电子汽车衡"),
        ("Sheet1", ""), ("某某热电有限公司计量器具台账", ""), ("温湿度计", "温湿度计"), ("说明", ""),
    ],
)  # fmt: skip
def test_names_in_titles(title, name):
    assert name_inside(title, full_reference()) == name


def test_signature_knows_headings_not_their_order():
    assert signature(["名称", "编 号"]) == signature(["编号", "名称*", ""])
    assert signature(["名称"]) != signature(["编号"])
    assert len(signature(["名称"])) == 64
    assert {"verified_on", "cycle", "compulsory"} <= {key for key, _ in target_choices(FIELDS)}


def test_our_template_goes_its_own_way_and_a_spoilt_one_is_told_so(tmp_path):
    path = book(tmp_path / "a.xlsx", ("器具信息", [HEADER, line()]))
    sheet, plans = take(path)
    assert sheet == read_ledger(path)
    assert (plans[0].ours, plans[0].rows, plans[0].mapping["出厂编号"]) == (True, 1, "serial_no")
    spoilt = [
        [cell for cell, label in zip(row, HEADER, strict=True) if label != "出厂编号"] for row in (HEADER, line())
    ]
    with pytest.raises(WorkbookRefused, match="文件缺少必填列：出厂编号，请使用最新模板"):
        take(book(tmp_path / "b.xlsx", ("器具信息", spoilt)))


def test_errors_of_an_own_book_go_back_in_its_own_columns(tmp_path):
    path = book(tmp_path / "a.xlsx", ("台账", [["题目"], HEAD, gauge(1), gauge(2)]))
    with open_sheets(path) as sheets:
        found = list(found_sheets(sheets, propose(path, full_reference())))
        assert found[0].header == HEAD
        assert found[0].indexes["serial_no"] == 5
        assert [number for number, _ in found[0].lines] == [3, 4]


@pytest.mark.parametrize(
    "name", ["ledger_wuyuan_all_categories", "ledger_hohhot_fuel_stations", "ledger_with_mistakes"]
)
def test_samples_as_an_enterprise_would_have_them(tmp_path, name):
    """The same instruments without our columns and under other words: the same serial numbers, makers and places."""
    ours = read_ledger(SAMPLES / f"{name}.xlsx")
    theirs = {"name": "设备名称", "model": "规格/型号", "measuring_range": "量程", "accuracy_class": "精度", "serial_no": "序列号",
              "manufacturer": "厂家", "place": "使用部门", "valid_until": "到期时间"}  # fmt: skip
    rows = [["我公司计量器具台账"], ["序号", *theirs.values()]]
    for at, row in enumerate(ours.rows, 1):
        rows.append([at, *(row.cells.get(key) for key in theirs)])
    rows.append(["合计", len(ours.rows)])
    sheet, plans = take(book(tmp_path / "own.xlsx", ("Sheet1", rows)))
    assert plans[0].mapping == {"序号": "", **{label: key for key, label in theirs.items()}}
    assert len(sheet.rows) == len(ours.rows)
    for mine, own in zip(ours.rows, sheet.rows, strict=True):
        assert own.cells["serial_no"] == mine.cells["serial_no"]
        assert own.cells.get("place") == mine.cells.get("place")
    if name != "ledger_with_mistakes":
        ref, policy = full_reference(), RowPolicy(nozzle="off")
        checked = [check_row(row, ref, policy) for row in sheet.rows]
        wanted = [check_row(row, ref, policy) for row in ours.rows]
        agree = [a.values["category_id"] == b.values["category_id"] for a, b in zip(checked, wanted, strict=True)]
        assert sum(agree) / len(agree) >= 0.9, [
            r.cells["name"] for r, ok in zip(sheet.rows, agree, strict=True) if not ok
        ]


def test_a_row_kept_as_not_compulsory_is_asked_neither_use_nor_way_of_verification(tmp_path):
    rows = [["名称", "型号", "编号", "位置", "是否强检"], ["游标卡尺", "0-150", "1", "东", "否"]]
    sheet, _ = take(book(tmp_path / "a.xlsx", ("a", rows)))
    checked = check_row(sheet.rows[0], full_reference())
    assert [p.message for p in checked.problems] == []
    assert (checked.values["level2"], checked.values["compulsory"]) == ("非强检", False)
