"""Issued papers cannot be emptied away either: TRUNCATE passes by row triggers (I-5).

Revision: 0014_whole_papers, after 0013_lacking
"""

from alembic import op

revision = "0014_whole_papers"
down_revision = "0013_lacking"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TRIGGER keep_certificate_whole BEFORE TRUNCATE ON certificate FOR EACH STATEMENT EXECUTE FUNCTION keep_log()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_certificate_whole ON certificate")
