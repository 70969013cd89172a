"""Settings that must hold, asserted at start-up (TRUST section 5). Production refuses to start without them."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec

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
STRONG = ("scrypt:32768:8:1", "scrypt:65536:8:1", "scrypt:131072:8:1")
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
    if app.config.get("JWT_DECODE_ALGORITHMS") != ["HS256"] or not app.config.get("JWT_DECODE_AUDIENCE"):
        found.append("tokens must be HS256 with a checked audience")
    decoy = str(app.config.get("AUTH_DB_FAKE_PASSWORD_HASH_CHECK", ""))
    method = str(app.config.get("FAB_PASSWORD_HASH_METHOD", "scrypt"))
    if decoy.split("$", 1)[0] != method:
        found.append("AUTH_DB_FAKE_PASSWORD_HASH_CHECK must have the method and cost of FAB_PASSWORD_HASH_METHOD")
    return found + _production(app)


def _production(app: Flask) -> list[str]:
    if app.config["ENVIRONMENT"] != "production":
        return []
    found = [f"{key} must be {value!r}" for key, value in IN_PRODUCTION.items() if app.config.get(key) != value]
    if app.debug:
        found.append("debug must be off")
    if app.config.get("FAB_PASSWORD_HASH_METHOD") not in STRONG:
        found.append(f"FAB_PASSWORD_HASH_METHOD must be one of {', '.join(STRONG)}")
    if not app.config.get("TRUSTED_HOSTS"):
        found.append("QUANHENG_HOSTS must name the public host names")
    if app.config.get("MAIL_DRIVER") == "development":
        found.append("QUANHENG_MAIL must not be 'development'")
    if app.config.get("SMS_DRIVER") == "development":
        found.append("QUANHENG_SMS must not be 'development'")
    for name, provider in dict(app.config.get("IDENTITY_PROVIDERS") or {}).items():
        issuer = provider.get("issuer") or ("https://" if name == "qq" else "")  # QQ's address is known
        if provider.get("client_id") and not issuer.startswith("https://"):
            found.append(f"QUANHENG_{name.upper()}_ISSUER must be https")
    if app.config.get("SMS_DRIVER") == "http" and not str(app.config.get("SMS_URL")).startswith("https://"):
        found.append("QUANHENG_SMS_URL must be https")
    if app.config.get("SECOND_FACTOR") != "required":
        found.append("QUANHENG_SECOND_FACTOR must be 'required'")
    return found


def assert_safe(app: Flask) -> None:
    """Raise UnsafeSettingsError with every problem at once; a secure start says nothing."""
    found = problems(app)
    # what openpyxl.DEFUSEDXML says, without loading a library of twenty megabytes into every process
    if find_spec("defusedxml") is None or os.environ.get("OPENPYXL_DEFUSEDXML", "True") != "True":
        found.append("defusedxml must be installed beside openpyxl")
    if found:
        raise UnsafeSettingsError("; ".join(found))
