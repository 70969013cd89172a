"""批量录入结果: several instruments of an order on one page, typed into a grid or filled from a workbook."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file
from flask_babel import gettext

from app.documents.xlsx import write_rows
from app.errors import InvalidInputError, QuanhengError
from app.intake.guard import MAX_FILE
from app.operations.batch_results import (
    COMMON,
    CUT,
    FIRST_READINGS,
    MOST_LINES,
    MOST_READINGS,
    Grid,
    Line,
    LinesRefusedError,
    blank_grid,
    items_to_record,
    read_grid,
    record_all,
    template_rows,
)
from app.operations.site import SHEET
from models.base import db
from models.enums import Role
from views.answers import ids_of
from views.edge import clean
from views.guards import roles
from views.workflow_view import me

batch_results = Blueprint("batch_results", __name__, url_prefix="/results")
CELLS = ("conclusion", "cycle_months", "valid_until", "failures", "accuracy_result", "record_no", "validity_reason")


@batch_results.route("/batch", methods=["GET", "POST"])
@roles(Role.VER)
def batch() -> Any:
    """The grid. Nothing typed is lost, whatever is wrong and wherever."""
    ids = ids_of("ids")
    if not ids:
        flash(gettext("请先勾选要录入结果的器具。"), "warning")
        return redirect("/items/list/?state=received", 303)
    if len(ids) > MOST_LINES:
        flash(gettext("一次最多录入%(most)s台，请分批办理。", most=MOST_LINES), "warning")
        return redirect("/items/list/?state=received", 303)
    items = items_to_record(db.session(), ids)
    if request.method == "GET":
        return _page(items, blank_grid(items))
    act, grid = request.form.get("act"), grid_of_request(ids)
    if act == "columns":
        return _page(items, grid, more=1)
    if act == "look":  # Enter in a box saves nothing half filled
        return _page(items, grid)
    if act == "read":
        return _read(items, grid)
    try:
        made = record_all(db.session(), me(), grid)
    except LinesRefusedError as error:
        db.session.rollback()
        items = items_to_record(db.session(), ids)
        return _page(items, grid, problem=error.sentence, common=error.problems, lines=error.lines), 422
    except InvalidInputError as error:
        db.session.rollback()
        return _page(items_to_record(db.session(), ids), grid, problem=error.sentence), 422
    flash(gettext("已保存%(n)s台器具的检定结果，请核对证书草稿后提交核验。", n=len(made)), "success")
    return redirect("/certificates/list/?state=draft", 303)


def _read(items: list[Any], grid: Grid) -> Any:
    """What the workbook holds stands in the grid, to be looked at and saved."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(items, grid, problem=gettext("请选择要读取的文件。")), 422
    try:
        with tempfile.NamedTemporaryFile() as kept:
            kept.write(file.stream.read(MAX_FILE + 1))
            kept.flush()
            told = read_grid(Path(kept.name), file.filename, items, grid)
    except QuanhengError as error:
        return _page(items, grid, problem=error.sentence), 422
    return _page(items, grid, told=told, read=True)


@batch_results.get("/batch.xlsx")
@roles(Role.VER)
def workbook() -> Any:
    """The workbook of these instruments, to be filled in elsewhere."""
    items = items_to_record(db.session(), ids_of("ids")[:MOST_LINES])
    heads, rows = template_rows(items)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sheet.xlsx"
        write_rows(out, heads, rows, sheet_name="检定结果")
        data = out.read_bytes()
    name = gettext("检定结果录入模板.xlsx")
    return send_file(io.BytesIO(data), mimetype=SHEET, as_attachment=True, download_name=name, max_age=0)


def grid_of_request(ids: list[int]) -> Grid:
    """The page as typed."""
    form = request.form
    verified_on, place, temperature, humidity = (clean(form.get(key), 200) for key, _label in COMMON)
    grid = Grid(verified_on, place, temperature, humidity)
    names, wanted = form.getlist("name")[:MOST_READINGS], form.getlist("requirement")[:MOST_READINGS]
    grid.names = [clean(text, CUT) for text in names]
    grid.requirements = [clean(text, CUT) for text in wanted]
    for pk in ids:
        own = {key: clean(form.get(f"{key}_{pk}"), 500 if key == "failures" else CUT) for key in CELLS}
        results = [clean(text, CUT) for text in form.getlist(f"result_{pk}")[:MOST_READINGS]]
        grid.lines[pk] = Line(**own, results=results)
    return grid


def _page(
    items: list[Any],
    grid: Grid,
    *,
    problem: str = "",
    common: dict[str, str] | None = None,
    lines: dict[int, dict[str, str]] | None = None,
    told: list[str] | None = None,
    read: bool = False,
    more: int = 0,
) -> str:
    width = min(max(FIRST_READINGS, len(grid.names) + more), MOST_READINGS)
    grid.names += [""] * (width - len(grid.names))
    grid.requirements += [""] * (width - len(grid.requirements))
    for item in items:
        line = grid.lines.setdefault(item.id, Line())
        line.results += [""] * (width - len(line.results))
    return render_template(
        "pages/batch_results.html",
        title=gettext("批量录入结果"),
        items=items,
        ids=",".join(str(item.id) for item in items),
        grid=grid,
        common=COMMON,
        problem=problem,
        wrong=common or {},
        lines=lines or {},
        told=told or [],
        read=read,
        wider=width < MOST_READINGS,
    )
