"""What a person arranges for himself: named filters of lists, the columns shown, mappings of his own workbooks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, DateTime, ForeignKey, Index, Integer, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Identified, Model, Stamped


class SavedView(Identified, Stamped, Model):
    """保存的筛选: a list's query, columns and order under a name; shared only inside the owner's body (BEYOND 6).

    Exactly one of `unit_id`, `institute_id`, `area` names the body it may be shared in; none for people without one.
    """

    __tablename__ = "saved_view"
    __table_args__ = (
        UniqueConstraint("account_id", "list_name", "name"),
        Index("ix_saved_view_unit", "unit_id", postgresql_where=text("shared")),
        Index("ix_saved_view_institute", "institute_id", postgresql_where=text("shared")),
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="所有者")
    list_name: Mapped[str] = mapped_column(String(40), comment="列表")
    name: Mapped[str] = mapped_column(String(40), comment="名称")
    query: Mapped[str] = mapped_column(String(2000), server_default="", default="", comment="筛选条件")
    columns: Mapped[list[str]] = mapped_column(JSONB, server_default="[]", default=list, comment="显示的列")
    shared: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="本单位共享")
    pinned: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="固定在首页")
    position: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="次序")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), comment="技术机构")
    area: Mapped[str | None] = mapped_column(String(6), comment="辖区")
    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return self.name


class ListSetting(Stamped, Model):
    """选择列: which columns, in which order, and how many rows a page one person wants in one list (LED-20)."""

    __tablename__ = "list_setting"
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True, comment="账号")
    list_name: Mapped[str] = mapped_column(String(40), primary_key=True, comment="列表")
    columns: Mapped[list[str]] = mapped_column(JSONB, server_default="[]", default=list, comment="显示的列")
    page_size: Mapped[int | None] = mapped_column(Integer, comment="每页行数")


class ColumnMapping(Identified, Model):
    """How the headings of a unit's own workbook were matched to our fields, remembered for the next time.

    `signature` is a fingerprint of the folded headings; `mapping` heading → field key ("" for a column to ignore).
    """

    __tablename__ = "column_mapping"
    __table_args__ = (UniqueConstraint("unit_id", "signature"),)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    signature: Mapped[str] = mapped_column(String(64), comment="表头指纹")
    mapping: Mapped[dict[str, str]] = mapped_column(JSONB, comment="列对应")
    used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="最近使用")
