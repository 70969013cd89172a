"""Which institute an instrument goes to when it is booked (指派, WORKFLOWS 5.1; LED-25, APT-06).

The filing decides where there is filing. Elsewhere the administrator's rules come first, then the institute that the
ledger names, then the nearest authorised one; nothing found is said, never a silent default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.profiles import switch_on
from app.workflow.authorisation import authorised
from app.workflow.together import open_batch
from models.appointment import AppointmentItem
from models.booking import AssignmentRule
from models.enums import Level
from models.instrument import Instrument
from models.organisation import Institute
from models.reference import Category

_NEAREST = {Level.COUNTY: 0, Level.CITY: 1, Level.PROVINCE: 2}


@dataclass(frozen=True, slots=True)
class Share:
    """What one institute gets of an application, by one way of verification; no institute means 未分配."""

    institute_id: int | None
    mode: str
    items: tuple[AppointmentItem, ...]


def nearest_institute(session: Session, category_id: int | None, use_division: str, day: date) -> Institute | None:
    """The nearest institute that is authorised for the catalogue entry at the place of use: county, city, province."""
    code = (use_division or "")[:6]
    if category_id is None or len(code) != 6:
        return None
    places = {code, f"{code[:4]}00", f"{code[:2]}0000"}
    statement = select(Institute).where(Institute.active, Institute.division_code.in_(places))
    # who verifies is public; whether the unit has dealt with the institute before does not matter
    found = list(session.execute(statement).scalars())
    found.sort(key=lambda institute: (_NEAREST.get(Level(institute.level), 9), institute.id))
    fitting = (i for i in found if code.startswith(i.area) and authorised(session, i.id, category_id, day))
    return next(fitting, None)


def ruled_institute(
    session: Session, category_id: int | None, use_division: str, mode: str, day: date
) -> AssignmentRule | None:
    """The first rule that fits and whose institute is authorised on the day."""
    code = session.scalar(select(Category.code).where(Category.id == category_id)) or ""
    place = (use_division or "")[:6]
    statement = (
        select(AssignmentRule)
        .where(
            AssignmentRule.active,
            AssignmentRule.division_prefix.in_({place[:2], place[:4], place}),
            or_(AssignmentRule.mode.is_(None), AssignmentRule.mode == mode),
            AssignmentRule.valid_from <= day,
            or_(AssignmentRule.valid_until.is_(None), AssignmentRule.valid_until >= day),
        )
        .order_by(AssignmentRule.position, AssignmentRule.id)
    )
    for rule in session.execute(statement.execution_options(unscoped=True)).scalars():
        fits = code.startswith(rule.category_code) and category_id is not None
        if fits and authorised(session, rule.institute_id, category_id or 0, day):
            return rule
    return None


def institute_for(session: Session, instrument: Instrument, mode: str, day: date) -> int | None:
    """The institute that takes this instrument by this way on this day, or None when there is none."""
    if switch_on("filing"):
        return instrument.institute_id
    rule = ruled_institute(session, instrument.category_id, instrument.use_division, mode, day)
    if rule is not None:
        return rule.institute_id
    if instrument.institute_id and authorised(session, instrument.institute_id, instrument.category_id, day):
        return instrument.institute_id
    near = nearest_institute(session, instrument.category_id, instrument.use_division, day)
    return near.id if near else None


def known_institutes(session: Session) -> dict[tuple[object, ...], int | None]:
    """Answers of `institute_for` by category, place, institute of the ledger and way: kept while a batch is open, where
    draft and submission are one act, otherwise by the caller."""
    batch = open_batch(session)
    found: dict[tuple[object, ...], int | None] = batch.answers.setdefault("institutes", {}) if batch else {}
    return found


def shares(session: Session, items: Iterable[AppointmentItem], mode: str, day: date) -> list[Share]:
    """The items by institute and way, in the order in which they first appear; `mode` counts where an item names none."""
    found: dict[tuple[int | None, str], list[AppointmentItem]] = {}
    known = known_institutes(session)  # a hundred scales at one place ask the rules once
    for item in items:
        way, row = item.mode or mode, item.instrument
        asked = (row.category_id, row.use_division, row.institute_id, way)
        if asked not in known:
            known[asked] = institute_for(session, row, way, day)
        found.setdefault((known[asked], way), []).append(item)
    return [Share(institute, way, tuple(members)) for (institute, way), members in found.items()]
