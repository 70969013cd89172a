"""The settings of the ledger, the catalogue and imports: which fields, words' places, locks and ways (U-2)."""

from __future__ import annotations

from app.profiles.column_words import words
from app.profiles.declared import Choices, Setting
from app.profiles.list_choices import LIST_COLUMNS, LIST_SEARCH, LIST_TABS

FINDING = "检定结论"
"""What forms call the last result; lists and papers say 检定结果."""
LEDGER_FIELDS: Choices = words(
    """
    name kind level1 level2 category_code model measuring_range accuracy_class serial_no own_no
    manufacturer origin use_division place station purchased_on installed_on produced_on quantity
    purpose delivery_mode valid_until institute last_result type_approval_no note nozzles attachments
    """,
    last_result=FINDING,
)
COMPUTED: Choices = words(
    """
    institute last_result certificate_no code supervision
    """,
    last_result=FINDING,
)
DUPLICATE_KEYS = ("name", "model", "serial_no", "own_no", "manufacturer")
FIELDS: Choices = tuple(pair for pair in LEDGER_FIELDS if pair[0] in DUPLICATE_KEYS)
SCOPES: Choices = (("unit", "同一使用单位内"), ("system", "整个平台"))
NOTATIONS: Choices = (
    ("serial_suffix", "出厂编号后加枪号，例如 AA19070003(6枪)"),
    ("name_prefix", "名称前加枪号，例如 5#加油枪"),
    ("gun_rows", "加油机下逐枪登记"),
)
LOCKS: Choices = (
    ("in_appointment", "预约流程中的器具不能修改"),
    ("filed_partial", "备案通过后只能修改部分信息"),
    ("none", "随时可以修改"),
)
DELETE_RULES: Choices = (
    ("never_booked", "从未预约、检定的器具"),
    ("not_filed", "未备案的器具"),
    ("any", "没有未办结业务的器具"),
    ("to_history", "不删除，移入曾用计量器具库"),
)
IMPORT_MODES: Choices = (("rows", "逐行导入"), ("address", "更新地址"), ("nozzle", "更换加油枪"))
PV: Choices = (("required", "备案前必须上传"), ("optional", "可以上传"), ("off", "不要求"))

LEDGER_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "ledger.duplicate_key",
        "list",
        "查重依据",
        "这些内容全部相同的器具视为同一台，不能重复录入；只影响以后的录入。",
        FIELDS,
        required=True,
    ),
    Setting(
        "ledger.duplicate_scope",
        "choice",
        "查重范围",
        "同一器具不能重复录入的范围；只影响以后的录入。",
        SCOPES,
        required=True,
    ),
    Setting(
        "ledger.duplicate_includes_scrapped",
        "bool",
        "查重包括报废和曾用的",
        "开启时与已报废或已转入曾用库的器具相同也不能录入；关闭时只与台账中的器具比较。",
    ),
    Setting("ledger.noun", "text", "器具的称呼", "台账页面怎样称呼计量器具。", highest=10, required=True),
    Setting("ledger.fields", "list", "台账填写的内容", "新增、修改和导入模板中的列。", LEDGER_FIELDS, required=True),
    Setting(
        "ledger.required",
        "list",
        "必填的内容",
        "表单中必须填写；导入时缺少的可先录入，标为“待完善”。",
        LEDGER_FIELDS,
        required=True,
    ),
    Setting("ledger.computed", "list", "只显示的内容", "由证书、备案或目录写入，表单中只显示。", COMPUTED),
    Setting("ledger.gun_notation", "choice", "加油枪的写法", "加油机、加气机怎样写明枪号。", NOTATIONS, required=True),
    Setting("ledger.edit_lock", "choice", "何时不能修改", "台账记录在什么情况下不能修改。", LOCKS, required=True),
    Setting(
        "ledger.delete_rule",
        "choice",
        "可以删除的器具",
        "使用单位可以从台账中删除哪些器具。",
        DELETE_RULES,
        required=True,
    ),
    Setting("ledger.coded_fields", "bool", "导入用数字代码", "导入文件中器具用途、送检方式等用数字代码填写。"),
    Setting(
        "ledger.catalogue_name", "text", "目录文件名称", "导入页提供下载的强检目录叫什么。", highest=30, required=True
    ),
    Setting(
        "ledger.divisions_name", "text", "区划文件名称", "导入页提供下载的行政区划叫什么。", highest=30, required=True
    ),
    Setting(
        "category.level_labels", "lines", "目录两级的名称", "两行：第一级和第二级的名称。", highest=12, required=True
    ),
    Setting(
        "ledger.columns",
        "list",
        "台账列表的列",
        "按次序显示；每个人可以用“选择列”改成自己的。",
        LIST_COLUMNS,
        required=True,
    ),
    Setting(
        "ledger.search", "list", "台账的查询条件", "前四项总是显示，其余在“更多条件”中。", LIST_SEARCH, required=True
    ),
    Setting(
        "ledger.exports_per_hour",
        "int",
        "每小时导出次数",
        "一个账号在一小时内最多导出台账的次数，Excel和CSV合并计算。",
        lowest=1,
        highest=1_000,
    ),
    Setting("ledger.tabs", "list", "台账的标签页", "“全部”之后的标签页；预警方式没有的不显示。", LIST_TABS),
    Setting("category.show_code", "bool", "显示种别代码", "目录选择和器具信息中显示种别代码。"),
    Setting("category.rules", "bool", "填写规则", "录入时按《五类内容填写》给出建议和提示。"),
    Setting("category.redirects", "bool", "改选目录", "按填写规则改选二级目录，例如水分测定仪改选谷物容重器。"),
    Setting("category.spelling_blocks", "bool", "错字不能保存", "器具名称把“秤”写成“称”时不能保存；关闭时自动更正。"),
    Setting("category.taxi_prefix", "text", "车牌前缀", "出租车计价器名称示例中的车牌前缀。", highest=4, required=True),
    Setting(
        "category.pv_certificate",
        "choice",
        "“型式评价”证书",
        "监管方式为“P+V”类的器具是否须上传“型式评价”证书。",
        PV,
        required=True,
    ),
    Setting("import.modes", "list", "更多导入", "导入页在整份文件导入之外提供的方式。", IMPORT_MODES),
    Setting(
        "import.atomic",
        "bool",
        "整份文件一次导入",
        "有一行不合格时整份文件都不写入；关闭时先写入合格的行，其余留待更正。",
    ),
    Setting(
        "import.three_meters", "lines", "三表", "“更新地址”适用的器具，每行一个一级目录或二级目录名称。", highest=60
    ),
)
