"""What belongs to an instrument besides its own row: nozzles, a change of unit under way, duplicates that were merged."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Identified, Model, Stamped, one_of
from models.enums import NozzleState, TransferState
from models.instrument import Instrument
from models.organisation import Unit


class Nozzle(Identified, Stamped, Model):
    """加油枪: a row of a dispenser where the profile keeps nozzles apart from the serial number (S4 更换加油枪)."""

    __tablename__ = "nozzle"
    __table_args__ = (
        one_of("state", NozzleState),
        CheckConstraint("number BETWEEN 1 AND 99", name="number"),
        Index("uq_nozzle_in_use", "instrument_id", "number", unique=True, postgresql_where=text("state = 'in_use'")),
    )
    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("instrument.id", ondelete="CASCADE"), index=True, comment="加油机"
    )
    number: Mapped[int] = mapped_column(Integer, comment="枪号")
    serial_no: Mapped[str] = mapped_column(String(100), comment="加油枪编号", info={"number": True})
    state: Mapped[str] = mapped_column(String(12), server_default="in_use", default="in_use", comment="状态")
    installed_on: Mapped[date | None] = mapped_column(Date, comment="安装日期")
    replaced_on: Mapped[date | None] = mapped_column(Date, comment="更换日期")
    instrument: Mapped[Instrument] = relationship()

    def __str__(self) -> str:
        return f"{self.number}号枪 {self.serial_no}"


class InstrumentTransfer(Flowing, Model):
    """变更使用单位: the giving unit asks, the receiving unit accepts; lapses after its day (WORKFLOWS section 3)."""

    __tablename__ = "instrument_transfer"
    __table_args__ = (
        one_of("state", TransferState),
        CheckConstraint("unit_id <> receiver_unit_id", name="two_units"),
        Index("uq_instrument_transfer_live", "instrument_id", unique=True, postgresql_where=text("state = 'asked'")),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    instrument_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="器具")
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="转出单位")
    receiver_unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="接收单位")
    use_division: Mapped[str] = mapped_column(String(6), comment="使用地点行政区划")
    place: Mapped[str] = mapped_column(String(200), server_default="", default="", comment="接收后的安装/使用地点")
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="申请人")
    expires_on: Mapped[date] = mapped_column(Date, comment="失效日期")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="答复时间")
    instrument: Mapped[Instrument] = relationship()
    unit: Mapped[Unit] = relationship(foreign_keys=[unit_id])
    receiver: Mapped[Unit] = relationship(foreign_keys=[receiver_unit_id])

    def __str__(self) -> str:
        return f"{self.instrument} 变更使用单位"


class InstrumentMerge(Identified, Stamped, Model):
    """Two rows that were one instrument; `before` and `moved` are what an unmerge needs (BEYOND 16)."""

    __tablename__ = "instrument_merge"
    __table_args__ = (
        CheckConstraint("kept_id <> merged_id", name="two_rows"),
        Index("uq_instrument_merge_live", "merged_id", unique=True, postgresql_where=text("undone_at IS NULL")),
    )
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    kept_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="保留的器具")
    merged_id: Mapped[int] = mapped_column(ForeignKey("instrument.id"), index=True, comment="并入的器具")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), comment="操作人")
    before: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="合并前内容")
    moved: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="随之移动的记录")
    merged_on: Mapped[date] = mapped_column(Date, comment="合并日期")
    undone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="取消合并时间")
    undone_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="取消人")
    kept: Mapped[Instrument] = relationship(foreign_keys=[kept_id])
    merged: Mapped[Instrument] = relationship(foreign_keys=[merged_id])
