"""Importing a ledger in three steps: upload, look at what the dry run found, confirm."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, send_file
from flask_babel import gettext
from sqlalchemy import func, select

from app.access.roles import UNIT
from app.documents.xlsx import write_rows
from app.errors import QuanhengError
from app.fab.paging import Pager
from app.fab.parts import Choice, Tab, state_chip
from app.fab.request_filters import page_args
from app.fab.urls import address
from app.intake.workbook import write_template
from app.operations import ledger_import
from app.operations.reference_tables import reference_tables
from app.reference import STREET
from models import ImportRow, Job
from models.base import db
from models.enums import JobState
from models.reference import Category, Division
from views.edge import ring_after_commit
from views.guards import roles
from views.workflow_view import me

imports = Blueprint("imports", __name__, url_prefix="/imports")
PAGE = 50
WARNING = "warning"
LEVELS = {"province": "省级", "city": "市级", "county": "区县级"}


def outcomes() -> dict[str, Choice]:
    """Outcome of a row → its word and colour."""
    found = (
        Choice("new", gettext("新增"), "ok"),
        Choice("unchanged", gettext("已存在"), "muted"),
        Choice("refused", gettext("拒绝"), "danger"),
        Choice("rival", gettext("已被他人录入"), "muted"),
    )
    return {choice.value: choice for choice in found}


def steps() -> list[str]:
    """The wizard's words."""
    return [gettext("上传文件"), gettext("检查结果"), gettext("写入台账")]


# -- step 1 --------------------------------------------------------------------------------------------------------


@imports.get("/new")
@roles(*UNIT)
def new() -> Any:
    """Choose a file; an import of one's own that is still open is offered first."""
    return _upload_page()


def _upload_page(problem: str = "") -> str:
    open_states = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)
    statement = select(Job).where(Job.kind == ledger_import.KIND, Job.state.in_(open_states)).order_by(Job.id.desc())
    running = db.session.execute(statement.limit(3)).unique().scalars().all()
    return render_template(
        "pages/import_new.html",
        base_template="layout.html",
        title=gettext("导入台账"),
        steps=steps(),
        current=1,
        problem=problem,
        running=running,
    )


@imports.post("/new")
@roles(*UNIT)
def upload() -> Any:
    """Keep the file and begin the dry run; a file that cannot be taken leaves the page with the reason."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _upload_page(gettext("请选择要导入的 .xlsx 文件。")), 422
    try:
        job = ledger_import.start_import(db.session(), me(), filename=file.filename, data=file.stream.read())
    except QuanhengError as error:
        db.session.rollback()
        return _upload_page(error.sentence), error.status if error.status == 409 else 422
    ring_after_commit(job.id)
    return redirect(f"/jobs/{job.id}", 303)


def _sheet(name: str, write: Callable[[Path], Any]) -> Any:
    """A workbook made now and sent; nothing of it stays."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sheet.xlsx"
        write(out)
        data = out.read_bytes()
    return send_file(io.BytesIO(data), mimetype=ledger_import.XLSX, as_attachment=True, download_name=name, max_age=0)


@imports.get("/template.xlsx")
@roles(*UNIT)
def template() -> Any:
    """《强制检定器具信息导入模板》 from the live code tables."""
    ref = reference_tables(db.session())
    return _sheet("强制检定器具信息导入模板.xlsx", lambda out: write_template(out, ref))


@imports.get("/divisions.xlsx")
@roles(*UNIT)
def divisions() -> Any:
    """《行政区划信息》."""
    statement = select(Division).where(Division.level != STREET).order_by(Division.code)
    found = db.session.execute(statement).scalars()
    rows = ([d.code, d.name, LEVELS.get(d.level, d.level)] for d in found)
    return _sheet(
        "行政区划信息.xlsx", lambda out: write_rows(out, ["代码", "名称", "级别"], rows, sheet_name="行政区划信息")
    )


@imports.get("/catalogue.xlsx")
@roles(*UNIT)
def catalogue() -> Any:
    """《强检器具目录》 with its codes; lines that are no longer valid say so."""
    found = db.session.execute(select(Category).order_by(Category.code)).scalars()
    heads = ["种别代码", "一级目录", "二级目录", "监管方式", "强检方式", "强检范围", "检定周期（月）", "状态"]
    rows = (
        [
            c.code,
            c.level1,
            c.level2,
            c.supervision,
            c.verification_mode,
            c.scope_text,
            c.cycle_months,
            "有效" if c.valid else "作废",
        ]
        for c in found
    )
    return _sheet("强检器具目录.xlsx", lambda out: write_rows(out, heads, rows, sheet_name="强检器具目录"))


# -- step 2 and 3 --------------------------------------------------------------------------------------------------


def _import(pk: int) -> Job:
    statement = select(Job).where(Job.id == pk, Job.kind == ledger_import.KIND)
    return db.session.execute(statement).unique().scalar_one_or_none() or abort(404)


def import_page(job: Job) -> str:
    """What the dry run found, row by row, or what was written."""
    chosen = request.args.get("outcome", "")
    page, size = page_args("rows", PAGE, 200)
    page = max(page, 0)
    where: list[Any] = [ImportRow.job_id == job.id]
    if chosen == WARNING:
        where += [ImportRow.outcome != "refused", func.jsonb_array_length(ImportRow.problems) > 0]
    elif chosen in outcomes():
        where.append(ImportRow.outcome == chosen)
    count = db.session.scalar(select(func.count()).select_from(ImportRow).where(*where)) or 0
    statement = select(ImportRow).where(*where).order_by(ImportRow.position).offset(page * size).limit(size)
    rows = [_row_view(row) for row in db.session.execute(statement).scalars()]
    waiting = job.state == JobState.WAITING
    return render_template(
        "pages/import_result.html",
        base_template="layout.html",
        title=job.title,
        job=job,
        steps=steps(),
        current=2 if waiting else 4,
        counts=job.counts,
        tabs=_tabs(job, chosen),
        rows=rows,
        waiting=waiting,
        pager=Pager(page, size, count, len(rows)),
        name="rows",
        several=any(r["sheet"] for r in rows),
    )


def _tabs(job: Job, chosen: str) -> list[Tab]:
    counts: Any = job.counts
    every = [
        ("", gettext("全部"), counts.get("rows", 0)),
        ("new", gettext("新增"), counts.get("new", 0)),
        ("unchanged", gettext("已存在"), counts.get("unchanged", 0)),
        ("refused", gettext("拒绝"), counts.get("refused", 0)),
        (WARNING, gettext("警告"), counts.get("warnings", 0)),
    ]
    if counts.get("rivals"):
        every.append(("rival", gettext("已被他人录入"), counts["rivals"]))
    return [Tab(word, address(("page_",), outcome=key or None), n, chosen == key) for key, word, n in every]


def _row_view(row: ImportRow) -> dict[str, Any]:
    values, choice = row.values, outcomes().get(row.outcome, Choice(row.outcome, row.outcome, "muted"))
    sentences = [(str(p["severity"]), str(p["message"]).partition("：")[2] or str(p["message"])) for p in row.problems]
    return {
        "number": row.row_number,
        "sheet": row.sheet,
        "name": values.get("name") or "",
        "serial": values.get("serial_no") or "",
        "chip": state_chip(choice.kind, choice.word),
        "problems": sentences,
        "instrument": row.instrument_id,
        "warned": row.outcome != "refused" and bool(row.problems),
    }


@imports.get("/<int:pk>/errors.xlsx")
@roles(*UNIT)
def errors(pk: int) -> Any:
    """The refused rows as they were typed, marked, to be corrected and uploaded again."""
    job = _import(pk)
    counts: Any = job.counts
    if not counts.get("refused"):
        abort(404)
    stem = str(job.params.get("filename", "台账")).rsplit(".", 1)[0]
    return _sheet(f"{stem}_待更正.xlsx", lambda out: ledger_import.error_workbook(db.session(), job, out))


@imports.post("/<int:pk>/confirm")
@roles(*UNIT)
def confirm(pk: int) -> Any:
    """Write the rows that were found good."""
    try:
        job = ledger_import.confirm_import(db.session(), me(), pk)
        ring_after_commit(job.id)
    except QuanhengError as error:
        if error.status == 404:
            raise
        db.session.rollback()
        flash(error.sentence, "warning")
    return redirect(f"/jobs/{pk}", 303)


@imports.post("/<int:pk>/give-up")
@roles(*UNIT)
def give_up(pk: int) -> Any:
    """Forget the dry run; nothing was written."""
    _import(pk)
    ledger_import.give_up(db.session(), pk)
    flash(gettext("已放弃本次导入，台账没有变化。"), "success")
    return redirect("/imports/new", 303)
