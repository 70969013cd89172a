"""The one place where a status changes (law 1 of the house).

A workflow is a frozen declaration: states, steps, who may take them, guards with their sentences, inputs, effects.
`fire` locks the row, checks scope, profile, role, relation, state, version, inputs and guards in this order, writes,
logs and queues notices; the caller commits. Buttons, REST, bulk actions and jobs all call it, and the buttons' greyed
explanations come from `why_not`, the same checks without the writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.access.roles import SYSTEM
from app.errors import (
    InvalidInputError,
    NotAllowedError,
    NotVisibleError,
    QuanhengError,
    StaleVersionError,
    SwitchedOffError,
    WrongStateError,
)
from app.profiles import switch_on
from app.workflow import journal
from app.workflow.guarded import guard_state
from app.workflow.together import engine_writes, held, settle
from models.enums import Role


class Prior(StrEnum):
    """Pseudo targets: stay where one is, go back to the state before, or let an effect decide."""

    SAME = "(same)"
    BEFORE = "(before)"


@dataclass(frozen=True, slots=True)
class Context:
    """What a guard or an effect gets to see."""

    session: Session
    workflow: Workflow
    step: Step
    obj: Any
    actor: Principal
    data: Mapping[str, Any]
    known: dict[str, Any] = field(default_factory=dict)
    """What guards and effects of this one step have read already and need not ask again: the row is locked."""


Check = Callable[[Context], str | None]
Fix = str | Callable[[Context], str | None] | None
"""Where the cure of a refusal is: an address, one made from the row ("/filings/show/{obj.id}"), or None for nowhere."""
UNSAID = "(unsaid)"
"""A guard whose author has not thought about the cure; a test finds it."""
Effect = Callable[[Context], None]
Change = Callable[[Any], None]
Relation = Callable[[Any, Principal], bool]


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition and, when it does not hold, its sentence. `needs_input` guards are left out of `why_not`.

    `name` is what programs know it by (ASCII); `fix` leads to the page where the reason can be cured (BEYOND 3).
    """

    name: str
    check: Check
    needs_input: bool = False
    fix: Fix = UNSAID

    def fix_url(self, ctx: Context) -> str | None:
        """The address of the cure for this row and person, or None."""
        found = self.fix(ctx) if callable(self.fix) else self.fix
        if not found or found == UNSAID:
            return None
        return found.format(obj=ctx.obj, actor=ctx.actor)


class Why(str):  # noqa: SLOT000 - a string cannot have slots and attributes
    """Why a step cannot be taken, as a sentence that also carries its code and the way to the cure."""

    code: str
    fix_url: str | None

    def __new__(cls, sentence: str, code: str = "", fix_url: str | None = None) -> Self:
        made = super().__new__(cls, sentence)
        made.code, made.fix_url = code, fix_url
        return made


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a step: `kind` is text, long, date, choice, tick, ticks (a list), institute, slot or verifier."""

    name: str
    label: str
    kind: str = "text"
    required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""


REASON = Field("reason", "原因", "long")
REASON_OPTIONAL = Field("reason", "原因", "long", required=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One arrow bundle of a machine. `source` empty means birth; `by` SYSTEM means only another step causes it."""

    name: str
    label: str
    source: tuple[StrEnum, ...]
    target: StrEnum | Prior
    by: frozenset[Role]
    relation: Relation | None = None
    guards: tuple[Guard, ...] = ()
    needs: tuple[Field, ...] = ()
    effects: tuple[Effect, ...] = ()
    remember: bool = False
    switch: str | None = None
    basis: str = ""
    danger: bool = False
    bulk: bool = False
    primary: bool = False
    own_page: bool = False
    """The step has a page of its own (booking, recording a result): no generated button posts it."""
    bars: Callable[[Any], str | None] | None = None
    """For a source state that the profile excludes: the sentence, "" for the common one; None where it is admitted."""
    goes: Callable[[Context], StrEnum | None] | None = None
    """Where the row or the profile leads instead of `target`, or None."""
    whose: Callable[[], frozenset[Role]] | None = None
    """Of those in `by`, whom the profile lets take the step; None: all of them."""

    @property
    def takers(self) -> frozenset[Role]:
        return self.whose() if self.whose else self.by

    @property
    def is_birth(self) -> bool:
        return not self.source

    @property
    def by_system(self) -> bool:
        return self.by == SYSTEM


@dataclass(frozen=True, slots=True)
class Workflow:
    """A machine: see docs/architecture.md. Checked on import, so a broken declaration never starts."""

    name: str
    label: str
    model: type[Any]
    states: type[StrEnum]
    labels: Mapping[StrEnum, str]
    final: frozenset[StrEnum]
    steps: tuple[Step, ...]
    tones: Mapping[StrEnum, str] = field(default_factory=dict)
    instrument_of: Callable[[Any], int | None] = lambda obj: getattr(obj, "instrument_id", None)

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ValueError(f"workflow {self.name}: " + "; ".join(problems))
        REGISTRY[self.name] = self
        guard_state(self.model)

    def _problems(self) -> Iterator[str]:
        names = [s.name for s in self.steps]
        yield from (f"step {n} twice" for n in {n for n in names if names.count(n) > 1})
        yield from (f"state {s} has no label" for s in self.states if s not in self.labels)
        yield from (f"step {s.name} has nobody" for s in self.steps if not s.by)
        reached = {s.target for s in self.steps if not isinstance(s.target, Prior)}
        yield from (f"state {s} unreachable" for s in self.states if s not in reached)
        left = {source for s in self.steps for source in s.source}
        yield from (f"state {s} is a trap" for s in self.states if s not in left and s not in self.final)

    def step(self, name: str) -> Step:
        """The step of that name; unknown names look like a missing page."""
        for step in self.steps:
            if step.name == name:
                return step
        raise NotVisibleError

    def label_of(self, state: str | None) -> str:
        """The Chinese word of a state; some are the profile's to choose."""
        return self.labels[self.states(state)] if state else "—"

    def tone_of(self, state: str) -> str:
        """Which colour the chip of a state has: muted, info, success, warning or danger."""
        return self.tones.get(self.states(state), "muted")


REGISTRY: dict[str, Workflow] = {}
NOTICES: list[Callable[[Context, str | None], None]] = []
"""Called after every step with the state before; app/workflow/notices.py registers the one that queues messages."""


def workflow_of(obj: Any) -> Workflow:
    """The machine that walks `obj`."""
    return next(w for w in REGISTRY.values() if w.model is type(obj))


def barred(step: Step, state: Any, word: str) -> str | None:
    """Why the step does not start from that state in this deployment, or None when it does."""
    if state not in step.source:
        return _sentence(step, word)
    said = step.bars(state) if step.bars else None
    return None if said is None else said or _sentence(step, word)


def starts_somewhere(step: Step) -> bool:
    """Whether the profile admits any state to the step at all."""
    return any(barred(step, state, "") is None for state in step.source)


def _sentence(step: Step, word: str) -> str:
    return f"当前状态为“{word}”，不能执行“{step.label}”。"


def check_role(step: Step, actor: Principal) -> None:
    """Raise unless the profile offers the step and the actor has one of its roles."""
    if step.switch and not switch_on(step.switch):
        raise SwitchedOffError
    if not actor.has(*step.takers):
        raise NotAllowedError(f"您没有“{step.label}”的权限。")


def _check(ctx: Context, *, with_input: bool) -> None:
    step, obj = ctx.step, ctx.obj
    check_role(step, ctx.actor)
    if step.relation and not ctx.actor.is_system and not step.relation(obj, ctx.actor):
        raise NotAllowedError(f"您没有“{step.label}”的权限。")
    _check_state(ctx)
    if with_input:
        check_input(step, ctx.data)
    _check_guards(ctx, with_input=with_input)


def _check_state(ctx: Context) -> None:
    state = ctx.obj.state
    if ctx.step.is_birth:
        return
    said = barred(ctx.step, ctx.workflow.states(state), ctx.workflow.label_of(state))
    if said is not None:
        raise WrongStateError(said)


def _check_guards(ctx: Context, *, with_input: bool) -> None:
    for guard in ctx.step.guards:
        if guard.needs_input and not with_input:
            continue
        sentence = guard.check(ctx)
        if sentence:
            error = InvalidInputError(sentence)
            error.code, error.fix_url = f"{ctx.workflow.name}.{guard.name}", guard.fix_url(ctx)
            raise error


def check_input(step: Step, data: Mapping[str, Any]) -> None:
    """Raise InvalidInputError naming every input that is missing or malformed."""
    problems: dict[str, str] = {}
    for need in step.needs:
        value = data.get(need.name)
        text = str(value).strip() if value is not None else ""
        if need.name == "reason":
            if (need.required or text) and not 5 <= len(text) <= 500:
                problems["reason"] = "请填写原因（5～500字）。"
        elif need.required and (value is None or text == "" or (need.kind in {"tick", "ticks"} and not value)):
            verb = "选择" if need.kind == "ticks" else "填写"
            problems[need.name] = f"请{verb}“{need.label}”。"
        elif need.choices and text and not _among(value, {c[0] for c in need.choices}):
            problems[need.name] = f"“{need.label}”的值不在可选范围内，请重新选择。"
    if problems:
        raise InvalidInputError("".join(problems.values()), problems=problems)


def _among(value: Any, offered_values: set[str]) -> bool:
    """Whether the value, or each of several, is one of those offered."""
    chosen = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return all(str(v).strip() in offered_values for v in chosen)


def why_not(session: Session, workflow: Workflow, obj: Any, step: Step, actor: Principal) -> Why | None:
    """Why the step cannot be taken now, with code and cure, or None; inputs are not looked at."""
    try:
        _check(Context(session, workflow, step, obj, actor, {}), with_input=False)
    except QuanhengError as error:
        return Why(error.sentence, error.code, error.fix_url)
    return None


def offered(session: Session, obj: Any, actor: Principal) -> list[tuple[Step, Why | None]]:
    """Steps that the actor's role could ever take from the present state, each with its `why_not`."""
    workflow = workflow_of(obj)
    state = workflow.states(obj.state)
    found = []
    for step in workflow.steps:
        if step.by_system or not actor.has(*step.takers) or barred(step, state, "") is not None:
            continue
        if (step.switch and not switch_on(step.switch)) or (step.relation and not step.relation(obj, actor)):
            continue
        found.append((step, why_not(session, workflow, obj, step, actor)))
    return found


ABOVE: dict[type[Any], Callable[[Session, Any], None]] = {}
"""What is locked before a row of the model, so that header and items are always taken in one order."""


def lock(session: Session, model: type[Any], pk: Any, *, unscoped: bool = False) -> Any:
    """Load one row FOR UPDATE through the current scope, fresh from the database; out of scope looks missing.
    What a bulk act holds already stays as it is."""
    if (row := held(session, model, pk)) is not None:
        return row
    if (above := ABOVE.get(model)) is not None:
        above(session, pk)
    statement = (
        select(model)
        .where(model.id == pk)
        .with_for_update(of=model)
        .execution_options(populate_existing=True, unscoped=unscoped)
    )
    obj = session.execute(statement).unique().scalar_one_or_none()
    if obj is None:
        raise NotVisibleError
    return obj


def fire(
    session: Session,
    workflow: Workflow,
    pk: Any,
    step_name: str,
    actor: Principal,
    data: Mapping[str, Any] | None = None,
    *,
    seen_version: int | None = None,
    change: Change | None = None,
) -> Any:
    """Take one step on one row; the only way a status changes. `change` writes to the row within the step, so that the
    step's own line of history tells it.

    Raises NotVisibleError (404), SwitchedOffError (404), NotAllowedError (403), WrongStateError and StaleVersionError
    (409), InvalidInputError (422). Returns the row. Never commits. What a rule refused is kept in
    `session.info["refused"]` for the edge, which writes it to the audit log after undoing the rest (case 39).
    """
    step = workflow.step(step_name)
    if step.is_birth:
        raise NotVisibleError
    obj = lock(session, workflow.model, pk)
    ctx = Context(session, workflow, step, obj, actor, data or {})
    try:
        _check_all(ctx, seen_version)
    except (NotAllowedError, InvalidInputError) as error:
        if not getattr(error, "problems", None):  # a rule said no, not a field that was forgotten
            session.info.setdefault("refused", []).append((workflow.name, pk, step.name, error.sentence))
        raise
    return _write(ctx, None, change=change)


def _check_all(ctx: Context, seen_version: int | None) -> None:
    if ctx.step.by_system and not ctx.actor.is_system:
        raise NotAllowedError(f"您没有“{ctx.step.label}”的权限。")
    check_role(ctx.step, ctx.actor)
    if seen_version is not None and seen_version != ctx.obj.version:
        raise StaleVersionError
    _check(ctx, with_input=True)


def cascade(
    ctx: Context, obj: Any, step_name: str, data: Mapping[str, Any] | None = None, *, change: Change | None = None
) -> Any:
    """Take a step that another one causes: the same person stays in the log, with the cause beside it.

    The row is locked outside the person's scope, because a consequence is not his choice; roles are those of SYS,
    state and guards are checked as ever.
    """
    workflow = workflow_of(obj)
    step = workflow.step(step_name)
    fresh = lock(ctx.session, workflow.model, obj.id, unscoped=True)
    system = Principal(ctx.actor.account_id, ctx.actor.name, SYSTEM | ctx.actor.roles, body=ctx.actor.body)
    inner = Context(ctx.session, workflow, step, fresh, system, data or {})
    if step.switch and not switch_on(step.switch):
        raise SwitchedOffError
    _check_state(inner)
    _check_guards(inner, with_input=True)
    return _write(inner, f"{ctx.workflow.name}.{ctx.step.name}", actor=ctx.actor, change=change)


def bear(
    session: Session,
    obj: Any,
    step_name: str,
    actor: Principal,
    data: Mapping[str, Any] | None = None,
    *,
    caused_by: str | None = None,
) -> Any:
    """Bring a new row into its first state by a birth step: checks, writes, logs."""
    workflow = workflow_of(obj)
    step = workflow.step(step_name)
    ctx = Context(session, workflow, step, obj, actor, data or {})
    if caused_by is None:
        _check(ctx, with_input=True)
    return _write(ctx, caused_by)


def bear_all(session: Session, rows: Sequence[Any], step_name: str, actor: Principal) -> None:
    """As `bear`, of several rows of one model: checked one by one, written to the database together."""
    if not rows:
        return
    workflow = workflow_of(rows[0])
    step = workflow.step(step_name)
    contexts = [Context(session, workflow, step, row, actor, {}) for row in rows]
    for ctx in contexts:
        _check(ctx, with_input=True)
    _write_all(contexts, None)


def _write(ctx: Context, caused_by: str | None, *, actor: Principal | None = None, change: Change | None = None) -> Any:
    _write_all([ctx], caused_by, actor=actor, change=change)
    return ctx.obj


def _write_all(
    contexts: list[Context], caused_by: str | None, *, actor: Principal | None = None, change: Change | None = None
) -> None:
    """Take one step on rows whose checks have been passed; of several only a birth step."""
    session, step = contexts[0].session, contexts[0].step
    befores = [ctx.obj.state for ctx in contexts]
    targets = [_target(ctx) for ctx in contexts]
    with engine_writes(session), ExitStack() as watched:
        for ctx, before, target in zip(contexts, befores, targets, strict=True):
            watched.enter_context(journal.watching(session, ctx.obj))
            _enter(ctx, before, target)
        if step.is_birth:
            session.flush()  # the log needs the new rows' ids
        for ctx, before, target in zip(contexts, befores, targets, strict=True):
            line = journal.line_of(ctx, before, target, caused_by, actor or ctx.actor)
            # state and facts reach the database together: a CHECK such as "approved has an institute" sees both
            with session.no_autoflush:
                if change is not None:
                    change(ctx.obj)
                for effect in step.effects:
                    effect(ctx)
            journal.close(session, ctx.obj, line)
        settle(session)
        for ctx, before in zip(contexts, befores, strict=True):
            for notice in NOTICES:
                notice(ctx, before)


def _target(ctx: Context) -> str:
    target = _landing(ctx)
    if target is None:
        raise WrongStateError(_sentence(ctx.step, ctx.workflow.label_of(ctx.obj.state)))
    return target


def _enter(ctx: Context, before: str | None, target: str) -> None:
    """Put the row into its new state; nothing reaches the database yet."""
    step, obj = ctx.step, ctx.obj
    if step.remember:
        obj.prior_state = before
    obj.state = target
    if "reason" in {n.name for n in step.needs}:
        obj.reason = str(ctx.data.get("reason") or "").strip() or obj.reason
    obj.version = (obj.version or 0) + (0 if step.is_birth else 1)
    ctx.session.add(obj)


def _landing(ctx: Context) -> str | None:
    """The state that the step leads to."""
    chosen = ctx.step.goes(ctx) if ctx.step.goes else None
    if chosen is not None:
        return chosen.value
    if ctx.step.target is Prior.SAME:
        return str(ctx.obj.state)
    if ctx.step.target is Prior.BEFORE:
        return ctx.obj.prior_state
    return str(ctx.step.target.value)
