"""Category guidance of the manuals (五类内容填写) as row rules: gun numbers, names, sites, units.

Each rule gets the values of a row whose category is known and may correct them; it yields
(field key, severity, sentence without row number).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.intake.dup import DEFAULT_RULE
from app.intake.fields import LABELS
from app.intake.reference import CategoryRef
from app.intake.text import half_width

Finding = tuple[str, str, str]

_NOZZLE = re.compile(r"([0-9A-Za-z\-.]+) ?\((\d{1,2})枪\)")
_NOZZLE_MISPRINT = re.compile(r"\(\d{1,2}([抢仓])\)$")
_BARE_NAME = re.compile(r"(?:CT|CR|DR)", re.IGNORECASE)
# 称重传感器, 称量 and 名称 are right as they are.
_WRONG_SCALE = re.compile(r"(?<![名简别对全])称(?![重量])")
_SCALE_NAME = re.compile(r"(?:电子|计价|计重|台|地|杆|吊|案|磅|汽车|条码|打印|度盘|皮带|地磅)称")
_FULL_NAME = "器具名称不得简写:如CT、CR、DR等。请按铭牌填写全称，例如 医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源。"
_SITE_EXAMPLE = "例如 110国道900公里+110米东向西车道1。"
_MPA = re.compile(r"mpa", re.IGNORECASE)
_EXACT_SITE = re.compile(r"\d\s*(?:公里|千米|米|km|m\b)|K\d+|\d\s*号?车道|车道\s*\d|桩号\s*\d", re.IGNORECASE)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][ ·]?[A-Z0-9]{4,5}[A-Z0-9]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """What a deployment decides: the duplicate rule, how a missing gun number counts, coded columns, taxi prefix.

    ``nozzle`` is "error", "warning" or "off" (deployments that write the gun in the name, as Hohhot does).
    """

    dup_rule: tuple[str, ...] = DEFAULT_RULE
    nozzle: str = "error"
    coded_fields: bool = False
    taxi_prefix: str = "蒙L"


DEFAULT_POLICY = RowPolicy()


def apply_guidance(values: dict[str, Any], category: CategoryRef | None, policy: RowPolicy) -> Iterator[Finding]:
    """Yield what the manuals say about this row; corrects 出厂编号 and 器具名称 in ``values`` where they say how."""
    name = values["name"] or ""
    if len(name) <= 4 and _BARE_NAME.fullmatch(half_width(name)):
        yield ("name", "error", _FULL_NAME)
    if "称" in name:
        yield from _scale_spelling(values, category)
    if category is None:
        return
    if category.nozzle and values["serial_no"] and policy.nozzle != "off":
        yield from _nozzle(values, policy.nozzle)
    if category.level1 == "压力仪表":
        yield from _pressure_unit(values)
    elif category.level1 == "机动车测速仪":
        if values["place"] and not _EXACT_SITE.search(half_width(values["place"])):
            yield ("place", "warning", f"安装/使用地点“{values['place']}”请写清楚具体位置，{_SITE_EXAMPLE}")
    elif category.level1 == "出租汽车计价器" and name and not _PLATE.search(half_width(name)):
        yield ("name", "warning", f"器具名称须注明车牌，请写作 出租车计价器({policy.taxi_prefix} xxxxx) 的形式。")


def _nozzle(values: dict[str, Any], severity: str) -> Iterator[Finding]:
    serial = half_width(values["serial_no"])
    match = _NOZZLE.fullmatch(serial)
    if match:
        values["serial_no"] = f"{match.group(1)}({int(match.group(2))}枪)"
        return
    sentence = "出厂编号须为“编号(枪号)”格式，例如 AA19070003(1枪)。"
    misprint = _NOZZLE_MISPRINT.search(serial)
    if misprint:
        sentence += f"“{misprint.group(1)}”请改为“枪”。"
    yield ("serial_no", severity, sentence)


def _scale_spelling(values: dict[str, Any], category: CategoryRef | None) -> Iterator[Finding]:
    typed = values["name"]
    is_scale = (category is not None and "衡" in category.level1) or _SCALE_NAME.search(typed)
    corrected = _WRONG_SCALE.sub("秤", typed)
    if not is_scale or corrected == typed:
        return
    values["name"] = corrected
    yield ("name", "warning", f"器具名称“{typed}”中的“称”应写作“秤”，已按“{corrected}”录入，请核对。")


def _pressure_unit(values: dict[str, Any]) -> Iterator[Finding]:
    for key in ("model", "measuring_range"):
        text = values[key] or ""
        corrected = _MPA.sub("MPa", text)
        if corrected != text:
            told = f"{LABELS[key]}“{text}”的单位书写有误，MP大写、a小写,计量单位需区分大小写，请改为“{corrected}”。"
            yield (key, "error", told)
