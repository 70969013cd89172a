"""What the columns of the ledger are called before a deployment gives them words of its own: the models' comments.

One source: a column's word stands at the column. Only what is no column of its own is named here.
"""

from __future__ import annotations

from sqlalchemy import inspect

from app.profiles.declared import Choices
from models.instrument import Instrument
from models.reference import Category

_OF_INSTRUMENT = {column.key: str(column.comment) for column in inspect(Instrument).columns}
_OF_CATEGORY = {column.key: str(column.comment) for column in inspect(Category).columns}
OTHERS = {
    "level1": _OF_CATEGORY["level1"],
    "level2": _OF_CATEGORY["level2"],
    "category": _OF_INSTRUMENT["category_id"],
    "category_code": _OF_CATEGORY["code"],
    "supervision": _OF_CATEGORY["supervision"],
    "institute": _OF_INSTRUMENT["institute_id"],
    "institute.name": _OF_INSTRUMENT["institute_id"],
    "division.name": _OF_INSTRUMENT["use_division"],
    "unit.name": _OF_INSTRUMENT["unit_id"],
    **{f"category.{key}": word for key, word in _OF_CATEGORY.items()},
    # kept in tables of their own, or computed
    "nozzles": "加油枪",
    "attachments": "相关资料",
    "band": "预警提示",
    "verified": "是否检定",
    "booking": "预约状态",
    "booked": "是否流程在预约中",
}
"""Keys of forms and lists that are no column of `Instrument`, or that name one differently."""


def words(keys: str, **instead: str) -> Choices:
    """The keys, parted by blanks, with their words in that order; `instead` where a place means something else than the
    column. Raises KeyError for what is no column."""
    return tuple((key, instead.get(key) or OTHERS.get(key) or _OF_INSTRUMENT[key]) for key in keys.split())
