"""What the ledger of the manuals holds beside the instrument's own row, and which instruments each institute knows.

Revision: 0006_ledger, after 0005_roles
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_ledger"
down_revision = "0005_roles"
branch_labels = None
depends_on = None


# A pair stands in institute_instrument exactly while a filing holds, targets or ends at the institute, or an item is booked
# with it. Both triggers ask again for the pairs they touched; nothing else writes the table.
LINKS = """
CREATE FUNCTION link_institute(wanted bigint[], known bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO institute_instrument (institute_id, instrument_id)
    SELECT DISTINCT one, known FROM unnest(wanted) AS one
    WHERE one IS NOT NULL AND (
        EXISTS (SELECT 1 FROM filing f WHERE f.instrument_id = known
                AND one IN (f.holder_institute_id, f.target_institute_id, f.final_institute_id))
        OR EXISTS (SELECT 1 FROM appointment_item i WHERE i.instrument_id = known AND i.institute_id = one))
    ON CONFLICT DO NOTHING;
    DELETE FROM institute_instrument l WHERE l.instrument_id = known AND l.institute_id = ANY (wanted) AND NOT (
        EXISTS (SELECT 1 FROM filing f WHERE f.instrument_id = known
                AND l.institute_id IN (f.holder_institute_id, f.target_institute_id, f.final_institute_id))
        OR EXISTS (SELECT 1 FROM appointment_item i WHERE i.instrument_id = known AND i.institute_id = l.institute_id));
END $$;
CREATE FUNCTION link_filing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM link_institute(ARRAY[OLD.holder_institute_id, OLD.target_institute_id, OLD.final_institute_id],
                               OLD.instrument_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM link_institute(ARRAY[NEW.holder_institute_id, NEW.target_institute_id, NEW.final_institute_id],
                               NEW.instrument_id);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION link_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM link_institute(ARRAY[OLD.institute_id], OLD.instrument_id); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM link_institute(ARRAY[NEW.institute_id], NEW.instrument_id); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER link_institutes
    AFTER INSERT OR DELETE OR UPDATE OF holder_institute_id, target_institute_id, final_institute_id, instrument_id
    ON filing FOR EACH ROW EXECUTE FUNCTION link_filing();
CREATE TRIGGER link_institutes AFTER INSERT OR DELETE OR UPDATE OF institute_id, instrument_id
    ON appointment_item FOR EACH ROW EXECUTE FUNCTION link_item();
"""
BACKFILL = (
    "INSERT INTO institute_instrument (institute_id, instrument_id) "
    "SELECT one, instrument_id FROM filing, unnest(ARRAY[holder_institute_id, target_institute_id, final_institute_id]) "
    "AS one WHERE one IS NOT NULL UNION SELECT institute_id, instrument_id FROM appointment_item "
    "WHERE institute_id IS NOT NULL",
    "UPDATE instrument i SET certificate_no = c.number FROM (SELECT DISTINCT ON (instrument_id) instrument_id, number "
    "FROM certificate WHERE state = 'issued' ORDER BY instrument_id, id DESC) c WHERE c.instrument_id = i.id",
    "UPDATE instrument i SET filed_on = (t.at AT TIME ZONE 'Asia/Shanghai')::date FROM (SELECT DISTINCT ON (entity_id) "
    "entity_id, at FROM transition_log WHERE entity = 'instrument' AND step = 'filing_ok' ORDER BY entity_id, id DESC) t "
    "WHERE t.entity_id = i.id",
)


def upgrade() -> None:
    op.create_table(
        "category_rule",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.Column("position", sa.Integer(), nullable=False, comment="次序"),
        sa.Column("names", sa.String(length=1000), nullable=False, comment="器具名称"),
        sa.Column("level1", sa.String(length=60), server_default="", nullable=False, comment="一级目录"),
        sa.Column("level2", sa.String(length=120), server_default="", nullable=False, comment="二级目录"),
        sa.Column("emphasis", sa.String(length=500), server_default="", nullable=False, comment="特别强调事项"),
        sa.Column("delivery_mode", sa.String(length=10), server_default="", nullable=False, comment="送检方式"),
        sa.Column("purpose", sa.String(length=12), server_default="", nullable=False, comment="器具用途"),
        sa.Column("model_example", sa.String(length=100), server_default="", nullable=False, comment="型号规格示例"),
        sa.Column("range_pattern", sa.String(length=300), server_default="", nullable=False, comment="测量范围格式"),
        sa.Column("range_example", sa.String(length=100), server_default="", nullable=False, comment="测量范围示例"),
        sa.Column(
            "accuracy_example", sa.String(length=50), server_default="", nullable=False, comment="准确度等级示例"
        ),
        sa.Column("serial_pattern", sa.String(length=300), server_default="", nullable=False, comment="出厂编号格式"),
        sa.Column("serial_example", sa.String(length=100), server_default="", nullable=False, comment="出厂编号示例"),
        sa.Column(
            "blocking", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="不符合格式时不能保存"
        ),
        sa.Column("redirect_to", sa.String(length=60), server_default="", nullable=False, comment="改选的二级目录"),
        sa.Column("help_title", sa.String(length=100), server_default="", nullable=False, comment="示例标题"),
        sa.Column("help_text", sa.String(length=2000), server_default="", nullable=False, comment="示例说明"),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="启用"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category_rule")),
        sa.UniqueConstraint("position", name=op.f("uq_category_rule_position")),
    )
    op.create_table(
        "column_mapping",
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("signature", sa.String(length=64), nullable=False, comment="表头指纹"),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="列对应"),
        sa.Column(
            "used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="最近使用"
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_column_mapping_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_column_mapping")),
        sa.UniqueConstraint("unit_id", "signature", name=op.f("uq_column_mapping_unit_id_signature")),
    )
    op.create_table(
        "institute_instrument",
        sa.Column("institute_id", sa.BigInteger(), nullable=False, comment="技术机构"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="器具"),
        sa.ForeignKeyConstraint(
            ["institute_id"], ["institute.id"], name=op.f("fk_institute_instrument_institute_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name=op.f("fk_institute_instrument_instrument_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("institute_id", "instrument_id", name=op.f("pk_institute_instrument")),
    )
    op.create_index(
        op.f("ix_institute_instrument_instrument_id"), "institute_instrument", ["instrument_id"], unique=False
    )
    op.create_table(
        "instrument_merge",
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("kept_id", sa.BigInteger(), nullable=False, comment="保留的器具"),
        sa.Column("merged_id", sa.BigInteger(), nullable=False, comment="并入的器具"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="操作人"),
        sa.Column(
            "before", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False, comment="合并前内容"
        ),
        sa.Column(
            "moved",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="随之移动的记录",
        ),
        sa.Column("merged_on", sa.Date(), nullable=False, comment="合并日期"),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True, comment="取消合并时间"),
        sa.Column("undone_by_id", sa.BigInteger(), nullable=True, comment="取消人"),
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
        sa.CheckConstraint("kept_id <> merged_id", name=op.f("ck_instrument_merge_two_rows")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_instrument_merge_account_id")),
        sa.ForeignKeyConstraint(["kept_id"], ["instrument.id"], name=op.f("fk_instrument_merge_kept_id")),
        sa.ForeignKeyConstraint(["merged_id"], ["instrument.id"], name=op.f("fk_instrument_merge_merged_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_instrument_merge_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument_merge")),
    )
    op.create_index(op.f("ix_instrument_merge_kept_id"), "instrument_merge", ["kept_id"], unique=False)
    op.create_index(op.f("ix_instrument_merge_merged_id"), "instrument_merge", ["merged_id"], unique=False)
    op.create_index(op.f("ix_instrument_merge_unit_id"), "instrument_merge", ["unit_id"], unique=False)
    op.create_index(
        "uq_instrument_merge_live",
        "instrument_merge",
        ["merged_id"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    op.create_table(
        "instrument_transfer",
        sa.Column("state", sa.String(length=24), nullable=False, comment="状态"),
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="器具"),
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="转出单位"),
        sa.Column("receiver_unit_id", sa.BigInteger(), nullable=False, comment="接收单位"),
        sa.Column("use_division", sa.String(length=6), nullable=False, comment="使用地点行政区划"),
        sa.Column("place", sa.String(length=200), server_default="", nullable=False, comment="接收后的安装/使用地点"),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=False, comment="申请人"),
        sa.Column("expires_on", sa.Date(), nullable=False, comment="失效日期"),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True, comment="答复时间"),
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
            "state IN ('asked', 'accepted', 'refused', 'withdrawn', 'lapsed')",
            name=op.f("ck_instrument_transfer_state"),
        ),
        sa.CheckConstraint("unit_id <> receiver_unit_id", name=op.f("ck_instrument_transfer_two_units")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["account.id"], name=op.f("fk_instrument_transfer_asked_by_id")),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name=op.f("fk_instrument_transfer_instrument_id")
        ),
        sa.ForeignKeyConstraint(
            ["receiver_unit_id"], ["unit.id"], name=op.f("fk_instrument_transfer_receiver_unit_id")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_instrument_transfer_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument_transfer")),
    )
    op.create_index(
        op.f("ix_instrument_transfer_instrument_id"), "instrument_transfer", ["instrument_id"], unique=False
    )
    op.create_index(
        op.f("ix_instrument_transfer_receiver_unit_id"), "instrument_transfer", ["receiver_unit_id"], unique=False
    )
    op.create_index(op.f("ix_instrument_transfer_state"), "instrument_transfer", ["state"], unique=False)
    op.create_index(op.f("ix_instrument_transfer_unit_id"), "instrument_transfer", ["unit_id"], unique=False)
    op.create_index(
        "uq_instrument_transfer_live",
        "instrument_transfer",
        ["instrument_id"],
        unique=True,
        postgresql_where=sa.text("state = 'asked'"),
    )
    op.create_table(
        "list_setting",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账号"),
        sa.Column("list_name", sa.String(length=40), nullable=False, comment="列表"),
        sa.Column(
            "columns", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False, comment="显示的列"
        ),
        sa.Column("page_size", sa.Integer(), nullable=True, comment="每页行数"),
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
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_list_setting_account_id")),
        sa.PrimaryKeyConstraint("account_id", "list_name", name=op.f("pk_list_setting")),
    )
    op.create_table(
        "nozzle",
        sa.Column("instrument_id", sa.BigInteger(), nullable=False, comment="加油机"),
        sa.Column("number", sa.Integer(), nullable=False, comment="枪号"),
        sa.Column("serial_no", sa.String(length=100), nullable=False, comment="加油枪编号"),
        sa.Column("state", sa.String(length=12), server_default="in_use", nullable=False, comment="状态"),
        sa.Column("installed_on", sa.Date(), nullable=True, comment="安装日期"),
        sa.Column("replaced_on", sa.Date(), nullable=True, comment="更换日期"),
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
        sa.CheckConstraint("state IN ('in_use', 'former')", name=op.f("ck_nozzle_state")),
        sa.CheckConstraint("number BETWEEN 1 AND 99", name=op.f("ck_nozzle_number")),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name=op.f("fk_nozzle_instrument_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nozzle")),
    )
    op.create_index(op.f("ix_nozzle_instrument_id"), "nozzle", ["instrument_id"], unique=False)
    op.create_index(
        "uq_nozzle_in_use",
        "nozzle",
        ["instrument_id", "number"],
        unique=True,
        postgresql_where=sa.text("state = 'in_use'"),
    )
    op.create_table(
        "saved_view",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="所有者"),
        sa.Column("list_name", sa.String(length=40), nullable=False, comment="列表"),
        sa.Column("name", sa.String(length=40), nullable=False, comment="名称"),
        sa.Column("query", sa.String(length=2000), server_default="", nullable=False, comment="筛选条件"),
        sa.Column(
            "columns", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False, comment="显示的列"
        ),
        sa.Column("shared", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="本单位共享"),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="固定在首页"),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False, comment="次序"),
        sa.Column("unit_id", sa.BigInteger(), nullable=True, comment="使用单位"),
        sa.Column("institute_id", sa.BigInteger(), nullable=True, comment="技术机构"),
        sa.Column("area", sa.String(length=6), nullable=True, comment="辖区"),
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
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_saved_view_account_id")),
        sa.ForeignKeyConstraint(["institute_id"], ["institute.id"], name=op.f("fk_saved_view_institute_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_saved_view_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("account_id", "list_name", "name", name=op.f("uq_saved_view_account_id_list_name_name")),
    )
    op.create_index(
        "ix_saved_view_institute", "saved_view", ["institute_id"], unique=False, postgresql_where=sa.text("shared")
    )
    op.create_index("ix_saved_view_unit", "saved_view", ["unit_id"], unique=False, postgresql_where=sa.text("shared"))
    op.create_table(
        "bulk_line",
        sa.Column("job_id", sa.BigInteger(), nullable=False, comment="任务"),
        sa.Column("position", sa.Integer(), nullable=False, comment="次序"),
        sa.Column("entity_id", sa.BigInteger(), nullable=False, comment="记录"),
        sa.Column("outcome", sa.String(length=10), server_default="waiting", nullable=False, comment="结果"),
        sa.Column("sentence", sa.String(length=300), server_default="", nullable=False, comment="说明"),
        sa.Column(
            "before", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False, comment="办理前内容"
        ),
        sa.Column("after_version", sa.Integer(), nullable=True, comment="办理后版本"),
        sa.CheckConstraint("outcome IN ('waiting', 'done', 'failed', 'cancelled')", name=op.f("ck_bulk_line_outcome")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_bulk_line_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_bulk_line")),
    )
    op.create_index("ix_bulk_line_outcome", "bulk_line", ["job_id", "outcome", "position"], unique=False)
    op.create_index(
        "ix_bulk_line_waiting",
        "bulk_line",
        ["job_id", "position"],
        unique=False,
        postgresql_where=sa.text("outcome = 'waiting'"),
    )
    op.add_column(
        "import_row",
        sa.Column(
            "cells", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False, comment="填写内容"
        ),
    )
    op.add_column(
        "import_row",
        sa.Column("edited", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="已在线修改"),
    )
    op.add_column(
        "instrument",
        sa.Column("kind", sa.String(length=10), server_default="working", nullable=False, comment="器具类型"),
    )
    op.add_column("instrument", sa.Column("installed_on", sa.Date(), nullable=True, comment="安装日期"))
    op.add_column("instrument", sa.Column("produced_on", sa.Date(), nullable=True, comment="生产日期"))
    op.add_column(
        "instrument",
        sa.Column("type_approval_no", sa.String(length=50), server_default="", nullable=False, comment="型批证书号"),
    )
    op.add_column(
        "instrument",
        sa.Column("station", sa.String(length=100), server_default="", nullable=False, comment="所属充电站"),
    )
    op.add_column("instrument", sa.Column("code", sa.String(length=18), nullable=True, comment="计量器具编码"))
    op.add_column(
        "instrument",
        sa.Column("certificate_no", sa.String(length=40), server_default="", nullable=False, comment="证书编号"),
    )
    op.add_column(
        "instrument",
        sa.Column("compulsory", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="强制检定"),
    )
    op.add_column(
        "instrument", sa.Column("declared_category_id", sa.Integer(), nullable=True, comment="按铭牌的二级目录")
    )
    op.add_column("instrument", sa.Column("filed_on", sa.Date(), nullable=True, comment="备案通过日期"))
    op.add_column(
        "instrument",
        sa.Column(
            "hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="已从使用单位库中移除"
        ),
    )
    op.add_column("instrument", sa.Column("merged_into_id", sa.BigInteger(), nullable=True, comment="并入的器具"))
    op.add_column("instrument", sa.Column("quality", sa.SmallInteger(), nullable=True, comment="数据质量"))
    op.add_column(
        "instrument",
        sa.Column(
            "quality_faults",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="数据问题",
        ),
    )
    op.create_index(op.f("ix_instrument_merged_into_id"), "instrument", ["merged_into_id"], unique=False)
    op.create_index(
        "uq_instrument_code", "instrument", ["code"], unique=True, postgresql_where=sa.text("code IS NOT NULL")
    )
    op.create_foreign_key(op.f("fk_instrument_merged_into_id"), "instrument", "instrument", ["merged_into_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_instrument_declared_category_id"), "instrument", "category", ["declared_category_id"], ["id"]
    )
    op.create_check_constraint(op.f("ck_instrument_kind"), "instrument", "kind IN ('working', 'standard')")
    op.create_check_constraint(op.f("ck_instrument_quality"), "instrument", "quality BETWEEN 0 AND 100")
    op.execute(LINKS)
    for statement in BACKFILL:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER link_institutes ON appointment_item")
    op.execute("DROP TRIGGER link_institutes ON filing")
    op.execute("DROP FUNCTION link_item(), link_filing(), link_institute(bigint[], bigint)")
    op.drop_constraint(op.f("ck_instrument_quality"), "instrument", type_="check")
    op.drop_constraint(op.f("ck_instrument_kind"), "instrument", type_="check")
    op.drop_constraint(op.f("fk_instrument_declared_category_id"), "instrument", type_="foreignkey")
    op.drop_constraint(op.f("fk_instrument_merged_into_id"), "instrument", type_="foreignkey")
    op.drop_index("uq_instrument_code", table_name="instrument", postgresql_where=sa.text("code IS NOT NULL"))
    op.drop_index(op.f("ix_instrument_merged_into_id"), table_name="instrument")
    op.drop_column("instrument", "quality_faults")
    op.drop_column("instrument", "quality")
    op.drop_column("instrument", "merged_into_id")
    op.drop_column("instrument", "hidden")
    op.drop_column("instrument", "filed_on")
    op.drop_column("instrument", "declared_category_id")
    op.drop_column("instrument", "compulsory")
    op.drop_column("instrument", "certificate_no")
    op.drop_column("instrument", "code")
    op.drop_column("instrument", "station")
    op.drop_column("instrument", "type_approval_no")
    op.drop_column("instrument", "produced_on")
    op.drop_column("instrument", "installed_on")
    op.drop_column("instrument", "kind")
    op.drop_column("import_row", "edited")
    op.drop_column("import_row", "cells")
    op.drop_index("ix_bulk_line_waiting", table_name="bulk_line", postgresql_where=sa.text("outcome = 'waiting'"))
    op.drop_index("ix_bulk_line_outcome", table_name="bulk_line")
    op.drop_table("bulk_line")
    op.drop_index("ix_saved_view_unit", table_name="saved_view", postgresql_where=sa.text("shared"))
    op.drop_index("ix_saved_view_institute", table_name="saved_view", postgresql_where=sa.text("shared"))
    op.drop_table("saved_view")
    op.drop_index("uq_nozzle_in_use", table_name="nozzle", postgresql_where=sa.text("state = 'in_use'"))
    op.drop_index(op.f("ix_nozzle_instrument_id"), table_name="nozzle")
    op.drop_table("nozzle")
    op.drop_table("list_setting")
    op.drop_index(
        "uq_instrument_transfer_live", table_name="instrument_transfer", postgresql_where=sa.text("state = 'asked'")
    )
    op.drop_index(op.f("ix_instrument_transfer_unit_id"), table_name="instrument_transfer")
    op.drop_index(op.f("ix_instrument_transfer_state"), table_name="instrument_transfer")
    op.drop_index(op.f("ix_instrument_transfer_receiver_unit_id"), table_name="instrument_transfer")
    op.drop_index(op.f("ix_instrument_transfer_instrument_id"), table_name="instrument_transfer")
    op.drop_table("instrument_transfer")
    op.drop_index(
        "uq_instrument_merge_live", table_name="instrument_merge", postgresql_where=sa.text("undone_at IS NULL")
    )
    op.drop_index(op.f("ix_instrument_merge_unit_id"), table_name="instrument_merge")
    op.drop_index(op.f("ix_instrument_merge_merged_id"), table_name="instrument_merge")
    op.drop_index(op.f("ix_instrument_merge_kept_id"), table_name="instrument_merge")
    op.drop_table("instrument_merge")
    op.drop_index(op.f("ix_institute_instrument_instrument_id"), table_name="institute_instrument")
    op.drop_table("institute_instrument")
    op.drop_table("column_mapping")
    op.drop_table("category_rule")
