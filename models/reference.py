"""Reference tables that an administrator maintains: divisions, the mandatory catalogue, the calendar's exceptions."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Boolean, Date, Identity, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model


class Division(Model):
    """行政区划: province, city, county (6 digits) or street (9 digits)."""

    __tablename__ = "division"
    code: Mapped[str] = mapped_column(String(9), primary_key=True, comment="代码")
    name: Mapped[str] = mapped_column(String(60), comment="名称")
    parent_code: Mapped[str | None] = mapped_column(String(9), index=True, comment="上级代码")
    level: Mapped[str] = mapped_column(String(10), comment="级别")
    has_children: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), comment="有下级县区")

    def __str__(self) -> str:
        return f"{self.name}[{self.code}]"


class Category(Model):
    """强检目录: one line of the mandatory catalogue, 公告 2020 No. 42; two levels (一级/二级目录)."""

    __tablename__ = "category"
    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True, comment="主键")
    code: Mapped[str] = mapped_column(String(12), unique=True, comment="种别代码")
    level1: Mapped[str] = mapped_column(String(60), comment="一级目录")
    level2: Mapped[str] = mapped_column(String(60), unique=True, comment="二级目录")
    supervision: Mapped[str] = mapped_column(String(5), comment="监管方式")
    verification_mode: Mapped[str] = mapped_column(String(200), comment="强检方式")
    scope_text: Mapped[str] = mapped_column(String(500), comment="强检范围")
    cycle_months: Mapped[int | None] = mapped_column(Integer, comment="检定周期(月)")
    typical_use: Mapped[str] = mapped_column(String(60), comment="典型用途")
    valid: Mapped[bool] = mapped_column(Boolean, server_default=text("true"), default=True, comment="有效")

    def __str__(self) -> str:
        return self.level2

    @property
    def mandatory(self) -> bool:
        """Only V and P+V instruments are under compulsory verification; P is type approval alone."""
        return "V" in self.supervision

    @property
    def nozzle(self) -> bool:
        """Dispensers are kept by nozzle: the serial number carries （n枪） (manual 003)."""
        return self.level1 in {"加油机", "加气机"}


class CategoryRule(Model):
    """五类内容填写: what the manual says about filling in instruments of one name (CAT-01, S3); administrators edit it.

    `names` are the names it is chosen by, one a line; patterns are regular expressions over the folded half-width text.
    """

    __tablename__ = "category_rule"
    __table_args__ = (UniqueConstraint("position"),)
    id: Mapped[int] = mapped_column(Integer, Identity(), primary_key=True, comment="主键")
    position: Mapped[int] = mapped_column(Integer, comment="次序")
    names: Mapped[str] = mapped_column(String(1000), comment="器具名称")
    level1: Mapped[str] = mapped_column(String(60), server_default="", default="", comment="一级目录")
    level2: Mapped[str] = mapped_column(String(120), server_default="", default="", comment="二级目录")
    emphasis: Mapped[str] = mapped_column(String(500), server_default="", default="", comment="特别强调事项")
    delivery_mode: Mapped[str] = mapped_column(String(10), server_default="", default="", comment="送检方式")
    purpose: Mapped[str] = mapped_column(String(12), server_default="", default="", comment="器具用途")
    model_example: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="型号规格示例")
    range_pattern: Mapped[str] = mapped_column(String(300), server_default="", default="", comment="测量范围格式")
    range_example: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="测量范围示例")
    accuracy_example: Mapped[str] = mapped_column(String(50), server_default="", default="", comment="准确度等级示例")
    serial_pattern: Mapped[str] = mapped_column(String(300), server_default="", default="", comment="出厂编号格式")
    serial_example: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="出厂编号示例")
    blocking: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), default=False, comment="不符合格式时不能保存"
    )
    redirect_to: Mapped[str] = mapped_column(String(60), server_default="", default="", comment="改选的二级目录")
    help_title: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="示例标题")
    help_text: Mapped[str] = mapped_column(String(2000), server_default="", default="", comment="示例说明")
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"), default=True, comment="启用")

    def __str__(self) -> str:
        return self.names.splitlines()[0] if self.names else ""


class CalendarException(Model):
    """A weekday that is free or a weekend day that is worked, as the State Council announced it."""

    __tablename__ = "calendar_exception"
    day: Mapped[date] = mapped_column(Date, primary_key=True, comment="日期")
    kind: Mapped[str] = mapped_column(String(10), comment="类别")
    holiday: Mapped[str] = mapped_column(String(60), comment="节日")
