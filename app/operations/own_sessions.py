"""Where an account is logged in, its latest log-ins, and ending its sessions: by the person, or by security (ASVS 7.5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.access import second_factor
from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.access.sessions import is_over
from app.access.tokens import MARK
from app.errors import InvalidInputError, NotVisibleError
from app.workflow.outgoing import message
from models.account import Account, WebSession
from models.enums import Role
from models.log import AuditLog

SHOWN = 50
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("MicroMessenger", "微信"),
    ("QQBrowser", "QQ浏览器"),
    ("Firefox", "Firefox"),
)
MORE_BROWSERS = (("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"))


@dataclass(frozen=True, slots=True)
class Place:
    """One session as its owner reads it; `key` names it in forms and opens nothing."""

    key: str
    browser: str
    ip: str
    begun: datetime
    seen: datetime
    remembered: bool
    here: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One log-in or one refused try."""

    at: datetime
    ip: str
    method: str
    done: bool


METHODS = {"password": "密码", "phone_code": "手机验证码", "totp": "动态口令", "qq": "QQ", "licence": "电子营业执照"}
METHODS["sso_gov"] = "政务服务网"


def browser_word(agent: str | None) -> str:
    """Browser and system in a word each: enough to recognise one's own."""
    text = agent or ""
    if text.startswith(MARK):
        return MARK
    name = next((word for sign, word in (*BROWSERS, *MORE_BROWSERS) if sign in text), "其他浏览器")
    system = next((word for sign, word in SYSTEMS if sign in text), "Linux" if re.search("Linux|X11", text) else "")
    return f"{name}，{system}" if system else name


def _rows(session: Session, account: Account) -> list[WebSession]:
    from app import clock

    statement = select(WebSession).where(WebSession.account_id == account.id).order_by(WebSession.seen_at.desc())
    rows = session.execute(statement.limit(200)).scalars()
    app, now = current_app._get_current_object(), clock.now()  # type: ignore[attr-defined]
    return [r for r in rows if not is_over(app, r, now) and r.data.get("epoch") == account.session_epoch]


def places(session: Session, account: Account, this_key: str | None = None) -> list[Place]:
    """Where the account is logged in now, the latest used first; `this_key` is the fingerprint of this browser."""
    return [
        Place(
            key=row.key_hash,
            browser=browser_word(row.agent),
            ip=row.ip or "",
            begun=row.created_at,
            seen=row.seen_at,
            remembered=row.remembered,
            here=row.key_hash == this_key,
        )
        for row in _rows(session, account)[:SHOWN]
    ]


def entries(session: Session, account_id: int, limit: int = 20) -> list[Entry]:
    """The account's latest log-ins and refused tries; scope decides whose one may see."""
    statement = (
        select(AuditLog)
        .where(AuditLog.actor_id == account_id, AuditLog.action == "login")
        .order_by(AuditLog.seq.desc())
        .limit(limit)
    )
    return [
        Entry(row.at, row.ip or "", method_word(str(row.detail.get("method", ""))), row.outcome == "done")
        for row in session.execute(statement).scalars()
    ]


def method_word(method: str) -> str:
    """password+totp → 密码＋动态口令."""
    return "＋".join(METHODS.get(part, part) for part in method.split("+")) if method else "密码"


def end_one(session: Session, account: Account, key: str) -> bool:
    """End one session of the account: its cookie or token opens nothing from now on. False when it is not there."""
    gone = delete(WebSession).where(WebSession.account_id == account.id, WebSession.key_hash == key)
    if not session.execute(gone.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
        return False
    audit(session, "end_session", entity="account", entity_id=account.id)
    return True


def end_others(session: Session, account: Account, this_key: str | None) -> int:
    """End every session of the account but this one; also those that no row shows, by the epoch."""
    others = delete(WebSession).where(WebSession.account_id == account.id, WebSession.key_hash != (this_key or ""))
    count = session.execute(others.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
    account.session_epoch += 1
    audit(session, "end_sessions", entity="account", entity_id=account.id, count=count)
    return int(count)


def account_for_security(session: Session, actor: Principal, account_id: int) -> Account:
    """Another person's account for the security administrator; not there for anybody else."""
    account = session.get(Account, account_id) if actor.has(Role.SEC) else None
    if account is None or account.id == actor.account_id:
        raise NotVisibleError
    return account


def reset_second_factor(session: Session, actor: Principal, account_id: int, reason: str) -> Account:
    """SEC takes the dynamic codes off somebody's account; the person is told."""
    account = account_for_security(session, actor, account_id)
    if account.totp_confirmed_at is None:
        raise InvalidInputError("该账号没有启用动态口令。")
    second_factor.reset(session, account, reason)
    with as_system("the person is told what was done to the account"):
        text = "安全管理员已重置您的动态口令，您在各设备上的登录已退出。如非您本人申请，请立即联系安全管理员。"
        message(
            session, account.id, "动态口令已重置", text, "/me", key=f"totp-reset-{account.id}-{account.session_epoch}"
        )
    return account
