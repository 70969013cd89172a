"""Checks on an uploaded file before any spreadsheet library opens it.

What a file is, is decided by its content, never by its name. Limits: 10 MB, 200 entries, 200 MB unpacked, a million
shared texts, no nested archive, no DTD or entity, no macros, no link into the network, no entry that names a path
outside. The unpacked size is measured by really inflating each entry: a size written in the archive is a claim of the
sender. Nothing is written to disk and no more than one chunk is held in memory.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.intake.delimited import check_text
from app.intake.errors import WorkbookRefused
from app.intake.formats import CSV, LEDGER_KINDS, XLS, XLSX
from app.intake.ole import SIGNATURE, check_ole

__all__ = ["LEDGER_KINDS", "ONLY_XLSX", "WorkbookRefused", "check_upload"]

ONLY_XLSX = frozenset((XLSX,))

MAX_FILE = 10 * 1024 * 1024
MAX_ENTRIES = 200
MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 100
# A ledger of one unit repeats itself and packs well; the ratio says something only about large contents.
RATIO_FROM = 20 * 1024 * 1024
_CHUNK = 1 << 18
MAX_TEXTS = 1_000_000
_RELATIONS_MOST = 1 << 20

_MAIN_TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_NESTED_NAME = re.compile(r"\.(?:zip|xlsx|xlsm|docx|pptx|jar|rar|7z|gz|bz2|xz|tar)$", re.IGNORECASE)
_DTD = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""", re.IGNORECASE)
_PLAIN_ENCODINGS = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii"))

# Where a workbook may point into the network when somebody opens it: a share that asks for the password, a picture
# that tells who looked. Hyperlinks wait for a click and stay; so do links to files beside it, which nobody follows here.
_RELATION = re.compile(rb"<[^<>]*\bTargetMode\s*=\s*[\"']External[\"'][^<>]*>", re.IGNORECASE)
_REMOTE = re.compile(rb"Target\s*=\s*[\"'](?:[a-z][a-z0-9+.\-]+:|\\\\|//|%5c%5c)", re.IGNORECASE)
_HYPERLINK = re.compile(rb"Type\s*=\s*[\"'][^\"']*/hyperlink[\"']", re.IGNORECASE)
_LOCAL_FILE = re.compile(rb"Target\s*=\s*[\"']file:///[a-z]:", re.IGNORECASE)

_SAVE_AS = "请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。"
_BROKEN = "文件不完整或已损坏，请重新保存为 .xlsx 后再上传。"
_TOO_BIG_INSIDE = "文件解压后过大，请删除多余的工作表和空白区域，拆分后再上传。"
_TEXT_FILE = "这是文本（CSV）文件，"
_MACRO = "文件含宏（.xlsm），请另存为不含宏的 .xlsx 后再上传。"
_DTD_FOUND = "文件内含不允许的 XML 声明，" + _SAVE_AS
_ODD_ENCODING = "文件内部编码不是 UTF-8，" + _SAVE_AS
_ODD_NAMES = "文件内部的条目名称异常，" + _SAVE_AS
_TOO_MANY_TEXTS = "文件内的文字条目过多，请拆分成几个文件后分批上传。"
_REMOTE_LINK = "文件含指向网络地址的外部链接，请在“数据—编辑链接”中断开链接并删除网络图片后再上传。"


def check_upload(path: Path, filename: str, kinds: frozenset[str] = ONLY_XLSX) -> str:
    """Return the format of ``path`` (one of ``kinds``); raise :class:`WorkbookRefused` unless it is harmless.

    ``filename`` is the user's name for it. Where only .xlsx is taken, the name has to say so too.
    """
    size = path.stat().st_size
    if size == 0:
        raise WorkbookRefused("文件是空的，请选择填写好的模板后再上传。")
    if size > MAX_FILE:
        raise WorkbookRefused("文件超过10 MB，请拆分成几个文件后分批上传。")
    with path.open("rb") as stream:
        head = stream.read(8192)
        if not head.startswith(b"PK\x03\x04"):
            return _other_kind(head, path, filename, kinds)
        try:
            _check_archive(stream, size)
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            EOFError,
            OSError,
            ValueError,
            NotImplementedError,
        ) as error:
            raise WorkbookRefused(_BROKEN) from error
    if kinds == ONLY_XLSX and not filename.casefold().endswith(".xlsx"):
        raise WorkbookRefused("文件扩展名不是 .xlsx，" + _SAVE_AS)
    return XLSX


def _other_kind(head: bytes, path: Path, filename: str, kinds: frozenset[str]) -> str:
    """Return XLS or CSV when ``kinds`` has it and the content is sound; refuse everything else by its name."""
    if XLS in kinds and head.startswith(SIGNATURE):
        check_ole(path.read_bytes())
        return XLS
    sentence = _name_the_kind(head, path, filename)
    if CSV not in kinds or not sentence.startswith(_TEXT_FILE):
        raise WorkbookRefused(sentence)
    check_text(path.read_bytes())
    return CSV


def _name_the_kind(head: bytes, path: Path, filename: str) -> str:
    """Return the sentence for something that is no zip archive at all."""
    if head.startswith(SIGNATURE):
        if "EncryptedPackage".encode("utf-16-le") in path.read_bytes():
            return "文件设有打开密码，请取消密码并另存为 .xlsx 后再上传。"
        return "这是旧版 .xls 文件，" + _SAVE_AS
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")) or head[8:12] == b"WEBP":
        return "这是图片文件，不是工作簿，请上传填写好的 .xlsx 模板。"
    if head.startswith(b"%PDF"):
        return "这是 PDF 文件，不是工作簿，请上传填写好的 .xlsx 模板。"
    if head.startswith((b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")):
        return "这是压缩文件，请解压后上传其中的 .xlsx 文件。"
    lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if lowered.startswith(b"<") and (b"<html" in lowered or b"<table" in lowered):
        return "这是网页（HTML）格式的文件，" + _SAVE_AS
    if lowered.startswith(b"<?xml") or b"<workbook" in lowered:
        return "这是 XML 文件，" + _SAVE_AS
    if _looks_like_text(head):
        return _TEXT_FILE + _SAVE_AS
    return f"无法识别的文件，{_SAVE_AS}" if filename else _BROKEN


def _looks_like_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\x00" in head:
        return False
    for encoding in ("utf-8", "gb18030"):
        for cut in range(4):  # the sample may end within a character
            try:
                head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            return True
    return False


def _check_archive(stream: BinaryIO, size: int) -> None:
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise WorkbookRefused("文件内部条目过多，请把数据复制到新模板中再上传。")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise WorkbookRefused(_TOO_BIG_INSIDE)
    if any(_leaves_the_archive(entry) for entry in entries):
        raise WorkbookRefused(_ODD_NAMES)
    names = [entry.filename.casefold() for entry in entries]
    if len(set(names)) != len(names):
        raise WorkbookRefused(_BROKEN)
    _refuse_by_names(names)
    _refuse_overlap(entries, size)
    total = 0
    content_types = b""
    for entry in entries:
        is_types = entry.filename == "[Content_Types].xml"
        kept = bytearray() if is_types or entry.filename.casefold().endswith(".rels") else None
        total += _check_entry(stream, entry, total, size, kept)
        if is_types and kept is not None:
            content_types = bytes(kept)
        elif kept is not None:
            _check_relations(bytes(kept))
    _check_content_types(content_types)


def _leaves_the_archive(entry: zipfile.ZipInfo) -> bool:
    """True for ../x, /etc/x, C:\\x and names cut short by NUL: no spreadsheet program writes such entries."""
    name = entry.orig_filename
    parts = name.split("/")
    return ".." in parts or any(odd in name for odd in ("\\", "\x00", ":")) or name.startswith("/")


def _refuse_by_names(names: list[str]) -> None:
    if any(name.endswith("vbaproject.bin") for name in names):
        raise WorkbookRefused(_MACRO)
    if any(_NESTED_NAME.search(name) for name in names):
        raise WorkbookRefused("文件内嵌有其他文件或压缩包，请删除嵌入对象后再上传。")
    if "[content_types].xml" not in names or "xl/workbook.xml" not in names:
        if "xl/workbook.bin" in names:
            raise WorkbookRefused("这是 .xlsb 文件，" + _SAVE_AS)
        raise WorkbookRefused("这不是 Excel 工作簿，" + _SAVE_AS)


def _refuse_overlap(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Entries sharing compressed bytes are how a small archive unpacks to a huge one."""
    end = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < end:
            raise WorkbookRefused(_BROKEN)
        end = entry.header_offset + 30 + entry.compress_size
    if end > size:
        raise WorkbookRefused(_BROKEN)


def _check_entry(stream: BinaryIO, entry: zipfile.ZipInfo, before: int, size: int, kept: bytearray | None) -> int:
    """Inflate one entry, scanning it; return its true size in bytes."""
    is_xml = entry.filename.casefold().endswith((".xml", ".rels", ".vml"))
    texts = 0 if entry.filename.casefold().endswith("sharedstrings.xml") else None
    total, tail, first = 0, b"", True
    for chunk in _inflate(stream, entry):
        total += len(chunk)
        if total > entry.file_size:
            raise WorkbookRefused(_BROKEN)
        unpacked = before + total
        if unpacked > MAX_UNPACKED or (unpacked > RATIO_FROM and unpacked > MAX_RATIO * size):
            raise WorkbookRefused(_TOO_BIG_INSIDE)
        if first:
            first = False
            _check_beginning(chunk, is_xml)
        if is_xml:
            if b"<!" in chunk or tail:
                window = tail + chunk
                if _DTD.search(window):
                    raise WorkbookRefused(_DTD_FOUND)
            tail = chunk[-32:] if b"<" in chunk[-32:] else b""
        if texts is not None:
            texts += chunk.count(b"<si>") + chunk.count(b"<si ")
            if texts > MAX_TEXTS:
                raise WorkbookRefused(_TOO_MANY_TEXTS)
        if kept is not None and len(kept) < _RELATIONS_MOST:
            kept += chunk
    if total != entry.file_size:
        raise WorkbookRefused(_BROKEN)
    return total


def _check_beginning(chunk: bytes, is_xml: bool) -> None:
    if chunk.startswith((b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf")):
        raise WorkbookRefused("文件内嵌有其他文件或压缩包，请删除嵌入对象后再上传。")
    if not is_xml:
        return
    # A DTD written in UTF-16 or UTF-7 would not be seen by the byte scan.
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in chunk[:64]:
        raise WorkbookRefused(_ODD_ENCODING)
    declared = _ENCODING.search(chunk[:512])
    if declared and declared.group(1).lower() not in _PLAIN_ENCODINGS:
        raise WorkbookRefused(_ODD_ENCODING)


def _inflate(stream: BinaryIO, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the true contents of ``entry`` in bounded chunks, whatever size its header claims."""
    if entry.flag_bits & 0x1:
        raise WorkbookRefused("文件设有打开密码，请取消密码并另存为 .xlsx 后再上传。")
    stream.seek(entry.header_offset)
    local = stream.read(30)
    if local[:4] != b"PK\x03\x04":
        raise WorkbookRefused(_BROKEN)
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    stream.seek(name_length + extra_length, 1)
    left = entry.compress_size
    if entry.compress_type == zipfile.ZIP_STORED:
        while left and (data := stream.read(min(left, _CHUNK))):
            left -= len(data)
            yield data
        return
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        raise WorkbookRefused(_BROKEN)
    inflater = zlib.decompressobj(-15)
    while not inflater.eof:
        data = inflater.unconsumed_tail
        if not data:
            data = stream.read(min(left, _CHUNK))
            left -= len(data)
            if not data:
                raise WorkbookRefused(_BROKEN)
        if chunk := inflater.decompress(data, _CHUNK):
            yield chunk


def _check_relations(relations: bytes) -> None:
    for found in _RELATION.findall(relations):
        if _REMOTE.search(found) and not _HYPERLINK.search(found) and not _LOCAL_FILE.search(found):
            raise WorkbookRefused(_REMOTE_LINK)


def _check_content_types(content_types: bytes) -> None:
    if b"macroEnabled" in content_types or b"vbaProject" in content_types:
        raise WorkbookRefused(_MACRO)
    if _MAIN_TYPE not in content_types:
        raise WorkbookRefused("这不是 .xlsx 工作簿，" + _SAVE_AS)
