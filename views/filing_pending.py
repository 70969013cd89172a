"""备案管理 → 待备案: the instruments that are still to be filed, to be submitted in three ways (FIL-02; S4 §四.1)."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import Query, selectinload

from app.access.roles import UNIT
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import Button, Tab
from app.fab.urls import args_of, join, local_path
from app.intake.fields import FIELDS
from app.operations.filing import pending
from app.operations.ledger_columns import heading
from app.workflow import INSTRUMENT
from models.instrument import Instrument
from views.filing import unit_tabs
from views.workflow_view import chip, me

MOST_TICKED = 200


class Pending(BaseFilter):
    """Not filed, and neither returned nor revoked."""

    name = "待备案"
    arg_name = "pending"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(pending(), Instrument.unit_id == me().unit_id)


class PendingFilingView(CrudView):
    """The first list of 备案管理. Its search fields are those of the ledger, so 查询结果 means the rows shown here."""

    datamodel = PGInterface(Instrument, load=(selectinload(Instrument.category),))
    class_permission_name = "PendingFilingView"
    route_base = "/filings/pending"
    noun, unit_word = _("待备案器具"), _("台")
    list_title = _("备案管理")
    list_columns = ["name", "model", "serial_no", "own_no", "category.level2", "place", "state"]
    show_columns = ["name"]
    search_columns = ["search_text", "serial_no", "use_division", "delivery_mode", "purpose", "model", "own_no"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns: list[str] = []
    base_order = ("id", "desc")
    choices = {f.key: [(c.value, c.label) for c in f.choices] for f in FIELDS if f.choices}
    base_filters = [["state", Pending, None]]
    label_columns = {"search_text": _("名称、厂家"), "category.level2": _("种别"), "state": _("状态")}
    empty_text = _("没有待备案的器具。新增或导入器具后，在这里提交备案。")
    exclude_route_methods = {"show", "add", "edit", "delete", "download", "options", "action"}
    base_permissions = ["can_list"]
    grants = {"can_list": UNIT}

    def label_of_column(self, column: str) -> Any:
        return super().label_of_column(column) if column in {"state", "search_text"} else heading(column)

    def row_label(self, item: Any) -> str:
        return f"{item.name} {item.serial_no}"

    def show_value(self, item: Any, column: str) -> Any:
        return chip(INSTRUMENT, item.state) if column == "state" else super().show_value(item, column)

    def tabs(self) -> list[Tab]:
        return unit_tabs("pending")

    def row_buttons(self, item: Any) -> list[Button]:
        return [Button("open", gettext("查看"), f"/instruments/show/{item.id}", "get", style="link")]

    def list_buttons(self) -> list[Button]:
        """【查询结果】 and 【全部】; 【选中】 stands above the ticked rows."""
        args = args_of(request.query_string.decode("utf-8", "replace"))
        args["mode"] = "query"
        every = Button("all", gettext("提交全部"), "/filings/submit?mode=all", "get")
        return [Button("query", gettext("提交查询结果"), join("/filings/submit", args), "get"), every]

    def bulk_actions(self) -> list[Button]:
        return [Button("file", gettext("提交选中"), self.url("action_post"), style="primary")]

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """From the ticks to the form; all found rows are the mode 查询结果."""
        if not self.appbuilder.sm.has_access("can_list", self.class_permission_name):
            abort(403)
        if request.form.get("action") != "file":
            abort(404)
        if request.form.get("all") == "1":
            args = args_of(request.form.get("query", ""))
            args["mode"] = "query"
            return redirect(join("/filings/submit", args), 303)
        keys = [key for key in dict.fromkeys(request.form.getlist("rowid")) if key.isascii() and key.isdecimal()]
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(local_path(request.form.get("back"), self.url("list")), 303)
        if len(keys) > MOST_TICKED:
            abort(413, gettext("一次最多勾选 %(most)s 条，更多的请用“提交查询结果”。", most=MOST_TICKED))
        return redirect(f"/filings/submit?ids={','.join(keys)}", 303)
