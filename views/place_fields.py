"""省市区县街道 in plain forms: selects one below another, filled by the server, so that they work without a script.

The names are <prefix>province, <prefix>city, <prefix>county and, where the deployment knows streets, <prefix>street.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.operations import places
from app.profiles import setting
from models.base import db
from views.edge import clean

LEVELS = ("province", "city", "county", "street")


@dataclass(frozen=True)
class Place:
    """What is chosen at each level, what is offered there, and the deepest code chosen."""

    chosen: Mapping[str, str]
    offered: Mapping[str, list[places.Pair]]
    levels: tuple[str, ...] = field(default=LEVELS[:3])

    @property
    def code(self) -> str:
        """The code to store: of the lowest level that counts as a place, "" while only a province or city is chosen."""
        return self.chosen.get("street") or self.chosen.get("county") or ""


def levels(*, streets: bool = True) -> tuple[str, ...]:
    """As deep as the deployment asks (region.depth)."""
    return LEVELS[: int(setting("region", "depth"))] if streets else LEVELS[:3]


def read_place(form: Mapping[str, str], prefix: str = "", *, streets: bool = True) -> Place:
    """The selects of a submitted form; a choice that no longer fits the one above it is dropped."""
    typed = {level: clean(form.get(prefix + level), 9) for level in LEVELS}
    return _place(typed, levels(streets=streets))


def place_at(code: str | None, *, streets: bool = True) -> Place:
    """The selects set to a stored code."""
    typed = {p.level: p.code for p in places.chain(db.session(), code or "")}
    if typed and "county" not in typed:
        typed["county"] = typed.get("city", "")  # a city without counties is its own place
    return _place(typed, levels(streets=streets))


def _place(typed: Mapping[str, str], wanted: tuple[str, ...]) -> Place:
    chosen: dict[str, str] = {}
    offered: dict[str, list[places.Pair]] = {}
    above = ""
    for number, level in enumerate(wanted):
        if number and not above:
            offered[level] = []
            continue
        offered[level] = places.children(db.session(), above)
        known = {code for code, _name in offered[level]}
        above = chosen[level] = typed.get(level, "") if typed.get(level, "") in known else ""
    return Place(chosen, offered, wanted)
