"""Texts that people agree to or read, and files that anybody may download: kept by the administrator (REG-07, REG-09).

A text has versions: the first stands in app/profiles/texts, every change is a row. A consent names the version it was
given to, so no row is ever rewritten. A file is replaced: the download is always the one uploaded last.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.audit import audit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError, StaleVersionError
from app.intake.errors import WorkbookRefused
from app.intake.guard import check_upload
from models.enums import Role
from models.site import SiteFile, SiteText

FOLDER = Path(__file__).parents[1] / "profiles" / "texts"
TITLE, BODY = 120, 50_000
MAX_FILE = 10 * 1024 * 1024
FILES: dict[str, str] = {"letter": "授权书模板", "guide": "注册指南", "external_guide": "法人注册指南"}
"""Files by use: what the registration form, the portal and the log-in page link to."""
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
_ACTIVE_PDF = re.compile(rb"/(JavaScript|JS|Launch|EmbeddedFile|OpenAction)\b")


@dataclass(frozen=True, slots=True)
class SiteTextVersion:
    """One version of a text, paragraphs divided by empty lines."""

    key: str
    title: str
    version: int
    body: str


@cache
def _first(key: str) -> SiteTextVersion:
    title, _, body = (FOLDER / f"{key}.txt").read_text(encoding="utf-8").partition("\n")
    return SiteTextVersion(key, title.strip(), 1, body.strip())


def text_keys() -> list[str]:
    """The texts there are: each has a first version among the files."""
    return sorted(file.stem for file in FOLDER.glob("*.txt"))


def _known(key: str) -> str:
    if key not in text_keys():
        raise NotVisibleError
    return key


def text_of(session: Session, key: str, version: int | None = None) -> SiteTextVersion:
    """The text in force, or one of its versions; NotVisibleError when there is none."""
    statement = select(SiteText).where(SiteText.key == _known(key))
    if version is not None:
        statement = statement.where(SiteText.version == version)
    row = session.execute(statement.order_by(SiteText.version.desc()).limit(1)).scalar_one_or_none()
    if row is not None:
        return SiteTextVersion(key, row.title, row.version, row.body)
    if version in {None, 1}:
        return _first(key)
    raise NotVisibleError


def versions_of(session: Session, key: str) -> list[SiteText]:
    """The rows of a text, the newest first; the built-in first version has none."""
    statement = select(SiteText).where(SiteText.key == _known(key)).order_by(SiteText.version.desc())
    return list(session.execute(statement).scalars())


def put_text(
    session: Session, actor: Principal, key: str, *, title: str, body: str, seen_version: int | None = None
) -> SiteTextVersion:
    """Publish a new version. `seen_version` is the one the person had before the eyes: StaleVersionError when another
    one was published since."""
    _administrator(actor)
    now = text_of(session, key)
    if seen_version is not None and seen_version != now.version:
        raise StaleVersionError
    words = {"title": title.strip(), "body": body.replace("\r\n", "\n").strip()}
    problems = {}
    if not 1 <= len(words["title"]) <= TITLE:
        problems["title"] = f"请填写“标题”（不超过{TITLE}字）。"
    if not 1 <= len(words["body"]) <= BODY:
        problems["body"] = f"请填写“正文”（不超过{BODY}字）。"
    if problems:
        raise InvalidInputError("请按提示修改。", problems=problems)
    if (words["title"], words["body"]) == (now.title, now.body):
        raise InvalidInputError("内容没有变化，未发布新版本。", field="body")
    row = SiteText(key=key, version=now.version + 1, changed_by_id=actor.account_id, published_at=clock.now(), **words)
    session.add(row)
    session.flush()
    audit(session, "site_text", entity="site_text", entity_id=key, old=now.version, new=row.version)
    return SiteTextVersion(key, row.title, row.version, row.body)


def file_of(session: Session, kind: str) -> SiteFile | None:
    """The file uploaded last for that use; None while nobody has uploaded one."""
    if kind not in FILES:
        raise NotVisibleError
    return session.execute(select(SiteFile).where(SiteFile.kind == kind)).scalar_one_or_none()


def put_file(session: Session, actor: Principal, kind: str, *, filename: str, data: bytes) -> SiteFile:
    """Replace the file of that use; InvalidInputError says what is wrong with the bytes."""
    _administrator(actor)
    old = file_of(session, kind)
    content_type = sniff(data, filename)
    row = old or SiteFile(kind=kind)
    before = row.sha256
    row.filename, row.content_type = filestore.clean_filename(filename), content_type
    row.sha256, row.size, row.changed_by_id = filestore.put(data), len(data), actor.account_id
    session.add(row)
    session.flush()
    audit(session, "site_file", entity="site_file", entity_id=kind, old=before, new=row.sha256, name=row.filename)
    return row


def sniff(data: bytes, filename: str) -> str:
    """The content type by what the bytes are; the name must say the same. Raises InvalidInputError with the cure."""
    suffix = Path(filename).suffix.lower()
    if not data:
        raise InvalidInputError("文件是空的，请重新选择。", field="file")
    if len(data) > MAX_FILE:
        raise InvalidInputError("文件超过10 MB，请压缩后重新上传。", field="file")
    if data.startswith(b"%PDF-") and suffix == ".pdf":
        if _ACTIVE_PDF.search(data):
            raise InvalidInputError("PDF 文件含脚本或嵌入内容，请另存为普通 PDF 后再上传。", field="file")
        return PDF
    if data.startswith(b"PK\x03\x04") and suffix == ".docx":
        return _word(data)
    if data.startswith(b"PK\x03\x04") and suffix == ".xlsx":
        return _sheet(data, filename)
    raise InvalidInputError("只能上传 docx、pdf、xlsx 文件，且内容须与扩展名一致，请重新选择。", field="file")


def _word(data: bytes) -> str:
    broken = InvalidInputError("这不是 Word 文档（.docx）或文件已损坏，请重新保存后再上传。", field="file")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {info.filename.casefold() for info in archive.infolist()}
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise broken from error
    if not {"[content_types].xml", "word/document.xml"} <= names or len(names) > 500 or unpacked > 200 * 1024 * 1024:
        raise broken
    if any(name.endswith("vbaproject.bin") for name in names):
        raise InvalidInputError("文件含宏，请另存为不含宏的 .docx 后再上传。", field="file")
    return WORD


def _sheet(data: bytes, filename: str) -> str:
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        file.write(data)
        file.flush()
        try:
            check_upload(Path(file.name), filename)
        except WorkbookRefused as refused:
            raise InvalidInputError(str(refused), field="file") from refused
    return SHEET


def _administrator(actor: Principal) -> None:
    if not actor.has(Role.ADM):
        raise NotAllowedError("只有系统管理员可以修改本站内容。")
