"""Machine 3 of WORKFLOWS: the life of a measuring instrument in the ledger."""

from __future__ import annotations

from sqlalchemy import select

from app.access.principal import Principal
from app.access.roles import REGULATOR, SYSTEM, UNIT
from app.profiles import setting, switch_on
from app.workflow.engine import (
    REASON,
    REASON_OPTIONAL,
    Context,
    Effect,
    Field,
    Guard,
    Prior,
    Step,
    Words,
    Workflow,
    cascade,
)
from app.workflow.live import ever_booked, ever_verified, live_item_of, live_item_sentence
from models.enums import FilingState, InstrumentState, Role
from models.filing import Filing
from models.instrument import Instrument

S = InstrumentState


def is_own(instrument: Instrument, actor: Principal) -> bool:
    """A unit acts on its own instruments; a regulator on those in the area (scope has decided that already)."""
    return instrument.unit_id == actor.unit_id or actor.has(Role.REG)


def _free(ctx: Context) -> str | None:
    return "器具正在预约流程中，不能修改。" if live_item_of(ctx.session, ctx.obj.id) else None


def _not_booked(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        return f"器具已预约，请先取消预约再{verb}。" if live_item_of(ctx.session, ctx.obj.id) else None

    return Guard(f"not_booked_{verb}", check)


def _no_open_business(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        return f"器具有未办结业务，不能{verb}。" if live_item_of(ctx.session, ctx.obj.id) else None

    return Guard(f"no_open_business_{verb}", check)


def _reason_of_regulator(ctx: Context) -> str | None:
    reason = str(ctx.data.get("reason") or "").strip()
    return "请填写原因（5～500字）。" if ctx.actor.has(Role.REG) and len(reason) < 5 else None


def _scrap_from(ctx: Context) -> str | None:
    direct = ctx.obj.state == S.SUSPENDED or switch_on("scrap_direct")
    return None if direct else "请先停用，再报废。"


def _key_free(verb: str) -> Guard:
    """I-19: the key may have been taken while the row was away."""

    def check(ctx: Context) -> str | None:
        gone = (S.PURGED, S.MERGED, S.FORMER)
        rival = select(Instrument.id).where(
            Instrument.unit_id == ctx.obj.unit_id,
            Instrument.dup_key == ctx.obj.dup_key,
            Instrument.id != ctx.obj.id,
            Instrument.state.not_in(gone),
        )
        found = ctx.session.execute(rival.execution_options(unscoped=True)).first()
        return f"已有相同器具在用，不能{verb}。" if found else None

    return Guard(f"key_free_{verb}", check)


def _never_used(ctx: Context) -> str | None:
    filed = select(Filing.id).where(Filing.instrument_id == ctx.obj.id, Filing.final_institute_id.is_not(None))
    if ctx.session.execute(filed.execution_options(unscoped=True)).first():
        return "已备案或已检定的器具不能删除。"
    used = ever_booked(ctx.session, ctx.obj.id) or ever_verified(ctx.session, ctx.obj.id)
    return "已备案或已检定的器具不能删除。" if used else None


def _no_certificate(ctx: Context) -> str | None:
    kept = "该器具有检定记录，依规保留，仅从您的库中移除。"
    return kept if ever_verified(ctx.session, ctx.obj.id) else None


def _serial_typed(ctx: Context) -> str | None:
    same = str(ctx.data.get("serial_no") or "").strip() == ctx.obj.serial_no
    return None if same else "输入的出厂编号与该器具不一致，请核对后重新输入。"


def _mirror_filing(step: str) -> Effect:
    """Suspend, enable and close travel to the live filing (WORKFLOWS 4, 18)."""

    def effect(ctx: Context) -> None:
        live = select(Filing).where(Filing.instrument_id == ctx.obj.id, Filing.state != FilingState.CLOSED)
        row = ctx.session.execute(live.execution_options(unscoped=True)).scalars().first()
        if row is None:
            return
        from app.workflow.filing import FILING

        if FILING.states(row.state) in FILING.step(step).source:
            cascade(ctx, row, step)

    return effect


def _reset_prior(ctx: Context) -> None:
    ctx.obj.prior_state = None


REASON_OF_SUSPENSION = REASON_OPTIONAL
TYPE_SERIAL = Field("serial_no", "出厂编号", hint="输入该器具的出厂编号以确认彻底删除")
MIRRORED_STATES = (S.UNFILED, S.IN_USE)

INSTRUMENT = Workflow(
    name="instrument",
    label="器具",
    model=Instrument,
    states=S,
    labels=Words(
        {
            S.UNFILED: "待备案",
            S.FILING: "备案中",
            S.IN_USE: lambda: str(setting("labels", "in_use")),
            S.SUSPENDED: "停用",
            S.SCRAPPED: "报废",
            S.FORMER: "曾用",
            S.PURGED: "已彻底删除",
            S.MERGED: "已合并",
        }
    ),
    tones={
        S.UNFILED: "warning",
        S.FILING: "info",
        S.IN_USE: "success",
        S.SUSPENDED: "muted",
        S.SCRAPPED: "muted",
    },
    final=frozenset({S.PURGED}),
    steps=(
        Step("add", "新增", (), S.UNFILED, UNIT, own_page=True, basis="S0 §三(三); S1 §3.3; S2 §2.1; S4 §三"),
        Step("add_in_use", "新增", (), S.IN_USE, UNIT, switch="ledger.direct", own_page=True, basis="S1 §3.3"),
        Step("copy", "复制", (), S.UNFILED, UNIT, own_page=True, basis="S1 §3.3; S4 §三"),
        Step("import", "导入", (), S.UNFILED, UNIT, own_page=True, basis="S1 §3.3; S2 §2.1; S4 §三"),
        Step(
            "edit",
            "修改",
            (S.UNFILED, S.IN_USE, S.SUSPENDED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            guards=(Guard("free", _free),),
            own_page=True,
            basis="S1 §3.3; S4 §三",
        ),
        Step(
            "bulk_edit",
            "批量修改",
            (S.UNFILED, S.IN_USE, S.SUSPENDED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            guards=(Guard("free", _free),),
            own_page=True,
            basis="S2 §2.1",
        ),
        Step(
            "complete_info", "信息完善", (S.IN_USE,), Prior.SAME, UNIT, relation=is_own, own_page=True, basis="S2 §2.1"
        ),
        Step(
            "update_address",
            "更新地址",
            (S.UNFILED, S.IN_USE, S.SUSPENDED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            own_page=True,
            basis="S4 §三",
        ),
        Step(
            "change_nozzle",
            "更换加油枪",
            (S.IN_USE,),
            S.FORMER,
            UNIT,
            relation=is_own,
            switch="change_nozzle",
            own_page=True,
            guards=(_no_open_business("更换加油枪"),),
            basis="S4 §三",
        ),
        Step("submit_filing", "提交备案", (S.UNFILED,), S.FILING, SYSTEM, basis="S4 §四.1"),
        Step("filing_back", "备案退回", (S.FILING, S.IN_USE), S.UNFILED, SYSTEM, basis="S4 §四.2, §四.4"),
        Step("filing_ok", "备案通过", (S.FILING,), S.IN_USE, SYSTEM, basis="S4 §三"),
        Step(
            "suspend",
            "停用",
            (S.IN_USE, S.UNFILED),
            S.SUSPENDED,
            UNIT | REGULATOR,
            relation=is_own,
            remember=True,
            needs=(REASON_OF_SUSPENSION,),
            bulk=True,
            danger=True,
            guards=(_not_booked("停用"), Guard("regulator_reason", _reason_of_regulator, needs_input=True)),
            effects=(_mirror_filing("suspend"),),
            basis="S1 §3.3; S4 §三, §四.4",
        ),
        Step(
            "enable",
            "启用",
            (S.SUSPENDED,),
            Prior.BEFORE,
            UNIT,
            relation=is_own,
            bulk=True,
            guards=(_key_free("启用"),),
            effects=(_mirror_filing("enable"), _reset_prior),
            basis="S1 §3.3; S4 §三",
        ),
        Step(
            "enable_scrapped",
            "启用",
            (S.SCRAPPED,),
            S.IN_USE,
            UNIT,
            relation=is_own,
            switch="enable_from_scrapped",
            guards=(_key_free("启用"),),
            basis="S1 §3.3",
        ),
        Step(
            "scrap",
            "报废",
            (S.SUSPENDED, S.IN_USE, S.UNFILED),
            S.SCRAPPED,
            UNIT,
            relation=is_own,
            bulk=True,
            needs=(REASON,),
            danger=True,
            guards=(_not_booked("报废"), Guard("scrap_from", _scrap_from)),
            effects=(_mirror_filing("close"),),
            basis="S1 §3.3; S4 §三",
        ),
        Step(
            "retire",
            "转入曾用库",
            (S.IN_USE, S.SUSPENDED, S.SCRAPPED),
            S.FORMER,
            UNIT,
            relation=is_own,
            switch="former",
            needs=(REASON,),
            guards=(_no_open_business("转入曾用库"),),
            effects=(_mirror_filing("close"),),
            basis="S2 §2.4",
        ),
        Step(
            "restore",
            "恢复",
            (S.FORMER,),
            S.IN_USE,
            UNIT,
            relation=is_own,
            switch="former",
            guards=(_key_free("恢复"),),
            basis="S2 §2.4",
        ),
        Step(
            "purge",
            "彻底删除",
            (S.FORMER,),
            S.PURGED,
            UNIT,
            relation=is_own,
            switch="former",
            needs=(TYPE_SERIAL,),
            danger=True,
            guards=(Guard("no_certificate", _no_certificate), Guard("typed", _serial_typed, True)),
            basis="S2 §2.4",
        ),
        Step(
            "delete",
            "删除",
            (S.UNFILED,),
            S.PURGED,
            UNIT,
            relation=is_own,
            danger=True,
            bulk=True,
            guards=(Guard("never_used", _never_used),),
            effects=(_mirror_filing("close"),),
            basis="S1 §3.3; S4 §三",
        ),
        Step(
            "merge",
            "合并",
            (S.IN_USE, S.SUSPENDED, S.UNFILED),
            S.MERGED,
            UNIT,
            relation=is_own,
            switch="merge",
            remember=True,
            own_page=True,
            guards=(_no_open_business("合并"),),
            basis="BEYOND 16",
        ),
        Step(
            "unmerge",
            "取消合并",
            (S.MERGED,),
            Prior.BEFORE,
            UNIT,
            relation=is_own,
            switch="merge",
            own_page=True,
            guards=(_key_free("取消合并"),),
            basis="BEYOND 16",
        ),
        Step(
            "transfer_unit",
            "变更使用单位",
            (S.IN_USE, S.SUSPENDED),
            Prior.SAME,
            frozenset({Role.ENT}),
            relation=is_own,
            switch="transfer_unit",
            own_page=True,
            guards=(_no_open_business("变更使用单位"),),
            basis="own",
        ),
        Step("cert_update", "检定结果入库", (S.IN_USE, S.SUSPENDED), Prior.SAME, SYSTEM, basis="强检办法 art. 6"),
    ),
    instrument_of=lambda instrument: instrument.id,
)

__all__ = ["INSTRUMENT", "live_item_sentence"]
