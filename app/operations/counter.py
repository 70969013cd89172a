"""Reception at the counter: finding the order, comparing its instruments, opening the 委托单, people without an order.

Receiving stops the clock of the order and ends 取消预约, because the instrument is no longer `accepted` (VER-01).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.audit import audit
from app.access.principal import Principal, as_system
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from app.operations.appointment import ALREADY
from app.workflow import COMMISSION, bear, fire
from app.workflow.appointment_rules import children_of, new_number
from app.workflow.commission_rules import order_admitted, secret_once
from app.workflow.engine import Context
from models.appointment import Appointment, AppointmentItem
from models.commission import Commission
from models.enums import LIVE_ITEM_STATES, AppointmentState, CommissionState, InstrumentState, ItemState
from models.instrument import Instrument
from models.organisation import Unit

IN_ADDRESS = re.compile(r"/appointments/(?:show|sheet)/([0-9]{1,18})")
"""What the QR code of a booking sheet says, scanned into the field."""
IN_TEXT = re.compile(r"(?<![0-9])[0-9]{12,20}(?![0-9])", re.ASCII)
UNKNOWN = "没有找到该预约单，请核对编号；尚未预约的，请先在系统中预约。"
MOST_SHOWN = 200
CODE = re.compile(r"[0-9A-Z]{18}")


# -- the order ---------------------------------------------------------------------------------------------------------


def find_order(session: Session, actor: Principal, typed: str) -> tuple[Appointment | None, str]:
    """(the order that this institute may receive, "") or (None, the sentence that says why not).

    `typed` is an order's number or what a scanner read from the sheet's QR code. Numbers stand on paper that people
    carry to the wrong house, so the sentence names the house they belong to; nothing else of the order is told.
    """
    with as_system("the counter tells people with another institute's order where to go"):
        found = _order_of(session, typed)
        children = children_of(session, found.id) if found is not None and found.state == AppointmentState.SPLIT else []
        mine = [child for child in children if child.institute_id == actor.institute_id]
        if len(mine) == 1:
            found = mine[0]
        if found is None:
            return None, UNKNOWN
        if children and len(mine) != 1:
            numbers = "、".join(str(child.number) for child in mine or children)
            return None, f"该申请已分成多张预约单，请输入其中一张的编号：{numbers}。"
        if sentence := why_not_here(session, actor, found):
            return None, sentence
        pk = found.id
    return order_here(session, pk), ""


def _order_of(session: Session, typed: str) -> Appointment | None:
    if (by_id := IN_ADDRESS.search(typed)) is not None:
        return session.get(Appointment, int(by_id.group(1)))
    in_text = IN_TEXT.search(typed)
    number = in_text.group() if in_text else typed.strip()
    return session.execute(select(Appointment).where(Appointment.number == number[:20])).scalar_one_or_none()


def why_not_here(session: Session, actor: Principal, order: Appointment) -> str | None:
    """Why an order cannot be received here now, or None."""
    trial = Commission(appointment_id=order.id)
    return order_admitted(Context(session, COMMISSION, COMMISSION.step("start"), trial, actor, {}))


def order_here(session: Session, pk: int) -> Appointment:
    """The order through the actor's scope, with its instruments."""
    statement = (
        select(Appointment)
        .where(Appointment.id == pk)
        .options(
            selectinload(Appointment.unit),
            selectinload(Appointment.institute),
            selectinload(Appointment.items).selectinload(AppointmentItem.instrument),
        )
        .execution_options(populate_existing=True)
    )
    order = session.execute(statement).scalar_one_or_none()
    if order is None:
        raise NotVisibleError
    return order


# -- the visit ---------------------------------------------------------------------------------------------------------


def visit_of(session: Session, appointment_id: int) -> Commission | None:
    """The visit at which an order is being compared just now."""
    statement = select(Commission).where(
        Commission.appointment_id == appointment_id, Commission.state == CommissionState.CHECKING
    )
    return session.execute(statement).scalar_one_or_none()


def unfinished(session: Session, most: int = 20) -> list[Commission]:
    """Visits that were begun at this institute and not opened yet, the newest first."""
    statement = (
        select(Commission)
        .where(Commission.state == CommissionState.CHECKING)
        .options(selectinload(Commission.unit), selectinload(Commission.appointment))
        .order_by(Commission.id.desc())
        .limit(most)
    )
    return list(session.execute(statement).scalars())


def start_visit(session: Session, actor: Principal, appointment_id: int, *, name: str, phone: str) -> Commission:
    """Register who came with the order. Pressed twice, or by two colleagues, it is one visit."""
    locked = select(Appointment).where(Appointment.id == appointment_id).with_for_update(of=Appointment)
    order = session.execute(locked).scalar_one_or_none()
    if order is None:
        raise NotVisibleError
    if (running := visit_of(session, order.id)) is not None:
        return running
    _bringer(name, phone)
    row = Commission(
        appointment_id=order.id,
        unit_id=order.unit_id,
        institute_id=order.institute_id,
        use_division=order.use_division,
        mode=order.mode,
        bringer_name=name.strip()[:40],
        bringer_phone=phone.strip()[:30],
    )
    started: Commission = bear(session, row, "start", actor)
    return started


def _bringer(name: str, phone: str) -> None:
    problems = {}
    if not name.strip():
        problems["name"] = "请填写“送检人”。"
    if not re.fullmatch(r"[0-9+\- ]{5,20}", phone.strip()):
        problems["phone"] = "请填写“送检人电话”，例如 13812345678。"
    if problems:
        raise InvalidInputError("".join(problems.values()), problems=problems)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one instrument: `verdict` is receive, return, or "" for not looked at yet."""

    item_id: int
    verdict: str
    ticks: tuple[str, ...] = ()
    kind: str = ""
    reason: str = ""
    accessories: str = ""
    condition_note: str = ""

    def data(self) -> dict[str, object]:
        """As the step of the machine asks for it."""
        return {
            "item_id": str(self.item_id),
            "verdict": self.verdict,
            "ticks": list(self.ticks),
            "kind": self.kind,
            "reason": self.reason,
            "accessories": self.accessories,
            "condition_note": self.condition_note,
        }


def check_lines(session: Session, actor: Principal, commission_id: int, lines: Iterable[Checked]) -> int:
    """Receive or return each instrument that has a verdict; returns how many.

    All or nothing: raises InvalidInputError with a sentence per line (`problems` by "line-<item>"). What was settled
    already, because the form was sent twice, is left as it is.
    """
    commission = session.get(Commission, commission_id)
    if commission is None:
        raise NotVisibleError
    waiting = {i.id for i in items_of(session, commission) if i.state == ItemState.ACCEPTED}
    known = {i.id for i in items_of(session, commission)}
    problems: dict[str, str] = {}
    done = 0
    for line in lines:
        if line.item_id not in known:
            raise NotVisibleError
        if not line.verdict or line.item_id not in waiting:
            continue
        try:
            fire(session, COMMISSION, commission_id, "check_line", actor, line.data())
            done += 1
        except InvalidInputError as error:
            problems[f"line-{line.item_id}"] = error.sentence
    if problems:
        raise InvalidInputError("部分器具未核对完整，请按提示修改。", problems=problems)
    return done


def items_of(session: Session, commission: Commission) -> list[AppointmentItem]:
    """Instruments of the commission's order."""
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.appointment_id == commission.appointment_id)
        .options(selectinload(AppointmentItem.instrument))
        .order_by(AppointmentItem.id)
    )
    return list(session.execute(statement).scalars())


def open_commission(
    session: Session, actor: Principal, commission_id: int, *, promised_on: date | None = None
) -> tuple[Commission, str]:
    """Give number, password and tasks; (the commission, the password, told this once)."""
    if promised_on is not None and promised_on < clock.today():
        raise InvalidInputError("“承诺完成日期”不能早于今天。", field="promised_on")

    def promise(row: Commission) -> None:
        row.promised_on = promised_on

    opened: Commission = fire(session, COMMISSION, commission_id, "open", actor, change=promise)
    return opened, secret_once(session, opened.id) or ""


# -- people without an order -------------------------------------------------------------------------------------------


def unit_of_code(session: Session, actor: Principal, code: str) -> tuple[Unit, list[Instrument]]:
    """The unit of that credit code and what it may bring: in use, compulsory and in no live order. Leaves an audit line,
    because the institute may never have had to do with the unit."""
    code = code.strip().upper()
    if not CODE.fullmatch(code):
        raise InvalidInputError("统一社会信用代码应为18位数字或大写字母，请核对。", field="code")
    with as_system("somebody stands at the counter with the unit's instruments and its credit code"):
        unit = session.execute(select(Unit).where(Unit.code == code, Unit.active)).scalars().first()
        if unit is None:
            raise InvalidInputError("没有该代码的使用单位，请先在平台注册。", field="code")
        busy = select(AppointmentItem.instrument_id).where(AppointmentItem.state.in_(LIVE_ITEM_STATES))
        statement = (
            select(Instrument)
            .where(
                Instrument.unit_id == unit.id,
                Instrument.state == InstrumentState.IN_USE,
                Instrument.compulsory,
                Instrument.id.not_in(busy),
            )
            .order_by(Instrument.valid_until.nulls_last(), Instrument.id)
            .limit(MOST_SHOWN)
        )
        rows = list(session.execute(statement).scalars())
    audit(session, "walk_in_lookup", entity="unit", entity_id=unit.id, shown=len(rows))
    return unit, rows


def walk_in(
    session: Session,
    actor: Principal,
    *,
    code: str,
    instrument_ids: Sequence[int],
    mode: str,
    name: str,
    phone: str,
) -> Commission:
    """An order born accepted for instruments that came without one, and the visit that receives them."""
    _bringer(name, phone)
    unit, _offered = unit_of_code(session, actor, code)
    wanted = sorted(set(instrument_ids))
    if not wanted:
        raise InvalidInputError("请选择至少一台器具。", field="rowid")
    with as_system("the place of use of what the unit brings"):
        place = session.scalar(
            select(Instrument.use_division).where(Instrument.id == wanted[0], Instrument.unit_id == unit.id)
        )
    if place is None:
        raise NotVisibleError
    order = Appointment(
        unit_id=unit.id,
        institute_id=actor.institute_id,
        use_division=place,
        mode=mode,
        walk_in=True,
        number=new_number(session),
        contact_name=name.strip()[:40],
        contact_phone=phone.strip()[:30],
        submitted_at=clock.now(),
        accepted_at=clock.now(),
    )
    try:
        with session.begin_nested():
            bear(session, order, "walk_in", actor, {"instrument_ids": wanted, "mode": mode})
    except IntegrityError as error:
        raise ConflictError(ALREADY) from error
    return start_visit(session, actor, order.id, name=name, phone=phone)
