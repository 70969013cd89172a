"""Who may verify what by which regulation, on a day (计量法 art. 20; VER validity rules)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, Date, ForeignKey, Identity, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Identified, Model, Stamped
from models.reference import Category


class VerifierProject(Identified, Stamped, Model):
    """检定员项目: a category that a verifier is certified for, between two days (both included)."""

    __tablename__ = "verifier_project"
    __table_args__ = (
        UniqueConstraint("account_id", "category_id"),
        CheckConstraint("valid_until >= valid_from", name="validity"),
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), comment="检定员")
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), index=True, comment="机构")
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), comment="项目")
    certificate_no: Mapped[str] = mapped_column(String(60), comment="注册计量师证编号")
    valid_from: Mapped[date] = mapped_column(Date, comment="生效日期")
    valid_until: Mapped[date] = mapped_column(Date, comment="有效期至")
    account: Mapped[Account] = relationship()
    category: Mapped[Category] = relationship()

    def __str__(self) -> str:
        return f"{self.account} {self.category}"


class Regulation(Model):
    """检定规程: in force from a day on, until it is withdrawn or replaced."""

    __tablename__ = "regulation"
    __table_args__ = (
        UniqueConstraint("number"),
        CheckConstraint("withdrawn_on IS NULL OR withdrawn_on > in_force_from", name="validity"),
    )
    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True, comment="主键")
    number: Mapped[str] = mapped_column(String(40), comment="规程编号")
    name: Mapped[str] = mapped_column(String(120), comment="规程名称")
    in_force_from: Mapped[date] = mapped_column(Date, comment="实施日期")
    withdrawn_on: Mapped[date | None] = mapped_column(Date, comment="废止日期")
    replaced_by: Mapped[str] = mapped_column(String(40), server_default="", default="", comment="替代规程")

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
