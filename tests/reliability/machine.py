"""A random day: anybody tries anything on a few instruments, and after every act the books must balance.

Hypothesis chooses who does what to which row. Two thirds of the choices go on with what lies there, from the visit to the
counter over the bench and the desks of checker and approver to the paper, its correction and its revocation, so that few
acts get far; the rest are anything at all. Everything happens in one transaction per day that is rolled back at its end.
What must hold stands in tests/reliability/books.py; here is kept what the day has seen come into force.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from app import clock
from app.access.principal import acting_as, as_system
from app.errors import QuanhengError
from app.operations import integrity
from app.operations.appointment import book
from app.operations.certificate import correct_certificate, edit_result, publish_certificate, record_result
from app.operations.filing import submit_filings
from app.operations.verification_records import send_record
from app.workflow import APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, bear, fire
from app.workflow.commission import COMMISSION
from app.workflow.commission_rules import TICKS
from app.workflow.engine import Prior
from app.workflow.task import TASK
from models import Appointment, AppointmentItem, Certificate, Filing, Instrument, Slot
from models.commission import Commission, Task
from models.enums import RecordSource
from models.unmatched import UnmatchedRecord
from tests.reliability import books
from tests.reliability.books import Paper
from tests.unmatched.support import cells
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
WHAT = (
    *["goes_on_with_a_paper"] * 6,
    *["goes_on_at_the_bench"] * 3,
    *["comes_to_the_counter"] * 2,
    *["somebody_takes_a_step"] * 5,
    "books",
    "files",
    "another_system_sends",
    "time_passes",
)
OPEN = ("draft", "checking", "approving", "issuing")
FAR = 3
"""How far a day has come when it begins: nobody came, tasks wait, drafts lie there, papers wait for the signature."""


class Day(RuleBasedStateMachine):
    """One day. `world`, `session`, `ids` (instruments by unit), `slots` and `standing` (what was in force before) are set
    by the test before it runs."""

    world = session = None
    ids: dict[str, list[int]] = {}
    slots: list[int] = []
    standing: dict[tuple[bool, int], Paper] = {}
    tried: Counter[str] = Counter()

    before: dict[str, int] = {}

    # -- beginning and end ---------------------------------------------------------------------------------------

    @initialize(far=st.integers(0, FAR))
    def morning(self, far):
        self.session.rollback()
        self.moment, self.begun = clock.now(), True
        self.people = {nick: self.world.principal(nick) for nick in PEOPLE}
        self.mine = sorted(pk for ids in self.ids.values() for pk in ids)
        self.in_force = dict(self.standing)
        self.seen, self.changed, self.hour = {}, True, 0
        if far >= 1:
            self.comes_to_the_counter(0, 0)
        if far >= 2:
            for number in range(4):  # two are taken, then two recorded
                self.goes_on_at_the_bench(number, 0)
        if far >= 3:
            for paper in self.rows(Certificate, state="draft"):
                for who, step in (("verA", "submit"), ("chkA", "check")):
                    self.fires(CERTIFICATE, paper.id, step, who)

    def teardown(self):
        with as_system("test"):
            self.session.expire_all()
            after = {f.id: f.violations for f in integrity.check_all(self.session)}
        self.session.rollback()
        assert after == self.before

    # -- what people do ------------------------------------------------------------------------------------------

    @rule(what=st.sampled_from(WHAT), luck=st.integers(0, 999_999))
    def an_hour(self, what, luck):
        """One rule for everything, so that every day has everything; the same luck twice is not the same choice twice."""
        self.hour += 1
        dice = random.Random(f"{luck} {self.hour}")
        getattr(self, what)(dice.randrange(1000), dice.randrange(1000))

    def files(self, pick, which):
        unit, ids = self.some(pick, which)
        self.act(unit, lambda actor: submit_filings(self.session, actor, ids, self.declared("AAAB"[which % 4])), "file")

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
        """A visit that gets as far as it can: registered, every line checked, opened. Nobody waiting: order the next."""
        waiting = [o for o in self.rows(Appointment) if o.state in {"submitted", "accepted"}]
        order = waiting[pick % len(waiting)] if waiting else None
        if order is None:
            self.orders_the_next(pick)
            return
        if order.state == "submitted" and not self.fires(APPOINTMENT, order.id, "accept", "recA"):
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
            for number, item in enumerate(self.rows(AppointmentItem, appointment_id=order.id)):
                if item.state == "accepted":
                    verdict = "return" if (which + number) % 7 == 4 else "receive"
                    line = {"item_id": item.id, "verdict": verdict, "ticks": [k for k, _w in TICKS], "reason": WHY}
                    fire(self.session, COMMISSION, row.id, "check_line", actor, line | {"kind": "fault"})
            fire(self.session, COMMISSION, row.id, "open", actor)

        self.act("recB" if which % 9 == 8 else "recA", visit, "visit")

    def orders_the_next(self, pick):
        """One or two that are filed and free; when there is none, the institute approves a filing."""
        busy = {i.instrument_id for i in self.rows(AppointmentItem) if i.state in books.LIVE}
        free = [s for s in self.rows(Instrument, state="in_use") if s.institute_id and s.id not in busy]
        waiting = self.rows(Filing, state="submitted")
        if free:
            unit = free[pick % len(free)].unit_id
            nick = next(name for name in ("ua1", "ua2") if self.world.units[name] == unit)
            room = {s.id: s.capacity - s.taken for s in self.room()}
            slot = max(self.slots, key=lambda pk: room[pk])
            ids = [s.id for s in free if s.unit_id == unit][: max(1, min(2, room[slot]))]
            self.act(nick, lambda actor: book(self.session, actor, instrument_ids=ids, slot_id=slot), "book")
        elif waiting:
            self.fires(FILING, waiting[0].id, "approve", "recA")

    def room(self):
        statement = select(Slot).where(Slot.id.in_(self.slots))
        return self.session.scalars(statement.execution_options(unscoped=True, populate_existing=True)).all()

    def goes_on_at_the_bench(self, pick, which):
        """The next task: taken by a verifier, or what was measured recorded. Nothing on the bench: a visit."""
        written = {p.item_id for p in self.rows(Certificate) if p.state in OPEN}
        tasks = [t for t in self.rows(Task) if t.item_id not in written]
        busy = [t for t in tasks if t.state in {"queued", "assigned", "in_progress"}]
        task = busy[pick % len(busy)] if busy else None
        if task is None:
            self.comes_to_the_counter(pick, which)
        elif task.state == "queued":
            self.fires(TASK, task.id, "take", "chkA" if which % 4 == 1 else "verA")
        else:
            own = next((nick for nick in ("verA", "chkA") if self.world.people[nick] == task.verifier_id), "verA")
            item, form = task.item_id, self.measured(pick, which)
            who = "verB" if which % 9 == 8 else own
            self.act(who, lambda actor: record_result(self.session, actor, item, form), "record")

    def measured(self, pick, which):
        """A record; days of verification are told in any order, so that the latest paper is not always the one that counts."""
        day = self.moment.astimezone(clock.ZONE).date() - timedelta(days=pick % 40)
        return result_form("fail" if which % 4 == 3 else "pass", verified_on=day, cycle_months=(6, 12, 24)[which % 3])

    def goes_on_with_a_paper(self, pick, which):
        """The next desk of a paper; what is issued is now and then corrected, or revoked by two. No paper: the bench."""
        papers = self.rows(Certificate)
        waiting = sorted((p for p in papers if p.state in OPEN), key=lambda p: (OPEN.index(p.state), p.id))
        issued = [p for p in papers if p.state == "issued"]
        if issued and which % 4 == 0:
            self.looks_again(issued[pick % len(issued)], pick, which // 4)
        elif waiting:
            self.next_desk(waiting[-1 - min(pick % len(waiting), pick % 2)], pick, which)
        else:
            self.goes_on_at_the_bench(pick, which)

    def next_desk(self, paper, pick, which):
        if paper.state == "issuing":
            with as_system("test"):
                self.tries(lambda: publish_certificate(self.session, paper.id), "publish")
            self.comes_into_force(paper.id)
        elif paper.state == "draft" and which % 4 == 1:
            who = next((nick for nick in ("verA", "chkA") if self.world.people[nick] == paper.verifier_id), "verA")
            form = self.measured(pick, which // 4)
            edit = lambda actor: edit_result(self.session, actor, paper.id, form, seen_version=paper.version)  # noqa: E731
            self.act(who, edit, "edit")
        else:
            self.step_on(CERTIFICATE, paper, pick, which)

    def looks_again(self, paper, pick, which):
        """A paper in force: a letter is wrong, or all of it; who asks for the revocation may not confirm it."""
        if which % 2 and not any(p.supersedes_id == paper.id for p in self.rows(Certificate) if p.state in OPEN):
            self.act("verA", lambda actor: correct_certificate(self.session, actor, paper.id, WHY), "begin_correction")
            return
        first = paper.revoke_confirmed_by_id
        step = "revoke" if first is not None else "ask_revocation"
        others = [nick for nick in ("imgA", "aprA") if self.world.people[nick] != first]
        who = "aprA" if pick % 8 == 7 else others[pick % len(others)]
        if self.fires(CERTIFICATE, paper.id, step, who, {"reason": WHY}) and step == "revoke":
            assert self.world.people[who] != first, "two persons"
            self.in_force.pop((True, paper.id), None)

    def comes_into_force(self, pk):
        """What the day remembers of a paper that was published; the one it corrects is out of force from now on."""
        paper = self.session.get(Certificate, pk, execution_options={"unscoped": True})
        assert paper.state == "issued", paper.state
        self.in_force[(True, pk)] = Paper(
            paper.instrument_id, paper.verified_on, True, paper.number, paper.conclusion, paper.valid_until
        )
        if paper.supersedes_id is not None:
            self.in_force.pop((True, paper.supersedes_id), None)

    def another_system_sends(self, pick, which):
        """A result of an instrument that stands in the ledger: it is linked when it arrives."""
        unit, ids = self.some(pick, which)
        scale = self.rows(Instrument, id=ids[0])[0]
        day = self.moment.astimezone(clock.ZONE).date() - timedelta(days=which % 40)
        until = (day + timedelta(days=364)).isoformat()
        sheet = cells(
            self.world,
            unit,
            serial_no=scale.serial_no,
            verified_on=day.isoformat(),
            valid_until="" if which % 3 == 2 else until,
            conclusion="不合格" if which % 3 == 2 else "合格",
        )
        sent = []
        what = lambda actor: sent.append(send_record(self.session, actor, sheet, RecordSource.FORM)[0])  # noqa: E731
        if self.act("recA", what, "send_record"):
            row = self.session.get(UnmatchedRecord, sent[0].id, execution_options={"unscoped": True})
            if row.state == "linked":
                assert row.instrument_id == scale.id
                said = (row.instrument_id, row.verified_on, False, row.certificate_no, row.conclusion, row.valid_until)
                self.in_force[(False, row.id)] = Paper(*said)

    def time_passes(self, pick, which):
        """And the platform withdraws what was not brought: only what is overdue, only what has not come."""
        self.moment += timedelta(days=1 + which % 12)
        order = self.one_of(Appointment, pick)
        if order is None:
            return
        items = self.rows(AppointmentItem, appointment_id=order.id)
        overdue = order.mode == "deliver" and order.deadline_at is not None and order.deadline_at < self.moment
        came = any(i.state in books.CAME for i in items)
        may = overdue and order.state == "accepted" and not came
        with as_system("test") as system:
            done = self.tries(
                lambda: fire(self.session, APPOINTMENT, order.id, "auto_withdraw", system), "auto_withdraw"
            )
        assert done == may

    def somebody_takes_a_step(self, pick, which):
        machine = MACHINES[which % len(MACHINES)]
        row = self.one_of(machine.model, pick)
        if row is not None:
            self.step_on(machine, row, pick, which)

    def step_on(self, machine, row, pick, which):
        """Any step on the row: one time in six by anybody, else one that role, place and state allow."""
        moves = self.moves(machine, row, wild=pick % 6 == 0)
        if not moves:
            return
        step, nick = moves[(which * 31 + pick) % len(moves)]
        before, pk = row.state, row.id
        if self.fires(machine, pk, step.name, nick, self.inputs(machine, step, row, which)):
            self.allowed(machine, step, nick, before, pk)
            if (machine.name, step.name) == ("certificate", "revoke"):
                self.in_force.pop((True, pk), None)

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
                own = step.name in {"check", "back"} and row.verifier_id == person.account_id
                if not own and person.has(*step.takers) and (step.relation is None or step.relation(row, person)):
                    found += [(step, nick)] * (5 if step.primary else 1)
        return found

    def allowed(self, machine, step, nick, before, pk):
        """I-12 in words of its own: nobody else's step, from nowhere else, to nowhere else."""
        row = self.session.get(machine.model, pk, execution_options={"unscoped": True})
        assert self.people[nick].has(*step.takers), (machine.name, step.name, nick)
        assert before in {s.value for s in step.source}, (machine.name, step.name, before)
        if step.goes is None and step.target is not Prior.BEFORE:
            wanted = before if step.target is Prior.SAME else step.target.value
            assert row.state == wanted, (machine.name, step.name, row.state)

    # -- the machinery -------------------------------------------------------------------------------------------

    def fires(self, machine, pk, step, nick, data=None):
        return self.act(
            nick, lambda actor: fire(self.session, machine, pk, step, actor, data), f"{machine.name}.{step}"
        )

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
            self.seen = {}
            return False
        self.tried[word or "other"] += 1
        self.seen, self.changed = {}, True
        return True

    def rows(self, model, **like):
        """Rows of the day; read once between two acts."""
        found = self.seen.get(model)
        if found is None:
            found = self.seen[model] = self._rows(model)
        return [row for row in found if all(getattr(row, name) == value for name, value in like.items())]

    def _rows(self, model):
        column = model.id if model is Instrument else getattr(model, "instrument_id", None)
        mine = self.mine
        statement = select(model).execution_options(unscoped=True, populate_existing=True).order_by(model.id)
        if column is not None:
            statement = statement.where(column.in_(mine))
        else:
            orders = select(AppointmentItem.appointment_id).where(AppointmentItem.instrument_id.in_(mine))
            key = model.appointment_id if model is Commission else model.id
            statement = statement.where(key.in_(orders))
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
        """After every act that was done; a refused one has left nothing, which the end of the day asks once more."""
        if getattr(self, "changed", False):
            self.changed = False
            with as_system("test"):
                books.check(books.read(self.session, self.mine, self.slots), self.in_force)
