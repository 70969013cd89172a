"""The journal read back: a row as it was at an earlier moment, and whether history and present row agree (I-12).

The past is found by undoing lines from the present row backwards. So it is right for every row, also for those that were
born before births carried values; the further back one asks than a column's first line, the more it is today's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.errors import InvalidInputError
from app.workflow import REGISTRY
from app.workflow.engine import Workflow
from app.workflow.journal import as_told, blank, columns, snapshot
from models.log import TransitionLog


@dataclass(frozen=True, slots=True)
class AsWas:
    """A row at a moment: its state and its columns as JSON values. `known` is false before its birth."""

    moment: datetime
    known: bool
    state: str | None
    values: dict[str, Any] = field(default_factory=dict)


def moment_of(text: str) -> datetime:
    """The end of a day (2026-11-21) or an exact moment (2026-11-21T10:00), in the platform's time zone."""
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), clock.ZONE) - timedelta(
                microseconds=1
            )
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidInputError("日期格式不正确，请按 2026-03-14 的格式填写。", field="as_of") from None
    return found if found.tzinfo else found.replace(tzinfo=clock.ZONE)


def lines_of(session: Session, entity: str, entity_id: int) -> list[TransitionLog]:
    """All lines of one row, oldest first; ask only for a row that the principal has been shown."""
    statement = select(TransitionLog).where(TransitionLog.entity == entity, TransitionLog.entity_id == entity_id)
    return list(session.scalars(statement.order_by(TransitionLog.id).execution_options(unscoped=True)))


def as_was(session: Session, workflow: Workflow, obj: Any, moment: datetime) -> AsWas:
    """The row at `moment`; lines of that very moment count as done."""
    lines = lines_of(session, workflow.name, obj.id)
    if not lines or lines[0].at > moment:
        return AsWas(moment, False, None)
    return _undone(snapshot(obj), obj.state, lines, moment)


def _undone(values: dict[str, Any], state: str | None, lines: list[TransitionLog], moment: datetime) -> AsWas:
    for line in reversed(lines):
        if line.at <= moment:
            break
        state = line.from_state
        for key, (old, _new) in changes_of(line).items():
            if key in values:
                values[key] = old
    return AsWas(moment, True, state, values)


def changes_of(line: TransitionLog) -> dict[str, tuple[Any, Any]]:
    """{column: (old, new)} of a line; nothing for lines that say it otherwise (applications list what was asked for)."""
    return _pairs(line.input)


def _pairs(told: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    changed = told.get("changed")
    if not isinstance(changed, Mapping):
        return {}
    pairs = {str(k): v for k, v in changed.items() if isinstance(v, (list, tuple)) and len(v) == 2}
    return {k: (v[0], v[1]) for k, v in pairs.items()}


def replayed(inputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What birth and changes say the row holds now, for the columns they speak of; from the lines' inputs, oldest first."""
    values: dict[str, Any] = {}
    for told in inputs:
        born = told.get("born")
        if isinstance(born, Mapping):
            values |= born
        values |= {key: new for key, (_old, new) in _pairs(told).items()}
    return values


CHUNK = 2_000


def differing(session: Session, workflow: Workflow, ids: Iterable[int] | None = None) -> Iterator[tuple[int, str]]:
    """(row, column) whose present value is not what its history says; every row of the machine, in chunks by key.

    Columns are read, not objects: nightly this goes over every row there is.
    """
    model, last = workflow.model, 0
    kept = columns(model)
    while True:
        statement = select(model.id, *(getattr(model, key) for key in kept)).where(model.id > last)
        if ids is not None:
            statement = statement.where(model.id.in_(list(ids)))
        statement = statement.order_by(model.id).limit(CHUNK).execution_options(unscoped=True)
        rows = {row[0]: dict(zip(kept, row[1:], strict=True)) for row in session.execute(statement)}
        if not rows:
            return
        last = max(rows)
        yield from _differing(session, workflow, rows)


def _differing(session: Session, workflow: Workflow, rows: dict[int, dict[str, Any]]) -> Iterator[tuple[int, str]]:
    statement = select(TransitionLog.entity_id, TransitionLog.input).where(
        TransitionLog.entity == workflow.name, TransitionLog.entity_id.in_(list(rows))
    )
    lines: dict[int, list[dict[str, Any]]] = {}
    for entity_id, told in session.execute(statement.order_by(TransitionLog.id).execution_options(unscoped=True)):
        lines.setdefault(entity_id, []).append(told)
    for pk, row in rows.items():
        said = {key: value for key, value in replayed(lines.get(pk, [])).items() if key in row}
        now = as_told({key: row[key] for key in said})
        yield from ((pk, key) for key, value in said.items() if blank(now[key]) != blank(value))


def broken(session: Session) -> int:
    """I-12: columns of workflow entities that are not what their history says; 0 unless somebody wrote behind it."""
    from app.workflow.journal import NET

    watched = [w for w in REGISTRY.values() if w.model.__tablename__ in NET]
    with session.no_autoflush:
        return sum(1 for workflow in watched for _found in differing(session, workflow))
