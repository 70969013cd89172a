"""What the preview of an import shows: every row with its cells, problems beside them, and the suggested cures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import render_template, request
from flask_babel import gettext
from sqlalchemy import func, select

from app.fab.paging import Pager
from app.fab.parts import Choice, Tab, state_chip
from app.fab.request_filters import page_args
from app.fab.urls import address
from app.intake.fields import ALL_FIELDS, CATEGORY_CODE, FIELD_BY_KEY
from app.intake.plan import NEW, REFUSED, UNCHANGED
from app.operations import import_edit, ledger_import
from app.operations.import_store import CREATED, FORMULAS, RIVAL, cell_text, raw_of
from app.operations.ledger_fields import ledger_fields
from app.profiles import setting
from models import ImportRow, Job
from models.base import db
from models.enums import JobState

PAGE = 50
WARNING = "warning"
CHANGES = (ledger_import.ADDRESS, ledger_import.NOZZLE)


def outcomes(mode: str = "") -> dict[str, Choice]:
    """Outcome of a row → its word and colour."""
    new = gettext("将更新") if mode in CHANGES else gettext("新增")
    created = gettext("已更新") if mode in CHANGES else gettext("已写入")
    found = (
        Choice(NEW, new, "info"),
        Choice(CREATED, created, "ok"),
        Choice(UNCHANGED, gettext("无变化") if mode in CHANGES else gettext("已存在"), "muted"),
        Choice(REFUSED, gettext("拒绝"), "danger"),
        Choice(RIVAL, gettext("已被他人录入"), "muted"),
    )
    return {choice.value: choice for choice in found}


def mode_of(job: Job) -> str:
    """Which way of importing the job is."""
    return str(job.params.get("mode", ledger_import.FILE))


def columns_of(job: Job) -> list[tuple[str, str]]:
    """(field, word) of the columns that the preview shows: those of the file and those that a row needs."""
    from app.operations.import_change import COLUMNS

    mode = mode_of(job)
    if mode in CHANGES:
        return [(key, labels[0]) for key, labels in COLUMNS[mode].items()]
    fields = {field.key: field for field in ledger_fields()}
    known: Any = job.counts.get("columns", ())
    wanted = {*known, *(key for key, field in fields.items() if field.required)}
    if CATEGORY_CODE.key in known:
        wanted -= {"level1", "level2"} - set(known)
    return [(f.key, fields[f.key].label if f.key in fields else f.label) for f in ALL_FIELDS if f.key in wanted]


def without_row(message: str) -> str:
    """A sentence without 第{n}行：, where the row stands before it."""
    return message.partition("：")[2] or message


def alike(job: Job) -> dict[tuple[str, str], int]:
    """How many rows have the same suggestion or the same cell with a problem: (column, cure or "=" and cell) → rows."""
    problem = func.jsonb_array_elements(ImportRow.problems).table_valued("value").lateral()
    column = problem.c.value.op("->>")("column")
    cure, cell = problem.c.value.op("->>")("cure"), ImportRow.cells[column].astext
    found: dict[tuple[str, str], int] = {}
    for word, what in (("", cure), ("=", func.coalesce(cell, ""))):
        statement = (
            select(column, what, func.count(ImportRow.position.distinct()))
            .select_from(ImportRow)
            .join(problem, problem.c.value.is_not(None))
            .where(ImportRow.job_id == job.id, ImportRow.outcome.in_(import_edit.OPEN), what.is_not(None))
            .where(func.jsonb_array_length(ImportRow.problems) > 0)
            .group_by(column, what)
            .having(func.count(ImportRow.position.distinct()) > 1)
        )
        found |= {(key, word + text): number for key, text, number in db.session.execute(statement).tuples()}
    return found


def row_view(
    row: ImportRow, columns: Sequence[tuple[str, str]], mode: str, same: Mapping[tuple[str, str], int], open_: bool
) -> dict[str, Any]:
    """One row for the template."""
    raw = raw_of(row)
    choice = outcomes(mode).get(row.outcome, Choice(row.outcome, row.outcome, "muted"))
    formulas: Any = row.cells.get(FORMULAS, ())
    problems = [_problem(number, dict(p), row, same) for number, p in enumerate(row.problems)]
    shown = {key for key, _word in columns}
    offered: set[tuple[str, str]] = set()
    for p in problems:  # two rules may say the same cure; one button is enough
        p["button"] = bool(p["cure"]) and (p["column"], p["cure"]) not in offered
        offered.add((p["column"], p["cure"]))
    cells = [
        {
            "key": key,
            "label": word,
            "text": gettext("（公式）") if key in formulas else cell_text(raw.cells.get(key, "")),
            "problems": [p for p in problems if p["column"] == key],
        }
        for key, word in columns
    ]
    return {
        "position": row.position,
        "number": row.row_number,
        "sheet": row.sheet,
        "outcome": row.outcome,
        "chip": state_chip(choice.kind, choice.word),
        "warned": row.outcome != REFUSED and bool(row.problems),
        "optional": row.values.get("compulsory") is False,
        "unlisted": row.outcome == REFUSED and any(p["column"] in _CATALOGUE for p in problems),
        "cells": cells,
        "rest": [p for p in problems if p["column"] not in shown],
        "instrument": row.instrument_id,
        "open": open_ and row.outcome in import_edit.OPEN,
        "edited": row.edited,
    }


_CATALOGUE = {"level1", "level2", CATEGORY_CODE.key}


def _problem(number: int, p: dict[str, Any], row: ImportRow, same: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    column, cure = str(p["column"]), import_edit.cure_of(p)[1]
    typed = row.cells.get(column)
    return {
        "number": number,
        "column": column,
        "severity": p["severity"],
        "sentence": without_row(str(p["message"])),
        "cure": cure,
        "cures": same.get((column, cure), 1) if cure else 1,
        "same": same.get((column, "=" + ("" if typed is None else str(typed))), 1),
        "label": FIELD_BY_KEY[column].label if column in FIELD_BY_KEY else "",
    }


def tabs(job: Job, chosen: str) -> list[Tab]:
    """The preview's filters, those with no row left out."""
    counts: Any = job.counts
    words = {key: choice.word for key, choice in outcomes(mode_of(job)).items()}
    keys = {NEW: "new", CREATED: "created", UNCHANGED: "unchanged", REFUSED: "refused", RIVAL: "rivals"}
    every = [("", gettext("全部"), counts.get("rows", 0))]
    every += [(key, words[key], counts.get(name, 0)) for key, name in keys.items()]
    every.append((WARNING, gettext("警告"), counts.get("warnings", 0)))
    kept = [entry for entry in every if entry[2] or entry[0] in {"", chosen, NEW, REFUSED}]
    return [Tab(word, address(("page_",), outcome=key or None), n, chosen == key) for key, word, n in kept]


def import_page(job: Job) -> str:
    """What the dry run found, row by row, or what was written."""
    chosen, mode = request.args.get("outcome", ""), mode_of(job)
    page, size = page_args("rows", PAGE, 200)
    page = max(page, 0)
    where: list[Any] = [ImportRow.job_id == job.id]
    if chosen == WARNING:
        where += [ImportRow.outcome != REFUSED, func.jsonb_array_length(ImportRow.problems) > 0]
    elif chosen in outcomes():
        where.append(ImportRow.outcome == chosen)
    count = db.session.scalar(select(func.count()).select_from(ImportRow).where(*where)) or 0
    statement = select(ImportRow).where(*where).order_by(ImportRow.position).offset(page * size).limit(size)
    found = db.session.execute(statement).scalars().all()
    waiting, columns = job.state == JobState.WAITING, columns_of(job)
    same = alike(job) if waiting and any(row.problems for row in found) else {}
    rows = [row_view(row, columns, mode, same, waiting and mode not in CHANGES) for row in found]
    counts: Any = job.counts
    return render_template(
        "pages/import_result.html",
        base_template="layout.html",
        title=job.title,
        job=job,
        mode=mode,
        steps=steps(),
        current=2 if waiting else 4,
        counts=counts,
        tabs=tabs(job, chosen),
        columns=columns,
        rows=rows,
        waiting=waiting,
        atomic=bool(setting("import", "atomic")),
        blocked=waiting and bool(setting("import", "atomic")) and bool(counts.get("refused")),
        pager=Pager(page, size, count, len(rows)),
        name="rows",
        several=any(r["sheet"] for r in rows),
    )


def steps() -> list[str]:
    """The wizard's words."""
    return [gettext("上传文件"), gettext("检查结果"), gettext("写入台账")]
