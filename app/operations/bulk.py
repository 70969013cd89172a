"""Acts on many instruments (BEYOND 11): chosen once, tried first, then done row by row as a job.

The rows are fixed in `bulk_line` when they are chosen; what the filter finds later does not matter. A dry run asks the
guards of every row and counts who can and why the others cannot. The job commits chunks together with the outcomes of
their lines, so done + failed + cancelled is what was chosen, also after kill -9 (I-25). Up to AT_ONCE rows are done
within the click, through the same lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError, QuanhengError, WrongStateError
from app.operations.bulk_acts import ACTS, Act, Row
from app.operations.job import beat, create_job, finish, on_end, runner
from app.operations.ledger_query import ledger_query
from app.workflow.journal import forget
from app.workflow.live import foreseen, forget_rivals
from app.workflow.notices import tell_of_bulk
from app.workflow.together import open_batch, together
from models.enums import JobState, LineOutcome
from models.instrument import Instrument
from models.job import BulkLine, Job

KIND = "bulk"
AT_ONCE = 50
"""Rows that are done within the click."""
TRIED_AT_ONCE = 1_000
"""Rows whose dry run is done within the click."""
CHUNK = 200
"""Rows that are locked, done and committed together."""
TRIED = 500
MOST = 200_000
REASONS = 50
"""Different reasons that a dry run names; all are counted."""
CHOSEN, CHECK, READY, COMMIT, PAUSED = "choose", "check", "ready", "commit", "paused"
UNDONE = {"waiting": 0, "done": 0, "failed": 0, "cancelled": 0}


def choose_query(session: Session, query: str) -> list[int]:
    """Ids of the instruments that a list's address shows the principal now."""
    found = ledger_query(session, query).with_entities(Instrument.id).order_by(Instrument.id).limit(MOST + 1)
    return [int(row.id) for row in found]


def choose(
    session: Session, actor: Principal, act_name: str, ids: Iterable[int], data: Mapping[str, Any] | None = None
) -> Job:
    """Fix the rows of an act; raises when the act is not the actor's or nothing was chosen. Nothing is done yet."""
    act = act_of(act_name)
    act.check(actor)
    wanted = sorted(set(ids))
    if not wanted:
        raise InvalidInputError("请先勾选要办理的器具。")
    if len(wanted) > MOST:
        raise InvalidInputError(f"一次最多办理{MOST}台器具，请缩小筛选范围后分批办理。")
    params = {"act": act_name, "data": dict(data or {})}
    job = create_job(session, actor, kind=KIND, title=f"{act.label}：{len(wanted)}台器具", params=params)
    job.state, job.phase, job.total = JobState.WAITING, CHOSEN, len(wanted)
    session.flush()
    fix = text(
        "INSERT INTO bulk_line (job_id, position, entity_id) "
        "SELECT :job, place, pk FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS chosen(pk, place)"
    )
    session.execute(fix, {"job": job.id, "ids": wanted})
    return job


def act_of(name: str) -> Act:
    """The act of that name; unknown ones look like a missing page."""
    if name not in ACTS:
        raise NotVisibleError
    return ACTS[name]


def at_once(job: Job) -> int:
    """Rows of this act that are done within the click."""
    return act_of(str(job.params["act"])).at_once or AT_ONCE


def prepare(session: Session, actor: Principal, job: Job) -> None:
    """Try the act on all rows: at once when they are few, else by a worker."""
    _demand(job, CHOSEN, READY)
    act_of(str(job.params["act"])).check_data(actor, _data(job))
    job.phase, job.done = CHECK, 0
    if job.total > TRIED_AT_ONCE:
        job.state, job.counts = JobState.QUEUED, {}
        return
    _rest_of_check(session, job, actor, commit=False)


def do_at_once(session: Session, actor: Principal, job: Job) -> None:
    """A small selection: all rows now, in the caller's transaction."""
    _demand(job, CHOSEN, READY)
    if job.total > at_once(job):
        raise InvalidInputError(f"一次最多当场办理{at_once(job)}台器具。")
    act_of(str(job.params["act"])).check_data(actor, _data(job))
    job.phase, job.started_at = COMMIT, clock.now()
    while _do_chunk(session, job, actor):
        pass
    job.state, job.finished_at = JobState.DONE, clock.now()
    _close(session, job, actor)


def confirm(session: Session, actor: Principal, job_id: int) -> Job:
    """The person has seen the dry run: let a worker do it (few rows are done at once). Ring the bell after commit."""
    job = own_bulk(session, job_id)
    _demand(job, READY)
    act_of(str(job.params["act"])).check(actor)
    job.phase, job.done, job.attempts = COMMIT, 0, 0
    if job.total <= at_once(job):
        job.phase = READY
        do_at_once(session, actor, job)
    else:
        job.state, job.started_at = JobState.QUEUED, None
    return job


def pause(session: Session, job_id: int) -> Job:
    """Stop after the chunk in hand; `resume` goes on."""
    job = own_bulk(session, job_id)
    if job.state not in {JobState.QUEUED, JobState.RUNNING} or job.phase != COMMIT:
        raise WrongStateError("任务没有在办理中，不能暂停。")
    job.state, job.phase = JobState.WAITING, PAUSED
    return job


def resume(session: Session, job_id: int) -> Job:
    """Go on with the rows that wait. Ring the bell after commit."""
    job = own_bulk(session, job_id)
    _demand(job, PAUSED)
    job.state, job.phase, job.attempts = JobState.QUEUED, COMMIT, 0
    return job


def retry(session: Session, actor: Principal, job_id: int) -> Job:
    """A new act on the rows that failed, to be tried first like any other."""
    old = own_bulk(session, job_id)
    if old.state not in {JobState.DONE, JobState.CANCELLED, JobState.FAILED}:
        raise WrongStateError("任务尚未结束，不能重试。")
    failed = select(BulkLine.entity_id).where(BulkLine.job_id == old.id, BulkLine.outcome == LineOutcome.FAILED)
    ids = list(session.execute(failed).scalars())
    if not ids:
        raise InvalidInputError("没有需要重试的器具。")
    job = choose(session, actor, str(old.params["act"]), ids, _data(old))
    job.params = {**old.params, "retry_of": old.id}
    prepare(session, actor, job)
    return job


def own_bulk(session: Session, job_id: int) -> Job:
    """A bulk act of one's own, locked; others look missing."""
    statement = select(Job).where(Job.id == job_id, Job.kind == KIND).with_for_update(of=Job)
    job = session.execute(statement.execution_options(populate_existing=True)).unique().scalar_one_or_none()
    if job is None:
        raise NotVisibleError
    return job


def outcomes(session: Session, job_id: int) -> dict[str, int]:
    """How many lines stand at each outcome; the sum is what was chosen."""
    statement = select(BulkLine.outcome, func.count()).where(BulkLine.job_id == job_id).group_by(BulkLine.outcome)
    return {**UNDONE, **dict(session.execute(statement).tuples().all())}


def sentence(job: Job) -> str:
    """成功{a}条，未修改{b}条。 in the words of the act."""
    counts: Any = job.counts
    act = act_of(str(job.params["act"]))
    said = f"成功{counts.get('done', 0)}条，{act.not_done}{counts.get('failed', 0)}条"
    return said + (f"，已取消{counts['cancelled']}条。" if counts.get("cancelled") else "。")


def preview_sentence(job: Job) -> str:
    """How many can and how many cannot, before anything is done."""
    counts: Any = job.counts
    can, cannot = counts.get("can", 0), counts.get("cannot", 0)
    return act_of(str(job.params["act"])).preview(can, cannot)


# -- working through the lines -------------------------------------------------------------------------------------------


@runner(KIND)
def run_bulk(session: Session, job: Job, actor: Principal) -> None:
    """Try or do what waits; called again after a crash."""
    if job.phase == CHECK:
        _rest_of_check(session, job, actor, commit=True)
        return
    while _still_mine(session, job) and _do_chunk(session, job, actor):
        session.commit()
        session.info.pop("refused", None)
    session.commit()
    if job.state == JobState.RUNNING:
        _close(session, job, actor)
        finish(session, job)


def _still_mine(session: Session, job: Job) -> bool:
    """Hold the job's row for the next chunk: whoever pauses or cancels waits for it and finds whole chunks."""
    session.refresh(job, with_for_update={"of": Job})
    return job.state == JobState.RUNNING and job.phase == COMMIT


def _rest_of_check(session: Session, job: Job, actor: Principal, *, commit: bool) -> None:
    act, data = act_of(str(job.params["act"])), _data(job)
    reasons: Counter[str] = Counter()
    can, last = 0, 0
    while lines := _lines(session, job.id, last, TRIED):
        last = lines[-1].position
        for _line, why in _tried(session, act, actor, data, lines):
            can += why is None
            if why is not None:
                reasons[why] += 1
        beat(job, last)
        if commit:
            if job.state != JobState.RUNNING:
                return
            session.commit()
            session.refresh(job, ["state"])
    named = [[why, count] for why, count in reasons.most_common(REASONS)]
    job.counts = {"can": can, "cannot": sum(reasons.values()), "reasons": named}
    job.state, job.phase, job.done = JobState.WAITING, READY, 0
    if commit:
        session.commit()


def _tried(
    session: Session, act: Act, actor: Principal, data: Mapping[str, Any], lines: list[Row]
) -> list[tuple[Row, str | None]]:
    """Each line with the reason it cannot be done, by the guards' own answers."""
    ids = [line.entity_id for line in lines]
    with foreseen(session, ids):
        rows = _instruments(session, ids)
        lines = act.look_ahead(session, data, lines)
        return [(line, act.why_not(session, actor, rows.get(line.entity_id), line, data)) for line in lines]


def _instruments(session: Session, ids: list[int], *, lock: bool = False) -> dict[int, Instrument]:
    statement = select(Instrument).where(Instrument.id.in_(ids)).order_by(Instrument.id)
    if lock:
        statement = statement.with_for_update(of=Instrument).execution_options(populate_existing=True)
    return {row.id: row for row in session.execute(statement).scalars()}


def _lines(session: Session, job_id: int, after: int, limit: int, *, waiting: bool = False) -> list[Row]:
    statement = select(BulkLine.position, BulkLine.entity_id).where(
        BulkLine.job_id == job_id, BulkLine.position > after
    )
    if waiting:
        statement = statement.where(BulkLine.outcome == LineOutcome.WAITING)
    found = session.execute(statement.order_by(BulkLine.position).limit(limit))
    return [Row(position, pk) for position, pk in found.tuples()]


def _do_chunk(session: Session, job: Job, actor: Principal) -> bool:
    """The next rows: locked in the order of their ids, written together or each in a savepoint. False when none is
    left."""
    act, data = act_of(str(job.params["act"])), _data(job)
    lines = _lines(session, job.id, 0, CHUNK, waiting=True)
    if not lines:
        return False
    ids = [line.entity_id for line in lines]
    rows = _instruments(session, ids, lock=True)
    session.info["bulk_act"] = True
    try:
        with foreseen(session, ids):
            lines = act.look_ahead(session, data, lines)
            written = None if act.one_by_one else _together(session, act, actor, data, lines, rows)
            results = written or [_do_row(session, act, actor, data, line, rows.get(line.entity_id)) for line in lines]
    finally:
        session.info["bulk_act"] = False
    _keep(session, job.id, results)
    before: Any = job.counts
    tally = Counter(result["outcome"] for result in results)
    job.counts = {**before, **{key: before.get(key, 0) + tally[key] for key in ("done", "failed")}}
    beat(job, job.done + len(lines))
    session.flush()
    return True


class _HalfwayError(Exception):
    """A row was refused after something of it had been written: only a savepoint of its own undoes it."""


def _together(
    session: Session, act: Act, actor: Principal, data: Mapping[str, Any], lines: list[Row], rows: dict[int, Instrument]
) -> list[dict[str, Any]] | None:
    """All lines, written in one go; None when they must be done one by one, and then nothing is written."""
    refused = list(session.info.get("refused", ()))
    try:
        with session.begin_nested(), together(session, rows.values()):
            return [_do_row(session, act, actor, data, line, rows.get(line.entity_id)) for line in lines]
    except (_HalfwayError, DBAPIError):
        forget(session)
        forget_rivals(session)
        session.info["refused"] = refused
        return None


@contextmanager
def _row_alone(session: Session) -> Iterator[None]:
    """One row: in a savepoint, or as part of the batch that is open."""
    batch = open_batch(session)
    if batch is None:
        with session.begin_nested():
            yield
        return
    before = batch.written
    try:
        yield
    except QuanhengError as error:
        if batch.written != before:
            raise _HalfwayError from error
        raise


def _do_row(
    session: Session, act: Act, actor: Principal, data: Mapping[str, Any], line: Row, row: Instrument | None
) -> dict[str, Any]:
    label = f"{row.name} {row.serial_no}" if row is not None else ""
    result: dict[str, Any] = {"position": line.position, "before": {"label": label}, "sentence": ""}
    try:
        with _row_alone(session):
            before, version = act.do(session, actor, line, data)
        result["before"] |= before
        return {**result, "outcome": LineOutcome.DONE.value, "after_version": version}
    except QuanhengError as error:
        return {**result, "outcome": LineOutcome.FAILED.value, "sentence": error.sentence[:300]}


def _keep(session: Session, job_id: int, results: list[dict[str, Any]]) -> None:
    """The outcomes of a chunk in one statement."""
    import json

    statement = text(
        "UPDATE bulk_line SET outcome = told.outcome, sentence = told.sentence, before = told.before, "
        "after_version = told.after_version FROM jsonb_to_recordset(CAST(:told AS jsonb)) "
        "AS told(position int, outcome text, sentence text, before jsonb, after_version int) "
        "WHERE bulk_line.job_id = :job AND bulk_line.position = told.position"
    )
    session.execute(statement, {"job": job_id, "told": json.dumps(results, ensure_ascii=False)})


def _close(session: Session, job: Job, actor: Principal) -> None:
    """Count once more from the lines, and tell the other side of the act in one message."""
    counted = outcomes(session, job.id)
    job.counts = {key: count for key, count in counted.items() if key != "waiting"}
    job.done = job.total - counted["waiting"]
    act = act_of(str(job.params["act"]))
    if counted["done"] and act.told:
        tell_of_bulk(session, job.id, actor, act.label)
    act.close(session, job.id, counted["done"], _data(job))


@on_end(KIND)
def _ended(session: Session, job: Job) -> None:
    """Cancelled or given up: what still waits will not be done."""
    if job.state == JobState.DONE:
        return
    stop = text("UPDATE bulk_line SET outcome = 'cancelled' WHERE job_id = :job AND outcome = 'waiting'")
    session.execute(stop, {"job": job.id})
    counted = outcomes(session, job.id)
    job.counts = {**job.counts, **{key: count for key, count in counted.items() if key != "waiting"}}
    job.done = job.total


def _data(job: Job) -> dict[str, Any]:
    found: Any = job.params.get("data") or {}
    return dict(found)


def _demand(job: Job, *phases: str) -> None:
    if job.state != JobState.WAITING or job.phase not in phases:
        raise WrongStateError("任务的状态已变化，请刷新页面。")
