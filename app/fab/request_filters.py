"""Filters, page, order read from the address: per request, typed, and only what the view allows.

Stock Flask-AppBuilder keeps one filter object per view for the whole process (wrong rows under threads, issue #2366),
answers a filter index or page that is not a number with a 500, and turns an unreadable date into IS NULL.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import g, request
from flask_appbuilder.models.filters import Filters
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

FILTER_KEY = re.compile(r"^_flt_(\d{1,2})_([A-Za-z_][\w.]*)$")
MAX_VALUES = 50  # values of one filter; more is a mistake or an attack
MAX_TEXT = 200  # characters of one value


class RequestFilters:
    """Mix in before ModelView or ModelRestApi: each request works on its own copy of the view's filters."""

    @property
    def _filters(self) -> Any:  # Filters; None until the view is set up
        prototype = self.__dict__.get("_filters_prototype")
        if prototype is None or not g:
            return prototype
        store = g.setdefault("_view_filters", {})
        if id(self) not in store:
            copy = prototype.copy()
            copy._search_filters, copy.search_columns = prototype._search_filters, prototype.search_columns
            copy.clear_filters()
            store[id(self)] = copy
        return store[id(self)]

    @_filters.setter
    def _filters(self, value: Any) -> None:
        self.__dict__["_filters_prototype"] = value


def read_filters(filters: Filters, args: MultiDict[str, str]) -> list[str]:
    """Fill `filters` from `_flt_<n>_<column>` arguments; returns a sentence for each value that could not be read."""
    filters.clear_filters()
    problems: list[str] = []
    offered = filters.get_search_filters()
    for key in args:
        match = FILTER_KEY.match(key)
        if not match or match[2] not in offered or int(match[1]) >= len(offered[match[2]]):
            continue
        column, chosen = match[2], offered[match[2]][int(match[1])]
        values: list[Any] = []
        for text in args.getlist(key)[:MAX_VALUES]:
            text = text.replace("\x00", "").strip()[:MAX_TEXT]
            if not text:
                continue
            try:
                values.append(typed(filters.datamodel, column, text))
            except ValueError as error:
                problems.append(str(error))
        if values:
            filters._add_filter(chosen, values)
    return problems


def typed(datamodel: Any, column: str, text: str) -> Any:
    """The text as the column's type; ValueError carries a sentence."""
    if datamodel.is_date(column) or datamodel.is_datetime(column):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError(gettext("筛选日期“%(text)s”无法识别，请按 2026-11-20 的样式填写。", text=text)) from None
    if datamodel.is_boolean(column):
        return text in ("1", "true", "True", "y")
    if datamodel.is_relation(column):
        return text
    if datamodel.is_enum(column):
        if text not in datamodel.list_columns[column].type.enums:
            raise ValueError(gettext("筛选项“%(text)s”不存在，已忽略。", text=text))
        return text
    if datamodel.is_integer(column):
        if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            raise ValueError(gettext("筛选数字“%(text)s”无法识别，请填写整数。", text=text))
        return int(text)
    if datamodel.is_numeric(column) or datamodel.is_float(column):
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            raise ValueError(gettext("筛选数字“%(text)s”无法识别，请填写数字。", text=text))
        return number
    return text


def int_arg(name: str, default: int | None = None) -> int | None:
    """An integer argument of the address; anything else is the default."""
    text = request.args.get(name, "")
    return int(text) if re.fullmatch(r"-?\d{1,7}", text, re.ASCII) else default


def page_args(view_name: str, default_size: int, max_size: int) -> tuple[int, int]:
    """The page (negative from the end) and its size, at most `max_size`."""
    page = int_arg(f"page_{view_name}", 0) or 0
    if goto := int_arg(f"goto_{view_name}"):  # 前往: typed by a person, who counts from one
        page = max(goto - 1, 0)
    size = int_arg(f"psize_{view_name}", default_size) or default_size
    return page, max(1, min(size, max_size))


def order_args(view_name: str, allowed: list[str]) -> tuple[str, str]:
    """The order asked for, or two empty strings when the column is not one the view allows."""
    column = request.args.get(f"_oc_{view_name}", "")
    direction = request.args.get(f"_od_{view_name}", "")
    return (column, direction) if column in allowed and direction in ("asc", "desc") else ("", "")
