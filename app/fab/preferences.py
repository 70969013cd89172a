"""What a person keeps about a list: its columns, its page size, named filters. Where it is kept is not this layer's affair.

`use(app, keeper)` installs who remembers; without one every list shows what its view declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flask import Flask, current_app


@dataclass(frozen=True)
class Kept:
    """What one person wants of one list; empty columns and no size mean: as the list declares."""

    columns: tuple[str, ...] = ()
    page_size: int | None = None


@dataclass(frozen=True)
class NamedFilter:
    """A saved filter as a list shows it."""

    id: int
    name: str
    query: str
    columns: tuple[str, ...]
    shared: bool
    pinned: bool
    mine: bool


class Keeper(Protocol):
    """Who remembers."""

    def kept(self, list_name: str) -> Kept: ...

    def filters(self, list_name: str) -> Sequence[NamedFilter]: ...

    def named(self, list_name: str, key: str) -> NamedFilter | None: ...

    def sizes(self) -> tuple[int, tuple[int, ...]]: ...


class _Nobody:
    def kept(self, list_name: str) -> Kept:
        return Kept()

    def filters(self, list_name: str) -> Sequence[NamedFilter]:
        return ()

    def named(self, list_name: str, key: str) -> NamedFilter | None:
        return None

    def sizes(self) -> tuple[int, tuple[int, ...]]:
        return 25, (25, 50, 100, 200)


_NOBODY = _Nobody()
_PLACE = "list_keeper"


def use(app: Flask, keeper: Keeper) -> None:
    """Install who remembers for this application."""
    app.extensions[_PLACE] = keeper


def keeps() -> bool:
    """Whether anybody remembers: without a keeper lists offer neither chooser nor named filters."""
    return _PLACE in current_app.extensions


def keeper() -> Keeper:
    """Who remembers."""
    found: Keeper = current_app.extensions.get(_PLACE, _NOBODY)
    return found
