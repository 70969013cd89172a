"""Machine 3 of WORKFLOWS: the life of a measuring instrument in the ledger."""

from __future__ import annotations

from app import clock
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
    Workflow,
)
from app.workflow.lifecycle import (
    back_goes,
    booking_page,
    deletable,
    delete_bars,
    delete_goes,
    enable_bars,
    enable_filing,
    enable_goes,
    hide_deleted,
    hide_purged,
    import_goes,
    mirror,
    purge_goes,
    retire_bars,
    rival_page,
)
from app.workflow.live import live_item_of, live_item_sentence, rival_of
from app.workflow.transfer import take_over, transfer_goes
from app.workflow.words import Words
from models.enums import InstrumentState, Role
from models.instrument import Instrument

S = InstrumentState


def is_own(instrument: Instrument, actor: Principal) -> bool:
    """A unit acts on its own instruments; a regulator on those in the area (scope has decided that already)."""
    return instrument.unit_id == actor.unit_id or actor.has(Role.REG)


def _free(ctx: Context) -> str | None:
    """LED-06: a unit of a deployment that locks nothing may edit at any time."""
    if setting("ledger", "edit_lock") == "none":
        return None
    return "器具正在预约流程中，不能修改。" if live_item_of(ctx.session, ctx.obj.id) else None


def _not_booked(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        return f"器具已预约，请先取消预约再{verb}。" if live_item_of(ctx.session, ctx.obj.id) else None

    return Guard("not_booked", check, fix=booking_page)


def _no_open_business(verb: str) -> Guard:
    def check(ctx: Context) -> str | None:
        return f"器具有未办结业务，不能{verb}。" if live_item_of(ctx.session, ctx.obj.id) else None

    return Guard("no_open_business", check, fix=booking_page)


def _reason_of_regulator(ctx: Context) -> str | None:
    reason = str(ctx.data.get("reason") or "").strip()
    return "请填写原因（5～500字）。" if ctx.actor.has(Role.REG) and len(reason) < 5 else None


def _scrap_from(ctx: Context) -> str | None:
    direct = ctx.obj.state == S.SUSPENDED or switch_on("scrap_direct")
    return None if direct else "请先停用，再报废。"


def _key_free(verb: str) -> Guard:
    """I-19: the key may have been taken while the row was away."""

    def check(ctx: Context) -> str | None:
        return f"已有相同器具在用，不能{verb}。" if rival_of(ctx.session, ctx.obj) else None

    return Guard("key_free", check, fix=rival_page)


def _serial_typed(ctx: Context) -> str | None:
    same = str(ctx.data.get("serial_no") or "").strip() == ctx.obj.serial_no
    return None if same else "输入的出厂编号与该器具不一致，请核对后重新输入。"


def _mirror_filing(step: str) -> Effect:
    """Suspend and close travel to the live filing (WORKFLOWS 4, 18)."""

    def effect(ctx: Context) -> None:
        mirror(ctx, step)

    return effect


def _filed(ctx: Context) -> None:
    """The day from which S4 counts its 10 and 30 days."""
    ctx.obj.filed_on = clock.today()


def _not_filed(ctx: Context) -> None:
    ctx.obj.filed_on = None


FREE = Guard("free", _free, fix=booking_page)


def _keeps_dispenser(ctx: Context) -> InstrumentState | None:
    """Where nozzles are rows of their own, one of them goes and the dispenser stays."""
    return S(ctx.obj.state) if ctx.data.get("nozzle") else None


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
            S.SCRAPPED: lambda: str(setting("labels", "scrapped")),
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
        Step("import", "导入", (), S.UNFILED, UNIT, own_page=True, goes=import_goes, basis="S1 §3.3; S2 §2.1; S4 §三"),
        Step(
            "edit",
            "修改",
            (S.UNFILED, S.IN_USE, S.SUSPENDED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            guards=(FREE,),
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
            guards=(FREE,),
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
            (S.UNFILED, S.IN_USE),
            S.FORMER,
            UNIT,
            relation=is_own,
            switch="change_nozzle",
            own_page=True,
            goes=_keeps_dispenser,
            guards=(_no_open_business("更换加油枪"),),
            basis="S4 §三",
        ),
        Step("submit_filing", "提交备案", (S.UNFILED,), S.FILING, SYSTEM, basis="S4 §四.1"),
        Step(
            "filing_back",
            "备案退回",
            (S.FILING, S.IN_USE),
            S.UNFILED,
            SYSTEM,
            effects=(_not_filed,),
            basis="S4 §四.2, §四.4",
        ),
        Step("filing_ok", "备案通过", (S.FILING,), S.IN_USE, SYSTEM, effects=(_filed,), basis="S4 §三"),
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
            guards=(_not_booked("停用"), Guard("regulator_reason", _reason_of_regulator, needs_input=True, fix=None)),
            effects=(_mirror_filing("suspend"),),
            basis="S1 §3.3; S4 §三, §四.4",
        ),
        Step(
            "enable",
            "启用",
            (S.SUSPENDED, S.SCRAPPED),
            Prior.BEFORE,
            UNIT,
            relation=is_own,
            bars=enable_bars,
            goes=enable_goes,
            bulk=True,
            guards=(_key_free("启用"),),
            effects=(enable_filing,),
            basis="S1 §3.3; S4 §三",
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
            guards=(_not_booked("报废"), Guard("scrap_from", _scrap_from, fix="/instruments/step/suspend/{obj.id}")),
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
            bars=retire_bars,
            bulk=True,
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
            goes=back_goes,
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
            goes=purge_goes,
            guards=(Guard("typed", _serial_typed, True, fix=None),),
            effects=(hide_purged,),
            basis="S2 §2.4",
        ),
        Step(
            "delete",
            "删除",
            (S.UNFILED, S.IN_USE, S.SUSPENDED, S.SCRAPPED),
            S.PURGED,
            UNIT,
            relation=is_own,
            bars=delete_bars,
            goes=delete_goes,
            danger=True,
            bulk=True,
            guards=(Guard("never_used", deletable, fix=booking_page),),
            effects=(_mirror_filing("close"), hide_deleted),
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
            "absorb",
            "并入重复记录",
            (S.IN_USE, S.SUSPENDED, S.UNFILED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            switch="merge",
            own_page=True,
            guards=(_no_open_business("合并"),),
            basis="BEYOND 16",
        ),
        Step(
            "release",
            "拆出合并记录",
            (S.IN_USE, S.SUSPENDED, S.UNFILED),
            Prior.SAME,
            UNIT,
            relation=is_own,
            switch="merge",
            own_page=True,
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
            SYSTEM,
            switch="transfer_unit",
            goes=transfer_goes,
            guards=(_no_open_business("变更使用单位"),),
            effects=(take_over,),
            basis="own",
        ),
        Step("amended", "备案信息变更", (S.IN_USE, S.SUSPENDED), Prior.SAME, SYSTEM, basis="own; S4 图20"),
        Step("cert_update", "检定结果入库", (S.IN_USE, S.SUSPENDED), Prior.SAME, SYSTEM, basis="强检办法 art. 6"),
    ),
    instrument_of=lambda instrument: instrument.id,
)

__all__ = ["INSTRUMENT", "live_item_sentence"]
