"""企业信息维护 (ORG-07 to ORG-10): the contact of a unit, its further contacts and its type approval records.

One 保存 writes the whole page: rows that are on it stay or change, rows that are not on it any more are deleted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError, StaleVersionError
from app.operations import places
from app.profiles import setting
from app.workflow import ACCOUNT, fire
from models.enums import Role
from models.organisation import TypeApproval, Unit, UnitContact
from models.reference import Division
from models.types import mask_name, mask_phone

PHONE = re.compile(r"[0-9+][0-9\- ]{6,19}")
CONTACT = {"name": ("联系人", 40), "phone": ("联系方式", 20), "address": ("详细地址", 200)}
APPROVAL = {
    "certificate_no": ("型批证书号", 40),
    "instrument_name": ("计量器具名称", 100),
    "model": ("型号", 100),
    "flow_range": ("流量范围", 100),
}
CONTACT_MUST = ("name", "phone")
APPROVAL_MUST = ("certificate_no", "instrument_name", "model")
MOST_ROWS = 200
WRITERS = (Role.ENT, Role.SUB)
Typed = Mapping[str, str]


def own_unit(session: Session, actor: Principal, *, lock: bool = False) -> Unit:
    """The unit that the actor acts for; locked when it is about to change."""
    statement = select(Unit).where(Unit.id == actor.unit_id)
    if lock:
        statement = statement.with_for_update(of=Unit).execution_options(populate_existing=True)
    unit = session.execute(statement).unique().scalar_one_or_none()
    if unit is None:
        raise NotVisibleError
    return unit


def writable_unit(session: Session, actor: Principal) -> Unit:
    """The own unit for those who keep its data: the main account and sub-users, not linked persons."""
    if not actor.has(*WRITERS):
        raise NotAllowedError("您没有修改企业信息的权限。")
    return own_unit(session, actor, lock=True)


def rows_of(session: Session, unit_id: int) -> tuple[Sequence[UnitContact], Sequence[TypeApproval]]:
    """Contacts and type approvals of a unit as far as the scope reaches, oldest first."""
    contacts = select(UnitContact).where(UnitContact.unit_id == unit_id).order_by(UnitContact.id)
    approvals = select(TypeApproval).where(TypeApproval.unit_id == unit_id).order_by(TypeApproval.id)
    return session.execute(contacts).scalars().all(), session.execute(approvals).scalars().all()


def seen_mark(*tables: Iterable[UnitContact | TypeApproval]) -> str:
    """A fingerprint of the rows: a page that was opened before somebody else saved is refused."""
    facts = [f"{row.__tablename__}:{row.id}:{row.updated_at.timestamp()}" for rows in tables for row in rows]
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:32]


def save_page(
    session: Session, actor: Principal, contacts: Sequence[Typed], approvals: Sequence[Typed], seen: str
) -> None:
    """Write both tables of the page.

    Raises InvalidInputError whose problems are keyed "contact-<row>-<field>" and "approval-<row>-<field>" (rows from
    0), StaleVersionError when somebody else saved since the page was opened, NotAllowedError for linked persons.
    """
    unit = writable_unit(session, actor)
    old_contacts, old_approvals = rows_of(session, unit.id)
    if seen != seen_mark(old_contacts, old_approvals):
        raise StaleVersionError
    problems: dict[str, str] = {}
    for number, typed in enumerate(contacts):
        problems |= {f"contact-{number}-{k}": v for k, v in _contact_problems(session, typed).items()}
    for number, typed in enumerate(approvals):
        problems |= {f"approval-{number}-{k}": v for k, v in _missing(typed, APPROVAL, APPROVAL_MUST).items()}
    problems |= _twice(approvals)
    if problems:
        raise InvalidInputError("有内容需要修改，尚未保存。", problems=problems)
    if len(contacts) > MOST_ROWS or len(approvals) > MOST_ROWS:
        raise InvalidInputError(f"每张表最多{MOST_ROWS}行，请删除多余的行。")
    _store(session, UnitContact, unit.id, old_contacts, contacts, (*CONTACT, "division_code"))
    _store(session, TypeApproval, unit.id, old_approvals, approvals, tuple(APPROVAL))
    audit(session, "edit_unit_page", entity="unit", entity_id=unit.id, contacts=len(contacts), approvals=len(approvals))


def _missing(typed: Typed, fields: Mapping[str, tuple[str, int]], must: Iterable[str]) -> dict[str, str]:
    found = {name: f"请填写“{fields[name][0]}”。" for name in must if not typed.get(name)}
    for name, (label, most) in fields.items():
        if len(typed.get(name) or "") > most:
            found[name] = f"“{label}”最多{most}个字。"
    return found


def _contact_problems(session: Session, typed: Typed) -> dict[str, str]:
    found = _missing(typed, CONTACT, CONTACT_MUST)
    if typed.get("phone") and not PHONE.fullmatch(typed["phone"]):
        found["phone"] = "联系方式格式不正确，请填写手机号或带区号的座机号。"
    if sentence := _place_problem(session, typed):
        found["division_code"] = sentence
    return found


def _place_problem(session: Session, typed: Typed) -> str | None:
    """Down to the county, and down to the street where the deployment knows streets; nothing at all is possible only
    where the street is not asked for."""
    code = typed.get("division_code") or ""
    place = session.get(Division, code) if code else None
    with_streets = int(setting("region", "depth")) >= 4
    if place is None:
        begun = any(typed.get(name) for name in ("province", "city", "county"))
        if with_streets:
            return "请选择“省市区县街道”，须选择到街道。"
        return "请选择到区县。" if begun or code else None
    if place.level == "street" or not with_streets:
        return None if place.level in {"county", "street"} or not place.has_children else "请选择到区县。"
    return "请选择“街道”。" if places.children(session, code) and place.level == "county" else None


def _twice(approvals: Sequence[Typed]) -> dict[str, str]:
    """The same model twice under one certificate number."""
    found: dict[str, str] = {}
    known: set[tuple[str, ...]] = set()
    for number, typed in enumerate(approvals):
        key = tuple(typed.get(name) or "" for name in APPROVAL_MUST)
        if all(key) and key in known:
            found[f"approval-{number}-model"] = "该型号已登记在此型批证书下，请删除重复的行。"
        known.add(key)
    return found


def _store(
    session: Session,
    model: type[Any],
    unit_id: int,
    old: Sequence[Any],
    rows: Sequence[Typed],
    names: tuple[str, ...],
) -> None:
    """Delete what is no longer on the page before the rest is written: a unique row may have changed places."""
    by_id = {str(row.id): row for row in old}
    kept = [typed.get("id") or "" for typed in rows]
    if any(key and key not in by_id for key in kept) or len(set(filter(None, kept))) < len(list(filter(None, kept))):
        raise NotVisibleError
    for key, row in by_id.items():
        if key not in kept:
            session.delete(row)
    session.flush()
    for typed in rows:
        row = by_id.get(typed.get("id") or "") or model(unit_id=unit_id)
        for name in names:
            value: str | None = typed.get(name) or ("" if name != "division_code" else None)
            if getattr(row, name, None) != value:
                setattr(row, name, value)
        session.add(row)
    session.flush()


# -- the contact of the unit ------------------------------------------------------------------------------------------


def contact_missing(unit: Unit | None) -> bool:
    """Whether the unit has not named whom to call (完善联络人员信息)."""
    return unit is not None and not ((unit.contact_name or "").strip() and (unit.contact_phone or "").strip())


def save_contact(session: Session, actor: Principal, name: str, phone: str) -> Unit:
    """联系人 and 联系方式 of the unit, used by bookings from now on; the first time the account's step is taken.

    Raises InvalidInputError by field, NotAllowedError for linked persons.
    """
    unit = writable_unit(session, actor)
    name, phone = name.strip(), phone.strip()
    problems = _missing({"name": name, "phone": phone}, CONTACT, CONTACT_MUST)
    if phone and not PHONE.fullmatch(phone):
        problems["phone"] = "联系方式格式不正确，请填写手机号或带区号的座机号。"
    if problems:
        raise InvalidInputError("联络人员信息有误，请按提示修改。", problems=problems)
    first = contact_missing(unit)
    before = f"{mask_name(unit.contact_name)} {mask_phone(unit.contact_phone)}".strip()
    unit.contact_name, unit.contact_phone = name, phone
    audit(
        session,
        "edit_contact",
        entity="unit",
        entity_id=unit.id,
        before=before,
        after=f"{mask_name(name)} {mask_phone(phone)}",
    )
    if first:
        session.flush()
        fire(session, ACCOUNT, actor.account_id, "complete_contact", actor)
    return unit
