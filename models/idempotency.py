"""What a caller's own key of a request stands for, so that a repetition answers and does not act (I-23)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Integer, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Identified, Model
from models.types import EncryptedText


class IdempotencyKey(Identified, Model):
    """An act that was done under a key of the account's, committed together with the act; kept for a day.

    `request_hash` is of method, address and body: one key for two different requests is a mistake of the caller's.
    `answer` is what JSON was answered; pages are not kept.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("account_id", "key"),)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="账号")
    key: Mapped[str] = mapped_column(String(100), comment="请求标识")
    request_hash: Mapped[str] = mapped_column(String(64), comment="请求指纹")
    status: Mapped[int] = mapped_column(Integer, comment="应答状态码")
    location: Mapped[str | None] = mapped_column(String(500), comment="转到的地址")
    answer: Mapped[str | None] = mapped_column(EncryptedText, comment="应答内容")
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), index=True, comment="办理时间"
    )
