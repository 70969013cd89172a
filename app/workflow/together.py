"""Steps on many rows of one transaction: the same path as ever, written to the database together.

A bulk act locks a chunk of rows through its person's scope and then takes the step on each. Inside `together` these rows
are not locked and read once more, their lines get numbers that were asked for at once, and what the steps wrote reaches
the database at the end, statements of one kind in one round. Checks, guards, effects, lines of history and notices are
those of every step. Whoever opens a batch must be ready to do the rows one by one when the database refuses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

NUMBERS = text("SELECT nextval(pg_get_serial_sequence('transition_log', 'id')) FROM generate_series(1, :count)")
_OPEN = "steps_together"


class Batch:
    """What is open: the locked rows by model and key, numbers for their lines (or for every line), how often the engine
    has written, and answers that whoever is asked of every row may keep until the end."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self.rows: dict[tuple[type[Any], Any], Any] = {(type(row), row.id): row for row in rows}
        self.numbers: deque[int] = deque()
        self.all_numbered = False
        self.written = 0
        self.answers: dict[str, Any] = {}


@contextmanager
def together(session: Session, rows: Iterable[Any]) -> Iterator[Batch]:
    """Open a batch on rows that the caller has just locked FOR UPDATE through the scope; writes it at the end.

    Nothing is flushed on the way: a rule that must see the batch's own earlier rows needs a constraint behind it. Raises
    what the database says; the caller's savepoint decides what remains.
    """
    batch = Batch(rows)
    if batch.rows:
        _ask_numbers(session, batch, len(batch.rows))
    session.info[_OPEN] = batch
    try:
        with session.no_autoflush:
            yield batch
            with engine_writes(session):  # every row was loaded through scope, or is a consequence of one
                session.flush()
    finally:
        session.info.pop(_OPEN, None)


def hold(session: Session, batch: Batch, rows: Iterable[Any]) -> None:
    """Take in rows that the caller has just made or locked, and ask for a number for the line of each, so that lines of
    causes and consequences go to the database in one statement."""
    found = list(rows)
    batch.rows |= {(type(row), row.id): row for row in found}
    batch.all_numbered = True
    _ask_numbers(session, batch, len(found))


def _ask_numbers(session: Session, batch: Batch, count: int) -> None:
    batch.numbers.extend(session.execute(NUMBERS, {"count": count}).scalars())


def open_batch(session: Session) -> Batch | None:
    """The batch that is open, if any."""
    found: Batch | None = session.info.get(_OPEN)
    return found


def held(session: Session, model: type[Any], pk: Any) -> Any:
    """The row, when the batch holds its lock; None otherwise. Another row about to be read afresh is written before."""
    batch = open_batch(session)
    if batch is None:
        return None
    if (row := batch.rows.get((model, pk))) is not None:
        return row
    known = session.identity_map.get(inspect(model).identity_key_from_primary_key((pk,)))
    if known is not None and session.is_modified(known):
        with engine_writes(session):
            session.flush()
    return None


def settle(session: Session) -> None:
    """Write what a step did, or count it, while the batch that writes it is open."""
    batch = open_batch(session)
    if batch is None:
        session.flush()
    else:
        batch.written += 1


def next_number(session: Session, *, needed: bool = True) -> int | None:
    """A number for a line of history, while the batch has any; a line that can do without gets one where all do."""
    batch = open_batch(session)
    if batch is None or not batch.numbers or not (needed or batch.all_numbered):
        return None
    return batch.numbers.popleft()


@contextmanager
def engine_writes(session: Session) -> Iterator[None]:
    """Inside, states may be written and the flush check trusts the engine's own scope check."""
    depth = session.info.get("engine_writes", 0)
    session.info["engine_writes"] = depth + 1
    try:
        yield
    finally:
        session.info["engine_writes"] = depth
