"""A unit may have no code yet: the form of manual 000 does not ask for one (REG-05).

Revision ID: 0004_registration
Revises: 0003_accounts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_registration"
down_revision = "0003_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("unit", "code", existing_type=sa.String(18), nullable=True)


def downgrade() -> None:
    # rows without a code get a mark that says so; the column was NOT NULL before
    op.execute("UPDATE unit SET code = 'X' || lpad(id::text, 17, '0') WHERE code IS NULL")
    op.alter_column("unit", "code", existing_type=sa.String(18), nullable=False)
