"""收样与检定: the work list of an institute, instrument by instrument, with receiving and recording."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.errors import QuanhengError
from app.fab.actions import MAX_ROWS
from app.fab.formats import plain
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab
from app.operations.appointment_receipt import as_submitted, flow_help, flow_word
from app.operations.certificate import LIVE_PAPER, record_result
from app.operations.history import entity_history
from app.operations.task import tasks_of_items, waits_on_site
from app.profiles import switch_on
from app.workflow import ITEM
from app.workflow.item import COUNTER
from app.workflow.subjects import fill_subjects
from models.appointment import Appointment, AppointmentItem
from models.base import db
from models.certificate import Certificate
from models.commission import Task
from models.enums import Conclusion, ItemState, Role
from views.answers import ids_of
from views.appointment_words import mode_word, slot_word, state_of_item
from views.result_form import ResultForm, add_rows, fill_from_item, typed_result
from views.workflow_view import WorkflowView, me, put_on_form

S = ItemState
RESULTS = ((Conclusion.PASS, _("合格"), "ok"), (Conclusion.FAIL, _("不合格"), "danger"))
EVERYONE = UNIT | INSTITUTE | REGULATOR


class ItemView(WorkflowView):
    """Booked instruments; institutes receive and verify them here, a unit may take one out of its order."""

    workflow = ITEM
    datamodel = PGInterface(
        AppointmentItem,
        load=(
            selectinload(AppointmentItem.instrument),
            selectinload(AppointmentItem.unit),
            selectinload(AppointmentItem.appointment).selectinload(Appointment.slot),
        ),
    )
    class_permission_name = "ItemView"
    route_base = "/items"
    noun, unit_word = _("预约器具"), _("台")
    list_title = _("收样与检定")
    empty_text = _("受理预约单后，器具会出现在这里。")
    list_columns = [
        "instrument.name",
        "instrument.serial_no",
        "instrument.model",
        "unit",
        "appointment.number",
        "appointment.slot",
        "state",
    ]
    show_columns = [
        "instrument.name",
        "instrument.model",
        "instrument.serial_no",
        "instrument.manufacturer",
        "instrument.measuring_range",
        "instrument.accuracy_class",
        "instrument.place",
        "unit",
        "institute",
        "appointment.number",
        "appointment.mode",
        "appointment.slot",
        "received_at",
        "result",
        "reason",
    ]
    search_columns = ["state", "instrument", "unit", "received_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["received_at"]
    base_order = ("id", "desc")
    label_columns = {
        "instrument": _("器具或出厂编号"),
        "unit": _("使用单位"),
        "institute": _("检定机构"),
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "instrument.model": _("型号规格"),
        "instrument.manufacturer": _("生产厂家"),
        "instrument.measuring_range": _("测量范围"),
        "instrument.accuracy_class": _("准确度等级"),
        "instrument.place": _("使用地点"),
        "appointment.number": _("预约单号"),
        "appointment.mode": _("检定方式"),
        "appointment.slot": _("预约时段"),
    }
    options_urls = {"unit": "/units/options", "instrument": "/instruments/options"}
    choices = {"result": RESULTS}
    tab_states = ("accepted", "received", "verifying", "done", "returned")
    base_permissions = ["can_list", "can_show", "can_step", "can_receive", "can_record"]
    grants = {
        "can_list": EVERYONE,
        "can_show": EVERYONE,
        "can_step": UNIT | INSTITUTE,
        "can_receive": COUNTER,
        "can_record": frozenset({Role.VER}),
    }

    def rows_of_page(self, items: Any) -> None:
        fill_subjects(db.session(), items)
        g.item_tasks = tasks_of_items(db.session(), items)

    def load_item(self, pk: Any) -> Any:
        item = super().load_item(pk)
        fill_subjects(db.session(), [item])
        return item

    def row_label(self, item: Any) -> str:
        return str(item.instrument)

    def as_applied(self, item: Any, column: str) -> str:
        """The instrument as the ledger had it when the order was submitted; what changed since is said (APT-11)."""
        then, now = as_submitted(item, column.removeprefix("instrument."))
        if then == now or not then:
            return str(plain(now))
        return gettext("%(then)s（台账现为：%(now)s）", then=then, now=plain(now))

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        """流程信息 first: where it stands, what that means, and how it came there (APT-08)."""
        steps = [
            {"time": line.at, "what": line.after, "who": f"{line.who}，{line.body}".strip("，"), "note": line.reason}
            for line in entity_history(db.session(), me(), ITEM.name, item.id)
        ]
        word = flow_word(item)
        shown = {"chip": state_of_item(item), "said": flow_help(db.session()).get(word, ""), "steps": steps}
        flow = DetailTab("flow", gettext("流程信息"), "pages/item_flow.html", shown)
        return [flow, *super().detail_tabs(item)]

    def show_value(self, item: Any, column: str) -> Any:
        if column.startswith("instrument."):
            return self.as_applied(item, column)
        if column == "appointment.slot":
            return slot_word(item.appointment.slot)
        if column == "appointment.mode":
            return mode_word(item.mode or item.appointment.mode)
        if column == "appointment.number":
            return str(item.appointment)
        return super().show_value(item, column)

    def row_buttons(self, item: Any) -> list[Button]:
        return [b for b in self.extra_buttons(item) if b.name == "record"]

    def extra_buttons(self, item: Any) -> list[Button]:
        actor, found = me(), []
        mine = actor.has(Role.VER) and item.institute_id == actor.institute_id
        paper = live_paper(item.id) if item.state in {S.VERIFYING, S.DONE} else None
        recordable = item.state in {S.RECEIVED, S.VERIFYING} or waits_on_site(item)
        task = task_of_item(item) if mine and recordable and paper is None else None
        if mine and paper is None and recordable and (task is None or task.verifier_id == actor.account_id):
            label = gettext("录入结果")
            found.append(Button("record", label, self.url("record", pk=item.id), "get", style="primary", icon="edit"))
        if task is not None:
            found.append(Button("task", gettext("查看检定任务"), f"/tasks/show/{task.id}", "get"))
        if paper is not None:
            address = f"/certificates/show/{paper.id}"
            found.append(Button("paper", gettext("查看证书"), address, "get", icon="award"))
        return found

    # -- receiving many at once ----------------------------------------------------------------------------------

    def bulk_actions(self) -> list[Button]:
        """收样核对 asks for its tick on a page of its own, so it stands beside the one-press steps."""
        found = super().bulk_actions()
        if me().has(*COUNTER):
            label = ITEM.step("receive").label
            found.insert(0, Button("receive", label, self.url("action_post"), style="default"))
        if me().has(Role.VER):
            found.append(Button("record", gettext("录入结果"), self.url("action_post"), style="default"))
        return found

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """As for every workflow; 收样核对 leads to its confirmation, 录入结果 to the page of many results."""
        act = request.form.get("action", "")
        if act not in {"receive", "record"}:
            return super().action_post()
        keys = self.bulk_keys(act)
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(self.get_redirect(), 303)
        joined = ",".join(str(k) for k in keys)
        return redirect(f"/results/batch?ids={joined}" if act == "record" else self.url("receive", ids=joined), 303)

    @expose("/receive", methods=["GET", "POST"])
    @has_access
    def receive(self) -> Any:
        """The ticked instruments side by side with what the plate must say; one declaration for those still ticked."""
        ids = ids_of("ids")
        if not ids:
            flash(gettext("请先勾选要收样的器具。"), "warning")
            return redirect(self.url("list"), 303)
        if len(ids) > MAX_ROWS:
            abort(413, gettext("一次最多勾选 %(most)s 条。", most=MAX_ROWS))
        step, problems, rows = ITEM.step("receive"), [], load_items(ids)
        if len(rows) != len(ids):
            abort(404)
        chosen = {row.id for row in rows if row.state == S.ACCEPTED}
        if request.method == "POST":
            chosen = set(ids_of("rowid")) & set(ids) if "rowid" in request.form else set()
            if not chosen:
                problems.append(gettext("请至少勾选一台器具。"))
            if request.form.get("checked") != "1":
                problems.append(gettext("请核对后勾选“%(field)s”。", field=step.needs[0].label))
            if not problems:
                done, skipped = self.take_each(step, sorted(chosen), {"checked": True})
                self.report(step, done, skipped)
                return redirect(self.filter_url(state="received"), 303)
        page = self.render_template(
            "pages/item_receive.html",
            title=step.label,
            rows=rows,
            chosen=chosen,
            form_errors=problems,
            view=self,
            ids=",".join(str(i) for i in ids),
            tick=step.needs[0].label,
            labels=ITEM.labels,
        )
        return page, 422 if problems else 200

    # -- the result ----------------------------------------------------------------------------------------------

    @expose("/record/<pk>", methods=["GET", "POST"])
    @has_access
    def record(self, pk: str) -> Any:
        """The verification record; it drafts the certificate or the notice of rejection that the conclusion asks for."""
        item = self.load_item(pk)
        if (task := task_of_item(item)) is not None:
            return redirect(f"/tasks/record/{task.id}", 303)
        form, problems = ResultForm(), []
        if request.method == "GET":
            ready = item.state in {S.RECEIVED, S.VERIFYING} or waits_on_site(item)
            if not ready or live_paper(item.id) is not None:
                word = ITEM.label_of(item.state)
                flash(gettext("当前状态为“%(word)s”，不能录入结果。", word=word), "warning")
                return redirect(self.url("show", pk=pk), 303)
            fill_from_item(form, item)
        elif not add_rows(form) and form.validate():
            try:
                certificate = record_result(db.session(), me(), item.id, typed_result(form))
                flash(gettext("检定结果已保存，请核对证书草稿后提交核验。"), "success")
                return redirect(f"/certificates/show/{certificate.id}", 303)
            except QuanhengError as error:
                db.session.rollback()
                item = self.load_item(pk)
                problems = put_on_form(form, error)
        return result_page(self, form, problems, item, gettext("录入检定结果"), self.url("show", pk=pk))


def result_page(
    view: Any,
    form: ResultForm,
    problems: list[str],
    item: AppointmentItem,
    title: str,
    back: str,
    hidden: dict[str, Any] | None = None,
) -> Any:
    """The page of a result, for a new record and for a draft that is corrected."""
    asked = request.form.get("act") in {"rows", "preview"}
    page = view.render_template(
        "pages/item_record.html",
        title=title,
        item=item,
        form=form,
        form_errors=problems,
        view=view,
        cancel_url=back,
        hidden=hidden or {},
        until=form.preview(),
    )
    return page, 422 if request.method == "POST" and not asked else 200


def task_of_item(item: AppointmentItem) -> Task | None:
    """The task that the counter made of an item; read for a whole page at once where there is one."""
    if not switch_on("commission"):
        return None
    known: dict[int, Task] | None = g.get("item_tasks")
    if known is None:
        known = tasks_of_items(db.session(), [item])
    return known.get(item.id)


def live_paper(item_id: int) -> Certificate | None:
    """The certificate of an item that is neither dropped nor replaced."""
    statement = select(Certificate).where(Certificate.item_id == item_id, Certificate.state.not_in(LIVE_PAPER))
    return db.session.execute(statement.order_by(Certificate.id.desc())).scalars().first()


def load_items(ids: list[int]) -> list[AppointmentItem]:
    """Items by id through scope, in the order of their ids."""
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.id.in_(ids))
        .options(selectinload(AppointmentItem.instrument), selectinload(AppointmentItem.unit))
        .order_by(AppointmentItem.id)
    )
    return list(db.session.execute(statement).scalars())
