"""Showing one masked value in full, once, to somebody who may know it and says why (ROLES sections 3 and 4).

Each showing leaves exactly one line in the audit log: who, which field of which row, why; the value itself is nowhere
in it (TRUST section 4, check (b)). Administrators and auditors never see a value (must-never cases 50 and 60).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.limits import hit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError
from models.account import Account
from models.appointment import Appointment
from models.enums import AppointmentState, Role
from models.organisation import Unit, UnitContact

A = AppointmentState
LIVE_ORDERS = (A.ADMIN_REVIEW, A.SUBMITTED, A.ACCEPTED, A.IN_PROGRESS, A.WITHDRAW_REQUESTED, A.RESTORE_REQUESTED)
"""Orders that an institute still has to do with: only for these may it ring the unit up."""
PER_HOUR = "60 per hour"
NEVER = frozenset({Role.ADM, Role.AUD, Role.SEC})
May = Callable[[Session, Principal, Any], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A masked value: of which row, which field, what it is called, where its page is, who may see it in full."""

    name: str
    model: type[Any]
    field: str
    label: str
    page: str
    may: May


def _own_person(_session: Session, p: Principal, row: Account) -> bool:
    return row.id == p.account_id and p.has(Role.IND, Role.AFF, Role.ENT)


def _in_area(_session: Session, p: Principal, _row: Any) -> bool:
    """The scope has let a regulator see rows of the own area only."""
    return p.has(Role.REG)


def _account_phone(session: Session, p: Principal, row: Account) -> bool:
    staff = p.has(Role.IMG) and row.institute_id is not None and row.institute_id == p.institute_id
    return _own_person(session, p, row) or _in_area(session, p, row) or staff


def _account_id(session: Session, p: Principal, row: Account) -> bool:
    return _own_person(session, p, row) or _in_area(session, p, row)


def _order(_session: Session, p: Principal, row: Appointment) -> bool:
    serving = p.has(Role.REC, Role.IMG) and row.institute_id == p.institute_id and row.state in LIVE_ORDERS
    return serving or p.has(Role.REG)


def _unit_phone(session: Session, p: Principal, row: Unit) -> bool:
    if p.has(Role.REG):
        return True
    if not p.has(Role.REC, Role.IMG):
        return False
    order = select(Appointment.id).where(
        Appointment.unit_id == row.id, Appointment.institute_id == p.institute_id, Appointment.state.in_(LIVE_ORDERS)
    )
    return session.execute(order.limit(1)).first() is not None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("account-phone", Account, "phone", "手机号", "/accounts/show/{}", _account_phone),
        Kind("account-id-number", Account, "id_number", "身份证号", "/accounts/show/{}", _account_id),
        Kind("unit-phone", Unit, "contact_phone", "联系电话", "/units/show/{}", _unit_phone),
        Kind("unit-legal-id-number", Unit, "legal_id_number", "法定代表人身份证号码", "/units/show/{}", _in_area),
        Kind("unit-contact-phone", UnitContact, "phone", "联系方式", "/units/list/", _in_area),
        Kind("appointment-phone", Appointment, "contact_phone", "联系电话", "/appointments/show/{}", _order),
    )
}


def may_unmask(session: Session, actor: Principal, name: str, row: Any) -> bool:
    """Whether a page offers 查看完整号码 for this row: there is a value, and the role may see it."""
    kind = KINDS[name]
    return bool(getattr(row, kind.field)) and not actor.has(*NEVER) and kind.may(session, actor, row)


def find(session: Session, actor: Principal, name: str, row_id: int) -> tuple[Kind, Any]:
    """The kind and the row through the actor's scope; raises NotVisibleError (404) or NotAllowedError (403)."""
    kind = KINDS.get(name)
    if kind is None:
        raise NotVisibleError
    row = session.execute(select(kind.model).where(kind.model.id == row_id)).unique().scalar_one_or_none()
    if row is None:
        raise NotVisibleError
    if actor.has(*NEVER) or not kind.may(session, actor, row):
        raise NotAllowedError(f"您没有查看完整“{kind.label}”的权限。")
    return kind, row


def unmask(session: Session, actor: Principal, name: str, row_id: int, reason: str) -> str:
    """The value in full; writes its audit line in the same transaction. The reason has 5 to 500 characters."""
    kind, row = find(session, actor, name, row_id)
    value = getattr(row, kind.field)
    if not value:
        raise InvalidInputError(f"该记录没有登记“{kind.label}”。")
    why = reason.strip()
    if not 5 <= len(why) <= 500:
        raise InvalidInputError("请填写查看原因（5～500字）。", field="reason")
    hit(f"unmask:{actor.account_id}", PER_HOUR)
    audit(session, "unmask", entity=kind.model.__tablename__, entity_id=row.id, field=kind.field, reason=why)
    return str(value)
