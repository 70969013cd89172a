"""Pairs that a unit has told apart; scrapped instruments leave their key to others where the deployment says so.

Revision: 0011_dismissed, after 0010_counter
"""

import sqlalchemy as sa
from alembic import op

revision = "0011_dismissed"
down_revision = "0010_counter"
branch_labels = None
depends_on = None

KEY = "uq_instrument_dup_key"
COUNTING = "state NOT IN ('purged', 'merged', 'former', 'scrapped')"
BEFORE = "state NOT IN ('purged', 'merged', 'former')"


def upgrade() -> None:
    op.create_table(
        "duplicate_dismissal",
        sa.Column("unit_id", sa.BigInteger(), nullable=False, comment="使用单位"),
        sa.Column("first_id", sa.BigInteger(), nullable=False, comment="器具一"),
        sa.Column("second_id", sa.BigInteger(), nullable=False, comment="器具二"),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="操作人"),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False, comment="标记时间"
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.CheckConstraint("first_id < second_id", name=op.f("ck_duplicate_dismissal_ordered")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_duplicate_dismissal_unit_id")),
        sa.ForeignKeyConstraint(["first_id"], ["instrument.id"], name=op.f("fk_duplicate_dismissal_first_id")),
        sa.ForeignKeyConstraint(["second_id"], ["instrument.id"], name=op.f("fk_duplicate_dismissal_second_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_duplicate_dismissal_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_dismissal")),
        sa.UniqueConstraint(
            "unit_id", "first_id", "second_id", name=op.f("uq_duplicate_dismissal_unit_id_first_id_second_id")
        ),
    )
    op.create_index(op.f("ix_duplicate_dismissal_first_id"), "duplicate_dismissal", ["first_id"])
    op.create_index(op.f("ix_duplicate_dismissal_second_id"), "duplicate_dismissal", ["second_id"])
    _key_among(COUNTING)


def downgrade() -> None:
    _key_among(BEFORE)
    op.drop_table("duplicate_dismissal")


def _key_among(condition: str) -> None:
    op.drop_index(KEY, table_name="instrument")
    op.create_index(KEY, "instrument", ["unit_id", "dup_key"], unique=True, postgresql_where=sa.text(condition))
