"""Machine 9 of WORKFLOWS: certificates, from a verifier's draft to the paper anybody can check."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import SYSTEM
from app.profiles import switch_on
from app.workflow.authorisation import lapsed, verifier_lapsed
from app.workflow.commission_rules import task_of
from app.workflow.engine import REASON, Context, Field, Guard, Prior, Step, Workflow, bear, cascade
from app.workflow.merged import family, kept_of, of_family
from app.workflow.numbers import next_number
from app.workflow.outgoing import enqueue_job
from models.account import Account
from models.certificate import Certificate
from models.enums import CertificateKind, CertificateState, Conclusion, Role, TaskState
from models.instrument import Instrument
from models.organisation import Institute
from models.unmatched import UnmatchedRecord

S = CertificateState
VERIFIER = frozenset({Role.VER})
APPROVER = frozenset({Role.APR})
TWO_PERSONS = frozenset({Role.IMG, Role.APR})
CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0 O 1 I: the code is read off paper and typed on phones."""


def at_mine(certificate: Certificate, actor: Principal) -> bool:
    return certificate.institute_id == actor.institute_id


def is_verifier(certificate: Certificate, actor: Principal) -> bool:
    return at_mine(certificate, actor) and certificate.verifier_id == actor.account_id


def expiry(verified_on: date, months: int) -> date:
    """有效期至 = 检定日期 + cycle months − 1 day; the month's end is clamped first (DOMAIN a)."""
    return verified_on + relativedelta(months=months) - timedelta(days=1)


def _not_future(ctx: Context) -> str | None:
    return "检定日期不能晚于今天。" if ctx.obj.verified_on > clock.today() else None


def _validity_explained(ctx: Context) -> str | None:
    c = ctx.obj
    if c.conclusion != Conclusion.PASS or c.valid_until is None or not c.cycle_months:
        return None
    if c.valid_until == expiry(c.verified_on, c.cycle_months):
        return None
    return None if (c.validity_reason or "").strip() else "有效期与规程周期不一致，请填写有效期说明。"


def _other_than_verifier(role: str) -> Guard:
    def check(ctx: Context) -> str | None:
        same = ctx.obj.verifier_id == ctx.actor.account_id
        return f"{role}与检定员不能为同一人。" if same else None

    return Guard("not_verifier", check, fix=None)


def _nothing_lapsed(ctx: Context) -> str | None:
    c = ctx.obj
    instrument = ctx.session.get(Instrument, c.instrument_id, execution_options={"unscoped": True})
    kind = instrument.category_id if instrument else 0
    what = lapsed(ctx.session, c.institute_id, kind, c.verified_on)
    if what is None and verifier_lapsed(ctx.session, c.verifier_id, c.institute_id, kind, c.verified_on):
        what = "检定员的项目资格"
    return f"检定日当天{what}已失效，不能签发。" if what else None


def _two_persons(ctx: Context) -> str | None:
    first = ctx.obj.revoke_confirmed_by_id
    return "撤销须由两人确认。" if first is None or first == ctx.actor.account_id else None


def _checked_by(ctx: Context) -> None:
    ctx.obj.checker_id = ctx.actor.account_id


def _reset_signers(ctx: Context) -> None:
    ctx.obj.checker_id = ctx.obj.approver_id = None
    _measure_again(ctx)


def _measure_again(ctx: Context) -> None:
    """A draft that is given up leaves its task without a result: the verifier records once more."""
    task = task_of(ctx.session, ctx.obj.item_id)
    if task is not None and task.state == TaskState.RECORDED and ctx.obj.supersedes_id is None:
        cascade(ctx, task, "rework")


def _record_again(ctx: Context) -> None:
    """A paper that was sent back is submitted once more: its task has its result again."""
    task = task_of(ctx.session, ctx.obj.item_id)
    if task is not None and task.state == TaskState.IN_PROGRESS:
        cascade(ctx, task, "record", {"conclusion": ctx.obj.conclusion})


def _start_correction(ctx: Context) -> None:
    """A new draft with the old one's content; the old paper stays in force until the new one is out."""
    old = ctx.obj
    fresh = Certificate(
        **{name: getattr(old, name) for name in COPIED},
        facts={k: v for k, v in old.facts.items() if k not in {"checker", "approver"}} | {"corrects": old.number},
        supersedes_id=old.id,
        verifier_id=ctx.actor.account_id,
    )
    fresh.facts = {**fresh.facts, "verifier": ctx.actor.name, "correction_reason": str(ctx.data["reason"]).strip()}
    bear(ctx.session, fresh, "create", ctx.actor, caused_by="certificate.begin_correction")


def _no_correction_yet(ctx: Context) -> str | None:
    statement = select(Certificate.id).where(Certificate.supersedes_id == ctx.obj.id, Certificate.state != S.DROPPED)
    busy = ctx.session.execute(statement.execution_options(unscoped=True)).first()
    return "该证书已有更正在办理，请继续办理更正后的证书。" if busy else None


COPIED = (
    "kind",
    "conclusion",
    "item_id",
    "instrument_id",
    "unit_id",
    "institute_id",
    "use_division",
    "verified_on",
    "cycle_months",
    "valid_until",
    "validity_reason",
)
"""What a correction takes over from the paper it corrects."""


def _number_and_queue(ctx: Context) -> None:
    """Number, code, signer and the job that writes the paper, all in this transaction."""
    c = ctx.obj
    institute = ctx.session.get(Institute, c.institute_id)
    year = f"{clock.today():%Y}"
    word = "J" if c.kind == CertificateKind.CERTIFICATE else "T"
    count = next_number(ctx.session, f"certificate-{word}", str(c.institute_id), year)
    c.number = f"{institute.code if institute else ''}{word}{year}{count:06d}"
    c.lookup_code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(8))
    c.approver_id, c.issued_at = ctx.actor.account_id, clock.now()
    # the signers' names are part of the paper: they stay as they were, and readers outside the institute see them
    checker = ctx.session.get(Account, c.checker_id, execution_options={"unscoped": True})
    c.facts = {**c.facts, "checker": checker.name if checker else "", "approver": ctx.actor.name}
    enqueue_job(ctx.session, "publish_certificate", {"certificate_id": c.id}, key=f"publish-{c.id}-{c.number}")


def _published(ctx: Context) -> None:
    """The result reaches item, appointment and ledger in the same transaction (WORKFLOWS 18)."""
    c = ctx.obj
    if c.item.state == "verifying":
        cascade(ctx, c.item, "finish", {"result": c.conclusion})
    elif c.item.state == "done" and c.item.result != c.conclusion:
        cascade(ctx, c.item, "recheck", {"result": c.conclusion})
    task = task_of(ctx.session, c.item_id)
    if task is not None and task.state == TaskState.RECORDED:
        cascade(ctx, task, "close")
    old = ctx.session.get(Certificate, c.supersedes_id or 0, execution_options={"unscoped": True})
    if old is not None and old.state == S.ISSUED:
        cascade(ctx, old, "correct", {"reason": c.facts.get("correction_reason") or f"由{c.number}更正"})
    update_instrument(ctx, c.instrument_id)


def update_instrument(ctx: Context, instrument_id: int) -> None:
    """Recompute an instrument's result and validity from ALL issued certificates, never patch them (I-7)."""
    instrument = ctx.session.get(Instrument, instrument_id, execution_options={"unscoped": True})
    if instrument is None:
        return
    ctx.session.flush()
    instrument = kept_of(ctx.session, instrument)
    last = last_verification(ctx.session, instrument.id)

    def recompute(row: Instrument) -> None:
        row.last_result, row.verified_on, row.valid_until = instrument_facts(last)
        row.certificate_no = (last.number if last is not None else "") or ""
        if last is not None and not switch_on("filing"):
            row.institute_id = (
                last.institute_id
            )  # 上次检定机构; where instruments are filed it is the filing's institute

    if instrument.state in {"in_use", "suspended"}:
        cascade(ctx, instrument, "cert_update", change=recompute)
    else:
        recompute(instrument)


def last_verification(session: Session, instrument_id: int) -> Certificate | UnmatchedRecord | None:
    """What counts for an instrument: the newest of its papers and of the results of other systems that its unit linked
    to it, by the day of verification and not by arrival (VER-11, I-7)."""
    return newest_verification(session, family(session, instrument_id))


def newest_verification(session: Session, ids: Sequence[int]) -> Certificate | UnmatchedRecord | None:
    """The same of rows that are one instrument, named by the caller; of one day the own paper counts."""
    paper = _newest_paper(session, Certificate.instrument_id.in_(ids))
    linked = (
        select(UnmatchedRecord)
        .where(UnmatchedRecord.instrument_id.in_(ids), UnmatchedRecord.state.in_(("linked", "imported")))
        .order_by(UnmatchedRecord.verified_on.desc(), UnmatchedRecord.id.desc())
        .limit(1)
    )
    record = session.execute(linked.execution_options(unscoped=True)).scalars().first()
    if paper is None or record is None:
        return paper or record
    return record if record.verified_on > paper.verified_on else paper


def last_issued(session: Session, instrument_id: int) -> Certificate | None:
    """The paper in force: the newest issued one of the instrument and of what was merged into it."""
    return _newest_paper(session, of_family(session, Certificate.instrument_id, instrument_id))


def _newest_paper(session: Session, whose: ColumnElement[bool]) -> Certificate | None:
    issued = (
        select(Certificate)
        .where(whose, Certificate.state == S.ISSUED)
        .order_by(Certificate.verified_on.desc(), Certificate.id.desc())
        .limit(1)
    )
    return session.execute(issued.execution_options(unscoped=True)).scalars().first()


def instrument_facts(last: Certificate | UnmatchedRecord | None) -> tuple[str | None, date | None, date | None]:
    """(result, verified on, valid until) that the newest verification gives; nothing without one."""
    if last is None:
        return None, None, None
    until = last.valid_until if last.conclusion == Conclusion.PASS else None
    return last.conclusion, last.verified_on, until


def _recompute(ctx: Context) -> None:
    update_instrument(ctx, ctx.obj.instrument_id)


def _ask_revocation(ctx: Context) -> None:
    ctx.obj.revoke_confirmed_by_id = ctx.actor.account_id


def _facts_complete(ctx: Context) -> str | None:
    missing = [label for key, label in REQUIRED_FACTS if not str(ctx.obj.facts.get(key, "")).strip()]
    return f"请先填写：{'、'.join(missing)}。" if missing else None


REQUIRED_FACTS: tuple[tuple[str, str], ...] = (
    ("instrument_name", "器具名称"),
    ("serial_no", "出厂编号"),
    ("place", "检定地点"),
    ("temperature", "温度"),
    ("humidity", "湿度"),
)

CERTIFICATE = Workflow(
    name="certificate",
    label="证书",
    model=Certificate,
    states=S,
    labels={
        S.DRAFT: "编制中",
        S.CHECKING: "待核验",
        S.APPROVING: "待批准",
        S.ISSUING: "签发中",
        S.ISSUED: "已签发",
        S.SUPERSEDED: "已更正",
        S.REVOKED: "已撤销",
        S.DROPPED: "已废弃",
    },
    tones={
        S.DRAFT: "muted",
        S.CHECKING: "info",
        S.APPROVING: "info",
        S.ISSUING: "warning",
        S.ISSUED: "success",
        S.SUPERSEDED: "muted",
        S.REVOKED: "danger",
    },
    final=frozenset({S.SUPERSEDED, S.REVOKED, S.DROPPED}),
    steps=(
        Step(
            "create",
            "编制",
            (),
            S.DRAFT,
            VERIFIER,
            own_page=True,
            guards=(Guard("not_future", _not_future, fix="/certificates/draft/{obj.id}"),),
            basis="强检办法 art. 9",
        ),
        Step("edit", "修改", (S.DRAFT,), Prior.SAME, VERIFIER, relation=is_verifier, own_page=True, basis="own"),
        Step(
            "submit",
            "提交核验",
            (S.DRAFT,),
            S.CHECKING,
            VERIFIER,
            relation=is_verifier,
            primary=True,
            bulk=True,
            guards=(
                Guard("not_future", _not_future, fix="/certificates/draft/{obj.id}"),
                Guard("facts", _facts_complete, fix="/certificates/draft/{obj.id}"),
                Guard("validity", _validity_explained, fix="/certificates/draft/{obj.id}"),
            ),
            effects=(_record_again,),
            basis="强检办法 art. 6",
        ),
        Step(
            "check",
            "核验通过",
            (S.CHECKING,),
            S.APPROVING,
            VERIFIER,
            relation=at_mine,
            primary=True,
            bulk=True,
            guards=(_other_than_verifier("核验员"),),
            effects=(_checked_by,),
            basis="检定证书须有检定、核验、主管签字 (231号)",
        ),
        Step(
            "back",
            "退回",
            (S.CHECKING, S.APPROVING),
            S.DRAFT,
            VERIFIER | APPROVER,
            relation=at_mine,
            needs=(REASON,),
            guards=(_other_than_verifier("退回人"),),
            effects=(_reset_signers,),
            danger=True,
            basis="own",
        ),
        Step(
            "issue",
            "批准签发",
            (S.APPROVING,),
            S.ISSUING,
            APPROVER,
            relation=at_mine,
            primary=True,
            bulk=True,
            guards=(_other_than_verifier("批准人"), Guard("nothing_lapsed", _nothing_lapsed, fix=None)),
            effects=(_number_and_queue,),
            basis="S3; S4 §七",
        ),
        Step("publish", "生成电子证书", (S.ISSUING,), S.ISSUED, SYSTEM, effects=(_published,), basis="S3"),
        Step(
            "begin_correction",
            "更正",
            (S.ISSUED,),
            Prior.SAME,
            VERIFIER,
            relation=at_mine,
            needs=(REASON,),
            own_page=True,
            guards=(Guard("one_correction", _no_correction_yet, fix=None),),
            effects=(_start_correction,),
            basis="own; JJF 1069",
        ),
        Step("correct", "已更正", (S.ISSUED,), S.SUPERSEDED, SYSTEM, needs=(REASON,), basis="own; JJF 1069"),
        Step(
            "ask_revocation",
            "发起撤销",
            (S.ISSUED,),
            Prior.SAME,
            TWO_PERSONS,
            relation=at_mine,
            needs=(REASON,),
            effects=(_ask_revocation,),
            danger=True,
            basis="注销原印证: 强检办法 art. 9",
        ),
        Step(
            "revoke",
            "确认撤销",
            (S.ISSUED,),
            S.REVOKED,
            TWO_PERSONS,
            relation=at_mine,
            needs=(REASON,),
            danger=True,
            guards=(Guard("two_persons", _two_persons, fix=None),),
            effects=(_recompute,),
            basis="注销原印证: 强检办法 art. 9",
        ),
        Step(
            "drop",
            "废弃",
            (S.DRAFT, S.CHECKING),
            S.DROPPED,
            VERIFIER,
            relation=is_verifier,
            needs=(REASON,),
            danger=True,
            effects=(_measure_again,),
            basis="own; WORKFLOWS 9 drop",
        ),
    ),
)

REASON_FIELD: Field = REASON


def new_facts(**values: Any) -> dict[str, Any]:
    """The snapshot a certificate carries; plain JSON values only."""
    return {k: (v.isoformat() if isinstance(v, date) else v) for k, v in values.items()}
