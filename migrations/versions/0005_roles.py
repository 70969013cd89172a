"""The database itself refuses duties that one person may not hold together (三员分立, ROLES section 1).

Revision: 0005_roles, after 0004_registration
"""

from alembic import op

revision = "0005_roles"
down_revision = "0004_registration"
branch_labels = None
depends_on = None

# As it was on this day; models/account.py holds what counts now.
CONDITION = """
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


def upgrade() -> None:
    op.create_check_constraint(op.f("ck_account_roles"), "account", CONDITION)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_account_roles"), "account", type_="check")
