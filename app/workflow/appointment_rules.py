"""Guards and effects of the appointment's machine; its items move with it, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.principal import Principal
from app.profiles import setting, switch_on
from app.workdays import deadline
from app.workflow.assigning import Share, shares
from app.workflow.authorisation import authorised, lapsed
from app.workflow.band import INVALID, barred_from_booking
from app.workflow.engine import Context, Guard, bear, cascade
from app.workflow.journal import snapshot
from app.workflow.live import NOT_COMPULSORY, live_item_sentence
from app.workflow.numbers import next_number
from app.workflow.slots import give_back, held_places, take
from app.workflow.together import Batch, hold, open_batch
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import LIVE_ITEM_STATES, AppointmentState, DeliveryMode, InstrumentState, ItemState
from models.instrument import Instrument

S = AppointmentState


def is_own(appointment: Appointment, actor: Principal) -> bool:
    return appointment.unit_id == actor.unit_id


def at_mine(appointment: Appointment, actor: Principal) -> bool:
    return appointment.institute_id == actor.institute_id


def own_or_mine(appointment: Appointment, actor: Principal) -> bool:
    return is_own(appointment, actor) or at_mine(appointment, actor)


@contextmanager
def header_moves(session: Session) -> Iterator[None]:
    """Inside, items follow their header: they neither settle it nor give places back one by one."""
    session.info["header_moves"] = True
    try:
        yield
    finally:
        session.info["header_moves"] = False


def items_of(ctx: Context) -> list[AppointmentItem]:
    """The items in the order of their ids, which is the order in which they are locked (WORKFLOWS 0.2); read once a step,
    because nobody changes them while their header is locked."""
    if (found := ctx.known.get("items")) is None:
        batch = open_batch(ctx.session)
        found = batch.answers.get(_items_key(ctx.obj)) if batch is not None else None
        ctx.known["items"] = found = found or list(ctx.session.execute(_items(ctx.obj)).scalars())
    members: list[AppointmentItem] = found
    return members


def _items(header: Appointment) -> Select[AppointmentItem]:
    statement = select(AppointmentItem).where(AppointmentItem.appointment_id == header.id).order_by(AppointmentItem.id)
    return statement.execution_options(unscoped=True)


def _items_key(header: Appointment) -> str:
    return f"items of appointment {header.id}"


def locked_items(session: Session, header: Appointment) -> list[AppointmentItem]:
    """The items of an order that is locked, locked as well and with their instruments, in two statements."""
    statement = _items(header).with_for_update(of=AppointmentItem).execution_options(populate_existing=True)
    return list(session.execute(statement.options(selectinload(AppointmentItem.instrument))).scalars())


def hold_order(session: Session, batch: Batch, header: Appointment, items: Sequence[AppointmentItem]) -> None:
    """Take an order whose rows are locked, or new, into the batch: its steps read and lock nothing again."""
    hold(session, batch, [header, *items])
    batch.answers[_items_key(header)] = sorted(items, key=lambda item: item.id)


def move_items(step: str, *, only: tuple[ItemState, ...] = LIVE_ITEM_STATES) -> Callable[[Context], None]:
    """An effect that takes `step` on every item whose state is in `only`."""

    def effect(ctx: Context) -> None:
        with header_moves(ctx.session):
            for item in items_of(ctx):
                if item.state in only:
                    cascade(ctx, item, step, {"reason": ctx.data.get("reason")})

    return effect


def waiting_items(ctx: Context) -> list[AppointmentItem]:
    """Items that still wait for their institute; cancelled ones stay in the order but ask for nothing."""
    return [item for item in items_of(ctx) if item.state == ItemState.PENDING]


def has_items(ctx: Context) -> str | None:
    return None if waiting_items(ctx) else "请选择至少一台器具。"


def bookable(ctx: Context) -> str | None:
    from app.workflow.instrument import INSTRUMENT

    for item in waiting_items(ctx):
        if item.instrument.state != "in_use":
            word = INSTRUMENT.label_of(item.instrument.state)
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”状态为“{word}”，不能预约。"
        if not item.instrument.compulsory:
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”：{NOT_COMPULSORY}"
        if barred_from_booking(item.instrument, clock.today()):
            return f"器具“{item.instrument.name} {item.instrument.serial_no}”{INVALID}"
    return None


def slot_chosen(ctx: Context) -> str | None:
    if not switch_on("appointment.slots"):
        return None
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is None:
        return "请选择预约时段。"
    fits = slot.institute_id == ctx.obj.institute_id and slot.mode == ctx.obj.mode
    return None if fits else "所选时段不属于该机构或检定方式，请重新选择。"


def none_received(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        late = {ItemState.RECEIVED, ItemState.VERIFYING, ItemState.DONE}
        return f"已送检的器具不能{verb}。" if any(i.state in late for i in items_of(ctx)) else None

    return Guard("none_received", check, fix=None)


def none_verifying(ctx: Context) -> str | None:
    busy = {ItemState.VERIFYING, ItemState.DONE}
    return "已有器具在检，不能整单退回。" if any(i.state in busy for i in items_of(ctx)) else None


def all_authorised(ctx: Context) -> str | None:
    for item in items_of(ctx):
        what = lapsed(ctx.session, ctx.obj.institute_id, item.instrument.category_id, clock.today())
        if what:
            return f"{what}已失效，不能受理“{item.instrument.name}”，请退回或更新授权信息。"
    return None


def can_be_assigned(ctx: Context) -> str | None:
    """Every item has an institute that may verify it, and one order is enough or may be split (ORG-15, APT-06, APT-26)."""
    found, known = shares_of(ctx), dict[tuple[int, int], bool]()
    for share in found:
        for item in share.items:
            name = item.instrument.name
            if share.institute_id is None:
                return f"“{name}”没有可受理的检定机构，请核对种别和使用地点，或联系当地监管部门。"
            asked = (share.institute_id, item.instrument.category_id)
            if asked not in known:
                known[asked] = authorised(ctx.session, *asked, clock.today())
            if not known[asked]:
                return f"检定机构未获“{name}”的检定授权或授权已过期，暂不能预约，请联系该机构。"
    return None if len(found) < 2 or may_split() else "不同机构、不同检定方式的器具须分开预约。"


def shares_of(ctx: Context) -> list[Share]:
    """What each institute gets of the waiting items, asked once a step."""
    if "shares" not in ctx.known:
        ctx.known["shares"] = shares(ctx.session, waiting_items(ctx), ctx.obj.mode, clock.today())
    found: list[Share] = ctx.known["shares"]
    return found


def may_split() -> bool:
    """Where places are booked, an order belongs to one institute's calendar; elsewhere the platform splits (APT-26)."""
    return switch_on("appointment.auto_split") and not switch_on("appointment.slots")


def splits(ctx: Context) -> AppointmentState | None:
    """An application over several institutes or ways becomes a folder of their orders."""
    return S.SPLIT if len(shares_of(ctx)) > 1 else None


def assign_items(ctx: Context) -> None:
    """Every item to its institute: in this order, or in one new order per institute and way (WORKFLOWS 5.1)."""
    found = shares_of(ctx)
    if len(found) == 1:
        ctx.obj.institute_id, ctx.obj.mode = found[0].institute_id, found[0].mode
        if open_batch(ctx.session) is None:
            ctx.session.flush()
        _assign(ctx, ctx.obj, found[0])
        return
    for share in found:
        child = Appointment(
            parent_id=ctx.obj.id,
            unit_id=ctx.obj.unit_id,
            institute_id=share.institute_id,
            use_division=share.items[0].use_division,
            mode=share.mode,
            wish_day=ctx.obj.wish_day,
            contact_name=ctx.obj.contact_name,
            contact_phone=ctx.obj.contact_phone,
            note=ctx.obj.note,
            submitted_at=clock.now(),
            number=new_number(ctx.session),
        )
        bear(ctx.session, child, "divide", ctx.actor, caused_by=f"appointment.{ctx.step.name}")
        _assign(ctx, child, share)


def _assign(ctx: Context, header: Appointment, share: Share) -> None:
    """The items of a share, with the ledger's record as it is now (APT-11)."""

    def place(item: AppointmentItem) -> None:
        item.appointment_id, item.institute_id, item.mode = header.id, share.institute_id, share.mode
        item.snapshot = snapshot(item.instrument)

    with header_moves(ctx.session):
        for item in sorted(share.items, key=lambda row: row.id):
            cascade(ctx, item, "assign", change=place)


def children_of(session: Session, parent_id: int) -> list[Appointment]:
    """The orders that an application was split into."""
    statement = select(Appointment).where(Appointment.parent_id == parent_id).order_by(Appointment.id)
    return list(session.execute(statement.execution_options(unscoped=True)).scalars())


CONFIRMED = "机构已确认的预约不能取消，请联系检定机构。"


def cancel_accepted(ctx: Context) -> str | None:
    """Where withdrawing is asked for: from acceptance on, and from the administration's confirmation on where there is one
    (S2 §2.2: 待行政确认 is withdrawn at once, what lies with an institute is asked for)."""
    confirmed = switch_on("appointment.withdraw_request") and switch_on("appointment.admin_confirm")
    if ctx.obj.state == S.SUBMITTED and confirmed:
        return "预约单已送达检定机构，请使用“申请撤销”。"
    return accepted_stays() if ctx.obj.state == S.ACCEPTED else None


def accepted_stays() -> str | None:
    """Why a unit cannot take back what an institute has accepted, the whole order or one instrument of it."""
    if not setting("appointment", "cancel_accepted"):
        return CONFIRMED
    return "机构已受理，请使用“申请撤销”。" if switch_on("appointment.withdraw_request") else None


def extendable(ctx: Context) -> str | None:
    if ctx.obj.mode != DeliveryMode.DELIVER:
        return "只有送检的预约单可以申请延长。"
    if ctx.obj.extended or ctx.obj.extension_asked_at:
        return "每张预约单只能延长一次。"
    if ctx.obj.deadline_at and ctx.obj.deadline_at < clock.now():
        return "已超过送检期限。"
    return None


def restorable(ctx: Context) -> str | None:
    if not ctx.obj.auto_withdrawn:
        return "只有系统自动撤销的预约单可以申请恢复。"
    if (ctx.obj.ended_at or ctx.obj.updated_at) < clock.now() - timedelta(days=30):
        return "已超过恢复期限，请重新预约。"
    limit = int(setting("appointment", "restores"))
    return f"该预约单已恢复过{ctx.obj.restores}次，请重新预约。" if ctx.obj.restores >= limit else None


def new_number(session: Session) -> str:
    """yyyymmdd and as many digits of the day's counter as the profile says: 5 nationally, 6 in Zhejiang (APT-12)."""
    day = f"{clock.today():%Y%m%d}"
    width = int(setting("appointment", "number_digits"))
    return f"{day}{next_number(session, 'appointment', 'all', day):0{width}d}"


def give_number(ctx: Context) -> None:
    if ctx.obj.number is None:
        ctx.obj.number = new_number(ctx.session)
    ctx.obj.submitted_at = clock.now()


def take_places(ctx: Context) -> None:
    if ctx.obj.slot_id is not None:
        take(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def give_back_places(ctx: Context) -> None:
    """Before the items move: as many places as live items still hold."""
    if ctx.obj.slot_id is not None and ctx.obj.submitted_at is not None:
        give_back(ctx.session, ctx.obj.slot_id, len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES]))


def never_sent(ctx: Context) -> None:
    """After the items have moved: an order that never went to its institute is not in that institute's books, neither a
    draft thrown away nor an application that the administration has not confirmed."""
    if not any(item.snapshot for item in items_of(ctx)):
        ctx.obj.institute_id = None


def set_accepted(ctx: Context) -> None:
    ctx.obj.accepted_at = clock.now()
    set_deadline(ctx)


def set_deadline(ctx: Context) -> None:
    if ctx.obj.mode == DeliveryMode.DELIVER and switch_on("appointment.auto_withdraw"):
        days = int(setting("appointment", "deadline_workdays"))
        ctx.obj.deadline_at = deadline(ctx.session, clock.today(), days)
        ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日", False


def ask_extension(ctx: Context) -> None:
    ctx.obj.extension_asked_at = clock.now()


def extend_term(ctx: Context) -> None:
    days = int(setting("appointment", "extended_workdays"))
    accepted = ctx.obj.accepted_at.astimezone(clock.ZONE).date()
    ctx.obj.deadline_at = deadline(ctx.session, accepted, days)
    ctx.obj.deadline_basis, ctx.obj.extended = f"受理后{days}个工作日（已延长）", True


def mark_auto(ctx: Context) -> None:
    ctx.obj.auto_withdrawn, ctx.obj.ended_at = True, clock.now()


def mark_nagged(ctx: Context) -> None:
    ctx.obj.nagged_at = clock.now()


def reply(ctx: Context) -> None:
    """What the institute answers: the day it arranged and what it wants to say."""
    ctx.obj.reply = str(ctx.data.get("note") or "").strip()[:500]
    day = ctx.data.get("visit_day")
    if day:
        ctx.obj.visit_day = day if isinstance(day, date) else date.fromisoformat(str(day))


def visit_day_ahead(ctx: Context) -> str | None:
    day = ctx.data.get("visit_day")
    if not day:
        return None
    try:
        told = day if isinstance(day, date) else date.fromisoformat(str(day))
    except ValueError:
        return "“安排日期”不是有效的日期，请按 2026-11-20 的格式填写。"
    return "“安排日期”不能早于今天。" if told < clock.today() else None


def restored(ctx: Context) -> None:
    """A slot that has passed meanwhile is let go: the new term for bringing the instruments counts (S2 §2.2)."""
    ctx.obj.auto_withdrawn, ctx.obj.ended_at = False, None
    ctx.obj.accepted_at = clock.now()  # 拥有新的7个工作日送检时间: the term begins anew
    ctx.obj.restores += 1
    slot = ctx.session.get(Slot, ctx.obj.slot_id or 0, execution_options={"unscoped": True})
    if slot is not None and slot.day < clock.today() and not places_kept(ctx):
        ctx.obj.slot_id = None
    take_places(ctx)
    set_deadline(ctx)


def places_kept(ctx: Context) -> int:
    return held_places(ctx.obj.state, [i.state for i in items_of(ctx)])


def change_slot(ctx: Context) -> None:
    places = len([i for i in items_of(ctx) if i.state in LIVE_ITEM_STATES])
    new_slot = int(ctx.data["slot_id"])
    take(ctx.session, new_slot, places)
    if ctx.obj.slot_id is not None:
        give_back(ctx.session, ctx.obj.slot_id, places)
    ctx.obj.slot_id = new_slot


# -- people without an order -------------------------------------------------------------------------------------------


def brought(ctx: Context) -> list[Instrument]:
    """What somebody brought to the counter without an order, in the order in which it is locked."""
    wanted = [int(pk) for pk in ctx.data.get("instrument_ids") or ()]
    statement = (
        select(Instrument)
        .where(Instrument.id.in_(wanted), Instrument.unit_id == ctx.obj.unit_id)
        .order_by(Instrument.id)
        .with_for_update(of=Instrument)
        .execution_options(unscoped=True, populate_existing=True)
    )
    return list(ctx.session.execute(statement).scalars())


def can_be_taken(ctx: Context) -> str | None:
    """The same conditions as for an order that was booked, asked of what stands on the counter."""
    rows = brought(ctx)
    if not rows or len(rows) != len(set(ctx.data.get("instrument_ids") or ())):
        return "请选择该单位的器具。"
    for row in rows:
        name = f"“{row.name} {row.serial_no}”"
        if row.state != InstrumentState.IN_USE:
            return f"器具{name}未在用或备案尚未通过，不能受理。"
        if not row.compulsory:
            return f"器具{name}：{NOT_COMPULSORY}"
        if barred_from_booking(row, clock.today()):
            return f"器具{name}{INVALID}"
        if busy := live_item_sentence(ctx.session, row):
            return busy
        if what := lapsed(ctx.session, ctx.obj.institute_id, row.category_id, clock.today()):
            return f"{what}已失效，不能受理{name}，请先更新授权信息。"
    return None


def items_at_the_counter(ctx: Context) -> None:
    """The items of an order that was made at the counter, accepted like those of any other."""
    with header_moves(ctx.session):
        for row in brought(ctx):
            item = AppointmentItem(
                appointment_id=ctx.obj.id,
                instrument_id=row.id,
                unit_id=ctx.obj.unit_id,
                institute_id=ctx.obj.institute_id,
                use_division=row.use_division,
                mode=ctx.obj.mode,
                snapshot=snapshot(row),
            )
            bear(ctx.session, item, "add", ctx.actor, caused_by="appointment.walk_in")
            cascade(ctx, item, "accept")
