"""Who may open a page that is not a model view: a decorator for plain routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import quote

from flask import abort, redirect, request, session

from app import clock
from app.access.principal import current_principal
from models.enums import Role

Page = TypeVar("Page", bound=Callable[..., Any])


def login_address() -> str:
    """The log-in page, with the way back to what was asked for (a POST cannot be repeated: back to the home page)."""
    asked = request.full_path if request.query_string else request.path
    target = asked if request.method in {"GET", "HEAD"} else "/home/"
    return f"/login/?next={quote(target, safe='/')}"


def roles(*allowed: Role) -> Callable[[Page], Page]:
    """Only these roles: a visitor is sent to log in (302), anybody else gets 403. Without roles: whoever is logged in."""
    wanted = frozenset(allowed)

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            principal = current_principal()
            if principal is None or principal.account_id is None:
                return redirect(login_address())
            if wanted and not principal.has(*wanted):
                abort(403)
            return page(*args, **kwargs)

        return guarded  # type: ignore[return-value]

    return decorate


CONFIRMED = 600  # seconds that a password typed again is good for


def confirmed_recently() -> bool:
    """Whether the person typed the password again within the last ten minutes (ASVS 7.5.1)."""
    at = session.get("confirmed_at")
    return isinstance(at, (int, float)) and 0 <= clock.now().timestamp() - at < CONFIRMED


def confirmed(page: Page) -> Page:
    """Only right after the password was typed again; everybody else is led there and back. Put it below `roles`."""

    @wraps(page)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not confirmed_recently():
            target = request.full_path if request.method in {"GET", "HEAD"} else "/me"
            return redirect(f"/me/confirm?next={quote(target, safe='/')}", 303)
        return page(*args, **kwargs)

    return guarded  # type: ignore[return-value]
