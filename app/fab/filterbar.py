"""The search fields above a list and the chips that tell what is filtered, derived from the view's search columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import request, url_for
from flask_babel import gettext

from app.fab.parts import as_choices
from app.fab.urls import address


@dataclass
class Box:
    """One search field; `names` are its address arguments (two for a range)."""

    column: str
    label: Any
    kind: str  # text | select | range | number | bool | remote
    names: list[str]
    values: list[str]
    hint: str = ""
    options: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""
    chosen: tuple[Any, str] | None = None
    own: bool = False  # a condition of the view, not of a column (app.operations.ledger_query)

    @property
    def active(self) -> bool:
        return any(self.values)


@dataclass(frozen=True)
class FilterChip:
    """What is filtered, and the address without it."""

    label: Any
    text: str
    url: str


def build_boxes(view: Any) -> list[Box]:
    """A box for each search column of the view, in its order."""
    return [_box(view, column) for column in view.search_columns if _kind(view, column)]


def _kind(view: Any, column: str) -> str:
    data = view.datamodel
    if data.is_relation(column):
        return "remote" if column in view.options_urls else ""
    if column in view.choices or data.is_enum(column):
        return "select"
    if data.is_boolean(column):
        return "bool"
    if data.is_date(column) or data.is_datetime(column):
        return "range"
    if data.is_numeric(column) or data.is_float(column):
        return "number"
    return "text"


def _box(view: Any, column: str) -> Box:
    kind = _kind(view, column)
    offered = [f.arg_name for f in view._filters.get_search_filters().get(column, [])]
    wanted = {
        "range": ("ge", "le"),
        "number": ("min", "max"),
        "remote": ("rel",),
        "select": ("in",),
        "bool": ("eq",),
    }.get(kind) or (next((a for a in ("gct", "num", "sw", "eq", "in") if a in offered), ""),)
    names = [f"_flt_{offered.index(a)}_{column}" for a in wanted if a in offered]
    box = Box(column, view.label_columns.get(column, column), kind, names, [request.args.get(n, "") for n in names])
    if kind == "select":
        box.options = [(c.value, c.word) for c in view.choices_of(column)]
    elif kind == "bool":
        box.options = [("1", gettext("是")), ("0", gettext("否"))]
    elif kind == "remote":
        target = view.options_urls[column]
        box.url = target if target.startswith("/") else url_for(target)
        box.chosen = _related(view, column, box.values[0]) if box.active else None
    elif kind == "text":
        box.hint = {"gct": gettext("包含"), "num": gettext("开头或末尾几位"), "sw": gettext("开头几个字")}.get(
            wanted[0], ""
        )
    return box


def _related(view: Any, column: str, key: str) -> tuple[Any, str] | None:
    item = view.datamodel.get_related_interface(column).get(key)
    return (key, str(item)) if item is not None else None


def build_chips(view: Any, boxes: list[Box]) -> list[FilterChip]:
    """One chip for each filter in force; filters that came by a link and have no box are shown as well."""
    chips: list[FilterChip] = []
    seen: set[str] = set()
    by_column = {box.column: box for box in boxes}
    for flt, values in view._filters.get_filters_values():
        index = next((i for i, f in enumerate(view._filters.get_search_filters()[flt.column_name]) if f is flt), None)
        name = f"_flt_{index}_{flt.column_name}"
        if index is None or name in seen:
            continue
        seen.add(name)
        box = by_column.get(flt.column_name)
        text = gettext("、").join(_word(view, box, flt.column_name, v) for v in values)
        if flt.arg_name in ("ge", "le", "min", "max", "sw", "num"):
            text = f"{flt.name} {text}"
        label = view.label_columns.get(flt.column_name, flt.column_name)
        chips.append(FilterChip(label, text, address((f"page_{type(view).__name__}",), **{name: None})))
    return chips + [own_chip(view, box) for box in boxes if box.own and box.active]


def own_chip(view: Any, box: Box) -> FilterChip:
    """The chip of a condition that is the view's own and no column's."""
    word = next((str(w) for v, w in box.options if v == box.values[0]), box.values[0])
    return FilterChip(box.label, word, address((f"page_{type(view).__name__}",), **{box.names[0]: None}))


def _word(view: Any, box: Box | None, column: str, value: Any) -> str:
    if box and box.kind == "remote":
        return box.chosen[1] if box.chosen else gettext("不存在的选项")
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if column in view.choices:
        return next((str(c.word) for c in as_choices(view.choices[column]) if c.value == str(value)), str(value))
    return str(value)
