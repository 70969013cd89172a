"""Machine 4 of WORKFLOWS: filing (备案). Only the institute that holds a filing acts on it."""

from __future__ import annotations

from sqlalchemy import select

from app import clock
from app.access.roles import RECEPTION, REGULATOR, SYSTEM, UNIT
from app.intake.rulebook import UNCLASSIFIED
from app.profiles import setting
from app.workflow.authorisation import authorised
from app.workflow.engine import REASON, Context, Field, Guard, Prior, Step, Workflow, cascade
from app.workflow.filing_office import (
    by_regulator,
    final_or_regulator,
    holds,
    holds_as_city,
    is_own,
    reviewers,
    reviews,
    sent_it_away,
)
from app.workflow.live import NOT_COMPULSORY, live_item_of
from app.workflow.words import Words
from models.attachment import Attachment
from models.enums import FilingState, InstrumentState, Level, Role
from models.filing import Filing
from models.instrument import Instrument
from models.organisation import Institute

S = FilingState
IMG = frozenset({Role.IMG})


def _declared(ctx: Context) -> str | None:
    return None if ctx.data.get("declaration") else "请确认责任声明。"


def _institute_chosen(ctx: Context) -> str | None:
    institute = ctx.session.get(Institute, _number(ctx.data.get("institute_id")))
    if institute is None or not institute.active:
        return "请选择备案的技术机构。"
    levels = setting("filing", "selectable_levels")
    if institute.level not in levels:
        words = "或".join({"city": "市级", "county": "县级"}[level] for level in levels)
        return f"备案时只能选择{words}技术机构，请重新选择。"
    if not ctx.obj.use_division.startswith(institute.area):
        return f"“{institute.name}”不受理该使用地点的备案，请选择当地的技术机构。"
    return None


def _mandatory(ctx: Context) -> str | None:
    category = ctx.obj.instrument.category
    if category.code == UNCLASSIFIED:
        return "该器具还没有选择强检目录，请先完善信息再提交备案。"
    return None if category.mandatory else "该种别不属于强制检定目录，无需备案。"


def _compulsory(ctx: Context) -> str | None:
    return None if ctx.obj.instrument.compulsory else NOT_COMPULSORY


def _booking(ctx: Context) -> str | None:
    """The appointment that keeps the filing as it is."""
    item = live_item_of(ctx.session, ctx.obj.instrument_id)
    return f"/appointments/show/{item.appointment_id}" if item else None


def _own_capabilities(ctx: Context) -> str | None:
    """A manager looks after the institute's authorisations."""
    return "/capabilities/list/" if ctx.actor.has(Role.IMG) else None


def _pv_certificate(ctx: Context) -> str | None:
    """CAT-13, LED-27: a type-evaluated kind brings its certificate."""
    instrument = ctx.obj.instrument
    if setting("category", "pv_certificate") != "required" or instrument.category.supervision != "P+V":
        return None
    kept = select(Attachment.id).where(Attachment.owner_type == "instrument", Attachment.owner_id == instrument.id)
    if ctx.session.execute(kept.limit(1).execution_options(unscoped=True)).first():
        return None
    return "监管方式为“P+V”类的工作计量器具需上传“型式评价”证书，请在器具的“相关资料”中上传后再提交。"


def _capable(ctx: Context) -> str | None:
    day = clock.today()
    held = authorised(ctx.session, ctx.obj.holder_institute_id, ctx.obj.instrument.category_id, day)
    if held:
        return None
    if ctx.actor.has(Role.REG):
        return "受理机构未获该项目授权或授权已过期，请由该机构分派、转送，或退回申请方。"
    return "本机构未获该项目授权或授权已过期，请分派或转送。"


def _target(ctx: Context) -> Institute | None:
    found = ctx.session.get(Institute, _number(ctx.data.get("institute_id")))
    return found if found is not None and found.active else None


def _number(value: object) -> int:
    text = str(value or "0")
    return int(text) if text.isdecimal() else 0


def _inside_city(ctx: Context) -> str | None:
    target = _target(ctx)
    if target is None:
        return "请选择要分派的区县机构。"
    inside = target.level == Level.COUNTY and ctx.actor.institute_area == target.division_code[:4]
    if not inside:
        return "只能分派至本市所辖区县机构。"
    refused = any(h.get("institute") == target.id and h.get("step") == "refuse" for h in ctx.obj.route)
    return "该机构已退回过本器具，请选择其他机构。" if refused else None


def _target_capable(ctx: Context) -> str | None:
    """A warning and no bar: the register of capabilities may lag behind."""
    target = _target(ctx)
    if target is None or ctx.data.get("unregistered_ok"):
        return None
    held = authorised(ctx.session, target.id, ctx.obj.instrument.category_id, clock.today())
    return None if held else "该机构未登记此项能力，确定分派？仍要分派的请勾选确认。"


def _province_allowed(ctx: Context) -> str | None:
    return None if ctx.obj.allow_province else "申请方未授权转送省级机构，请退回或联系申请方。"


def _province_target(ctx: Context) -> str | None:
    target = _target(ctx)
    right = target is not None and target.level == Level.PROVINCE
    same = right and target is not None and ctx.obj.use_division[:2] == target.division_code[:2]
    return None if same else "请选择本省的省级技术机构。"


def _resubmittable(ctx: Context) -> str | None:
    """S4 §四.2: what an institute has found outside the catalogue is deleted, not sent again."""
    outside = ctx.obj.state == S.RETURNED and ctx.obj.return_kind == "not_listed"
    return "技术机构认定该器具不属于强检目录，不能重新提交，请删除该器具。" if outside else None


def _not_verifying(ctx: Context) -> str | None:
    item = live_item_of(ctx.session, ctx.obj.instrument_id)
    return "器具正在检定，请在检定结束后再撤销备案。" if item is not None and item.state == "verifying" else None


def _not_booked(ctx: Context) -> str | None:
    busy = live_item_of(ctx.session, ctx.obj.instrument_id)
    return "器具已预约，不能变更备案信息。" if busy else None


def _hop(ctx: Context) -> None:
    """Every hop stands on the route: who, when, what (I-21)."""
    hop = {
        "institute": ctx.actor.institute_id,
        "step": ctx.step.name,
        "at": clock.now().isoformat(),
        "by": ctx.actor.name,
        "reason": str(ctx.data.get("reason") or ""),
        "held": ctx.obj.holder_institute_id,
    }
    ctx.obj.route = [*(ctx.obj.route or []), hop]


def _receive(ctx: Context) -> None:
    chosen = _number(ctx.data["institute_id"])
    ctx.obj.target_institute_id = ctx.obj.holder_institute_id = chosen
    ctx.obj.final_institute_id = None
    ctx.obj.allow_province = bool(ctx.data.get("allow_province")) or ctx.obj.allow_province
    ctx.obj.declared_by_id, ctx.obj.declared_at = ctx.actor.account_id, clock.now()
    ctx.obj.submitted_at, ctx.obj.reason, ctx.obj.return_kind = clock.now(), None, None
    cascade(ctx, ctx.obj.instrument, "submit_filing")


def _hand_on(ctx: Context) -> None:
    _hop(ctx)
    ctx.obj.holder_institute_id = _number(ctx.data["institute_id"])


def _approve(ctx: Context) -> None:
    ctx.obj.final_institute_id = ctx.obj.holder_institute_id
    ctx.obj.decided_at = clock.now()

    def fix_institute(instrument: Instrument) -> None:
        instrument.institute_id = ctx.obj.final_institute_id

    cascade(ctx, ctx.obj.instrument, "filing_ok", change=fix_institute)


def _confirm(ctx: Context) -> None:
    """Whoever confirms approves with it, unless the administration does that."""
    if not by_regulator():
        _approve(ctx)


def _confirmed_goes(ctx: Context) -> FilingState | None:
    return S.TO_PROCESS if by_regulator() else None


def _back_to_unit(ctx: Context) -> None:
    ctx.obj.decided_at = clock.now()
    ctx.obj.return_kind = ctx.data.get("kind") or ctx.obj.return_kind
    ctx.obj.holder_institute_id = None
    if ctx.obj.instrument.state in {InstrumentState.FILING, InstrumentState.IN_USE}:
        cascade(ctx, ctx.obj.instrument, "filing_back")


def _back_to_city(ctx: Context) -> None:
    sender = next((h["institute"] for h in reversed(ctx.obj.route) if h["step"] in {"dispatch", "transfer"}), None)
    _hop(ctx)
    ctx.obj.holder_institute_id = sender


def _allow(ctx: Context) -> None:
    ctx.obj.allow_province = True


def _return_items(ctx: Context) -> None:
    """A revoked filing sends back the item that is not yet being verified (WORKFLOWS 18)."""
    item = live_item_of(ctx.session, ctx.obj.instrument_id)
    if item is not None and item.state in {"accepted", "received"}:
        cascade(ctx, item, "return", {"reason": ctx.data.get("reason"), "kind": "mismatch"})
    elif item is not None:
        cascade(ctx, item, "cancel")


INSTITUTE_FIELD = Field("institute_id", "技术机构", "institute")


def _enable_goes(ctx: Context) -> FilingState | None:
    """A filing that was revoked has to be submitted again."""
    return S.PENDING if ctx.obj.prior_state == S.REVOKED else None


RETURN_KIND = Field(
    "kind",
    "退回类别",
    "choice",
    choices=(("incomplete", "资料不完整"), ("not_listed", "不属于强检目录"), ("other", "其他")),
)
UNREGISTERED = Field("unregistered_ok", "该机构未登记此项能力的，仍要分派", "tick", required=False)
SUBMIT_NEEDS = (
    INSTITUTE_FIELD,
    Field("declaration", "责任声明", "tick"),
    Field("allow_province", "授权转送省级机构", "tick", required=False),
)

FILING = Workflow(
    name="filing",
    label="备案",
    model=Filing,
    states=S,
    labels=Words(
        {
            S.PENDING: "待备案",
            S.SUBMITTED: "已提交",
            S.TO_PROCESS: "待处理",
            S.TO_CONFIRM: "待确认",
            S.APPROVED: "已审核",
            S.RETURNED: "被退回",
            S.REVOKED: "被撤销",
            S.SUSPENDED: lambda: str(setting("filing", "stopped_label")),
            S.CLOSED: "已终止",
        }
    ),
    tones={
        S.SUBMITTED: "info",
        S.TO_PROCESS: "warning",
        S.TO_CONFIRM: "info",
        S.APPROVED: "success",
        S.RETURNED: "danger",
        S.REVOKED: "danger",
    },
    final=frozenset({S.CLOSED}),
    steps=(
        Step("open", "建立备案", (), S.PENDING, UNIT | SYSTEM, switch="filing", own_page=True, basis="S4 §四.1"),
        Step(
            "submit",
            "提交备案",
            (S.PENDING, S.RETURNED),
            S.SUBMITTED,
            UNIT,
            relation=is_own,
            switch="filing",
            needs=SUBMIT_NEEDS,
            effects=(_receive,),
            primary=True,
            bulk=True,
            guards=(
                Guard("declared", _declared, needs_input=True, fix=None),
                Guard("institute", _institute_chosen, needs_input=True, fix=None),
                Guard("resubmittable", _resubmittable, fix="/filings/show/{obj.id}"),
                Guard("compulsory", _compulsory, fix="/instruments/show/{obj.instrument_id}"),
                Guard("mandatory", _mandatory, fix="/instruments/edit/{obj.instrument_id}"),
                Guard("pv_certificate", _pv_certificate, fix="/instruments/show/{obj.instrument_id}"),
            ),
            basis="S4 §四.1; 强检办法 art. 5",
        ),
        Step(
            "withdraw",
            "撤销备案",
            (S.SUBMITTED,),
            S.PENDING,
            UNIT,
            relation=is_own,
            switch="filing",
            effects=(_back_to_unit,),
            danger=True,
            bulk=True,
            basis="S4 §四.4",
        ),
        Step(
            "approve",
            "审核通过",
            (S.SUBMITTED, S.TO_PROCESS),
            S.APPROVED,
            RECEPTION | REGULATOR,
            whose=reviewers,
            relation=reviews,
            switch="filing",
            guards=(Guard("capable", _capable, fix=_own_capabilities),),
            effects=(_approve,),
            primary=True,
            bulk=True,
            basis="S4 §四.3–5",
        ),
        Step(
            "return",
            "退回",
            (S.SUBMITTED, S.TO_PROCESS),
            S.RETURNED,
            RECEPTION | REGULATOR,
            whose=reviewers,
            relation=reviews,
            switch="filing",
            needs=(RETURN_KIND, REASON),
            effects=(_back_to_unit,),
            danger=True,
            bulk=True,
            basis="S4 §四.2",
        ),
        Step(
            "dispatch",
            "分派至区县",
            (S.SUBMITTED, S.TO_PROCESS),
            S.TO_CONFIRM,
            RECEPTION,
            relation=holds_as_city,
            switch="filing.dispatch",
            needs=(INSTITUTE_FIELD, UNREGISTERED),
            effects=(_hand_on,),
            guards=(
                Guard("inside_city", _inside_city, needs_input=True, fix=None),
                Guard("target_capable", _target_capable, needs_input=True, fix=None),
            ),
            basis="S4 §四.3, §四.4",
        ),
        Step(
            "transfer",
            "转送省院",
            (S.SUBMITTED, S.TO_PROCESS),
            S.TO_CONFIRM,
            RECEPTION,
            relation=holds_as_city,
            switch="filing.to_province",
            needs=(INSTITUTE_FIELD, REASON),
            effects=(_hand_on,),
            guards=(
                Guard("province_allowed", _province_allowed, fix="/filings/step/return/{obj.id}"),
                Guard("province_target", _province_target, needs_input=True, fix=None),
            ),
            basis="S4 §四.1, §四.4",
        ),
        Step(
            "allow_province",
            "补充授权转送",
            (S.SUBMITTED, S.TO_PROCESS),
            Prior.SAME,
            UNIT,
            relation=is_own,
            switch="filing.to_province",
            effects=(_allow,),
            bulk=True,
            basis="own",
        ),
        Step(
            "confirm",
            "确认",
            (S.TO_CONFIRM,),
            S.APPROVED,
            RECEPTION,
            relation=holds,
            switch="filing",
            goes=_confirmed_goes,
            guards=(Guard("capable", _capable, fix=_own_capabilities),),
            effects=(_confirm,),
            primary=True,
            bulk=True,
            basis="S4 §四.3",
        ),
        Step(
            "refuse",
            "无能力退回",
            (S.TO_CONFIRM,),
            S.TO_PROCESS,
            RECEPTION,
            relation=holds,
            switch="filing",
            needs=(REASON,),
            effects=(_back_to_city,),
            danger=True,
            bulk=True,
            basis="S4 §四.4",
        ),
        Step(
            "recall",
            "撤回分派",
            (S.TO_CONFIRM,),
            S.TO_PROCESS,
            RECEPTION,
            relation=sent_it_away,
            switch="filing",
            needs=(REASON,),
            effects=(_back_to_city,),
            bulk=True,
            basis="own",
        ),
        Step(
            "revoke",
            "撤销备案状态",
            (S.APPROVED,),
            S.REVOKED,
            IMG | REGULATOR,
            relation=final_or_regulator,
            switch="filing",
            needs=(REASON,),
            guards=(Guard("not_verifying", _not_verifying, fix=None),),
            effects=(_return_items, _back_to_unit),
            danger=True,
            bulk=True,
            basis="S4 §四.4",
        ),
        Step(
            "counter_return",
            "前台退单",
            (S.APPROVED,),
            S.RETURNED,
            SYSTEM,
            needs=(REASON,),
            effects=(_back_to_unit,),
            basis="S4 §六",
        ),
        Step(
            "amend",
            "变更备案信息",
            (S.APPROVED,),
            Prior.SAME,
            UNIT,
            relation=is_own,
            switch="filing",
            own_page=True,
            guards=(Guard("not_booked", _not_booked, fix=_booking),),
            basis="own; S4 图20 locks fields",
        ),
        Step(
            "suspend",
            "停用",
            (S.PENDING, S.APPROVED, S.REVOKED, S.RETURNED),
            S.SUSPENDED,
            SYSTEM,
            remember=True,
            basis="S4 §四.4",
        ),
        Step("enable", "启用", (S.SUSPENDED,), Prior.BEFORE, SYSTEM, goes=_enable_goes, basis="S4 §四.4"),
        Step("close", "终止", tuple(s for s in S if s is not S.CLOSED), S.CLOSED, SYSTEM, basis="S4 §三"),
    ),
)
