"""Tokens for programs: short signed access tokens, each tied to a session row, so that ending the session ends the token.

HS256 and nothing else, audience and type checked, 15 minutes (ASVS 9.1.1–9.2.3). Flask-AppBuilder issues tokens that
nobody can take back; here the row in web_session is the list of those that still count (must-never cases 25, 31).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from flask import Flask, request
from flask_jwt_extended import create_access_token, get_jwt, get_jwt_header, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import clock
from app.access import second_factor
from app.access.load import account_by_user
from app.access.principal import as_system
from app.errors import InvalidInputError
from models.account import Account, WebSession
from models.enums import AccountState

TYPE, AUDIENCE, ISSUER, MINUTES = "at+jwt", "quanheng-api", "quanheng", 15
MARK = "接口令牌"


def token_settings(app: Flask) -> None:
    """What the token library must hold to; called once when the application is made."""
    app.config.update(
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ACCESS_TOKEN_EXPIRES=MINUTES * 60,
        JWT_TOKEN_LOCATION=["headers"],
        JWT_HEADER_TYPE="Bearer",
    )


def _fingerprint(sid: str) -> str:
    return hashlib.sha256(sid.encode()).hexdigest()


def bearer() -> bool:
    """Whether this request brings a token instead of a cookie; only the API takes tokens."""
    return request.path.startswith("/api/") and request.headers.get("Authorization", "").startswith("Bearer ")


def second_factor_fits(session: Session, account: Account, code: str) -> bool:
    """Whether the dynamic code is right, where the account uses one; who must have one sets it up in the browser first."""
    if second_factor.must_enrol(account):
        return False
    if not second_factor.switched_on(account):
        return True
    try:
        with as_system("the password was right, the dynamic code decides"):
            second_factor.check_code(session, account, code)
            session.flush()
    except InvalidInputError:
        return False
    return True


def issue(session: Session, account: Account) -> str:
    """A token for 15 minutes and the session row that makes it count. The caller has checked who it is."""
    sid = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            key_hash=_fingerprint(sid),
            account_id=account.id,
            data={"epoch": account.session_epoch},
            created_at=clock.now(),
            seen_at=clock.now(),
            ip=request.remote_addr,
            agent=f"{MARK} {request.user_agent.string or ''}"[:200],
        )
    )
    return str(
        create_access_token(
            identity=str(account.user_id), additional_claims={"sid": sid}, additional_headers={"typ": TYPE}
        )
    )


def _claims() -> dict[str, Any] | None:
    try:
        verify_jwt_in_request()
        return dict(get_jwt()) if get_jwt_header().get("typ") == TYPE else None
    except (JWTExtendedException, PyJWTError):
        return None


def account_of_token(session: Session) -> Account | None:
    """Whose token this request brings, if it still counts: signature, type, audience, time, session row and account."""
    claims = _claims()
    if claims is None or not str(claims.get("sub", "")).isdecimal():
        return None
    key = _fingerprint(str(claims.get("sid", "")))
    statement = select(WebSession).where(WebSession.key_hash == key).execution_options(unscoped=True)
    row = session.execute(statement).scalar_one_or_none()
    account = account_by_user(session, int(claims["sub"]))
    if row is None or account is None or row.account_id != account.id or account.state != AccountState.ACTIVE:
        return None
    return account if row.data.get("epoch") == account.session_epoch else None


def end(session: Session) -> None:
    """Take back the token of this request."""
    claims = _claims() or {}
    statement = delete(WebSession).where(WebSession.key_hash == _fingerprint(str(claims.get("sid", ""))))
    session.execute(statement.execution_options(unscoped=True))
