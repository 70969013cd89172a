"""Whether an institute may verify a category on a day: its licence and the capability's own validity (art. 20)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.organisation import Institute, InstituteCapability


def capability_of(session: Session, institute_id: int | None, category_id: int) -> InstituteCapability | None:
    """The institute's entry for the category, whatever its dates."""
    statement = select(InstituteCapability).where(
        InstituteCapability.institute_id == institute_id, InstituteCapability.category_id == category_id
    )
    return session.execute(statement).unique().scalar_one_or_none()


def lapsed(session: Session, institute_id: int | None, category_id: int, day: date) -> str | None:
    """What had lapsed on `day`, in words, or None when the institute was authorised."""
    institute = session.get(Institute, institute_id) if institute_id else None
    if institute is None:
        return "机构"
    if institute.authorised_until < day:
        return f"机构授权（至{institute.authorised_until}）"
    entry = capability_of(session, institute_id, category_id)
    if entry is None:
        return "该项目授权"
    if not entry.valid_from <= day <= entry.valid_until:
        return f"该项目授权（至{entry.valid_until}）"
    if entry.standard_valid_until < day:
        return f"计量标准“{entry.standard_name}”证书（至{entry.standard_valid_until}）"
    return None


def authorised(session: Session, institute_id: int | None, category_id: int, day: date) -> bool:
    """True when nothing had lapsed on `day`."""
    return lapsed(session, institute_id, category_id, day) is None
