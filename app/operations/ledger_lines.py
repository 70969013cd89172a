"""One row of an export as one text that PostgreSQL puts together, for app/documents/xlsx_stream.py.

Words of states and choices, dates and numbers are written by SQL; Python passes the text on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, String, case, cast, func

from app.documents.xlsx_stream import DATE, END_NUMBER, END_TEXT, EPOCH, FIRST_DATE, MARKS, NUMBER, TEXT

Words = Mapping[Any, Any]


def line_of(columns: Sequence[tuple[Any, Words | None]], *, clean: bool = False) -> ColumnElement[str]:
    """The marked text of a row; each column is an expression and what its values are called, None for as they are.

    `clean` takes the marks out of what users typed, a look at every character that is only paid for chunks that need it.
    """
    return func.concat(*(part for expression, words in columns for part in _cell(expression, words, clean)))


def _cell(expression: Any, words: Words | None, clean: bool) -> tuple[Any, ...]:
    if words is not None:
        return TEXT, worded(expression, words), END_TEXT
    kind = expression.type
    if isinstance(kind, Date):
        # earlier days can only be text; NULL falls through to an empty text
        days = func.concat(DATE, expression - cast(EPOCH, Date), END_NUMBER)
        return (case((expression >= cast(FIRST_DATE, Date), days), else_=func.concat(TEXT, expression, END_TEXT)),)
    if isinstance(kind, Integer):
        return NUMBER, expression, END_NUMBER
    return TEXT, func.translate(expression, MARKS, "") if clean else expression, END_TEXT


def worded(expression: Any, words: Words) -> Any:
    """The word of a stored value by CASE; values without one stay as they are."""
    named = {value: str(word) for value, word in words.items() if value is not None}
    found = case(named, value=expression, else_=cast(expression, String)) if named else cast(expression, String)
    return case((expression.is_(None), str(words[None])), else_=found) if None in words else found
