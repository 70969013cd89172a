"""Checking one raw row: every cell parsed, every problem collected, nothing raised.

Sentences follow the manuals (IMP-07 texts letter for letter) and the wording of the add step; each begins
第{n}行： (with the sheet's name when the file has several) and names the column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from app.intake.dup import dup_key
from app.intake.fields import CATEGORY_CODE, FIELD_BY_KEY, FIELDS, LABELS, Field
from app.intake.guidance import DEFAULT_POLICY, RowPolicy, apply_guidance
from app.intake.reader import RawRow
from app.intake.reference import CategoryRef, ReferenceTables
from app.intake.text import fold
from app.intake.values import (
    BadCell,
    parse_choice,
    parse_date,
    parse_division,
    parse_quantity,
    parse_text,
    shown,
)

ERROR, WARNING = "error", "warning"
_CACHE_LIMIT = 20_000
# Hardly ever repeated within one file, so a memory of them costs more than it saves.
_UNCACHED = frozenset(("serial_no", "own_no", "place", "note"))
_BLANK_VALUE: dict[str, Any] = {"choice": None, "date": None, "quantity": 1}


class Problem(NamedTuple):
    """One finding. ``column`` is the field key ("" for the whole row), ``severity`` "error" or "warning"."""

    row: int
    column: str
    severity: str
    message: str


class CheckedRow(NamedTuple):
    """A row after the rules. ``values`` has every field key, plus ``category_id``; refused if any error."""

    number: int
    values: dict[str, Any]
    problems: tuple[Problem, ...]
    dup_key: str
    sheet: str = ""
    position: int = 0


def check_row(raw: RawRow, ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY) -> CheckedRow:
    """Check ``raw`` against ``ref``; never raises. Problems come in column order."""
    return _checker(ref, policy).check(raw)


class RowChecker:
    """The rules bound to one reference and policy, with a memory of cells already parsed."""

    def __init__(self, ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY) -> None:
        self.ref = ref
        self.policy = policy
        self._plan: tuple[tuple[Field, Callable[[Field, Any], Any], dict[Any, Any] | None], ...] = tuple(
            (field, self._parser(field), None if field.key in _UNCACHED else {}) for field in FIELDS
        )

    def _parser(self, field: Field) -> Callable[[Field, Any], Any]:
        if field.kind == "date":
            return parse_date
        if field.kind == "quantity":
            return parse_quantity
        if field.kind == "choice":
            return lambda f, cell: parse_choice(f, cell, self.policy.coded_fields)
        if field.kind == "division":
            return lambda f, cell: parse_division(f, cell, self.ref)
        return parse_text

    def check(self, raw: RawRow) -> CheckedRow:
        """Return the checked row with all its problems."""
        found: list[tuple[str, str, str]] = []
        values: dict[str, Any] = {}
        cells, formula = raw.cells, raw.formula
        for field, parser, memory in self._plan:
            key = field.key
            cell = cells.get(key, "")
            if key in formula:
                found.append((key, ERROR, f"“{field.label}”单元格含公式，请粘贴为数值。"))
                values[key] = _BLANK_VALUE.get(field.kind, "")
                continue
            values[key] = value = self._parse(field, parser, memory, cell, found)
            if field.required and not value and field.kind != "category" and not _reported(found, key):
                found.append((key, ERROR, f"请填写“{field.label}”。"))
        category = self._category(raw, values, found)
        values["category_id"] = category.id if category else None
        found.extend(apply_guidance(values, category, self.policy))
        key = dup_key(self.policy.dup_rule, values)
        problems = _problems(raw, found) if found else ()
        return CheckedRow(raw.number, values, problems, key, raw.sheet, raw.position)

    def _parse(
        self,
        field: Field,
        parser: Callable[[Field, Any], Any],
        memory: dict[Any, Any] | None,
        cell: Any,
        found: list[tuple[str, str, str]],
    ) -> Any:
        if cell == "":
            return _BLANK_VALUE.get(field.kind, "")
        # 1, 1.0 and True are equal keys but not equal texts: the type belongs to the key.
        mark = (type(cell), cell)
        if memory is not None and mark in memory:
            return memory[mark]
        try:
            value = parser(field, cell)
        except BadCell as bad:
            found.append((field.key, ERROR, str(bad)))
            return _BLANK_VALUE.get(field.kind, "")
        except (ValueError, OverflowError, ArithmeticError):  # NaN, infinity and their like
            found.append((field.key, ERROR, f"“{field.label}”填写的“{shown(cell)}”无法识别，请重新填写。"))
            return _BLANK_VALUE.get(field.kind, "")
        if memory is not None and len(memory) < _CACHE_LIMIT:
            memory[mark] = value
        return value

    def _category(self, raw: RawRow, values: dict[str, Any], found: list[tuple[str, str, str]]) -> CategoryRef | None:
        """Find the catalogue entry by code, or by both names; puts the catalogue's own spelling into ``values``."""
        if any(_reported(found, key) for key in ("level1", "level2")):
            return None
        code = self._code(raw, found)
        if code is None:
            return None
        level1, level2 = values["level1"], values["level2"]
        if code:
            category = self.ref.by_code.get(code)
            problem = self._code_problem(code, category, level1, level2)
        else:
            category = self.ref.by_folded.get((fold(level1), fold(level2)))
            problem = self._name_problem(category, level1, level2)
        if problem:
            found.append(problem)
            return None
        assert category is not None
        values["level1"], values["level2"] = category.level1, category.level2
        return category

    def _code(self, raw: RawRow, found: list[tuple[str, str, str]]) -> str | None:
        """Return 种别代码 as text ("" when the row has none), None when its cell cannot be used."""
        if CATEGORY_CODE.key in raw.formula:
            found.append((CATEGORY_CODE.key, ERROR, f"“{CATEGORY_CODE.label}”单元格含公式，请粘贴为数值。"))
            return None
        before = len(found)
        code = self._parse(CATEGORY_CODE, parse_text, None, raw.cells.get(CATEGORY_CODE.key, ""), found)
        return code if len(found) == before else None

    @staticmethod
    def _code_problem(code: str, category: CategoryRef | None, level1: str, level2: str) -> tuple[str, str, str] | None:
        if category is None or not category.valid:
            return (CATEGORY_CODE.key, ERROR, _unknown_category(code, "请从《强检器具目录》中选择有效的种别代码。"))
        for key, typed, right in (("level1", level1, category.level1), ("level2", level2, category.level2)):
            if typed and fold(typed) != fold(right):
                return (key, ERROR, f"{LABELS[key]}“{shown(typed)}”与种别代码“{code}”不对应，请改为“{right}”。")
        return None

    def _name_problem(self, category: CategoryRef | None, level1: str, level2: str) -> tuple[str, str, str] | None:
        if not level1 and not level2:
            return ("level2", ERROR, "仪器的种别代码不能为空，请填写“一级目录”和“二级目录”。")
        if not level2:
            return ("level2", ERROR, "请填写“二级目录”，从《强检器具目录》中选择。")
        if category is not None and category.valid:
            return None
        fitting = [ref for ref in self.ref.level2_only.get(fold(level2), ()) if ref.valid]
        if category is None and fitting:
            right = "”或“".join(ref.level1 for ref in fitting)
            if not level1:
                return ("level1", ERROR, f"请填写“一级目录”，二级目录“{shown(level2)}”属于“{right}”。")
            return (
                "level1",
                ERROR,
                f"一级目录“{shown(level1)}”与二级目录“{shown(level2)}”不对应，一级目录请改为“{right}”。",
            )
        return ("level2", ERROR, _unknown_category(level2, "请从《强检器具目录》中选择二级目录。"))


@lru_cache(maxsize=8)
def _checker(ref: ReferenceTables, policy: RowPolicy) -> RowChecker:
    return RowChecker(ref, policy)


def _unknown_category(typed: str, cure: str) -> str:
    return f"仪器的种别代码：{shown(typed)}可能有误或已作废，无法找到相对应的名称，{cure}"


def _reported(found: list[tuple[str, str, str]], key: str) -> bool:
    return bool(found) and any(column == key and severity == ERROR for column, severity, _ in found)


_ORDER = {key: place for place, key in enumerate(FIELD_BY_KEY)}


def row_prefix(number: int, sheet: str = "") -> str:
    """Return 第{n}行：, naming the sheet when there are several."""
    return f"第{number}行（工作表“{sheet}”）：" if sheet else f"第{number}行："


def _problems(raw: RawRow, found: list[tuple[str, str, str]]) -> tuple[Problem, ...]:
    prefix = row_prefix(raw.number, raw.sheet)
    found.sort(key=lambda item: _ORDER.get(item[0], 99))
    return tuple(Problem(raw.number, column, severity, prefix + text) for column, severity, text in found)
