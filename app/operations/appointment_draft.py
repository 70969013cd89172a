"""Drafts of orders (暂存预约单, 修改): which instruments go where by which way, and what the unit says about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app import clock
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from app.workflow import APPOINTMENT, ITEM, bear, bear_all, fire
from app.workflow.appointment_rules import may_split
from app.workflow.assigning import institute_for, known_institutes
from app.workflow.band import INVALID, barred_from_booking
from app.workflow.elsewhere import elsewhere, elsewhere_address
from app.workflow.engine import Why
from app.workflow.live import NOT_COMPULSORY, foreseen, live_item_sentence
from app.workflow.together import open_batch
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import DeliveryMode, InstrumentState, ItemState
from models.instrument import Instrument
from models.organisation import Unit

ALREADY = "器具已在另一张预约单中，请刷新后重新选择。"
SEPARATELY = "不同机构、不同检定方式的器具须分开预约。"
MOST = 200
"""Instruments of one order; what a person can check by eye on the last page (law 4 of the house)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An instrument with the institute that takes it by its way; no institute means 未分配."""

    instrument: Instrument
    institute_id: int | None
    mode: str


@dataclass(frozen=True, slots=True)
class Head:
    """What follows for the order from its instruments. Mixed orders have no institute; `mode` is then the commonest."""

    institute_id: int | None
    mode: str
    ways: dict[int, str]


def unassigned(name: str) -> str:
    """What is said of an instrument that no institute takes, with the cure."""
    return f"“{name}”没有可受理的检定机构，请核对种别和使用地点，或联系当地监管部门。"


def placed(session: Session, instruments: Iterable[Instrument], mode: str | None = None) -> list[Placed]:
    """Where each instrument goes today, by its own way or by `mode`; equal instruments are asked for once."""
    known = known_institutes(session)
    found = []
    for instrument in instruments:
        way = mode or instrument.delivery_mode
        key = (instrument.category_id, instrument.use_division, instrument.institute_id, way)
        if key not in known:
            known[key] = institute_for(session, instrument, way, clock.today())
        found.append(Placed(instrument, known[key], way))
    return found


def cannot(session: Session, instrument: Instrument) -> str | None:
    """Why an instrument cannot be booked at all, or None."""
    if instrument.state != InstrumentState.IN_USE:
        return _not_in_use(instrument)
    if not instrument.compulsory:
        return NOT_COMPULSORY
    if said := elsewhere(instrument.use_division):
        return Why(said, "appointment.elsewhere", elsewhere_address())
    if barred_from_booking(instrument, clock.today()):
        return f"器具“{instrument.name} {instrument.serial_no}”{INVALID}"
    return live_item_sentence(session, instrument)


def _not_in_use(instrument: Instrument) -> str:
    from app.workflow import INSTRUMENT

    if instrument.state in {InstrumentState.UNFILED, InstrumentState.FILING}:
        return f"器具“{instrument.name} {instrument.serial_no}”备案尚未通过，不能预约。"
    word = INSTRUMENT.label_of(instrument.state)
    return f"器具“{instrument.name} {instrument.serial_no}”状态为“{word}”，不能预约。"


def locked(session: Session, instrument_ids: Iterable[int]) -> list[Instrument]:
    """The instruments, locked in the order of their ids so that rivals queue instead of deadlocking; raises with the
    sentence of the first that cannot be booked, NotVisibleError for a foreign one."""
    wanted = sorted(set(instrument_ids))
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
    with foreseen(session, wanted, live_only=True):
        for instrument in found:
            if sentence := cannot(session, instrument):
                live = instrument.state == InstrumentState.IN_USE and live_item_sentence(session, instrument)
                error = ConflictError(sentence) if live else InvalidInputError(sentence)
                error.fix_url = getattr(sentence, "fix_url", None)
                raise error
    return found


def head_of(session: Session, rows: list[Placed]) -> Head:
    """What follows from the instruments; raises where they cannot be booked together or a way is missing."""
    if any(row.mode not in set(DeliveryMode) for row in rows):
        raise InvalidInputError("请选择检定方式。", field="mode")
    shares = {(row.institute_id, row.mode) for row in rows}
    if not may_split():
        homeless = next((row for row in rows if row.institute_id is None), None)
        if homeless is not None:
            raise InvalidInputError(unassigned(homeless.instrument.name))
        if len(shares) > 1:
            raise InvalidInputError(SEPARATELY)
    ways = {row.instrument.id: row.mode for row in rows}
    institute_id = next(iter(shares))[0] if len(shares) == 1 else None
    return Head(institute_id, Counter(ways.values()).most_common(1)[0][0], ways)


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
    wish_day: date | None = None,
) -> Appointment:
    """Make a draft holding the instruments; raises with the sentence of the first instrument that cannot be booked.

    Where the platform divides orders by itself a draft may hold instruments of several institutes and ways, and such
    as no institute takes; elsewhere one institute and one way are asked for (APT-26).
    """
    appointment, _items = draft_with_items(
        session,
        actor,
        instrument_ids=instrument_ids,
        slot_id=slot_id,
        mode=mode,
        note=note,
        contact_name=contact_name,
        contact_phone=contact_phone,
        wish_day=wish_day,
    )
    return appointment


def draft_with_items(
    session: Session,
    actor: Principal,
    *,
    instrument_ids: Iterable[int],
    slot_id: int | None = None,
    mode: str | None = None,
    note: str = "",
    contact_name: str | None = None,
    contact_phone: str | None = None,
    wish_day: date | None = None,
) -> tuple[Appointment, list[AppointmentItem]]:
    """As `save_draft`, and what it holds."""
    unit = _own_unit(session, actor)
    wanted = set(instrument_ids)
    if not wanted:
        raise InvalidInputError("请选择至少一台器具。")
    if len(wanted) > MOST:
        raise InvalidInputError(f"一张预约单最多{MOST}台器具，请分次预约。")
    instruments = locked(session, wanted)
    head = head_of(session, placed(session, instruments, mode))
    name, phone = contact_name or unit.contact_name, contact_phone or unit.contact_phone
    if not name or not phone:
        raise InvalidInputError("请先完善联络人员信息。")
    appointment = Appointment(
        unit_id=unit.id,
        institute_id=head.institute_id,
        use_division=instruments[0].use_division,
        mode=head.mode,
        slot_id=_fitting_slot(session, slot_id, head),
        contact_name=name,
        contact_phone=phone,
        note=note[:500],
        wish_day=_ahead(wish_day),
        number=None,  # said, so that the history need not ask the database what they were before the submission
        submitted_at=None,
    )
    bear(session, appointment, "save_draft", actor)
    return appointment, _put_in(session, actor, appointment, instruments, head)


def _own_unit(session: Session, actor: Principal) -> Unit:
    unit = session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        raise InvalidInputError("只有使用单位可以预约检定。")
    return unit


def _ahead(day: date | None) -> date | None:
    if day is not None and day < clock.today():
        raise InvalidInputError("“期望日期”不能早于今天。", field="wish_day")
    return day


def _fitting_slot(session: Session, slot_id: int | None, head: Head) -> int | None:
    slot = session.get(Slot, slot_id) if slot_id else None
    if (batch := open_batch(session)) is not None:
        batch.answers["slot"] = slot  # alive until the submission looks at it
    if slot is not None and (slot.institute_id != head.institute_id or slot.mode != head.mode):
        raise InvalidInputError("所选时段不属于这些器具的检定机构，请重新选择。", field="slot_id")
    return slot.id if slot is not None else None


def _put_in(
    session: Session, actor: Principal, appointment: Appointment, instruments: Iterable[Instrument], head: Head
) -> list[AppointmentItem]:
    items = []
    for instrument in instruments:
        item = AppointmentItem(
            appointment_id=appointment.id,
            instrument_id=instrument.id,
            unit_id=instrument.unit_id,
            institute_id=appointment.institute_id,
            use_division=instrument.use_division,
            mode=head.ways[instrument.id],
        )
        set_committed_value(item, "instrument", instrument)
        items.append(item)
    try:
        with session.begin_nested():
            bear_all(session, items, "add", actor)
    except IntegrityError as error:
        raise ConflictError(ALREADY) from error
    return items


def waiting(session: Session, appointment_id: int) -> list[AppointmentItem]:
    """The items of a draft that were not taken out again, in the order in which they came."""
    statement = select(AppointmentItem).where(
        AppointmentItem.appointment_id == appointment_id, AppointmentItem.state == ItemState.PENDING
    )
    return list(session.execute(statement.order_by(AppointmentItem.id)).scalars())


def change_draft(
    session: Session,
    actor: Principal,
    appointment_id: int,
    *,
    seen_version: int | None = None,
    add: Iterable[int] = (),
    remove: Iterable[int] = (),
    mode: str | None = None,
    slot_id: int | None = None,
    note: str = "",
    contact_name: str = "",
    contact_phone: str = "",
    wish_day: date | None = None,
) -> Appointment:
    """Change a draft (APT-04): put instruments in (ids of instruments), take items out (ids of items), and what is said.

    Raises WrongStateError when it is no draft any more, StaleVersionError when somebody changed it meanwhile, and
    InvalidInputError as `save_draft` does. A draft may be emptied; it cannot be submitted then.
    """
    if not contact_name or not contact_phone:
        raise InvalidInputError("请先完善联络人员信息。", field="contact_name")
    gone, heads, new = set(remove), [], []

    def change(draft: Appointment) -> None:
        kept = [item for item in waiting(session, draft.id) if item.id not in gone]
        new.extend(locked(session, add) if add else [])
        if len(kept) + len(new) > MOST:
            raise InvalidInputError(f"一张预约单最多{MOST}台器具，请分次预约。")
        rows = [row for i in kept for row in placed(session, [i.instrument], mode or i.mode)]
        rows += placed(session, new, mode)
        head = head_of(session, rows) if rows else Head(None, mode or draft.mode, {})
        heads.append(head)
        draft.institute_id, draft.mode = head.institute_id, head.mode
        draft.slot_id = _fitting_slot(session, slot_id, head)
        draft.use_division = rows[0].instrument.use_division if rows else draft.use_division
        draft.contact_name, draft.contact_phone = contact_name[:40], contact_phone[:20]
        draft.note, draft.wish_day = note[:500], _ahead(wish_day)
        for item in kept:
            item.mode, item.institute_id = head.ways[item.instrument_id], head.institute_id

    draft: Appointment = fire(
        session, APPOINTMENT, appointment_id, "edit", actor, seen_version=seen_version, change=change
    )
    for item in waiting(session, draft.id):
        if item.id in gone:
            fire(session, ITEM, item.id, "cancel", actor)
    _put_in(session, actor, draft, new, heads[0])
    return draft
