"""Nothing of an order is with an institute before the administration has confirmed it (WORKFLOWS 5, admin_review)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.errors import NotVisibleError
from app.operations.appointment import submit
from app.workflow import APPOINTMENT, ITEM, fire
from models import Appointment, AppointmentItem, Instrument
from tests.client import login, text

REASON = "测试中的原因说明"


def seen_by(world, session, who, pk):
    """(the order, its items) as the person reads them."""
    with world.acting(who):
        order = session.scalar(select(Appointment.id).where(Appointment.id == pk))
        items = session.scalars(select(AppointmentItem.id).where(AppointmentItem.appointment_id == pk))
        return order, sorted(items)


def at_home(orders, pk):
    """The nicknames of reception and head where the order would go."""
    rec = orders.reception(pk)
    return rec, rec.replace("rec", "img")


@pytest.mark.must_never(41)
def test_an_institute_reads_an_order_from_the_confirmation_on(app, world, profile, orders, session):
    profile("zhejiang")
    pk = orders.sent(2)
    items = [item.id for item in orders.items(pk)]
    reception, head = at_home(orders, pk)
    assert orders.row(pk).institute_id is not None, "it is known where it would go"
    for who in (reception, head):
        assert seen_by(world, session, who, pk) == (None, [])
    assert seen_by(world, session, "regA1", pk) == (pk, []), "the items are shown when they are assigned"
    browser = login(app, world, reception)
    assert browser.get(f"/appointments/show/{pk}").status_code == 404
    assert orders.row(pk).number not in text(browser.get("/appointments/list/"))
    with world.acting(reception) as actor:
        with pytest.raises(NotVisibleError):
            fire(session, APPOINTMENT, pk, "accept", actor)
        session.rollback()
    orders.step(pk, "admin_approve", "regA1")
    for who in (reception, head):
        assert seen_by(world, session, who, pk) == (pk, items)


@pytest.mark.must_never(41)
@pytest.mark.parametrize(("step", "who"), [("admin_reject", "regA1"), ("cancel", "ua1")])
def test_what_was_never_confirmed_stays_unread(world, profile, orders, session, step, who):
    profile("zhejiang")
    pk = orders.sent()
    reception, head = at_home(orders, pk)
    orders.step(pk, step, who)
    for reader in (reception, head):
        assert seen_by(world, session, reader, pk) == (None, [])
    number = orders.row(pk).number
    assert [m for m in orders.messages(number, reception) if "撤销" in m.subject] == []
    assert seen_by(world, session, "ua1", pk)[0] == pk
    assert orders.row(pk).institute_id is None


@pytest.mark.must_never(41)
def test_a_draft_thrown_away_and_an_item_taken_out_stay_unread(world, profile, orders, session):
    profile("zhejiang")
    pk, sent = orders.draft(), orders.sent(2)
    (item, _kept) = orders.items(sent)
    reception, _head = at_home(orders, sent)
    orders.step(pk, "delete", "ua1")
    with world.acting("ua1") as actor:
        fire(session, ITEM, item.id, "cancel", actor)
        session.commit()
    assert seen_by(world, session, reception, pk) == (None, [])
    assert seen_by(world, session, reception, sent) == (None, [])


def test_what_was_sent_stays_with_the_institute_however_it_ended(world, profile, orders, session):
    profile("national")
    pk = orders.sent(2)
    reception, _head = at_home(orders, pk)
    items = [item.id for item in orders.items(pk)]
    orders.step(pk, "cancel", "ua1")
    assert seen_by(world, session, reception, pk) == (pk, items)


@pytest.mark.must_never(41)
def test_a_draft_shows_its_instruments_to_nobody_else(world, profile, orders, session):
    profile("zhejiang")
    pk = orders.draft()
    instrument = orders.items(pk)[0].instrument_id
    with as_system("test"):
        row = session.get(Appointment, pk)
        named, row_institute = row.institute_id is not None, row.institute_id
        session.rollback()
    assert named, "the draft knows where it would go"
    reception = next(f"rec{nick}" for nick, own in world.institutes.items() if own == row_institute)

    def known():
        with world.acting(reception):
            return session.scalar(select(Instrument.id).where(Instrument.id == instrument))

    assert known() is None
    with world.acting("ua1") as actor:
        submit(session, actor, pk)
        session.commit()
    assert known() is None, "the administration has not confirmed it"
    orders.step(pk, "admin_approve", "regA1")
    assert known() == instrument
