"""The data layer under every list and form: PostgreSQL habits that keep five million rows as quick as five hundred."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from flask_appbuilder.exceptions import DatabaseException
from flask_appbuilder.models.filters import Filters
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import BigInteger, Integer, SmallInteger, Uuid, asc, desc, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Query

from app.fab.dberrors import explain
from app.fab.filters import WALK, PGFilterConverter
from app.fab.paging import CappedInt, Window, window

log = logging.getLogger(__name__)


class PGInterface(SQLAInterface):
    """Flask-AppBuilder's interface with capped counts, cheap deep pages, eager loads and errors that are safe to show.

    `load` holds loader options (joinedload, selectinload) for lists and single rows; `cap` says how far rows are counted
    for the person of this request. The constructor stays callable with the model alone because related selects build
    themselves that way.
    """

    COUNT_CAP = 10_000
    MAX_PAGE_SIZE = 200
    filter_converter_class = PGFilterConverter

    def __init__(
        self, obj: type, session: Any = None, load: Iterable[Any] = (), cap: Callable[[], int] | None = None
    ) -> None:
        super().__init__(obj, session)
        self.load: tuple[Any, ...] = tuple(load)
        self.cap = cap or (lambda: self.COUNT_CAP)
        self.default_order: tuple[str, str] | None = None

    # -- what a column is ---------------------------------------------------------------------------------------

    def column_info(self, name: str) -> dict[str, Any]:
        """The `info` dictionary of a column, empty for relations and computed names."""
        column = self.list_columns.get(name)
        return dict(column.info) if column is not None else {}

    def is_gram(self, name: str) -> bool:
        """Declared info={"gram": True}: a GIN index on bigrams(column) answers substring searches."""
        return bool(self.column_info(name).get("gram"))

    def is_number_text(self, name: str) -> bool:
        """Declared info={"number": True}: a factory or certificate number, searched by beginning or end."""
        return bool(self.column_info(name).get("number"))

    def is_secret(self, name: str) -> bool:
        """Declared info={"secret": True}: no filter may reach it (CVE-2022-31177)."""
        return bool(self.column_info(name).get("secret"))

    # -- reading ------------------------------------------------------------------------------------------------

    def query_count(self, query: Query, filters: Filters | None = None, select_columns: list[str] | None = None) -> int:
        """How many rows match, counted no further than the cap."""
        cap = self.cap()
        matching = self.apply_filters(query, self.get_inner_filters(filters))
        # the attribute, not the table's bare column: only a statement that names the entity is narrowed to what is seen
        keys = matching.with_entities(self.get_pk()).order_by(None).limit(cap + 1)
        found = self.session.scalar(select(func.count()).select_from(keys.subquery())) or 0
        return CappedInt(cap) if found > cap else found

    def query(
        self,
        filters: Filters | None = None,
        order_column: str = "",
        order_direction: str = "",
        page: int | None = None,
        page_size: int | None = None,
        select_columns: list[str] | None = None,
        outer_default_load: bool = False,
    ) -> tuple[int, list[Any]]:
        """A count (capped) and one page of rows. A list without an order of its own gets the default one."""
        if not order_column and page_size:
            order_column, order_direction = self._default_order()
        page_size = min(page_size, self.MAX_PAGE_SIZE) if page_size else page_size
        if select_columns or not page_size:
            return super().query(
                filters, order_column, order_direction, max(page or 0, 0), page_size, select_columns, outer_default_load
            )
        base = self.session.query(self.obj)
        count = self.query_count(base, filters)
        slice_ = window(page or 0, page_size, count)
        if not count:
            return count, []
        if isinstance(count, CappedInt) and not slice_.deep:
            # so many match that walking the order finds a page sooner than sorting all that an index finds
            base = base.execution_options(**{WALK: True})
        few = not isinstance(count, CappedInt) and order_column in self.list_columns
        rows = (self._rows_of_few if few else self._rows)(base, filters, order_column, order_direction, slice_)
        return count, rows[::-1] if slice_.backwards else rows

    def _default_order(self) -> tuple[str, str]:
        pk = self.get_pk_name()
        return self.default_order or ((pk if isinstance(pk, str) else pk[0]) if pk else "", "desc")

    def _rows_of_few(
        self, base: Query, filters: Filters | None, column: str, direction: str, slice_: Window
    ) -> list[Any]:
        """One slice of rows known to be few: found as the count found them, then sorted. Asked for a page in its order,
        the planner would rather walk the whole order, hoping to meet them soon."""
        if slice_.backwards:
            direction = "asc" if direction == "desc" else "desc"
        pk, order = self.get_pk(), getattr(self.obj, column)
        matching = self.apply_filters(base, self.get_inner_filters(filters)).with_entities(
            pk.label("page_key"), order.label("page_order")
        )
        turn = desc if direction == "desc" else asc
        found = matching.order_by(None).offset(0).subquery()  # OFFSET keeps the planner from merging both questions
        keys = (
            self.session.query(found.c.page_key)
            .order_by(turn(found.c.page_order), turn(found.c.page_key))
            .offset(slice_.offset or None)
            .limit(slice_.limit)
            .subquery()
        )
        rows = base.join(keys, pk == keys.c.page_key).order_by(turn(order), turn(pk))
        return list(rows.options(*self.load).all())

    def _rows(self, base: Query, filters: Filters | None, column: str, direction: str, slice_: Window) -> list[Any]:
        """One slice, in the walked direction; far from the edge the index is walked alone and rows joined to it."""
        if slice_.backwards:
            direction = "asc" if direction == "desc" else "desc"

        def ordered(query: Query) -> Query:
            return self.apply_order_by(query, column, direction, bypass_many_to_many=True, add_pk=True)

        matching = self.apply_filters(base, self.get_inner_filters(filters))
        pk = self.get_pk()
        if slice_.deep and pk is not None:
            keys = ordered(matching).with_entities(pk.label("page_key"))
            keys = keys.offset(slice_.offset).limit(slice_.limit).subquery()
            found = ordered(base.join(keys, pk == keys.c.page_key))
        else:
            found = ordered(matching).offset(slice_.offset or None).limit(slice_.limit)
        return found.options(*self.load).all()

    def apply_pagination(self, query: Query, page: int | None, page_size: int | None) -> Query:
        """The REST lists' page, never larger than the cap."""
        size = min(page_size, self.MAX_PAGE_SIZE) if page_size else page_size
        return super().apply_pagination(query, max(page or 0, 0), size)

    def apply_all(self, query: Query, *args: Any, **kwargs: Any) -> Query:
        """Flask-AppBuilder's own pipeline plus the eager loads, unless columns were picked one by one."""
        built = super().apply_all(query, *args, **kwargs)
        picked = args[5] if len(args) > 5 else kwargs.get("select_columns")
        return built.options(*self.load) if self.load and not picked else built

    def get(self, id: Any, filters: Filters | None = None, *args: Any, **kwargs: Any) -> Any | None:  # noqa: A002
        """One row by key through the filters; a key that cannot be one (letters, too large) is simply not found."""
        if not self.is_pk_composite():
            id = self.coerce_key(id)  # noqa: A001
            if id is None:
                return None
        return super().get(id, filters, *args, **kwargs)

    def coerce_key(self, value: Any) -> Any | None:
        """The key as the column's type, None when the text cannot be a key: the driver would answer with an error."""
        kind = self.obj.__mapper__.primary_key[0].type
        try:
            if isinstance(kind, Integer):
                number = int(str(value), 10)
                bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
                return number if str(value).isascii() and 0 <= number < 2**bits else None
            if isinstance(kind, Uuid):
                return uuid.UUID(str(value))
        except ValueError:
            return None
        return None if "\x00" in str(value) else value

    def get_related_obj(self, col_name: str, value: Any) -> Any | None:
        """The related row by key, through the related interface so that scope and key checks apply."""
        return self.get_related_interface(col_name).get(value)

    def find_options(self, column: str, term: str, filters: Filters, skip: int, limit: int) -> list[Any]:
        """Rows for a remote select: `term` in one column, ordered by it; asks for one more than `limit` to know if there
        are further ones."""
        query = self.apply_filters(self.session.query(self.obj), filters)
        if term:
            offered = self.filter_converter_class(self).convert(column) or []
            # Gram and number columns search as they are indexed; others from the beginning.
            chosen = next((f for f in offered if f.arg_name in ("gct", "num", "sw")), None)
            query = chosen.apply(query, term) if chosen else query
        query = self.apply_order_by(query, column, "asc", add_pk=True)
        return query.offset(skip or None).limit(limit + 1).all()

    # -- writing ------------------------------------------------------------------------------------------------

    def _safely(self, operation: Callable[[Any, bool], None], item: Any, commit: bool) -> None:
        try:
            operation(item, commit)
        except (SQLAlchemyError, DatabaseException) as error:
            self.session.rollback()
            sentence = explain(error)
            # The REST layer shows __cause__, the pages show the exception itself: both must be harmless.
            raise DatabaseException(sentence) from ValueError(sentence)

    def add(self, item: Any, commit: bool = True) -> None:
        """Insert; DatabaseException carries the sentence."""
        self._safely(super().add, item, commit)

    def edit(self, item: Any, commit: bool = True) -> None:
        """Update; DatabaseException carries the sentence."""
        self._safely(super().edit, item, commit)

    def delete(self, item: Any, commit: bool = True) -> None:
        """Delete; DatabaseException carries the sentence."""
        self._safely(super().delete, item, commit)
