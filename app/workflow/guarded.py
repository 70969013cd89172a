"""A status is written by the engine alone: any other assignment to it is refused as soon as it is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, inspect

from models.base import Flowing


class DirectStateWriteError(RuntimeError):
    """Code wrote a state without the engine: a programming mistake, never a user's."""


_guarded: set[type[Any]] = set()


def guard_state(model: type[Flowing]) -> None:
    """Refuse any assignment to `model.state` on a stored row outside the engine."""
    if model in _guarded:
        return
    _guarded.add(model)

    def refuse(target: Any, value: Any, old: Any, _initiator: Any) -> None:
        state = inspect(target)
        if state.persistent and not (state.session and state.session.info.get("engine_writes")) and value != old:
            raise DirectStateWriteError(f"{model.__name__}.state is written by the workflow engine only")

    event.listen(model.state, "set", refuse)  # type: ignore[attr-defined]
