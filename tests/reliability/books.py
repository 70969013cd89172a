"""What must hold after every act of a random day, added up in other words than the platform's.

Everything is counted over the rows of the day alone, by plain columns, so that it is quick in a database that other tests
have filled; the integrity lines, which count over all rows, are asked at the end of a day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import NamedTuple

from sqlalchemy import text

LIVE = frozenset({"pending", "assigned", "accepted", "received", "verifying"})
HOLDING = frozenset({"assigned", "accepted", "received", "verifying", "done", "aborted"})
CAME = frozenset({"received", "verifying", "done"})
ROWS = {
    "items": "SELECT id, appointment_id, instrument_id, state FROM appointment_item WHERE instrument_id = ANY(:mine)",
    "orders": """SELECT id, state, slot_id FROM appointment
        WHERE id IN (SELECT appointment_id FROM appointment_item WHERE instrument_id = ANY(:mine))""",
    "slots": "SELECT id, taken, capacity FROM slot WHERE id = ANY(:slots)",
    "filings": """SELECT id, state, instrument_id, holder_institute_id AS holder, allow_province, route FROM filing
        WHERE instrument_id = ANY(:mine)""",
    "tasks": "SELECT id, state, item_id FROM task WHERE instrument_id = ANY(:mine)",
    "papers": """SELECT id, state, verifier_id, checker_id, approver_id, number, conclusion, verified_on, valid_until
        FROM certificate WHERE instrument_id = ANY(:mine)""",
    "ledger": """SELECT id, last_result, verified_on, valid_until, certificate_no FROM instrument
        WHERE id = ANY(:mine)""",
}


class Paper(NamedTuple):
    """A result as it was when it came into force; what a paper says never changes afterwards (I-5)."""

    instrument: int
    verified_on: date
    own: bool
    """Ours, and not one that another system sent."""
    number: str
    result: str
    until: date | None


def told_by(papers):
    """I-7, naively: leaf through the papers in force in the order they were born and keep what the ledger should say.

    A later day of verification wins over an earlier one, a later paper over one of the same day, and of one day our own
    over another system's. Nobody's paper is nothing known.
    """
    kept = None
    for paper in papers:
        older = kept is None or paper.verified_on > kept.verified_on
        if older or (paper.verified_on == kept.verified_on and paper.own >= kept.own):
            kept = paper
    if kept is None:
        return None, None, None, ""
    return kept.result, kept.verified_on, kept.until if kept.result == "pass" else None, kept.number


def read(session, mine, slots):
    """The rows of the day by name."""
    session.flush()
    given = {"mine": mine, "slots": slots}
    return {name: session.execute(text(sql), given).all() for name, sql in ROWS.items()}


def check(rows, in_force):
    """Raise AssertionError for the first sum that is wrong. `in_force`: (our own, id) → Paper, as the day has seen it."""
    live = Counter(i.instrument_id for i in rows["items"] if i.state in LIVE)
    assert all(count == 1 for count in live.values()), f"I-1: {live}"
    places(rows)
    headers(rows)
    filings(rows["filings"])
    bench(rows)
    papers(rows["papers"], in_force)
    ledger(rows["ledger"], in_force)


def places(rows):
    """I-2, I-3: what is taken is what somebody holds, place by place, whatever went back and came again."""
    slot_of = {o.id: o.slot_id for o in rows["orders"]}
    held = Counter(slot_of[i.appointment_id] for i in rows["items"] if i.state in HOLDING)
    for slot in rows["slots"]:
        assert slot.taken == held[slot.id] <= slot.capacity, (slot.id, slot.taken, held[slot.id])


def headers(rows):
    """I-13 order by order."""
    of = defaultdict(set)
    for item in rows["items"]:
        of[item.appointment_id].add(item.state)
    for order in rows["orders"]:
        states = of[order.id]
        if order.state in {"accepted", "in_progress"}:
            assert states & LIVE, (order.state, states)
            assert order.state == "in_progress" or not states & CAME, states
        elif order.state in {"completed", "rejected", "sent_back", "withdrawn"}:
            assert not states & LIVE, (order.state, states)
            assert (order.state == "completed") == ("done" in states), (order.state, states)


def filings(rows):
    """I-20, I-21, I-22: one open filing with one holder; nobody is asked again who refused; the province by leave only."""
    open_ones = Counter(f.instrument_id for f in rows if f.state != "closed")
    assert all(count == 1 for count in open_ones.values()), f"I-20: {open_ones}"
    for filing in rows:
        if filing.state in {"submitted", "to_process", "to_confirm"}:
            assert filing.holder is not None, f"I-20: {filing.id}"
        refusals = [hop["institute"] for hop in filing.route if hop.get("step") == "refuse"]
        assert len(refusals) == len(set(refusals)), f"I-21: {filing.route}"
        assert filing.allow_province or not any(hop.get("step") == "transfer" for hop in filing.route), filing.route


def bench(rows):
    """I-12c: a task waits for what has come, is worked on where it is verified, and is closed with it."""
    state_of = {i.id: i.state for i in rows["items"]}
    fits = {"queued": "received", "assigned": "received", "closed": "done"}
    for task in rows["tasks"]:
        if task.state != "aborted":
            assert state_of[task.item_id] == fits.get(task.state, "verifying"), (task.state, state_of[task.item_id])


def papers(rows, in_force):
    """I-4, I-5, I-6: three signers, one number each, and what was issued still says what it said."""
    numbers = [p.number for p in rows if p.number]
    assert len(numbers) == len(set(numbers)), f"I-4: {numbers}"
    issued = {p.id for p in rows if p.state == "issued"}
    assert issued == {pk for own, pk in in_force if own}, f"in force: {issued}, as seen: {in_force}"
    for paper in rows:
        assert paper.verifier_id not in {paper.checker_id, paper.approver_id}, f"I-6: {paper.id}"
        seen = in_force.get((True, paper.id))
        now = (paper.verified_on, paper.number, paper.conclusion, paper.valid_until)
        assert seen is None or now == (seen.verified_on, seen.number, seen.result, seen.until), f"I-5: {paper.id}"


def ledger(rows, in_force):
    """I-7: result, day, validity and number of each instrument are those of all its papers in force."""
    born = sorted(in_force, key=lambda key: key[1])
    for row in rows:
        wanted = told_by([in_force[key] for key in born if in_force[key].instrument == row.id])
        assert tuple(row)[1:] == wanted, f"I-7: instrument {row.id}: {tuple(row)[1:]}, papers say {wanted}"
