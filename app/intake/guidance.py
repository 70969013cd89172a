"""Category guidance of the manuals (五类内容填写) as row rules: gun numbers, names, sites, units, formats.

Each rule gets the values of a row and may correct them; it yields findings: field, severity, sentence without row
number, and the value that would cure it where that is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.intake.dup import DEFAULT_RULE
from app.intake.fields import FIELDS, LABELS, Field
from app.intake.reference import CategoryRef
from app.intake.rulebook import NO_RULES, FillRule, RuleBook, follows
from app.intake.text import half_width


class Finding(NamedTuple):
    """What is to be said about a cell. ``cure`` is what to type instead, None when only the person knows."""

    column: str
    severity: str
    message: str
    cure: str | None = None


_NOZZLE = re.compile(r"([0-9A-Za-z\-.]+) ?\((\d{1,2})枪\)")
_NOZZLE_MISPRINT = re.compile(r"\(\d{1,2}([抢仓])\)$")
_BARE_NAME = re.compile(r"(?:CT|CR|DR)", re.IGNORECASE)
# 称重传感器, 称量 and 名称 are right as they are.
_WRONG_SCALE = re.compile(r"(?<![名简别对全])称(?![重量])")
_SCALE_NAME = re.compile(r"(?:电子|计价|计重|台|地|杆|吊|案|磅|汽车|条码|打印|度盘|皮带|地磅)称")
_FULL_NAMES = {
    "CT": "医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源",
    "CR": "医用数字摄影(CR、DR)系统X射线辐射源",
    "DR": "医用数字摄影(DR)系统X射线(辐射源)",
}
_FULL_NAME = "器具名称不得简写:如CT、CR、DR等。请按铭牌填写全称，例如 医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源。"
_SITE_EXAMPLE = "例如 110国道900公里+110米东向西车道1。"
_MPA = re.compile(r"[mｍ][pｐ][aａ]", re.IGNORECASE)
_EXACT_SITE = re.compile(r"\d\s*(?:公里|千米|米|km|m\b)|K\d+|\d\s*号?车道|车道\s*\d|桩号\s*\d", re.IGNORECASE)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][ ·]?[A-Z0-9]{4,5}[A-Z0-9]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, eq=False)
class RowPolicy:
    """What a deployment decides: the duplicate rule, how a missing gun number counts, coded columns, taxi prefix.

    ``nozzle`` is "error", "warning" or "off" (deployments that write the gun in the name or keep rows of guns).
    ``fields`` are the columns of the deployment (:func:`app.intake.fields.field_set`). ``book`` holds the rule table; with
    ``guide`` its formats are checked too, without it only serves to fill what the form does not ask. ``redirects``: a rule
    may put another catalogue entry in the place of the one chosen. Compared by identity: it is a cache's key.
    """

    dup_rule: tuple[str, ...] = DEFAULT_RULE
    nozzle: str = "error"
    coded_fields: bool = False
    taxi_prefix: str = "蒙L"
    fields: tuple[Field, ...] = FIELDS
    book: RuleBook = NO_RULES
    guide: bool = False
    redirects: bool = False
    spelling: str = "warning"
    division: str = ""
    place: str = ""
    """The unit's own division and address, where the form does not ask for the place of use."""
    strict: bool = False
    """The form: what it wants and does not get is an error; an import takes such a row as 待完善."""

    def label(self, key: str) -> str:
        """The deployment's word for a column."""
        return next((field.label for field in self.fields if field.key == key), LABELS[key])


DEFAULT_POLICY = RowPolicy()


def apply_guidance(values: dict[str, Any], category: CategoryRef | None, policy: RowPolicy) -> Iterator[Finding]:
    """Yield what the manuals say about this row; corrects 出厂编号 and 器具名称 in ``values`` where they say how."""
    name = values["name"] or ""
    if len(name) <= 4 and _BARE_NAME.fullmatch(half_width(name)):
        yield Finding("name", "error", _FULL_NAME, _FULL_NAMES[half_width(name).upper()])
    if "称" in name:
        yield from _scale_spelling(values, category, policy.spelling)
    if policy.guide:
        yield from _formats(values, policy, policy.book.fitting(name, category.level2 if category else ""))
    if category is None:
        return
    if category.nozzle and values["serial_no"] and policy.nozzle != "off":
        yield from _nozzle(values, policy)
    if category.level1 == "压力仪表":
        yield from _pressure_unit(values, policy, ("model", "measuring_range"), "error")
    else:  # elsewhere a pressure is rare, and its unit has one spelling all the same
        yield from _pressure_unit(values, policy, ("measuring_range",), "warning")
    if category.level1 == "机动车测速仪":
        if values["place"] and not _EXACT_SITE.search(half_width(values["place"])):
            label = policy.label("place")
            yield Finding("place", "warning", f"{label}“{values['place']}”请写清楚具体位置，{_SITE_EXAMPLE}")
    elif category.level1 == "出租汽车计价器" and name and not _has_plate(name):
        form = f"出租车计价器({policy.taxi_prefix} xxxxx)"
        yield Finding("name", "warning", f"{policy.label('name')}须注明车牌，请写作 {form} 的形式。", form)


def _has_plate(name: str) -> bool:
    found = _PLATE.search(half_width(name))
    return found is not None and not found.group(0).upper().endswith("XXXXX")


def _formats(values: dict[str, Any], policy: RowPolicy, rule: FillRule | None) -> Iterator[Finding]:
    """Formats of the rule table (CAT-03); an empty cell is none of their business."""
    typed = values["measuring_range"]
    if "（" in typed or "）" in typed:
        text = typed.replace("（", "(").replace("）", ")")
        yield Finding(
            "measuring_range", "warning", f"{policy.label('measuring_range')}请用半角括号，写作“{text}”。", text
        )
    if rule is None:
        return
    severity = "error" if rule.blocking else "warning"
    for key, pattern, example in (
        ("measuring_range", rule.range_pattern, rule.range_example),
        ("serial_no", rule.serial_pattern if policy.nozzle != "off" else "", rule.serial_example),
    ):
        if values[key] and not follows(pattern, values[key]):
            told = f"{policy.label(key)}“{values[key]}”请按示例格式填写" + (f"，例如 {example}。" if example else "。")
            yield Finding(key, severity, told)


def _nozzle(values: dict[str, Any], policy: RowPolicy) -> Iterator[Finding]:
    serial = half_width(values["serial_no"])
    match = _NOZZLE.fullmatch(serial)
    if match:
        values["serial_no"] = f"{match.group(1)}({int(match.group(2))}枪)"
        return
    sentence = f"{policy.label('serial_no')}须为“编号(枪号)”格式，例如 AA19070003(1枪)。"
    misprint, cure = _NOZZLE_MISPRINT.search(serial), None
    if misprint:
        sentence += f"“{misprint.group(1)}”请改为“枪”。"
        cure = serial[: misprint.start(1)].replace(" ", "") + "枪)"
    yield Finding("serial_no", policy.nozzle, sentence, cure)


def _scale_spelling(values: dict[str, Any], category: CategoryRef | None, severity: str) -> Iterator[Finding]:
    typed = values["name"]
    is_scale = (category is not None and "衡" in category.level1) or _SCALE_NAME.search(typed)
    corrected = _WRONG_SCALE.sub("秤", typed)
    if not is_scale or corrected == typed:
        return
    if severity == "error":
        told = f"器具名称“{typed}”中的“称”应写作“秤”，请改为“{corrected}”。"
    else:
        values["name"] = corrected
        told = f"器具名称“{typed}”中的“称”应写作“秤”，已按“{corrected}”录入，请核对。"
    yield Finding("name", severity, told, corrected)


def _pressure_unit(
    values: dict[str, Any], policy: RowPolicy, keys: tuple[str, ...], severity: str
) -> Iterator[Finding]:
    for key in keys:
        text = values[key] or ""
        corrected = _MPA.sub("MPa", text)
        if corrected != text:
            told = (
                f"{policy.label(key)}“{text}”的单位书写有误，MP大写、a小写,计量单位需区分大小写，请改为“{corrected}”。"
            )
            yield Finding(key, severity, told, corrected)
