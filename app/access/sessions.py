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
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from werkzeug.datastructures import CallbackDict

from app import clock
from models.account import WebSession
from models.base import db

TOUCH = timedelta(minutes=1)
IGNORED = {"locale"}


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """The session's content, its key and whether anything in it changed."""

    def __init__(self, data: dict[str, Any] | None = None, key: str | None = None) -> None:
        def changed(_self: Any) -> None:
            self.modified = True

        super().__init__(data or {}, changed)
        self.key = key
        self.modified = False
        self.seen_at: datetime | None = None

    @property
    def worth_keeping(self) -> bool:
        return bool(set(self) - IGNORED)


def _fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class DatabaseSessions(SessionInterface):
    """Opens and saves sessions; times follow PERMANENT_SESSION_LIFETIME (absolute) and SESSION_IDLE."""

    def open_session(self, app: Flask, request: Request) -> ServerSession:
        key = request.cookies.get(app.config["SESSION_COOKIE_NAME"])
        if not key or request.path.startswith("/static/") or len(key) > 100:
            return ServerSession()
        statement = select(WebSession).where(WebSession.key_hash == _fingerprint(key)).execution_options(unscoped=True)
        row = db.session.execute(statement).scalar_one_or_none()
        now = clock.now()
        if row is None or row.created_at < now - app.permanent_session_lifetime:
            return ServerSession()
        if row.account_id and row.seen_at < now - app.config["SESSION_IDLE"]:
            return ServerSession()
        session = ServerSession(dict(row.data), key)
        session.seen_at = row.seen_at
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
            "key_hash": _fingerprint(key),
            "data": data,
            "account_id": account.id if account is not None else None,
            "seen_at": clock.now(),
            "ip": request.remote_addr,
            "agent": (request.user_agent.string or "")[:200],
        }
        statement = insert(WebSession).values(**values, created_at=clock.now())
        changed = {k: statement.excluded[k] for k in ("data", "account_id", "seen_at", "ip", "agent")}
        db.session.execute(statement.on_conflict_do_update(index_elements=["key_hash"], set_=changed))
        db.session.commit()

    def _forget(self, key: str) -> None:
        statement = delete(WebSession).where(WebSession.key_hash == _fingerprint(key))
        db.session.execute(statement.execution_options(unscoped=True))
        db.session.commit()
