"""Machine 2 of WORKFLOWS: a person asks to act for one unit or institute; its main account or manager decides."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select

from app import clock
from app.access.principal import Principal
from app.access.roles import SYSTEM
from app.workflow.engine import REASON_OPTIONAL, Context, Guard, Step, Workflow, cascade
from models.account import Account
from models.affiliation import Affiliation
from models.enums import AccountState, AffiliationState, Role
from models.log import TransitionLog

S = AffiliationState
PERSON = frozenset({Role.IND})
DECIDES = frozenset({Role.ENT, Role.IMG})
REFUSALS, WITHIN = 3, timedelta(days=30)


def is_person(link: Affiliation, actor: Principal) -> bool:
    """The one who asked."""
    return link.account_id == actor.account_id


def is_body(link: Affiliation, actor: Principal) -> bool:
    """The main account of that unit, or a manager of that institute (must-never case 29)."""
    if link.unit_id is not None:
        return actor.has(Role.ENT) and actor.unit_id == link.unit_id
    return actor.has(Role.IMG) and actor.institute_id == link.institute_id


def is_party(link: Affiliation, actor: Principal) -> bool:
    """Either side may end a link."""
    return is_person(link, actor) or is_body(link, actor)


def _no_other(ctx: Context) -> str | None:
    statement = select(func.count()).where(
        Affiliation.account_id == ctx.obj.account_id,
        Affiliation.state.in_((S.REQUESTED, S.LINKED)),
        Affiliation.id != (ctx.obj.id or 0),
    )
    live = ctx.session.scalar(statement.execution_options(unscoped=True))
    return "企业和机构只能关联一个，请先删除现有关联。" if live else None


def _not_refused_often(ctx: Context) -> str | None:
    if ctx.obj.id is None:
        return None
    statement = select(func.count()).where(
        TransitionLog.entity == "affiliation",
        TransitionLog.entity_id == ctx.obj.id,
        TransitionLog.step == "refuse",
        TransitionLog.at > clock.now() - WITHIN,
    )
    count = ctx.session.scalar(statement.execution_options(unscoped=True)) or 0
    return "该单位已多次拒绝您的申请，请线下联系。" if count >= REFUSALS else None


def _person_active(ctx: Context) -> str | None:
    active = ctx.obj.account.state == AccountState.ACTIVE
    return None if active else "该用户账号状态异常，不能通过。"


def _ask(ctx: Context) -> None:
    ctx.obj.requested_at, ctx.obj.decided_at, ctx.obj.reason = clock.now(), None, None


def _decide(ctx: Context) -> None:
    ctx.obj.decided_at = clock.now()


def _link(ctx: Context) -> None:
    """From this moment the person acts for the body; the account's row decides the scope at the next request."""
    person = ctx.obj.account
    person.unit_id, person.institute_id = ctx.obj.unit_id, ctx.obj.institute_id
    person.roles = sorted({Role.IND.value, Role.AFF.value})


def _unlink(ctx: Context) -> None:
    """Rights end in the same transaction; what was done stays signed with the person's name."""
    person = ctx.obj.account
    person.unit_id = person.institute_id = None
    person.roles = [Role.IND.value]


def end_links(ctx: Context) -> None:
    """Remove every link of a body whose account was blocked or closed, and of a person who left (an account's effect)."""
    account: Account = ctx.obj
    mine = Affiliation.account_id == account.id
    if Role.ENT in account.roles and account.unit_id is not None:
        mine = or_(mine, Affiliation.unit_id == account.unit_id)
    statement = select(Affiliation).where(mine, Affiliation.state.in_((S.REQUESTED, S.LINKED)))
    for link in ctx.session.execute(statement.execution_options(unscoped=True)).unique().scalars().all():
        step = "remove" if link.state == S.LINKED else "expire"
        cascade(ctx, link, step, {"reason": "单位账号已停用或注销"})


AFFILIATION = Workflow(
    name="affiliation",
    label="关联",
    model=Affiliation,
    states=S,
    labels={
        S.NONE: "未关联",
        S.REQUESTED: "申请中",
        S.LINKED: "已关联",
        S.REFUSED: "已拒绝",
        S.REMOVED: "已删除",
    },
    tones={S.REQUESTED: "info", S.LINKED: "success", S.REFUSED: "danger"},
    final=frozenset(),
    steps=(
        Step(
            "request",
            "申请关联",
            (),
            S.REQUESTED,
            PERSON,
            relation=is_person,
            switch="affiliation",
            own_page=True,
            guards=(Guard("one_body", _no_other, fix="/me/affiliation"),),
            effects=(_ask,),
            basis="S1 §2.5.1",
        ),
        Step(
            "request_again",
            "申请关联",
            (S.NONE, S.REFUSED, S.REMOVED),
            S.REQUESTED,
            PERSON,
            relation=is_person,
            switch="affiliation",
            guards=(
                Guard("one_body", _no_other, fix="/me/affiliation"),
                Guard("refused_often", _not_refused_often, fix=None),
            ),
            effects=(_ask,),
            basis="S1 §2.5.1",
        ),
        Step(
            "cancel",
            "撤回申请",
            (S.REQUESTED,),
            S.NONE,
            PERSON,
            relation=is_person,
            effects=(_decide,),
            basis="own",
        ),
        Step(
            "approve",
            "通过",
            (S.REQUESTED,),
            S.LINKED,
            DECIDES,
            relation=is_body,
            switch="affiliation",
            guards=(Guard("person_active", _person_active, fix=None),),
            effects=(_decide, _link),
            primary=True,
            basis="S1 §2.5.1 企业授权",
        ),
        Step(
            "refuse",
            "拒绝",
            (S.REQUESTED,),
            S.REFUSED,
            DECIDES,
            relation=is_body,
            needs=(REASON_OPTIONAL,),
            effects=(_decide,),
            basis="S1 §2.5.1",
        ),
        Step(
            "expire",
            "申请超时",
            (S.REQUESTED,),
            S.REFUSED,
            SYSTEM,
            needs=(REASON_OPTIONAL,),
            effects=(_decide,),
            basis="own: 30 days without an answer",
        ),
        Step(
            "remove",
            "删除关联",
            (S.LINKED,),
            S.REMOVED,
            PERSON | DECIDES | SYSTEM,
            relation=is_party,
            effects=(_unlink,),
            danger=True,
            basis="S1 §2.5.1",
        ),
    ),
    instrument_of=lambda _link: None,
)
