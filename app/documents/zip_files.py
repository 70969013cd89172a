"""Many files in one archive, under names that Windows, macOS and phones show alike."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
LONGEST = 120  # characters, ending included
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive


def file_name(parts: Iterable[str], ending: str) -> str:
    """The parts joined by "_", without what Windows refuses in a file name: file_name(["1", "秤"], "pdf") → 1_秤.pdf."""
    text = unicodedata.normalize("NFC", "_".join(part for part in parts if part))
    kept = "".join(c for c in FORBIDDEN.sub("-", text) if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    stem = kept[: LONGEST - len(ending) - 1].strip(" .") or "文件"
    if RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return f"{stem}.{ending}"


def write_zip(files: Iterable[tuple[str, bytes]], out: BinaryIO) -> int:
    """Write (name, content) pairs as they come; returns how many. A name that comes again gets a number.

    Names outside ASCII are marked as UTF-8 (APPNOTE 4.4.4, bit 11), which is what keeps Chinese whole on Windows.
    PDFs are compressed already and are stored as they are.
    """
    seen: dict[str, int] = {}
    count = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(_own(name, seen), LONG_AGO)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
            count += 1
    return count


def _own(name: str, seen: dict[str, int]) -> str:
    key = name.casefold()  # Windows does not tell a.pdf from A.pdf
    seen[key] = seen.get(key, 0) + 1
    if seen[key] == 1:
        return name
    stem, _dot, ending = name.rpartition(".")
    return _own(f"{stem}({seen[key]}).{ending}", seen)
