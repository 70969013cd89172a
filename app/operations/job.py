"""Jobs: rows with progress that a worker runs, killed anywhere and resumed, never doing a row twice (law 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import Principal, acting_as
from app.errors import InvalidInputError, QuanhengError, WrongStateError
from app.workflow.outgoing import message
from models.enums import JobState
from models.job import Job

Runner = Callable[[Session, Job, Principal], None]
Ending = Callable[[Session, Job], None]
RUNNERS: dict[str, Runner] = {}
LOCK_SPACE = 7_301
MAX_ATTEMPTS = 20
"""Deaths of a worker at one place until a job is given up."""
REACHED = "reached"


def runner(kind: str) -> Callable[[Runner], Runner]:
    """Register what a kind of job does. The runner commits its own chunks and is called again after a crash."""

    def register(function: Runner) -> Runner:
        RUNNERS[kind] = function
        return function

    return register


def create_job(session: Session, actor: Principal, *, kind: str, title: str, params: dict[str, Any]) -> Job:
    """A job of the actor's; the edge rings the bell after its commit."""
    if actor.account_id is None:
        raise InvalidInputError("请先登录。")
    job = Job(
        kind=kind,
        title=title[:120],
        params=params,
        account_id=actor.account_id,
        unit_id=actor.unit_id,
        institute_id=actor.institute_id,
    )
    session.add(job)
    session.flush()
    return job


ENDED: dict[str, Ending] = {}


def on_end(kind: str) -> Callable[[Ending], Ending]:
    """Register what settles a kind's own rows when a job of it is cancelled or gives up, in the same transaction."""

    def register(function: Ending) -> Ending:
        ENDED[kind] = function
        return function

    return register


@contextmanager
def held(engine: Engine, job_id: int) -> Iterator[bool]:
    """Hold the job for this process: an advisory lock on a connection of its own, freed by the kernel on kill -9."""
    with engine.connect() as connection:
        got = bool(
            connection.scalar(text("SELECT pg_try_advisory_lock(:space, :job)"), {"space": LOCK_SPACE, "job": job_id})
        )
        connection.commit()
        try:
            yield got
        finally:
            if got:
                connection.execute(
                    text("SELECT pg_advisory_unlock(:space, :job)"), {"space": LOCK_SPACE, "job": job_id}
                )
                connection.commit()


def run_job(session: Session, job_id: int) -> str:
    """Run one job row to its next resting point, acting as the account that asked for it. Returns its state."""
    with held(session.get_bind(), job_id) as mine:  # type: ignore[arg-type]
        if not mine:
            return "held"
        job = session.get(Job, job_id, execution_options={"unscoped": True})
        if job is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return str(job.state) if job else "missing"
        account = account_by_id(session, job.account_id)
        if account is None or not account.roles_on(clock.today()):
            return _finish(session, job, JobState.FAILED, "发起人的账号已停用。")
        with acting_as(principal_of(account)) as principal:
            job.state, job.attempts = JobState.RUNNING, job.attempts + 1
            job.started_at = job.started_at or clock.now()
            job.heartbeat_at = clock.now()
            session.commit()
            if job.attempts > MAX_ATTEMPTS:
                return _finish(session, job, JobState.FAILED, "任务多次中断，请重新提交或联系管理员。")
            try:
                RUNNERS[job.kind](session, job, principal)
            except QuanhengError as error:
                session.rollback()
                return _finish(session, job, JobState.FAILED, error.sentence)
            return str(job.state)


def _finish(session: Session, job: Job, state: JobState, error: str | None = None) -> str:
    job.state, job.error, job.finished_at = state, (error or "")[:500] or None, clock.now()
    if state == JobState.FAILED and job.kind in ENDED:
        ENDED[job.kind](session, job)
    if state in {JobState.DONE, JobState.FAILED}:
        words = {"done": "已完成", "failed": "未完成"}[state.value]
        message(session, job.account_id, f"{job.title}{words}", error or "", f"/jobs/{job.id}", key=f"job-{job.id}")
    session.commit()
    return state.value


def finish(session: Session, job: Job) -> None:
    """The job is done: commit it and tell its account."""
    _finish(session, job, JobState.DONE)


def beat(job: Job, done: int | None = None) -> None:
    """Progress, to be committed together with the work it counts.

    Work that gets further than ever before is not given up, however often its worker dies; work that begins anew and
    dies at the same place every time is.
    """
    job.heartbeat_at = clock.now()
    if done is None:
        return
    if done > _reached(job):
        job.params = {**job.params, REACHED: [job.phase, done]}
        job.attempts = min(job.attempts, 2)
    job.done = done


def _reached(job: Job) -> int:
    """How far the present phase of a job has ever got, in whatever attempt."""
    known: Any = job.params.get(REACHED) or ("", 0)
    return int(known[1]) if known[0] == job.phase else 0


def begin_phase(job: Job, phase: str, total: int) -> None:
    """Queue a job for its next piece of work, from nothing."""
    job.state, job.phase, job.done, job.total, job.finished_at = JobState.QUEUED, phase, 0, total, None
    job.params = {key: value for key, value in job.params.items() if key != REACHED}


def cancelled(session: Session, job: Job) -> bool:
    """Whether somebody cancelled the job meanwhile; asked between chunks."""
    session.refresh(job, ["state"])
    return job.state == JobState.CANCELLED


def cancel_job(session: Session, actor: Principal, job_id: int) -> Job:
    """Stop a job of one's own; what is committed stays and is said on its page."""
    statement = select(Job).where(Job.id == job_id).with_for_update()
    job = session.execute(statement).unique().scalar_one_or_none()
    if job is None:
        from app.errors import NotVisibleError

        raise NotVisibleError
    if job.state not in {JobState.QUEUED, JobState.RUNNING, JobState.WAITING}:
        raise WrongStateError("任务已结束，不能取消。")
    job.state, job.finished_at = JobState.CANCELLED, clock.now()
    if job.kind in ENDED:
        ENDED[job.kind](session, job)
    return job


def waiting_jobs(session: Session, engine: Engine) -> list[int]:
    """Jobs that nobody works on: queued, or running without a living process. For the reconciler."""
    statement = select(Job.id).where(Job.state.in_((JobState.QUEUED, JobState.RUNNING))).order_by(Job.id)
    found = []
    for job_id in session.execute(statement.execution_options(unscoped=True)).scalars().all():
        with held(engine, job_id) as free:
            if free:
                found.append(job_id)
    return found
