"""A corpus of mistakes as people make them in ledgers: one per row or per file, with what has to be said and the cure.

The rows stand in one workbook each for word and code columns, in an order drawn with a fixed seed, between good rows.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from app.intake.guidance import RowPolicy
from tests.intake.old_excel_files import container
from tests.intake.support import HEADER, book, line

SEED = 20_261_121
WORDS = RowPolicy(division="330106")
CODES = RowPolicy(coded_fields=True, division="440103")
FUEL = {"name": "燃油加油机", "level1": "加油机", "level2": "燃油加油机", "model": "42D4243F"}
GAUGE = {"name": "压力表", "level1": "压力仪表", "level2": "指示类压力表", "model": "Y-100", "purpose": "安全防护"}
HANGZHOU = {"use_division": "330106", "place": "浙江省杭州市西湖区文三路1号"}


@dataclass(frozen=True)
class Fault:
    """``changes`` to a good row; ``column`` that is complained of in words holding ``sentence``; ``cure`` the cell that
    would be right, None where only the person can know."""

    name: str
    changes: dict[str, Any]
    column: str
    sentence: str
    cure: str | None = None
    also: dict[str, str] = field(default_factory=dict)


def _fault(title, column, typed, sentence, cure=None, also=None, /, **others):
    return Fault(title, {**others, column: typed}, column, sentence, cure, also or {})


_DATE, _AMOUNT, _CATALOGUE = "不是有效日期", "不是大于0的整数", "可能有误或已作废，无法找到相对应的名称"
_PURPOSE, _DELIVERY = "器具用途须为贸易结算、安全防护", "送检方式须为送检、现场检之一"
_GUN = "出厂编号须为“编号(枪号)”格式"
_EMPTY_CATEGORY = "仪器的种别代码不能为空"

ROW_FAULTS = (
    # catalogue
    _fault("category missing, name tells", "level2", "", _EMPTY_CATEGORY, "非自动衡器", level1=""),
    _fault(
        "category missing, pressure gauge", "level2", "", _EMPTY_CATEGORY, "指示类压力表", **{**GAUGE, "level1": ""}
    ),
    _fault("level 2 missing", "level2", "", "请填写“二级目录”", "非自动衡器"),
    _fault("level 1 missing", "level1", "", "请填写“一级目录”", "非自动衡器", {"level1": "非自动衡器"}),
    _fault("level 2 unknown, name tells", "level2", "不存在的种别", _CATALOGUE, "非自动衡器"),
    _fault("level 2 mistyped", "level2", "非自动恒器", _CATALOGUE, "非自动衡器"),
    _fault("level 2 by trade name", "level2", "电子汽车衡", _CATALOGUE, "非自动衡器", name="地磅"),
    _fault(
        "level 2 without its end", "level2", "指示类压力", _CATALOGUE, "指示类压力表", **{**GAUGE, "name": "Y100表"}
    ),
    _fault("level 1 of another entry", "level1", "压力仪表", "不对应，一级目录请改为", "非自动衡器"),
    _fault(
        "levels exchanged",
        "level2",
        "加油机",
        _CATALOGUE,
        "燃油加油机",
        serial_no="AA2(1枪)",
        **{**FUEL, "level1": "燃油加油机"},
    ),
    _fault(
        "entry for type approval alone",
        "level2",
        "称重传感器",
        _CATALOGUE,
        "990000",
        level1="称重传感器",
        name="传感器",
    ),
    _fault("vernier caliper is not compulsory", "level2", "", _EMPTY_CATEGORY, "990000", level1="", name="游标卡尺"),
    _fault(
        "thermo-hygrometer is not compulsory",
        "level2",
        "温湿度计",
        _CATALOGUE,
        "990000",
        name="温湿度计",
        level1="其他",
    ),
    _fault(
        "blood pressure meter by name",
        "level2",
        "电子血压计",
        _CATALOGUE,
        "无创自动测量血压计",
        level1="血压计(表)",
        name="电子血压计",
        purpose="医疗卫生",
    ),
    _fault(
        "gas alarm by name",
        "level2",
        "",
        _EMPTY_CATEGORY,
        "可燃气体检测报警器",
        level1="",
        name="可燃气体探测器",
        purpose="安全防护",
    ),
    # name
    _fault("scale with the wrong character", "name", "电子计价称", "应写作“秤”", "电子计价秤"),
    _fault("platform scale with the wrong character", "name", "电子台称", "应写作“秤”", "电子台秤"),
    _fault("name missing", "name", "", "请填写“器具名称”"),
    _fault(
        "bare CT",
        "name",
        "CT",
        "器具名称不得简写",
        "医用诊断螺旋计算机断层摄影装置(CT)X射线辐射源",
        level1="医用诊断X射线设备",
        level2="医用诊断X射线设备",
        purpose="医疗卫生",
    ),
    _fault(
        "bare DR in full width",
        "name",
        "ＤＲ",
        "器具名称不得简写",
        "医用数字摄影(DR)系统X射线(辐射源)",
        level1="医用诊断X射线设备",
        level2="医用诊断X射线设备",
        purpose="医疗卫生",
    ),
    _fault("name too long", "name", "秤" * 101, "超过100字"),
    # range and units
    _fault("Mpa", "measuring_range", "(0~1.6)Mpa", "MP大写、a小写", "(0~1.6)MPa", **GAUGE),
    _fault("MPA", "measuring_range", "(0~2.5)MPA", "MP大写、a小写", "(0~2.5)MPa", **GAUGE),
    _fault(
        "mpa in the model",
        "model",
        "Y-100 0-1mpa",
        "MP大写、a小写",
        "Y-100 0-1MPa",
        **{k: v for k, v in GAUGE.items() if k != "model"},
    ),
    _fault("full-width MPA", "measuring_range", "(0~4)ＭＰＡ", "MP大写、a小写", "(0~4)MPa", **GAUGE),
    # serial number
    _fault("serial missing", "serial_no", "", "请填写“出厂编号”"),
    _fault("serial of twenty digits as a number", "serial_no", 12345678901234567890, "尾数已失真"),
    _fault("gun missing", "serial_no", "AA19070003", _GUN, None, **FUEL),
    _fault("gun misprinted", "serial_no", "AA19070004(2抢)", _GUN, "AA19070004(2枪)", **FUEL),
    _fault("gun after a hyphen", "serial_no", "AA19070005-6枪", _GUN, "AA19070005(6枪)", **FUEL),
    _fault("gun as a number sign", "serial_no", "AA19070006#3", _GUN, "AA19070006(3枪)", **FUEL),
    _fault("gun in brackets without its word", "serial_no", "AA19070007(1)", _GUN, "AA19070007(1枪)", **FUEL),
    _fault("gun before the serial", "serial_no", "4枪AA19070008", _GUN, "AA19070008(4枪)", **FUEL),
    _fault("gun with 号", "serial_no", "AA19070009 2号枪", _GUN, "AA19070009(2枪)", **FUEL),
    _fault("gun in the name", "serial_no", "1809025P", _GUN, "1809025P(5枪)", **{**FUEL, "name": "5#加油枪"}),
    # dates
    _fault("30 February", "valid_until", "2027.02.30", _DATE, "2027-02-28"),
    _fault("31 April", "valid_until", "2027-04-31", _DATE, "2027-04-30"),
    _fault("two-digit year", "valid_until", "27.7.12", _DATE, "2027-07-12"),
    _fault("six digits", "valid_until", "270712", _DATE, "2027-07-12"),
    _fault("month alone", "valid_until", "2027年7月", _DATE, "2027-07-31"),
    _fault("day first", "valid_until", "31/12/2027", _DATE, "2027-12-31"),
    _fault("span of dates", "valid_until", "2026.07.12至2027.07.11", _DATE, "2027-07-11"),
    _fault("Chinese figures", "valid_until", "二〇二七年七月十二日", _DATE, "2027-07-12"),
    _fault("serial number of the day as text", "valid_until", "46581", _DATE, "2027-07-13"),
    _fault("commas", "purchased_on", "2025,7,12", _DATE, "2025-07-12"),
    _fault("mixed signs", "purchased_on", "2025-7.12", _DATE, "2025-07-12"),
    _fault("full stop behind", "purchased_on", "2025.7.12。", _DATE, "2025-07-12"),
    _fault("word in the place of a date", "valid_until", "长期有效", _DATE),
    _fault("month thirteen", "valid_until", "2027-13-01", _DATE),
    _fault("year 2207", "valid_until", "2207-01-01", _DATE),
    # quantity
    _fault("one in words", "quantity", "一台", _AMOUNT, "1"),
    _fault("two in words", "quantity", "两台", _AMOUNT, "2"),
    _fault("twelve in words", "quantity", "十二块", _AMOUNT, "12"),
    _fault("number with its measure", "quantity", "3台", _AMOUNT, "3"),
    _fault("one point nought as text", "quantity", "1.0", _AMOUNT, "1"),
    _fault("some", "quantity", "若干", _AMOUNT),
    _fault("half", "quantity", 0.5, _AMOUNT),
    _fault("nought", "quantity", 0, _AMOUNT),
    # closed lists
    _fault("trade in short", "purpose", "贸易", _PURPOSE, "贸易结算"),
    _fault("trade otherwise", "purpose", "商品交易", _PURPOSE, "贸易结算"),
    _fault("medical in short", "purpose", "医疗", _PURPOSE, "医疗卫生"),
    _fault("environment in short", "purpose", "环保监测", _PURPOSE, "环境监测"),
    _fault("safety in short", "purpose", "安全", _PURPOSE, "安全防护"),
    _fault("safety mistyped", "purpose", "安全防户", _PURPOSE, "安全防护"),
    _fault(
        "purpose missing, name tells",
        "purpose",
        "",
        "请填写“器具用途”",
        "安全防护",
        **{k: v for k, v in GAUGE.items() if k != "purpose"},
    ),
    _fault("purpose nobody knows", "purpose", "自用", _PURPOSE),
    _fault("at the door", "delivery_mode", "上门检定", _DELIVERY, "现场检"),
    _fault("on site mistyped", "delivery_mode", "现场捡", _DELIVERY, "现场检"),
    _fault("sent by oneself", "delivery_mode", "自送", _DELIVERY, "送检"),
    _fault("to the laboratory", "delivery_mode", "送实验室", _DELIVERY, "送检"),
    _fault("made at home", "origin", "中国", "器具产地须为国产、进口之一", "国产"),
    _fault("made in Germany", "origin", "德国", "器具产地须为国产、进口之一", "进口"),
    _fault(
        "purpose and delivery exchanged",
        "purpose",
        "现场检",
        _PURPOSE,
        "贸易结算",
        {"delivery_mode": "现场检"},
        delivery_mode="贸易结算",
    ),
    # divisions
    _fault("city code, address tells", "use_division", "330100", "是属于市级代码", "330106", place=HANGZHOU["place"]),
    _fault("city code, unit tells", "use_division", "330100", "是属于市级代码", "330106", place="一号车间"),
    _fault("province code", "use_division", "330000", "是属于省级代码", "330108", place="杭州市滨江区江南大道"),
    _fault("unknown code, address tells", "use_division", "330199", "不存在", "330106", place=HANGZHOU["place"]),
    _fault("county in words", "use_division", "西湖区", "不是6位数字代码", "330106"),
    _fault("whole address", "use_division", "浙江省杭州市余杭区", "不是6位数字代码", "330110"),
    _fault("county in short", "use_division", "内蒙古五原", "不是6位数字代码", "150821"),
    _fault("code and name", "use_division", "440103荔湾区", "不是6位数字代码", "440103"),
    _fault("letter O for nought", "use_division", "44O103", "不是6位数字代码", "440103"),
    _fault("code with blanks", "use_division", "44 01 03", "不是6位数字代码", "440103"),
    _fault("name of a city without counties", "use_division", "广东省东莞市", "不是6位数字代码", "441900"),
    _fault(
        "division and place exchanged",
        "use_division",
        "农贸市场1号",
        "不是6位数字代码",
        "440103",
        {"place": "农贸市场1号"},
        place="440103",
    ),
    _fault("division missing", "use_division", "", "请填写“使用地点行政区划”", "330106"),
    _fault("a country", "use_division", "中国", "不是6位数字代码"),
    _fault("place missing", "place", "", "请填写“安装/使用地点”"),
    _fault("formula", "place", "=1+1", "单元格含公式，请粘贴为数值"),
)

CODED_GOOD = {"purpose": "3", "delivery_mode": "2", "origin": "1"}
_ONLY_NUMBERS = "代码只能为数字："
CODED_FAULTS = (
    _fault("purpose in words", "purpose", "贸易结算", "器具用途" + _ONLY_NUMBERS, "3"),
    _fault("purpose with its number", "purpose", "1.安全防护", "器具用途" + _ONLY_NUMBERS, "1"),
    _fault("delivery in words", "delivery_mode", "现场", "送检方式" + _ONLY_NUMBERS, "2"),
    _fault("origin in words", "origin", "国产", "器具产地" + _ONLY_NUMBERS, "1"),
)


def write_corpus(path, faults, base=None):
    """Write one row per fault in a drawn order, good rows between; return row number → fault."""
    drawn = random.Random(SEED)
    order = list(faults)
    drawn.shuffle(order)
    rows, places = [["强制检定器具信息"], HEADER], {}
    for number, fault in enumerate(order):
        changes = {"serial_no": f"F{drawn.randrange(10**6):06}-{number}", "name": "电子计价秤", **(base or {})}
        rows.append(line(**{**changes, **fault.changes}))
        places[len(rows)] = fault
        if drawn.random() < 0.3:
            rows.append(line(**{**changes, "serial_no": f"G-{number}"}))
    book(path, ("器具信息", rows))
    return places


def repeated_row(path):
    """The same instrument twice: said, and for the person to settle."""
    return book(path, ("器具信息", [HEADER, line(), line(serial_no="2"), line(name="电子计价秤 ")]))


def _without(path, label):
    rows = [[cell for cell, heading in zip(row, HEADER, strict=True) if heading != label] for row in (HEADER, line())]
    return book(path, ("器具信息", rows))


def _bytes(content):
    def write(path):
        path.write_bytes(content)
        return path

    return write


# name, builder of the file, words of the sentence
FILE_FAULTS = (
    ("no serial column", lambda path: _without(path, "出厂编号"), "文件缺少必填列：出厂编号"),
    ("no use column", lambda path: _without(path, "器具用途"), "文件缺少必填列：器具用途"),
    ("column twice", lambda p: book(p, ("a", [[*HEADER, "编号"], [*line(), "1"]])), "文件中“编号”列重复"),
    ("no header", lambda path: book(path, ("a", [["压力表", "Y-100"], ["压力表", "Y-60"]])), "没有找到表头"),
    ("nothing below the header", lambda path: book(path, ("a", [HEADER])), "文件中没有数据行"),
    ("empty sheet", lambda path: book(path, ("a", [])), "没有找到表头"),
    ("empty file", _bytes(b""), "文件是空的"),
    ("picture", _bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)), "这是图片文件"),
    ("photo", _bytes(b"\xff\xd8\xff\xe0" + bytes(64)), "这是图片文件"),
    ("PDF", _bytes(b"%PDF-1.7\n"), "这是 PDF 文件"),
    ("page of the web", _bytes(b"<html><table></table></html>"), "这是网页（HTML）格式的文件"),
    ("packed file", _bytes(b"Rar!\x1a\x07" + bytes(64)), "这是压缩文件"),
    ("half a file", _bytes(b"PK\x03\x04" + bytes(64)), "文件不完整或已损坏"),
    ("locked file", _bytes(container({"EncryptedPackage": b"x"})), "文件设有打开密码"),
    ("document", _bytes(container({"WordDocument": b"x"})), "这不是 Excel 工作簿"),
)
