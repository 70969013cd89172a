"""消息: one's own site messages; receiving is a step of its own."""

from __future__ import annotations

from typing import Any

from flask import flash, request
from flask_appbuilder.actions import action
from flask_appbuilder.models.filters import BaseFilter
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from sqlalchemy import func, select

from app.access.roles import EVERYBODY
from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from app.fab.parts import Button, Tab, state_chip
from app.fab.urls import local_path
from app.operations.message import receive
from models.base import db
from models.outbox import Message
from views.workflow_view import me

CAP = 10_000
KINDS = (
    ("system", _("系统消息")),
    ("policy", _("政策通知")),
    ("notice", _("公示公告")),
    ("supervision", _("监管动态")),
)


class NotReceived(BaseFilter):
    """Messages still to be received."""

    name = _("未接收")
    arg_name = "open"

    def apply(self, query: Any, _value: Any) -> Any:
        return query.filter(Message.received_at.is_(None))


class MessageView(CrudView):
    """Own messages, newest first."""

    datamodel = PGInterface(Message)
    class_permission_name = "MessageView"
    route_base = "/messages"
    noun, unit_word = _("消息"), _("条")
    list_columns = ["subject", "kind", "created_at", "received_at"]
    show_columns = ["subject", "kind", "body", "created_at", "received_at"]
    search_columns = ["subject", "kind", "created_at", "received_at"]
    first_filters = 3
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    choices = {"kind": KINDS}
    base_permissions = ["can_list", "can_show", "receive"]
    grants = {"*": EVERYBODY}

    def show_value(self, item: Any, column: str) -> Any:
        if column == "received_at" and item.received_at is None:
            return state_chip("info", gettext("未接收"))
        if column == "body":
            return Markup('<span class="pre">{}</span>').format(item.body)
        return super().show_value(item, column)

    def tabs(self) -> list[Tab]:
        inner = select(Message.id).where(Message.received_at.is_(None)).limit(CAP + 1).subquery()
        waiting = db.session.scalar(select(func.count()).select_from(inner)) or 0
        only = request.args.get("open") == "1"
        return [
            Tab(gettext("全部"), self.url("list"), None, not only),
            Tab(gettext("未接收"), self.url("list", open=1), waiting, only),
        ]

    def _list_widgets(self, *args: Any) -> dict[str, Any]:
        if request.args.get("open") == "1":
            self._filters.add_filter("received_at", NotReceived, None)
        return super()._list_widgets(*args)

    def row_buttons(self, item: Any) -> list[Button]:
        return self._buttons(item)

    def head_buttons(self, item: Any) -> list[Button]:
        return self._buttons(item)

    def _buttons(self, item: Any) -> list[Button]:
        found = []
        if item.received_at is None:
            address = self.url("action", name="receive", pk=item.id)
            found.append(Button("receive", gettext("接收"), address, style="primary"))
        link = local_path(item.link, "")
        if link:
            found.append(Button("open", gettext("前往办理"), link, "get", icon="link"))
        return found

    def why_not(self, name: str, item: Any) -> str | None:
        received = name == "receive" and item.received_at is not None
        return gettext("该消息已接收。") if received else None

    @action("receive", _("接收"))
    def receive(self, items: Any) -> Any:
        rows = items if isinstance(items, list) else [items]
        done = receive(db.session(), me(), [m.id for m in rows])
        flash(gettext("已接收%(n)s条消息。", n=done), "success")
        return None
