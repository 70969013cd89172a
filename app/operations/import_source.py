"""The rows of an uploaded workbook, read the way its unit reads it: our template, or columns matched by the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import InvalidInputError
from app.intake.guidance import RowPolicy
from app.intake.mapping import SheetPlan
from app.intake.own_book import propose, read_with
from app.intake.reader import NotOurTemplate, RawRow, read_ledger
from app.intake.reference import ReferenceTables
from models.job import Job
from models.preference import ColumnMapping

MOST_SKIPPED = 200
"""Rows passed over that the preview names."""


@dataclass(slots=True)
class Source:
    """Rows to check. ``columns`` are the field keys the file has; ``plans`` say how a foreign file was read."""

    rows: list[RawRow]
    columns: frozenset[str]
    unknown: tuple[str, ...] = ()
    plans: Sequence[SheetPlan] = ()

    def facts(self) -> dict[str, Any]:
        """What the job's counts keep of it."""
        found: dict[str, Any] = {"unknown_columns": list(self.unknown), "columns": sorted(self.columns)}
        if self.plans:
            read = [plan for plan in self.plans if plan.take]
            found["sheets"] = [
                {"name": p.name, "header_row": p.header_row, "mapping": p.mapping, "rows": p.rows} for p in read
            ]
            found["skipped"] = [row._asdict() for plan in read for row in plan.skipped][:MOST_SKIPPED]
        return found


@dataclass(slots=True)
class Proposal:
    """A file that is not our template: how its columns could be read, for the unit to decide."""

    plans: list[SheetPlan]

    def as_json(self) -> list[dict[str, Any]]:
        """As the job keeps it."""
        return [plan.as_json() for plan in self.plans]


def read(session: Session, job: Job, path: Path, ref: ReferenceTables, policy: RowPolicy) -> Source | Proposal:
    """The rows of the job's file; a proposal where the unit has to say which column is which.

    Headings that the unit has matched before are read the same way again. ``job.params["unattended"]`` (the command
    line) takes the proposal as it is.
    """
    stored: Any = job.params.get("plans")
    if stored:
        return _with(path, [SheetPlan.from_json(plan) for plan in stored], ref, policy)
    try:
        sheet = read_ledger(path, policy.fields)
    except NotOurTemplate as other:
        if other.evident:
            raise
        known = {m.signature: m.mapping for m in session.execute(select(ColumnMapping)).scalars()}
        plans = propose(path, ref, policy, remembered=known)
        taken = [plan for plan in plans if plan.take]
        if not taken:
            raise
        settled = all(plan.remembered and not plan.missing for plan in taken)
        if not settled and not job.params.get("unattended"):
            return Proposal(plans)
        job.params = {**job.params, "plans": Proposal(plans).as_json()}
        return _with(path, plans, ref, policy)
    return Source(sheet.rows, frozenset(sheet.columns), sheet.unknown_columns)


def _with(path: Path, plans: Sequence[SheetPlan], ref: ReferenceTables, policy: RowPolicy) -> Source:
    sheet, done = read_with(path, plans, ref, policy)
    columns = {key for plan in done for key in (*plan.mapping.values(), *plan.constants) if key}
    return Source(sheet.rows, frozenset(columns), sheet.unknown_columns, done)


def plans_of(job: Job) -> list[SheetPlan]:
    """How the sheets of a foreign file are read, or would be."""
    stored: Any = job.params.get("plans", ())
    return [SheetPlan.from_json(plan) for plan in stored]


def remember(session: Session, unit_id: int, plan: SheetPlan) -> None:
    """Read these headings the same way the next time."""
    statement = insert(ColumnMapping).values(unit_id=unit_id, signature=plan.signature, mapping=plan.mapping)
    changed = {"mapping": statement.excluded.mapping, "used_at": func.now()}
    session.execute(statement.on_conflict_do_update(index_elements=["unit_id", "signature"], set_=changed))


def decided(
    plans: Sequence[SheetPlan],
    taken: Mapping[int, bool],
    keys: Mapping[int, Mapping[str, str]],
    constants: Mapping[int, Mapping[str, str]],
    policy: RowPolicy,
) -> list[SheetPlan]:
    """The plans as the unit has corrected them, by number of the sheet; raises InvalidInputError."""
    found = []
    for number, plan in enumerate(plans):
        if not taken.get(number) or not plan.columns:
            found.append(plan.leave_out())
            continue
        chosen = [key for key in keys.get(number, {}).values() if key]
        twice = next((key for key in chosen if chosen.count(key) > 1 and key not in _SHARED), None)
        if twice is not None:
            word = next((f.label for f in policy.fields if f.key == twice), twice)
            raise InvalidInputError(f"工作表“{plan.name}”有几列都对应“{word}”，请只保留一列。")
        try:
            found.append(
                plan.with_mapping(keys.get(number, {}), policy.fields).with_constants(
                    constants.get(number, {}), policy.fields
                )
            )
        except KeyError:
            raise InvalidInputError("列对应中有不存在的字段，请刷新页面后重新选择。") from None
    if not any(plan.take for plan in found):
        raise InvalidInputError("请至少选择一个要读取的工作表。")
    return found


_SHARED = frozenset({"model", "place", "note"})
"""Fields that several columns may fill together."""
