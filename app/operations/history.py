"""An instrument's whole history: its own steps and those of its filings, bookings and certificates, with what each
changed in words, by whom and through which channel (LED-28, BEYOND 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, or_, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.access.roles import LABELS
from app.operations.journal import AsWas, as_was, changes_of
from app.operations.journal_words import EMPTY, Pair, Words, label_of
from app.workflow import REGISTRY
from app.workflow.engine import Workflow
from app.workflow.journal import AMEND, columns, snapshot
from app.workflow.merged import family
from models.enums import Role
from models.log import TransitionLog
from models.types import mask_name

COMMON = ("备案", "预约器具", "证书", "器具", "账号", "预约单")
CHANNELS = {"web": "网页", "api": "接口", "import": "导入", "job": "后台任务", "system": "系统"}
ABOUT_PAPERS = frozenset({"publish", "correct", "ask_revocation", "revoke"})
"""Steps of a certificate after which everybody may know what it says."""
BY_FILE = frozenset({"import", "update_address", "change_nozzle"})
ROLES = {role.value: role for role in Role}
HIDDEN = frozenset({"hidden", "compulsory", "declared_category_id"})
"""Columns that the as-it-was view leaves out: the platform's own bookkeeping."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One column: its label, the old word and the new one."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of history in words: who, when, from, to, what changed, through which channel."""

    at: datetime
    entity: str
    step: str
    before: str
    after: str
    who: str
    body: str
    role: str
    reason: str
    detail: dict[str, Any]
    changes: tuple[Changed, ...] = ()
    born: tuple[Changed, ...] = ()
    channel: str = ""
    entity_name: str = ""
    entity_id: int = 0
    step_name: str = ""


def instrument_history(session: Session, principal: Principal, instrument_id: int) -> list[Line]:
    """All lines of one instrument and of what was merged into it, oldest first. Ask only for an instrument that the
    principal has been shown: the visible instrument is the permission, other bodies' persons are masked (ROLES section
    2, transition_log)."""
    of = family(session, instrument_id)
    statement = (
        select(TransitionLog)
        .where(or_(*(TransitionLog.instrument_id == pk for pk in of)))
        .order_by(TransitionLog.id)
        .execution_options(unscoped=True)
    )
    return _lines(session, session.execute(statement).scalars().all(), principal)


def entity_history(session: Session, principal: Principal, entity: str, entity_id: int) -> list[Line]:
    """All lines of one row that the principal has been shown."""
    statement = (
        select(TransitionLog)
        .where(TransitionLog.entity == entity, TransitionLog.entity_id == entity_id)
        .order_by(TransitionLog.id)
        .execution_options(unscoped=True)
    )
    return _lines(session, session.execute(statement).scalars().all(), principal)


def row_as_was(
    session: Session, workflow: Workflow, obj: Any, moment: datetime
) -> tuple[AsWas, list[tuple[str, str, str]]]:
    """The row at a moment, and (label, word then, word now) of every column that held something then or holds it now."""
    then, now = as_was(session, workflow, obj, moment), snapshot(obj)
    kept = [key for key in columns(workflow.model) if key not in HIDDEN]
    words = Words(session, [(workflow, key, side.get(key)) for key in kept for side in (then.values, now)])
    rows = [
        (label_of(workflow, key), words.of(workflow, key, then.values.get(key)), words.of(workflow, key, now[key]))
        for key in kept
    ]
    return then, [row for row in rows if then.known and {row[1], row[2]} != {EMPTY}]


def _lines(session: Session, rows: Sequence[TransitionLog], principal: Principal) -> list[Line]:
    words = Words(session, [pair for row in rows for pair in _pairs(row)])
    states: dict[tuple[str, str | None], str] = {}
    for row in rows:  # the profile chooses some words: asked once for all lines
        for state in (row.from_state, row.to_state):
            if (row.entity, state) not in states:
                states[row.entity, state] = REGISTRY[row.entity].label_of(state)
    return [_line(row, principal, words, states) for row in rows]


def _pairs(row: TransitionLog) -> Iterator[Pair]:
    workflow = REGISTRY[row.entity]
    for key, pair in changes_of(row).items():
        yield from ((workflow, key, value) for value in pair)
    yield from ((workflow, key, value) for key, value in _born(row).items())


def _born(row: TransitionLog) -> dict[str, Any]:
    """What a birth tells: not that something had not happened yet, and nothing of the platform's own that is as ever."""
    found = row.input.get("born")
    if not isinstance(found, dict):
        return {}
    usual = _defaults(REGISTRY[row.entity].model)
    return {k: v for k, v in found.items() if k not in usual or v != usual[k] or not (v in (False, 0) or k in HIDDEN)}


def _defaults(model: type[Any]) -> dict[str, Any]:
    """{column: the value it has when nobody gives one}."""
    found = {attr.key: attr.columns[0].default for attr in inspect(model).column_attrs}
    return {key: default.arg for key, default in found.items() if default is not None and default.is_scalar}


def _line(row: TransitionLog, principal: Principal, words: Words, states: Mapping[tuple[str, str | None], str]) -> Line:
    workflow = REGISTRY[row.entity]
    step = next((s.label for s in workflow.steps if s.name == row.step), "更新" if row.step == AMEND else row.step)
    role = ROLES.get(row.actor_role)
    told = _told_to(row, principal)
    changes = [
        Changed(label_of(workflow, key), words.of(workflow, key, old), words.of(workflow, key, new))
        for key, (old, new) in (changes_of(row).items() if told else ())
    ]
    born = [
        Changed(label_of(workflow, k), EMPTY, words.of(workflow, k, v)) for k, v in (_born(row).items() if told else ())
    ]
    return Line(
        at=row.at,
        entity=workflow.label,
        step=step,
        before=states[row.entity, row.from_state],
        after=states[row.entity, row.to_state],
        who=_who(row, principal),
        body=row.actor_body,
        role=LABELS.get(role, row.actor_role) if role else row.actor_role,
        reason=str(row.input.get("reason") or "") if told else "",
        detail=row.input if told else {},
        changes=tuple(changes),
        born=tuple(born),
        channel=CHANNELS[_channel(row)],
        entity_name=row.entity,
        entity_id=row.entity_id,
        step_name=row.step,
    )


def _told_to(row: TransitionLog, principal: Principal) -> bool:
    """What a verification found is its institute's own affair until the paper is out (ROLES 2, must-never case 51)."""
    if row.entity not in {"certificate", "task"} or row.step in ABOUT_PAPERS:
        return True
    return principal.of_institute and row.institute_id == principal.institute_id


def _channel(row: TransitionLog) -> str:
    """Through which door: an import, REST, a page, or the platform's own work."""
    if row.step in BY_FILE or row.input.get("via") == "import":
        return "import"
    if row.input.get("via") == "api":
        return "api"
    if row.request_id is not None:
        return "web"
    return "system" if row.actor_id is None else "job"


def _who(row: TransitionLog, principal: Principal) -> str:
    """Own people and, for regulators, everybody by name; others by family name only."""
    if row.actor_id is None:
        return row.actor_name
    own = (
        row.actor_id == principal.account_id
        or (principal.of_unit and row.actor_body == principal.body)
        or (principal.of_institute and row.actor_body == principal.body)
        or principal.has(Role.REG)
    )
    return row.actor_name if own else mask_name(row.actor_name)
