"""The pages of an institute's calendar: weeks at a glance, the usual week, copying a week, one day. Mixed into SlotView."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import abort, flash, redirect, request
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import has_access, permission_name
from flask_babel import gettext

from app import clock
from app.errors import InvalidInputError
from app.operations import slots as rules
from app.workflow import APPOINTMENT
from models.base import db
from models.enums import DeliveryMode, Period
from views.appointment import MODES, PERIODS, weekday
from views.edge import clean
from views.workflow_view import chip, me

if TYPE_CHECKING:
    Host = Any  # SlotView supplies url, may and render_template
else:
    Host = object
SHOWN = 4


def _date(name: str, values: Any) -> date | None:
    """A day typed or in the address; None when it is none, or none of these times."""
    return _day_of(clean(values.get(name), 10))


def _day_of(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2100 else None


class SlotWeeks(Host):
    """Mixed into SlotView; every page shows the own institute alone."""

    @expose("/week")
    @has_access
    def week(self) -> Any:
        """Weeks at a glance, from the week of `start` on."""
        return self._weeks(_date("start", request.args) or clock.today())

    def _weeks(self, start: date, problems: dict[str, str] | None = None, status: int = 200) -> Any:
        institute_id = me().institute_id
        assert institute_id is not None
        shown = rules.weeks(db.session(), institute_id, start, SHOWN)
        first = shown[0].monday
        page = self.render_template(
            "pages/slot_weeks.html",
            title=gettext("预约日历"),
            view=self,
            weeks=shown,
            rows=rules.ROWS,
            modes=dict(MODES),
            periods=PERIODS,
            weekday=weekday,
            today=clock.today(),
            before=first - timedelta(weeks=SHOWN),
            after=first + timedelta(weeks=SHOWN),
            unknown=rules.unknown_years(db.session(), (d.day for w in shown for d in w.days)),
            head=self.may("pattern"),
            problems=problems or {},
            typed=request.form,
        )
        return page, status

    @expose("/pattern", methods=["GET", "POST"])
    @has_access
    @permission_name("plan")
    def pattern(self) -> Any:
        """The usual week: how many instruments each half day takes."""
        institute_id = me().institute_id
        assert institute_id is not None
        problems: dict[str, str] = {}
        keys = [(m.value, day, p.value) for m in DeliveryMode for p in Period for day in range(1, 8)]
        typed = {key: clean(request.form.get(rules.field_of(key)), 6) for key in keys}
        if request.method == "POST":
            try:
                count = rules.save_pattern(db.session(), institute_id, typed)
                flash(gettext("排班模板已保存，每周%(n)s个时段。", n=count), "success")
                return redirect(self.url("week"), 303)
            except InvalidInputError as error:
                db.session.rollback()
                problems = error.problems
        else:
            typed = {key: str(n) for key, n in rules.pattern(db.session(), institute_id).items()}
        page = self.render_template(
            "pages/slot_pattern.html",
            title=gettext("排班模板"),
            view=self,
            rows=rules.ROWS,
            modes=dict(MODES),
            periods=PERIODS,
            values={rules.field_of(key): text for key, text in typed.items()},
            names={rules.field_of(key): rules.name_of(key) for key in keys},
            weekdays=[weekday(date(2026, 11, 15 + n)) for n in range(1, 8)],
            problems=problems,
        )
        return page, 422 if problems else 200

    @expose("/apply", methods=["POST"])
    @has_access
    @permission_name("plan")
    def apply(self) -> Any:
        """Open the usual week on the days from – to."""
        institute_id = me().institute_id
        assert institute_id is not None
        first, last = _date("first", request.form), _date("last", request.form)
        try:
            if first is None or last is None:
                name = "first" if first is None else "last"
                word = gettext("开始日期") if first is None else gettext("结束日期")
                raise InvalidInputError(gettext("请填写“%(field)s”。", field=word), field=name)
            made, kept = rules.apply_pattern(db.session(), institute_id, first, last)
        except InvalidInputError as error:
            db.session.rollback()
            return self._weeks(first or clock.today(), error.problems or {"": error.sentence}, 422)
        self._say(made, kept)
        return redirect(self.url("week", start=first.isoformat()), 303)

    @expose("/copy", methods=["POST"])
    @has_access
    @permission_name("plan")
    def copy(self) -> Any:
        """The half days of one week in the weeks after it."""
        institute_id = me().institute_id
        assert institute_id is not None
        monday = _date("monday", request.form) or abort(404)
        count = clean(request.form.get("count"), 3)
        try:
            weeks = int(count) if count.isascii() and count.isdecimal() else 0
            made, kept = rules.copy_week(db.session(), institute_id, monday, weeks)
        except InvalidInputError as error:
            db.session.rollback()
            return self._weeks(monday, error.problems, 422)
        self._say(made, kept)
        return redirect(self.url("week", start=monday.isoformat()), 303)

    def _say(self, made: int, kept: int) -> None:
        flash(gettext("新开放%(n)s个时段，原有%(kept)s个保持不变。", n=made, kept=kept), "success")

    @expose("/day/<string:day>", methods=["GET", "POST"])
    @has_access
    @permission_name("week")
    def day(self, day: str) -> Any:
        """One day: its half days, the orders on it, and closing it; closed with orders it lists those to be moved."""
        institute_id = me().institute_id
        assert institute_id is not None
        shown = _day_of(clean(day, 10)) or abort(404)
        if request.method == "POST":
            return self._close(institute_id, shown)
        found = rules.weeks(db.session(), institute_id, shown, 1)[0].days[shown.weekday()]
        orders = rules.booked_on(db.session(), institute_id, shown)
        return self.render_template(
            "pages/slot_day.html",
            title=gettext("%(day)s（%(weekday)s）的预约", day=shown, weekday=weekday(shown)),
            view=self,
            day=found,
            rows=rules.ROWS,
            modes=dict(MODES),
            periods=PERIODS,
            orders=[(b, chip(APPOINTMENT, b.order.state)) for b in orders],
            closed=bool(found.slots) and all(s.closed for s in found.slots.values()),
            head=self.may("pattern") and shown >= clock.today(),
        )

    def _close(self, institute_id: int, shown: date) -> Any:
        if not self.may("pattern"):
            abort(403)
        closed = request.form.get("closed") == "1"
        try:
            count = rules.close_day(db.session(), institute_id, shown, closed=closed)
        except InvalidInputError as error:
            db.session.rollback()
            flash(error.sentence, "warning")
            return redirect(self.url("day", day=shown.isoformat()), 303)
        waiting = len(rules.booked_on(db.session(), institute_id, shown)) if closed else 0
        if waiting:
            flash(gettext("已停约，仍有%(n)s张预约单在这一天，请逐张改期或与使用单位联系。", n=waiting), "warning")
        else:
            word = gettext("已停约%(n)s个时段。", n=count) if closed else gettext("已恢复%(n)s个时段。", n=count)
            flash(word, "success")
        return redirect(self.url("day", day=shown.isoformat()), 303)
