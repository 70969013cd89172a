"""Machine 1 of WORKFLOWS: accounts, from registration to closing."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select, text

from app import clock
from app.access.principal import Principal
from app.access.roles import RECEPTION, SYSTEM, UNIT, forbidden_combination
from app.profiles import setting
from app.workflow.engine import REASON, Context, Effect, Field, Guard, Prior, Step, Workflow
from app.workflow.live import live_business
from models.account import Account
from models.enums import AccountKind, AccountState, Role
from models.types import blind_index

S = AccountState
ANYONE = frozenset({Role.ANON}) | SYSTEM
ADMIN = frozenset({Role.ADM})
OWNER = UNIT | frozenset({Role.APPLICANT, Role.IND}) | frozenset({Role.REC, Role.VER, Role.APR, Role.IMG, Role.REG})
MANAGER = frozenset({Role.IMG})
SECURITY = frozenset({Role.SEC})
ADMIN_LOCK = 7_202  # advisory lock: one answer at a time to "is this the last administrator?"
TRUSTED = (AccountKind.AUDITOR, AccountKind.SECURITY)
"""Kinds that nobody issues alone: the administrator names, the security administrator countersigns (等保 三员分立)."""


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
    today = clock.today()
    others = select(func.count()).where(
        Account.roles.contains([Role.ADM.value]),
        Account.state == S.ACTIVE,
        Account.id != ctx.obj.id,
        or_(Account.valid_until.is_(None), Account.valid_until >= today),
    )
    count = ctx.session.scalar(others.execution_options(unscoped=True))
    return None if count else "不能停用最后一个系统管理员。"


def _last_admin_for_sure(ctx: Context) -> str | None:
    """Asked again behind a lock when the step is really taken: two administrators must not stop each other at once."""
    if Role.ADM in ctx.obj.roles:
        ctx.session.execute(text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=ADMIN_LOCK))
    return _not_last_admin(ctx)


def _term_spares_last_admin(ctx: Context) -> str | None:
    """A term is another way of stopping somebody: the last administrator has none."""
    return _last_admin_for_sure(ctx) if ctx.data.get("valid_until") else None


def _term_not_over(ctx: Context) -> str | None:
    until = ctx.data.get("valid_until")
    return "“任职有效期至”不能早于今天。" if until and until < clock.today() else None


def _link_alive(ctx: Context) -> str | None:
    expires = ctx.obj.activation_expires_at
    return None if expires and expires > clock.now() else "链接已失效，请联系管理员重新发送。"


def may_block(account: Account, actor: Principal) -> bool:
    """Nobody blocks himself; a main account blocks its sub-accounts, a manager the staff of the own institute."""
    if account.id == actor.account_id:
        return False
    if actor.has(Role.ADM, Role.REG, Role.SYS):
        return True
    if actor.has(Role.ENT):
        return account.unit_id == actor.unit_id and list(account.roles) == [Role.SUB.value]
    return manages(account, actor)


def manages(account: Account, actor: Principal) -> bool:
    """A manager of the institute that the account is staff of (must-never case 49)."""
    return (
        actor.has(Role.IMG)
        and account.kind == AccountKind.INSTITUTE
        and actor.institute_id is not None
        and account.institute_id == actor.institute_id
        and account.id != actor.account_id
    )


def _may_issue(account: Account, actor: Principal) -> bool:
    return actor.has(Role.ADM, Role.SYS) or manages(account, actor)


def _may_assign(account: Account, actor: Principal) -> bool:
    """The security administrator for everybody but himself, a manager for the own staff."""
    return (actor.has(Role.SEC) and account.id != actor.account_id) or manages(account, actor)


def _pair_allowed(ctx: Context) -> str | None:
    chosen = [Role(r) for r in ctx.data.get("roles") or []]
    return forbidden_combination(AccountKind(ctx.obj.kind), chosen)


def _needs_countersign(ctx: Context) -> str | None:
    return None if ctx.obj.kind in TRUSTED else "只有审计员和安全管理员的账号需要会签。"


def _countersigned(ctx: Context) -> str | None:
    if ctx.obj.kind not in TRUSTED or ctx.obj.countersigned_by_id is not None or ctx.actor.has(Role.SYS):
        return None
    if ctx.obj.kind == AccountKind.SECURITY and not _other_security(ctx):
        return None  # the first one: nobody could sign yet; accepting is the person's own act
    return "该账号须由安全管理员会签后才能激活，请联系安全管理员。"


def _other_security(ctx: Context) -> bool:
    statement = select(func.count()).where(
        Account.roles.contains([Role.SEC.value]), Account.state == S.ACTIVE, Account.id != ctx.obj.id
    )
    return bool(ctx.session.scalar(statement.execution_options(unscoped=True)))


def _person_admitted(ctx: Context) -> str | None:
    """S4: who holds a licence registers as the enterprise; a person's own application is not passed."""
    if ctx.obj.kind == AccountKind.INDIVIDUAL and not setting("registration", "admit_individuals"):
        return "有营业执照的用户请以企业身份注册。"
    return None


def _no_review(ctx: Context) -> str | None:
    reviewer = setting("registration", "review")[ctx.obj.kind]
    return None if reviewer == "none" else "该类账号须经审核后开通。"


def _self_cancel(ctx: Context) -> str | None:
    if ctx.obj.state == S.RETURNED and not setting("registration", "self_cancel"):
        return "本平台不提供自行注销未通过的注册申请，请修改后重新提交。"
    return None


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
    """Approval makes the body count: a unit's code is taken from now on, an institute is offered and may be chosen."""
    for body in (ctx.obj.unit, ctx.obj.institute):
        if body is not None:
            body.active = True


def _lock_out(ctx: Context) -> None:
    """5 failures: 15 minutes, doubling to a day (等保 8.1.4.1 b)."""
    rounds = max(ctx.obj.failed_logins // 5, 1)
    minutes = min(15 * 2 ** (rounds - 1), 24 * 60)
    ctx.obj.locked_until = clock.now() + timedelta(minutes=minutes)


def _clear_lock(ctx: Context) -> None:
    """A lock that only ran out keeps the count, so that the next one is twice as long; the right password clears it."""
    ctx.obj.locked_until = None
    if not ctx.actor.is_system:
        ctx.obj.failed_logins = 0


def _end_affiliations(ctx: Context) -> None:
    """Nobody acts for a unit without its main account, and no link outlives its person."""
    from app.workflow.affiliation import end_links

    end_links(ctx)


def _keep_marks(ctx: Context) -> None:
    """Which fields the reviewer wants corrected: the applicant's form shows them."""
    marked = ctx.data.get("fields") or []
    ctx.obj.fields_to_correct = [str(m)[:30] for m in ([marked] if isinstance(marked, str) else marked)]


def _clear_marks(ctx: Context) -> None:
    ctx.obj.fields_to_correct = []


def _assign(ctx: Context) -> None:
    """New duties and term; whoever is logged in acts by them from the next request on."""
    ctx.obj.roles = sorted(str(r) for r in ctx.data["roles"])
    ctx.obj.valid_until = ctx.data.get("valid_until") or None


def _sign(ctx: Context) -> None:
    ctx.obj.countersigned_by_id = ctx.actor.account_id


def _free_names(ctx: Context) -> None:
    """User name, phone and unit code may be used again at once; what the name was stays as a fingerprint only, so
    that logging in can say 账号已注销 (REG-20)."""
    account = ctx.obj
    account.former_name_index = blind_index(account.user.username)
    account.user.username = f"closed{account.id}"
    account.user.email = f"closed{account.id}@accounts.invalid"
    account.phone_index = account.id_number_index = None
    account.closed_at = clock.now()
    if account.unit is not None and Role.ENT in account.roles:
        account.unit.active = False


def _forget_link(ctx: Context) -> None:
    ctx.obj.activation_hash, ctx.obj.activation_expires_at = None, None


FIELDS_TO_CORRECT = Field(
    "fields", "需要修改的内容", "ticks", required=False, hint="勾选的内容会在申请人的表单上标出。"
)
ROLES = Field("roles", "职责", "ticks")
UNTIL = Field("valid_until", "任职有效期至", "date", required=False, hint="不填表示长期有效。")

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
        Step(
            "admit",
            "验证并开通",
            (S.UNVERIFIED,),
            S.ACTIVE,
            ANYONE,
            own_page=True,
            guards=(Guard("no_review", _no_review, fix=None),),
            effects=(_open_unit,),
            basis="S0 §三(二) 即可注册生成账号; S1 §2.2 个人",
        ),
        Step("sso_enter", "政务服务网登录", (), S.ACTIVE, ANYONE, switch="account.sso", own_page=True, basis="S2 §1"),
        Step(
            "approve",
            "审核通过",
            (S.PENDING,),
            S.ACTIVE,
            RECEPTION | ADMIN,
            relation=is_reviewer,
            guards=(Guard("person_admitted", _person_admitted, fix="/accounts/step/return/{obj.id}"),),
            effects=(_open_unit, _clear_marks),
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
            effects=(_keep_marks,),
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
            frozenset({Role.ENT, Role.SUB}),
            relation=is_owner,
            own_page=True,
            basis="S2 §1.2",
        ),
        Step(
            "issue",
            "派发账号",
            (),
            S.INVITED,
            ADMIN | SYSTEM | MANAGER,
            relation=_may_issue,
            effects=(_set_login(False),),
            own_page=True,
            basis="S0 §四",
        ),
        Step(
            "countersign",
            "会签",
            (S.INVITED,),
            Prior.SAME,
            SECURITY,
            guards=(Guard("needs_countersign", _needs_countersign, fix=None),),
            effects=(_sign,),
            relation=lambda account, actor: account.id != actor.account_id,
            primary=True,
            basis="等保 三员分立",
        ),
        Step(
            "assign",
            "调整职责",
            (S.INVITED, S.ACTIVE),
            Prior.SAME,
            SECURITY | MANAGER,
            relation=_may_assign,
            needs=(ROLES, UNTIL),
            guards=(
                Guard("roles", _pair_allowed, needs_input=True, fix=None),
                Guard("term", _term_not_over, needs_input=True, fix=None),
                Guard("last_admin_term", _term_spares_last_admin, needs_input=True, fix=None),
            ),
            effects=(_assign,),
            basis="ROLES 1",
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
            guards=(Guard("link", _link_alive, fix=None), Guard("countersigned", _countersigned, fix=None)),
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
            ADMIN | frozenset({Role.REG, Role.ENT, Role.IMG}),
            needs=(REASON,),
            danger=True,
            guards=(
                Guard("last_admin", _not_last_admin, fix="/accounts/list/"),
                Guard("last_admin_now", _last_admin_for_sure, needs_input=True, fix=None),
            ),
            effects=(_end_sessions, _set_login(False), _end_affiliations),
            relation=may_block,
            basis="own",
        ),
        Step(
            "enable",
            "启用",
            (S.DISABLED,),
            S.ACTIVE,
            ADMIN | frozenset({Role.REG, Role.ENT, Role.IMG}),
            effects=(_set_login(True),),
            relation=may_block,
            basis="own",
        ),
        Step(
            "close",
            "注销账号",
            (S.ACTIVE, S.RETURNED, S.DISABLED),
            S.CLOSED,
            frozenset({Role.ENT, Role.APPLICANT, Role.IND}),
            relation=is_owner,
            danger=True,
            own_page=True,
            guards=(
                Guard("self_cancel", _self_cancel, fix="/register/mine"),
                Guard("open_business", _nothing_open, fix="/appointments/list/"),
            ),
            effects=(_end_sessions, _set_login(False), _end_affiliations, _free_names),
            basis="S4 §一.2; PIPL 15, 47",
        ),
    ),
    instrument_of=lambda _account: None,
)
