"""First letters of the pinyin of names, so that "dhhq" finds 大华衡器: what people type who know a unit by ear.

A sign is read as the dictionary of pypinyin reads it first. The few signs that names of units read in two ways
(重庆, 长安, 厦门, 银行) keep both readings.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

TWO_WAYS = {"重": "cz", "长": "cz", "厦": "xs", "行": "hx", "乐": "ly", "朝": "cz", "曾": "zc", "番": "fp", "会": "hk"}
MOST_READINGS = 8
LETTERS = re.compile(r"[a-z0-9]{2,30}")


@lru_cache(maxsize=1)
def _dictionary() -> Mapping[int, str]:
    """Fifty megabytes that only a search for letters needs: processes that never search (workers) do without."""
    from pypinyin.pinyin_dict import pinyin_dict

    return cast("Mapping[int, str]", pinyin_dict)


@lru_cache(maxsize=8_192)
def _letter(sign: str) -> str:
    if sign.isascii():
        return sign.lower() if sign.isalnum() else ""
    if sign in TWO_WAYS:
        return TWO_WAYS[sign]
    reading = str(_dictionary().get(ord(sign), ""))
    return unicodedata.normalize("NFD", reading)[:1].lower()


def initials(name: str) -> tuple[str, ...]:
    """The readings of a name, first letters only, small; digits and Latin letters stay: 广州市A1加油站 → gzsa1jyz."""
    letters = [found for sign in unicodedata.normalize("NFKC", name)[:120] if (found := _letter(sign))]
    readings = 1
    for place, found in enumerate(letters):
        readings *= len(found)
        if readings > MOST_READINGS:
            readings, letters[place] = MOST_READINGS, found[0]
    if readings == 1:
        return ("".join(letters),)
    return tuple("".join(way) for way in itertools.product(*letters))


def looks_like_initials(term: str) -> str:
    """The term as first letters (without blanks, small), "" when it cannot be."""
    plain = re.sub(r"[\s·.'’-]", "", unicodedata.normalize("NFKC", term)).lower()
    return plain if LETTERS.fullmatch(plain) and any(c.isalpha() for c in plain) else ""
