"""A concrete view says which columns it lists, shows, searches and edits; the stock default is every column of the
model, which is how password hashes became searchable (CVE-2022-31177) and states became writable."""

from __future__ import annotations


def demand_columns(view: type) -> None:
    """TypeError at class creation when a view leaves a column list to the default. An empty list is an answer."""
    wanted = {
        "list_columns": ("list_columns",),
        "show_columns": ("show_columns", "show_fieldsets"),
        "search_columns": ("search_columns",),
        "add_columns": ("add_columns", "add_fieldsets"),
        "edit_columns": ("edit_columns", "edit_fieldsets"),
    }
    missing = [name for name, ways in wanted.items() if all(getattr(view, way, None) is None for way in ways)]
    if missing:
        raise TypeError(f"{view.__name__} must name {', '.join(missing)} (an empty list means none)")
    if not getattr(view, "noun", ""):
        raise TypeError(f"{view.__name__} must give its noun, the Chinese word for one row")
    for kind in ("add", "edit"):
        if not getattr(view, f"{kind}_columns", None) and not getattr(view, f"{kind}_fieldsets", None):
            view.exclude_route_methods = set(view.exclude_route_methods) | {kind}  # type: ignore[attr-defined]
