"""What happened: the log of workflow steps and the hash-chained audit log. Both only ever grow."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model


class TransitionLog(Model):
    """One step of one entity: who, when, from, to. `instrument_id` gathers an instrument's whole history."""

    __tablename__ = "transition_log"
    __table_args__ = (
        Index("ix_transition_log_entity", "entity", "entity_id", "id"),
        Index(
            "ix_transition_log_instrument", "instrument_id", "id", postgresql_where=text("instrument_id IS NOT NULL")
        ),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="主键")
    entity: Mapped[str] = mapped_column(String(20), comment="对象")
    entity_id: Mapped[int] = mapped_column(BigInteger, comment="记录")
    step: Mapped[str] = mapped_column(String(30), comment="步骤")
    from_state: Mapped[str | None] = mapped_column(String(24), comment="原状态")
    to_state: Mapped[str] = mapped_column(String(24), comment="新状态")
    actor_id: Mapped[int | None] = mapped_column(BigInteger, comment="操作人账号")
    actor_name: Mapped[str] = mapped_column(String(40), comment="操作人")
    actor_body: Mapped[str] = mapped_column(String(120), server_default="", default="", comment="所属单位")
    actor_role: Mapped[str] = mapped_column(String(12), comment="身份")
    caused_by: Mapped[str | None] = mapped_column(String(60), comment="由何引起")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp(), comment="时间")
    input: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="填写内容")
    ip: Mapped[str | None] = mapped_column(String(45), comment="来源地址")
    request_id: Mapped[str | None] = mapped_column(String(36), comment="请求编号")
    instrument_id: Mapped[int | None] = mapped_column(BigInteger, comment="器具")
    unit_id: Mapped[int | None] = mapped_column(BigInteger, index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(BigInteger, index=True, comment="技术机构")
    use_division: Mapped[str | None] = mapped_column(String(6), comment="使用地点行政区划")


class AuditLog(Model):
    """Every important act, chained by HMAC once the sequencer has sealed it (TRUST 7.2); a trigger forbids changes."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_unsealed", "seq", postgresql_where=text("hash IS NULL")),)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="序号")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp(), comment="时间")
    actor_id: Mapped[int | None] = mapped_column(BigInteger, comment="操作人账号")
    actor_name: Mapped[str] = mapped_column(String(60), comment="操作人")
    role: Mapped[str] = mapped_column(String(60), comment="身份")
    action: Mapped[str] = mapped_column(String(60), comment="动作")
    entity: Mapped[str | None] = mapped_column(String(30), comment="对象")
    entity_id: Mapped[str | None] = mapped_column(String(40), comment="记录")
    outcome: Mapped[str] = mapped_column(String(12), comment="结果")
    ip: Mapped[str | None] = mapped_column(String(45), comment="来源地址")
    request_id: Mapped[str | None] = mapped_column(String(36), comment="请求编号")
    detail: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="详情")
    prev_hash: Mapped[str | None] = mapped_column(String(64), comment="前一条指纹")
    hash: Mapped[str | None] = mapped_column(String(64), comment="本条指纹")
