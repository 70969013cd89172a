"""The columns of a ledger row: one declaration for the import, the template and the web form.

Sources: the 18 columns of the national and Bayannur import template; aliases from the Guangdong and
Zhejiang forms, whose headings differ. ``category_code`` is Guangdong's 种别代码 and replaces both catalogue
columns where a file carries it.
"""

from __future__ import annotations

from dataclasses import dataclass

TEMPLATE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a closed list: stored value, label shown, numeric code of coded templates, other spellings."""

    value: str
    label: str
    code: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One column. ``kind`` is text, choice, date, quantity, division or category; ``max_length`` in characters."""

    key: str
    label: str
    kind: str = "text"
    required: bool = False
    max_length: int = 100
    aliases: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    hint: str = ""
    example: str = ""


ORIGINS = (Choice("domestic", "国产", "1"), Choice("imported", "进口", "2"))
KIND_WORDS = {"working": "工作计量器具", "standard": "计量标准器具"}
KINDS = (Choice("working", KIND_WORDS["working"], "1"), Choice("standard", KIND_WORDS["standard"], "2"))
# Order of the list as the national sentence names it; codes follow the Guangdong manual's own order.
PURPOSES = (
    Choice("trade", "贸易结算", "3"),
    Choice("safety", "安全防护", "1"),
    Choice("medical", "医疗卫生", "2"),
    Choice("environment", "环境监测", "4"),
)
DELIVERY_MODES = (
    Choice("deliver", "送检", "1", ("送检检定",)),
    Choice("onsite", "现场检", "2", ("现场", "现场检定")),
)

FIELDS: tuple[Field, ...] = (
    Field(
        "name",
        "器具名称",
        required=True,
        aliases=("仪器名称", "计量器具名称"),
        hint="按铭牌填写全称，不得简写",
        example="电子计价秤",
    ),
    Field(
        "level1",
        "一级目录",
        "category",
        required=True,
        aliases=("项别", "器具项别"),
        hint="从《强检器具目录》中选择",
        example="非自动衡器",
    ),
    Field(
        "level2",
        "二级目录",
        "category",
        required=True,
        aliases=("种别", "器具种别", "种类"),
        hint="从《强检器具目录》中选择",
        example="非自动衡器",
    ),
    Field("model", "型号规格", aliases=("规格型号", "型号"), example="ACS-30"),
    Field("measuring_range", "测量范围", hint="压力单位写作 MPa（MP大写、a小写）", example="(0-30)kg"),
    Field("accuracy_class", "准确度等级", max_length=50, aliases=("准确度",), example="Ⅲ"),
    Field(
        "serial_no",
        "出厂编号",
        required=True,
        aliases=("编号", "器具编号"),
        hint="加油机、加气机填“编号(枪号)”，例如 AA19070003(1枪)",
        example="A30-0001",
    ),
    Field("own_no", "自编号", max_length=50, aliases=("单位自编号", "管理编号")),
    Field(
        "manufacturer", "生产厂家", aliases=("制造单位", "生产厂商", "生产单位", "制造厂"), example="上海大华电子秤厂"
    ),
    Field("origin", "器具产地", "choice", aliases=("产地",), choices=ORIGINS, example="国产"),
    Field(
        "use_division",
        "使用地点行政区划",
        "division",
        required=True,
        aliases=("使用区域", "行政区划", "使用区域代码", "行政区划代码"),
        hint="6位区县级代码，见《行政区划信息》",
        example="440103",
    ),
    Field(
        "place",
        "安装/使用地点",
        required=True,
        max_length=200,
        aliases=("安装使用地点", "使用地点", "器具安装地点", "安装地点", "安装/使用地址"),
        example="农贸市场1号",
    ),
    Field("purchased_on", "购置时间", "date", aliases=("购置日期",), example="2026-03-14"),
    Field("quantity", "器具数量", "quantity", aliases=("数量",), hint="大于0的整数，空白按1计", example="1"),
    Field("purpose", "器具用途", "choice", required=True, aliases=("用途",), choices=PURPOSES, example="贸易结算"),
    Field(
        "delivery_mode",
        "送检方式",
        "choice",
        required=True,
        aliases=("检定方式",),
        choices=DELIVERY_MODES,
        example="现场检",
    ),
    Field("valid_until", "有效期至", "date", aliases=("有效期", "有效日期", "检定有效期"), example="2027-03-13"),
    Field("note", "备注", max_length=500),
)
CATEGORY_CODE = Field("category_code", "种别代码", "code", max_length=20, aliases=("种类代码",))

FIELD_BY_KEY: dict[str, Field] = {field.key: field for field in (*FIELDS, CATEGORY_CODE)}
FIELD_KEYS: tuple[str, ...] = tuple(field.key for field in FIELDS)
LABELS: dict[str, str] = {key: field.label for key, field in FIELD_BY_KEY.items()}
REQUIRED_KEYS: tuple[str, ...] = tuple(field.key for field in FIELDS if field.required)

# Columns of the error workbook; a corrected one is imported as it is, so the reader must know them.
ROW_NUMBER_LABEL = "行号"
PROBLEM_LABEL = "问题"
