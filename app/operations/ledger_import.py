"""Importing a ledger: keep the file, dry run row by row, commit on confirmation in chunks, resume after any kill.

The dry run and the commit use one plan: rows are checked once, stored, and the commit takes exactly the stored new
rows (I-11). Each chunk inserts instruments, history and the row's checkpoint in one transaction (I-10).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError, WrongStateError
from app.intake.guard import check_upload
from app.intake.plan import NEW, REFUSED, UNCHANGED, ExistingRow, PlannedRow, plan_rows
from app.intake.reader import read_ledger
from app.intake.rules import CheckedRow, Problem, check_row
from app.intake.workbook import write_error_workbook
from app.operations.instrument import GONE, TYPED, row_policy, search_text
from app.operations.job import beat, cancelled, create_job, finish, runner
from app.operations.reference_tables import reference_tables
from app.profiles import switch_on
from models.attachment import Attachment
from models.enums import InstrumentState, JobState
from models.instrument import Instrument
from models.job import ImportRow, Job
from models.log import TransitionLog
from models.organisation import Unit

KIND = "ledger_import"
CHUNK = 500
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DATES = {"purchased_on", "valid_until"}


def start_import(session: Session, actor: Principal, *, filename: str, data: bytes) -> Job:
    """Keep an uploaded workbook and queue its dry run. Raises InvalidInputError (what is wrong with the file) or
    ConflictError (another import of the unit is running)."""
    if not actor.of_unit:
        raise InvalidInputError("只有使用单位可以导入台账。")
    with tempfile.NamedTemporaryFile(suffix=".xlsx") as handle:
        handle.write(data)
        handle.flush()
        check_upload(Path(handle.name), filename)
    name = filestore.clean_filename(filename)
    try:
        with session.begin_nested():
            job = create_job(session, actor, kind=KIND, title=f"导入台账：{name}", params={"filename": name})
    except IntegrityError as error:
        raise ConflictError("本单位已有一个导入任务正在进行，请等待其完成后再导入。") from error
    job.phase = "check"
    job.params = {"filename": name, "sha256": filestore.put(data, private=True)}
    session.add(
        Attachment(
            owner_type="job",
            owner_id=job.id,
            kind="ledger",
            filename=name,
            content_type=XLSX,
            sha256=str(job.params["sha256"]),
            size=len(data),
            unit_id=actor.unit_id,
            account_id=actor.account_id,
        )
    )
    session.flush()
    return job


def confirm_import(session: Session, actor: Principal, job_id: int) -> Job:
    """Let the rows that the dry run found good be written."""
    job = session.execute(select(Job).where(Job.id == job_id).with_for_update()).unique().scalar_one_or_none()
    if job is None or job.kind != KIND:
        raise NotVisibleError
    if job.state != JobState.WAITING:
        raise WrongStateError("该导入任务不在待确认状态，请刷新后查看进度。")
    new = int(str(job.counts.get("new", 0)))
    if not new:
        raise WrongStateError("没有可以导入的新记录，请修改文件后重新上传。")
    job.state, job.phase, job.done, job.total = JobState.QUEUED, "commit", 0, new
    try:
        session.flush()
    except IntegrityError as error:
        raise ConflictError("本单位已有一个导入任务正在进行，请等待其完成后再确认。") from error
    return job


@runner(KIND)
def run_import(session: Session, job: Job, actor: Principal) -> None:
    """What the worker does: the dry run, or the writing."""
    if job.phase == "check":
        _dry_run(session, job, actor)
    else:
        _commit_rows(session, job, actor)


# -- the dry run -----------------------------------------------------------------------------------------------------


def _dry_run(session: Session, job: Job, actor: Principal) -> None:
    with filestore.opened(str(job.params["sha256"])) as path:
        sheet = read_ledger(path)
    job.total = len(sheet.rows)
    # a dry run that was killed starts over: nothing but its own notes was written
    session.execute(delete(ImportRow).where(ImportRow.job_id == job.id))
    beat(job, 0)
    session.commit()
    ref, policy = reference_tables(session), row_policy()
    checked = [check_row(row, ref, policy) for row in sheet.rows]
    beat(job, len(checked) // 2)
    session.commit()
    existing = _existing(session, actor, checked)
    counts = {NEW: 0, UNCHANGED: 0, REFUSED: 0, "warnings": 0}
    for chunk in _chunks(plan_rows(checked, existing, sheet.columns), 2_000):
        session.execute(insert(ImportRow), [_stored(job.id, row) for row in chunk])
        for row in chunk:
            counts[row.outcome] += 1
            counts["warnings"] += row.outcome != REFUSED and bool(row.problems)
        beat(job, max(job.done, sum(counts[k] for k in (NEW, UNCHANGED, REFUSED)) - 1))
        if cancelled(session, job):
            session.commit()
            return
        session.commit()
    job.counts = {**counts, "rows": len(checked), "unknown_columns": list(sheet.unknown_columns)}
    job.state, job.done = JobState.WAITING, job.total
    session.commit()


def _existing(session: Session, actor: Principal, checked: list[CheckedRow]) -> dict[str, ExistingRow]:
    """Records of the unit with a key that occurs in the file."""
    keys = list({row.dup_key for row in checked if row.dup_key})
    found: dict[str, ExistingRow] = {}
    for chunk in _chunks(keys, 5_000):
        statement = select(Instrument).where(
            Instrument.unit_id == actor.unit_id, Instrument.dup_key.in_(chunk), Instrument.state.not_in(GONE)
        )
        for row in session.execute(statement).scalars():
            values = {key: getattr(row, key) for key in TYPED if key != "category_id"}
            if row.last_result is not None:
                values.pop("valid_until")  # a certificate rules it now, an old file says nothing against that
            found[row.dup_key] = ExistingRow(row.id, values)
    return found


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _stored(job_id: int, row: PlannedRow) -> dict[str, Any]:
    values = {k: (v.isoformat() if isinstance(v, date) else v) for k, v in row.values.items()}
    return {
        "job_id": job_id,
        "position": row.position,
        "row_number": row.number,
        "sheet": row.sheet[:60],
        "outcome": row.outcome,
        "values": values,
        "problems": [p._asdict() for p in row.problems],
        "dup_key": row.dup_key[:500],
        "instrument_id": row.existing_id,
    }


# -- the writing -----------------------------------------------------------------------------------------------------


def _commit_rows(session: Session, job: Job, actor: Principal) -> None:
    unit = session.get(Unit, actor.unit_id)
    if unit is None:
        raise NotVisibleError
    while True:
        if cancelled(session, job):
            session.commit()
            return
        waiting = (
            select(ImportRow)
            .where(ImportRow.job_id == job.id, ImportRow.outcome == NEW, ImportRow.instrument_id.is_(None))
            .order_by(ImportRow.position)
            .limit(CHUNK)
            .with_for_update()
        )
        rows = list(session.execute(waiting).scalars())
        if not rows:
            break
        _write_chunk(session, job, actor, unit, rows)
        beat(job, job.done + len(rows))
        session.commit()
    outcomes = dict(
        session.execute(
            select(ImportRow.outcome, func.count()).where(ImportRow.job_id == job.id).group_by(ImportRow.outcome)
        )
        .tuples()
        .all()
    )
    job.counts = {**job.counts, "created": outcomes.get(NEW, 0), "rivals": outcomes.get("rival", 0)}
    finish(session, job)


def _write_chunk(session: Session, job: Job, actor: Principal, unit: Unit, rows: list[ImportRow]) -> None:
    first = InstrumentState.UNFILED if switch_on("filing") else InstrumentState.IN_USE
    records = [_record(row, unit, first) for row in rows]
    # somebody may have added the same instrument since the dry run: the unique index decides, nobody is overwritten
    statement = pg_insert(Instrument).on_conflict_do_nothing().returning(Instrument.id, Instrument.dup_key)
    made = {key: pk for pk, key in session.execute(statement, records).tuples()}
    moment, step = clock.now(), "import"
    session.execute(
        insert(TransitionLog),
        [
            {
                "entity": "instrument",
                "entity_id": pk,
                "step": step,
                "from_state": None,
                "to_state": first,
                "actor_id": actor.account_id,
                "actor_name": actor.name,
                "actor_body": actor.body[:120],
                "actor_role": actor.role_word,
                "at": moment,
                "input": {"job": job.id},
                "instrument_id": pk,
                "unit_id": unit.id,
                "use_division": division,
            }
            for pk, division in ((made[r["dup_key"]], r["use_division"]) for r in records if r["dup_key"] in made)
        ],
    ) if made else None
    own = ImportRow.job_id == job.id
    written = [{"p": row.position, "i": made[row.dup_key]} for row in rows if row.dup_key in made]
    if written:
        table = ImportRow.__table__
        checkpoint = update(table).where(table.c.job_id == job.id, table.c.position == bindparam("p"))
        session.connection().execute(checkpoint.values(instrument_id=bindparam("i")), written)
    rivals = [row.position for row in rows if row.dup_key not in made]
    if rivals:
        session.execute(update(ImportRow).where(own, ImportRow.position.in_(rivals)).values(outcome="rival"))
    session.expire_all()


def _record(row: ImportRow, unit: Unit, state: InstrumentState) -> dict[str, Any]:
    values = dict(row.values)
    record: dict[str, Any] = {key: values.get(key) for key in TYPED}
    for key in DATES:
        text = record[key]
        record[key] = date.fromisoformat(str(text)) if text else None
    record |= {
        key: record[key] or ""
        for key in ("model", "measuring_range", "accuracy_class", "own_no", "manufacturer", "note")
    }
    record["origin"], record["quantity"] = record["origin"] or "domestic", record["quantity"] or 1
    name, maker = str(record["name"]), str(record["manufacturer"])
    return record | {
        "state": state.value,
        "unit_id": unit.id,
        "dup_key": row.dup_key,
        "version": 1,
        "search_text": search_text(name, maker, unit.name),
    }


# -- reports ---------------------------------------------------------------------------------------------------------


def report(session: Session, job: Job) -> dict[str, Any]:
    """What the command line prints: counts and every problem with the row as the spreadsheet shows it."""
    rows = (
        session.execute(select(ImportRow).where(ImportRow.job_id == job.id).order_by(ImportRow.position))
        .scalars()
        .all()
    )
    outcomes = [row.outcome for row in rows]
    return {
        "job": job.id,
        "state": job.state,
        "rows": len(rows),
        "created": outcomes.count(NEW),
        "unchanged": outcomes.count(UNCHANGED) + outcomes.count("rival"),
        "refused": outcomes.count(REFUSED),
        "problems": [problem_view(problem) for row in rows for problem in row.problems],
    }


def problem_view(problem: dict[str, object]) -> dict[str, object]:
    """A stored problem with the column's label."""
    from app.intake.fields import LABELS

    column = str(problem["column"])
    return {
        "row": problem["row"],
        "column": LABELS.get(column, column),
        "severity": problem["severity"],
        "message": problem["message"],
    }


def error_workbook(session: Session, job: Job, out: Any) -> int:
    """Write the refused rows as they were typed, with their problems; returns how many."""
    rows = session.execute(select(ImportRow).where(ImportRow.job_id == job.id).order_by(ImportRow.position)).scalars()
    planned = [
        PlannedRow(
            r.row_number,
            r.outcome,
            dict(r.values),
            tuple(_problem(p) for p in r.problems),
            r.dup_key,
            r.instrument_id,
            r.sheet,
            r.position,
        )
        for r in rows
    ]
    with filestore.opened(str(job.params["sha256"])) as path:
        return write_error_workbook(path, planned, out)


def _problem(stored: dict[str, object]) -> Problem:
    return Problem(int(str(stored["row"])), str(stored["column"]), str(stored["severity"]), str(stored["message"]))


def give_up(session: Session, job_id: int) -> None:
    """Forget a dry run nobody confirmed."""
    session.execute(update(Job).where(Job.id == job_id, Job.state == JobState.WAITING).values(state=JobState.CANCELLED))
