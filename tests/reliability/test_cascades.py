"""WORKFLOWS 18: what must also happen, in the same transaction, one case of a table for each cause.

Each case prepares a world, takes the one step that is the cause, and says what the rest of the books looks like then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.errors import QuanhengError
from app.operations.appointment import book
from app.operations.certificate import correct_certificate, publish_certificate
from app.operations.institute import open_slots
from app.operations.reminders import run_reminders
from app.operations.todo import todos
from app.operations.units_without_contact import without_contact
from app.workflow import ACCOUNT, AFFILIATION, APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, bear, fire
from app.workflow.commission import COMMISSION
from app.workflow.commission_rules import TICKS
from app.workflow.live import live_filing_of
from app.workflow.task import TASK
from models import (
    Account,
    Affiliation,
    Appointment,
    AppointmentItem,
    Certificate,
    DevelopmentMail,
    Filing,
    Institute,
    Instrument,
    Reminder,
    Slot,
    Unit,
)
from models.base import db
from models.commission import Commission, Task
from models.enums import AccountKind, Role
from tests.client import login, visitor
from tests.ledger.support import fresh_unit
from tests.world import PASSWORD, filed, instrument, issued, new_institute, person, result_form

WHY = "门店装修，暂不送检"
NEXT = iter(range(200, 400))


class Case:
    """A booking of `count` instruments on a slot of its own, and words to ask about it."""

    def __init__(self, app: Any, world: Any, count: int = 2, *, mode: str = "onsite", accept: bool = True) -> None:
        self.app, self.world, self.session = app, world, db.session()
        self.instruments = [filed(world, "ua1", delivery_mode=mode).id for _ in range(count)]
        self.slot = self._slot(mode)
        self.order, self.items = self.booked()
        if accept:
            self.act("recA", APPOINTMENT, self.order, "accept")

    def _slot(self, mode: str) -> int:
        with as_system("test"):
            day = clock.today() + timedelta(days=next(NEXT))
            open_slots(self.session, self.session.get(Institute, self.world.institutes["A"]), [day], capacity=9)
            self.session.commit()
            found = select(Slot.id).where(
                Slot.institute_id == self.world.institutes["A"],
                Slot.day == day,
                Slot.mode == mode,
                Slot.period == "morning",
            )
            return self.session.scalar(found)

    def booked(self) -> tuple[int, list[int]]:
        with self.world.acting("ua1") as actor:
            made = book(self.session, actor, instrument_ids=self.instruments, slot_id=self.slot)
            self.session.commit()
            return made.id, [i.id for i in made.items]

    def act(self, who: str, machine: Any, pk: int, step: str, **data: Any) -> Any:
        with self.world.acting(who) as actor:
            row = fire(self.session, machine, pk, step, actor, data)
            self.session.commit()
            return row

    def said(self, who: str, machine: Any, pk: int, step: str, **data: Any) -> str:
        """The sentence with which it is refused; nothing may have changed."""
        with pytest.raises(QuanhengError) as caught:
            self.act(who, machine, pk, step, **data)
        self.session.rollback()
        return caught.value.sentence

    def row(self, model: Any, pk: int) -> Any:
        with as_system("test"):
            self.session.expire_all()
            return self.session.get(model, pk)

    def state(self, model: Any, pk: int) -> str:
        return self.row(model, pk).state

    @property
    def taken(self) -> int:
        return self.row(Slot, self.slot).taken

    @property
    def filing(self) -> int:
        with as_system("test"):
            return live_filing_of(self.session, self.instruments[0]).id

    def facts(self, instrument: int) -> tuple[Any, ...]:
        found = self.row(Instrument, instrument)
        return found.last_result, found.verified_on, found.valid_until

    def counter(self) -> tuple[int, list[int]]:
        """All of it at the counter: the commission and its tasks."""
        with self.world.acting("recA") as actor:
            head = self.session.get(Appointment, self.order)
            made = Commission(
                appointment_id=head.id,
                unit_id=head.unit_id,
                institute_id=head.institute_id,
                use_division=head.use_division,
                mode=head.mode,
                bringer_name="王小明",
                bringer_phone="13800000000",
            )
            bear(self.session, made, "start", actor)
            for item in self.items:
                line = {"item_id": item, "verdict": "receive", "ticks": [key for key, _word in TICKS]}
                fire(self.session, COMMISSION, made.id, "check_line", actor, line)
            fire(self.session, COMMISSION, made.id, "open", actor)
            self.session.commit()
            tasks = self.session.scalars(select(Task.id).where(Task.commission_id == made.id).order_by(Task.id))
            return made.id, list(tasks)


# -- the cases -------------------------------------------------------------------------------------------------------


def a_booked_instrument_stays_in_service(case: Case) -> None:
    for step in ("suspend", "scrap", "retire"):
        assert "器具" in case.said("ua1", INSTRUMENT, case.instruments[0], step, reason=WHY)
    assert case.state(Instrument, case.instruments[0]) == "in_use"
    assert case.state(AppointmentItem, case.items[0]) == "accepted", "never a silent cancellation"


def a_revoked_filing_takes_its_item_along(case: Case) -> None:
    case.act("imgA", FILING, case.filing, "revoke", reason=WHY)
    assert [case.state(AppointmentItem, i) for i in case.items] == ["returned", "accepted"]
    assert (case.taken, case.state(Appointment, case.order)) == (1, "accepted")
    assert case.state(Instrument, case.instruments[0]) == "unfiled"


def a_revoked_filing_ends_the_task_too(case: Case) -> None:
    commission, tasks = case.counter()
    case.act("imgA", FILING, case.filing, "revoke", reason=WHY)
    assert case.state(AppointmentItem, case.items[0]) == "returned"
    assert case.state(Task, tasks[0]) == "aborted"
    assert case.state(Commission, commission) in {"ready", "closed"}, "nothing is left to do"
    assert case.state(Appointment, case.order) == "sent_back"


def a_revoked_filing_of_what_nobody_accepted_yet(case: Case) -> None:
    case.act("imgA", FILING, case.filing, "revoke", reason=WHY)
    assert [case.state(AppointmentItem, i) for i in case.items] == ["cancelled", "assigned"]
    assert (case.taken, case.state(Appointment, case.order)) == (1, "submitted")


def a_filing_is_not_revoked_under_the_verifiers_hands(case: Case) -> None:
    _commission, (task,) = case.counter()
    case.act("imgA", TASK, task, "assign", verifier_id=str(case.world.people["verA"]))
    case.act("verA", TASK, task, "begin")
    assert "正在检定" in case.said("imgA", FILING, case.filing, "revoke", reason=WHY)
    assert case.state(AppointmentItem, case.items[0]) == "verifying"
    assert case.state(Filing, case.filing) == "approved"


def everything_sent_back_at_the_counter(case: Case) -> None:
    """The visit ends with the last instrument, and so does the order."""
    with case.world.acting("recA") as actor:
        head = case.session.get(Appointment, case.order)
        copied = {key: getattr(head, key) for key in ("unit_id", "institute_id", "use_division", "mode")}
        visit = Commission(appointment_id=head.id, bringer_name="王小明", bringer_phone="13800000000", **copied)
        bear(case.session, visit, "start", actor)
        for item in case.items:
            line = {"item_id": item, "verdict": "return", "kind": "fault", "reason": WHY}
            fire(case.session, COMMISSION, visit.id, "check_line", actor, line)
        case.session.commit()
    assert (case.state(Commission, visit.id), case.state(Appointment, case.order)) == ("void", "sent_back")
    assert case.taken == 0


def wrong_papers_at_the_counter(case: Case) -> None:
    filing = case.filing
    case.act("recA", ITEM, case.items[0], "return", kind="mismatch", reason=WHY)
    assert case.state(Filing, filing) == "returned"
    assert (case.taken, case.state(Appointment, case.order)) == (0, "sent_back")


def an_order_nobody_brought(case: Case) -> None:
    term = case.row(Appointment, case.order).deadline_at
    with as_system("test") as system, clock.frozen(term + timedelta(seconds=1)):
        fire(case.session, APPOINTMENT, case.order, "auto_withdraw", system)
        case.session.commit()
    free_again(case, "withdrawn")


def an_order_the_unit_cancels(case: Case) -> None:
    case.act("ua1", APPOINTMENT, case.order, "cancel", reason=WHY)
    free_again(case, "withdrawn")


def an_order_the_institute_refuses(case: Case) -> None:
    case.act("recA", APPOINTMENT, case.order, "reject", reason=WHY)
    free_again(case, "rejected")


def free_again(case: Case, ended: str) -> None:
    """Items final, places free, instruments bookable at once."""
    assert case.state(Appointment, case.order) == ended
    assert {case.state(AppointmentItem, i) for i in case.items} <= {"cancelled", "rejected"}
    assert case.taken == 0
    order, _items = case.booked()
    assert order != case.order
    assert case.taken == 2


def a_published_paper(case: Case) -> None:
    """Task, item, order, commission, ledger and reminders, all by one signature."""
    instrument, control = case.instruments[0], filed(case.world, "ua1").id
    with as_system("test"):
        soon = clock.today() + timedelta(days=9)
        both = Instrument.id.in_((instrument, control))
        case.session.execute(update(Instrument).where(both).values(valid_until=soon))
        case.session.commit()
        run_reminders(case.session, clock.today())
        case.session.commit()
    commission, (task,) = case.counter()
    case.act("imgA", TASK, task, "assign", verifier_id=str(case.world.people["verA"]))
    case.act("verA", TASK, task, "begin")
    paper = recorded(case)
    with as_system("test"):
        publish_certificate(case.session, paper)
        case.session.commit()
    assert case.state(Task, task) == "closed"
    assert case.state(AppointmentItem, case.items[0]) == "done"
    assert case.state(Appointment, case.order) == "completed"
    assert case.state(Commission, commission) == "closed", "on site nothing is collected"
    issued_paper = case.row(Certificate, paper)
    assert case.facts(instrument) == ("pass", issued_paper.verified_on, issued_paper.valid_until)
    nothing_is_sent_for_the_old_date(case, instrument, control)


def recorded(case: Case) -> int:
    """From the verifier's result to the approver's signature."""
    from app.operations.certificate import record_result

    with case.world.acting("verA") as actor:
        pk = record_result(case.session, actor, case.items[0], result_form()).id
        task = case.session.scalar(select(Task).where(Task.item_id == case.items[0], Task.state == "in_progress"))
        if task is not None:
            fire(case.session, TASK, task.id, "record", actor, {"conclusion": "pass"})
        case.session.commit()
    for who, step in (("verA", "submit"), ("chkA", "check"), ("aprA", "issue")):
        if not (step == "submit" and case.state(Certificate, pk) != "draft"):
            case.act(who, CERTIFICATE, pk, step)
    return pk


def nothing_is_sent_for_the_old_date(case: Case, instrument: int, control: int) -> None:
    """I-9: what still waited to be sent is composed now, and leaves this instrument out; another one stands in it."""
    with as_system("test"):
        serial, other = (case.session.get(Instrument, pk).serial_no for pk in (instrument, control))
        while deliver(case.session, 500):
            case.session.commit()
        case.session.commit()
        sent = case.session.scalars(select(DevelopmentMail).where(DevelopmentMail.key.like("%remind%"))).all()
        assert [mail.subject for mail in sent if serial in mail.body] == []
        assert [mail.subject for mail in sent if other in mail.body] != [], "the control is told of"


def reminded(case: Case, instrument: int, on: date) -> int:
    """How many reminders of the instrument a run of that day writes; undone again."""
    with as_system("test"):
        run_reminders(case.session, on)
        found = case.session.scalar(select(func.count(Reminder.id)).where(Reminder.instrument_id == instrument))
        case.session.rollback()
        return int(found or 0)


def a_revoked_paper(case: Case) -> None:
    paper = issued(case.world, case.items[0])
    result, _day, until = case.facts(case.instruments[0])
    assert result == "pass"
    soon = until - timedelta(days=5)
    assert reminded(case, case.instruments[0], soon) == 1
    case.act("imgA", CERTIFICATE, paper, "ask_revocation", reason=WHY)
    case.act("aprA", CERTIFICATE, paper, "revoke", reason=WHY)
    assert case.facts(case.instruments[0]) == (None, None, None)
    assert reminded(case, case.instruments[0], soon) == 0, "there is no date any more to be reminded of"


def a_revoked_paper_after_another(case: Case) -> None:
    """The earlier one counts again, and its date is reminded of."""
    first = issued(case.world, case.items[0])
    earlier = case.facts(case.instruments[0])
    with clock.frozen(clock.now() + timedelta(days=40)):
        case.slot = case._slot("onsite")
        case.order, case.items = case.booked()
        case.act("recA", APPOINTMENT, case.order, "accept")
        second = issued(case.world, case.items[0])
        later = case.facts(case.instruments[0])
        assert later[2] > earlier[2]
        case.act("imgA", CERTIFICATE, second, "ask_revocation", reason=WHY)
        case.act("aprA", CERTIFICATE, second, "revoke", reason=WHY)
    assert case.facts(case.instruments[0]) == earlier
    assert case.state(Certificate, first) == "issued"
    assert reminded(case, case.instruments[0], earlier[2] - timedelta(days=5)) == 1


def a_corrected_paper(case: Case) -> None:
    paper = issued(case.world, case.items[0])
    old = case.facts(case.instruments[0])
    with case.world.acting("verA") as actor:
        fresh = correct_certificate(case.session, actor, paper, WHY).id
        case.session.commit()
    assert case.facts(case.instruments[0]) == old, "the old paper stays in force until the new one is out"
    with as_system("test"):
        row = case.session.get(Certificate, fresh)
        until = row.valid_until
    assert case.state(Certificate, paper) == "issued"
    for who, step in (("verA", "submit"), ("chkA", "check"), ("aprA", "issue")):
        case.act(who, CERTIFICATE, fresh, step)
    with as_system("test"):
        publish_certificate(case.session, fresh)
        case.session.commit()
    assert case.state(Certificate, paper) == "superseded"
    assert case.facts(case.instruments[0])[2] == until


def a_person_taken_off_a_unit(case: Case) -> None:
    """The next request already sees nothing."""
    from app.operations.affiliation import request_link

    pk = person(case.world, "leaver", AccountKind.INDIVIDUAL, [Role.IND], phone=f"137{case.order:08d}")
    with case.world.acting("leaver") as actor:
        link = request_link(case.session, actor, case.world.codes["ua1"]).id
        case.session.commit()
    case.act("ua1", AFFILIATION, link, "approve")
    client, program = login(case.app, case.world, "leaver"), token_of(case, "leaver")
    address, resource = f"/instruments/show/{case.instruments[0]}", f"/api/v1/instruments/{case.instruments[0]}"
    assert client.get(address).status_code == visitor(case.app).get(resource, headers=program).status_code == 200
    case.act("ua1", AFFILIATION, link, "remove", reason=WHY)
    assert client.get(address).status_code in {302, 303, 401, 403, 404}
    assert visitor(case.app).get(resource, headers=program).status_code in {401, 403, 404}
    assert principal_of(account_by_id(case.session, pk)).unit_id is None
    assert case.row(Affiliation, link).state != "linked"


def a_disabled_account(case: Case) -> None:
    pk = person(case.world, "gone", AccountKind.INSTITUTE, [Role.REC], institute_id=case.world.institutes["A"])
    client, program = login(case.app, case.world, "gone"), token_of(case, "gone")
    resource = f"/api/v1/appointments/{case.order}"
    assert client.get("/appointments/list/").status_code == 200
    assert visitor(case.app).get(resource, headers=program).status_code == 200
    case.act("adm", ACCOUNT, pk, "disable", reason=WHY)
    assert client.get("/appointments/list/").status_code in {302, 303, 401, 403}
    assert visitor(case.app).get(resource, headers=program).status_code == 401


def token_of(case: Case, who: str) -> dict[str, str]:
    """A program's header for that person."""
    body = {"username": case.world.names[who], "password": PASSWORD}
    answer = visitor(case.app).post("/api/v1/token", json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}"}


def the_last_account_of_a_unit(case: Case) -> None:
    """The ledger stays; the county reads of the unit that nobody acts for."""
    nick = fresh_unit(case.world, f"uLast{case.order}")
    kept, unit = instrument(case.world, nick).id, case.world.units[nick]
    assert unit not in without_anybody(case, "regA1")
    with case.world.acting(nick) as actor:
        fire(case.session, ACCOUNT, case.world.people[nick], "close", actor)
        case.session.commit()
    assert case.state(Account, case.world.people[nick]) == "closed"
    assert (case.row(Instrument, kept).unit_id, case.state(Instrument, kept)) == (unit, "unfiled")
    assert unit in without_anybody(case, "regA1")
    assert unit not in without_anybody(case, "regB")


def without_anybody(case: Case, who: str) -> set[int]:
    with case.world.acting(who):
        return set(case.session.scalars(select(Unit.id).where(without_contact())))


def an_institute_whose_licence_ends(case: Case) -> None:
    """New orders stop; what was accepted stays; a paper counts by the day of the verification."""
    world, session = case.world, case.session
    nick = f"E{case.order % 1000}"
    new_institute(world, nick, "440103")
    staff = (("rec", Role.REC), ("ver", Role.VER), ("chk", Role.VER), ("apr", Role.APR), ("img", Role.IMG))
    for who, role in staff:
        person(world, f"{who}{nick}", AccountKind.INSTITUTE, [role], institute_id=world.institutes[nick])
    first, second, third = (filed(world, "ua1", nick).id for _ in range(3))
    with as_system("test"):
        slot = session.scalars(
            select(Slot).where(Slot.institute_id == world.institutes[nick], Slot.mode == "onsite").order_by(Slot.day)
        ).first()
    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=[first], slot_id=slot.id).id
        waits = book(session, actor, instrument_ids=[third], slot_id=slot.id).id
        session.commit()
    for pk in (order, waits):
        case.act(f"rec{nick}", APPOINTMENT, pk, "accept")
    before = lapsed_orders(case, "regA1")
    with as_system("test"):
        item = session.scalar(select(AppointmentItem.id).where(AppointmentItem.appointment_id == order))
        paper = prepared(case, nick, item)
        ended = update(Institute).where(Institute.id == world.institutes[nick])
        session.execute(ended.values(authorised_until=clock.today() - timedelta(days=1)))
        session.commit()
    with world.acting("ua1") as actor:
        with pytest.raises(QuanhengError, match="授权"):
            book(session, actor, instrument_ids=[second], slot_id=slot.id)
        session.rollback()
    assert (case.state(Appointment, order), case.state(Appointment, waits)) == ("in_progress", "accepted")
    assert (lapsed_orders(case, f"img{nick}"), lapsed_orders(case, "regA1")) == (1, before + 1)
    assert "已失效，不能签发" in case.said(f"apr{nick}", CERTIFICATE, paper, "issue")
    with as_system("test"):
        session.execute(ended.values(authorised_until=clock.today()))
        session.commit()
    case.act(f"apr{nick}", CERTIFICATE, paper, "issue")


def lapsed_orders(case: Case, who: str) -> int:
    """What the to-do list says of accepted orders at institutes without a licence."""
    with case.world.acting(who) as actor:
        return next((line.count for line in todos(case.session, actor) if line.key == "lapsed"), 0)


def prepared(case: Case, nick: str, item: int) -> int:
    """A paper that waits for its approver."""
    from tests.world import drafted

    pk = drafted(case.world, item, nick)
    for who, step in (("ver", "submit"), ("chk", "check")):
        case.act(f"{who}{nick}", CERTIFICATE, pk, step)
    return pk


@dataclass(frozen=True)
class Cascade:
    """One cause: how the booking stands before it, and what is looked at."""

    cause: str
    check: Callable[[Case], None]
    count: int = 2
    mode: str = "onsite"
    accept: bool = True


CASCADES = (
    Cascade("instrument.suspend, scrap, retire with a live item", a_booked_instrument_stays_in_service, 1),
    Cascade("filing.revoke", a_revoked_filing_takes_its_item_along),
    Cascade("filing.revoke with a task", a_revoked_filing_ends_the_task_too, 1),
    Cascade("filing.revoke before acceptance", a_revoked_filing_of_what_nobody_accepted_yet, accept=False),
    Cascade("filing.revoke while verifying", a_filing_is_not_revoked_under_the_verifiers_hands, 1),
    Cascade("commission.check_line returns everything", everything_sent_back_at_the_counter),
    Cascade("item.return for a mismatch", wrong_papers_at_the_counter, 1),
    Cascade("appointment.auto_withdraw", an_order_nobody_brought, mode="deliver"),
    Cascade("appointment.cancel", an_order_the_unit_cancels, accept=False),
    Cascade("appointment.reject", an_order_the_institute_refuses, accept=False),
    Cascade("certificate.publish", a_published_paper, 1),
    Cascade("certificate.revoke", a_revoked_paper, 1),
    Cascade("certificate.revoke with an earlier one", a_revoked_paper_after_another, 1),
    Cascade("certificate.correct", a_corrected_paper, 1),
    Cascade("affiliation.remove", a_person_taken_off_a_unit, 1),
    Cascade("account.disable", a_disabled_account, 1),
    Cascade("account.close of a unit's last login", the_last_account_of_a_unit, 1),
    Cascade("registration.expire of an institute", an_institute_whose_licence_ends, 1),
)


@pytest.mark.parametrize("cascade", CASCADES, ids=lambda c: c.cause)
def test_what_must_also_happen(app, world, session, cascade):
    cascade.check(Case(app, world, cascade.count, mode=cascade.mode, accept=cascade.accept))
