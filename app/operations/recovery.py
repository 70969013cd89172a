"""Forgotten passwords on line (LOG-12, LOG-13): a code to the phone or mail the account has, then a new password.

Nobody learns from it whether an account exists (must-never case 8): what is counted depends on the typed words alone,
and for words that fit no account the same rows are written but nothing leaves. A code opens the one account whose
address it went to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.passwords import problem_for
from app.access.principal import ANONYMOUS, as_system
from app.access.validators import valid_email, valid_phone
from app.errors import InvalidInputError, NotVisibleError, TooOftenError
from app.operations.account import set_password
from app.operations.codes import WORDS, check_code, send_code
from app.workflow import ACCOUNT, fire
from models.account import Account
from models.enums import AccountState
from models.types import blind_index

PURPOSE = "recover"
GOOD_FOR = timedelta(minutes=10)  # from the right code to the new password
FIT = frozenset({AccountState.ACTIVE, AccountState.LOCKED})
LATE = "验证已失效，请从第一步重新办理。"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a person typed to say whose password is lost: a user name, a phone or a mail address, as the mode asks."""

    username: str = ""
    phone: str = ""
    email: str = ""

    @property
    def index(self) -> str:
        """A fingerprint of the words, for counting: it does not depend on any account."""
        return blind_index(f"{self.username}|{self.phone}|{self.email}")

    @property
    def channel(self) -> str:
        return "email" if self.email else "phone"

    def address(self, account: Account | None) -> str:
        """Where the code of this claim goes; for strangers a place of its own that nobody reads."""
        if account is not None:
            return str(account.email if self.email else account.phone)
        return self.email or self.phone or f"nobody {self.username}"


def claimed(typed: Mapping[str, str], fields: tuple[str, ...]) -> Claim:
    """The claim of a form; raises InvalidInputError naming what is missing or misshapen."""
    labels = {"username": "用户名", "phone": "手机号码", "email": "电子邮箱"}
    words = {name: typed.get(name, "").strip() for name in fields}
    problems = {name: f"请填写“{labels[name]}”。" for name, word in words.items() if not word}
    if words.get("phone") and not valid_phone(words["phone"]):
        problems["phone"] = "手机号格式不正确，请填写11位手机号。"
    if words.get("email") and not valid_email(words["email"]):
        problems["email"] = "邮箱格式不正确，请核对，例如 name@example.com。"
    if problems:
        raise InvalidInputError("请按提示修改。", problems=problems)
    return Claim(**words)


def _account(session: Session, claim: Claim) -> Account | None:
    """The one account that fits every typed word, may be recovered and can be reached."""
    statement = select(Account).join(User, User.id == Account.user_id).where(Account.state.in_(FIT))
    if claim.username:
        statement = statement.where(User.username == claim.username)
    if claim.phone:
        statement = statement.where(Account.phone_index == blind_index(claim.phone))
    if claim.email:
        statement = statement.where(func.lower(Account.email) == claim.email.lower())
    found = list(session.execute(statement.limit(2)).unique().scalars())
    account = found[0] if len(found) == 1 else None
    return account if account is not None and (account.email if claim.email else account.phone) else None


def ask_code(session: Session, claim: Claim) -> None:
    """Send the code when the words fit an account; the caller says the same in any case, and has counted the claim."""
    with as_system("recovery: nobody is logged in"):
        account = _account(session, claim)
        try:
            where = {claim.channel: claim.address(account)}
            send_code(session, purpose=PURPOSE, deliver=account is not None, **where)
        except (TooOftenError, InvalidInputError):
            # asked for in another way a moment ago, or too often today: that would tell whose address it is
            audit(session, "recovery_code", outcome="refused")
            return
        audit(session, "recovery_code", outcome="done" if account is not None else "refused", account=account)


def prove(session: Session, claim: Claim, code: str) -> Account:
    """Use up the code; returns the account whose password may be set within ten minutes.

    Raises InvalidInputError, the same one for a wrong code and for words that fit no account.
    """
    with as_system("recovery: the code proves the person"):
        account = _account(session, claim)
        check_code(session, purpose=PURPOSE, code=code, **{claim.channel: claim.address(account)})
        if account is None:
            word = WORDS[claim.channel]
            raise InvalidInputError(f"{word}错误或已过期，请重新获取。", field=f"{claim.channel}_code")
        audit(session, "recovery_proved", entity="account", entity_id=account.id, account=account)
    return account


def proved_account(session: Session, account_id: int, epoch: int) -> Account:
    """The account of a proof, as long as nobody has set its password or ended its sessions since."""
    with as_system("recovery: the code proved the person"):
        statement = select(Account).where(Account.id == account_id)
        account = session.execute(statement).unique().scalar_one_or_none()
    if account is None or account.session_epoch != epoch or account.state not in FIT:
        raise NotVisibleError
    return account


def reset_password(session: Session, account_id: int, epoch: int, password: str) -> Account:
    """Set the new password: the old one is dead, every session ends, the second factor stays (LOG-12).

    Raises NotVisibleError when the proof is spent, InvalidInputError when the password is no good.
    """
    with as_system("recovery: the code proved the person"):
        account = proved_account(session, account_id, epoch)
        if problem := problem_for(account, password):
            raise InvalidInputError(problem, field="password")
        fire(session, ACCOUNT, account_id, "reset_password", ANONYMOUS)
        if account.session_epoch != epoch + 1:  # a rival with a copy of the proof was faster
            raise NotVisibleError
        set_password(account, password)
        if account.phone and account.phone_verified_at is None:
            account.phone_verified_at = clock.now()
        audit(session, "reset_password", entity="account", entity_id=account_id, account=account)
        session.flush()
    return account
