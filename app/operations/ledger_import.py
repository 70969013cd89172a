"""Importing a ledger: keep the file, dry run row by row, correct on the page, write what is good, keep the rest.

The dry run and the writing use one plan: rows are checked once, stored, and the writing takes exactly the stored good
rows (I-11). Each chunk of the writing commits instruments, history and the rows' checkpoint together, so that a kill
anywhere loses nothing and doubles nothing (I-10). Rows that are not good stay as a draft of the same job.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Text, any_, case, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError, SwitchedOffError, WrongStateError
from app.intake.advise import Adviser
from app.intake.guard import LEDGER_KINDS, check_upload
from app.intake.mapping import SheetPlan
from app.intake.plan import NEW, REFUSED, UNCHANGED, ExistingRow, PlannedRow, Planner
from app.intake.reader import RawRow
from app.intake.rules import CheckedRow
from app.operations import import_change, import_source
from app.operations.import_assign import Assigner, assigns
from app.operations.import_report import error_workbook, problem_view, report
from app.operations.import_rivals import PUT_AWAY, others_keys
from app.operations.import_store import CREATED, RIVAL, chunks, copy_rows, write_chunk
from app.operations.instrument import TYPED, row_policy
from app.operations.job import beat, begin_phase, cancelled, create_job, finish, runner
from app.operations.reference_tables import reference_tables
from app.operations.unmatched import note_unit
from app.profiles import setting, switch_on
from app.workflow.live import counted
from app.workflow.outgoing import message
from models.attachment import Attachment
from models.enums import InstrumentState, JobState
from models.instrument import Instrument
from models.job import ImportRow, Job
from models.organisation import Unit

__all__ = ["KIND", "error_workbook", "problem_view", "report"]

KIND = "ledger_import"
CHUNK = 5_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CONTENT_TYPES = {
    "xlsx": XLSX,
    "xls": "application/vnd.ms-excel",
    "csv": "text/csv",
}
FILE, ROWS, ADDRESS, NOZZLE = "file", "rows", "address", "nozzle"
"""Ways of importing: the whole file, 逐行导入, 更新地址, 更换加油枪."""


def modes() -> tuple[str, ...]:
    """What the deployment offers; the whole file always (import.modes)."""
    return (FILE, *setting("import", "modes"))


def start_import(
    session: Session, actor: Principal, *, filename: str, data: bytes, mode: str = FILE, unattended: bool = False
) -> Job:
    """Keep an uploaded workbook and queue its dry run; `unattended` asks nobody how to read it. Raises InvalidInputError (what is wrong with the file) or
    ConflictError (another import of the unit is running)."""
    if not actor.of_unit:
        raise InvalidInputError("只有使用单位可以导入台账。")
    if mode not in modes():
        raise SwitchedOffError
    with tempfile.NamedTemporaryFile() as handle:  # its content says what it is, the name given by the sender does not
        handle.write(data)
        handle.flush()
        file_kind = check_upload(Path(handle.name), filename, LEDGER_KINDS)
    name, digest = filestore.clean_filename(filename), filestore.put(data, private=True)
    params: dict[str, Any] = {
        "filename": name,
        "sha256": digest,
        "mode": mode,
        "before": _uploaded_before(session, digest),
    }
    params |= {"unattended": True} if unattended else {}
    try:
        with session.begin_nested():
            job = create_job(session, actor, kind=KIND, title=f"{_TITLES[mode]}：{name}", params=params)
            job.phase = "check"
    except IntegrityError as error:
        raise ConflictError("本单位已有一个导入任务正在进行，请等待其完成后再导入。") from error
    session.add(
        Attachment(
            owner_type="job",
            owner_id=job.id,
            kind="ledger",
            filename=name,
            content_type=CONTENT_TYPES[file_kind],
            sha256=digest,
            size=len(data),
            unit_id=actor.unit_id,
            account_id=actor.account_id,
        )
    )
    session.flush()
    return job


_TITLES = {FILE: "导入台账", ROWS: "逐行导入", ADDRESS: "更新地址", NOZZLE: "更换加油枪"}


def _uploaded_before(session: Session, digest: str) -> str:
    """The day on which the same file was last imported, "" when it never was (IMP-10)."""
    statement = (
        select(func.max(Job.finished_at))
        .join(Attachment, (Attachment.owner_id == Job.id) & (Attachment.owner_type == "job"))
        .where(Attachment.sha256 == digest, Attachment.kind == "ledger", Job.kind == KIND)
        .where(Job.state.in_((JobState.DONE, JobState.WAITING)))
    )
    last = session.scalar(statement)
    return last.astimezone(clock.ZONE).date().isoformat() if last else ""


def open_import(session: Session, job_id: int, *, phases: Iterable[str] = ("check", "commit")) -> Job:
    """An import of one's own that waits for a decision, locked; raises NotVisibleError or WrongStateError."""
    job = session.execute(select(Job).where(Job.id == job_id).with_for_update()).unique().scalar_one_or_none()
    if job is None or job.kind != KIND:
        raise NotVisibleError
    if job.state != JobState.WAITING or job.phase not in phases:
        raise WrongStateError("该导入任务不在待确认状态，请刷新后查看进度。")
    return job


def enqueue(session: Session, job: Job, phase: str, total: int) -> Job:
    """Hand a waiting import to the worker; raises ConflictError while another import of the unit runs."""
    begin_phase(job, phase, total)
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise ConflictError("本单位已有一个导入任务正在进行，请等待其完成后再确认。") from error
    return job


def decide_mapping(session: Session, actor: Principal, job_id: int, plans: Sequence[SheetPlan]) -> Job:
    """Read the waiting file by these plans; the unit's next file with the same headings is read so as well."""
    job = open_import(session, job_id, phases=("map", "check"))
    if not job.params.get("plans") or int(str(job.counts.get(CREATED, 0))):
        raise WrongStateError("该导入任务不能再修改列对应，请重新上传文件。")
    for plan in plans:
        if plan.take and actor.unit_id is not None:
            import_source.remember(session, actor.unit_id, plan)
    job.params = {**job.params, "plans": [plan.as_json() for plan in plans]}
    job.counts = {}
    return enqueue(session, job, "check", 0)


def confirm_import(session: Session, actor: Principal, job_id: int) -> Job:
    """Let the rows that were found good be written."""
    job = open_import(session, job_id)
    new = int(str(job.counts.get("new", 0)))
    if not new:
        raise WrongStateError("没有可以导入的新记录，请修改文件后重新上传。")
    bad = int(str(job.counts.get("refused", 0)))
    if bad and setting("import", "atomic"):
        raise InvalidInputError(f"整份文件须全部正确才能导入，还有{bad}行有错误，请先更正或移除这些行。")
    return enqueue(session, job, "commit", new)


@runner(KIND)
def run_import(session: Session, job: Job, actor: Principal) -> None:
    """What the worker does: the dry run, another check after many corrections, or the writing."""
    mode = str(job.params.get("mode", FILE))
    if mode in {ADDRESS, NOZZLE}:
        import_change.run(session, job, actor, mode)
    elif job.phase == "check":
        _dry_run(session, job, actor)
    elif job.phase == "recheck":
        from app.operations.import_edit import recheck_all

        recheck_all(session, job, actor)
    else:
        _commit_rows(session, job, actor)


# -- the dry run -----------------------------------------------------------------------------------------------------


def _dry_run(session: Session, job: Job, actor: Principal) -> None:
    checker = Checker(session, actor)
    with filestore.opened(str(job.params["sha256"])) as path:
        source = import_source.read(session, job, path, checker.ref, checker.policy)
    if isinstance(source, import_source.Proposal):
        job.params = {**job.params, "plans": source.as_json()}
        job.phase, job.state = "map", JobState.WAITING
        session.commit()
        return
    # a dry run that was killed starts over: nothing but its own notes was written
    session.execute(delete(ImportRow).where(ImportRow.job_id == job.id))
    total = job.total = len(source.rows)
    beat(job, 0)
    session.commit()
    planner, done = Planner(source.columns), 0
    counts: Counter[str] = Counter()
    for raws in drained(source.rows, CHUNK):
        checked = [checker.check(raw) for raw in raws]
        planned = list(planner.plan(checked, checker.existing(checked)))
        copy_rows(session, job.id, zip(raws, planned, strict=True))
        count(counts, planned)
        done += len(raws)
        beat(job, min(done, total - 1))  # the last row counts once the job rests
        if cancelled(session, job):
            session.commit()
            return
        session.commit()
    job.counts = {NEW: 0, UNCHANGED: 0, REFUSED: 0, "warnings": 0, **counts, **source.facts(), "rows": total}
    job.state, job.done = JobState.WAITING, total
    session.commit()


def count(counts: Counter[str], rows: Iterable[PlannedRow], by: int = 1) -> None:
    """Add planned rows to the counts of a job, or take them away."""
    for row in rows:
        counts[row.outcome] += by
        if row.problems and row.outcome != REFUSED:
            counts["warnings"] += by


def drained(rows: list[RawRow], size: int) -> Iterator[list[RawRow]]:
    """The rows in order, in lists of `size`; each is let go of as soon as it has been given out, to keep memory flat."""
    rows.reverse()
    while rows:
        yield [rows.pop() for _ in range(min(size, len(rows)))]


class Checker:
    """The rules of this deployment and the ledger of the actor's unit, for one pass over rows."""

    def __init__(self, session: Session, actor: Principal) -> None:
        self._session, self._unit = session, actor.unit_id
        self.ref, self.policy = reference_tables(session), row_policy(own_unit(session, actor), session=session)
        adviser = Adviser(self.ref, self.policy)
        self.check: Callable[[RawRow], CheckedRow] = adviser.check
        """Every rule on one row, with the cures that can be suggested and the institute that will verify it."""
        if assigns():
            assign = Assigner(session).assign
            self.check = lambda raw: assign(adviser.check(raw))

    def existing(self, checked: Iterable[CheckedRow]) -> dict[str, ExistingRow]:
        """Records with a key that occurs in the rows: the unit's own, and where the platform's count that there are
        others'."""
        keys = list({row.dup_key for row in checked if row.dup_key})
        typed = [key for key in TYPED if key != "category_id"]
        wanted = (Instrument.id, Instrument.dup_key, Instrument.last_result, *(getattr(Instrument, k) for k in typed))
        found: dict[str, ExistingRow] = {}
        for part in chunks(keys, CHUNK):
            statement = select(*wanted).where(
                Instrument.unit_id == self._unit,
                Instrument.dup_key == any_(cast(part, ARRAY(Text))),
                counted(),
            )
            # of two with the same key the one in the ledger counts, not the one put away
            statement = statement.order_by(Instrument.state.in_(PUT_AWAY).desc())
            found |= {key: ExistingRow(0, {}, elsewhere=True) for key in others_keys(self._session, self._unit, part)}
            for pk, key, result, *values in self._session.execute(statement).tuples():
                known = dict(zip(typed, values, strict=True))
                if result is not None:
                    known.pop("valid_until")  # a certificate rules it now, an old file says nothing against that
                found[key] = ExistingRow(pk, known)
        return found


# -- the writing -----------------------------------------------------------------------------------------------------


def first_state() -> InstrumentState:
    """Where an imported instrument begins."""
    return InstrumentState.UNFILED if switch_on("filing") else InstrumentState.IN_USE


def own_unit(session: Session, actor: Principal) -> Unit:
    """The unit that the actor imports for."""
    unit = session.get(Unit, actor.unit_id)
    if unit is None:
        raise NotVisibleError
    return unit


def _commit_rows(session: Session, job: Job, actor: Principal) -> None:
    unit, whole = own_unit(session, actor), bool(setting("import", "atomic"))
    while True:
        if cancelled(session, job):
            session.commit()
            return None
        chunk = write_chunk(session, job, actor, unit, first_state(), size=CHUNK)
        if not chunk.rows:
            break
        if whole and chunk.made < chunk.rows:
            return _nothing_after_all(session, job, actor)
        beat(job, job.done + chunk.rows)
        note_unit(session, unit.id)
        if not whole:
            session.commit()
    _settle(session, job)
    return None


def _nothing_after_all(session: Session, job: Job, actor: Principal) -> None:
    """All or nothing, and somebody entered one of the instruments meanwhile: look at the rows again."""
    from app.operations.import_edit import recheck_all

    session.rollback()
    session.refresh(job)
    recheck_all(session, job, actor)


def _settle(session: Session, job: Job) -> None:
    """Count what became of the rows; done when none is left to correct, else a draft that waits."""
    job.counts = {**job.counts, **outcomes(session, job.id)}
    if not job.counts["refused"]:
        finish(session, job)
        return
    job.state, job.finished_at = JobState.WAITING, clock.now()
    words = f"已写入{job.counts['created']}台，还有{job.counts['refused']}行待更正。"
    message(session, job.account_id, job.title, words, f"/jobs/{job.id}", key=f"job-{job.id}-{job.attempts}")
    session.commit()


def outcomes(session: Session, job_id: int) -> dict[str, int]:
    """How many rows of the import have each outcome."""
    warned = case((func.jsonb_array_length(ImportRow.problems) > 0, 1), else_=0)
    statement = (
        select(ImportRow.outcome, func.count(), func.sum(warned))
        .where(ImportRow.job_id == job_id)
        .group_by(ImportRow.outcome)
    )
    rows = session.execute(statement).tuples().all()
    by: Mapping[str, int] = {outcome: number for outcome, number, _ in rows}
    found = {key: by.get(key, 0) for key in (NEW, UNCHANGED, REFUSED, CREATED)}
    found["warnings"] = sum(int(w or 0) for outcome, _, w in rows if outcome != REFUSED)
    return found | {"rivals": by.get(RIVAL, 0)}


def give_up(session: Session, job_id: int) -> None:
    """Forget a dry run nobody confirmed, or the rows that were left of one."""
    statement = update(Job).where(Job.id == job_id, Job.state == JobState.WAITING)
    written = func.coalesce(Job.counts["created"].as_integer(), 0)
    state = case((written > 0, JobState.DONE.value), else_=JobState.CANCELLED.value)
    session.execute(statement.values(state=state, finished_at=clock.now()))


def finish_without_rest(session: Session, job: Job, *, dry_run: bool = False) -> None:
    """For callers that take no second look (the command line): what is left of the import stays out."""
    if job.state == JobState.WAITING:
        job.state = JobState.CANCELLED if dry_run else JobState.DONE
        session.commit()
