"""The counter's commissions and their tasks, results of other systems, amendments of filings.

Revision: 0010_counter, after 0009_booking
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_counter"
down_revision = "0009_booking"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_commission_division": "commission (use_division text_pattern_ops)",
    "ix_task_division": "task (use_division text_pattern_ops)",
    "ix_unmatched_record_division": "unmatched_record (use_division text_pattern_ops)",
    "ix_unmatched_record_serial_folded": "unmatched_record (unit_id, fold_number(serial_no))",
}


def upgrade() -> None:
    op.create_table(
        "unmatched_record",
        sa.Column("state", sa.String(length=24), nullable=False, comment="处理状态"),
        sa.Column("source", sa.String(length=10), nullable=False, comment="来源"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="检定机构"),
        sa.Column("unit_id", sa.BigInteger(), nullable=True, comment="使用单位"),
        sa.Column("unit_code", sa.String(length=18), nullable=False, comment="统一社会信用代码"),
        sa.Column("unit_name", sa.String(length=120), nullable=False, comment="单位名称"),
        sa.Column("use_division", sa.String(length=6), nullable=False, comment="使用地点行政区划"),
        sa.Column("certificate_no", sa.String(length=40), nullable=False, comment="证书编号"),
        sa.Column("instrument_name", sa.String(length=100), nullable=False, comment="器具名称"),
        sa.Column("model", sa.String(length=100), server_default="", nullable=False, comment="型号规格"),
        sa.Column("manufacturer", sa.String(length=100), server_default="", nullable=False, comment="生产厂家"),
        sa.Column("serial_no", sa.String(length=100), nullable=False, comment="出厂编号"),
        sa.Column("conclusion", sa.String(length=10), nullable=False, comment="检定结果"),
        sa.Column("verified_on", sa.Date(), nullable=False, comment="检定日期"),
        sa.Column("valid_until", sa.Date(), nullable=True, comment="有效期至"),
        sa.Column("verifier_name", sa.String(length=40), server_default="", nullable=False, comment="检定员"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=True, comment="关联的器具"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="处理时间"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="版本号"),
        sa.Column("prior_state", sa.String(length=24), nullable=True, comment="此前状态"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
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
        sa.CheckConstraint("conclusion IN ('pass', 'fail')", name=op.f("ck_unmatched_record_conclusion")),
        sa.CheckConstraint("source IN ('form', 'workbook', 'api')", name=op.f("ck_unmatched_record_source")),
        sa.CheckConstraint(
            "state IN ('pending', 'imported', 'linked', 'disputed', 'corrected', 'not_ours', 'closed')",
            name=op.f("ck_unmatched_record_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('disputed', 'not_ours', 'closed') OR reason IS NOT NULL",
            name=op.f("ck_unmatched_record_said_why"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('linked', 'imported') OR instrument_id IS NOT NULL",
            name=op.f("ck_unmatched_record_linked_has_instrument"),
        ),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until > verified_on", name=op.f("ck_unmatched_record_validity")
        ),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_unmatched_record_institute_id")),
        sa.ForeignKeyConstraint(["instrument_id"], ["instrument.id"], name=op.f("fk_unmatched_record_instrument_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unmatched_record_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmatched_record")),
        sa.UniqueConstraint(
            "institute_id", "certificate_no", name=op.f("uq_unmatched_record_institute_id_certificate_no")
        ),
    )
    op.create_index("ix_unmatched_record_institute_state", "unmatched_record", ["institute_id", "state"], unique=False)
    op.create_index(
        "ix_unmatched_record_instrument",
        "unmatched_record",
        ["instrument_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('linked', 'imported')"),
    )
    op.create_index(op.f("ix_unmatched_record_unit_code"), "unmatched_record", ["unit_code"], unique=False)
    op.create_index("ix_unmatched_record_unit_state", "unmatched_record", ["unit_id", "state"], unique=False)
    op.create_table(
        "commission",
        sa.Column("state", sa.String(length=24), nullable=False, comment="委托单状态"),
        sa.Column("number", sa.String(length=20), nullable=True, comment="委托单号"),
        sa.Column("secret_hash", sa.String(length=64), nullable=True, comment="客户密码摘要"),
        sa.Column("appointment_id", sa.BigInteger(), nullable=False, comment="预约单"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="委托单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="检定机构"),
        sa.Column("use_division", sa.String(length=6), nullable=False, comment="使用地点行政区划"),
        sa.Column("mode", sa.String(length=10), nullable=False, comment="检定方式"),
        sa.Column("bringer_name", sa.String(length=40), nullable=False, comment="送检人"),
        sa.Column("bringer_phone", sa.String(length=200), nullable=False, comment="送检人电话"),
        sa.Column("promised_on", sa.Date(), nullable=True, comment="承诺完成日期"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True, comment="受理时间"),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True, comment="完检时间"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="办结时间"),
        sa.Column("collector_name", sa.String(length=40), nullable=True, comment="领取人"),
        sa.Column("collector_phone", sa.String(length=200), nullable=True, comment="领取人电话"),
        sa.Column("note", sa.String(length=500), server_default="", nullable=False, comment="备注"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="版本号"),
        sa.Column("prior_state", sa.String(length=24), nullable=True, comment="此前状态"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
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
        sa.CheckConstraint("mode IN ('deliver', 'onsite')", name=op.f("ck_commission_mode")),
        sa.CheckConstraint("state <> 'closed' OR closed_at IS NOT NULL", name=op.f("ck_commission_closed_has_time")),
        sa.CheckConstraint("state <> 'void' OR reason IS NOT NULL", name=op.f("ck_commission_void_has_reason")),
        sa.CheckConstraint(
            "state IN ('checking', 'open', 'working', 'ready', 'closed', 'void')", name=op.f("ck_commission_state")
        ),
        sa.CheckConstraint(
            "state IN ('checking', 'void') OR (number IS NOT NULL AND secret_hash IS NOT NULL)",
            name=op.f("ck_commission_opened_has_number"),
        ),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name=op.f("fk_commission_appointment_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_commission_institute_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_commission_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission")),
        sa.UniqueConstraint("number", name=op.f("uq_commission_number")),
    )
    op.create_index(op.f("ix_commission_appointment_id"), "commission", ["appointment_id"], unique=False)
    op.create_index("ix_commission_institute_state", "commission", ["institute_id", "state"], unique=False)
    op.create_index("ix_commission_unit_state", "commission", ["unit_id", "state"], unique=False)
    op.create_index(
        "uq_commission_checking",
        "commission",
        ["appointment_id"],
        unique=True,
        postgresql_where=sa.text("state = 'checking'"),
    )
    op.create_table(
        "filing_amendment",
        sa.Column("state", sa.String(length=24), nullable=False, comment="变更状态"),
        sa.Column("filing_id", sa.BigInteger(), nullable=False, comment="备案"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="器具"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="备案机构"),
        sa.Column("use_division", sa.String(length=6), nullable=False, comment="使用地点行政区划"),
        sa.Column(
            "changes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False, comment="变更内容"
        ),
        sa.Column("why", sa.String(length=500), nullable=False, comment="变更原因"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="审核时间"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="版本号"),
        sa.Column("prior_state", sa.String(length=24), nullable=True, comment="此前状态"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
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
            "state <> 'refused' OR reason IS NOT NULL", name=op.f("ck_filing_amendment_refused_has_reason")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn')", name=op.f("ck_filing_amendment_state")
        ),
        sa.ForeignKeyConstraint(["filing_id"], ["filing.id"], name=op.f("fk_filing_amendment_filing_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_filing_amendment_institute_id")),
        sa.ForeignKeyConstraint(["instrument_id"], ["instrument.id"], name=op.f("fk_filing_amendment_instrument_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_filing_amendment_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filing_amendment")),
    )
    op.create_index(op.f("ix_filing_amendment_filing_id"), "filing_amendment", ["filing_id"], unique=False)
    op.create_index("ix_filing_amendment_institute_state", "filing_amendment", ["institute_id", "state"], unique=False)
    op.create_index(op.f("ix_filing_amendment_instrument_id"), "filing_amendment", ["instrument_id"], unique=False)
    op.create_index(op.f("ix_filing_amendment_unit_id"), "filing_amendment", ["unit_id"], unique=False)
    op.create_index(
        "uq_filing_amendment_pending",
        "filing_amendment",
        ["filing_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "task",
        sa.Column("state", sa.String(length=24), nullable=False, comment="任务状态"),
        sa.Column("commission_id", sa.BigInteger(), nullable=False, comment="委托单"),
        sa.Column("item_id", sa.BigInteger(), nullable=False, comment="预约器具"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="器具"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="检定机构"),
        sa.Column("use_division", sa.String(length=6), nullable=False, comment="使用地点行政区划"),
        sa.Column("verifier_id", sa.BigInteger(), nullable=True, comment="检定员"),
        sa.Column("due_on", sa.Date(), nullable=False, comment="应完成日期"),
        sa.Column("pause_kind", sa.String(length=20), nullable=True, comment="暂停原因类别"),
        sa.Column("paused_on", sa.Date(), nullable=True, comment="暂停日期"),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True, comment="开始时间"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True, comment="录入时间"),
        sa.Column("abort_asked_by_id", sa.BigInteger(), nullable=True, comment="提出终止的人"),
        sa.Column("place", sa.String(length=200), server_default="", nullable=False, comment="检定地点"),
        sa.Column("temperature", sa.String(length=20), server_default="", nullable=False, comment="温度(℃)"),
        sa.Column("humidity", sa.String(length=20), server_default="", nullable=False, comment="相对湿度(%)"),
        sa.Column("regulation", sa.String(length=120), server_default="", nullable=False, comment="检定规程"),
        sa.Column("standard_name", sa.String(length=120), server_default="", nullable=False, comment="所用计量标准"),
        sa.Column(
            "readings", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False, comment="检定数据"
        ),
        sa.Column("conclusion", sa.String(length=10), nullable=True, comment="检定结论"),
        sa.Column("waited_days", sa.Integer(), server_default="0", nullable=False, comment="待用户天数"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False, comment="版本号"),
        sa.Column("prior_state", sa.String(length=24), nullable=True, comment="此前状态"),
        sa.Column("reason", sa.String(length=500), nullable=True, comment="原因"),
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
        sa.CheckConstraint("conclusion IS NULL OR conclusion IN ('pass', 'fail')", name=op.f("ck_task_conclusion")),
        sa.CheckConstraint("state <> 'aborted' OR reason IS NOT NULL", name=op.f("ck_task_aborted_has_reason")),
        sa.CheckConstraint(
            "state IN ('queued', 'aborted') OR verifier_id IS NOT NULL", name=op.f("ck_task_assigned_has_verifier")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'assigned', 'in_progress', 'paused', 'recorded', 'closed', 'aborted')",
            name=op.f("ck_task_state"),
        ),
        sa.ForeignKeyConstraint(["abort_asked_by_id"], ["account.id"], name=op.f("fk_task_abort_asked_by_id")),
        sa.ForeignKeyConstraint(["commission_id"], ["commission.id"], name=op.f("fk_task_commission_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_task_institute_id")),
        sa.ForeignKeyConstraint(["instrument_id"], ["instrument.id"], name=op.f("fk_task_instrument_id")),
        sa.ForeignKeyConstraint(["item_id"], ["appointment_item.id"], name=op.f("fk_task_item_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_task_unit_id")),
        sa.ForeignKeyConstraint(["verifier_id"], ["account.id"], name=op.f("fk_task_verifier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("commission_id", "item_id", name=op.f("uq_task_commission_id_item_id")),
    )
    op.create_index(op.f("ix_task_due_on"), "task", ["due_on"], unique=False)
    op.create_index("ix_task_institute_state", "task", ["institute_id", "state"], unique=False)
    op.create_index(op.f("ix_task_instrument_id"), "task", ["instrument_id"], unique=False)
    op.create_index(op.f("ix_task_unit_id"), "task", ["unit_id"], unique=False)
    op.create_index("ix_task_verifier_state", "task", ["verifier_id", "state"], unique=False)
    op.create_index(
        "uq_task_item_live", "task", ["item_id"], unique=True, postgresql_where=sa.text("state <> 'aborted'")
    )
    for name, what in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {what}")


def downgrade() -> None:
    op.drop_index("uq_task_item_live", table_name="task", postgresql_where=sa.text("state <> 'aborted'"))
    op.drop_index("ix_task_verifier_state", table_name="task")
    op.drop_index(op.f("ix_task_unit_id"), table_name="task")
    op.drop_index(op.f("ix_task_instrument_id"), table_name="task")
    op.drop_index("ix_task_institute_state", table_name="task")
    op.drop_index(op.f("ix_task_due_on"), table_name="task")
    op.drop_table("task")
    op.drop_index(
        "uq_filing_amendment_pending", table_name="filing_amendment", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_index(op.f("ix_filing_amendment_unit_id"), table_name="filing_amendment")
    op.drop_index(op.f("ix_filing_amendment_instrument_id"), table_name="filing_amendment")
    op.drop_index("ix_filing_amendment_institute_state", table_name="filing_amendment")
    op.drop_index(op.f("ix_filing_amendment_filing_id"), table_name="filing_amendment")
    op.drop_table("filing_amendment")
    op.drop_index("uq_commission_checking", table_name="commission", postgresql_where=sa.text("state = 'checking'"))
    op.drop_index("ix_commission_unit_state", table_name="commission")
    op.drop_index("ix_commission_institute_state", table_name="commission")
    op.drop_index(op.f("ix_commission_appointment_id"), table_name="commission")
    op.drop_table("commission")
    op.drop_index("ix_unmatched_record_unit_state", table_name="unmatched_record")
    op.drop_index(op.f("ix_unmatched_record_unit_code"), table_name="unmatched_record")
    op.drop_index(
        "ix_unmatched_record_instrument",
        table_name="unmatched_record",
        postgresql_where=sa.text("state IN ('linked', 'imported')"),
    )
    op.drop_index("ix_unmatched_record_institute_state", table_name="unmatched_record")
    op.drop_table("unmatched_record")
