"""A look into the container of an old .xls (MS-CFB, MS-XLS) before the native reader gets it.

Only the allocation chains and the first records of the workbook stream are followed, each step counted: a chain that
turns in a circle, a password or macros are seen here, cheaply. The cells are read elsewhere, in a process of its own.
"""

from __future__ import annotations

import struct

from app.intake.errors import WorkbookRefused

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FREE = 0xFFFFFFFA  # this and above are marks, no sectors
_FILEPASS, _BOF, _EOF = 0x2F, 0x809, 0x0A
_GLOBALS_LOOK = 1 << 16
_BROKEN = "文件不完整或已损坏，请重新保存为 .xlsx 后再上传。"
_LOCKED = "文件设有打开密码，请取消密码并另存为 .xlsx 后再上传。"
_MACRO = "文件含宏，请另存为不含宏的 .xlsx 后再上传。"
_NO_BOOK = "这不是 Excel 工作簿，请用 Excel 或 WPS 打开，另存为 .xlsx 后再上传。"


def check_ole(data: bytes) -> None:
    """Raise WorkbookRefused unless ``data`` is a sound, open .xls without macros."""
    try:
        box = _Container(data)
        names = {entry[0]: entry for entry in box.entries()}
        _check_names(set(names))
        book = names.get("Workbook") or names.get("Book")
        if book is None:
            raise WorkbookRefused(_NO_BOOK)
        _, start, size = book
        _check_globals(box.read(start, size, _GLOBALS_LOOK))
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise WorkbookRefused(_BROKEN) from error


def _check_names(names: set[str]) -> None:
    if names & {"EncryptedPackage", "EncryptionInfo"}:
        raise WorkbookRefused(_LOCKED)
    if any(name.startswith("_VBA_PROJECT") or name in {"VBA", "Macros"} for name in names):
        raise WorkbookRefused(_MACRO)


def _check_globals(stream: bytes) -> None:
    """The first substream must begin as a workbook does and must not ask for a password."""
    place = 0
    kind, length = struct.unpack_from("<HH", stream, 0)
    if kind not in {_BOF, 0x409, 0x209, 0x009}:
        raise WorkbookRefused(_BROKEN)
    while place + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, place)
        if kind == _FILEPASS:
            raise WorkbookRefused(_LOCKED)
        if kind == _EOF:
            return
        # 8224 is the longest a record of the format may be; more is a forged length
        if length > 8224:
            raise WorkbookRefused(_BROKEN)
        place += 4 + length


class _Container:
    """Sectors, their chains and the directory of a compound file held in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        shift = struct.unpack_from("<H", data, 30)[0]
        if data[:8] != SIGNATURE or shift not in {9, 12}:
            raise ValueError("header")
        self.size = 1 << shift
        self.most = len(data) // self.size + 1
        fat_sectors, self.directory = struct.unpack_from("<I", data, 44)[0], struct.unpack_from("<I", data, 48)[0]
        self.mini_cutoff, self.mini_fat, _, difat, difat_count = struct.unpack_from("<5I", data, 56)
        if fat_sectors > self.most or difat_count > self.most:
            raise ValueError("sizes")
        self.fat = self._fat(fat_sectors, difat, difat_count)

    def _sector(self, number: int) -> bytes:
        at = (number + 1) * self.size
        if at >= len(self.data):
            raise ValueError("sector")
        return self.data[at : at + self.size]

    def _numbers(self, sector: bytes) -> tuple[int, ...]:
        return struct.unpack(f"<{len(sector) // 4}I", sector[: len(sector) // 4 * 4])

    def _fat(self, count: int, difat: int, difat_count: int) -> list[int]:
        places = list(struct.unpack_from("<109I", self.data, 76))
        for _ in range(difat_count):
            if difat >= _FREE:
                break
            *more, difat = self._numbers(self._sector(difat))
            places += more
        table: list[int] = []
        for place in [number for number in places if number < _FREE][:count]:
            table += self._numbers(self._sector(place))
        return table

    def _chain(self, start: int, table: list[int]) -> list[int]:
        """The sectors of one stream; a chain longer than the file is a circle."""
        chain: list[int] = []
        while start < _FREE:
            if len(chain) > max(self.most, len(table)):
                raise ValueError("circle")
            chain.append(start)
            start = table[start]
        return chain

    def entries(self) -> list[tuple[str, int, int]]:
        """(name, first sector, size in bytes) of every stream and storage."""
        self.root: tuple[int, int] = (0, 0)
        found: list[tuple[str, int, int]] = []
        listing = b"".join(self._sector(number) for number in self._chain(self.directory, self.fat))
        for at in range(0, len(listing), 128):
            entry = listing[at : at + 128]
            if len(entry) < 128 or not entry[66]:
                continue
            length = min(struct.unpack_from("<H", entry, 64)[0], 64)
            name = entry[: max(length - 2, 0)].decode("utf-16-le")
            start, size = struct.unpack_from("<II", entry, 116)
            if entry[66] == 5:
                self.root = (start, size)
            if size > len(self.data) and entry[66] == 2:
                raise ValueError("size")
            found.append((name, start, size))
        return found

    def read(self, start: int, size: int, most: int) -> bytes:
        """The first ``most`` bytes of a stream, after its whole chain was followed once."""
        if size >= self.mini_cutoff:
            chain = self._chain(start, self.fat)
            if len(chain) * self.size < size:
                raise ValueError("short")
            return b"".join(self._sector(n) for n in chain[: most // self.size + 1])[: min(size, most)]
        mini_table: list[int] = []
        for number in self._chain(self.mini_fat, self.fat):
            mini_table += self._numbers(self._sector(number))
        ministream = b"".join(self._sector(n) for n in self._chain(self.root[0], self.fat))
        chain = self._chain(start, mini_table)
        return b"".join(ministream[n * 64 : n * 64 + 64] for n in chain)[: min(size, most)]
