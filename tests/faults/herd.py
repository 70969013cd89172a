"""Many real processes doing one thing at the same moment: `herd("book", 50, …)`.

One process imports the application and forks the others before any connection exists, because fifty interpreters
importing it one by one would take longer than what is measured. All wait at a pipe, then start together.
"""

from __future__ import annotations

import gc
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import Any

from tests.world import PASSWORD

assert PASSWORD, "imported here so that the children need not"


# -- what a child does; returns what its parent is told ----------------------------------------------------------------


def book(number: int, *, account: int, instruments: list[int], slot: int) -> str:
    """Book the instrument of that number (or the only one)."""
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.errors import QuanhengError
    from app.operations.appointment import book as operation
    from models.base import db

    with acting_as(principal_of(account_by_id(db.session(), account))) as actor:
        try:
            one = instruments[number % len(instruments)]
            operation(db.session(), actor, instrument_ids=[one], slot_id=slot)
            db.session.commit()
            return "booked"
        except QuanhengError as error:
            db.session.rollback()
            return error.sentence


def remind(_number: int, *, on: str) -> str:
    from jobs.tasks import remind as task

    return str(task(on))


def number(own: int, *, count: int) -> list[int]:
    """Take numbers, every fourth transaction rolled back; gives those that were kept."""
    from app.workflow.numbers import next_number
    from models.base import db

    kept = []
    for turn in range(count):
        value = next_number(db.session(), "race", "1", "2026")
        if (turn + own) % 4 == 3:
            db.session.rollback()
        else:
            db.session.commit()
            kept.append(value)
    return kept


def issue(own: int, *, account: int, papers: list[int]) -> str:
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.workflow import CERTIFICATE, fire
    from models.base import db

    with acting_as(principal_of(account_by_id(db.session(), account))) as actor:
        row = fire(db.session(), CERTIFICATE, papers[own], "issue", actor)
        db.session.commit()
        return str(row.number)


def run_job(_number: int, *, job: int) -> str:
    from jobs.tasks import run_job as task

    return task(job)


def confirm_import(_number: int, *, account: int, job: int) -> str:
    """Confirm an import as its account; "queued" or the sentence."""
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.errors import QuanhengError
    from app.operations.ledger_import import confirm_import as operation
    from models.base import db

    with acting_as(principal_of(account_by_id(db.session(), account))) as actor:
        try:
            state = str(operation(db.session(), actor, job).state)
            db.session.commit()
            return state
        except QuanhengError as error:
            db.session.rollback()
            return error.sentence


def bring_or_withdraw(own: int, *, account: int, orders: list[int], items: list[int]) -> list[str]:
    """The last second, order by order: one process receives the instrument, the other withdraws the order."""
    from sqlalchemy.exc import OperationalError  # each waits for what the other holds: PostgreSQL ends one of them

    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as, as_system
    from app.errors import QuanhengError
    from app.workflow import APPOINTMENT, ITEM, fire
    from models.base import db

    session, said, begun = db.session(), [], time.monotonic()
    who = principal_of(account_by_id(session, account))
    session.rollback()
    for turn, (order, item) in enumerate(zip(orders, items, strict=True)):
        time.sleep(max(0.0, begun + 0.2 + turn * 0.1 - time.monotonic()))  # both at the same moment, again and again
        try:
            if own == 0:
                with acting_as(who) as actor:
                    fire(session, ITEM, item, "receive", actor, {"checked": True})
            else:
                with as_system("the term has passed") as system:
                    fire(session, APPOINTMENT, order, "auto_withdraw", system)
            session.commit()
            said.append("done")
        except (QuanhengError, OperationalError) as error:
            session.rollback()
            said.append(getattr(error, "sentence", str(error).splitlines()[0]))
    return said


def book_many(own: int, *, account: int, instruments: list[int], slots: list[int], each: int) -> dict[str, int]:
    """Book `each` instruments of one's own one by one, wherever there is a place: how many, and what was said otherwise."""
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.errors import QuanhengError
    from app.operations.appointment import book as operation
    from models.base import db

    session, said = db.session(), {"booked": 0}
    who = principal_of(account_by_id(session, account))
    for turn, one in enumerate(instruments[own * each : (own + 1) * each]):
        with acting_as(who) as actor:
            try:
                operation(session, actor, instrument_ids=[one], slot_id=slots[(own + turn) % len(slots)])
                session.commit()
                said["booked"] += 1
            except QuanhengError as error:
                session.rollback()
                said[error.sentence] = said.get(error.sentence, 0) + 1
    return said


def publish_and_die(_number: int, *, certificate: int) -> str:
    """Killed after the paper lies in the store and before the transaction commits."""
    from app import filestore
    from app.operations.certificate import publish_certificate
    from models.base import db

    put = filestore.put

    def put_and_die(data: bytes) -> str:
        put(data)
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    filestore.put = put_and_die
    publish_certificate(db.session(), certificate)
    return "survived"


ACTIONS = {
    f.__name__: f
    for f in (
        book,
        remind,
        number,
        issue,
        run_job,
        confirm_import,
        bring_or_withdraw,
        book_many,
        publish_and_die,
    )
}


# -- the herd --------------------------------------------------------------------------------------------------------


def herd(action: str, processes: int, *, within: float = 120, **arguments: Any) -> tuple[list[Any], float]:
    """Run the action in so many processes at once; what each said (None for the killed) and the seconds it took.

    An action is one of the names above or "module:function"; `warm` holds what to book once before the fork. Raises subprocess.TimeoutExpired after `within` seconds.
    """
    command = [sys.executable, "-m", "tests.faults.herd", action, str(processes), json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["said"], answer["seconds"]


def meet(seconds: float = 120) -> None:
    """Wait until every process of the herd is here: what follows begins in all of them at the same moment, round by round."""
    assert _meeting is not None, "only processes of a herd meet"
    _meeting.wait(seconds)


_meeting: Any = None


def _warmed(app: Any, arguments: dict[str, Any]) -> None:
    """Book once and undo it, so that the children inherit mappers and compiled statements instead of making them each."""
    from app.access.load import account_by_id, principal_of
    from app.access.principal import acting_as
    from app.operations.appointment import book as operation
    from models.base import db

    with app.app_context():
        session = db.session()
        with acting_as(principal_of(account_by_id(session, arguments["account"]))) as actor:
            operation(session, actor, instrument_ids=arguments["instruments"][:1], slot_id=arguments["slot"])
            session.flush()
        session.rollback()
        db.session.remove()
        db.engine.dispose()  # no connection is shared with a child


def main(action: str, count: int, arguments: dict[str, Any]) -> None:
    from run import create_app
    from tests.faults import herd as shared  # this file runs as __main__; actions import it by its name

    app = create_app({"TESTING": True})
    module, _colon, name = action.rpartition(":")
    what = getattr(importlib.import_module(module), name) if module else ACTIONS[action]
    warm = arguments.pop("warm", None)
    if warm is not None:
        _warmed(app, warm)
    shared._meeting = multiprocessing.get_context("fork").Barrier(count)
    gc.freeze()  # else the collector of each child touches, and so copies, all that they share
    go_read, go_write = os.pipe()
    children = []
    for own in range(count):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            os.read(go_read, 1)  # returns for all when the parent closes its end
            try:
                with app.app_context():
                    said = what(own, **arguments)
            except BaseException as error:  # noqa: BLE001 - whatever happened is the answer
                said = f"{type(error).__name__}: {error}"
            os.write(write, json.dumps(said).encode())
            os._exit(0)
        os.close(write)
        children.append((pid, read))
    begun = time.monotonic()
    os.close(go_write)
    said = []
    for pid, read in children:
        with os.fdopen(read, "rb") as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        said.append(json.loads(text) if text else None)
    print(json.dumps({"said": said, "seconds": round(time.monotonic() - begun, 2)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
