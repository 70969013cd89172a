"""Every integrity line finds the row that is broken on purpose; a line without a drill fails here.

A drill takes away the constraints and triggers that would refuse it, breaks one row of a world that is sound, asks, and
rolls everything back.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from app import clock
from app.access.audit import audit, seal
from app.access.principal import as_system
from app.operations.filing import submit_filings
from app.operations.integrity import COMPUTED, QUERIES, check_all
from app.operations.job import create_job
from app.workflow import APPOINTMENT, bear, fire
from app.workflow.commission import COMMISSION
from app.workflow.commission_rules import TICKS
from models import Appointment, Filing
from models.commission import Commission, Task
from tests.world import booked, instrument, issued

DRILLS: dict[str, tuple[str, str]] = {
    # line → (tables whose constraints would refuse it, what is broken)
    "I-1": ("appointment_item", "UPDATE appointment_item SET instrument_id = :scale WHERE id = :other_item"),
    "I-2": ("slot", "UPDATE slot SET taken = taken + 1 WHERE id = :slot"),
    "I-4": (
        "certificate",
        "UPDATE certificate SET number = (SELECT number FROM certificate WHERE id = :paper) WHERE id = :paper2",
    ),
    "I-5": ("certificate", "UPDATE certificate SET pdf_sha256 = NULL WHERE id = :paper"),
    "I-6": ("certificate", "UPDATE certificate SET checker_id = verifier_id WHERE id = :paper"),
    "I-7": ("instrument", "UPDATE instrument SET valid_until = valid_until + 1 WHERE id = :verified"),
    "I-8": (
        "reminder",
        """INSERT INTO reminder (instrument_id, unit_id, use_division, threshold, due_on, channel, run_on)
        SELECT :scale, :unit, '440103', 30, current_date, 'site', current_date FROM generate_series(1, 2)""",
    ),
    "I-10": (
        "import_row",
        """INSERT INTO import_row (job_id, position, row_number, outcome, values, dup_key, instrument_id)
        SELECT :job, n, n, 'created', '{}', 'k', :scale FROM generate_series(1, 2) n""",
    ),
    "I-12": ("filing", "UPDATE filing SET state = 'suspended' WHERE id = :filing"),
    "I-12b": ("instrument", "UPDATE instrument SET place = '别处' WHERE id = :scale"),
    "I-12c": ("appointment_item", "UPDATE appointment_item SET state = 'accepted' WHERE id = :tasked_item"),
    "I-13": ("appointment", "UPDATE appointment SET state = 'accepted' WHERE id = :completed"),
    "I-13b": ("appointment", "UPDATE appointment SET state = 'completed' WHERE id = :order"),
    "I-14": (
        "audit_log",
        "UPDATE audit_log SET action = 'nothing' WHERE seq = (SELECT max(seq) FROM audit_log WHERE hash IS NOT NULL)",
    ),
    "I-15": ("appointment", "UPDATE appointment SET deadline_at = deadline_at + interval '30 days' WHERE id = :order"),
    "I-16": (
        "appointment",
        "UPDATE appointment SET state = 'withdrawn', auto_withdrawn = true, ended_at = deadline_at WHERE id = :order",
    ),
    "I-19": ("instrument", "UPDATE instrument SET dup_key = 'twin' WHERE id IN (:scale, :verified)"),
    "I-20": ("filing", "UPDATE filing SET holder_institute_id = NULL WHERE id = :submitted"),
    "I-20b": ("instrument", "UPDATE instrument SET state = 'filing' WHERE id = :scale"),
    "I-21": (
        "filing",
        """UPDATE filing SET route = '[{"step": "refuse", "institute": 1}, {"step": "refuse", "institute": 1}]'
        WHERE id = :filing""",
    ),
    "I-22": (
        "filing",
        """UPDATE filing SET allow_province = false, route = '[{"step": "transfer"}]' WHERE id = :filing""",
    ),
    "I-22b": (
        "transition_log",
        """INSERT INTO transition_log (entity, entity_id, step, from_state, to_state, actor_name, actor_role)
        VALUES ('filing', :filing, 'transfer', 'submitted', 'to_confirm', '某人', 'REC')""",
    ),
    "I-24": ("outbox", "INSERT INTO outbox (channel, key, payload, tries) VALUES ('mail', 'drill', '{}', 10)"),
    "I-24b": (
        "message",
        """INSERT INTO message (account_id, key, subject)
        SELECT :account, 'drill', '同一件事' FROM generate_series(1, 2)""",
    ),
    "I-25": ("job", "UPDATE job SET state = 'running', heartbeat_at = now() - interval '2 hours' WHERE id = :job"),
    "A-1": ("account", "UPDATE account SET unit_id = :unit2 WHERE id = :linked"),
    "A-2": ("account", "UPDATE account SET roles = ARRAY['REG', 'REC']::varchar[] WHERE id = :account"),
    "A-3": ("account", "UPDATE account SET unit_id = :unit2 WHERE id = :account"),
    "A-4": ("unit", "UPDATE unit SET code = (SELECT code FROM unit WHERE id = :unit2) WHERE id = :unit"),
}
ALL = {q[0] for q in QUERIES} | {c[0] for c in COMPUTED}


@pytest.fixture(scope="module")
def rows(app, world):
    """Rows in the middle of their lives, all sound."""
    from models.base import db

    with app.app_context():
        found = _rows(world, db.session())
        db.session.remove()
    return found


def _rows(world, session):
    done = booked(world, "ua1", count=2)
    papers = [issued(world, item) for item in done.items]
    waiting, other = booked(world, "ua1", delivery_mode="deliver"), booked(world, "ua1")
    tasked = counter(world, session)
    submitted = instrument(world, "ua1").id
    with world.acting("ua1") as actor:
        submit_filings(session, actor, [submitted], {"institute_id": world.institutes["A"], "declaration": True})
        job = create_job(session, actor, kind="ledger_import", title="演练", params={}).id
        session.commit()
    with as_system("test"):
        filings = {f.instrument_id: f.id for f in session.scalars(select(Filing))}
        order = session.get(Appointment, waiting.id)
        found = {
            "scale": waiting.instruments[0],
            "verified": done.instruments[0],
            "item": waiting.items[0],
            "other_item": other.items[0],
            "order": order.id,
            "completed": done.id,
            "slot": order.slot_id,
            "paper": papers[0],
            "paper2": papers[1],
            "filing": filings[waiting.instruments[0]],
            "submitted": filings[submitted],
            "tasked_item": tasked,
            "job": job,
            "account": world.people["ua1"],
            "linked": world.people["aff1"],
            "unit": world.units["ua1"],
            "unit2": world.units["ua2"],
        }
        session.rollback()
    return found


def counter(world, session):
    """An item that waits at the bench with a task."""
    order = booked(world, "ua1")
    with world.acting("recA") as actor:
        head = session.get(Appointment, order.id)
        row = Commission(
            appointment_id=head.id,
            unit_id=head.unit_id,
            institute_id=head.institute_id,
            use_division=head.use_division,
            mode=head.mode,
            bringer_name="王小明",
            bringer_phone="13800000000",
        )
        bear(session, row, "start", actor)
        line = {"item_id": order.items[0], "verdict": "receive", "ticks": [key for key, _word in TICKS]}
        fire(session, COMMISSION, row.id, "check_line", actor, line)
        fire(session, COMMISSION, row.id, "open", actor)
        session.commit()
        assert session.scalar(select(Task.state).where(Task.item_id == order.items[0])) == "queued"
    return order.items[0]


def disarm(session, table):
    """Nothing refuses a wrong row of the table any more, until the rollback."""
    session.execute(text("SET LOCAL session_replication_role = replica"))  # triggers and foreign keys
    for (name,) in session.execute(
        text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:t AS regclass) AND contype IN ('c', 'u')"),
        {"t": table},
    ).all():
        session.execute(text(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"'))
    for (name,) in session.execute(
        text("""SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = CAST(:t AS regclass) AND i.indisunique AND NOT i.indisprimary"""),
        {"t": table},
    ).all():
        session.execute(text(f'DROP INDEX "{name}"'))


def counts(session):
    session.flush()
    session.expire_all()
    return {f.id: f.violations for f in check_all(session)}


def test_every_line_has_its_drill():
    assert set(DRILLS) == ALL


@pytest.mark.parametrize("line", sorted(DRILLS))
def test_the_broken_row_is_found(world, session, rows, line):
    table, broken = DRILLS[line]
    with as_system("test"):
        if line == "I-14":
            audit(session, "drill")
            session.flush()
            session.execute(text("SET LOCAL lock_timeout = '2s'"))
            assert seal(session)
        before = counts(session)
        disarm(session, table)
        wanted = {key: rows[key] for key in rows if f":{key}" in broken}
        assert session.execute(text(broken), wanted).rowcount, "the drill broke nothing"
        after = counts(session)
        session.rollback()
        assert after[line] > before[line], f"{line} did not find its broken row"


@pytest.mark.parametrize("line", ["I-1", "I-2", "I-4", "I-5", "I-6", "I-8", "I-19", "I-24b"])
def test_the_database_itself_refuses_most_of_them(world, session, rows, line):
    """What a constraint or a trigger holds does not wait for the night."""
    from sqlalchemy.exc import DBAPIError

    _table, broken = DRILLS[line]
    with as_system("test"):
        slot = text("UPDATE slot SET taken = capacity + 1 WHERE id = :slot") if line == "I-2" else text(broken)
        wanted = {key: rows[key] for key in rows if f":{key}" in slot.text}
        with pytest.raises(DBAPIError):
            session.execute(slot, wanted)
        session.rollback()


def test_the_terms_are_checked_against_the_restoration_too(world, session, rows):
    """An order restored today may wait another term from today."""
    with as_system("test") as system:
        before = counts(session)["I-15"]
        order = session.get(Appointment, rows["order"])
        with clock.frozen(order.deadline_at + timedelta(days=3)):
            fire(session, APPOINTMENT, order.id, "auto_withdraw", system)
            with world.acting("ua1") as actor:
                fire(session, APPOINTMENT, order.id, "request_restore", actor, {"reason": "仍要送检，请恢复"})
            with world.acting("recA") as actor:
                fire(session, APPOINTMENT, order.id, "restore_ok", actor)
            assert counts(session)["I-15"] == before
        session.rollback()
