"""Filing (备案): a unit reports an instrument to the institute that will verify it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, DateTime, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Flowing, Model, one_of
from models.enums import AmendmentState, FilingState
from models.instrument import Instrument
from models.organisation import Institute, Unit


class Filing(Flowing, Model):
    """备案. While not final, exactly one institute holds it (I-20); `route` keeps every hop it travelled (I-21)."""

    __tablename__ = "filing"
    __table_args__ = (
        one_of("state", FilingState),
        CheckConstraint(
            "state NOT IN ('submitted', 'to_process', 'to_confirm') OR holder_institute_id IS NOT NULL", name="held"
        ),
        CheckConstraint("state NOT IN ('returned', 'revoked') OR reason IS NOT NULL", name="returned_has_reason"),
        CheckConstraint("state <> 'approved' OR final_institute_id IS NOT NULL", name="approved_has_institute"),
        Index("uq_filing_live", "instrument_id", unique=True, postgresql_where=text("state <> 'closed'")),
        Index("ix_filing_holder_state", "holder_institute_id", "state"),
        Index("ix_filing_unit_state", "unit_id", "state"),
        Index("ix_filing_division", text("use_division text_pattern_ops")),
    )
    state: Mapped[str] = mapped_column(String(24), comment="备案状态")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    holder_institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), comment="当前处理机构")
    target_institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="受理机构")
    final_institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="备案机构")
    allow_province: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), default=False, comment="授权转送省级机构"
    )
    declared_by_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), comment="责任声明人")
    declared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="责任声明时间")
    return_kind: Mapped[str | None] = mapped_column(String(20), comment="退回类别")
    route: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]", default=list, comment="流转经过")
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="提交时间")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="审核时间")
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship()
    holder_institute: Mapped[Institute | None] = relationship(foreign_keys=[holder_institute_id])
    target_institute: Mapped[Institute | None] = relationship(foreign_keys=[target_institute_id])
    final_institute: Mapped[Institute | None] = relationship(foreign_keys=[final_institute_id])
    declared_by: Mapped[Account | None] = relationship(foreign_keys=[declared_by_id])

    def __str__(self) -> str:
        return f"备案 {self.id}"


class FilingAmendment(Flowing, Model):
    """变更备案信息: locked fields that a unit asks to change; the approved values stay in force until the institute agrees."""

    __tablename__ = "filing_amendment"
    __table_args__ = (
        one_of("state", AmendmentState),
        CheckConstraint("state <> 'refused' OR reason IS NOT NULL", name="refused_has_reason"),
        Index("uq_filing_amendment_pending", "filing_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_filing_amendment_institute_state", "institute_id", "state"),
    )
    state: Mapped[str] = mapped_column(String(24), comment="变更状态")
    filing_id: Mapped[int] = mapped_column(ForeignKey("filing.id"), index=True, comment="备案")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="备案机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    changes: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="变更内容")
    why: Mapped[str] = mapped_column(String(500), comment="变更原因")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="审核时间")
    filing: Mapped[Filing] = relationship()
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute] = relationship()

    def __str__(self) -> str:
        return f"备案变更 {self.id}"
