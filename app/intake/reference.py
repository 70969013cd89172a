"""Reference data the row rules need, as plain values; the caller fills it from the code tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.intake.rulebook import PSEUDO_CODES
from app.intake.text import fold


@dataclass(frozen=True, slots=True)
class CategoryRef:
    """One catalogue entry. ``valid`` is false for 作废 codes; ``nozzle`` asks for 编号(枪号)."""

    id: int
    level1: str
    level2: str
    code: str = ""
    valid: bool = True
    nozzle: bool = False
    typical_use: str = ""

    @property
    def pseudo(self) -> bool:
        """未分类 and 非强检 stand beside the catalogue: a row may name them, no list offers them."""
        return self.code in PSEUDO_CODES


@dataclass(frozen=True, slots=True)
class DivisionRef:
    """One division. ``level`` is province, city, county or street; ``has_children`` means counties below it."""

    code: str
    name: str
    level: str
    has_children: bool = False


@dataclass(frozen=True, eq=False)
class ReferenceTables:
    """Catalogue by (level1, level2) and divisions by code, with folded look-ups built once; ``institutes`` are the ids
    of the institutes by folded name."""

    categories: Mapping[tuple[str, str], CategoryRef]
    divisions: Mapping[str, DivisionRef]
    institutes: Mapping[str, int] = field(default_factory=dict)
    by_folded: dict[tuple[str, str], CategoryRef] = field(init=False, repr=False)
    level2_only: dict[str, tuple[CategoryRef, ...]] = field(init=False, repr=False)
    by_code: dict[str, CategoryRef] = field(init=False, repr=False)
    counties_by_name: dict[str, tuple[DivisionRef, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded: dict[tuple[str, str], CategoryRef] = {}
        level2: dict[str, tuple[CategoryRef, ...]] = {}
        for ref in self.categories.values():
            folded[fold(ref.level1), fold(ref.level2)] = ref
            key = fold(ref.level2)
            level2[key] = (*level2.get(key, ()), ref)
        names: dict[str, tuple[DivisionRef, ...]] = {}
        for division in self.divisions.values():
            if is_county_like(division):
                names[division.name] = (*names.get(division.name, ()), division)
        object.__setattr__(self, "by_folded", folded)
        object.__setattr__(self, "level2_only", level2)
        object.__setattr__(self, "by_code", {ref.code: ref for ref in self.categories.values() if ref.code})
        object.__setattr__(self, "counties_by_name", names)


def is_county_like(division: DivisionRef) -> bool:
    """True for a county, and for a city without counties (东莞 441900, 中山 442000, 儋州 460400)."""
    return division.level == "county" or (division.level == "city" and not division.has_children)
