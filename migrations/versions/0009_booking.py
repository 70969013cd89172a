"""Orders that are split between institutes, rules of assignment, usual weeks, baskets, feeds; who may verify what.

Revision: 0009_booking, after 0008_speed
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009_booking"
down_revision = "0008_speed"
branch_labels = None
depends_on = None

STATES = (
    "'draft', 'admin_review', 'submitted', 'accepted', 'in_progress', 'withdraw_requested', 'completed', 'rejected', "
    "'sent_back', 'withdrawn', 'restore_requested'"
)
CHECKS = (
    (
        "ck_appointment_sent_has_institute",
        "appointment",
        "state IN ('draft', 'admin_review', 'split', 'withdrawn', 'rejected') OR institute_id IS NOT NULL",
    ),
    (
        "ck_appointment_item_assigned_has_institute",
        "appointment_item",
        "state IN ('pending', 'cancelled', 'rejected') OR institute_id IS NOT NULL",
    ),
    ("ck_appointment_item_mode", "appointment_item", "mode IS NULL OR mode IN ('deliver', 'onsite')"),
)


def upgrade() -> None:
    op.create_table(
        "regulation",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.Column("number", sa.String(length=40), nullable=False, comment="规程编号"),
        sa.Column("name", sa.String(length=120), nullable=False, comment="规程名称"),
        sa.Column("in_force_from", sa.Date(), nullable=False, comment="实施日期"),
        sa.Column("withdrawn_on", sa.Date(), nullable=True, comment="废止日期"),
        sa.Column("replaced_by", sa.String(length=40), server_default="", nullable=False, comment="替代规程"),
        sa.CheckConstraint("withdrawn_on IS NULL OR withdrawn_on > in_force_from", name=op.f("ck_regulation_validity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regulation")),
        sa.UniqueConstraint("number", name=op.f("uq_regulation_number")),
    )
    op.create_table(
        "assignment_rule",
        sa.Column("position", sa.Integer(), nullable=False, comment="次序"),
        sa.Column("division_prefix", sa.String(length=6), nullable=False, comment="行政区划（前2、4或6位）"),
        sa.Column(
            "category_code", sa.String(length=12), server_default="", nullable=False, comment="目录代码（可为前缀）"
        ),
        sa.Column("mode", sa.String(length=10), nullable=True, comment="检定方式"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="检定机构"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("valid_until", sa.Date(), nullable=True, comment="失效日期"),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="启用"),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False, comment="说明"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="创建时间",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="更新时间",
        ),
        sa.CheckConstraint(
            "division_prefix ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6})$'", name=op.f("ck_assignment_rule_division_prefix")
        ),
        sa.CheckConstraint("mode IS NULL OR mode IN ('deliver', 'onsite')", name=op.f("ck_assignment_rule_mode")),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until >= valid_from", name=op.f("ck_assignment_rule_validity")
        ),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_assignment_rule_institute_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_rule")),
    )
    op.create_index("ix_assignment_rule_division", "assignment_rule", ["division_prefix", "position"], unique=False)
    op.create_index(op.f("ix_assignment_rule_institute_id"), "assignment_rule", ["institute_id"], unique=False)
    op.create_table(
        "slot_pattern",
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="机构"),
        sa.Column("mode", sa.String(length=10), nullable=False, comment="检定方式"),
        sa.Column("weekday", sa.Integer(), nullable=False, comment="星期"),
        sa.Column("period", sa.String(length=10), nullable=False, comment="时段"),
        sa.Column("capacity", sa.Integer(), nullable=False, comment="可约台数"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.CheckConstraint("mode IN ('deliver', 'onsite')", name=op.f("ck_slot_pattern_mode")),
        sa.CheckConstraint("period IN ('morning', 'afternoon')", name=op.f("ck_slot_pattern_period")),
        sa.CheckConstraint("capacity BETWEEN 0 AND 10000", name=op.f("ck_slot_pattern_capacity")),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_slot_pattern_weekday")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_slot_pattern_institute_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot_pattern")),
        sa.UniqueConstraint(
            "institute_id", "mode", "weekday", "period", name=op.f("uq_slot_pattern_institute_id_mode_weekday_period")
        ),
    )
    op.create_table(
        "basket_item",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账号"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="器具"),
        sa.Column(
            "added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="加入时间"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_basket_item_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name=op.f("fk_basket_item_instrument_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "instrument_id", name=op.f("pk_basket_item")),
    )
    op.create_index(op.f("ix_basket_item_instrument_id"), "basket_item", ["instrument_id"], unique=False)
    op.create_table(
        "calendar_feed",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账号"),
        sa.Column("kind", sa.String(length=20), nullable=False, comment="内容"),
        sa.Column("token_hash", sa.String(length=64), nullable=False, comment="地址摘要"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True, comment="停用时间"),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=True, comment="最近读取"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="创建时间",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="更新时间",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_calendar_feed_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_feed_token_hash")),
    )
    op.create_index(
        "uq_calendar_feed_live",
        "calendar_feed",
        ["account_id", "kind"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "verifier_project",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="检定员"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="机构"),
        sa.Column("category_id", sa.Integer(), nullable=False, comment="项目"),
        sa.Column("certificate_no", sa.String(length=60), nullable=False, comment="注册计量师证编号"),
        sa.Column("valid_from", sa.Date(), nullable=False, comment="生效日期"),
        sa.Column("valid_until", sa.Date(), nullable=False, comment="有效期至"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="创建时间",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="更新时间",
        ),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_verifier_project_validity")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_verifier_project_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_verifier_project_category_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_verifier_project_institute_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifier_project")),
        sa.UniqueConstraint("account_id", "category_id", name=op.f("uq_verifier_project_account_id_category_id")),
    )
    op.create_index(op.f("ix_verifier_project_institute_id"), "verifier_project", ["institute_id"], unique=False)
    op.create_table(
        "appointment_message",
        sa.Column("appointment_id", sa.BigInteger(), nullable=False, comment="预约单"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="检定机构"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="发言人账号"),
        sa.Column("author", sa.String(length=40), nullable=False, comment="发言人"),
        sa.Column("author_body", sa.String(length=120), server_default="", nullable=False, comment="发言人单位"),
        sa.Column("body", sa.String(length=500), nullable=False, comment="内容"),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="时间"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointment.id"], name=op.f("fk_appointment_message_appointment_id")
        ),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_appointment_message_institute_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_appointment_message_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_message")),
    )
    op.create_index(
        op.f("ix_appointment_message_appointment_id"), "appointment_message", ["appointment_id"], unique=False
    )
    op.add_column("appointment", sa.Column("wish_day", sa.Date(), nullable=True, comment="期望日期"))
    op.add_column("appointment", sa.Column("visit_day", sa.Date(), nullable=True, comment="安排日期"))
    op.add_column(
        "appointment", sa.Column("reply", sa.String(length=500), server_default="", nullable=False, comment="机构说明")
    )
    op.add_column(
        "appointment",
        sa.Column("walk_in", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="前台直接受理"),
    )
    op.add_column(
        "appointment", sa.Column("nagged_at", sa.DateTime(timezone=True), nullable=True, comment="最近催办时间")
    )
    op.add_column("appointment", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="结束时间"))
    op.alter_column(
        "appointment", "institute_id", existing_type=sa.BIGINT(), nullable=True, existing_comment="检定机构"
    )
    op.add_column("appointment_item", sa.Column("mode", sa.String(length=10), nullable=True, comment="检定方式"))
    op.add_column(
        "appointment_item",
        sa.Column(
            "snapshot",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="提交时的台账信息",
        ),
    )
    op.add_column(
        "appointment_item",
        sa.Column(
            "checks",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="收样核对记录",
        ),
    )
    op.alter_column(
        "appointment_item", "institute_id", existing_type=sa.BIGINT(), nullable=True, existing_comment="检定机构"
    )
    op.create_index(
        "uq_certificate_correction",
        "certificate",
        ["supersedes_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'dropped' AND supersedes_id IS NOT NULL"),
    )
    for name, table, test in (*CHECKS, ("ck_appointment_state", "appointment", f"state IN ({STATES}, 'split')")):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        op.create_check_constraint(op.f(name), table, test)
    op.drop_index("uq_certificate_item_live", table_name="certificate")
    op.create_index(
        "uq_certificate_item_live",
        "certificate",
        ["item_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('dropped', 'superseded', 'revoked') AND supersedes_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_certificate_item_live", table_name="certificate")
    op.create_index(
        "uq_certificate_item_live",
        "certificate",
        ["item_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('dropped', 'superseded', 'revoked')"),
    )
    for name, table, _test in CHECKS:
        op.drop_constraint(op.f(name), table)
    op.drop_constraint(op.f("ck_appointment_state"), "appointment")
    op.create_check_constraint(op.f("ck_appointment_state"), "appointment", f"state IN ({STATES})")
    op.drop_index(
        "uq_certificate_correction",
        table_name="certificate",
        postgresql_where=sa.text("state <> 'dropped' AND supersedes_id IS NOT NULL"),
    )
    op.alter_column(
        "appointment_item", "institute_id", existing_type=sa.BIGINT(), nullable=False, existing_comment="检定机构"
    )
    op.drop_column("appointment_item", "checks")
    op.drop_column("appointment_item", "snapshot")
    op.drop_column("appointment_item", "mode")
    op.alter_column(
        "appointment", "institute_id", existing_type=sa.BIGINT(), nullable=False, existing_comment="检定机构"
    )
    op.drop_column("appointment", "ended_at")
    op.drop_column("appointment", "nagged_at")
    op.drop_column("appointment", "walk_in")
    op.drop_column("appointment", "reply")
    op.drop_column("appointment", "visit_day")
    op.drop_column("appointment", "wish_day")
    op.drop_index(op.f("ix_appointment_message_appointment_id"), table_name="appointment_message")
    op.drop_table("appointment_message")
    op.drop_index(op.f("ix_verifier_project_institute_id"), table_name="verifier_project")
    op.drop_table("verifier_project")
    op.drop_index("uq_calendar_feed_live", table_name="calendar_feed", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_table("calendar_feed")
    op.drop_index(op.f("ix_basket_item_instrument_id"), table_name="basket_item")
    op.drop_table("basket_item")
    op.drop_table("slot_pattern")
    op.drop_index(op.f("ix_assignment_rule_institute_id"), table_name="assignment_rule")
    op.drop_index("ix_assignment_rule_division", table_name="assignment_rule")
    op.drop_table("assignment_rule")
    op.drop_table("regulation")
