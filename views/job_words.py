"""The words and colours of a job's states, shared by the pages that list jobs."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from app.fab.parts import state_chip

KINDS = {"queued": "info", "running": "info", "waiting": "warn", "done": "ok", "failed": "danger", "cancelled": "muted"}


def words() -> dict[str, str]:
    """State of a job → its word."""
    return {
        "queued": gettext("排队中"),
        "running": gettext("正在办理"),
        "waiting": gettext("待确认"),
        "done": gettext("已完成"),
        "failed": gettext("没有完成"),
        "cancelled": gettext("已取消"),
    }


def job_chip(state: str) -> Any:
    """The coloured word of a job's state."""
    return state_chip(KINDS[state], words()[state])
