"""`python -m bench.promises [--scale 1] [--only I-1 I-7 …]`: the promises of docs/reliability.md at the sizes they are made for.

Real processes on a PostgreSQL of their own race for one instrument, one place, one number, one second and one key; a paper
is tampered with in every way there is; a hundred thousand papers are folded naively beside what the platform wrote.
`--scale 0.1` runs a tenth of each size, `--size I-2=500 I-4=100` those two alone at these; how many processes race stays. The result says of each promise the size
that was asked for and the one that was run, what was broken (always a list, always empty) and the seconds. 1 when anything
was broken. The database does not wait for the disk, so that the processes meet more often than they do in service.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.__main__ import application, fresh_world, say
from bench.own import own_servers, write_result
from bench.promise_rows import Rows

ACTS = "bench.promise_acts:"
WITHIN = 3_600.0
"""Seconds that one race may take."""
CONNECTIONS = 260
SLOTS = 10
TOLD = re.compile(r"器具“.+”已在预约单\w+中。")
FULL = "该时段已约满，请选择其他时段。"
Part = dict[str, Any]


class Ground:
    """The database, its people and rows, and what the races are run with."""

    def __init__(self, session: Any, world: Any, superuser: str) -> None:
        self.session, self.world, self.superuser = session, world, superuser
        self.rows = Rows(session, world)
        self.unit, self.reception = world.people["ua1"], world.people["recA"]

    def broken(self, *lines: str) -> list[str]:
        """The integrity lines that find a row."""
        from app.access.principal import as_system
        from app.operations.integrity import QUERIES, _query

        with as_system("measuring"):
            self.session.rollback()
            found = [_query(self.session, *entry) for entry in QUERIES if entry[0] in lines]
            self.session.rollback()
        assert len(found) == len(lines), lines
        return [f"{f.id}: {f.violations}" for f in found if f.violations]

    def one(self, sql: str, **values: Any) -> Any:
        """The first value of a statement."""
        from sqlalchemy import text

        from app.access.principal import as_system

        with as_system("measuring"):
            self.session.rollback()
            found = self.session.execute(text(sql), values).scalar()
            self.session.rollback()
        return found


def herd(action: str, processes: int, **arguments: Any) -> tuple[list[Any], float]:
    """The herd of tests/faults, with our acts and our patience; a process that broke down is told at once."""
    from tests.faults import herd as faults

    said, seconds = faults.herd(action, processes, within=WITHIN, **arguments)
    wrong = [answer for answer in said if answer is None or (isinstance(answer, str) and "Error: " in answer)]
    if wrong:
        raise SystemExit(f"{action}: {wrong[:3]}")
    return said, seconds


def total(said: list[dict[str, int]]) -> Counter[str]:
    """What all processes said together."""
    found: Counter[str] = Counter()
    for part in said:
        found.update(part)
    return found


def one_instrument(ground: Ground, size: int) -> Part:
    """I-1: fifty processes on one instrument, round by round."""
    clients = 50
    instruments, (slot,) = ground.rows.instruments(size), ground.rows.slots(1, size)
    given = {"account": ground.unit, "instruments": instruments, "slot": slot}
    said, _seconds = herd(f"{ACTS}turns", clients, **given, warm=given)
    counts = total(said)
    told = sum(count for sentence, count in counts.items() if TOLD.fullmatch(sentence))
    broken = ground.broken("I-1", "I-2")
    if counts["done"] != size or told != size * (clients - 1):
        broken.append(f"{counts['done']} booked, {told} told so: {counts.most_common(5)}")
    return {"processes": clients, "rounds": size, "booked": counts["done"], "told": told, "broken": broken}


def last_place(ground: Ground, size: int) -> Part:
    """I-2: two hundred clients on one place, then many bookings on slots that have room for nine in ten."""
    clients, many = 200, 20
    instruments, (slot,) = ground.rows.instruments(clients), ground.rows.slots(1, 1)
    given = {"account": ground.unit, "instruments": instruments, "slot": slot}
    said, _seconds = herd("book", clients, **given, warm=given)
    last = Counter(said)
    broken = [] if last == {"booked": 1, FULL: clients - 1} else [f"last place: {last.most_common(5)}"]
    each = max(size // many, 1)
    instruments, slots = ground.rows.instruments(each * many), ground.rows.slots(SLOTS, max(each * many * 9 // 100, 1))
    given = {"account": ground.unit, "instruments": instruments}
    said, seconds = herd("book_many", many, **given, slots=slots, each=each, warm={**given, "slot": slots[0]})
    counts = total(said)
    taken = ground.one("SELECT sum(taken) FROM slot WHERE id = ANY(:slots)", slots=slots)
    if taken != counts["booked"] or set(counts) - {"booked", FULL}:
        broken.append(f"said {counts.most_common(5)}, taken {taken}")
    broken += ground.broken("I-1", "I-2")
    found = {
        "clients_on_one_place": clients,
        "bookings_tried": each * many,
        "booked": counts["booked"],
        "full": counts[FULL],
    }
    return {**found, "bookings_per_s": round(counts["booked"] / seconds, 1), "broken": broken}


def freed(ground: Ground, size: int) -> Part:
    """I-3: random bookings, moves, cancellations and refusals; every place comes back once."""
    processes, each = 10, 6
    instruments, slots = ground.rows.instruments(processes * each), ground.rows.slots(4, 12)
    said, _seconds = herd(
        f"{ACTS}come_and_go",
        processes,
        unit=ground.unit,
        reception=ground.reception,
        instruments=instruments,
        each=each,
        slots=slots,
        steps=max(size // processes, 1),
        warm={"account": ground.unit, "instruments": instruments, "slot": slots[0]},
    )
    counts = total(said)
    sql = """SELECT sum(abs(s.taken - (SELECT count(*) FROM appointment_item i JOIN appointment a ON a.id = i.appointment_id
        WHERE a.slot_id = s.id AND i.state IN ('assigned', 'accepted')))) FROM slot s WHERE s.id = ANY(:slots)"""
    drift = int(ground.one(sql, slots=slots))
    broken = ground.broken("I-1", "I-2", "I-13b") + ([f"drift {drift}"] if drift else [])
    freed_places = counts["cancel"] + counts["reject"] + counts["back"] + counts["move"]
    return {"acts": sum(counts.values()), "freed": freed_places, "by": dict(counts), "drift": drift, "broken": broken}


def numbers(ground: Ground, size: int) -> Part:
    """I-4: twenty issuers take numbers of one institute and year; a quarter of their transactions is rolled back."""
    issuers = 20
    said, seconds = herd("number", issuers, count=max(size, 4))
    kept = sorted(value for part in said for value in part)
    doubles, gaps = len(kept) - len(set(kept)), kept[-1] - len(set(kept))
    broken = [f"{name} {count}" for name, count in (("duplicates", doubles), ("gaps", gaps)) if count]
    found = {"issuers": issuers, "numbers_taken": issuers * max(size, 4), "kept": len(kept)}
    return {**found, "duplicates": doubles, "gaps": gaps, "per_s": round(len(kept) / seconds), "broken": broken}


def tampering(ground: Ground, _size: int) -> Part:
    """I-5: an issued paper, and everybody who would like it to say something else."""
    from bench.promise_tamper import tampered
    from tests.world import booked, issued

    paper = issued(ground.world, booked(ground.world, "ua1").items[0])
    found = tampered(ground.world, ground.session, paper)
    return {**found["tries"], "tries": sum(found["tries"].values()), "broken": found["through"]}


def fold(ground: Ground, size: int) -> Part:
    """I-7: the platform writes result and validity of every instrument; beside it all papers are leafed through."""
    from tests.reliability.books import Paper, told_by

    scales = ground.rows.papers(size, ground.superuser)
    said, seconds = herd(f"{ACTS}refold", 2, instruments=scales, rivals=2)
    papers: dict[int, list[Paper]] = {}
    from sqlalchemy import text

    sql = """SELECT instrument_id, verified_on, true, number, conclusion, valid_until FROM certificate
          WHERE state = 'issued' AND instrument_id = ANY(:scales) ORDER BY id"""
    other = """SELECT instrument_id, verified_on, false, certificate_no, conclusion, valid_until FROM unmatched_record
          WHERE state = 'linked' AND instrument_id = ANY(:scales) ORDER BY id"""
    stored = "SELECT id, last_result, verified_on, valid_until, certificate_no FROM instrument WHERE id = ANY(:scales)"
    for statement in (sql, other):
        for row in ground.session.execute(text(statement), {"scales": scales}):
            papers.setdefault(row[0], []).append(Paper(*row))
    different = [
        row[0]
        for row in ground.session.execute(text(stored), {"scales": scales})
        if tuple(row)[1:] != told_by(papers.get(row[0], []))
    ]
    ground.session.rollback()
    broken = ground.broken("I-7") + [f"{len(different)} instruments differ: {different[:5]}" for _once in different[:1]]
    if sum(said) != len(scales):
        broken.append(f"{sum(said)} of {len(scales)} were written")
    counted = {"papers": size, "in_force": sum(map(len, papers.values())), "instruments": len(scales)}
    return {**counted, "differences": len(different), "written_per_s": round(len(scales) / seconds), "broken": broken}


def last_second(ground: Ground, size: int) -> Part:
    """I-16: the term of an order ends while its instrument is handed over."""
    orders, items = ground.rows.orders(size)
    said, _seconds = herd(f"{ACTS}boundary", 2, account=ground.reception, orders=orders, items=items)
    came, gone = ([answer == "done" for answer in part] for part in said)
    both = sum(one == other for one, other in zip(came, gone, strict=True))
    sql = """SELECT count(*) FROM appointment a JOIN appointment_item i ON i.appointment_id = a.id WHERE a.id = ANY(:orders)
        AND ((a.state, i.state, a.auto_withdrawn) IN (('in_progress', 'received', false), ('withdrawn', 'cancelled', true)))"""
    sound = ground.one(sql, orders=orders)
    broken = ground.broken("I-2", "I-16") + ([f"both or neither in {both} rounds"] if both else [])
    broken += [f"{size - sound} orders are neither"] if sound != size else []
    return {"rounds": size, "received": sum(came), "withdrawn": sum(gone), "broken": broken}


def keys(ground: Ground, size: int) -> Part:
    """I-23: every request is sent four times under its key, by two processes at once and by each once more."""
    processes = 4
    instruments = ground.rows.instruments(size)
    said, seconds = herd(
        f"{ACTS}ask_again",
        processes,
        people=asdict(ground.world),
        instruments=instruments,
        rivals=processes,
        nick="ua1",
    )
    broken = []
    for first, second in zip(said[::2], said[1::2], strict=True):
        told = [first[at : at + 2] + second[at : at + 2] for at in range(0, len(first), 2)]
        unlike = [answers for answers in told if len({tuple(a) for a in answers}) != 1 or answers[0][0] != 200]
        broken += [f"{len(unlike)} of {len(told)} answered unlike: {unlike[0]}" for _once in unlike[:1]]
    sql = """SELECT count(*) FILTER (WHERE n <> 1) || ' ' || sum(n) FROM (SELECT (SELECT count(*) FROM transition_log l
        WHERE l.entity = 'instrument' AND l.entity_id = x AND l.step = 'suspend') AS n FROM unnest(:ids) x) y"""
    wrong, acts = map(int, ground.one(sql, ids=instruments).split())
    broken += [f"{wrong} keys acted not once"] if wrong else []
    sent = sum(map(len, said))
    return {"keys": size, "requests": sent, "acts": acts, "requests_per_s": round(sent / seconds, 1), "broken": broken}


PARTS: dict[str, tuple[Callable[[Ground, int], Part], int, int, str]] = {
    # promise: what is run, the size it is promised at, the size of a full run, what that size counts
    "I-1": (one_instrument, 200, 200, "rounds of 50 processes on one instrument"),
    "I-2": (last_place, 10_000, 10_000, "bookings, after 200 clients on one place"),
    # a million whole acts of people take a working day; a full run takes what fits an hour
    "I-3": (freed, 1_000_000, 50_000, "acts that take and free places"),
    "I-4": (numbers, 5_000, 5_000, "numbers for each of 20 issuers"),
    "I-5": (tampering, 1, 1, "paper tampered with"),
    "I-7": (fold, 100_000, 100_000, "papers folded"),
    "I-16": (last_second, 1_000, 1_000, "rounds at the boundary"),
    "I-23": (keys, 10_000, 10_000, "keys, four requests each"),
}


def measure(sizes: dict[str, int], superuser: str) -> dict[str, Part]:
    """The promises, each at its size, in the database of DATABASE_URL."""
    from models.base import db

    app, found = application(), {}
    with app.app_context():
        world = fresh_world(app)
        ground = Ground(db.session(), world, superuser)
        for name, size in sizes.items():
            run, promised, _full, what = PARTS[name]
            begun = time.perf_counter()
            part = run(ground, size)
            found[name] = {"of": what, "promised": promised, "run": size, **part}
            found[name]["seconds"] = round(time.perf_counter() - begun, 1)
            say(f"{name} {size:,} {what}: {json.dumps(part, ensure_ascii=False)}")
        db.session.remove()
    return found


def owned(own: Any, name: str) -> str:
    """A database that belongs to the application's own ordinary role, as in service; gives its address."""
    import psycopg

    from app.embedded.paths import ROLE

    own.create(name)
    with psycopg.connect(own.libpq("postgres"), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" OWNER TO "{ROLE}"')
    return str(own.servers.layout.postgres_url(ROLE, name))


def main() -> int:
    """Run them, write JSON; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.promises", description="可靠性承诺的测量")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the promised sizes")
    parser.add_argument("--only", nargs="*", choices=sorted(PARTS), help="these alone")
    parser.add_argument("--size", nargs="*", default=[], metavar="I-2=500", help="the size of one, whatever the scale")
    given = parser.parse_args()
    asked = dict(part.split("=") for part in given.size)
    sizes = {
        name: int(asked.get(name, max(round(PARTS[name][2] * given.scale), 1))) for name in given.only or asked or PARTS
    }
    with own_servers(durable=False, connections=CONNECTIONS) as own:
        os.environ["DATABASE_URL"] = owned(own, "promises")
        result = measure(sizes, own.url("promises"))
    broken = {name: part["broken"] for name, part in result.items() if part["broken"]}
    out = write_result(f"promises-{given.scale:g}", {"scale": given.scale, "promises": result})
    print(json.dumps(result, ensure_ascii=False, indent=1))
    print(out, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
