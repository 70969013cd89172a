"""Ugly files: one sentence each, quickly, and nothing is opened that should not be."""

import struct
import time
import zipfile

import openpyxl
import pytest

from app.intake.errors import WorkbookRefused
from app.intake.fields import TEMPLATE_VERSION
from app.intake.guard import check_upload
from app.intake.reader import read_ledger
from tests.intake.conftest import SAMPLES
from tests.intake.support import HEADER, book, line, rezip

GOOD_FILE = SAMPLES / "ledger_wuyuan_all_categories.xlsx"
SHEET = "xl/worksheets/sheet1.xml"
SAVE_AS = "请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。"
DTD = "文件内含不允许的 XML 声明，" + SAVE_AS
TOO_BIG = "文件解压后过大，请删除多余的工作表和空白区域，拆分后再上传。"
BROKEN = "文件不完整或已损坏，请重新保存为 .xlsx 后再上传。"
CSV = "这是文本（CSV）文件，" + SAVE_AS
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&b;</t></si></sst>'
)


def take_in(path, name):
    check_upload(path, name)
    read_ledger(path)


def refusal(path, name="台账.xlsx"):
    started = time.perf_counter()
    with pytest.raises(WorkbookRefused) as caught:
        take_in(path, name)
    assert time.perf_counter() - started < 1
    assert caught.value.sentence == str(caught.value)
    return caught.value.sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "文件是空的，请选择填写好的模板后再上传。"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "这是图片文件，不是工作簿，请上传填写好的 .xlsx 模板。"),
        (b"%PDF-1.7\n", "这是 PDF 文件，不是工作簿，请上传填写好的 .xlsx 模板。"),
        (b"<html><body><table></table></body></html>", "这是网页（HTML）格式的文件，" + SAVE_AS),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "这是旧版 .xls 文件，" + SAVE_AS),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "文件设有打开密码，请取消密码并另存为 .xlsx 后再上传。",
        ),
        ("器具名称,出厂编号\n秤,1\n".encode(), CSV),
        ("器具名称,出厂编号\n电子秤,1\n".encode("gb18030"), CSV),
        (b"PK\x03\x04 and then nothing", BROKEN),
    ],
)
def test_not_a_workbook(tmp_path, content, sentence):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert refusal(path) == sentence


def test_good_file_under_wrong_name(tmp_path):
    assert refusal(GOOD_FILE, "台账.xls") == "文件扩展名不是 .xlsx，" + SAVE_AS


def test_truncated(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(GOOD_FILE.read_bytes()[:-700])
    assert refusal(path) == BROKEN


def test_macro_by_content_type_and_by_part(tmp_path):
    sentence = "文件含宏（.xlsm），请另存为不含宏的 .xlsx 后再上传。"
    as_macro = {
        "[Content_Types].xml": lambda data: data.replace(
            b"vnd.openxmlformats-officedocument.spreadsheetml.sheet.main", b"vnd.ms-excel.sheet.macroEnabled.main"
        )
    }
    assert refusal(rezip(GOOD_FILE, tmp_path / "a.xlsx", as_macro)) == sentence
    assert refusal(rezip(GOOD_FILE, tmp_path / "b.xlsx", add={"xl/vbaProject.bin": b"x"})) == sentence


def test_other_archives(tmp_path):
    path = tmp_path / "z.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert refusal(path) == "这不是 Excel 工作簿，" + SAVE_AS
    nested = "文件内嵌有其他文件或压缩包，请删除嵌入对象后再上传。"
    assert refusal(rezip(GOOD_FILE, tmp_path / "n.xlsx", add={"xl/embeddings/a.zip": b"x"})) == nested
    assert refusal(rezip(GOOD_FILE, tmp_path / "m.xlsx", add={"xl/media/a.bin": b"PK\x03\x04xx"})) == nested
    many = {f"xl/x{number}.bin": b"x" for number in range(200)}
    assert (
        refusal(rezip(GOOD_FILE, tmp_path / "k.xlsx", add=many)) == "文件内部条目过多，请把数据复制到新模板中再上传。"
    )


def test_zip_bomb_by_ratio_and_by_claim(tmp_path):
    bomb = rezip(GOOD_FILE, tmp_path / "b.xlsx", add={"xl/media/zeros.bin": bytes(60 << 20)})
    assert bomb.stat().st_size < 200_000
    assert refusal(bomb) == TOO_BIG
    data = bytearray(bomb.read_bytes())  # the directory now claims a few bytes for the 60 MB
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(b"xl/media/zeros.bin"))
    data[at + 24 : at + 28] = struct.pack("<I", 100)
    bomb.write_bytes(data)
    assert refusal(bomb) == BROKEN


def test_claimed_size_over_limit(tmp_path):
    path = rezip(GOOD_FILE, tmp_path / "c.xlsx", add={"xl/media/a.bin": b"x"})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02", 0, data.rfind(b"xl/media/a.bin"))
    data[at + 24 : at + 28] = struct.pack("<I", 0xF0000000)
    path.write_bytes(data)
    assert refusal(path) == TOO_BIG


def test_file_over_ten_megabytes(tmp_path):
    path = tmp_path / "l.xlsx"
    with path.open("wb") as stream:
        stream.truncate(10 * 1024 * 1024 + 1)
    assert refusal(path) == "文件超过10 MB，请拆分成几个文件后分批上传。"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/styles.xml", SHEET])
def test_dtd_in_any_part(tmp_path, part):
    external = b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'
    bad = {part: lambda data: external + data}
    assert refusal(rezip(GOOD_FILE, tmp_path / "d.xlsx", bad)) == DTD


def test_billion_laughs_in_shared_strings(tmp_path):
    assert refusal(rezip(GOOD_FILE, tmp_path / "l.xlsx", add={"xl/sharedStrings.xml": LAUGHS})) == DTD


def test_dtd_across_a_chunk_border_and_in_utf16(tmp_path):
    padding = b"<!--" + b"x" * ((1 << 18) - 9) + b"-->"
    split = {"xl/styles.xml": lambda data: padding[:-3] + b"-->" + b"<!DOCTYPE a>" + data}
    assert refusal(rezip(GOOD_FILE, tmp_path / "s.xlsx", split)) == DTD
    wide = {"xl/styles.xml": lambda data: data.decode().encode("utf-16")}
    assert refusal(rezip(GOOD_FILE, tmp_path / "w.xlsx", wide)) == "文件内部编码不是 UTF-8，" + SAVE_AS


def test_sheet_reaching_to_the_last_cell(tmp_path):
    far = {
        SHEET: lambda data: data.replace(
            b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
        )
    }
    sentence = refusal(rezip(GOOD_FILE, tmp_path / "f.xlsx", far))
    assert sentence == "工作表“器具信息”的范围过大（到第1048576行、第16384列），请删除数据以外的行和列，另存后再上传。"


def test_sheet_claiming_everything_but_holding_little_is_read(tmp_path):
    claim = {
        SHEET: lambda data: data.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>').replace(
            b"</sheetData>", b'<row r="1048576" spans="1:18"><c r="XFD1048576" s="0"/></row></sheetData>'
        )
    }
    path = rezip(GOOD_FILE, tmp_path / "c.xlsx", claim)
    check_upload(path, "c.xlsx")
    assert len(read_ledger(path).rows) == 23


def test_empty_and_header_only(tmp_path):
    assert (
        refusal(book(tmp_path / "e.xlsx", ("空", [])))
        == f"前10行中没有找到表头，请使用最新模板（版本{TEMPLATE_VERSION}），不要修改表头文字。"
    )
    nothing = "文件中没有数据行，请在表头下方逐行填写器具信息后再上传。"
    assert refusal(book(tmp_path / "h.xlsx", ("器具信息", [HEADER]))) == nothing


def test_missing_and_repeated_columns(tmp_path):
    without = [
        [value for value, label in zip(row, HEADER, strict=True) if label not in ("出厂编号", "器具用途")]
        for row in (HEADER, line())
    ]
    assert (
        refusal(book(tmp_path / "m.xlsx", ("器具信息", without)))
        == f"文件缺少必填列：出厂编号、器具用途，请使用最新模板（版本{TEMPLATE_VERSION}）。"
    )
    twice = [[*HEADER, "编号"], [*line(), "1"]]
    assert refusal(book(tmp_path / "t.xlsx", ("器具信息", twice))) == "文件中“编号”列重复，请只保留一列后再上传。"


def test_merged_header_lacks_its_sub_columns(tmp_path):
    path = tmp_path / "g.xlsx"
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    grouped = [label if label not in ("器具用途", "送检方式") else "" for label in HEADER]
    sheet.append(grouped)
    sheet.merge_cells("N1:P1")
    sheet.append(line())
    workbook.save(path)
    assert refusal(path) == f"文件缺少必填列：器具用途、送检方式，请使用最新模板（版本{TEMPLATE_VERSION}）。"


def test_broken_sheet_xml(tmp_path):
    torn = {SHEET: lambda data: data[: len(data) // 2]}
    assert refusal(rezip(GOOD_FILE, tmp_path / "t.xlsx", torn)).endswith("另存为 .xlsx 后再上传。")


def test_openpyxl_is_guarded():
    assert openpyxl.DEFUSEDXML is True
    assert openpyxl.LXML is False
