"""Acts on many instruments: from the ticks of a list over the dry run to the outcome of every row (BEYOND 11, 14)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, send_file
from flask_babel import gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import select
from wtforms import DateField, SelectField, StringField, TextAreaField

from app.access.roles import REGULATOR, UNIT
from app.documents.xlsx import write_rows
from app.errors import QuanhengError
from app.fab.urls import local_path
from app.operations import bulk
from app.operations.bulk_acts import EDITABLE, undo_rows, undoable
from app.operations.bulk_edit import checked_fields, common_fields
from models.base import db
from models.enums import JobState
from models.job import BulkLine, Job
from models.reference import Division
from views.edge import clean, ring_after_commit
from views.guards import roles
from views.job_words import job_chip
from views.options import county_like, division_text
from views.workflow_view import me, put_on_form

bulk_pages = Blueprint("bulk", __name__, url_prefix="/bulk")
ACTORS = tuple(UNIT | REGULATOR)
SHOWN = 50
MOST_TICKED = 5_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LIST = "/instruments/list/"


def outcome_words() -> dict[str, str]:
    """Outcome of a line → its word."""
    return {
        "waiting": gettext("待办理"),
        "done": gettext("成功"),
        "failed": gettext("未办理"),
        "cancelled": gettext("已取消"),
    }


def start_act(name: str, back: str, reason: str, keys: list[int] | None = None) -> Any:
    """The bulk bar of the ledger: few rows at once, more through a dry run; 批量修改 asks for the fields first. `keys` are
    the instruments where the list is not one of instruments."""
    try:
        chosen = chosen_rows() if keys is None else keys
        job = bulk.choose(db.session(), me(), name, chosen, {"reason": reason} if reason else {})
        if name == "bulk_edit":
            return redirect(f"/bulk/{job.id}/edit", 303)
        return proceed(job, back)
    except QuanhengError as error:
        if error.status in {403, 404}:
            raise
        db.session.rollback()
        flash(error.sentence, "warning")
        return redirect(back, 303)


def chosen_rows() -> list[int]:
    """The ticked rows, or all that the list's query finds now."""
    if request.form.get("all") == "1":
        return bulk.choose_query(db.session(), request.form.get("query", ""))
    keys = [int(k) for k in dict.fromkeys(request.form.getlist("rowid")) if k.isdecimal() and len(k) < 18]
    if len(keys) > MOST_TICKED:
        abort(413, gettext("一次最多勾选 %(most)s 条，更多的请用“全部查询结果”。", most=MOST_TICKED))
    return keys


def proceed(job: Job, back: str) -> Any:
    """Do a small act now and go back; try a larger one first."""
    if job.total <= bulk.AT_ONCE:
        bulk.do_at_once(db.session(), me(), job)
        say(job)
        return redirect(back, 303)
    bulk.prepare(db.session(), me(), job)
    return follow(job)


def follow(job: Job) -> Any:
    """To the job's page; a worker is woken when it is his turn."""
    if job.state == JobState.QUEUED:
        ring_after_commit(job.id)
    return redirect(f"/jobs/{job.id}", 303)


def say(job: Job) -> None:
    """成功a条，未办理b条, the first reasons, and the way to all of them."""
    counts: Any = job.counts
    act = bulk.act_of(str(job.params["act"]))
    if counts.get("done"):
        flash(gettext("“%(step)s”成功%(n)s条。", step=act.label, n=counts["done"]), "success")
    if counts.get("failed"):
        why = " ".join(f"{label}：{said}" if label else said for label, said in failures(job.id, 3))
        more = Markup(' <a href="/jobs/{}">{}</a>').format(job.id, gettext("下载原因"))
        flash(Markup("{} {}{}").format(f"{bulk.sentence(job)}", why, more), "warning")


def failures(job_id: int, limit: int) -> list[tuple[str, str]]:
    """Label and sentence of rows that could not be done."""
    statement = (
        select(BulkLine.before["label"].astext, BulkLine.sentence)
        .where(BulkLine.job_id == job_id, BulkLine.outcome == "failed")
        .order_by(BulkLine.position)
        .limit(limit)
    )
    return [(str(label or ""), said) for label, said in db.session.execute(statement).tuples()]


def own_act(pk: int) -> Job:
    """A bulk act of this person's; 404 otherwise."""
    job = db.session.execute(select(Job).where(Job.id == pk, Job.kind == bulk.KIND)).unique().scalar_one_or_none()
    return job or abort(404)


# -- the page of an act ------------------------------------------------------------------------------------------------


def bulk_page(job: Job, seen: dict[str, Any]) -> Any:
    """The job's page for a bulk act: dry run, progress, outcome."""
    if job.phase == bulk.CHOSEN and job.state == JobState.WAITING:
        return redirect(f"/bulk/{job.id}/edit")
    counts: Any = job.counts
    act = bulk.act_of(str(job.params["act"]))
    ended = job.state in {JobState.DONE, JobState.CANCELLED, JobState.FAILED}
    return render_template(
        "pages/bulk.html",
        base_template="layout.html",
        title=job.title,
        job=seen,
        row=job,
        act=act,
        chip=job_chip,
        counts=counts,
        ready=job.state == JobState.WAITING and job.phase == bulk.READY,
        paused=job.state == JobState.WAITING and job.phase == bulk.PAUSED,
        working=job.state in {JobState.QUEUED, JobState.RUNNING},
        committing=job.phase == bulk.COMMIT,
        ended=ended,
        preview=bulk.preview_sentence(job),
        said=bulk.sentence(job) if ended else "",
        failures=failures(job.id, SHOWN) if ended else [],
        shown=SHOWN,
        can_undo=ended and undoable(job) and bool(counts.get("done")),
        poll_url=f"/jobs/{job.id}.json",
        cancel_url=f"/jobs/{job.id}/cancel",
        back_url=LIST if job.params["act"] != "file" else "/filings/list/?state=submitted",
        back_label=gettext("器具台账") if job.params["act"] != "file" else gettext("查看备案"),
        changes=told_changes(job),
    )


def told_changes(job: Job) -> list[list[Any]]:
    """Of a 批量修改: which fields become what."""
    data: Any = job.params.get("data") or {}
    values = data.get("values") or {}
    found = []
    for field in common_fields():
        if field.key in values:
            word = next((c.label for c in field.choices if c.value == values[field.key]), values[field.key])
            found.append([field.label, word])
    return found


@bulk_pages.post("/<int:pk>/confirm")
@roles(*ACTORS)
def confirm(pk: int) -> Any:
    """The dry run was read: do it."""
    return _change(pk, lambda: bulk.confirm(db.session(), me(), pk))


@bulk_pages.post("/<int:pk>/pause")
@roles(*ACTORS)
def pause(pk: int) -> Any:
    """Stop after the rows in hand."""
    return _change(pk, lambda: bulk.pause(db.session(), pk))


@bulk_pages.post("/<int:pk>/resume")
@roles(*ACTORS)
def resume(pk: int) -> Any:
    """Go on."""
    return _change(pk, lambda: bulk.resume(db.session(), pk))


@bulk_pages.post("/<int:pk>/retry")
@roles(*ACTORS)
def retry(pk: int) -> Any:
    """Try the failed ones again, as an act of its own."""
    return _change(pk, lambda: bulk.retry(db.session(), me(), pk))


@bulk_pages.post("/<int:pk>/undo")
@roles(*UNIT)
def undo(pk: int) -> Any:
    """撤销本次批量操作."""

    def start() -> Job:
        old = bulk.own_bulk(db.session(), pk)
        job = bulk.choose(db.session(), me(), "undo", undo_rows(db.session(), old), {"of": old.id})
        if job.total <= bulk.AT_ONCE:
            bulk.do_at_once(db.session(), me(), job)
        else:
            bulk.prepare(db.session(), me(), job)
        return job

    return _change(pk, start)


def _change(pk: int, act: Any) -> Any:
    own_act(pk)
    try:
        return follow(act())
    except QuanhengError as error:
        if error.status in {403, 404}:
            raise
        db.session.rollback()
        flash(error.sentence, "warning")
        return redirect(f"/jobs/{pk}", 303)


@bulk_pages.get("/<int:pk>/result.xlsx")
@roles(*ACTORS)
def result(pk: int) -> Any:
    """Every row with its outcome."""
    job = own_act(pk)
    heads = [gettext("序号"), gettext("器具"), gettext("结果"), gettext("说明")]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.xlsx"
        write_rows(out, heads, _result_rows(job.id), sheet_name=gettext("办理结果"))
        data = io.BytesIO(out.read_bytes())
    name = gettext("办理结果_%(n)s.xlsx", n=job.id)
    return send_file(data, mimetype=XLSX, as_attachment=True, download_name=name, max_age=0)


def _result_rows(job_id: int) -> Iterator[list[Any]]:
    words, last = outcome_words(), 0
    columns = (BulkLine.position, BulkLine.before["label"].astext, BulkLine.outcome, BulkLine.sentence)
    while True:
        statement = select(*columns).where(BulkLine.job_id == job_id, BulkLine.position > last)
        found = db.session.execute(statement.order_by(BulkLine.position).limit(5_000)).tuples().all()
        if not found:
            return
        last = found[-1][0]
        yield from ([place, label or "", words[outcome], said] for place, label, outcome, said in found)


# -- 清空 and 批量修改 ------------------------------------------------------------------------------------------------------


@bulk_pages.post("/clear")
@roles(*UNIT)
def clear() -> Any:
    """清空: all that can be deleted, after the number has been seen (LED-08)."""
    try:
        rows = bulk.choose_query(db.session(), "")
        job = bulk.choose(db.session(), me(), "delete", rows)
        bulk.prepare(db.session(), me(), job)
        return follow(job)
    except QuanhengError as error:
        if error.status in {403, 404}:
            raise
        db.session.rollback()
        flash(gettext("台账中没有可以删除的器具。") if error.status == 422 else error.sentence, "warning")
        return redirect(LIST, 303)


@bulk_pages.route("/<int:pk>/edit", methods=["GET", "POST"])
@roles(*UNIT)
def edit(pk: int) -> Any:
    """The fields that the chosen instruments shall share; blank ones stay as they are on each row."""
    job = own_act(pk)
    if job.params.get("act") != "bulk_edit" or job.state != JobState.WAITING or job.phase != bulk.CHOSEN:
        return redirect(f"/jobs/{pk}", 303)
    form, loose = edit_form(), []
    if request.method == "POST":
        try:
            row = bulk.own_bulk(db.session(), pk)
            values = checked_fields(db.session(), {key: clean(request.form.get(key), 500) for key in EDITABLE})
            row.params = {**row.params, "data": {"values": values}}
            if row.total <= bulk.AT_ONCE:
                bulk.do_at_once(db.session(), me(), row)
                say(row)
            else:
                bulk.prepare(db.session(), me(), row)
            return follow(row)
        except QuanhengError as error:
            db.session.rollback()
            loose, job = put_on_form(form, error), own_act(pk)
    page = render_template(
        "pages/bulk_edit.html",
        base_template="layout.html",
        title=gettext("批量修改"),
        form=form,
        form_errors=loose,
        job=job,
        intro=gettext("已选择 %(n)s 台器具。只修改填写了的内容，不填的保持原样。", n=job.total),
        submit_label=gettext("保存") if job.total <= bulk.AT_ONCE else gettext("检查"),
        cancel_url=local_path(request.args.get("back"), LIST),
        form_action=f"/bulk/{pk}/edit",
    )
    return page, 422 if request.method == "POST" else 200


def edit_form() -> FlaskForm:
    """One blank input for each field that may be set together."""
    fields: dict[str, Any] = {}
    for declared in common_fields():
        common: dict[str, Any] = {"label": declared.label, "description": declared.hint}
        if declared.kind == "division":
            offered = [("", gettext("不修改")), *counties()]
            fields[declared.key] = SelectField(choices=offered, validate_choice=False, **common)
        elif declared.choices:
            offered = [("", gettext("不修改")), *((c.value, c.label) for c in declared.choices)]
            fields[declared.key] = SelectField(choices=offered, validate_choice=False, **common)
        elif declared.kind == "date":
            fields[declared.key] = DateField(**common)
        else:
            kind = TextAreaField if declared.key == "note" else StringField
            fields[declared.key] = kind(render_kw={"maxlength": declared.max_length, "autocomplete": "off"}, **common)
    form: FlaskForm = type("BulkEditForm", (FlaskForm,), fields)()
    return form


def counties() -> Iterable[tuple[str, str]]:
    """Places of use in the unit's own province."""
    from models.organisation import Unit

    unit = db.session.get(Unit, me().unit_id) if me().unit_id else None
    near = unit.division_code[:2] if unit is not None else ""
    statement = select(Division).where(county_like(), Division.code.startswith(near, autoescape=True))
    rows = db.session.execute(statement.order_by(Division.code)).scalars()
    return [(row.code, division_text(row)) for row in rows]
