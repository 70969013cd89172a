"""Choosing the mask of a QR code by the rules of ISO/IEC 18004, 7.8.3, on whole numbers instead of module by module.

Two masks of one code differ in the same modules whatever the code says: that difference is made once for each size, and a
code drawn under mask 0 becomes the other seven by one exclusive-or each. The encoder's own choice takes twenty times as
long and came first among the costs of a certificate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import segno

MASKS = 8
_RUNS = re.compile("0{5,}|1{5,}")
_FINDERS = ("10111010000", "00001011101")


def modules_of(text: str) -> list[str]:
    """The rows of the code for `text`, "1" for dark, under the mask with the fewest penalty points; correction level M.

    Raises `segno.DataOverflowError` if `text` is too long for a QR code.
    """
    code = segno.make(text, error="m", micro=False, boost_error=False, mask=0)
    side = len(code.matrix)
    found, turned = _number(code.matrix), _number(list(zip(*code.matrix, strict=True)))
    _points, best = min(
        (penalty(found ^ change, turned ^ change_turned, side), mask)
        for mask, (change, change_turned) in enumerate(_changes(int(code.version)))
    )
    return _rows(found ^ _changes(int(code.version))[best][0], side)


@lru_cache(maxsize=40)
def _changes(version: int) -> tuple[tuple[int, int], ...]:
    """What turns mask 0 into each mask, format information included; and the same with rows and columns exchanged."""
    codes = [
        segno.make("0", version=version, error="m", micro=False, boost_error=False, mask=mask).matrix
        for mask in range(MASKS)
    ]
    turned = [list(zip(*code, strict=True)) for code in codes]
    return tuple(
        (_number(codes[0]) ^ _number(codes[mask]), _number(turned[0]) ^ _number(turned[mask])) for mask in range(MASKS)
    )


def _number(matrix: Sequence[Sequence[int]]) -> int:
    """The modules as one number, row after row, the first module in the highest bit."""
    return int("".join("".join("1" if module else "0" for module in row) for row in matrix), 2)


def _rows(number: int, side: int) -> list[str]:
    found = f"{number:0{side * side}b}"
    return [found[at : at + side] for at in range(0, side * side, side)]


@lru_cache(maxsize=40)
def _corners(side: int) -> int:
    """Bits of the modules that have a neighbour on the right and one below."""
    return int(("1" * (side - 1) + "0") * (side - 1) + "0" * side, 2)


def penalty(number: int, turned: int, side: int) -> int:
    """Points of a symbol: runs of five, blocks of two by two, what looks like a finder, and too much of one colour."""
    lines = "/".join((*_rows(number, side), *_rows(turned, side)))
    runs = sum(len(run) - 2 for run in _RUNS.findall(lines))
    finders = 40 * sum(map(lines.count, _FINDERS))
    across, down = number ^ (number << 1), number ^ (number << side)
    blocks = 3 * (~(across | down | (down << 1)) & _corners(side)).bit_count()
    dark = number.bit_count() * 100 / (side * side)
    return runs + finders + blocks + 10 * int(abs(dark - 50) / 5)
