"""The rules with a cure beside every problem that has one: what an import checks its rows with."""

from __future__ import annotations

from typing import Any

from app.intake.fields import CATEGORY_CODE
from app.intake.guidance import DEFAULT_POLICY, RowPolicy
from app.intake.names import not_compulsory
from app.intake.reader import RawRow
from app.intake.reference import ReferenceTables
from app.intake.rules import ERROR, CheckedRow, Problem, RowChecker
from app.intake.suggest import STRICT, Suggestion, suggest

_REMEMBERED = 20_000
_CATEGORY = frozenset(("level1", "level2", CATEGORY_CODE.key))
# What the rules say about any cell hangs on these besides the cell itself.
_NEIGHBOURS = ("name", "level1", "level2", CATEGORY_CODE.key)


class Adviser:
    """The rules of one deployment; a cure once worked out is kept for the same cell in the same company."""

    def __init__(self, ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY) -> None:
        self.ref, self.policy = ref, policy
        self._rules = RowChecker(ref, policy)
        self._known: dict[tuple[Any, ...], Suggestion | None] = {}
        self._kinds = {field.key: field.kind for field in policy.fields}

    def check(self, raw: RawRow) -> CheckedRow:
        """Return the checked row, its problems with ``cure`` and ``also`` where something is to be suggested."""
        checked = self._rules.check(raw)
        if not checked.problems:
            return checked
        wrong = {p.column for p in checked.problems if p.severity == ERROR and self._kinds.get(p.column) in STRICT}
        return checked._replace(problems=tuple(self._advised(raw, problem, wrong) for problem in checked.problems))

    def _advised(self, raw: RawRow, problem: Problem, wrong: set[str]) -> Problem:
        column = problem.column
        if not column or column in raw.formula or (problem.cure is not None and column not in _CATEGORY):
            return problem
        if column in _CATEGORY and problem.severity == ERROR:
            problem = self._told_outside(raw, problem)
        made = self._suggested(raw, column, wrong)
        if made is None or (made.column == CATEGORY_CODE.key and column != made.column):
            return problem  # 非强检 is a decision of its own, not the cure of a cell
        values = {made.column: made.value, **made.also}
        if column not in values:
            return problem
        cure = values.pop(column)
        return problem._replace(cure=cure, also=values or None)

    def _suggested(self, raw: RawRow, column: str, wrong: set[str]) -> Suggestion | None:
        """The cure, worked out once for all rows that agree in every cell it hangs on."""
        cells = raw.cells
        typed = cells.get(column, "")
        mark = (column, type(typed), str(typed), *(str(cells.get(key, "")) for key in _NEIGHBOURS))
        if self._kinds.get(column) in STRICT:  # may have changed places with another wrong cell, or with the address
            others = sorted(wrong - {column})
            mark += (str(cells.get("place", "")), *((key, str(cells.get(key, ""))) for key in others))
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
