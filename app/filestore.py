"""The file store: bytes under their SHA-256, written beside, synced, then renamed, so that no half file is ever seen."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

from flask import current_app

from app.errors import InvalidInputError

IMAGE_OR_PDF = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"%PDF-": "application/pdf",
}
MAX_PAPER = 10 * 1024 * 1024


def _root() -> Path:
    return Path(str(current_app.config["UPLOAD_DIR"]))


def path_of(sha256: str) -> Path:
    """Where the bytes with that fingerprint lie."""
    return _root() / sha256[:2] / sha256


def put(data: bytes) -> str:
    """Store the bytes; returns their SHA-256. Storing the same bytes again is free."""
    digest = hashlib.sha256(data).hexdigest()
    target = path_of(digest)
    if target.exists():
        return digest
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    temporary = target.with_suffix(f".{os.getpid()}.part")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(target)
    return digest


def read(sha256: str) -> bytes:
    """The bytes, checked against their fingerprint; raises OSError when the store is damaged."""
    data = path_of(sha256).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OSError(f"stored file {sha256} does not match its fingerprint")
    return data


def clean_filename(name: str) -> str:
    """The name as people know it: NFC, without folders, control and direction signs, at most 120 characters."""
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}).strip(" .")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > 120:
        kept = f"{stem[: 119 - len(suffix)]}{dot}{suffix}"[:120]
    return kept or "文件"


def check_paper(data: bytes, label: str) -> str:
    """The content type of an uploaded paper by its first bytes; raises InvalidInputError with the cure."""
    if not data:
        raise InvalidInputError(f"“{label}”是空文件，请重新选择。", field=label)
    if len(data) > MAX_PAPER:
        raise InvalidInputError(f"“{label}”超过10MB，请压缩后重新上传。", field=label)
    for magic, kind in IMAGE_OR_PDF.items():
        if data.startswith(magic):
            return kind
    raise InvalidInputError(f"“{label}”只能是 jpg、png 图片或 PDF 文件，请重新选择。", field=label)
