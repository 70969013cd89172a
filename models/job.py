"""Work longer than a click: a row with progress and a checkpoint, committed together with the work itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, Index, Integer, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Identified, Model, Stamped, one_of
from models.enums import JobState, LineOutcome


class Job(Identified, Stamped, Model):
    """A job acts as the account that asked for it; Redis only wakes a worker, this row is the truth."""

    __tablename__ = "job"
    __table_args__ = (
        one_of("state", JobState),
        Index("ix_job_open", "state", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index(
            "uq_job_import_running",
            "unit_id",
            unique=True,
            postgresql_where=text("kind = 'ledger_import' AND state IN ('queued', 'running')"),
        ),
    )
    state: Mapped[str] = mapped_column(String(12), server_default="queued", default="queued", comment="状态")
    kind: Mapped[str] = mapped_column(String(30), comment="任务类型")
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True, comment="发起人")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="技术机构")
    title: Mapped[str] = mapped_column(String(120), comment="名称")
    phase: Mapped[str] = mapped_column(String(20), server_default="", default="", comment="阶段")
    params: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="参数")
    counts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="统计")
    done: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="已完成")
    total: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="总数")
    error: Mapped[str | None] = mapped_column(String(500), comment="失败原因")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="尝试次数")
    heartbeat_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="最近心跳")
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="开始时间")
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="结束时间")
    account: Mapped[Account] = relationship()

    def __str__(self) -> str:
        return self.title


class ImportRow(Model):
    """One row of an uploaded ledger: what was read, what would happen, what did happen (I-10, I-11)."""

    __tablename__ = "import_row"
    __table_args__ = (
        Index("ix_import_row_outcome", "job_id", "outcome"),
        # what the commit phase still has to do
        Index(
            "ix_import_row_waiting",
            "job_id",
            "position",
            postgresql_where=text("outcome = 'new' AND instrument_id IS NULL"),
        ),
    )
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, comment="任务")
    position: Mapped[int] = mapped_column(Integer, primary_key=True, comment="次序")
    row_number: Mapped[int] = mapped_column(Integer, comment="行号")
    sheet: Mapped[str] = mapped_column(String(60), server_default="", default="", comment="工作表")
    outcome: Mapped[str] = mapped_column(String(10), comment="结果")
    values: Mapped[dict[str, object]] = mapped_column(JSONB, comment="内容")
    problems: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default="[]", comment="问题")
    dup_key: Mapped[str] = mapped_column(String(500), comment="查重键")
    instrument_id: Mapped[int | None] = mapped_column(BigInteger, comment="器具")
    # what was typed, by field key: a row can be corrected on the page and checked again
    cells: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="填写内容")
    edited: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="已在线修改")


class BulkLine(Model):
    """One row of a bulk act: chosen when it was confirmed, never more, and what became of it (I-25, I-31).

    `before` holds the fields the act changed as they were; `after_version` says whether anybody touched the row since.
    """

    __tablename__ = "bulk_line"
    __table_args__ = (
        one_of("outcome", LineOutcome),
        Index("ix_bulk_line_waiting", "job_id", "position", postgresql_where=text("outcome = 'waiting'")),
        Index("ix_bulk_line_outcome", "job_id", "outcome", "position"),
    )
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, comment="任务")
    position: Mapped[int] = mapped_column(Integer, primary_key=True, comment="次序")
    entity_id: Mapped[int] = mapped_column(BigInteger, comment="记录")
    outcome: Mapped[str] = mapped_column(String(10), server_default="waiting", default="waiting", comment="结果")
    sentence: Mapped[str] = mapped_column(String(300), server_default="", default="", comment="说明")
    before: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", default=dict, comment="办理前内容")
    after_version: Mapped[int | None] = mapped_column(Integer, comment="办理后版本")
