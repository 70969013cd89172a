"""Duplicate keys and the plan built on them."""

from hypothesis import given
from hypothesis import strategies as st

from app.intake.dup import DEFAULT_RULE, GUANGDONG_RULE, dup_key
from app.intake.plan import ExistingRow, plan_rows
from app.intake.rules import check_row
from app.intake.text import clean, fold
from tests.intake.support import messages, raw


def key(rule=DEFAULT_RULE, **values):
    return dup_key(rule, {"manufacturer": "大华", "serial_no": "A1", "name": "秤", "model": "M", **values})


def test_width_case_blanks_and_brackets_do_not_count():
    assert key(serial_no="AA1(6枪)") == key(serial_no=" ａa1 （6枪） ")
    assert key(manufacturer="安瑞科(廊坊)") == key(manufacturer="安瑞科（廊坊）")


def test_numbers_maker_and_gun_count():
    assert key() != key(serial_no="A2")
    assert key() != key(manufacturer="正星")
    assert key(serial_no="2009092916(2枪)") != key(serial_no="2009092916(9枪)")
    assert key(manufacturer="甲", serial_no="乙A1") != key(manufacturer="甲乙", serial_no="A1")


def test_without_maker_name_and_model_take_its_place():
    assert key(manufacturer="") != key(manufacturer=None, name="天平")
    assert key(manufacturer="") != key(manufacturer="", model="N")
    assert key(manufacturer="") == key(manufacturer=" ")
    assert key(manufacturer="") != key()


def test_guangdong_rule_adds_own_number_and_ignores_the_maker():
    assert key(GUANGDONG_RULE, own_no="1") != key(GUANGDONG_RULE, own_no="2")
    assert key(GUANGDONG_RULE, own_no="") == key(GUANGDONG_RULE, manufacturer="正星")


def test_no_serial_no_key():
    assert key(serial_no="") == ""


@given(st.text(max_size=40))
def test_folding_is_idempotent_and_agrees_with_cleaning(text):
    assert fold(fold(text)) == fold(text)
    assert clean(clean(text)) == clean(text) or clean(text).startswith("'")


@given(st.text(max_size=20), st.text(max_size=20))
def test_key_of_folded_values_is_the_same_key(maker, serial):
    values = {"manufacturer": maker, "serial_no": serial, "name": "秤", "model": "M"}
    folded = {**values, "manufacturer": fold(maker), "serial_no": fold(serial)}
    if folded["serial_no"]:
        assert dup_key(DEFAULT_RULE, folded) == dup_key(DEFAULT_RULE, values)


def test_existing_with_other_values_is_refused_naming_them(ref):
    checked = check_row(raw(place="农贸市场9号", quantity=2), ref)
    stored = {**checked.values, "place": "农贸市场1号", "quantity": 1, "own_no": None}
    row = next(plan_rows([checked], {checked.dup_key: ExistingRow(5, stored)}))
    assert (row.outcome, row.existing_id) == ("refused", 5)
    assert messages(row) == [
        (
            "第2行：该器具已存在（电子计价秤 ACS-30 A30-0001），不能重复录入。"
            "与台账记录不同的有：安装/使用地点、器具数量，如需更改请在台账中修改。"
        )
    ]


def test_a_refused_row_does_not_block_the_good_one_after_it(ref):
    rows = [check_row(raw(2, purpose="科研"), ref), check_row(raw(3), ref), check_row(raw(4), ref)]
    assert [row.outcome for row in plan_rows(rows, {})] == ["refused", "new", "refused"]
