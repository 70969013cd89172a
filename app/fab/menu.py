"""The side menu: one list, shown by role, without a query per entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request, url_for
from flask_login import current_user


@dataclass(frozen=True)
class MenuItem:
    """An entry. `endpoint` ("InstrumentView.list") or `href`; `roles` empty means everybody who is logged in;
    `group` is the heading it stands under; `badge` is a key of the counts; `icon` is a symbol of static/icons.svg;
    `switch` names a switch of the profile without which there is no entry."""

    name: str
    label: Any
    endpoint: str = ""
    href: str = ""
    icon: str = "dot"
    roles: frozenset[str] = frozenset()
    group: Any = ""
    badge: str = ""
    switch: str = ""

    def url(self) -> str:
        return self.href or url_for(self.endpoint)

    def active(self) -> bool:
        """Whether the page shown belongs to this entry: same view, or below its address."""
        if self.endpoint:
            shown = request.endpoint or ""
            return shown == self.endpoint or (
                "." in self.endpoint and shown.split(".")[0] == self.endpoint.split(".")[0]
            )
        return request.path == self.href or request.path.startswith(self.href.rstrip("/") + "/")


class SideMenu:
    """Entries, the roles of the current person and the counts shown beside entries."""

    def __init__(
        self,
        items: Iterable[MenuItem],
        role_names: Callable[[], Iterable[str]] | None = None,
        counts: Callable[[], Mapping[str, int]] | None = None,
        switched: Callable[[str], bool] | None = None,
    ) -> None:
        self.items = list(items)
        self.role_names = role_names or roles_of_account
        self.counts = counts
        self.switched = switched

    def visible(self) -> list[tuple[Any, list[MenuItem]]]:
        """(heading, entries) in the order of the list, only what the current roles may open."""
        if not current_user or not current_user.is_authenticated:
            return []
        mine = set(self.role_names())
        groups: dict[str, tuple[Any, list[MenuItem]]] = {}
        for item in self.items:
            if item.switch and self.switched is not None and not self.switched(item.switch):
                continue
            if not item.roles or item.roles & mine:
                groups.setdefault(str(item.group), (item.group, []))[1].append(item)
        return list(groups.values())

    def count(self, key: str) -> int:
        """A count by key; all counts come from one call per request."""
        if not key or self.counts is None:
            return 0
        if "_menu_counts" not in g:
            g._menu_counts = dict(self.counts())
        return int(g._menu_counts.get(key, 0))


def roles_of_account() -> list[str]:
    """Names of the current account's roles, which Flask-AppBuilder has already loaded."""
    return [role.name for role in getattr(current_user, "roles", [])]


def init_menu(app: Flask, menu: SideMenu) -> None:
    """Make `side_menu` available to templates."""
    app.jinja_env.globals["side_menu"] = menu
