"""A cure for a cell the rules refuse: what was probably meant, said in words, taken with one click.

Nothing is suggested that the rules would refuse again: every candidate is checked in its row before it is offered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from app.intake.complete import usual_purpose
from app.intake.dates import likely_date
from app.intake.fields import CATEGORY_CODE, FIELD_BY_KEY, Field
from app.intake.guidance import DEFAULT_POLICY, RowPolicy
from app.intake.names import category_of, nearest_name, not_compulsory
from app.intake.places import county_for, in_china
from app.intake.reader import RawRow
from app.intake.reference import CategoryRef, ReferenceTables
from app.intake.rulebook import NOT_COMPULSORY
from app.intake.rules import ERROR, Problem, check_row
from app.intake.text import clean, fold, half_width
from app.intake.values import shown

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Put ``value`` into ``column``, and the values of ``also`` into theirs; ``words`` say it in Chinese."""

    column: str
    value: str
    words: str
    also: Mapping[str, str] = field(default_factory=dict)


def suggest(
    column: str, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy = DEFAULT_POLICY
) -> Suggestion | None:
    """Return a cure for the cell ``column`` of ``row`` (cells by field key as typed), None when none is plain.

    ``typed`` is what the cell holds ("" for a blank one).
    """
    before = _findings(column, row, ref, policy)
    if not before:
        return None
    for candidate in _candidates(column, typed, {**row, column: typed}, ref, policy, before):
        cells = {**row, candidate.column: candidate.value, **candidate.also}
        touched = {column, candidate.column, *candidate.also}
        left = [problem for key in touched for problem in _findings(key, cells, ref, policy)]
        if len(left) < len(before) and all(problem.severity != ERROR for problem in left):
            return candidate
    return None


def _findings(column: str, row: Row, ref: ReferenceTables, policy: RowPolicy) -> list[Problem]:
    """What the rules say about one column of the row."""
    checked = check_row(RawRow(0, {key: value for key, value in row.items() if value != ""}), ref, policy)
    return [problem for problem in checked.problems if problem.column == column]


def _candidates(
    column: str, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy, found: Iterable[Problem]
) -> Iterator[Suggestion]:
    known = next((f for f in policy.fields if f.key == column), FIELD_BY_KEY.get(column))
    if known is None:
        return
    if column in {"level1", "level2", CATEGORY_CODE.key}:
        yield from _categories(known, typed, row, ref)
    for problem in found:
        if problem.cure is not None:
            yield _replacing(known, typed, problem.cure)
    yield from _swapped(known, typed, row, ref, policy)
    if known.kind == "choice":
        yield from _choices(known, typed, row, ref, policy)
    elif known.kind in _BY_KIND:
        for value in _BY_KIND[known.kind](known, typed, row, ref, policy):
            yield _replacing(known, typed, value)
    else:
        for value in _texts(column, typed, row):
            yield _replacing(known, typed, value)


def _replacing(known: Field, typed: Any, value: str) -> Suggestion:
    old = shown(typed) if typed != "" else ""
    words = f"把“{known.label}”由“{old}”改为“{value}”" if old else f"“{known.label}”填写“{value}”"
    return Suggestion(known.key, value, words)


# -- two cells that changed places --------------------------------------------------------------------------------------


STRICT = frozenset(("choice", "date", "division", "quantity"))
"""Kinds of cells that show by themselves when a value of another column stands in them."""


def _swapped(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[Suggestion]:
    if typed == "" or known.kind not in STRICT:
        return
    for other in policy.fields:
        value = row.get(other.key, "")
        if other.key == known.key or value == "" or (other.kind not in STRICT and other.key != "place"):
            continue
        if other.kind in STRICT and not any(p.severity == ERROR for p in _findings(other.key, row, ref, policy)):
            continue
        words = f"“{known.label}”与“{other.label}”填反，互换这两格"
        yield Suggestion(known.key, _as_text(value), words, {other.key: _as_text(typed)})


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return clean(str(value))


# -- catalogue ----------------------------------------------------------------------------------------------------------


def _categories(known: Field, typed: Any, row: Row, ref: ReferenceTables) -> Iterator[Suggestion]:
    name, level1, level2 = (_as_text(row.get(key, "")) for key in ("name", "level1", "level2"))
    code = _as_text(row.get(CATEGORY_CODE.key, ""))
    if known.key == "level1":
        fitting = [entry for entry in ref.level2_only.get(fold(level2), ()) if entry.valid]
        if len(fitting) == 1:
            yield _entry(fitting[0], code)
    if level1 and level2 and (turned := ref.by_folded.get((fold(level2), fold(level1)))):
        words = "“一级目录”与“二级目录”填反，互换这两格"
        yield Suggestion("level2", turned.level2, words, {"level1": turned.level1})
    under = [entry for entry in ref.categories.values() if entry.valid and fold(entry.level1) == fold(level2)]
    if len(under) == 1:
        yield _entry(under[0], code)
    by_name = category_of(name, ref) if name else None
    found = [category_of(level2, ref) if level2 else None, by_name]
    if by_name is not None and by_name in under:
        found.insert(0, by_name)
    found += [nearest_name(level2, ref) if level2 else None, nearest_name(name, ref) if name else None]
    for entry in found:
        if entry is not None and not entry.pseudo:
            yield _entry(entry, code)
    title = name or level2
    if title and NOT_COMPULSORY in ref.by_code and not_compulsory(name, level2, ref):
        blanked = {key: "" for key in ("level1", "level2") if row.get(key, "") != ""}
        words = f"“{shown(title)}”不在强检目录内，按“非强检”保留"
        yield Suggestion(CATEGORY_CODE.key, NOT_COMPULSORY, words, blanked)


def _entry(entry: CategoryRef, code: str) -> Suggestion:
    """Both levels at once, and the code where the row carries one."""
    also = {"level1": entry.level1}
    if code:
        also[CATEGORY_CODE.key] = entry.code
    return Suggestion("level2", entry.level2, f"目录改为“{entry.level1}／{entry.level2}”", also)


# -- closed lists -------------------------------------------------------------------------------------------------------

# what people write for an entry, as parts of the cell; the first that fits counts
_MEANT: dict[str, tuple[tuple[str, str], ...]] = {
    "purpose": (
        ("trade", "贸易|结算|交易|商贸|买卖|收费|计费|经营|销售|收购"),
        ("medical", "医|卫生|临床|诊疗|诊断|防疫"),
        ("environment", "环境|环保|排放|污染"),
        ("safety", "安全|防护|安防|报警|防爆|特种设备|锅炉"),
    ),
    "delivery_mode": (
        ("onsite", "现场|上门|下厂|到场|在线|就地|来厂|入户"),
        ("deliver", "送|实验室|寄|拆"),
    ),
    "origin": (
        ("domestic", "国产|国内|中国|本国|自产|大陆|合资|产中国"),
        ("imported", "进口|国外|外国|境外|海外|德国|美国|日本|韩国|英国|法国|瑞士|瑞典|意大利|台湾|丹麦|荷兰"),
    ),
    "kind": (("standard", "标准"), ("working", "工作|普通|在用")),
    "last_result": (("fail", "不合格|不通过|不符|失准|ng|fail"), ("pass", "合格|通过|符合|ok|pass|正常")),
}


def _choices(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[Suggestion]:
    text = fold(_as_text(typed))
    for value in _meant(known, text, row, ref, policy):
        choice = next((c for c in known.choices if c.value == value), None)
        if choice is not None:
            word = f"{choice.code}（{choice.label}）" if policy.coded_fields else choice.label
            base = _replacing(known, typed, word)
            yield Suggestion(known.key, choice.code if policy.coded_fields else choice.label, base.words)


def _meant(known: Field, text: str, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[str]:
    if text:
        for choice in known.choices:
            if text == fold(choice.label) or text.startswith(f"{choice.code}.") or (text == choice.code):
                yield choice.value
        # of several words the first counts: 安全防护、环境监测
        said = [
            (found.start(), value) for value, words in _MEANT.get(known.key, ()) if (found := re.search(words, text))
        ]
        yield from (value for _, value in sorted(said, key=lambda item: item[0]))
        if known.key == "origin" and in_china(text, ref):
            yield "domestic"
        close = get_close_matches(text, [choice.label for choice in known.choices], 1, 0.6)
        yield from (choice.value for choice in known.choices if choice.label in close)
        return
    name, level2 = _as_text(row.get("name", "")), _as_text(row.get("level2", ""))
    rule = policy.book.fitting(name, level2)
    if rule is not None and (value := getattr(rule, known.key, "")):
        yield value
    if known.key == "purpose":
        entries = ref.level2_only.get(fold(level2), ())
        yield usual_purpose(entries[0] if entries else category_of(name, ref))


# -- dates, divisions, numbers ------------------------------------------------------------------------------------------


def _dates(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[str]:
    day = likely_date(typed, end=known.key == "valid_until")
    if day is not None:
        yield day.isoformat()


def _divisions(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[str]:
    place = _as_text(row.get("place", ""))
    if found := county_for(_as_text(typed), place, ref, policy.division):
        yield found.code
    if policy.division and (typed == "" or _as_text(typed) in {"本地", "本市", "本区", "本县", "本旗", "当地"}):
        yield policy.division[:6]


_DIGITS = {figure: at for at, figure in enumerate("零一二三四五六七八九")} | {"两": 2}
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰", "一二三四五六七八九十百")
_AMOUNT = re.compile(
    r"(?:共|约|计)?([\d,]+(?:\.0+)?|[零一二两三四五六七八九十百]+)(?:台?/?[套件]|个|台|件|块|只|套|支|把|条|枪|具)?整?"
)


def number_in(text: str) -> int:
    """Return the whole number of 一台, 十二块, 1.0, 2台, 1,000; 0 when there is none."""
    match = _AMOUNT.fullmatch(re.sub(r"\s|\(.*?\)", "", half_width(text)).translate(_FORMAL))
    if not match:
        return 0
    figures = match.group(1)
    if figures[0].isdecimal():
        return int(float(figures.replace(",", "")))
    total = current = 0
    for character in figures:
        if character in _DIGITS:
            current = _DIGITS[character]
        else:
            total += (current or 1) * (10 if character == "十" else 100)
            current = 0
    return total + current


def _quantities(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[str]:
    if number := number_in(_as_text(typed)):
        yield str(number)


def _institutes(known: Field, typed: Any, row: Row, ref: ReferenceTables, policy: RowPolicy) -> Iterator[str]:
    yield from get_close_matches(fold(_as_text(typed)), list(ref.institutes), 1, 0.6)


_BY_KIND: dict[str, Callable[[Field, Any, Row, ReferenceTables, RowPolicy], Iterator[str]]] = {
    "date": _dates,
    "division": _divisions,
    "quantity": _quantities,
    "institute": _institutes,
}


# -- texts --------------------------------------------------------------------------------------------------------------

_MPA = re.compile(r"m[pＰ]a|兆帕", re.IGNORECASE)
_FULL_NAMES = {
    "ct": "医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源",
    "cr": "医用数字摄影(CR、DR)系统X射线辐射源",
    "dr": "医用数字摄影(DR)系统X射线辐射源",
}
_GUN = re.compile(r"([0-9A-Za-z.\-]*[0-9A-Za-z])[\s#_\-/,、(\[（【第]*?(\d{1,2})\s*(?:号|#)?\s*[枪抢仓槍][)\]）】]?")
_GUN_FIRST = re.compile(r"[(（]?(\d{1,2})\s*(?:(?:号|#)?\s*[枪抢仓]|#)[)）]?[\s#\-:：]*([0-9A-Za-z.\-]{4,})")
_GUN_BARE = re.compile(r"([0-9A-Za-z.\-]*[0-9A-Za-z])\s*(?:[(（【\[#]|[-_/](?=\d{1,2}$))\s*(\d{1,2})\s*号?[#)）】\]]?")
_GUN_IN_NAME = re.compile(r"(\d{1,2})\s*(?:号|#)?\s*(?:加油|加气)?枪")
_RANGE = re.compile(r"[(\[]?\s*([\d.]+)\s*(?:[-~～—–－]|至|到)+\s*([\d.]+)\s*[)\]]?\s*(.*)")


def _texts(column: str, typed: Any, row: Row) -> Iterator[str]:
    text = _as_text(typed)
    if not text:
        return
    half = half_width(text)
    if column in {"model", "measuring_range"}:
        fixed = _MPA.sub("MPa", half)
        yield from (fixed, *_ranges(fixed))
    elif column == "serial_no":
        yield from _with_gun(half, half_width(_as_text(row.get("name", ""))))
    elif column == "name":
        yield re.sub(r"(?<![名简别对全])称(?![重量])", "秤", text)
        if full := _FULL_NAMES.get(half.casefold()):
            yield full
    if half != text:
        yield half


def _ranges(text: str) -> Iterator[str]:
    """The range in the manuals' spelling, with and without their different hyphens."""
    match = _RANGE.fullmatch(text)
    if match:
        low, high, unit = match.groups()
        for sign in ("~", "-"):
            yield f"({low}{sign}{high}){unit}"


def _with_gun(typed: str, name: str) -> Iterator[str]:
    serial = re.sub(r"[一二三四五六七八九](?=号?[枪抢仓])", lambda found: str(_DIGITS[found.group()]), typed)
    if match := _GUN.fullmatch(serial):
        yield f"{match.group(1)}({int(match.group(2))}枪)"
    if match := _GUN_FIRST.fullmatch(serial):
        yield f"{match.group(2)}({int(match.group(1))}枪)"
    if match := _GUN_BARE.fullmatch(serial):
        yield f"{match.group(1)}({int(match.group(2))}枪)"
    if (match := _GUN_IN_NAME.search(name)) and re.fullmatch(r"[0-9A-Za-z.\-]+", serial):
        yield f"{serial}({int(match.group(1))}枪)"
