"""行政区划 for forms: the children of a place, the way down to a place, and the institutes that review there.

A deployment may stand for one province or city alone (profile region.root): `root` limits what is offered and taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.enums import Level
from models.organisation import Institute
from models.reference import Division

LEVELS = ("province", "city", "county", "street")
Pair = tuple[str, str]


def prefix(code: str) -> str:
    """What the codes below a place begin with: 440000 → 44, 440100 → 4401, 440103 → 440103."""
    trimmed = code[:6]
    return trimmed[:2] if trimmed.endswith("0000") else trimmed[:4] if trimmed.endswith("00") else trimmed


def inside(code: str, root: str) -> bool:
    """Whether a place lies in `root`; without a root every place does."""
    return not root or code.startswith(prefix(root))


def _on_the_way(code: str, root: str) -> bool:
    return inside(code, root) or prefix(root).startswith(prefix(code))


def place_of_use(division: Division) -> bool:
    """A county, or a city that has none (441900, 442000, 460400)."""
    return division.level == "county" or (division.level == "city" and not division.has_children)


def children(session: Session, parent: str, root: str = "") -> list[Pair]:
    """(code, name) one level down; provinces for "". A city without counties is its own only child (441900).

    With a `root` only the places that lie in it or lead to it.
    """
    above = session.get(Division, parent) if parent else None
    if parent and (above is None or above.level not in LEVELS):
        return []
    if above is not None and above.level == "city" and not above.has_children:
        return [(above.code, above.name)]
    if above is not None and above.level == "street":
        return []
    level = LEVELS[0] if above is None else LEVELS[LEVELS.index(above.level) + 1]
    condition = Division.parent_code == parent if parent else Division.parent_code.is_(None)
    statement = select(Division.code, Division.name).where(condition, Division.level == level).order_by(Division.code)
    found = session.execute(statement).tuples()  # plain tuples: forms know no rows
    return [(code, name) for code, name in found if not root or _on_the_way(code, root)]


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
    """广东省广州市荔湾区, with the street where the code is a street's."""
    return "".join(place.name for place in chain(session, code))


def full_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    """The names of many places as place_name gives them, in one statement."""
    wanted = set(codes)
    way = {part for c in wanted for part in (c[:2] + "0000", c[:4] + "00", c[:6], c)}
    rows = session.execute(select(Division.code, Division.name, Division.parent_code).where(Division.code.in_(way)))
    known = {code: (name, parent) for code, name, parent in rows.tuples()}
    found = {}
    for code in wanted:
        name, at = "", code
        while at in known:
            own, parent = known[at]
            name, at = own + name, parent or ""
        found[code] = name
    return found


def chain(session: Session, code: str) -> list[Division]:
    """The place of a code and what it lies in, the province first; empty for an unknown code."""
    found: list[Division] = []
    place = session.get(Division, code) if code else None
    while place is not None and len(found) < len(LEVELS):
        found.insert(0, place)
        place = session.get(Division, place.parent_code) if place.parent_code else None
    return found


def institutes_for(
    session: Session, division_code: str, *, levels: Iterable[str] = (Level.CITY, Level.COUNTY)
) -> list[Institute]:
    """The admitted institutes that serve a division, nearest first."""
    statement = select(Institute).where(
        Institute.active,
        Institute.level.in_(list(levels)),
        Institute.division_code.startswith(division_code[:2], autoescape=True),
    )
    found = [i for i in session.execute(statement).unique().scalars() if division_code.startswith(i.area)]
    return sorted(found, key=lambda i: (-len(i.area), i.name))


def reviewers(session: Session, division: str) -> list[Pair]:
    """(id, name) of the institutes that may review a registration from there, the nearest first."""
    place = session.get(Division, division) if division else None
    if place is None or not place_of_use(place):
        return []
    return [(str(i.id), i.name) for i in institutes_for(session, division)]
