"""Lists, detail pages and buttons of an entity with a workflow, generated from its declaration.

The declaration gives the state's words and colours, the buttons with their reasons for being grey, the form of a
step, the bulk bar and the history tab; the engine is the only thing these routes call (law 1 of the house).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import abort, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import BooleanField, DateField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Optional

from app.access.principal import Principal
from app.errors import InvalidInputError, QuanhengError
from app.fab.crud import CrudView
from app.fab.fields import Ticks
from app.fab.parts import Button, Choice, DetailTab, Tab, state_chip
from app.fab.urls import local_path
from app.operations.history import Line, entity_history
from app.workflow.engine import Field, Step, Workflow, check_role, fire, offered, why_not
from app.workflow.lifecycle import KEPT
from app.workflow.show import mermaid  # noqa: F401 - the help page draws from the same declaration
from models.base import db
from views.edge import clean, require_principal
from views.history import history_tab

TONES = {"success": "ok", "warning": "warn", "danger": "danger", "info": "info", "muted": "muted"}
SKIPPED_SHOWN = 5


def me() -> Principal:
    """The principal of this request."""
    principal = require_principal()
    assert isinstance(principal, Principal)
    return principal


def chip(workflow: Workflow, state: str) -> Any:
    """The coloured word of a state."""
    return state_chip(TONES[workflow.tone_of(state)], workflow.label_of(state))


class WorkflowView(CrudView):
    """A CrudView of a model with a workflow. Declare `workflow`; everything about steps follows from it."""

    workflow: Workflow
    state_column = "state"
    tab_states: tuple[str, ...] = ()
    base_permissions = ["can_list", "can_show", "can_step"]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        workflow = getattr(cls, "workflow", None)
        if workflow is not None:
            words = [Choice(s.value, _word(workflow, s), TONES[workflow.tone_of(s)]) for s in workflow.states]
            cls.choices = {**cls.choices, "state": words}
        super().__init_subclass__(**kwargs)

    # -- hooks of concrete views ---------------------------------------------------------------------------------

    def step_choices(self, step: Step, need: Field, item: Any) -> list[tuple[str, str]]:
        """Choices of an input of kind ticks, institute, slot or verifier; rows offered must be in the principal's scope."""
        return []

    def step_value(self, step: Step, need: Field, item: Any) -> Any:
        """What the input shows when the form is opened: what holds now, for steps that change it."""
        return None

    def step_intro(self, step: Step, item: Any) -> str:
        """What stands above the form of a step."""
        return self.row_label(item)

    def done_sentence(self, step: Step, item: Any) -> str:
        """What is said when the step was taken."""
        if getattr(item, "hidden", False):
            return KEPT
        return gettext("“%(step)s”已完成。", step=step.label)

    def extra_buttons(self, item: Any) -> list[Button]:
        """Links to pages of steps that have one of their own, already filtered by role."""
        return []

    def step_url(self, step: str, pk: Any) -> str:
        return self.url("step", name=step, pk=pk)

    # -- buttons -------------------------------------------------------------------------------------------------

    def head_buttons(self, item: Any) -> list[Button]:
        """One filled next step, the others beside it; greyed ones say why not."""
        found = list(self.extra_buttons(item))
        for step, why in offered(db.session(), item, me()):
            if not step.own_page:
                found.append(self.step_button(step, item, why))
        filled = next((b for b in found if b.style == "primary" and b.why_not is None), None)
        return [b if b is filled or b.style != "primary" else _plain(b) for b in found] + self.edit_buttons(item)

    def step_button(self, step: Step, item: Any, why: str | None) -> Button:
        """How a step reads on the page: a link to its form, a dialog for the reason, or one press."""
        style = "danger" if step.danger else "primary" if step.primary else "default"
        hidden = {"seen_version": str(item.version)}
        url = self.step_url(step.name, item.id)
        if only_reason(step):
            return Button(step.name, step.label, url, style=style, needs_reason=True, why_not=why, hidden=hidden)
        if step.needs:
            return Button(step.name, step.label, url, "get", style=style, why_not=why)
        ask = gettext("确定对“%(row)s”办理“%(step)s”吗？", row=self.row_label(item), step=step.label)
        return Button(step.name, step.label, url, style=style, why_not=why, confirm=ask, hidden=hidden)

    def bulk_actions(self) -> list[Button]:
        """Steps that may be taken on many rows with one press or one reason."""
        actor, found = me(), []
        for step in self.workflow.steps:
            if step.bulk and not step.own_page and actor.has(*step.takers) and one_press(step):
                ask = gettext("确定对所选记录办理“%(step)s”吗？不符合条件的会跳过并说明原因。", step=step.label)
                style = "danger" if step.danger else "default"
                url = self.url("action_post")
                found.append(
                    Button(step.name, step.label, url, style=style, needs_reason=only_reason(step), confirm=ask)
                )
        return found

    # -- routes --------------------------------------------------------------------------------------------------

    @expose("/step/<string:name>/<pk>", methods=["GET", "POST"])
    @has_access
    def step(self, name: str, pk: str) -> Any:
        """The form of a step, and taking it. What was typed survives every refusal."""
        item = self.load_item(pk)
        step = self.workflow.step(name)
        actor = me()
        if step.by_system or step.is_birth:
            abort(404)
        check_role(step, actor)
        if step.own_page:
            abort(404)
        form = self.step_form(step, item)
        problems: list[str] = []
        if request.method == "POST":
            try:
                return self.take(step, item, actor, form)
            except QuanhengError as error:
                db.session.rollback()
                if not step.needs or only_reason(step):
                    flash(error.sentence, "danger")
                    return redirect(self.url("show", pk=pk), 303)
                problems = put_on_form(form, error)
                item = self.load_item(pk)
                if error.status in {403, 404, 409}:
                    flash(error.sentence, "danger")
                    return redirect(self.url("show", pk=pk), 303)
        why = why_not(db.session(), self.workflow, item, step, actor)
        if why and request.method == "GET":
            flash(why, "warning")
            return redirect(self.url("show", pk=pk), 303)
        status = 422 if request.method == "POST" else 200
        seen = request.form.get("seen_version", item.version)
        page = self.render_template(
            "pages/step.html",
            title=step.label,
            item=item,
            form=form,
            form_errors=problems,
            view=self,
            columns=[need.name for need in step.needs],
            hidden={"seen_version": seen},
            submit_label=step.label,
            form_action=self.step_url(name, pk),
            cancel_url=self.url("show", pk=pk),
            intro=self.step_intro(step, item),
        )
        return page, status

    def take(self, step: Step, item: Any, actor: Principal, form: FlaskForm) -> Any:
        """Fire the step with what the form holds; answers with the way back."""
        data = {need.name: _typed(form, need) for need in step.needs}
        seen = request.form.get("seen_version", "")
        version = int(seen) if seen.isdecimal() else None
        done = fire(db.session(), self.workflow, item.id, step.name, actor, data, seen_version=version)
        flash(self.done_sentence(step, done), "success")
        target = self.url("show", pk=done.id) if self.sees(done.id) else self.get_redirect()
        return redirect(local_path(request.form.get("back"), target), 303)

    def sees(self, pk: Any) -> bool:
        """Whether the row is still in scope after the step."""
        db.session.flush()
        model = self.workflow.model
        return db.session.execute(select(model.id).where(model.id == pk)).first() is not None

    def step_form(self, step: Step, item: Any) -> FlaskForm:
        """A form with the step's inputs; never shared between requests."""
        fields: dict[str, Any] = {}
        for need in step.needs:
            fields[need.name] = self._input(step, need, item)
        return type("StepForm", (FlaskForm,), fields)()

    def _input(self, step: Step, need: Field, item: Any) -> Any:
        checks = [InputRequired(gettext("请填写“%(field)s”。", field=need.label))] if need.required else [Optional()]
        common = {"label": need.label, "validators": checks, "description": need.hint}
        if request.method == "GET":
            common["default"] = self.step_value(step, need, item)
        if need.kind == "ticks":
            choices = list(need.choices) or self.step_choices(step, need, item)
            return Ticks(choices=choices, validate_choice=False, **common)
        if need.kind == "long":
            return TextAreaField(render_kw={"rows": 4, "maxlength": 500}, **common)
        if need.kind == "date":
            return DateField(**common)
        if need.kind == "tick":
            common["validators"] = (
                [DataRequired(gettext("请勾选“%(field)s”。", field=need.label))] if need.required else []
            )
            return BooleanField(**common)
        if need.kind in {"choice", "institute", "slot", "verifier"}:
            offered_rows = list(need.choices) or self.step_choices(step, need, item)
            blank = [("", gettext("请选择"))]
            return SelectField(choices=blank + offered_rows, validate_choice=False, **common)
        return StringField(render_kw={"maxlength": 100}, **common)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """A step on the ticked rows: each row by itself, the others go on, the counts add up (case 78)."""
        if not self.appbuilder.sm.has_access("can_step", self.class_permission_name):
            abort(403)
        step = self.workflow.step(request.form.get("action", ""))
        if not step.bulk or step.by_system or step.is_birth:
            abort(404)
        back = local_path(request.form.get("back"), self.get_redirect())
        keys = self.bulk_keys(step.name)
        if not isinstance(keys, list):
            return keys
        if not keys:
            flash(gettext("请先勾选要办理的记录。"), "warning")
            return redirect(back, 303)
        data: dict[str, Any] = {"reason": self.reason()} if only_reason(step) else {}
        done, skipped = self.take_each(step, keys, data)
        self.report(step, done, skipped)
        return redirect(back, 303)

    def bulk_keys(self, name: str) -> Any:
        """Ids of the ticked rows, or of the whole filtered list up to the limit of a click."""
        from app.fab.actions import MAX_ROWS

        if request.form.get("all") == "1":
            items = self._filtered_rows(name)
            return [item.id for item in items] if isinstance(items, list) else items
        keys = [int(k) for k in dict.fromkeys(request.form.getlist("rowid")) if k.isdecimal()]
        if len(keys) > MAX_ROWS:
            abort(413, gettext("一次最多勾选 %(most)s 条。", most=MAX_ROWS))
        return sorted(keys)

    def take_each(self, step: Step, keys: list[int], data: dict[str, Any]) -> tuple[int, list[str]]:
        """Fire the step on each row inside a savepoint."""
        actor, done, skipped = me(), 0, []
        for key in keys:
            try:
                with db.session.begin_nested():
                    fire(db.session(), self.workflow, key, step.name, actor, data)
                done += 1
            except QuanhengError as error:
                skipped.append(gettext("编号%(key)s：%(why)s", key=key, why=error.sentence))
        return done, skipped

    def report(self, step: Step, done: int, skipped: list[str]) -> None:
        """Say how many, and why the others were left."""
        if done:
            flash(gettext("“%(step)s”成功%(n)s条。", step=step.label, n=done), "success")
        if skipped:
            flash(gettext("未办理%(n)s条。", n=len(skipped)) + " ".join(skipped[:SKIPPED_SHOWN]), "warning")

    # -- pages ---------------------------------------------------------------------------------------------------

    def tabs(self) -> list[Tab]:
        """One tab per state worth a look, counted by one grouped statement through scope."""
        if not self.tab_states:
            return []
        counts = self.state_counts()
        chosen = request.args.getlist(_state_argument(self))
        every = Tab(gettext("全部"), self.url("list"), None, not chosen)
        return [every] + [
            Tab(self.workflow.label_of(s), self.filter_url(state=s), counts.get(s, 0), chosen == [s])
            for s in self.tab_states
        ]

    def state_counts(self) -> dict[str, int]:
        """Rows in each tab's state, each counted no further than the cap."""
        model, found = self.workflow.model, {}
        for state in self.tab_states:
            inner = select(model.id).where(model.state == state).limit(10_001).subquery()
            found[state] = db.session.scalar(select(func.count()).select_from(inner)) or 0
        return found

    def detail_tabs(self, item: Any) -> list[DetailTab]:
        return [self.history_tab(item, entity_history(db.session(), me(), self.workflow.name, item.id))]

    def history_tab(self, item: Any, lines: list[Line]) -> DetailTab:
        """The time line of what happened, and the row as it was."""
        return history_tab(self.workflow, item, lines)

    @expose("/list/")
    @has_access
    def list(self) -> Any:
        """The list page; `?state=` in links from the home page means the state filter, beside what else they ask."""
        state = clean(request.args.get("state"), 24)
        if state and state in {s.value for s in self.workflow.states}:
            rest = urlencode([(key, value) for key, value in request.args.items(multi=True) if key != "state"])
            return redirect(self.filter_url(state=state) + (f"&{rest}" if rest else ""))
        return super().list()


def _word(workflow: Workflow, state: str) -> LazyString:
    """A state's word, asked when it is printed: the profile of that moment chooses it."""
    return LazyString(lambda: workflow.label_of(state))


def _state_argument(view: CrudView) -> str:
    """The argument of the address that filters a list by state."""
    kinds = [f.arg_name for f in view.datamodel.get_filters(view.search_columns).get_search_filters()["state"]]
    best = next(a for a in ("in", "rel", "eq") if a in kinds)
    return f"_flt_{kinds.index(best)}_state"


def _plain(button: Button) -> Button:
    from dataclasses import replace

    return replace(button, style="default")


def one_press(step: Step) -> bool:
    """Whether a step can be taken on many rows at once: it asks for nothing, for a reason, or for what may stay empty."""
    return only_reason(step) or not any(need.required for need in step.needs)


def only_reason(step: Step) -> bool:
    """Whether the step asks for a reason and nothing else; then a dialog is enough."""
    return len(step.needs) == 1 and step.needs[0].name == "reason" and step.needs[0].required


def _typed(form: FlaskForm, need: Field) -> Any:
    """The value as the engine wants it: text, list of ticked values, date or None. A date that is none is refused."""
    field = form[need.name]
    if field.process_errors and any(str(raw).strip() for raw in field.raw_data or ()):  # a blank date is none
        raise InvalidInputError(gettext("“%(field)s”格式不正确，请重新填写。", field=need.label), field=need.name)
    if isinstance(field.data, list):
        return [clean(value) for value in field.data]
    return clean(field.data) if isinstance(field.data, str) else field.data


def put_on_form(form: FlaskForm, error: QuanhengError) -> list[str]:
    """Put each sentence on its field; returns those that belong to none."""
    problems = error.problems if isinstance(error, InvalidInputError) else {}
    loose = []
    for name, sentence in (problems or {"": error.sentence}).items():
        if name and name in form:
            form[name].errors = [*form[name].errors, sentence]
        else:
            loose.append(sentence)
    return loose
