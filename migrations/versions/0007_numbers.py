"""Numbers without their noise, found by an index; fingerprints of certificates; counts of bands from the index alone.

Revision: 0007_numbers, after 0006_ledger
"""

from alembic import op

revision = "0007_numbers"
down_revision = "0006_ledger"
branch_labels = None
depends_on = None

# The same as app/operations/numbers.py `fold`; a test compares both over odd numbers.
NOISE = " ()[]{}<>【】〔〕《》-_–—−/\\.,;:·、。'\"*+~#"
FOLD = f"""
CREATE FUNCTION fold_number(t text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT translate(upper(normalize(t, NFKC)), 'OIL{NOISE.replace("'", "''")}', '011')
$$
"""
INDEXES = {
    "ix_instrument_serial_folded": "instrument (fold_number(serial_no) text_pattern_ops)",
    "ix_instrument_serial_folded_reversed": "instrument (reverse(fold_number(serial_no)) text_pattern_ops)",
    "ix_certificate_number_folded": "certificate (fold_number(number) text_pattern_ops)",
    "ix_certificate_number_folded_reversed": "certificate (reverse(fold_number(number)) text_pattern_ops)",
}
PLAIN = {
    "ix_instrument_dup_key": "instrument (dup_key)",
    "ix_certificate_pdf_sha256": "certificate (pdf_sha256)",
    "ix_instrument_filed_on": "instrument (filed_on, id) WHERE state = 'in_use'",
}
WIDER = {
    "ix_instrument_unit_state": (
        "instrument (unit_id, state, id) INCLUDE (valid_until, last_result",
        ", compulsory, filed_on, verified_on",
        ")",
    ),
    "ix_instrument_due_division": (
        "instrument (valid_until, id) INCLUDE (use_division, last_result",
        ", compulsory",
        ") WHERE state = 'in_use'",
    ),
}


def upgrade() -> None:
    op.get_bind().exec_driver_sql(FOLD)
    for name, over in {**INDEXES, **PLAIN}.items():
        op.execute(f"CREATE INDEX {name} ON {over}")
    for name, (begin, more, end) in WIDER.items():
        op.drop_index(name, "instrument")
        op.execute(f"CREATE INDEX {name} ON {begin}{more}{end}")


def downgrade() -> None:
    for name, (begin, _more, end) in WIDER.items():
        op.drop_index(name, "instrument")
        op.execute(f"CREATE INDEX {name} ON {begin}{end}")
    for name in reversed([*INDEXES, *PLAIN]):
        op.execute(f"DROP INDEX {name}")
    op.execute("DROP FUNCTION fold_number(text)")
