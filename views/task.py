"""检定任务: the institute's queue, giving tasks out, and recording the result of one's own."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, jsonify, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from sqlalchemy.orm import selectinload

from app.access.roles import INSTITUTE
from app.errors import NotVisibleError, QuanhengError
from app.fab.actions import MAX_ROWS
from app.fab.interface import PGInterface
from app.fab.parts import Button, DetailTab, state_chip
from app.operations.certificate import record_result
from app.operations.task import due_of, reads_record, tasks_by_id, verifier_choices, verifiers
from app.workflow import TASK
from app.workflow.engine import Step
from app.workflow.subjects import fill_subjects
from app.workflow.task import PAUSES
from models.base import db
from models.commission import Task
from models.enums import Role, TaskState
from views.answers import ids_of
from views.edge import clean
from views.item import RESULTS, live_paper, result_page
from views.result_form import ResultForm, add_rows, fill_from_item, typed_result
from views.workflow_view import WorkflowView, me, put_on_form

S = TaskState
MEASURED = ["place", "temperature", "humidity", "regulation", "standard_name", "conclusion"]
"""What only those read who read the record (ROLES 2)."""


class TaskView(WorkflowView):
    """Tasks of the own institute. Units see state and dates on their commission, and never what was measured."""

    workflow = TASK
    datamodel = PGInterface(
        Task,
        load=(
            selectinload(Task.instrument),
            selectinload(Task.unit),
            selectinload(Task.commission),
            selectinload(Task.verifier),
        ),
    )
    class_permission_name = "TaskView"
    route_base = "/tasks"
    noun, unit_word = _("检定任务"), _("项")
    empty_text = _("开具委托单后，每台器具生成一项检定任务。")
    list_columns = [
        "instrument.name",
        "instrument.serial_no",
        "unit",
        "commission.number",
        "verifier",
        "due_on",
        "state",
    ]
    show_columns = [
        "instrument.name",
        "instrument.model",
        "instrument.serial_no",
        "instrument.manufacturer",
        "instrument.measuring_range",
        "instrument.accuracy_class",
        "unit",
        "commission.number",
        "verifier",
        "due_on",
        "begun_at",
        "pause_kind",
        "paused_on",
        "waited_days",
        "recorded_at",
        *MEASURED,
        "reason",
    ]
    search_columns = ["state", "instrument", "unit", "verifier", "due_on"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["due_on"]
    base_order = ("id", "desc")
    label_columns = {
        "instrument": _("器具或出厂编号"),
        "unit": _("使用单位"),
        "verifier": _("检定员"),
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "instrument.model": _("型号规格"),
        "instrument.manufacturer": _("生产厂家"),
        "instrument.measuring_range": _("测量范围"),
        "instrument.accuracy_class": _("准确度等级"),
        "commission.number": _("委托单号"),
    }
    options_urls = {"unit": "/units/options", "instrument": "/instruments/options", "verifier": "/tasks/verifiers"}
    choices = {"conclusion": RESULTS, "pause_kind": PAUSES}
    tab_states = ("queued", "assigned", "in_progress", "paused", "recorded")
    base_permissions = ["can_list", "can_show", "can_step", "can_assign", "can_record"]
    grants = {
        "can_list": INSTITUTE,
        "can_show": INSTITUTE,
        "can_step": frozenset({Role.IMG, Role.VER}),
        "can_assign": frozenset({Role.IMG}),
        "can_record": frozenset({Role.VER}),
    }

    def rows_of_page(self, items: Any) -> None:
        fill_subjects(db.session(), items)

    def load_item(self, pk: Any) -> Any:
        item = super().load_item(pk)
        fill_subjects(db.session(), [item])
        return item

    def row_label(self, item: Any) -> str:
        return str(item.instrument)

    def row_class(self, item: Any) -> str:
        return "row-danger" if due_of(item).late else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column in MEASURED and not reads_record(me(), item):
            return "—"
        if column == "due_on":
            return due_word(item)
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        if not me().has(Role.VER):
            return []
        return [Button("mine", gettext("我的任务"), self.filter_url(verifier=me().account_id), "get", icon="user")]

    def row_buttons(self, item: Any) -> list[Button]:
        return [b for b in self.extra_buttons(item) if b.name == "record"]

    def extra_buttons(self, item: Any) -> list[Button]:
        found = []
        paper = live_paper(item.item_id) if item.state in {S.IN_PROGRESS, S.RECORDED, S.CLOSED} else None
        mine = item.verifier_id == me().account_id and me().has(Role.VER)
        if mine and paper is None and item.state in {S.ASSIGNED, S.IN_PROGRESS}:
            url = self.url("record", pk=item.id)
            found.append(Button("record", gettext("录入结果"), url, "get", style="primary", icon="edit"))
        if paper is not None:
            found.append(Button("paper", gettext("查看证书"), f"/certificates/show/{paper.id}", "get", icon="award"))
        return found

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        found = super().detail_tabs(item)
        if item.readings and reads_record(me(), item):
            found.insert(
                0, DetailTab("readings", gettext("检定数据"), "pages/task_readings.html", {"rows": item.readings})
            )
        return found

    # -- giving out ----------------------------------------------------------------------------------------------

    def step_choices(self, step: Step, need: Any, item: Any) -> list[tuple[str, str]]:
        return verifier_choices(db.session(), me(), [item]) if need.kind == "verifier" else []

    def step_value(self, step: Step, need: Any, item: Any) -> Any:
        return str(item.verifier_id or "") if need.kind == "verifier" else None

    def bulk_actions(self) -> list[Button]:
        """分派 asks for a verifier on a page of its own, so it stands beside the one-press steps."""
        found = super().bulk_actions()
        if self.may("assign"):
            found.insert(0, Button("assign", TASK.step("assign").label, self.url("action_post")))
        return found

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """As for every workflow; 分派 leads to the choice of the verifier."""
        if request.form.get("action") != "assign":
            return super().action_post()
        keys = self.bulk_keys("assign")
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(self.get_redirect(), 303)
        return redirect(self.url("assign", ids=",".join(str(k) for k in keys)), 303)

    @expose("/assign", methods=["GET", "POST"])
    @has_access
    def assign(self) -> Any:
        """Many tasks to one verifier; whom the machine refuses stays where it was, with the sentence."""
        ids = ids_of("ids")
        if not ids:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(self.url("list"), 303)
        if len(ids) > MAX_ROWS:
            abort(413, gettext("一次最多勾选 %(most)s 条。", most=MAX_ROWS))
        step, problem = TASK.step("assign"), ""
        rows = tasks_by_id(db.session(), ids)
        fill_subjects(db.session(), rows)
        if request.method == "POST":
            chosen = clean(request.form.get("verifier_id"), 20)
            if chosen in {key for key, _name in verifier_choices(db.session(), me(), [])}:
                done, skipped = self.take_each(step, ids, {"verifier_id": chosen})
                self.report(step, done, skipped)
                return redirect(self.filter_url(state="assigned") if done else self.url("list"), 303)
            problem = gettext("请选择“检定员”。")
        page = self.render_template(
            "pages/task_assign.html",
            title=step.label,
            rows=rows,
            ids=",".join(str(i) for i in ids),
            people=verifier_choices(db.session(), me(), rows),
            problem=problem,
            labels=TASK.labels,
            due_word=due_word,
            view=self,
        )
        return page, 422 if problem else 200

    @expose("/verifiers")
    @has_access
    @permission_name("list")
    def verifiers(self) -> Any:
        """Colleagues for the filter of the list, by part of their name."""
        term = clean(request.args.get("term"), 30)
        rows = [a for a in verifiers(db.session(), me()) if term in a.name][:50]
        return jsonify(results=[{"id": a.id, "text": a.name} for a in rows], pagination={"more": False})

    # -- the result ----------------------------------------------------------------------------------------------

    @expose("/record/<pk>", methods=["GET", "POST"])
    @has_access
    def record(self, pk: str) -> Any:
        """The record of one's own task; it drafts the paper and takes the task's step in one transaction."""
        task = self.load_item(pk)
        if task.verifier_id != me().account_id:
            abort(403)
        form, problems = ResultForm(), []
        if request.method == "GET":
            if task.state not in {S.ASSIGNED, S.IN_PROGRESS} or live_paper(task.item_id) is not None:
                word = TASK.label_of(task.state)
                flash(gettext("当前状态为“%(word)s”，不能录入结果。", word=word), "warning")
                return redirect(self.url("show", pk=pk), 303)
            fill_from_task(form, task)
        elif not add_rows(form) and form.validate():
            try:
                paper = record_result(db.session(), me(), task.item_id, typed_result(form))
                flash(gettext("检定结果已保存，请核对证书草稿后提交核验。"), "success")
                return redirect(f"/certificates/show/{paper.id}", 303)
            except NotVisibleError:
                raise
            except QuanhengError as error:
                db.session.rollback()
                task = self.load_item(pk)
                problems = put_on_form(form, error)
        fill_subjects(db.session(), [task.item])
        return result_page(self, form, problems, task.item, gettext("录入检定结果"), self.url("show", pk=pk))


def fill_from_task(form: ResultForm, task: Task) -> None:
    """Defaults of the item, then what was written down when the work began, and the readings of a given-up draft."""
    fill_from_item(form, task.item)
    for name in ("place", "temperature", "humidity"):
        form[name].data = getattr(task, name) or form[name].data
    if task.readings:
        rows = [[str(cell) for cell in (*row, "", "", "")[:3]] for row in task.readings if isinstance(row, list)]
        form.rows = rows + [["", "", ""] for _n in range(max(len(form.rows) - len(rows), 2))]


def due_word(task: Task) -> Any:
    """The due day, with how late it is, or that the user is waited for."""
    due = due_of(task)
    if due.waiting:
        return state_chip("muted", gettext("%(day)s 待用户，暂停计时", day=due.day))
    if due.left is None:
        return due.day.isoformat()
    if due.left < 0:
        return state_chip("danger", gettext("%(day)s 已超期%(n)s天", day=due.day, n=-due.left))
    if due.left <= 2:
        return state_chip("warn", gettext("%(day)s 还剩%(n)s天", day=due.day, n=due.left))
    return due.day.isoformat()
