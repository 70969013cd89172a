"""备案管理: what a unit has filed, what an institute must decide, and the way each filing travelled."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from app.access.roles import RECEPTION, REGULATOR, UNIT
from app.errors import QuanhengError
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, Tab
from app.fab.urls import local_path
from app.operations.account import institutes_for
from app.operations.filing import awaited_by, decide_many, declared, filing_counts, statement_of
from app.operations.history import instrument_history
from app.profiles import setting, switch_on
from app.workflow import FILING, INSTRUMENT
from app.workflow.engine import Field, Step, check_input, check_role, fire, why_not
from models import Filing, Institute, Instrument
from models.base import db
from models.enums import FilingState, Level
from views.bulk import start_act
from views.edge import clean
from views.filing_route import route_tab
from views.workflow_view import WorkflowView, _state_argument, _typed, me, only_reason, put_on_form

PENDING_LIST = "/filings/pending/list/"
FORMS = ("return", "dispatch", "transfer")
"""Steps of many rows that ask for more than a reason: a page of their own (/filings/batch)."""
MOST_TICKED = 200
OF_INSTRUMENT = {
    # S4 §四.2, §四.4: what a unit can do with the instruments of a list, beside filing
    FilingState.RETURNED: ("delete",),
    FilingState.REVOKED: ("suspend", "scrap"),
    FilingState.SUSPENDED: ("enable", "scrap"),
}
OF_TAB = {
    FilingState.SUBMITTED: {"withdraw", "allow_province", "approve", "return", "dispatch", "transfer"},
    FilingState.TO_PROCESS: {"allow_province", "approve", "return", "dispatch", "transfer"},
    FilingState.TO_CONFIRM: {"confirm", "refuse", "recall"},
    FilingState.APPROVED: {"revoke"},
    FilingState.RETURNED: {"submit"},
}
"""Steps that the bulk bar of a tab offers."""
OF_QUEUE = {"approve", "return", "dispatch", "transfer", "confirm", "refuse"}
RETURN_KINDS = {"incomplete": _("资料不完整"), "not_listed": _("不属于强检目录"), "other": _("其他")}


class HeldHere(BaseFilter):
    """Filings that wait for the principal's own institute, or for the county's own decision."""

    name = _("待本机构处理")
    arg_name = "mine"

    def apply(self, query: Any, value: Any) -> Any:
        return query.filter(awaited_by(me()))


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
    empty_text = _("在“待备案”中勾选器具，再按“提交选中”。")
    exclude_route_methods = {"delete", "download", "options", "add", "edit"}
    base_permissions = ["can_list", "can_show", "can_step"]
    grants = {
        "can_list": UNIT | RECEPTION | REGULATOR,
        "can_show": UNIT | RECEPTION | REGULATOR,
        "can_step": UNIT | RECEPTION | REGULATOR,
    }
    formatters_columns = {"return_kind": lambda value: RETURN_KINDS.get(value, value or "—")}

    # -- the list ------------------------------------------------------------------------------------------------

    def empty_words(self) -> Any:
        """Units submit, the others wait for it."""
        return self.empty_text if me().of_unit else gettext("使用单位提交的备案会显示在这里。")

    def narrow(self, args: Any) -> None:
        if self.mine():
            self._filters._add_filter(HeldHere("state", self.datamodel), [True])

    def mine(self) -> bool:
        """Whether only what waits for one's own office is asked for."""
        return request.args.get("mine") == "1" and awaited_by(me()) is not None

    def tabs(self) -> list[Tab]:
        if me().of_unit:
            return unit_tabs(self.state_now())
        found = super().tabs()
        awaited, mine = awaited_by(me()), self.mine()
        if awaited is None:
            return found
        found = [Tab(t.label, t.url, t.count, t.active and not mine) for t in found]
        inner = select(Filing.id).where(awaited)
        label = gettext("待本机构处理") if me().of_institute else gettext("待本部门审核")
        count = db.session.scalar(select(func.count()).select_from(inner.limit(10_001).subquery())) or 0
        return [Tab(label, self.url("list", mine=1), count, mine), *found]

    def state_now(self) -> str:
        """The state whose tab is shown, "" for 全部."""
        states = request.args.getlist(_state_argument(self))
        return states[0] if len(states) == 1 else ""

    def list_buttons(self) -> list[Button]:
        if not me().of_unit:
            return []
        return [Button("submit", gettext("提交备案"), PENDING_LIST, "get", style="primary")]

    def row_class(self, item: Any) -> str:
        return "row-danger" if item.state in {FilingState.RETURNED, FilingState.REVOKED} else ""

    def row_label(self, item: Any) -> str:
        instrument = item.instrument
        return f"{instrument.name} {instrument.serial_no}" if instrument is not None else str(item)

    def bulk_actions(self) -> list[Button]:
        """What many rows of this tab can take together; 全部 offers all steps, and skips rows that cannot."""
        actor, url, state, found = me(), self.url("action_post"), self.state_now(), []
        wanted = OF_TAB.get(FilingState(state), set()) if state else OF_QUEUE if self.mine() else None
        for step in FILING.steps:
            if (
                not (step.bulk or step.name in FORMS)
                or not actor.has(*step.takers)
                or (step.switch and not switch_on(step.switch))
            ):
                continue
            if wanted is not None and step.name not in wanted:
                continue
            if step.name in {"dispatch", "transfer", "recall"} and actor.institute_level != Level.CITY:
                continue
            if step.name in {"approve", "return"} and awaited_by(actor) is None:
                continue  # the administration of another level reads along
            own_page = step.name in FORMS or step.name == "submit"
            label = gettext("重新提交") if step.name == "submit" else step.label
            ask = gettext("确定对所选记录办理“%(step)s”吗？不符合条件的会跳过并说明原因。", step=label)
            style = "danger" if step.danger else "default"
            reason = only_reason(step)
            confirm = None if own_page else ask
            found.append(Button(step.name, label, url, style=style, needs_reason=reason, confirm=confirm))
        if actor.of_unit and state:
            found += [self.instrument_button(name, url) for name in OF_INSTRUMENT.get(FilingState(state), ())]
        return found

    def instrument_button(self, name: str, url: str) -> Button:
        """停用, 启用, 报废 or 删除 of the ticked filings' instruments."""
        step = INSTRUMENT.step(name)
        ask = gettext("确定对所选器具办理“%(step)s”吗？不符合条件的会跳过并说明原因。", step=step.label)
        style, reason = "danger" if step.danger else "default", name == "scrap"
        return Button(name, step.label, url, style=style, needs_reason=reason, confirm=ask)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Some acts have pages of their own, some are the ledger's; the rest are steps of the filings."""
        name = request.form.get("action", "")
        if name not in {*FORMS, "submit", "delete", "suspend", "enable", "scrap"}:
            return super().action_post()
        if not self.appbuilder.sm.has_access("can_step", self.class_permission_name):
            abort(403)
        if not me().has(*(FILING.step(name).takers if name in {*FORMS, "submit"} else UNIT)):
            abort(403)
        back = local_path(request.form.get("back"), self.url("list"))
        keys = self.bulk_keys(name)
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(back, 303)
        if name in FORMS:
            return redirect(f"/filings/batch?step={name}&ids={','.join(map(str, keys))}", 303)
        rows = select(Filing.instrument_id).where(Filing.id.in_(keys)).order_by(Filing.instrument_id)
        instruments = list(db.session.scalars(rows))
        if name == "submit":
            return redirect(f"/filings/submit?ids={','.join(map(str, instruments))}", 303)
        return self.act_on_instruments(name, instruments, back)

    def act_on_instruments(self, name: str, keys: list[int], back: str) -> Any:
        """The ledger's own act on the instruments of the ticked filings."""
        return start_act(name, back, self.reason(), keys)

    def take_each(self, step: Step, keys: list[int], data: dict[str, Any]) -> tuple[int, list[str]]:
        """Row by row; both sides get one message for the whole click."""
        result = decide_many(db.session(), me(), step.name, keys, data)
        return len(result.done), [f"{label}：{why}" for label, why in result.skipped]

    @expose("/batch", methods=["GET", "POST"])
    @has_access
    @permission_name("step")
    def batch(self) -> Any:
        """退回, 分派 or 转送 of several filings with one form."""
        step = FILING.step(clean(request.values.get("step"), 20))
        if step.name not in FORMS:
            abort(404)
        check_role(step, me())
        ids = clean(request.values.get("ids"), 4_000)
        keys = sorted({int(k) for k in ids.split(",") if k.isascii() and k.isdecimal() and len(k) < 19})[:MOST_TICKED]
        rows = db.session.execute(select(Filing).where(Filing.id.in_(keys)).order_by(Filing.id)).scalars().all()
        if not rows:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(self.url("list", mine=1), 303)
        form, problems = self.step_form(step, rows[0]), list[str]()
        if request.method == "POST":
            data = {need.name: _typed(form, need) for need in step.needs}
            try:
                check_input(step, data)
                done, skipped = self.take_each(step, [row.id for row in rows], data)
                self.report(step, done, skipped)
                return redirect(self.url("list", mine=1), 303)
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "pages/step.html",
            title=step.label,
            item=None,
            form=form,
            form_errors=problems,
            view=self,
            columns=[need.name for need in step.needs],
            hidden={"step": step.name, "ids": ids},
            submit_label=gettext("%(step)s（%(n)s条）", step=step.label, n=len(rows)),
            form_action="/filings/batch",
            cancel_url=self.url("list", mine=1),
            intro="、".join(self.row_label(row) for row in rows[:20]) + ("……" if len(rows) > 20 else ""),
        )
        return page, 422 if request.method == "POST" else 200

    # -- one filing ----------------------------------------------------------------------------------------------

    def extra_buttons(self, item: Any) -> list[Button]:
        if not me().of_unit:
            return []
        found = []
        if item.state in {FilingState.PENDING, FilingState.RETURNED} and item.return_kind != "not_listed":
            found.append(Button("edit", gettext("修改器具信息"), f"/instruments/edit/{item.instrument_id}", "get"))
        for name in OF_INSTRUMENT.get(FilingState(item.state), ()):
            step, row = INSTRUMENT.step(name), item.instrument
            url, why = f"/instruments/step/{name}/{row.id}", why_not(db.session(), INSTRUMENT, row, step, me())
            ask = gettext("确定对“%(row)s”办理“%(step)s”吗？", row=self.row_label(item), step=step.label)
            more: dict[str, Any] = {"needs_reason": True} if name == "scrap" else {"confirm": ask}
            hidden = {"seen_version": str(row.version)}
            style = "danger" if step.danger else "default"
            found.append(Button(name, step.label, url, style=style, why_not=why, hidden=hidden, **more))
        return found

    def _facts(self, item: Any) -> list[tuple[Any, list[tuple[Any, Any]]]]:
        """The instrument's name leads to its own page."""
        label = self.label_columns["instrument.name"]
        link = Markup('<a href="/instruments/show/{}">{}</a>').format(item.instrument_id, item.instrument.name)
        return [
            (title, [(word, link if word == label else value) for word, value in facts])
            for title, facts in super()._facts(item)
        ]

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        every = instrument_history(db.session(), me(), item.instrument_id)
        history = self.history_tab(item, [line for line in every if line.entity == FILING.label])
        return [route_tab(every, item.id), history]

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
            statement = statement_of(db.session())
            form["declaration"].label.text = statement.body
            form["declaration"].render_kw = {"value": str(statement.version)}
            form["allow_province"].label.text = gettext("市级机构无能力检定时，授权其转送省级机构。")
        return form

    def take(self, step: Step, item: Any, actor: Any, form: Any) -> Any:
        """A filing that is sent again carries the instrument's present place of use."""
        if step.name != "submit":
            return super().take(step, item, actor, form)
        if item.use_division != item.instrument.use_division:
            item.use_division = item.instrument.use_division
            db.session.flush()
        confirmed = request.form.get("declaration", "")  # the version that was read
        data = {need.name: _typed(form, need) for need in step.needs}
        data = declared(db.session(), data, confirmed if confirmed.isdecimal() else None)
        seen = request.form.get("seen_version", "")
        version = int(seen) if seen.isdecimal() else None
        done = fire(db.session(), FILING, item.id, step.name, actor, data, seen_version=version)
        flash(self.done_sentence(step, done), "success")
        return redirect(self.url("show", pk=done.id), 303)

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """The list page; links from elsewhere carry `state=` or `mine=1`."""
        state = clean(request.args.get("state"), 24)
        if state and state not in set(FilingState):
            flash(gettext("筛选项“%(text)s”不存在，已忽略。", text=state), "warning")
            return redirect(self.url("list"))
        if state == FilingState.PENDING and me().of_unit:
            return redirect(PENDING_LIST)
        return super().list()


def unit_tabs(shown: str) -> list[Tab]:
    """The lists of 备案管理 for a unit, with the numbers that each of them shows (WX-07)."""
    counts, found = filing_counts(db.session()), [Tab(gettext("全部"), "/filings/list/", None, not shown)]
    for state in FilingView.tab_states:
        url = PENDING_LIST if state == FilingState.PENDING else f"/filings/list/?state={state}"
        found.append(Tab(FILING.label_of(state), url, counts[state], shown == state))
    return found
