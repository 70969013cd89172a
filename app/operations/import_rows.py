"""逐行导入: one row by one request, checked at that moment, written and said; stopping keeps what was written (IMP-04)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import NotVisibleError
from app.intake.plan import NEW, REFUSED
from app.operations import import_edit, ledger_import
from app.operations.import_store import write_chunk
from models.enums import JobState
from models.job import ImportRow


def write_row(session: Session, actor: Principal, job_id: int, position: int) -> ImportRow:
    """Check one row of a 逐行导入 against the ledger of this moment and write it when it is good; returns the row with
    its outcome. The job is done when no row is left."""
    job = ledger_import.open_import(session, job_id)
    row = session.get(ImportRow, (job.id, position))
    if row is None or job.params.get("mode") != ledger_import.ROWS:
        raise NotVisibleError
    if row.outcome not in import_edit.OPEN:
        return row
    import_edit.replan(session, actor, job, [row])
    if row.outcome == NEW:
        session.flush()
        unit = ledger_import.own_unit(session, actor)
        write_chunk(session, job, actor, unit, ledger_import.first_state(), size=1, only=position)
        session.refresh(row)
    job.phase = "commit"
    job.counts = {**job.counts, **ledger_import.outcomes(session, job.id)}
    job.done = int(str(job.counts["created"]))
    if not job.counts[NEW] and not job.counts[REFUSED]:
        job.state, job.finished_at = JobState.DONE, clock.now()
    return row
