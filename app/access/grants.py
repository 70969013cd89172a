"""Which role may open which view: read from the views' own declarations, stored exactly (no right outlives its line).

Every view carries `grants`: permission name → roles. A view without grants is a mistake that stops the sync.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    Role,
    ViewMenu,
    assoc_permissionview_role,
)
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import enums
from models.base import db

Grant = tuple[str, str, str]
STOCK_OPEN = {"AuthView", "UtilView", "LocaleView", "HomeView"}
"""FAB's own views that ask for no permission, or that check for themselves."""


class MissingGrantsError(RuntimeError):
    """A view was registered without saying who may open it."""


def declared(baseviews: list[Any]) -> set[Grant]:
    """(role, permission, view) of every registered view."""
    found: set[Grant] = set()
    for view in baseviews:
        name = view.class_permission_name
        permissions = list(view.base_permissions or [])
        if not permissions or type(view).__name__ in STOCK_OPEN:
            continue
        grants = getattr(view, "grants", None)
        if grants is None:
            if type(view).__module__.startswith("flask_appbuilder."):
                continue  # stock views that nobody was given stay shut
            raise MissingGrantsError(f"{type(view).__name__} has no grants")
        for permission in permissions:
            for role in grants.get(permission, grants.get("*", frozenset())):
                found.add((enums.Role(role).value, permission, name))
    return found


def stored(session: Session) -> set[Grant]:
    """(role, permission, view) as the database has them."""
    link = assoc_permissionview_role
    rows = session.execute(
        select(Role.name, Permission.name, ViewMenu.name)
        .select_from(link)
        .join(Role, Role.id == link.c.role_id)
        .join(PermissionView, PermissionView.id == link.c.permission_view_id)
        .join(Permission, Permission.id == PermissionView.permission_id)
        .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
    )
    return set(rows.tuples())


def drift(session: Session, baseviews: list[Any]) -> tuple[set[Grant], set[Grant]]:
    """(missing in the database, too many in the database)."""
    wanted, present = declared(baseviews), stored(session)
    return wanted - present, present - wanted


def sync(session: Session, baseviews: list[Any]) -> tuple[int, int]:
    """Make the stored grants equal the declared ones; returns (added, removed)."""
    missing, surplus = drift(session, baseviews)
    roles = _ids(session, Role, {r.value for r in enums.Role} | {"Public"})
    wanted = declared(baseviews)
    permissions = _ids(session, Permission, {g[1] for g in wanted})
    menus = _ids(session, ViewMenu, {g[2] for g in wanted})
    pairs = {(permissions[p], menus[v]) for _r, p, v in wanted}
    if pairs:
        values = [{"permission_id": p, "view_menu_id": v} for p, v in sorted(pairs)]
        session.execute(insert(PermissionView).values(values).on_conflict_do_nothing())
    ids = {
        (row.permission_id, row.view_menu_id): row.id
        for row in session.execute(select(PermissionView.id, PermissionView.permission_id, PermissionView.view_menu_id))
    }
    link = assoc_permissionview_role
    for role, permission, view in missing:
        pair = ids[(permissions[permission], menus[view])]
        session.execute(insert(link).values(permission_view_id=pair, role_id=roles[role]))
    for role, permission, view in surplus:
        pair = (
            select(PermissionView.id)
            .join(Permission)
            .join(ViewMenu)
            .where(Permission.name == permission, ViewMenu.name == view)
        )
        owner = select(Role.id).where(Role.name == role)
        session.execute(delete(link).where(link.c.permission_view_id.in_(pair), link.c.role_id.in_(owner)))
    return len(missing), len(surplus)


class PublicRightsError(RuntimeError):
    """The public role holds a permission: somebody wrote it into the database by hand."""


PUBLIC_MAY: frozenset[tuple[str, str]] = frozenset()
"""(permission, view) of the public role: none. Public pages are plain routes with a list of their own (case 68)."""


def assert_public_has_nothing(session: Session) -> None:
    """Raise PublicRightsError when the public role may do more than PUBLIC_MAY; asked when a web process starts."""
    held = {(p, v) for role, p, v in stored(session) if role in {"Public", enums.Role.ANON.value}}
    if surplus := held - PUBLIC_MAY:
        words = ", ".join(sorted(f"{p} on {v}" for p, v in surplus))
        raise PublicRightsError(f"the public role holds {words}; run: flask --app run setup")


def check_public(app: Flask) -> None:
    """The start check of a web process: see assert_public_has_nothing."""
    with app.app_context():
        assert_public_has_nothing(db.session())
        db.session.remove()


def _ids(session: Session, model: type[Any], names: set[str]) -> dict[str, int]:
    known = {row.name: row.id for row in session.execute(select(model.id, model.name))}
    for name in sorted(names - set(known)):
        row = model(name=name)
        session.add(row)
        session.flush()
        known[name] = row.id
    return known
