"""The edge of a web request: who acts, one commit at the end, headers, and the bell for the workers."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Flask, Response, g, request
from flask_limiter import RateLimitExceeded
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from redis.exceptions import RedisError
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from app.access.audit import audit
from app.access.load import account_by_user, principal_of
from app.access.principal import ANONYMOUS, current_principal, set_principal
from app.access.scope import ScopeError
from app.access.tokens import account_of_token, bearer
from app.channels.bell import ring, ring_job
from app.errors import LimitsLostError, QuanhengError, TokenRefusedError, TooOftenError
from app.fab.dberrors import explain
from app.fab.errors import error_page
from models.base import db
from views.idempotency import keep_answer

csrf = CSRFProtect()
TOKEN_PATH = "/api/v1/token"  # noqa: S105 - an address; logging in there uses no cookie


def init_edge(app: Flask) -> None:
    """Install the hooks; call after AppBuilder, whose own hook sets g.user."""

    @app.before_request
    def begin() -> None:
        if request.path.startswith("/static/"):
            set_principal(ANONYMOUS)
            return
        set_principal(ANONYMOUS)
        g.principal = ANONYMOUS
        if bearer():
            _by_token()
        elif request.endpoint and request.path != TOKEN_PATH:
            csrf.protect()
        if current_user.is_authenticated:
            account = g.get("account") or account_by_user(db.session, current_user.id)
            if account is not None:
                g.account = account
                g.principal = principal_of(account)
        set_principal(g.principal)

    @app.after_request
    def end(response: Response) -> Response:
        if not request.path.startswith("/static/"):
            _settle(app, response)
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        set_principal(None)
        try:
            db.session.remove()
        except SQLAlchemyError:
            app.logger.warning("session could not be closed", exc_info=True)


def _by_token() -> None:
    """Whoever the token names acts, and nobody else: a cookie beside it does not count. No token rides along by
    itself, so these requests need no CSRF token."""
    account = account_of_token(db.session())
    if account is None:
        raise TokenRefusedError
    g._login_user = g.user = account.user
    g.account = account


def _settle(app: Flask, response: Response) -> None:
    """Commit what an act did, once; a page view changes nothing (must-never case 70) unless it says so in
    `g.keep_writes` (a download that leaves its line in the audit log)."""
    changing = request.method not in {"GET", "HEAD", "OPTIONS"} or g.get("keep_writes", False)
    refused = db.session.info.pop("refused", [])
    if response.status_code >= 400 or not changing:
        db.session.rollback()
        _note_refusals(refused)
        return
    keep_answer(response)
    db.session.commit()
    _note_refusals(refused)
    if db.session.info.pop("outbox_filled", False):
        ring(app)
    for job_id in g.pop("jobs_to_ring", []):
        ring_job(app, job_id)


def _note_refusals(refused: list[tuple[str, Any, str, str]]) -> None:
    """Forbidden steps that somebody tried stand in the audit log although nothing came of them."""
    if not refused:
        return
    for entity, pk, step, sentence in refused[:100]:  # a bulk act of a thousand rows needs no thousand lines
        audit(db.session(), "step", outcome="refused", entity=entity, entity_id=pk, step=step, why=sentence)
    db.session.commit()


def init_refusals(app: Flask) -> None:
    """Our own refusals become pages (or JSON) with their sentence and status; after init_errors."""

    @app.errorhandler(QuanhengError)
    def refused(error: QuanhengError) -> Any:
        db.session.rollback()
        answer = app.make_response(
            error_page(error.status, detail=error.sentence, reason=error.code, fix_url=error.fix_url)
        )
        if isinstance(error, TooOftenError):
            answer.headers["Retry-After"] = str(error.seconds)
        return answer

    @app.errorhandler(RateLimitExceeded)
    def limited(_error: RateLimitExceeded) -> Any:
        reached = app.appbuilder.sm.limiter.current_limit  # type: ignore[attr-defined]
        seconds = int(reached.reset_at - time.time()) + 1 if reached is not None else 60
        return refused(TooOftenError(seconds))

    @app.errorhandler(RedisError)
    def uncounted(_error: RedisError) -> Any:
        app.logger.warning("redis is away: a limited page was refused")
        return refused(LimitsLostError())

    @app.errorhandler(SQLAlchemyError)
    def database(error: SQLAlchemyError) -> Any:
        db.session.rollback()
        if isinstance(error, ScopeError):
            return error_page(404)
        if isinstance(error, (IntegrityError, DataError)):
            return error_page(409, detail=explain(error))
        app.logger.error("request %s failed in the database", g.get("request_id", ""), exc_info=error)
        return error_page(500)


def ring_after_commit(job_id: int) -> None:
    """Wake a worker for a job once this request has been committed; before that the worker would not see it."""
    g.setdefault("jobs_to_ring", []).append(job_id)


def require_principal() -> object:
    """The principal of this request; a programming mistake when there is none."""
    principal = current_principal()
    if principal is None:
        raise RuntimeError("no principal in this context")
    return principal


BROWSER_TRASH = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def clean(text: str | None, limit: int = 500) -> str:
    """What a person typed, without control and direction signs, trimmed and cut to `limit`."""
    return BROWSER_TRASH.sub("", text or "").strip()[:limit]
