"""The duplicate key of an instrument: “同一个器具只需要录入1次”.

The rule is a list of field keys: 生产厂家 + 出厂编号 in general, 名称 + 型号 + 出厂编号 + 自编号 in Guangdong.
Blanks compare equal; width, case, blanks and brackets do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from app.intake.text import fold

DEFAULT_RULE: tuple[str, ...] = ("manufacturer", "serial_no")
GUANGDONG_RULE: tuple[str, ...] = ("name", "model", "serial_no", "own_no")

# Of these a ledger repeats the same few over and over.
_repeated = lru_cache(maxsize=4_096)(fold)
_UNIQUE = frozenset(("serial_no", "own_no"))
# Never part of folded text (control characters are removed), so parts cannot run into each other.
_SEPARATOR = "\x1f"


def dup_key(rule: Sequence[str], values: Mapping[str, Any]) -> str:
    """Return the comparison key of ``values`` under ``rule``, "" when there is no 出厂编号.

    Without a manufacturer, equal numbers of different makers would collapse into one: then 器具名称 and
    型号规格 take its place.
    """
    if not values.get("serial_no"):
        return ""
    parts: list[str] = []
    for key in rule:
        typed = str(values.get(key) or "")
        text = fold(typed) if key in _UNIQUE else _repeated(typed)
        if not text and key == "manufacturer":
            parts.append("")
            parts.extend(_repeated(str(values.get(other) or "")) for other in ("name", "model"))
        else:
            parts.append(text)
    return _SEPARATOR.join(parts)
