"""The file store: bytes under their SHA-256, written beside, synced, then renamed, so that no half file is ever seen.

Papers that show a person (`private`) are sealed with the personal data key; the name stays the SHA-256 of the plain
bytes. Whether a file is sealed is seen from its content: bytes that do not match their name and carry the mark are.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import threading
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from flask import current_app

from app.errors import InvalidInputError
from models.types import key_of, seal_raw, unseal_raw

MARK = b"\x00quanheng-sealed-1\n"
"""What a sealed file begins with."""

IMAGE_OR_PDF = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"%PDF-": "application/pdf",
}
MAX_PAPER = 10 * 1024 * 1024


def _root() -> Path:
    return Path(str(current_app.config["UPLOAD_DIR"]))


def path_of(sha256: str) -> Path:
    """Where the bytes with that fingerprint lie; only for files that are never private."""
    return _root() / sha256[:2] / sha256


def put(data: bytes, *, private: bool = False) -> str:
    """Store the bytes; returns their SHA-256. Storing the same bytes again is free; private once is private for good."""
    digest = hashlib.sha256(data).hexdigest()
    target = path_of(digest)
    if target.exists() and (not private or is_private(digest)):
        os.utime(target)  # somebody is about to refer to it: the sweep counts its days from now
        return digest
    _write(target, MARK + seal_raw(data) if private else data)
    return digest


def put_file(source: Path) -> str:
    """Store a file of any size, a block at a time; returns its SHA-256. For files that show no person."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = path_of(digest)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    with source.open("rb") as file, temporary.open("wb") as out:
        shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(target)
    return digest


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    temporary = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(target)


def read(sha256: str) -> bytes:
    """The plain bytes, checked against their fingerprint; raises OSError when the store is damaged."""
    data = path_of(sha256).read_bytes()
    if hashlib.sha256(data).hexdigest() == sha256:
        return data
    if data.startswith(MARK):
        with suppress(InvalidTag, ValueError, KeyError):
            plain = unseal_raw(data[len(MARK) :])
            if hashlib.sha256(plain).hexdigest() == sha256:
                return plain
    raise OSError(f"stored file {sha256} does not match its fingerprint")


def is_private(sha256: str) -> bool:
    """Whether the file lies sealed; False when there is none."""
    return bool(key_of_file(sha256))


def key_of_file(sha256: str) -> str:
    """The id of the key a private file is sealed under, "" for a plain one."""
    try:
        with path_of(sha256).open("rb") as file:
            head = file.read(len(MARK) + 8)
    except FileNotFoundError:
        return ""
    return key_of(head[len(MARK) :]) if head.startswith(MARK) else ""


def reseal(sha256: str) -> None:
    """Seal a private file anew under the newest key; its days in the store go on counting."""
    target = path_of(sha256)
    at = target.stat().st_mtime
    _write(target, MARK + seal_raw(read(sha256)))
    os.utime(target, (at, at))


@contextmanager
def opened(sha256: str) -> Iterator[Path]:
    """A path with the plain bytes, for readers that want a file; of a private one a copy that goes away again."""
    if not is_private(sha256):
        yield path_of(sha256)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / sha256
        copy.write_bytes(read(sha256))
        yield copy


def kept_files() -> Iterator[str]:
    """The fingerprints of everything stored."""
    for folder in sorted(_root().glob("[0-9a-f][0-9a-f]")):
        for file in sorted(folder.iterdir()):
            if len(file.name) == 64:
                yield file.name


def age(sha256: str) -> float:
    """Seconds since the file was stored or asked for again; 0 when there is none."""
    try:
        return max(time.time() - path_of(sha256).stat().st_mtime, 0)
    except FileNotFoundError:
        return 0


def remove(sha256: str) -> None:
    """Delete the bytes; the caller has made sure that nothing refers to them."""
    path_of(sha256).unlink(missing_ok=True)


def clean_filename(name: str) -> str:
    """The name as people know it: NFC, without folders, control and direction signs, at most 120 characters."""
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > 120:
        kept = f"{stem[: 119 - len(suffix)]}{dot}{suffix}"[:120]
    return kept or "文件"


WORD_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ACCEPTS: dict[str, tuple[frozenset[str], str]] = {
    "paper": (frozenset(IMAGE_OR_PDF.values()), "jpg、png 图片或 PDF 文件"),
    "image": (frozenset({"image/png", "image/jpeg"}), "jpg、jpeg、png 图片"),
    "document": (frozenset({"application/pdf", "application/msword", WORD}), "pdf、doc、docx 文件"),
}
"""What an upload may be, and its words (REG-16)."""


def _sniffed(data: bytes) -> str | None:
    """The content type by what the bytes are, never by the name."""
    for magic, kind in IMAGE_OR_PDF.items():
        if data.startswith(magic):
            return kind
    if data.startswith(WORD_OLD):
        return "application/msword"
    return WORD if data.startswith(b"PK\x03\x04") and _is_docx(data) else None


def _is_docx(data: bytes) -> bool:
    """A Word document without macros."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.casefold() for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, OSError):
        return False
    return {"[content_types].xml", "word/document.xml"} <= names and "word/vbaproject.bin" not in names


def check_paper(data: bytes, label: str, accept: str = "paper") -> str:
    """The content type of an uploaded paper by what it is; raises InvalidInputError with the cure.

    `accept` is a key of ACCEPTS: papers unless a form says otherwise.
    """
    if not data:
        raise InvalidInputError(f"“{label}”是空文件，请重新选择。", field=label)
    if len(data) > MAX_PAPER:
        raise InvalidInputError(f"“{label}”超过10MB，请压缩后重新上传。", field=label)
    allowed, words = ACCEPTS[accept]
    kind = _sniffed(data)
    if kind in allowed:
        return str(kind)
    raise InvalidInputError(f"“{label}”只能是 {words}，请重新选择。", field=label)
