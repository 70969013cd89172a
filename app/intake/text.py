"""Cleaning and folding of typed text.

``clean`` is what is stored; ``fold`` is what is compared (labels, catalogue names, duplicate keys).
"""

from __future__ import annotations

import re
import unicodedata

# Control and format characters (bidi overrides, zero width, soft hyphen, BOM), lone surrogates, and tag
# characters: they make two different strings look alike, and PostgreSQL refuses NUL and surrogates.
_LINE_BREAKS = re.compile("[\t\n\r\x0b\x0c\x85\u2028\u2029]+")
_WIDE_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Cn"))
# The export puts an apostrophe before these so that no spreadsheet runs them; coming back it is taken off.
_QUOTED_STARTS = frozenset("=+-@＝＋－＠")
_BRACKETS = str.maketrans("【】［］〔〕", "[][][]")
_LABEL_NOISE = re.compile(r"\((?:必填|选填|可选|必选)\)|[*:\s]")


def clean(raw: str) -> str:
    """Return ``raw`` as it may be stored: NFC, no control, bidi or zero-width characters, trimmed.

    Line breaks and wide blanks become one ordinary blank; every other character, including full-width
    ones, stays as typed.
    """
    if raw.isascii() and raw.isprintable():
        text = raw.strip()
    else:
        text = _clean_slowly(raw)
    if len(text) > 1 and text[0] == "'" and text[1] in _QUOTED_STARTS:
        return text[1:]
    return text


def _clean_slowly(raw: str) -> str:
    text = raw
    if not text.isprintable():
        text = _WIDE_BLANKS.sub(" ", _LINE_BREAKS.sub(" ", text))
        if not text.isprintable():
            text = "".join(ch for ch in text if unicodedata.category(ch) not in _DROPPED)
    return unicodedata.normalize("NFC", text).strip()


def fold(raw: str) -> str:
    """Return the comparison form of ``raw``: NFKC, case folded, without blanks, one kind of brackets.

    ``fold(fold(x)) == fold(x)``: the duplicate key of a stored record must equal that of the typed row.
    """
    if raw.isascii() and raw.isprintable():
        return "".join(raw.split()).casefold()
    text = _clean_slowly(raw)
    for _ in range(4):  # NFKC after casefold can open new foldings; it settles after two or three rounds
        folded = "".join(unicodedata.normalize("NFKC", text).translate(_BRACKETS).casefold().split())
        folded = _clean_slowly(folded)
        if folded == text:
            break
        text = folded
    return text


def half_width(raw: str) -> str:
    """Return ``raw`` with full-width letters, digits, brackets and blanks made half width (NFKC)."""
    return raw if raw.isascii() else unicodedata.normalize("NFKC", raw)


def label_key(raw: object) -> str:
    """Return the comparison form of a column heading: star, colon, blanks and “(必填)” do not count."""
    return _LABEL_NOISE.sub("", fold(raw)) if isinstance(raw, str) else ""
