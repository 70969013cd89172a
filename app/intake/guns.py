"""The three ways of writing a fuel dispenser's gun, and the ways from one to another (CAT-02).

``name_prefix`` (S0): 5#加油枪, 1809025P. ``serial_suffix`` (S3): 燃油加油机, AA19070003(6枪). ``gun_rows`` (S4): the
dispenser once, its guns as rows below. Moving a ledger from one deployment to another converts its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.intake.text import fold, half_width

NOTATIONS = ("serial_suffix", "name_prefix", "gun_rows")
DISPENSER, GUN = "燃油加油机", "加油枪"
_SUFFIX = re.compile(r"(.+?) ?\((\d{1,2})枪\)")
_PREFIX = re.compile(r"(\d{1,2})[#号](加[油气]枪)")


@dataclass(frozen=True, slots=True)
class Gun:
    """One gun whatever the notation: the dispenser's name and number, the gun's number (None when not told) and its own
    serial number ("" when it is the dispenser's)."""

    name: str
    serial_no: str
    number: int | None
    gun_serial: str = ""


@dataclass(frozen=True, slots=True)
class Dispenser:
    """A dispenser with its guns: 枪号 → 枪出厂编号."""

    name: str
    serial_no: str
    guns: tuple[tuple[int, str], ...] = ()


def read_gun(name: str, serial_no: str) -> Gun:
    """One record as written in ``serial_suffix`` or ``name_prefix``; a record without gun has number None."""
    suffix = _SUFFIX.fullmatch(half_width(serial_no).strip())
    if suffix:
        return Gun(name, suffix.group(1), int(suffix.group(2)))
    prefix = _PREFIX.fullmatch(half_width(name).strip())
    if prefix:
        dispenser = DISPENSER if prefix.group(2) == GUN else "加气机"
        return Gun(dispenser, serial_no, int(prefix.group(1)))
    return Gun(name, serial_no, None)


def write_gun(gun: Gun, notation: str) -> tuple[str, str]:
    """(器具名称, 出厂编号) of one gun; ``gun_rows`` has no single record for it and raises ValueError."""
    if notation not in NOTATIONS[:2]:
        raise ValueError(f"{notation} keeps guns as rows of their dispenser")
    if gun.number is None:
        return gun.name, gun.serial_no
    if notation == "serial_suffix":
        return gun.name, f"{gun.serial_no}({gun.number}枪)"
    word = "加气枪" if "加气" in gun.name else GUN
    return f"{gun.number}#{word}", gun.gun_serial or gun.serial_no


def to_rows(records: Iterable[tuple[str, str]]) -> list[Dispenser]:
    """Records of either single notation as dispensers with rows, in the order of their first gun."""
    found: dict[tuple[str, str], tuple[str, str, dict[int, str]]] = {}
    for name, serial_no in records:
        gun = read_gun(name, serial_no)
        entry = found.setdefault((fold(gun.name), fold(gun.serial_no)), (gun.name, gun.serial_no, {}))
        if gun.number is not None:
            entry[2].setdefault(gun.number, gun.gun_serial or gun.serial_no)
    return [Dispenser(name, serial, tuple(sorted(guns.items()))) for name, serial, guns in found.values()]


def from_rows(dispensers: Iterable[Dispenser], notation: str) -> list[tuple[str, str]]:
    """Dispensers with rows as single records, one a gun; one without guns stays one record."""
    found: list[tuple[str, str]] = []
    for dispenser in dispensers:
        guns = [Gun(dispenser.name, dispenser.serial_no, number, serial) for number, serial in dispenser.guns]
        for gun in guns or [Gun(dispenser.name, dispenser.serial_no, None)]:
            found.append(write_gun(gun, notation))
    return found
