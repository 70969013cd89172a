"""Who sees which rows: one predicate per entity, applied by the session to every ORM statement (law 2).

`@scoped(Model)` registers the predicate. `install(Session)` adds it to every SELECT, UPDATE and DELETE with
`with_loader_criteria`, so that lists, counts, forms, relationship loads, REST, exports and jobs all pass through it.
Without a principal every predicate is false. `unscoped=True` as an execution option lifts it; only this package and
the workflow engine may use it (tests/rules holds the list of files).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, event, false, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from app.access.principal import Principal, current_principal
from models.base import Model

Predicate = Callable[[Principal], ColumnElement[bool]]
SCOPES: dict[type[Model], Predicate] = {}


class ScopeError(SQLAlchemyError):
    """A write that would touch a row outside the principal's scope. A SQLAlchemyError, so that FAB rolls back."""

    sentence = "记录不存在或您无权查看。"


def scoped(model: type[Model]) -> Callable[[Predicate], Predicate]:
    """Register the predicate of `model`."""

    def register(predicate: Predicate) -> Predicate:
        SCOPES[model] = predicate
        return predicate

    return register


def predicate(model: type[Model], principal: Principal | None) -> ColumnElement[bool]:
    """The criterion for `model`: everything for the platform itself, nothing for nobody."""
    if principal is None:
        return false()
    if principal.is_system:
        return true()
    return SCOPES[model](principal)


@lru_cache(maxsize=256)
def _options(principal: Principal | None, _registered: int) -> tuple[Any, ...]:
    """The criteria of one principal. They hold no session and never change, so requests of the same person share them;
    how many predicates are registered belongs to the key."""
    return tuple(with_loader_criteria(model, predicate(model, principal), include_aliases=True) for model in SCOPES)


def _restrict(state: ORMExecuteState) -> None:
    if state.is_column_load or state.is_relationship_load or state.execution_options.get("unscoped"):
        return  # loaders inherit the options of the statement that began the load
    principal = current_principal()
    if principal is not None and principal.is_system:
        return
    if not any(mapper.class_ in SCOPES for mapper in state.all_mappers) and state.is_select and not _nested(state):
        return
    state.statement = state.statement.options(*_options(principal, len(SCOPES)))


def _nested(state: ORMExecuteState) -> bool:
    """Subqueries hide their entities from `all_mappers`; only plain reference reads skip the criteria."""
    tables = {model.__tablename__ for model in SCOPES}
    return any(getattr(f, "name", None) in tables or not hasattr(f, "name") for f in _froms(state.statement))


def _froms(statement: Any) -> Iterable[Any]:
    from sqlalchemy.sql import visitors

    return [e for e in visitors.iterate(statement) if e.__visit_name__ in {"table", "subquery", "cte", "alias"}]


def _check_flush(session: Session, _context: Any, _instances: Any) -> None:
    """A row may not be written, moved or deleted by somebody who does not see it."""
    principal = current_principal()
    if principal is not None and principal.is_system:
        return
    if session.info.get("engine_writes"):
        return  # the engine has loaded and locked its rows through scope already
    changed: dict[type[Any], list[Any]] = {}
    for obj in (*session.dirty, *session.deleted):
        if type(obj) in SCOPES and session.is_modified(obj):
            changed.setdefault(type(obj), []).append(obj)
    for model, rows in changed.items():
        if not _all_in_scope(session, model, rows, principal):
            raise ScopeError("out of scope")


def _all_in_scope(session: Session, model: type[Any], rows: list[Any], principal: Principal | None) -> bool:
    """Whether the principal sees every one of the rows as the database has them; one statement per model."""
    if principal is None:
        return False
    mapper = model.__mapper__
    keys = {mapper.primary_key_from_instance(row)[0] for row in rows}
    pk = mapper.primary_key[0]
    statement = select(pk).where(pk.in_(keys), predicate(model, principal)).execution_options(unscoped=True)
    with session.no_autoflush:
        return keys <= set(session.execute(statement).scalars())


def install(session_class: type[Session]) -> None:
    """Hook the scope into a session class, once."""
    if not event.contains(session_class, "do_orm_execute", _restrict):
        event.listen(session_class, "do_orm_execute", _restrict)
        event.listen(session_class, "before_flush", _check_flush)
