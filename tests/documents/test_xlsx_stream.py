"""The workbook that PostgreSQL's text becomes: what a reader finds in it, and that nobody can forge a cell."""

from __future__ import annotations

import zipfile

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from app.documents import xlsx_stream as xs
from app.documents.xlsx_stream import DATE, END_NUMBER, END_ROW, END_TEXT, NUMBER, TEXT, Chunk, forged, write_marked
from tests.documents.test_spreadsheets import PAYLOADS


def cell(value):
    if isinstance(value, int):
        return f"{NUMBER}{value}{END_NUMBER}"
    return f"{TEXT}{value}{END_TEXT}"


def chunk(*rows):
    return Chunk(len(rows), END_ROW.join("".join(map(cell, row)) for row in rows))


def calamine(path):
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)


@pytest.mark.must_never(82)
def test_payloads_stay_text(tmp_path):
    out = tmp_path / "out.xlsx"
    assert write_marked(out, ["值", "=2+2"], [chunk(*((p, p) for p in PAYLOADS))]) == len(PAYLOADS)
    back = calamine(out)
    assert back[0] == ["值", "=2+2"]
    assert [row[0].replace("\r\n", "\r") for row in back[1:]] == PAYLOADS
    assert b"<f" not in zipfile.ZipFile(out).read("xl/worksheets/sheet1.xml")
    assert {c.data_type for row in openpyxl.load_workbook(out).active.iter_rows() for c in row} == {"s"}


def test_hard_texts_come_back_as_they_were(tmp_path):
    hard = ["<a&b>\"'", " 前后空格 ", "两\n行", "a\tb", "_x0041_", "䶮𬭸℃", "0012", "长" * 500, "]]>"]
    out = tmp_path / "out.xlsx"
    write_marked(out, ["文"], [chunk(*((text,) for text in hard))])
    assert [row[0] for row in calamine(out)[1:]] == hard
    gone = chunk(("a\x0bb\x1f\ufffec\uffff",))
    write_marked(out, ["文"], [gone])
    assert calamine(out)[1] == ["abc"], "XML cannot hold the others"


def test_numbers_dates_and_nothing(tmp_path):
    out = tmp_path / "out.xlsx"
    line = f"{NUMBER}12{END_NUMBER}{DATE}46346{END_NUMBER}{TEXT}{END_TEXT}{NUMBER}{END_NUMBER}{TEXT}尾{END_TEXT}"
    write_marked(out, list("甲乙丙丁戊"), [Chunk(1, line)])
    sheet = openpyxl.load_workbook(out).active
    assert [c.value for c in sheet[2]][2:] == [None, None, "尾"]
    assert (sheet["A2"].value, sheet["B2"].value.date().isoformat()) == (12, "2026-11-20")
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet["A1"].font.b) == ("A2", "A1:E2", True)


def test_marks_that_somebody_typed_are_noticed():
    good = chunk(("甲", 1), ("乙", 2))
    assert not forged(good, 2)
    for mark in xs.MARKS:
        assert forged(chunk((f"甲{mark}", 1), ("乙", 2)), 2), repr(mark)
    assert forged(chunk((f"甲{END_TEXT}{TEXT}乙", 1)), 2)


def test_no_rows_many_chunks_and_errors(tmp_path, monkeypatch):
    out = tmp_path / "out.xlsx"
    assert write_marked(out, ["甲", "乙"], []) == 0
    assert calamine(out) == [["甲", "乙"]]
    assert write_marked(out, ["甲"], [chunk((n,), (n,)) for n in range(20)]) == 40
    assert [row[0] for row in calamine(out)[1:]] == [n for n in range(20) for _ in range(2)]
    out.unlink()

    def broken():
        yield chunk(("a",))
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError):
        write_marked(out, ["甲"], broken())
    with pytest.raises(ValueError, match="列名"):
        write_marked(out, ["甲", "甲"], [])
    monkeypatch.setattr(xs, "MAX_ROWS", 3)
    with pytest.raises(ValueError, match="最多容纳"):
        write_marked(out, ["甲"], [chunk(("a",), ("b",)), chunk(("c",), ("d",))])
    assert list(tmp_path.iterdir()) == []


def test_columns_beyond_z(tmp_path):
    out = tmp_path / "out.xlsx"
    write_marked(out, [f"列{n}" for n in range(30)], [chunk(tuple(range(30)))])
    assert openpyxl.load_workbook(out).active.auto_filter.ref == "A1:AD2"
