"""Correcting an import on the page: one cell, every row with the same mistake, rows to keep or to leave out.

A correction runs through the same rules and the same plan as the file did (I-11). Only rows that share a duplicate key
with what changed can change their outcome, so a small correction looks at those alone; a large one is the worker's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError
from app.intake.fields import CATEGORY_CODE, FIELD_BY_KEY
from app.intake.plan import NEW, REFUSED, UNCHANGED, PlannedRow, Planner
from app.intake.rulebook import NOT_COMPULSORY
from app.intake.rules import Problem
from app.operations import ledger_import
from app.operations.import_store import FORMULAS, RIVAL, cell_text, chunks, raw_of
from app.operations.job import beat
from models.enums import JobState
from models.job import ImportRow, Job

AT_ONCE = 2_000
"""Rows that are checked again within a click; more are the worker's."""
MAX_TYPED = 500
PHASES = ("check", "commit")
EDITABLE = (ledger_import.FILE, ledger_import.ROWS)
OPEN = (NEW, UNCHANGED, REFUSED, RIVAL)
"""Outcomes that a correction can change; what was written is in the ledger."""


Changed = list[ImportRow]
"""Rows whose outcome, values or problems a correction touched; empty when it became the worker's."""


def edit_cell(session: Session, actor: Principal, job_id: int, position: int, column: str, typed: str) -> Changed:
    """Type one cell anew and check the row again, with those that its keys touch."""
    return _type(session, actor, job_id, position, {column: typed})


def edit_row(session: Session, actor: Principal, job_id: int, position: int, typed: Mapping[str, str]) -> Changed:
    """Type several cells of a row anew; those that show what they held stay as they were."""
    row = _row(session, ledger_import.open_import(session, job_id, phases=PHASES), position)
    cells = raw_of(row).cells
    changes = {key: text for key, text in typed.items() if text != cell_text(cells.get(key, ""))}
    return _type(session, actor, job_id, position, changes)


def _type(session: Session, actor: Principal, job_id: int, position: int, changes: Mapping[str, str]) -> Changed:
    job = ledger_import.open_import(session, job_id, phases=PHASES)
    row = _row(session, job, position)
    for column, typed in changes.items():
        _set(row, column, typed)
    session.flush()
    return replan(session, actor, job, [row])


def _row(session: Session, job: Job, position: int) -> ImportRow:
    statement = select(ImportRow).where(ImportRow.job_id == job.id, ImportRow.position == position)
    row = session.execute(statement).scalar_one_or_none()
    if row is None or str(job.params.get("mode", ledger_import.FILE)) not in EDITABLE:
        raise NotVisibleError
    if row.outcome not in OPEN:
        raise InvalidInputError("该行已写入台账，请在台账中修改。")
    return row


def _set(row: ImportRow, column: str, typed: str) -> None:
    if column not in FIELD_BY_KEY:
        raise NotVisibleError
    if len(typed) > MAX_TYPED:
        raise InvalidInputError(f"“{FIELD_BY_KEY[column].label}”超过{MAX_TYPED}字，请缩短。")
    held: Any = row.cells.get(FORMULAS, ())
    formulas = [key for key in held if key != column]
    cells = {key: value for key, value in row.cells.items() if key not in {column, FORMULAS}}
    row.cells = cells | ({column: typed} if typed else {}) | ({FORMULAS: formulas} if formulas else {})
    row.edited = True


def edit_same(session: Session, actor: Principal, job_id: int, position: int, column: str, typed: str) -> Changed:
    """Type the same into every row that has a problem in that column and the same typed there as this one."""
    job = ledger_import.open_import(session, job_id, phases=PHASES)
    row = _row(session, job, position)
    if column not in FIELD_BY_KEY:
        raise NotVisibleError
    cell = ImportRow.cells[column]
    held = row.cells.get(column)
    same = cell.is_(None) if held is None else cell == cast(held, JSONB)
    return _change_many(session, actor, job, same & _with_problem({"column": column}), {column: typed})


def take_cure(
    session: Session, actor: Principal, job_id: int, position: int, number: int, *, every: bool = False
) -> Changed:
    """Take the suggestion of one problem, or of the same problem with the same suggestion in every row."""
    job = ledger_import.open_import(session, job_id, phases=PHASES)
    row = _row(session, job, position)
    if not 0 <= number < len(row.problems):
        raise NotVisibleError
    column, cure = cure_of(row.problems[number])
    if not column:
        raise InvalidInputError("这一问题没有可以直接采用的建议，请手工更正。")
    also: Any = row.problems[number].get("also") or {}
    changes = {column: cure, **also}
    if not every:
        return _type(session, actor, job_id, position, changes)
    facts: dict[str, Any] = {"column": column, "cure": cure} | ({"also": also} if also else {})
    return _change_many(session, actor, job, _with_problem(facts), changes)


def keep_uncompulsory(
    session: Session, actor: Principal, job_id: int, position: int, *, every: bool = False
) -> Changed:
    """Keep a row whose instrument is in no catalogue as 非强检, or every row with the same entry typed."""
    job = ledger_import.open_import(session, job_id, phases=PHASES)
    row = _row(session, job, position)
    changes = {"level1": "", "level2": "", CATEGORY_CODE.key: NOT_COMPULSORY}
    if not every:
        return _type(session, actor, job_id, position, changes)
    column = next((k for k in ("level2", "level1", CATEGORY_CODE.key) if row.cells.get(k)), "level2")
    cell, held = ImportRow.cells[column], row.cells.get(column)
    same = cell.is_(None) if held is None else cell == cast(held, JSONB)
    return _change_many(session, actor, job, same & (ImportRow.outcome == REFUSED), changes)


def _with_problem(facts: Mapping[str, Any]) -> ColumnElement[bool]:
    """Rows with a problem that says so."""
    return ImportRow.problems.op("@>")(cast([dict(facts)], JSONB))


def cure_of(problem: Mapping[str, Any]) -> tuple[str, str]:
    """(column, what to type there) of a problem's suggestion; ("", "") when it has none."""
    cure = problem.get("cure")
    return (str(problem["column"]), str(cure)) if cure and problem.get("column") in FIELD_BY_KEY else ("", "")


def _change_many(
    session: Session, actor: Principal, job: Job, where: ColumnElement[bool], changes: Mapping[str, str]
) -> Changed:
    """Type into many rows; checks them again at once, or lets the worker check the whole import."""
    mine = (ImportRow.job_id == job.id) & ImportRow.outcome.in_(OPEN) & where
    positions = list(session.execute(select(ImportRow.position).where(mine)).scalars())
    if len(positions) > AT_ONCE:
        kept: Any = ImportRow.cells.op("-")(cast([FORMULAS, *changes], ARRAY(Text)))
        cells = kept.op("||")(cast({key: text for key, text in changes.items() if text}, JSONB))
        for part in chunks(positions, ledger_import.CHUNK):
            chosen = (ImportRow.job_id == job.id) & ImportRow.position.in_(part)
            session.execute(update(ImportRow).where(chosen).values(cells=cells, edited=True))
        ledger_import.enqueue(session, job, "recheck", int(str(job.counts.get("rows", 0))))
        return []
    statement = select(ImportRow).where(ImportRow.job_id == job.id, ImportRow.position.in_(positions))
    rows = list(session.execute(statement.order_by(ImportRow.position)).scalars())
    for row in rows:
        for column, text in changes.items():
            _set(row, column, text)
    session.flush()
    return replan(session, actor, job, rows)


def drop_row(session: Session, actor: Principal, job_id: int, position: int) -> Changed:
    """Leave a row out of the import; a later row with the same key may take its place."""
    job = ledger_import.open_import(session, job_id, phases=PHASES)
    row = _row(session, job, position)
    key, facts = row.dup_key, row_facts(row)
    session.delete(row)
    session.flush()
    _recount(job, [facts], [], rows=-1)
    return replan(session, actor, job, [], also=[key])


# -- checking again --------------------------------------------------------------------------------------------------


Facts = tuple[str, bool]


def row_facts(row: ImportRow | PlannedRow) -> Facts:
    """What the counts of a job need of a row."""
    return row.outcome, bool(row.problems)


def _recount(job: Job, before: Sequence[Facts], after: Sequence[Facts], rows: int = 0) -> None:
    counts: Counter[str] = Counter()
    for facts, by in ((before, -1), (after, 1)):
        for outcome, told in facts:
            counts["rivals" if outcome == RIVAL else outcome] += by
            counts["warnings"] += by * (told and outcome != REFUSED)
    known: dict[str, Any] = dict(job.counts)
    for key, by in counts.items():
        known[key] = int(known.get(key, 0)) + by
    known["rows"] = int(known.get("rows", 0)) + rows
    job.counts = known


def replan(
    session: Session, actor: Principal, job: Job, changed: Sequence[ImportRow], also: Collection[str] = ()
) -> Changed:
    """Decide the changed rows again, and every row that has had or now has a key in common with them."""
    checker = ledger_import.Checker(session, actor)
    keys = {row.dup_key for row in changed} | {checker.check(raw_of(row)).dup_key for row in changed} | set(also)
    keys.discard("")
    rows = {row.position: row for row in changed}
    for part in chunks(keys, ledger_import.CHUNK):
        statement = select(ImportRow).where(
            ImportRow.job_id == job.id, ImportRow.dup_key.in_(part), ImportRow.outcome.in_(OPEN)
        )
        rows |= {row.position: row for row in session.execute(statement).scalars()}
    ordered = [rows[position] for position in sorted(rows)]
    before = [row_facts(row) for row in ordered]
    planned = decide(checker, Planner(_columns(job)), ordered)
    for row, plan in zip(ordered, planned, strict=True):
        store(row, plan)
    session.flush()
    _recount(job, before, [row_facts(plan) for plan in planned])
    return ordered


def _columns(job: Job) -> Collection[str] | None:
    found: Any = job.counts.get("columns")
    return found or None


def decide(checker: ledger_import.Checker, planner: Planner, rows: Sequence[ImportRow]) -> list[PlannedRow]:
    """Rules and plan for stored rows, in the order of the file."""
    checked = [checker.check(raw_of(row)) for row in rows]
    return list(planner.plan(checked, checker.existing(checked)))


def store(row: ImportRow, plan: PlannedRow) -> None:
    """Put what was decided into the stored row."""
    values = {k: (v.isoformat() if hasattr(v, "isoformat") else v) for k, v in plan.values.items()}
    row.outcome, row.values, row.dup_key = plan.outcome, values, plan.dup_key[:500]
    row.problems = [problem_json(problem) for problem in plan.problems]
    row.instrument_id = plan.existing_id


def problem_json(problem: Problem) -> dict[str, object]:
    """A problem as it is stored."""
    return dict(problem._asdict())


def recheck_all(session: Session, job: Job, actor: Principal) -> None:
    """Decide every row that is not written yet again; what the worker does after a large correction."""
    checker, planner, done, last = ledger_import.Checker(session, actor), Planner(_columns(job)), 0, -1
    while True:
        statement = (
            select(ImportRow)
            .where(ImportRow.job_id == job.id, ImportRow.outcome.in_(OPEN), ImportRow.position > last)
            .order_by(ImportRow.position)
            .limit(AT_ONCE)
        )
        rows = list(session.execute(statement).scalars())
        if not rows:
            break
        last, done = rows[-1].position, done + len(rows)
        for row, plan in zip(rows, decide(checker, planner, rows), strict=True):
            store(row, plan)
        beat(job, min(done, job.total))
        session.commit()
        for row in rows:
            session.expunge(row)
    job.counts = {**job.counts, **ledger_import.outcomes(session, job.id)}
    job.state, job.phase, job.done = JobState.WAITING, "check", job.total
    session.commit()
