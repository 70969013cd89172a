"""Machine 9 of WORKFLOWS: certificates, from a verifier's draft to the paper anybody can check."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.access.roles import SYSTEM
from app.workflow.authorisation import lapsed
from app.workflow.engine import REASON, Context, Field, Guard, Prior, Step, Workflow, cascade
from app.workflow.merged import kept_of, of_family
from app.workflow.numbers import next_number
from app.workflow.outgoing import enqueue_job
from models.account import Account
from models.certificate import Certificate
from models.enums import CertificateKind, CertificateState, Conclusion, Role
from models.instrument import Instrument
from models.organisation import Institute

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
    what = lapsed(ctx.session, c.institute_id, instrument.category_id if instrument else 0, c.verified_on)
    return f"检定日当天{what}已失效，不能签发。" if what else None


def _two_persons(ctx: Context) -> str | None:
    first = ctx.obj.revoke_confirmed_by_id
    return "撤销须由两人确认。" if first is None or first == ctx.actor.account_id else None


def _checked_by(ctx: Context) -> None:
    ctx.obj.checker_id = ctx.actor.account_id


def _reset_signers(ctx: Context) -> None:
    ctx.obj.checker_id = ctx.obj.approver_id = None


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
    update_instrument(ctx, c.instrument_id)


def update_instrument(ctx: Context, instrument_id: int) -> None:
    """Recompute an instrument's result and validity from ALL issued certificates, never patch them (I-7)."""
    instrument = ctx.session.get(Instrument, instrument_id, execution_options={"unscoped": True})
    if instrument is None:
        return
    ctx.session.flush()
    instrument = kept_of(ctx.session, instrument)
    last = last_issued(ctx.session, instrument.id)

    def recompute(row: Instrument) -> None:
        row.last_result, row.verified_on, row.valid_until = instrument_facts(last)
        row.certificate_no = (last.number if last is not None else "") or ""

    if instrument.state in {"in_use", "suspended"}:
        cascade(ctx, instrument, "cert_update", change=recompute)
    else:
        recompute(instrument)


def last_issued(session: Session, instrument_id: int) -> Certificate | None:
    """The paper in force: the newest issued one of the instrument and of what was merged into it."""
    issued = (
        select(Certificate)
        .where(of_family(session, Certificate.instrument_id, instrument_id), Certificate.state == S.ISSUED)
        .order_by(Certificate.verified_on.desc(), Certificate.id.desc())
        .limit(1)
    )
    return session.execute(issued.execution_options(unscoped=True)).scalars().first()


def instrument_facts(last: Certificate | None) -> tuple[str | None, date | None, date | None]:
    """(result, verified on, valid until) that the newest issued certificate gives; nothing without one."""
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
            "correct",
            "更正",
            (S.ISSUED,),
            S.SUPERSEDED,
            APPROVER,
            relation=at_mine,
            needs=(REASON,),
            own_page=True,
            guards=(_other_than_verifier("批准人"),),
            effects=(_recompute,),
            basis="own; JJF 1069",
        ),
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
            basis="own",
        ),
    ),
)

REASON_FIELD: Field = REASON


def new_facts(**values: Any) -> dict[str, Any]:
    """The snapshot a certificate carries; plain JSON values only."""
    return {k: (v.isoformat() if isinstance(v, date) else v) for k, v in values.items()}
