"""Correcting an import's rows on its page: by script cell by cell, without one on a form of the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import abort, flash, jsonify, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import select

from app.access.roles import UNIT
from app.errors import QuanhengError
from app.fab.urls import local_path
from app.operations import import_edit, import_rows
from models import ImportRow, Job
from models.base import db
from models.enums import JobState
from views.edge import clean, ring_after_commit
from views.guards import roles
from views.import_page import alike, columns_of, mode_of, row_view
from views.imports import imports, own_import
from views.workflow_view import me

SHOWN_TOGETHER = 50


def _wants_json() -> bool:
    return request.accept_mimetypes.best == "application/json"


def _back(pk: int) -> str:
    return local_path(request.form.get("back"), f"/jobs/{pk}")


def _done(job: Job, pk: int, changed: list[ImportRow], sentence: str = "") -> Any:
    """The answer to a correction: rows and counts for the script, the page again for the others."""
    if job.state == JobState.QUEUED:
        ring_after_commit(job.id)
    if not _wants_json():
        if sentence:
            flash(sentence, "success")
        return redirect(_back(pk), 303)
    db.session.flush()
    columns, same = columns_of(job), alike(job)
    rows = [
        {
            "position": row.position,
            "html": render_template(
                "pages/_import_row.html",
                r=row_view(row, columns, mode_of(job), same, True),
                job=job,
                several=request.form.get("several") == "1",
                back=_back(pk),
            ),
        }
        for row in changed[:SHOWN_TOGETHER]
    ]
    return jsonify(rows=rows, counts=dict(job.counts), reload=job.state == JobState.QUEUED, sentence=sentence)


def _refused(pk: int, error: QuanhengError) -> Any:
    if error.status == 404:
        raise error
    db.session.rollback()
    if _wants_json():
        return jsonify(error=error.sentence), error.status
    flash(error.sentence, "warning")
    return redirect(_back(pk), 303)


def _correct(pk: int, position: int, act: Callable[[], list[ImportRow]], sentence: str = "") -> Any:
    """Run one correction and answer."""
    try:
        changed = act()
    except QuanhengError as error:
        return _refused(pk, error)
    return _done(own_import(pk), pk, changed, sentence)


@imports.post("/<int:pk>/cells/<int:position>")
@roles(*UNIT)
def cell(pk: int, position: int) -> Any:
    """One cell typed anew; answers with every row whose outcome it touched."""
    column, typed = request.form.get("column", ""), clean(request.form.get("value"), import_edit.MAX_TYPED + 1)
    every = request.form.get("every") == "1"
    change = import_edit.edit_same if every else import_edit.edit_cell
    return _correct(pk, position, lambda: change(db.session(), me(), pk, position, column, typed))


@imports.post("/<int:pk>/cures/<int:position>")
@roles(*UNIT)
def cure(pk: int, position: int) -> Any:
    """The suggestion of one problem taken, for this row or for all that have the same."""
    number = request.form.get("number", "")
    which, every = int(number) if number.isdecimal() else -1, request.form.get("every") == "1"
    return _correct(pk, position, lambda: import_edit.take_cure(db.session(), me(), pk, position, which, every=every))


@imports.post("/<int:pk>/keep/<int:position>")
@roles(*UNIT)
def keep(pk: int, position: int) -> Any:
    """Keep a row that is in no catalogue as 非强检, or all such rows."""
    every = request.form.get("every") == "1"
    return _correct(pk, position, lambda: import_edit.keep_uncompulsory(db.session(), me(), pk, position, every=every))


@imports.post("/<int:pk>/drop/<int:position>")
@roles(*UNIT)
def drop(pk: int, position: int) -> Any:
    """Leave a row out of this import."""
    return _correct(
        pk, position, lambda: import_edit.drop_row(db.session(), me(), pk, position), gettext("已移除该行。")
    )


@imports.route("/<int:pk>/rows/<int:position>/edit", methods=["GET", "POST"])
@roles(*UNIT)
def edit(pk: int, position: int) -> Any:
    """The row as a form: the way without a script."""
    job = own_import(pk)
    columns = columns_of(job)
    if request.method == "POST":
        typed = {key: clean(request.form.get(key), import_edit.MAX_TYPED + 1) for key, _ in columns}
        try:
            changed = import_edit.edit_row(db.session(), me(), pk, position, typed)
        except QuanhengError as error:
            return _refused(pk, error)
        row = next(row for row in changed if row.position == position)
        if row.outcome != "refused":
            return _done(job, pk, changed, gettext("第%(n)s行已更正。", n=row.row_number))
    statement = select(ImportRow).where(ImportRow.job_id == pk, ImportRow.position == position)
    row = db.session.execute(statement).scalar_one_or_none() or abort(404)
    view = row_view(row, columns, mode_of(job), {}, job.state == JobState.WAITING)
    return render_template(
        "pages/import_row.html",
        base_template="layout.html",
        title=gettext("更正第%(n)s行", n=row.row_number),
        job=job,
        r=view,
        back=local_path(request.values.get("back"), f"/jobs/{pk}"),
    )


@imports.post("/<int:pk>/rows/<int:position>")
@roles(*UNIT)
def write_one(pk: int, position: int) -> Any:
    """逐行导入: one row checked and written by one request; says what became of it."""
    try:
        row = import_rows.write_row(db.session(), me(), pk, position)
    except QuanhengError as error:
        return _refused(pk, error)
    return _done(own_import(pk), pk, [row])
