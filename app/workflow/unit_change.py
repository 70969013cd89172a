"""变更单位信息 (ORG-12): where registrations are reviewed, a new name, code or licence is reviewed as well."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from app.access.principal import Principal
from app.access.roles import RECEPTION
from app.access.validators import normal_code
from app.workflow.engine import REASON, Context, Step, Workflow
from models.affiliation import UnitChange
from models.attachment import Attachment
from models.enums import Role, UnitChangeState
from models.organisation import Unit

S = UnitChangeState
ADMIN = frozenset({Role.ADM})
MAIN = frozenset({Role.ENT})
REVIEWED = ("name", "code", "legal_person")
"""Fields that must stay equal to the licence (S4 §一)."""


def is_reviewer(change: UnitChange, actor: Principal) -> bool:
    """Whoever reviews the unit's registration."""
    if change.reviewer_institute_id is None:
        return actor.has(Role.ADM)
    return actor.institute_id == change.reviewer_institute_id


def is_own(change: UnitChange, actor: Principal) -> bool:
    return change.unit_id == actor.unit_id


def write_reviewed(unit: Unit, changes: Mapping[str, list[str]]) -> None:
    """Put the new values of the reviewed fields on the unit; a licence is a paper, not a field."""
    for name, (_old, new) in changes.items():
        if name in REVIEWED:
            setattr(unit, name, normal_code(new) if name == "code" else new)


def _apply(ctx: Context) -> None:
    """What was asked for becomes the unit's data; a new licence replaces the one of the registration."""
    write_reviewed(ctx.obj.unit, ctx.obj.changes)
    if "licence" not in ctx.obj.changes:
        return
    for row in _papers(ctx, "account", ctx.obj.account_id):
        ctx.session.delete(row)
    for row in _papers(ctx, "unit_change", ctx.obj.id):
        row.owner_type, row.owner_id = "account", ctx.obj.account_id


def _papers(ctx: Context, owner_type: str, owner_id: int) -> list[Attachment]:
    """Licences of one owner; the registration's paper is outside the reviewer's scope once it has been approved."""
    statement = select(Attachment).where(
        Attachment.owner_type == owner_type, Attachment.owner_id == owner_id, Attachment.kind == "licence"
    )
    return list(ctx.session.execute(statement.execution_options(unscoped=True)).scalars())


UNIT_CHANGE = Workflow(
    name="unit_change",
    label="单位信息变更",
    model=UnitChange,
    states=S,
    labels={S.PENDING: "待审核", S.APPROVED: "已通过", S.REFUSED: "已拒绝", S.WITHDRAWN: "已撤回"},
    tones={S.PENDING: "info", S.APPROVED: "success", S.REFUSED: "danger"},
    final=frozenset({S.APPROVED, S.REFUSED, S.WITHDRAWN}),
    steps=(
        Step("submit", "提交变更", (), S.PENDING, MAIN, relation=is_own, own_page=True, basis="S4 §一.2; own"),
        Step(
            "approve",
            "审核通过",
            (S.PENDING,),
            S.APPROVED,
            RECEPTION | ADMIN,
            relation=is_reviewer,
            effects=(_apply,),
            primary=True,
            basis="own",
        ),
        Step(
            "refuse",
            "拒绝",
            (S.PENDING,),
            S.REFUSED,
            RECEPTION | ADMIN,
            relation=is_reviewer,
            needs=(REASON,),
            danger=True,
            basis="own",
        ),
        Step("withdraw", "撤回变更", (S.PENDING,), S.WITHDRAWN, MAIN, relation=is_own, basis="own"),
    ),
    instrument_of=lambda _change: None,
)
