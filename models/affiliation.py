"""What bodies decide about themselves: who acts for them (WORKFLOWS section 2), and changes of a unit's own data."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Flowing, Model, one_of
from models.enums import AffiliationState, UnitChangeState
from models.organisation import Unit


class Affiliation(Flowing, Model):
    """One row per person and body; at most one of a person's is asked for or linked (S1 §2.5.1).

    `body_name` is all that the person may know of the body before being linked.
    """

    __tablename__ = "affiliation"
    __table_args__ = (
        one_of("state", AffiliationState),
        CheckConstraint("(unit_id IS NULL) <> (institute_id IS NULL)", name="one_body"),
        UniqueConstraint("account_id", "unit_id"),
        UniqueConstraint("account_id", "institute_id"),
        Index(
            "uq_affiliation_live",
            "account_id",
            unique=True,
            postgresql_where=text("state IN ('requested', 'linked')"),
        ),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="申请人")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="技术机构")
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="申请时间")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="答复时间")
    body_name: Mapped[str] = mapped_column(String(120), comment="单位或机构")
    account: Mapped[Account] = relationship(lazy="joined")

    def __str__(self) -> str:
        return self.body_name


class UnitChange(Flowing, Model):
    """A change of name, code or licence that the reviewer of registrations looks at before it counts (ORG-12)."""

    __tablename__ = "unit_change"
    __table_args__ = (
        one_of("state", UnitChangeState),
        CheckConstraint("state <> 'refused' OR reason IS NOT NULL", name="refused_has_reason"),
        Index("uq_unit_change_pending", "unit_id", unique=True, postgresql_where=text("state = 'pending'")),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="申请人")
    reviewer_institute_id: Mapped[int | None] = mapped_column(
        ForeignKey("institute.id"), index=True, comment="审核机构"
    )
    changes: Mapped[dict[str, list[str]]] = mapped_column(JSONB, comment="变更内容")
    unit: Mapped[Unit] = relationship(lazy="joined")
    account: Mapped[Account] = relationship(foreign_keys=[account_id])

    def __str__(self) -> str:
        return str(self.unit)
