"""Whether an institute may verify a category on a day: its licence and the capability's own validity (art. 20)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from models.organisation import Institute, InstituteCapability
from models.qualification import Regulation, VerifierProject
from models.reference import Category


def capability_of(session: Session, institute_id: int | None, category_id: int) -> InstituteCapability | None:
    """The institute's entry for the category, whatever its dates."""
    statement = select(InstituteCapability).where(
        InstituteCapability.institute_id == institute_id, InstituteCapability.category_id == category_id
    )
    return session.execute(statement).unique().scalar_one_or_none()


def lapsed(session: Session, institute_id: int | None, category_id: int, day: date) -> str | None:
    """What had lapsed on `day`, in words, or None when the institute was authorised."""
    entry = capability_of(session, institute_id, category_id) if institute_id else None  # brings its institute along
    institute = entry.institute if entry else session.get(Institute, institute_id) if institute_id else None
    if institute is None:
        return "机构"
    if institute.authorised_until < day:
        return f"机构授权（至{institute.authorised_until}）"
    if entry is None:
        return "该项目授权"
    if not entry.valid_from <= day <= entry.valid_until:
        return f"该项目授权（至{entry.valid_until}）"
    if entry.standard_valid_until < day:
        return f"计量标准“{entry.standard_name}”证书（至{entry.standard_valid_until}）"
    return withdrawn_regulation(session, entry.regulation, day)


def withdrawn_regulation(session: Session, regulation: str, day: date) -> str | None:
    """The regulation that an entry names, when the table knows that it was not in force on the day."""
    statement = select(Regulation).where(or_(Regulation.withdrawn_on <= day, Regulation.in_force_from > day))
    for row in session.execute(statement).scalars():
        if row.number and row.number in regulation:
            follower = f"，现行为{row.replaced_by}" if row.replaced_by else ""
            return f"检定规程“{row.number}”{follower}"
    return None


def verifier_lapsed(
    session: Session, account_id: int | None, institute_id: int | None, category_id: int, day: date
) -> str | None:
    """Why a verifier may not verify the category on the day, in words (计量法 art. 20).

    An institute that keeps no list of its verifiers' projects is not held to it; one that does is, for everybody.
    """
    listed = select(VerifierProject.id).where(VerifierProject.institute_id == institute_id).limit(1)
    if session.execute(listed.execution_options(unscoped=True)).first() is None:
        return None
    own = select(VerifierProject).where(
        VerifierProject.account_id == account_id, VerifierProject.category_id == category_id
    )
    found = session.execute(own.execution_options(unscoped=True)).scalars().first()
    name = session.scalar(select(Category.level2).where(Category.id == category_id)) or ""
    if found is None:
        return f"未持有“{name}”资格"
    if not found.valid_from <= day <= found.valid_until:
        return f"的“{name}”资格已于{found.valid_until}到期"
    return None


def authorised(session: Session, institute_id: int | None, category_id: int, day: date) -> bool:
    """True when nothing had lapsed on `day`."""
    return lapsed(session, institute_id, category_id, day) is None
