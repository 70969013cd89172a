"""A random day: anybody tries anything on a few instruments, and after every step the books must balance.

Hypothesis chooses who does what to which row. Two thirds of the choices are moves that the declaration allows, so that
days get as far as certificates; the rest are anything at all. Everything happens in one transaction per day that is
rolled back at its end. The checks here are written out once more in words of their own, beside the integrity lines.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select, text

from app import clock
from app.access.principal import acting_as, as_system
from app.errors import QuanhengError
from app.operations import integrity
from app.operations.appointment import book
from app.operations.certificate import publish_certificate, record_result
from app.operations.filing import submit_filings
from app.workflow import APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, bear, fire
from app.workflow.commission import COMMISSION
from app.workflow.commission_rules import TICKS
from app.workflow.engine import Prior
from app.workflow.task import TASK
from models import Appointment, AppointmentItem, Certificate, Filing, Instrument, Slot
from models.commission import Commission, Task
from tests.world import result_form

WHY = "随机的一天里有人这样做"
MACHINES = (FILING, APPOINTMENT, ITEM, COMMISSION, TASK, CERTIFICATE, INSTRUMENT)
PEOPLE = (
    "ua1",
    "ua2",
    "sub1",
    "recA",
    "verA",
    "chkA",
    "aprA",
    "imgA",
    "recA1",
    "imgA1",
    "recB",
    "verB",
    "regA1",
    "aud",
)
SEPARATE = {
    "save_draft",
    "edit",
    "create",
    "begin_correction",
    "amend",
    "record",
    "purge",
    "delete",
    "transfer",
    "merge",
    "absorb",
    "release",
    "update_address",
    "change_nozzle",
    "reset_secret",
}
"""Steps with an operation of their own, and those that take the instrument away from its unit."""
HOLDING = ("assigned", "accepted", "received", "verifying", "done", "aborted")
LIVE = ("pending", "assigned", "accepted", "received", "verifying")
_LINES = ("I-1", "I-2", "I-6", "I-7", "I-12c", "I-13b", "I-16", "I-19", "I-20", "I-20b", "I-21", "I-22", "I-22b")
BALANCE = text(
    " UNION ALL ".join(
        f"SELECT '{number}', count(*) FROM ({sql}) broken"
        for number, _title, sql in integrity.QUERIES
        if number in _LINES
    )
)
"""Integrity lines that are cheap enough for every step; all of them are asked at the end of a day."""
WHAT = (
    *["somebody_takes_a_step"] * 10,
    *["comes_to_the_counter"] * 3,
    *["records"] * 3,
    *["papers_are_written"] * 2,
    "books",
    "files",
    "time_passes",
)


class Day(RuleBasedStateMachine):
    """One day. `world`, `session`, `ids` (instruments by unit) and `slots` are set by the test before it runs."""

    world = session = None
    ids: dict[str, list[int]] = {}
    slots: list[int] = []
    tried: Counter[str] = Counter()

    before: dict[str, int] = {}

    # -- beginning and end ---------------------------------------------------------------------------------------

    @initialize(filed=st.integers(2, 4), mode=st.integers(0, 1))
    def morning(self, filed, mode):
        self.session.rollback()
        self.moment, self.begun = clock.now(), True
        self.people = {nick: self.world.principal(nick) for nick in PEOPLE}
        mine = self.ids["ua1"][:filed]
        self.act("ua1", lambda actor: submit_filings(self.session, actor, mine, self.declared("A")))
        for filing in self.rows(Filing):
            self.act("recA", lambda actor, f=filing: fire(self.session, FILING, f.id, "approve", actor))
        self.act("ua1", lambda actor: book(self.session, actor, instrument_ids=mine[:2], slot_id=self.slots[mode]))
        for order in self.rows(Appointment):
            self.act("recA", lambda actor, o=order: fire(self.session, APPOINTMENT, o.id, "accept", actor))

    def teardown(self):
        with as_system("test"):
            self.session.expire_all()
            after = {f.id: f.violations for f in integrity.check_all(self.session)}
        self.session.rollback()
        assert after == self.before

    # -- what people do ------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(WHAT), pick=st.integers(0, 999), which=st.integers(0, 999))
    def an_hour(self, what, pick, which):
        """One rule for everything, so that every day has everything."""
        getattr(self, what)(pick, which)

    def files(self, pick, which):
        unit, ids = self.some(pick, which)
        self.act(unit, lambda actor: submit_filings(self.session, actor, ids, self.declared("AAAB"[which % 4])))

    def books(self, pick, which):
        unit, ids = self.some(pick, which)
        slot = self.slots[which % 2]
        self.act(unit, lambda actor: book(self.session, actor, instrument_ids=ids, slot_id=slot), "book")

    def some(self, pick, which):
        """One or two instruments of a unit, more often of the busier one."""
        unit = ("ua1", "ua1", "ua2")[pick % 3]
        mine = self.ids[unit]
        return unit, sorted({mine[which % 4], mine[pick % 4]})

    def comes_to_the_counter(self, pick, which):
        """A visit that gets as far as it can: registered, every line checked, opened."""
        waiting = [o for o in self.rows(Appointment) if o.state == "accepted"]
        order = waiting[pick % len(waiting)] if waiting else self.one_of(Appointment, pick)
        if order is None:
            return

        def visit(actor):
            row = Commission(
                appointment_id=order.id,
                unit_id=order.unit_id,
                institute_id=actor.institute_id,
                use_division=order.use_division,
                mode=order.mode,
                bringer_name="王小明",
                bringer_phone="13800000000",
            )
            bear(self.session, row, "start", actor)
            for item in self.rows(AppointmentItem, appointment_id=order.id):
                if item.state == "accepted":
                    verdict = "return" if (which + item.id) % 5 == 4 else "receive"
                    line = {"item_id": item.id, "verdict": verdict, "ticks": [k for k, _w in TICKS], "reason": WHY}
                    fire(self.session, COMMISSION, row.id, "check_line", actor, line | {"kind": "fault"})
            fire(self.session, COMMISSION, row.id, "open", actor)

        self.act("recB" if which % 9 == 8 else "recA", visit, "visit")

    def records(self, pick, which):
        busy = [i for i in self.rows(AppointmentItem) if i.state in {"received", "verifying"}]
        item = busy[pick % len(busy)] if busy else self.one_of(AppointmentItem, pick)
        day = self.moment.astimezone(clock.ZONE).date()
        form = result_form("fail" if which % 4 == 3 else "pass", verified_on=day)
        if item is not None:
            task = self.session.scalar(
                select(Task.verifier_id).where(Task.item_id == item.id).execution_options(unscoped=True)
            )
            own = next((nick for nick in ("verA", "chkA") if self.world.people[nick] == task), "verA")
            who = "verB" if which % 9 == 8 else own
            self.act(who, lambda actor: record_result(self.session, actor, item.id, form), "record_result")

    def papers_are_written(self, _pick, _which):
        for paper in self.rows(Certificate, state="issuing"):
            with clock.frozen(self.moment):
                publish_certificate(self.session, paper.id)
            self.tried["publish"] += 1

    def time_passes(self, pick, which):
        """And the platform withdraws what was not brought: only what is overdue, only what has not come."""
        self.moment += timedelta(days=1 + which % 12)
        order = self.one_of(Appointment, pick)
        if order is None:
            return
        items = self.rows(AppointmentItem, appointment_id=order.id)
        overdue = order.mode == "deliver" and order.deadline_at is not None and order.deadline_at < self.moment
        came = any(i.state in {"received", "verifying", "done"} for i in items)
        may = overdue and order.state == "accepted" and not came
        with as_system("test") as system:
            done = self.tries(
                lambda: fire(self.session, APPOINTMENT, order.id, "auto_withdraw", system), "auto_withdraw"
            )
        assert done == may

    def somebody_takes_a_step(self, pick, which):
        machine = MACHINES[which % len(MACHINES)]
        row = self.one_of(machine.model, pick)
        moves = self.moves(machine, row, wild=pick % 6 == 0) if row is not None else []
        if not moves:
            return
        step, nick = moves[(which * 31 + pick) % len(moves)]
        before, pk = row.state, row.id
        data = self.inputs(machine, step, row, which)
        if self.act(nick, lambda actor: fire(self.session, machine, pk, step.name, actor, data), step.name):
            self.allowed(machine, step, nick, before, pk)

    def moves(self, machine, row, *, wild):
        """(step, who): anything at all, or what role, place and state allow, the way forward three times as likely."""
        steps = [s for s in machine.steps if not s.by_system and not s.is_birth and s.name not in SEPARATE]
        if wild:
            return [(step, nick) for step in steps for nick in PEOPLE]
        found = []
        for step in steps:
            if row.state not in {s.value for s in step.source}:
                continue
            for nick, person in self.people.items():
                if person.has(*step.by) and (step.relation is None or step.relation(row, person)):
                    found += [(step, nick)] * (3 if step.primary else 1)
        return found

    def allowed(self, machine, step, nick, before, pk):
        """I-12 in words of its own: nobody else's step, from nowhere else, to nowhere else."""
        row = self.session.get(machine.model, pk, execution_options={"unscoped": True})
        assert self.people[nick].has(*step.by), (machine.name, step.name, nick)
        assert before in {s.value for s in step.source}, (machine.name, step.name, before)
        if step.goes is None and step.target is not Prior.BEFORE:
            wanted = before if step.target is Prior.SAME else step.target.value
            assert row.state == wanted, (machine.name, step.name, row.state)

    # -- the machinery -------------------------------------------------------------------------------------------

    def act(self, nick, what, word=""):
        with acting_as(self.people[nick]) as actor:
            return self.tries(lambda: what(actor), word)

    def tries(self, what, word=""):
        """Whether it could be done; a refusal leaves nothing behind."""
        try:
            with clock.frozen(self.moment), self.session.begin_nested():
                what()
                self.session.flush()
        except QuanhengError:
            self.tried["refused"] += 1
            self.session.expire_all()
            return False
        self.tried[word or "other"] += 1
        return True

    def rows(self, model, **like):
        column = model.id if model is Instrument else getattr(model, "instrument_id", None)
        mine = [pk for ids in self.ids.values() for pk in ids]
        statement = select(model).execution_options(unscoped=True, populate_existing=True).order_by(model.id)
        if column is not None:
            statement = statement.where(column.in_(mine))
        else:
            orders = select(AppointmentItem.appointment_id).where(AppointmentItem.instrument_id.in_(mine))
            key = model.appointment_id if model is Commission else model.id
            statement = statement.where(key.in_(orders))
        for name, value in like.items():
            statement = statement.where(getattr(model, name) == value)
        return list(self.session.execute(statement).unique().scalars())

    def one_of(self, model, pick):
        """A row of the day; the newest are the likeliest, because the day is about them."""
        found = self.rows(model)
        return found[-1 - min(pick % len(found), pick % 3)] if found else None

    def declared(self, institute):
        return {"institute_id": self.world.institutes[institute], "declaration": True, "allow_province": True}

    def inputs(self, machine, step, row, which):
        """Something sensible for every input of a step; now and then nothing."""
        place = ("A1", "A2", "B", "P")[which % 4]
        answers = {
            "reason": WHY,
            "slot_id": str(self.slots[which % 2]),
            "institute_id": str(self.world.institutes[place]),
            "verifier_id": str(self.world.people[("verA", "chkA", "verB")[which % 3]]),
            "checked": True,
            "declaration": True,
            "collector_name": "李领取",
            "collector_phone": "13900000000",
            "serial_no": getattr(row, "serial_no", ""),
            "item_id": "",
        }
        if which % 17 == 16:
            return {}
        chosen = {n.name: n.choices[which % len(n.choices)][0] for n in step.needs if n.choices and n.kind == "choice"}
        return {n.name: answers[n.name] for n in step.needs if n.name in answers} | chosen

    # -- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def the_books_balance(self):
        if not hasattr(self, "begun"):
            return
        with as_system("test"):
            self.session.flush()
            for number, count in self.session.execute(BALANCE):
                assert count == self.before[number], f"{number}: {count}"
        self.places_add_up()
        self.headers_follow_their_items()
        live = Counter(i.instrument_id for i in self.rows(AppointmentItem) if i.state in LIVE)
        assert all(count == 1 for count in live.values())

    def places_add_up(self):
        """I-2, I-3: what is taken is what somebody holds, place by place, whatever went back and came again."""
        items = self.rows(AppointmentItem)
        orders = {o.id: o for o in self.rows(Appointment)}
        held = Counter()
        for item in items:
            order = orders[item.appointment_id]
            if item.state in HOLDING:
                held[order.slot_id] += 1
        for slot in self.session.scalars(
            select(Slot).where(Slot.id.in_(self.slots)).execution_options(unscoped=True, populate_existing=True)
        ):
            assert slot.taken == held[slot.id] <= slot.capacity, (slot.id, slot.taken, held[slot.id])

    def headers_follow_their_items(self):
        """I-13 in words of its own, order by order."""
        items = self.rows(AppointmentItem)
        for order in self.rows(Appointment):
            states = {i.state for i in items if i.appointment_id == order.id}
            if order.state in {"accepted", "in_progress"}:
                assert states & set(LIVE), (order.state, states)
                assert order.state == "in_progress" or not states & {"received", "verifying", "done"}, states
            elif order.state in {"completed", "rejected", "sent_back", "withdrawn"}:
                assert not states & set(LIVE), (order.state, states)
                assert (order.state == "completed") == ("done" in states), (order.state, states)

    @invariant()
    def papers_have_three_signers(self):
        for paper in self.rows(Certificate):
            assert paper.verifier_id not in {paper.checker_id, paper.approver_id}
            assert isinstance(paper.verified_on, date)


assert Task, "imported so that its machine is known here"
