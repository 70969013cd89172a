"""The ledger (器具台账): list, one instrument with its whole life, adding, editing, copying, exporting."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import joinedload, selectinload

from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.intake.fields import FIELDS, KINDS
from app.operations.history import instrument_history
from app.profiles import switch_on
from app.workflow import INSTRUMENT
from app.workflow.engine import why_not
from models import Instrument
from models.base import db
from models.enums import Conclusion
from views.amendment import amendment_button
from views.filing_route import filing_tabs
from views.instrument_entry import EntryPages, complete_button, own_files_tab
from views.instrument_list import LedgerList, count_cap
from views.instrument_tabs import booking_tab, certificate_tab, file_tab, filing_tab
from views.transfer import transfer_button
from views.workflow_view import me

WORDS = {f.key: [(c.value, c.label) for c in f.choices] for f in FIELDS if f.choices}


class InstrumentView(EntryPages, LedgerList):
    """器具台账. Units keep it, regulators read and suspend, institutes read what was filed or booked with them."""

    route_base = "/instruments"
    class_permission_name = "InstrumentView"
    datamodel = PGInterface(
        Instrument,
        load=(
            joinedload(Instrument.category),
            joinedload(Instrument.division),
            joinedload(Instrument.institute),
            selectinload(Instrument.unit),  # its scope is too much to ask for beside every row
        ),
        cap=count_cap,
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
    add_columns = edit_columns = ["name"]  # only says that the routes exist: the form is views/instrument_form.py
    choices = {
        **WORDS,
        "kind": [(c.value, c.label) for c in KINDS],
        "last_result": [(Conclusion.PASS.value, _("合格"), "ok"), (Conclusion.FAIL.value, _("不合格"), "danger")],
    }
    exclude_route_methods = {"delete", "download", "options"}
    base_permissions = ["can_list", "can_show", "can_step", "can_add", "can_edit"]
    grants = {
        "can_list": UNIT | INSTITUTE | REGULATOR,
        "can_show": UNIT | INSTITUTE | REGULATOR,
        "can_step": UNIT | REGULATOR,
        "can_add": UNIT,
        "can_edit": UNIT,
    }

    # -- one instrument ------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> list[Button]:
        """What comes next has a page of its own: filing, then booking."""
        if not me().of_unit:
            return []
        found = []
        if item.state == "unfiled" and switch_on("filing"):
            found.append(Button("file", gettext("提交备案"), f"/filings/submit?ids={item.id}", "get", style="primary"))
        if item.state == "in_use" and switch_on("appointment"):
            found.append(Button("book", gettext("预约检定"), f"/book/?ids={item.id}", "get", style="primary"))
        found += complete_button(item, self.url("complete", pk=item.id))
        found.append(Button("copy", gettext("复制"), self.url("copy", pk=item.id), "get"))
        return found + amendment_button(item) + transfer_button(item)

    def why_not(self, name: str, item: Any) -> str | None:
        if name != "edit":
            return None
        return why_not(db.session(), self.workflow, item, self.workflow.step("edit"), me())

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        lines = instrument_history(db.session(), me(), item.id)
        history = self.history_tab(item, lines)
        booked = [booking_tab(item)] if switch_on("appointment") else []
        filed = [filing_tab(item), *filing_tabs(lines)] if switch_on("filing") else []
        return [history, certificate_tab(item), *booked, file_tab(item), *filed, *own_files_tab(item)]
