"""Accounts (账号), the codes sent to prove an address, and consents."""

from __future__ import annotations

from datetime import date, datetime

from flask_appbuilder.security.sqla.models import User
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Flowing, Identified, Model, one_of
from models.enums import AccountKind, AccountState, RecoveryState, Role
from models.organisation import Institute, Unit
from models.types import Encrypted

ROLES_OF_ONE = """
roles <@ (CASE kind
  WHEN 'enterprise' THEN ARRAY['ENT', 'SUB']
  WHEN 'individual' THEN ARRAY['IND', 'AFF']
  WHEN 'institute' THEN ARRAY['REC', 'VER', 'APR', 'IMG']
  WHEN 'expert' THEN ARRAY['EXP']
  WHEN 'regulator' THEN ARRAY['REG']
  WHEN 'auditor' THEN ARRAY['AUD']
  WHEN 'admin' THEN ARRAY['ADM']
  WHEN 'security' THEN ARRAY['SEC']
END)::varchar[]
AND (cardinality(roles) < 2 OR cardinality(roles) = 2 AND (
  roles @> ARRAY['APR', 'VER']::varchar[] OR roles @> ARRAY['REC', 'VER']::varchar[]
  OR roles @> ARRAY['APR', 'IMG']::varchar[] OR roles @> ARRAY['AFF', 'IND']::varchar[]))
"""
"""Duties of one person (ROLES section 1): those of the kind, two of them only in four pairs. The same list as
app/access/roles.py; a test tries every pair at both."""


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
        CheckConstraint("kind <> 'individual' OR unit_id IS NULL OR institute_id IS NULL", name="individual_one_body"),
        CheckConstraint("kind <> 'regulator' OR area ~ '^([0-9]{2}){1,3}$'", name="regulator_has_area"),
        CheckConstraint(ROLES_OF_ONE, name="roles"),
        Index("uq_account_phone_live", "phone_index", unique=True, postgresql_where=text("state <> 'closed'")),
        Index(
            "uq_account_id_number_live",
            "id_number_index",
            unique=True,
            postgresql_where=text("state <> 'closed' AND kind = 'individual'"),
        ),
        Index("ix_account_former_name", "former_name_index", postgresql_where=text("former_name_index IS NOT NULL")),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    kind: Mapped[str] = mapped_column(String(12), comment="类型")
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), unique=True, comment="登录用户")
    name: Mapped[str] = mapped_column(String(40), comment="姓名")
    phone: Mapped[str | None] = mapped_column(Encrypted(200), comment="手机号")
    phone_index: Mapped[str | None] = mapped_column(String(64), comment="手机号索引")
    phone_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="手机号验证时间")
    email: Mapped[str | None] = mapped_column(String(120), comment="邮箱")
    email_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="邮箱验证时间")
    id_number: Mapped[str | None] = mapped_column(Encrypted(200), comment="身份证号")
    id_number_index: Mapped[str | None] = mapped_column(String(64), comment="身份证号索引")
    gender: Mapped[str | None] = mapped_column(String(4), comment="性别")
    ethnicity: Mapped[str | None] = mapped_column(String(20), comment="民族")
    division_code: Mapped[str | None] = mapped_column(ForeignKey("division.code"), comment="所在地")
    address: Mapped[str | None] = mapped_column(String(200), comment="详细地址")
    employer: Mapped[str | None] = mapped_column(String(120), comment="工作单位")
    specialty: Mapped[str | None] = mapped_column(String(60), comment="专业")
    roles: Mapped[list[str]] = mapped_column(ARRAY(String(12)), server_default="{}", default=list, comment="角色")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True, comment="使用单位")
    institute_id: Mapped[int | None] = mapped_column(ForeignKey("institute.id"), index=True, comment="技术机构")
    area: Mapped[str | None] = mapped_column(String(6), comment="辖区代码前缀")
    reviewer_institute_id: Mapped[int | None] = mapped_column(
        ForeignKey("institute.id"), index=True, comment="审核机构"
    )
    activation_hash: Mapped[str | None] = mapped_column(String(64), unique=True, comment="激活链接指纹")
    activation_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="激活链接有效期")
    countersigned_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="会签的安全管理员")
    valid_until: Mapped[date | None] = mapped_column(Date, comment="任职有效期至")
    fields_to_correct: Mapped[list[str]] = mapped_column(
        ARRAY(String(30)), server_default="{}", default=list, comment="需要修改的内容"
    )
    must_change_password: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), default=False, comment="须修改密码"
    )
    password_changed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="密码修改时间")
    totp_secret: Mapped[str | None] = mapped_column(Encrypted(200), comment="动态口令密钥")
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="动态口令启用时间")
    totp_counter: Mapped[int] = mapped_column(BigInteger, server_default="0", default=0, comment="最近动态口令序号")
    former_name_index: Mapped[str | None] = mapped_column(String(64), comment="注销前用户名索引")
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="注销时间")
    erased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="清除时间")
    session_epoch: Mapped[int] = mapped_column(Integer, server_default="1", default=1, comment="会话代次")
    locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="锁定至")
    failed_logins: Mapped[int] = mapped_column(Integer, server_default="0", default=0, comment="连续失败次数")
    user: Mapped[User] = relationship(lazy="joined")
    unit: Mapped[Unit | None] = relationship(foreign_keys=[unit_id])
    institute: Mapped[Institute | None] = relationship(foreign_keys=[institute_id])
    reviewer_institute: Mapped[Institute | None] = relationship(foreign_keys=[reviewer_institute_id])

    def __str__(self) -> str:
        return self.name

    def roles_on(self, day: date) -> frozenset[Role]:
        """What the account may act as on `day`: its roles while active and in office (the last day is included),
        only its own registration before that."""
        if self.state == AccountState.ACTIVE:
            in_office = self.valid_until is None or self.valid_until >= day
            return frozenset(Role(r) for r in self.roles) if in_office else frozenset()
        if self.state in {AccountState.PENDING, AccountState.RETURNED}:
            return frozenset({Role.APPLICANT})
        return frozenset()


class Captcha(Model):
    """A picture to read before an act that robots like: answered on the server, once, within five minutes."""

    __tablename__ = "captcha"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True, comment="题目指纹")
    action: Mapped[str] = mapped_column(String(20), comment="用途")
    visitor_hash: Mapped[str] = mapped_column(String(64), comment="访客指纹")
    answer_hash: Mapped[str] = mapped_column(String(64), comment="答案指纹")
    answer: Mapped[str] = mapped_column(Encrypted(120), comment="答案")
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True, comment="有效期至")


class ExternalIdentity(Identified, Model):
    """Somebody else's word for who a person is, keyed by issuer and subject, never by name or phone (ASVS 6.8.1)."""

    __tablename__ = "external_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True, comment="账号")
    provider: Mapped[str] = mapped_column(String(20), comment="登录方式")
    issuer: Mapped[str] = mapped_column(String(200), comment="签发方")
    subject: Mapped[str] = mapped_column(String(200), comment="标识")
    bound_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), comment="绑定时间")


class RecoveryRequest(Flowing, Model):
    """线下找回: somebody lost name or phone; one administrator verifies the proof, another one answers."""

    __tablename__ = "recovery_request"
    __table_args__ = (
        one_of("state", RecoveryState),
        CheckConstraint("kind IN ('body', 'person')", name="kind"),
        CheckConstraint("state <> 'mailed' OR reason IS NOT NULL", name="mailed_has_reason"),
        CheckConstraint("answered_by_id IS NULL OR answered_by_id <> verified_by_id", name="two_administrators"),
    )
    state: Mapped[str] = mapped_column(String(24), index=True, comment="状态")
    kind: Mapped[str] = mapped_column(String(12), comment="类型")
    unit_code: Mapped[str | None] = mapped_column(String(18), comment="统一社会信用代码")
    name: Mapped[str] = mapped_column(String(120), comment="名称或姓名")
    id_number: Mapped[str | None] = mapped_column(Encrypted(200), comment="身份证号")
    phone: Mapped[str] = mapped_column(Encrypted(200), comment="查询人手机号")
    email: Mapped[str | None] = mapped_column(String(120), comment="查询人邮箱")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"), index=True, comment="账号")
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="申请时间")
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="应答复时间")
    verified_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="核验人")
    answered_by_id: Mapped[int | None] = mapped_column(BigInteger, comment="复核人")
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="答复时间")
    account: Mapped[Account | None] = relationship()

    def __str__(self) -> str:
        return self.name


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
    remembered: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), default=False, comment="记住登录")
