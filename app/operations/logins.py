"""The log-in behind an account: Flask-AppBuilder's user, and whether a name, phone or address is free."""

from __future__ import annotations

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.passwords import hashed
from models.account import Account
from models.enums import AccountState, Role
from models.types import blind_index


def new_user(session: Session, username: str, name: str, email: str | None, password: str | None) -> User:
    """The FAB user behind an account. FAB wants an address; accounts without one get an undeliverable one."""
    user = User()
    user.username, user.first_name, user.last_name = username, name[:64], ""
    user.email = email or f"{username}@accounts.invalid"
    user.password = hashed(password) if password else None
    user.active = password is not None
    session.add(user)
    session.flush()
    return user


def username_taken(session: Session, username: str) -> bool:
    """User names are unique in the deployment, whatever their case."""
    statement = select(User.id).where(func.lower(User.username) == username.lower())
    return session.execute(statement).first() is not None


def email_taken(session: Session, email: str) -> bool:
    """FAB keeps addresses unique among its users."""
    statement = select(User.id).where(func.lower(User.email) == email.lower())
    return session.execute(statement).first() is not None


def phone_taken(session: Session, phone: str, but: int | None = None) -> bool:
    """Whether another account that is not closed uses the number."""
    statement = select(Account.id).where(
        Account.phone_index == blind_index(phone), Account.state != AccountState.CLOSED, Account.id != (but or 0)
    )
    return session.execute(statement.execution_options(unscoped=True)).first() is not None


def security_administrators(session: Session) -> list[int]:
    """Ids of those who confirm and countersign; whoever asks them need not see their accounts."""
    statement = select(Account.id).where(Account.roles.contains([Role.SEC.value]), Account.state == AccountState.ACTIVE)
    return list(session.execute(statement.order_by(Account.id).execution_options(unscoped=True)).scalars())
