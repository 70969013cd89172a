"""Numbers as people type them: width, case, blanks, hyphens, brackets, O for 0 and I or l for 1 make no difference.

`fold` does to a term what `folded` does to a column in SQL. An expression index on exactly `folded` (and one on its
reverse) answers a search by the beginning or the end.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, func

NOISE = " ()[]{}<>【】〔〕《》-_–—−/\\.,;:·、。'\"*+~#"
"""Signs that carry nothing in a number. 号 and 枪 stay: AA1907(1枪) and AA1907(6枪) are two nozzles."""
LOOKS = str.maketrans({"O": "0", "I": "1", "L": "1", **dict.fromkeys(NOISE)})


def fold(text: str) -> str:
    """The number without its noise."""
    return unicodedata.normalize("NFKC", text).upper().translate(LOOKS)


def folded(column: Any) -> ColumnElement[str]:
    """The same of a column, by the function of migration 0007 that its indexes are made of."""
    return func.fold_number(column)


def looks_like_number(term: str) -> bool:
    """Whether a term may be a factory, order or certificate number: it holds a digit or consists of Latin letters."""
    plain = unicodedata.normalize("NFKC", term)
    letters = [c for c in plain if c.isalnum()]
    return bool(letters) and (any(c.isdigit() and c.isascii() for c in plain) or all(c.isascii() for c in letters))
