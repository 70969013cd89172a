"""The columns of a ledger row: one declaration for the import, the template and the web form.

Sources: the 18 columns of the national and Bayannur import template; aliases from the Guangdong and
Zhejiang forms, whose headings differ. ``category_code`` is Guangdong's 种别代码 and replaces both catalogue
columns where a file carries it. ``FIELDS`` is the national list; ``ALL_FIELDS`` the union of the manuals (LED-03),
of which a deployment shows some under its own words: :func:`field_set`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

from app.intake.text import label_key

TEMPLATE_VERSION = "2"


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a closed list: stored value, label shown, numeric code of coded templates, other spellings."""

    value: str
    label: str
    code: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One column. ``kind`` is text, choice, date, quantity, division, category, code or institute.

    ``max_length`` in characters. ``required``: without it a row is refused. ``wanted``: the form asks for it; an imported
    row without it is taken and marked 待完善 (LED-16).
    """

    key: str
    label: str
    kind: str = "text"
    required: bool = False
    max_length: int = 100
    aliases: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    hint: str = ""
    example: str = ""
    wanted: bool = False


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
RESULTS = (Choice("pass", "合格", "1"), Choice("fail", "不合格", "2"))
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
MORE_FIELDS: tuple[Field, ...] = (
    Field("kind", "器具类型", "choice", aliases=("类型",), choices=KINDS, example="工作计量器具"),
    CATEGORY_CODE,
    Field("station", "所属充电站", aliases=("充电站",), example="滨江充电站"),
    Field("installed_on", "安装日期", "date", aliases=("安装时间",), example="2026-03-20"),
    Field("produced_on", "生产日期", "date", aliases=("出厂日期",), example="2026-01-08"),
    Field("institute", "检定机构", "institute", aliases=("上次检定机构",), hint="平台上登记的技术机构全称"),
    Field("last_result", "检定结论", "choice", aliases=("检定结果",), choices=RESULTS, example="合格"),
    Field("type_approval_no", "型批证书号", max_length=50, aliases=("型式批准证书号",)),
)
AUTO_FIELDS: tuple[Field, ...] = (
    Field("certificate_no", "证书编号", hint="检定后由证书写入"),
    Field("code", "计量器具编码", hint="首次提交预约或备案时由系统编制"),
    Field("supervision", "监管方式", hint="由强检目录确定"),
)
"""Shown on the form, never typed."""
EXTRA_FIELDS: tuple[Field, ...] = (Field("nozzles", "加油枪"), Field("attachments", "相关资料"))
"""Kept in tables of their own: rows of nozzles and files."""

_ORDER = (
    *("name", "kind", "level1", "level2", "category_code", "model", "measuring_range", "accuracy_class", "serial_no"),
    *("own_no", "manufacturer", "origin", "use_division", "place", "station", "purchased_on", "installed_on"),
    *("produced_on", "quantity", "purpose", "delivery_mode", "valid_until", "institute", "last_result"),
    *("type_approval_no", "note"),
)
FIELD_BY_KEY: dict[str, Field] = {field.key: field for field in (*FIELDS, *MORE_FIELDS)}
ALL_FIELDS: tuple[Field, ...] = tuple(FIELD_BY_KEY[key] for key in _ORDER)
"""Every column that can be typed (LED-03), in the order of forms and templates."""
FIELD_KEYS: tuple[str, ...] = tuple(field.key for field in FIELDS)
SHOWN_FIELDS: dict[str, Field] = {field.key: field for field in (*ALL_FIELDS, *AUTO_FIELDS, *EXTRA_FIELDS)}
LABELS: dict[str, str] = {key: field.label for key, field in FIELD_BY_KEY.items()}
REQUIRED_KEYS: tuple[str, ...] = tuple(field.key for field in FIELDS if field.required)


def field_set(
    keys: Iterable[str], required: Collection[str] = (), labels: Mapping[str, str] | None = None
) -> tuple[Field, ...]:
    """The typed fields of one deployment, in the order of ``ALL_FIELDS``, under its words.

    ``required`` are those its form insists on. Of them only the columns that no row can do without
    (``REQUIRED_KEYS``) stay required of an import, the others become ``wanted``. Unknown keys raise KeyError; keys of
    ``AUTO_FIELDS`` and ``EXTRA_FIELDS`` are passed over.
    """
    wanted = {SHOWN_FIELDS[key].key for key in keys}
    words = labels or {}
    return tuple(
        replace(
            field,
            label=words.get(field.key, field.label),
            aliases=_aliases(field, words.get(field.key, field.label)),
            required=field.required,
            wanted=field.key in required and not field.required,
        )
        for field in ALL_FIELDS
        if field.key in wanted
    )


def _aliases(field: Field, label: str) -> tuple[str, ...]:
    """All spellings but the one shown: a file made under another deployment's words is still read."""
    return tuple(word for word in (field.label, *field.aliases) if word != label)


def template_version(fields: Iterable[Field]) -> str:
    """The version that a template of ``fields`` names: another set of columns or words is another version."""
    shown = tuple(fields)
    if shown == FIELDS:
        return TEMPLATE_VERSION
    marks = "|".join(f"{field.key}:{field.label}:{field.required or field.wanted:d}" for field in shown)
    return f"{TEMPLATE_VERSION}-{crc32(marks.encode()) % 10_000:04d}"


def heading_keys(fields: Iterable[Field]) -> dict[str, str]:
    """Folded heading (:func:`label_key`) → field key. Words of ``fields`` win over their aliases, and these over the
    words of fields the deployment does not show."""
    found: dict[str, str] = {}
    shown = tuple(fields)
    for words in (
        [(f.key, (f.label,)) for f in shown],
        [(f.key, f.aliases) for f in shown],
        [(f.key, (f.label, *f.aliases)) for f in (*FIELDS, *MORE_FIELDS)],
    ):
        for key, labels in words:
            for label in labels:
                found.setdefault(label_key(label), key)
    return found


# Columns of the error workbook; a corrected one is imported as it is, so the reader must know them.
ROW_NUMBER_LABEL = "行号"
PROBLEM_LABEL = "问题"
