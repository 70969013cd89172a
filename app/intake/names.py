"""Names of instruments as people write them: which catalogue entry is meant, and which are none at all.

The catalogue is that of 公告 2020 No. 42 as the code table holds it; the other words are trade names of the same
instruments. What is found here is a proposal for a row without 一级目录 and 二级目录, never a correction of typed ones.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from app.intake.reference import CategoryRef, ReferenceTables
from app.intake.text import fold

# level 2 of the catalogue → other names; where two entries share a word the first one here has it
_TRADE_NAMES: dict[str, str] = {
    "体温计": "玻璃体温计 电子体温计 红外体温计 耳温计 额温计 额温枪 耳温枪 红外耳温计",
    "非自动衡器": (
        "电子秤 台秤 电子台秤 计价秤 电子计价秤 计重秤 电子计重秤 案秤 度盘秤 弹簧度盘秤 吊秤 电子吊秤 地磅 电子地磅 "
        "汽车衡 电子汽车衡 地中衡 平台秤 磅秤 电子天平 天平 机械天平 托盘天平 分析天平 机械台秤 条码秤 条码打印计价秤 "
        "条型码打印计价秤 戥子 杆秤 叉车秤 婴儿秤 体重秤 身高体重秤 人体秤 电子磅 电子桌秤 桌秤 钢瓶秤 灌装秤 衡器 秤"
    ),
    "动态公路车辆自动衡器": "动态汽车衡 动态公路车辆衡 整车式动态汽车衡 轴重秤 动态称重系统",
    "轨道衡": "静态轨道衡 动态轨道衡 电子轨道衡",
    "立式金属罐": "立式罐 立式储罐 立式金属储罐",
    "燃油加油机": "加油机 加油枪 汽油加油机 柴油加油机 税控加油机 潜油泵加油机",
    "液化石油气加气机": "LPG加气机",
    "压缩天然气加气机": "CNG加气机 加气机",
    "液化天然气加气机": "LNG加气机",
    "水表": "冷水水表 热水水表 智能水表 远传水表 IC卡水表 电磁水表 超声波水表 冷水表 热水表",
    "燃气表": "膜式燃气表 煤气表 天然气表 IC卡燃气表 家用燃气表",
    "热能表": "热量表 超声波热量表 热表 冷热量表",
    "流量计": (
        "涡街流量计 电磁流量计 质量流量计 科里奥利质量流量计 涡轮流量计 腰轮流量计 罗茨流量计 超声流量计 超声波流量计 "
        "旋进旋涡流量计 椭圆齿轮流量计 刮板流量计 差压式流量计 气体流量计"
    ),
    "无创自动测量血压计": "电子血压计 臂式电子血压计 全自动血压计 自动血压计",
    "无创非自动测量血压计": "血压计 血压表 水银血压计 汞柱式血压计 台式血压计 表式血压计 机械血压计 血压计(表)",
    "眼压计": "非接触式眼压计 非接触眼压计 压平眼压计 回弹式眼压计",
    "显示类压力表": "数字压力表 数显压力表 数字压力计 电子压力表 智能压力表 数显压力计",
    "指示类压力表": (
        "压力表 一般压力表 普通压力表 弹簧管压力表 电接点压力表 耐震压力表 隔膜压力表 膜片压力表 膜盒压力表 不锈钢压力表 "
        "氧气表 氧压力表 氧气压力表 乙炔压力表 乙炔表 氨压力表 氨用压力表 真空表 压力真空表 真空压力表 远传压力表 禁油压力表 "
        "远传耐震压力表 电接点耐震压力表 差压表 双针压力表 轴向压力表 压力仪表"
    ),
    "机动车测速仪": "测速仪 雷达测速仪 激光测速仪 区间测速仪 机动车雷达测速仪 地感线圈测速仪",
    "出租汽车计价器": "出租车计价器 计价器 的士计价器 出租车计程计价器",
    "电能表": "电表 电度表 单相电能表 三相电能表 智能电能表 智能电表 多功能电能表 有功电能表 三相四线电能表",
    "电力测量用互感器": "互感器 电流互感器 电压互感器 测量用互感器 计量互感器",
    "电动汽车充电桩": "充电桩 交流充电桩 直流充电桩 非车载充电机 电动汽车非车载充电机 充电枪 充电机",
    "声级计": "噪声计 噪音计 分贝仪 噪声仪 积分声级计",
    "纯音听力计": "听力计",
    "阻抗听力计": "中耳分析仪 声阻抗仪 耳声阻抗仪",
    "焦度计": "电脑焦度计 自动焦度计 查片仪 全自动焦度计",
    "验光仪、综合验光仪": "验光仪 综合验光仪 电脑验光仪 全自动电脑验光仪 自动验光仪 验光机",
    "验光镜片箱": "镜片箱 验光箱 试镜片箱",
    "角膜曲率计": "曲率计 角膜曲率仪",
    "糖量计": "糖度计 手持糖量计 折光糖量计 旋光糖量计",
    "烟尘采样器": "烟尘测试仪 烟尘采样仪 烟尘烟气采样器",
    "粉尘采样器": "粉尘采样仪 个体粉尘采样器 呼吸性粉尘采样器",
    "粉尘浓度测量仪": "粉尘浓度测定仪 测尘仪 粉尘仪 粉尘浓度传感器 直读式粉尘浓度测量仪",
    "颗粒物采样器": "PM2.5采样器 TSP采样器 总悬浮颗粒物采样器 颗粒物采样仪",
    "大气采样器": "大气采样仪 空气采样器 智能大气采样器",
    "透射式烟度计": "不透光烟度计 烟度计 不透光度计",
    "烘干法水分测定仪": "水份仪 卤素水分测定仪 烘干法水分仪 快速水分测定仪",
    "电容法和电阻法谷物水分测定仪": "水分仪 谷物水分仪 粮食水分仪 粮食水分测定仪 水分测定仪 谷物水分测定仪",
    "原棉水分测定仪": "原棉水分仪 棉花水分测定仪",
    "谷物容重器": "容重器 电子容重器 容重仪",
    "乳汁计": "乳稠计",
    "呼出气体酒精含量检测仪": "酒精检测仪 呼气酒精检测仪 酒精测试仪 呼出气体酒精测试仪 酒精含量检测仪",
    "可燃气体检测报警器": (
        "可燃气体报警器 可燃气体探测器 可燃气体报警仪 可燃气体检测仪 可燃气体报警探测器 可燃气体测报仪 可燃气报警器 燃气报警器 "
        "固定式可燃气体探测器 可燃气体变送器 点型可燃气体探测器 可燃气体检测报警仪 天然气报警器"
    ),
    "甲烷测定器": "甲烷报警仪 甲烷检测仪 瓦斯检测仪 甲烷传感器 光干涉式甲烷测定器 瓦斯检定器 甲烷检测报警仪",
    "硫化氢气体检测仪": "硫化氢报警仪 硫化氢检测仪 硫化氢报警器 硫化氢探测器 硫化氢气体报警仪 硫化氢气体探测器",
    "一氧化碳检测报警器": "一氧化碳报警器 一氧化碳检测仪 一氧化碳报警仪 一氧化碳探测器 CO报警器 CO报警仪 CO检测仪",
    "二氧化硫气体检测仪": "二氧化硫检测仪 二氧化硫报警仪 二氧化硫分析仪",
    "一氧化碳、二氧化碳红外线气体分析器": "一氧化碳红外线气体分析器 二氧化碳红外线气体分析器 红外线气体分析器",
    "化学发光法氮氧化物分析仪": "氮氧化物分析仪",
    "烟气分析仪": "烟气测试仪 烟气检测仪",
    "汽车排放气体测试仪": "尾气分析仪 汽车尾气分析仪 排气分析仪 汽车排气分析仪",
    "放射治疗用电离室剂量计": "电离室剂量计 放疗剂量计 治疗水平剂量计",
    "医用诊断X射线设备": (
        "X射线机 X光机 医用X光机 X射线诊断机 螺旋CT CT机 DR机 CR机 DSA 乳腺机 乳腺X射线机 牙科X射线机 牙片机 口腔CT "
        "医用X射线辐射源 X射线辐射源 医用乳腺X射线辐射源 数字化摄影X射线机 全景机 C形臂 移动DR"
    ),
    "医用活度计": "活度计",
    "心电图仪": "心电图机 十二导心电图机 数字心电图机 动态心电图机 心电图机(仪) 动态心电记录仪 心电图",
    "脑电图仪": "脑电图机 脑电地形图仪 数字脑电图机",
    "多参数监护仪": "监护仪 心电监护仪 床旁监护仪 病人监护仪 多参数心电监护仪",
}
_OUTSIDE = (
    "千分尺 卡尺 游标卡尺 数显卡尺 深度尺 高度尺 百分表 千分表 杠杆表 内径表 塞尺 塞规 环规 螺纹规 量块 卷尺 钢卷尺 钢直尺 直尺 角尺 "
    "水平仪 水平尺 平尺 平板 温湿度计 温湿度表 湿度计 温度计 双金属温度计 玻璃温度计 红外测温仪 热电偶 热电阻 铂电阻 温度变送器 "
    "温度表 温控仪 温控表 温度传感器 测温仪 压力变送器 差压变送器 压力传感器 压力开关 压力控制器 压力校验仪 压力校验台 活塞压力计 "
    "液位计 液位变送器 磁翻板液位计 物位计 雷达液位计 水位计 万用表 电流表 电压表 功率表 兆欧表 绝缘电阻表 摇表 钳形表 钳形电流表 "
    "接地电阻测试仪 接地电阻表 示波器 频率计 电桥 电阻箱 耐压测试仪 绝缘电阻测试仪 回路电阻测试仪 砝码 标准砝码 ph计 酸度计 电导率仪 "
    "浊度计 浊度仪 溶解氧仪 分光光度计 色谱仪 光谱仪 移液器 移液枪 容量瓶 滴定管 量筒 量杯 刻度吸管 恒温箱 干燥箱 烘箱 培养箱 马弗炉 "
    "电阻炉 灭菌器 灭菌锅 离心机 酶标仪 生化分析仪 硬度计 试验机 拉力机 扭矩扳手 扭力扳手 测力计 推拉力计 转速表 转速计 风速仪 风速计 "
    "照度计 秒表 计时器 粗糙度仪 测厚仪 超声波测厚仪 探伤仪 显微镜 投影仪 三坐标 经纬仪 水准仪 全站仪 测距仪 密度计 比重计 粘度计 "
    "氧分析仪 氧气检测仪 测氧仪 露点仪 安全阀 振动传感器 测振仪 调节阀 色差仪 光泽度计 回弹仪 检漏仪 皮带秤 电子皮带秤 重力式自动装料衡器 "
    "自动分检衡器 称重传感器 称重显示器 热像仪 声校准器 标准电阻 电子负载 稳压电源 静电测试仪 辐射剂量仪 转子流量计校验装置 氧气浓度检测仪"
)
_SPACES_IN_NAMES = re.compile(r"\s+")
_ABBREVIATION = re.compile(r"(?:医用|移动|数字|双源)?(?:ct|dr|cr|dsa)", re.IGNORECASE)


def _key(name: str) -> str:
    """The folded name with 秤 for 称 in names of scales and 分 for 份, without digits of a list before it."""
    text = fold(name).replace("水份", "水分") if "水份" in name else fold(name)
    return re.sub(r"(?<![名简别对全])称(?![重量])", "秤", text)


_OUTSIDE_KEYS = frozenset(_key(word) for word in _OUTSIDE.split())


@lru_cache(maxsize=4)
def _known(ref: ReferenceTables) -> dict[str, CategoryRef]:
    """Folded name → entry, for catalogue names first and trade names after them."""
    found: dict[str, CategoryRef] = {}
    valid = [category for category in ref.categories.values() if category.valid and not category.pseudo]
    for category in valid:
        found.setdefault(_key(category.level2), category)
    by_level2 = {category.level2: category for category in valid}
    for level2, words in _TRADE_NAMES.items():
        if level2 in by_level2:
            for word in words.split():
                found.setdefault(_key(word), by_level2[level2])
    for category in valid:
        found.setdefault(_key(category.level1), category)
    return found


def category_of(name: str, ref: ReferenceTables) -> CategoryRef | None:
    """Return the entry that an instrument of this name belongs to, None when that is not plain.

    The longest known name inside ``name`` decides; one at its end wins over one before it (压力表 in 压力表校验仪
    says nothing when 校验仪 is what the thing is).
    """
    key = _key(name)
    if len(key) < 2 and key != "秤":
        return None
    known = _known(ref)
    if key in known:
        return known[key]
    if _ABBREVIATION.fullmatch(key):
        return known.get(_key("X射线机"))
    core = re.sub(r"\(.*?\)|[0-9#]+号?", "", key)
    if core in known:
        return known[core]
    if outside_word(core):
        return None
    at_end = [word for word in known if core.endswith(word)]
    inside = at_end or [word for word in known if len(word) > 2 and word in core and not _followed(core, word)]
    return known[max(inside, key=len)] if inside else None


def _followed(text: str, word: str) -> bool:
    """True when the thing is something for ``word``: 压力表接头, 电能表箱, 流量计算机."""
    rest = text.partition(word)[2]
    return bool(re.match(r"[校检]验|检定|标定|接头|阀|箱|算|支架|管|变送|传感|专用|配件|软件", rest))


def outside_word(name: str) -> str:
    """Return the word in ``name`` that tells an instrument outside the catalogue, "" when there is none."""
    key = _key(name)
    found = [word for word in _OUTSIDE_KEYS if word in key]
    return max(found, key=len, default="")


def not_compulsory(name: str, category: CategoryRef | str | None, ref: ReferenceTables) -> str | None:
    """Return the sentence for an instrument outside the compulsory catalogue, None for one inside or unclear by a typo.

    ``category`` is what the row says (an entry, or the typed level 2); a valid one settles it.
    """
    if isinstance(category, CategoryRef):
        return None if category.valid else _sentence(name or category.level2)
    typed = (category or "").strip()
    entries = ref.level2_only.get(fold(typed), ()) if typed else ()
    if any(entry.valid for entry in entries) or (typed and category_of(typed, ref)):
        return None
    if entries or outside_word(typed):  # for type approval alone, or nowhere in the catalogue
        return None if name and category_of(name, ref) else _sentence(name.strip() or typed)
    title = name.strip() or typed
    if not title or category_of(title, ref):
        return None
    if outside_word(title):
        return _sentence(title)
    if nearest_name(title, ref) or (typed and nearest_name(typed, ref)):
        return None
    return f"“{title}”在《强检器具目录》中没有对应的种别，如不属于强制检定，可按“非强检”保留；否则请选择种别。"


def _sentence(title: str) -> str:
    return f"“{title}”不在《强检器具目录》内，不是强检器具，请删除本行，或按“非强检”保留在台账中。"


def nearest_name(name: str, ref: ReferenceTables, least: float = 0.7) -> CategoryRef | None:
    """Return the entry whose name is most like ``name`` (a wrong or missing character), None below ``least``."""
    key = _key(name)
    best, best_score = None, least
    for word, category in _known(ref).items():
        if abs(len(word) - len(key)) > max(1, len(key) // 4) or not set(word) & set(key):
            continue
        score = SequenceMatcher(None, word, key, autojunk=False).ratio()
        if score > best_score or (score == best_score and best is None):
            best, best_score = category, score
    return best


_BRACKETED = re.compile(r"[（(](.*?)[)）]")
_LEDGER_WORD = re.compile(
    r"(?:强检|强制检定|周期检定|计量|检定|校准)?(?:器具)?"
    r"(?:台账|台帐|清单|明细表?|一览表|汇总表?|统计表?|登记表|目录|计划表?|信息表?)$"
)
_SEVERAL = re.compile(r"[、/,，及和与+]")
_OWNER_END = re.compile(r"(?:车间|工段|厂|站|部|公司|单位|楼|房|区|组|院|科|室|队|班|矿|线|库|期|号|#|[0-9])$")


def name_inside(text: str, ref: ReferenceTables) -> str:
    """Return the instrument's name in a sheet name or title (2024年压力表台账 → 压力表), "" when there is none.

    A title that lists several instruments names none of them.
    """
    outside = _SPACES_IN_NAMES.sub("", _BRACKETED.sub("", text))
    for part in (outside, *_BRACKETED.findall(text)):
        plain = _LEDGER_WORD.sub("", re.sub(r"^[0-9年月日度.\-_]+|[0-9年月日.\-_]+$", "", part))
        if plain and (found := _name_at_end(plain, ref)):
            return found
    return ""


def _name_at_end(plain: str, ref: ReferenceTables) -> str:
    words = [word for word in (*_known(ref), *_OUTSIDE_KEYS) if len(word) > 1]
    pieces = [piece for piece in _SEVERAL.split(plain) if any(_key(piece).endswith(word) for word in words)]
    key = _key(plain)
    if key in words:
        return plain
    if len(pieces) != 1:
        return ""
    longest = max((word for word in words if key.endswith(word)), key=len, default="")
    if not longest:
        return ""
    owner = plain[: len(plain) - len(longest)]
    return plain[-len(longest) :] if len(plain) > 12 or _OWNER_END.search(owner) else plain
