"""The small objects a view hands to its templates: buttons, tabs, choices, rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

STATE_KINDS = ("ok", "warn", "danger", "info", "muted")


@dataclass(frozen=True)
class Button:
    """One step a person can take. `why_not` greys it and is shown as the reason; `url` is posted to unless GET."""

    name: str
    label: Any
    url: str
    method: str = "post"
    style: str = "default"  # primary | default | danger | link
    needs_reason: bool = False
    why_not: Any | None = None
    confirm: Any | None = None
    icon: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)  # further form fields, such as the version seen


@dataclass(frozen=True)
class Tab:
    """A link above a list that shows one part of it."""

    label: Any
    url: str
    count: int | None = None
    active: bool = False


@dataclass(frozen=True)
class DetailTab:
    """A panel of a detail page: either a template with its context or ready (escaped) markup."""

    name: str
    title: Any
    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    html: Markup | str = ""
    count: int | None = None


@dataclass(frozen=True)
class Choice:
    """A value of a column as people read it, with the kind that colours it."""

    value: str
    word: Any
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a list, ready to print."""

    pk: Any
    cells: list[Any]
    url: str
    css: str
    buttons: list[Button]
    label: str


def as_choices(pairs: Any) -> list[Choice]:
    """Accepts Choice objects, (value, word) or (value, word, kind)."""
    return [c if isinstance(c, Choice) else Choice(*c) for c in pairs]


def state_chip(kind: str, word: Any) -> Markup:
    """A colour dot and the word; a state is never told by colour alone."""
    kind = kind if kind in STATE_KINDS else "muted"
    return Markup(f'<span class="chip chip-{kind}">{escape(word)}</span>')  # noqa: S704 - one of ours, and escaped
