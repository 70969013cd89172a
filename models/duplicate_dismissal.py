"""不是重复: what a unit has said of two of its rows that look like one instrument (BEYOND 16)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Identified, Model
from models.instrument import Instrument


class DuplicateDismissal(Identified, Model):
    """Two instruments that are told apart; the pair is not suspected again until the row is taken back (deleted)."""

    __tablename__ = "duplicate_dismissal"
    __table_args__ = (
        CheckConstraint("first_id < second_id", name="ordered"),
        UniqueConstraint("unit_id", "first_id", "second_id"),
    )
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    first_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="器具一")
    second_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="器具二")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="操作人")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="标记时间")
    first: Mapped[Instrument] = relationship(foreign_keys=[first_id])
    second: Mapped[Instrument] = relationship(foreign_keys=[second_id])
