"""Sessions kept on the server, in PostgreSQL: the cookie holds a random key, nothing else (law 4, ASVS 7).

Logging out deletes the row, so a copied cookie is worthless; disabling an account or changing its password raises
the account's epoch, which ends every session begun before. A visitor who typed nothing gets no session at all.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy import delete, insert, select, update
from werkzeug.datastructures import CallbackDict

from app import clock
from models.account import WebSession
from models.base import db

TOUCH = timedelta(minutes=1)
IGNORED = {"locale"}


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """The session's content, its key, whether anything in it changed, and whether the browser keeps it for days."""

    def __init__(self, data: dict[str, Any] | None = None, key: str | None = None) -> None:
        def changed(_self: Any) -> None:
            self.modified = True

        super().__init__(data or {}, changed)
        self.key = key
        self.modified = False
        self.seen_at: datetime | None = None
        self.remembered = False

    @property
    def worth_keeping(self) -> bool:
        return bool(set(self) - IGNORED)


def is_over(app: Flask, row: WebSession, now: datetime) -> bool:
    """Whether a stored session counts no longer."""
    lifetime = app.config["SESSION_REMEMBERED"] if row.remembered else app.permanent_session_lifetime
    if row.created_at <= now - lifetime:
        return True
    return bool(row.account_id) and not row.remembered and row.seen_at <= now - app.config["SESSION_IDLE"]


def fingerprint(key: str) -> str:
    """What the database keeps of a session's key."""
    return hashlib.sha256(key.encode()).hexdigest()


class DatabaseSessions(SessionInterface):
    """Opens and saves sessions.

    A session lives for PERMANENT_SESSION_LIFETIME and dies after SESSION_IDLE without a request; a remembered one lives
    for SESSION_REMEMBERED, however long the browser was closed.
    """

    def open_session(self, app: Flask, request: Request) -> ServerSession:
        key = request.cookies.get(app.config["SESSION_COOKIE_NAME"])
        if not key or request.path.startswith("/static/") or len(key) > 100:
            return ServerSession()
        statement = select(WebSession).where(WebSession.key_hash == fingerprint(key)).execution_options(unscoped=True)
        row = db.session.execute(statement).scalar_one_or_none()
        now = clock.now()
        if row is None or is_over(app, row, now):
            return ServerSession()
        session = ServerSession(dict(row.data), key)
        session.seen_at, session.remembered = row.seen_at, row.remembered
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, ServerSession)
        name = app.config["SESSION_COOKIE_NAME"]
        response.vary.add("Cookie")
        if not session.worth_keeping:
            if session.key and session.modified:
                self._forget(session.key)
                response.delete_cookie(name, path="/", secure=app.config["SESSION_COOKIE_SECURE"])
            return
        stale = session.seen_at is None or clock.now() - session.seen_at > TOUCH
        if not session.modified and not stale:
            return
        fresh = session.pop("fresh", False)
        if session.key and fresh:
            self._forget(session.key)  # a new key at log-in: a key planted before it is worth nothing
            session.key = None
        key = session.key or secrets.token_urlsafe(32)
        self._store(key, session)
        if key != session.key:
            response.set_cookie(
                name,
                key,
                httponly=True,
                secure=app.config["SESSION_COOKIE_SECURE"],
                samesite=app.config["SESSION_COOKIE_SAMESITE"],
                path="/",
                max_age=app.config["SESSION_REMEMBERED"] if session.remembered else None,
            )

    def _store(self, key: str, session: ServerSession) -> None:
        from flask import g, request

        account = g.get("account")
        data = {k: v for k, v in session.items() if k not in IGNORED}
        if "_user_id" not in data:
            account = None
        elif account is not None and "epoch" not in data:
            data["epoch"] = account.session_epoch
        values = {
            "key_hash": fingerprint(key),
            "data": data,
            "account_id": account.id if account is not None else None,
            "seen_at": clock.now(),
            "ip": request.remote_addr,
            "agent": (request.user_agent.string or "")[:200],
            "remembered": session.remembered,
        }
        if session.key:
            # only while the row is there: a request under way must not bring back a session that was just ended
            kept = update(WebSession).where(WebSession.key_hash == values.pop("key_hash")).values(**values)
            db.session.execute(kept.execution_options(unscoped=True, synchronize_session=False))
        else:
            db.session.execute(insert(WebSession).values(**values, created_at=clock.now()))
        db.session.commit()

    def _forget(self, key: str) -> None:
        statement = delete(WebSession).where(WebSession.key_hash == fingerprint(key))
        db.session.execute(statement.execution_options(unscoped=True))
        db.session.commit()
