"""变更备案信息: locked fields of a filed instrument change only when its institute agrees (WORKFLOWS 4, amend; S4 图20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, UNIT
from app.intake.dup import dup_key
from app.profiles import setting
from app.workflow.engine import REASON, Context, Guard, Step, Workflow, cascade
from app.workflow.live import live_item_of, rival_with
from models.enums import AmendmentState
from models.filing import FilingAmendment

S = AmendmentState


def is_own(row: FilingAmendment, actor: Principal) -> bool:
    return row.unit_id == actor.unit_id


def at_mine(row: FilingAmendment, actor: Principal) -> bool:
    return row.institute_id == actor.institute_id


def _not_booked(ctx: Context) -> str | None:
    return "器具已预约，不能变更备案信息。" if live_item_of(ctx.session, ctx.obj.instrument_id) else None


def _booking(ctx: Context) -> str | None:
    item = live_item_of(ctx.session, ctx.obj.instrument_id)
    return f"/appointments/show/{item.appointment_id}" if item else None


def _still_filed(ctx: Context) -> str | None:
    return None if ctx.obj.filing.state == "approved" else "备案已不是“已审核”状态，变更申请不再有效，请退回。"


def key_after(instrument: Any, changes: Mapping[str, Any]) -> str:
    """The duplicate key that the instrument would have; `changes` is {field: [old, new]}."""
    columns = tuple(setting("ledger", "duplicate_key"))
    values = {key: getattr(instrument, key, None) for key in {*columns, "serial_no", "name", "model"}}
    return dup_key(columns, {**values, **{key: pair[1] for key, pair in changes.items() if key in values}})


def _key_free(ctx: Context) -> str | None:
    """I-19: another record of the unit may have got the same key since the unit asked."""
    key = key_after(ctx.obj.instrument, ctx.obj.changes)
    if not key or rival_with(ctx.session, ctx.obj.unit_id, key, ctx.obj.instrument_id) is None:
        return None
    return "变更后与该单位的另一台器具重复，请选择“不同意变更”并说明原因。"


def _apply(ctx: Context) -> None:
    """The new values reach the ledger with the institute's yes; `changes` is {field: [old, new]}, as JSON. What is
    computed from them follows, and the filing's place of use with them."""
    ctx.obj.decided_at = clock.now()

    def write(instrument: Any) -> None:
        owner = instrument.search_text.removeprefix(f"{instrument.name} {instrument.manufacturer} ")
        for key, (_old, new) in dict(ctx.obj.changes).items():
            setattr(instrument, key, new)
        instrument.dup_key = key_after(instrument, {})
        instrument.search_text = f"{instrument.name} {instrument.manufacturer} {owner}"[:400]

    instrument = cascade(ctx, ctx.obj.instrument, "amended", change=write)
    ctx.obj.use_division = ctx.obj.filing.use_division = instrument.use_division


def _decided(ctx: Context) -> None:
    ctx.obj.decided_at = clock.now()


AMENDMENT = Workflow(
    name="amendment",
    label="备案变更",
    model=FilingAmendment,
    states=S,
    labels={S.PENDING: "待审核", S.APPROVED: "已同意", S.REFUSED: "未同意", S.WITHDRAWN: "已撤回"},
    tones={S.PENDING: "info", S.APPROVED: "success", S.REFUSED: "danger"},
    final=frozenset({S.APPROVED, S.REFUSED, S.WITHDRAWN}),
    steps=(
        Step(
            "ask",
            "申请变更",
            (),
            S.PENDING,
            UNIT,
            switch="filing",
            own_page=True,
            guards=(Guard("not_booked", _not_booked, fix=_booking),),
            basis="own; S4 图20",
        ),
        Step(
            "approve",
            "同意变更",
            (S.PENDING,),
            S.APPROVED,
            RECEPTION,
            relation=at_mine,
            switch="filing",
            primary=True,
            bulk=True,
            guards=(
                Guard("filed", _still_filed, fix="/filing-amendments/step/refuse/{obj.id}"),
                Guard("not_booked", _not_booked, fix=_booking),
                Guard("key_free", _key_free, fix="/filing-amendments/step/refuse/{obj.id}"),
            ),
            effects=(_apply,),
            basis="own",
        ),
        Step(
            "refuse",
            "不同意变更",
            (S.PENDING,),
            S.REFUSED,
            RECEPTION,
            relation=at_mine,
            switch="filing",
            needs=(REASON,),
            danger=True,
            bulk=True,
            effects=(_decided,),
            basis="own",
        ),
        Step(
            "withdraw",
            "撤回申请",
            (S.PENDING,),
            S.WITHDRAWN,
            UNIT,
            relation=is_own,
            switch="filing",
            danger=True,
            effects=(_decided,),
            basis="own",
        ),
    ),
)
