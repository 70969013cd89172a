"""What an import says afterwards: counts and problems for programs, the workbook of rows still to be corrected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import filestore
from app.intake.fields import LABELS
from app.intake.plan import NEW, REFUSED, UNCHANGED, PlannedRow
from app.intake.rules import Problem
from app.operations.import_store import CREATED, RIVAL, raw_of
from models.job import ImportRow, Job


def rows_of(session: Session, job: Job, outcome: str = "") -> list[ImportRow]:
    """The rows of an import in the order of its file."""
    statement = select(ImportRow).where(ImportRow.job_id == job.id).order_by(ImportRow.position)
    if outcome:
        statement = statement.where(ImportRow.outcome == outcome)
    return list(session.execute(statement).scalars())


def report(session: Session, job: Job) -> dict[str, Any]:
    """What the command line prints: counts and every problem with the row as the spreadsheet shows it; for files that
    are not our template also how their columns were read."""
    rows = rows_of(session, job)
    by: Mapping[str, Any] = Counter(row.outcome for row in rows)
    if not rows:  # their time is over (app/operations/retention.py), what became of them is not
        by = {**job.counts, RIVAL: job.counts.get("rivals", 0)}
    number = {key: int(by.get(key, 0)) for key in (NEW, CREATED, UNCHANGED, RIVAL, REFUSED)}
    found: dict[str, Any] = {
        "job": job.id,
        "state": job.state,
        "rows": len(rows) or int(str(job.counts.get("rows", 0))),
        "created": number[NEW] + number[CREATED],
        "unchanged": number[UNCHANGED] + number[RIVAL],
        "refused": number[REFUSED],
        "problems": [problem_view(problem) for row in rows for problem in row.problems],
    }
    if job.counts.get("sheets"):
        found["sheets"] = job.counts["sheets"]
    return found


def problem_view(problem: dict[str, object]) -> dict[str, object]:
    """A stored problem with the column's label."""
    column = str(problem["column"])
    return {
        "row": problem["row"],
        "column": LABELS.get(column, column),
        "severity": problem["severity"],
        "message": problem["message"],
    }


def problem_of(stored: dict[str, Any]) -> Problem:
    """A stored problem as the rules made it."""
    return Problem(**{key: stored[key] for key in Problem._fields if key in stored})


def planned_of(row: ImportRow) -> PlannedRow:
    """A stored row as the plan made it."""
    problems = tuple(problem_of(problem) for problem in row.problems)
    return PlannedRow(
        row.row_number, row.outcome, dict(row.values), problems, row.dup_key, row.instrument_id, row.sheet, row.position
    )


def error_workbook(session: Session, job: Job, out: Any) -> int:
    """Write the refused rows as they were typed, with their problems; returns how many.

    The uploaded file is copied with all its columns; rows that were corrected on the page, or a file whose columns
    were matched by hand, are written from what is stored.
    """
    from app.intake.workbook import write_error_workbook  # its writer takes memory that an import does not need

    rows = rows_of(session, job, REFUSED)
    planned = [planned_of(row) for row in rows]
    if any(row.edited for row in rows) or job.params.get("plans"):
        return write_error_workbook([raw_of(row) for row in rows], planned, out)
    with filestore.opened(str(job.params["sha256"])) as path:
        return write_error_workbook(path, planned, out)
