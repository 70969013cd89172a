"""Who is told of a step: functions from its context to accounts, for the table of app/workflow/notices.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.workflow.engine import Context
from models.account import Account
from models.enums import AccountState, Role

Recipients = Callable[[Context], Iterable[Account]]


def accounts_of(session: Session, *conditions: Any) -> list[Account]:
    statement = select(Account).where(Account.state == AccountState.ACTIVE, *conditions).order_by(Account.id)
    return list(session.execute(statement.execution_options(unscoped=True)).unique().scalars())


def unit(ctx: Context) -> list[Account]:
    """Everybody acting for the row's unit."""
    return accounts_of(ctx.session, Account.unit_id == ctx.obj.unit_id)


def institute(*roles: Role) -> Recipients:
    """Staff of the row's institute (of a filing: the holder) with one of the roles."""

    def find(ctx: Context) -> list[Account]:
        body = getattr(ctx.obj, "holder_institute_id", None) or getattr(ctx.obj, "institute_id", None)
        if body is None:
            return []
        return accounts_of(ctx.session, Account.institute_id == body, Account.roles.overlap([r.value for r in roles]))

    return find


def county_regulator(ctx: Context) -> list[Account]:
    """Regulators whose area is exactly the county of use."""
    return accounts_of(ctx.session, Account.area == ctx.obj.use_division)


def unless_bulk(recipients: Recipients) -> Recipients:
    """Not for every row of a bulk act: its end is told once (app.operations.bulk)."""
    return lambda ctx: [] if ctx.session.info.get("bulk_act") else recipients(ctx)


def counterpart(ctx: Context) -> list[Account]:
    """The county when the unit acts, the unit when the county does."""
    return unit(ctx) if ctx.actor.has(Role.REG) else county_regulator(ctx)


def giver(ctx: Context) -> list[Account]:
    """Of a transfer: the main account of the unit that asks."""
    return accounts_of(ctx.session, Account.unit_id == ctx.obj.unit_id, Account.roles.contains([Role.ENT.value]))


def receiver(ctx: Context) -> list[Account]:
    """Of a transfer: the main account of the unit that is asked."""
    body_id = ctx.obj.receiver_unit_id
    return accounts_of(ctx.session, Account.unit_id == body_id, Account.roles.contains([Role.ENT.value]))


def unit_if_any(ctx: Context) -> list[Account]:
    """Everybody of the unit, where one is known."""
    return unit(ctx) if ctx.obj.unit_id is not None else []


def assignee(ctx: Context) -> list[Account]:
    """The verifier of a task."""
    return accounts_of(ctx.session, Account.id == ctx.obj.verifier_id)


def waits_for_unit(ctx: Context) -> list[Account]:
    """The unit, when it is the one who is waited for."""
    return unit(ctx) if ctx.data.get("kind") == "customer" else []


def institute_if_whole(ctx: Context) -> list[Account]:
    """Reception, when the application was not split: each order of a split tells its own institute."""
    return list(institute(Role.REC, Role.IMG)(ctx)) if ctx.obj.state == "submitted" else []


def order_counterpart(ctx: Context) -> list[Account]:
    """Whoever did not change the order."""
    return list(institute(Role.REC, Role.IMG)(ctx)) if ctx.actor.unit_id == ctx.obj.unit_id else unit(ctx)


def reviewers(ctx: Context) -> list[Account]:
    """Who reviews a registration: reception of the chosen institute, or administrators."""
    chosen = ctx.obj.reviewer_institute_id
    if chosen is None:
        return accounts_of(ctx.session, Account.roles.contains([Role.ADM.value]))
    return accounts_of(
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
        return accounts_of(ctx.session, Account.unit_id == ctx.obj.unit_id, Account.roles.contains([Role.ENT.value]))
    return accounts_of(
        ctx.session, Account.institute_id == ctx.obj.institute_id, Account.roles.contains([Role.IMG.value])
    )


def other_side(ctx: Context) -> list[Account]:
    """Of an affiliation: whoever did not act."""
    return body(ctx) if ctx.actor.account_id == ctx.obj.account_id else [ctx.obj.account]
