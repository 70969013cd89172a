"""The counter's 委托单 and the tasks of its instruments (WORKFLOWS sections 7 and 8)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
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

from models.account import Account
from models.appointment import Appointment, AppointmentItem
from models.base import Flowing, Model, one_of
from models.enums import CommissionState, Conclusion, DeliveryMode, TaskState
from models.instrument import Instrument
from models.organisation import Institute, Unit
from models.types import Encrypted


class Commission(Flowing, Model):
    """委托单: one unit, one institute, one visit. The customer's password (客户密码) is shown once and kept as a keyed
    hash; whoever lost it gets a new one, and the old one is dead."""

    __tablename__ = "commission"
    __table_args__ = (
        one_of("state", CommissionState),
        one_of("mode", DeliveryMode),
        UniqueConstraint("number"),
        CheckConstraint(
            "state IN ('checking', 'void') OR (number IS NOT NULL AND secret_hash IS NOT NULL)",
            name="opened_has_number",
        ),
        CheckConstraint("state <> 'void' OR reason IS NOT NULL", name="void_has_reason"),
        CheckConstraint("state <> 'closed' OR closed_at IS NOT NULL", name="closed_has_time"),
        Index("ix_commission_institute_state", "institute_id", "state"),
        Index("ix_commission_unit_state", "unit_id", "state"),
        Index("ix_commission_division", text("use_division text_pattern_ops")),
        # one counter visit at a time works on an appointment
        Index("uq_commission_checking", "appointment_id", unique=True, postgresql_where=text("state = 'checking'")),
    )
    state: Mapped[str] = mapped_column(String(24), comment="委托单状态")
    number: Mapped[str | None] = mapped_column(String(20), comment="委托单号", info={"number": True})
    secret_hash: Mapped[str | None] = mapped_column(String(64), comment="客户密码摘要")
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointment.id"), index=True, comment="预约单")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="委托单位")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    mode: Mapped[str] = mapped_column(String(10), comment="检定方式")
    bringer_name: Mapped[str] = mapped_column(String(40), comment="送检人")
    bringer_phone: Mapped[str] = mapped_column(Encrypted(200), comment="送检人电话")
    promised_on: Mapped[date | None] = mapped_column(Date, comment="承诺完成日期")
    opened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="受理时间")
    ready_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="完检时间")
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="办结时间")
    collector_name: Mapped[str | None] = mapped_column(String(40), comment="领取人")
    collector_phone: Mapped[str | None] = mapped_column(Encrypted(200), comment="领取人电话")
    note: Mapped[str] = mapped_column(String(500), server_default="", default="", comment="备注")
    appointment: Mapped[Appointment] = relationship()
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute] = relationship()
    tasks: Mapped[list[Task]] = relationship(back_populates="commission", order_by="Task.id")

    def __str__(self) -> str:
        return self.number or f"前台登记 {self.id}"


class Task(Flowing, Model):
    """检定任务: one instrument of one commission, from the queue to its paper.

    `readings` and the conditions are the institute's own: assignee, checker, approver and manager read them (ROLES 2).
    """

    __tablename__ = "task"
    __table_args__ = (
        one_of("state", TaskState),
        one_of("conclusion", Conclusion, nullable=True),
        UniqueConstraint("commission_id", "item_id"),
        CheckConstraint("state IN ('queued', 'aborted') OR verifier_id IS NOT NULL", name="assigned_has_verifier"),
        CheckConstraint("state <> 'aborted' OR reason IS NOT NULL", name="aborted_has_reason"),
        Index("uq_task_item_live", "item_id", unique=True, postgresql_where=text("state <> 'aborted'")),
        Index("ix_task_institute_state", "institute_id", "state"),
        Index("ix_task_verifier_state", "verifier_id", "state"),
        Index("ix_task_division", text("use_division text_pattern_ops")),
    )
    state: Mapped[str] = mapped_column(String(24), comment="任务状态")
    commission_id: Mapped[int] = mapped_column(ForeignKey("commission.id"), comment="委托单")
    item_id: Mapped[int] = mapped_column(ForeignKey("appointment_item.id"), comment="预约器具")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    verifier_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), comment="检定员")
    due_on: Mapped[date] = mapped_column(Date, index=True, comment="应完成日期")
    pause_kind: Mapped[str | None] = mapped_column(String(20), comment="暂停原因类别")
    paused_on: Mapped[date | None] = mapped_column(Date, comment="暂停日期")
    begun_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="开始时间")
    recorded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="录入时间")
    abort_asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), comment="提出终止的人")
    place: Mapped[str] = mapped_column(String(200), server_default="", default="", comment="检定地点")
    temperature: Mapped[str] = mapped_column(String(20), server_default="", default="", comment="温度(℃)")
    humidity: Mapped[str] = mapped_column(String(20), server_default="", default="", comment="相对湿度(%)")
    regulation: Mapped[str] = mapped_column(String(120), server_default="", default="", comment="检定规程")
    standard_name: Mapped[str] = mapped_column(String(120), server_default="", default="", comment="所用计量标准")
    readings: Mapped[list[object]] = mapped_column(JSONB, server_default="[]", default=list, comment="检定数据")
    conclusion: Mapped[str | None] = mapped_column(String(10), comment="检定结论")
    waited_days: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="待用户天数")
    commission: Mapped[Commission] = relationship(back_populates="tasks")
    item: Mapped[AppointmentItem] = relationship()
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute] = relationship()
    verifier: Mapped[Account | None] = relationship(foreign_keys=[verifier_id])

    def __str__(self) -> str:
        return f"检定任务 {self.id}"
