"""Keys by which a caller may repeat a request without acting twice.

Revision: 0012_idempotency, after 0011_dismissed
"""

import sqlalchemy as sa
from alembic import op

revision = "0012_idempotency"
down_revision = "0011_dismissed"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="账号"),
        sa.Column("key", sa.String(100), nullable=False, comment="请求标识"),
        sa.Column("request_hash", sa.String(64), nullable=False, comment="请求指纹"),
        sa.Column("status", sa.Integer(), nullable=False, comment="应答状态码"),
        sa.Column("location", sa.String(500), nullable=True, comment="转到的地址"),
        sa.Column("answer", sa.Text(), nullable=True, comment="应答内容"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="办理时间",
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="主键"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_idempotency_key_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint("account_id", "key", name=op.f("uq_idempotency_key_account_id_key")),
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_key")
