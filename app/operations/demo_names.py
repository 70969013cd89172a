"""What the demonstration world is made of: trades with their instruments, names. Its places: demo_places.py.

All names are invented; codes are computed so that their check characters hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of instrument: catalogue line, names and models, makers, range, class, purpose, way of verification."""

    level1: str
    level2: str
    names: tuple[str, ...]
    models: tuple[str, ...]
    makers: tuple[str, ...]
    measuring_range: str
    accuracy: str
    purpose: str
    delivery: str
    spot: str
    months: int = 12


SCALE = Kind(
    "非自动衡器",
    "非自动衡器",
    ("电子计价秤", "电子台秤"),
    ("ACS-30", "ACS-15", "TCS-150"),
    ("上海大华衡器有限公司", "永康市华鹰衡器有限公司", "福州科迪电子技术有限公司"),
    "(0-30)kg",
    "Ⅲ",
    "贸易结算",
    "现场检",
    "{n}号摊位",
)
TRUCK = Kind(
    "非自动衡器",
    "非自动衡器",
    ("电子汽车衡",),
    ("SCS-120", "SCS-150"),
    ("梅特勒-托利多（常州）称重设备系统有限公司", "包头申大机械制造有限公司"),
    "(1-120)t",
    "Ⅲ",
    "贸易结算",
    "现场检",
    "{n}号磅房",
)
PUMP = Kind(
    "加油机",
    "燃油加油机",
    ("燃油加油机",),
    ("CS32", "JDK50D222D", "SK52GF424K"),
    ("正星科技股份有限公司", "托肯恒山科技（广州）有限公司", "吉尔巴克（北京）科技有限公司"),
    "(5-50)L/min",
    "0.3",
    "贸易结算",
    "现场检",
    "{n}号加油岛",
    6,
)
GAS = Kind(
    "加气机",
    "压缩天然气加气机",
    ("压缩天然气加气机",),
    ("JQ-CNG-Ⅱ",),
    ("四川金星清洁能源装备股份有限公司",),
    "(1-30)kg/min",
    "1.0",
    "贸易结算",
    "现场检",
    "{n}号加气岛",
    6,
)
CUFF = Kind(
    "血压计(表)",
    "无创自动测量血压计",
    ("电子血压计",),
    ("HEM-7136", "YE680E"),
    ("欧姆龙（大连）有限公司", "江苏鱼跃医疗设备股份有限公司"),
    "(0-40)kPa",
    "±0.5kPa",
    "医疗卫生",
    "送检",
    "内科{n}诊室",
)
MERCURY = Kind(
    "血压计(表)",
    "无创非自动测量血压计",
    ("台式血压计",),
    ("XJ11D",),
    ("上海医疗器械股份有限公司医械专机厂",),
    "(0-40)kPa",
    "±0.5kPa",
    "医疗卫生",
    "送检",
    "体检{n}室",
    6,
)
HEART = Kind(
    "心脑电测量仪器",
    "心电图仪",
    ("数字式心电图机",),
    ("ECG-1200G", "SE-1201"),
    ("深圳市理邦精密仪器股份有限公司", "深圳市科曼医疗设备有限公司"),
    "(0.5-5)mV",
    "±5%",
    "医疗卫生",
    "现场检",
    "心电{n}室",
)
MONITOR = Kind(
    "心脑电测量仪器",
    "多参数监护仪",
    ("多参数监护仪",),
    ("uMEC10", "iMEC12"),
    ("深圳迈瑞生物医疗电子股份有限公司",),
    "(30-240)次/min",
    "±5%",
    "医疗卫生",
    "现场检",
    "重症{n}床",
)
GAUGE = Kind(
    "压力仪表",
    "指示类压力表",
    ("一般压力表", "氧气压力表"),
    ("Y-100", "YB-150", "YO-60"),
    ("红旗仪表有限公司", "上海自动化仪表股份有限公司", "布莱迪仪器仪表有限公司"),
    "(0-1.6)MPa",
    "1.6级",
    "安全防护",
    "送检",
    "{n}号管段",
    6,
)
ALARM = Kind(
    "有毒有害、易燃易爆气体检测(报警)仪",
    "可燃气体检测报警器",
    ("可燃气体检测报警器",),
    ("GT-QD6330", "BT-AEC2232"),
    ("汉威科技集团股份有限公司", "成都安可信电子股份有限公司"),
    "(0-100)%LEL",
    "±5%FS",
    "安全防护",
    "现场检",
    "{n}号探测点",
)
LENS = Kind(
    "焦度计",
    "焦度计",
    ("焦度计",),
    ("JD-2600B", "LM-8"),
    ("宁波明星科技发展有限公司",),
    "(-25-+25)m⁻¹",
    "±0.06m⁻¹",
    "医疗卫生",
    "现场检",
    "验光{n}室",
)
EYES = Kind(
    "验光仪器",
    "验光仪、综合验光仪",
    ("电脑验光仪",),
    ("RM-8000A", "ARK-1"),
    ("上海拓普康医疗器械有限公司",),
    "(-15-+15)m⁻¹",
    "±0.25m⁻¹",
    "医疗卫生",
    "现场检",
    "验光{n}室",
)
CHARGER = Kind(
    "电动汽车充电桩",
    "电动汽车充电桩",
    ("直流充电桩", "交流充电桩"),
    ("TH-DC120", "TH-AC7"),
    ("特来电新能源股份有限公司", "许继电源有限公司"),
    "(0-750)V",
    "2级",
    "贸易结算",
    "现场检",
    "{n}号车位",
    36,
)
SMOKE = Kind(
    "有毒有害、易燃易爆气体检测(报警)仪",
    "汽车排放气体测试仪",
    ("汽车排放气体测试仪",),
    ("NHA-506", "FLA-502"),
    ("佛山市南华仪器股份有限公司",),
    "(0-10)%vol",
    "0级",
    "环境监测",
    "现场检",
    "{n}号检测线",
)
TRADES: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    ("{word}加油站有限公司", (PUMP, PUMP, GAUGE)),
    ("{word}农贸市场管理有限公司", (SCALE,)),
    ("{word}医院", (CUFF, MERCURY, HEART, MONITOR)),
    ("{word}煤业有限责任公司", (TRUCK, GAUGE, ALARM)),
    ("{word}燃气有限公司", (GAS, GAUGE, ALARM)),
    ("{word}超市连锁有限公司", (SCALE,)),
    ("{word}眼镜有限公司", (LENS, EYES)),
    ("{word}化工有限公司", (GAUGE, ALARM, TRUCK)),
    ("{word}新能源充电服务有限公司", (CHARGER,)),
    ("{word}机动车检测有限公司", (SMOKE, GAUGE)),
    ("{word}粮油贸易有限公司", (TRUCK, SCALE)),
)
WORDS = [
    "恒泰",
    "鑫源",
    "草原明珠",
    "塞上春",
    "蒙兴",
    "河套",
    "金穗",
    "昌盛",
    "瑞丰",
    "鸿雁",
    "北辰",
    "天骄",
    "安达",
    "宏远",
    "益民",
    "永信",
    "华泰",
    "正阳",
    "隆盛",
    "同济",
    "兴和",
    "东方",
    "万佳",
    "富康",
    "阴山",
    "黄河湾",
    "敕勒川",
    "青城",
    "鹿城",
    "绿洲",
]
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
GIVEN = [
    "志强",
    "秀英",
    "建国",
    "丽华",
    "海燕",
    "晓东",
    "春梅",
    "国庆",
    "玉兰",
    "文博",
    "雪梅",
    "永刚",
    "佳怡",
    "浩然",
    "雅琴",
    "立新",
    "淑芳",
    "俊杰",
    "慧敏",
    "建平",
    "桂珍",
    "子轩",
    "欣怡",
    "铁柱",
    "巴特尔",
    "乌云",
    "其其格",
    "苏日娜",
    "那仁",
    "格日乐",
]
CODE_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def person_name(rng: Random) -> str:
    """An invented name."""
    return rng.choice(SURNAMES) + rng.choice(GIVEN)


def company_code(rng: Random, county: str) -> str:
    """An invented 统一社会信用代码 (GB 32100): 91, the county's code, nine signs, the computed last one."""
    body = f"91{county}MA" + "".join(rng.choice(CODE_SIGNS) for _ in range(7))
    total = sum(CODE_SIGNS.index(c) * w for c, w in zip(body, CODE_WEIGHTS, strict=True))
    return body + CODE_SIGNS[(31 - total % 31) % 31]


def company_name(rng: Random, start: str, pattern: str, number: int) -> str:
    """An invented company of a trade; `number` keeps names apart once the words are used up."""
    word = rng.choice(WORDS)
    suffix = f"第{number // len(WORDS) + 1}" if number >= len(WORDS) else ""
    return f"{start}{pattern.format(word=word + suffix)}"
