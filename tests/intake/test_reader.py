"""Headers, numbering, aliases, formulas, several sheets."""

import datetime as dt

import pytest

from app.intake.errors import WorkbookRefused
from app.intake.fields import FIELDS
from app.intake.plan import plan_rows
from app.intake.reader import read_ledger
from app.intake.rules import check_row
from tests.intake.conftest import SAMPLES
from tests.intake.support import HEADER, book, line, messages, rezip, run


def test_header_in_row_three_blank_rows_and_numbering(tmp_path):
    rows = [["强制检定器具信息"], [], HEADER, line(), [], ["  "], line(serial_no="2")]
    sheet = read_ledger(book(tmp_path / "a.xlsx", ("台账", rows)))
    assert (sheet.sheet_name, sheet.header_row, [row.number for row in sheet.rows]) == ("台账", 3, [4, 7])


def test_shuffled_columns_unknown_ones_reported_ragged_rows(tmp_path):
    order = list(reversed(range(len(HEADER))))
    rows = [[*(HEADER[at] for at in order), "颜色"], [*(line()[at] for at in order), "红", "多出一格"], ["只有备注"]]
    sheet = read_ledger(book(tmp_path / "a.xlsx", ("台账", rows)))
    assert sheet.unknown_columns == ("颜色",)
    assert sheet.rows[0].cells["name"] == "电子计价秤"
    assert sheet.rows[1].cells == {"note": "只有备注"}


def test_first_column_empty(tmp_path, ref):
    rows = [[None, *HEADER], [None, *line()]]
    assert [row.outcome for row in run(book(tmp_path / "a.xlsx", ("台账", rows)), ref)] == ["new"]


def test_aliases_stars_and_both_meanings_of_zhongbie(tmp_path):
    other = {
        "器具名称": "仪器名称*",
        "一级目录": "项 别",
        "二级目录": "种别（必填）",
        "型号规格": "规格型号",
        "安装/使用地点": "安装使用地点",
        "使用地点行政区划": "使用区域：",
        "送检方式": "检定方式",
    }
    sheet = read_ledger(book(tmp_path / "a.xlsx", ("台账", [[other.get(x, x) for x in HEADER], line()])))
    assert set(sheet.columns) == {field.key for field in FIELDS}
    guangdong = [{"一级目录": "种别", "二级目录": "种类"}.get(x, x) for x in HEADER]
    sheet = read_ledger(book(tmp_path / "b.xlsx", ("台账", [guangdong, line(level1="甲", level2="乙")])))
    assert (sheet.rows[0].cells["level1"], sheet.rows[0].cells["level2"]) == ("甲", "乙")


def test_formula_cells_with_cached_value_are_found(tmp_path, ref):
    path = book(tmp_path / "a.xlsx", ("台账", [HEADER, line(name="=1+1", note='=HYPERLINK("x")'), line(serial_no="9")]))
    first, second = run(path, ref)
    assert messages(first) == [
        "第2行：“器具名称”单元格含公式，请粘贴为数值。",
        "第2行：“备注”单元格含公式，请粘贴为数值。",
    ]
    assert second.outcome == "new"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b' r="L17"', b" r='L17'"),
        lambda data: data.replace(b"<f>1+1</f>", b"\n <f>1+1</f>"),
        lambda data: data.replace(b"<f>1+1</f>", b'<f t="shared" si="0"/>'),
        lambda data: (
            data.replace(b"<", b"<x:").replace(b"<x:/", b"</x:").replace(b"<x:?", b"<?").replace(b"xmlns=", b"xmlns:x=")
        ),
    ],
)
def test_formula_is_found_however_it_is_spelt(tmp_path, change):
    path = rezip(SAMPLES / "ledger_with_mistakes.xlsx", tmp_path / "a.xlsx", {"xl/worksheets/sheet1.xml": change})
    assert {row.number: row.formula for row in read_ledger(path).rows if row.formula} == {17: {"place"}}


def test_error_cell_is_not_a_blank(tmp_path, ref):
    change = {
        "xl/worksheets/sheet1.xml": lambda data: data.replace(
            b'<c r="E19" t="inlineStr"><is><t>(0-30)kg</t></is></c>', b'<c r="E19" t="e"><v>#N/A</v></c>'
        )
    }
    path = rezip(SAMPLES / "ledger_with_mistakes.xlsx", tmp_path / "a.xlsx", change)
    assert messages(run(path, ref)[-1]) == ["第19行：“测量范围”单元格含错误值，请改填正确内容。"]


def test_several_sheets_name_the_sheet(tmp_path, ref):
    path = book(
        tmp_path / "a.xlsx",
        ("一车间", [HEADER, line()]),
        ("说明", [["随便写写"]]),
        ("二车间", [HEADER, line(), line(serial_no="")]),
    )
    rows = run(path, ref)
    assert [(row.sheet, row.number, row.outcome) for row in rows] == [
        ("一车间", 2, "new"),
        ("二车间", 2, "refused"),
        ("二车间", 3, "refused"),
    ]
    assert messages(rows[1])[0].endswith("与本文件工作表“一车间”第2行相同，请删除本行或更正出厂编号。")
    assert messages(rows[2]) == ["第3行（工作表“二车间”）：请填写“出厂编号”。"]
    assert len({row.position for row in rows}) == 3


def test_dates_and_numbers_keep_their_type(tmp_path, ref):
    path = book(tmp_path / "a.xlsx", ("台账", [HEADER, line(purchased_on=dt.date(2026, 1, 2), serial_no=30011)]))
    row = run(path, ref)[0]
    assert (row.values["purchased_on"], row.values["serial_no"]) == (dt.date(2026, 1, 2), "30011")


def test_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("app.intake.reader.MAX_ROWS", 2)
    path = book(tmp_path / "a.xlsx", ("台账", [HEADER, *(line(serial_no=str(n)) for n in range(3))]))
    with pytest.raises(WorkbookRefused, match="文件超过2行，请拆分成几个文件后分批上传。"):
        read_ledger(path)


def test_comparison_limited_to_the_columns_of_the_file(ref, tmp_path):
    from app.intake.plan import ExistingRow

    short = [[v for v, label in zip(row, HEADER, strict=True) if label != "备注"] for row in (HEADER, line())]
    sheet = read_ledger(book(tmp_path / "a.xlsx", ("台账", short)))
    checked = [check_row(row, ref) for row in sheet.rows]
    stored = {checked[0].dup_key: ExistingRow(7, {**checked[0].values, "note": "旧备注"})}
    assert next(plan_rows(checked, stored, sheet.columns)).outcome == "unchanged"
    assert next(plan_rows(checked, stored)).outcome == "refused"
