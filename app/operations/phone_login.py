"""Logging in by a code sent to the phone, and the look-ups of the second step: both happen before anybody is logged in.

Only active accounts, and only phones verified within the last 24 months: a number given up by somebody who left may
belong to another person by now (must-never case 35).
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from app import clock
from app.access import second_factor
from app.access.audit import audit
from app.access.load import account_by_id
from app.access.names import OPEN, account_with_phone, may_enter
from app.access.principal import as_system
from app.errors import InvalidInputError, QuanhengError
from app.operations.codes import check_code, send_code
from models.account import Account
from models.enums import AccountState, Role

PURPOSE, VERIFIED_FOR = "login", timedelta(days=730)
CURES = {
    AccountState.PENDING: "注册申请正在审核，请用密码登录查看进度。",
    AccountState.RETURNED: "注册申请未通过，请用密码登录查看原因并修改。",
    AccountState.LOCKED: "账号已被锁定，请稍后再试。",
    AccountState.INVITED: "账号尚未激活，请打开激活链接设置密码。",
}
DISABLED = "账号已停用，请联系派发账号的管理员或本单位主账号。"
TOO_OLD = "该手机号未验证，或上次验证已超过24个月，请用密码登录后在“我的账号”重新验证手机号。"


def send_login_code(session: Session, phone: str) -> None:
    """A code for a phone that an account has; for any other one nothing leaves, and nobody can tell."""
    with as_system("nobody is logged in yet: the code will prove the person"):
        known = account_with_phone(session, phone) is not None
        send_code(session, purpose=PURPOSE, phone=phone, deliver=known)


def person_with_code(session: Session, phone: str, code: str) -> Account:
    """The account of somebody who has the phone; InvalidInputError with the cure when it may not enter this way."""
    with as_system("nobody is logged in yet: the code proves the person"):
        check_code(session, purpose=PURPOSE, phone=phone, code=code)
        account = account_with_phone(session, phone)
        if account is None:
            raise InvalidInputError("短信验证码错误或已过期，请重新获取。", field="phone_code")
        sentence = _why_not(session, account)
        if sentence is not None:
            audit(session, "login", outcome="refused", role=Role.ANON.value, account=account, method="phone_code")
        session.commit()  # the code is used up, whatever comes now
        if sentence is not None:
            raise InvalidInputError(sentence, field="phone")
        return account


def _why_not(session: Session, account: Account) -> str | None:
    may = may_enter(session, account)  # first: it opens a lock that has run out
    if account.state != AccountState.ACTIVE:
        return CURES.get(AccountState(account.state), DISABLED)
    if not may:
        return DISABLED
    verified = account.phone_verified_at
    return TOO_OLD if verified is None or clock.now() - verified > VERIFIED_FOR else None


def half_logged_in(session: Session, account_id: int, epoch: int) -> Account | None:
    """The account behind a half log-in, unless it was closed or its sessions were ended since."""
    with as_system("the first step proved the person"):
        account = account_by_id(session, account_id)
        good = account is not None and account.state in OPEN and account.session_epoch == epoch
        return account if good else None


def use_second_factor(session: Session, account: Account, code: str) -> None:
    """Check the dynamic code of the second step; a wrong one leaves its line in the log."""
    with as_system("the first step proved the person"):
        try:
            second_factor.check_code(session, account, code)
        except QuanhengError:
            audit(session, "login", outcome="refused", role=Role.ANON.value, account=account, method="totp")
            session.commit()
            raise
