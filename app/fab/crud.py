"""CrudView: the one base class of every list, detail page and form of the back office.

It closes the traps of stock ModelView: columns are named explicitly, actions are posted and load their rows through
the view's filters, order and page come from allow-lists, nothing is downloaded by file name, no page history is kept
in the cookie, and what a person typed survives every refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from flask import abort, flash, redirect, request, url_for
from flask_appbuilder import ModelView, expose
from flask_appbuilder.forms import DynamicForm
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup, escape
from sqlalchemy.orm import selectinload

from app.fab.actions import ActionRoutes
from app.fab.columns import demand_columns
from app.fab.fields import FormConverter
from app.fab.filterbar import Box, build_boxes, build_chips
from app.fab.formats import plain
from app.fab.forms import FormRoutes
from app.fab.kept_list import KeptList
from app.fab.paging import Pager
from app.fab.parts import Button, Choice, DetailTab, Row, Tab, as_choices, state_chip
from app.fab.request_filters import RequestFilters, order_args, page_args, read_filters
from app.fab.urls import address
from app.fab.widgets import FilterBar, FormBody, ListTable, ShowFacts

# Named here because inside the class `list` is the list page.
Tabs: TypeAlias = list[Tab]
DetailTabs: TypeAlias = list[DetailTab]
Buttons: TypeAlias = list[Button]
Choices: TypeAlias = list[Choice]
Columns: TypeAlias = list[str]
Boxes: TypeAlias = list[Box]
ExportLinks: TypeAlias = list[tuple[str, str, bool]]
Sections: TypeAlias = list[tuple[Any, list[tuple[Any, Any]]]]


class CrudView(RequestFilters, ActionRoutes, FormRoutes, KeptList, ModelView):
    """Declare noun, columns and choices; override the hooks that have a say. See docs/adr/0005-face.md."""

    noun: Any = ""
    label_columns: Any = None
    list_title: Any = ""
    show_title: Any = ""
    add_title: Any = ""
    edit_title: Any = ""
    unit_word: Any = _("条")
    choices: Mapping[str, Sequence[Any]] = {}
    options_urls: Mapping[str, str] = {}
    optional_columns: frozenset[str] = frozenset()  # texts that may stay empty though the column is never NULL
    state_column: str = ""
    empty_text: Any = ""
    first_filters = 4

    exclude_route_methods = {"download"}
    list_widget, show_widget, add_widget, edit_widget = ListTable, ShowFacts, FormBody, FormBody
    search_widget = FilterBar
    search_form = DynamicForm  # the filter bar reads the address itself; no stock search form with every related row
    add_row_message = edit_row_message = _("已保存。")
    delete_row_message = _("已删除。")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.exclude_route_methods = set(cls.exclude_route_methods) | {"download"}
        if getattr(cls, "datamodel", None) is not None:
            demand_columns(cls)

    # -- hooks --------------------------------------------------------------------------------------------------

    def tabs(self) -> Tabs:
        """Links above the list; counts must come from one grouped, scoped query."""
        return []

    def detail_tabs(self, item: Any) -> DetailTabs:
        """Panels of the detail page after the facts."""
        return []

    def list_buttons(self) -> Buttons:
        """Buttons at the head of the list besides 新增."""
        return []

    def export_links(self) -> ExportLinks:
        """(label, address, by POST) of each way out of the list as a file."""
        return []

    def may_add_here(self) -> bool:
        """Whether the list as it is shown offers 新增."""
        return self.may("add")

    def noun_here(self) -> Any:
        """What one row is called beside the number of rows."""
        return self.noun

    def empty_words(self) -> Any:
        """What an empty list says below its heading: what to do now, or when rows come."""
        return self.empty_text

    def row_buttons(self, item: Any) -> Buttons:
        """Buttons at the end of a row; keep to two, the rest belongs to the detail page."""
        return []

    def head_buttons(self, item: Any) -> Buttons:
        """Buttons of the detail page: the declared single actions, then 修改 and 删除 as far as permitted."""
        return self.action_buttons(item) + self.edit_buttons(item)

    def rows_of_page(self, items: Sequence[Any]) -> None:
        """Called with the rows before their cells are printed: the place to fetch for all of them at once."""

    def boxes(self) -> Boxes:
        """The search fields, in their order; the first four are always visible."""
        return build_boxes(self)

    def clear_url(self) -> str:
        """The list without any condition (重置)."""
        return address(("_flt_", "page_", "goto_", "view"))

    def row_class(self, item: Any) -> str:
        """A CSS class for the row: "row-warn", "row-danger", "row-muted" or nothing."""
        return ""

    def row_label(self, item: Any) -> str:
        """What to call one row in titles and for screen readers."""
        return str(item)

    def head_state(self, item: Any) -> Any:
        """The state beside the title of the detail page."""
        return self.show_value(item, self.state_column) if self.state_column else ""

    def why_not(self, name: str, item: Any) -> str | None:
        """Why `edit`, `delete` or an action is not possible now; None when it is. Asked again when it is posted."""
        return None

    # -- set up -------------------------------------------------------------------------------------------------

    def _init_properties(self) -> None:
        explicit = {n: getattr(self, n) for n in ("search_columns", "add_columns", "edit_columns", "order_columns")}
        self.label_columns = {**labels_from_comments(self.datamodel), **(self.label_columns or {})}
        super()._init_properties()
        for name, value in explicit.items():
            # Stock code takes an empty list for "all columns"; here it means none. Fieldsets name the columns themselves.
            if value is not None and not getattr(self, name.replace("columns", "fieldsets"), None):
                setattr(self, name, list(value))
        self._filters = self.datamodel.get_filters(self.search_columns) if self.search_columns else self._filters
        if self.base_order and self.base_order[0]:
            self.datamodel.default_order = tuple(self.base_order)
        self._add_loads()

    def _add_loads(self) -> None:
        """Relations named by list columns come with the rows: one more statement each, never one per row."""
        wanted = {c.split(".")[0] for c in self.list_columns if self.datamodel.is_relation(c.split(".")[0])}
        if wanted and not self.datamodel.load:
            self.datamodel.load = tuple(selectinload(getattr(self.datamodel.obj, r)) for r in sorted(wanted))

    def _init_forms(self) -> None:
        made = FormConverter(self.datamodel, dict(self.choices), dict(self.options_urls), self.optional_columns)
        for kind in ("add", "edit"):
            if not getattr(self, f"{kind}_form"):
                form = made.create_form(
                    self.label_columns,
                    getattr(self, f"{kind}_columns"),
                    self.description_columns,
                    self.validators_columns,
                    getattr(self, f"{kind}_form_extra_fields"),
                )
                setattr(self, f"{kind}_form", form)

    def _init_titles(self) -> None:
        # a lazy text is not asked here: what it says may hang on the profile, which is not there yet
        self.list_title = given(self.list_title, self.noun)
        self.show_title = given(self.show_title, self.noun)
        self.add_title = given(self.add_title, _("新增%(noun)s", noun=self.noun))
        self.edit_title = given(self.edit_title, _("修改%(noun)s", noun=self.noun))
        self.title = self.list_title

    # -- small services -----------------------------------------------------------------------------------------

    def may(self, method: str) -> bool:
        """Whether the route exists here and the current person holds its permission."""
        if method in self.exclude_route_methods:
            return False
        if self.include_route_methods is not None and method not in self.include_route_methods:
            return False
        name = f"can_{self.get_method_permission(method)}"
        return name in self.base_permissions and self.appbuilder.sm.has_access(name, self.class_permission_name)

    def url(self, method: str, **values: Any) -> str:
        """The address of one of this view's routes."""
        return url_for(f"{self.endpoint}.{method}", **values)

    def filter_url(self, **values: Any) -> str:
        """The list filtered: filter_url(status="submitted"); a list gives several values."""
        offered = self._filters.get_search_filters()  # made once when the view was set up
        args: dict[str, Any] = {}
        for column, value in values.items():
            kinds = [f.arg_name for f in offered[column]]
            best = next(a for a in ("in", "rel", "eq", "gct", "num", "ge", "sw") if a in kinds)
            args[f"_flt_{kinds.index(best)}_{column}"] = value
        return self.url("list", **args)

    def choices_of(self, column: str) -> Choices:
        """The declared choices of a column, or an enumeration's members."""
        if column in self.choices:
            return as_choices(self.choices[column])
        kind = self.datamodel.list_columns[column].type
        members = kind.enum_class.__members__ if kind.enum_class else {}
        return [Choice(v, getattr(members.get(v), "value", v)) for v in kind.enums]

    def show_value(self, item: Any, column: str) -> Any:
        """A cell: the view's formatter, else the chosen word (as a chip if it has a kind), else plain text."""
        value = self.datamodel._get_attr_value(item, column)
        if formatter := self.formatters_columns.get(column):
            return formatter(value)
        if column in self.choices:
            found = next((c for c in as_choices(self.choices[column]) if c.value == str(value)), None)
            if found:
                return state_chip(found.kind, found.word) if found.kind else found.word
        return plain(value)

    def load_item(self, pk: Any) -> Any:
        """The row through base filters and scope; 404 for a foreign id as for a missing one (rule S-2)."""
        return self.datamodel.get(pk, self._base_filters) or abort(404)

    def update_redirect(self) -> None:
        """No page history: stock code keeps five full addresses in the cookie."""

    def get_redirect(self) -> str:
        """Where a finished step leads when it does not say: the list."""
        return self.url("list")

    # -- pages --------------------------------------------------------------------------------------------------

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """The list page."""
        name = type(self).__name__
        for sentence in read_filters(self._filters, request.args):
            flash(sentence, "warning")
        self.narrow(request.args)
        self.tell_what_is_gone()
        column, direction = order_args(name, self.order_columns)
        page, size = page_args(name, self.size_now(), self.datamodel.MAX_PAGE_SIZE)
        widgets = self._list_widgets(page, size, column, direction)
        return self.render_template(self.list_template, title=self.title_now(), widgets=widgets, **self._page())

    def _page(self) -> dict[str, Any]:
        return {"view": self, "noun": self.noun}

    def _list_widgets(self, page: int, size: int, column: str, direction: str) -> dict[str, Any]:
        if not column and self.base_order:
            column, direction = self.base_order
        filters = self._filters.get_joined_filters(self._base_filters)
        count, items = self.datamodel.query(filters, column, direction, page, size)
        self.rows_of_page(items)
        boxes = self.boxes()
        chips = build_chips(self, boxes)
        shown, names = self.may("show"), self.columns_now()
        table = self.list_widget(
            view=self,
            view_name=type(self).__name__,
            columns=[(c, said(self.label_of_column(c)), c in self.order_columns) for c in names],
            order=(column, direction),
            rows=[self._row(item, shown, names) for item in items],
            pager=Pager(page, size, count, len(items)),
            count=count,
            chips=chips,
            actions=self.bulk_actions(),
        )
        return {"list": table, "search": self.search_widget(view=self, boxes=boxes, chips=chips), "count": count}

    def _row(self, item: Any, shown: bool, names: Iterable[str]) -> Row:
        pk = self.datamodel.get_pk_value(item)
        return Row(
            pk=pk,
            cells=[whole_line(item, c, self.show_value(item, c)) for c in names],
            url=self.url("show", pk=pk) if shown else "",
            css=self.row_class(item),
            buttons=self.row_buttons(item),
            label=self.row_label(item),
        )

    @expose("/show/<pk>", methods=["GET"])
    @has_access
    def show(self, pk: str) -> Any:
        """The detail page."""
        item = self.load_item(pk)
        return self.render_template(
            self.show_template,
            title=self.row_label(item),
            item=item,
            pk=self.datamodel.get_pk_value(item),
            state=self.head_state(item),
            buttons=self.head_buttons(item),
            tabs=self.detail_tabs(item),
            widgets={"show": self.show_widget(view=self, sections=self._facts(item))},
            **self._page(),
        )

    def _facts(self, item: Any) -> Sections:
        """Sections of label and value, as show_fieldsets group them."""
        groups = self.show_fieldsets or [("", {"fields": self.show_columns})]
        return [
            (title, [(self.label_columns.get(c, c), self.show_value(item, c)) for c in spec["fields"]])
            for title, spec in groups
        ]

    @expose("/delete/<pk>", methods=["POST"])
    @has_access
    def delete(self, pk: str) -> Any:
        """Delete one row; refused with a sentence while something refers to it."""
        item = self.load_item(pk)
        if reason := self.why_not("delete", item):
            flash(reason, "danger")
            return redirect(self.url("show", pk=pk) if self.may("show") else self.get_redirect(), 303)
        return self.remove(item, pk)

    def edit_buttons(self, item: Any) -> Buttons:
        """修改 and 删除, greyed with a reason while `why_not` gives one."""
        pk, found = self.datamodel.get_pk_value(item), []
        if self.may("edit"):
            why = self.why_not("edit", item)
            found.append(Button("edit", gettext("修改"), self.url("edit", pk=pk), "get", why_not=why))
        if self.may("delete"):
            ask = gettext("删除“%(row)s”后无法恢复，确定删除吗？", row=self.row_label(item))
            address = self.url("delete", pk=pk)
            why = self.why_not("delete", item)
            found.append(Button("delete", gettext("删除"), address, style="danger", confirm=ask, why_not=why))
        return found


def given(text: Any, default: Any) -> Any:
    """The text, or the default where a view leaves it out."""
    return default if isinstance(text, str) and not text else text


def said(label: Any) -> Any:
    """A label that is said once and not translated anew for every cell below it."""
    return label if isinstance(label, str) else str(label)


def whole_line(item: Any, column: str, shown: Any) -> Any:
    """A day or a moment is never broken over two lines of a cell."""
    if isinstance(getattr(item, column, None), date) and not isinstance(shown, Markup):
        return Markup(f'<span class="nowrap num">{escape(shown)}</span>')  # noqa: S704 - escaped
    return shown


def labels_from_comments(datamodel: Any) -> dict[str, str]:
    """Column.info["label"], else Column.comment up to the first punctuation, is the label people read."""
    labels: dict[str, str] = {}
    for name, column in datamodel.list_columns.items():
        text = column.info.get("label") or column.comment
        if text:
            labels[name] = str(text).split("；")[0].split("，")[0].split("（")[0]
    for name, prop in datamodel.list_properties.items():
        if name not in labels and datamodel.is_relation(name):
            comment = next((c.comment for c in prop.local_columns if c.comment and not c.primary_key), None)
            if text := prop.info.get("label") or comment:
                labels[name] = str(text)
    return labels
