"""线下找回 (S3): an operator enters the letter, one administrator verifies the proof, another one answers."""

from __future__ import annotations

from app import clock
from app.access.principal import Principal
from app.workflow.engine import REASON, Context, Guard, Step, Workflow
from app.workflow.outgoing import enqueue_mail
from models.account import RecoveryRequest
from models.enums import AccountState, RecoveryState, Role

S = RecoveryState
ADMIN = frozenset({Role.ADM})
ANYONE = frozenset({Role.ANON, Role.ADM})


def _account_found(ctx: Context) -> str | None:
    if ctx.obj.account is None:
        return "没有找到对应的账号，请核对代码或身份证号；确未注册的，请退回并说明原因。"
    fit = ctx.obj.account.state in {AccountState.ACTIVE, AccountState.LOCKED}
    return None if fit else "该账号当前不能找回，请退回并说明原因。"


def _two_administrators(ctx: Context) -> str | None:
    same = ctx.obj.verified_by_id == ctx.actor.account_id
    return "申请人与复核人不能为同一人。" if same else None


def _verified(ctx: Context) -> None:
    ctx.obj.verified_by_id = ctx.actor.account_id


def _answered(ctx: Context) -> None:
    ctx.obj.answered_by_id, ctx.obj.answered_at = ctx.actor.account_id, clock.now()


def _refused(ctx: Context) -> None:
    """The reason goes out by mail (S3: 以邮件形式反馈)."""
    ctx.obj.answered_at = clock.now()
    if ctx.obj.email:
        said = f"{ctx.obj.name}，您提交的账号查询及密码重置申请未能办理。原因：{ctx.data['reason']}\n您可以补充材料后重新提交申请。"
        enqueue_mail(
            ctx.session, ctx.obj.email, "账号查询及密码重置申请的答复", said, key=f"recovery-{ctx.obj.id}-refused"
        )


def not_own(request: RecoveryRequest, actor: Principal) -> bool:
    """Nobody recovers the own account as administrator."""
    return request.account_id is None or request.account_id != actor.account_id


RECOVERY = Workflow(
    name="recovery",
    label="线下找回",
    model=RecoveryRequest,
    states=S,
    labels={S.WAITING: "待核验", S.VERIFIED: "待复核", S.TEXTED: "已短信反馈", S.MAILED: "已邮件反馈"},
    tones={S.WAITING: "info", S.VERIFIED: "info", S.TEXTED: "success", S.MAILED: "danger"},
    final=frozenset({S.TEXTED, S.MAILED}),
    steps=(
        Step("enter", "登记找回申请", (), S.WAITING, ANYONE, own_page=True, basis="S3"),
        Step(
            "verify",
            "核验通过",
            (S.WAITING,),
            S.VERIFIED,
            ADMIN,
            relation=not_own,
            guards=(Guard("account_found", _account_found, fix="/recovery-requests/step/refuse/{obj.id}"),),
            effects=(_verified,),
            primary=True,
            basis="S3",
        ),
        Step(
            "answer",
            "复核并短信反馈",
            (S.VERIFIED,),
            S.TEXTED,
            ADMIN,
            relation=not_own,
            guards=(
                Guard("account_found", _account_found, fix="/recovery-requests/step/refuse/{obj.id}"),
                Guard("two_administrators", _two_administrators, fix=None),
            ),
            effects=(_answered,),
            own_page=True,
            basis="S3 一个工作日内以短信反馈",
        ),
        Step(
            "refuse",
            "退回并邮件反馈",
            (S.WAITING, S.VERIFIED),
            S.MAILED,
            ADMIN,
            needs=(REASON,),
            effects=(_refused,),
            danger=True,
            basis="S3 以邮件形式反馈",
        ),
    ),
    instrument_of=lambda _request: None,
)
