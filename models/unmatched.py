"""Results that institutes send for instruments which no ledger row answers to (未匹配检定记录, WORKFLOWS section 10)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Model, one_of
from models.enums import Conclusion, RecordSource, UnmatchedState
from models.instrument import Instrument
from models.organisation import Institute, Unit


class UnmatchedRecord(Flowing, Model):
    """One verification of another system. Once linked or imported it counts for the instrument like a certificate: the
    newest verification of all decides (I-7). `unit_id` follows the credit code; nobody sees a record of a foreign code."""

    __tablename__ = "unmatched_record"
    __table_args__ = (
        one_of("state", UnmatchedState),
        one_of("conclusion", Conclusion),
        one_of("source", RecordSource),
        UniqueConstraint("institute_id", "certificate_no"),
        CheckConstraint(
            "state NOT IN ('linked', 'imported') OR instrument_id IS NOT NULL", name="linked_has_instrument"
        ),
        CheckConstraint("valid_until IS NULL OR valid_until > verified_on", name="validity"),
        CheckConstraint("state NOT IN ('disputed', 'not_ours', 'closed') OR reason IS NOT NULL", name="said_why"),
        Index("ix_unmatched_record_unit_state", "unit_id", "state"),
        Index("ix_unmatched_record_institute_state", "institute_id", "state"),
        Index("ix_unmatched_record_division", text("use_division text_pattern_ops")),
        Index("ix_unmatched_record_serial_folded", "unit_id", text("fold_number(serial_no)")),
        Index(
            "ix_unmatched_record_instrument", "instrument_id", postgresql_where=text("state IN ('linked', 'imported')")
        ),
    )
    state: Mapped[str] = mapped_column(String(24), comment="处理状态")
    source: Mapped[str] = mapped_column(String(10), comment="来源")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    unit_code: Mapped[str] = mapped_column(String(18), index=True, comment="统一社会信用代码")
    unit_name: Mapped[str] = mapped_column(String(120), comment="单位名称")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    certificate_no: Mapped[str] = mapped_column(String(40), comment="证书编号", info={"number": True})
    instrument_name: Mapped[str] = mapped_column(String(100), comment="器具名称")
    model: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="型号规格")
    manufacturer: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="生产厂家")
    serial_no: Mapped[str] = mapped_column(String(100), comment="出厂编号", info={"number": True})
    conclusion: Mapped[str] = mapped_column(String(10), comment="检定结果")
    verified_on: Mapped[date] = mapped_column(Date, comment="检定日期")
    valid_until: Mapped[date | None] = mapped_column(Date, comment="有效期至")
    verifier_name: Mapped[str] = mapped_column(String(40), server_default="", default="", comment="检定员")
    instrument_id: Mapped[int | None] = mapped_column(ForeignKey("instrument.id"), comment="关联的器具")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="处理时间")
    institute: Mapped[Institute] = relationship()
    unit: Mapped[Unit | None] = relationship()
    instrument: Mapped[Instrument | None] = relationship()

    @property
    def number(self) -> str:
        """The paper's number, by the name that our own certificates give it."""
        return self.certificate_no

    def __str__(self) -> str:
        return f"{self.instrument_name} {self.serial_no}"
