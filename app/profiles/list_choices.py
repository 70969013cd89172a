"""What the ledger's list can show, be searched by and have tabs for: the values of `ledger.columns`, `search` and `tabs`."""

from __future__ import annotations

from app.profiles.column_words import words
from app.profiles.declared import Choices

LIST_COLUMNS: Choices = words(
    """
    name code category.level1 category.level2 category.code model measuring_range accuracy_class
    serial_no own_no manufacturer origin kind division.name place station purchased_on installed_on
    produced_on quantity purpose delivery_mode valid_until band institute.name last_result verified
    verified_on certificate_no type_approval_no filed_on booking state compulsory quality unit.name note
    """,
)
LIST_SEARCH: Choices = words(
    """
    name serial_no model own_no level1 category category_code state last_result booked valid_until
    institute use_division delivery_mode purpose
    """,
    name="名称、厂家、单位",
    valid_until="有效期",
    use_division="使用地点代码",
)
LIST_TABS: Choices = (
    ("unfiled", "待备案"),
    ("filing", "备案中"),
    ("in_use", "在用"),
    ("notice", "提示"),
    ("due", "即将到期、预警、须检"),
    ("overdue", "已超期、警示、超期未检"),
    ("invalid", "无效"),
    ("failed", "不合格"),
    ("never", "未检定"),
    ("suspended", "停用"),
    ("scrapped", "报废"),
    ("former", "曾用"),
)
