"""How enterprises head the columns of their own ledgers, and which of our fields each heading means.

Collected from ledgers of workshops, hospitals, fuel stations and laboratories. A heading may mean several fields
(编号 is the maker's number where nothing else is, the enterprise's own where 出厂编号 stands beside it): each
meaning carries a weight between 0 and 1, and :mod:`app.intake.mapping` weighs them against the values below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.intake.fields import ALL_FIELDS, Field
from app.intake.text import fold, label_key

IGNORED = ""
EXTRA_LABELS = {"verified_on": "检定日期", "cycle": "检定周期", "compulsory": "是否强检", "certificate_no": "证书编号"}
"""Columns that are no field of the form but tell something: 有效期 is 检定日期 plus 检定周期 less a day."""

_SURE, _LIKELY, _WEAK = 1.0, 0.8, 0.5

# field key → (weight, headings)
_WORDS: dict[str, tuple[tuple[float, str], ...]] = {
    "name": (
        (_SURE, "器具名称 仪器名称 计量器具名称 名称 设备名称 仪表名称 仪器仪表名称 测量设备名称 计量设备名称"),
        (_LIKELY, "品名 产品名称 物品名称 仪器/设备名称 监视和测量设备名称 检测设备名称 计量器具 强检器具名称 器具"),
        (_WEAK, "仪器 仪表 设备 测量设备 种类名称"),
    ),
    "level1": ((_SURE, "一级目录 项别 器具项别 目录名称"),),
    "level2": ((_SURE, "二级目录 种别 器具种别"), (_WEAK, "种类 器具种类")),
    "category_code": ((_SURE, "种别代码 种类代码"),),
    "model": (
        (_SURE, "型号规格 规格型号 型号 规格 规格/型号 型号/规格 规格及型号 型号及规格 规格、型号 型号、规格"),
        (_LIKELY, "设备型号 仪器型号 仪表型号 产品型号 器具型号 规格型号及量程 牌号型号"),
    ),
    "measuring_range": (
        (_SURE, "测量范围 量程 量程范围 测量范围/量程 量程/测量范围 测量量程 测量区间 测量范围及量程"),
        (_LIKELY, "量限 称量范围 最大称量 最大秤量 满量程 上限 量程上限 刻度范围 表盘量程 范围 测量上限"),
    ),
    "accuracy_class": (
        (_SURE, "准确度等级 准确度 精度 等级 精度等级 精确度 准确度级别 精度级别 精确度等级"),
        (
            _LIKELY,
            "级别 最大允许误差 允许误差 准确度/等级 测量精度 不确定度或准确度等级 不确定度/准确度等级/最大允许误差",
        ),
    ),
    "serial_no": (
        (_SURE, "出厂编号 出厂号 器号 序列号 出厂序列号 机身号 机身编号 制造编号 生产编号 产品编号 出厂编码 sn s/n"),
        (_LIKELY, "器具编号 表号 机号 产品序列号 设备序列号 钢号 枪号编号 出厂号码 出厂代码 厂编号 厂号 原厂编号"),
        (_WEAK, "编号 仪器编号 仪表编号 编码 号码 器具编码 表编号 测量设备编号"),
    ),
    "own_no": (
        (
            _SURE,
            "自编号 单位自编号 管理编号 资产编号 固定资产编号 内部编号 公司编号 统一编号 企业编号 本厂编号 厂内编号",
        ),
        (_LIKELY, "设备编号 位号 仪表位号 设备位号 工艺位号 计量编号 受控编号 台账编号 标识号 资产号 单位编号 自编码"),
        (0.45, "仪器编号 仪表编号 编号 编码 测量设备编号"),
    ),
    "manufacturer": (
        (_SURE, "生产厂家 制造单位 生产厂商 生产单位 制造厂 厂家 制造商 厂商 生产厂 制造厂商 制造厂家 生产商 厂名"),
        (
            _LIKELY,
            "生产企业 制造企业 制造厂名 生产厂名 品牌 生产厂家/品牌 制造厂(商) 制造者 生产制造单位 生产/制造厂家",
        ),
        (_WEAK, "供应商 供货单位 供货商"),
    ),
    "origin": ((_SURE, "器具产地 产地 国产/进口 国产或进口 进口/国产"), (_LIKELY, "国别")),
    "use_division": (
        (_SURE, "使用地点行政区划 行政区划 使用区域代码 行政区划代码 区划代码"),
        (_LIKELY, "使用区域 所在区县 区县 所属区域 所属区县"),
    ),
    "place": (
        (_SURE, "安装/使用地点 安装使用地点 使用地点 器具安装地点 安装地点 安装/使用地址 位置 安装位置 使用位置"),
        (
            _LIKELY,
            "使用部门 部门 所在位置 放置地点 存放地点 存放位置 安装部位 安装场所 使用场所 安装设备 使用地址 地点",
        ),
        (_LIKELY, "使用科室 科室 车间 使用车间 所属车间 装置 装置名称 区域 使用区域 安装地点及用途 安装位置及用途"),
        (0.6, "所属部门 保管部门 责任部门 使用/保管部门 班组 使用班组 工段 工序 所属设备 使用单位 使用部门/位置"),
    ),
    "purchased_on": ((_SURE, "购置时间 购置日期 购买日期 购入日期 采购日期 购买时间 购入时间"), (_WEAK, "入库日期")),
    "produced_on": ((_SURE, "生产日期 出厂日期 制造日期 出厂时间 生产时间 制造年月 出厂年月"),),
    "installed_on": ((_SURE, "安装日期 安装时间"), (_LIKELY, "启用日期 投用日期 启用时间 投用时间 投入使用日期")),
    "quantity": ((_SURE, "器具数量 数量 台数 台件数 数量/台"), (_LIKELY, "件数 台套数 块数")),
    "purpose": ((_SURE, "器具用途 用途 使用目的 强检用途"), (_LIKELY, "应用领域 使用用途 用途类别")),
    "delivery_mode": ((_SURE, "送检方式"), (0.6, "检定方式 检测方式")),
    "valid_until": (
        (_SURE, "有效期至 有效期 有效日期 检定有效期 到期时间 到期日期 到期日 有效截止日期 检定有效期至 有效期止"),
        (0.9, "下次检定日期 下次检定时间 下次检验日期 下次校准日期 下次检验时间 下次校验日期 下次校准时间 下检日期"),
        (
            0.9,
            "有效期限 检定到期日 检定到期日期 复检日期 下次送检日期 应检日期 校准有效期 校验有效期 下次检定 证书有效期",
        ),
        (0.6, "计划检定日期 待检日期 预计检定日期 下次日期 有效期截止 周检日期"),
    ),
    "verified_on": (
        (_SURE, "检定日期 检定时间 检验时间 检验日期 校准日期 校准时间 校验日期 校验时间 检测日期 检测时间"),
        (
            _LIKELY,
            "上次检定日期 最近检定日期 本次检定日期 检定/校准日期 鉴定日期 首检日期 检校日期 检定校准日期 上次检定时间",
        ),
        (_WEAK, "送检日期 送检时间"),
    ),
    "cycle": ((_SURE, "检定周期 校准周期 检验周期 周检周期 检定/校准周期 周期 检定间隔 校验周期"), (_WEAK, "有效期")),
    "compulsory": (
        (_SURE, "是否强检 强检 强检/非强检 是否为强检器具 是否强制检定"),
        (_LIKELY, "管理方式 检定类别 强检标识"),
    ),
    "certificate_no": (
        (_SURE, "证书编号 检定证书编号 证书号 检定证书号 校准证书编号"),
        (_LIKELY, "报告编号 证书/报告编号"),
    ),
    "institute": ((_SURE, "检定机构 上次检定机构"), (_LIKELY, "检定单位 检测单位 校准机构 检测机构 检定/校准机构")),
    "type_approval_no": ((_SURE, "型批证书号 型式批准证书号 制造许可证号 cpa编号"),),
    "kind": ((_SURE, "器具类型"),),
    "last_result": ((_SURE, "检定结论 检定结果"),),
    "station": ((_SURE, "所属充电站 充电站"),),
    "note": ((_SURE, "备注 附注 说明 备考"), (_WEAK, "其他 备注说明")),
    IGNORED: (
        (_SURE, "序号 项次 行号 序 no no. 项目 问题 联系人 联系电话 电话 管理类别 abc分类 abc类别 单位名称 企业名称"),
        (_SURE, "使用状态 设备状态 状态 责任人 保管人 使用人 负责人 检定费 费用 单价 金额 单位 结论 校准结果"),
    ),
}

# Tried in order when no heading above fits; (pattern over the folded heading, key, weight).
_PATTERNS: tuple[tuple[re.Pattern[str], str, float], ...] = tuple(
    (re.compile(pattern), key, weight)
    for pattern, key, weight in (
        (r"(?:单位|企业|公司|部门|厂家|客户)名称|联系|电话|结论|结果|状态|费|责任|负责|保管人|使用人", IGNORED, 0.7),
        (r"证书.*[号码]", "certificate_no", 0.7),
        (r"(?:下次|下一次|到期|有效|下检|复检|应检|截止).*(?:日期?|时间|期至?|月)", "valid_until", 0.7),
        (r"(?:检定|检验|校准|校验|检测|鉴定|送检).*(?:日期?|时间|年月)", "verified_on", 0.7),
        (r"(?:购|采买).*(?:日期?|时间|年月)", "purchased_on", 0.7),
        (r"(?:出厂|生产|制造).*(?:日期?|时间|年月)", "produced_on", 0.7),
        (r"(?:安装|启用|投用).*(?:日期?|时间|年月)", "installed_on", 0.7),
        (r"周期|间隔", "cycle", 0.7),
        (r"行政区划|区划代码", "use_division", 0.7),
        (r"(?:出厂|序列|机身|制造|产品|原厂).*[号码]|serial", "serial_no", 0.7),
        (r"(?:管理|资产|设备|统一|内部|自编?|公司|企业|位).*[号码]", "own_no", 0.7),
        (r"[编器表机]号|编码", "serial_no", 0.45),
        (r"型号|规格|model|type", "model", 0.6),
        (r"量程|测量范围|称量|秤量|range", "measuring_range", 0.6),
        (r"精[度确]|准确度|等级|允许误差|accuracy", "accuracy_class", 0.6),
        (r"厂家|厂商|制造|生产(?:厂|商|单位|企业)|品牌|manufactur", "manufacturer", 0.6),
        (r"位置|地点|部门|场所|车间|科室|地址|区域|location", "place", 0.6),
        (r"名称|name", "name", 0.6),
        (r"数量|台数|quantity|qty", "quantity", 0.6),
        (r"用途", "purpose", 0.6),
        (r"强检", "compulsory", 0.6),
        (r"备注|说明|remark", "note", 0.6),
    )
)

_UNITS = (
    "MPa|kPa|hPa|Pa|bar|mbar|psi|kgf/cm2|kgf/cm²|mmHg|℃|°C|kg|mg|g|t|吨|千克|公斤|克|mm|cm|m|米|L/min|L/h|m3/h|m³/h|L|mL|"
    "V|kV|A|mA|kW|kWh|%|%LEL|LEL|ppm|dB|km/h|Hz|级|月|年|个月|天|台|件|块|只|套|Ω|MΩ"
)
_UNIT = re.compile(rf"(?:[(\[](?:单位:?)?({_UNITS})[)\]]|[/,、](?:单位:?)?({_UNITS})|单位:?({_UNITS}))$", re.IGNORECASE)
_NOTE = re.compile(r"[(\[][^)\]]*[)\]]")
_NOISE = re.compile(r"[\s*:;,.。、_\-#]+")
_SPELLING = {unit.casefold(): unit for unit in _UNITS.split("|")}


def unit_of(heading: str) -> str:
    """Return the unit written in a heading, in its right spelling: 量程（Mpa） → MPa; "" when there is none."""
    match = _UNIT.search(_half(heading))
    return _SPELLING.get(next(filter(None, match.groups()), "").casefold(), "") if match else ""


def _half(heading: str) -> str:
    return heading.translate(str.maketrans("（）［］【】：／，", "()[][]:/,")).strip()


def _plain(heading: str) -> str:
    """The folded heading without its unit."""
    return label_key(_UNIT.sub("", _half(heading)))


def _index() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for key, groups in _WORDS.items():
        for weight, words in groups:
            for word in words.split(" "):
                found.setdefault(label_key(word), {}).setdefault(key, weight)
    return found


_MEANINGS = _index()


def meanings(heading: str, fields: Iterable[Field] = ALL_FIELDS) -> dict[str, float]:
    """Return field key (or "" for a column to ignore) → weight of what ``heading`` may mean, empty when unknown.

    The words of ``fields`` themselves count as sure.
    """
    if not heading.strip():
        return {}
    full, plain = label_key(heading), _plain(heading)
    own = {label_key(field.label): field.key for field in fields}
    if full in own:
        return {own[full]: 1.0, **{k: w for k, w in _MEANINGS.get(full, {}).items() if k != own[full]}}
    for candidate in (full, plain, label_key(_NOTE.sub("", _half(heading))), _NOISE.sub("", plain)):
        if candidate in _MEANINGS:
            return dict(_MEANINGS[candidate])
    folded = fold(heading)
    return next(({key: weight} for pattern, key, weight in _PATTERNS if pattern.search(folded)), {})


def target_choices(fields: Iterable[Field] = ALL_FIELDS) -> list[tuple[str, str]]:
    """(key, label) of everything a column may be mapped to, for the page where the user corrects the mapping."""
    listed = [(field.key, field.label) for field in fields]
    known = {key for key, _ in listed}
    return [*listed, *((key, label) for key, label in EXTRA_LABELS.items() if key not in known)]
