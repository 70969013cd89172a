"""Filters that an index can answer, and the table that says which column gets which.

The number in a list's address (`_flt_<number>_<column>`) is the filter's place in its row of the table below;
saved addresses depend on it, so rows only ever grow at the end.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.models.sqla.filters import (
    FilterRelationManyToManyEqual,
    SQLAFilterConverter,
    get_field_setup_query,
)
from flask_babel import lazy_gettext as _
from sqlalchemy import DateTime, func, literal, or_
from sqlalchemy.orm import Query

from app.fab.grams import contains

ZONE = ZoneInfo("Asia/Shanghai")  # law: all dates are shown and meant in Chinese standard time

WALK = "quanheng_walk"
"""Execution option of a query known to match many rows: its text searches leave the index aside."""


class ColumnFilter(BaseFilter):
    """A filter on one column, dotted names joined as Flask-AppBuilder does."""

    def apply(self, query: Query, value: Any) -> Query:
        query, column = get_field_setup_query(query, self.model, self.column_name)
        return self.narrow(query, column, value)

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        raise NotImplementedError


class Equal(ColumnFilter):
    """Exactly this value."""

    name = _("等于")
    arg_name = "eq"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column == value)


class OneOf(ColumnFilter):
    """Any of the values; the whole list arrives at once because of the argument's name."""

    name = _("是其中之一")
    arg_name = "in"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column.in_(value if isinstance(value, list | tuple | set) else [value]))


class StartsWith(ColumnFilter):
    """Begins with the text; LIKE signs in the text are plain characters."""

    name = _("开头是")
    arg_name = "sw"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column.startswith(str(value), autoescape=True))


class GramContains(ColumnFilter):
    """Contains the text: by the GIN index on bigrams(column), or without it where the text stands in many rows."""

    name = _("包含")
    arg_name = "gct"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        text = str(value or "").strip()
        if not text:
            return query
        walk = bool(query.get_execution_options().get(WALK))
        return query.filter(contains(query.session, column, text, walk=walk))


class NumberEnds(ColumnFilter):
    """The beginning or the end of a number, the two parts people read out; reverse(column) carries an index."""

    name = _("开头或结尾是")
    arg_name = "num"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        text = str(value or "").strip()
        if not text:
            return query
        backwards = func.reverse(column).startswith(text[::-1], autoescape=True)
        return query.filter(or_(column.startswith(text, autoescape=True), backwards))


def _day_start(column: Any, value: date | datetime, days: int = 0) -> date | datetime:
    """A day as the column's own type: midnight in China for a moment, the date itself for a date."""
    if isinstance(column.type, DateTime) and not isinstance(value, datetime):
        return datetime.combine(value + timedelta(days=days), time.min, ZONE)
    return value + timedelta(days=days)


class FromDay(ColumnFilter):
    """On this day or later."""

    name = _("不早于")
    arg_name = "ge"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column >= _day_start(column, value))


class UntilDay(ColumnFilter):
    """On this day or earlier, the whole day counted."""

    name = _("不晚于")
    arg_name = "le"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column < _day_start(column, value, days=1))


class OnDay(ColumnFilter):
    """On this day."""

    name = _("当天")
    arg_name = "on"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column >= _day_start(column, value), column < _day_start(column, value, days=1))


class AtLeast(ColumnFilter):
    """This number or more."""

    name = _("不小于")
    arg_name = "min"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column >= value)


class AtMost(ColumnFilter):
    """This number or less."""

    name = _("不大于")
    arg_name = "max"

    def narrow(self, query: Query, column: Any, value: Any) -> Query:
        return query.filter(column <= value)


class RelationIs(ColumnFilter):
    """Belongs to the row with this key. An unknown key finds nothing; the stock filter finds all rows without one."""

    name = _("是")
    arg_name = "rel"

    def apply(self, query: Query, value: Any) -> Query:
        key = self.datamodel.get_relation_fk(self.column_name)
        target = self.datamodel.get_related_interface(self.column_name).get(value)
        if target is None:
            return query.filter(literal(False))
        pk = self.datamodel.get_related_interface(self.column_name).get_pk_value(target)
        return query.filter(getattr(self.model, key.key) == pk)


class PGFilterConverter(SQLAFilterConverter):
    """Which filters a column offers; the first test that holds decides, the order inside a row is the public number."""

    conversion_table: tuple[tuple[str, list[type[BaseFilter]]], ...] = (
        ("is_secret", []),
        ("is_relation_many_to_one", [RelationIs]),
        ("is_relation_one_to_one", [RelationIs]),
        ("is_relation_many_to_many", [FilterRelationManyToManyEqual]),
        ("is_relation_one_to_many", [FilterRelationManyToManyEqual]),
        ("is_gram", [GramContains, Equal, StartsWith, OneOf]),
        ("is_number_text", [NumberEnds, Equal, OneOf]),
        ("is_enum", [OneOf]),
        ("is_string", [OneOf, StartsWith]),
        ("is_boolean", [Equal]),
        ("is_integer", [OneOf, AtLeast, AtMost]),
        ("is_numeric", [Equal, AtLeast, AtMost]),
        ("is_float", [Equal, AtLeast, AtMost]),
        ("is_date", [FromDay, UntilDay, OnDay]),
        ("is_datetime", [FromDay, UntilDay, OnDay]),
    )
    _chosen: ClassVar[dict[tuple[type, type, str], tuple[type[BaseFilter], ...]]] = {}

    def convert(self, col_name: str) -> list[BaseFilter]:
        """The column's filters. Flask-AppBuilder asks for every column of a model several times in each request; what a
        column is does not change, so the row of the table is looked up once."""
        key = (type(self), self.datamodel.obj, col_name)
        if key not in self._chosen:
            fitting = (kinds for test, kinds in self.conversion_table if getattr(self.datamodel, test)(col_name))
            self._chosen[key] = tuple(next(fitting, ()))
        return [kind(col_name, self.datamodel) for kind in self._chosen[key]]
