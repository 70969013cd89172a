"""Accounts: issued by the administrator, activated by a link, their passwords. Registration has a module of its own."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.passwords import hashed, problem_for
from app.access.principal import ANONYMOUS, Principal, as_system
from app.access.roles import KINDS, forbidden_combination
from app.access.validators import USERNAME, normal_code, valid_email, valid_id_number, valid_phone
from app.errors import InvalidInputError
from app.operations.logins import email_taken, new_user, phone_taken, security_administrators, username_taken
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
from app.profiles import setting
from app.workflow import ACCOUNT, bear, fire
from app.workflow.account import TRUSTED, manages
from app.workflow.outgoing import enqueue_mail, enqueue_sms, message
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
    "new_link",
    "phone_taken",
    "place_of_use",
    "register_unit",
    "registration_problems",
    "renew_link",
    "resubmit_registration",
    "send_link",
    "set_password",
    "steps_taken",
    "store_papers",
    "text_link",
    "username_taken",
]

SELF_REGISTERED = (AccountKind.ENTERPRISE, AccountKind.INDIVIDUAL)
BY_COMMAND = 0
"""Stands for the operator of the command line, who countersigns by having the machine."""
LINK_LIFETIME = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Who shall have an account. The person chooses the password, nobody else."""

    kind: AccountKind
    username: str
    name: str
    roles: tuple[Role, ...]
    email: str | None = None
    phone: str | None = None
    institute_id: int | None = None
    area: str | None = None
    valid_until: date | None = None
    id_number: str | None = None
    employer: str | None = None
    specialty: str | None = None


def issue_account(session: Session, actor: Principal, **facts: Any) -> tuple[Account, str]:
    """Issue an account (fields of NewAccount); returns it with the token of the one-time activation link.

    The token is "" when the link may not leave yet: an auditor or security administrator is countersigned first.
    A manager issues staff of the own institute only (must-never case 49); whatever else was sent is not looked at.
    Raises InvalidInputError with every problem by field.
    """
    facts["roles"] = tuple(Role(r) for r in facts["roles"])
    if actor.has(Role.IMG) and not actor.has(Role.ADM):
        facts |= {"kind": AccountKind.INSTITUTE, "institute_id": actor.institute_id, "area": None}
    new = NewAccount(**facts)
    if problems := issue_problems(session, actor, new):
        raise InvalidInputError("账号信息有误，请按提示修改。", problems=problems)
    of_institute, expert = new.kind == AccountKind.INSTITUTE, new.kind == AccountKind.EXPERT
    number = normal_code(new.id_number) if expert and new.id_number else None
    account = Account(
        kind=new.kind,
        name=new.name.strip()[:40],
        roles=sorted(r.value for r in new.roles),
        email=new.email or None,
        phone=new.phone or None,
        phone_index=blind_index(new.phone) if new.phone else None,
        institute_id=new.institute_id if of_institute else None,
        area=new.area if new.kind == AccountKind.REGULATOR else None,
        valid_until=new.valid_until,
        id_number=number,
        id_number_index=blind_index(number) if number else None,
        employer=(new.employer or "").strip()[:120] or None if expert else None,
        specialty=(new.specialty or "").strip()[:60] or None if expert else None,
        countersigned_by_id=BY_COMMAND if actor.is_system else None,
    )
    account.user_id = new_user(session, new.username, account.name, new.email, None).id
    waits = waits_for_countersign(session, account)
    token = "" if waits else new_link(account)
    bear(session, account, "issue", actor, {"kind": new.kind.value, "roles": account.roles})
    audit(session, "issue_account", entity="account", entity_id=account.id, kind=new.kind.value, roles=account.roles)
    session.refresh(account, ["user"])
    if token:
        send_link(session, account, token)
    else:
        _ask_for_countersign(session, account)
    return account, token


def issue_problems(session: Session, actor: Principal, new: NewAccount) -> dict[str, str]:
    """Everything that stands against issuing this account, by field."""
    found: dict[str, str] = {}
    if new.kind in SELF_REGISTERED and not actor.is_system:
        found["kind"] = "使用单位和个人自行注册，不能派发账号。"
    if not USERNAME.fullmatch(new.username):
        found["username"] = "账号须为4～20位字母或数字，不能包含汉字和符号。"
    elif username_taken(session, new.username):
        found["username"] = "该用户名已被使用，请更换。"
    if not new.name.strip():
        found["name"] = "请填写“姓名”。"
    if new.email and not valid_email(new.email):
        found["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    elif new.email and email_taken(session, new.email):
        found["email"] = "该邮箱已被使用，请更换。"
    if new.phone and not valid_phone(new.phone):
        found["phone"] = "手机号格式不正确，请填写11位手机号。"
    elif new.phone and phone_taken(session, new.phone):
        found["phone"] = "该手机号已被使用，请更换。"
    if sentence := forbidden_combination(new.kind, list(new.roles)):
        found["roles"] = sentence
    if new.valid_until is not None and new.valid_until < clock.today():
        found["valid_until"] = "“任职有效期至”不能早于今天。"
    return found | _problems_of_kind(session, actor, new, found)


def _problems_of_kind(session: Session, actor: Principal, new: NewAccount, found: dict[str, str]) -> dict[str, str]:
    """What the kind of account asks for besides."""
    more: dict[str, str] = {}
    if new.kind == AccountKind.INSTITUTE and (
        new.institute_id is None or session.get(Institute, new.institute_id) is None
    ):
        more["institute_id"] = "请选择“技术机构”。"
    if new.kind == AccountKind.REGULATOR and not _known_area(session, new.area):
        more["area"] = "请选择辖区的行政区划。"
    if new.kind in TRUSTED and not (new.email or new.phone) and not actor.is_system:
        more["email"] = "审计员和安全管理员的激活链接只发给本人，请填写邮箱或手机号。"
    if new.kind == AccountKind.EXPERT:
        if not new.phone and "phone" not in found:
            more["phone"] = "请填写“手机号”。"
        if not new.id_number:
            more["id_number"] = "请填写“身份证号”。"
        elif setting("validate", "id_checksum") and not valid_id_number(normal_code(new.id_number)):
            more["id_number"] = "身份证号码校验不正确。"
        elif _expert_known(session, normal_code(new.id_number)):
            more["id_number"] = "该身份证号已有专家账号。"
    return more


def _expert_known(session: Session, id_number: str) -> bool:
    """One person is one expert."""
    statement = select(Account.id).where(
        Account.kind == AccountKind.EXPERT,
        Account.state != AccountState.CLOSED,
        Account.id_number_index == blind_index(id_number),
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def waits_for_countersign(session: Session, account: Account) -> bool:
    """Whether the security administrator has to sign before anybody gets the link; the first of them is exempt."""
    if account.kind not in TRUSTED or account.countersigned_by_id is not None:
        return False
    return account.kind != AccountKind.SECURITY or bool(security_administrators(session))


def countersign(session: Session, actor: Principal, account_id: int, seen_version: int | None = None) -> Account:
    """The security administrator signs; only now the link goes to the person, and to nobody else."""
    account: Account = fire(session, ACCOUNT, account_id, "countersign", actor, seen_version=seen_version)
    audit(session, "countersign", entity="account", entity_id=account.id, roles=list(account.roles))
    send_link(session, account, new_link(account))
    session.flush()
    return account


def _ask_for_countersign(session: Session, account: Account) -> None:
    words = f"{account.name}的账号（{KINDS[AccountKind(account.kind)]}）等待您会签。"
    for security_id in security_administrators(session):
        message(session, security_id, words, "", f"/accounts/show/{account.id}", key=f"countersign-{account.id}")


def _known_area(session: Session, area: str | None) -> bool:
    """2, 4 or 6 digits that name a province, city or county."""
    if not area or len(area) not in {2, 4, 6} or not area.isdecimal():
        return False
    return session.get(Division, area.ljust(6, "0")) is not None


def area_of(division_code: str) -> str:
    """440100 → 4401, 440000 → 44, 440103 → 440103."""
    trimmed = division_code[:6]
    return trimmed[:2] if trimmed.endswith("0000") else trimmed[:4] if trimmed.endswith("00") else trimmed


def new_link(account: Account) -> str:
    """A fresh one-time link; whatever link the account had before dies."""
    token = secrets.token_urlsafe(32)
    account.activation_hash = hashlib.sha256(token.encode()).hexdigest()
    account.activation_expires_at = clock.now() + LINK_LIFETIME
    return token


def activation_url(token: str) -> str:
    """The address a person opens once to choose a password."""
    return f"{current_app.config['BASE_URL']}/activate/{token}"


def send_link(session: Session, account: Account, token: str) -> None:
    """The link by mail, or by SMS to somebody who has no mail address here."""
    if not account.email:
        text_link(session, account, token)
        return
    user = account.user.username if account.user else ""
    body = f"{account.name}，您的账号 {user} 已开通，请在72小时内打开以下链接设置密码：\n{activation_url(token)}"
    enqueue_mail(session, account.email, "账号激活", body, key=f"activate-{account.id}-{token[:8]}", secret=True)


def renew_link(session: Session, actor: Principal, account_id: int) -> tuple[Account, str]:
    """A new activation link for an account not yet activated; the old one dies."""
    from app.workflow.engine import lock

    account = lock(session, Account, account_id)
    if account.state != AccountState.INVITED or not _may_renew(account, actor):
        raise InvalidInputError("只有待激活的账号可以重新发送激活链接。")
    if waits_for_countersign(session, account):
        raise InvalidInputError("该账号须由安全管理员会签后才能发送激活链接，请联系安全管理员。")
    token = new_link(account)
    audit(session, "renew_activation", entity="account", entity_id=account.id)
    send_link(session, account, token)
    return account, token


def _may_renew(account: Account, actor: Principal) -> bool:
    """The administrator, the manager of the person's institute, the main account of the sub-user's unit."""
    own_sub = actor.has(Role.ENT) and account.unit_id == actor.unit_id and Role.SUB in account.roles
    return actor.has(Role.ADM) or own_sub or manages(account, actor)


def text_link(session: Session, account: Account, token: str) -> None:
    """Send the link to the phone of somebody who has no mail address here."""
    if account.phone:
        body = f"{account.name}，您的账号已开通，请在72小时内打开以下链接设置密码：{activation_url(token)}"
        enqueue_sms(session, account.phone, body, key=f"activate-{account.id}-{token[:8]}")


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
    if problem := problem_for(account, password):
        raise InvalidInputError(problem, field="password")
    with as_system("the one-time link proves the person"):
        set_password(account, password)
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


def set_password(account: Account, password: str) -> None:
    """Give the account a password that was judged already; nothing is left to change first. The second factor stays."""
    account.user.password = hashed(password)
    account.password_changed_at, account.must_change_password = clock.now(), False


def change_password(session: Session, actor: Principal, old: str, new: str) -> None:
    """Change one's own password; the old one is asked, every session but this one ends.

    An account made by single sign-on has none yet: the page asks for the provider's word instead (views/password.py).
    """
    from werkzeug.security import check_password_hash

    account = session.get_one(Account, actor.account_id)
    stored = account.user.password
    if stored and not check_password_hash(stored, old or ""):
        raise InvalidInputError("旧密码不正确，请重新输入。", field="old")
    if problem := problem_for(account, new):
        raise InvalidInputError(problem, field="password")
    if stored and new == old:
        raise InvalidInputError("新密码不能与旧密码相同，请更换。", field="password")
    set_password(account, new)
    account.session_epoch += 1
    audit(session, "change_password", entity="account", entity_id=account.id)


def steps_taken(account: Account) -> dict[str, Any]:
    """What a registrant sees of the own registration."""
    return {"state": ACCOUNT.label_of(account.state), "reason": account.reason}
