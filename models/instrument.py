"""The ledger (台账): one row per measuring instrument under compulsory verification."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Model, one_of
from models.enums import Conclusion, DeliveryMode, InstrumentKind, InstrumentState, Origin, Purpose
from models.organisation import Institute, Unit
from models.reference import Category, Division

NEEDED = ("name", "serial_no", "use_division", "place", "purpose", "delivery_mode")
ASKED_FOR = ("kind", "model", "measuring_range", "accuracy_class", "manufacturer", "origin")


def lacking(*columns: str) -> str:
    """The predicate of an index over the rows in which one of these columns is empty."""
    return " OR ".join(f"{column} = ''" for column in columns)


class Instrument(Flowing, Model):
    """计量器具. `last_result`, `verified_on` and `valid_until` are recomputed from all issued certificates, never patched."""

    __tablename__ = "instrument"
    __table_args__ = (
        one_of("state", InstrumentState),
        one_of("purpose", Purpose),
        one_of("delivery_mode", DeliveryMode),
        one_of("origin", Origin),
        one_of("kind", InstrumentKind),
        one_of("last_result", Conclusion, nullable=True),
        CheckConstraint("quantity >= 1", name="quantity"),
        CheckConstraint("quality BETWEEN 0 AND 100", name="quality"),
        Index("uq_instrument_code", "code", unique=True, postgresql_where=text("code IS NOT NULL")),
        # I-19: the key is unique among a unit's rows in the ledger; whether the scrapped ones count too is the profile's
        # to say (LED-14) and asked before a row is written
        Index(
            "uq_instrument_dup_key",
            "unit_id",
            "dup_key",
            unique=True,
            postgresql_where=text("state NOT IN ('purged', 'merged', 'former', 'scrapped')"),
        ),
        Index("ix_instrument_search_bg", text("bigrams(search_text)"), postgresql_using="gin"),
        Index("ix_instrument_serial_folded", text("fold_number(serial_no) text_pattern_ops")),
        Index("ix_instrument_serial_folded_reversed", text("reverse(fold_number(serial_no)) text_pattern_ops")),
        Index("ix_instrument_dup_key", "dup_key"),
        Index("ix_instrument_filed_on", "filed_on", "id", postgresql_where=text("state = 'in_use'")),
        Index("ix_instrument_serial", text("serial_no text_pattern_ops")),
        Index("ix_instrument_serial_reversed", text("reverse(serial_no) text_pattern_ops")),
        Index("ix_instrument_division", text("use_division text_pattern_ops"), "id"),
        # counts on the tabs of a regulator's ledger, answered from the index alone
        Index("ix_instrument_state_division", "state", text("use_division text_pattern_ops"), "last_result"),
        Index(
            "ix_instrument_failed_division",
            text("use_division text_pattern_ops"),
            "id",
            postgresql_where=text("state = 'in_use' AND last_result = 'fail'"),
        ),
        Index(
            "ix_instrument_due_division",
            text("valid_until"),
            "id",
            postgresql_include=["use_division", "last_result", "compulsory"],
            postgresql_where=text("state = 'in_use'"),
        ),
        # due date and result come along, so that a unit's tabs and to-dos are counted from the index alone
        Index(
            "ix_instrument_unit_state",
            "unit_id",
            "state",
            "id",
            postgresql_include=["valid_until", "last_result", "compulsory", "filed_on", "verified_on", "hidden"],
        ),
        Index("ix_instrument_state_id", "state", "id"),
        Index("ix_instrument_purpose", "purpose", "delivery_mode"),
        Index("ix_instrument_faults", text("quality_faults jsonb_path_ops"), postgresql_using="gin"),
        Index("ix_instrument_failed", "id", postgresql_where=text("last_result = 'fail'")),
        Index("ix_instrument_category_id", "category_id", "id"),
        # 待完善: the few rows that lack what every record needs, and what some deployments ask for besides (LED-16)
        Index("ix_instrument_lacking", "id", postgresql_where=text(lacking(*NEEDED))),
        Index("ix_instrument_lacking_more", "id", postgresql_where=text(lacking(*ASKED_FOR))),
        Index("ix_instrument_valid_until", "valid_until", "id"),
        Index("ix_instrument_merged_into_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
        # the public list: instruments in use with a result (ROLES section 2)
        Index(
            "ix_instrument_public",
            "id",
            postgresql_where=text("state = 'in_use' AND last_result IS NOT NULL"),
        ),
    )
    state: Mapped[str] = mapped_column(String(24), comment="器具状态")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), comment="使用单位")
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), comment="二级目录")
    name: Mapped[str] = mapped_column(String(100), comment="器具名称")
    model: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="型号规格")
    measuring_range: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="测量范围")
    accuracy_class: Mapped[str] = mapped_column(String(50), server_default="", default="", comment="准确度等级")
    serial_no: Mapped[str] = mapped_column(String(100), comment="出厂编号", info={"number": True})
    own_no: Mapped[str] = mapped_column(String(50), server_default="", default="", comment="自编号")
    manufacturer: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="生产厂家")
    origin: Mapped[str] = mapped_column(String(10), server_default="domestic", default="domestic", comment="器具产地")
    use_division: Mapped[str] = mapped_column(ForeignKey("division.code"), comment="使用地点行政区划")
    place: Mapped[str] = mapped_column(String(200), comment="安装/使用地点")
    purchased_on: Mapped[date | None] = mapped_column(Date, comment="购置时间")
    quantity: Mapped[int] = mapped_column(Integer, server_default="1", default=1, comment="器具数量")
    purpose: Mapped[str] = mapped_column(String(12), comment="器具用途")
    delivery_mode: Mapped[str] = mapped_column(String(10), comment="送检方式")
    valid_until: Mapped[date | None] = mapped_column(Date, comment="有效期至")
    note: Mapped[str] = mapped_column(String(500), server_default="", default="", comment="备注")
    dup_key: Mapped[str] = mapped_column(String(500), comment="查重键")
    search_text: Mapped[str] = mapped_column(String(400), comment="检索文本", info={"gram": True})
    last_result: Mapped[str | None] = mapped_column(String(10), comment="检定结果")
    verified_on: Mapped[date | None] = mapped_column(Date, comment="检定日期")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="检定机构")
    kind: Mapped[str] = mapped_column(String(10), server_default="working", default="working", comment="器具类型")
    installed_on: Mapped[date | None] = mapped_column(Date, comment="安装日期")
    produced_on: Mapped[date | None] = mapped_column(Date, comment="生产日期")
    type_approval_no: Mapped[str] = mapped_column(String(50), server_default="", default="", comment="型批证书号")
    station: Mapped[str] = mapped_column(String(100), server_default="", default="", comment="所属充电站")
    code: Mapped[str | None] = mapped_column(String(18), comment="计量器具编码")
    certificate_no: Mapped[str] = mapped_column(String(40), server_default="", default="", comment="证书编号")
    # 非强检: kept in the ledger because the unit's own workbook holds it; never filed, booked or reminded of
    compulsory: Mapped[bool] = mapped_column(Boolean, server_default=text("true"), default=True, comment="强制检定")
    declared_category_id: Mapped[int | None] = mapped_column(
        ForeignKey("category.id"), comment="按铭牌的二级目录"
    )  # kept for statistics when the deployment redirects a category (CAT-05)
    filed_on: Mapped[date | None] = mapped_column(Date, comment="备案通过日期")
    hidden: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), default=False, comment="已从使用单位库中移除"
    )  # 彻底删除 of a verified instrument: the unit no longer sees it, institutes and regulators do
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("instrument.id"), comment="并入的器具")
    quality: Mapped[int | None] = mapped_column(SmallInteger, comment="数据质量")
    quality_faults: Mapped[list[str]] = mapped_column(JSONB, server_default="[]", default=list, comment="数据问题")
    unit: Mapped[Unit] = relationship()
    category: Mapped[Category] = relationship(foreign_keys=[category_id])
    division: Mapped[Division] = relationship()
    institute: Mapped[Institute | None] = relationship()

    def __str__(self) -> str:
        return f"{self.name} {self.serial_no}"
