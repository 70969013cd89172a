"""The part of CrudView that knows what a person keeps about the list: columns, page size, named filters (LED-20, LED-21)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import flash, g, request, url_for
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from app.fab.paging import CappedInt
from app.fab.preferences import Kept, NamedFilter, keeper, keeps
from app.fab.request_filters import FILTER_KEY, read_filters
from app.fab.urls import args_of, join

Columns: TypeAlias = list[str]

if TYPE_CHECKING:
    Host = Any  # the view this is mixed into supplies datamodel, list_columns and the rest
else:
    Host = object


class KeptList(Host):
    """Mixed into CrudView."""

    @property
    def list_name(self) -> str:
        """What the list is called in what people keep: the name of its class."""
        return type(self).__name__

    def keeps(self) -> bool:
        """Whether the list offers to be arranged at all."""
        return keeps()

    def title_now(self) -> Any:
        """What the list is called in this request."""
        return self.list_title

    def add_title_now(self) -> Any:
        """What the button for a new row says in this request."""
        return self.add_title

    def all_columns(self) -> Columns:
        """The columns a person may choose from."""
        return list(self.list_columns)

    def default_columns(self) -> Columns:
        """The columns shown to somebody who has chosen none."""
        return list(self.list_columns)

    def columns_now(self) -> Columns:
        """The columns of the list as this request shows them: of the named filter opened, else as chosen, else as declared.
        The first column leads to the row and always stays."""
        found: Columns | None = g.setdefault("_columns_now", {}).get(self.list_name)
        if found is None:
            offered = self.all_columns()
            opened = self.opened_filter()
            wanted = (opened.columns if opened else ()) or self.kept().columns
            found = [c for c in wanted if c in offered] or self.default_columns()
            if offered and offered[0] not in found:
                found = [offered[0], *found]
            g._columns_now[self.list_name] = found
        return found

    def kept(self) -> Kept:
        """What the person keeps, asked once per request."""
        store = g.setdefault("_kept_lists", {})
        if self.list_name not in store:
            store[self.list_name] = keeper().kept(self.list_name)
        found: Kept = store[self.list_name]
        return found

    def opened_filter(self) -> NamedFilter | None:
        """The named filter that this address says it shows (`view=`), if the person may see it."""
        key = request.args.get("view", "")
        if not key.isdecimal():
            return None
        store = g.setdefault("_opened_filter", {})
        if key not in store:
            store[key] = keeper().named(self.list_name, key)
        found: NamedFilter | None = store[key]
        return found

    def named_filters(self) -> list[NamedFilter]:
        """The person's own named filters and those shared with him, of this list."""
        return list(keeper().filters(self.list_name))

    def sizes_now(self) -> tuple[int, ...]:
        """The page sizes offered."""
        return keeper().sizes()[1]

    def size_now(self) -> int:
        """Rows a page when the address does not say."""
        return self.kept().page_size or keeper().sizes()[0]

    def choices_of_columns(self) -> list[tuple[str, Any, int]]:
        """(column, label, place from 1; 0 when it is not shown) for the column chooser: shown ones first."""
        shown = self.columns_now()
        rest = [c for c in self.all_columns() if c not in shown]
        places = {column: place for place, column in enumerate(shown, 1)}
        return [(c, self.label_of_column(c), places.get(c, 0)) for c in [*shown, *rest]]

    def label_of_column(self, column: str) -> Any:
        """The heading of a column."""
        return self.label_columns.get(column, column)

    # -- named filters -------------------------------------------------------------------------------------------

    def address_of(self, named: NamedFilter) -> str:
        """The list as the named filter shows it."""
        args = args_of(named.query)
        args.setlist("view", [str(named.id)])
        return join(self.url("list"), args)

    def query_to_keep(self) -> str:
        """The query of this address without what belongs to one visit: page, size, and the filter it came from."""
        drop = ("page_", "goto_", "psize_", "view")
        args = MultiDict((k, v) for k, v in request.args.items(multi=True) if not k.startswith(drop))
        return join("", args).removeprefix("?")

    def count_of(self, query: str) -> int:
        """How many rows a kept query shows this person today, no further than the cap."""
        args = args_of(query)
        read_filters(self._filters, args)
        self.narrow(args)
        filters = self._filters.get_joined_filters(self._base_filters)
        try:
            return int_or_capped(self.datamodel.query_count(self.datamodel.session.query(self.datamodel.obj), filters))
        finally:
            self._filters.clear_filters()

    def tell_what_is_gone(self) -> None:
        """Say which columns and conditions of the opened filter the list no longer offers; the rest still works."""
        opened = self.opened_filter()
        if opened is None:
            if request.args.get("view"):
                flash(gettext("保存的筛选已删除，或不再与您共享；下面按地址中的条件显示。"), "warning")
            return
        gone = [*gone_columns(opened.columns, self.all_columns()), *self.gone_conditions(opened.query)]
        if gone:
            words = gettext("、").join(str(self.label_columns.get(c, c)) for c in dict.fromkeys(gone))
            flash(
                gettext("“%(name)s”中的“%(gone)s”已不再提供，其余照常显示。", name=opened.name, gone=words), "warning"
            )

    def gone_conditions(self, query: str) -> list[str]:
        """Columns that a kept query filters or sorts by and that the list no longer offers."""
        offered = self._filters.get_search_filters()
        found: list[str] = []
        for key, value in args_of(query).items(multi=True):
            match = FILTER_KEY.match(key)
            if match and (match[2] not in offered or int(match[1]) >= len(offered[match[2]])):
                found.append(match[2])
            if key == f"_oc_{self.list_name}" and value not in self.order_columns:
                found.append(value)
        return found

    def saved_filters_url(self) -> str:
        """The page on which named filters are kept in order."""
        return url_for("saved_views.index")


def gone_columns(kept: Iterable[str], offered: Iterable[str]) -> list[str]:
    """Columns somebody kept that the list no longer has."""
    known = set(offered)
    return [c for c in kept if c not in known]


def int_or_capped(count: int) -> int:
    """A count as it is: capped ones keep their plus sign."""
    return count if isinstance(count, CappedInt) else int(count)
