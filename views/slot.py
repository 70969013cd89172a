"""预约时段: an institute's places by half day; its head opens, changes and closes them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_appbuilder.models.filters import BaseFilter
from flask_appbuilder.security.decorators import has_access
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, IntegerField
from wtforms.validators import InputRequired, NumberRange

from app import clock
from app.errors import QuanhengError
from app.fab.crud import CrudView
from app.fab.fields import Ticks
from app.fab.interface import PGInterface
from app.fab.parts import Button
from app.operations.institute import MOST_PLACES, change_slot, days_between, open_slots
from models.appointment import Slot
from models.base import db
from models.enums import DeliveryMode, Period, Role
from models.organisation import Institute
from views.appointment import MODES, PERIODS, slot_word, weekday
from views.slot_weeks import SlotWeeks
from views.workflow_view import me, put_on_form

HEAD = frozenset({Role.IMG})


class FromToday(BaseFilter):
    """Slots of past days are history."""

    name = "from today"
    arg_name = "today"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Slot.day >= clock.today())


class SlotView(SlotWeeks, CrudView):
    """Coming slots of the own institute."""

    datamodel = PGInterface(Slot)
    class_permission_name = "SlotView"
    route_base = "/slots"
    noun, unit_word = _("预约时段"), _("个")
    empty_text = _("开放时段后，使用单位才能选择日期预约。")
    list_columns = ["day", "period", "mode", "capacity", "taken", "free", "closed"]
    show_columns = ["day", "period", "mode", "capacity", "taken", "free", "closed"]
    search_columns = ["day", "mode", "period", "closed"]
    add_columns: list[str] = []
    edit_columns = ["capacity", "closed"]
    order_columns = ["day"]
    base_order = ("day", "asc")
    base_filters = [["day", FromToday, None]]
    label_columns = {"free": _("剩余台数")}
    choices = {"mode": MODES, "period": tuple(PERIODS.items())}
    base_permissions = ["can_list", "can_show", "can_edit", "can_open", "can_week", "can_plan", "close", "reopen"]
    grants = {
        "can_list": frozenset({Role.REC, Role.IMG}),
        "can_show": frozenset({Role.REC, Role.IMG}),
        "can_edit": HEAD,
        "can_open": HEAD,
        "can_week": frozenset({Role.REC, Role.IMG}),
        "can_plan": HEAD,
        "close": HEAD,
        "reopen": HEAD,
    }

    def row_label(self, item: Any) -> str:
        return slot_word(item)

    def row_class(self, item: Any) -> str:
        return "row-muted" if item.closed else "row-warn" if item.free == 0 else ""

    def show_value(self, item: Any, column: str) -> Any:
        if column == "day":
            return f"{item.day.isoformat()} {weekday(item.day)}"
        return super().show_value(item, column)

    def list_buttons(self) -> list[Button]:
        weeks = Button("week", gettext("预约日历"), self.url("week"), "get", icon="calendar")
        if not self.may("open"):
            return [weeks]
        return [
            weeks,
            Button("pattern", gettext("排班模板"), self.url("pattern"), "get", icon="clock"),
            Button("open", gettext("批量开放时段"), self.url("open"), "get", style="primary", icon="plus"),
        ]

    def why_not(self, name: str, item: Any) -> str | None:
        if name == "close" and item.closed:
            return gettext("该时段已停约。")
        if name == "reopen" and not item.closed:
            return gettext("该时段没有停约。")
        return None

    def store(self, item: Any, form: Any, is_new: bool) -> None:
        """The form's values through the operation, which looks at the places taken meanwhile."""
        capacity, closed = form.capacity.data, bool(form.closed.data)
        db.session.expire(item)
        change_slot(db.session(), item, capacity=capacity, closed=closed)

    @action("close", _("停约"), _("停约后不再接受新的预约，已有预约不受影响。确定停约吗？"))
    def close(self, items: Any) -> Any:
        return self._set(items, True)

    @action("reopen", _("恢复预约"), _("确定恢复预约吗？"))
    def reopen(self, items: Any) -> Any:
        return self._set(items, False)

    def _set(self, items: Any, closed: bool) -> Any:
        rows = items if isinstance(items, list) else [items]
        for slot in rows:
            change_slot(db.session(), slot, closed=closed)
        word = gettext("已停约%(n)s个时段。", n=len(rows)) if closed else gettext("已恢复%(n)s个时段。", n=len(rows))
        flash(word, "success")
        return None

    @expose("/open", methods=["GET", "POST"])
    @has_access
    def open(self) -> Any:
        """Many slots at once: days, ways, half days, places of each."""
        form, problems = OpenForm(), []
        institute = db.session.get(Institute, me().institute_id)
        if request.method == "POST" and form.validate():
            try:
                session = db.session()
                days = days_between(session, form.first.data, form.last.data, workdays_only=form.workdays_only.data)
                made = open_slots(
                    session,
                    institute,
                    days,
                    capacity=form.capacity.data,
                    modes=[DeliveryMode(m) for m in form.modes.data],
                    periods=[Period(p) for p in form.periods.data],
                )
                asked = len(days) * len(form.modes.data) * len(form.periods.data)
                kept = asked - made
                flash(gettext("新开放%(n)s个时段，原有%(kept)s个保持不变。", n=made, kept=kept), "success")
                return redirect(self.url("list"), 303)
            except QuanhengError as error:
                db.session.rollback()
                problems = put_on_form(form, error)
        page = self.render_template(
            "kinds/form.html",
            title=gettext("批量开放时段"),
            form=form,
            form_errors=problems,
            view=self,
            intro=gettext("已经存在的时段保持原有台数，不会重复建立。"),
            submit_label=gettext("开放"),
            columns=["first", "last", "workdays_only", "modes", "periods", "capacity"],
            cancel_url=self.url("list"),
        )
        return page, 422 if request.method == "POST" else 200


class OpenForm(FlaskForm):
    """From – to, ways, half days and how many instruments each takes."""

    first = DateField(_("开始日期"), validators=[InputRequired(_("请填写“开始日期”。"))])
    last = DateField(_("结束日期"), validators=[InputRequired(_("请填写“结束日期”。"))])
    workdays_only = BooleanField(_("只开放工作日（按工作日历）"), default=True)
    modes = Ticks(
        _("检定方式"),
        choices=list(MODES),
        default=[m.value for m, _word in MODES],
        validators=[InputRequired(_("请至少选择一种检定方式。"))],
    )
    periods = Ticks(
        _("时段"),
        choices=list(PERIODS.items()),
        default=[p.value for p in Period],
        validators=[InputRequired(_("请至少选择一个时段。"))],
    )
    capacity = IntegerField(
        _("每个时段可约台数"),
        default=20,
        validators=[
            InputRequired(_("请填写“每个时段可约台数”。")),
            NumberRange(1, MOST_PLACES, _("可约台数须为1～9999的整数。")),
        ],
    )
