"""Bodies: user units (使用单位), verification institutes (计量技术机构) and what an institute is authorised for."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Boolean, Date, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Identified, Model, Stamped, one_of
from models.enums import Level
from models.reference import Category, Division
from models.types import Encrypted


class Unit(Identified, Stamped, Model):
    """使用单位: keeps a ledger of instruments. `active` turns true when its registration is approved."""

    __tablename__ = "unit"
    __table_args__ = (
        # one code may belong to one active unit only (must-never case 24)
        Index("uq_unit_code_active", "code", unique=True, postgresql_where=text("active")),
        Index("ix_unit_name_bg", text("bigrams(name)"), postgresql_using="gin"),
    )
    code: Mapped[str | None] = mapped_column(String(18), index=True, comment="统一社会信用代码")
    name: Mapped[str] = mapped_column(String(120), comment="单位名称", info={"gram": True})
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"), index=True, comment="所在地")
    address: Mapped[str] = mapped_column(String(200), comment="详细地址")
    contact_name: Mapped[str] = mapped_column(String(40), comment="联系人")
    contact_phone: Mapped[str | None] = mapped_column(Encrypted(200), comment="联系电话")
    category: Mapped[str | None] = mapped_column(String(20), comment="单位类别")
    key_energy_user: Mapped[bool | None] = mapped_column(Boolean, comment="是否重点用能企业")
    legal_person: Mapped[str | None] = mapped_column(String(40), comment="法定代表人/负责人")
    legal_id_number: Mapped[str | None] = mapped_column(Encrypted(200), comment="法定代表人身份证号码")
    email: Mapped[str | None] = mapped_column(String(120), comment="邮箱")
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="已审核")
    division: Mapped[Division] = relationship(lazy="joined")

    def __str__(self) -> str:
        return self.name


class UnitContact(Identified, Stamped, Model):
    """联系人信息: further people of a unit, each with the place they look after (down to the street)."""

    __tablename__ = "unit_contact"
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    name: Mapped[str] = mapped_column(String(40), comment="联系人")
    phone: Mapped[str] = mapped_column(Encrypted(200), comment="联系方式")
    division_code: Mapped[str | None] = mapped_column(String(9), comment="省市区县街道")
    address: Mapped[str] = mapped_column(String(200), server_default="", default="", comment="详细地址")

    def __str__(self) -> str:
        return self.name


class TypeApproval(Identified, Stamped, Model):
    """型评信息: a model that a type approval certificate covers; several models per certificate are usual."""

    __tablename__ = "type_approval"
    __table_args__ = (UniqueConstraint("unit_id", "certificate_no", "instrument_name", "model"),)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    certificate_no: Mapped[str] = mapped_column(String(40), comment="型批证书号")
    instrument_name: Mapped[str] = mapped_column(String(100), comment="计量器具名称")
    model: Mapped[str] = mapped_column(String(100), comment="型号")
    flow_range: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="流量范围")

    def __str__(self) -> str:
        return f"{self.certificate_no} {self.model}"


class Institute(Identified, Stamped, Model):
    """计量技术机构: county, city or province level; `authorised_until` is its licence's end."""

    __tablename__ = "institute"
    __table_args__ = (one_of("level", Level), UniqueConstraint("name"))
    name: Mapped[str] = mapped_column(String(120), comment="机构名称")
    code: Mapped[str] = mapped_column(String(8), unique=True, comment="机构代号")
    level: Mapped[str] = mapped_column(String(10), comment="机构级别")
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"), index=True, comment="所在地")
    address: Mapped[str] = mapped_column(String(200), comment="地址")
    phone: Mapped[str] = mapped_column(String(30), comment="电话")
    authorisation_no: Mapped[str] = mapped_column(String(60), comment="授权证书编号")
    authorised_until: Mapped[date] = mapped_column(Date, comment="授权有效期至")
    unified_code: Mapped[str | None] = mapped_column(String(18), comment="统一社会信用代码")
    manager: Mapped[str | None] = mapped_column(String(40), comment="负责人")
    regions: Mapped[str | None] = mapped_column(String(200), comment="授权区域")
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"), default=True, comment="已审核")
    division: Mapped[Division] = relationship(lazy="joined")

    def __str__(self) -> str:
        return self.name

    @property
    def area(self) -> str:
        """The prefix of the divisions it serves: 4401 for a city institute at 440100."""
        size = {Level.PROVINCE: 2, Level.CITY: 4}.get(Level(self.level), 6)
        return self.division_code[:size]


class InstituteCapability(Identified, Model):
    """A category that an institute is authorised to verify, between two days (both included)."""

    __tablename__ = "institute_capability"
    __table_args__ = (UniqueConstraint("institute_id", "category_id"),)
    institute_id: Mapped[int] = mapped_column(ForeignKey("institute.id"), comment="机构")
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), comment="种别")
    valid_from: Mapped[date] = mapped_column(Date, comment="生效日期")
    valid_until: Mapped[date] = mapped_column(Date, comment="有效期至")
    regulation: Mapped[str] = mapped_column(String(120), comment="检定规程")
    standard_name: Mapped[str] = mapped_column(String(120), comment="计量标准")
    standard_range: Mapped[str] = mapped_column(String(60), comment="标准测量范围")
    standard_uncertainty: Mapped[str] = mapped_column(String(60), comment="不确定度或准确度等级")
    standard_certificate: Mapped[str] = mapped_column(String(60), comment="标准证书编号")
    standard_valid_until: Mapped[date] = mapped_column(Date, comment="标准有效期至")
    sort_order: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="排序")
    institute: Mapped[Institute] = relationship(lazy="joined")
    category: Mapped[Category] = relationship(lazy="joined")

    def __str__(self) -> str:
        return f"{self.category} {self.standard_name}"


class InstituteInstrument(Model):
    """Which instruments an institute knows: filed with it or booked with it. Triggers on both tables keep it, so that an
    institute's ledger walks one index; nothing else writes it (migration 0006)."""

    __tablename__ = "institute_instrument"
    institute_id: Mapped[int] = mapped_column(
        ForeignKey("institute.id", ondelete="CASCADE"), primary_key=True, comment="技术机构"
    )
    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), primary_key=True, index=True, comment="器具"
    )
