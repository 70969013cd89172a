"""An institute's calendar (APT-32): weeks at a glance, the usual week, copying a week, closing a day.

Nothing here takes a place away from an order: existing slots keep their capacity, a closed day lists the orders that are
to be moved, and capacity never falls below what is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.audit import audit
from app.errors import InvalidInputError
from app.operations.institute import MOST_PLACES, change_slot, day_range
from app.workdays import exceptions, is_workday, known_year
from app.workflow.slots import held_places
from models.appointment import Appointment, Slot
from models.booking import SlotPattern
from models.enums import DeliveryMode, Period

MOST_WEEKS = 26
Key = tuple[str, int, str]
"""Way, weekday (1 = Monday), half day."""
ROWS = tuple((mode.value, period.value) for mode in DeliveryMode for period in Period)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a week: whether it is worked by the calendar, whether that differs from its weekday, its slots by
    (way, half day)."""

    day: date
    workday: bool
    announced: bool
    slots: Mapping[tuple[str, str], Slot]

    @property
    def open(self) -> bool:
        """Whether anybody can still be booked on it."""
        return any(slot.free > 0 for slot in self.slots.values())


@dataclass(frozen=True, slots=True)
class Week:
    """Monday to Sunday."""

    days: tuple[Day, ...]

    @property
    def monday(self) -> date:
        return self.days[0].day

    @property
    def places(self) -> int:
        """Instruments that the week takes in all."""
        return sum(s.capacity for d in self.days for s in d.slots.values() if not s.closed or s.taken)

    @property
    def taken(self) -> int:
        return sum(s.taken for d in self.days for s in d.slots.values())


def monday_of(day: date) -> date:
    """The Monday of the week that the day belongs to."""
    return day - timedelta(days=day.weekday())


def weeks(session: Session, institute_id: int, first: date, count: int = 4) -> list[Week]:
    """`count` weeks from the one of `first` on, with every slot of the institute."""
    start = monday_of(first)
    days = [start + timedelta(days=n) for n in range(7 * count)]
    statement = select(Slot).where(Slot.institute_id == institute_id, Slot.day.between(days[0], days[-1]))
    by_day: dict[date, dict[tuple[str, str], Slot]] = {}
    for slot in session.execute(statement).scalars():
        by_day.setdefault(slot.day, {})[(slot.mode, slot.period)] = slot
    table = exceptions(session)
    made = [Day(d, is_workday(d, table), d in table, by_day.get(d, {})) for d in days]
    return [Week(tuple(made[n : n + 7])) for n in range(0, len(made), 7)]


def unknown_years(session: Session, days: Iterable[date]) -> list[int]:
    """Years among the days whose holidays nobody has entered: there Monday to Friday are taken for working days."""
    return [year for year in sorted({day.year for day in days}) if not known_year(session, year)]


def pattern(session: Session, institute_id: int) -> dict[Key, int]:
    """The institute's usual week: places by way, weekday and half day."""
    statement = select(SlotPattern).where(SlotPattern.institute_id == institute_id)
    return {(p.mode, p.weekday, p.period): p.capacity for p in session.execute(statement).scalars()}


def save_pattern(session: Session, institute_id: int, typed: Mapping[Key, str]) -> int:
    """Replace the usual week; an empty field or 0 means that nothing is opened. Returns how many half days it has.

    Raises InvalidInputError naming each field that is no number from 0 to 9,999.
    """
    values: dict[Key, int] = {}
    problems: dict[str, str] = {}
    for key, text in typed.items():
        text = text.strip() or "0"
        if not (text.isascii() and text.isdecimal() and int(text) <= MOST_PLACES):
            problems[field_of(key)] = f"“{name_of(key)}”须为0～{MOST_PLACES}的整数。"
        elif int(text):
            values[key] = int(text)
    if problems:
        raise InvalidInputError("".join(problems.values()), problems=problems)
    session.execute(delete(SlotPattern).where(SlotPattern.institute_id == institute_id))
    for (mode, weekday, period), capacity in sorted(values.items()):
        row = SlotPattern(institute_id=institute_id, mode=mode, weekday=weekday, period=period, capacity=capacity)
        session.add(row)
    session.flush()
    audit(session, "save_slot_pattern", entity="institute", entity_id=institute_id, half_days=len(values))
    return len(values)


def field_of(key: Key) -> str:
    """The name of a field of the usual week's form."""
    return "-".join(map(str, key))


def name_of(key: Key) -> str:
    """送检 周一 上午."""
    mode, weekday, period = key
    way = "送检" if mode == DeliveryMode.DELIVER else "现场检"
    return f"{way} 周{'一二三四五六日'[weekday - 1]} {'上午' if period == Period.MORNING else '下午'}"


def apply_pattern(session: Session, institute_id: int, first: date, last: date) -> tuple[int, int]:
    """Open the usual week on the days from `first` to `last` that are not free; returns (new, already there).

    Raises InvalidInputError for a range that is upside down, begins in the past or is longer than a year, and when the
    institute has no usual week yet.
    """
    days = day_range(first, last)
    usual = pattern(session, institute_id)
    if not usual:
        raise InvalidInputError("还没有排班模板，请先填写每周的可约台数。")
    table = exceptions(session)
    wanted = []
    for day in days:
        if table.get(day) == "holiday":
            continue
        wanted += [
            (day, mode, period, n) for (mode, weekday, period), n in usual.items() if weekday == day.isoweekday()
        ]
    return _open(session, institute_id, wanted)


def copy_week(session: Session, institute_id: int, monday: date, count: int) -> tuple[int, int]:
    """The week's open half days in the `count` weeks after it, without free days and days gone by; returns (new, already
    there). Raises InvalidInputError when the week is empty or the number of weeks is not 1 to 26."""
    if not 1 <= count <= MOST_WEEKS:
        raise InvalidInputError(f"“周数”须为1～{MOST_WEEKS}的整数。", field="count")
    source = weeks(session, institute_id, monday, 1)[0]
    slots = [s for d in source.days for s in d.slots.values() if not s.closed and s.capacity]
    if not slots:
        raise InvalidInputError("所选的一周没有开放的时段，无可复制。", field="monday")
    table = exceptions(session)
    wanted = []
    for ahead in range(1, count + 1):
        for slot in slots:
            day = slot.day + timedelta(weeks=ahead)
            if day > clock.today() and table.get(day) != "holiday":
                wanted.append((day, slot.mode, slot.period, slot.capacity))
    return _open(session, institute_id, wanted)


def _open(session: Session, institute_id: int, wanted: list[tuple[date, str, str, int]]) -> tuple[int, int]:
    rows = [
        {"institute_id": institute_id, "day": day, "mode": mode, "period": period, "capacity": capacity}
        for day, mode, period, capacity in wanted
    ]
    if not rows:
        return 0, 0
    made = len(session.execute(insert(Slot).values(rows).on_conflict_do_nothing().returning(Slot.id)).all())
    audit(session, "open_slots", entity="institute", entity_id=institute_id, opened=made)
    return made, len(rows) - made


def close_day(session: Session, institute_id: int, day: date, *, closed: bool) -> int:
    """Close every half day of the day, or open them again; returns how many changed. Orders keep their places: the page
    lists them to be moved. Raises InvalidInputError when there is nothing to close."""
    statement = select(Slot).where(Slot.institute_id == institute_id, Slot.day == day).order_by(Slot.id)
    found = list(session.execute(statement).scalars())
    if not found:
        raise InvalidInputError("这一天没有开放的时段。")
    changed = [slot for slot in found if slot.closed != closed]
    for slot in changed:
        change_slot(session, slot, closed=closed)
    return len(changed)


@dataclass(frozen=True, slots=True)
class Booked:
    """An order that holds places of a day."""

    order: Appointment
    places: int


def booked_on(session: Session, institute_id: int, day: date) -> list[Booked]:
    """The orders that hold places of the day, by half day."""
    statement = (
        select(Appointment)
        .join(Slot, Slot.id == Appointment.slot_id)
        .where(Slot.institute_id == institute_id, Slot.day == day)
        .options(selectinload(Appointment.items), selectinload(Appointment.unit), selectinload(Appointment.slot))
        .order_by(Slot.period.desc(), Appointment.id)
    )
    found = []
    for order in session.execute(statement).scalars():
        places = held_places(order.state, [item.state for item in order.items])
        if places:
            found.append(Booked(order, places))
    return found
