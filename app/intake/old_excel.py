"""Sheets of an old .xls, read by the native reader in a process of its own with limits on memory and time."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.intake.errors import WorkbookRefused
from app.intake.xls_child import PASSWORD

MEGABYTES, SECONDS = 512, 20
_CHILD = Path(__file__).with_name("xls_child.py")
_UNREADABLE = "无法读取工作簿，请用 Excel 或 WPS 另存为 .xlsx 后再上传。"
_LOCKED = "文件设有打开密码，请取消密码并另存为 .xlsx 后再上传。"
Merge = tuple[tuple[int, int], tuple[int, int]]


def read_xls(path: Path) -> Iterator[tuple[str, int, list[Merge], list[list[Any]]]]:
    """Yield (sheet name, column of the first cell, merged ranges, lines from row 1) of every visible sheet.

    Raises WorkbookRefused when the reader fails, runs over its limits or asks for a password.
    """
    command = [sys.executable, "-I", str(_CHILD), str(path), str(MEGABYTES), str(SECONDS)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS + 5, check=False, env={})
    except subprocess.TimeoutExpired as error:
        raise WorkbookRefused(_UNREADABLE) from error
    if done.returncode:
        raise WorkbookRefused(_LOCKED if done.returncode == PASSWORD else _UNREADABLE)
    lines = iter(done.stdout.splitlines())
    for line in lines:
        head = json.loads(line)
        rows = [json.loads(next(lines), object_hook=_date) for _ in range(head["rows"])]
        yield head["name"], head["start"], [(tuple(a), tuple(b)) for a, b in head["merges"]], rows


def _date(value: dict[str, str]) -> dt.date:
    found = dt.datetime.fromisoformat(value["d"])
    return found if "T" in value["d"] else found.date()
