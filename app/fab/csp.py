"""Answer headers: a content policy with nonces and no inline styles, and the rest of TRUST's list."""

from __future__ import annotations

import re
import secrets
import uuid

from flask import Flask, Response, g, has_request_context, request
from flask_login import current_user

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
YEAR = 31_536_000  # seconds


def csp_nonce() -> str:
    """This request's nonce, for <script nonce="{{ csp_nonce() }}">; Flask-AppBuilder's templates ask for it by name."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return g.csp_nonce


def policy() -> str:
    """The Content-Security-Policy of a page. Previews of chosen pictures are blob:, QR codes may be data:."""
    script = f"'self' 'nonce-{g.csp_nonce}'" if "csp_nonce" in g else "'self'"
    return (
        f"default-src 'self'; script-src {script}; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


def init_headers(app: Flask) -> None:
    """Give every request an id and every answer its headers; call before other before_request functions."""

    @app.before_request
    def name_request() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]

    @app.after_request
    def set_headers(answer: Response) -> Response:
        headers = answer.headers
        headers.setdefault("Content-Security-Policy", policy())
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers["X-Request-ID"] = g.get("request_id", "")
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", f"max-age={YEAR}; includeSubDomains")
        if not _is_static() and _logged_in():
            headers["Cache-Control"] = "no-store"
            headers.add("Vary", "Cookie")
        return answer

    app.jinja_env.globals["csp_nonce"] = csp_nonce


def _is_static() -> bool:
    return (request.endpoint or "").rsplit(".", 1)[-1] == "static"


def _logged_in() -> bool:
    try:
        return has_request_context() and bool(current_user and current_user.is_authenticated)
    except Exception:  # noqa: BLE001 - the database is gone while the account is being loaded: be strict
        return True
