"""Booking verification: a draft with its instruments, then submission; two units' tabs never book one instrument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from app.operations.instrument_code import give_code
from app.workflow import APPOINTMENT, bear, fire
from app.workflow.band import INVALID, barred_from_booking
from app.workflow.live import NOT_COMPULSORY, live_item_sentence
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import LIVE_ITEM_STATES, DeliveryMode, InstrumentState
from models.instrument import Instrument
from models.organisation import Institute, Unit

ALREADY = "器具已在另一张预约单中，请刷新后重新选择。"


def save_draft(
    session: Session,
    actor: Principal,
    *,
    instrument_ids: Iterable[int],
    slot_id: int | None = None,
    mode: str | None = None,
    note: str = "",
    contact_name: str | None = None,
    contact_phone: str | None = None,
) -> Appointment:
    """Make a draft holding the instruments; raises with the sentence of the first instrument that cannot be booked."""
    unit = session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        raise InvalidInputError("只有使用单位可以预约检定。")
    instruments = _locked(session, instrument_ids)
    institute_id, way = _one_institute_and_way(session, instruments, mode)
    slot = session.get(Slot, slot_id) if slot_id else None
    if slot is not None and slot.institute_id != institute_id:
        raise InvalidInputError("所选时段不属于这些器具的检定机构，请重新选择。", field="slot_id")
    phone = contact_phone or unit.contact_phone
    if not (contact_name or unit.contact_name) or not phone:
        raise InvalidInputError("请先完善联络人员信息。")
    appointment = Appointment(
        unit_id=unit.id,
        institute_id=institute_id,
        use_division=instruments[0].use_division,
        mode=way,
        slot_id=slot_id,
        contact_name=contact_name or unit.contact_name,
        contact_phone=phone,
        note=note[:500],
    )
    bear(session, appointment, "save_draft", actor)
    try:
        with session.begin_nested():
            for instrument in instruments:
                bear(session, _item(appointment, instrument), "add", actor)
    except IntegrityError as error:
        raise ConflictError(ALREADY) from error
    return appointment


def _item(appointment: Appointment, instrument: Instrument) -> AppointmentItem:
    return AppointmentItem(
        appointment_id=appointment.id,
        instrument_id=instrument.id,
        unit_id=instrument.unit_id,
        institute_id=appointment.institute_id,
        use_division=instrument.use_division,
    )


def _locked(session: Session, instrument_ids: Iterable[int]) -> list[Instrument]:
    """The instruments, locked in the order of their ids so that rivals queue instead of deadlocking."""
    wanted = sorted(set(instrument_ids))
    if not wanted:
        raise InvalidInputError("请选择至少一台器具。")
    statement = (
        select(Instrument)
        .where(Instrument.id.in_(wanted))
        .order_by(Instrument.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = list(session.execute(statement).scalars())
    if len(found) != len(wanted):
        raise NotVisibleError
    for instrument in found:
        if instrument.state != InstrumentState.IN_USE:
            raise InvalidInputError(_not_in_use(instrument))
        if not instrument.compulsory:
            raise InvalidInputError(NOT_COMPULSORY)
        if barred_from_booking(instrument, clock.today()):
            raise InvalidInputError(f"器具“{instrument.name} {instrument.serial_no}”{INVALID}")
        if sentence := live_item_sentence(session, instrument):
            raise ConflictError(sentence)
    return found


def _not_in_use(instrument: Instrument) -> str:
    from app.workflow import INSTRUMENT

    if instrument.state in {InstrumentState.UNFILED, InstrumentState.FILING}:
        return f"器具“{instrument.name} {instrument.serial_no}”备案尚未通过，不能预约。"
    word = INSTRUMENT.label_of(instrument.state)
    return f"器具“{instrument.name} {instrument.serial_no}”状态为“{word}”，不能预约。"


def _one_institute_and_way(session: Session, instruments: list[Instrument], mode: str | None) -> tuple[int, str]:
    institutes = {i.institute_id for i in instruments}
    ways = {mode} if mode else {i.delivery_mode for i in instruments}
    homeless = next((i for i in instruments if i.institute_id is None), None)
    if homeless is not None:
        raise InvalidInputError(f"“{homeless.name}”没有可受理的检定机构，请核对种别和使用地点，或联系当地监管部门。")
    if len(institutes) > 1 or len(ways) > 1:
        raise InvalidInputError("不同机构、不同检定方式的器具须分开预约。")
    (institute_id,), (way,) = institutes, ways
    if way not in set(DeliveryMode) or institute_id is None:
        raise InvalidInputError("请选择检定方式。", field="mode")
    return institute_id, str(way)


def book(session: Session, actor: Principal, **draft: object) -> Appointment:
    """Draft and submission in one act, as most people book."""
    appointment = save_draft(session, actor, **draft)  # type: ignore[arg-type]
    return submit(session, actor, appointment.id)


def submit(session: Session, actor: Principal, appointment_id: int, seen_version: int | None = None) -> Appointment:
    """Send a draft to its institute (or to the regulator where the profile asks for 行政确认)."""
    from app.profiles import switch_on

    step = "submit_for_confirmation" if switch_on("appointment.admin_confirm") else "submit"
    done: Appointment = fire(session, APPOINTMENT, appointment_id, step, actor, seen_version=seen_version)
    # in one order, so that two submissions never wait for each other's counters
    for item in sorted(done.items, key=lambda row: row.instrument_id):
        give_code(session, item.instrument)
    session.flush()
    return done


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

MOST = 200
"""Instruments of one appointment; what a person can check by eye on the last page (law 4 of the house)."""
CALENDAR_DAYS = 60


@dataclass(frozen=True, slots=True)
class Group:
    """Instruments that can be booked together: one institute, one way of verification."""

    institute: Institute
    mode: str
    instruments: tuple[Instrument, ...]

    @property
    def ids(self) -> list[int]:
        return [i.id for i in self.instruments]


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
        words = Instrument.search_text.contains(term, autoescape=True)
        if len(term) > 1:
            words = func.bigrams(Instrument.search_text).op("@>")(func.bigrams(term)) & words
        statement = statement.where(or_(number, words))
    statement = statement.order_by(Instrument.valid_until.nulls_last(), Instrument.id).offset(skip).limit(limit + 1)
    return list(session.execute(statement).scalars())


def grouped(session: Session, actor: Principal, ids: Iterable[int]) -> tuple[list[Group], list[tuple[Instrument, str]]]:
    """Ticked instruments by institute and way, and those that cannot be booked with their sentence.

    Raises NotVisibleError when one of the ids is not the unit's own.
    """
    wanted = sorted(set(ids))[: MOST + 1]
    if len(wanted) > MOST:
        raise InvalidInputError(f"一张预约单最多{MOST}台器具，请分次预约。")
    statement = select(Instrument).where(Instrument.id.in_(wanted), Instrument.unit_id == actor.unit_id)
    found = list(session.execute(statement.order_by(Instrument.id)).scalars())
    if len(found) != len(wanted):
        raise NotVisibleError
    sets: dict[tuple[int, str], list[Instrument]] = {}
    refused: list[tuple[Instrument, str]] = []
    for instrument in found:
        if sentence := _cannot(session, instrument):
            refused.append((instrument, sentence))
        else:
            sets.setdefault((instrument.institute_id or 0, instrument.delivery_mode), []).append(instrument)
    groups = []
    for (institute_id, mode), members in sets.items():
        institute = session.get(Institute, institute_id)
        if institute is not None:
            groups.append(Group(institute, mode, tuple(members)))
    return groups, refused


def _cannot(session: Session, instrument: Instrument) -> str | None:
    if instrument.state != InstrumentState.IN_USE:
        return _not_in_use(instrument)
    if not instrument.compulsory:
        return NOT_COMPULSORY
    if instrument.institute_id is None:
        return f"“{instrument.name}”没有可受理的检定机构，请核对种别和使用地点，或联系当地监管部门。"
    return live_item_sentence(session, instrument)


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
