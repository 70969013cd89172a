"""Uploaded files: the row says whose and what, the bytes lie in the file store under their hash."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Model, Stamped


class Attachment(Stamped, Model):
    """One file of one owner row; downloaded by id through the scoped session, never by path."""

    __tablename__ = "attachment"
    __table_args__ = (Index("ix_attachment_owner", "owner_type", "owner_id"),)
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4, comment="主键")
    owner_type: Mapped[str | None] = mapped_column(String(20), comment="所属类型")
    owner_id: Mapped[int | None] = mapped_column(BigInteger, comment="所属记录")
    kind: Mapped[str] = mapped_column(String(30), comment="用途")
    filename: Mapped[str] = mapped_column(String(120), comment="文件名")
    content_type: Mapped[str] = mapped_column(String(100), comment="类型")
    sha256: Mapped[str] = mapped_column(String(64), comment="指纹")
    size: Mapped[int] = mapped_column(Integer, comment="字节数")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="技术机构")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True, comment="上传人")

    def __str__(self) -> str:
        return self.filename
