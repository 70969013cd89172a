"""The part of the security manager that is about speed and about what is not registered.

The platform's own manager (app/access) inherits: class SecurityManager(CachedSecurityManager).
"""

from __future__ import annotations

from typing import Any

from flask import g, has_request_context
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu, assoc_permissionview_role
from sqlalchemy import select


class CachedSecurityManager(SecurityManager):
    """One permission query per request instead of one per button, and only the login view of the stock views."""

    userstatschartview = None  # draws with Google's servers and loads every account

    def exist_permission_on_roles(self, view_name: str, permission_name: str, role_ids: list[int]) -> bool:
        """Whether one of the roles holds the permission; all permissions of these roles are read once per request."""
        return (permission_name, view_name) in self._granted(tuple(sorted(set(role_ids))))

    def _granted(self, role_ids: tuple[int, ...]) -> set[tuple[str, str]]:
        cache: dict[Any, set[tuple[str, str]]] = g.setdefault("_granted", {}) if has_request_context() else {}
        if role_ids not in cache:
            link = assoc_permissionview_role
            found = self.session.execute(
                select(Permission.name, ViewMenu.name)
                .select_from(PermissionView)
                .join(Permission, PermissionView.permission_id == Permission.id)
                .join(ViewMenu, PermissionView.view_menu_id == ViewMenu.id)
                .join(link, link.c.permission_view_id == PermissionView.id)
                .where(link.c.role_id.in_(role_ids))
            )
            cache[role_ids] = set(found.tuples())
        return cache[role_ids]

    def register_views(self) -> None:
        """Register the login view with its limit and nothing else.

        Left out on purpose: password reset by key in the address (whoever holds the permission sets any account's
        password), stock registration, profile edit, user, role, group, permission and view-menu lists, and the
        JSON login. FAB_ADD_SECURITY_VIEWS=False would drop the login view and its limit as well.
        """
        self.auth_view = self.authdbview()
        self.appbuilder.add_view_no_menu(self.auth_view)
        if self.is_auth_limited:
            # Only after the view is added has it a blueprint to limit.
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(self.auth_view.blueprint)
