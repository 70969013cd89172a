"""What the demonstration's people do with their instruments: filing, booking, verifying, suspending, scrapping."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Protocol

from PIL import Image, ImageDraw
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal, acting_as, as_system
from app.operations import demo_counter
from app.operations.appointment import book, save_draft
from app.operations.certificate import publish_certificate, record_result
from app.operations.filing import submit_filings
from app.operations.institute import open_slots
from app.operations.instrument_files import add_file
from app.profiles import setting, switch_on
from app.workflow import APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, fire
from app.workflow.band import barred_from_booking
from app.workflow.engine import Workflow
from models.appointment import Appointment, AppointmentItem, Slot
from models.enums import DeliveryMode
from models.filing import Filing
from models.instrument import Instrument
from models.organisation import Institute


class World(Protocol):
    """What this module needs of app/operations/demo.py's builder."""

    session: Session
    rng: Random
    staff: dict[str, int]
    institutes: dict[str, int]

    def acting(self, account_id: int) -> Principal: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an enterprise stands: the area of its institute, of its city's institute, and the county."""

    home: str
    city: str
    county: str


@dataclass(slots=True)
class Walk:
    """One enterprise's business."""

    b: World
    unit: int
    place: Place
    begun: datetime

    @contextmanager
    def at(self, moment: datetime, who: str = "") -> Iterator[Principal]:
        """It is `moment` and `who` acts (a staff key, or the enterprise); commits at the end."""
        with clock.frozen(moment):
            account = self.b.staff[who] if who else self.unit
            with acting_as(self.b.acting(account)) as actor:
                yield actor
                self.b.session.commit()

    def step(self, moment: datetime, who: str, workflow: Workflow, pk: int, name: str, **data: Any) -> None:
        """One step of one row on its day."""
        with self.at(moment, who) as actor:
            fire(self.b.session, workflow, pk, name, actor, data)


Fate = Callable[[Walk, list[int], int | None, datetime], object]


def walk(b: World, unit: int, place: Place, begun: datetime, report: Callable[[float], None]) -> None:
    """All business of one enterprise that this deployment knows. `report` gets parts that sum to 1."""
    w = Walk(b, unit, place, begun)
    with w.at(begun + timedelta(days=3)):
        ids = list(b.session.scalars(select(Instrument.id).order_by(Instrument.id)))
    b.rng.shuffle(ids)
    count = len(ids)
    # large ledgers stay partly unfiled, as after a first import: the world must be there within two minutes
    unfiled = _take(ids, round(count * 0.06) + max(count - 40, 0) // 2)
    waiting = _take(ids, round(count * 0.10))
    if switch_on("filing"):
        _file(w, ids, place.home, begun + timedelta(days=4))
        report(0.3)
        _unfinished_filings(w, waiting)
        report(0.1)
    else:
        report(0.4)
    verified = ids[: min(round(count * 0.24), 12)]
    quiet = ids[len(verified) : len(verified) + min(round(count * 0.06), 6)]
    live = ids[len(verified) + len(quiet) :]
    for number, (day, part) in enumerate(_rounds(b.rng, verified)):
        if switch_on("appointment"):
            _verify(w, part, day, number)
        report(0.12)
    _leave_service(w, quiet)
    report(0.02)
    if switch_on("appointment"):
        _open_bookings(w, live)
    if switch_on("unmatched"):
        demo_counter.other_systems(w)
    report(0.1)
    assert len(unfiled) + len(waiting) + len(ids) == count


def _take(ids: list[int], count: int) -> list[int]:
    return [ids.pop() for _ in range(min(count, len(ids)))]


# -- filing ----------------------------------------------------------------------------------------------------------


def _submit(w: Walk, ids: list[int], institute: str, moment: datetime, **more: Any) -> list[int]:
    """Submit and give the filings' ids."""
    if not ids:
        return []
    with w.at(moment) as actor:
        _type_certificates(w, actor, ids)
        data = {"institute_id": w.b.institutes[institute], "declaration": True, **more}
        done = submit_filings(w.b.session, actor, ids, data).done
        statement = select(Filing.id).where(Filing.instrument_id.in_(done), Filing.state == "submitted")
        return list(w.b.session.scalars(statement.order_by(Filing.id)))


def _type_certificates(w: Walk, actor: Principal, ids: list[int]) -> None:
    """Where a type-evaluated instrument brings its certificate to the filing (CAT-13)."""
    if setting("category", "pv_certificate") != "required":
        return
    for instrument in w.b.session.scalars(select(Instrument).where(Instrument.id.in_(ids))).all():
        if instrument.category.supervision == "P+V":
            data = picture("型式评价证书", instrument.category_id)
            add_file(w.b.session, actor, instrument.id, filename="型式评价证书.png", data=data)


def picture(title: str, number: int) -> bytes:
    """A small picture that stands for a scanned paper."""
    image = Image.new("RGB", (420, 300), (250, 250, 246))
    draw = ImageDraw.Draw(image)
    draw.rectangle((8, 8, 412, 292), outline=(160, 60, 40), width=3)
    draw.text((40, 140), f"DEMO {number + 1:04d} / {len(title)}", fill=(60, 60, 60))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _file(w: Walk, ids: list[int], institute: str, moment: datetime) -> None:
    filings = _submit(w, ids, institute, moment)
    if filings:
        with w.at(moment + timedelta(days=2), f"rec{institute}") as actor:
            for pk in filings:
                fire(w.b.session, FILING, pk, "approve", actor)


def _unfinished_filings(w: Walk, ids: list[int]) -> None:
    """Every state a filing can rest in: the city's institute dispatches, transfers, returns, revokes."""
    city, now = w.place.city, clock.now()
    filings = _submit(w, ids, city, now - timedelta(days=9), allow_province=True)
    reception, other, province = f"rec{city}", f"rec{w.place.home}", city[:2]
    fates = ("submitted", "returned", "dispatched", "transferred", "submitted", "refused", "withdrawn", "revoked")
    for number, pk in enumerate(filings):
        fate, later = fates[number % len(fates)], now - timedelta(days=6)
        if fate == "returned":
            w.step(
                later, reception, FILING, pk, "return", kind="incomplete", reason="铭牌照片不清晰，请补充后重新提交。"
            )
        elif fate in {"dispatched", "refused"} and w.place.home != city:
            w.step(later, reception, FILING, pk, "dispatch", institute_id=w.b.institutes[w.place.home])
            if fate == "refused":
                w.step(later + timedelta(days=1), other, FILING, pk, "refuse", reason="本所暂无该项目计量标准。")
        elif fate in {"transferred", "dispatched", "refused"}:
            w.step(
                later,
                reception,
                FILING,
                pk,
                "transfer",
                institute_id=w.b.institutes[province],
                reason="市级暂无该项目授权，转送省级机构。",
            )
            if fate == "refused":
                w.step(
                    later + timedelta(days=1),
                    f"rec{province}",
                    FILING,
                    pk,
                    "refuse",
                    reason="请市级机构先行核对铭牌信息。",
                )
        elif fate == "withdrawn":
            w.step(later, "", FILING, pk, "withdraw")
        elif fate == "revoked":
            w.step(later, reception, FILING, pk, "approve")
            w.step(
                later + timedelta(days=2), f"img{city}", FILING, pk, "revoke", reason="现场核查发现器具与备案信息不符。"
            )


def _bookable(w: Walk, ids: list[int], moment: datetime) -> list[int]:
    """Those that can be booked some days after `moment`. What was filed long ago and never verified counts for nothing
    where the profile says so: it is suspended, enabled and filed anew, as the sentence tells its unit (S4)."""
    with w.at(moment) as actor:
        rows = w.b.session.scalars(select(Instrument).where(Instrument.id.in_(ids), Instrument.state == "in_use")).all()
        stale = [row.id for row in rows if barred_from_booking(row, clock.today() + timedelta(days=8))]
        for pk in stale:
            fire(w.b.session, INSTRUMENT, pk, "suspend", actor, {"reason": "超过期限未检定，停用后重新备案。"})
            fire(w.b.session, INSTRUMENT, pk, "enable", actor)
    if stale and switch_on("filing"):
        _file(w, stale, w.place.home, moment)
    with w.at(moment + timedelta(days=4)):
        rows = w.b.session.scalars(select(Instrument).where(Instrument.id.in_(ids), Instrument.state == "in_use")).all()
        # an instrument whose name tells no catalogue entry waits until its unit has said more
        return [r.id for r in rows if r.institute_id is not None and not barred_from_booking(r, clock.today())]


# -- verification ----------------------------------------------------------------------------------------------------

ROUNDS = (420, 342, 150, 25)
"""Days before today: with a cycle of 12 months overdue, due soon, good, good."""


def _rounds(rng: Random, ids: list[int]) -> Iterator[tuple[datetime, list[int]]]:
    """Split instruments over the days on which the institute came."""
    for number, days in enumerate(ROUNDS):
        yield clock.now() - timedelta(days=days + rng.randint(0, 12)), ids[number :: len(ROUNDS)]


def _slots(w: Walk, day: date, *, capacity: int = 400) -> dict[str, int]:
    """Slots of the home institute on a day, by way of verification; none where nothing is booked by slots."""
    if not switch_on("appointment.slots"):
        return {}
    with as_system("opening the slots of the demonstration"):
        institute = w.b.session.get(Institute, w.b.institutes[w.place.home])
        assert institute is not None
        open_slots(w.b.session, institute, [day], capacity=capacity)
        rows = w.b.session.execute(
            select(Slot).where(Slot.institute_id == institute.id, Slot.day == day, Slot.period == "morning")
        ).scalars()
        found = {row.mode: row.id for row in rows}
        w.b.session.commit()
        return found


def _by_mode(w: Walk, ids: list[int]) -> dict[str, list[int]]:
    with as_system("grouping the demonstration's instruments"):
        rows = w.b.session.execute(select(Instrument.id, Instrument.delivery_mode).where(Instrument.id.in_(ids)))
        found: dict[str, list[int]] = {mode.value: [] for mode in DeliveryMode}
        for pk, mode in rows.tuples():
            found[mode].append(pk)
        return {mode: sorted(part) for mode, part in found.items() if part}


def _booked(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> tuple[int, list[int]]:
    """A submitted appointment and its items, confirmed by the regulator where the profile asks for that."""
    with w.at(moment) as actor:
        made = book(w.b.session, actor, instrument_ids=ids, slot_id=slot)
        pk, items = made.id, _items(w, made)
    if switch_on("appointment.admin_confirm"):
        w.step(moment + timedelta(hours=1), f"reg{w.place.city}", APPOINTMENT, pk, "admin_approve")
    return pk, items


def _items(w: Walk, appointment: Appointment) -> list[int]:
    statement = select(AppointmentItem.id).where(AppointmentItem.appointment_id == appointment.id)
    return list(w.b.session.scalars(statement.order_by(AppointmentItem.id)))


def _verify(w: Walk, ids: list[int], day: datetime, number: int) -> None:
    """One visit: booked, accepted, received, verified, signed by three, published."""
    home = w.place.home
    ids = _bookable(w, ids, day - timedelta(days=10))
    for mode, part in _by_mode(w, ids).items():
        before = day - timedelta(days=4)
        pk, items = _booked(w, part, _slots(w, day.date()).get(mode), before)
        w.step(before + timedelta(days=1), f"rec{home}", APPOINTMENT, pk, "accept")
        with w.at(day, f"rec{home}") as actor:
            for item in items:
                fire(w.b.session, ITEM, item, "receive", actor, {"checked": True})
        papers = []
        with w.at(day + timedelta(hours=2), f"ver{home}") as actor:
            for place, item in enumerate(items):
                passed = (place + number * 3 + w.b.rng.randint(0, 3)) % 9 != 8
                papers.append(record_result(w.b.session, actor, item, form_of(w, item, day.date(), passed=passed)).id)
            for paper in papers:
                fire(w.b.session, CERTIFICATE, paper, "submit", actor)
        with w.at(day + timedelta(hours=3), f"chk{home}") as actor:
            for paper in papers:
                fire(w.b.session, CERTIFICATE, paper, "check", actor)
        with w.at(day + timedelta(hours=5), f"apr{home}") as actor:
            for paper in papers:
                fire(w.b.session, CERTIFICATE, paper, "issue", actor)
                # in the same transaction, so that a running worker does not publish it with today's date
                publish_certificate(w.b.session, paper)
    if number == 2 and ids and w.b.rng.random() < 0.3:
        _revoke(w, ids[0])


def form_of(w: Walk, item: int, day: date, *, passed: bool) -> dict[str, Any]:
    """What a verifier records of an item."""
    row = w.b.session.get(AppointmentItem, item)
    assert row is not None
    months = row.instrument.category.cycle_months or 12
    error = f"{w.b.rng.choice('+-')}0.{w.b.rng.randint(1, 9)}%" if passed else f"+{w.b.rng.randint(2, 6)}.5%"
    return {
        "conclusion": "pass" if passed else "fail",
        "verified_on": day,
        "cycle_months": months,
        "place": row.instrument.place,
        "temperature": f"{w.b.rng.randint(18, 24)}.{w.b.rng.randint(0, 9)}℃",
        "humidity": f"{w.b.rng.randint(30, 62)}%RH",
        "record_no": f"YS{day:%Y%m%d}{item:06d}",
        "readings": [
            ["外观", "符合要求", "无影响计量性能的缺陷"],
            ["示值误差", error, "±1.0%"],
            ["重复性", "0.1%", "≤0.3%"],
        ],
        "failures": "" if passed else "示值误差超出最大允许误差",
    }


def _revoke(w: Walk, instrument: int) -> None:
    from models.certificate import Certificate

    with as_system("choosing a certificate of the demonstration"):
        statement = select(Certificate.id).where(Certificate.instrument_id == instrument, Certificate.state == "issued")
        paper = w.b.session.scalars(statement).first()
    if paper is not None:
        moment, reason = clock.now() - timedelta(days=60), "复核发现原始记录数据录入错误。"
        w.step(moment, f"img{w.place.home}", CERTIFICATE, paper, "ask_revocation", reason=reason)
        w.step(moment + timedelta(days=1), f"apr{w.place.home}", CERTIFICATE, paper, "revoke", reason=reason)


# -- what is going on today --------------------------------------------------------------------------------------------


def _leave_service(w: Walk, ids: list[int]) -> None:
    """Suspended, scrapped, moved to 曾用."""
    with w.at(clock.now() - timedelta(days=40)) as actor:
        for number, pk in enumerate(ids):
            fire(w.b.session, INSTRUMENT, pk, "suspend", actor, {"reason": "生产线停产检修，暂停使用。"})
            if number % 3 == 1:
                fire(w.b.session, INSTRUMENT, pk, "scrap", actor, {"reason": "超过使用年限，报废处理。"})
            elif number % 6 == 2 and switch_on("former") and setting("ledger", "delete_rule") != "to_history":
                fire(w.b.session, INSTRUMENT, pk, "retire", actor, {"reason": "门店关闭，器具封存。"})


def _open_bookings(w: Walk, ids: list[int]) -> None:
    """Bookings in every state in which they can stand today; a small enterprise has fewer of them."""
    slots, usable = _free_slots(w), sorted(_bookable(w, ids, clock.now() - timedelta(days=8)))
    groups = [(mode, part[n : n + 2]) for mode, part in _by_mode(w, usable).items() for n in range(0, len(part), 2)]
    for (mode, part), fate in zip(groups, _fates(), strict=False):
        if not switch_on("appointment.slots") or mode in slots:
            fate(w, part, slots.get(mode), clock.now() - timedelta(days=2))


def _free_slots(w: Walk) -> dict[str, int]:
    """A slot with room for each way of verification."""
    if not switch_on("appointment.slots"):
        return {}
    with as_system("choosing the demonstration's slots"):
        free = w.b.session.execute(
            select(Slot.mode, Slot.id)
            .where(
                Slot.institute_id == w.b.institutes[w.place.home],
                Slot.day > clock.today(),
                Slot.taken < Slot.capacity - 4,
            )
            .order_by(Slot.day.desc())
        ).tuples()
        return dict(free.all())


def _fates() -> list[Fate]:
    """What may become of a booking here; where there is a counter, its visits come early, so that few have them all."""
    visits: list[Fate] = [_visit(what) for what in demo_counter.VISITS] if switch_on("commission") else []
    common = [f for f in FATES if f is not _withdrawal_asked or switch_on("appointment.withdraw_request")]
    return [*common[:2], *visits, *common[2:]]


def _visit(what: Callable[[Walk, int, list[int], datetime], None]) -> Fate:
    def fate(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
        pk, items = _accepted(w, ids, slot, moment)
        what(w, pk, items, moment + timedelta(hours=20))

    return fate


def _draft(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    with w.at(moment) as actor:
        save_draft(w.b.session, actor, instrument_ids=ids, slot_id=slot)


def _submitted(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    _booked(w, ids, slot, moment)


def _accepted(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> tuple[int, list[int]]:
    pk, items = _booked(w, ids, slot, moment)
    w.step(moment + timedelta(hours=3), f"rec{w.place.home}", APPOINTMENT, pk, "accept")
    return pk, items


def _rejected(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    pk, _ = _booked(w, ids, slot, moment)
    w.step(moment, f"rec{w.place.home}", APPOINTMENT, pk, "reject", reason="该日人员外出，请改约其他日期。")


def _withdrawn(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    pk, _ = _booked(w, ids, slot, moment)
    w.step(moment, "", APPOINTMENT, pk, "cancel", reason="设备临时检修，改期再约。")


def _withdrawal_asked(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    pk, _ = _accepted(w, ids, slot, moment)
    w.step(moment + timedelta(hours=5), "", APPOINTMENT, pk, "request_withdraw", reason="门店装修，暂不送检。")


def _sent_back(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    pk, _ = _accepted(w, ids, slot, moment)
    w.step(
        moment + timedelta(hours=5), f"rec{w.place.home}", APPOINTMENT, pk, "send_back", reason="器具与预约信息不符。"
    )


def _received(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    """The first is on the bench with a paper at the checker's, the last waits or was returned at the counter."""
    _, items = _accepted(w, ids, slot, moment)
    home, later = w.place.home, moment + timedelta(hours=20)
    w.step(later, f"rec{home}", ITEM, items[0], "receive", checked=True)
    with w.at(later + timedelta(hours=1), f"ver{home}") as actor:
        paper = record_result(w.b.session, actor, items[0], form_of(w, items[0], clock.today(), passed=True))
        if w.b.rng.random() < 0.7:
            fire(w.b.session, CERTIFICATE, paper.id, "submit", actor)
    if w.b.rng.random() < 0.4 and paper.state == "checking":
        w.step(later + timedelta(hours=2), f"chk{home}", CERTIFICATE, paper.id, "check")
    if len(items) > 1 and w.b.rng.random() < 0.5:
        w.step(later, f"rec{home}", ITEM, items[1], "return", kind="fault", reason="显示屏损坏，请维修后再送检。")


def _aborted(w: Walk, ids: list[int], slot: int | None, moment: datetime) -> None:
    _, items = _accepted(w, ids, slot, moment)
    home, later = w.place.home, moment + timedelta(hours=20)
    w.step(later, f"rec{home}", ITEM, items[0], "receive", checked=True)
    w.step(later + timedelta(hours=1), f"img{home}", ITEM, items[0], "abort", reason="检定过程中器具损坏，终止检定。")


FATES: tuple[Fate, ...] = (
    _submitted,
    _accepted,
    _received,
    _draft,
    _withdrawal_asked,
    _received,
    _rejected,
    _withdrawn,
    _sent_back,
    _aborted,
    _submitted,
    _accepted,
)
