"""What makes a ledger row doubtful: about thirty rules as declarations (BEYOND 15).

A rule says what is wrong with one instrument or one unit, how many of the hundred points it costs and which field cures
it. Rules look at plain facts, so that a form, a nightly run and a test ask the same. Sources: 填写注意事项 of the
Guangdong manual (names, units, gun numbers, divisions), the catalogue's cycles, and what empty or made-up cells look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dateutil.relativedelta import relativedelta

from app.intake.text import half_width


@dataclass(frozen=True, slots=True)
class Facts:
    """One instrument as the rules see it; `twins` says that another live row of the unit has the same number."""

    row: Any
    today: date
    level1: str = ""
    level2: str = ""
    mandatory: bool = True
    category_valid: bool = True
    nozzle: bool = False
    cycle_months: int | None = None
    county: bool = True
    twins: bool = False
    institute_until: date | None = None
    texts: dict[str, str] = field(default_factory=dict)
    """Folded once, asked for by many rules."""

    def text(self, key: str) -> str:
        """A column as folded text, "" for nothing."""
        if key not in self.texts:
            self.texts[key] = half_width(str(getattr(self.row, key, None) or "")).strip()
        return self.texts[key]


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """A unit as the rules see it; `phone` in the clear, for the check only."""

    code: str = ""
    phone: str = ""
    contact: str = ""
    address: str = ""
    email: str = ""
    county: bool = True
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """`weight` in points of 100; `field` is the column that cures it; `sentence` says what is wrong and what to do."""

    code: str
    weight: int
    field: str
    sentence: str
    broken: Callable[[Any], bool]


PLACEHOLDER = re.compile(
    r"(?:无|无编号|没有|不详|不明|未知|空|待补|暂无|看不清|模糊|缺失?|n/?a|none|null|test|测试|编号|xx+|[-—_/\\.*?#+]+)",
    re.IGNORECASE,
)
SAME_SIGN = re.compile(r"(.)\1{3,}")
COUNTING = ("1234567890", "0123456789")
NOZZLE = re.compile(r"[0-9A-Za-z\-.]+ ?\(\d{1,2}枪\)")
ABBREVIATED = re.compile(r"(?:CT|CR|DR|MRI?|ECG|DSA|PET|B超|X光机?|秤|表|仪|计|机)", re.IGNORECASE)
WRONG_SCALE = re.compile(r"(?:电子|计价|计重|台|地|杆|吊|案|磅|汽车|条码|打印|度盘|皮带)称(?!重|量)")
PRESSURE = re.compile(r"mpa", re.IGNORECASE)
WRONG_UNIT = re.compile(r"(?<![A-Za-z])(?:KG|Kg|kG|MM|Mm|KPA|Kpa|kpa|KPa|ML|KV|kv|Kv|HZ|hz|DB|Db)(?![A-Za-z])")
RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*[A-Za-z℃%/³²]*\s*[~～至—–-]\s*(-?\d+(?:\.\d+)?)")
GARBLED = re.compile(r"[\ufffd□■�]|锟斤拷|烫烫|\?{3,}|#(?:REF|N/A|VALUE|NAME|DIV)")
MAKER_JUNK = re.compile(r"(?:国产|进口|其他|厂家|生产厂家|\d+)")
VAGUE_PLACE = re.compile(r"(?:本?单位内?|公司内?|本公司|厂内|厂区|室内|车间|现场|使用地点|如上|同上|广东省?|本地|店内)")
MOBILE = re.compile(r"1[3-9]\d{9}")
LANDLINE = re.compile(r"0\d{2,3}-?\d{7,8}(?:-\d{1,6})?")
CODE = re.compile(r"[0-9ABCDEFGHJKLMNPQRTUWXY]{18}")
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
LONGEST = 60
"""Months: no cycle of the catalogue is longer than five years, the long-lived ones (water meters) have none."""


def _placeholder(text: str) -> bool:
    body = re.sub(r"\(\d{1,2}枪\)$", "", text)
    same = bool(SAME_SIGN.fullmatch(body)) or (len(body) >= 2 and set(body) == {"0"})
    counting = len(body) >= 4 and any(body in row for row in COUNTING)
    return bool(body) and (bool(PLACEHOLDER.fullmatch(body)) or same or counting)


def _range_upside_down(f: Facts) -> bool:
    found = RANGE.search(f.text("measuring_range").replace("(", "").replace(")", ""))
    return bool(found) and float(found.group(1)) >= float(found.group(2))  # type: ignore[union-attr]


def _after(f: Facts, earlier: str, later: str) -> bool:
    first, last = getattr(f.row, earlier, None), getattr(f.row, later, None)
    return first is not None and last is not None and first > last


def _cycle_too_long(f: Facts) -> bool:
    start, end = getattr(f.row, "verified_on", None), getattr(f.row, "valid_until", None)
    if start is None or end is None:
        return False
    months = f.cycle_months or LONGEST
    return bool(end > start + relativedelta(months=months))


def _pressure_unit(f: Facts) -> bool:
    found = PRESSURE.findall(f"{f.text('measuring_range')} {f.text('model')}")
    return any(word != "MPa" for word in found)


def _name_of_class(f: Facts) -> bool:
    return bool(f.text("name")) and f.text("name") == f.level1 and f.level1 != f.level2


RULES: tuple[Rule, ...] = (
    Rule(
        "no_class", 10, "accuracy_class", "没有填写准确度等级，请按铭牌补填。", lambda f: not f.text("accuracy_class")
    ),
    Rule("no_model", 8, "model", "没有填写型号规格，请按铭牌补填。", lambda f: not f.text("model")),
    Rule("no_range", 8, "measuring_range", "没有填写测量范围，请按铭牌补填。", lambda f: not f.text("measuring_range")),
    Rule("no_maker", 10, "manufacturer", "没有填写生产厂家，请按铭牌补填。", lambda f: not f.text("manufacturer")),
    Rule(
        "maker_junk",
        8,
        "manufacturer",
        "生产厂家写的不是厂名，请按铭牌填写全称。",
        lambda f: bool(MAKER_JUNK.fullmatch(f.text("manufacturer")) or PLACEHOLDER.fullmatch(f.text("manufacturer"))),
    ),
    Rule(
        "unclassified",
        25,
        "level2",
        "还没有归入强检目录（未分类），请选择二级目录。",
        lambda f: "未分类" in f.level2 or not f.level2,
    ),
    Rule("category_retired", 15, "level2", "所选目录已作废，请改选有效的二级目录。", lambda f: not f.category_valid),
    Rule(
        "not_mandatory",
        8,
        "level2",
        "所选目录只须型式批准、不须强制检定，请核对二级目录。",
        lambda f: not f.mandatory and bool(getattr(f.row, "compulsory", True)),
    ),
    Rule("pressure_unit", 12, "measuring_range", "压力单位写法有误，应写作 MPa（MP大写、a小写）。", _pressure_unit),
    Rule(
        "unit_case",
        6,
        "measuring_range",
        "计量单位大小写有误，例如应写作 kg、mm、kPa、mL、kV、Hz、dB。",
        lambda f: bool(WRONG_UNIT.search(f.text("measuring_range"))),
    ),
    Rule("range_order", 10, "measuring_range", "测量范围的下限不小于上限，请核对。", _range_upside_down),
    Rule(
        "range_no_digit",
        6,
        "measuring_range",
        "测量范围里没有数字，请写作 (0-30)kg 的形式。",
        lambda f: bool(f.text("measuring_range")) and not re.search(r"\d", f.text("measuring_range")),
    ),
    Rule(
        "nozzle_format",
        15,
        "serial_no",
        "加油机、加气机的出厂编号须写作“编号(枪号)”，例如 AA19070003(1枪)。",
        lambda f: f.nozzle and not NOZZLE.fullmatch(f.text("serial_no")),
    ),
    Rule(
        "serial_placeholder",
        25,
        "serial_no",
        "出厂编号像是随手填的，请按铭牌填写。",
        lambda f: _placeholder(f.text("serial_no")),
    ),
    Rule(
        "serial_short",
        8,
        "serial_no",
        "出厂编号不足三位，请核对是否漏字。",
        lambda f: len(f.text("serial_no")) < 3 and not _placeholder(f.text("serial_no")),
    ),
    Rule(
        "serial_chinese",
        6,
        "serial_no",
        "出厂编号里有说明文字，请只填铭牌上的编号，说明写在备注里。",
        lambda f: (
            bool(re.search(r"[\u4e00-\u9fff]{3,}", f.text("serial_no"))) and not _placeholder(f.text("serial_no"))
        ),
    ),
    Rule("serial_twice", 15, "serial_no", "本单位另有器具使用同一出厂编号，请核对是否重复录入。", lambda f: f.twins),
    Rule(
        "serial_is_model",
        12,
        "serial_no",
        "出厂编号与型号规格相同，请核对是否填错列。",
        lambda f: bool(f.text("model")) and f.text("serial_no").casefold() == f.text("model").casefold(),
    ),
    Rule(
        "name_short",
        10,
        "name",
        "器具名称不得简写（如CT、CR、DR），请按铭牌填写全称。",
        lambda f: bool(ABBREVIATED.fullmatch(f.text("name"))),
    ),
    Rule(
        "name_scale",
        8,
        "name",
        "器具名称中的“称”应写作“秤”。",
        lambda f: bool(WRONG_SCALE.search(f.text("name"))),
    ),
    Rule("name_of_class", 6, "name", "器具名称照抄了一级目录，请按铭牌填写名称。", _name_of_class),
    Rule(
        "garbled",
        20,
        "name",
        "内容里有乱码或表格的错误值，请重新填写。",
        lambda f: any(GARBLED.search(f.text(k)) for k in ("name", "model", "serial_no", "manufacturer", "place")),
    ),
    Rule(
        "place_short",
        10,
        "place",
        "安装/使用地点过于简单，请写清楚具体位置。",
        lambda f: len(f.text("place")) < 4 and not VAGUE_PLACE.fullmatch(f.text("place")),
    ),
    Rule(
        "place_vague",
        10,
        "place",
        "安装/使用地点没有写明位置，请写到楼栋、房间或车间名称。",
        lambda f: bool(VAGUE_PLACE.fullmatch(f.text("place"))),
    ),
    Rule("division", 15, "use_division", "使用地点行政区划须填至区县级，请重新选择。", lambda f: not f.county),
    Rule(
        "dates_reversed",
        15,
        "valid_until",
        "有效期至早于检定日期，请核对。",
        lambda f: _after(f, "verified_on", "valid_until"),
    ),
    Rule("cycle_long", 10, "valid_until", "有效期超过目录规定的检定周期，请核对证书。", _cycle_too_long),
    Rule(
        "no_due",
        10,
        "valid_until",
        "没有有效期，请按最近一次的检定证书补填，或预约检定。",
        lambda f: f.row.state == "in_use" and f.row.valid_until is None and f.row.last_result is None,
    ),
    Rule(
        "bought_late",
        6,
        "purchased_on",
        "购置时间晚于今天或晚于检定日期，请核对。",
        lambda f: bool(f.row.purchased_on and f.row.purchased_on > f.today) or _after(f, "purchased_on", "verified_on"),
    ),
    Rule(
        "made_late",
        6,
        "produced_on",
        "生产日期晚于购置时间，请核对。",
        lambda f: _after(f, "produced_on", "purchased_on"),
    ),
    Rule(
        "many",
        6,
        "quantity",
        "数量大于1但只有一个出厂编号，请每台器具录入一条。",
        lambda f: bool(f.row.quantity and f.row.quantity > 1),
    ),
    Rule(
        "institute_lapsed",
        8,
        "institute",
        "备案的技术机构授权已过期，请核对检定机构。",
        lambda f: f.institute_until is not None and f.institute_until < f.today,
    ),
)

UNIT_RULES: tuple[Rule, ...] = (
    Rule("no_contact", 15, "contact_name", "没有联系人，请补填。", lambda u: not u.contact.strip()),
    Rule("no_phone", 20, "contact_phone", "没有联系电话，请补填。", lambda u: not u.phone.strip()),
    Rule(
        "phone_format",
        15,
        "contact_phone",
        "联系电话格式不正确，机构联系不上您，请更正。",
        lambda u: (
            bool(u.phone.strip()) and not MOBILE.fullmatch(u.phone.strip()) and not LANDLINE.fullmatch(u.phone.strip())
        ),
    ),
    Rule("code", 15, "code", "统一社会信用代码缺失或有误，请更正。", lambda u: not CODE.fullmatch(u.code)),
    Rule("address", 8, "address", "单位地址过于简单，请写到门牌号。", lambda u: len(u.address.strip()) < 5),
    Rule(
        "mail_format",
        8,
        "email",
        "邮箱格式不正确，请更正。",
        lambda u: bool(u.email) and not MAIL.fullmatch(u.email),
    ),
    Rule("unit_division", 10, "division_code", "单位所在地没有选到区县，请更正。", lambda u: not u.county),
    Rule("nobody", 25, "account", "单位没有可用的账号，消息无人接收，请联系机构启用账号。", lambda u: not u.reachable),
)
BY_CODE: dict[str, Rule] = {rule.code: rule for rule in (*RULES, *UNIT_RULES)}


def faults_of(facts: Facts) -> list[str]:
    """Codes of the rules that an instrument breaks, in the order of the list."""
    return [rule.code for rule in RULES if rule.broken(facts)]


def unit_faults_of(facts: UnitFacts) -> list[str]:
    """Codes of the rules that a unit breaks."""
    return [rule.code for rule in UNIT_RULES if rule.broken(facts)]


def score_of(codes: list[str]) -> int:
    """0 to 100: what is left after every fault has taken its points."""
    return max(0, 100 - sum(BY_CODE[code].weight for code in codes if code in BY_CODE))
