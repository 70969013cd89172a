"""报送检定记录: institutes send results of other systems, one by form or up to 5,000 from a workbook."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file
from flask_babel import gettext

from app.documents.xlsx import write_rows
from app.errors import QuanhengError
from app.intake.guard import MAX_FILE
from app.operations.site import SHEET
from app.operations.verification_records import (
    FIELDS,
    HEADS,
    MOST_ROWS,
    confirm_upload,
    own_upload,
    send_record,
    start_upload,
)
from app.workflow.unmatched import SENDERS
from models.base import db
from models.enums import JobState, RecordSource, UnmatchedState
from views.edge import ring_after_commit
from views.guards import roles
from views.unmatched_form import RecordForm, cells_of
from views.workflow_view import me, put_on_form

record_pages = Blueprint("verification_records", __name__, url_prefix="/verification-records")


@record_pages.route("/new", methods=["GET", "POST"])
@roles(*SENDERS)
def new() -> Any:
    """One record. It comes to the unit of the credit code, linked when there is no doubt which instrument is meant."""
    form, problems = RecordForm(), []
    if request.method == "POST":
        try:
            record, fresh = send_record(db.session(), me(), cells_of(form), RecordSource.FORM)
            flash(said(record.state, fresh), "success" if fresh else "warning")
            return redirect(f"/unmatched/show/{record.id}", 303)
        except QuanhengError as error:
            db.session.rollback()
            problems = put_on_form(form, error)
    page = render_template(
        "pages/record_new.html",
        base_template="layout.html",
        title=gettext("报送检定记录"),
        form=form,
        form_errors=problems,
        columns=[declared.key for declared in FIELDS],
        submit_label=gettext("报送"),
        form_action="/verification-records/new",
        cancel_url="/unmatched/list/",
        intro=gettext("按统一社会信用代码送到使用单位；出厂编号与台账一致的，自动关联到器具。"),
    )
    return page, 422 if request.method == "POST" else 200


def said(state: str, fresh: bool) -> str:
    """What became of a record, in a sentence."""
    if not fresh:
        return gettext("该证书编号的检定记录已报送过，内容未变更。")
    if state == UnmatchedState.LINKED:
        return gettext("已报送，并自动关联到台账中的器具。")
    return gettext("已报送，台账中没有唯一对应的器具，已转使用单位处理。")


@record_pages.get("/template.xlsx")
@roles(*SENDERS)
def template() -> Any:
    """The empty workbook."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sheet.xlsx"
        write_rows(out, HEADS, [], sheet_name="检定记录")
        data = out.read_bytes()
    return send_file(
        io.BytesIO(data), mimetype=SHEET, as_attachment=True, download_name="检定记录报送模板.xlsx", max_age=0
    )


@record_pages.route("/upload", methods=["GET", "POST"])
@roles(*SENDERS)
def upload() -> Any:
    """Look at every row of a workbook; nothing is sent yet."""
    problem = ""
    if request.method == "POST":
        file = request.files.get("file")
        if file is None or not file.filename:
            return _upload_page(gettext("请选择要报送的文件。")), 422
        data = file.stream.read(MAX_FILE + 1)
        try:
            with tempfile.NamedTemporaryFile() as kept:
                kept.write(data)
                kept.flush()
                job = start_upload(db.session(), me(), file.filename, data, Path(kept.name))
            return redirect(f"/verification-records/upload/{job.id}", 303)
        except QuanhengError as error:
            db.session.rollback()
            problem = error.sentence
    return _upload_page(problem), 422 if problem else 200


def _upload_page(problem: str) -> str:
    required = [declared.label for declared in FIELDS if declared.required]
    return render_template(
        "pages/records_upload.html",
        title=gettext("表格报送"),
        problem=problem,
        required="、".join(required),
        most=MOST_ROWS,
    )


@record_pages.route("/upload/<int:job_id>", methods=["GET", "POST"])
@roles(*SENDERS)
def preview(job_id: int) -> Any:
    """What the workbook holds, with a sentence for every row that cannot be taken; sending the others."""
    job = own_upload(db.session(), job_id)
    if request.method == "POST":
        try:
            confirm_upload(db.session(), job_id)
            ring_after_commit(job_id)
            return redirect(f"/jobs/{job_id}", 303)
        except QuanhengError as error:
            db.session.rollback()
            flash(error.sentence, "warning")
            return redirect(f"/verification-records/upload/{job_id}", 303)
    if job.state != JobState.WAITING:
        return redirect(f"/jobs/{job_id}", 303)
    counts: Any = job.counts
    return render_template(
        "pages/records_preview.html",
        title=gettext("检查结果"),
        job=job,
        counts=counts,
        problems=job.params.get("problems") or [],
        good=counts.get("new", 0) + counts.get("repeated", 0),
    )
