"""The corpus of mistakes: every one is found in the words expected, and the suggestion is the right one."""

import pytest

from app.intake.errors import WorkbookRefused
from app.intake.guard import LEDGER_KINDS, check_upload
from app.intake.own_book import read_any
from app.intake.plan import plan_rows
from app.intake.reader import read_ledger
from app.intake.rules import check_row
from app.intake.suggest import suggest
from tests.intake.faults import (
    CODED_FAULTS,
    CODED_GOOD,
    CODES,
    FILE_FAULTS,
    FUEL,
    GAUGE,
    ROW_FAULTS,
    WORDS,
    repeated_row,
    write_corpus,
)
from tests.intake.full_reference import full_reference
from tests.intake.support import raw


def _judge(path, places, policy):
    """(faults not found, wrong suggestions, right ones, faults that can be cured) of one workbook."""
    check_upload(path, path.name)
    ref = full_reference()
    rows = {row.number: row for row in read_ledger(path).rows}
    missed, wrong, right, curable = [], [], 0, 0
    for number, fault in places.items():
        raw = rows[number]
        problems = check_row(raw, ref, policy).problems
        found = [p for p in problems if p.column == fault.column and fault.sentence in p.message]
        if not found or not found[0].message.startswith(f"第{number}行："):
            missed.append((fault.name, [p.message for p in problems]))
            continue
        made = suggest(fault.column, raw.cells.get(fault.column, ""), raw.cells, ref, policy)
        values = {**made.also, made.column: made.value} if made else {}
        curable += fault.cure is not None
        if fault.cure is None:
            wrong += [(fault.name, made)] if made else []
        elif fault.cure in values.values() and fault.also.items() <= values.items():
            right += 1
        else:
            wrong.append((fault.name, made))
    good = [row for number, row in rows.items() if number not in places]
    assert [check_row(row, ref, policy).problems for row in good] == [()] * len(good)
    return missed, wrong, right, curable


def _refusal(path):
    try:
        check_upload(path, path.name, LEDGER_KINDS)
        read_any(path, full_reference())
    except WorkbookRefused as refused:
        return refused.sentence
    return ""


def test_every_fault_is_found_and_four_of_five_suggestions_are_right(tmp_path):
    words, codes = tmp_path / "words.xlsx", tmp_path / "codes.xlsx"
    outcomes = [
        _judge(words, write_corpus(words, ROW_FAULTS), WORDS),
        _judge(codes, write_corpus(codes, CODED_FAULTS, CODED_GOOD), CODES),
    ]
    missed = [item for outcome in outcomes for item in outcome[0]]
    wrong = [item for outcome in outcomes for item in outcome[1]]
    right, curable = (sum(outcome[at] for outcome in outcomes) for at in (2, 3))
    for name, build, sentence in FILE_FAULTS:
        told = _refusal(build(tmp_path / "file.xlsx"))
        if sentence not in told:
            missed.append((name, told))
    count = len(ROW_FAULTS) + len(CODED_FAULTS) + len(FILE_FAULTS)
    print(f"faults {count}: found {count - len(missed)}, suggestions right {right} of {curable}; wrong: {wrong}")
    assert count >= 60
    assert missed == []
    assert right / curable >= 0.8
    # where only the person can know, nothing is invented
    incurable = {fault.name for fault in (*ROW_FAULTS, *CODED_FAULTS) if fault.cure is None}
    assert [name for name, _ in wrong if name in incurable] == []


def test_names_of_faults_are_distinct():
    names = [fault.name for fault in (*ROW_FAULTS, *CODED_FAULTS)]
    assert len(set(names)) == len(names)


def test_the_same_instrument_twice_is_left_to_the_person(tmp_path):
    ref = full_reference()
    sheet = read_ledger(repeated_row(tmp_path / "twice.xlsx"))
    rows = list(plan_rows([check_row(row, ref) for row in sheet.rows], {}))
    assert [row.outcome for row in rows] == ["new", "new", "refused"]
    assert "与本文件第2行相同" in rows[2].problems[0].message
    assert suggest("serial_no", "A30-0001", sheet.rows[2].cells, ref) is None


@pytest.mark.parametrize("fault", [fault for fault in ROW_FAULTS if fault.cure], ids=lambda fault: fault.name)
def test_a_suggestion_taken_is_never_refused(tmp_path, fault):
    path = tmp_path / "one.xlsx"
    places = write_corpus(path, [fault])
    raw = next(row for row in read_ledger(path).rows if row.number in places)
    ref = full_reference()
    made = suggest(fault.column, raw.cells.get(fault.column, ""), raw.cells, ref, WORDS)
    assert made is not None, fault.name
    cells = {**raw.cells, made.column: made.value, **made.also}
    cured = check_row(raw._replace(cells={key: value for key, value in cells.items() if value != ""}), ref, WORDS)
    assert [p.message for p in cured.problems if p.column in {fault.column, made.column, *made.also}] == []


ODD_CELLS = [
    ("purpose", "贸易结算用", "贸易结算", {}),
    ("purpose", "医用", "医疗卫生", {}),
    ("purpose", "安全防护、环境监测", "安全防护", {}),
    ("valid_until", "2027/02/29", "2027-02-28", {}),
    ("valid_until", "27年7月12日", "2027-07-12", {}),
    ("valid_until", "至2027.7.12", "2027-07-12", {}),
    ("valid_until", "2027.7.12止", "2027-07-12", {}),
    ("valid_until", 46215, "2026-07-12", {}),
    ("valid_until", "20270732", None, {}),
    ("quantity", "壹台", "1", {}),
    ("quantity", "1台/套", "1", {}),
    ("quantity", "二十", "20", {}),
    ("quantity", "-1", None, {}),
    ("use_division", "浙江 杭州 西湖", "330106", {}),
    ("use_division", "广州荔湾", "440103", {}),
    ("use_division", "33O1O6", "330106", {}),
    ("use_division", "3301060", "330106", {}),
    ("use_division", "本县", "330106", {}),
    ("name", "电子计价称(30kg)", "电子计价秤(30kg)", {}),
    ("serial_no", "AA19070003（6号）", "AA19070003(6枪)", FUEL),
    ("serial_no", "6#AA19070003", "AA19070003(6枪)", FUEL),
    ("serial_no", "AA19070003(六枪)", "AA19070003(6枪)", FUEL),
    ("level2", "血压计", "无创非自动测量血压计", {"level1": "医疗", "name": "血压计"}),
    ("level2", "CT", "医用诊断X射线设备", {"level1": "", "name": "CT机"}),
    ("level2", "单相电表", "电能表", {"level1": "电能表", "name": "电表"}),
    ("delivery_mode", "现检", "现场检", {}),
    ("delivery_mode", "外检", None, {}),
    ("origin", "上海", "国产", {}),
    ("measuring_range", "0-1.6Mpa", "0-1.6MPa", GAUGE),
]


@pytest.mark.parametrize(("column", "typed", "cure", "changes"), ODD_CELLS, ids=lambda value: str(value)[:12])
def test_odd_cells(column, typed, cure, changes):
    cells = raw(**{**changes, column: typed}).cells
    made = suggest(column, typed, cells, full_reference(), WORDS)
    values = {**made.also, made.column: made.value} if made else {}
    assert (values.get(column) if made else None) == cure
