"""预警信息 (S2 §2.3), 超期预警管理 (S0): a unit's instruments that are due, overdue or without a record, most urgent first."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import selectinload

from app import clock
from app.access.roles import UNIT
from app.fab.crud import CrudView
from app.fab.filterbar import Box, build_boxes
from app.fab.formats import plain
from app.fab.interface import PGInterface
from app.fab.parts import Button, Tab, state_chip
from app.fab.request_filters import page_args
from app.fab.urls import address
from app.operations.band import LABELS, TONES, band_of_row, meaning, row_class, warning_bands
from app.operations.ledger_columns import NOT_BOOKED
from app.operations.ledger_list import bookings_of
from app.operations.ledger_query import OWN, Own, own_value
from app.operations.places import full_names
from app.operations.warnings import Warns
from app.profiles import setting, switch_on
from app.workflow import INSTRUMENT
from models import Instrument
from models.base import db
from views.workflow_view import chip

BAND, RESULT = "band", "last_result"


class WarningView(CrudView):
    """The warning page. Its rows are those of the ledger's bands; what is done about one is done on its own page."""

    route_base = "/warnings"
    class_permission_name = "WarningView"
    list_template = "pages/warnings.html"
    datamodel = PGInterface(Instrument, load=(selectinload(Instrument.division),))
    noun, unit_word = _("预警"), _("条")
    list_title = _("预警提醒")
    label_columns = {
        "number": _("序号"),
        "name": _("计量器具名称"),
        "search_text": _("计量器具名称"),
        "verified": _("是否检定"),
        "band": _("预警提示"),
        "serial_no": _("出厂编号"),
        "booking": _("预约状态"),
        "place": _("器具安装地点"),
        "installed_on": _("安装日期"),
        "valid_until": _("有效期至"),
        "state": _("器具状态"),
    }
    list_columns = [
        "number",
        "name",
        "verified",
        "band",
        "serial_no",
        "booking",
        "place",
        "installed_on",
        "valid_until",
        "state",
    ]
    show_columns: list[str] = []
    search_columns = ["search_text", "serial_no"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["valid_until"]
    base_order = ("valid_until", "asc")
    empty_text = _("没有到期、超期或没有检定记录的器具，一切正常。")
    exclude_route_methods = {"delete", "download", "options", "show", "add", "edit"}
    base_permissions = ["can_list"]
    grants = {"can_list": UNIT}

    def title_now(self) -> str:
        """The name of the page in the deployment's manual; asked per request, the profile is not there at start."""
        return str(setting("labels", "warnings"))

    def keeps(self) -> bool:
        """The columns are those of the manual."""
        return False

    def columns_now(self) -> list[str]:
        """预约状态 only where bookings are made here."""
        return [c for c in self.list_columns if c != "booking" or switch_on("appointment")]

    def narrow(self, args: Any) -> None:
        self._filters._add_filter(Warns("serial_no", self.datamodel), [self.asked(args)])
        if value := own_value(args, RESULT):
            self._filters._add_filter(Own("serial_no", self.datamodel), [(RESULT, value)])

    def asked(self, args: Any) -> str:
        """The band chosen, "" for all of them."""
        value = args.get(BAND, "")
        return value if value in set(warning_bands()) else ""

    def boxes(self) -> list[Box]:
        """预警提示, 计量器具名称, 出厂编号, 检定结果."""
        band = Box(BAND, gettext("预警提示"), "select", [BAND], [self.asked(request.args)], own=True)
        band.options = [(b.value, meaning(b) or LABELS[b]) for b in warning_bands()]
        result = Box(
            RESULT, gettext("检定结果"), "select", [f"{OWN}{RESULT}"], [own_value(request.args, RESULT)], own=True
        )
        result.options = [("pass", gettext("合格")), ("fail", gettext("不合格")), ("none", gettext("无检定记录"))]
        return [band, *build_boxes(self), result]

    def clear_url(self) -> str:
        return address(("_flt_", "page_", "goto_", BAND))

    def tabs(self) -> list[Tab]:
        """One band each; the numbers stand on the home page."""
        shown = self.asked(request.args)
        every = Tab(gettext("全部"), self.url("list"), None, not shown)
        return [every, *(Tab(LABELS[b], self.url("list", band=b.value), None, shown == b) for b in warning_bands())]

    def redirect_notice(self) -> dict[str, str]:
        """Where a part of the area books instead (APT-22)."""
        return {key: str(setting("appointment", f"redirect_{key}")) for key in ("notice", "name", "url")}

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows_of_page(self, items: Any) -> None:
        """Bookings and places of the whole page at once, and which number the first row has."""
        page, size = page_args(type(self).__name__, self.size_now(), self.datamodel.MAX_PAGE_SIZE)
        first = page * size + 1 if page >= 0 else None
        g.warning_numbers = {item.id: plain(None) if first is None else first + n for n, item in enumerate(items)}
        g.warning_bookings = bookings_of(db.session(), [item.id for item in items])
        g.warning_places = full_names(db.session(), {item.use_division for item in items})

    def show_value(self, item: Any, column: str) -> Any:
        if column == "number":
            return g.warning_numbers[item.id]
        if column == "verified":
            return gettext("否") if item.last_result is None else gettext("是")
        if column == "band":
            band = band_of_row(item, clock.today())
            return state_chip(TONES[band], LABELS[band])
        if column == "booking":
            return g.warning_bookings.get(item.id, NOT_BOOKED)
        if column == "place":
            return f"{g.warning_places.get(item.use_division, '')}{item.place}"
        if column == "state":
            return chip(INSTRUMENT, item.state)
        return super().show_value(item, column)

    def row_class(self, item: Any) -> str:
        return row_class(band_of_row(item, clock.today()))

    def row_label(self, item: Any) -> str:
        return f"{item.name} {item.serial_no}"

    def row_buttons(self, item: Any) -> list[Button]:
        return [Button("show", gettext("查看"), f"/instruments/show/{item.id}", "get")]
