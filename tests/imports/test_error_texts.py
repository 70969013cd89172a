"""IMP-07: the four sentences of the manual, letter for letter, one file each."""

import pytest

from app.intake.guard import LEDGER_KINDS, check_upload
from app.intake.guidance import RowPolicy
from app.intake.own_book import read_any
from app.intake.rules import check_row
from tests.intake.full_reference import full_reference
from tests.intake.support import HEADER, book, line

CODED = {"purpose": "3", "delivery_mode": "2", "origin": "1"}


def said(path, policy):
    check_upload(path, path.name, LEDGER_KINDS)
    sheet, _ = read_any(path, full_reference(), policy)
    return [problem.message for row in sheet.rows for problem in check_row(row, full_reference(), policy).problems]


@pytest.mark.feature("IMP-07")
@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"level1": "", "level2": ""}, "仪器的种别代码不能为空"),
        ({"level2": "xxxxxx"}, "仪器的种别代码：xxxxxx可能有误或已作废，无法找到相对应的名称"),
        ({"use_division": "440100"}, "【440100】是属于市级代码，使用区域须填最后两位不是“00”的区县级代码！"),
        ({"purpose": "贸易"}, "器具用途代码只能为数字：1.安全防护，2.医疗卫生，3.贸易结算，4.环境监测，请检查确认！"),
        ({"delivery_mode": "现场"}, "送检方式代码只能为数字：1.送检，2.现场检，请检查确认！"),
    ],
)
def test_one_file_for_each_sentence(tmp_path, changes, quoted):
    policy = RowPolicy(coded_fields=True)
    path = book(
        tmp_path / "台账.xlsx", ("器具信息", [HEADER, line(**CODED), line(**{**CODED, "serial_no": "2", **changes})])
    )
    messages = said(path, policy)
    assert len(messages) == 1
    assert messages[0].startswith("第3行：")
    assert quoted in messages[0]


@pytest.mark.feature("IMP-07")
def test_an_obsolete_code_is_named_with_its_value(tmp_path):
    codes = [*HEADER, "种别代码"]
    path = book(tmp_path / "台账.xlsx", ("器具信息", [codes, [*line(**CODED, level1="", level2=""), "8"]]))
    messages = said(path, RowPolicy(coded_fields=True))
    assert len(messages) == 1
    assert "仪器的种别代码：8可能有误或已作废，无法找到相对应的名称" in messages[0]
