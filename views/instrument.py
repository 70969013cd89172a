"""The ledger (器具台账): list, one instrument with its whole life, adding, editing, copying, exporting."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from flask import abort, flash, g, jsonify, redirect, request, send_file
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.errors import InvalidInputError, QuanhengError, StaleVersionError
from app.fab.formats import plain
from app.fab.interface import PGInterface
from app.fab.paging import CappedInt
from app.fab.parts import Button, DetailTab, Tab, state_chip
from app.fab.urls import join, local_path
from app.intake.fields import FIELDS
from app.operations import ledger_export
from app.operations.band import LABELS, TONES, Band, band_condition, band_of
from app.operations.history import instrument_history
from app.operations.instrument import add_instrument, edit_instrument, locked_fields, same_instrument
from app.operations.ledger_query import SEARCH_COLUMNS, band_of_args, narrow, read_query
from app.profiles import switch_on
from app.workflow import INSTRUMENT
from app.workflow.engine import why_not
from models import Instrument
from models.base import db
from models.enums import Conclusion, Role
from views.edge import clean, ring_after_commit
from views.instrument_form import SECTIONS, checked, make_form, refuse, values_of
from views.instrument_tabs import booking_tab, certificate_tab, filing_tab
from views.workflow_view import WorkflowView, _state_argument, chip, me

CAP = 1_000  # of the counts on tabs
WORDS = {f.key: [(c.value, c.label) for c in f.choices] for f in FIELDS if f.choices}
STATE_TABS = ("unfiled", "filing", "in_use")
BAND_TABS = (Band.DUE, Band.OVERDUE, Band.FAILED)
LATE_TABS = ("suspended", "scrapped")
BULK = ("suspend", "enable", "scrap", "delete")


class InstrumentView(WorkflowView):
    """器具台账. Units keep it, regulators read and suspend, institutes read what was filed or booked with them."""

    route_base = "/instruments"
    class_permission_name = "InstrumentView"
    datamodel = PGInterface(
        Instrument,
        load=(selectinload(Instrument.category), selectinload(Instrument.unit), selectinload(Instrument.division)),
    )
    workflow = INSTRUMENT
    noun, unit_word = _("器具"), _("台")
    list_title = _("器具台账")
    label_columns = {
        "search_text": _("名称、厂家、单位"),
        "category": _("种别"),
        "category.level2": _("种别"),
        "unit.name": _("使用单位"),
        "place": _("安装/使用地点"),
        "band": _("提醒"),
        "state": _("状态"),
        "use_division": _("使用地点代码"),
        "category.level1": _("一级目录"),
        "division": _("使用地点行政区划"),
        "institute.name": _("检定机构"),
    }
    list_columns = ["name", "serial_no", "category.level2", "unit.name", "place", "valid_until", "band", "state"]
    show_fieldsets = [
        (
            _("器具"),
            {
                "fields": [
                    "name",
                    "category.level1",
                    "category.level2",
                    "model",
                    "measuring_range",
                    "accuracy_class",
                    "serial_no",
                    "own_no",
                    "manufacturer",
                    "origin",
                    "purchased_on",
                    "quantity",
                ]
            },
        ),
        (_("使用"), {"fields": ["unit.name", "division", "place", "purpose", "delivery_mode", "note"]}),
        (_("检定"), {"fields": ["institute.name", "last_result", "verified_on", "valid_until", "band"]}),
    ]
    search_columns = list(SEARCH_COLUMNS)
    add_columns = edit_columns = ["name"]  # only says that the routes exist: the form is views/instrument_form.py
    order_columns = ["valid_until"]
    base_order = ("id", "desc")
    options_urls = {"category": "/options/categories"}
    choices = {
        **WORDS,
        "last_result": [(Conclusion.PASS.value, _("合格"), "ok"), (Conclusion.FAIL.value, _("不合格"), "danger")],
    }
    empty_text = _("新增一台器具，或用模板一次导入整本台账。")
    exclude_route_methods = {"delete", "download", "options"}
    base_permissions = ["can_list", "can_show", "can_step", "can_add", "can_edit"]
    grants = {
        "can_list": UNIT | INSTITUTE | REGULATOR,
        "can_show": UNIT | INSTITUTE | REGULATOR,
        "can_step": UNIT | REGULATOR,
        "can_add": UNIT,
        "can_edit": UNIT,
    }

    # -- the list ------------------------------------------------------------------------------------------------

    def _list_widgets(self, page: int, size: int, column: str, direction: str) -> dict[str, Any]:
        widgets = super()._list_widgets(page, size, column, direction)
        g.ledger_count = widgets["count"]
        if me().of_unit:  # a unit sees its own rows only: no need to say whose they are
            table, place = widgets["list"].template_args, self.list_columns.index("unit.name")
            del table["columns"][place]
            for row in table["rows"]:
                del row.cells[place]
        return widgets

    def narrow(self, args: Any) -> None:
        narrow(self._filters, args)

    def tabs(self) -> list[Tab]:
        """State and band in one row of tabs; one statement counts them, none further than the cap."""
        counts = self.tab_counts()
        band, states = band_of_args(request.args), request.args.getlist(_state_argument(self))
        found = [Tab(gettext("全部"), self.url("list"), None, not states and not band)]
        for key in (*STATE_TABS, *BAND_TABS, *LATE_TABS):
            if key in set(Band):
                found.append(Tab(LABELS[Band(key)], self.url("list", band=key), counts[key], band == key))
            elif switch_on("filing") or key != "filing":
                address = self.filter_url(state=key)
                found.append(Tab(self.workflow.label_of(key), address, counts[key], states == [key] and not band))
        return found

    def tab_counts(self) -> dict[str, int | None]:
        """How many rows each tab has, through scope; None where counting would cost more than the number is worth."""
        wanted = (*STATE_TABS, *BAND_TABS, *LATE_TABS)
        today = clock.today()
        tests = [band_condition(key, today) if key in set(Band) else Instrument.state == key for key in wanted]
        if me().of_institute:
            return self._counts_of_few(dict(zip(wanted, tests, strict=True)))
        parts = []
        for key, test in zip(wanted, tests, strict=True):
            inner = select(Instrument.id).where(test).limit(CAP + 1).subquery()
            parts.append(select(func.count()).select_from(inner).scalar_subquery().label(str(key)))
        row = db.session.execute(select(*parts)).one()._mapping
        return {key: CappedInt(CAP) if count > CAP else count for key, count in row.items()}

    def _counts_of_few(self, tests: dict[str, Any]) -> dict[str, int | None]:
        """What an institute sees hangs on its filings and bookings, which no index of the ledger knows: its rows are read
        once for all tabs, and not counted at all when there are too many."""
        flags = [test.label(str(key)) for key, test in tests.items()]
        seen = select(*flags).select_from(Instrument).limit(CAP + 1).subquery()
        sums = [func.count().filter(seen.c[str(key)]).label(str(key)) for key in tests]
        row = db.session.execute(select(func.count().label("every"), *sums)).one()._mapping
        return {str(key): None if row["every"] > CAP else row[str(key)] for key in tests}

    def list_buttons(self) -> list[Button]:
        """Import and export; an export too long for a click is asked for by POST and becomes a job."""
        found = []
        if me().of_unit:
            found.append(Button("import", gettext("导入"), "/imports/new", "get", icon="upload"))
        count = int(g.get("ledger_count", 0))
        query = request.query_string.decode("utf-8", "replace")
        if 0 < count <= ledger_export.AT_ONCE:
            address = join("/instruments/export", request.args)
            found.append(Button("export", gettext("导出"), address, "get", icon="download"))
        elif count:
            found.append(
                Button("export", gettext("导出"), self.url("export"), icon="download", hidden={"query": query})
            )
        return found

    def row_class(self, item: Any) -> str:
        band = self.band(item)
        return {
            Band.OVERDUE: "row-danger",
            Band.FAILED: "row-danger",
            Band.DUE: "row-warn",
            Band.QUIET: ("row-muted" if item.state in LATE_TABS else ""),
        }.get(band, "")

    def row_label(self, item: Any) -> str:
        return f"{item.name} {item.serial_no}"

    def band(self, item: Any) -> Band:
        """The reminder band of a row today."""
        return band_of(item.state, item.last_result, item.valid_until, clock.today())

    def show_value(self, item: Any, column: str) -> Any:
        if column == "band":
            band = self.band(item)
            return plain(None) if band is Band.QUIET else state_chip(TONES[band], LABELS[band])
        if column == "name" and item.model and request.endpoint == f"{self.endpoint}.list":
            return Markup('{} <small class="muted">{}</small>').format(item.name, item.model)
        return super().show_value(item, column)

    def bulk_actions(self) -> list[Button]:
        """File, book, and the steps that many rows can take together."""
        actor, found, url = me(), [], self.url("action_post")
        if actor.of_unit:
            if switch_on("filing"):
                found.append(Button("file", gettext("提交备案"), url, style="primary"))
            found.append(Button("book", gettext("预约检定"), url))
        for name in BULK:
            step = self.workflow.step(name)
            if not actor.has(*step.by) or (step.switch and not switch_on(step.switch)):
                continue
            reason = bool(step.needs) and (step.needs[0].required or actor.has(Role.REG))
            ask = gettext("确定对所选器具办理“%(step)s”吗？不符合条件的会跳过并说明原因。", step=step.label)
            style = "danger" if step.danger else "default"
            found.append(Button(name, step.label, url, style=style, needs_reason=reason, confirm=ask))
        return found

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Two actions have pages of their own; the rest are steps."""
        name = request.form.get("action", "")
        if name not in {"file", "book"}:
            return super().action_post()
        if not me().of_unit:
            abort(403)
        if name == "file" and request.form.get("all") == "1":
            args = read_query(request.form.get("query", ""))
            args["mode"] = "query"
            return redirect(join("/filings/submit", args), 303)
        keys = self.bulk_keys(name)
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(local_path(request.form.get("back"), self.url("list")), 303)
        target = "/filings/submit" if name == "file" else "/book/"
        return redirect(f"{target}?ids={','.join(map(str, keys))}", 303)

    @expose("/export", methods=["GET", "POST"])
    @has_access
    @permission_name("list")
    def export(self) -> Any:
        """The list as a workbook that can be imported again: at once up to 200 rows, else as a job."""
        posted = request.method == "POST"
        query = request.form.get("query", "") if posted else request.query_string.decode("utf-8", "replace")
        if posted:
            job = ledger_export.start_export(db.session(), me(), query)
            ring_after_commit(job.id)
            return redirect(f"/jobs/{job.id}", 303)
        where = ledger_export.condition(db.session(), query)
        rows = select(Instrument.id).where(where).limit(ledger_export.AT_ONCE + 1).subquery()
        if (db.session.scalar(select(func.count()).select_from(rows)) or 0) > ledger_export.AT_ONCE:
            flash(gettext("记录较多，请按“导出”按钮在后台生成文件。"), "warning")
            return redirect(join(self.url("list"), read_query(query)), 303)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "export.xlsx"
            ledger_export.write_export(db.session(), query, out)
            data = io.BytesIO(out.read_bytes())
        name = ledger_export.file_name()
        return send_file(data, mimetype=ledger_export.XLSX, as_attachment=True, download_name=name, max_age=0)

    # -- one instrument ------------------------------------------------------------------------------------------

    def head_state(self, item: Any) -> Any:
        band = self.band(item)
        own = chip(self.workflow, item.state)
        return own if band is Band.QUIET else own + Markup(" ") + state_chip(TONES[band], LABELS[band])

    def extra_buttons(self, item: Any) -> list[Button]:
        """What comes next has a page of its own: filing, then booking."""
        if not me().of_unit:
            return []
        found = []
        if item.state == "unfiled" and switch_on("filing"):
            found.append(Button("file", gettext("提交备案"), f"/filings/submit?ids={item.id}", "get", style="primary"))
        if item.state == "in_use":
            found.append(Button("book", gettext("预约检定"), f"/book/?ids={item.id}", "get", style="primary"))
        found.append(Button("copy", gettext("复制"), self.url("copy", pk=item.id), "get"))
        return found

    def why_not(self, name: str, item: Any) -> str | None:
        if name != "edit":
            return None
        return why_not(db.session(), self.workflow, item, self.workflow.step("edit"), me())

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        history = self.history_tab(instrument_history(db.session(), me(), item.id))
        return [history, filing_tab(item), booking_tab(item), certificate_tab(item)]

    # -- the form ------------------------------------------------------------------------------------------------

    def may(self, method: str) -> bool:
        """Adding and editing have forms of their own, so no column list switches them on."""
        if method in {"add", "edit", "copy"}:
            wanted = "can_edit" if method == "edit" else "can_add"
            return bool(self.appbuilder.sm.has_access(wanted, self.class_permission_name))
        return bool(super().may(method))

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Any:
        """A new instrument."""
        form = make_form({"origin": "domestic"})
        if request.method == "GET":
            return self.form_page(form, self.add_title)
        try:
            made = add_instrument(db.session(), me(), checked(form))
        except QuanhengError as error:
            return self.refused(form, error, self.add_title)
        flash(gettext("已新增“%(row)s”。", row=self.row_label(made)), "success")
        return redirect(self.url("show", pk=made.id), 303)

    @expose("/copy/<pk>", methods=["GET"])
    @has_access
    @permission_name("add")
    def copy(self, pk: str) -> Any:
        """The add form with everything of another instrument but its numbers and its verification."""
        item = self.load_item(pk)
        values = {**values_of(item), "serial_no": "", "own_no": "", "valid_until": None}
        return self.form_page(make_form(values), gettext("复制器具"), action=self.url("add"))

    @expose("/edit/<pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: str) -> Any:
        """The form of an instrument; what an approved filing fixed is greyed."""
        item = self.load_item(pk)
        if reason := self.why_not("edit", item):
            flash(reason, "warning")
            return redirect(self.url("show", pk=pk), 303)
        locked = frozenset("category" if k == "category_id" else k for k in locked_fields(item))
        form = make_form(values_of(item), locked)
        if request.method == "GET":
            return self.form_page(form, self.edit_title, item=item, locked=locked, seen=str(item.version))
        seen = request.form.get("seen_version", "")
        try:
            version = int(seen) if seen.isdecimal() else None
            edit_instrument(db.session(), me(), item.id, checked(form), seen_version=version)
        except QuanhengError as error:
            db.session.rollback()
            return self.refused(form, error, self.edit_title, item=self.load_item(pk), locked=locked, seen=seen)
        flash(gettext("已保存。"), "success")
        return redirect(self.url("show", pk=pk), 303)

    def refused(self, form: Any, error: QuanhengError, title: Any, **more: Any) -> Any:
        """The same form with what was typed and the sentences."""
        db.session.rollback()
        loose = refuse(form, error)
        return self.form_page(form, title, problems=loose, **more), 409 if isinstance(error, StaleVersionError) else 422

    def form_page(
        self,
        form: Any,
        title: Any,
        *,
        item: Any = None,
        locked: frozenset[str] = frozenset(),
        seen: str = "",
        problems: list[str] | None = None,
        action: str = "",
    ) -> str:
        """The page of the form."""
        sections = [(section, {"fields": list(names)}) for section, names in SECTIONS]
        page: str = self.render_template(
            "pages/instrument_form.html",
            title=title,
            item=item,
            form=form,
            view=self,
            fieldsets=sections,
            locked=locked,
            form_errors=problems or [],
            hidden={"seen_version": seen} if seen else {},
            form_action=action,
            cancel_url=self.url("show", pk=item.id) if item is not None else self.url("list"),
            check_url=self.url("check", pk=item.id if item is not None else 0),
        )
        return page

    @expose("/check", methods=["POST"])
    @expose("/check/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("add")
    def check(self, pk: int = 0) -> Any:
        """What is wrong with one field, asked on leaving it: {"problem": sentence or ""}."""
        name = clean(request.args.get("field") or request.form.get("field"), 30)
        item = self.load_item(pk) if pk else None
        form = make_form(values_of(item) if item is not None else None)
        if name not in form:
            abort(404)
        problem = ""
        try:
            values = checked(form)
        except InvalidInputError as error:
            problem = error.problems.get(name, "")
            values = {
                key: clean(request.form.get(key), 200)
                for key in ("name", "model", "serial_no", "own_no", "manufacturer")
            }
        if not problem and name in {"serial_no", "manufacturer"}:
            problem = same_instrument(db.session(), me(), values, besides=pk) or ""
        return jsonify(problem=problem)
