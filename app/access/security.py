"""The security manager: proves who somebody is and asks the role table what a role may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, g, jsonify, session
from flask_appbuilder.security.sqla.models import Role as FabRole
from flask_appbuilder.security.sqla.models import User
from flask_babel import gettext
from sqlalchemy import select
from werkzeug.security import check_password_hash

from app import clock
from app.access.audit import audit
from app.access.load import account_by_user
from app.access.login import AuthView
from app.access.passwords import problem_with
from app.access.principal import as_system
from app.fab.security import CachedSecurityManager
from models.account import Account
from models.enums import AccountState, Role
from models.types import blind_index


@dataclass(frozen=True, slots=True)
class RoleRow:
    """Id and name of a stored role: all that permission checks look at."""

    id: int
    name: str


_role_rows: dict[str, RoleRow] = {}


class SecurityManager(CachedSecurityManager):
    """FAB's manager with accounts on top: state, lock-out, and roles decided afresh at every request."""

    authdbview = AuthView

    def create_jwt_manager(self, app: Any) -> Any:
        """FAB's manager with our answer when nobody is logged in, instead of an English one."""
        manager = super().create_jwt_manager(app)

        def refuse(_message: str) -> Any:
            return jsonify(error=gettext("登录已失效，请重新登录。")), 401

        manager.unauthorized_loader(refuse)
        manager.invalid_token_loader(refuse)
        return manager

    def get_user_roles(self, user: Any) -> list[Any]:
        """The roles the account's state allows now, never what a row in ab_user_role says."""
        principal = g.get("principal")
        names = principal.roles if principal is not None else {Role.ANON}
        return [row for row in (self._role_row(r.value) for r in names) if row is not None]

    def _role_row(self, name: str) -> RoleRow | None:
        if name not in _role_rows:
            found = self.session.execute(select(FabRole.id, FabRole.name).where(FabRole.name == name)).first()
            if found is None:
                return None
            _role_rows[name] = RoleRow(*found)
        return _role_rows[name]

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        """Public pages are plain routes with their own list; no FAB view is public but the log-in page."""
        return False

    def auth_user_db(self, username: str, password: str) -> User | None:
        """The user when name (or phone) and password fit and the account may log in, else None.

        Every refusal costs one password hash, so that time does not tell a known name from an unknown one.
        """
        with as_system("logging in: the account decides the scope"):
            account = self._account(username)
            usable = account is not None and account.user.password and self._open(account)
            stored = account.user.password if usable and account else self._decoy()
            right = check_password_hash(stored, password or "") and bool(password)
            if not usable or account is None:
                audit(self.session, "login", outcome="refused", name=username[:60])
                self.session.commit()
                return None
            if not right:
                self._count_failure(account)
                self.session.commit()
                return None
            account.failed_logins = 0
            self.update_user_auth_stat(account.user, True)
            audit(self.session, "login", outcome="done", account=account)
            self.session.commit()
            return account.user

    def _decoy(self) -> str:
        return str(current_app.config["AUTH_DB_FAKE_PASSWORD_HASH_CHECK"])

    def _account(self, name: str) -> Account | None:
        """By user name, else by phone; e-mail addresses are no log-in names."""
        text = (name or "").strip()[:128]
        by_name = select(Account).join(User, Account.user_id == User.id).where(User.username == text)
        found = self.session.execute(by_name).unique().scalar_one_or_none()
        if found is not None:
            return found
        by_phone = select(Account).where(Account.phone_index == blind_index(text), Account.state != AccountState.CLOSED)
        return self.session.execute(by_phone).unique().scalar_one_or_none()

    def _open(self, account: Account) -> bool:
        """A lock that has run out opens itself; every other state must allow logging in."""
        from app.workflow import ACCOUNT, fire

        if account.state == AccountState.LOCKED and account.locked_until and account.locked_until <= clock.now():
            with as_system("the lock has run out") as system:
                fire(self.session, ACCOUNT, account.id, "unlock", system)
        allowed = {AccountState.ACTIVE, AccountState.PENDING, AccountState.RETURNED}
        return account.state in allowed and bool(account.user.active)

    def _count_failure(self, account: Account) -> None:
        from app.workflow import ACCOUNT, fire

        account.failed_logins += 1
        audit(self.session, "login", outcome="refused", account=account)
        if account.failed_logins % 5 == 0 and account.state == AccountState.ACTIVE:
            with as_system("five wrong passwords") as system:
                fire(self.session, ACCOUNT, account.id, "lock", system)

    def load_user(self, pk: int) -> Any:
        """The session's user, unless the account was closed, disabled or its sessions were ended since."""
        user = super().load_user(pk)
        if user is None:
            return None
        account = account_by_user(self.session, user.id)
        if account is None or account.state in {AccountState.DISABLED, AccountState.CLOSED, AccountState.INVITED}:
            return None
        if session.get("epoch", account.session_epoch) != account.session_epoch:
            return None
        g.account = account
        return user

    def password_problem(self, password: str, context: list[str]) -> str | None:
        """Why a password cannot be taken, in a sentence."""
        return problem_with(password, context)
