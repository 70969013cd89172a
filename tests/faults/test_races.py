"""Rivals: real processes on PostgreSQL, all at the same moment."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.access.principal import as_system
from app.operations.institute import open_slots
from app.operations.integrity import check_all
from app.workflow import CERTIFICATE, fire
from models import Appointment, AppointmentItem, Certificate, Institute, Instrument, Reminder, Slot
from tests.faults.herd import herd
from tests.world import booked, drafted, filed

RIVALS = 50


@pytest.fixture(scope="module")
def fifty(app, world):
    """Fifty filed instruments of one unit."""
    from models.base import db

    with app.app_context():
        ids = [filed(world, "ua1").id for _ in range(RIVALS)]
        db.session.remove()
    return ids


@pytest.fixture
def slot(session, world):
    with as_system("test"):
        day = clock.today() + timedelta(days=300)
        institute = session.get(Institute, world.institutes["A"])
        open_slots(session, institute, [day], capacity=500)
        found = select(Slot).where(
            Slot.institute_id == institute.id, Slot.day == day, Slot.mode == "onsite", Slot.period == "morning"
        )
        made = session.scalars(found).one()
        session.commit()
        return made.id


def sound(session):
    with as_system("test"):
        session.expire_all()
        return [f for f in check_all(session) if f.violations] == []


@pytest.mark.feature("APT-01")
@pytest.mark.must_never(71)
def test_fifty_book_one_instrument(world, session, fifty, slot):
    said, seconds = herd("book", RIVALS, account=world.people["ua1"], instruments=fifty[:1], slot=slot)
    counts = Counter(said)
    print(f"\n{RIVALS} processes, one instrument: {counts['booked']} booked, {seconds} s")
    assert counts.pop("booked") == 1
    assert sum(counts.values()) == RIVALS - 1
    with as_system("test"):
        one = session.get(Instrument, fifty[0])
        live = session.scalars(select(AppointmentItem).where(AppointmentItem.instrument_id == one.id)).one()
        number = live.appointment.number
    assert set(counts) == {f"器具“{one.name} {one.serial_no}”已在预约单{number}中。"}
    assert sound(session)


@pytest.mark.feature("APT-01")
def test_fifty_take_the_last_place(world, session, fifty, slot):
    with as_system("test"):
        taken = session.scalar(select(Slot.taken).where(Slot.id == slot))
        session.execute(update(Slot).where(Slot.id == slot).values(capacity=taken + 1))
        session.commit()
    said, seconds = herd("book", RIVALS - 1, account=world.people["ua1"], instruments=fifty[1:], slot=slot)
    counts = Counter(said)
    print(f"\n{RIVALS - 1} processes, last place: {counts['booked']} booked, {seconds} s")
    assert counts == {"booked": 1, "该时段已约满，请选择其他时段。": RIVALS - 2}
    assert sound(session)


def test_reminders_three_times_at_once(world, session, fifty):
    today = clock.today()
    with as_system("test"):
        due = update(Instrument).where(Instrument.id.in_(fifty), Instrument.last_result.is_(None))
        session.execute(due.values(valid_until=today + timedelta(days=9)))
        session.commit()
    before = session_total(session)
    said, seconds = herd("remind", 3, on=today.isoformat())
    with as_system("test"):
        mine = select(func.count()).select_from(Reminder).where(Reminder.instrument_id.in_(fifty))
        written = session.scalar(mine)
    print(f"\n3 reminder runs at once: wrote {said}, {written} for {RIVALS} instruments, {seconds} s")
    assert written == RIVALS
    assert sum(int(part) for part in said) == session_total(session) - before
    again, _ = herd("remind", 3, on=today.isoformat())
    assert again == ["0", "0", "0"]
    assert sound(session)


def session_total(session) -> int:
    with as_system("test"):
        return session.scalar(select(func.count()).select_from(Reminder).where(Reminder.run_on == clock.today()))


@pytest.mark.must_never(47)
def test_numbers_have_neither_gaps_nor_doubles(world, app):
    """8 × 20, a quarter rolled back: a number is given back with its transaction."""
    said, seconds = herd("number", 8, count=20)
    numbers = sorted(n for part in said for n in part)
    print(f"\n8 processes × 20 numbers: {len(numbers)} kept, {seconds} s")
    assert len(numbers) == 8 * 15
    assert numbers == list(range(1, len(numbers) + 1))


def test_eight_sign_at_once(world, session):
    order = booked(world, "ua2", count=8)
    papers = [drafted(world, item) for item in order.items]
    for who, step in (("verA", "submit"), ("chkA", "check")):
        with world.acting(who) as actor:
            for pk in papers:
                fire(session, CERTIFICATE, pk, step, actor)
            session.commit()
    said, seconds = herd("issue", 8, account=world.people["aprA"], papers=papers)
    print(f"\n8 signatures at once: {len(set(said))} numbers, {seconds} s")
    assert len(set(said)) == 8
    counts = sorted(int(n[-6:]) for n in said)
    assert counts == list(range(counts[0], counts[0] + 8))
    with as_system("test"):
        session.expire_all()
        kept = session.scalars(select(Certificate.number).where(Certificate.id.in_(papers))).all()
    assert sorted(kept) == sorted(said)
    assert sound(session)


ROUNDS = 12


@pytest.mark.must_never(73, 74)
def test_brought_at_the_last_second(world, session):
    """I-16: the instrument is received or the order withdrawn, never both and never neither."""
    orders = [booked(world, "ua1", delivery_mode="deliver") for _number in range(ROUNDS)]
    ids, items = [o.id for o in orders], [o.items[0] for o in orders]
    with as_system("test"):
        past = clock.now() - timedelta(seconds=1)
        for order in session.scalars(select(Appointment).where(Appointment.id.in_(ids))):
            order.deadline_at = past  # as an amendment, which the history tells of
        session.commit()
    said, seconds = herd("bring_or_withdraw", 2, account=world.people["recA"], orders=ids, items=items)
    came, gone = ([answer == "done" for answer in part] for part in said)
    told = Counter(answer for part in said for answer in part if answer != "done")
    print(f"\n{ROUNDS} rounds: {sum(came)} received, {sum(gone)} withdrawn, {seconds} s; {dict(told)}")
    assert all(one != other for one, other in zip(came, gone, strict=True))
    assert not [answer for answer in told if "deadlock" in answer.lower()], "both lock the order before its items"
    with as_system("test"):
        session.expire_all()
        for order, received in zip(orders, came, strict=True):
            head, item = session.get(Appointment, order.id), session.get(AppointmentItem, order.items[0])
            wanted = ("in_progress", "received", False) if received else ("withdrawn", "cancelled", True)
            assert (head.state, item.state, head.auto_withdrawn) == wanted
    with as_system("test"):
        # the term was moved by hand above, which is what I-12b is there to find
        assert [f for f in check_all(session) if f.violations and f.id != "I-12b"] == []
