"""变更使用单位: the giving unit asks, the receiving one accepts and says where the instrument stands now.

The history goes along with the instrument; the old unit keeps this row, which nobody can change any more. Nobody answers
for 14 days: the request lapses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import SYSTEM
from app.profiles import switch_on
from app.workflow.engine import REASON, REASON_OPTIONAL, Context, Field, Guard, Step, Workflow, cascade
from app.workflow.lifecycle import mirror
from app.workflow.live import counted, live_item_of
from models.attachment import Attachment
from models.enums import FilingState, InstrumentState, Role, TransferState
from models.filing import Filing
from models.instrument import Instrument
from models.ledger import InstrumentTransfer
from models.organisation import Institute, Unit
from models.reference import Division

S = TransferState
MAIN = frozenset({Role.ENT})
TERM = timedelta(days=14)
MOVABLE = (InstrumentState.IN_USE, InstrumentState.SUSPENDED)


def gives(transfer: InstrumentTransfer, actor: Principal) -> bool:
    return transfer.unit_id == actor.unit_id


def receives(transfer: InstrumentTransfer, actor: Principal) -> bool:
    return transfer.receiver_unit_id == actor.unit_id


def subject_of(session: Session, transfer: InstrumentTransfer) -> Instrument | None:
    """The instrument of a transfer that the person has been shown: the receiver does not see it in the ledger yet, the
    giver does not any more."""
    found: Instrument | None = session.get(Instrument, transfer.instrument_id, execution_options={"unscoped": True})
    return found


def units_of(session: Session, transfer: InstrumentTransfer) -> tuple[str, str]:
    """The names of giver and receiver, who see each other only in this row."""
    statement = select(Unit.id, Unit.name).where(Unit.id.in_((transfer.unit_id, transfer.receiver_unit_id)))
    names = dict(session.execute(statement.execution_options(unscoped=True)).tuples().all())
    return names.get(transfer.unit_id, ""), names.get(transfer.receiver_unit_id, "")


def unit_by_code(session: Session, code: str) -> Unit | None:
    """The active unit of that 统一社会信用代码."""
    statement = select(Unit).where(Unit.code == code, Unit.active.is_(True)).execution_options(unscoped=True)
    return session.execute(statement).scalars().first()


def _movable(ctx: Context) -> str | None:
    subject = subject_of(ctx.session, ctx.obj)
    if subject is None or subject.unit_id != ctx.obj.unit_id or subject.state not in MOVABLE:
        return "只有在用或停用的器具可以变更使用单位。"
    busy = live_item_of(ctx.session, subject.id)
    return "器具有未办结业务，不能变更使用单位。" if busy else None


def _booking(ctx: Context) -> str | None:
    """Only the giver can end the booking."""
    item = live_item_of(ctx.session, ctx.obj.instrument_id)
    own = item is not None and ctx.actor.unit_id == ctx.obj.unit_id
    return f"/appointments/show/{item.appointment_id}" if own and item is not None else None


def _in_time(ctx: Context) -> str | None:
    late = ctx.obj.expires_on < clock.today()
    return "该申请已超过14天有效期，请联系转出单位重新发起。" if late else None


def _rival(ctx: Context) -> int | None:
    subject = subject_of(ctx.session, ctx.obj)
    if subject is None:
        return None
    statement = select(Instrument.id).where(
        Instrument.unit_id == ctx.obj.receiver_unit_id,
        Instrument.dup_key == subject.dup_key,
        Instrument.id != subject.id,
        counted(),
    )
    return ctx.session.scalar(statement.limit(1).execution_options(unscoped=True))


def _key_free(ctx: Context) -> str | None:
    return "本单位已有相同器具，不能接收。" if _rival(ctx) else None


def _rival_page(ctx: Context) -> str | None:
    found = _rival(ctx)
    return f"/instruments/show/{found}" if found else None


def _known_place(ctx: Context) -> str | None:
    code = str(ctx.data.get("use_division") or "")
    known = ctx.session.get(Division, code) if len(code) == 6 else None
    return None if known is not None and not known.has_children else "使用地点行政区划须选择到区县。"


def _move(ctx: Context) -> None:
    """The instrument changes hands in the same transaction."""
    ctx.obj.decided_at = clock.now()
    ctx.obj.place = str(ctx.data["place"])[:200]
    subject = subject_of(ctx.session, ctx.obj)
    new = {"use_division": str(ctx.data["use_division"]), "place": ctx.obj.place}
    cascade(ctx, subject, "transfer_unit", {"receiver": ctx.obj.receiver_unit_id, **new})


def _decide(ctx: Context) -> None:
    ctx.obj.decided_at = clock.now()


# -- what happens to the instrument (its step transfer_unit) ---------------------------------------------------------------


def _out_of_reach(ctx: Context) -> bool:
    """Whether the new place belongs to other institutes: then the filing begins again there."""
    if not switch_on("filing") or ctx.obj.institute_id is None:
        return False
    institute: Any = ctx.session.get(Institute, ctx.obj.institute_id)
    return institute is not None and not str(ctx.data["use_division"]).startswith(institute.area)


def transfer_goes(ctx: Context) -> InstrumentState | None:
    """To be filed again in another institute's area; else as it was."""
    moved = ctx.obj.state == InstrumentState.IN_USE and _out_of_reach(ctx)
    return InstrumentState.UNFILED if moved else None


def take_over(ctx: Context) -> None:
    """Unit, place, filing and papers follow; certificates stay as they were issued."""
    row, place = ctx.obj, str(ctx.data["use_division"])
    receiver = ctx.session.get(Unit, ctx.data["receiver"], execution_options={"unscoped": True})
    giver = ctx.session.get(Unit, row.unit_id, execution_options={"unscoped": True})
    assert receiver is not None
    assert giver is not None
    if _out_of_reach(ctx):
        mirror(ctx, "close")
        row.institute_id = row.filed_on = None
        if row.prior_state == InstrumentState.IN_USE:
            row.prior_state = InstrumentState.UNFILED
    filings = select(Filing).where(Filing.instrument_id == row.id, Filing.state != FilingState.CLOSED)
    for filing in ctx.session.execute(filings.execution_options(unscoped=True)).scalars():
        filing.unit_id, filing.use_division = receiver.id, place
    papers = select(Attachment).where(Attachment.owner_type == "instrument", Attachment.owner_id == row.id)
    for paper in ctx.session.execute(papers.execution_options(unscoped=True)).scalars():
        paper.unit_id = receiver.id
    row.search_text = row.search_text.replace(giver.name, receiver.name)[:400]
    row.unit, row.unit_id = receiver, receiver.id
    row.use_division, row.place = place, str(ctx.data["place"])


REASON_TO_GIVE = REASON
TRANSFER = Workflow(
    name="transfer",
    label="变更使用单位",
    model=InstrumentTransfer,
    states=S,
    labels={
        S.ASKED: "待接收",
        S.ACCEPTED: "已接收",
        S.REFUSED: "已拒绝",
        S.WITHDRAWN: "已撤回",
        S.LAPSED: "已失效",
    },
    tones={S.ASKED: "info", S.ACCEPTED: "success", S.REFUSED: "danger"},
    final=frozenset({S.ACCEPTED, S.REFUSED, S.WITHDRAWN, S.LAPSED}),
    steps=(
        Step(
            "ask",
            "申请变更使用单位",
            (),
            S.ASKED,
            MAIN,
            relation=gives,
            switch="transfer_unit",
            needs=(REASON_TO_GIVE,),
            guards=(Guard("movable", _movable, fix=_booking),),
            own_page=True,
            basis="own",
        ),
        Step(
            "accept",
            "接收",
            (S.ASKED,),
            S.ACCEPTED,
            MAIN,
            relation=receives,
            switch="transfer_unit",
            needs=(
                Field("use_division", "使用地点行政区划", "choice"),
                Field("place", "安装/使用地点", hint="接收后器具安装或使用的地点。"),
            ),
            guards=(
                Guard("in_time", _in_time, fix=None),
                Guard("movable", _movable, fix=_booking),
                Guard("key_free", _key_free, fix=_rival_page),
                Guard("known_place", _known_place, needs_input=True, fix=None),
            ),
            effects=(_move,),
            primary=True,
            basis="own",
        ),
        Step(
            "refuse",
            "拒绝接收",
            (S.ASKED,),
            S.REFUSED,
            MAIN,
            relation=receives,
            needs=(REASON_OPTIONAL,),
            effects=(_decide,),
            danger=True,
            basis="own",
        ),
        Step(
            "withdraw",
            "撤回申请",
            (S.ASKED,),
            S.WITHDRAWN,
            MAIN,
            relation=gives,
            effects=(_decide,),
            basis="own",
        ),
        Step("lapse", "超期失效", (S.ASKED,), S.LAPSED, SYSTEM, effects=(_decide,), basis="own: 14 days"),
    ),
    instrument_of=lambda transfer: transfer.instrument_id,
)
