"""Dynamic codes (TOTP, RFC 6238) beside the password: six digits, 30 seconds, each counter once (ASVS 6.3.3, 6.5.1).

A code of the step before or after is taken too, because clocks differ; one that was used, or is older than the last
used one, never again. Resetting a password does not touch it (ASVS 6.4.3); a security administrator may reset it for
somebody who lost the device, with a reason that is logged.
"""

from __future__ import annotations

import hmac

import pyotp
from flask import current_app
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.limits import check, hit
from app.access.passwords import is_privileged
from app.errors import InvalidInputError, NotAllowedError
from models.account import Account

STEP, DRIFT = 30, 1  # seconds; steps that clocks may differ
WRONG_CODES = "5 per 15 minutes"
WRONG = "动态口令不正确或已使用过，请等待下一个口令后重试。"


def mode() -> str:
    """required, offered or off."""
    return str(current_app.config["SECOND_FACTOR"])


def switched_on(account: Account) -> bool:
    """Whether logging in to this account asks for a code."""
    return mode() != "off" and account.totp_confirmed_at is not None


def must_enrol(account: Account) -> bool:
    """Whether the person has to set it up before anything else."""
    return mode() == "required" and account.totp_confirmed_at is None and is_privileged(account.roles)


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def address(secret: str, account: Account) -> str:
    """The otpauth:// address that an authenticator app reads from the QR code."""
    issuer = str(current_app.config["APP_NAME"])
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=account.user.username, issuer_name=issuer)


def fitting_counter(secret: str, code: str, after: int) -> int | None:
    """The counter whose code this is, if it lies around now and after the last used one."""
    now, typed = int(clock.now().timestamp()) // STEP, "".join((code or "").split())
    generator = pyotp.HOTP(secret)
    fitting = [
        counter
        for counter in range(now - DRIFT, now + DRIFT + 1)
        if hmac.compare_digest(generator.at(counter).encode(), typed.encode()) and counter > after
    ]
    return fitting[0] if fitting else None


def check_code(session: Session, account: Account, code: str) -> None:
    """Use up a code; raises InvalidInputError on the field `code`, TooOftenError after five wrong ones in 15 minutes.

    The row is locked: two browsers with the same code at once, and one of them is in.
    """
    key = f"totp:{account.id}"
    check(key, WRONG_CODES)
    session.refresh(account, attribute_names=["totp_secret", "totp_counter"], with_for_update=True)
    counter = fitting_counter(account.totp_secret, code, account.totp_counter) if account.totp_secret else None
    if counter is None:
        hit(key, WRONG_CODES)
        raise InvalidInputError(WRONG, field="code")
    account.totp_counter = counter


def enrol(session: Session, account: Account, secret: str, code: str) -> None:
    """Switch it on with the first code, which proves that the device has the secret."""
    key = f"totp:{account.id}"
    check(key, WRONG_CODES)
    counter = fitting_counter(secret, code, 0)
    if counter is None:
        hit(key, WRONG_CODES)
        raise InvalidInputError(WRONG, field="code")
    account.totp_secret, account.totp_counter, account.totp_confirmed_at = secret, counter, clock.now()
    audit(session, "second_factor_on", entity="account", entity_id=account.id)


def switch_off(session: Session, account: Account) -> None:
    """The person's own choice; those who must have it cannot."""
    if mode() == "required" and is_privileged(account.roles):
        raise NotAllowedError("您的角色必须使用动态口令登录，不能停用。")
    _forget(account)
    audit(session, "second_factor_off", entity="account", entity_id=account.id)


def reset(session: Session, account: Account, reason: str) -> None:
    """By a security administrator, for somebody whose device is gone; every session of the account ends."""
    if len(reason.strip()) < 5:
        raise InvalidInputError("请填写原因（5～500字）。", field="reason")
    _forget(account)
    account.session_epoch += 1
    audit(session, "second_factor_reset", entity="account", entity_id=account.id, reason=reason.strip()[:500])


def _forget(account: Account) -> None:
    account.totp_secret, account.totp_confirmed_at = None, None
