"""The journal in words: labels of columns, names behind keys, words of closed lists; one statement per kind of key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from app import clock
from app.intake.fields import FIELDS, KIND_WORDS, LABELS
from app.workflow.engine import Workflow
from models import Account, Appointment, Category, Certificate, Division, Institute, Instrument, Slot, Unit
from models.types import mask_name

EMPTY = "（空）"
RESULTS = {"pass": "合格", "fail": "不合格"}
PAPERS = {"certificate": "检定证书", "rejection": "检定结果通知书"}
CLOSED: dict[str, dict[str, str]] = {
    **{f.key: {c.value: c.label for c in f.choices} for f in FIELDS if f.choices},
    "mode": {"deliver": "送检", "onsite": "现场检"},
    "last_result": RESULTS,
    "result": RESULTS,
    "conclusion": RESULTS,
    "return_kind": {"mismatch": "信息不符", "wrong_institute": "机构有误", "other": "其他"},
}
OWN_LABELS = {"category": "二级目录", "division": "使用地点行政区划", "institute": "检定机构", "nozzles": "加油枪"}
Pair = tuple[Workflow, str, Any]


def _name_of(table: str) -> tuple[type[Any], str] | None:
    """Which model and column say who or what a foreign key means."""
    return {
        "category": (Category, "level2"),
        "division": (Division, "name"),
        "unit": (Unit, "name"),
        "institute": (Institute, "name"),
        "account": (Account, "name"),
        "appointment": (Appointment, "number"),
        "certificate": (Certificate, "number"),
        "instrument": (Instrument, "serial_no"),
        "slot": (Slot, "day"),
    }.get(table)


def label_of(workflow: Workflow, key: str) -> str:
    """The word of a column, as forms and lists call it."""
    if (workflow.name, key) not in _labels:
        _labels[workflow.name, key] = _label_of(workflow, key)
    return _labels[workflow.name, key]


_labels: dict[tuple[str, str], str] = {}


def _label_of(workflow: Workflow, key: str) -> str:
    if key in LABELS and workflow.name == "instrument":
        return LABELS[key]
    prop = inspect(workflow.model).column_attrs.get(key)
    if prop is not None and prop.columns[0].comment:
        return str(prop.columns[0].comment)
    return OWN_LABELS.get(key, key)


class Words:
    """The words of many values at once. Persons stand with their family name only."""

    def __init__(self, session: Session, pairs: Iterable[Pair]) -> None:
        wanted: dict[str, set[Any]] = {}
        for workflow, key, value in pairs:
            if (target := _target(workflow, key)) and value not in (None, ""):
                wanted.setdefault(target, set()).add(value)
        self.names = {target: _names(session, target, keys) for target, keys in wanted.items()}

    def of(self, workflow: Workflow, key: str, value: Any) -> str:
        """The value in words; 空 for nothing."""
        if value in (None, "", [], {}):
            return EMPTY
        target = _target(workflow, key)
        if target:
            return str(self.names.get(target, {}).get(value) or value)
        if key == "kind":
            return {**KIND_WORDS, **PAPERS}.get(str(value), str(value))
        if key in CLOSED:
            return CLOSED[key].get(str(value), str(value))
        return _word(value)


_targets: dict[tuple[str, str], str] = {}


def _target(workflow: Workflow, key: str) -> str:
    """The table that a column points at, "" for none."""
    if (workflow.name, key) not in _targets:
        prop = inspect(workflow.model).column_attrs.get(key)
        keys = prop.columns[0].foreign_keys if prop is not None else ()
        _targets[workflow.name, key] = next((k.target_fullname.partition(".")[0] for k in keys), "")
    return _targets[workflow.name, key]


def _names(session: Session, target: str, keys: set[Any]) -> dict[Any, Any]:
    found = _name_of(target)
    if found is None:
        return {}
    model, column = found
    pk = inspect(model).primary_key[0]
    statement = select(pk, getattr(model, column)).where(pk.in_(_typed(pk, keys))).execution_options(unscoped=True)
    rows: dict[Any, Any] = dict(session.execute(statement).tuples().all())
    return {k: mask_name(str(v)) for k, v in rows.items()} if target == "account" else rows


def _typed(pk: Any, keys: set[Any]) -> list[Any]:
    """Only keys of the column's own type: an old line may hold anything."""
    return [k for k in keys if isinstance(k, pk.type.python_type) and not isinstance(k, bool)]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, dict):
        return f"共{len(value)}项"
    if isinstance(value, list):
        return "、".join(map(str, value))
    text = str(value)
    if len(text) > 18 and text[4:5] == "-" and text[10:11] == "T":
        try:
            return datetime.fromisoformat(text).astimezone(clock.ZONE).strftime("%Y-%m-%d %H:%M")
        except ValueError:
            return text
    return text
