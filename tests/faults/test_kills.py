"""Kills: workers and processes ended with -9 at the worst moment, Redis emptied; nothing is lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app import filestore
from app.access.principal import as_system
from app.channels.bell import connection, queue
from app.documents.xlsx import write_rows
from app.operations.instrument import EXPORT_COLUMNS
from app.operations.integrity import check_all
from app.operations.job import run_job
from app.operations.ledger_import import confirm_import, start_import
from app.workflow import CERTIFICATE, fire
from models import Certificate, ImportRow, Instrument, Job, TransitionLog
from models.enums import JobState
from tests.faults.herd import herd
from tests.world import booked, drafted

ROWS = 12_000


def workbook(path: Path, count: int, prefix: str) -> bytes:
    """A ledger of `count` scales."""
    cells = {
        "器具名称": "电子计价秤",
        "一级目录": "非自动衡器",
        "二级目录": "非自动衡器",
        "型号规格": "ACS-30",
        "测量范围": "(0-30)kg",
        "准确度等级": "Ⅲ",
        "自编号": "",
        "生产厂家": "大华",
        "器具产地": "国产",
        "使用地点行政区划": "440103",
        "安装/使用地点": "农贸市场",
        "购置时间": None,
        "器具数量": 1,
        "器具用途": "贸易结算",
        "送检方式": "现场检",
        "有效期至": None,
        "备注": "",
    }
    rows = ([{**cells, "出厂编号": f"{prefix}{n:05d}"}[c] for c in EXPORT_COLUMNS] for n in range(count))
    write_rows(path, EXPORT_COLUMNS, rows)
    return path.read_bytes()


def ready_import(world, session, tmp_path, count: int, prefix: str) -> int:
    """A confirmed import that waits for a worker."""
    with world.acting("ub1") as actor:
        job = start_import(session, actor, filename="台账.xlsx", data=workbook(tmp_path / "a.xlsx", count, prefix))
        session.commit()
        run_job(session, job.id)
        session.refresh(job)
        assert job.counts["new"] == count
        confirm_import(session, actor, job.id)
        session.commit()
        return job.id


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += [int(entry.name), *children_of(int(entry.name))]
    return found


class Worker:
    """The worker as an operator starts it."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("ab")
        command = [sys.executable, "-m", "flask", "--app", "run", "worker"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)

    def kill(self) -> int:
        """kill -9 the worker and the process that has the job in hand."""
        pids = [self.process.pid, *children_of(self.process.pid)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.log.close()
        return len(pids)


def job_row(session, pk: int) -> Job:
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.get(Job, pk)


def wait_for(session, pk: int, ready, seconds: float = 60) -> Job:
    """Look until the job is `ready`, reconciling now and then as the clock process does beside a worker: PostgreSQL may
    notice a killed process, and free the job it held, only when the statement in hand has ended."""
    import jobs.tasks

    end, nudge = time.monotonic() + seconds, time.monotonic() + 5
    while time.monotonic() < end:
        job = job_row(session, pk)
        if ready(job):
            return job
        if time.monotonic() > nudge:
            jobs.tasks.reconcile()
            nudge = time.monotonic() + 5
        time.sleep(0.03)
    raise AssertionError(f"job {pk} stays {job.state} at {job.done}/{job.total}: {job.error}")


def written(session, prefix: str) -> tuple[int, int, int]:
    """(instruments, different serial numbers, history lines) of the import."""
    with as_system("test"):
        mine = Instrument.serial_no.like(f"{prefix}%")
        rows, different = session.execute(
            select(func.count(), func.count(Instrument.serial_no.distinct())).where(mine)
        ).one()
        lines = session.scalar(
            select(func.count())
            .select_from(TransitionLog)
            .where(
                TransitionLog.step == "import",
                TransitionLog.instrument_id.in_(select(Instrument.id).where(mine)),
            )
        )
        return rows, different, lines


@pytest.mark.feature("IMP-03")
def test_a_worker_killed_in_the_middle_of_an_import(world, session, tmp_path):
    pk = ready_import(world, session, tmp_path, ROWS, "KILL")
    begun, worker = time.monotonic(), Worker(tmp_path / "worker.log")
    try:
        wait_for(session, pk, lambda job: job.done >= 5_000)
    finally:
        killed = worker.kill()
    half = job_row(session, pk)
    print(f"\nkilled {killed} processes at {half.done}/{half.total} rows after {time.monotonic() - begun:.1f} s")
    assert half.state == JobState.RUNNING, "the kill came too late to prove anything"
    assert half.done < ROWS
    begun, worker = time.monotonic(), Worker(tmp_path / "worker.log")
    try:
        job = wait_for(session, pk, lambda job: job.state == JobState.DONE)
    finally:
        worker.kill()
    print(f"resumed and done after {time.monotonic() - begun:.1f} s, attempts {job.attempts}")
    assert written(session, "KILL") == (ROWS, ROWS, ROWS)
    with as_system("test"):
        rows = select(func.count(), func.count(ImportRow.instrument_id.distinct())).where(ImportRow.job_id == pk)
        assert session.execute(rows).one() == (ROWS, ROWS)
        assert [f for f in check_all(session) if f.violations] == []


def test_two_workers_on_one_job(world, session, tmp_path):
    pk = ready_import(world, session, tmp_path, 600, "TWO")
    said, seconds = herd("run_job", 2, job=pk)
    print(f"\ntwo workers on one job: {said}, {seconds} s")
    assert said.count("done") >= 1
    assert set(said) <= {"done", "held"}
    assert job_row(session, pk).attempts == 2  # one for the dry run, one for the writing
    assert written(session, "TWO") == (600, 600, 600)


def test_redis_emptied_with_jobs_waiting(world, session, app, tmp_path):
    import jobs.tasks

    pk = ready_import(world, session, tmp_path, 5, "FLUSH")
    connection(app).flushdb()
    assert queue(app, "bulk").count == 0
    jobs.tasks.reconcile()
    calls = [job.args for job in queue(app, "bulk").jobs]
    assert [pk] in [list(args) for args in calls]
    jobs.tasks.run_job(pk)
    assert job_row(session, pk).state == JobState.DONE
    connection(app).flushdb()
    jobs.tasks.reconcile()
    assert queue(app, "bulk").count == 0, "what is done is not started again"


def test_killed_between_storing_and_publishing_a_paper(world, session):
    import jobs.tasks

    order = booked(world, "ub1", "B", division="440304")
    pk = drafted(world, order.items[0], "B")
    for who, step in (("verB", "submit"), ("chkB", "check"), ("aprB", "issue")):
        with world.acting(who) as actor:
            fire(session, CERTIFICATE, pk, step, actor)
            session.commit()
    said, _ = herd("publish_and_die", 1, certificate=pk)
    assert said == [None], "the process was to be killed"
    with as_system("test"):
        session.expire_all()
        row = session.get(Certificate, pk)
        assert (row.state, row.pdf_sha256) == ("issuing", None)
        session.rollback()
    while jobs.tasks.deliver_outbox():
        pass
    jobs.tasks.deliver_outbox()
    with as_system("test"):
        session.expire_all()
        row = session.get(Certificate, pk)
        assert row.state == "issued"
        assert filestore.read(row.pdf_sha256).startswith(b"%PDF")
        published = (
            select(func.count())
            .select_from(TransitionLog)
            .where(
                TransitionLog.entity == "certificate", TransitionLog.entity_id == pk, TransitionLog.step == "publish"
            )
        )
        assert session.scalar(published) == 1
        assert [f for f in check_all(session) if f.violations] == []
