"""Rows that lack something found by an index; an index less that another one answers as well.

Revision: 0013_lacking, after 0012_idempotency
"""

from alembic import op

revision = "0013_lacking"
down_revision = "0012_idempotency"
branch_labels = None
depends_on = None

LACKING = {
    "ix_instrument_lacking": ("name", "serial_no", "use_division", "place", "purpose", "delivery_mode"),
    "ix_instrument_lacking_more": ("kind", "model", "measuring_range", "accuracy_class", "manufacturer", "origin"),
}
MERGED = "CREATE INDEX ix_instrument_merged_into_id ON instrument (merged_into_id)"


def upgrade() -> None:
    for name, columns in LACKING.items():
        where = " OR ".join(f"{column} = ''" for column in columns)
        op.execute(f"CREATE INDEX {name} ON instrument (id) WHERE {where}")
    # ix_instrument_due_division has the same key over the same rows
    op.drop_index("ix_instrument_due", "instrument")
    # nearly every row is merged into none: an import need not enter a million empty keys
    op.drop_index("ix_instrument_merged_into_id", "instrument")
    op.execute(f"{MERGED} WHERE merged_into_id IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_instrument_merged_into_id", "instrument")
    op.execute(MERGED)
    op.execute("CREATE INDEX ix_instrument_due ON instrument (valid_until, id) WHERE state = 'in_use'")
    for name in LACKING:
        op.drop_index(name, "instrument")
