"""`python -m bench.booking [--clients 50] [--each 20]`: bookings a second, many clients on the same few slots.

Its own servers (durable, as in service) and data. Every client is a process with a connection of its own; all start at
once and book their own instruments, one order each, on slots that have room for most of them, so that the last places
are fought for. Beside it the same clients do with psycopg alone what holds the promise: a guarded UPDATE of the slot and an
INSERT, one transaction each. The goal is 0.7 of that rate (design: no overbooking may cost the deployment its booking
day); what a booking does besides is counted in statements and in processor time, so that the distance is explained.
Afterwards every slot is counted: one place too many, or one that nobody holds, and there is no figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

from bench.__main__ import application, fresh_world, say
from bench.own import ROOT, own_servers, write_result

GOAL = 0.7
SLOTS, ROOM = 6, 0.9
"""Shared slots, and how much of what is wanted they have room for."""
INSTRUMENTS = """
    INSERT INTO instrument (state, unit_id, category_id, name, model, serial_no, manufacturer, use_division, place, purpose,
        delivery_mode, dup_key, search_text, version, origin, quantity, institute_id)
    SELECT 'in_use', unit_id, category_id, name, model, 'N' || g, manufacturer, use_division, place, purpose, delivery_mode,
        'N' || g, search_text, 1, origin, 1, institute_id
    FROM instrument, generate_series(1, :rows) g WHERE id = :one RETURNING id
"""
BARE = """CREATE TABLE bare_booking (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, slot_id bigint,
    instrument_id bigint)"""


def ready(clients: int, each: int) -> dict[str, Any]:
    """Filed instruments, and slots for the platform and for the bare statements."""
    from sqlalchemy import select, text

    from app import clock
    from app.access.principal import as_system
    from app.operations.institute import open_slots
    from models import Institute, Slot
    from models.base import db
    from tests.world import filed

    with application().app_context():
        from flask import current_app

        world, session = fresh_world(current_app), db.session()
        wanted = clients * each
        with as_system("measuring"):
            one = filed(world, "ua1").id
            ids = list(session.execute(text(INSTRUMENTS), {"rows": wanted, "one": one}).scalars())
            institute = session.get(Institute, world.institutes["A"])
            assert institute is not None
            found: dict[str, list[int]] = {}
            for name, start in (("slots", 100), ("bare_slots", 200)):
                days = [clock.today() + timedelta(days=start + n) for n in range(SLOTS)]
                open_slots(session, institute, days, capacity=max(int(wanted * ROOM / SLOTS), 1))
                chosen = select(Slot.id).where(Slot.day.in_(days), Slot.mode == "onsite", Slot.period == "morning")
                found[name] = list(session.scalars(chosen.order_by(Slot.day)))
            session.execute(text(BARE))
            session.commit()
            session.execute(text("ANALYZE"))
            session.commit()
    return {"account": world.people["ua1"], "instruments": ids, **found}


def of_one(data: dict[str, Any]) -> dict[str, float]:
    """Statements and processor milliseconds of one booking, taken alone, nine times."""
    from sqlalchemy import event

    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.operations.appointment import book
    from models.base import db

    sent = [0]

    def count(*_arguments: Any) -> None:
        sent[0] += 1

    with application().app_context():
        session = db.session()
        who, slot = principal_of(account_by_id(session, data["account"])), data["slots"][0]
        session.rollback()
        times = []
        with acting_as(who) as actor:
            for one in data["instruments"][:10]:
                sent[0], begun = 0, time.process_time()
                event.listen(db.engine, "before_cursor_execute", count)
                book(session, actor, instrument_ids=[one], slot_id=slot)
                event.remove(db.engine, "before_cursor_execute", count)
                session.rollback()
                times.append((time.process_time() - begun) * 1_000)
    return {"statements": sent[0], "processor_ms": round(sorted(times[1:])[4], 1)}


def bare(clients: int, each: int, data: dict[str, Any]) -> tuple[int, float]:
    """What psycopg alone does: how many were booked, and seconds."""
    import psycopg

    from app.embedded.paths import libpq_url

    address, go = libpq_url(os.environ["DATABASE_URL"]), os.pipe()
    pipes = []
    for own in range(clients):
        answer = os.pipe()
        if os.fork() == 0:
            os.close(go[1])
            done = 0
            with psycopg.connect(address) as connection:
                os.write(answer[1], b"r")
                os.read(go[0], 1)
                for turn, one in enumerate(data["instruments"][own * each : (own + 1) * each]):
                    done += _bare(connection, data["bare_slots"][(own + turn) % SLOTS], one)
            os.write(answer[1], str(done).encode())
            os._exit(0)
        os.close(answer[1])
        pipes.append(answer[0])
    for pipe in pipes:
        os.read(pipe, 1)  # connected: the connecting is nobody's booking
    begun = time.monotonic()
    os.close(go[1])
    said = []
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as file:
            said.append(int(file.read()))
        os.wait()
    return sum(said), time.monotonic() - begun


def _bare(connection: Any, slot: int, one: int) -> bool:
    place = "UPDATE slot SET taken = taken + 1 WHERE id = %s AND NOT closed AND taken + 1 <= capacity RETURNING id"
    booked = connection.execute(place, (slot,)).fetchone() is not None
    if booked:
        connection.execute("INSERT INTO bare_booking (slot_id, instrument_id) VALUES (%s, %s)", (slot, one))
    connection.commit()
    return booked


def counted(data: dict[str, Any], booked: int, bare_booked: int) -> None:
    """Every slot holds what was said, and no more than its places; otherwise nothing was measured."""
    import psycopg

    from app.embedded.paths import libpq_url

    broken = "SELECT count(*) FROM slot WHERE taken > capacity"
    sums = "SELECT coalesce(sum(taken), 0) FROM slot WHERE id = ANY(%s)"
    items = "SELECT count(*) FROM appointment_item i JOIN appointment a ON a.id = i.appointment_id WHERE a.slot_id = ANY(%s)"
    with psycopg.connect(libpq_url(os.environ["DATABASE_URL"])) as connection:

        def one(sql: str, *values: Any) -> int:
            row = connection.execute(sql, values or None).fetchone()
            return int(row[0]) if row else -1

        told = (one(broken), one(sums, data["slots"]), one(items, data["slots"]), one(sums, data["bare_slots"]))
    if told != (0, booked, booked, bare_booked):
        raise SystemExit(f"overbooked, taken, items, taken bare: {told}, said {booked}, {bare_booked}")


def measure(clients: int, each: int) -> dict[str, Any]:
    """Both ways in the database of DATABASE_URL."""
    from tests.faults.herd import herd

    data = child("ready", clients, each, {})
    alone = child("alone", clients, each, data)
    say(f"{len(data['instruments'])} instruments, one booking alone: {alone}")
    arguments = {key: data[key] for key in ("account", "instruments", "slots")}
    said, seconds = herd("book_many", clients, **arguments, each=each)
    booked = sum(part["booked"] for part in said)
    refused: dict[str, int] = {}
    for part in said:
        for sentence, count in part.items():
            if sentence != "booked":
                refused[sentence] = refused.get(sentence, 0) + count
    bare_booked, bare_seconds = bare(clients, each, data)
    counted(data, booked, bare_booked)
    rate, bare_rate = booked / seconds, bare_booked / bare_seconds
    return {
        "clients": clients,
        "wanted": clients * each,
        "booked": booked,
        "refused": refused,
        "overbooked": 0,
        "seconds": round(seconds, 2),
        "bookings_per_s": round(rate, 1),
        "bare_per_s": round(bare_rate, 1),
        "of_bare": round(rate / bare_rate, 3),
        "goal_of_bare": GOAL,
        "alone": alone,
    }


def child(task: str, clients: int, each: int, data: dict[str, Any]) -> dict[str, Any]:
    """A part in a process of its own: what forks later must not have opened a connection."""
    command = [sys.executable, "-m", "bench.booking", "--task", task, "--clients", str(clients), "--each", str(each)]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(data), stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure and write JSON; 1 when the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.booking", description="预约的测量")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--task", choices=("ready", "alone"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        data = json.loads(sys.stdin.read())
        print(json.dumps(ready(given.clients, given.each) if given.task == "ready" else of_one(data)))
        return 0
    with own_servers(durable=True) as own:
        os.environ["DATABASE_URL"] = own.create("booking")
        result = measure(given.clients, given.each)
    write_result(f"booking-{given.clients}", result)
    print(json.dumps(result, ensure_ascii=False, indent=1))
    return 0 if result["of_bare"] >= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
