"""What a list of the ledger shows for an address: one reading of the filters for the page, the export and bulk acts.

The page keeps its filters in the query string; an export job and "submit all that the search found" read the same
string again, so they mean exactly the rows the person saw.
"""

from __future__ import annotations

from typing import Any

from flask_appbuilder.models.filters import BaseFilter, Filters
from sqlalchemy import func, not_, or_, select
from sqlalchemy.orm import Query, Session
from werkzeug.datastructures import MultiDict

from app import clock
from app.fab.filters import WALK
from app.fab.grams import contains
from app.fab.interface import PGInterface
from app.fab.request_filters import read_filters
from app.fab.urls import args_of
from app.operations.band import Band, band_condition
from app.operations.completeness import incomplete
from app.operations.instrument_quality import broken_by
from app.operations.numbers import fold, folded, looks_like_number
from models.appointment import LIVE_ITEM_STATES, AppointmentItem
from models.enums import Conclusion, InstrumentState
from models.instrument import Instrument
from models.organisation import Institute
from models.reference import Category

SEARCH_COLUMNS = (
    "search_text",
    "serial_no",
    "state",
    "valid_until",
    "category",
    "use_division",
    "delivery_mode",
    "purpose",
    "model",
    "own_no",
)
"""The columns the ledger can be searched by; each is answered by an index."""

PUT_AWAY = (InstrumentState.SCRAPPED, InstrumentState.FORMER, InstrumentState.PURGED, InstrumentState.MERGED)
"""States that 全部 leaves out; a filter on the state brings them back."""


OWN = "_flt_x_"
"""Beginning of the arguments of conditions that are no column of their own."""


def _booked(_session: Session, value: str) -> Any:
    live = select(AppointmentItem.instrument_id).where(AppointmentItem.state.in_(LIVE_ITEM_STATES))
    return Instrument.id.in_(live) if value == "1" else Instrument.id.not_in(live)


def _result(_session: Session, value: str) -> Any:
    if value == "none":
        return Instrument.last_result.is_(None)
    return Instrument.last_result == value if value in set(Conclusion) else None


def _among(session: Session, column: Any, keys: Any) -> Any:
    """The keys are asked for first: the planner knows how many rows a certain institute or category has, of a subquery
    it knows nothing."""
    return column.in_(list(session.execute(keys).scalars()))


def _categories(session: Session, condition: Any) -> Any:
    return _among(session, Instrument.category_id, select(Category.id).where(condition))


def _institute(session: Session, value: str) -> Any:
    keys = select(Institute.id).where(Institute.name.contains(value, autoescape=True))
    return _among(session, Instrument.institute_id, keys)


def _incomplete(_session: Session, value: str) -> Any:
    return incomplete() if value == "1" else not_(incomplete()) if value == "0" else None


CONDITIONS: dict[str, Any] = {
    "level1": lambda s, v: _categories(s, Category.level1 == v),
    "category_code": lambda s, v: _categories(s, Category.code.startswith(v, autoescape=True)),
    "institute": _institute,
    "last_result": _result,
    "booked": _booked,
    "incomplete": _incomplete,
    "fault": lambda _s, v: broken_by(v),
    "county": lambda _s, v: Instrument.use_division == v,
}
"""Search conditions of the manuals that are no column: name → (session, value) → condition (LED-02, LED-16)."""


class Own(BaseFilter):
    """One of CONDITIONS."""

    name = "条件"
    arg_name = "own"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        key, text = value
        condition = CONDITIONS[key](query.session, text)
        return query if condition is None else query.filter(condition)


class Anything(BaseFilter):
    """The one box of the list: a number with its noise, else a part of name, maker or unit."""

    name = "查找"
    arg_name = "q"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        walk = bool(query.get_execution_options().get(WALK))
        return query.filter(anything(query.session, str(value), walk=walk))


def anything(session: Session, term: str, *, walk: bool = False) -> Any:
    """Rows whose number begins or ends with the term, noise aside, or whose words contain it; indexes answer both."""
    words = contains(session, Instrument.search_text, term, walk=walk)
    number = fold(term)
    if not looks_like_number(term) or not number:
        return words
    column = folded(Instrument.serial_no)
    backwards = func.reverse(column).startswith(number[::-1], autoescape=True)
    return or_(column.startswith(number, autoescape=True), backwards, Instrument.code == term, words)


class BandIs(BaseFilter):
    """The rows of one reminder band today."""

    name = "提醒"
    arg_name = "band"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(band_condition(str(value), clock.today()))


class NotPutAway(BaseFilter):
    """Without the scrapped, former and deleted ones."""

    name = "未报废"
    arg_name = "kept"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(Instrument.state.not_in(PUT_AWAY))


def band_of_args(args: MultiDict[str, str]) -> str:
    """The band asked for by `band=`, "" for none or an unknown one."""
    asked = args.get("band", "")
    return asked if asked in set(Band) else ""


def own_value(args: MultiDict[str, str], key: str) -> str:
    """What the address asks of one of CONDITIONS (or of the box "q"), trimmed."""
    return args.get(f"{OWN}{key}", "").replace("\x00", "").strip()[:100]


def narrow(filters: Filters, args: MultiDict[str, str]) -> None:
    """Add to filters read from an address what the ledger means beyond them: band, own conditions, nothing put away."""
    chosen = {flt.column_name for flt, _values in filters.get_filters_values()}
    for key in CONDITIONS:
        if value := own_value(args, key):
            filters._add_filter(Own("state", filters.datamodel), [(key, value)])
    if term := own_value(args, "q"):
        filters._add_filter(Anything("state", filters.datamodel), [term])
    if band := band_of_args(args):
        filters._add_filter(BandIs("state", filters.datamodel), [band])
    if "state" not in chosen:
        filters._add_filter(NotPutAway("state", filters.datamodel), [True])


def read_query(text: str) -> MultiDict[str, str]:
    """The arguments of a query string that came back in a form or stands in a job."""
    return args_of(text)


def ledger_query(session: Session, text: str) -> Query[Any]:
    """The instruments that the ledger shows the principal for a query string."""
    interface = PGInterface(Instrument, session)
    filters = interface.get_filters(list(SEARCH_COLUMNS))
    args = read_query(text)
    read_filters(filters, args)
    narrow(filters, args)
    query: Query[Any] = interface.apply_filters(session.query(Instrument), filters)
    return query
