"""The formats beside .xlsx: old .xls and separated text, good, odd and hostile."""

import datetime as dt
import struct
import time

import pytest

from app.intake import old_excel
from app.intake.errors import WorkbookRefused
from app.intake.guard import LEDGER_KINDS, check_upload
from app.intake.own_book import read_any
from app.intake.reader import read_ledger
from tests.intake.full_reference import full_reference
from tests.intake.old_excel_files import biff, container, record, xls
from tests.intake.support import HEADER, line

BROKEN = "文件不完整或已损坏，请重新保存为 .xlsx 后再上传。"
UNREADABLE = "无法读取工作簿，请用 Excel 或 WPS 另存为 .xlsx 后再上传。"
GAUGES = [
    ["某厂强检器具台账"],
    ["序号", "名称", "型号", "量程（MPa）", "出厂编号", "安装位置", "检定日期", "有效期至"],
    [1.0, "压力表", "Y-100", "0~1.6", 30011.0, "1#锅炉", "2025.07.12", 46033.0],
    [2.0, "压力表", "Y-150", 2.5, "A2", "2#锅炉", 20250712.0, "2026/1/11"],
    ["合计", 2.0],
]


def take_in(path, name="台账.xls"):
    kind = check_upload(path, name, LEDGER_KINDS)
    sheet, plans = read_any(path, full_reference(), defaults={"use_division": "330106"})
    return kind, sheet, plans


def refusal(path, name="台账.xls"):
    started = time.perf_counter()
    with pytest.raises(WorkbookRefused) as caught:
        take_in(path, name)
    assert time.perf_counter() - started < 3  # a second on a quiet machine
    return caught.value.sentence


# -- .xls --------------------------------------------------------------------------------------------------------------


def test_own_xls_is_read_like_xlsx(tmp_path):
    kind, sheet, plans = take_in(xls(tmp_path / "a.xls", ("压力表", GAUGES)))
    assert (kind, plans[0].header_row, plans[0].rows) == ("xls", 2, 2)
    first, second = (row.cells for row in sheet.rows)
    assert (first["measuring_range"], second["measuring_range"]) == ("(0~1.6)MPa", "2.5MPa")
    assert first["valid_until"] == second["valid_until"] == dt.date(2026, 1, 11)
    assert [row.number for row in sheet.rows] == [3, 4]
    assert sheet.skipped[0].reason == "合计"


def test_template_columns_in_xls_and_an_xlsx_called_xls(tmp_path):
    rows = [list(row) for row in (HEADER, line())]
    path = xls(tmp_path / "a.xls", ("器具信息", rows))
    assert check_upload(path, "台账.xlsx", LEDGER_KINDS) == "xls"  # the content counts, not the name
    assert read_ledger(path).rows[0].cells["serial_no"] == "A30-0001"
    with pytest.raises(WorkbookRefused, match="这是旧版"):
        check_upload(path, "台账.xls")


def test_merged_cells_of_an_xls_reach_down(tmp_path):
    rows = [["名称", "编号", "型号", "安装位置"], ["压力表", "1A", "Y-100", "东楼"], ["压力表", "1B", "Y-100", None]]
    _, sheet, _ = take_in(xls(tmp_path / "m.xls", ("a", rows), merges=[(1, 3, 2, 3)]))
    assert [row.cells["place"] for row in sheet.rows] == ["东楼", "东楼"]


def test_password_macro_and_other_documents(tmp_path):
    path = tmp_path / "p.xls"
    path.write_bytes(container({"Workbook": biff([("a", GAUGES)], extra_globals=record(0x2F, bytes(54)))}))
    assert refusal(path).startswith("文件设有打开密码")
    path.write_bytes(container({"EncryptedPackage": b"x", "EncryptionInfo": b"y"}))
    assert refusal(path).startswith("文件设有打开密码")
    path.write_bytes(container({"Workbook": biff([("a", GAUGES)]), "_VBA_PROJECT_CUR": b"x"}))
    assert refusal(path).startswith("文件含宏")
    path.write_bytes(container({"WordDocument": b"x"}))
    assert refusal(path).startswith("这不是 Excel 工作簿")


def _circle(table):
    table[3] = 1


def _beyond(table):
    table[0] = 0x0FFFFFF0


@pytest.mark.parametrize("change", [_circle, _beyond])
def test_chains_that_turn_or_lead_nowhere(tmp_path, change):
    path = tmp_path / "c.xls"
    path.write_bytes(container({"Workbook": biff([("a", GAUGES)])}, change))
    assert refusal(path) == BROKEN


def test_forged_record_length_and_cut_file(tmp_path):
    path = tmp_path / "r.xls"
    stream = biff([("a", GAUGES)], extra_globals=struct.pack("<HH", 0x42, 0xFFFF) + bytes(100))
    path.write_bytes(container({"Workbook": stream}))
    assert refusal(path) == BROKEN
    whole = container({"Workbook": biff([("a", GAUGES)])})
    path.write_bytes(whole[:600])
    assert refusal(path) == BROKEN


def test_a_cell_in_the_last_corner_eats_no_memory_of_ours(tmp_path):
    far = record(0x203, struct.pack("<HHHd", 65_535, 65_535, 0, 1.0))
    path = xls(tmp_path / "f.xls", ("a", GAUGES), extra_sheet=far)
    assert refusal(path) == UNREADABLE


def test_huge_records_and_noise_leave_the_worker_alive(tmp_path):
    path = tmp_path / "n.xls"
    for seed, kind in enumerate((0xFC, 0x204, 0x3C, 0xE5, 0x06)):
        noise = record(kind, bytes((seed * 37 + at * 101) % 256 for at in range(8224)))
        path.write_bytes(
            container({"Workbook": biff([("a", GAUGES)], extra_globals=noise * 40, extra_sheet=noise * 40)})
        )
        refused = ""
        try:
            take_in(path)
        except WorkbookRefused as error:
            refused = error.sentence
        assert not refused or refused.endswith("后再上传。")


def test_the_reader_program_is_stopped_by_its_limits(tmp_path, monkeypatch):
    path = xls(tmp_path / "a.xls", ("压力表", GAUGES))
    monkeypatch.setattr(old_excel, "MEGABYTES", 1)
    with pytest.raises(WorkbookRefused, match="无法读取工作簿"):
        list(old_excel.read_xls(path))


# -- separated text ----------------------------------------------------------------------------------------------------


TEXT = (
    '序号,名称,型号,出厂编号,安装位置,备注\n1,电子秤,ACS-30,007,"东楼,一层","两行\n备注"\n2,电子秤,ACS-30,008,西楼,\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_text_in_every_encoding_and_delimiter(tmp_path, encoding, delimiter):
    path = tmp_path / "a.csv"
    text = TEXT.replace("东楼,一层", "东楼，一层").replace(",", delimiter)
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    kind, sheet, _ = take_in(path, "台账.csv")
    assert kind == "csv"
    assert [row.cells["serial_no"] for row in sheet.rows] == ["007", "008"]
    assert sheet.rows[0].cells["place"] == "东楼，一层"
    assert [row.number for row in sheet.rows] == [2, 3]
    assert sheet.rows[0].cells["note"].split() == ["两行", "备注"]


def test_template_as_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join("" if v is None else str(v) for v in row) for row in (HEADER, line())), "utf-8")
    check_upload(path, "a.csv", LEDGER_KINDS)
    assert read_ledger(path).rows[0].cells["name"] == "电子计价秤"


def test_quoted_comma_is_no_delimiter(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('名称;编号;型号\n"a,b,c,d";1;x\n"a,b,c,d";2;y\n', "utf-8")
    _, sheet, _ = take_in(path, "a.csv")
    assert sheet.rows[0].cells["name"] == "a,b,c,d"


@pytest.mark.parametrize(
    ("content", "beginning"),
    [
        (b"a" * 3_000_000, "文件中有过长的一行"),
        ("名称,编号,型号\n".encode() + b"," * 900_000, "文件中有过长的一行"),
        ("名称,编号,型号\n秤,\x001,x\n".encode(), "无法识别的文件"),
        ("名称,编号,型号\n".encode() * 2_000 + b"a\x00b", "文件的文字编码无法识别"),
        ("名称,编号,型号\n".encode() * 2_000 + b"\xff\xff\xff", "文件的文字编码无法识别"),
        ('名称,编号,型号\n秤,"1,x\n'.encode() + "秤,2,x\n".encode() * 20_000, "第2行起的引号不成对"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "这是网页（HTML）格式的文件"),
        (b"%PDF-1.7 ,,,", "这是 PDF 文件"),
        ("今天天气不错\n".encode(), "文件中没有用逗号、分号或制表符分隔的列"),
        ("今天,天气\n不错,是的\n".encode(), "前10行中没有找到表头"),
    ],
)
def test_text_that_is_no_table(tmp_path, content, beginning):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert refusal(path, "台账.csv").startswith(beginning)


def test_too_many_lines_of_text(tmp_path, monkeypatch):
    monkeypatch.setattr("app.intake.reader.MAX_ROWS", 2)
    path = tmp_path / "a.csv"
    path.write_text("名称,编号,型号\n" + "秤,{},x\n" * 4, "utf-8")
    assert refusal(path, "a.csv") == "文件超过2行，请拆分成几个文件后分批上传。"
