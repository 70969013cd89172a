"""到期提醒: what the platform has reminded of, newest first."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from sqlalchemy.orm import selectinload

from app.access.roles import REGULATOR, UNIT
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import state_chip
from models import Instrument, Reminder

CHANNELS = {"site": _("站内消息"), "mail": _("邮件")}


def distance_words(days: int) -> Any:
    """How far the due date was when the reminder was written, in words: 还有5天到期, 当天到期, 已超期3天."""
    if days > 0:
        return state_chip("warn", gettext("还有%(n)s天到期", n=days))
    if days == 0:
        return state_chip("danger", gettext("当天到期"))
    return state_chip("danger", gettext("已超期%(n)s天", n=-days))


class ReminderView(CrudView):
    """Reminders of one's own instruments, or of those in a regulator's area. Read only."""

    route_base = "/reminders"
    class_permission_name = "ReminderView"
    datamodel = PGInterface(Reminder, load=(selectinload(Reminder.instrument).selectinload(Instrument.unit),))
    noun, list_title = _("提醒"), _("到期提醒")
    label_columns = {
        "instrument.name": _("器具名称"),
        "instrument.serial_no": _("出厂编号"),
        "instrument.unit.name": _("使用单位"),
        "instrument.place": _("安装/使用地点"),
        "threshold": _("提醒"),
    }
    list_columns = [
        "instrument.name",
        "instrument.serial_no",
        "instrument.place",
        "due_on",
        "threshold",
        "run_on",
        "channel",
    ]
    show_columns: list[str] = []
    search_columns = ["due_on", "run_on"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns: list[str] = []
    base_order = ("id", "desc")
    empty_text = _("器具临近有效期时，平台会在这里提醒。")
    exclude_route_methods = {"delete", "download", "options", "show", "add", "edit"}
    base_permissions = ["can_list"]
    grants = {"can_list": UNIT | REGULATOR}

    def show_value(self, item: Any, column: str) -> Any:
        if column == "threshold":
            return distance_words((item.due_on - item.run_on).days)
        if column == "channel":
            return CHANNELS.get(item.channel, item.channel)
        if column == "instrument.name" and item.instrument is not None:
            return Markup('<a href="/instruments/show/{}">{}</a>').format(item.instrument_id, item.instrument.name)
        return super().show_value(item, column)
