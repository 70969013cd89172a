"""Reading an enterprise's own workbook with a plan: which rows are instruments, and what their cells say in our fields.

Cells are put into the shape the rules know (a serial number becomes its date, 0~1.6 under 量程（MPa） gets its unit);
what cannot be read for certain stays as typed, so that the rules name it and a suggestion can be made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from app.intake import reader
from app.intake.complete import Completer
from app.intake.dates import exact_date
from app.intake.errors import WorkbookRefused
from app.intake.formats import BookSheet, open_sheets
from app.intake.guidance import DEFAULT_POLICY, RowPolicy
from app.intake.headings import IGNORED
from app.intake.mapping import JOINED, ColumnPlan, SheetPlan, is_placeholder, propose_mapping
from app.intake.old_excel import Merge
from app.intake.reader import ERROR_CELL, NO_ROWS, TOO_MANY, FoundSheet, LedgerSheet, NotOurTemplate, RawRow, SkippedRow
from app.intake.reference import ReferenceTables
from app.intake.text import clean, fold, half_width, label_key

_LOOK = 100
_REMEMBERED = 5_000
_TOTAL_STARTS = frozenset("合小总共累汇本以注备说填制编审批第")
_TOTAL = re.compile(r"(?:合计|小计|总计|共计|累计|汇总|本页合计|以上合计)[:：]?.{0,8}|共.{0,6}[台件块只套条]")
_NOTE = re.compile(
    r"(?:注|备注|说明|填表|制表|编制|审核|批准|填报|审批|日期|联系人|单位负责人|打印)[人时]?[日间]?[期]?\d?[:：、.].*|第\d+页.*"
)
_TELLING = frozenset(("serial_no", "own_no", "model", "measuring_range", "manufacturer", "certificate_no", "place"))
_DATES = frozenset(("valid_until", "verified_on", "purchased_on", "produced_on", "installed_on"))
_NUMBERS = frozenset(("serial_no", "own_no", "category_code", "use_division"))
_NO_LEDGER = "没有找到可以读取的器具台账，请在每列上方写明器具名称、出厂编号等表头，或使用最新模板填写后再上传。"


def read_any(
    path: Path,
    ref: ReferenceTables,
    policy: RowPolicy = DEFAULT_POLICY,
    *,
    remembered: Mapping[str, Mapping[str, str]] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> tuple[LedgerSheet, list[SheetPlan]]:
    """Read ``path`` as our template, or else by proposed plans; return the rows and one plan for every sheet read.

    Raises WorkbookRefused. A template spoilt by its user (twelve known columns, one missing or twice) is told so
    instead of being guessed at.
    """
    try:
        sheet = reader.read_ledger(path, policy.fields)
    except NotOurTemplate as other:
        if other.evident:
            raise
        plan_of = _Proposer(ref, policy, remembered, defaults)
        with open_sheets(path) as sheets:
            found = _Collected(ref, policy)
            for book_sheet in sheets:
                plan = plan_of(book_sheet)
                if plan is not None:
                    found.add(book_sheet, plan)
        if not any(plan.take for plan in found.plans):
            raise
        return found.result()
    return sheet, _own_plans(sheet)


def _own_plans(sheet: LedgerSheet) -> list[SheetPlan]:
    """Plans that only tell how the template's own way has read the sheets."""
    counts: dict[str, int] = {}
    for row in sheet.rows:
        counts[row.sheet] = counts.get(row.sheet, 0) + 1
    columns = [ColumnPlan(at, title, key, "", 1.0) for at, (key, title) in enumerate(sheet.columns.items())]
    columns += [ColumnPlan(len(columns) + at, title) for at, title in enumerate(sheet.unknown_columns)]
    several = len(sheet.sheet_names) > 1
    return [
        SheetPlan(name, sheet.header_row, 1, tuple(columns), rows=counts.get(name if several else "", 0), ours=True)
        for name in sheet.sheet_names
    ]


def propose(
    path: Path,
    ref: ReferenceTables,
    policy: RowPolicy = DEFAULT_POLICY,
    *,
    remembered: Mapping[str, Mapping[str, str]] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[SheetPlan]:
    """Return a plan for every visible sheet that holds anything; ``defaults`` fill fields without a column."""
    plan_of = _Proposer(ref, policy, remembered, defaults)
    with open_sheets(path) as sheets:
        return [plan for plan in map(plan_of, sheets) if plan is not None]


class _Proposer:
    """Gives every sheet its plan, None to one that holds nothing; puts back the lines it has looked at."""

    def __init__(
        self,
        ref: ReferenceTables,
        policy: RowPolicy,
        remembered: Mapping[str, Mapping[str, str]] | None,
        defaults: Mapping[str, Any] | None,
    ) -> None:
        self.ref, self.policy, self.remembered = ref, policy, remembered
        self.defaults = {**_standing(policy), **(defaults or {})}

    def __call__(self, sheet: BookSheet) -> SheetPlan | None:
        lines = list(islice(sheet.lines, _LOOK))
        if not any(cell != "" for _, line in lines for cell in line):
            return None
        plan = propose_mapping(sheet, self.ref, self.policy.fields, self.remembered, self.defaults, lines)
        sheet.lines = chain(lines, sheet.lines)
        return plan


def _standing(policy: RowPolicy) -> dict[str, Any]:
    """What is said of every row unless the file or the person says otherwise."""
    delivery = next((f for f in policy.fields if f.key == "delivery_mode"), None)
    word = next((c.code if policy.coded_fields else c.label for c in delivery.choices), "") if delivery else ""
    return {
        "use_division": getattr(policy, "division", ""),
        "place": getattr(policy, "place", ""),
        "delivery_mode": word,
    }


def read_with(
    path: Path, plans: Sequence[SheetPlan], ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY
) -> tuple[LedgerSheet, list[SheetPlan]]:
    """Read the sheets whose plan says so; return the rows, and the plans with their counts and rows passed over.

    Raises WorkbookRefused: nothing to read, no rows, more than 100,000 rows.
    """
    by_name = {plan.name: plan for plan in plans}
    if not any(plan.take for plan in plans):
        raise WorkbookRefused(_NO_LEDGER)
    found = _Collected(ref, policy)
    with open_sheets(path) as sheets:
        for sheet in sheets:
            if sheet.name in by_name:
                found.add(sheet, by_name[sheet.name])
    return found.result()


class _Collected:
    """Rows and plans of the sheets read so far."""

    def __init__(self, ref: ReferenceTables, policy: RowPolicy) -> None:
        self.ref, self.policy = ref, policy
        self.rows: list[RawRow] = []
        self.plans: list[SheetPlan] = []

    def add(self, sheet: BookSheet, plan: SheetPlan) -> None:
        """Read one sheet, if its plan says so."""
        if plan.take:
            before, number = len(self.rows), sum(1 for done in self.plans if done.take)
            skipped = _SheetReader(sheet, plan, self.ref, self.policy).read(number << 20, self.rows)
            plan = replace(plan, rows=len(self.rows) - before, skipped=tuple(skipped))
        self.plans.append(plan)

    def result(self) -> tuple[LedgerSheet, list[SheetPlan]]:
        """Everything read. The sheet is named only where there are several."""
        read = [plan for plan in self.plans if plan.take]
        if not self.rows:
            raise WorkbookRefused(NO_ROWS)
        rows = self.rows if len(read) > 1 else [row._replace(sheet="") for row in self.rows]
        columns = {column.key: column.heading for plan in read for column in plan.columns if column.key}
        columns |= {key: "" for plan in read for key in plan.constants if key not in columns}
        unknown = dict.fromkeys(c.heading for plan in read for c in plan.columns if not c.key)
        skipped = tuple(row for plan in read for row in plan.skipped)
        names = tuple(plan.name for plan in read)
        sheet = LedgerSheet(read[0].name, read[0].header_row, columns, rows, names, tuple(unknown), skipped)
        return sheet, self.plans


def found_sheets(sheets: Iterator[BookSheet], plans: Sequence[SheetPlan]) -> Iterator[FoundSheet]:
    """The planned sheets in the shape of the template's, for the error workbook: all their columns as they stand."""
    wanted = {plan.name: plan for plan in plans if plan.take}
    for sheet in sheets:
        plan = wanted.get(sheet.name)
        if plan is None:
            continue
        last = plan.header_row + plan.header_rows - 1
        titles = {column.index: column.heading for column in plan.columns}
        indexes: dict[str, int] = {}
        for column in plan.columns:
            if column.key:
                indexes.setdefault(column.key, column.index)
        header = [titles.get(at, "") for at in range(max(titles, default=-1) + 1)]
        lines = ((number, line[: len(header)]) for number, line in sheet.lines if number > last)
        yield FoundSheet(sheet.name, plan.header_row, header, indexes, sheet.offset, lines, sheet.marks)


class _SheetReader:
    """One sheet read by one plan."""

    def __init__(self, sheet: BookSheet, plan: SheetPlan, ref: ReferenceTables, policy: RowPolicy) -> None:
        self.sheet, self.plan, self.shown = sheet, plan, sheet.name
        self.columns = [column for column in plan.columns if column.key != IGNORED]
        self.serial = next((column.index for column in self.columns if column.key == "serial_no"), -1)
        self.serial_words = {column.heading for column in self.columns} | {"/", "-", "—", "无", "\\"}
        self.known: list[dict[Any, Any]] = [{} for _ in self.columns]
        self.completer = Completer(plan, ref, policy)
        self.last_header = plan.header_row + plan.header_rows - 1
        self.heading_keys = {column.index: label_key(column.heading) for column in plan.columns}
        self.fills = _fills(sheet.merges(), self.last_header, sheet.offset, {column.index for column in self.columns})

    def read(self, base: int, rows: list[RawRow]) -> list[SkippedRow]:
        """Add the sheet's instruments to ``rows``; return what was passed over."""
        skipped: list[SkippedRow] = []
        carried: dict[int, Any] = {}
        formulas, errors, offset = self.sheet.marks.formulas, self.sheet.marks.errors, self.sheet.offset
        for number, line in self.sheet.lines:
            if number <= self.last_header:
                continue
            reason = self._passed_over(line)
            if reason:
                if reason != "blank":
                    text = " ".join(clean(str(cell)) for cell in line if cell != "")[:80]
                    skipped.append(SkippedRow(number, text, reason, self.shown))
                continue
            line = self._filled(number, line, carried)
            cells = self._cells(line)
            formula: frozenset[str] = frozenset()
            if number in formulas:  # a formula with its result is as good as the result
                marked = formulas[number]
                formula = frozenset(
                    c.key for c in self.columns if c.index + offset in marked and _at(line, c.index) == ""
                )
            if number in errors:
                cells |= {c.key: ERROR_CELL for c in self.columns if c.index + offset in errors[number]}
            if len(rows) >= reader.MAX_ROWS:
                raise WorkbookRefused(TOO_MANY.format(most=reader.MAX_ROWS))
            rows.append(
                RawRow(
                    number,
                    self.completer.fill(cells, formula),
                    formula,
                    self.shown,
                    base + number,
                )
            )
        return skipped

    def _passed_over(self, line: Sequence[Any]) -> str:
        """Why a line is no instrument: "blank", or a Chinese word; "" for an instrument."""
        if self._plainly_one(line):
            return ""
        filled = [
            (at, cell)
            for at, cell in enumerate(line)
            if cell != "" and not (isinstance(cell, str) and not cell.strip())
        ]
        if not filled:
            return "blank"
        first = filled[0][1]
        texts = [clean(cell) for _, cell in filled if isinstance(cell, str)]
        if len(filled) <= 4 and texts and isinstance(first, str) and _NOTE.match(texts[0]):
            return "备注"
        if any(_TOTAL.fullmatch(fold(text)) for text in texts[:3]) and (_is_total_or_blank(_at(line, self.serial))):
            return "合计"
        same = sum(1 for at, cell in filled if isinstance(cell, str) and self.heading_keys.get(at) == label_key(cell))
        if same >= 3 and same * 2 > len(filled):
            return "重复的表头"
        told = {c.key for c in self.columns if not _says_nothing(_at(line, c.index))}
        if told & _TELLING:
            return ""
        mapped = {c.index for c in self.columns}
        return "blank" if not any(isinstance(cell, str) for at, cell in filled if at in mapped) else "说明或分组"

    def _plainly_one(self, line: Sequence[Any]) -> bool:
        """The quick answer for nearly all lines: a number of the maker's, and no word of a total before it."""
        serial = _at(line, self.serial)
        if serial == "" or (isinstance(serial, str) and (serial in self.serial_words or not serial.strip())):
            return False
        return not any(isinstance(cell, str) and cell[:1] in _TOTAL_STARTS for cell in line[:4])

    def _filled(self, number: int, line: list[Any], carried: dict[int, Any]) -> list[Any]:
        """The line with the value of a merged cell in every row that the cell covers."""
        starts = self.fills.get(number)
        if starts is None:
            return line
        line = list(line)
        for column, is_start in starts:
            if is_start:
                carried[column] = _at(line, column)
            elif _at(line, column) == "":
                line[column] = carried.get(column, "")
        return line

    def _cells(self, line: Sequence[Any]) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        width = len(line)
        for column, known in zip(self.columns, self.known, strict=True):
            value = line[column.index] if column.index < width else ""
            if value == "":
                continue
            mark = (type(value), value)
            if mark in known:
                value = known[mark]
            else:
                value = _value(column, value)
                if len(known) < _REMEMBERED:
                    known[mark] = value
            if value == "":
                continue
            if column.key in cells:
                first = cells[column.key]
                value = f"{first} {value}" if column.key in JOINED and str(first) != str(value) else first
            cells[column.key] = value
        return cells


def _at(line: Sequence[Any], index: int) -> Any:
    return line[index] if 0 <= index < len(line) else ""


def _says_nothing(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and (not value.strip() or is_placeholder(value)))


def _is_total_or_blank(value: Any) -> bool:
    return _says_nothing(value) or not isinstance(value, str) or bool(_TOTAL.fullmatch(fold(value)))


def _fills(merges: Sequence[Merge], header: int, offset: int, columns: set[int]) -> dict[int, list[tuple[int, bool]]]:
    """Row → (column, whether the merged cell begins here) of cells merged downwards below the header."""
    found: dict[int, list[tuple[int, bool]]] = {}
    for (top, left), (bottom, right) in merges:
        # one column wide: a note over the whole width is no value of the rows below
        if top + 1 <= header or bottom == top or right != left or left - offset not in columns or bottom - top > 2000:
            continue
        for row in range(top, bottom + 1):
            found.setdefault(row + 1, []).append((left - offset, row == top))
    return found


def _value(column: ColumnPlan, value: Any) -> Any:
    """One cell in the shape the rules know; "" for one that says nothing."""
    if _says_nothing(value):
        return ""
    key = column.key
    if key in _DATES:
        return exact_date(value) or value
    if key in _NUMBERS:
        return re.sub(r"^(\d+)\.0+$", r"\1", value.strip()) if isinstance(value, str) else value
    if key == "accuracy_class" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f"{value:g}"
    if column.unit and key in {"measuring_range", "accuracy_class", "model"}:
        return with_unit(value, column.unit)
    return value


_FIGURES = re.compile(r"[\d.,+\-~～—–－至()\[\] ±/×*]+")


def with_unit(value: Any, unit: str) -> Any:
    """Return ``value`` with the unit of its heading: 0~1.6 under MPa → (0~1.6)MPa; 1.6 → 1.6MPa. Text with a unit stays."""
    if isinstance(value, bool):
        return value
    text = (
        f"{value:g}" if isinstance(value, (int, float)) else half_width(clean(value)) if isinstance(value, str) else ""
    )
    if not text or not _FIGURES.fullmatch(text):
        return value
    is_range = bool(re.search(r"\d\s*[-~～—–－至]", text))
    return f"({text}){unit}" if is_range and not text.startswith(("(", "[")) else f"{text}{unit}"
