"""备案管理: what a unit has filed, what an institute must decide, and the way each filing travelled."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.access.roles import RECEPTION, REGULATOR, UNIT
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, Tab
from app.operations.account import institutes_for
from app.operations.filing import STATEMENT
from app.operations.history import instrument_history
from app.profiles import setting
from app.workflow import FILING
from app.workflow.engine import Field, Step
from models import Filing, Institute, Instrument
from models.base import db
from models.enums import FilingState, Level
from views.edge import clean
from views.workflow_view import WorkflowView, me

WAITING = (FilingState.SUBMITTED, FilingState.TO_PROCESS, FilingState.TO_CONFIRM)
RETURN_KINDS = {"incomplete": _("资料不完整"), "not_listed": _("不属于强检目录"), "other": _("其他")}


class HeldHere(BaseFilter):
    """Filings that wait for the principal's own institute."""

    name = _("待本机构处理")
    arg_name = "mine"

    def apply(self, query: Any, value: Any) -> Any:
        return query.filter(Filing.holder_institute_id == me().institute_id, Filing.state.in_(WAITING))


class FilingView(WorkflowView):
    """备案. Everything a person can do here is a step of the declaration."""

    route_base = "/filings"
    class_permission_name = "FilingView"
    datamodel = PGInterface(
        Filing,
        load=(
            selectinload(Filing.instrument).selectinload(Instrument.category),
            selectinload(Filing.unit),
            selectinload(Filing.holder_institute),
            selectinload(Filing.target_institute),
            selectinload(Filing.final_institute),
        ),
    )
    workflow = FILING
    noun, unit_word = _("备案"), _("条")
    list_title = _("备案管理")
    label_columns = {
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "instrument.category.level2": _("种别"),
        "unit.name": _("使用单位"),
        "holder_institute.name": _("当前处理机构"),
        "target_institute.name": _("受理机构"),
        "final_institute.name": _("备案机构"),
        "state": _("状态"),
        "use_division": _("使用地点代码"),
        "instrument.place": _("安装/使用地点"),
        "reason": _("原因"),
        "declared_by.name": _("责任声明人"),
        "instrument.model": _("型号规格"),
        "instrument.manufacturer": _("生产厂家"),
    }
    list_columns = [
        "instrument.name",
        "instrument.serial_no",
        "instrument.category.level2",
        "unit.name",
        "holder_institute.name",
        "submitted_at",
        "state",
    ]
    show_fieldsets = [
        (
            _("器具"),
            {
                "fields": [
                    "instrument.name",
                    "instrument.category.level2",
                    "instrument.model",
                    "instrument.serial_no",
                    "instrument.manufacturer",
                    "instrument.place",
                    "unit.name",
                ]
            },
        ),
        (
            _("备案"),
            {
                "fields": [
                    "target_institute.name",
                    "holder_institute.name",
                    "final_institute.name",
                    "submitted_at",
                    "decided_at",
                    "allow_province",
                    "return_kind",
                    "reason",
                ]
            },
        ),
    ]
    search_columns = ["state", "submitted_at", "use_division", "allow_province"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["submitted_at"]
    base_order = ("id", "desc")
    tab_states = (
        "pending",
        "submitted",
        "to_confirm",
        "to_process",
        "approved",
        "returned",
        "revoked",
        "suspended",
    )
    empty_text = _("在器具台账中勾选待备案的器具，再按“提交备案”。")
    exclude_route_methods = {"delete", "download", "options", "add", "edit"}
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {
        "can_list": UNIT | RECEPTION | REGULATOR,
        "can_show": UNIT | RECEPTION | REGULATOR,
        "can_step": UNIT | RECEPTION | REGULATOR,
    }
    formatters_columns = {"return_kind": lambda value: RETURN_KINDS.get(value, value or "—")}

    # -- the list ------------------------------------------------------------------------------------------------

    def narrow(self, args: Any) -> None:
        if args.get("mine") == "1" and me().of_institute:
            self._filters._add_filter(HeldHere("state", self.datamodel), [True])

    def mine(self) -> bool:
        """Whether only what waits for one's own institute is asked for."""
        return request.args.get("mine") == "1" and me().of_institute

    def tabs(self) -> list[Tab]:
        found = super().tabs()
        if not me().of_institute:
            return found
        mine = self.mine()
        found = [Tab(t.label, t.url, t.count, t.active and not mine) for t in found]
        return [Tab(gettext("待本机构处理"), self.url("list", mine=1), None, mine), *found]

    def list_buttons(self) -> list[Button]:
        if not me().of_unit:
            return []
        return [Button("submit", gettext("提交备案"), "/filings/submit?mode=all", "get", style="primary")]

    def row_class(self, item: Any) -> str:
        return "row-danger" if item.state in {FilingState.RETURNED, FilingState.REVOKED} else ""

    def row_label(self, item: Any) -> str:
        instrument = item.instrument
        return f"{instrument.name} {instrument.serial_no}" if instrument is not None else str(item)

    def bulk_actions(self) -> list[Button]:
        """Institutes decide many at once; submitting has a page of its own."""
        return [b for b in super().bulk_actions() if b.name != "submit"]

    # -- one filing ----------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> list[Button]:
        if not me().of_unit:
            return []
        found = [Button("instrument", gettext("查看器具"), f"/instruments/show/{item.instrument_id}", "get")]
        if item.state in {FilingState.PENDING, FilingState.RETURNED}:
            found.append(Button("edit", gettext("修改器具信息"), f"/instruments/edit/{item.instrument_id}", "get"))
        return found

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        every = instrument_history(db.session(), me(), item.instrument_id)
        history = self.history_tab(item, [line for line in every if line.entity == FILING.label])
        return [route_tab(item), history]

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        """Institutes a filing may go to: near the place of use, the city's counties, or the province's own."""
        if step.name == "submit":
            levels = setting("filing", "selectable_levels")
            found = institutes_for(db.session(), item.instrument.use_division, levels=levels)
        else:
            level, size = (Level.COUNTY, 4) if step.name == "dispatch" else (Level.PROVINCE, 2)
            area = (me().institute_area or "")[:size] or "-"
            statement = select(Institute).where(
                Institute.active, Institute.level == level, Institute.division_code.startswith(area, autoescape=True)
            )
            found = list(db.session.execute(statement.order_by(Institute.division_code)).unique().scalars())
        return [(str(i.id), i.name) for i in found]

    def step_form(self, step: Step, item: Any) -> Any:
        """The statement's text stands beside its tick."""
        form = super().step_form(step, item)
        if step.name == "submit":
            form["declaration"].label.text = STATEMENT
            form["allow_province"].label.text = gettext("市级机构无能力检定时，授权其转送省级机构。")
        return form

    def take(self, step: Step, item: Any, actor: Any, form: Any) -> Any:
        """A filing that is sent again carries the instrument's present place of use."""
        if step.name == "submit" and item.use_division != item.instrument.use_division:
            item.use_division = item.instrument.use_division
            db.session.flush()
        return super().take(step, item, actor, form)

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """The list page; links from elsewhere carry `state=` or `mine=1`."""
        state = clean(request.args.get("state"), 24)
        if state and state not in set(FilingState):
            flash(gettext("筛选项“%(text)s”不存在，已忽略。", text=state), "warning")
            return redirect(self.url("list"))
        return super().list()


def route_tab(item: Any) -> DetailTab:
    """流转经过: every institute that held the filing, who sent it on and why."""
    hops = item.route or []
    ids = {h.get("institute") for h in hops} - {None}
    names = {}
    if ids:
        found = db.session.execute(select(Institute.id, Institute.name).where(Institute.id.in_(ids)))
        names = dict(found.tuples().all())
    labels = {step.name: step.label for step in FILING.steps}
    steps = [
        {
            "time": str(h.get("at", ""))[:16].replace("T", " "),
            "who": names.get(h.get("institute"), ""),
            "what": labels.get(str(h.get("step")), str(h.get("step"))),
            "note": h.get("reason") or "",
            "kind": "info",
        }
        for h in hops
    ]
    if item.target_institute is not None:
        first = {
            "time": item.submitted_at,
            "who": item.target_institute.name,
            "what": gettext("受理机构"),
            "kind": "info",
        }
        steps = [first, *steps]
    return DetailTab("route", gettext("流转经过"), "kinds/_history.html", {"steps": steps}, count=len(steps))
