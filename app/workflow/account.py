"""Machine 1 of WORKFLOWS: accounts, from registration to closing."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, SYSTEM, UNIT
from app.workflow.engine import REASON, Context, Effect, Field, Guard, Prior, Step, Workflow
from app.workflow.live import live_business
from models.account import Account
from models.enums import AccountState, Role

S = AccountState
ANYONE = frozenset({Role.ANON}) | SYSTEM
ADMIN = frozenset({Role.ADM})
OWNER = UNIT | frozenset({Role.APPLICANT}) | frozenset({Role.REC, Role.VER, Role.APR, Role.IMG, Role.REG})


def is_reviewer(account: Account, actor: Principal) -> bool:
    """The chosen institute reviews; without one, the administrator does (profile account.reviewer)."""
    if account.reviewer_institute_id is None:
        return actor.has(Role.ADM)
    return actor.institute_id == account.reviewer_institute_id


def is_owner(account: Account, actor: Principal) -> bool:
    return account.id == actor.account_id


def _not_last_admin(ctx: Context) -> str | None:
    if Role.ADM not in ctx.obj.roles:
        return None
    others = select(func.count()).where(
        Account.roles.contains([Role.ADM.value]), Account.state == S.ACTIVE, Account.id != ctx.obj.id
    )
    count = ctx.session.scalar(others.execution_options(unscoped=True))
    return None if count else "不能停用最后一个系统管理员。"


def _link_alive(ctx: Context) -> str | None:
    expires = ctx.obj.activation_expires_at
    return None if expires and expires > clock.now() else "链接已失效，请联系管理员重新发送。"


def _nothing_open(ctx: Context) -> str | None:
    count = live_business(ctx.session, unit_id=ctx.obj.unit_id) if ctx.obj.unit_id else 0
    return f"尚有未办结事项（{count}项），暂不能注销。" if count else None


def _end_sessions(ctx: Context) -> None:
    """Open browsers lose the account at their next request; a disabled account has no living session (case 31)."""
    ctx.obj.session_epoch += 1


def _set_login(active: bool) -> Effect:
    def effect(ctx: Context) -> None:
        ctx.obj.user.active = active

    return effect


def _open_unit(ctx: Context) -> None:
    """Approval makes the unit count: from now on its code is taken."""
    if ctx.obj.unit is not None:
        ctx.obj.unit.active = True


def _lock_out(ctx: Context) -> None:
    """5 failures: 15 minutes, doubling to a day (等保 8.1.4.1 b)."""
    rounds = max(ctx.obj.failed_logins // 5, 1)
    minutes = min(15 * 2 ** (rounds - 1), 24 * 60)
    ctx.obj.locked_until = clock.now() + timedelta(minutes=minutes)


def _clear_lock(ctx: Context) -> None:
    ctx.obj.locked_until, ctx.obj.failed_logins = None, 0


def _forget_link(ctx: Context) -> None:
    ctx.obj.activation_hash, ctx.obj.activation_expires_at = None, None


FIELDS_TO_CORRECT = Field("fields", "需要修改的内容", "text", required=False, hint="例如：证照图片、单位名称")

ACCOUNT = Workflow(
    name="account",
    label="账号",
    model=Account,
    states=S,
    labels={
        S.UNVERIFIED: "待验证",
        S.PENDING: "待审核",
        S.ACTIVE: "正常",
        S.RETURNED: "审核不通过",
        S.LOCKED: "已锁定",
        S.DISABLED: "已停用",
        S.CLOSED: "已注销",
        S.INVITED: "待激活",
    },
    tones={S.PENDING: "info", S.ACTIVE: "success", S.RETURNED: "danger", S.LOCKED: "warning", S.DISABLED: "warning"},
    final=frozenset({S.CLOSED}),
    steps=(
        Step("register", "注册", (), S.UNVERIFIED, ANYONE, own_page=True, basis="S0 §三(二); S1 §2.2; S4 §一.1–2"),
        Step("verify", "验证", (S.UNVERIFIED,), S.PENDING, ANYONE, own_page=True, basis="S0 §三(二); S1 §2.2"),
        Step("sso_enter", "政务服务网登录", (), S.ACTIVE, ANYONE, switch="account.sso", own_page=True, basis="S2 §1"),
        Step(
            "approve",
            "审核通过",
            (S.PENDING,),
            S.ACTIVE,
            RECEPTION | ADMIN,
            relation=is_reviewer,
            effects=(_open_unit,),
            primary=True,
            basis="S1 §2.6; S4 §一.2",
        ),
        Step(
            "return",
            "退回",
            (S.PENDING,),
            S.RETURNED,
            RECEPTION | ADMIN,
            relation=is_reviewer,
            needs=(REASON, FIELDS_TO_CORRECT),
            danger=True,
            basis="S4 §一.2",
        ),
        Step(
            "resubmit",
            "修改后重新提交",
            (S.RETURNED,),
            S.PENDING,
            frozenset({Role.APPLICANT}),
            relation=is_owner,
            own_page=True,
            basis="S4 §一.2",
        ),
        Step(
            "complete_contact",
            "完善联络人员",
            (S.ACTIVE,),
            Prior.SAME,
            frozenset({Role.ENT}),
            relation=is_owner,
            own_page=True,
            basis="S2 §1.2",
        ),
        Step(
            "issue",
            "派发账号",
            (),
            S.INVITED,
            ADMIN | SYSTEM,
            effects=(_set_login(False),),
            own_page=True,
            basis="S0 §四",
        ),
        Step(
            "invite_sub",
            "新增子用户",
            (),
            S.INVITED,
            frozenset({Role.ENT}),
            switch="subaccounts",
            own_page=True,
            effects=(_set_login(False),),
            basis="S4 §七",
        ),
        Step(
            "activate",
            "激活",
            (S.INVITED,),
            S.ACTIVE,
            ANYONE,
            own_page=True,
            guards=(Guard("link", _link_alive),),
            effects=(_set_login(True), _forget_link),
            basis="replaces S3's common first password",
        ),
        Step(
            "bind_wechat",
            "绑定微信",
            (S.ACTIVE,),
            Prior.SAME,
            OWNER,
            relation=is_owner,
            switch="account.wechat",
            own_page=True,
            basis="S4 §一.3",
        ),
        Step(
            "unbind_wechat",
            "解绑微信",
            (S.ACTIVE,),
            Prior.SAME,
            OWNER,
            relation=is_owner,
            switch="account.wechat",
            basis="S4 §八.1",
        ),
        Step("lock", "锁定", (S.ACTIVE,), S.LOCKED, SYSTEM, effects=(_lock_out,), basis="等保 8.1.4.1 b)"),
        Step("unlock", "解锁", (S.LOCKED,), S.ACTIVE, ADMIN | SYSTEM, effects=(_clear_lock,), basis="等保 8.1.4.1 b)"),
        Step(
            "reset_password",
            "忘记密码",
            (S.ACTIVE, S.LOCKED),
            S.ACTIVE,
            ANYONE,
            own_page=True,
            effects=(_end_sessions, _clear_lock),
            basis="S1 §2.3",
        ),
        Step(
            "offline_recovery",
            "线下找回",
            (S.ACTIVE, S.LOCKED),
            S.ACTIVE,
            ADMIN,
            own_page=True,
            effects=(_end_sessions, _clear_lock),
            basis="S3",
        ),
        Step(
            "disable",
            "停用",
            (S.ACTIVE,),
            S.DISABLED,
            ADMIN | frozenset({Role.REG}),
            needs=(REASON,),
            danger=True,
            guards=(Guard("last_admin", _not_last_admin),),
            effects=(_end_sessions, _set_login(False)),
            relation=lambda account, actor: account.id != actor.account_id,
            basis="own",
        ),
        Step(
            "enable",
            "启用",
            (S.DISABLED,),
            S.ACTIVE,
            ADMIN | frozenset({Role.REG}),
            effects=(_set_login(True),),
            relation=lambda account, actor: account.id != actor.account_id,
            basis="own",
        ),
        Step(
            "close",
            "注销账号",
            (S.ACTIVE, S.RETURNED, S.DISABLED),
            S.CLOSED,
            frozenset({Role.ENT, Role.SUB, Role.APPLICANT}),
            relation=is_owner,
            danger=True,
            own_page=True,
            guards=(Guard("open_business", _nothing_open),),
            effects=(_end_sessions, _set_login(False)),
            basis="S4 §一.2; PIPL 15, 47",
        ),
    ),
    instrument_of=lambda _account: None,
)
