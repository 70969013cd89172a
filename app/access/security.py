"""The security manager: proves who somebody is and asks the role table what a role may open."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask import current_app, g, jsonify, session
from flask_appbuilder.security.sqla.models import Role as FabRole
from flask_appbuilder.security.sqla.models import User
from flask_babel import gettext
from sqlalchemy import select, update
from werkzeug.security import check_password_hash

from app.access.audit import audit
from app.access.limits import by_address, hit
from app.access.load import account_by_user
from app.access.login import AuthView
from app.access.names import accounts_called, mask_typed, may_enter, role_word
from app.access.passwords import problem_with
from app.access.principal import as_system
from app.fab.security import CachedSecurityManager
from models.account import Account
from models.enums import AccountState, Role


@dataclass(frozen=True, slots=True)
class RoleRow:
    """Id and name of a stored role: all that permission checks look at."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a name and a password proved: an account that may enter, or that a closed account was this person's."""

    account: Account | None = None
    closed: bool = False


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
        """The user when name and password fit and the account may log in, else None. For programs (tokens): pages
        go through app.access.login, which asks for the second factor."""
        account = self.prove(username, password).account
        if account is None:
            return None
        self.note_entry(account, "password")
        return account.user

    def prove(self, name: str, password: str, kinds: Collection[str] | None = None) -> Proof:
        """Who this is by name (user name, phone, unit's code) and password; `kinds` are the accounts asked for.

        Every try costs the same look-ups, one password hash and one commit, so that neither answer nor time tells a
        known name from an unknown one. A wrong kind is a wrong password. All doors share one limit per address, which is
        asked first: a flood costs no hash (TooOftenError).
        """
        hit(by_address("password"), str(current_app.config["AUTH_RATE_LIMIT"]))
        with as_system("logging in: the account decides the scope"):
            found, former = accounts_called(self.session, name)
            account = found or former
            stored = account.user.password if account is not None else None
            right = check_password_hash(stored or self._decoy(), password or "") and bool(stored and password)
            if found is None:
                self._as_if_counted()
                audit(self.session, "login", outcome="refused", role=Role.ANON.value, name=mask_typed(name))
                self.session.commit()
                return Proof(closed=right)
            # the row is locked only now: tries at the same moment are counted one after the other
            self.session.refresh(found, with_for_update={"of": Account})
            usable = may_enter(self.session, found)
            if usable and right and (kinds is None or found.kind in kinds):
                return Proof(found)
            self._refuse(found, count=usable)
            return Proof()

    def note_entry(self, account: Account, method: str) -> None:
        """Write down that somebody is in: FAB's counters, the audit line with method and role."""
        with as_system("logging in: the account decides the scope"):
            account.failed_logins = 0
            self.update_user_auth_stat(account.user, True)
            audit(self.session, "login", account=account, role=role_word(account), method=method)
            self.session.commit()

    def _decoy(self) -> str:
        return str(current_app.config["AUTH_DB_FAKE_PASSWORD_HASH_CHECK"])

    def _as_if_counted(self) -> None:
        """What counting a failure of a known name costs the database, for a name that nobody has."""
        self.session.execute(select(Account).where(Account.id == 0).with_for_update(of=Account)).unique().first()
        nobody = update(Account).where(Account.id == 0).values(failed_logins=0)
        self.session.execute(nobody.execution_options(synchronize_session=False))

    def _refuse(self, account: Account, *, count: bool) -> None:
        from app.workflow import ACCOUNT, fire

        audit(self.session, "login", outcome="refused", role=Role.ANON.value, account=account)
        if count:
            account.failed_logins += 1
            if account.failed_logins % 5 == 0 and account.state == AccountState.ACTIVE:
                with as_system("five wrong passwords") as system:
                    fire(self.session, ACCOUNT, account.id, "lock", system)
        self.session.commit()

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
