"""Codes that prove an address: six digits, ten minutes, five tries, once, kept as a hash (ASVS 6.5)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.errors import InvalidInputError, TooOftenError
from app.workflow.outgoing import enqueue_mail
from models.account import VerificationCode
from models.types import blind_index

LIFETIME, PAUSE, TRIES, PER_DAY = timedelta(minutes=10), timedelta(seconds=60), 5, 10


def _hash(address_index: str, purpose: str, code: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"{address_index}:{purpose}:{code}".encode(), hashlib.sha256).hexdigest()


def send_code(session: Session, *, email: str, purpose: str) -> None:
    """Queue a mail with a new code; raises TooOftenError within 60 s or after ten in a day."""
    index, now = blind_index(email), clock.now()
    recent = select(func.max(VerificationCode.sent_at), func.count()).where(
        VerificationCode.address_index == index,
        VerificationCode.purpose == purpose,
        VerificationCode.sent_at > now - timedelta(days=1),
    )
    last, count = session.execute(recent).one()
    if last is not None and now - last < PAUSE:
        raise TooOftenError(int((PAUSE - (now - last)).total_seconds()))
    if count >= PER_DAY:
        raise InvalidInputError("今日验证码发送次数已达上限，请明天再试。", field="email")
    code = f"{secrets.randbelow(10**6):06d}"
    row = VerificationCode(
        address_index=index,
        purpose=purpose,
        code_hash=_hash(index, purpose, code),
        sent_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    session.flush()
    body = f"您的验证码是 {code}，10分钟内有效，请勿告诉他人。"
    enqueue_mail(session, email, "邮箱验证码", body, key=f"code-{row.id}")


def check_code(session: Session, *, email: str, purpose: str, code: str) -> None:
    """Use up the newest code of the address; raises InvalidInputError when it is wrong, old or worn out.

    The count of tries must survive the refusal of the form, so a wrong try is committed on its own.
    """
    wrong = InvalidInputError("邮箱验证码错误或已过期，请重新获取。", field="email_code")
    index = blind_index(email)
    newest = (
        select(VerificationCode)
        .where(VerificationCode.address_index == index, VerificationCode.purpose == purpose)
        .order_by(VerificationCode.id.desc())
        .limit(1)
        .with_for_update()
    )
    row = session.execute(newest).scalar_one_or_none()
    if row is None or row.used or row.tries >= TRIES or row.expires_at < clock.now():
        raise wrong
    if not hmac.compare_digest(row.code_hash, _hash(index, purpose, (code or "").strip())):
        row.tries += 1
        session.commit()
        raise wrong
    row.used = True


def was_used(session: Session, *, email: str, purpose: str, code: str) -> bool:
    """Whether this is the newest code of the address and was used up within its lifetime: the same form sent twice."""
    index = blind_index(email)
    newest = (
        select(VerificationCode)
        .where(VerificationCode.address_index == index, VerificationCode.purpose == purpose)
        .order_by(VerificationCode.id.desc())
        .limit(1)
    )
    row = session.execute(newest).scalar_one_or_none()
    if row is None or not row.used or row.expires_at < clock.now():
        return False
    return hmac.compare_digest(row.code_hash, _hash(index, purpose, (code or "").strip()))
