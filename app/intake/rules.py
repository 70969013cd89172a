"""Checking one raw row: every cell parsed, every problem collected, nothing raised.

Sentences follow the manuals (IMP-07 texts letter for letter) and the wording of the add step; each begins
第{n}行： (with the sheet's name when the file has several) and names the column.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from app.intake.dup import dup_key
from app.intake.fields import ALL_FIELDS, CATEGORY_CODE, FIELD_BY_KEY, Field
from app.intake.guidance import DEFAULT_POLICY, Finding, RowPolicy, apply_guidance
from app.intake.reader import RawRow
from app.intake.reference import CategoryRef, ReferenceTables
from app.intake.rulebook import NOT_COMPULSORY, UNCLASSIFIED, FillRule
from app.intake.text import fold
from app.intake.values import (
    BadCell,
    parse_choice,
    parse_date,
    parse_division,
    parse_institute,
    parse_quantity,
    parse_text,
    shown,
)

ERROR, WARNING = "error", "warning"
_CACHE_LIMIT = 20_000
# Hardly ever repeated within one file, so a memory of them costs more than it saves.
_UNCACHED = frozenset(("serial_no", "own_no"))
_UNSEEN: Any = object()
_BLANK_VALUE: dict[str, Any] = {"choice": None, "date": None, "quantity": 1}


class Problem(NamedTuple):
    """One finding. ``column`` is the field key ("" for the whole row), ``severity`` "error" or "warning"; ``cure`` is the
    text that would be right in the cell, None where only the person knows it; ``also`` what goes with it into other
    cells, by field key."""

    row: int
    column: str
    severity: str
    message: str
    cure: str | None = None
    also: dict[str, str] | None = None


class CheckedRow(NamedTuple):
    """A row after the rules. ``values`` has every field key, the deployment's or not, plus ``category_id``,
    ``declared_category_id`` (set when a rule chose another entry), ``institute_id`` and ``compulsory``; refused if any
    error."""

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
        self._typed = frozenset(field.key for field in policy.fields)
        self._level1, self._level2 = policy.label("level1"), policy.label("level2")
        self._plan = tuple(self._planned(field) for field in policy.fields if field.key != CATEGORY_CODE.key)
        self._untyped = not {"use_division", "place", "purpose", "delivery_mode", "origin"} <= self._typed
        self._entries: dict[tuple[str, str], CategoryRef] = {}
        self._blank = {field.key: _BLANK_VALUE.get(field.kind, "") for field in ALL_FIELDS}
        self._blank |= {"kind": "working", "declared_category_id": None, "institute_id": None, "compulsory": True}

    def _planned(
        self, field: Field
    ) -> tuple[Field, str, Callable[[Field, Any], Any], dict[Any, Any] | None, Any, bool]:
        """(field, key, parser, memory of parsed cells, what a blank cell means, whether a blank one is to be told)."""
        told = field.wanted if field.kind == "quantity" else field.required or field.wanted
        memory: dict[Any, Any] | None = None if field.key in _UNCACHED else {}
        blank = _BLANK_VALUE.get(field.kind, "")
        return field, field.key, self._parser(field), memory, blank, told and field.kind != "category"

    def _parser(self, field: Field) -> Callable[[Field, Any], Any]:
        if field.kind == "date":
            return parse_date
        if field.kind == "quantity":
            return parse_quantity
        if field.kind == "choice":
            return lambda f, cell: parse_choice(f, cell, self.policy.coded_fields)
        if field.kind == "division":
            return lambda f, cell: parse_division(f, cell, self.ref)
        if field.kind == "institute":
            return lambda f, cell: parse_institute(f, cell, self.ref)
        return parse_text

    def check(self, raw: RawRow) -> CheckedRow:
        """Return the checked row with all its problems."""
        found: list[Finding] = []
        values = self._blank.copy()
        cells, formula = raw.cells, raw.formula
        missing: list[Field] = []
        for field, key, parser, memory, blank, told in self._plan:
            cell = cells.get(key, "")
            if formula and key in formula:
                found.append(Finding(key, ERROR, f"“{field.label}”单元格含公式，请粘贴为数值。"))
                values[key] = blank
                continue
            if cell == "":
                values[key] = blank
                if told:
                    missing.append(field)
                continue
            value = _UNSEEN if memory is None or type(cell) is not str else memory.get(cell, _UNSEEN)
            if value is _UNSEEN:
                value = self._parse(field, parser, memory, cell, found)
            values[key] = value
            if told and not value and not _reported(found, key):
                missing.append(field)
        values["kind"] = values["kind"] or "working"
        if values["institute"]:
            values["institute_id"] = self.ref.institutes.get(fold(values["institute"]))
        category = self._chosen(raw, values, found)
        rule = self.policy.book.fitting(values["name"], category.level2 if category else "")
        if category is not None and category.code == NOT_COMPULSORY:
            missing = _asked_of_uncompulsory(missing, values)
        for field in missing:
            found.append(self._missing(field, rule))
        if category is not None and rule is not None:
            category = self._redirected(category, rule, values, found)
        values["category_id"] = category.id if category else None
        values["compulsory"] = category is None or category.code != NOT_COMPULSORY
        if self._untyped:
            self._fill(values, rule, found)
        found.extend(apply_guidance(values, category, self.policy))
        key = dup_key(self.policy.dup_rule, values)
        problems = _problems(raw, found) if found else ()
        return CheckedRow(raw.number, values, problems, key, raw.sheet, raw.position)

    def _missing(self, field: Field, rule: FillRule | None) -> Finding:
        """A cell that ought to be filled: refused, or taken and marked where the deployment can wait for it."""
        cure = None
        if rule is not None and field.choices:
            value = getattr(rule, field.key, "")
            cure = next(
                (c.code if self.policy.coded_fields else c.label for c in field.choices if c.value == value), None
            )
        if field.required or self.policy.strict:
            return Finding(field.key, ERROR, f"请填写“{field.label}”。", cure)
        if field.kind == "quantity":
            return Finding(field.key, WARNING, f"“{field.label}”未填写，按1录入。", "1")
        return Finding(field.key, WARNING, f"“{field.label}”未填写，录入后标为“待完善”。", cure)

    def _fill(self, values: dict[str, Any], rule: FillRule | None, found: list[Finding]) -> None:
        """What this deployment's form does not ask comes from the unit and the rules, or is what nearly all have."""
        if "use_division" not in self._typed:
            values["use_division"] = self.policy.division
            if not self.policy.division:
                found.append(Finding("", ERROR, "请先在单位信息中填写所在地，台账以它为使用地点。"))
        if "place" not in self._typed:
            values["place"] = self.policy.place
        if "purpose" not in self._typed:
            values["purpose"] = (rule.purpose if rule else "") or "trade"
        if "delivery_mode" not in self._typed:
            values["delivery_mode"] = (rule.delivery_mode if rule else "") or "deliver"
        if "origin" not in self._typed:
            values["origin"] = "domestic"

    def _chosen(self, raw: RawRow, values: dict[str, Any], found: list[Finding]) -> CategoryRef | None:
        """The catalogue entry typed; where the form asks none, that of the name or of its rule, else 未分类."""
        cells = raw.cells
        if "level2" in self._typed or any(cells.get(key) for key in ("level2", CATEGORY_CODE.key)):
            if "level2" not in self._typed:
                values["level1"], values["level2"] = str(cells.get("level1", "")), str(cells.get("level2", ""))
            return self._category(raw, values, found)
        rule = self.policy.book.by_name(values["name"])
        wanted = (values["name"], rule.pinned if rule else "")
        for name in wanted:
            entries = [ref for ref in self.ref.level2_only.get(fold(name), ()) if ref.valid] if name else []
            if len(entries) == 1:
                values["level1"], values["level2"] = entries[0].level1, entries[0].level2
                return entries[0]
        unknown = self.ref.by_code.get(UNCLASSIFIED)
        if unknown is not None:
            values["level1"], values["level2"] = unknown.level1, unknown.level2
        return unknown

    def _redirected(
        self, category: CategoryRef, rule: FillRule, values: dict[str, Any], found: list[Finding]
    ) -> CategoryRef:
        """CAT-05: another entry in the place of the one chosen, which is kept for statistics."""
        if not (self.policy.redirects and rule.redirect_to) or category.level2 not in rule.options:
            return category
        target = next((r for r in self.ref.level2_only.get(fold(rule.redirect_to), ()) if r.valid), None)
        if target is None:
            return category
        values["declared_category_id"] = category.id
        values["level1"], values["level2"] = target.level1, target.level2
        told = f"“{category.level2}”按填写规则改选“{target.level2}”，{self.policy.label('name')}仍按铭牌填写。"
        found.append(Finding("level2", WARNING, told, target.level2))
        return target

    def _parse(
        self,
        field: Field,
        parser: Callable[[Field, Any], Any],
        memory: dict[Any, Any] | None,
        cell: Any,
        found: list[Finding],
    ) -> Any:
        if cell == "":
            return _BLANK_VALUE.get(field.kind, "")
        # 1, 1.0 and True are equal keys but not equal texts: the type belongs to the key.
        mark = cell if type(cell) is str else (type(cell), cell)
        if memory is not None and mark in memory:
            return memory[mark]
        try:
            value = parser(field, cell)
        except BadCell as bad:
            found.append(Finding(field.key, ERROR, str(bad)))
            return _BLANK_VALUE.get(field.kind, "")
        except (ValueError, OverflowError, ArithmeticError):  # NaN, infinity and their like
            found.append(Finding(field.key, ERROR, f"“{field.label}”填写的“{shown(cell)}”无法识别，请重新填写。"))
            return _BLANK_VALUE.get(field.kind, "")
        if memory is not None and len(memory) < _CACHE_LIMIT:
            memory[mark] = value
        return value

    def _category(self, raw: RawRow, values: dict[str, Any], found: list[Finding]) -> CategoryRef | None:
        """Find the catalogue entry by code, or by both names; puts the catalogue's own spelling into ``values``."""
        if found and any(_reported(found, key) for key in ("level1", "level2")):
            return None
        level1, level2 = values["level1"], values["level2"]
        plain = CATEGORY_CODE.key not in raw.cells and CATEGORY_CODE.key not in raw.formula
        known = self._entries.get((level1, level2)) if plain else None
        if known is not None:
            values["level1"], values["level2"] = known.level1, known.level2
            return known
        code = self._code(raw, found)
        if code is None:
            return None
        if code:
            category = self.ref.by_code.get(code)
            problem = self._code_problem(code, category, level1, level2)
        else:
            category = self.ref.by_folded.get((fold(level1), fold(level2)))
            problem = self._name_problem(category, level1, level2, values["name"])
        if problem:
            found.append(problem)
            return None
        assert category is not None
        values["level1"], values["level2"] = category.level1, category.level2
        if plain and len(self._entries) < _CACHE_LIMIT:
            self._entries[level1, level2] = category
        return category

    def _code(self, raw: RawRow, found: list[Finding]) -> str | None:
        """Return 种别代码 as text ("" when the row has none), None when its cell cannot be used."""
        if CATEGORY_CODE.key in raw.formula:
            found.append(Finding(CATEGORY_CODE.key, ERROR, f"“{CATEGORY_CODE.label}”单元格含公式，请粘贴为数值。"))
            return None
        before = len(found)
        code = self._parse(CATEGORY_CODE, parse_text, None, raw.cells.get(CATEGORY_CODE.key, ""), found)
        return code if len(found) == before else None

    def _code_problem(self, code: str, category: CategoryRef | None, level1: str, level2: str) -> Finding | None:
        if category is None or not category.valid:
            return Finding(
                CATEGORY_CODE.key, ERROR, _unknown_category(code, "请从《强检器具目录》中选择有效的种别代码。")
            )
        for key, label, typed, right in (
            ("level1", self._level1, level1, category.level1),
            ("level2", self._level2, level2, category.level2),
        ):
            if typed and fold(typed) != fold(right):
                return Finding(key, ERROR, f"{label}“{shown(typed)}”与种别代码“{code}”不对应，请改为“{right}”。", right)
        return None

    def _name_problem(self, category: CategoryRef | None, level1: str, level2: str, name: str) -> Finding | None:
        first, second = self._level1, self._level2
        if not level2:
            rule = self.policy.book.by_name(name)
            cure = (rule.pinned or None) if rule else None
            if not level1:
                return Finding("level2", ERROR, f"仪器的种别代码不能为空，请填写“{first}”和“{second}”。", cure)
            return Finding("level2", ERROR, f"请填写“{second}”，从《强检器具目录》中选择。", cure)
        if category is not None and category.valid:
            return None
        fitting = [ref for ref in self.ref.level2_only.get(fold(level2), ()) if ref.valid]
        if category is None and fitting:
            right = "”或“".join(ref.level1 for ref in fitting)
            cure = fitting[0].level1 if len(fitting) == 1 else None
            if not level1:
                return Finding("level1", ERROR, f"请填写“{first}”，{second}“{shown(level2)}”属于“{right}”。", cure)
            return Finding(
                "level1",
                ERROR,
                f"{first}“{shown(level1)}”与{second}“{shown(level2)}”不对应，{first}请改为“{right}”。",
                cure,
            )
        return Finding("level2", ERROR, _unknown_category(level2, f"请从《强检器具目录》中选择{second}。"))


def _asked_of_uncompulsory(missing: list[Field], values: dict[str, Any]) -> list[Field]:
    """非强检 is never verified by law: its use and way of verification are not asked, what is stored means nothing."""
    usual = {"purpose": "trade", "delivery_mode": "deliver"}
    values |= {field.key: usual[field.key] for field in missing if field.key in usual}
    return [field for field in missing if field.key not in usual]


@lru_cache(maxsize=8)
def _checker(ref: ReferenceTables, policy: RowPolicy) -> RowChecker:
    return RowChecker(ref, policy)


def _unknown_category(typed: str, cure: str) -> str:
    return f"仪器的种别代码：{shown(typed)}可能有误或已作废，无法找到相对应的名称，{cure}"


def _reported(found: list[Finding], key: str) -> bool:
    return bool(found) and any(item.column == key and item.severity == ERROR for item in found)


_ORDER = {key: place for place, key in enumerate(FIELD_BY_KEY)}


def row_prefix(number: int, sheet: str = "") -> str:
    """Return 第{n}行：, naming the sheet when there are several."""
    return f"第{number}行（工作表“{sheet}”）：" if sheet else f"第{number}行："


def _problems(raw: RawRow, found: list[Finding]) -> tuple[Problem, ...]:
    prefix = row_prefix(raw.number, raw.sheet)
    found.sort(key=lambda item: _ORDER.get(item.column, 99))
    return tuple(Problem(raw.number, f.column, f.severity, prefix + f.message, f.cure) for f in found)
