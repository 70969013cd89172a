"""全部预约 (BEYOND 5): all that is due as orders already divided by institute and way, with free slots; one confirmation.

Every due instrument is either in one of the orders or in the list of those left with the reason, never in both: the two
add up to what is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import QuanhengError
from app.operations.appointment import Group, book, groups_of, orders_of, slot_calendar
from app.operations.appointment_draft import MOST, cannot, unassigned
from app.profiles import switch_on
from app.workflow.appointment_rules import may_split
from app.workflow.band import Band, band_condition, scheme
from app.workflow.live import foreseen
from models.appointment import Appointment, Slot
from models.instrument import Instrument

AT_ONCE = 1_000
"""Due instruments that one page proposes; of more, the most urgent."""
NO_SLOT = "该机构近60天的可约时段不够，请联系检定机构开放时段后再预约。"


@dataclass(frozen=True, slots=True)
class Proposed:
    """One order to confirm. `slots` are all that have room for it, `slot` the one proposed."""

    key: str
    groups: tuple[Group, ...]
    slot: Slot | None
    slots: tuple[Slot, ...]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(i for group in self.groups for i in group.instruments)

    @property
    def ids(self) -> list[int]:
        return [i.id for i in self.instruments]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Orders, what is left with its reason, and how many are due beyond what one page takes."""

    orders: tuple[Proposed, ...]
    left: tuple[tuple[Instrument, str], ...]
    beyond: int = 0

    @property
    def count(self) -> int:
        return sum(len(order.instruments) for order in self.orders)

    @property
    def total(self) -> int:
        return self.count + len(self.left)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the confirmation: orders with how many instruments, and sentences of those that failed."""

    made: tuple[Appointment, ...]
    booked: int
    failed: tuple[tuple[int, str], ...]

    @property
    def missed(self) -> int:
        return sum(count for count, _why in self.failed)


def due(session: Session, actor: Principal, today: date) -> tuple[list[Instrument], int]:
    """The unit's instruments that should be verified now, the most urgent first, and how many there are beyond AT_ONCE."""
    bands = [band for band in scheme().bands if band is not Band.NOTICE]
    mine = (Instrument.unit_id == actor.unit_id, or_(*(band_condition(band, today) for band in bands)))
    statement = select(Instrument).where(*mine).order_by(Instrument.valid_until.nulls_last(), Instrument.id)
    rows = list(session.execute(statement.limit(AT_ONCE)).scalars())
    if len(rows) < AT_ONCE:
        return rows, 0
    every = session.scalar(select(func.count()).select_from(select(Instrument.id).where(*mine).subquery())) or 0
    return rows, every - len(rows)


def propose(session: Session, actor: Principal, only: Iterable[int] | None = None) -> Proposal:
    """Orders for all that is due (or for those of it in `only`), and why the rest cannot be booked."""
    rows, beyond = due(session, actor, clock.today())
    if only is not None:
        wanted = set(only)
        rows = [row for row in rows if row.id in wanted]
    able: list[Instrument] = []
    left: list[tuple[Instrument, str]] = []
    with foreseen(session, [row.id for row in rows], live_only=True):
        for row in rows:
            why = cannot(session, row)
            if why:
                left.append((row, why))
            else:
                able.append(row)
    groups = groups_of(session, able)
    left += [(i, unassigned(f"{i.name} {i.serial_no}")) for g in groups if g.institute is None for i in g.instruments]
    orders: list[Proposed] = []
    assigned = [group for group in groups if group.institute is not None]
    if switch_on("appointment.slots"):
        for number, group in enumerate(assigned):
            found, without = _into_slots(session, group, str(number))
            orders += found
            left += [(i, NO_SLOT) for i in without]
    elif may_split():
        orders += [Proposed(f"a{n}", part, None, ()) for n, part in enumerate(_portions(assigned))]
    else:
        for number, group in enumerate(assigned):
            for place, part in enumerate(_parts(group.instruments)):
                one = Group(group.institute, group.mode, part)
                orders.append(Proposed(f"{number}-{place}", (one,), None, ()))
    return Proposal(tuple(orders), tuple(left), beyond)


def _parts(instruments: tuple[Instrument, ...]) -> Iterator[tuple[Instrument, ...]]:
    for start in range(0, len(instruments), MOST):
        yield instruments[start : start + MOST]


def _portions(groups: list[Group]) -> Iterator[tuple[Group, ...]]:
    """Applications of at most MOST instruments; the platform divides each of them again when it is submitted."""
    part: list[Group] = []
    room = MOST
    for group in groups:
        rest = group.instruments
        while rest:
            part.append(Group(group.institute, group.mode, rest[:room]))
            rest, room = rest[room:], room - len(rest[:room])
            if not room:
                yield tuple(part)
                part, room = [], MOST
    if part:
        yield tuple(part)


def _into_slots(session: Session, group: Group, key: str) -> tuple[list[Proposed], tuple[Instrument, ...]]:
    """Fill the institute's slots from the nearest on: one order for each slot; the rest has none."""
    assert group.institute is not None
    calendar = [slot for slot, fits in slot_calendar(session, group.institute.id, group.mode) if fits]
    rest, found = group.instruments, []
    whole = next((slot for slot in calendar if slot.free >= len(rest) and len(rest) <= MOST), None)
    for place, slot in enumerate([whole] if whole else calendar):
        part, rest = rest[: min(slot.free, MOST)], rest[min(slot.free, MOST) :]
        if part:
            others = tuple(s for s in calendar if s.free >= len(part))
            found.append(Proposed(f"{key}-{place}", (Group(group.institute, group.mode, part),), slot, others))
    return found, rest


def book_all(
    session: Session, actor: Principal, orders: Mapping[str, tuple[list[int], int | None]], **contact: str
) -> Outcome:
    """Book the confirmed orders (key → ids of instruments and slot), each by itself: what a rival took meanwhile is said
    and the others go on."""
    made: list[Appointment] = []
    failed: list[tuple[int, str]] = []
    booked = 0
    for ids, slot_id in orders.values():
        try:
            with session.begin_nested():
                order = book(session, actor, instrument_ids=ids, slot_id=slot_id, **contact)
                session.flush()
        except QuanhengError as error:
            failed.append((len(ids), error.sentence))
            continue
        made += orders_of(session, order)
        booked += len(ids)
    return Outcome(tuple(made), booked, tuple(failed))
