"""Which column of an enterprise's own workbook is which field: proposed, corrected, remembered for the unit."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, render_template, request
from flask_babel import gettext

from app.access.roles import UNIT
from app.errors import QuanhengError
from app.intake.fields import Field
from app.intake.mapping import SheetPlan, target_choices
from app.operations import import_source, ledger_import
from app.operations.ledger_fields import ledger_fields
from models import Job
from models.base import db
from models.enums import JobState
from views.edge import clean, ring_after_commit
from views.guards import roles
from views.import_page import steps
from views.import_rows import imports
from views.imports import own_import
from views.workflow_view import me

SURE = 0.75
"""Confidence from which a proposal needs no second look."""
OFTEN_CONSTANT = ("use_division", "place", "purpose", "delivery_mode")


def constant_fields(plan: SheetPlan, fields: tuple[Field, ...]) -> list[Field]:
    """Fields that no column fills and that every row may share one value of."""
    mapped = set(plan.mapping.values())
    wanted = {*plan.constants, *OFTEN_CONSTANT, *(f.key for f in fields if f.label in plan.missing)}
    return [f for f in fields if f.key in wanted and f.key not in mapped]


@imports.get("/<int:pk>/mapping")
@roles(*UNIT)
def mapping(pk: int) -> Any:
    """The proposal, with the first value of every column."""
    return _page(own_import(pk))


def _page(job: Job, problem: str = "") -> Any:
    plans, fields = import_source.plans_of(job), ledger_fields()
    if not plans or job.state != JobState.WAITING:
        abort(404)
    return render_template(
        "pages/import_mapping.html",
        base_template="layout.html",
        title=gettext("核对各列的内容"),
        job=job,
        steps=steps(),
        current=2,
        plans=plans,
        constants=[constant_fields(plan, fields) for plan in plans],
        targets=target_choices(fields),
        sure=SURE,
        problem=problem,
        typed=request.form,
    )


@imports.post("/<int:pk>/mapping")
@roles(*UNIT)
def decide(pk: int) -> Any:
    """Take the correction and check the rows."""
    job = own_import(pk)
    plans, fields = import_source.plans_of(job), ledger_fields()
    form = request.form
    taken = {n: f"take-{n}" in form for n in range(len(plans))}
    keys = {n: {c.heading: form.get(f"column-{n}-{c.index}", c.key) for c in p.columns} for n, p in enumerate(plans)}
    constants = {
        n: {f.key: clean(form.get(f"constant-{n}-{f.key}"), 200) for f in fields if f"constant-{n}-{f.key}" in form}
        for n in range(len(plans))
    }
    try:
        checker = ledger_import.Checker(db.session(), me())
        chosen = import_source.decided(plans, taken, keys, constants, checker.policy)
        job = ledger_import.decide_mapping(db.session(), me(), pk, chosen)
    except QuanhengError as error:
        if error.status == 404:
            raise
        db.session.rollback()
        if error.status == 422:
            return _page(own_import(pk), error.sentence), 422
        flash(error.sentence, "warning")
        return redirect(f"/jobs/{pk}", 303)
    ring_after_commit(job.id)
    return redirect(f"/jobs/{job.id}", 303)
