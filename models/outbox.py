"""What leaves the process or reaches a person later: outbox, site messages, development mails, reminders."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Identified, Model
from models.instrument import Instrument
from models.types import EncryptedText

NO_RECORD = -1000
"""The threshold of a reminder about an instrument that has neither due date nor result (S2: 无检定记录)."""


class Outbox(Identified, Model):
    """Something to send, written in the transaction of its cause and delivered after commit, at least once.

    `key` makes the writing idempotent: the same cause never queues twice (I-24).
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_outbox_due", "next_at", postgresql_where=text("sent_at IS NULL AND tries < 10")),
    )
    channel: Mapped[str] = mapped_column(String(12), comment="渠道")
    key: Mapped[str] = mapped_column(String(120), comment="幂等键")
    payload: Mapped[dict[str, object]] = mapped_column(JSONB, comment="内容")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="时间")
    next_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="下次发送")
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="已发送")
    tries: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="尝试次数")
    error: Mapped[str | None] = mapped_column(String(300), comment="失败原因")


class Message(Identified, Model):
    """站内信: one row per recipient and cause."""

    __tablename__ = "message"
    __table_args__ = (UniqueConstraint("account_id", "key"), Index("ix_message_account", "account_id", "id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="收件人")
    key: Mapped[str] = mapped_column(String(120), comment="幂等键")
    kind: Mapped[str] = mapped_column(String(12), server_default="system", default="system", comment="类型")
    subject: Mapped[str] = mapped_column(String(200), comment="标题")
    body: Mapped[str] = mapped_column(String(1000), server_default="", default="", comment="内容")
    link: Mapped[str | None] = mapped_column(String(200), comment="链接")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="时间")
    received_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="接收时间")

    def __str__(self) -> str:
        return self.subject


class DevelopmentMail(Identified, Model):
    """A mail or text message that the development driver kept instead of sending; administrators read them at a page.

    Of a phone only the masked form and its blind index are kept.
    """

    __tablename__ = "development_mail"
    key: Mapped[str] = mapped_column(String(120), unique=True, comment="幂等键")
    channel: Mapped[str] = mapped_column(String(12), server_default="mail", default="mail", comment="渠道")
    recipient: Mapped[str] = mapped_column(String(120), comment="收件人")
    recipient_index: Mapped[str] = mapped_column(String(64), index=True, comment="收件人索引")
    subject: Mapped[str] = mapped_column(String(200), comment="主题")
    body: Mapped[str] = mapped_column(EncryptedText, comment="正文")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="时间")

    def __str__(self) -> str:
        return self.subject


class Reminder(Identified, Model):
    """到期提醒: written once per instrument, threshold, due date and channel (I-8)."""

    __tablename__ = "reminder"
    __table_args__ = (
        UniqueConstraint("instrument_id", "threshold", "due_on", "channel", name="uq_reminder_once"),
        Index("ix_reminder_unit", "unit_id", "id"),
    )
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), comment="器具")
    unit_id: Mapped[int] = mapped_column(BigInteger, comment="使用单位")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    threshold: Mapped[int] = mapped_column(Integer, comment="提前天数")
    due_on: Mapped[date] = mapped_column(Date, comment="有效期至")
    channel: Mapped[str] = mapped_column(String(12), comment="渠道")
    run_on: Mapped[date] = mapped_column(Date, comment="提醒日期")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="时间")
    instrument: Mapped[Instrument] = relationship()

    def __str__(self) -> str:
        return f"{self.due_on} 到期提醒"


class Beat(Model):
    """When a scheduled job last ran: how /healthz knows the scheduler's age."""

    __tablename__ = "beat"
    name: Mapped[str] = mapped_column(String(40), primary_key=True, comment="任务")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="时间")
