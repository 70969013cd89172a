"""Parts of words found in millions of rows: by the index where they are rare, by walking the list where they are not.

The index (`bigrams(column)`, GIN) knows every sign and every two neighbouring signs of a text. It answers a rare part at
once, but one that stands in most rows costs it a list of most rows, of which a page needs twenty. How often signs stand
is known to the database's own statistics of the index; they are read once in a while and kept by the process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Text, func, literal, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

COMMON = 0.05
"""From this share of rows on a part of a text is found sooner without the index."""
KEPT = 600.0  # seconds
STATISTICS = text("""
    SELECT t.relname, pg_get_indexdef(i.indexrelid), s.most_common_elems::text::text[], s.most_common_elem_freqs
    FROM pg_stats s
    JOIN pg_class c ON c.relname = s.tablename AND c.relkind = 'i'
    JOIN pg_index i ON i.indexrelid = c.oid
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE s.schemaname = 'public' AND s.attname = 'bigrams' AND c.relnamespace = 'public'::regnamespace
""")


def grams_of(term: str) -> list[str]:
    """What to ask the index for: every two neighbours, or the sign itself of a single one."""
    return list(dict.fromkeys(term[i : i + 2] for i in range(len(term) - 1))) or [term]


def contains(session: Session, column: Any, term: str, *, walk: bool = False) -> ColumnElement[bool]:
    """The condition that `column` (which has such an index) contains the term. `walk`: rows are known to be so many that
    the index is of no use."""
    exact: ColumnElement[bool] = column.contains(term, autoescape=True)
    if not term or walk or share(session, column, term) >= COMMON:
        return exact
    return func.bigrams(column).op("@>")(literal(grams_of(term), ARRAY(Text))) & exact


def share(session: Session, column: Any, term: str) -> float:
    """The share of rows that hold the rarest two signs of the term, so at least as many as hold the term itself; 0.0 for
    one that the statistics do not name, as they name the common ones."""
    stored = column.property.columns[0]
    known = FREQUENCIES.of(session).get((stored.table.name, stored.name), {})
    return min((known.get(gram, 0.0) for gram in grams_of(term)), default=0.0)


class Frequencies:
    """How often signs stand in the columns with such an index, per database; read again after ten minutes."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[float, Mapping[tuple[str, str], Mapping[str, float]]]] = {}

    def of(self, session: Session) -> Mapping[tuple[str, str], Mapping[str, float]]:
        """{(table, column): {signs: share of rows}}."""
        database = str(session.get_bind().url)  # type: ignore[union-attr]
        read_at, found = self.known.get(database, (0.0, {}))
        if not read_at or time.monotonic() - read_at > KEPT:
            found = self.read(session)
            self.known[database] = (time.monotonic(), found)
        return found

    def read(self, session: Session) -> dict[tuple[str, str], dict[str, float]]:
        """Ask the database; nothing is known of tables that were never analysed."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for table, definition, signs, shares in session.connection().execute(STATISTICS).tuples():
            column = definition.rpartition("bigrams(")[2].strip("()").partition(")")[0]
            found[table, column] = dict(zip(signs or (), shares or (), strict=False))
        return found


FREQUENCIES = Frequencies()
