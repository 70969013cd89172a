"""Certificates as files: one, many in a zip, many as one print job; few at once, more than twenty as a job.

What no longer holds is served with a mark over every page; the stored file itself never changes (I-5).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from app import clock, filestore
from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.documents.certificate_mark import marked
from app.documents.merge import merge_pdfs
from app.documents.zip_files import file_name, write_zip
from app.errors import InvalidInputError, NotVisibleError
from app.operations.job import beat, cancelled, create_job, finish, runner
from models.attachment import Attachment
from models.certificate import Certificate
from models.enums import CertificateState
from models.job import Job

AT_ONCE = 20
"""Files that are packed within a click; more are a job (WORKFLOWS 9)."""
MOST = 2_000
CHUNK = 20
PRINTED = (CertificateState.ISSUED, CertificateState.SUPERSEDED, CertificateState.REVOKED)
ZIP, PRINT = "certificate_zip", "certificate_print"
KINDS = {
    ZIP: ("证书压缩打包", "zip", "application/zip"),
    PRINT: ("证书批量打印", "pdf", "application/pdf"),
}
Progress = Callable[[int], None]


def served_paper(certificate: Certificate) -> bytes:
    """The stored file, or a marked copy of a paper that was corrected or revoked. Raises OSError when it is damaged."""
    if certificate.pdf_sha256 is None:
        raise NotVisibleError
    data = filestore.read(certificate.pdf_sha256)
    if certificate.state == CertificateState.REVOKED:
        return marked(data, "已撤销", "本证书已被检定机构撤销，不能作为器具合格的依据。")
    if certificate.state == CertificateState.SUPERSEDED:
        newer = replacement(certificate)
        by = f"，新证书编号 {newer.number}" if newer is not None else ""
        return marked(data, "已更正", f"本证书已更正，不再有效{by}。")
    return data


def replacement(certificate: Certificate) -> Certificate | None:
    """The published paper that took this one's place, the last one if it was corrected again; None until it is out."""
    session, found = object_session(certificate), None
    assert session is not None
    with as_system("the paper that replaces another is named on it"):
        newer: Certificate | None = certificate
        while newer is not None:
            statement = (
                select(Certificate)
                .where(Certificate.supersedes_id == newer.id, Certificate.instrument_id == newer.instrument_id)
                .where(Certificate.state.in_(PRINTED))
                .order_by(Certificate.id.desc())
                .limit(1)
            )
            newer = session.execute(statement).unique().scalars().first()
            found = newer or found
    return found


def name_of(certificate: Certificate) -> str:
    """证书编号_器具名称_出厂编号.pdf (VER-08)."""
    facts = certificate.facts
    parts = (certificate.number or "", str(facts.get("instrument_name", "")), str(facts.get("serial_no", "")))
    return file_name(parts, "pdf")


def chosen(session: Session, ids: Sequence[int]) -> list[Certificate]:
    """The published certificates among `ids` that the principal sees, in the order given."""
    statement = select(Certificate).where(Certificate.id.in_(ids), Certificate.state.in_(PRINTED))
    rows = {row.id: row for row in session.execute(statement).unique().scalars()}
    return [rows[pk] for pk in dict.fromkeys(ids) if pk in rows]


def write_files(
    session: Session, ids: Sequence[int], kind: str, out: BinaryIO, *, progress: Progress | None = None
) -> int:
    """Write a zip or one PDF to print; returns how many certificates are in it. Holds one paper at a time."""
    papers = _papers(session, ids, progress)
    if kind == ZIP:
        return write_zip(papers, out)
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for _name, data in papers:
            count += 1
            yield data

    merge_pdfs(counted(), out)
    return count


def _papers(session: Session, ids: Sequence[int], progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    done = 0
    for start in range(0, len(ids), CHUNK):
        for row in chosen(session, ids[start : start + CHUNK]):
            yield name_of(row), served_paper(row)
        done += len(ids[start : start + CHUNK])
        if progress is not None:
            progress(done)
        session.expire_all()  # rows read stay in the session otherwise, and five hundred of them are megabytes


def batch_name(kind: str) -> str:
    """证书_20261120.zip."""
    return f"{KINDS[kind][0]}_{clock.today():%Y%m%d}.{KINDS[kind][1]}"


def log_download(session: Session, ids: Sequence[int], how: str) -> None:
    """A line of the log for every download; of many one line."""
    audit(session, "download_certificates", entity="certificate", how=how, count=len(ids), ids=list(ids)[:50])


def start_batch(session: Session, actor: Principal, kind: str, ids: Sequence[int]) -> Job:
    """Queue a zip or a print job of certificates that the actor sees."""
    if kind not in KINDS:
        raise NotVisibleError
    if len(ids) > MOST:
        raise InvalidInputError(f"一次最多处理{MOST}份证书，请缩小筛选范围后分批办理。")
    job = create_job(session, actor, kind=kind, title=KINDS[kind][0], params={"ids": list(ids)})
    job.total = len(ids)
    log_download(session, ids, kind)
    return job


class _StoppedError(InvalidInputError):
    """Somebody cancelled the job while its file was being written."""


def _run(session: Session, job: Job, actor: Principal) -> None:
    """Write the file and keep it for the account alone. A killed job starts over: nothing else was written."""
    ids = [int(pk) for pk in job.params.get("ids", [])]  # type: ignore[attr-defined]
    title, ending, content_type = KINDS[job.kind]
    job_id = job.id

    def progress(done: int) -> None:
        row = session.get_one(Job, job_id)
        if cancelled(session, row):
            raise _StoppedError("任务已取消。")
        beat(row, done)
        session.commit()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{title}.{ending}"
        try:
            with path.open("wb") as out:
                count = write_files(session, ids, job.kind, out, progress=progress)
        except _StoppedError:
            session.rollback()
            return
        digest, size = filestore.put_file(path), path.stat().st_size
    kept = Attachment(
        owner_type="job",
        owner_id=job.id,
        kind=job.kind,
        filename=batch_name(job.kind),
        content_type=content_type,
        sha256=digest,
        size=size,
        account_id=actor.account_id,
    )
    session.add(kept)
    session.flush()
    job.counts = {"rows": count, "attachment": str(kept.id)}
    beat(job, len(ids))
    finish(session, job)


for _kind in KINDS:
    runner(_kind)(_run)
