"""How many statements a booking sends: one instrument, many of them, and a draft that is submitted later."""

from __future__ import annotations

import pytest
from sqlalchemy import select, tuple_

from app.access.principal import as_system
from app.operations.appointment import book, save_draft, submit
from models import AppointmentItem, Instrument, TransitionLog
from models.base import db
from tests.ledger.support import Statements
from tests.world import filed, slot_of

pytestmark = pytest.mark.usefixtures("context")
MOST = 25


def of_booking(world, ids, slot):
    """Statements of one booking, undone afterwards."""
    session = db.session()
    with world.acting("ua1") as actor:
        with Statements() as asked:
            book(session, actor, instrument_ids=ids, slot_id=slot)
        session.rollback()
    return len(asked.seen)


def test_a_booking_asks_no_more_for_many_instruments(app, world):
    ids, slot = [filed(world, "ua1").id for _ in range(4)], slot_of(world, "A").id
    of_booking(world, ids[:1], slot)  # what is read once by a process is no booking's
    assert of_booking(world, ids[:1], slot) <= MOST
    assert of_booking(world, ids, slot) <= MOST


def test_a_draft_is_submitted_with_as_few_and_its_history_is_in_order(app, world):
    """The lines of one act stand in the order in which things happened, with nothing written beside the steps."""
    ids, slot, session = [filed(world, "ua1").id for _ in range(3)], slot_of(world, "A").id, db.session()
    with world.acting("ua1") as actor:
        draft = save_draft(session, actor, instrument_ids=ids, slot_id=slot).id
        session.commit()
        with Statements() as asked:
            submit(session, actor, draft)
        session.commit()
    assert len(asked.seen) <= MOST
    with as_system("test"):
        items = list(session.scalars(select(AppointmentItem).where(AppointmentItem.appointment_id == draft)))
        assert {(item.state, item.institute_id) for item in items} == {("assigned", world.institutes["A"])}
        assert all(item.snapshot["serial_no"] == item.instrument.serial_no for item in items)
        codes = session.scalars(select(Instrument.code).where(Instrument.id.in_(ids)))
        assert len({code for code in codes if code}) == 3
        keys = [("appointment", draft), *(("item", item.id) for item in items)]
        of_these = tuple_(TransitionLog.entity, TransitionLog.entity_id).in_(keys)
        lines = list(session.scalars(select(TransitionLog).where(of_these).order_by(TransitionLog.id)))
    assert [line.step for line in lines] == ["save_draft", *["add"] * 3, "submit", *["assign"] * 3]
