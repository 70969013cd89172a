"""Accounts: issued by the administrator, activated by a link, their passwords. Registration has a module of its own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from app import clock
from app.access.audit import audit
from app.access.passwords import problem_with
from app.access.principal import ANONYMOUS, Principal, as_system
from app.access.roles import forbidden_combination
from app.access.validators import USERNAME, valid_email, valid_phone
from app.errors import InvalidInputError
from app.operations.logins import email_taken, new_user, phone_taken, username_taken
from app.operations.registration import (
    PAPERS,
    Paper,
    already_registered,
    institutes_for,
    place_of_use,
    register_unit,
    registration_problems,
    resubmit_registration,
    store_papers,
)
from app.workflow import ACCOUNT, bear, fire
from app.workflow.outgoing import enqueue_mail
from models.account import Account
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute
from models.reference import Division
from models.types import blind_index

__all__ = [
    "PAPERS",
    "Paper",
    "account_of_link",
    "activate",
    "activation_url",
    "already_registered",
    "area_of",
    "change_password",
    "create_admin",
    "institutes_for",
    "issue_account",
    "phone_taken",
    "place_of_use",
    "register_unit",
    "registration_problems",
    "renew_link",
    "resubmit_registration",
    "steps_taken",
    "store_papers",
    "username_taken",
]

BY_COMMAND = 0
"""Stands for the operator of the command line, who countersigns by having the machine."""
LINK_LIFETIME = timedelta(hours=72)


def issue_account(
    session: Session,
    actor: Principal,
    *,
    kind: AccountKind,
    username: str,
    name: str,
    roles: Iterable[Role],
    email: str | None = None,
    phone: str | None = None,
    institute_id: int | None = None,
    area: str | None = None,
) -> tuple[Account, str]:
    """Issue an account; returns it with the one-time activation link's token. Nobody chooses the person's password."""
    chosen = [Role(r) for r in roles]
    problems: dict[str, str] = {}
    if not USERNAME.fullmatch(username):
        problems["username"] = "账号须为4～20位字母或数字，不能包含汉字和符号。"
    elif username_taken(session, username):
        problems["username"] = "该用户名已被使用，请更换。"
    if not name.strip():
        problems["name"] = "请填写“姓名”。"
    if email and not valid_email(email):
        problems["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    elif email and email_taken(session, email):
        problems["email"] = "该邮箱已被使用，请更换。"
    if phone and not valid_phone(phone):
        problems["phone"] = "手机号格式不正确，请填写11位手机号。"
    elif phone and phone_taken(session, phone):
        problems["phone"] = "该手机号已被使用，请更换。"
    if sentence := forbidden_combination(kind, chosen):
        problems["roles"] = sentence
    if kind == AccountKind.INSTITUTE and (institute_id is None or session.get(Institute, institute_id) is None):
        problems["institute_id"] = "请选择“技术机构”。"
    if kind == AccountKind.REGULATOR and not _known_area(session, area):
        problems["area"] = "请选择辖区的行政区划。"
    if problems:
        raise InvalidInputError("账号信息有误，请按提示修改。", problems=problems)
    account = Account(
        kind=kind,
        name=name.strip()[:40],
        roles=sorted(r.value for r in chosen),
        email=email or None,
        phone=phone or None,
        phone_index=blind_index(phone) if phone else None,
        institute_id=institute_id if kind == AccountKind.INSTITUTE else None,
        area=area if kind == AccountKind.REGULATOR else None,
        countersigned_by_id=BY_COMMAND if actor.is_system else None,
    )
    account.user_id = new_user(session, username, account.name, email, None).id
    token = _new_link(account)
    bear(session, account, "issue", actor, {"kind": kind.value, "roles": account.roles})
    audit(session, "issue_account", entity="account", entity_id=account.id, roles=account.roles)
    _mail_link(session, account, token)
    return account, token


def _known_area(session: Session, area: str | None) -> bool:
    """2, 4 or 6 digits that name a province, city or county."""
    if not area or len(area) not in {2, 4, 6} or not area.isdecimal():
        return False
    return session.get(Division, area.ljust(6, "0")) is not None


def area_of(division_code: str) -> str:
    """440100 → 4401, 440000 → 44, 440103 → 440103."""
    trimmed = division_code[:6]
    return trimmed[:2] if trimmed.endswith("0000") else trimmed[:4] if trimmed.endswith("00") else trimmed


def _new_link(account: Account) -> str:
    token = secrets.token_urlsafe(32)
    account.activation_hash = hashlib.sha256(token.encode()).hexdigest()
    account.activation_expires_at = clock.now() + LINK_LIFETIME
    return token


def activation_url(token: str) -> str:
    """The address a person opens once to choose a password."""
    return f"{current_app.config['BASE_URL']}/activate/{token}"


def _mail_link(session: Session, account: Account, token: str) -> None:
    if account.email:
        body = f"{account.name}，您的账号 {account.user.username if account.user else ''} 已开通，请在72小时内打开以下链接设置密码：\n{activation_url(token)}"
        enqueue_mail(session, account.email, "账号激活", body, key=f"activate-{account.id}-{token[:8]}")


def renew_link(session: Session, actor: Principal, account_id: int) -> tuple[Account, str]:
    """A new activation link for an account not yet activated; the old one dies."""
    from app.workflow.engine import lock

    account = lock(session, Account, account_id)
    if account.state != AccountState.INVITED or not actor.has(Role.ADM):
        raise InvalidInputError("只有待激活的账号可以重新发送激活链接。")
    token = _new_link(account)
    audit(session, "renew_activation", entity="account", entity_id=account.id)
    _mail_link(session, account, token)
    return account, token


def account_of_link(session: Session, token: str) -> Account | None:
    """Whose link this is, if it is alive."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    statement = select(Account).where(Account.activation_hash == digest).execution_options(unscoped=True)
    account = session.execute(statement).unique().scalar_one_or_none()
    expires = account.activation_expires_at if account else None
    return account if expires and expires > clock.now() else None


def activate(session: Session, token: str, password: str) -> Account:
    """Set the first password by a one-time link."""
    account = account_of_link(session, token)
    if account is None:
        raise InvalidInputError("链接已失效，请联系管理员重新发送。")
    if problem := problem_with(password, [account.user.username, account.name]):
        raise InvalidInputError(problem, field="password")
    with as_system("the one-time link proves the person"):
        account.user.password = generate_password_hash(password)
        fire(session, ACCOUNT, account.id, "activate", ANONYMOUS)
        audit(session, "activate", entity="account", entity_id=account.id, account=account)
    return account


def create_admin(session: Session, *, username: str, name: str, password: str | None) -> tuple[Account, str]:
    """The first administrator, by command only. With a password the account is active at once."""
    with as_system("bootstrap by the command line") as system:
        account, token = issue_account(
            session, system, kind=AccountKind.ADMIN, username=username, name=name, roles=[Role.ADM]
        )
        if password is not None:
            activate(session, token, password)
    return account, token


def change_password(session: Session, actor: Principal, old: str, new: str) -> None:
    """Change one's own password; the old one is asked, every session but this one ends."""
    from werkzeug.security import check_password_hash

    account = session.get(Account, actor.account_id)
    if account is None or not account.user.password or not check_password_hash(account.user.password, old or ""):
        raise InvalidInputError("原密码不正确，请重新输入。", field="old")
    if problem := problem_with(new, [account.user.username, account.name]):
        raise InvalidInputError(problem, field="password")
    account.user.password = generate_password_hash(new)
    account.session_epoch += 1
    audit(session, "change_password", entity="account", entity_id=account.id)


def steps_taken(account: Account) -> dict[str, Any]:
    """What a registrant sees of the own registration."""
    return {"state": ACCOUNT.label_of(account.state), "reason": account.reason}
