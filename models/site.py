"""What the administrator of a deployment keeps: settings over the profile, texts people agree to, files to download."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, Integer, String, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Identified, Model, Stamped, one_of
from models.enums import SettingState


class ProfileSetting(Identified, Stamped, Model):
    """A value that replaces the profile's (law 5). Security settings wait as `proposed` for the security administrator."""

    __tablename__ = "profile_setting"
    __table_args__ = (
        one_of("state", SettingState),
        Index("uq_profile_setting_in_force", "key", unique=True, postgresql_where=text("state = 'in_force'")),
        Index("uq_profile_setting_proposed", "key", unique=True, postgresql_where=text("state = 'proposed'")),
    )
    key: Mapped[str] = mapped_column(String(80), comment="设置项")
    value: Mapped[object] = mapped_column(JSONB, comment="值")
    state: Mapped[str] = mapped_column(String(12), comment="状态")
    changed_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="修改人")
    confirmed_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="确认人")


class SiteText(Identified, Model):
    """One version of a text that people agree to or read; a new wording is a new row, old consents keep theirs."""

    __tablename__ = "site_text"
    __table_args__ = (UniqueConstraint("key", "version"),)
    key: Mapped[str] = mapped_column(String(40), comment="文本")
    version: Mapped[int] = mapped_column(Integer, comment="版本")
    title: Mapped[str] = mapped_column(String(120), comment="标题")
    body: Mapped[str] = mapped_column(Text, comment="正文")
    changed_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="修改人")
    published_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), comment="发布时间"
    )

    def __str__(self) -> str:
        return self.title


class SiteFile(Identified, Stamped, Model):
    """A file that anybody may download (letter template, registration guide); the newest of its kind counts."""

    __tablename__ = "site_file"
    kind: Mapped[str] = mapped_column(String(40), unique=True, comment="用途")
    filename: Mapped[str] = mapped_column(String(120), comment="文件名")
    content_type: Mapped[str] = mapped_column(String(100), comment="类型")
    sha256: Mapped[str] = mapped_column(String(64), comment="指纹")
    size: Mapped[int] = mapped_column(Integer, comment="大小")
    changed_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="修改人")

    def __str__(self) -> str:
        return self.filename
