"""Accounts (账号), the codes sent to prove an address, and consents."""

from __future__ import annotations

from datetime import datetime

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Identified, Model, one_of
from models.enums import AccountKind, AccountState, Role
from models.organisation import Institute, Unit
from models.types import Encrypted


class Account(Flowing, Model):
    """A person's way into the platform: what Flask-AppBuilder's user lacks (state, body, area, roles, phone).

    The FAB user (`user_id`) only proves the password; what the person may do is decided from this row at every request.
    """

    __tablename__ = "account"
    __table_args__ = (
        one_of("kind", AccountKind),
        one_of("state", AccountState),
        CheckConstraint("state <> 'returned' OR reason IS NOT NULL", name="returned_has_reason"),
        CheckConstraint("kind <> 'enterprise' OR unit_id IS NOT NULL", name="enterprise_has_unit"),
        CheckConstraint("kind <> 'institute' OR institute_id IS NOT NULL", name="staff_has_institute"),
        CheckConstraint("kind <> 'regulator' OR area ~ '^([0-9]{2}){1,3}$'", name="regulator_has_area"),
        Index("uq_account_phone_live", "phone_index", unique=True, postgresql_where=text("state <> 'closed'")),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    kind: Mapped[str] = mapped_column(String(12), comment="类型")
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), unique=True, comment="登录用户")
    name: Mapped[str] = mapped_column(String(40), comment="姓名")
    phone: Mapped[str | None] = mapped_column(Encrypted(200), comment="手机号")
    phone_index: Mapped[str | None] = mapped_column(String(64), comment="手机号索引")
    email: Mapped[str | None] = mapped_column(String(120), comment="邮箱")
    email_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="邮箱验证时间")
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(12)), server_default="{}", default=list, comment="角色")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="技术机构")
    area: Mapped[str | None] = mapped_column(String(6), comment="辖区代码前缀")
    reviewer_institute_id: Mapped[int | None] = mapped_column(
        ForeignKey("institute.id"), index=True, comment="审核机构"
    )
    activation_hash: Mapped[str | None] = mapped_column(String(64), unique=True, comment="激活链接指纹")
    activation_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="激活链接有效期")
    session_epoch: Mapped[int] = mapped_column(Integer, server_default="1", default=1, comment="会话代次")
    locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="锁定至")
    failed_logins: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="连续失败次数")
    user: Mapped[User] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(foreign_keys=[unit_id])
    institute: Mapped[Institute | None] = relationship(foreign_keys=[institute_id])
    reviewer_institute: Mapped[Institute | None] = relationship(foreign_keys=[reviewer_institute_id])

    def __str__(self) -> str:
        return self.name

    @property
    def effective_roles(self) -> frozenset[Role]:
        """What the account may act as now: its roles while active, only its own registration before that."""
        if self.state == AccountState.ACTIVE:
            return frozenset(Role(r) for r in self.roles)
        if self.state in {AccountState.PENDING, AccountState.RETURNED}:
            return frozenset({Role.APPLICANT})
        return frozenset()


class VerificationCode(Identified, Model):
    """A six-digit code sent to an address for one purpose: kept as a hash, ten minutes, five tries, once."""

    __tablename__ = "verification_code"
    __table_args__ = (Index("ix_verification_code_address", "address_index", "purpose"),)
    address_index: Mapped[str] = mapped_column(String(64), comment="地址指纹")
    purpose: Mapped[str] = mapped_column(String(20), comment="用途")
    code_hash: Mapped[str] = mapped_column(String(64), comment="验证码指纹")
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="发送时间")
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="有效期至")
    tries: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="尝试次数")
    used: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="已使用")


class Consent(Identified, Model):
    """That a person agreed to a text: which text, which version, when, from where (PIPL art. 14)."""

    __tablename__ = "consent"
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True, comment="账号")
    document: Mapped[str] = mapped_column(String(40), comment="文本")
    text_version: Mapped[str] = mapped_column(String(20), comment="版本")
    given_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="同意时间")
    ip: Mapped[str | None] = mapped_column(String(45), comment="来源地址")


class WebSession(Model):
    """A browser's session, kept on the server so that logging out or disabling the account ends it at once."""

    __tablename__ = "web_session"
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True, comment="会话指纹")
    account_id: Mapped[int | None] = mapped_column(BigInteger, index=True, comment="账号")
    data: Mapped[dict[str, object]] = mapped_column(JSONB, server_default="{}", comment="内容")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="开始时间")
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="最近使用")
    ip: Mapped[str | None] = mapped_column(String(45), comment="来源地址")
    agent: Mapped[str | None] = mapped_column(String(200), comment="浏览器")
