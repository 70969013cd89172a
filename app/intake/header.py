"""Finding the header of a sheet that is not made like ours: below titles, over two rows, with merged cells."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.intake.dates import exact_date
from app.intake.fields import FIELDS, Field
from app.intake.formats import Line
from app.intake.headings import IGNORED, meanings
from app.intake.old_excel import Merge
from app.intake.text import clean, label_key

WITHIN = 30
MOST_COLUMNS = 200
_ENOUGH = 3
_BREAKS = re.compile(r"[\r\n]+|_x000[dDaA]_")


@dataclass(frozen=True, slots=True)
class Header:
    """``first`` and ``last`` row of it, as the spreadsheet counts; headings by column index of the lines."""

    first: int
    last: int
    headings: dict[int, str]


def find_header(
    lines: Sequence[Line], merges: Callable[[], list[Merge]], offset: int = 0, fields: Sequence[Field] = FIELDS
) -> Header | None:
    """Return the header among the first thirty rows, None when no row has three headings we know."""
    top = [(number, line[:MOST_COLUMNS]) for number, line in lines if number <= WITHIN]
    singles = [_headings(line) for _, line in top]
    scores = [_score(headings.values(), fields) for headings in singles]
    found = [
        (score, 1, Header(number, number, headings))
        for (number, _), headings, score in zip(top, singles, scores, strict=True)
        if score >= _ENOUGH
    ]
    ranges: list[Merge] | None = None
    for place, ((number, upper), (below, lower)) in enumerate(pairwise(top)):
        if not scores[place + 1] or below != number + 1 or not _may_go_on(lower):
            continue
        ranges = merges() if ranges is None else ranges
        headings = _two_rows(number, upper, lower, ranges, offset)
        score = _score(headings.values(), fields)
        # a second row has to tell more than either alone, or a line above the header would count as one
        if score >= _ENOUGH and score > max(scores[place], scores[place + 1]):
            found.append((score, 0, Header(number, below, headings)))
    return max(found, key=lambda item: (item[0], item[1], -item[2].first))[2] if found else None


def _score(headings: Any, fields: Sequence[Field]) -> int:
    """How many different fields the headings name."""
    keys = {next(iter(found)) for heading in headings if (found := meanings(heading, fields))}
    return len(keys - {IGNORED})


def _headings(line: Sequence[Any]) -> dict[int, str]:
    """Column → heading, the second of two equal ones numbered. Long sentences and dates are none."""
    found: dict[int, str] = {}
    seen: dict[str, int] = {}
    for index, cell in enumerate(line):
        text = _title(cell)
        if not text or len(text) > 40:
            continue
        seen[label_key(text)] = times = seen.get(label_key(text), 0) + 1
        found[index] = text if times == 1 else f"{text}({times})"
    return found


def _title(cell: Any) -> str:
    """The text of a heading; a line break within it is only for the width of the column."""
    return clean(_BREAKS.sub("", cell)) if isinstance(cell, str) else ""


def _may_go_on(line: Sequence[Any]) -> bool:
    """A second header row holds short texts alone: no number, no date."""
    texts = [cell for cell in line if cell != ""]
    return (
        bool(texts)
        and all(
            isinstance(cell, str) and len(cell) <= 20 and exact_date(cell) is None and not cell.strip().isdecimal()
            for cell in texts
        )
        and not any(isinstance(cell, (dt.date, bool)) for cell in texts)
    )


def _two_rows(
    number: int, upper: Sequence[Any], lower: Sequence[Any], merges: list[Merge], offset: int
) -> dict[int, str]:
    """The headings of two rows read together: a group above, its parts below (检定 over 日期 and 有效期)."""
    groups = _spread(number, upper, lower, merges, offset)
    both: list[Any] = []
    for index in range(max(len(upper), len(lower))):
        above = groups.get(index, "")
        below = _title(lower[index]) if index < len(lower) else ""
        both.append(_joined(above, below))
    return _headings(both)


def _joined(above: str, below: str) -> str:
    if not above or not below or label_key(above) == label_key(below):
        return below or above
    # 日期 alone says nothing, 检定日期 does; 出厂编号 needs no 器具信息 before it
    sure = max(meanings(below).values(), default=0.0)
    together = max(meanings(above + below).values(), default=0.0)
    return above + below if together >= sure and len(below) <= 4 else below


def _spread(
    number: int, upper: Sequence[Any], lower: Sequence[Any], merges: list[Merge], offset: int
) -> dict[int, str]:
    """Column → text of the upper row, a merged one over all its columns."""
    texts = {at: title for at, cell in enumerate(upper) if (title := _title(cell))}
    spans = {start[1] - offset: end[1] - offset for start, end in merges if start[0] <= number - 1 <= end[0]}
    found: dict[int, str] = {}
    for at, text in texts.items():
        end = spans.get(at)
        if end is None and not merges:  # text files and old programs: the group stands over its first part
            end = at
            while end + 1 < len(lower) and end + 1 not in texts and lower[end + 1] != "":
                end += 1
            if end > at and lower[at] == "":
                end = at
        for column in range(at, (end if end is not None else at) + 1):
            found[column] = text
    return found
