"""The ledger's list: columns, conditions and tabs of the deployment, row colours, bulk acts, and the way out as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, abort, flash, g, redirect, request, send_file, stream_with_context
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup, escape
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from app import clock
from app.fab.filterbar import Box, build_boxes
from app.fab.formats import plain
from app.fab.interface import PGInterface
from app.fab.paging import CappedInt
from app.fab.parts import Button, Tab, state_chip
from app.fab.urls import address, args_of, join, local_path
from app.operations import ledger_columns, ledger_export
from app.operations.band import LABELS, TONES, Band, band_condition, band_of_row, row_class, scheme, tab_label
from app.operations.completeness import MARK, asked_for, missing_of
from app.operations.ledger_fields import ledger_noun
from app.operations.ledger_list import bookings_of, level1_names
from app.operations.ledger_query import CONDITIONS, OWN, SEARCH_COLUMNS, band_of_args, narrow, own_value
from app.profiles import setting, switch_on
from app.workflow.engine import starts_somewhere
from models import Instrument
from models.base import db
from models.enums import InstrumentState, Role
from views.basket import put_aside
from views.bulk import start_act
from views.edge import clean, ring_after_commit
from views.workflow_view import WorkflowView, _state_argument, chip, me

CAP = 1_000  # of the counts on tabs
LATE_TABS = ("suspended", "scrapped", "former")
BULK = ("suspend", "enable", "scrap", "retire", "delete", "bulk_edit")
UNIT_ONLY = frozenset({"model", "own_no"})
"""Conditions that no index answers over everybody's instruments; a unit's own are few."""
PLAIN_BOXES = {"name": "search_text"}
WORDS_OF_OWN = {
    "level1": "category.level1",
    "category_code": "category.code",
    "institute": "institute.name",
    "last_result": "last_result",
}
LISTS_OPERATIONS = {
    # manual 004 §三.1: what each list of 仪器管理 offers, and nothing else (LED-24)
    Band.DUE.value: frozenset({"book", "basket"}),
    Band.OVERDUE.value: frozenset({"book", "basket", "suspend"}),
    Band.INVALID.value: frozenset({"suspend"}),
    Band.FAILED.value: frozenset({"book", "basket", "suspend"}),
    InstrumentState.SCRAPPED.value: frozenset[str](),
}


def count_cap() -> int:
    """How far the rows of the list are counted: a unit's own nearly always to the last one, everybody's as far as tabs."""
    return PGInterface.COUNT_CAP if me().of_unit else CAP


class LedgerList(WorkflowView):
    """What InstrumentView shows of many instruments."""

    list_columns = ledger_columns.LISTED
    search_columns = list(SEARCH_COLUMNS)
    order_columns = ["valid_until"]
    base_order = ("id", "desc")
    options_urls = {"category": "/options/categories"}
    empty_text = _("新增一台器具，或用模板一次导入整本台账。")

    def title_now(self) -> str:
        return str(setting("labels", "ledger"))

    def empty_words(self) -> Any:
        """Only a unit enters instruments; whoever looks on is told where they come from."""
        if me().of_unit:
            return self.empty_text
        if me().of_institute:
            return gettext("使用单位向本机构备案或预约的器具会显示在这里。")
        return gettext("使用单位登记的器具会显示在这里。")

    def add_title_now(self) -> str:
        return gettext("新增%(noun)s", noun=ledger_noun())

    # -- columns -------------------------------------------------------------------------------------------------

    def all_columns(self) -> list[str]:
        """What may be chosen; a unit sees its own rows only, so whose they are is no column."""
        every = ledger_columns.every_column()
        return [c for c in every if c != "unit.name"] if me().of_unit else every

    def default_columns(self) -> list[str]:
        offered = set(self.all_columns())
        return [c for c in ledger_columns.columns_of_profile() if c in offered]

    def label_of_column(self, column: str) -> Any:
        return ledger_columns.heading(column)

    def _list_widgets(self, page: int, size: int, column: str, direction: str) -> dict[str, Any]:
        widgets = super()._list_widgets(page, size, column, direction)
        g.ledger_count = widgets["count"]
        return widgets

    def show_value(self, item: Any, column: str) -> Any:
        shown = self.plain_value(item, column)
        marked = g.get("ledger_mark") or self.mark_column()
        if column != marked or item.state in LATE_TABS or not me().of_unit:
            return shown
        if not missing_of(item, g.get("ledger_asked")):
            return shown
        return escape(shown) + Markup(" ") + state_chip("warn", MARK)

    def mark_column(self) -> str:
        """Where 待完善 stands: beside the state, or in the first column where the state is not shown (LED-16)."""
        shown = self.columns_now()
        return "state" if "state" in shown else shown[0]

    def plain_value(self, item: Any, column: str) -> Any:
        """A cell without the mark."""
        if column == "band":
            band = self.band(item)
            return plain(None) if band is Band.QUIET else state_chip(TONES[band], LABELS[band])
        if column == "booking":
            return self.booking(item)
        if column == "verified":
            return plain(item.last_result is not None)
        if column == "division.name":
            return f"{item.division.name}[{item.use_division}]"
        return super().show_value(item, column)

    def booking(self, item: Any) -> Any:
        """预约状态 of a row: the orders of the whole page come with the first one asked for."""
        if "ledger_bookings" not in g:
            keys = [row.id for row in g.get("ledger_rows", [item])]
            g.ledger_bookings = bookings_of(db.session(), keys)
        return g.ledger_bookings.get(item.id, ledger_columns.NOT_BOOKED)

    def rows_of_page(self, items: Any) -> None:
        """What is the same for every row of the page is found out once."""
        g.ledger_rows, g.ledger_rules, g.ledger_asked = items, scheme(), asked_for()
        g.ledger_mark, g.ledger_acts = self.mark_column(), self.row_acts()

    # -- conditions ----------------------------------------------------------------------------------------------

    def narrow(self, args: Any) -> None:
        narrow(self._filters, args)

    def boxes(self) -> list[Box]:
        """The conditions of the deployment's manual, in its order (LED-02), after the one box for everything."""
        made = {box.column: box for box in build_boxes(self)}
        found = [self.own_box("q", _("查找"), hint=gettext("出厂编号、名称、厂家"))]
        for key in setting("ledger", "search"):
            if key in UNIT_ONLY and not me().of_unit:
                continue
            if key in CONDITIONS:
                found.append(self.own_box(key, self.word_of_own(key)))
            elif box := made.get(PLAIN_BOXES.get(key, key)):
                box.label = ledger_columns.heading(key) if key != "name" or me().of_unit else box.label
                found.append(box)
        if me().of_unit:
            found.append(self.own_box("incomplete", MARK))
        return found

    def word_of_own(self, key: str) -> Any:
        """What a condition that is no column is called."""
        return ledger_columns.heading(WORDS_OF_OWN[key]) if key in WORDS_OF_OWN else _("预约流程")

    def own_box(self, key: str, label: Any, hint: str = "") -> Box:
        """A search field of one of CONDITIONS."""
        options = {
            "level1": lambda: [(name, name) for name in level1_names(db.session())],
            "last_result": lambda: [("pass", _("合格")), ("fail", _("不合格")), ("none", _("无检定记录"))],
            "booked": lambda: [("1", _("预约中")), ("0", _("不在预约中"))],
            "incomplete": lambda: [("1", _("是")), ("0", _("否"))],
        }
        kind = "select" if key in options else "text"
        box = Box(key, label, kind, [f"{OWN}{key}"], [own_value(request.args, key)], hint=hint, own=True)
        box.options = options[key]() if key in options else []
        return box

    def clear_url(self) -> str:
        return address(("_flt_", "page_", "goto_", "view", "band"))

    # -- tabs ----------------------------------------------------------------------------------------------------

    def tab_keys(self) -> list[str]:
        """The tabs of the deployment: states, and the bands that its scheme knows."""
        bands = {b.value for b in (*scheme().bands, Band.FAILED)}
        found = []
        for key in setting("ledger", "tabs"):
            if key in set(Band) and key not in bands:
                continue
            if (key == "filing" and not switch_on("filing")) or (key == "former" and not switch_on("former")):
                continue
            found.append(str(key))
        return found

    def tabs(self) -> list[Tab]:
        """State and band in one row of tabs; one statement counts them, none further than the cap."""
        keys = self.tab_keys()
        counts = self.tab_counts(keys)
        shown = self.tab_now()
        found = [Tab(gettext("全部"), self.url("list"), None, not shown)]
        for key in keys:
            if key in set(Band):
                found.append(Tab(tab_label(Band(key)), self.url("list", band=key), counts[key], shown == key))
            else:
                label = self.workflow.label_of(key)
                found.append(Tab(label, self.filter_url(state=key), counts[key], shown == key))
        return found

    def tab_now(self) -> str:
        """The tab that the address stands for, "" for 全部."""
        states = request.args.getlist(_state_argument(self))
        return band_of_args(request.args) or (states[0] if len(states) == 1 else "")

    def tab_counts(self, keys: list[str]) -> dict[str, int | None]:
        """How many rows each tab has, through scope; None where counting would cost more than the number is worth."""
        today = clock.today()
        tests = {key: band_condition(key, today) if key in set(Band) else Instrument.state == key for key in keys}
        if not tests:
            return {}
        if me().of_institute:
            return self._counts_of_few(tests)
        parts = []
        for key, test in tests.items():
            inner = select(Instrument.id).where(test).limit(CAP + 1).subquery()
            parts.append(select(func.count()).select_from(inner).scalar_subquery().label(key))
        row = db.session.execute(select(*parts)).one()._mapping
        return {key: CappedInt(CAP) if count > CAP else count for key, count in row.items()}

    def _counts_of_few(self, tests: dict[str, Any]) -> dict[str, int | None]:
        """An institute's rows are read once for all tabs, and not counted at all when there are too many."""
        flags = [test.label(key) for key, test in tests.items()]
        seen = select(*flags).select_from(Instrument).limit(CAP + 1).subquery()
        sums = [func.count().filter(seen.c[key]).label(key) for key in tests]
        row = db.session.execute(select(func.count().label("every"), *sums)).one()._mapping
        return {key: None if row["every"] > CAP else row[key] for key in tests}

    # -- rows and buttons ----------------------------------------------------------------------------------------

    def row_class(self, item: Any) -> str:
        band = self.band(item)
        if band is Band.QUIET:
            return "row-muted" if item.state in LATE_TABS else ""
        return row_class(band)

    def row_label(self, item: Any) -> str:
        return f"{item.name} {item.serial_no}"

    def band(self, item: Any) -> Band:
        """The reminder band of a row today."""
        return band_of_row(item, clock.today(), g.get("ledger_rules"))

    def allowed(self) -> frozenset[str] | None:
        """The operations of this tab where the manual names them (LED-24), None where everything fits."""
        if scheme().name != "lists":
            return None
        shown = self.tab_now()
        if not shown:
            return frozenset({"file", "suspend", "scrap", "delete", "edit", "copy", "add", "import", "export"})
        return LISTS_OPERATIONS.get(shown)

    def row_buttons(self, item: Any) -> list[Button]:
        """编辑 and 复制, the two things that are done to single rows."""
        if item.state in LATE_TABS:
            return []
        acts: list[tuple[str, str]] = g.ledger_acts if "ledger_acts" in g else self.row_acts()
        return [Button(name, label, self.url(name, pk=item.id), "get", style="link") for name, label in acts]

    def row_acts(self) -> list[tuple[str, str]]:
        """Name and word of what may be done to single rows of this tab by this person."""
        if not me().of_unit:
            return []
        allowed, acts = self.allowed(), (("edit", gettext("修改")), ("copy", gettext("复制")))
        return [(name, word) for name, word in acts if (allowed is None or name in allowed) and self.may(name)]

    def list_buttons(self) -> list[Button]:
        """导入; the ways out are a menu of their own (export_links)."""
        allowed, found = self.allowed(), []
        if me().of_unit and (allowed is None or "import" in allowed):
            found.append(Button("import", gettext("导入"), "/imports/new", "get", icon="upload"))
        if me().of_unit and switch_on("clear") and not self.tab_now():
            found.append(Button("clear", gettext("清空"), "/bulk/clear"))
        return found

    def may_add_here(self) -> bool:
        """Whether this tab offers 新增."""
        allowed = self.allowed()
        return bool(self.may("add")) and (allowed is None or "add" in allowed)

    def export_links(self) -> list[tuple[str, str, bool]]:
        """(label, address, by POST) of each way out; a workbook too long for a click is asked for by POST and becomes a
        job. Empty when there is nothing to export."""
        count, allowed = int(g.get("ledger_count", 0)), self.allowed()
        if not count or (allowed is not None and "export" not in allowed):
            return []
        args = args_of(request.query_string.decode("utf-8", "replace"))
        args["columns"] = ",".join(self.columns_now())
        found = []
        for label, layout, kind in (
            (gettext("当前列（Excel）"), "shown", "xlsx"),
            (gettext("当前列（CSV）"), "shown", "csv"),
            (gettext("全部内容，可再导入（Excel）"), "template", "xlsx"),
            (gettext("全部内容，可再导入（CSV）"), "template", "csv"),
        ):
            args["layout"], args["format"] = layout, kind
            limit = ledger_export.AT_ONCE if kind == "xlsx" else ledger_export.CSV_AT_ONCE
            found.append((label, join(self.url("export"), args), count > limit))
        return found

    def bulk_actions(self) -> list[Button]:
        """File, book, and the steps that many rows can take together."""
        actor, found, url = me(), [], self.url("action_post")
        if actor.of_unit:
            if switch_on("filing"):
                found.append(Button("file", gettext("提交备案"), url, style="primary"))
            if switch_on("appointment"):
                found.append(Button("book", gettext("预约检定"), url))
                found.append(Button("basket", gettext("加入待处理"), url))
        for name in BULK:
            step = self.workflow.step(name)
            if not actor.has(*step.by) or (step.switch and not switch_on(step.switch)) or not starts_somewhere(step):
                continue
            reason = bool(step.needs) and (step.needs[0].required or actor.has(Role.REG))
            ask = gettext("确定对所选器具办理“%(step)s”吗？不符合条件的会跳过并说明原因。", step=step.label)
            if name == "bulk_edit":
                ask = None
            style = "danger" if step.danger else "default"
            found.append(Button(name, step.label, url, style=style, needs_reason=reason, confirm=ask))
        allowed = self.allowed()
        return found if allowed is None else [b for b in found if b.name in allowed]

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Two actions have pages of their own; the rest are steps."""
        name = request.form.get("action", "")
        if name in BULK:
            if not self.appbuilder.sm.has_access("can_step", self.class_permission_name):
                abort(403)
            return start_act(name, local_path(request.form.get("back"), self.url("list")), self.reason())
        if name not in {"file", "book", "basket"}:
            return super().action_post()
        if not me().of_unit:
            abort(403)
        if name == "file" and request.form.get("all") == "1":
            args = args_of(request.form.get("query", ""))
            args["mode"] = "query"
            return redirect(join("/filings/submit", args), 303)
        keys = self.bulk_keys(name)
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(local_path(request.form.get("back"), self.url("list")), 303)
        if name == "basket":
            put_aside(keys)
            return redirect(local_path(request.form.get("back"), self.url("list")), 303)
        target = "/filings/submit" if name == "file" else "/book/"
        return redirect(f"{target}?ids={','.join(map(str, keys))}", 303)

    # -- out as a file -------------------------------------------------------------------------------------------

    @expose("/export", methods=["GET", "POST"])
    @has_access
    @permission_name("list")
    def export(self) -> Any:
        """What the filter shows, in the chosen columns or in the layout of the import template: CSV as a stream, a short
        workbook at once, a long one as a job (IMP-08, IMP-09)."""
        posted = request.method == "POST"
        query = request.form.get("query", "") if posted else request.query_string.decode("utf-8", "replace")
        args = args_of(query)
        wanted = self.wanted_export(args)
        if posted:
            ledger_export.count_export(me())
            job = ledger_export.start_export(db.session(), me(), query, wanted)
            ring_after_commit(job.id)
            return redirect(f"/jobs/{job.id}", 303)
        limit = ledger_export.AT_ONCE if wanted.kind == "xlsx" else ledger_export.CSV_AT_ONCE
        if ledger_export.longer_than(db.session(), query, limit):
            flash(gettext("记录较多，请按“导出”按钮在后台生成文件。"), "warning")
            drop = ("layout", "format", "columns")
            kept = MultiDict((k, v) for k, v in args.items(multi=True) if k not in drop)
            return redirect(join(self.url("list"), kept), 303)
        ledger_export.count_export(me())
        if wanted.kind == "csv":
            return self.stream_csv(query, wanted)
        data = ledger_export.workbook(db.session(), query, wanted)
        name = ledger_export.file_name(wanted)
        return send_file(data, mimetype=ledger_export.XLSX, as_attachment=True, download_name=name, max_age=0)

    def wanted_export(self, args: Any) -> ledger_export.Wanted:
        """What the address asks to be exported; columns the person may not choose are left out."""
        offered = set(self.all_columns())
        columns = [c for c in clean(args.get("columns"), 2_000).split(",") if c in offered]
        layout = "shown" if args.get("layout") == "shown" and columns else "template"
        kind = "csv" if args.get("format") == "csv" else "xlsx"
        return ledger_export.Wanted(layout, kind, tuple(dict.fromkeys(columns)) if layout == "shown" else ())

    def stream_csv(self, query: str, wanted: ledger_export.Wanted) -> Response:
        """Rows leave as they are read: the first bytes at once, memory flat."""
        pieces: Iterator[bytes] = ledger_export.csv_pieces(db.session(), query, wanted)
        answer = Response(stream_with_context(pieces), mimetype="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = ledger_export.disposition(wanted)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    # -- the head of a single one uses the same words ------------------------------------------------------------

    def head_state(self, item: Any) -> Any:
        band = self.band(item)
        own = chip(self.workflow, item.state)
        return own if band is Band.QUIET else own + Markup(" ") + state_chip(TONES[band], LABELS[band])

    def noun_here(self) -> str:
        """What the deployment calls one row."""
        return ledger_noun()
