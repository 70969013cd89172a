"""From checked rows to what shall happen with each: new, unchanged or refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from app.intake.fields import LABELS
from app.intake.rules import ERROR, CheckedRow, Problem, row_prefix

NEW, UNCHANGED, REFUSED = "new", "unchanged", "refused"


class ExistingRow(NamedTuple):
    """A ledger record that has a duplicate key occurring in the file; values by field key. ``elsewhere``: it is another
    unit's, of which nothing more is told."""

    id: int
    values: Mapping[str, Any]
    elsewhere: bool = False


class PlannedRow(NamedTuple):
    """What to do with one row. ``existing_id`` is the record it repeats, if any."""

    number: int
    outcome: str
    values: dict[str, Any]
    problems: tuple[Problem, ...]
    dup_key: str
    existing_id: int | None = None
    sheet: str = ""
    position: int = 0


class Planner:
    """Decides rows in the order of the file; remembers the keys it has met, so that a file may come in chunks.

    A record already in the ledger with the same values is ``unchanged`` (uploading twice adds nothing);
    with other values it is refused and named. A key twice in the file: the first good row stays. ``columns``
    limits the comparison to the columns the file has (all fields when None).
    """

    def __init__(self, columns: Collection[str] | None = None) -> None:
        self._columns = None if columns is None else frozenset(columns)
        self._first_seen: dict[str, tuple[int, str]] = {}

    def plan(self, checked: Iterable[CheckedRow], existing: Mapping[str, ExistingRow]) -> Iterator[PlannedRow]:
        """Decide the next rows; ``existing`` holds the records of the ledger with a key that occurs among them."""
        return (self._decide(row, existing) for row in checked)

    def _decide(self, row: CheckedRow, existing: Mapping[str, ExistingRow]) -> PlannedRow:
        key = row.dup_key
        outcome, problems, existing_id = NEW, row.problems, None
        if problems and any(problem.severity == ERROR for problem in problems):
            outcome = REFUSED
        elif key and key in self._first_seen:
            outcome, problems = REFUSED, (*problems, _repeated(row, *self._first_seen[key]))
        elif key:
            self._first_seen[key] = (row.number, row.sheet)
            record = existing.get(key)
            if record is not None and record.elsewhere:
                outcome, problems = REFUSED, (*problems, _elsewhere(row))
            elif record is not None:
                existing_id = record.id
                differing = self._differing(row.values, record.values)
                outcome = REFUSED if differing else UNCHANGED
                if differing:
                    problems = (*problems, _already_there(row, differing))
        return PlannedRow(row.number, outcome, row.values, problems, key, existing_id, row.sheet, row.position)

    def _differing(self, values: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
        """The fields whose values differ; None and "" are the same, fields not in ``stored`` do not count."""
        return [
            key
            for key, value in values.items()
            if key in stored
            and (self._columns is None or key in self._columns)
            and (value or None) != (stored[key] or None)
        ]


def plan_rows(
    checked: Iterable[CheckedRow], existing: Mapping[str, ExistingRow], columns: Collection[str] | None = None
) -> Iterator[PlannedRow]:
    """Decide every row of a file at once, see :class:`Planner`."""
    return Planner(columns).plan(checked, existing)


def _title(values: Mapping[str, Any]) -> str:
    parts = (values.get("name"), values.get("model"), values.get("serial_no"))
    return f"该器具已存在（{' '.join(part for part in parts if part)}），不能重复录入。"


def _repeated(row: CheckedRow, number: int, sheet: str) -> Problem:
    where = f"工作表“{sheet}”第{number}行" if sheet and sheet != row.sheet else f"第{number}行"
    text = f"{_title(row.values)}与本文件{where}相同，请删除本行或更正出厂编号。"
    return Problem(row.number, "serial_no", ERROR, row_prefix(row.number, row.sheet) + text)


def _elsewhere(row: CheckedRow) -> Problem:
    text = "该器具已由其他单位录入，不能重复录入，如有疑问请联系技术机构。"
    return Problem(row.number, "serial_no", ERROR, row_prefix(row.number, row.sheet) + text)


def _already_there(row: CheckedRow, differing: list[str]) -> Problem:
    labels = "、".join(LABELS.get(key, key) for key in differing)
    text = f"{_title(row.values)}与台账记录不同的有：{labels}，如需更改请在台账中修改。"
    return Problem(row.number, "serial_no", ERROR, row_prefix(row.number, row.sheet) + text)
