"""The rule table 五类内容填写 (manual 003) as values: which rule fits a name or a catalogue entry, and what it proposes.

The rows come from table ``category_rule``, which administrators edit (app/operations/category_rules.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from app.intake.text import fold, half_width

_REMEMBERED = 5_000
_OPTIONS = re.compile(r"\s*/\s*")
UNCLASSIFIED, NOT_COMPULSORY = "990001", "990000"
"""Codes of the two entries beside the catalogue: 未分类 (name not yet in the catalogue) and 非强检."""
PSEUDO_CODES = frozenset((UNCLASSIFIED, NOT_COMPULSORY))


@dataclass(frozen=True, slots=True)
class FillRule:
    """One row. ``names`` are the keywords it is found by, the first as the manual prints it; ``level2`` may name several
    entries divided by “/”: then none is forced. ``blocking``: values against the patterns are refused, not only noted."""

    id: int
    names: tuple[str, ...]
    level1: str = ""
    level2: str = ""
    emphasis: str = ""
    delivery_mode: str = ""
    purpose: str = ""
    model_example: str = ""
    range_pattern: str = ""
    range_example: str = ""
    accuracy_example: str = ""
    serial_pattern: str = ""
    serial_example: str = ""
    blocking: bool = False
    redirect_to: str = ""
    help_title: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """The second-level entries it allows."""
        return tuple(part for part in _OPTIONS.split(self.level2) if part)

    @property
    def pinned(self) -> str:
        """The one second-level entry it proposes, "" when the choice is the person's."""
        return self.options[0] if len(self.options) == 1 else ""


class RuleBook:
    """All rules in force, found by name or by catalogue entry. Immutable; compared by identity."""

    def __init__(self, rules: Iterable[FillRule] = ()) -> None:
        self.rules = tuple(rules)
        self._exact: dict[str, FillRule] = {}
        self._entry: dict[str, FillRule] = {}
        words: dict[str, FillRule] = {}
        for rule in self.rules:
            for name in rule.names:
                self._exact.setdefault(fold(name), rule)
                words.setdefault(fold(name), rule)
            for option in rule.options:
                self._entry.setdefault(fold(option), rule)
        # the longest keyword says most: 电子血压计 before 血压计
        self._words = sorted(words.items(), key=lambda item: -len(item[0]))
        self._known: dict[str, FillRule | None] = {}
        self._fitting: dict[tuple[str, str], FillRule | None] = {}

    def by_name(self, name: str) -> FillRule | None:
        """The rule of an instrument's name: the same name, else the longest keyword within it."""
        if name in self._known:
            return self._known[name]
        folded = fold(name)
        found = self._exact.get(folded) if folded else None
        if found is None and folded:
            found = next((rule for word, rule in self._words if len(word) > 1 and word in folded), None)
        if len(self._known) < _REMEMBERED:
            self._known[name] = found
        return found

    def by_entry(self, level2: str) -> FillRule | None:
        """The rule of a catalogue entry."""
        return self._entry.get(fold(level2)) if level2 else None

    def fitting(self, name: str, level2: str) -> FillRule | None:
        """The rule of a row: that of its name if it agrees with the entry, else that of the entry."""
        mark = (name, level2)
        if mark in self._fitting:
            return self._fitting[mark]
        named = self.by_name(name)
        if named is not None and (not level2 or level2 in (*named.options, named.redirect_to)):
            found: FillRule | None = named
        else:
            found = self.by_entry(level2) or (named if not level2 else None)
        if len(self._fitting) < _REMEMBERED:
            self._fitting[mark] = found
        return found


NO_RULES = RuleBook()


def follows(pattern: str, typed: str) -> bool:
    """Whether what was typed follows the format; a pattern that is none refuses nothing."""
    compiled = _compiled(pattern) if pattern else None
    return compiled is None or compiled.fullmatch(half_width(typed)) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
