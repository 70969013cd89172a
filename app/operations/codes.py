"""Codes that prove an address or a phone: six digits, ten minutes, five tries, once, kept as a hash (ASVS 6.5).

    send_code(session, purpose="register", phone="13900000001")
    check_code(session, purpose="register", phone="13900000001", code="123456")

A code belongs to its address and purpose: it opens nothing else (must-never case 32).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app import clock
from app.errors import InvalidInputError, TooOftenError
from app.workflow.outgoing import enqueue_mail, enqueue_sms
from models.account import VerificationCode
from models.types import blind_index

LIFETIME, PAUSE, TRIES = timedelta(minutes=10), timedelta(seconds=60), 5
PER_DAY = {"email": 10, "phone": 5}
WORDS = {"email": "邮箱验证码", "phone": "短信验证码"}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a code goes: one e-mail address or one mobile number."""

    channel: str
    text: str

    @property
    def index(self) -> str:
        return blind_index(self.text)


def _address(email: str | None, phone: str | None) -> Address:
    if (email is None) == (phone is None):
        raise ValueError("a code goes to one address")
    return Address("email", email) if email is not None else Address("phone", phone or "")


def _hash(address_index: str, purpose: str, code: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"{address_index}:{purpose}:{code}".encode(), hashlib.sha256).hexdigest()


def send_code(
    session: Session, *, purpose: str, email: str | None = None, phone: str | None = None, deliver: bool = True
) -> None:
    """Queue a mail or text message with a new code; raises TooOftenError within 60 s, InvalidInputError at the day's end.

    With `deliver` off nothing leaves, but the limits count the same: for addresses that nobody may learn about.
    """
    address, now = _address(email, phone), clock.now()
    recent = select(func.max(VerificationCode.sent_at), func.count()).where(
        VerificationCode.address_index == address.index,
        VerificationCode.purpose == purpose,
        VerificationCode.sent_at > now - timedelta(days=1),
    )
    last, count = session.execute(recent).one()
    if last is not None and now - last < PAUSE:
        raise TooOftenError(int((PAUSE - (now - last)).total_seconds()))
    if count >= PER_DAY[address.channel]:
        raise InvalidInputError("今日验证码发送次数已达上限，请明天再试。", field=address.channel)
    code = f"{secrets.randbelow(10**6):06d}"
    row = VerificationCode(
        address_index=address.index,
        purpose=purpose,
        code_hash=_hash(address.index, purpose, code),
        sent_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    session.flush()
    if not deliver:
        row.used = True  # nobody has it: it must not open anything either
        return
    body = f"您的验证码是 {code}，10分钟内有效，请勿告诉他人。"
    if address.channel == "phone":
        enqueue_sms(session, address.text, body, key=f"code-{row.id}")
    else:
        enqueue_mail(session, address.text, WORDS["email"], body, key=f"code-{row.id}", secret=True)


def _newest(index: str, purpose: str) -> Select[VerificationCode]:
    return (
        select(VerificationCode)
        .where(VerificationCode.address_index == index, VerificationCode.purpose == purpose)
        .order_by(VerificationCode.id.desc())
        .limit(1)
    )


def check_code(
    session: Session, *, purpose: str, code: str, email: str | None = None, phone: str | None = None
) -> None:
    """Use up the newest code of the address; raises InvalidInputError when it is wrong, old or worn out.

    The field of the error is email_code or phone_code. The count of tries must survive the refusal of the form, so a
    wrong try is committed on its own.
    """
    address = _address(email, phone)
    word = WORDS[address.channel]
    wrong = InvalidInputError(f"{word}错误或已过期，请重新获取。", field=f"{address.channel}_code")
    row = session.execute(_newest(address.index, purpose).with_for_update()).scalar_one_or_none()
    if row is None or row.used or row.tries >= TRIES or row.expires_at < clock.now():
        raise wrong
    if not hmac.compare_digest(row.code_hash, _hash(address.index, purpose, (code or "").strip())):
        row.tries += 1
        session.commit()
        raise wrong
    row.used = True


def was_used(session: Session, *, purpose: str, code: str, email: str | None = None, phone: str | None = None) -> bool:
    """Whether this is the newest code of the address and was used up within its lifetime: the same form sent twice."""
    address = _address(email, phone)
    row = session.execute(_newest(address.index, purpose)).scalar_one_or_none()
    if row is None or not row.used or row.expires_at < clock.now():
        return False
    return hmac.compare_digest(row.code_hash, _hash(address.index, purpose, (code or "").strip()))
