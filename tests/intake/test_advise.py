"""The rules with cures beside their problems, and words for what is no compulsory instrument."""

from app.intake.advise import Adviser
from app.intake.guidance import RowPolicy
from app.intake.rules import check_row
from tests.intake.full_reference import full_reference
from tests.intake.support import raw

POLICY = RowPolicy(division="330106")


def told(**changes):
    checked = Adviser(full_reference(), POLICY).check(raw(**changes))
    return [(p.column, p.cure, p.also) for p in checked.problems], [p.message for p in checked.problems]


def test_a_good_row_is_left_alone_and_nothing_but_cures_is_added():
    assert told() == ([], [])
    ref = full_reference()
    for changes in (
        {"purpose": "贸易"},
        {"valid_until": "2027.02.30", "quantity": "一台"},
        {"place": ""},
        {"serial_no": ""},
    ):
        plain, advised = check_row(raw(**changes), ref, POLICY), Adviser(ref, POLICY).check(raw(**changes))
        assert advised.values == plain.values
        assert [p[:4] for p in advised.problems] == [p[:4] for p in plain.problems]


def test_cures_of_single_cells_and_of_two_at_once():
    assert told(purpose="贸易", quantity="两台")[0] == [("quantity", "2", None), ("purpose", "贸易结算", None)]
    assert told(level2="非自动恒器", level1="衡器")[0] == [("level2", "非自动衡器", {"level1": "非自动衡器"})]
    swapped, _ = told(purpose="现场检", delivery_mode="贸易结算")
    assert swapped == [
        ("purpose", "贸易结算", {"delivery_mode": "现场检"}),
        ("delivery_mode", "现场检", {"purpose": "贸易结算"}),
    ]
    assert told(valid_until="长期有效")[0] == [("valid_until", None, None)]


def test_what_is_outside_the_catalogue_is_said_after_the_manuals_sentence():
    found, messages = told(name="游标卡尺", level1="", level2="")
    assert found == [("level2", None, None)]
    manual = "第2行：仪器的种别代码不能为空，请填写“一级目录”和“二级目录”。"
    assert messages == [
        manual + "“游标卡尺”不在《强检器具目录》内，不是强检器具，请删除本行，或按“非强检”保留在台账中。"
    ]
    _, messages = told(level2="不存在的种别")
    assert messages == [
        "第2行：仪器的种别代码：不存在的种别可能有误或已作废，无法找到相对应的名称，请从《强检器具目录》中选择二级目录。"
    ]


def test_the_same_cell_in_other_company_gets_its_own_cure():
    adviser = Adviser(full_reference(), RowPolicy())
    near = [
        adviser.check(raw(use_division="330100", place=place)).problems[0].cure
        for place in ("杭州市西湖区文三路", "杭州市余杭区", "某地")
    ]
    assert near == ["330106", "330110", None]


def test_a_formula_gets_no_cure():
    checked = Adviser(full_reference(), POLICY).check(raw(formula=("purpose",), purpose=""))
    assert [(p.column, p.cure) for p in checked.problems] == [("purpose", None)]
