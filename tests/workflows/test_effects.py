"""What a step changes beyond its own row: places of slots, filings and instruments, items, accounts, papers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError, WrongStateError
from app.operations.appointment import book, save_draft
from app.operations.filing import submit_filings
from app.operations.integrity import QUERIES, check_all
from app.workflow import ACCOUNT, APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, fire
from app.workflow.live import live_filing_of
from models import Account, Appointment, AppointmentItem, Certificate, Filing, Instrument, Outbox, Slot
from tests.world import booked, category, drafted, filed, instrument, issued

WHY = "设备检修，暂停使用"


class Slots:
    """Watches one slot: how many places were taken since it was made."""

    def __init__(self, session, world, mode="onsite", capacity=5):
        from app.operations.institute import open_slots
        from models import Institute

        with as_system("test"):
            day = clock.today() + timedelta(days=Slots.day)
            Slots.day += 1
            open_slots(session, session.get(Institute, world.institutes["A"]), [day], capacity=capacity)
            session.commit()
            found = select(Slot.id).where(
                Slot.institute_id == world.institutes["A"], Slot.day == day, Slot.mode == mode, Slot.period == "morning"
            )
            self.id, self.session = session.scalar(found), session

    day = 100

    @property
    def taken(self) -> int:
        with as_system("test"):
            return self.session.scalar(select(Slot.taken).where(Slot.id == self.id))


@pytest.fixture
def slot(session, world):
    return Slots(session, world)


@pytest.fixture(scope="module")
def broken_before(app, world):
    """What other modules left broken in the database they share; each test here must leave exactly that behind."""
    from models.base import db

    with app.app_context(), as_system("test"):
        found = check_all(db.session())
        db.session.remove()
    return found


@pytest.fixture(autouse=True)
def nothing_broken_afterwards(broken_before, session):
    yield
    session.rollback()
    with as_system("test"):
        session.expire_all()
        assert check_all(session) == broken_before


def ordered(world, session, slot, count=2, *, accept=True, **more):
    """An appointment on the watched slot; (id, item ids, instrument ids)."""
    ids = [filed(world, "ua1", **more).id for _ in range(count)]
    with world.acting("ua1") as actor:
        made = book(session, actor, instrument_ids=ids, slot_id=slot.id)
        session.commit()
        pk = made.id
    if accept:
        act(world, session, "recA", APPOINTMENT, pk, "accept")
    with as_system("test"):
        found = select(AppointmentItem.id).where(AppointmentItem.appointment_id == pk).order_by(AppointmentItem.id)
        return pk, session.scalars(found).all(), ids


def act(world, session, who, machine, pk, step, **data):
    with world.acting(who) as actor:
        row = fire(session, machine, pk, step, actor, data)
        session.commit()
        return row


def state(session, model, pk):
    with as_system("test"):
        session.expire_all()
        return session.get(model, pk).state


# -- places ----------------------------------------------------------------------------------------------------------


def test_a_draft_holds_no_place_and_an_item_of_it_gives_none_back(world, session, slot):
    ids = [filed(world, "ua1").id for _ in range(2)]
    with world.acting("ua1") as actor:
        made = save_draft(session, actor, instrument_ids=ids, slot_id=slot.id)
        session.commit()
        items = [i.id for i in made.items]
    assert slot.taken == 0
    act(world, session, "ua1", ITEM, items[0], "cancel")
    assert slot.taken == 0
    act(world, session, "ua1", APPOINTMENT, made.id, "submit")
    assert slot.taken == 1


@pytest.mark.parametrize("who, step", [("recA", "reject"), ("ua1", "cancel")])
def test_a_refused_or_cancelled_booking_frees_its_places(world, session, slot, who, step):
    pk, items, ids = ordered(world, session, slot, accept=False)
    assert slot.taken == 2
    act(world, session, who, APPOINTMENT, pk, step, reason=WHY)
    assert slot.taken == 0
    assert {state(session, AppointmentItem, i) for i in items} == {"rejected" if step == "reject" else "cancelled"}
    with world.acting("ua1") as actor:
        book(session, actor, instrument_ids=ids, slot_id=slot.id)  # bookable again at once
        session.commit()


def test_places_go_back_one_by_one_and_the_header_settles(world, session, slot):
    pk, items, _ = ordered(world, session, slot, 3, accept=False)
    act(world, session, "ua1", ITEM, items[0], "cancel")
    assert (slot.taken, state(session, Appointment, pk)) == (2, "submitted")
    act(world, session, "recA", APPOINTMENT, pk, "accept")
    act(world, session, "recA", ITEM, items[1], "return", kind="fault", reason=WHY)
    assert (slot.taken, state(session, Appointment, pk)) == (1, "accepted")
    act(world, session, "recA", ITEM, items[2], "receive", checked=True)
    assert (slot.taken, state(session, Appointment, pk)) == (1, "in_progress")
    act(world, session, "imgA", ITEM, items[2], "abort", reason=WHY)
    assert (slot.taken, state(session, Appointment, pk)) == (1, "sent_back"), "what was broken off used its place"


def test_what_was_verified_keeps_its_place(world, session, slot):
    pk, items, _ = ordered(world, session, slot, 1)
    issued(world, items[0])
    assert (slot.taken, state(session, Appointment, pk)) == (1, "completed")


def test_withdrawal_is_asked_and_answered(world, session, slot):
    pk, _, _ = ordered(world, session, slot)
    act(world, session, "ua1", APPOINTMENT, pk, "request_withdraw", reason=WHY)
    assert (slot.taken, state(session, Appointment, pk)) == (2, "withdraw_requested")
    act(world, session, "recA", APPOINTMENT, pk, "withdraw_no", reason=WHY)
    assert (slot.taken, state(session, Appointment, pk)) == (2, "accepted")
    act(world, session, "ua1", APPOINTMENT, pk, "request_withdraw", reason=WHY)
    act(world, session, "recA", APPOINTMENT, pk, "withdraw_ok")
    assert (slot.taken, state(session, Appointment, pk)) == (0, "withdrawn")


def test_sending_back_frees_what_had_come(world, session, slot):
    pk, items, _ = ordered(world, session, slot)
    act(world, session, "recA", ITEM, items[0], "receive", checked=True)
    act(world, session, "recA", APPOINTMENT, pk, "send_back", reason=WHY)
    assert (slot.taken, state(session, Appointment, pk)) == (0, "sent_back")


def test_rescheduling_moves_the_places(world, session, slot):
    other = Slots(session, world)
    pk, _, _ = ordered(world, session, slot)
    act(world, session, "recA", APPOINTMENT, pk, "reschedule", slot_id=str(other.id), reason=WHY)
    assert (slot.taken, other.taken) == (0, 2)


def test_a_withdrawn_booking_is_restored_with_new_places(world, session):
    slot = Slots(session, world, "deliver")
    pk, items, _ = ordered(world, session, slot, delivery_mode="deliver")
    with as_system("test") as system:
        term = session.get(Appointment, pk).deadline_at
        with clock.frozen(term), pytest.raises(InvalidInputError):
            fire(session, APPOINTMENT, pk, "auto_withdraw", system)
        session.rollback()
        with clock.frozen(term + timedelta(seconds=1)):
            fire(session, APPOINTMENT, pk, "auto_withdraw", system)
            session.commit()
    assert (slot.taken, state(session, Appointment, pk)) == (0, "withdrawn")
    act(world, session, "ua1", APPOINTMENT, pk, "request_restore", reason=WHY)
    assert (slot.taken, state(session, AppointmentItem, items[0])) == (0, "pending")
    act(world, session, "ua1", ITEM, items[0], "cancel")
    assert slot.taken == 0, "an item that waits for its restoration holds no place"
    row = act(world, session, "recA", APPOINTMENT, pk, "restore_ok")
    assert (slot.taken, row.state, row.restores, row.auto_withdrawn) == (1, "accepted", 1, False)


def test_a_restored_booking_whose_slot_has_passed_has_only_its_term(world, session):
    slot = Slots(session, world, "deliver")
    pk, _, _ = ordered(world, session, slot, 1, delivery_mode="deliver")
    with as_system("test") as system, clock.frozen(session.get(Appointment, pk).deadline_at + timedelta(seconds=1)):
        fire(session, APPOINTMENT, pk, "auto_withdraw", system)
        session.commit()
    act(world, session, "ua1", APPOINTMENT, pk, "request_restore", reason=WHY)
    with as_system("test"):
        session.execute(update(Slot).where(Slot.id == slot.id).values(day=clock.today() - timedelta(days=1)))
        session.commit()
    row = act(world, session, "recA", APPOINTMENT, pk, "restore_ok")
    assert (row.slot_id, row.state, slot.taken) == (None, "accepted", 0)


@pytest.mark.parametrize("end, taken", [("admin_approve", 2), ("admin_reject", 0), ("cancel", 0)])
def test_places_are_held_while_the_regulator_decides(world, session, slot, monkeypatch, end, taken):
    import app.profiles as profiles

    switches = profiles.profile()["switches"] | {"appointment.admin_confirm": True}
    monkeypatch.setattr(profiles, "profile", lambda: profiles.load("all") | {"switches": switches})
    pk, _, _ = ordered(world, session, slot, accept=False)
    assert (slot.taken, state(session, Appointment, pk)) == (2, "admin_review")
    who = "ua1" if end == "cancel" else "regA1"
    act(world, session, who, APPOINTMENT, pk, end, reason=WHY)
    assert slot.taken == taken


def test_i2_sees_a_place_too_many_and_one_too_few(world, session, slot):
    from app.operations.integrity import _query

    entry = next(q for q in QUERIES if q[0] == "I-2")
    ordered(world, session, slot)
    with as_system("test"):
        for wrong in (1, 3):
            session.execute(update(Slot).where(Slot.id == slot.id).values(taken=wrong))
            assert _query(session, *entry).violations == 1
            session.rollback()


# -- filing and instrument -------------------------------------------------------------------------------------------


def test_filing_carries_the_instrument_along(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor:
        data = {"institute_id": world.institutes["A"], "declaration": True, "allow_province": True}
        submit_filings(session, actor, [made.id], data)
        session.commit()
        row = live_filing_of(session, made.id)
        pk = row.id
        assert (row.holder_institute_id, row.allow_province, row.declared_by_id) == (
            world.institutes["A"],
            True,
            world.people["ua1"],
        )
    assert state(session, Instrument, made.id) == "filing"
    act(world, session, "recA", FILING, pk, "dispatch", institute_id=world.institutes["A1"])
    row = act(world, session, "recA1", FILING, pk, "refuse", reason=WHY)
    assert row.holder_institute_id == world.institutes["A"]
    assert [(h["institute"], h["step"]) for h in row.route] == [
        (world.institutes["A"], "dispatch"),
        (world.institutes["A1"], "refuse"),
    ]
    with pytest.raises(InvalidInputError, match="该机构已退回过本器具"):
        act(world, session, "recA", FILING, pk, "dispatch", institute_id=world.institutes["A1"])
    session.rollback()
    act(world, session, "recA", FILING, pk, "transfer", institute_id=world.institutes["P"], reason=WHY)
    row = act(world, session, "recA", FILING, pk, "recall", reason=WHY)
    assert (row.state, row.holder_institute_id) == ("to_process", world.institutes["A"])
    act(world, session, "recA", FILING, pk, "return", kind="incomplete", reason=WHY)
    assert (state(session, Filing, pk), state(session, Instrument, made.id)) == ("returned", "unfiled")


def test_suspending_mirrors_to_the_filing_and_scrapping_closes_it(world, session):
    made = filed(world, "ua1")
    with as_system("test"):
        pk = live_filing_of(session, made.id).id
    act(world, session, "ua1", INSTRUMENT, made.id, "suspend", reason=WHY)
    assert state(session, Filing, pk) == "suspended"
    act(world, session, "ua1", INSTRUMENT, made.id, "enable")
    assert (state(session, Filing, pk), state(session, Instrument, made.id)) == ("approved", "in_use")
    act(world, session, "ua1", INSTRUMENT, made.id, "scrap", reason=WHY)
    assert (state(session, Filing, pk), state(session, Instrument, made.id)) == ("closed", "scrapped")


@pytest.mark.parametrize("accept", [True, False])
def test_revoking_a_filing_takes_the_item_out_of_its_booking(world, session, slot, accept):
    pk, items, ids = ordered(world, session, slot, 2, accept=accept)
    with as_system("test"):
        filing = live_filing_of(session, ids[0]).id
    act(world, session, "imgA", FILING, filing, "revoke", reason=WHY)
    assert state(session, AppointmentItem, items[0]) == ("returned" if accept else "cancelled")
    assert (slot.taken, state(session, Instrument, ids[0])) == (1, "unfiled")
    assert state(session, Appointment, pk) == ("accepted" if accept else "submitted")


def test_wrong_papers_at_the_counter_send_the_filing_back(world, session, slot):
    _, items, ids = ordered(world, session, slot, 1)
    act(world, session, "recA", ITEM, items[0], "return", kind="mismatch", reason=WHY)
    with as_system("test"):
        assert live_filing_of(session, ids[0]).state == "returned"
    assert state(session, Instrument, ids[0]) == "unfiled"


# -- papers ----------------------------------------------------------------------------------------------------------


def test_signing_numbers_queues_and_publishing_updates_the_ledger(world, session):
    order = booked(world, "ua1")
    pk = drafted(world, order.items[0])
    act(world, session, "verA", CERTIFICATE, pk, "submit")
    row = act(world, session, "chkA", CERTIFICATE, pk, "check")
    assert row.checker_id == world.people["chkA"]
    row = act(world, session, "aprA", CERTIFICATE, pk, "back", reason=WHY)
    assert (row.checker_id, row.approver_id, row.number) == (None, None, None)
    for who, step in (("verA", "submit"), ("chkA", "check"), ("aprA", "issue")):
        row = act(world, session, who, CERTIFICATE, pk, step)
    assert row.number.startswith("A")
    assert f"J{clock.today():%Y}" in row.number
    assert len(row.lookup_code) == 8
    assert not set(row.lookup_code) & set("0O1I")
    with as_system("test"):
        queued = session.scalars(select(Outbox).where(Outbox.key == f"job:publish-{pk}-{row.number}")).one()
        assert queued.payload == {"function": "publish_certificate", "arguments": {"certificate_id": pk}}


def test_revoking_a_paper_takes_its_result_out_of_the_ledger(world, session):
    order = booked(world, "ua1")
    pk = issued(world, order.items[0])
    row = act(world, session, "imgA", CERTIFICATE, pk, "ask_revocation", reason=WHY)
    assert row.revoke_confirmed_by_id == world.people["imgA"]
    act(world, session, "aprA", CERTIFICATE, pk, "revoke", reason=WHY)
    with as_system("test"):
        made = session.get(Instrument, order.instruments[0])
        assert (made.last_result, made.verified_on, made.valid_until) == (None, None, None)
        assert session.get(Certificate, pk).state == "revoked"


def test_expiry_is_one_day_before_the_anniversary():
    from datetime import date

    from app.workflow.certificate import expiry

    for day, months, until in (
        (date(2026, 11, 20), 12, date(2027, 11, 19)),
        (date(2026, 8, 31), 6, date(2027, 2, 27)),
        (date(2024, 2, 29), 12, date(2025, 2, 27)),
        (date(2026, 3, 1), 6, date(2026, 8, 31)),
    ):
        assert expiry(day, months) == until


# -- accounts --------------------------------------------------------------------------------------------------------


def test_disabling_ends_sessions_and_locks_the_door(world, session):
    from models.enums import AccountKind, Role
    from tests.world import person

    pk = person(world, "tmp", AccountKind.INSTITUTE, [Role.REC], institute_id=world.institutes["A"])
    with as_system("test"):
        epoch = session.get(Account, pk).session_epoch
    row = act(world, session, "adm", ACCOUNT, pk, "disable", reason=WHY)
    assert (row.session_epoch, row.user.active) == (epoch + 1, False)
    row = act(world, session, "adm", ACCOUNT, pk, "enable")
    assert row.user.active


@pytest.mark.parametrize("failures, minutes", [(5, 15), (10, 30), (15, 60), (60, 1440)])
def test_locking_doubles_up_to_a_day(failures, minutes):
    from types import SimpleNamespace as Row

    from app.workflow.account import _lock_out

    row = Row(failed_logins=failures, locked_until=None)
    with clock.frozen(clock.now()):
        _lock_out(Row(obj=row))
        assert row.locked_until == clock.now() + timedelta(minutes=minutes)


def test_approval_opens_the_unit(world, session):
    with as_system("test"):
        assert session.get(Account, world.people["ua1"]).unit.active


def test_a_category_outside_the_catalogue_is_not_filed(world, session):
    made = instrument(world, "ua1", category_id=category("称重传感器").id)
    with world.acting("ua1") as actor:
        data = {"institute_id": world.institutes["A"], "declaration": True}
        result = submit_filings(session, actor, [made.id], data)
        session.commit()
    assert result.skipped[0][1] == "该种别不属于强制检定目录，无需备案。"
    assert state(session, Instrument, made.id) == "unfiled"


def test_a_second_answer_finds_the_state_changed(world, session, slot):
    pk, _, _ = ordered(world, session, slot, 1)
    with pytest.raises(WrongStateError, match="当前状态为“已受理”，不能执行“确认受理”。"):
        act(world, session, "imgA", APPOINTMENT, pk, "accept")
