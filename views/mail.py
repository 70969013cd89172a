"""开发邮件: mails the development driver kept instead of sending; the administrator reads them here."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import lazy_gettext as _
from markupsafe import Markup

from app.fab.crud import CrudView
from app.fab.interface import PGInterface
from models.enums import Role
from models.outbox import DevelopmentMail

ADDRESS = re.compile(r"(https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+)")


def with_links(text: str) -> Markup:
    """Text as it is, addresses of web pages as links; everything else, and the addresses too, escaped."""
    parts = ADDRESS.split(text)
    shown = Markup("").join(
        Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>').format(part) if n % 2 else Markup("{}").format(part)
        for n, part in enumerate(parts)
    )
    return Markup('<div class="pre">{}</div>').format(shown)


class DevelopmentMailView(CrudView):
    """Kept mails, newest first."""

    datamodel = PGInterface(DevelopmentMail)
    class_permission_name = "DevelopmentMailView"
    route_base = "/mails"
    noun, unit_word = _("开发邮件"), _("封")
    list_columns = ["subject", "recipient", "created_at"]
    show_columns = ["subject", "recipient", "created_at", "body"]
    search_columns = ["recipient", "subject", "created_at"]
    add_columns: list[str] = []
    edit_columns: list[str] = []
    order_columns = ["created_at"]
    base_order = ("id", "desc")
    base_permissions = ["can_list", "can_show"]
    grants = {"*": frozenset({Role.ADM})}

    def show_value(self, item: Any, column: str) -> Any:
        return with_links(item.body) if column == "body" else super().show_value(item, column)
