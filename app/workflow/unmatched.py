"""Machine 10 of WORKFLOWS: a result of another system that no ledger row answers to (未匹配检定记录)."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, REGULATOR, SYSTEM, UNIT
from app.workflow.certificate import last_verification, update_instrument
from app.workflow.engine import REASON, Context, Field, Guard, Step, Workflow
from models.enums import RecordSource, Role, UnmatchedState
from models.instrument import Instrument
from models.organisation import Unit
from models.unmatched import UnmatchedRecord

S = UnmatchedState
SENDERS = frozenset({Role.REC, Role.VER, Role.IMG})
SOURCES = {RecordSource.FORM: "网页录入", RecordSource.WORKBOOK: "表格报送", RecordSource.API: "接口报送"}
COUNTS = ("in_use", "suspended", "unfiled", "filing", "scrapped")
"""States in which an instrument is still its unit's: a result may be linked to it."""


def is_own(record: UnmatchedRecord, actor: Principal) -> bool:
    return record.unit_id is not None and record.unit_id == actor.unit_id


def at_mine(record: UnmatchedRecord, actor: Principal) -> bool:
    return record.institute_id == actor.institute_id


def at_mine_or_regulator(record: UnmatchedRecord, actor: Principal) -> bool:
    return actor.has(Role.REG) or at_mine(record, actor)


def same_serial(session: Session, unit_id: int | None, serial_no: str) -> list[Instrument]:
    """The unit's instruments whose factory number is the same without noise: width, case, spaces, O/0, brackets."""
    if unit_id is None or not serial_no.strip():
        return []
    statement = (
        select(Instrument)
        .where(
            Instrument.unit_id == unit_id,
            Instrument.state.in_(COUNTS),
            func.fold_number(Instrument.serial_no) == func.fold_number(serial_no),
        )
        .order_by(Instrument.id)
        .limit(50)
    )
    return list(session.execute(statement.execution_options(unscoped=True)).scalars())


def match_of(session: Session, record: UnmatchedRecord) -> Instrument | None:
    """The one instrument that the record surely means: by serial, by the name where several share it (UNM-02)."""
    found = same_serial(session, record.unit_id, record.serial_no)
    if len(found) > 1:
        found = [row for row in found if _fold(row.name) == _fold(record.instrument_name)]
    return found[0] if len(found) == 1 else None


def _fold(text: str) -> str:
    return "".join(text.split()).casefold()


def unit_by_code(session: Session, code: str) -> Unit | None:
    """The active unit of a credit code."""
    statement = select(Unit).where(Unit.code == code.strip().upper(), Unit.active)
    return session.execute(statement.execution_options(unscoped=True)).unique().scalars().first()


def _arrives(ctx: Context) -> UnmatchedState | None:
    """Straight to the ledger when there is no doubt which instrument is meant."""
    found = match_of(ctx.session, ctx.obj)
    if found is None:
        return None
    ctx.obj.instrument_id = found.id
    return S.LINKED


def _chosen(ctx: Context) -> Instrument | None:
    text = str(ctx.data.get("instrument_id") or "")
    row = ctx.session.get(Instrument, int(text)) if text.isdecimal() else None
    return row if row is not None and row.unit_id == ctx.obj.unit_id and row.state in COUNTS else None


def _instrument_chosen(ctx: Context) -> str | None:
    return None if _chosen(ctx) is not None else "请选择本单位台账中的器具。"


def _not_older(ctx: Context) -> str | None:
    row = _chosen(ctx)
    last = last_verification(ctx.session, row.id) if row else None
    newer = last is not None and last.verified_on > ctx.obj.verified_on
    return None if not newer or ctx.data.get("older_ok") else "该器具已有更新的检定记录，仍要关联？请勾选确认。"


def _same_thing(ctx: Context) -> str | None:
    row = _chosen(ctx)
    if row is None or ctx.data.get("differs_ok"):
        return None
    other_name = _fold(row.name) != _fold(ctx.obj.instrument_name)
    other_model = bool(ctx.obj.model) and _fold(row.model) != _fold(ctx.obj.model)
    return "名称或型号不一致，请核对；确属同一台器具的请勾选确认。" if other_name or other_model else None


def _attach(ctx: Context) -> None:
    row = _chosen(ctx)
    ctx.obj.instrument_id = row.id if row else None
    _count(ctx)


def _count(ctx: Context) -> None:
    """The result counts from now on (VER-11)."""
    ctx.obj.decided_at = clock.now()
    if ctx.obj.instrument_id is not None:
        update_instrument(ctx, ctx.obj.instrument_id)


def _counts_at_once(ctx: Context) -> None:
    if ctx.obj.state == S.LINKED:
        _count(ctx)


def _detach(ctx: Context) -> None:
    before = ctx.obj.instrument_id
    ctx.obj.instrument_id = None
    if before is not None:
        ctx.session.flush()
        update_instrument(ctx, before)


def _instrument_given(ctx: Context) -> None:
    """The import made or named the instrument; its operation puts the id into the step's data."""
    ctx.obj.instrument_id = int(str(ctx.data["instrument_id"]))
    _count(ctx)


def _rematch(ctx: Context) -> None:
    found = match_of(ctx.session, ctx.obj)
    if found is not None:
        ctx.obj.instrument_id = found.id
        _count(ctx)


def _is_matched(ctx: Context) -> str | None:
    return None if match_of(ctx.session, ctx.obj) is not None else "台账中没有唯一对应的器具。"


def _other_unit(ctx: Context) -> str | None:
    text = str(ctx.data.get("unit_code") or "")
    found = unit_by_code(ctx.session, text)
    if found is None:
        return "没有这个统一社会信用代码的单位，请核对。"
    return "该记录已属于这个单位，请填写其他单位。" if found.id == ctx.obj.unit_id else None


def _give_unit(ctx: Context) -> None:
    found = unit_by_code(ctx.session, str(ctx.data["unit_code"]))
    if found is not None:
        ctx.obj.unit_id, ctx.obj.unit_code, ctx.obj.unit_name = found.id, found.code or "", found.name
        ctx.obj.use_division = found.division_code[:6]
        ctx.obj.decided_at = None  # what the former unit took apart says nothing about the new one


OLDER = Field("older_ok", "该器具已有更新的检定记录，仍要关联", "tick", required=False)
DIFFERS = Field("differs_ok", "名称或型号不一致，确认为同一台器具", "tick", required=False)

UNMATCHED = Workflow(
    name="unmatched",
    label="未匹配检定记录",
    model=UnmatchedRecord,
    states=S,
    labels={
        S.PENDING: "待处理",
        S.IMPORTED: "已导入台账",
        S.LINKED: "已关联器具",
        S.DISPUTED: "已反馈机构",
        S.CORRECTED: "机构已更正",
        S.NOT_OURS: "非本单位",
        S.CLOSED: "已关闭",
    },
    tones={
        S.PENDING: "warning",
        S.DISPUTED: "info",
        S.CORRECTED: "warning",
        S.LINKED: "success",
        S.IMPORTED: "success",
    },
    final=frozenset({S.IMPORTED, S.CLOSED}),
    steps=(
        Step(
            "arrive",
            "收到记录",
            (),
            S.PENDING,
            SENDERS | SYSTEM,
            switch="unmatched",
            own_page=True,
            goes=_arrives,
            effects=(_counts_at_once,),
            basis="S2 §2.5",
        ),
        Step(
            "import",
            "导入",
            (S.PENDING, S.CORRECTED),
            S.IMPORTED,
            UNIT,
            relation=is_own,
            switch="unmatched",
            own_page=True,
            primary=True,
            effects=(_instrument_given,),
            basis="S2 §2.5",
        ),
        Step(
            "link",
            "关联",
            (S.PENDING, S.CORRECTED),
            S.LINKED,
            UNIT,
            relation=is_own,
            switch="unmatched",
            own_page=True,
            needs=(Field("instrument_id", "台账中的器具"), OLDER, DIFFERS),
            guards=(
                Guard("instrument", _instrument_chosen, needs_input=True, fix=None),
                Guard("older", _not_older, needs_input=True, fix=None),
                Guard("same", _same_thing, needs_input=True, fix=None),
            ),
            effects=(_attach,),
            basis="S2 §2.5",
        ),
        Step(
            "match",
            "自动匹配",
            (S.PENDING, S.CORRECTED, S.DISPUTED),
            S.LINKED,
            SYSTEM,
            guards=(Guard("matched", _is_matched, fix=None),),
            effects=(_rematch,),
            basis="UNM-02",
        ),
        Step(
            "unlink",
            "解除关联",
            (S.LINKED,),
            S.PENDING,
            UNIT,
            relation=is_own,
            switch="unmatched",
            needs=(REASON,),
            effects=(_detach,),
            danger=True,
            basis="own",
        ),
        Step(
            "dispute",
            "反馈机构",
            (S.PENDING,),
            S.DISPUTED,
            UNIT,
            relation=is_own,
            switch="unmatched",
            needs=(REASON,),
            basis="own",
        ),
        Step(
            "correct",
            "更正",
            (S.DISPUTED,),
            S.CORRECTED,
            SENDERS,
            relation=at_mine,
            switch="unmatched",
            own_page=True,
            basis="own",
        ),
        Step(
            "not_ours",
            "非本单位",
            (S.PENDING,),
            S.NOT_OURS,
            UNIT,
            relation=is_own,
            switch="unmatched",
            needs=(REASON,),
            basis="own",
        ),
        Step(
            "reassign",
            "改派单位",
            (S.NOT_OURS,),
            S.PENDING,
            REGULATOR | RECEPTION,
            relation=at_mine_or_regulator,
            switch="unmatched",
            needs=(Field("unit_code", "统一社会信用代码"),),
            guards=(Guard("unit", _other_unit, needs_input=True, fix=None),),
            effects=(_give_unit,),
            basis="own",
        ),
        Step(
            "close",
            "关闭",
            (S.PENDING, S.DISPUTED, S.NOT_OURS),
            S.CLOSED,
            REGULATOR,
            switch="unmatched",
            needs=(REASON,),
            danger=True,
            basis="own",
        ),
    ),
)
