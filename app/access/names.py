"""What people type as their name at the log-in page, and whether the account behind it may enter."""

from __future__ import annotations

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import as_system
from app.access.validators import normal_code
from models.account import Account
from models.enums import AccountState, Role
from models.organisation import Unit
from models.types import blind_index

OPEN = frozenset({AccountState.ACTIVE, AccountState.PENDING, AccountState.RETURNED})


def accounts_called(session: Session, name: str) -> tuple[Account | None, Account | None]:
    """(the living account of that name, the newest closed one that once had it).

    A name is a user name, else a phone, else a unit's code, which means its main account; e-mail addresses are no
    names. All four questions are asked whatever the first ones found: an unknown name takes as long as a known one.
    """
    text = (name or "").strip()[:128]
    index = blind_index(text)
    by_name = select(Account).join(User, Account.user_id == User.id).where(User.username == text)
    by_phone = select(Account).where(Account.phone_index == index, Account.state != AccountState.CLOSED)
    by_code = (
        select(Account)
        .join(Unit, Unit.id == Account.unit_id)
        .where(Unit.code == normal_code(text), Unit.active, Account.state != AccountState.CLOSED)
        .where(Account.roles.contains([Role.ENT.value]))
        .order_by(Account.id)
        .limit(1)
    )
    former = select(Account).where(Account.former_name_index == index).order_by(Account.id.desc()).limit(1)
    answers = [_one(session, statement) for statement in (by_name, by_phone, by_code, former)]
    return next((a for a in answers[:3] if a is not None), None), answers[3]


def account_with_phone(session: Session, phone: str) -> Account | None:
    """The account that is not closed and has this phone."""
    statement = select(Account).where(
        Account.phone_index == blind_index(phone.strip()), Account.state != AccountState.CLOSED
    )
    return _one(session, statement)


def _one(session: Session, statement: Select[Account]) -> Account | None:
    return session.execute(statement).unique().scalar_one_or_none()


def may_enter(session: Session, account: Account) -> bool:
    """A lock that has run out opens itself; every other state must allow logging in."""
    from app.workflow import ACCOUNT, fire

    if account.state == AccountState.LOCKED and account.locked_until and account.locked_until <= clock.now():
        with as_system("the lock has run out") as system:
            fire(session, ACCOUNT, account.id, "unlock", system)
    return account.state in OPEN and bool(account.user.active)


def role_word(account: Account) -> str:
    """The one role that stands in the log for this account's acts."""
    return min((r.value for r in account.roles_on(clock.today())), default=Role.ANON.value)


def mask_typed(name: str) -> str:
    """An unknown name as the log may keep it: people type phones, ID numbers and even passwords there."""
    text = (name or "").strip()
    return f"{text[:2]}***" if text else "（空）"
