"""From an account to a principal."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app import clock
from app.access.principal import Principal
from models.account import Account


def principal_of(account: Account) -> Principal:
    """What the account may act as at this moment."""
    institute = account.institute
    body = account.unit or institute
    return Principal(
        account_id=account.id,
        name=account.name,
        roles=account.roles_on(clock.today()),
        unit_id=account.unit_id,
        institute_id=account.institute_id,
        institute_level=institute.level if institute else None,
        institute_area=institute.area if institute else None,
        area=account.area,
        body=body.name if body else "",
    )


def account_by_user(session: Session, user_id: int) -> Account | None:
    """The account of a logged-in user. It decides the scope, so it cannot be read through the scope."""
    statement = (
        select(Account)
        .where(Account.user_id == user_id)
        .options(joinedload(Account.unit), joinedload(Account.institute))
        .execution_options(unscoped=True)
    )
    return session.execute(statement).unique().scalar_one_or_none()


def account_by_id(session: Session, account_id: int) -> Account | None:
    """The account a job acts for."""
    statement = select(Account).where(Account.id == account_id).execution_options(unscoped=True)
    return session.execute(statement).unique().scalar_one_or_none()
