"""`/api/v1/token`: a program logs in with name and password and gets a token for 15 minutes; DELETE takes it back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify, request
from flask_babel import gettext

from app.access import second_factor
from app.access.limits import by_address, hit
from app.access.passwords import renewal_due
from app.access.tokens import MINUTES, end, issue, second_factor_fits
from app.errors import InvalidInputError
from models.base import db
from models.enums import AccountState

api_token = Blueprint("api_token", __name__, url_prefix="/api/v1/token")
TRIES = "50 per hour"


def _refused() -> tuple[Any, int]:
    return jsonify(error=gettext("账号、密码或动态口令错误，或账号暂不能登录。")), 401


@api_token.post("")
def log_in() -> Any:
    """Body {"username", "password", "code"}: code only where the account uses dynamic codes."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not all(
        isinstance(body.get(k, ""), str) for k in ("username", "password", "code")
    ):
        raise InvalidInputError(gettext('请求内容须为 JSON 对象，例如 {"username": "…", "password": "…"}。'))
    hit(by_address("api-token"), current_app.config.get("TOKEN_LIMIT", TRIES))
    manager = current_app.appbuilder.sm  # type: ignore[attr-defined]
    account = manager.prove(body.get("username", ""), body.get("password", "")).account
    if account is None or account.state != AccountState.ACTIVE or renewal_due(account):
        return _refused()
    if not second_factor_fits(db.session(), account, body.get("code", "")):
        return _refused()
    manager.note_entry(account, "password+totp" if second_factor.switched_on(account) else "password")
    answer = jsonify(access_token=issue(db.session(), account), token_type="Bearer", expires_in=MINUTES * 60)  # noqa: S106
    answer.headers["Cache-Control"] = "no-store"
    return answer


@api_token.delete("")
def log_out() -> Any:
    """The token of this request counts no longer."""
    end(db.session())
    return jsonify(ended=True)
