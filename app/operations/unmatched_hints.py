"""Why a result found no instrument (UNM-04): 未备案 (no such number), 出厂编号不一致 with the numbers that
come near, several instruments of one number, or one that a person has parted from the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.workflow.unmatched import COUNTS
from models.instrument import Instrument
from models.unmatched import UnmatchedRecord

MOST = 500
"""Near instruments that are compared for one page of records."""
SHOWN = 5
DISTANCE = 2
UNFILED, DIFFERENT, SEVERAL = "未备案", "出厂编号不一致", "多台器具出厂编号相同"
PARTED, NOBODY = "出厂编号相同，请确认", "单位未注册"


@dataclass(slots=True)
class Hint:
    """The probable reason, and the instruments of the unit that may be meant, the nearest number first."""

    reason: str = UNFILED
    near: list[Instrument] = field(default_factory=list)


def distance(a: str, b: str, most: int) -> int:
    """How many letters must be put in, taken out or changed to make `b` of `a`; `most` + 1 when it is more than that."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        above, row = row, [i]
        for j, right in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (left != right)))
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def allowed(number: str) -> int:
    """How far a number may be off and still be called similar: two letters, of a short one less."""
    return DISTANCE if len(number) >= 5 else 1 if len(number) >= 3 else 0


def pieces(number: str) -> list[str]:
    """Parts of a number of which at least one is whole in every number that is near it."""
    count = allowed(number) + 1
    size, rest = divmod(len(number), count)
    parts, at = [], 0
    for n in range(count):
        step = size + (n < rest)
        parts.append(number[at : at + step])
        at += step
    return [part for part in parts if part]


def hints(session: Session, records: Sequence[UnmatchedRecord]) -> dict[int, Hint]:
    """The hint of every record, by id; two statements for all of them, both within the principal's scope."""
    found = {record.id: Hint(UNFILED if record.unit_id else NOBODY) for record in records}
    known = [record for record in records if record.unit_id is not None]
    if not known:
        return found
    numbers = _folded(session, known)
    rows = _near(session, {r.unit_id for r in known if r.unit_id is not None}, numbers.values())
    for record in known:
        found[record.id] = _hint(record, numbers[record.id], rows)
    return found


def _folded(session: Session, records: Sequence[UnmatchedRecord]) -> dict[int, str]:
    statement = select(UnmatchedRecord.id, func.fold_number(UnmatchedRecord.serial_no))
    ids = [record.id for record in records]
    return dict(session.execute(statement.where(UnmatchedRecord.id.in_(ids))).tuples().all())


def _near(session: Session, units: set[int], numbers: Iterable[str]) -> list[tuple[Instrument, str]]:
    """Instruments that share a piece of a number, with their own numbers folded."""
    folded = func.fold_number(Instrument.serial_no)
    shared = [func.strpos(folded, piece) > 0 for piece in {p for number in numbers for p in pieces(number)}]
    if not shared:
        return []
    statement = (
        select(Instrument, folded)
        .where(Instrument.unit_id.in_(units), Instrument.state.in_(COUNTS), or_(*shared))
        .order_by(Instrument.id)
        .limit(MOST)
    )
    return [(row, number) for row, number in session.execute(statement).unique().tuples()]


def _hint(record: UnmatchedRecord, number: str, rows: list[tuple[Instrument, str]]) -> Hint:
    most = allowed(number)
    measured = [(distance(number, other, most), row) for row, other in rows if row.unit_id == record.unit_id]
    near = sorted(((d, row) for d, row in measured if d <= most), key=lambda pair: (pair[0], pair[1].id))
    if not near:
        return Hint()
    same = [row for d, row in near if d == 0]
    reason = SEVERAL if len(same) > 1 else PARTED if same else DIFFERENT
    return Hint(reason, [row for _d, row in near][:SHOWN])
