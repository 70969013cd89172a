"""The columns of the ledger's list: what each is called here, and how it is fetched and written out.

List, column chooser and export share them, so that an export shows what the list showed (IMP-08).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, case, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from app import clock
from app.intake.fields import FIELD_BY_KEY
from app.operations.band import LABELS, Band, band_expression, bands_of_scheme
from app.operations.ledger_fields import label_of, ledger_noun
from app.profiles import setting
from app.profiles.list_choices import LIST_COLUMNS
from app.workflow import APPOINTMENT, INSTRUMENT
from models.appointment import LIVE_ITEM_STATES, Appointment, AppointmentItem
from models.enums import AppointmentState
from models.instrument import Instrument
from models.organisation import Institute, Unit
from models.reference import Category, Division

FIELD_OF = {
    "category.level1": "level1",
    "category.level2": "level2",
    "category.code": "category_code",
    "division.name": "use_division",
    "institute.name": "institute",
}
"""Columns of the list that are fields of the form under another key."""
LISTED = [key for key, _word in LIST_COLUMNS]
"""Every column the list can show."""
NOT_BOOKED = "未预约"


def columns_of_profile() -> list[str]:
    """The columns that this deployment shows at first."""
    return [str(c) for c in setting("ledger", "columns")]


def every_column() -> list[str]:
    """All columns a person may choose, those of the deployment first."""
    own = columns_of_profile()
    return [*own, *(key for key, _word in LIST_COLUMNS if key not in own)]


def heading(column: str) -> str:
    """What the deployment calls a column."""
    key = FIELD_OF.get(column, column)
    if key in FIELD_BY_KEY or key in {"certificate_no", "code"}:
        return label_of(key)
    word = dict(LIST_COLUMNS).get(column, column)
    return word.replace("器具", ledger_noun(), 1) if column == "state" else word


@dataclass(frozen=True, slots=True)
class Fetch:
    """How an export gets a column: an expression over `joins`, and what turns the value into what is written."""

    expression: Any
    joins: frozenset[str] = frozenset()
    words: Callable[[], dict[Any, str]] | None = None


def _choices(key: str) -> Callable[[], dict[Any, str]]:
    return lambda: {c.value: c.label for c in FIELD_BY_KEY[key].choices}


def _states() -> dict[Any, str]:
    return {s.value: INSTRUMENT.label_of(s.value) for s in INSTRUMENT.states}


def _bands() -> dict[Any, str]:
    return {b.value: "" if b is Band.QUIET else LABELS[b] for b in (*bands_of_scheme(), Band.NEVER, Band.QUIET)}


def booking_words() -> dict[Any, str]:
    """State of an order → its word; an instrument without a live order is 未预约."""
    return {None: NOT_BOOKED} | {s.value: APPOINTMENT.label_of(s.value) for s in AppointmentState}


def _booking() -> Any:
    return (
        select(Appointment.state)
        .join(AppointmentItem, AppointmentItem.appointment_id == Appointment.id)
        .where(AppointmentItem.instrument_id == Instrument.id, AppointmentItem.state.in_(LIVE_ITEM_STATES))
        .limit(1)
        .scalar_subquery()
    )


def verified_expression() -> ColumnElement[bool]:
    """是否检定: whether any result stands in the ledger."""
    return Instrument.last_result.is_not(None)


def fetch_of(column: str, today: date) -> Fetch:
    """How to fetch one column of the list."""
    made = {
        "category.level1": lambda: Fetch(Category.level1, frozenset({"category"})),
        "category.level2": lambda: Fetch(Category.level2, frozenset({"category"})),
        "category.code": lambda: Fetch(Category.code, frozenset({"category"})),
        "division.name": lambda: Fetch(Instrument.use_division),
        "institute.name": lambda: Fetch(Institute.name, frozenset({"institute"})),
        "unit.name": lambda: Fetch(Unit.name, frozenset({"unit"})),
        "band": lambda: Fetch(band_expression(today), words=_bands),
        "booking": lambda: Fetch(_booking(), words=booking_words),
        "verified": lambda: Fetch(case((verified_expression(), literal("是")), else_=literal("否"))),
        "compulsory": lambda: Fetch(case((Instrument.compulsory, literal("是")), else_=literal("否"))),
        "state": lambda: Fetch(Instrument.state, words=_states),
        "last_result": lambda: Fetch(Instrument.last_result, words=lambda: {"pass": "合格", "fail": "不合格"}),
    }.get(column)
    if made is not None:
        return made()
    attribute: InstrumentedAttribute[Any] = getattr(Instrument, column)
    field = FIELD_BY_KEY.get(column)
    return Fetch(attribute, words=_choices(column) if field is not None and field.choices else None)


JOINS: dict[str, tuple[Any, Any, bool]] = {
    "category": (Category, Category.id == Instrument.category_id, False),
    "unit": (Unit, Unit.id == Instrument.unit_id, True),
    "institute": (Institute, Institute.id == Instrument.institute_id, True),
    "division": (Division, Division.code == Instrument.use_division, True),
}
"""Table, condition, and whether rows without a partner stay."""


def fetches(columns: list[str]) -> list[Fetch]:
    """How to fetch each of the columns today."""
    today = clock.today()
    return [fetch_of(column, today) for column in columns]
