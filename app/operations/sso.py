"""Coming in through an identity provider (LOG-06, LOG-08, LOG-09): whose account an identity is.

Issuer and subject decide. The first time, a provider that vouches for units joins by the unit's code, never by a name
or a phone; and only to an account that is active: a registration still waiting may be a stranger's who typed the code.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.names import may_enter
from app.access.principal import ANONYMOUS, as_system
from app.access.providers import REGISTERS, Identity, IdentityRefusedError
from app.access.validators import normal_code, valid_org_code, valid_uscc
from app.errors import InvalidInputError
from app.operations.bindings import add_identity
from app.operations.logins import new_user, username_taken
from app.profiles import setting, switch_on
from app.workflow import bear
from models.account import Account, ExternalIdentity
from models.enums import AccountKind, AccountState, Role
from models.organisation import Unit
from models.reference import Division

CREATES = frozenset({"sso_gov"})
"""Providers whose word is enough to make an enterprise; the licence leads to the registration form instead."""
JOIN_LOCK = 1_206  # advisory lock: two first log-ins of one enterprise wait for each other
OTHER_UNIT = "认证的单位与已绑定账号的单位不一致，请联系平台管理员核对。"
NOT_MAIN = "单位的法人身份只能绑定本单位的企业主账号。"
NO_PLACE = "无法由统一社会信用代码确定单位所在地，请联系平台管理员。"


class Way(StrEnum):
    """What comes after the provider's answer."""

    IN = "in"
    REGISTER = "register"
    BIND = "bind"


@dataclass(frozen=True, slots=True)
class Entry:
    """The account that is logged in, or where a stranger goes: to register that code, or to bind an account."""

    way: Way
    account: Account | None = None
    code: str = ""


def enter(session: Session, identity: Identity) -> Entry:
    """Whose account the identity is, making or joining it the first time.

    Raises IdentityRefusedError when the account may not log in or the provider's word fits no enterprise; the refusal
    is in the audit log even though the request is undone. Runs inside one transaction; never commits otherwise.
    """
    with as_system("logging in: the identity decides the scope"):
        try:
            entry = _entry(session, identity)
        except IdentityRefusedError:
            session.rollback()
            audit(session, "login", outcome="refused", name=identity.provider, provider=identity.provider)
            session.commit()
            raise
        session.flush()  # the visitor's own principal sees no account
    return entry


def _entry(session: Session, identity: Identity) -> Entry:
    known = owner_of(session, identity.issuer, identity.subject)
    if known is not None:
        _must_enter(session, known)
        _keep_up(session, known, identity)
        return Entry(Way.IN, known)
    if identity.provider not in REGISTERS:
        return Entry(Way.BIND)
    code = _code_of(identity)
    session.execute(select(func.pg_advisory_xact_lock(JOIN_LOCK, func.hashtext(code))))
    account = owner_of(session, identity.issuer, identity.subject) or main_account(session, code)
    if account is not None:
        _must_enter(session, account)
        add_identity(session, account, identity.provider, identity.issuer, identity.subject)
        return Entry(Way.IN, account)
    if identity.provider not in CREATES:
        return Entry(Way.REGISTER, code=code)
    account = _create(session, identity, code)
    add_identity(session, account, identity.provider, identity.issuer, identity.subject)
    return Entry(Way.IN, account)


def bind(session: Session, account: Account, identity: Identity) -> None:
    """Let the identity open this account too. A unit's own identity opens its main account only.

    Raises InvalidInputError; never commits.
    """
    if identity.provider in REGISTERS:
        fits = account.unit is not None and _same_unit(normal_code(identity.unit_code), account.unit.code)
        if not fits or Role.ENT not in account.roles:
            raise InvalidInputError(NOT_MAIN)
    add_identity(session, account, identity.provider, identity.issuer, identity.subject)


def owner_of(session: Session, issuer: str, subject: str) -> Account | None:
    """The account that the identity is bound to."""
    statement = (
        select(Account)
        .join(ExternalIdentity, ExternalIdentity.account_id == Account.id)
        .where(ExternalIdentity.issuer == issuer, ExternalIdentity.subject == subject)
    )
    return session.execute(statement).unique().scalar_one_or_none()


def main_account(session: Session, code: str) -> Account | None:
    """The main account of the unit that counts under this code, whatever state it is in but closed or unapproved."""
    waiting = (AccountState.CLOSED, AccountState.PENDING, AccountState.RETURNED, AccountState.UNVERIFIED)
    statement = (
        select(Account)
        .join(Unit, Unit.id == Account.unit_id)
        .where(
            Unit.code == code,
            Unit.active,
            Account.kind == AccountKind.ENTERPRISE,
            Account.roles.contains([Role.ENT.value]),
            Account.state.not_in(waiting),
        )
        .order_by(Account.id)
        .limit(1)
    )
    return session.execute(statement).unique().scalar_one_or_none()


def _must_enter(session: Session, account: Account) -> None:
    if not may_enter(session, account):
        raise IdentityRefusedError(f"account is {account.state}")


def _code_of(identity: Identity) -> str:
    """The unit's code in its normal form; a provider that vouches for units must give a possible one."""
    code = normal_code(identity.unit_code)
    right = (valid_uscc(code) or valid_org_code(code)) if setting("validate", "uscc_checksum") else _code_shaped(code)
    if not right:
        raise IdentityRefusedError("no possible unit code")
    return code


def _code_shaped(code: str) -> bool:
    return re.fullmatch(r"[0-9A-Z]{18}|[0-9A-Z]{9}", code) is not None


def _keep_up(session: Session, account: Account, identity: Identity) -> None:
    """The register's present name, where nobody reviews names (LOG-06 更新); another unit's code is no log-in."""
    unit, code = account.unit, normal_code(identity.unit_code)
    if unit is None or identity.provider not in REGISTERS or not code:
        return
    if not _same_unit(code, unit.code):
        raise IdentityRefusedError("another unit", OTHER_UNIT)
    name = identity.unit_name
    if identity.provider in CREATES and name and name != unit.name and _nobody_reviews():
        audit(session, "sso_rename", entity="unit", entity_id=unit.id, before=unit.name, after=name)
        unit.name = name


def _same_unit(one: str, other: str | None) -> bool:
    """Equal, or one is the 9-sign organisation code inside the other's 18 signs; a unit without a code is nobody's."""
    if not other:
        return False
    return one == other or one[8:17] == other or other[8:17] == one


def _nobody_reviews() -> bool:
    return bool(setting("registration", "review")["enterprise"] == "none")


def _create(session: Session, identity: Identity, code: str) -> Account:
    """An enterprise as the government's register has it; contact and address are asked for after the log-in (ORG-07).

    A unit that counts but has lost its main account gets a new one; earlier registrations that were refused, closed or
    still wait stay what they are, and cannot be approved any more while this unit counts.
    """
    if not switch_on("account.sso"):
        raise IdentityRefusedError("switch account.sso is off")
    unit = session.execute(select(Unit).where(Unit.code == code, Unit.active)).unique().scalar_one_or_none()
    if unit is None:
        if not identity.unit_name:
            raise IdentityRefusedError("no unit name")
        unit = Unit(
            code=code,
            name=identity.unit_name,
            active=True,
            division_code=_place(session, code),
            address="",
            contact_name="",
        )
        session.add(unit)
        session.flush()
    account = Account(
        kind=AccountKind.ENTERPRISE,
        name=(identity.person_name or unit.name)[:40],
        roles=[Role.ENT.value],
        unit_id=unit.id,
    )
    username = code if not username_taken(session, code) else f"sso{secrets.token_hex(6)}"
    user = new_user(session, username, account.name, None, None)
    user.active = True  # without a password: only the provider's word opens it
    account.user_id = user.id
    bear(session, account, "sso_enter", ANONYMOUS)
    audit(session, "sso_enter", entity="account", entity_id=account.id, account=account, provider=identity.provider)
    return account


def _place(session: Session, code: str) -> str:
    """The home division: of the authority that registered the unit (signs 3 to 8 of its code), else of the deployment."""
    office = code[2:8] if len(code) == 18 and code[2:8].isdecimal() else ""
    tried = [office, f"{office[:4]}00", f"{office[:2]}0000"] if office else []
    for place in (*tried, str(setting("region", "root") or "")):
        if place and session.get(Division, place) is not None:
            return place
    raise IdentityRefusedError("no place", NO_PLACE)
