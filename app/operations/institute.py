"""Institutes and what they are authorised for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import clock
from app.access.audit import audit
from app.access.principal import Principal
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError
from models.appointment import Slot
from models.enums import DeliveryMode, Level, Period, Role
from models.organisation import Institute, InstituteCapability
from models.reference import Category, Division

LEVEL_OF = {"province": Level.PROVINCE, "city": Level.CITY, "county": Level.COUNTY}


def create_institute(
    session: Session,
    *,
    name: str,
    code: str,
    division_code: str,
    address: str = "",
    phone: str = "",
    authorisation_no: str = "",
    authorised_until: date | None = None,
) -> Institute:
    """A new institute; its level is that of its division."""
    division = session.get(Division, division_code)
    if division is None or division.level not in LEVEL_OF:
        raise InvalidInputError("所在地须为省、市或区县的行政区划代码。", field="division_code")
    institute = Institute(
        name=name,
        code=code,
        division_code=division_code,
        level=LEVEL_OF[division.level],
        address=address,
        phone=phone,
        authorisation_no=authorisation_no or f"（法）计（{clock.today():%Y}）{code}",
        authorised_until=authorised_until or clock.today() + timedelta(days=5 * 365),
    )
    session.add(institute)
    session.flush()
    audit(session, "create_institute", entity="institute", entity_id=institute.id, name=name)
    return institute


def authorise(
    session: Session, institute: Institute, categories: Iterable[Category], *, until: date | None = None
) -> int:
    """Enter the categories an institute may verify, with the standard it uses; returns how many were new."""
    last = until or institute.authorised_until
    rows = [
        {
            "institute_id": institute.id,
            "category_id": category.id,
            "valid_from": clock.today() - timedelta(days=365),
            "valid_until": last,
            "regulation": f"{category.level2}检定规程（现行有效）",
            "standard_name": f"{category.level2}检定装置",
            "standard_range": "覆盖被检器具测量范围",
            "standard_uncertainty": "优于被检最大允许误差的1/3",
            "standard_certificate": f"{institute.code}社量标证{category.code}",
            "standard_valid_until": last,
            "sort_order": 0,
        }
        for category in categories
        if category.mandatory
    ]
    if not rows:
        return 0
    statement = insert(InstituteCapability).values(rows).on_conflict_do_nothing().returning(InstituteCapability.id)
    return len(session.execute(statement).all())


def all_categories(session: Session) -> list[Category]:
    """Every category in force."""
    return list(session.execute(select(Category).where(Category.valid).order_by(Category.id)).scalars())


def open_slots(
    session: Session,
    institute: Institute,
    days: Iterable[date],
    *,
    capacity: int = 20,
    modes: Iterable[DeliveryMode] = tuple(DeliveryMode),
    periods: Iterable[Period] = tuple(Period),
) -> int:
    """Open places on these half days; existing slots stay as they are. Returns how many are new."""
    chosen, ways = tuple(periods), tuple(modes)
    rows = [
        {"institute_id": institute.id, "mode": mode.value, "day": day, "period": period.value, "capacity": capacity}
        for day in days
        for mode in ways
        for period in chosen
    ]
    if not rows:
        return 0
    return len(session.execute(insert(Slot).values(rows).on_conflict_do_nothing().returning(Slot.id)).all())


def next_workdays(session: Session, start: date, count: int) -> list[date]:
    """The next `count` working days after `start`."""
    from app.workdays import exceptions, is_workday

    table, day = exceptions(session), start
    found: list[date] = []
    while len(found) < count:
        day += timedelta(days=1)
        if is_workday(day, table):
            found.append(day)
    return found


MOST_DAYS = 366
MOST_PLACES = 9_999


def days_between(session: Session, first: date, last: date, *, workdays_only: bool = True) -> list[date]:
    """The days from `first` to `last`, both included; without free days when `workdays_only`.

    Raises InvalidInputError when the range is upside down, begins in the past or is longer than a year.
    """
    from app.workdays import exceptions, is_workday

    table = exceptions(session) if workdays_only else {}
    return [day for day in day_range(first, last) if not workdays_only or is_workday(day, table)]


def day_range(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`. Raises InvalidInputError as `days_between` does."""
    if first < clock.today():
        raise InvalidInputError("“开始日期”不能早于今天。", field="first")
    if last < first:
        raise InvalidInputError("“结束日期”不能早于“开始日期”。", field="last")
    if (last - first).days >= MOST_DAYS:
        raise InvalidInputError("一次最多开放一年的时段，请缩短日期范围。", field="last")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def change_slot(session: Session, slot: Slot, *, capacity: int | None = None, closed: bool | None = None) -> Slot:
    """Another capacity, or closed for new bookings. Places already taken stay taken (must-never case 48)."""
    locked = session.execute(
        select(Slot).where(Slot.id == slot.id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()
    before = {"capacity": locked.capacity, "closed": locked.closed}
    if capacity is not None:
        if not 0 <= capacity <= MOST_PLACES:
            raise InvalidInputError(f"“可约台数”须为0～{MOST_PLACES}的整数。", field="capacity")
        if capacity < locked.taken:
            raise InvalidInputError(
                f"已有{locked.taken}台预约，容量不能低于该数；需要减少时请先与预约单位改期。",
                field="capacity",
            )
        locked.capacity = capacity
    if closed is not None:
        locked.closed = closed
    session.flush()
    after = {"capacity": locked.capacity, "closed": locked.closed}
    if after != before:
        audit(session, "change_slot", entity="slot", entity_id=locked.id, before=before, after=after)
    return locked


def edit_own_institute(session: Session, actor: Principal, typed: Mapping[str, str]) -> Institute:
    """我的机构信息: what the head keeps (address, phone, manager, regions). Raises InvalidInputError by field."""
    institute = session.get(Institute, actor.institute_id) if actor.institute_id is not None else None
    if institute is None or not actor.has(Role.IMG):
        raise NotAllowedError("您没有修改机构信息的权限。")
    problems = {k: f"请填写“{w}”。" for k, w in (("address", "地址"), ("phone", "电话")) if not typed.get(k)}
    most = {"address": 200, "phone": 30, "manager": 40, "regions": 200}
    problems |= {k: f"内容过长，最多{n}个字。" for k, n in most.items() if len(typed.get(k) or "") > n}
    if problems:
        raise InvalidInputError("机构信息有误，请按提示修改。", problems=problems)
    for name in most:
        setattr(institute, name, (typed.get(name) or "").strip() or (None if name in {"manager", "regions"} else ""))
    session.flush()
    audit(session, "edit_institute", entity="institute", entity_id=institute.id, name=institute.name)
    return institute


def keeper_of(actor: Principal, institute_id: int | None) -> int:
    """The institute whose testing capability the actor may write: the head's own, whatever was sent; the
    administrator's choice. Raises NotVisibleError for another institute, NotAllowedError for everybody else."""
    if actor.has(Role.ADM) and institute_id is not None:
        return institute_id
    if not actor.has(Role.IMG) or actor.institute_id is None:
        raise NotAllowedError("您没有维护检定能力的权限。")
    if institute_id not in {None, actor.institute_id}:
        raise NotVisibleError
    return actor.institute_id
