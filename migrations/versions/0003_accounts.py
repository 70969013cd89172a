"""Accounts of all kinds, affiliations, recovery, settings and texts of the deployment.

Revision: 0003_accounts, after 0002_search_and_guards
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_accounts"
down_revision = "0002_search_and_guards"
branch_labels = None
depends_on = None


KINDS = ("enterprise", "individual", "institute", "expert", "regulator", "auditor", "admin", "security")
NEW_KINDS = ("individual", "expert")


def key() -> list[sa.Column]:
    """The surrogate key of models.base.Identified."""
    return [sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键")]


def stamps() -> list[sa.Column]:
    """The two times of models.base.Stamped."""
    now, zoned = sa.text("now()"), sa.DateTime(timezone=True)
    return [
        sa.Column("created_at", zoned, server_default=now, nullable=False, comment="创建时间"),
        sa.Column("updated_at", zoned, server_default=now, nullable=False, comment="更新时间"),
    ]


def flowing() -> list[sa.Column]:
    """What models.base.Flowing gives a table with a workflow."""
    return [
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="版本号"),
        sa.Column("prior_state", sa.String(length=24), nullable=True, comment="此前状态"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
        *key(),
        *stamps(),
    ]


def kinds_check(kinds: tuple[str, ...]) -> None:
    """Which kinds of account there may be."""
    op.drop_constraint(op.f("ck_account_kind"), "account", type_="check")
    members = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_account_kind"), "account", f"kind IN ({members})")


def upgrade() -> None:
    kinds_check(KINDS)
    op.create_check_constraint(
        op.f("ck_account_individual_one_body"),
        "account",
        "kind <> 'individual' OR unit_id IS NULL OR institute_id IS NULL",
    )
    # copies of mails in development: from now on their words are kept sealed
    op.execute("DELETE FROM development_mail")
    op.create_table(
        "captcha",
        sa.Column("token_hash", sa.String(length=64), nullable=False, comment="题目指纹"),
        sa.Column("action", sa.String(length=20), nullable=False, comment="用途"),
        sa.Column("visitor_hash", sa.String(length=64), nullable=False, comment="访客指纹"),
        sa.Column("answer_hash", sa.String(length=64), nullable=False, comment="答案指纹"),
        sa.Column("answer", sa.String(length=120), nullable=False, comment="答案"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="有效期至"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_captcha")),
    )
    op.create_index(op.f("ix_captcha_expires_at"), "captcha", ["expires_at"], unique=False)
    op.create_table(
        "profile_setting",
        sa.Column("key", sa.String(length=80), nullable=False, comment="设置项"),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="值"),
        sa.Column("state", sa.String(length=12), nullable=False, comment="状态"),
        sa.Column("changed_by_id", sa.BigInteger(), nullable=True, comment="修改人"),
        sa.Column("confirmed_by_id", sa.BigInteger(), nullable=True, comment="确认人"),
        *key(),
        *stamps(),
        sa.CheckConstraint("state IN ('proposed', 'in_force')", name=op.f("ck_profile_setting_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_setting")),
    )
    op.create_index(
        "uq_profile_setting_in_force",
        "profile_setting",
        ["key"],
        unique=True,
        postgresql_where=sa.text("state = 'in_force'"),
    )
    op.create_index(
        "uq_profile_setting_proposed",
        "profile_setting",
        ["key"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_table(
        "site_file",
        sa.Column("kind", sa.String(length=40), nullable=False, comment="用途"),
        sa.Column("filename", sa.String(length=120), nullable=False, comment="文件名"),
        sa.Column("content_type", sa.String(length=100), nullable=False, comment="类型"),
        sa.Column("sha256", sa.String(length=64), nullable=False, comment="指纹"),
        sa.Column("size", sa.Integer(), nullable=False, comment="大小"),
        sa.Column("changed_by_id", sa.BigInteger(), nullable=True, comment="修改人"),
        *key(),
        *stamps(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_file")),
        sa.UniqueConstraint("kind", name=op.f("uq_site_file_kind")),
    )
    op.create_table(
        "site_text",
        sa.Column("key", sa.String(length=40), nullable=False, comment="文本"),
        sa.Column("version", sa.Integer(), nullable=False, comment="版本"),
        sa.Column("title", sa.String(length=120), nullable=False, comment="标题"),
        sa.Column("body", sa.Text(), nullable=False, comment="正文"),
        sa.Column("changed_by_id", sa.BigInteger(), nullable=True, comment="修改人"),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="发布时间",
        ),
        *key(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_text")),
        sa.UniqueConstraint("key", "version", name=op.f("uq_site_text_key_version")),
    )
    op.create_table(
        "type_approval",
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("certificate_no", sa.String(length=40), nullable=False, comment="型批证书号"),
        sa.Column("instrument_name", sa.String(length=100), nullable=False, comment="计量器具名称"),
        sa.Column("model", sa.String(length=100), nullable=False, comment="型号"),
        sa.Column("flow_range", sa.String(length=100), server_default="", nullable=False, comment="流量范围"),
        *key(),
        *stamps(),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_type_approval_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_type_approval")),
        sa.UniqueConstraint(
            "unit_id",
            "certificate_no",
            "instrument_name",
            "model",
            name=op.f("uq_type_approval_unit_id_certificate_no_instrument_name_model"),
        ),
    )
    op.create_table(
        "unit_contact",
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("name", sa.String(length=40), nullable=False, comment="联系人"),
        sa.Column("phone", sa.String(length=200), nullable=False, comment="联系方式"),
        sa.Column("division_code", sa.String(length=9), nullable=True, comment="省市区县街道"),
        sa.Column("address", sa.String(length=200), server_default="", nullable=False, comment="详细地址"),
        *key(),
        *stamps(),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_contact_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_contact")),
    )
    op.create_index(op.f("ix_unit_contact_unit_id"), "unit_contact", ["unit_id"], unique=False)
    op.create_table(
        "affiliation",
        sa.Column("state", sa.String(length=24), nullable=False, comment="状态"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="申请人"),
        sa.Column("unit_id", sa.BigInteger(), nullable=True, comment="使用单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=True, comment="技术机构"),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, comment="申请时间"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="答复时间"),
        sa.Column("body_name", sa.String(length=120), nullable=False, comment="单位或机构"),
        *flowing(),
        sa.CheckConstraint(
            "state IN ('none', 'requested', 'linked', 'refused', 'removed')", name=op.f("ck_affiliation_state")
        ),
        sa.CheckConstraint("(unit_id IS NULL) <> (institute_id IS NULL)", name=op.f("ck_affiliation_one_body")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_affiliation_account_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_affiliation_institute_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_affiliation_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affiliation")),
        sa.UniqueConstraint("account_id", "institute_id", name=op.f("uq_affiliation_account_id_institute_id")),
        sa.UniqueConstraint("account_id", "unit_id", name=op.f("uq_affiliation_account_id_unit_id")),
    )
    op.create_index(op.f("ix_affiliation_institute_id"), "affiliation", ["institute_id"], unique=False)
    op.create_index(op.f("ix_affiliation_state"), "affiliation", ["state"], unique=False)
    op.create_index(op.f("ix_affiliation_unit_id"), "affiliation", ["unit_id"], unique=False)
    op.create_index(
        "uq_affiliation_live",
        "affiliation",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'linked')"),
    )
    op.create_table(
        "external_identity",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账号"),
        sa.Column("provider", sa.String(length=20), nullable=False, comment="登录方式"),
        sa.Column("issuer", sa.String(length=200), nullable=False, comment="签发方"),
        sa.Column("subject", sa.String(length=200), nullable=False, comment="标识"),
        sa.Column(
            "bound_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="绑定时间"
        ),
        *key(),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_external_identity_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identity")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_external_identity_issuer_subject")),
    )
    op.create_index(op.f("ix_external_identity_account_id"), "external_identity", ["account_id"], unique=False)
    op.create_table(
        "recovery_request",
        sa.Column("state", sa.String(length=24), nullable=False, comment="状态"),
        sa.Column("kind", sa.String(length=12), nullable=False, comment="类型"),
        sa.Column("unit_code", sa.String(length=18), nullable=True, comment="统一社会信用代码"),
        sa.Column("name", sa.String(length=120), nullable=False, comment="名称或姓名"),
        sa.Column("id_number", sa.String(length=200), nullable=True, comment="身份证号"),
        sa.Column("phone", sa.String(length=200), nullable=False, comment="查询人手机号"),
        sa.Column("email", sa.String(length=120), nullable=True, comment="查询人邮箱"),
        sa.Column("account_id", sa.BigInteger(), nullable=True, comment="账号"),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, comment="申请时间"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="应答复时间"),
        sa.Column("verified_by_id", sa.BigInteger(), nullable=True, comment="核验人"),
        sa.Column("answered_by_id", sa.BigInteger(), nullable=True, comment="复核人"),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True, comment="答复时间"),
        *flowing(),
        sa.CheckConstraint("kind IN ('body', 'person')", name=op.f("ck_recovery_request_kind")),
        sa.CheckConstraint(
            "state <> 'mailed' OR reason IS NOT NULL", name=op.f("ck_recovery_request_mailed_has_reason")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'verified', 'texted', 'mailed')", name=op.f("ck_recovery_request_state")
        ),
        sa.CheckConstraint(
            "answered_by_id IS NULL OR answered_by_id <> verified_by_id",
            name=op.f("ck_recovery_request_two_administrators"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_request_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_request")),
    )
    op.create_index(op.f("ix_recovery_request_account_id"), "recovery_request", ["account_id"], unique=False)
    op.create_index(op.f("ix_recovery_request_state"), "recovery_request", ["state"], unique=False)
    op.create_table(
        "unit_change",
        sa.Column("state", sa.String(length=24), nullable=False, comment="状态"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="申请人"),
        sa.Column("reviewer_institute_id", sa.BigInteger(), nullable=True, comment="审核机构"),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="变更内容"),
        *flowing(),
        sa.CheckConstraint("state <> 'refused' OR reason IS NOT NULL", name=op.f("ck_unit_change_refused_has_reason")),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn')", name=op.f("ck_unit_change_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_unit_change_account_id")),
        sa.ForeignKeyConstraint(
            ["reviewer_institute_id"], ["institute.id"], name=op.f("fk_unit_change_reviewer_institute_id")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_change_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_change")),
    )
    op.create_index(
        op.f("ix_unit_change_reviewer_institute_id"), "unit_change", ["reviewer_institute_id"], unique=False
    )
    op.create_index(op.f("ix_unit_change_state"), "unit_change", ["state"], unique=False)
    op.create_index(op.f("ix_unit_change_unit_id"), "unit_change", ["unit_id"], unique=False)
    op.create_index(
        "uq_unit_change_pending", "unit_change", ["unit_id"], unique=True, postgresql_where=sa.text("state = 'pending'")
    )
    op.add_column(
        "account", sa.Column("phone_verified_at", sa.DateTime(timezone=True), nullable=True, comment="手机号验证时间")
    )
    op.add_column("account", sa.Column("id_number", sa.String(length=200), nullable=True, comment="身份证号"))
    op.add_column("account", sa.Column("id_number_index", sa.String(length=64), nullable=True, comment="身份证号索引"))
    op.add_column("account", sa.Column("gender", sa.String(length=4), nullable=True, comment="性别"))
    op.add_column("account", sa.Column("ethnicity", sa.String(length=20), nullable=True, comment="民族"))
    op.add_column("account", sa.Column("division_code", sa.String(length=9), nullable=True, comment="所在地"))
    op.add_column("account", sa.Column("address", sa.String(length=200), nullable=True, comment="详细地址"))
    op.add_column("account", sa.Column("employer", sa.String(length=120), nullable=True, comment="工作单位"))
    op.add_column("account", sa.Column("specialty", sa.String(length=60), nullable=True, comment="专业"))
    op.add_column(
        "account", sa.Column("countersigned_by_id", sa.BigInteger(), nullable=True, comment="会签的安全管理员")
    )
    op.add_column("account", sa.Column("valid_until", sa.Date(), nullable=True, comment="任职有效期至"))
    op.add_column(
        "account",
        sa.Column(
            "fields_to_correct",
            postgresql.ARRAY(sa.String(length=30)),
            server_default="{}",
            nullable=False,
            comment="需要修改的内容",
        ),
    )
    op.add_column(
        "account",
        sa.Column(
            "must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="须修改密码"
        ),
    )
    op.add_column(
        "account", sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True, comment="密码修改时间")
    )
    op.add_column("account", sa.Column("totp_secret", sa.String(length=200), nullable=True, comment="动态口令密钥"))
    op.add_column(
        "account", sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True, comment="动态口令启用时间")
    )
    op.add_column(
        "account",
        sa.Column("totp_counter", sa.BigInteger(), server_default="0", nullable=False, comment="最近动态口令序号"),
    )
    op.add_column(
        "account", sa.Column("former_name_index", sa.String(length=64), nullable=True, comment="注销前用户名索引")
    )
    op.add_column("account", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="注销时间"))
    op.add_column("account", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True, comment="清除时间"))
    op.create_index(
        "ix_account_former_name",
        "account",
        ["former_name_index"],
        unique=False,
        postgresql_where=sa.text("former_name_index IS NOT NULL"),
    )
    op.create_index(
        "uq_account_id_number_live",
        "account",
        ["id_number_index"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed' AND kind = 'individual'"),
    )
    op.create_foreign_key(op.f("fk_account_division_code"), "account", "division", ["division_code"], ["code"])
    op.add_column(
        "development_mail",
        sa.Column("channel", sa.String(length=12), server_default="mail", nullable=False, comment="渠道"),
    )
    op.add_column(
        "development_mail", sa.Column("recipient_index", sa.String(length=64), nullable=False, comment="收件人索引")
    )
    op.create_index(op.f("ix_development_mail_recipient_index"), "development_mail", ["recipient_index"], unique=False)
    op.add_column(
        "institute", sa.Column("unified_code", sa.String(length=18), nullable=True, comment="统一社会信用代码")
    )
    op.add_column("institute", sa.Column("manager", sa.String(length=40), nullable=True, comment="负责人"))
    op.add_column("institute", sa.Column("regions", sa.String(length=200), nullable=True, comment="授权区域"))
    op.add_column(
        "institute", sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="已审核")
    )
    op.add_column("unit", sa.Column("category", sa.String(length=20), nullable=True, comment="单位类别"))
    op.add_column("unit", sa.Column("key_energy_user", sa.Boolean(), nullable=True, comment="是否重点用能企业"))
    op.add_column("unit", sa.Column("legal_person", sa.String(length=40), nullable=True, comment="法定代表人/负责人"))
    op.add_column(
        "unit", sa.Column("legal_id_number", sa.String(length=200), nullable=True, comment="法定代表人身份证号码")
    )
    op.add_column("unit", sa.Column("email", sa.String(length=120), nullable=True, comment="邮箱"))
    op.alter_column(
        "unit", "contact_phone", existing_type=sa.VARCHAR(length=200), nullable=True, existing_comment="联系电话"
    )
    op.add_column(
        "web_session",
        sa.Column("remembered", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="记住登录"),
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_account_individual_one_body"), "account", type_="check")
    op.execute("DELETE FROM development_mail")  # sealed words mean nothing to the older version
    kinds_check(tuple(kind for kind in KINDS if kind not in NEW_KINDS))
    op.drop_column("web_session", "remembered")
    op.alter_column(
        "unit", "contact_phone", existing_type=sa.VARCHAR(length=200), nullable=False, existing_comment="联系电话"
    )
    op.drop_column("unit", "email")
    op.drop_column("unit", "legal_id_number")
    op.drop_column("unit", "legal_person")
    op.drop_column("unit", "key_energy_user")
    op.drop_column("unit", "category")
    op.drop_column("institute", "active")
    op.drop_column("institute", "regions")
    op.drop_column("institute", "manager")
    op.drop_column("institute", "unified_code")
    op.drop_index(op.f("ix_development_mail_recipient_index"), table_name="development_mail")
    op.drop_column("development_mail", "recipient_index")
    op.drop_column("development_mail", "channel")
    op.drop_constraint(op.f("fk_account_division_code"), "account", type_="foreignkey")
    op.drop_index(
        "uq_account_id_number_live",
        table_name="account",
        postgresql_where=sa.text("state <> 'closed' AND kind = 'individual'"),
    )
    op.drop_index(
        "ix_account_former_name", table_name="account", postgresql_where=sa.text("former_name_index IS NOT NULL")
    )
    op.drop_column("account", "erased_at")
    op.drop_column("account", "closed_at")
    op.drop_column("account", "former_name_index")
    op.drop_column("account", "totp_counter")
    op.drop_column("account", "totp_confirmed_at")
    op.drop_column("account", "totp_secret")
    op.drop_column("account", "password_changed_at")
    op.drop_column("account", "must_change_password")
    op.drop_column("account", "fields_to_correct")
    op.drop_column("account", "valid_until")
    op.drop_column("account", "countersigned_by_id")
    op.drop_column("account", "specialty")
    op.drop_column("account", "employer")
    op.drop_column("account", "address")
    op.drop_column("account", "division_code")
    op.drop_column("account", "ethnicity")
    op.drop_column("account", "gender")
    op.drop_column("account", "id_number_index")
    op.drop_column("account", "id_number")
    op.drop_column("account", "phone_verified_at")
    op.drop_index("uq_unit_change_pending", table_name="unit_change", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index(op.f("ix_unit_change_unit_id"), table_name="unit_change")
    op.drop_index(op.f("ix_unit_change_state"), table_name="unit_change")
    op.drop_index(op.f("ix_unit_change_reviewer_institute_id"), table_name="unit_change")
    op.drop_table("unit_change")
    op.drop_index(op.f("ix_recovery_request_state"), table_name="recovery_request")
    op.drop_index(op.f("ix_recovery_request_account_id"), table_name="recovery_request")
    op.drop_table("recovery_request")
    op.drop_index(op.f("ix_external_identity_account_id"), table_name="external_identity")
    op.drop_table("external_identity")
    op.drop_index(
        "uq_affiliation_live", table_name="affiliation", postgresql_where=sa.text("state IN ('requested', 'linked')")
    )
    op.drop_index(op.f("ix_affiliation_unit_id"), table_name="affiliation")
    op.drop_index(op.f("ix_affiliation_state"), table_name="affiliation")
    op.drop_index(op.f("ix_affiliation_institute_id"), table_name="affiliation")
    op.drop_table("affiliation")
    op.drop_index(op.f("ix_unit_contact_unit_id"), table_name="unit_contact")
    op.drop_table("unit_contact")
    op.drop_table("type_approval")
    op.drop_table("site_text")
    op.drop_table("site_file")
    op.drop_index(
        "uq_profile_setting_proposed", table_name="profile_setting", postgresql_where=sa.text("state = 'proposed'")
    )
    op.drop_index(
        "uq_profile_setting_in_force", table_name="profile_setting", postgresql_where=sa.text("state = 'in_force'")
    )
    op.drop_table("profile_setting")
    op.drop_index(op.f("ix_captcha_expires_at"), table_name="captcha")
    op.drop_table("captcha")
