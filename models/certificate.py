"""Verification certificates (检定证书) and notices of rejection (检定结果通知书)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.appointment import AppointmentItem
from models.base import Flowing, Model, one_of
from models.enums import CertificateKind, CertificateState, Conclusion
from models.instrument import Instrument
from models.organisation import Institute, Unit


class Certificate(Flowing, Model):
    """One verification's outcome on paper.

    Once issued the facts never change (I-5): a trigger refuses it for every database role. The signers are three
    persons, or two where checker and approver are one; never the verifier (I-6, 检定印、证管理办法).
    """

    __tablename__ = "certificate"
    __table_args__ = (
        one_of("state", CertificateState),
        one_of("kind", CertificateKind),
        one_of("conclusion", Conclusion),
        CheckConstraint("(kind = 'certificate') = (conclusion = 'pass')", name="kind_follows_conclusion"),
        CheckConstraint("checker_id IS NULL OR checker_id <> verifier_id", name="checker_not_verifier"),
        CheckConstraint("approver_id IS NULL OR approver_id <> verifier_id", name="approver_not_verifier"),
        CheckConstraint(
            "state NOT IN ('issuing', 'issued', 'superseded', 'revoked') OR number IS NOT NULL", name="numbered"
        ),
        CheckConstraint(
            "state NOT IN ('issued', 'superseded', 'revoked') OR pdf_sha256 IS NOT NULL", name="issued_has_pdf"
        ),
        CheckConstraint("valid_until IS NULL OR valid_until > verified_on", name="validity"),
        Index("ix_certificate_number_folded", text("fold_number(number) text_pattern_ops")),
        Index("ix_certificate_number_folded_reversed", text("reverse(fold_number(number)) text_pattern_ops")),
        Index("ix_certificate_pdf_sha256", "pdf_sha256"),
        # I-4: unique per institute, for ever (the year stands in the number)
        Index("uq_certificate_number", "institute_id", "number", unique=True),
        # a killed worker or a double click never makes two papers of one verification, nor two corrections of one paper
        Index(
            "uq_certificate_item_live",
            "item_id",
            unique=True,
            postgresql_where=text("state NOT IN ('dropped', 'superseded', 'revoked') AND supersedes_id IS NULL"),
        ),
        Index(
            "uq_certificate_correction",
            "supersedes_id",
            unique=True,
            postgresql_where=text("state <> 'dropped' AND supersedes_id IS NOT NULL"),
        ),
        Index("ix_certificate_institute_state", "institute_id", "state"),
        Index("ix_certificate_instrument", "instrument_id"),
        Index("ix_certificate_unit", "unit_id", "state"),
        Index("ix_certificate_division", text("use_division text_pattern_ops")),
    )
    state: Mapped[str] = mapped_column(String(24), comment="证书状态")
    kind: Mapped[str] = mapped_column(String(12), comment="证书类型")
    number: Mapped[str | None] = mapped_column(String(40), comment="证书编号", info={"number": True})
    lookup_code: Mapped[str | None] = mapped_column(String(8), comment="核验码")
    item_id: Mapped[int] = mapped_column(ForeignKey("appointment_item.id"), comment="预约器具")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="检定机构")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    conclusion: Mapped[str] = mapped_column(String(10), comment="检定结论")
    verified_on: Mapped[date] = mapped_column(Date, comment="检定日期")
    cycle_months: Mapped[int | None] = mapped_column(Integer, comment="检定周期(月)")
    valid_until: Mapped[date | None] = mapped_column(Date, comment="有效期至")
    validity_reason: Mapped[str | None] = mapped_column(String(500), comment="有效期说明")
    facts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="证书内容")
    verifier_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="检定员")
    checker_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), comment="核验员")
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), comment="批准人")
    issued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="签发时间")
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="生成时间")
    pdf_sha256: Mapped[str | None] = mapped_column(String(64), comment="文件指纹")
    pdf_size: Mapped[int | None] = mapped_column(Integer, comment="文件大小")
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("certificate.id"), comment="更正自")
    revoke_confirmed_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="撤销发起人")
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship()
    institute: Mapped[Institute] = relationship()
    item: Mapped[AppointmentItem] = relationship()
    verifier: Mapped[Account] = relationship(foreign_keys=[verifier_id])
    checker: Mapped[Account | None] = relationship(foreign_keys=[checker_id])
    approver: Mapped[Account | None] = relationship(foreign_keys=[approver_id])

    def __str__(self) -> str:
        return self.number or f"证书草稿 {self.id}"


class NumberCounter(Model):
    """The last number given, per (kind of number, owner, period); locked while a number is taken."""

    __tablename__ = "number_counter"
    kind: Mapped[str] = mapped_column(String(20), primary_key=True, comment="编号类别")
    owner: Mapped[str] = mapped_column(String(20), primary_key=True, comment="编号主体")
    period: Mapped[str] = mapped_column(String(8), primary_key=True, comment="期间")
    value: Mapped[int] = mapped_column(Integer, server_default="0", comment="已用到")
