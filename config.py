"""Every setting of the platform, read from the environment once, with its meaning beside it.

Nothing else reads the environment for settings. A production deployment sets QUANHENG_ENV=production; the start-up
check in app/access/hardening.py then refuses unsafe values instead of warning.
"""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path

from werkzeug.security import generate_password_hash

HASH_METHOD = "scrypt:32768:8:1"
ROOT = Path(__file__).resolve().parent


def _flag(name: str, default: bool) -> bool:
    return os.environ.get(name, str(default)).strip().lower() in {"1", "true", "yes", "on"}


def var_dir() -> Path:
    """The folder that holds everything the platform keeps besides the database (QUANHENG_VAR, default ./var)."""
    return Path(os.environ.get("QUANHENG_VAR") or ROOT / "var").resolve()


def _kept_secret(name: str) -> str:
    """A secret made once at random and kept under var/secrets, so that no deployment ever shares a default."""
    from_env = os.environ.get(f"QUANHENG_{name.upper()}")
    if from_env:
        return from_env
    folder = var_dir() / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / name
    try:
        # O_EXCL: two processes starting at once must not write two different keys
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return file.read_text().strip()


def _provider(name: str) -> dict[str, str]:
    """The settings of one identity provider; without a client id it is not offered."""
    prefix = f"QUANHENG_{name.upper()}_"
    keys = ("issuer", "client_id", "client_secret", "code_claim", "name_claim")
    return {key: os.environ.get(prefix + key.upper(), "") for key in keys}


def settings() -> dict[str, object]:
    """All settings as one mapping for `app.config.from_mapping`."""
    from app.embedded import endpoints

    own = endpoints(var_dir())
    environment = os.environ.get("QUANHENG_ENV", "development")
    https = _flag("QUANHENG_HTTPS", environment == "production")
    redis_url = os.environ.get("REDIS_URL") or own.redis_url
    base_url = os.environ.get("QUANHENG_BASE_URL") or (
        f"http://{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8080')}"
    )
    hosts = [h for h in os.environ.get("QUANHENG_HOSTS", "").split(",") if h]
    return {
        # who we are
        "ENVIRONMENT": environment,
        "PROFILE": os.environ.get("QUANHENG_PROFILE", "all"),  # which TOML under app/profiles decides
        "BASE_URL": base_url,  # what links in mails and QR codes begin with; never taken from a request
        "VAR_DIR": str(var_dir()),
        "SECRETS_DIR": os.environ.get("QUANHENG_SECRETS") or str(var_dir() / "secrets"),  # further keys: see docs
        "UPLOAD_DIR": os.environ.get("QUANHENG_UPLOADS") or str(var_dir() / "uploads"),
        # electronic signatures (docs/adr/0009-signature.md): a PKCS#12 file and a file with its password; a folder with
        # <institute code>.p12 and <institute code>.password for institutes with a key of their own; an RFC 3161 service
        "SIGNING_KEY": os.environ.get("QUANHENG_SIGNING_KEY", ""),
        "SIGNING_PASSWORD_FILE": os.environ.get("QUANHENG_SIGNING_PASSWORD_FILE", ""),
        "SIGNING_FOLDER": os.environ.get("QUANHENG_SIGNING_FOLDER", ""),
        "TIMESTAMP_URL": os.environ.get("QUANHENG_TIMESTAMP_URL", ""),  # empty: no time stamps
        # stores
        "SQLALCHEMY_DATABASE_URI": os.environ.get("DATABASE_URL") or own.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # hide_parameters: database errors otherwise carry row data into the logs
            "hide_parameters": True,
            "pool_size": 5,
            "pool_pre_ping": True,
        },
        "REDIS_URL": redis_url,
        # sessions, forms
        "SECRET_KEY": _kept_secret("secret_key"),
        "PERSONAL_DATA_KEY": _kept_secret("personal_data_key"),
        "AUDIT_KEY": _kept_secret("audit_key"),
        "SESSION_COOKIE_NAME": "__Host-session" if https else "session",
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=12),
        "SESSION_IDLE": timedelta(minutes=30),
        "SESSION_REMEMBERED": timedelta(days=7),  # with 记住密码 ticked, where the profile offers it
        # dynamic codes (TOTP) for administrators, security, audit, regulators and approvers: required, offered or off
        "SECOND_FACTOR": os.environ.get(
            "QUANHENG_SECOND_FACTOR", "required" if environment == "production" else "offered"
        ),
        "WTF_CSRF_ENABLED": True,
        "WTF_CSRF_CHECK_DEFAULT": False,  # the edge checks every unsafe request but those that bring a bearer token
        "WTF_CSRF_TIME_LIMIT": 12 * 3600,
        "WTF_CSRF_SSL_STRICT": https,
        "MAX_CONTENT_LENGTH": 32 * 1024 * 1024,
        "MAX_FORM_PARTS": 2000,
        "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
        "SEND_FILE_MAX_AGE_DEFAULT": 3600,
        "PREFERRED_URL_SCHEME": "https" if https else "http",
        "PROXY_COUNT": int(os.environ.get("QUANHENG_PROXIES", "0")),
        "TRUSTED_HOSTS": hosts or None,
        # Flask-AppBuilder: see TRUST settings asserted in app/access/hardening.py
        "APP_NAME": "权衡",
        "AUTH_TYPE": 1,
        "AUTH_USER_REGISTRATION": False,
        "AUTH_ROLE_PUBLIC": "Public",
        "AUTH_ROLE_ADMIN": "FabAdmin",
        "AUTH_ROLES_SYNC_AT_LOGIN": False,
        "AUTH_API_LOGIN_ALLOW_MULTIPLE_PROVIDERS": False,
        "FAB_BASE_TEMPLATE": "layout.html",
        "FAB_CREATE_DB": False,
        "FAB_UPDATE_PERMS": False,
        "FAB_ADD_SECURITY_API": False,
        "FAB_ADD_SECURITY_VIEWS": True,
        "FAB_ADD_SECURITY_PERMISSION_VIEW": False,
        "FAB_ADD_SECURITY_VIEW_MENU_VIEW": False,
        "FAB_ADD_SECURITY_PERMISSION_VIEWS_VIEW": False,
        "FAB_API_KEY_ENABLED": False,
        "FAB_ALLOW_GET_UNSAFE_MUTATIONS": False,
        "FAB_API_ALLOW_JSON_QS": False,
        "FAB_API_MAX_PAGE_SIZE": 100,
        "FAB_API_SWAGGER_UI": False,
        "FAB_API_SHOW_STACKTRACE": False,
        "FAB_OPENAPI_SERVERS": [{"url": "/"}],
        "FAB_SAFE_REDIRECT_HOSTS": hosts or [base_url.split("//", 1)[-1].split("/", 1)[0]],
        "FAB_PASSWORD_COMPLEXITY_ENABLED": True,
        "FAB_PASSWORD_HASH_METHOD": HASH_METHOD,
        # what an unknown name is checked against: it must cost exactly what a known one costs
        "AUTH_DB_FAKE_PASSWORD_HASH_CHECK": generate_password_hash(secrets.token_hex(16), method=HASH_METHOD),
        # limits stay in Redis; when Redis is lost the limiter refuses instead of opening (see app/access/limits.py)
        "RATELIMIT_ENABLED": True,
        "RATELIMIT_STORAGE_URI": redis_url.replace("unix://", "redis+unix://", 1),
        "AUTH_RATE_LIMITED": True,
        "AUTH_RATE_LIMIT": os.environ.get("QUANHENG_LOGIN_LIMIT", "50 per hour"),
        # language
        "BABEL_DEFAULT_LOCALE": "zh",
        "BABEL_DEFAULT_TIMEZONE": "Asia/Shanghai",
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "translations"),
        "LANGUAGES": {"zh": {"flag": "cn", "name": "中文"}},
        # mail: "development" keeps messages in a table that an administrator reads; "smtp" sends them
        "MAIL_DRIVER": os.environ.get("QUANHENG_MAIL", "development"),
        "SMTP_URL": os.environ.get("QUANHENG_SMTP", "smtp://127.0.0.1:25"),
        "MAIL_FROM": os.environ.get("QUANHENG_MAIL_FROM", "noreply@quanheng.invalid"),
        # text messages: "development" keeps them as mails are kept; "http" posts {"phone", "text", "key"} to a gateway
        "SMS_DRIVER": os.environ.get("QUANHENG_SMS", "development"),
        "SMS_URL": os.environ.get("QUANHENG_SMS_URL", ""),
        "SMS_TOKEN": os.environ.get("QUANHENG_SMS_TOKEN", ""),
        # ways in through others (app/access/providers): one entry per provider named in the profile's login.methods,
        # QUANHENG_SSO_GOV_ISSUER, …_CLIENT_ID, …_CLIENT_SECRET, …_CODE_CLAIM, …_NAME_CLAIM; the same for QQ, LICENCE
        "IDENTITY_PROVIDERS": {name: _provider(name) for name in ("sso_gov", "qq", "licence")},
    }
