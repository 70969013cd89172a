"""Role words, groups and the pairs that one person may hold (ROLES section 1)."""

from __future__ import annotations

from collections.abc import Iterable

from models.enums import AccountKind, Role

UNIT = frozenset({Role.ENT, Role.SUB, Role.AFF})
INSTITUTE = frozenset({Role.REC, Role.VER, Role.APR, Role.IMG})
RECEPTION = frozenset({Role.REC, Role.IMG})
REGULATOR = frozenset({Role.REG})
SYSTEM = frozenset({Role.SYS})
EVERYBODY = frozenset(Role) - {Role.ANON, Role.SYS, Role.APPLICANT}

LABELS: dict[Role, str] = {
    Role.ANON: "公众",
    Role.APPLICANT: "注册申请人",
    Role.ENT: "企业主账号",
    Role.SUB: "企业子账号",
    Role.AFF: "关联个人",
    Role.REC: "受理员",
    Role.VER: "检定员",
    Role.APR: "批准人",
    Role.IMG: "机构负责人",
    Role.REG: "监管人员",
    Role.AUD: "审计员",
    Role.ADM: "系统管理员",
    Role.SEC: "安全管理员",
    Role.IND: "个人用户",
    Role.EXP: "专家",
    Role.SYS: "系统",
}

KINDS: dict[AccountKind, str] = {
    AccountKind.ENTERPRISE: "使用单位",
    AccountKind.INDIVIDUAL: "个人",
    AccountKind.INSTITUTE: "技术机构人员",
    AccountKind.EXPERT: "专家",
    AccountKind.REGULATOR: "监管人员",
    AccountKind.AUDITOR: "审计员",
    AccountKind.ADMIN: "系统管理员",
    AccountKind.SECURITY: "安全管理员",
}

KIND_ROLES: dict[AccountKind, frozenset[Role]] = {
    AccountKind.ENTERPRISE: frozenset({Role.ENT, Role.SUB}),
    AccountKind.INDIVIDUAL: frozenset({Role.IND, Role.AFF}),
    AccountKind.INSTITUTE: INSTITUTE,
    AccountKind.EXPERT: frozenset({Role.EXP}),
    AccountKind.REGULATOR: REGULATOR,
    AccountKind.AUDITOR: frozenset({Role.AUD}),
    AccountKind.ADMIN: frozenset({Role.ADM}),
    AccountKind.SECURITY: frozenset({Role.SEC}),
}
PRIVILEGED = frozenset({Role.ADM, Role.SEC, Role.AUD, Role.REG, Role.APR})
"""Who must prove two factors where the deployment asks for it (ASVS 6.3.3)."""
_ALLOWED_PAIRS = [{Role.VER, Role.APR}, {Role.REC, Role.VER}, {Role.IMG, Role.APR}, {Role.IND, Role.AFF}]


def forbidden_combination(kind: AccountKind, roles: Iterable[Role]) -> str | None:
    """Why these roles cannot be one person's, or None when they can."""
    chosen = set(roles)
    if not chosen:
        return "请至少选择一个角色。"
    strangers = chosen - KIND_ROLES[kind]
    if strangers:
        words = "、".join(sorted(LABELS[r] for r in strangers))
        return f"该类账号不能兼任“{words}”，请分别派发账号。"
    if len(chosen) > 1 and chosen not in _ALLOWED_PAIRS:
        words = "、".join(sorted(LABELS[r] for r in chosen))
        return f"“{words}”不能由同一人兼任，请分别派发账号。"
    return None
