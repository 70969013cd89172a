"""行政区划 for forms: the children of a place, the way down to a place, and the institutes that review there."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.operations.registration import institutes_for, place_of_use
from models.reference import Division

LEVELS = ("province", "city", "county")
Pair = tuple[str, str]


def children(session: Session, parent: str) -> list[Pair]:
    """(code, name) one level down; provinces for "". A city without counties is its own only child (441900)."""
    above = session.get(Division, parent) if parent else None
    if parent and (above is None or above.level not in LEVELS):
        return []
    if above is not None and above.level == "city" and not above.has_children:
        return [(above.code, above.name)]
    if above is not None and above.level == "county":
        return []
    level = LEVELS[0] if above is None else LEVELS[LEVELS.index(above.level) + 1]
    condition = Division.parent_code == parent if parent else Division.parent_code.is_(None)
    statement = select(Division.code, Division.name).where(condition, Division.level == level).order_by(Division.code)
    return [(code, name) for code, name in session.execute(statement).tuples()]  # plain tuples: forms know no rows


def way_down(session: Session, code: str) -> tuple[str, str, str]:
    """(province, city, place of use) of a code; blanks where it does not lead that far."""
    place = session.get(Division, code) if code else None
    if place is None:
        return "", "", ""
    if place.level == "province":
        return place.code, "", ""
    if place.level == "city":
        return place.parent_code or "", place.code, place.code if place_of_use(place) else ""
    city = session.get(Division, place.parent_code) if place.parent_code else None
    return (city.parent_code or "" if city else ""), place.parent_code or "", place.code


def place_name(session: Session, code: str) -> str:
    """广东省广州市荔湾区."""
    names = []
    for part in dict.fromkeys(way_down(session, code)):
        place = session.get(Division, part) if part else None
        if place is not None:
            names.append(place.name)
    return "".join(names)


def reviewers(session: Session, division: str) -> list[Pair]:
    """(id, name) of the institutes that may review a registration from there, the nearest first."""
    place = session.get(Division, division) if division else None
    if place is None or not place_of_use(place):
        return []
    return [(str(i.id), i.name) for i in institutes_for(session, division)]
