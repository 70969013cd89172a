"""Where the demonstration world lies: one kit of bodies and places for each province that a deployment may stand for.

A deployment whose profile names a region (region.root) gets what lies in it, with the institutes and regulators above it;
one without a region gets Inner Mongolia. All bodies carry （演示） in their names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.operations.places import inside, prefix


@dataclass(frozen=True, slots=True)
class Region:
    """Bodies and places. Institutes: division, name, code on certificates, address; regulators: area, name; places of
    enterprises: county, how their names begin there, street."""

    province: str
    sign: str
    dialling: str
    institutes: tuple[tuple[str, str, str, str], ...]
    regulators: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, str, str], ...]

    def within(self, root: str) -> Region:
        """What a deployment for `root` alone needs: places inside it, bodies inside it or above."""

        def fits(area: str) -> bool:
            return inside(area, root) or prefix(root).startswith(area)

        return replace(
            self,
            institutes=tuple(row for row in self.institutes if fits(prefix(row[0]))),
            regulators=tuple(row for row in self.regulators if fits(row[0])),
            places=tuple(row for row in self.places if inside(row[0], root)),
        )


INNER_MONGOLIA = Region(
    "15",
    "蒙",
    "047",
    (
        ("150000", "内蒙古自治区计量测试研究院（演示）", "NM15", "呼和浩特市赛罕区学府路18号"),
        ("150100", "呼和浩特市计量检定测试所（演示）", "HS1501", "呼和浩特市新城区成吉思汗大街66号"),
        ("150200", "包头市计量检定测试中心（演示）", "BT1502", "包头市青山区建设路9号"),
        ("150800", "巴彦淖尔市计量检定测试所（演示）", "BY1508", "巴彦淖尔市临河区胜利北路21号"),
        ("150821", "五原县计量检定测试所（演示）", "WY150821", "五原县隆兴昌镇新华街12号"),
    ),
    (
        ("15", "内蒙古自治区市场监督管理局"),
        ("1501", "呼和浩特市市场监督管理局"),
        ("1502", "包头市市场监督管理局"),
        ("1508", "巴彦淖尔市市场监督管理局"),
        ("150821", "五原县市场监督管理局"),
    ),
    (
        ("150102", "呼和浩特市新城", "海拉尔大街"),
        ("150105", "呼和浩特市赛罕", "昭乌达路"),
        ("150821", "五原县", "隆兴昌镇葵花大道"),
        ("150203", "包头市昆都仑", "钢铁大街"),
        ("150802", "巴彦淖尔市临河", "解放街"),
        ("150204", "包头市青山", "幸福路"),
    ),
)
GUANGDONG = Region(
    "44",
    "粤",
    "020",
    (
        ("440000", "广东省计量科学研究院（演示）", "GD44", "广州市黄埔区开源大道11号"),
        ("440100", "广州市计量检测技术研究院（演示）", "GZ4401", "广州市番禺区石碁镇创运路1号"),
        ("440300", "深圳市计量质量检测研究院（演示）", "SZ4403", "深圳市南山区龙珠大道92号"),
        ("440600", "佛山市质量计量监督检测中心（演示）", "FS4406", "佛山市禅城区岭南大道北131号"),
        ("440118", "广州市增城区计量检定所（演示）", "ZC440118", "广州市增城区荔城街府佑路98号"),
    ),
    (
        ("44", "广东省市场监督管理局"),
        ("4401", "广州市市场监督管理局"),
        ("4403", "深圳市市场监督管理局"),
        ("4406", "佛山市市场监督管理局"),
        ("440118", "广州市增城区市场监督管理局"),
    ),
    (
        ("440103", "广州市荔湾", "中山八路"),
        ("440106", "广州市天河", "天河路"),
        ("440118", "广州市增城", "荔城街新城大道"),
        ("440305", "深圳市南山", "深南大道"),
        ("440604", "佛山市禅城", "汾江中路"),
        ("440307", "深圳市龙岗", "龙翔大道"),
    ),
)
ZHEJIANG = Region(
    "33",
    "浙",
    "057",
    (
        ("330000", "浙江省计量科学研究院（演示）", "ZJ33", "杭州市钱塘区下沙路300号"),
        ("330200", "宁波市计量测试研究院（演示）", "NB3302", "宁波市鄞州区江南路1588号"),
        ("330600", "绍兴市计量检测中心（演示）", "SX3306", "绍兴市越城区平江路388号"),
        ("330700", "金华市计量检定所（演示）", "JH3307", "金华市婺城区八一南街218号"),
        ("330782", "义乌市计量检定所（演示）", "YW330782", "义乌市稠江街道杨村路300号"),
    ),
    (
        ("33", "浙江省市场监督管理局"),
        ("3302", "宁波市市场监督管理局"),
        ("3306", "绍兴市市场监督管理局"),
        ("3307", "金华市市场监督管理局"),
        ("330782", "义乌市市场监督管理局"),
    ),
    (
        ("330203", "宁波市海曙", "中山西路"),
        ("330212", "宁波市鄞州", "天童南路"),
        ("330782", "义乌市", "稠州北路"),
        ("330602", "绍兴市越城", "解放北路"),
        ("330702", "金华市婺城", "双溪西路"),
        ("330604", "绍兴市上虞", "市民大道"),
    ),
)
REGIONS = {region.province: region for region in (INNER_MONGOLIA, GUANGDONG, ZHEJIANG)}


def region_for(root: str) -> Region | None:
    """The kit for a deployment's region; None where there is none for it."""
    found = REGIONS.get(root[:2]) if root else INNER_MONGOLIA
    if found is None or not root:
        return found
    found = found.within(root)
    return found if found.places and found.institutes else None
