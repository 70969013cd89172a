"""Divisions in words: from 浙江省杭州市西湖区文三路 or 西湖 to 330106, where only one county can be meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.intake.reference import DivisionRef, ReferenceTables, is_county_like
from app.intake.text import clean, half_width

_CODE = re.compile(r"(?<!\d)(\d{6})(?:\d{3}|\d{6})?(?!\d)")
_LOOKALIKES = str.maketrans("OoＯIlｌ", "000111")
# longest first: 土家族苗族自治县 is cut as a whole, 恩施 stays
_ENDINGS = re.compile(
    r"(?:[一-龥]{1,8}族)*(?:自治州|自治县|自治旗|自治区)$|(?:林区|特区|矿区|新区|地区|盟|州|省|市|区|县|旗)$"
)
_NO_CITY = frozenset(("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"))


@dataclass(frozen=True, slots=True)
class _County:
    code: str
    name: str
    short: str
    above: tuple[str, ...]
    """Full and short names of its city and province."""


@lru_cache(maxsize=4)
def _counties(ref: ReferenceTables) -> tuple[_County, ...]:
    divisions = ref.divisions
    found = []
    for division in divisions.values():
        if not is_county_like(division):
            continue
        upper = [divisions.get(division.code[:2] + "0000")]
        if not division.code.endswith("00"):
            upper.append(divisions.get(division.code[:4] + "00"))
        words = [word for u in upper if u and u.name not in _NO_CITY for word in (u.name, short_name(u.name))]
        found.append(_County(division.code, division.name, short_name(division.name), tuple(words)))
    return tuple(found)


def short_name(name: str) -> str:
    """Return 西湖 for 西湖区, 五原 for 五原县, 北京 for 北京市; names of two characters stay whole (吉县)."""
    short = _ENDINGS.sub("", name)
    return short if len(short) >= 2 else name


@lru_cache(maxsize=4)
def _upper_names(ref: ReferenceTables) -> frozenset[str]:
    """Names of provinces and cities, long and short."""
    names = [d.name for d in ref.divisions.values() if d.level in {"province", "city"} and d.name not in _NO_CITY]
    return frozenset((*names, *map(short_name, names)))


def in_china(text: str, ref: ReferenceTables) -> bool:
    """True when ``text`` begins with the name of a province or city."""
    return any(text[:length] in _upper_names(ref) for length in range(2, 6))


def county_in(text: str, ref: ReferenceTables, near: str = "", within: str = "") -> DivisionRef | None:
    """Return the one county that ``text`` names, by code or by words; None when there is none or more than one.

    ``near`` is a division whose surroundings win among equals; ``within`` a code prefix the county must have.
    """
    plain = half_width(clean(text))
    if not within and (coded := _by_code(plain, ref)):
        return coded
    words = re.sub(r"\s+", "", plain)
    candidates = [county for county in _counties(ref) if county.code.startswith(within)]
    for names in (_full, _short):
        hits = [county for county in candidates if names(county) in words]
        if hits:
            return _only(hits, words, ref, near)
    return None


def _full(county: _County) -> str:
    return county.name


def _short(county: _County) -> str:
    return county.short


def _only(hits: list[_County], words: str, ref: ReferenceTables, near: str) -> DivisionRef | None:
    """The hit whose city and province stand beside it; then the longest name; then the nearest to ``near``."""
    scored = [(sum(1 for upper in county.above if upper in words), len(county.name), county) for county in hits]
    most = max(score for score, _, _ in scored)
    best = [(length, county) for score, length, county in scored if score == most]
    longest = max(length for length, _ in best)
    finalists = [county for length, county in best if length == longest]
    for digits in (6, 4, 2):
        if len(finalists) > 1 and near:
            finalists = [county for county in finalists if county.code[:digits] == near[:digits]] or finalists
    return ref.divisions[finalists[0].code] if len(finalists) == 1 else None


def _by_code(text: str, ref: ReferenceTables) -> DivisionRef | None:
    compact = re.sub(r"(?<=\d)[\s\-_.]+(?=\d)", "", text)
    cut = re.sub(r"(?<!\d)(\d{6})\d{1,2}(?!\d)", r"\1", compact)  # a digit too many, typed twice or left over
    for candidate in (text, compact, compact.translate(_LOOKALIKES), cut):
        for match in _CODE.finditer(candidate):
            division = ref.divisions.get(match.group(1))
            if division is not None and is_county_like(division):
                return division
    return None


def county_for(typed: str, place: str, ref: ReferenceTables, near: str = "") -> DivisionRef | None:
    """Return the county that a wrong 行政区划 cell most likely means, with the help of the address in its row.

    A code of a city or province is narrowed to its counties; ``near`` is the unit's own division.
    """
    text = half_width(clean(typed))
    above = next((ref.divisions[c] for c in _CODE.findall(text) if c in ref.divisions), None)
    if above is None or is_county_like(above):
        found = county_in(text, ref, near)
        if found is None:
            found = county_in(f"{text}{place}", ref, near)
        return found
    prefix = above.code[:4] if above.level == "city" else above.code[:2]
    found = county_in(place, ref, near, within=prefix)
    if found is None and near.startswith(prefix):
        home = ref.divisions.get(near[:6])
        found = home if home is not None and is_county_like(home) else None
    return found
