"""From the sheet of an enterprise's own workbook to a plan: where its header is and what each column means.

The plan is a proposal: the person sees it with a confidence for every column, corrects it, and the correction is
remembered by the :func:`signature` of the headings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

from app.intake.dates import exact_date, months_of
from app.intake.fields import FIELDS, Field
from app.intake.formats import BookSheet, Line
from app.intake.header import Header, find_header
from app.intake.headings import IGNORED, meanings, target_choices, unit_of
from app.intake.names import name_inside
from app.intake.reader import SkippedRow
from app.intake.reference import ReferenceTables
from app.intake.text import clean, label_key

__all__ = ["ColumnPlan", "SheetPlan", "propose_mapping", "signature", "target_choices"]

SAMPLE_ROWS = 60
JOINED = frozenset(("model", "place", "note"))
"""Fields that several columns may fill together: 型号 and 规格, 使用部门 and 安装位置."""
_NO_HEADER = "没有找到表头，未读取。"
_NOT_A_LEDGER = "没有器具名称、编号等列，不是器具台账，未读取。"
_AGAIN = re.compile(r"\(\d{1,2}\)$")
_IDENTITY = ("serial_no", "own_no")
_PLACEHOLDER = re.compile(r"[/\\\-—－／_*＊]+|无|暂无|n/?a|null|不详|未知", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column. ``key`` is our field ("" to ignore it), ``confidence`` 0 to 1, ``sample`` its first value as text."""

    index: int
    heading: str
    key: str = IGNORED
    unit: str = ""
    confidence: float = 0.0
    sample: str = ""


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """How to read one sheet. ``header_row`` counts as the spreadsheet does, 0 without one; ``header_rows`` is 1 or 2.

    ``constants`` fill fields that no column has; ``missing`` are labels of required columns with neither. ``rows`` and
    ``skipped`` are known once the sheet was read. ``ours``: read by the template's own way.
    """

    name: str
    header_row: int = 0
    header_rows: int = 1
    columns: tuple[ColumnPlan, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    rows: int = 0
    skipped: tuple[SkippedRow, ...] = ()
    ours: bool = False
    take: bool = True
    reason: str = ""
    remembered: bool = False

    @property
    def mapping(self) -> dict[str, str]:
        """Their heading → our field key, "" for a column that is ignored."""
        return {column.heading: column.key for column in self.columns}

    @property
    def signature(self) -> str:
        """The fingerprint under which a correction is remembered."""
        return signature(column.heading for column in self.columns)

    def with_mapping(self, mapping: Mapping[str, str], fields: Iterable[Field] = FIELDS) -> SheetPlan:
        """The plan with the person's choice for the headings named; an unknown field key raises KeyError."""
        known = {IGNORED, *(key for key, _ in target_choices(fields))}
        for key in mapping.values():
            if key not in known:
                raise KeyError(key)
        columns = tuple(
            replace(c, key=mapping[c.heading], confidence=1.0) if c.heading in mapping else c for c in self.columns
        )
        return _settled(replace(self, columns=columns, take=True, reason=""), fields)

    def with_constants(self, constants: Mapping[str, Any], fields: Iterable[Field] = FIELDS) -> SheetPlan:
        """The plan with further values for all rows; a blank one takes the constant away."""
        merged = {key: value for key, value in {**self.constants, **constants}.items() if value not in {"", None}}
        return _settled(replace(self, constants=merged), fields)

    def leave_out(self) -> SheetPlan:
        """The plan with this sheet not read."""
        return replace(self, take=False, reason="未选择，未读取。")

    def as_json(self) -> dict[str, Any]:
        """The plan as plain values, for the job."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SheetPlan:
        """The plan back from :meth:`as_json`."""
        columns = tuple(ColumnPlan(**column) for column in stored["columns"])
        skipped = tuple(SkippedRow(*row) for row in stored.get("skipped", ()))
        rest = {key: value for key, value in stored.items() if key not in {"columns", "skipped", "missing"}}
        return cls(columns=columns, skipped=skipped, missing=tuple(stored.get("missing", ())), **rest)


def signature(headings: Iterable[str]) -> str:
    """A fingerprint of headings; order, blanks, width and case do not count."""
    words = sorted({label_key(heading) for heading in headings} - {""})
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()


def propose_mapping(
    sheet: BookSheet,
    ref: ReferenceTables,
    fields: Sequence[Field] = FIELDS,
    remembered: Mapping[str, Mapping[str, str]] | None = None,
    defaults: Mapping[str, Any] | None = None,
    lines: Sequence[Line] | None = None,
) -> SheetPlan:
    """Return the plan for one sheet; ``take`` is false, with a reason, for a sheet that is no ledger.

    ``remembered``: signature → {heading: key}. ``defaults``: values for fields without a column. ``lines`` are those
    of the sheet when the caller has read them already; otherwise the first hundred are taken from it.
    """
    if lines is None:
        lines = [line for line, _ in zip(sheet.lines, range(100), strict=False)]
    header = find_header(lines, sheet.merges, sheet.offset, fields)
    if header is None:
        return SheetPlan(sheet.name, take=False, reason=_NO_HEADER)
    sample = [line for number, line in lines if number > header.last][:SAMPLE_ROWS]
    columns = _columns(header, sample, fields)
    stored = (remembered or {}).get(signature(column.heading for column in columns))
    if stored:
        columns = tuple(
            replace(c, key=stored[c.heading], confidence=1.0) if c.heading in stored else c for c in columns
        )
    plan = SheetPlan(sheet.name, header.first, header.last - header.first + 1, columns, remembered=bool(stored))
    keys = {column.key for column in columns}
    constants = {key: value for key, value in (defaults or {}).items() if key not in keys and value}
    if "name" not in keys and (name := name_inside(sheet.name, ref) or _title_name(lines, header, ref)):
        constants["name"] = name
    plan = _settled(replace(plan, constants=constants), fields)
    if not _is_ledger(plan):
        return replace(plan, take=False, reason=_NOT_A_LEDGER)
    return plan


def _is_ledger(plan: SheetPlan) -> bool:
    keys = {column.key for column in plan.columns} - {IGNORED, "note"}
    named = "name" in keys or "name" in plan.constants
    return len(keys) >= 3 and (any(key in keys for key in _IDENTITY) or (named and len(keys & {"model", "place"}) > 0))


def _title_name(lines: Sequence[Line], header: Header, ref: ReferenceTables) -> str:
    for number, line in lines:
        if number >= header.first:
            break
        for cell in line:
            if isinstance(cell, str) and (name := name_inside(cell, ref)):
                return name
    return ""


def _settled(plan: SheetPlan, fields: Iterable[Field]) -> SheetPlan:
    """The plan with ``missing`` worked out; the catalogue entry can be told from the name."""
    given = {column.key for column in plan.columns} | set(plan.constants)
    found_by_name = {"level1", "level2", "purpose"} if given & {"name", "category_code", "level2"} else set()
    missing = tuple(f.label for f in fields if f.required and f.key not in given and f.key not in found_by_name)
    return replace(plan, missing=missing)


def _columns(header: Header, sample: Sequence[Sequence[Any]], fields: Sequence[Field]) -> tuple[ColumnPlan, ...]:
    """Give every heading its field: the best weighed pair first, each field once (joined fields as often as named)."""
    weighed: list[tuple[float, int, str]] = []
    for index, heading in header.headings.items():
        values = [line[index] for line in sample if index < len(line) and not _blank(line[index])]
        # the second of two equal headings: another table beside the first, or a column of an earlier year
        again = 0.5 if _AGAIN.sub("", heading) in header.headings.values() and _AGAIN.search(heading) else 1.0
        for key, weight in meanings(_AGAIN.sub("", heading) if again < 1 else heading, fields).items():
            weight *= again
            weighed.append((_supported(key, weight, heading, values), -index, key))
    chosen: dict[int, tuple[str, float]] = {}
    taken: dict[str, float] = {}
    known = {IGNORED, *(key for key, _ in target_choices(fields))}
    for weight, negative, key in sorted(weighed, key=lambda item: (-item[0], -item[1])):
        index = -negative
        if index in chosen or weight < 0.25 or key not in known:
            continue
        if key != IGNORED and key in taken and not (key in JOINED and weight >= 0.6):
            continue
        chosen[index], taken[key] = (key, weight), weight
    return tuple(
        ColumnPlan(
            index,
            heading,
            *_key_and_unit(chosen.get(index, (IGNORED, 0.0))[0], heading),
            round(chosen.get(index, (IGNORED, 0.0))[1], 2),
            _sample(sample, index),
        )
        for index, heading in header.headings.items()
    )


def _key_and_unit(key: str, heading: str) -> tuple[str, str]:
    return key, unit_of(heading) if key in {"measuring_range", "accuracy_class", "cycle", "model"} else ""


def _sample(sample: Sequence[Sequence[Any]], index: int) -> str:
    return next((_whole(line[index])[:40] for line in sample if index < len(line) and not _blank(line[index])), "")


def _blank(value: Any) -> bool:
    return value == "" or value is None or (isinstance(value, str) and not value.strip())


def is_placeholder(value: Any) -> bool:
    """True for a cell that says nothing is to be said: /, —, 无."""
    return isinstance(value, str) and bool(_PLACEHOLDER.fullmatch(value.strip()))


def _supported(key: str, weight: float, heading: str, values: Sequence[Any]) -> float:
    """The weight of a meaning after a look at the values below the heading."""
    told = [value for value in values if not is_placeholder(value)]
    if not told or key == IGNORED:
        return weight * (1.0 if key == IGNORED else 0.9)
    test = _EVIDENCE.get(key)
    if test is not None:
        share = sum(1 for value in told if test(value, unit_of(heading))) / len(told)
        # several dates may be mistyped without the column being another one
        return weight if share >= 0.5 else weight * 0.2 * (1 + share)
    if key == "serial_no" and _counts_up(told):
        return 0.1
    return weight


def _is_date(value: Any, _: str) -> bool:
    return exact_date(value) is not None or (isinstance(value, str) and bool(re.search(r"\d{2,4}\s*[年./-]", value)))


def _is_division(value: Any, _: str) -> bool:
    text = clean(str(value)).removesuffix(".0")
    return bool(re.search(r"(?<!\d)\d{6}(?!\d)", text)) or bool(re.fullmatch(r".{1,12}[省市区县旗]", text))


def _is_number(value: Any, _: str) -> bool:
    return isinstance(value, (int, float)) or bool(
        re.fullmatch(r"[\d一二两三四五六七八九十]+[台件块只套个支把]?", clean(str(value)))
    )


def _is_yes_or_no(value: Any, _: str) -> bool:
    return clean(str(value)) in {"是", "否", "强检", "非强检", "√", "×", "Y", "N", "y", "n"}


_EVIDENCE: dict[str, Any] = {
    "valid_until": _is_date,
    "verified_on": _is_date,
    "purchased_on": _is_date,
    "produced_on": _is_date,
    "installed_on": _is_date,
    "cycle": lambda value, unit: months_of(value, unit) > 0,
    "use_division": _is_division,
    "quantity": _is_number,
    "compulsory": _is_yes_or_no,
}


def _counts_up(values: Sequence[Any]) -> bool:
    """True for 1, 2, 3 …: the running number under a heading like 编号."""
    numbers = [int(v) if str(v).removesuffix(".0").isdecimal() and len(str(v)) < 6 else -1 for v in map(_whole, values)]
    return len(numbers) >= 3 and numbers[0] in {0, 1} and all(b - a == 1 for a, b in pairwise(numbers))


def _whole(value: Any) -> str:
    return clean(str(value)).removesuffix(".0")
