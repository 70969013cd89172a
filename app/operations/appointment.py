"""Booking verification: a draft with its instruments, then submission; two units' tabs never book one instrument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError
from app.fab.grams import contains
from app.operations.appointment_draft import (
    ALREADY,
    MOST,
    cannot,
    change_draft,
    draft_with_items,
    placed,
    save_draft,
    unassigned,
)
from app.operations.instrument_code import give_codes
from app.profiles import switch_on
from app.workflow import APPOINTMENT, fire
from app.workflow.appointment_rules import hold_order, locked_items
from app.workflow.engine import lock
from app.workflow.live import foreseen
from app.workflow.together import together
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import LIVE_ITEM_STATES, InstrumentState, ItemState
from models.instrument import Instrument
from models.organisation import Institute

CALENDAR_DAYS = 60


def book(session: Session, actor: Principal, **draft: object) -> Appointment:
    """Draft and submission in one act, as most people book: what the draft read and locked is not read again."""
    with together(session, ()) as batch:
        appointment, items = draft_with_items(session, actor, **draft)  # type: ignore[arg-type]
        hold_order(session, batch, appointment, items)
        fire(session, APPOINTMENT, appointment.id, submit_step(), actor)
    give_codes(session, [item.instrument for item in items])
    session.flush()
    return appointment


def submit_step() -> str:
    """The step by which a draft leaves the unit: to its institutes, or to the regulator where 行政确认 is asked for."""
    return "submit_for_confirmation" if switch_on("appointment.admin_confirm") else "submit"


def submit(session: Session, actor: Principal, appointment_id: int, seen_version: int | None = None) -> Appointment:
    """Send a draft; over several institutes or ways it comes back as 已分单, with their orders below it."""
    draft: Appointment = lock(session, Appointment, appointment_id)
    items = locked_items(session, draft)
    waiting = [item.instrument for item in items if item.state == ItemState.PENDING]  # before a split divides them
    with together(session, ()) as batch:
        hold_order(session, batch, draft, items)
        fire(session, APPOINTMENT, draft.id, submit_step(), actor, seen_version=seen_version)
    give_codes(session, waiting)
    session.flush()
    return draft


def orders_of(session: Session, appointment: Appointment) -> list[Appointment]:
    """The orders that an application was split into; of any other order itself."""
    if appointment.state != "split":
        return [appointment]
    statement = select(Appointment).where(Appointment.parent_id == appointment.id).order_by(Appointment.id)
    return list(session.execute(statement).scalars())


def free_slots(session: Session, institute_id: int, mode: str, *, places: int = 1, days: int = 60) -> list[Slot]:
    """Slots from tomorrow on with enough places; a unit sees free or full only."""
    today: date = clock.today()
    statement = (
        select(Slot)
        .where(
            Slot.institute_id == institute_id,
            Slot.mode == mode,
            Slot.day > today,
            Slot.closed.is_(False),
            Slot.taken + places <= Slot.capacity,
        )
        .order_by(Slot.day, Slot.period.desc())
        .limit(days * 2)
    )
    return list(session.execute(statement).scalars())


# -- choosing what to book ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Instruments that go together: one institute, one way of verification. Without institute they are 未分配."""

    institute: Institute | None
    mode: str
    instruments: tuple[Instrument, ...]

    @property
    def ids(self) -> list[int]:
        return [i.id for i in self.instruments]

    @property
    def cures(self) -> list[str]:
        """Of instruments that no institute takes: what to do about each."""
        return [] if self.institute else [unassigned(f"{i.name} {i.serial_no}") for i in self.instruments]


def bookable(session: Session, actor: Principal, term: str, skip: int, limit: int) -> list[Instrument]:
    """The unit's instruments that can be booked now, the most urgent first; one more than `limit` tells of further ones.

    In use means that the filing has been approved; an instrument of a live appointment is left out. `term` is a part of
    the name or of the factory number.
    """
    live = exists().where(AppointmentItem.instrument_id == Instrument.id, AppointmentItem.state.in_(LIVE_ITEM_STATES))
    statement = select(Instrument).where(
        Instrument.unit_id == actor.unit_id, Instrument.state == InstrumentState.IN_USE, Instrument.compulsory, ~live
    )
    if term:
        number = Instrument.serial_no.startswith(term, autoescape=True)
        statement = statement.where(or_(number, contains(session, Instrument.search_text, term)))
    statement = statement.order_by(Instrument.valid_until.nulls_last(), Instrument.id).offset(skip).limit(limit + 1)
    return list(session.execute(statement).scalars())


def grouped(
    session: Session, actor: Principal, ids: Iterable[int], mode: str | None = None
) -> tuple[list[Group], list[tuple[Instrument, str]]]:
    """Ticked instruments by institute and way (their own, or `mode`), those of no institute last, and those that cannot
    be booked with their sentence.

    Raises NotVisibleError when one of the ids is not the unit's own.
    """
    wanted = sorted(set(ids))[: MOST + 1]
    if len(wanted) > MOST:
        raise InvalidInputError(f"一张预约单最多{MOST}台器具，请分次预约。")
    statement = select(Instrument).where(Instrument.id.in_(wanted), Instrument.unit_id == actor.unit_id)
    found = list(session.execute(statement.order_by(Instrument.id)).scalars())
    if len(found) != len(wanted):
        raise NotVisibleError
    refused: list[tuple[Instrument, str]] = []
    able: list[Instrument] = []
    with foreseen(session, wanted, live_only=True):
        for instrument in found:
            sentence = cannot(session, instrument)
            if sentence:
                refused.append((instrument, sentence))
            else:
                able.append(instrument)
    return groups_of(session, able, mode), refused


def groups_of(session: Session, instruments: Iterable[Instrument], mode: str | None = None) -> list[Group]:
    """Instruments by institute and way, in the order in which each pair first appears; 未分配 comes last."""
    sets: dict[tuple[int | None, str], list[Instrument]] = {}
    for row in placed(session, instruments, mode):
        sets.setdefault((row.institute_id, row.mode), []).append(row.instrument)
    made = [
        Group(session.get(Institute, institute_id) if institute_id else None, way, tuple(members))
        for (institute_id, way), members in sets.items()
    ]
    return sorted(made, key=lambda group: group.institute is None)


def slot_calendar(session: Session, institute_id: int, mode: str, *, places: int = 1) -> list[tuple[Slot, bool]]:
    """Slots of the next 60 days with whether `places` instruments still fit; closed ones are not shown at all."""
    today: date = clock.today()
    statement = (
        select(Slot)
        .where(
            Slot.institute_id == institute_id,
            Slot.mode == mode,
            Slot.closed.is_(False),
            Slot.day > today,
            Slot.day <= today + timedelta(days=CALENDAR_DAYS),
        )
        .order_by(Slot.day, Slot.period.desc())
    )
    return [(slot, slot.taken + places <= slot.capacity) for slot in session.execute(statement).scalars()]


__all__ = [
    "ALREADY",
    "CALENDAR_DAYS",
    "MOST",
    "Group",
    "book",
    "bookable",
    "change_draft",
    "free_slots",
    "grouped",
    "groups_of",
    "orders_of",
    "save_draft",
    "slot_calendar",
    "submit",
    "submit_step",
]
