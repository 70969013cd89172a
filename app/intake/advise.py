"""The rules with a cure beside every problem that has one: what an import checks its rows with."""

from __future__ import annotations

from typing import Any

from app.intake.fields import CATEGORY_CODE
from app.intake.guidance import DEFAULT_POLICY, RowPolicy
from app.intake.names import not_compulsory
from app.intake.reader import RawRow
from app.intake.reference import ReferenceTables
from app.intake.rules import ERROR, CheckedRow, Problem, RowChecker
from app.intake.suggest import Suggestion, suggest

_REMEMBERED = 20_000
_CATEGORY = frozenset(("level1", "level2", CATEGORY_CODE.key))
# A cure hangs on these cells besides its own; all others only decide whether it would be refused again.
_NEIGHBOURS = (
    "name",
    "level1",
    "level2",
    CATEGORY_CODE.key,
    "place",
    "use_division",
    "purpose",
    "delivery_mode",
    "origin",
)


class Adviser:
    """The rules of one deployment; a cure once worked out is kept for the same cell in the same company."""

    def __init__(self, ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY) -> None:
        self.ref, self.policy = ref, policy
        self._rules = RowChecker(ref, policy)
        self._known: dict[tuple[Any, ...], Suggestion | None] = {}

    def check(self, raw: RawRow) -> CheckedRow:
        """Return the checked row, its problems with ``cure`` and ``also`` where something is to be suggested."""
        checked = self._rules.check(raw)
        if not checked.problems:
            return checked
        return checked._replace(problems=tuple(self._advised(raw, problem) for problem in checked.problems))

    def _advised(self, raw: RawRow, problem: Problem) -> Problem:
        column = problem.column
        if not column or column in raw.formula or (problem.cure is not None and column not in _CATEGORY):
            return problem
        if column in _CATEGORY and problem.severity == ERROR:
            problem = self._told_outside(raw, problem)
        made = self._suggested(raw, column)
        if made is None or (made.column == CATEGORY_CODE.key and column != made.column):
            return problem  # 非强检 is a decision of its own, not the cure of a cell
        values = {made.column: made.value, **made.also}
        if column not in values:
            return problem
        cure = values.pop(column)
        return problem._replace(cure=cure, also=values or None)

    def _suggested(self, raw: RawRow, column: str) -> Suggestion | None:
        cells = raw.cells
        typed = cells.get(column, "")
        mark = (column, type(typed), str(typed), *(str(cells.get(key, "")) for key in _NEIGHBOURS))
        if mark not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[mark] = suggest(column, typed, cells, self.ref, self.policy)
        return self._known[mark]

    def _told_outside(self, raw: RawRow, problem: Problem) -> Problem:
        """An instrument outside the catalogue is said to be one, after the sentence of the manual."""
        name, level2 = (str(raw.cells.get(key, "")) for key in ("name", "level2"))
        told = not_compulsory(name, level2, self.ref)
        return problem._replace(message=problem.message + told) if told else problem
