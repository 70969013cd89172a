"""子用户 (ORG-11): the main account of a unit opens further log-ins by phone; a link by SMS lets the person choose a
password. Sub-users work in the same ledger; they manage no sub-users, close nothing and keep their own phone only."""

from __future__ import annotations

import secrets

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.principal import Principal
from app.access.validators import valid_phone
from app.errors import InvalidInputError, NotVisibleError
from app.operations.account import new_link, text_link
from app.operations.logins import new_user, phone_taken, username_taken
from app.profiles import setting
from app.workflow import ACCOUNT, bear
from app.workflow.engine import check_role
from models.account import Account
from models.enums import AccountKind, AccountState, Role
from models.organisation import Unit
from models.types import blind_index


def invite_sub(session: Session, actor: Principal, *, name: str, phone: str) -> tuple[Account, str]:
    """A sub-user of the actor's unit, not yet active; returns it with the token of the link sent by SMS.

    Raises NotAllowedError for everybody but the main account, SwitchedOffError where the profile has no sub-users,
    InvalidInputError by field (name, phone) or when the unit has as many as it may.
    """
    check_role(ACCOUNT.step("invite_sub"), actor)
    _room_left(session, actor)
    problems: dict[str, str] = {}
    if not name.strip():
        problems["name"] = "请填写“姓名”。"
    if not phone:
        problems["phone"] = "请填写“手机号”。"
    elif not valid_phone(phone):
        problems["phone"] = "手机号格式不正确，请填写11位手机号。"
    elif phone_taken(session, phone):
        problems["phone"] = "该手机号已被使用。"
    if problems:
        raise InvalidInputError("子用户信息有误，请按提示修改。", problems=problems)
    account = Account(
        kind=AccountKind.ENTERPRISE,
        name=name.strip()[:40],
        roles=[Role.SUB.value],
        unit_id=actor.unit_id,
        phone=phone,
        phone_index=blind_index(phone),
    )
    account.user_id = new_user(session, _free_username(session), account.name, None, None).id
    token = new_link(account)
    bear(session, account, "invite_sub", actor)
    audit(session, "invite_sub", entity="account", entity_id=account.id)
    session.refresh(account, ["user"])
    text_link(session, account, token)
    return account, token


def _room_left(session: Session, actor: Principal) -> None:
    """Count under a lock of the unit's row: two tabs cannot both take the last place."""
    most = int(setting("organisation", "subaccount_limit"))
    if session.execute(select(Unit.id).where(Unit.id == actor.unit_id).with_for_update()).first() is None:
        raise NotVisibleError
    statement = select(func.count()).where(
        Account.unit_id == actor.unit_id,
        Account.roles.contains([Role.SUB.value]),
        Account.state != AccountState.CLOSED,
    )
    if (session.scalar(statement) or 0) >= most:
        raise InvalidInputError(f"子用户数量已达上限（{most}个）。")


def _free_username(session: Session) -> str:
    """sub and eight digits: nobody types it, the person logs in by phone."""
    while True:
        name = f"sub{secrets.randbelow(10**8):08d}"
        if not username_taken(session, name):
            return name
