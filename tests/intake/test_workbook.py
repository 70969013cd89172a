"""Template and error workbook go out and come back."""

import openpyxl
import pytest

from app.intake.errors import WorkbookRefused
from app.intake.fields import FIELDS
from app.intake.guard import check_upload
from app.intake.plan import ExistingRow
from app.intake.reader import read_ledger
from app.intake.workbook import write_error_workbook, write_template
from tests.intake.conftest import SAMPLES
from tests.intake.support import HEADER, book, line, run

MISTAKES = SAMPLES / "ledger_with_mistakes.xlsx"


def test_template_filled_with_two_rows_is_two_instruments(tmp_path, ref):
    path = tmp_path / "模板.xlsx"
    write_template(path, ref, "2026.1")
    with pytest.raises(WorkbookRefused, match="没有数据行"):
        read_ledger(path)
    workbook = openpyxl.load_workbook(path)
    assert workbook.sheetnames == ["器具信息", "填写说明", "强检器具目录", "行政区划信息"]
    sheet = workbook["器具信息"]
    assert "2026.1" in sheet["A1"].value
    for at, values in enumerate((line(serial_no="007"), line(serial_no="008")), 3):
        for column, value in enumerate(values, 1):
            sheet.cell(at, column).value = value
    workbook.save(path)
    assert [(row.number, row.outcome, row.values["serial_no"]) for row in run(path, ref)] == [
        (3, "new", "007"),
        (4, "new", "008"),
    ]


def test_template_lists_follow_the_code_tables(tmp_path, ref):
    path = tmp_path / "t.xlsx"
    write_template(path, ref, "1")
    workbook = openpyxl.load_workbook(path)
    catalogue = [row[:2] for row in workbook["强检器具目录"].iter_rows(min_row=2, values_only=True)]
    assert ("加油机", "燃油加油机") in catalogue
    assert ("旧目录", "作废种别") not in catalogue
    assert ("441900", "东莞市", "市级") in list(workbook["行政区划信息"].iter_rows(values_only=True))
    lists = {rule.formula1 for rule in workbook["器具信息"].data_validations.dataValidation}
    assert '"贸易结算,安全防护,医疗卫生,环境监测"' in lists
    assert len(lists) == len([field for field in FIELDS if field.choices]) + 2


@pytest.mark.parametrize("from_rows", [False, True])
def test_error_workbook_corrected_gives_the_rest(tmp_path, ref, from_rows):
    planned = run(MISTAKES, ref)
    out = tmp_path / "错误.xlsx"
    source = read_ledger(MISTAKES).rows if from_rows else MISTAKES
    assert write_error_workbook(source, planned, out) == 9
    check_upload(out, out.name)
    workbook = openpyxl.load_workbook(out)
    sheet = workbook.active
    heading = {cell.value: cell.column for cell in sheet[1]}
    assert (sheet["A1"].value, sheet.cell(1, sheet.max_column).value) == ("行号", "问题")
    assert [sheet.cell(at, 1).value for at in range(2, 11)] == [4, 5, 6, 8, 9, 10, 14, 16, 17]
    quantity = sheet.cell(9, heading["器具数量"])
    assert (quantity.value, quantity.fill.fgColor.rgb) == ("两台", "00F8CBAD")
    assert quantity.comment.text == "“器具数量”填写的“两台”不是大于0的整数，请填写阿拉伯数字，例如 1。"
    assert sheet.cell(9, heading["问题"]).value == quantity.comment.text
    cures = {
        2: ("一级目录", "非自动衡器"),
        3: ("二级目录", "非自动衡器"),
        4: ("使用地点行政区划", "440103"),
        5: ("器具用途", "贸易结算"),
        6: ("出厂编号", "A30-0099"),
        7: ("出厂编号", "AA19070003(1枪)"),
        8: ("有效期至", "2027.02.28"),
        9: ("器具数量", 2),
        10: ("安装/使用地点", "农贸市场16号"),
    }
    sheet.cell(2, heading["二级目录"]).value = "非自动衡器"
    for at, (label, value) in cures.items():
        sheet.cell(at, heading[label]).value = value
    workbook.save(out)
    stored = {row.dup_key: ExistingRow(row.number, row.values) for row in planned if row.outcome == "new"}
    assert [row.outcome for row in run(out, ref, stored)] == ["new"] * 9
    assert read_ledger(out).unknown_columns == ()


def test_text_that_looks_like_a_formula_stays_text(tmp_path, ref):
    bad = line(place="place", purpose="科研")
    path = book(tmp_path / "a.xlsx", ("台账", [[*HEADER, "颜色"], [*bad, "x"]]))
    workbook = openpyxl.load_workbook(path)
    for column in ("L2", "S2"):
        workbook.active[column].value = "=cmd()"
        workbook.active[column].data_type = "s"
    workbook.save(path)
    out = tmp_path / "e.xlsx"
    write_error_workbook(path, run(path, ref), out)
    sheet = openpyxl.load_workbook(out).active
    assert {cell.value: cell.data_type for cell in sheet[2] if cell.value == "=cmd()"} == {"=cmd()": "s"}
    assert read_ledger(out).rows[0].formula == frozenset()
    assert read_ledger(out).unknown_columns == ("颜色",)


def test_error_workbook_of_several_sheets(tmp_path, ref):
    path = book(tmp_path / "a.xlsx", ("甲：一", [HEADER, line(), line(purpose="x")]), ("乙", [HEADER, line(place="")]))
    out = tmp_path / "e.xlsx"
    assert write_error_workbook(path, run(path, ref), out) == 2
    workbook = openpyxl.load_workbook(out)
    assert workbook.sheetnames == ["甲：一", "乙"]
    assert [sheet.cell(2, 1).value for sheet in workbook] == [3, 2]
    assert workbook["甲：一"].cell(2, len(HEADER) + 2).value.startswith("器具用途须为")
