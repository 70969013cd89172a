"""What booking needs besides the appointment: who verifies what where, an institute's usual week, baskets and feeds."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Identified, Model, Stamped, one_of
from models.enums import DeliveryMode, Period
from models.organisation import Institute


class AssignmentRule(Identified, Stamped, Model):
    """指派规则: the first rule (lowest `position`) whose place, catalogue code and way fit, and whose institute is
    authorised on the day, wins; where none fits the nearest authorised institute does (WORKFLOWS 5.1)."""

    __tablename__ = "assignment_rule"
    __table_args__ = (
        one_of("mode", DeliveryMode, nullable=True),
        CheckConstraint("division_prefix ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6})$'", name="division_prefix"),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="validity"),
        Index("ix_assignment_rule_division", "division_prefix", "position"),
    )
    position: Mapped[int] = mapped_column(Integer, comment="次序")
    division_prefix: Mapped[str] = mapped_column(String(6), comment="行政区划（前2、4或6位）")
    category_code: Mapped[str] = mapped_column(
        String(12), server_default="", default="", comment="目录代码（可为前缀）"
    )
    mode: Mapped[str | None] = mapped_column(String(10), comment="检定方式")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), index=True, comment="检定机构")
    valid_from: Mapped[date] = mapped_column(Date, comment="生效日期")
    valid_until: Mapped[date | None] = mapped_column(Date, comment="失效日期")
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"), default=True, comment="启用")
    note: Mapped[str] = mapped_column(String(200), server_default="", default="", comment="说明")
    institute: Mapped[Institute] = relationship()

    def __str__(self) -> str:
        return f"{self.division_prefix} {self.category_code or '全部'}"


class SlotPattern(Identified, Model):
    """排班模板: how many instruments an institute usually takes on one half day of the week (1 = Monday)."""

    __tablename__ = "slot_pattern"
    __table_args__ = (
        one_of("mode", DeliveryMode),
        one_of("period", Period),
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        CheckConstraint("capacity BETWEEN 0 AND 10000", name="capacity"),
        UniqueConstraint("institute_id", "mode", "weekday", "period"),
    )
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="机构")
    mode: Mapped[str] = mapped_column(String(10), comment="检定方式")
    weekday: Mapped[int] = mapped_column(Integer, comment="星期")
    period: Mapped[str] = mapped_column(String(10), comment="时段")
    capacity: Mapped[int] = mapped_column(Integer, comment="可约台数")
    institute: Mapped[Institute] = relationship()


class BasketItem(Model):
    """待处理列表: what somebody has put aside over many pages to book or file together."""

    __tablename__ = "basket_item"
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, comment="账号"
    )
    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), primary_key=True, index=True, comment="器具"
    )
    added_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("now()"), comment="加入时间"
    )


class CalendarFeed(Identified, Stamped, Model):
    """日历订阅: a secret address under which somebody's dates are read by a calendar program; the token is kept hashed."""

    __tablename__ = "calendar_feed"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("uq_calendar_feed_live", "account_id", "kind", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), comment="账号")
    kind: Mapped[str] = mapped_column(String(20), comment="内容")
    token_hash: Mapped[str] = mapped_column(String(64), comment="地址摘要")
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="停用时间")
    last_read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="最近读取")


class AppointmentMessage(Identified, Model):
    """平台在线沟通: what unit and institute write to each other on an appointment; only ever grows."""

    __tablename__ = "appointment_message"
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id"), index=True, comment="预约单")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    account_id: Mapped[int] = mapped_column(BigInteger, comment="发言人账号")
    author: Mapped[str] = mapped_column(String(40), comment="发言人")
    author_body: Mapped[str] = mapped_column(String(120), server_default="", default="", comment="发言人单位")
    body: Mapped[str] = mapped_column(String(500), comment="内容")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"), comment="时间")
