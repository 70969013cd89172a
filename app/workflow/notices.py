"""Who is told what after which step (the notify columns of WORKFLOWS); the engine calls `notify` after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.profiles import setting
from app.workflow.engine import NOTICES, Context
from app.workflow.filing_office import by_regulator
from app.workflow.outgoing import enqueue_mail, message, messages
from app.workflow.recipients import (
    Recipients,
    accounts_of,
    applicant,
    assignee,
    body,
    counterpart,
    county_regulator,
    giver,
    institute,
    institute_if_whole,
    order_counterpart,
    other_side,
    owner,
    receiver,
    reviewers,
    unit,
    unit_if_any,
    unless_bulk,
    waits_for_unit,
)
from models.account import Account
from models.appointment import Appointment
from models.enums import LineOutcome, Role
from models.instrument import Instrument
from models.job import BulkLine

Text = Callable[[Context], str]


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


def _auto_withdrawn(ctx: Context) -> str:
    days = setting("appointment", "extended_workdays" if ctx.obj.extended else "deadline_workdays")
    return f"预约单{ctx.obj.number}超过{days}个工作日未送检，系统已自动撤销，可申请恢复。"


def _new_order(ctx: Context) -> str:
    return f"有新的预约单待受理：{ctx.obj.number}"


def _voided(ctx: Context) -> str:
    """A visit that never became a 委托单 has no number to be named by."""
    what = f"委托单{ctx.obj.number}" if ctx.obj.number else f"预约单{ctx.obj.appointment}的送检登记"
    return f"{what}已作废，原因：{ctx.obj.reason}"


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


FILING_REGULATOR = {"submit": "有新的备案申请待审核。", "confirm": "有备案已由接收机构确认，待审核。"}
"""For the county, where it decides and not the institute."""


def reviewing_county(ctx: Context) -> list[Account]:
    return county_regulator(ctx) if by_regulator() else []


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
    return accounts_of(
        session, Account.institute_id == institute_id, Account.roles.overlap([Role.REC.value, Role.IMG.value])
    )


def _filing_word(step: str, row: Any) -> str:
    """What a step means for the unit; who only confirms has not decided where the administration does."""
    return (
        "备案已由接收机构确认，待监管部门审核" if row.state == "to_process" and step == "confirm" else FILING_UNIT[step]
    )


def _filing_sentence(step: str) -> Text:
    def said(ctx: Context) -> str:
        why = str(ctx.data.get("reason") or "").strip()
        return f"{_filing_word(step, ctx.obj)}：{_instrument(ctx)}" + (f"，原因：{why}" if why else "")

    return said


def _of_filing(step: str) -> list[tuple[Recipients, Text, bool]]:
    """Of one filing; many of one click are told together (tell_of_filings)."""
    found: list[tuple[Recipients, Text, bool]] = []
    if step in FILING_UNIT:
        found.append((unless_bulk(unit), _filing_sentence(step), False))
    if step in FILING_INSTITUTE:
        found.append((unless_bulk(_reception), lambda _c: FILING_INSTITUTE[step], False))
    if step in FILING_REGULATOR:
        found.append((unless_bulk(reviewing_county), lambda _c: FILING_REGULATOR[step], False))
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
    ("commission", "void"): [(unit, _voided, True)],
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
    ("appointment", "auto_withdraw"): [(unit, _auto_withdrawn, True)],
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
    ("certificate", "revoke"): [
        (unit, lambda c: f"证书{c.obj.number}已撤销，原因：{c.obj.reason}", True),
        (county_regulator, lambda c: f"证书{c.obj.number}已撤销，原因：{c.obj.reason}", False),
    ],
    ("certificate", "correct"): [
        (unit, lambda c: f"证书{c.obj.number}已更正，原因：{c.obj.reason}", True),
        (county_regulator, lambda c: f"证书{c.obj.number}已更正，原因：{c.obj.reason}", False),
    ],
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
        own, mine = OWN_PAGES.get(ctx.workflow.name), getattr(ctx.obj, "account_id", None)
        told = list(recipients(ctx))
        links = [(account.id, own if own is not None and account.id == mine else link) for account in told]
        messages(ctx.session, links, sentence, key=key)
        for account in told:
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
        for account in accounts_of(session, told):
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
            sentence = f"{_filing_word(step, mine[0])}：{what}{why}"
            for account in accounts_of(session, Account.unit_id == unit_id):
                message(session, account.id, sentence, "", _filings_link(mine), key=stamp)
    if step in FILING_INSTITUTE:
        for institute_id, theirs in _by(rows, lambda row: _filing_body(step, row)).items():
            sentence = FILING_INSTITUTE[step]
            if len(theirs) > 1:
                sentence = f"{sentence.removesuffix('。')}：{len(theirs)}台器具"
            for account in reception_of(session, institute_id) if institute_id else []:
                message(session, account.id, sentence, "", _filings_link(theirs), key=stamp)
    if step in FILING_REGULATOR and by_regulator():
        for area, here in _by(rows, lambda row: row.use_division).items():
            sentence = f"{FILING_REGULATOR[step].removesuffix('。')}：{len(here)}台器具"
            for account in accounts_of(session, Account.area == area):
                message(session, account.id, sentence, "", _filings_link(here), key=stamp)


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
