"""The list of orders as the deployment's manual has it: columns, conditions, stages; one reading for page and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_appbuilder.models.filters import BaseFilter, Filters
from sqlalchemy import ColumnElement, and_, case, exists, or_, select
from sqlalchemy.orm import Query, Session, aliased
from werkzeug.datastructures import MultiDict

from app.fab.grams import contains
from app.profiles import switch_on
from app.workflow.appointment_words import URGENCY, Stage, manual, stages, worst
from models.appointment import Appointment, AppointmentItem
from models.enums import AppointmentState
from models.instrument import Instrument

OWN = "_flt_x_"
"""Beginning of the arguments of conditions that are no column of their own."""
SPLIT = AppointmentState.SPLIT


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list of one manual shows a unit, and what it can be searched by, in its order."""

    columns: tuple[str, ...]
    search: tuple[str, ...]
    notes: bool = False


LISTINGS: dict[str, Listing] = {
    "own": Listing(
        ("number", "institute", "mode", "slot", "items", "created_at", "state"),
        ("number", "state", "mode", "created_at", "name", "serial_no"),
    ),
    # APT-01
    "national": Listing(("number", "items", "created_at", "state"), ("number", "created_at", "stage")),
    # APT-15
    "zhejiang": Listing(
        (
            "number",
            "created_at",
            "contact_name",
            "institute",
            "institute.phone",
            "institute.address",
            "answer",
            "mode",
            "state",
        ),
        ("name", "serial_no", "number", "stage", "created_at"),
    ),
    # APT-24
    "guangdong": Listing(
        ("number", "institute", "mode", "slot", "items", "created_at", "reason", "state"),
        ("number", "stage", "mode", "created_at", "name", "serial_no"),
    ),
}


def listing() -> Listing:
    """The list of the deployment's manual."""
    return LISTINGS[manual()]


def stage_of(key: str) -> Stage | None:
    """A stage of the deployment's manual by its key."""
    return next((stage for stage in stages() if stage.key == key), None)


def folded() -> bool:
    """Whether a unit reads its application as one order however many institutes it went to (001), or the orders that it
    was divided into (002 §6.1 本次预约共生成N张预约单)."""
    return not switch_on("appointment.admin_confirm")


def shown_of_split() -> ColumnElement[str]:
    """The state that an application which was split is said to be in: that of its worst open order."""
    child = aliased(Appointment)
    rank = case({state.value: place for place, state in enumerate(URGENCY)}, value=child.state, else_=len(URGENCY))
    inner = select(child.state).where(child.parent_id == Appointment.id).order_by(rank, child.id).limit(1)
    return inner.correlate(Appointment).scalar_subquery()


def in_stage(stage: Stage) -> ColumnElement[bool]:
    """Orders of a stage; an application that was split counts as what it is said to be."""
    states = [state.value for state in stage.states]
    return or_(Appointment.state.in_(states), and_(Appointment.state == SPLIT.value, shown_of_split().in_(states)))


def states_of_split(session: Session, keys: list[int]) -> dict[int, AppointmentState]:
    """Of applications that were split: what each is said to be, in one statement."""
    if not keys:
        return {}
    statement = select(Appointment.parent_id, Appointment.state).where(Appointment.parent_id.in_(keys))
    below: dict[int, list[str]] = {}
    for parent, state in session.execute(statement).tuples():
        below.setdefault(int(parent or 0), []).append(state)
    return {key: said for key, states in below.items() if (said := worst(states)) is not None}


def _with_item(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Orders with an instrument like that; of an application that was split, in one of its orders."""
    home = aliased(Appointment)
    inner = (
        select(AppointmentItem.id)
        .join(Instrument, Instrument.id == AppointmentItem.instrument_id)
        .join(home, home.id == AppointmentItem.appointment_id)
        .where(or_(home.id == Appointment.id, home.parent_id == Appointment.id), condition)
    )
    return exists(inner.correlate(Appointment))


def _condition(session: Session, key: str, value: str) -> ColumnElement[bool] | None:
    if key == "stage":
        stage = stage_of(value)
        return in_stage(stage) if stage else None
    if key == "name":
        return _with_item(contains(session, Instrument.search_text, value))
    return _with_item(Instrument.serial_no.startswith(value, autoescape=True))


CONDITIONS = ("stage", "name", "serial_no")


class Own(BaseFilter):
    """One of CONDITIONS."""

    name = "条件"
    arg_name = "own"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        condition = _condition(query.session, *value)
        return query if condition is None else query.filter(condition)


class OneLevel(BaseFilter):
    """Applications without their orders, or orders without the applications they came from."""

    name = "一层"
    arg_name = "level"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(Appointment.parent_id.is_(None) if value else Appointment.state != SPLIT.value)


def own_value(args: MultiDict[str, str], key: str) -> str:
    """What the address asks of one of CONDITIONS, trimmed."""
    return args.get(f"{OWN}{key}", "").replace("\x00", "").strip()[:100]


def narrow(filters: Filters, args: MultiDict[str, str], *, of_unit: bool) -> None:
    """Add what the list means beyond the filters of its columns. Who asks for a number finds both levels: the number
    that the unit was given first is still found after the split."""
    for key in CONDITIONS:
        if value := own_value(args, key):
            filters._add_filter(Own("state", filters.datamodel), [(key, value)])
    if not any(flt.column_name == "number" for flt, _values in filters.get_filters_values()):
        filters._add_filter(OneLevel("state", filters.datamodel), [of_unit and folded()])


def level(of_unit: bool) -> ColumnElement[bool]:
    """The same as a condition, for counts."""
    return Appointment.parent_id.is_(None) if of_unit and folded() else Appointment.state != SPLIT.value
