"""Settings that must hold, asserted at start-up (TRUST section 5). Production refuses to start without them."""

from __future__ import annotations

import logging

from flask import Flask

log = logging.getLogger(__name__)

REQUIRED: dict[str, object] = {
    "FAB_ADD_SECURITY_API": False,
    "FAB_API_KEY_ENABLED": False,
    "FAB_ALLOW_GET_UNSAFE_MUTATIONS": False,
    "FAB_UPDATE_PERMS": False,
    "FAB_CREATE_DB": False,
    "FAB_API_ALLOW_JSON_QS": False,
    "FAB_API_SWAGGER_UI": False,
    "FAB_API_SHOW_STACKTRACE": False,
    "AUTH_USER_REGISTRATION": False,
    "AUTH_ROLES_SYNC_AT_LOGIN": False,
    "AUTH_API_LOGIN_ALLOW_MULTIPLE_PROVIDERS": False,
    "RATELIMIT_ENABLED": True,
    "AUTH_RATE_LIMITED": True,
    "WTF_CSRF_ENABLED": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
}
IN_PRODUCTION: dict[str, object] = {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_NAME": "__Host-session"}


class UnsafeSettingsError(RuntimeError):
    """The platform would start in a state that its own rules forbid."""


def problems(app: Flask) -> list[str]:
    """Every setting that is not what TRUST section 5 asks."""
    found = [f"{key} must be {value!r}" for key, value in REQUIRED.items() if app.config.get(key) != value]
    if app.config.get("AUTH_TYPE") != 1:
        found.append("AUTH_TYPE must be 1 (database)")
    if "csrf" not in app.extensions:
        found.append("CSRFProtect must be initialised")
    if not app.config.get("FAB_SAFE_REDIRECT_HOSTS"):
        found.append("FAB_SAFE_REDIRECT_HOSTS must be set")
    if int(app.config.get("FAB_API_MAX_PAGE_SIZE", 0)) > 100:
        found.append("FAB_API_MAX_PAGE_SIZE must be at most 100")
    if not app.config.get("MAX_CONTENT_LENGTH") or not app.config.get("MAX_FORM_PARTS"):
        found.append("MAX_CONTENT_LENGTH and MAX_FORM_PARTS must be set")
    if len(str(app.config.get("SECRET_KEY") or "")) < 32:
        found.append("SECRET_KEY must have at least 32 characters")
    decoy = str(app.config.get("AUTH_DB_FAKE_PASSWORD_HASH_CHECK", ""))
    method = str(app.config.get("FAB_PASSWORD_HASH_METHOD", "scrypt"))
    if not decoy.startswith(method.split(":", 1)[0]):
        found.append("AUTH_DB_FAKE_PASSWORD_HASH_CHECK must use the method of FAB_PASSWORD_HASH_METHOD")
    return found + _production(app)


def _production(app: Flask) -> list[str]:
    if app.config["ENVIRONMENT"] != "production":
        return []
    found = [f"{key} must be {value!r}" for key, value in IN_PRODUCTION.items() if app.config.get(key) != value]
    if app.debug:
        found.append("debug must be off")
    if not app.config.get("TRUSTED_HOSTS"):
        found.append("QUANHENG_HOSTS must name the public host names")
    if app.config.get("MAIL_DRIVER") == "development":
        found.append("QUANHENG_MAIL must not be 'development'")
    return found


def assert_safe(app: Flask) -> None:
    """Raise UnsafeSettingsError with every problem at once; a secure start says nothing."""
    import openpyxl

    found = problems(app)
    if not openpyxl.DEFUSEDXML:
        found.append("defusedxml must be installed beside openpyxl")
    if found:
        raise UnsafeSettingsError("; ".join(found))
