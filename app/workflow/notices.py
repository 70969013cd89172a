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
    row = ctx.session.get(Instrument, ctx.obj.instrument_id, execution_options={"unscoped": True})
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
    when = f"，请于{ctx.obj.deadline_at:%Y-%m-%d}前送检" if ctx.obj.deadline_at else ""
    return f"预约单{ctx.obj.number}已受理{when}。"


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
    ("filing", "submit"): [(institute(Role.REC, Role.IMG), lambda _c: "有新的备案申请待处理。", False)],
    ("filing", "approve"): [(unit, lambda c: f"备案已通过：{_instrument(c)}", False)],
    ("filing", "confirm"): [(unit, lambda c: f"备案已通过：{_instrument(c)}", False)],
    ("filing", "return"): [(unit, lambda c: f"备案被退回：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("filing", "revoke"): [(unit, lambda c: f"备案被撤销：{_instrument(c)}，原因：{c.obj.reason}", False)],
    ("filing", "dispatch"): [(institute(Role.REC, Role.IMG), lambda _c: "有分派的备案待确认。", False)],
    ("filing", "transfer"): [(institute(Role.REC, Role.IMG), lambda _c: "有转送的备案待确认。", False)],
    ("filing", "refuse"): [(institute(Role.REC, Role.IMG), lambda c: f"备案被无能力退回，原因：{c.obj.reason}", False)],
    ("appointment", "submit"): [
        (institute(Role.REC, Role.IMG), lambda c: f"有新的预约单待受理：{c.obj.number}", False)
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
LINKS["unit_change"] = "unit-changes"
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


def _tell_regulator(ctx: Context) -> None:
    """A failed instrument is the county regulator's business at once (WORKFLOWS 3, cert_update)."""
    for account in county_regulator(ctx):
        key = f"certificate-{ctx.obj.id}-failed"
        link = f"/certificates/show/{ctx.obj.id}"
        message(ctx.session, account.id, f"辖区内器具检定不合格：{_instrument(ctx)}", "", link, key=key)


if notify not in NOTICES:
    NOTICES.append(notify)
