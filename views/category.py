"""强检目录 and 工作日历: reference tables that the administrator maintains."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import abort
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms.validators import NumberRange, Optional, Regexp

from app.access.audit import audit
from app.access.roles import EVERYBODY
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from models.base import db
from models.enums import Role
from models.reference import CalendarException, Category

ADM = frozenset({Role.ADM})


class CategoryView(CrudView):
    """The mandatory catalogue (公告 2020 No. 42); lines are added, corrected and retired, never deleted (IMP-11)."""

    datamodel = PGInterface(Category)
    class_permission_name = "CategoryView"
    route_base = "/categories"
    noun, unit_word = _("强检种别"), _("种")
    list_title = _("强检目录")
    list_columns = ["code", "level1", "level2", "supervision", "cycle_months", "valid"]
    show_columns = [
        "code",
        "level1",
        "level2",
        "supervision",
        "verification_mode",
        "scope_text",
        "cycle_months",
        "typical_use",
        "valid",
    ]
    search_columns = ["level1", "level2", "code", "valid"]
    add_columns = [
        "code",
        "level1",
        "level2",
        "supervision",
        "verification_mode",
        "scope_text",
        "cycle_months",
        "typical_use",
    ]
    edit_columns = ["supervision", "verification_mode", "scope_text", "cycle_months", "typical_use", "valid"]
    optional_columns = frozenset({"verification_mode", "scope_text", "typical_use"})
    choices = {"supervision": (("V", "V"), ("P", "P"), ("P+V", "P+V"))}
    order_columns = ["code", "level1", "level2", "cycle_months"]
    base_order = ("id", "asc")
    options_column = "level2"
    validators_columns = {
        "cycle_months": [Optional(), NumberRange(1, 120, _("“检定周期(月)”须为1～120的整数。"))],
        "code": [Regexp(r"[0-9]{1,12}", message=_("“种别代码”须为1～12位数字。"))],
    }
    method_permission_name = {"options": "options"}
    base_permissions = ["can_list", "can_show", "can_add", "can_edit", "can_options"]
    grants = {"*": ADM, "can_options": EVERYBODY}

    def option_text(self, item: Any) -> str:
        return f"{item.level1} / {item.level2}"

    def pre_add(self, item: Any) -> None:
        for name in self.optional_columns:
            setattr(item, name, getattr(item, name) or "")

    pre_update = pre_add

    def post_add(self, item: Any) -> None:
        audit(db.session(), "edit_category", entity="category", entity_id=item.id, code=item.code)

    def post_update(self, item: Any) -> None:
        audit(db.session(), "edit_category", entity="category", entity_id=item.id, cycle_months=item.cycle_months)


class CalendarView(CrudView):
    """Days that differ from Monday-to-Friday, as the State Council announced them."""

    datamodel = PGInterface(CalendarException)
    class_permission_name = "CalendarView"
    route_base = "/calendar"
    noun, unit_word = _("日历例外"), _("天")
    list_title = _("工作日历")
    list_columns = ["day", "kind", "holiday"]
    show_columns = ["day", "kind", "holiday"]
    search_columns = ["day", "kind"]
    add_columns = ["day", "kind", "holiday"]
    edit_columns: list[str] = []
    order_columns = ["day"]
    base_order = ("day", "desc")
    choices = {"kind": (("holiday", _("放假")), ("workday", _("上班（调休）")))}
    base_permissions = ["can_list", "can_show", "can_add", "can_delete"]
    grants = {"*": ADM}

    def row_label(self, item: Any) -> str:
        return gettext("%(day)s %(holiday)s", day=item.day, holiday=item.holiday)

    def load_item(self, pk: Any) -> Any:
        """A key that is no date is not found; the driver would answer with an error."""
        try:
            return super().load_item(date.fromisoformat(str(pk)))
        except ValueError:
            abort(404)

    def post_add(self, item: Any) -> None:
        audit(db.session(), "add_calendar_day", entity="calendar", entity_id=item.day, kind=item.kind)

    def post_delete(self, item: Any) -> None:
        audit(db.session(), "delete_calendar_day", entity="calendar", entity_id=item.day)
