"""我的个人信息, 我的资料 (ORG-02, REG-26): what a person changes about the own account.

A new phone or address is proved by a code sent there; from then on notices go to the new one only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.principal import Principal
from app.access.validators import valid_email, valid_phone
from app.errors import InvalidInputError, NotVisibleError
from app.operations.codes import check_code, send_code
from app.operations.logins import email_taken, phone_taken
from app.operations.places import place_of_use
from app.workflow.outgoing import message
from models.account import Account
from models.enums import AccountKind
from models.reference import Division
from models.types import blind_index, mask_email, mask_phone

GENDERS = ("男", "女")
LENGTHS = {"ethnicity": 20, "address": 200, "employer": 120}


def own_account(session: Session, actor: Principal) -> Account:
    """The account of the one who acts."""
    account = session.get(Account, actor.account_id) if actor.account_id is not None else None
    if account is None:
        raise NotVisibleError
    return account


def editable(account: Account) -> tuple[str, ...]:
    """What the person may change without a code: a natural person's data, the name that a company's account
    goes by. Names of staff stand on certificates and belong to whoever issued the account."""
    if account.kind == AccountKind.INDIVIDUAL:
        return ("gender", "ethnicity", "division_code", "address", "employer")
    return ("name",) if account.kind == AccountKind.ENTERPRISE else ()


def update_profile(session: Session, actor: Principal, values: Mapping[str, Any]) -> Account:
    """Store the fields that `editable` names and ignore every other (must-never case 30).

    Raises InvalidInputError by field.
    """
    account = own_account(session, actor)
    problems: dict[str, str] = {}
    fresh: dict[str, str | None] = {}
    for name in editable(account):
        text = str(values.get(name) or "").strip()
        if name == "gender" and text and text not in GENDERS:
            problems[name] = "“性别”的值不在可选范围内，请重新选择。"
        elif name == "division_code" and text and not _place(session, text):
            problems[name] = "所在地须选择到区县，请重新选择。"
        elif name == "name" and not text:
            problems[name] = "请填写“真实姓名”。"
        elif len(text) > LENGTHS.get(name, 40):
            problems[name] = f"内容过长，最多{LENGTHS.get(name, 40)}个字。"
        fresh[name] = text or None
    if problems:
        raise InvalidInputError("个人信息有误，请按提示修改。", problems=problems)
    changed = [name for name, value in fresh.items() if getattr(account, name) != value]
    for name in changed:
        setattr(account, name, fresh[name])
    if changed:
        audit(session, "edit_profile", entity="account", entity_id=account.id, fields=changed)
    return account


def _place(session: Session, code: str) -> bool:
    place = session.get(Division, code)
    return place is not None and place_of_use(place)


def _check_phone(session: Session, account: Account, phone: str) -> None:
    if not phone:
        raise InvalidInputError("请填写“新手机号码”。", field="phone")
    if not valid_phone(phone):
        raise InvalidInputError("手机号格式不正确，请填写11位手机号。", field="phone")
    if phone_taken(session, phone, account.id):
        raise InvalidInputError("该手机号已被使用，请更换。", field="phone")
    if account.phone == phone:
        raise InvalidInputError("新手机号码与原手机号码相同，请核对。", field="phone")


def _check_email(session: Session, account: Account, email: str) -> None:
    if not email:
        raise InvalidInputError("请填写“新电子邮箱”。", field="email")
    if not valid_email(email):
        raise InvalidInputError("邮箱格式不正确，请核对，例如 name@example.com。", field="email")
    if account.email and account.email.casefold() == email.casefold():
        raise InvalidInputError("新电子邮箱与原电子邮箱相同，请核对。", field="email")
    if email_taken(session, email):
        raise InvalidInputError("该邮箱已被使用，请更换。", field="email")


def ask_phone_code(session: Session, actor: Principal, phone: str) -> None:
    """Send a code to the new number."""
    _check_phone(session, own_account(session, actor), phone)
    send_code(session, purpose="phone", phone=phone)


def ask_email_code(session: Session, actor: Principal, email: str) -> None:
    """Send a code to the new address."""
    _check_email(session, own_account(session, actor), email)
    send_code(session, purpose="email", email=email)


def change_phone(session: Session, actor: Principal, phone: str, code: str) -> None:
    """The new number, proved by its code, is from now on where text messages go and what logs in."""
    account = own_account(session, actor)
    _check_phone(session, account, phone)
    check_code(session, purpose="phone", phone=phone, code=code)
    before = mask_phone(account.phone)
    account.phone, account.phone_index, account.phone_verified_at = phone, blind_index(phone), clock.now()
    audit(session, "change_phone", entity="account", entity_id=account.id, before=before, after=mask_phone(phone))
    _tell(session, account, "您的手机号码已修改，今后的短信发送到新号码。")


def change_email(session: Session, actor: Principal, email: str, code: str) -> None:
    """The new address, proved by its code, is from now on where mails go."""
    account = own_account(session, actor)
    _check_email(session, account, email)
    check_code(session, purpose="email", email=email, code=code)
    before = mask_email(account.email)
    account.email, account.user.email, account.email_verified_at = email, email, clock.now()
    audit(session, "change_email", entity="account", entity_id=account.id, before=before, after=mask_email(email))
    _tell(session, account, "您的电子邮箱已修改，今后的邮件发送到新邮箱。")


def _tell(session: Session, account: Account, sentence: str) -> None:
    """A change nobody asked for must be noticed by the person (ASVS 6.3.7)."""
    message(
        session, account.id, sentence, "如非本人操作，请立即修改密码。", "/me", key=f"profile-{clock.now().timestamp()}"
    )
