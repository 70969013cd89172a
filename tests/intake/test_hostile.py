"""Archives made to harm: refused at once, by what they hold and not by their name."""

import io
import struct
import time
import zipfile
import zlib

import pytest

from app.intake.errors import WorkbookRefused
from app.intake.guard import LEDGER_KINDS, check_upload
from app.intake.own_book import read_any
from tests.intake.conftest import SAMPLES
from tests.intake.full_reference import full_reference
from tests.intake.support import HEADER, book, line, rezip

GOOD_FILE = SAMPLES / "ledger_wuyuan_all_categories.xlsx"
NESTED = "文件内嵌有其他文件或压缩包，请删除嵌入对象后再上传。"
NOT_A_BOOK = "这不是 Excel 工作簿，请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。"
TOO_BIG = "文件解压后过大，请删除多余的工作表和空白区域，拆分后再上传。"
BROKEN = "文件不完整或已损坏，请重新保存为 .xlsx 后再上传。"
REMOTE = "文件含指向网络地址的外部链接，请在“数据—编辑链接”中断开链接并删除网络图片后再上传。"
RELATIONS = '<?xml version="1.0"?><Relationships xmlns="r"><Relationship Id="x" Type="http://s/{kind}" Target="{target}" TargetMode="External"/></Relationships>'


def _take(path, name):
    check_upload(path, name, LEDGER_KINDS)
    read_any(path, full_reference())


def refusal(path, name="台账.xlsx", limit=2.0):
    started = time.perf_counter()
    with pytest.raises(WorkbookRefused) as caught:
        _take(path, name)
    assert time.perf_counter() - started < limit  # a second on a quiet machine
    return caught.value.sentence


def _zip(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_zip_in_zip_in_zip(tmp_path):
    inner = _zip({"0.dll": bytes(4 << 20)})
    for _ in range(4):
        inner = _zip({f"book{at}.zip": inner for at in range(4)})
    path = tmp_path / "42.xlsx"
    path.write_bytes(inner)
    assert refusal(path) == NESTED
    assert refusal(rezip(GOOD_FILE, tmp_path / "q.xlsx", add={"xl/r/r": _zip({"r": b"r"})})) == NESTED


def test_sheet_of_four_gigabytes_in_few_bytes(tmp_path):
    """The entry inflates a thousand times over; nobody waits for its end."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b'<row r="1"><c r="A1"><v>1</v></c></row>' * 26_000
    packed = b"".join(squeezer.compress(block) for _ in range(60)) + squeezer.flush()
    path = rezip(GOOD_FILE, tmp_path / "b.xlsx", add={"xl/worksheets/sheet9.xml": b"x"})
    name = b"xl/worksheets/sheet9.xml"
    head = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, 0, len(packed), 0xFFFFFFF0, len(name), 0)
    with zipfile.ZipFile(path) as archive:
        kept = {
            entry.filename: archive.read(entry.filename)
            for entry in archive.infolist()
            if entry.filename.encode() != name
        }
    base = _zip(kept)
    end = base.rfind(b"PK\x05\x06")
    start, count = struct.unpack("<I", base[end + 16 : end + 20])[0], struct.unpack("<H", base[end + 10 : end + 12])[0]
    listing = (
        struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            b"PK\x01\x02",
            20,
            20,
            0,
            8,
            0,
            33,
            0,
            len(packed),
            100,
            len(name),
            0,
            0,
            0,
            0,
            0,
            start,
        )
        + name
    )
    directory = base[start:end] + listing
    body = base[:start] + head + name + packed
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(directory), len(body), 0)
    path.write_bytes(body + directory + tail)
    assert path.stat().st_size < 400_000
    assert refusal(path) in {BROKEN, TOO_BIG}


def test_entries_that_share_their_bytes(tmp_path):
    path = rezip(GOOD_FILE, tmp_path / "o.xlsx", add={"xl/a.bin": bytes(1000), "xl/b.bin": bytes(1000)})
    data = bytearray(path.read_bytes())
    first, second = data.find(b"xl/a.bin") - 30, data.rfind(b"xl/b.bin") - 46
    data[second + 42 : second + 46] = struct.pack("<I", first)
    path.write_bytes(data)
    assert refusal(path) == BROKEN


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/passwd", "C:/windows/x.dll", "xl\\..\\x", "xl/../../x"])
def test_names_that_lead_outside(tmp_path, name):
    path = tmp_path / "p.xlsx"
    rezip(GOOD_FILE, path, add={"xl/PLACEHOLDER": b"x"})
    size = len("xl/PLACEHOLDER")
    path = rezip(GOOD_FILE, tmp_path / "q.xlsx", add={name.ljust(size, "x"): b"x"})
    assert refusal(path).startswith("文件内部的条目名称异常")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("externalLinkPath", "http://203.0.113.9/book.xlsx"),
        ("externalLinkPath", "\\\\203.0.113.9\\share\\book.xlsx"),
        ("externalLinkPath", "file://203.0.113.9/share/book.xlsx"),
        ("image", "https://203.0.113.9/seen.png"),
        ("oleObject", "http://203.0.113.9/x.ole"),
        ("attachedTemplate", "ftp://203.0.113.9/t.xltx"),
    ],
)
def test_links_into_the_network(tmp_path, kind, target):
    add = {"xl/externalLinks/_rels/externalLink1.xml.rels": RELATIONS.format(kind=kind, target=target)}
    assert refusal(rezip(GOOD_FILE, tmp_path / "l.xlsx", add=add)) == REMOTE


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("hyperlink", "https://www.example.com/"),
        ("hyperlink", "mailto:a@example.com"),
        ("externalLinkPath", "去年的台账.xlsx"),
        ("externalLinkPath", "file:///D:/台账/2024.xlsx"),
    ],
)
def test_links_that_everybody_has_are_no_danger(tmp_path, kind, target):
    add = {"xl/worksheets/_rels/sheet1.xml.rels": RELATIONS.format(kind=kind, target=target)}
    assert check_upload(rezip(GOOD_FILE, tmp_path / "l.xlsx", add=add), "a.xlsx") == "xlsx"


def test_more_texts_than_any_ledger_holds(tmp_path):
    texts = b'<sst xmlns="m">' + b"<si><t/></si>" * 1_020_000 + b"</sst>"
    path = rezip(GOOD_FILE, tmp_path / "s.xlsx", add={"xl/sharedStrings.xml": texts})
    assert refusal(path) == "文件内的文字条目过多，请拆分成几个文件后分批上传。"


def test_a_picture_under_every_name(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    for name in ("台账.xlsx", "台账.xls", "台账.csv"):
        assert refusal(path, name) == "这是图片文件，不是工作簿，请上传填写好的 .xlsx 模板。"


def test_other_office_files_and_binary_workbooks(tmp_path):
    path = tmp_path / "d.xlsx"
    path.write_bytes(_zip({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<d/>"}))
    assert refusal(path) == NOT_A_BOOK
    path.write_bytes(_zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.bin": b"x"}))
    assert refusal(path).startswith("这是 .xlsb 文件")
    path.write_bytes(_zip({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}))
    assert refusal(path) == NOT_A_BOOK


def test_an_honest_file_still_goes_through(tmp_path):
    path = book(tmp_path / "a.xlsx", ("器具信息", [HEADER, line()]))
    assert check_upload(path, "随便什么.xls", LEDGER_KINDS) == "xlsx"
    assert len(read_any(path, full_reference())[0].rows) == 1
