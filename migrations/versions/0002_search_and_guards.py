"""Chinese substring search, expression indexes, and the triggers that keep papers and logs as they were written.

Revision: 0002_search_and_guards, after 0001_foundation
"""

from alembic import op

revision = "0002_search_and_guards"
down_revision = "0001_foundation"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_unit_name_bg": "unit USING gin (bigrams(name))",
    "ix_instrument_search_bg": "instrument USING gin (bigrams(search_text))",
    "ix_instrument_serial": "instrument (serial_no text_pattern_ops)",
    "ix_instrument_serial_reversed": "instrument (reverse(serial_no) text_pattern_ops)",
    "ix_instrument_division": "instrument (use_division text_pattern_ops, id)",
    # counts on the tabs of a regulator's ledger, answered from the index alone
    "ix_instrument_state_division": "instrument (state, use_division text_pattern_ops, last_result)",
    "ix_instrument_failed_division": (
        "instrument (use_division text_pattern_ops, id) WHERE state = 'in_use' AND last_result = 'fail'"
    ),
    "ix_instrument_due_division": (
        "instrument (valid_until, id) INCLUDE (use_division, last_result) WHERE state = 'in_use'"
    ),
    "ix_filing_division": "filing (use_division text_pattern_ops)",
    "ix_appointment_division": "appointment (use_division text_pattern_ops)",
    "ix_certificate_division": "certificate (use_division text_pattern_ops)",
}

BIGRAMS = """
CREATE OR REPLACE FUNCTION bigrams(t text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT array_agg(DISTINCT substr(t, i, 2)) FROM generate_series(1, greatest(length(t) - 1, 1)) i $$
"""

# An issued certificate keeps its facts for every database role (I-5); only its standing may change.
CERTIFICATE_GUARD = """
CREATE FUNCTION keep_issued_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE may_change text[] := ARRAY['state', 'version', 'updated_at', 'reason', 'prior_state', 'revoke_confirmed_by_id'];
BEGIN
  IF OLD.state IN ('issued', 'superseded', 'revoked') THEN
    IF TG_OP = 'DELETE' THEN
      RAISE EXCEPTION 'an issued certificate is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - may_change <> to_jsonb(OLD) - may_change THEN
      RAISE EXCEPTION 'an issued certificate never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state NOT IN ('issued', 'superseded', 'revoked') THEN
      RAISE EXCEPTION 'an issued certificate stays published' USING ERRCODE = 'restrict_violation';
    END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END $$
"""

LOG_GUARD = """
CREATE FUNCTION keep_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_log' THEN
    IF OLD.hash IS NULL AND to_jsonb(NEW) - ARRAY['hash', 'prev_hash'] = to_jsonb(OLD) - ARRAY['hash', 'prev_hash'] THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the log only grows' USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    op.execute(BIGRAMS)
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON {definition}")
    op.execute(CERTIFICATE_GUARD)
    op.execute(
        "CREATE TRIGGER keep_issued BEFORE UPDATE OR DELETE ON certificate "
        "FOR EACH ROW EXECUTE FUNCTION keep_issued_certificate()"
    )
    op.execute(LOG_GUARD)
    for table in ("audit_log", "transition_log"):
        op.execute(
            f"CREATE TRIGGER keep_{table} BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_log()"
        )
        op.execute(
            f"CREATE TRIGGER keep_{table}_whole BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION keep_log()"
        )


def downgrade() -> None:
    for table in ("audit_log", "transition_log"):
        op.execute(f"DROP TRIGGER keep_{table}_whole ON {table}")
        op.execute(f"DROP TRIGGER keep_{table} ON {table}")
    op.execute("DROP TRIGGER keep_issued ON certificate")
    op.execute("DROP FUNCTION keep_log()")
    op.execute("DROP FUNCTION keep_issued_certificate()")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    op.execute("DROP FUNCTION bigrams(text)")
