"""Exporting the ledger: a short list at once, a long one as a job whose result stays in the file store (law 4)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.principal import Principal
from app.documents.xlsx import write_rows
from app.errors import InvalidInputError
from app.operations.instrument import EXPORT_COLUMNS, export_rows
from app.operations.job import beat, cancelled, create_job, finish, runner
from app.operations.ledger_query import ledger_query
from models.attachment import Attachment
from models.instrument import Instrument
from models.job import Job

KIND = "ledger_export"
AT_ONCE = 200
"""Rows that are exported within a click; more are a job."""
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class StoppedError(InvalidInputError):
    """Somebody cancelled the export while it was being written."""


def condition(session: Session, query: str) -> Any:
    """The WHERE of a list's query string, as one expression."""
    return ledger_query(session, query).whereclause


def file_name() -> str:
    """What the downloaded file is called: 器具台账_20261120.xlsx."""
    return f"器具台账_{clock.today():%Y%m%d}.xlsx"


def write_export(session: Session, query: str, out: Path) -> int:
    """Write the list of a query string as a workbook in the layout of the import template; returns the rows."""
    return write_rows(out, EXPORT_COLUMNS, export_rows(session, where=condition(session, query)))


def start_export(session: Session, actor: Principal, query: str) -> Job:
    """Queue the export of a list."""
    return create_job(session, actor, kind=KIND, title="导出器具台账", params={"query": query[:4_000]})


@runner(KIND)
def run_export(session: Session, job: Job, actor: Principal) -> None:
    """Write the file and keep it for the account alone. A killed export starts over: nothing else was written."""
    where = condition(session, str(job.params.get("query", "")))
    job.total = session.scalar(select(func.count()).select_from(select(Instrument.id).where(where).subquery())) or 0
    beat(job, 0)
    session.commit()

    def progress(done: int) -> None:
        if cancelled(session, job):
            raise StoppedError("导出已取消。")
        beat(job, min(done, job.total))
        session.commit()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export.xlsx"
        try:
            rows = write_rows(out, EXPORT_COLUMNS, export_rows(session, where=where, on_chunk=progress))
        except StoppedError:
            session.rollback()
            return
        digest, size = filestore.put(out.read_bytes()), out.stat().st_size
    kept = Attachment(
        owner_type="job",
        owner_id=job.id,
        kind="export",
        filename=file_name(),
        content_type=XLSX,
        sha256=digest,
        size=size,
        account_id=actor.account_id,
    )
    session.add(kept)
    session.flush()
    job.counts = {"rows": rows, "attachment": str(kept.id)}
    beat(job, job.total)
    finish(session, job)
