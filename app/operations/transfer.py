"""变更使用单位: asking a unit to take over an instrument, and letting requests lapse that nobody answers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.access.limits import hit
from app.access.principal import Principal
from app.access.validators import normal_code
from app.errors import ConflictError, InvalidInputError, NotVisibleError, QuanhengError
from app.workflow import TRANSFER, bear, fire
from app.workflow.engine import Why, check_role, why_not
from app.workflow.transfer import TERM, unit_by_code
from models.enums import TransferState
from models.instrument import Instrument
from models.ledger import InstrumentTransfer
from models.organisation import Unit

TRIES = "20 per day"
UNKNOWN = "未找到该统一社会信用代码对应的使用单位，请核对代码，或请对方先注册。"
WAITS = "该器具已有待接收的变更申请，请等待对方处理或先撤回。"


def ask_transfer(session: Session, actor: Principal, instrument_id: int, code: str, reason: str) -> InstrumentTransfer:
    """Ask the unit of that code to take the instrument over.

    Raises NotVisibleError for a foreign instrument, InvalidInputError for code, reason and the guards, ConflictError when
    a request already waits, TooOftenError after twenty tries a day.
    """
    check_role(TRANSFER.step("ask"), actor)
    instrument = session.get(Instrument, instrument_id)
    if instrument is None:
        raise NotVisibleError
    transfer = _draft(actor, instrument)
    wanted = normal_code(code)
    if not wanted:
        raise InvalidInputError("请填写接收单位的统一社会信用代码。", field="code")
    hit(f"transfer:{actor.account_id}", TRIES)
    receiver = unit_by_code(session, wanted)
    if receiver is None:
        raise InvalidInputError(UNKNOWN, field="code")
    if receiver.id == actor.unit_id:
        raise InvalidInputError("接收单位不能是本单位。", field="code")
    transfer.receiver_unit_id = receiver.id
    try:
        with session.begin_nested():
            bear(session, transfer, "ask", actor, {"reason": reason})
    except IntegrityError as error:
        raise ConflictError(WAITS) from error
    return transfer


def _draft(actor: Principal, instrument: Instrument) -> InstrumentTransfer:
    return InstrumentTransfer(
        instrument_id=instrument.id,
        unit_id=actor.unit_id,
        use_division=instrument.use_division,
        asked_by_id=actor.account_id,
        expires_on=clock.today() + TERM,
    )


def why_not_ask(session: Session, actor: Principal, instrument: Instrument) -> Why | None:
    """Why the instrument cannot be given away now, with the way to the cure, or None."""
    waiting = select(InstrumentTransfer.id).where(
        InstrumentTransfer.instrument_id == instrument.id, InstrumentTransfer.state == TransferState.ASKED
    )
    if found := session.scalar(waiting):
        return Why(WAITS, "transfer.waits", f"/transfers/show/{found}")
    with session.no_autoflush:
        draft = _draft(actor, instrument)
        try:
            return why_not(session, TRANSFER, draft, TRANSFER.step("ask"), actor)
        finally:
            if draft in session:
                session.expunge(draft)


def own_place(session: Session, actor: Principal) -> dict[str, Any]:
    """What the receiver's form begins with: the unit's own county and address."""
    unit = session.get(Unit, actor.unit_id) if actor.unit_id else None
    return {"use_division": unit.division_code[:6], "place": unit.address} if unit is not None else {}


def lapse_transfers(session: Session, system: Principal) -> int:
    """Requests whose day has passed, one transaction each; returns how many lapsed."""
    count = 0
    due = select(InstrumentTransfer.id).where(
        InstrumentTransfer.state == TransferState.ASKED, InstrumentTransfer.expires_on < clock.today()
    )
    for pk in session.execute(due).scalars().all():
        try:
            fire(session, TRANSFER, pk, "lapse", system)
            session.commit()
            count += 1
        except QuanhengError:
            session.rollback()  # answered at the last second
    return count
