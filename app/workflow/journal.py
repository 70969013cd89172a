"""What a step changed, old → new, for the history of every entity with a workflow (LED-28, BEYOND 2).

The engine looks at a row before and after a step and puts the difference into the step's own line:
`input["changed"] = {column: [old, new]}`, for a new row `input["born"] = {column: value}`. What somebody writes to a row
outside a step gets a line of its own (`AMEND`), so that undoing the lines from the present row backwards gives the row of
any earlier moment. Personal data never gets in: sealed columns, and every text of entities that are about people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, event, inspect, select, text
from sqlalchemy.orm import Session

from app import clock
from app.access.masking import FREE_TEXT, for_log
from app.access.principal import ANONYMOUS, Principal, current_principal
from app.access.request_facts import request_facts, through_api
from app.workflow.together import next_number, open_batch
from models.log import TransitionLog
from models.types import Encrypted

if TYPE_CHECKING:
    from app.workflow.engine import Context, Workflow

AMEND = "amend"
"""The step of a line that no step of a machine wrote."""
DERIVED = frozenset(
    [
        "id",
        "created_at",
        "updated_at",
        "version",
        "state",
        "prior_state",
        "reason",
        "dup_key",
        "search_text",
        "quality",
        "quality_faults",
        "route",
    ]
)
"""Keys and stamps, what the line says anyway (state), and what is computed from other columns."""
UNTOLD = frozenset(
    {
        "contact_name",
        "lookup_code",
        "secret_hash",
        "bringer_name",
        "collector_name",
        "snapshot",
        "checks",
        "readings",
    }
)
"""People, secrets, and what is a record of its own: readings belong to the institute (ROLES 2, must-never case 51)."""
ABOUT_PEOPLE: dict[str, frozenset[str]] = {
    "account": frozenset(["roles", "unit_id", "institute_id", "area", "reviewer_institute_id", "valid_until"]),
    "affiliation": frozenset({"unit_id", "institute_id"}),
    "recovery_request": frozenset(),
    "unit_change": frozenset(),
}
"""Tables about persons: only what they may do, never who they are."""
NET = frozenset(
    {
        "instrument",
        "filing",
        "filing_amendment",
        "appointment",
        "appointment_item",
        "certificate",
        "commission",
        "task",
        "unmatched_record",
        "instrument_transfer",
    }
)
"""Tables whose rows leave a line for every write, also outside the engine."""
CHANGED: list[Callable[[Session, Any, dict[str, list[Any]]], None]] = []
"""Called when a row got other values, before they are written; data quality listens."""
MOST_PAIRS = 40  # PostgreSQL takes a hundred arguments
NEXT = text("SELECT nextval(pg_get_serial_sequence('transition_log', 'id'))")
_columns: dict[str, tuple[str, ...]] = {}
_BASELINE, _TOLD, _OPEN = "journal_baseline", "journal_told", "journal_open"


def columns(model: type[Any]) -> tuple[str, ...]:
    """The columns of a model whose changes the history keeps."""
    name = model.__tablename__
    if name not in _columns:
        _columns[name] = tuple(_kept(model, name))
    return _columns[name]


def _kept(model: type[Any], name: str) -> Iterator[str]:
    for prop in inspect(model).column_attrs:
        kind = prop.columns[0].type
        untold = prop.key in DERIVED or prop.key in UNTOLD or isinstance(kind, Encrypted)
        if not untold and prop.key in ABOUT_PEOPLE.get(name, {prop.key}):
            yield prop.key


def plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (str, int, float, bool)) or value is None:
        return str(value) if type(value) is not str and isinstance(value, str) else value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value)


def snapshot(obj: Any) -> dict[str, Any]:
    """The kept columns of a row as they are now, as JSON values with phone and ID numbers in free text masked."""
    return as_told({key: getattr(obj, key) for key in columns(type(obj))})


def as_told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of columns as the history keeps them."""
    return for_log({key: plain(value) for key, value in values.items()})


def blank(value: Any) -> Any:
    """None for everything that says nothing, so that "" and None are no change."""
    return None if value in ("", [], {}) else value


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """{column: [old, new]} of what is not the same."""
    return {k: [before.get(k), v] for k, v in after.items() if blank(before.get(k)) != blank(v)}


def born(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the line of a birth keeps of a row's values; for rows that are written by SQL (imports)."""
    return {k: v for k, v in for_log({k: plain(v) for k, v in values.items()}).items() if blank(v) is not None}


def born_of(model: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """As `born`, of a record for a bulk insert into the model's table: only the columns that the history keeps."""
    return born({key: record[key] for key in columns(model) if key in record})


def born_sql(model: type[Any], alias: str) -> str:
    """As `born_of`, in SQL: an expression over the row `alias` of the model's table, for inserts from a staging table.
    Free text that may hold somebody's number is left out, because SQL does not mask."""
    kept, pairs = inspect(model).column_attrs, []
    for key in columns(model):
        value = f"{alias}.{kept[key].columns[0].name}"
        if isinstance(kept[key].columns[0].type, String):
            filled = f"nullif({value}, '')"
            value = f"CASE WHEN {value} !~ '[0-9]{{11}}' THEN {filled} END" if key in FREE_TEXT else filled
        pairs.append(f"'{key}', {value}")
    built = [f"jsonb_build_object({', '.join(pairs[at : at + MOST_PAIRS])})" for at in range(0, len(pairs), MOST_PAIRS)]
    return f"jsonb_strip_nulls({' || '.join(built)})"


# -- used by the engine ------------------------------------------------------------------------------------------------


@contextmanager
def watching(session: Session, obj: Any) -> Iterator[None]:
    """Remember how the row stands before a step, and that a step is at work on it. A new row has no past."""
    open_rows = session.info.setdefault(_OPEN, [])
    open_rows.append(obj)
    session.info.setdefault(_BASELINE, {})[id(obj)] = snapshot(obj) if inspect(obj).persistent else None
    try:
        yield
    finally:
        open_rows.remove(obj)


def line_of(ctx: Context, before: str | None, after: str, caused_by: str | None, actor: Principal) -> TransitionLog:
    """The line of history of one step, not written yet: who, when, from, to (WORKFLOWS 0.2). Where effects follow it has
    its number already, so that causes stand before their consequences."""
    line = _line(ctx.workflow, ctx.obj, ctx.step.name, before, after, actor)
    line.caused_by, line.input = caused_by, for_log({key: plain(value) for key, value in ctx.data.items()})
    needed = bool(ctx.step.effects)
    number = next_number(ctx.session, needed=needed)
    if number is None and needed:
        with ctx.session.no_autoflush:
            number = ctx.session.scalar(NEXT)
    if number is not None:
        line.id = number
    return line


def _line(flow: Workflow, obj: Any, step: str, before: str | None, after: str, actor: Principal) -> TransitionLog:
    ip, request_id = request_facts()
    return TransitionLog(
        entity=flow.name,
        entity_id=obj.id,
        step=step,
        from_state=before,
        to_state=after,
        actor_id=actor.account_id,
        actor_name=actor.name,
        actor_body=actor.body[:120],
        actor_role=actor.role_word,
        at=clock.now(),
        ip=ip,
        request_id=request_id,
        instrument_id=flow.instrument_of(obj),
        unit_id=getattr(obj, "unit_id", None),
        institute_id=getattr(obj, "institute_id", None) or getattr(obj, "holder_institute_id", None),
        use_division=getattr(obj, "use_division", None),
    )


def close(session: Session, obj: Any, line: TransitionLog) -> None:
    """Complete the step's line with what the row went through, and add it."""
    baseline = session.info.setdefault(_BASELINE, {})
    before, now = baseline.get(id(obj)), snapshot(obj)
    baseline[id(obj)] = now
    changed = difference(before or {}, now)
    told = line.input.get("changed")
    if before is None:
        line.input = {**line.input, "born": born(now), **_via()}
    else:
        line.input = {**line.input, **({"changed": changed} if changed else {}), **_via()}
    if changed and open_batch(session) is not None:  # written later, when no step is at work on the row any more
        session.info.setdefault(_TOLD, {})[type(obj).__name__, obj.id] = {k: v[1] for k, v in changed.items()}
    if not changed and isinstance(told, dict):  # the caller says it first and writes it afterwards
        session.info.setdefault(_TOLD, {})[type(obj).__name__, obj.id] = {k: v[1] for k, v in told.items()}
    session.add(line)
    if changed:
        _announce(session, obj, changed)


def _via() -> dict[str, str]:
    return {"via": "api"} if through_api() else {}


def _announce(session: Session, obj: Any, changed: dict[str, list[Any]]) -> None:
    for listener in CHANGED:
        listener(session, obj, changed)


# -- the net -----------------------------------------------------------------------------------------------------------


def stray(session: Session, obj: Any) -> dict[str, list[Any]]:
    """Changes of a stored row that are not in the database yet."""
    found: dict[str, list[Any]] = {}
    state = inspect(obj)
    for key in columns(type(obj)):
        history = state.attrs[key].load_history()
        if history.has_changes():
            old = history.deleted[0] if history.deleted else _stored(session, obj, key)
            found[key] = [plain(old), plain(history.added[0] if history.added else None)]
    kept: dict[str, list[Any]] = for_log(found)
    return {k: pair for k, pair in kept.items() if blank(pair[0]) != blank(pair[1])}


def _untold(session: Session, obj: Any, changed: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What of it the line of the step before did not say already."""
    told = session.info.get(_TOLD, {}).get((type(obj).__name__, obj.id), {})
    return {k: pair for k, pair in changed.items() if k not in told or told[k] != pair[1]}


def _stored(session: Session, obj: Any, key: str) -> Any:
    """What the database holds: an expired attribute that was overwritten does not know its old value."""
    model = type(obj)
    with session.no_autoflush:
        return session.scalar(select(getattr(model, key)).where(model.id == obj.id).execution_options(unscoped=True))


def _net(session: Session, _context: Any, _instances: Any) -> None:
    """Before every flush: a write outside a step leaves a line of its own."""
    at_work = session.info.get(_OPEN, ())
    for obj in list(session.dirty):
        if getattr(type(obj), "__tablename__", "") not in NET or any(obj is other for other in at_work):
            continue
        if not (changed := stray(session, obj)):
            continue
        _announce(session, obj, changed)
        if untold := _untold(session, obj, changed):
            from app.workflow.engine import workflow_of

            actor = current_principal() or ANONYMOUS
            line = _line(workflow_of(obj), obj, AMEND, obj.state, obj.state, actor)
            line.input = {"changed": untold, **_via()}
            session.add(line)


def forget(session: Session, *_rest: Any) -> None:
    """What was told and how rows stood no longer holds: the transaction, or the savepoint of a batch, is over."""
    session.info.pop(_BASELINE, None)
    session.info.pop(_TOLD, None)


def install(session_class: type[Session]) -> None:
    """Hook the net into a session class, once."""
    if not event.contains(session_class, "before_flush", _net):
        event.listen(session_class, "before_flush", _net)
        event.listen(session_class, "after_commit", forget)
        event.listen(session_class, "after_rollback", forget)
