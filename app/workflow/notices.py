"""Who is told what after which step (the notify columns of WORKFLOWS); the engine calls `notify` after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.workflow.engine import NOTICES, Context
from app.workflow.outgoing import enqueue_mail, message
from models.account import Account
from models.appointment import Appointment
from models.enums import AccountState, LineOutcome, Role
from models.instrument import Instrument
from models.job import BulkLine

Recipients = Callable[[Context], Iterable[Account]]
Text = Callable[[Context], str]


def _accounts(session: Session, *conditions: Any) -> list[Account]:
    statement = select(Account).where(Account.state == AccountState.ACTIVE, *conditions).order_by(Account.id)
    return list(session.execute(statement.execution_options(unscoped=True)).unique().scalars())


def unit(ctx: Context) -> list[Account]:
    """Everybody acting for the row's unit."""
    return _accounts(ctx.session, Account.unit_id == ctx.obj.unit_id)


def institute(*roles: Role) -> Recipients:
    """Staff of the row's institute (of a filing: the holder) with one of the roles."""

    def find(ctx: Context) -> list[Account]:
        body = getattr(ctx.obj, "holder_institute_id", None) or getattr(ctx.obj, "institute_id", None)
        if body is None:
            return []
        return _accounts(ctx.session, Account.institute_id == body, Account.roles.overlap([r.value for r in roles]))

    return find


def county_regulator(ctx: Context) -> list[Account]:
    """Regulators whose area is exactly the county of use."""
    return _accounts(ctx.session, Account.area == ctx.obj.use_division)


def unless_bulk(recipients: Recipients) -> Recipients:
    """Not for every row of a bulk act: its end is told once (app.operations.bulk)."""
    return lambda ctx: [] if ctx.session.info.get("bulk_act") else recipients(ctx)


def counterpart(ctx: Context) -> list[Account]:
    """The county when the unit acts, the unit when the county does."""
    return unit(ctx) if ctx.actor.has(Role.REG) else county_regulator(ctx)


def giver(ctx: Context) -> list[Account]:
    """Of a transfer: the main account of the unit that asks."""
    return _accounts(ctx.session, Account.unit_id == ctx.obj.unit_id, Account.roles.contains([Role.ENT.value]))


def receiver(ctx: Context) -> list[Account]:
    """Of a transfer: the main account of the unit that is asked."""
    body_id = ctx.obj.receiver_unit_id
    return _accounts(ctx.session, Account.unit_id == body_id, Account.roles.contains([Role.ENT.value]))


def unit_if_any(ctx: Context) -> list[Account]:
    """Everybody of the unit, where one is known."""
    return unit(ctx) if ctx.obj.unit_id is not None else []


def assignee(ctx: Context) -> list[Account]:
    """The verifier of a task."""
    return _accounts(ctx.session, Account.id == ctx.obj.verifier_id)


def waits_for_unit(ctx: Context) -> list[Account]:
    """The unit, when it is the one who is waited for."""
    return unit(ctx) if ctx.data.get("kind") == "customer" else []


def institute_if_whole(ctx: Context) -> list[Account]:
    """Reception, when the application was not split: each order of a split tells its own institute."""
    return list(institute(Role.REC, Role.IMG)(ctx)) if ctx.obj.state == "submitted" else []


def order_counterpart(ctx: Context) -> list[Account]:
    """Whoever did not change the order."""
    return list(institute(Role.REC, Role.IMG)(ctx)) if ctx.actor.unit_id == ctx.obj.unit_id else unit(ctx)


def reviewers(ctx: Context) -> list[Account]:
    """Who reviews a registration: reception of the chosen institute, or administrators."""
    chosen = ctx.obj.reviewer_institute_id
    if chosen is None:
        return _accounts(ctx.session, Account.roles.contains([Role.ADM.value]))
    return _accounts(
        ctx.session, Account.institute_id == chosen, Account.roles.overlap([Role.REC.value, Role.IMG.value])
    )


def owner(ctx: Context) -> list[Account]:
    """The account itself, whatever its state: a returned registrant must learn why."""
    return [ctx.obj]


def applicant(ctx: Context) -> list[Account]:
    """The person who asked."""
    return [ctx.obj.account]


def body(ctx: Context) -> list[Account]:
    """Who decides for the body of an affiliation: the main account, or the managers of the institute."""
    if ctx.obj.unit_id is not None:
        return _accounts(ctx.session, Account.unit_id == ctx.obj.unit_id, Account.roles.contains([Role.ENT.value]))
    return _accounts(
        ctx.session, Account.institute_id == ctx.obj.institute_id, Account.roles.contains([Role.IMG.value])
    )


def other_side(ctx: Context) -> list[Account]:
    """Of an affiliation: whoever did not act."""
    return body(ctx) if ctx.actor.account_id == ctx.obj.account_id else [ctx.obj.account]


def _registrant(ctx: Context) -> str:
    """Whose registration it is: the unit, the institute or the person."""
    return str(ctx.obj.unit or ctx.obj.institute or ctx.obj.name)


def _why(ctx: Context) -> str:
    reason = str(ctx.data.get("reason") or "").strip()
    return f"原因：{reason}" if reason else ""


def _instrument(ctx: Context) -> str:
    return _instrument_of(ctx.session, ctx.obj)


def _instrument_of(session: Session, obj: Any) -> str:
    row = session.get(Instrument, obj.instrument_id, execution_options={"unscoped": True})
    return f"{row.name} {row.serial_no}" if row else ""


def _put_out(ctx: Context, word: str) -> str:
    """停用 or 报废, with the reason where one was given."""
    return f"器具已{word}：{ctx.obj.name} {ctx.obj.serial_no}。{_why(ctx)}"


def _result_word(ctx: Context) -> str:
    return "合格" if ctx.obj.conclusion == "pass" else "不合格"


def _counts(ctx: Context) -> str:
    results = [item.result for item in ctx.obj.items]
    return f"共{results.count('pass')}台合格、{results.count('fail')}台不合格"


def _accepted(ctx: Context) -> str:
    if ctx.obj.mode == "onsite":
        when = f"，检定机构将于{ctx.obj.visit_day}上门" if ctx.obj.visit_day else "，检定机构将与您约定上门时间"
    else:
        when = f"，请于{ctx.obj.deadline_at:%Y-%m-%d}前送检" if ctx.obj.deadline_at else ""
    return f"预约单{ctx.obj.number}已受理{when}。"


def _restored(ctx: Context) -> str:
    when = f"，请于{ctx.obj.deadline_at:%Y-%m-%d}前送检" if ctx.obj.deadline_at else ""
    return f"预约单{ctx.obj.number}已恢复{when}。"


def _new_order(ctx: Context) -> str:
    return f"有新的预约单待受理：{ctx.obj.number}"


def _confirmed(ctx: Context) -> str:
    """The real count and all numbers (S2 §6.1; the sample there prints 0)."""
    statement = select(Appointment.number).where(Appointment.parent_id == ctx.obj.id).order_by(Appointment.id)
    numbers = list(ctx.session.scalars(statement.execution_options(unscoped=True))) or [ctx.obj.number]
    told = "、".join(str(number) for number in numbers)
    return f"你有一个强检预约申请审核通过，本次预约共生成{len(numbers)}张预约单。预约单号为：{told}"


FILING_UNIT = {
    "approve": "备案已通过",
    "confirm": "备案已通过",
    "return": "备案被退回",
    "revoke": "备案被撤销",
    "dispatch": "备案已分派至区县机构，待确认",
    "transfer": "备案已转送省级机构，待确认",
    "refuse": "备案因接收机构无能力退回原机构，待处理",
    "recall": "备案已由原机构撤回，待处理",
}
"""Every arrow that an institute or a regulator draws is told to the unit (S4 §四.5)."""
FILING_INSTITUTE = {
    "submit": "有新的备案申请待处理。",
    "withdraw": "有备案申请已被申请方撤销。",
    "allow_province": "申请方已补充授权转送省级机构。",
    "dispatch": "有分派的备案待确认。",
    "transfer": "有转送的备案待确认。",
    "refuse": "备案被无能力退回，请处理。",
    "confirm": "分派或转送的备案已由对方确认。",
    "recall": "分派或转送给本机构的备案已被撤回。",
}


def _filing_body(step: str, row: Any) -> int | None:
    """Whose reception is told: whoever holds the filing now; of a confirmation the city that sent it, of a recall or a
    withdrawal whoever held it before."""
    if step == "withdraw":
        found = row.target_institute_id
    elif step == "confirm":
        sent = [hop["institute"] for hop in row.route if hop["step"] in {"dispatch", "transfer"}]
        found = sent[-1] if sent else None
    elif step == "recall":
        found = row.route[-1].get("held")
    else:
        found = row.holder_institute_id
    return int(found) if found else None


def _reception(ctx: Context) -> list[Account]:
    body_id = _filing_body(ctx.step.name, ctx.obj)
    return reception_of(ctx.session, body_id) if body_id is not None else []


def reception_of(session: Session, institute_id: int) -> list[Account]:
    """Who receives filings at an institute."""
    return _accounts(
        session, Account.institute_id == institute_id, Account.roles.overlap([Role.REC.value, Role.IMG.value])
    )


def _filing_sentence(step: str) -> Text:
    def said(ctx: Context) -> str:
        why = str(ctx.data.get("reason") or "").strip()
        return f"{FILING_UNIT[step]}：{_instrument(ctx)}" + (f"，原因：{why}" if why else "")

    return said


def _of_filing(step: str) -> list[tuple[Recipients, Text, bool]]:
    """Of one filing; many of one click are told together (tell_of_filings)."""
    found: list[tuple[Recipients, Text, bool]] = []
    if step in FILING_UNIT:
        found.append((unless_bulk(unit), _filing_sentence(step), False))
    if step in FILING_INSTITUTE:
        found.append((unless_bulk(_reception), lambda _c: FILING_INSTITUTE[step], False))
    return found


# (workflow, step) → who, what, whether by mail as well, link
TABLE: dict[tuple[str, str], list[tuple[Recipients, Text, bool]]] = {
    ("account", "verify"): [(reviewers, lambda c: f"新的注册申请待审核：{_registrant(c)}", False)],
    ("account", "resubmit"): [(reviewers, lambda c: f"注册申请已修改，待重新审核：{_registrant(c)}", False)],
    ("account", "approve"): [(owner, lambda _c: "您的账号已审核通过，可以登录使用。", True)],
    ("account", "return"): [(owner, lambda c: f"您的注册申请被退回，原因：{c.obj.reason}", True)],
    ("account", "disable"): [(owner, lambda c: f"您的账号已停用，原因：{c.obj.reason}", True)],
    ("account", "enable"): [(owner, lambda _c: "您的账号已恢复使用。", True)],
    ("account", "lock"): [(owner, lambda _c: "您的账号因多次登录失败被锁定。", True)],
    ("account", "reset_password"): [(owner, lambda _c: "您的密码已重置，其他设备上的登录已全部退出。", True)],
    ("account", "assign"): [(owner, lambda _c: "您的职责已调整，请重新打开页面查看。", False)],
    ("affiliation", "request"): [(body, lambda c: f"{c.obj.account.name}申请关联本单位，请处理。", False)],
    ("affiliation", "request_again"): [(body, lambda c: f"{c.obj.account.name}申请关联本单位，请处理。", False)],
    ("affiliation", "approve"): [(applicant, lambda c: f"您已关联到{c.obj.body_name}。", False)],
    ("affiliation", "refuse"): [(applicant, lambda c: f"{c.obj.body_name}拒绝了您的关联申请。{_why(c)}", False)],
    ("affiliation", "expire"): [(applicant, lambda _c: "申请超时未处理，请重新申请或线下联系。", False)],
    ("affiliation", "remove"): [
        (other_side, lambda c: f"{c.obj.account.name}与{c.obj.body_name}的关联已删除。", False)
    ],
    ("unit_change", "submit"): [(reviewers, lambda c: f"单位信息变更待审核：{c.obj.unit}", False)],
    ("unit_change", "approve"): [(applicant, lambda _c: "单位信息变更已审核通过。", True)],
    ("unit_change", "refuse"): [(applicant, lambda c: f"单位信息变更未通过，原因：{c.obj.reason}", True)],
    **{("filing", step): _of_filing(step) for step in FILING_UNIT.keys() | FILING_INSTITUTE.keys()},
    ("filing", "counter_return"): [(unit, lambda c: f"备案被退回：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("appointment", "submit"): [
        (institute(Role.REC, Role.IMG), lambda c: f"有新的预约单待受理：{c.obj.number}", False)
    ],
    ("appointment", "divide"): [
        (institute(Role.REC, Role.IMG), lambda c: f"有新的预约单待受理：{c.obj.number}", False)
    ],
    ("appointment", "submit_for_confirmation"): [
        (county_regulator, lambda c: f"有预约申请待行政确认：{c.obj.number}", False)
    ],
    ("appointment", "admin_approve"): [(unit, _confirmed, True), (institute_if_whole, _new_order, False)],
    ("appointment", "admin_reject"): [
        (unit, lambda c: f"预约申请{c.obj.number}行政部门不同意，原因：{c.obj.reason}", True)
    ],
    ("appointment", "withdraw_ok"): [(unit, lambda c: f"预约单{c.obj.number}的撤销申请已同意。", False)],
    ("appointment", "withdraw_no"): [
        (unit, lambda c: f"预约单{c.obj.number}的撤销申请未通过，原因：{c.obj.reason}", False)
    ],
    ("appointment", "request_extension"): [
        (institute(Role.REC, Role.IMG), lambda c: f"预约单{c.obj.number}申请延长送检期限，请处理。", False)
    ],
    ("appointment", "extension_ok"): [
        (unit, lambda c: f"预约单{c.obj.number}送检期限已延长至{c.obj.deadline_at:%Y-%m-%d}。", False)
    ],
    ("appointment", "extension_no"): [
        (unit, lambda c: f"预约单{c.obj.number}的延长申请未通过，原因：{c.obj.reason}", False)
    ],
    ("appointment", "restore_ok"): [(unit, _restored, True)],
    ("appointment", "restore_no"): [
        (unit, lambda c: f"预约单{c.obj.number}的恢复申请未通过，请重新预约。{_why(c)}", True)
    ],
    ("appointment", "reschedule"): [(order_counterpart, lambda c: f"预约单{c.obj.number}已改期。{_why(c)}", False)],
    ("appointment", "onsite_nag"): [
        (institute(Role.REC, Role.IMG), lambda c: f"现场检预约单{c.obj.number}受理已超期，请尽快完成检定。", True)
    ],
    ("item", "reject"): [(unit, lambda c: f"器具不予受理：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("amendment", "ask"): [(institute(Role.REC, Role.IMG), lambda c: f"有备案变更待审核：{_instrument(c)}", False)],
    ("amendment", "approve"): [(unit, lambda c: f"备案变更已同意：{_instrument(c)}", False)],
    ("amendment", "refuse"): [(unit, lambda c: f"备案变更未同意：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("commission", "open"): [(unit, lambda c: f"委托单{c.obj.number}已受理，预计{c.obj.promised_on}完成。", True)],
    ("commission", "all_done"): [(unit, lambda c: f"委托单{c.obj.number}已完检，请持本短信领取。", True)],
    ("commission", "reset_secret"): [(unit, lambda c: f"委托单{c.obj.number}的客户密码已重置。", False)],
    ("commission", "void"): [(unit, lambda c: f"委托单{c.obj}已作废，原因：{c.obj.reason}", True)],
    ("task", "assign"): [(assignee, lambda c: f"有新的检定任务：{_instrument(c)}", False)],
    ("task", "pause"): [(waits_for_unit, lambda c: f"{_instrument(c)}的检定暂停，待您处理。{_why(c)}", True)],
    ("task", "ask_abort"): [(institute(Role.IMG), lambda c: f"检定员提出终止检定：{_instrument(c)}。{_why(c)}", False)],
    ("task", "abort"): [(unit, lambda c: f"{_instrument(c)}的检定已终止，原因：{c.obj.reason}", True)],
    ("unmatched", "dispute"): [
        (institute(Role.REC, Role.IMG), lambda c: f"检定记录被反馈：{c.obj.certificate_no}，{c.obj.reason}", False)
    ],
    ("unmatched", "correct"): [(unit_if_any, lambda c: f"检定记录{c.obj.certificate_no}机构已更正。", False)],
    ("unmatched", "not_ours"): [
        (county_regulator, lambda c: f"检定记录{c.obj.certificate_no}：单位反馈非本单位。", False)
    ],
    ("unmatched", "reassign"): [(unit_if_any, lambda _c: "有未匹配的检定记录待处理。", False)],
    ("unmatched", "close"): [
        (unit_if_any, lambda c: f"检定记录{c.obj.certificate_no}已关闭，原因：{c.obj.reason}", False)
    ],
    ("appointment", "accept"): [(unit, _accepted, True)],
    ("appointment", "reject"): [(unit, lambda c: f"预约单{c.obj.number}被拒绝，原因：{c.obj.reason}", True)],
    ("appointment", "send_back"): [(unit, lambda c: f"预约单{c.obj.number}被退回，原因：{c.obj.reason}", True)],
    ("appointment", "cancel"): [
        (institute(Role.REC, Role.IMG), lambda c: f"预约单{c.obj.number}已被申请方撤销。", False)
    ],
    ("appointment", "request_withdraw"): [
        (institute(Role.REC, Role.IMG), lambda c: f"预约单{c.obj.number}申请撤销，请处理。", False)
    ],
    ("appointment", "request_restore"): [
        (institute(Role.REC, Role.IMG), lambda c: f"预约单{c.obj.number}申请恢复，请处理。", False)
    ],
    ("appointment", "auto_withdraw"): [
        (unit, lambda c: f"预约单{c.obj.number}超过期限未送检，系统已自动撤销，可申请恢复。", True)
    ],
    ("appointment", "lose_slot"): [
        (unit, lambda c: f"预约单{c.obj.number}的预约时段已过，检定机构未答复，请改期选择新的时段。", True),
        (institute(Role.IMG), lambda c: f"预约单{c.obj.number}的预约时段已过仍未受理，请尽快处理。", False),
    ],
    ("appointment", "complete"): [(unit, lambda c: f"预约单{c.obj.number}已完检，{_counts(c)}。", True)],
    ("item", "return"): [(unit, lambda c: f"器具被退单：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("instrument", "suspend"): [(unless_bulk(counterpart), lambda c: _put_out(c, "停用"), False)],
    ("instrument", "scrap"): [(unless_bulk(county_regulator), lambda c: _put_out(c, "报废"), False)],
    ("transfer", "ask"): [
        (receiver, lambda c: f"有器具待接收：{_instrument(c)}，请在{c.obj.expires_on}前处理。", True)
    ],
    ("transfer", "accept"): [
        (giver, lambda c: f"{_instrument(c)}已由接收单位接收，使用单位已变更。", True),
        (receiver, lambda c: f"已接收{_instrument(c)}，器具已列入本单位台账。", False),
    ],
    ("transfer", "refuse"): [(giver, lambda c: f"{_instrument(c)}的变更使用单位申请被拒绝。{_why(c)}", True)],
    ("transfer", "withdraw"): [(receiver, lambda c: f"{_instrument(c)}的变更使用单位申请已撤回。", False)],
    ("transfer", "lapse"): [
        (giver, lambda c: f"{_instrument(c)}的变更使用单位申请14天内未处理，已失效。", False),
        (receiver, lambda c: f"{_instrument(c)}的变更使用单位申请14天内未处理，已失效。", False),
    ],
    ("certificate", "submit"): [(institute(Role.VER), lambda _c: "有证书待核验。", False)],
    ("certificate", "check"): [(institute(Role.APR), lambda _c: "有证书待批准签发。", False)],
    ("certificate", "publish"): [(unit, lambda c: f"{_instrument(c)}检定{_result_word(c)}，证书可下载。", True)],
    ("certificate", "revoke"): [(unit, lambda c: f"证书{c.obj.number}已撤销，原因：{c.obj.reason}", True)],
}
LINKS = {
    "filing": "filings",
    "appointment": "appointments",
    "certificate": "certificates",
    "account": "accounts",
    "affiliation": "affiliations",
}
LINKS |= {"instrument": "instruments", "transfer": "transfers"}
LINKS |= {"unit_change": "unit-changes", "amendment": "filing-amendments", "commission": "commissions"}
LINKS |= {"task": "tasks", "unmatched": "unmatched"}
OWN_PAGES = {"affiliation": "/me/affiliation"}
"""Where the person of a row sees it; the page of LINKS is the other side's."""


def notify(ctx: Context, _before: str | None) -> None:
    """Write the messages of this step; keys carry entity, row, step and version, so a retry writes none twice."""
    entries = TABLE.get((ctx.workflow.name, ctx.step.name), [])
    for recipients, text, by_mail in entries:
        sentence = text(ctx)
        key = f"{ctx.workflow.name}-{ctx.obj.id}-{ctx.step.name}-{ctx.obj.version}"
        link = f"/{LINKS.get(ctx.workflow.name, 'items')}/show/{ctx.obj.id}"
        for account in recipients(ctx):
            own = OWN_PAGES.get(ctx.workflow.name)
            mine = own is not None and account.id == getattr(ctx.obj, "account_id", None)
            message(ctx.session, account.id, sentence, "", own if mine else link, key=key)
            if by_mail and account.email:
                enqueue_mail(ctx.session, account.email, sentence, sentence, key=f"{key}-{account.id}")
    if ctx.workflow.name == "certificate" and ctx.step.name == "publish" and ctx.obj.conclusion == "fail":
        _tell_regulator(ctx)


def tell_of_bulk(session: Session, job_id: int, actor: Principal, word: str) -> None:
    """One message for a whole bulk act instead of one for every row: to the counties, or to the units when a regulator
    acted."""
    by_unit = actor.has(Role.REG)
    place = Instrument.unit_id if by_unit else Instrument.use_division
    lines = (BulkLine.job_id == job_id, BulkLine.outcome == LineOutcome.DONE, BulkLine.entity_id == Instrument.id)
    statement = select(place, func.count()).where(*lines).group_by(place).execution_options(unscoped=True)
    for body_id, count in session.execute(statement).tuples().all():
        told = Account.unit_id == body_id if by_unit else Account.area == body_id
        for account in _accounts(session, told):
            sentence = f"{actor.body or actor.name}批量{word}器具{count}台。"
            key = f"bulk-{job_id}-{account.id}"
            message(session, account.id, sentence, "", "/instruments/list/", key=key)


def tell_of_filings(session: Session, step: str, rows: list[Any], reason: str = "") -> None:
    """One message for many filings that one click moved: to each unit, and to each institute that has them now."""
    if not rows:
        return
    stamp = f"filings-{step}-{rows[0].id}-{rows[0].version}-{len(rows)}"
    why = f"，原因：{reason}" if reason else ""
    if step in FILING_UNIT:
        for unit_id, mine in _by(rows, lambda row: row.unit_id).items():
            what = _instrument_of(session, mine[0]) if len(mine) == 1 else f"{len(mine)}台器具"
            sentence = f"{FILING_UNIT[step]}：{what}{why}"
            for account in _accounts(session, Account.unit_id == unit_id):
                message(session, account.id, sentence, "", _filings_link(mine), key=stamp)
    if step in FILING_INSTITUTE:
        for institute_id, theirs in _by(rows, lambda row: _filing_body(step, row)).items():
            sentence = FILING_INSTITUTE[step]
            if len(theirs) > 1:
                sentence = f"{sentence.removesuffix('。')}：{len(theirs)}台器具"
            for account in reception_of(session, institute_id) if institute_id else []:
                message(session, account.id, sentence, "", _filings_link(theirs), key=stamp)


def _by(rows: list[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _filings_link(rows: list[Any]) -> str:
    return f"/filings/show/{rows[0].id}" if len(rows) == 1 else f"/filings/list/?state={rows[0].state}"


def _tell_regulator(ctx: Context) -> None:
    """A failed instrument is the county regulator's business at once (WORKFLOWS 3, cert_update)."""
    for account in county_regulator(ctx):
        key = f"certificate-{ctx.obj.id}-failed"
        link = f"/certificates/show/{ctx.obj.id}"
        message(ctx.session, account.id, f"辖区内器具检定不合格：{_instrument(ctx)}", "", link, key=key)


if notify not in NOTICES:
    NOTICES.append(notify)
