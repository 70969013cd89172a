"""Jobs: the list of one's own, the page with progress that survives a reload, the same as JSON, and cancelling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, jsonify, redirect, render_template
from flask_babel import gettext
from sqlalchemy import func, select

from app import clock
from app.errors import QuanhengError
from app.fab.paging import Pager
from app.fab.request_filters import page_args
from app.operations import bulk, certificate_files, ledger_export, ledger_import, verification_records
from app.operations.job import cancel_job
from models import Job
from models.base import db
from models.enums import JobState
from views.bulk import bulk_page
from views.guards import roles
from views.import_page import import_page
from views.import_page import steps as import_steps
from views.job_words import job_chip
from views.workflow_view import me

jobs = Blueprint("jobs", __name__, url_prefix="/jobs")
PAGE = 25


def own_job(pk: int) -> Job:
    """A job of this person's; 404 otherwise."""
    job = db.session.execute(select(Job).where(Job.id == pk)).unique().scalar_one_or_none()
    return job or abort(404)


@jobs.get("/")
@roles()
def index() -> Any:
    """One's own jobs, newest first."""
    page, size = page_args("jobs", PAGE, 200)
    page = max(page, 0)
    count = db.session.scalar(select(func.count()).select_from(select(Job.id).subquery())) or 0
    statement = select(Job).order_by(Job.id.desc()).offset(page * size).limit(size)
    found = db.session.execute(statement).unique().scalars().all()
    return render_template(
        "pages/jobs.html",
        base_template="layout.html",
        title=gettext("我的任务"),
        jobs=found,
        count=count,
        chip=job_chip,
        pager=Pager(page, size, count, len(found)),
        name="jobs",
        unit_word=gettext("个"),
    )


@jobs.get("/<int:pk>")
@roles()
def show(pk: int) -> Any:
    """The job's page; the dry run and the outcome of an import have one of their own."""
    job = own_job(pk)
    if job.kind == ledger_import.KIND and job.state == JobState.WAITING:
        return redirect(f"/imports/{job.id}/mapping") if job.phase == "map" else import_page(job)
    if job.kind == ledger_import.KIND and job.phase == "commit" and job.state in {JobState.DONE, JobState.CANCELLED}:
        return import_page(job)
    if job.kind == verification_records.KIND and job.state == JobState.WAITING:
        return redirect(f"/verification-records/upload/{job.id}")
    if job.kind == bulk.KIND:
        return bulk_page(job, view_of(job))
    back, label = back_of(job)
    return render_template(
        "pages/job.html",
        base_template="layout.html",
        title=job.title,
        job=view_of(job),
        poll_url=f"/jobs/{job.id}.json",
        cancel_url=f"/jobs/{job.id}/cancel",
        back_url=back,
        back_label=label,
        row=job,
        counts=job.counts,
        steps=steps_of(job),
        current=3 if job.phase == "commit" else 2,
    )


@jobs.get("/<int:pk>.json")
@roles()
def progress(pk: int) -> Any:
    """The same facts for the page's script."""
    answer = jsonify(view_of(own_job(pk)))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@jobs.post("/<int:pk>/cancel")
@roles()
def cancel(pk: int) -> Any:
    """Stop a job; what was written stays."""
    try:
        cancel_job(db.session(), me(), pk)
        flash(gettext("任务已取消。已处理的部分保留，尚未处理的不再继续。"), "success")
    except QuanhengError as error:
        if error.status == 404:
            raise
        db.session.rollback()
        flash(error.sentence, "warning")
    return redirect(f"/jobs/{pk}", 303)


def view_of(job: Job) -> dict[str, Any]:
    """What page and script show of a job. A finished check counts as done: its result waits on the same page."""
    counts: Any = job.counts
    waiting = job.state == JobState.WAITING
    seen = {
        "state": "done" if waiting else str(job.state),
        "done": job.done,
        "total": job.total,
        "error": job.error or "",
        "skipped": counts.get("skipped", counts.get("unchanged", 0)),
        "failed": counts.get("refused", 0),
        "message": message_of(job),
        "left_seconds": seconds_left(job),
        "result_url": "",
        "result_label": "",
    }
    if job.kind == bulk.KIND:
        seen |= {"failed": counts.get("failed", 0), "result_label": gettext("查看结果")}
        if job.state not in {JobState.QUEUED, JobState.RUNNING}:
            seen["result_url"] = f"/jobs/{job.id}"
    if job.kind in {ledger_export.KIND, *certificate_files.KINDS} and counts.get("attachment"):
        seen |= {"result_url": f"/files/{counts['attachment']}", "result_label": gettext("下载文件")}
    if job.kind == ledger_import.KIND and (waiting or (job.phase == "commit" and job.state == JobState.DONE)):
        label = gettext("查看检查结果") if waiting else gettext("查看导入结果")
        seen |= {"result_url": f"/jobs/{job.id}", "result_label": label}
    return seen


def message_of(job: Job) -> str:
    """What goes on, in a sentence."""
    counts: Any = job.counts
    if job.kind == bulk.KIND and job.state in {JobState.QUEUED, JobState.RUNNING}:
        return gettext("正在逐台办理。") if job.phase == bulk.COMMIT else gettext("正在逐台试办，尚未办理。")
    if job.kind == ledger_import.KIND and job.state in {JobState.QUEUED, JobState.RUNNING}:
        return gettext("正在写入台账。") if job.phase == "commit" else gettext("正在逐行检查，尚未写入台账。")
    if job.kind == ledger_export.KIND and job.state == JobState.DONE:
        return gettext("共导出 %(n)s 台器具。", n=counts.get("rows", 0))
    if job.kind in certificate_files.KINDS and job.state == JobState.DONE:
        return gettext("共 %(n)s 份证书。", n=counts.get("rows", 0))
    if job.kind == verification_records.KIND and job.state == JobState.DONE:
        done, linked, repeats = (counts.get(key, 0) for key in ("written", "linked", "repeats"))
        words = gettext("已报送%(n)s条，其中%(m)s条自动关联到器具", n=done, m=linked)
        return words + gettext("；%(k)s条以前报送过，未变更。", k=repeats)
    return ""


def seconds_left(job: Job) -> int:
    """A guess from the pace so far; 0 when there is none."""
    if job.state != JobState.RUNNING or not job.done or not job.started_at or not job.total:
        return 0
    spent: timedelta = clock.now() - job.started_at
    return int(spent.total_seconds() / job.done * max(job.total - job.done, 0))


def back_of(job: Job) -> tuple[str, str]:
    """Where the page leads back to."""
    if job.kind == ledger_import.KIND and job.state in {JobState.FAILED, JobState.CANCELLED}:
        return "/imports/new", gettext("重新上传")
    if job.kind in certificate_files.KINDS:
        return "/certificates/list/", gettext("证书")
    if job.kind == verification_records.KIND:
        return "/unmatched/list/", gettext("未匹配检定记录")
    return "/instruments/list/", gettext("器具台账")


def steps_of(job: Job) -> list[str]:
    """The words of the wizard for an import, none for others."""
    return import_steps() if job.kind == ledger_import.KIND else []
