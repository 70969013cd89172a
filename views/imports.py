"""Importing a ledger in three steps: upload, look at what the dry run found, confirm."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, send_file
from flask_babel import gettext
from sqlalchemy import case, func, select

from app.access.roles import UNIT
from app.documents.xlsx import write_rows
from app.errors import QuanhengError, SwitchedOffError
from app.fab.paging import Pager
from app.fab.parts import Choice
from app.fab.request_filters import page_args
from app.intake.reference import ReferenceTables
from app.intake.rulebook import PSEUDO_CODES
from app.operations import import_change, import_templates, ledger_import
from app.operations.ledger_fields import label_of, ledger_fields, ledger_noun
from app.operations.reference_tables import reference_tables
from app.profiles import setting
from app.reference import STREET
from models import Job
from models.base import db
from models.enums import JobState
from models.reference import Category, Division
from views.edge import ring_after_commit
from views.guards import roles
from views.import_page import steps
from views.job_words import job_chip
from views.workflow_view import me

imports = Blueprint("imports", __name__, url_prefix="/imports")
PAGE = 25
LEVELS = {"province": "省级", "city": "市级", "county": "区县级"}


# -- step 1 --------------------------------------------------------------------------------------------------------


@imports.get("/")
@roles(*UNIT)
def index() -> Any:
    """One's imports, those that wait for a decision first."""
    page, size = page_args("imports", PAGE, 200)
    page = max(page, 0)
    mine = Job.kind == ledger_import.KIND
    count = db.session.scalar(select(func.count()).select_from(select(Job.id).where(mine).subquery())) or 0
    waiting = case((Job.state == JobState.WAITING, 0), else_=1)
    statement = select(Job).where(mine).order_by(waiting, Job.id.desc()).offset(page * size).limit(size)
    found = db.session.execute(statement).unique().scalars().all()
    return render_template(
        "pages/import_list.html",
        base_template="layout.html",
        title=gettext("导入记录"),
        jobs=found,
        chip=job_chip,
        pager=Pager(page, size, count, len(found)),
        name="imports",
    )


@imports.get("/new")
@roles(*UNIT)
def new() -> Any:
    """Choose a file; an import of one's own that is still open is offered first."""
    return _upload_page()


def modes() -> list[Choice]:
    """Ways of importing that the deployment offers, with what each is for."""
    words = {
        ledger_import.FILE: (gettext("导入"), gettext("整份文件检查后一起写入。")),
        ledger_import.ROWS: (gettext("逐行导入"), gettext("每行单独上传、单独写入，随时可以停止。")),
        ledger_import.ADDRESS: (gettext("更新地址"), gettext("“三表”专用：按出厂编号批量更新安装使用地点。")),
        ledger_import.NOZZLE: (gettext("更换加油枪"), gettext("“加油机”专用：批量更新更换了的加油枪。")),
    }
    return [Choice(mode, *words[mode]) for mode in ledger_import.modes()]


def _upload_page(problem: str = "", mode: str = "") -> str:
    open_states = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)
    statement = select(Job).where(Job.kind == ledger_import.KIND, Job.state.in_(open_states)).order_by(Job.id.desc())
    running = db.session.execute(statement.limit(3)).unique().scalars().all()
    offered = modes()
    asked = mode or request.args.get("mode", "")
    return render_template(
        "pages/import_new.html",
        base_template="layout.html",
        title=gettext("导入台账"),
        steps=steps(),
        current=1,
        problem=problem,
        running=running,
        modes=offered,
        mode=asked if asked in {m.value for m in offered} else ledger_import.FILE,
        catalogue_name=setting("ledger", "catalogue_name"),
        divisions_name=setting("ledger", "divisions_name"),
    )


@imports.post("/new")
@roles(*UNIT)
def upload() -> Any:
    """Keep the file and begin the dry run; a file that cannot be taken leaves the page with the reason."""
    file, mode = request.files.get("file"), request.form.get("mode", ledger_import.FILE)
    if file is None or not file.filename:
        return _upload_page(gettext("请选择要导入的台账文件。"), mode), 422
    data = file.stream.read()
    try:
        job = ledger_import.start_import(db.session(), me(), filename=file.filename, data=data, mode=mode)
    except QuanhengError as error:
        db.session.rollback()
        return _upload_page(error.sentence, mode), error.status if error.status == 409 else 422
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
    return _sheet("强制检定器具信息导入模板.xlsx", lambda out: _template(out, ref))


@imports.get("/template-address.xlsx")
@roles(*UNIT)
def address_template() -> Any:
    """The unit's water, electricity and gas meters with their places, for 更新地址."""
    return _filled("更新地址模板", import_change.ADDRESS)


@imports.get("/template-nozzle.xlsx")
@roles(*UNIT)
def nozzle_template() -> Any:
    """The unit's dispensers with their nozzles, for 更换加油枪."""
    return _filled("更换加油枪模板", import_change.NOZZLE)


def _filled(name: str, mode: str) -> Any:
    if mode not in ledger_import.modes():
        raise SwitchedOffError
    found = import_templates.rows(db.session(), me(), mode)
    return _sheet(f"{name}.xlsx", lambda out: write_rows(out, import_templates.headings(mode), found, sheet_name=name))


def _template(out: Path, ref: ReferenceTables) -> None:
    coded = bool(setting("ledger", "coded_fields"))
    from app.intake.workbook import write_template  # loaded with its writer when somebody asks for a template

    write_template(out, ref, fields=ledger_fields(), coded=coded, noun=ledger_noun())


@imports.get("/divisions.xlsx")
@roles(*UNIT)
def divisions() -> Any:
    """《行政区划信息》, or what the deployment calls it (附件三)."""
    name = str(setting("ledger", "divisions_name"))
    statement = select(Division).where(Division.level != STREET).order_by(Division.code)
    found = db.session.execute(statement).scalars()
    rows = ([d.code, d.name, LEVELS.get(d.level, d.level)] for d in found)
    return _sheet(f"{name}.xlsx", lambda out: write_rows(out, ["代码", "名称", "级别"], rows, sheet_name=name))


@imports.get("/catalogue.xlsx")
@roles(*UNIT)
def catalogue() -> Any:
    """《强检器具目录》 (附件二) with its codes and words; lines that are no longer valid say so."""
    name = str(setting("ledger", "catalogue_name"))
    listed = select(Category).where(Category.code.not_in(PSEUDO_CODES)).order_by(Category.id)
    found = db.session.execute(listed).scalars()
    heads = [
        "种别代码",
        label_of("level1"),
        label_of("level2"),
        "监管方式",
        "强检方式",
        "强检范围",
        "检定周期（月）",
        "状态",
    ]
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
    return _sheet(f"{name}.xlsx", lambda out: write_rows(out, heads, rows, sheet_name=name))


# -- step 2 and 3 --------------------------------------------------------------------------------------------------


def own_import(pk: int) -> Job:
    """An import of this person's; 404 otherwise."""
    statement = select(Job).where(Job.id == pk, Job.kind == ledger_import.KIND)
    return db.session.execute(statement).unique().scalar_one_or_none() or abort(404)


@imports.get("/<int:pk>/errors.xlsx")
@roles(*UNIT)
def errors(pk: int) -> Any:
    """The refused rows as they were typed, marked, to be corrected and uploaded again."""
    job = own_import(pk)
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
    own_import(pk)
    ledger_import.give_up(db.session(), pk)
    flash(gettext("已放弃本次导入，台账没有变化。"), "success")
    return redirect("/imports/new", 303)
