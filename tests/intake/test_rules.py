"""Row rules, one by one, with their full sentences."""

import datetime as dt
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake.fields import FIELD_BY_KEY, FIELDS
from app.intake.guidance import DEFAULT_POLICY, RowPolicy
from app.intake.reader import RawRow
from app.intake.rules import check_row
from app.intake.text import clean
from app.intake.values import BadCell, parse_date
from tests.intake.support import raw

FUEL = {"name": "燃油加油机", "level1": "加油机", "level2": "燃油加油机"}
GAUGE = {"name": "一般压力表", "level1": "压力仪表", "level2": "指示类压力表"}
SPEED = {"name": "测速仪", "level1": "机动车测速仪", "level2": "机动车测速仪"}
TAXI = {"name": "出租车计价器", "level1": "出租汽车计价器", "level2": "出租汽车计价器"}


def said(ref, policy=DEFAULT_POLICY, **changes):
    return [(p.severity, p.message.removeprefix("第2行：")) for p in check_row(raw(**changes), ref, policy).problems]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "请填写“器具名称”。"),
        ({"serial_no": " \u3000"}, "请填写“出厂编号”。"),
        ({"use_division": ""}, "请填写“使用地点行政区划”。"),
        ({"purpose": ""}, "请填写“器具用途”。"),
        ({"delivery_mode": "邮寄"}, "送检方式须为送检、现场检之一。"),
        ({"origin": "美国"}, "器具产地须为国产、进口之一。"),
        ({"level2": ""}, "请填写“二级目录”，从《强检器具目录》中选择。"),
        ({"level1": ""}, "请填写“一级目录”，二级目录“非自动衡器”属于“非自动衡器”。"),
        ({"level1": "加油机"}, "一级目录“加油机”与二级目录“非自动衡器”不对应，一级目录请改为“非自动衡器”。"),
        (
            {"level1": "旧目录", "level2": "作废种别"},
            "仪器的种别代码：作废种别可能有误或已作废，无法找到相对应的名称，请从《强检器具目录》中选择二级目录。",
        ),
        (
            {"category_code": "99"},
            "仪器的种别代码：99可能有误或已作废，无法找到相对应的名称，请从《强检器具目录》中选择有效的种别代码。",
        ),
        ({"category_code": 10}, "一级目录“非自动衡器”与种别代码“10”不对应，请改为“加油机”。"),
        ({"use_division": "999999"}, "使用地点行政区划“999999”不存在，请对照《行政区划信息》填写6位区县级代码。"),
        (
            {"use_division": "440000"},
            "使用地点行政区划【440000】是属于省级代码，请填写6位区县级代码，见《行政区划信息》。",
        ),
        ({"use_division": "五原县"}, "使用地点行政区划须填6位数字代码，“五原县”请改填 150821。"),
        ({"use_division": "4401"}, "使用地点行政区划“4401”不是6位数字代码，请对照《行政区划信息》填写，例如 440103。"),
        ({"quantity": 1.5}, "“器具数量”填写的“1.5”不是大于0的整数，请填写阿拉伯数字，例如 1。"),
        ({"quantity": 0}, "“器具数量”填写的“0”不是大于0的整数，请填写阿拉伯数字，例如 1。"),
        ({"note": "长" * 501}, "“备注”超过500字（现有501字），请缩短。"),
        ({"serial_no": 2.0e15}, "“出厂编号”是超过15位的数值，尾数已失真，请把单元格设为文本格式后重新填写。"),
        ({"serial_no": dt.date(2005, 9, 3)}, "“出厂编号”单元格是日期或时间格式，请设为文本格式后重新填写。"),
        (
            {"name": "CT"},
            "器具名称不得简写:如CT、CR、DR等。请按铭牌填写全称，例如 医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源。",
        ),
        (
            {**FUEL, "serial_no": "AA19070003(2抢)"},
            "出厂编号须为“编号(枪号)”格式，例如 AA19070003(1枪)。“抢”请改为“枪”。",
        ),
        (
            {**GAUGE, "measuring_range": "(0~1.6)Mpa"},
            "测量范围“(0~1.6)Mpa”的单位书写有误，MP大写、a小写,计量单位需区分大小写，请改为“(0~1.6)MPa”。",
        ),
    ],
)
def test_error_sentences(ref, changes, sentence):
    assert said(ref, **changes) == [("error", sentence)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "电子台称"}, "器具名称“电子台称”中的“称”应写作“秤”，已按“电子台秤”录入，请核对。"),
        (
            {"measuring_range": "1.6Mpa"},
            "测量范围“1.6Mpa”的单位书写有误，MP大写、a小写,计量单位需区分大小写，请改为“1.6MPa”。",
        ),
        (
            {**SPEED, "place": "110国道"},
            "安装/使用地点“110国道”请写清楚具体位置，例如 110国道900公里+110米东向西车道1。",
        ),
        (TAXI, "器具名称须注明车牌，请写作 出租车计价器(蒙L xxxxx) 的形式。"),
    ],
)
def test_warnings(ref, changes, sentence):
    assert said(ref, **changes) == [("warning", sentence)]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "称重显示器"},
        {"name": "医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源"},
        {"name": "E用辐射源"},
        {**GAUGE, "measuring_range": "(0~1.6)MPa"},
        {**SPEED, "place": "110国道900公里+110米东向西车道1"},
        {**TAXI, "name": "出租车计价器(蒙L T1234)"},
        {**TAXI, "name": "出租车计价器（蒙LT1234）"},
        {"model": "", "manufacturer": "", "accuracy_class": "", "measuring_range": "", "origin": ""},
        {"use_division": "五原县[150821]"},
        {"level1": " 非自动衡器"},
        {"quantity": ""},
        {"quantity": "３"},
    ],
)
def test_right_as_they_are(ref, changes):
    assert said(ref, **changes) == []


def test_values_are_normalised(ref):
    values = check_row(raw(**FUEL, serial_no="2009.09-A （０6枪）", use_division=440103001.0, quantity=""), ref).values
    assert (values["serial_no"], values["use_division"], values["quantity"]) == ("2009.09-A(6枪)", "440103", 1)
    values = check_row(raw(name="\u202e电子\u200b秤\x00\n甲", note="E\u0301用", place="'=一号"), ref).values
    assert (values["name"], values["note"], values["place"]) == ("电子秤 甲", "É用", "=一号")


def test_every_problem_of_a_row_is_collected_in_column_order(ref):
    row = check_row(RawRow(5, {"name": "CR", "quantity": "x", "purpose": "科研", "valid_until": "明天"}), ref)
    assert [p.column for p in row.problems] == [
        "name",
        "level2",
        "serial_no",
        "use_division",
        "place",
        "quantity",
        "purpose",
        "delivery_mode",
        "valid_until",
    ]
    assert all(p.message.startswith("第5行：") for p in row.problems)


def test_category_code_alone_fills_both_levels(ref):
    row = check_row(raw(level1="", level2="", category_code=2.0), ref)
    assert (row.problems, row.values["level1"], row.values["level2"]) == ((), "非自动衡器", "非自动衡器")


def test_coded_fields(ref):
    policy = RowPolicy(coded_fields=True)
    assert said(ref, policy, purpose="3", delivery_mode=2, origin=1) == []
    assert said(ref, policy, purpose="贸易结算", delivery_mode=2, origin=1) == [
        ("error", "器具用途代码只能为数字：1.安全防护，2.医疗卫生，3.贸易结算，4.环境监测，请检查确认！")
    ]


@pytest.mark.parametrize(
    "typed",
    [
        "2027-03-14",
        "2027.03.14",
        "2027/3/14",
        "20270314",
        "2027年3月14日",
        "２０２７-3-14",
        20270314.0,
        "2027-03-14 00:00:00",
        dt.date(2027, 3, 14),
        dt.datetime(2027, 3, 14, 8, 0),
        " 2027 年 3 月 14 日 ",
    ],
)
def test_dates_taken(typed):
    assert parse_date(FIELD_BY_KEY["valid_until"], typed) == dt.date(2027, 3, 14)


@pytest.mark.parametrize(
    "typed",
    [
        "2027.02.30",
        "2027-3.14",
        "27-03-14",
        "14/03/2027",
        "2027",
        45000.0,
        2.5,
        True,
        math.nan,
        "0000-01-01",
        dt.time(3, 4),
        "2199-01-01",
        "2027-03-14-01",
    ],
)
def test_dates_refused(typed):
    with pytest.raises((BadCell, ValueError)):
        parse_date(FIELD_BY_KEY["valid_until"], typed)


@pytest.mark.parametrize(
    "spelling", ["{0}-{1:02}-{2:02}", "{0}.{1}.{2}", "{0}/{1}/{2}", "{0}{1:02}{2:02}", "{0}年{1}月{2}日"]
)
def test_every_day_in_every_spelling(spelling):
    first, field = dt.date(1900, 1, 1), FIELD_BY_KEY["valid_until"]
    days = [first + dt.timedelta(days=n) for n in range(0, (dt.date(2099, 12, 31) - first).days + 1, 7)]
    assert len(days) > 10_000
    assert [day for day in days if parse_date(field, spelling.format(day.year, day.month, day.day)) != day] == []


CELLS = st.one_of(
    st.text(max_size=30),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.characters(categories=("Cs", "Cf", "Cc")),
    st.sampled_from(["加油机", "燃油加油机", "440103", "机动车测速仪", "压力仪表", "出租汽车计价器", "1(1枪)", "称"]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([f.key for f in FIELDS] + ["category_code", "other"]), CELLS),
    st.frozensets(st.sampled_from([f.key for f in FIELDS])),
)
def test_check_row_never_raises_and_never_lies(ref, cells, formula):
    row = check_row(RawRow(7, cells, formula), ref)
    assert {f.key for f in FIELDS} < set(row.values)
    assert all(p.message.startswith("第7行：") and p.message.endswith(("。", "！")) for p in row.problems)
    for value in row.values.values():
        if isinstance(value, str):
            assert value == clean(value) or value.startswith("'")
            value.encode("utf-8")
            assert "\x00" not in value
