"""Booking verification (预约): slots, appointments and their items."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
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
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Identified, Model, one_of
from models.enums import LIVE_ITEM_STATES, AppointmentState, Conclusion, DeliveryMode, ItemState, Period
from models.instrument import Instrument
from models.organisation import Institute, Unit
from models.types import Encrypted

_LIVE = ", ".join(f"'{state}'" for state in LIVE_ITEM_STATES)


class Slot(Identified, Model):
    """时段: how many instruments an institute takes on one half day, by way of verification (送检/现场检)."""

    __tablename__ = "slot"
    __table_args__ = (
        one_of("mode", DeliveryMode),
        one_of("period", Period),
        UniqueConstraint("institute_id", "mode", "day", "period"),
        CheckConstraint("taken BETWEEN 0 AND capacity", name="capacity"),
    )
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="机构")
    mode: Mapped[str] = mapped_column(String(10), comment="检定方式")
    day: Mapped[date] = mapped_column(Date, index=True, comment="日期")
    period: Mapped[str] = mapped_column(String(10), comment="时段")
    capacity: Mapped[int] = mapped_column(Integer, comment="可约台数")
    taken: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="已约台数")
    closed: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="停约")
    institute: Mapped[Institute] = relationship()

    @property
    def free(self) -> int:
        """Instruments that can still be booked."""
        return 0 if self.closed else self.capacity - self.taken

    def __str__(self) -> str:
        return f"{self.day} {'上午' if self.period == Period.MORNING else '下午'}"


class Appointment(Flowing, Model):
    """预约单: one unit, one institute, one way of verification, one or more instruments."""

    __tablename__ = "appointment"
    __table_args__ = (
        one_of("state", AppointmentState),
        one_of("mode", DeliveryMode),
        CheckConstraint("state NOT IN ('rejected', 'sent_back') OR reason IS NOT NULL", name="refused_has_reason"),
        CheckConstraint("state IN ('draft', 'withdrawn') OR number IS NOT NULL", name="submitted_has_number"),
        # an application over several institutes has none of its own until it is split (WORKFLOWS 5.1)
        CheckConstraint(
            "state IN ('draft', 'admin_review', 'split', 'withdrawn', 'rejected') OR institute_id IS NOT NULL",
            name="sent_has_institute",
        ),
        Index("ix_appointment_institute_state", "institute_id", "state"),
        Index("ix_appointment_unit_state", "unit_id", "state"),
        Index("ix_appointment_division", text("use_division text_pattern_ops")),
    )
    state: Mapped[str] = mapped_column(String(24), comment="预约状态")
    number: Mapped[str | None] = mapped_column(String(20), unique=True, comment="预约单号")
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("appointment.id"), index=True, comment="申请单")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    mode: Mapped[str] = mapped_column(String(10), comment="检定方式")
    wish_day: Mapped[date | None] = mapped_column(Date, comment="期望日期")
    visit_day: Mapped[date | None] = mapped_column(Date, comment="安排日期")
    reply: Mapped[str] = mapped_column(String(500), server_default="", default="", comment="机构说明")
    walk_in: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="前台直接受理")
    slot_id: Mapped[int | None] = mapped_column(ForeignKey("slot.id"), index=True, comment="预约时段")
    contact_name: Mapped[str] = mapped_column(String(40), comment="联系人")
    contact_phone: Mapped[str] = mapped_column(Encrypted(200), comment="联系电话")
    note: Mapped[str] = mapped_column(String(500), server_default="", default="", comment="备注")
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="提交时间")
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="受理时间")
    deadline_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="送检期限")
    deadline_basis: Mapped[str | None] = mapped_column(String(60), comment="期限依据")
    extended: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="已延长")
    extension_asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="申请延长时间")
    auto_withdrawn: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), default=False, comment="系统自动撤销"
    )
    restores: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="恢复次数")
    nagged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="最近催办时间")
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="结束时间")
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute | None] = relationship()
    slot: Mapped[Slot | None] = relationship()
    items: Mapped[list[AppointmentItem]] = relationship(back_populates="appointment", order_by="AppointmentItem.id")

    def __str__(self) -> str:
        return self.number or f"草稿 {self.id}"


class AppointmentItem(Flowing, Model):
    """预约器具: one instrument of an appointment."""

    __tablename__ = "appointment_item"
    __table_args__ = (
        one_of("state", ItemState),
        one_of("result", Conclusion, nullable=True),
        one_of("mode", DeliveryMode, nullable=True),
        CheckConstraint("state <> 'returned' OR reason IS NOT NULL", name="returned_has_reason"),
        CheckConstraint("state <> 'done' OR result IS NOT NULL", name="done_has_result"),
        # 未分配: only while it waits for an institute, or when it never got one
        CheckConstraint(
            "state IN ('pending', 'cancelled', 'rejected') OR institute_id IS NOT NULL", name="assigned_has_institute"
        ),
        # I-1: an instrument is in at most one live item
        Index("uq_appointment_item_live", "instrument_id", unique=True, postgresql_where=text(f"state IN ({_LIVE})")),
        Index("ix_appointment_item_instrument", "instrument_id"),
        Index("ix_appointment_item_institute_state", "institute_id", "state"),
    )
    state: Mapped[str] = mapped_column(String(24), comment="状态")
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id"), index=True, comment="预约单")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    mode: Mapped[str | None] = mapped_column(String(10), comment="检定方式")
    snapshot: Mapped[dict[str, object]] = mapped_column(
        JSONB, server_default="{}", default=dict, comment="提交时的台账信息"
    )
    checks: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="收样核对记录")
    result: Mapped[str | None] = mapped_column(String(10), comment="检定结果")
    return_kind: Mapped[str | None] = mapped_column(String(20), comment="退单类别")
    received_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="送检时间")
    appointment: Mapped[Appointment] = relationship(back_populates="items")
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute | None] = relationship()

    def __str__(self) -> str:
        return f"预约器具 {self.id}"
