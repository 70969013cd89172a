"""What stands in a draft is the unit's own affair: an institute meets an instrument when the order has been sent to it.

Revision: 0015_unsent, after 0014_whole_papers
"""

from alembic import op

revision = "0015_unsent"
down_revision = "0014_whole_papers"
branch_labels = None
depends_on = None

LINK = """
CREATE OR REPLACE FUNCTION link_institute(wanted bigint[], known bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO institute_instrument (institute_id, instrument_id)
    SELECT DISTINCT one, known FROM unnest(wanted) AS one
    WHERE one IS NOT NULL AND (
        EXISTS (SELECT 1 FROM filing f WHERE f.instrument_id = known
                AND one IN (f.holder_institute_id, f.target_institute_id, f.final_institute_id))
        OR EXISTS (SELECT 1 FROM appointment_item i WHERE i.instrument_id = known AND i.institute_id = one{sent}))
    ON CONFLICT DO NOTHING;
    DELETE FROM institute_instrument l WHERE l.instrument_id = known AND l.institute_id = ANY (wanted) AND NOT (
        EXISTS (SELECT 1 FROM filing f WHERE f.instrument_id = known
                AND l.institute_id IN (f.holder_institute_id, f.target_institute_id, f.final_institute_id))
        OR EXISTS (SELECT 1 FROM appointment_item i
                   WHERE i.instrument_id = known AND i.institute_id = l.institute_id{sent}));
END $$;
"""
SENT = " AND i.state <> 'pending'"
TRIGGER = """
CREATE TRIGGER link_sent AFTER UPDATE OF state ON appointment_item FOR EACH ROW
    WHEN ((OLD.state = 'pending') <> (NEW.state = 'pending')) EXECUTE FUNCTION link_item()
"""
AGAIN = """
SELECT link_institute(ARRAY[institute_id], instrument_id) FROM appointment_item
WHERE state = 'pending' AND institute_id IS NOT NULL
"""


def upgrade() -> None:
    op.execute(LINK.format(sent=SENT))
    op.execute(TRIGGER)
    op.execute(AGAIN)


def downgrade() -> None:
    op.execute("DROP TRIGGER link_sent ON appointment_item")
    op.execute(LINK.format(sent=""))
    op.execute(AGAIN)
