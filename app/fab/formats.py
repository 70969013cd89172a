"""How a stored value reads on a page when the view says nothing else about it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_babel import gettext

from app.fab.filters import ZONE


def plain(value: Any) -> Any:
    """None as a dash, moments in Chinese time to the minute, yes and no in words; text stays text (and is escaped)."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    if isinstance(value, datetime):
        return (value.astimezone(ZONE) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, list | tuple | set):
        return gettext("、").join(str(v) for v in value) or "—"
    return value


def thousands(value: Any) -> str:
    """12,340; a capped count keeps its plus sign."""
    text = str(value)
    return text if "+" in text or not text.lstrip("-").isdecimal() else f"{int(text):,}"
