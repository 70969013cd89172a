"""What a row of an enterprise's own workbook leaves unsaid and yet tells: catalogue entry, purpose, validity, 非强检."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from app.intake.dates import add_months, exact_date, months_of
from app.intake.fields import FIELD_BY_KEY
from app.intake.guidance import RowPolicy
from app.intake.mapping import SheetPlan
from app.intake.names import category_of
from app.intake.reference import CategoryRef, ReferenceTables
from app.intake.rulebook import NOT_COMPULSORY
from app.intake.text import clean, fold

_NO = frozenset(("否", "非", "非强检", "非强制检定", "不是", "不强检", "n", "no", "×", "x"))
_REMEMBERED = 5_000
_CATEGORY_KEYS = ("level1", "level2", "category_code")


class Completer:
    """Fills the rows of one sheet; what follows from a name is worked out once for each name."""

    def __init__(self, plan: SheetPlan, ref: ReferenceTables, policy: RowPolicy) -> None:
        self.plan, self.ref, self.policy = plan, ref, policy
        self.constants = tuple((key, value) for key, value in plan.constants.items() if key != "delivery_mode")
        self.cycle_unit = next((column.unit for column in plan.columns if column.key == "cycle"), "")
        self._told: dict[tuple[Any, ...], dict[str, Any]] = {}

    def fill(self, cells: dict[str, Any], formula: frozenset[str]) -> dict[str, Any]:
        """Return ``cells`` with the plan's constants and what follows from them; typed cells are never changed.

        Choices typed in words become codes where the deployment's columns are coded.
        """
        for key, value in self.constants:
            if key not in cells and key not in formula:
                cells[key] = value
        if "compulsory" in cells and fold(str(cells.pop("compulsory"))) in _NO:
            for key in _CATEGORY_KEYS:
                cells.pop(key, None)
            cells["category_code"] = NOT_COMPULSORY
        mark = tuple(str(cells.get(key, "")) for key in ("name", *_CATEGORY_KEYS))
        told = self._told.get(mark)
        if told is None:
            told = self._follows(cells)
            if len(self._told) < _REMEMBERED:
                self._told[mark] = told
        for key, value in told.items():
            if key not in cells and key not in formula:
                cells[key] = value
        if self.policy.coded_fields:
            _code_choices(cells)
        self._fill_validity(cells, formula)
        return cells

    def _follows(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """What the name, or the entry typed, tells of a row: the entry itself, purpose and way of verification."""
        name, level2 = clean(str(cells.get("name", ""))), cells.get("level2", "")
        found: dict[str, Any] = {}
        category: CategoryRef | None = None
        if any(cells.get(key, "") != "" for key in _CATEGORY_KEYS):
            fitting = self.ref.level2_only.get(fold(level2), ()) if isinstance(level2, str) and level2 else ()
            category = fitting[0] if len(fitting) == 1 else None
        elif name:
            category = category_of(name, self.ref)
            if category is not None:
                found |= {"level1": category.level1, "level2": category.level2}
        rule = self.policy.book.fitting(name, category.level2 if category else "")
        purpose = (rule.purpose if rule else "") or usual_purpose(category)
        delivery = _word("delivery_mode", rule.delivery_mode if rule else "") or self.plan.constants.get(
            "delivery_mode"
        )
        found |= {"purpose": _word("purpose", purpose), "delivery_mode": delivery}
        return {key: value for key, value in found.items() if value}

    def _fill_validity(self, cells: dict[str, Any], formula: frozenset[str]) -> None:
        """有效期至 is 检定日期 plus the cycle less a day, where the file tells both and leaves the validity blank."""
        if "valid_until" in cells or "cycle" not in cells or "valid_until" in formula:
            return
        verified = exact_date(cells.get("verified_on", ""))
        months = months_of(cells["cycle"], self.cycle_unit)
        if verified is not None and months:
            cells["valid_until"] = add_months(verified, months) - dt.timedelta(days=1)


def _word(key: str, value: str) -> str:
    return next((choice.label for choice in FIELD_BY_KEY[key].choices if choice.value == value), "")


def _code_choices(cells: dict[str, Any]) -> None:
    for key in ("purpose", "delivery_mode", "origin", "kind", "last_result"):
        typed = fold(str(cells.get(key, "")))
        for choice in FIELD_BY_KEY[key].choices:
            if typed and (typed == fold(choice.label) or typed in choice.aliases):
                cells[key] = choice.code


_PURPOSE_WORDS = {"贸易结算": "trade", "安全防护": "safety", "医疗卫生": "medical", "环境监测": "environment"}


def usual_purpose(category: CategoryRef | None) -> str:
    """The stored value of the use that the catalogue names first for an entry, "" when it names none."""
    uses = (category.typical_use if category else "").split(";")
    return _PURPOSE_WORDS.get(uses[0].strip(), "")
