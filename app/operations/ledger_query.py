"""What a list of the ledger shows for an address: one reading of the filters for the page, the export and bulk acts.

The page keeps its filters in the query string; an export job and "submit all that the search found" read the same
string again, so they mean exactly the rows the person saw.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from flask_appbuilder.models.filters import BaseFilter, Filters
from sqlalchemy.orm import Query, Session
from werkzeug.datastructures import MultiDict

from app import clock
from app.fab.interface import PGInterface
from app.fab.request_filters import read_filters
from app.operations.band import Band, band_condition
from models.enums import InstrumentState
from models.instrument import Instrument

SEARCH_COLUMNS = (
    "search_text",
    "serial_no",
    "state",
    "valid_until",
    "category",
    "use_division",
    "delivery_mode",
    "purpose",
)
"""The columns the ledger can be searched by; each is answered by an index."""

PUT_AWAY = (InstrumentState.SCRAPPED, InstrumentState.FORMER, InstrumentState.PURGED, InstrumentState.MERGED)
"""States that 全部 leaves out; a filter on the state brings them back."""


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


def narrow(filters: Filters, args: MultiDict[str, str]) -> None:
    """Add to filters read from an address what the ledger means beyond them: the band, and no scrapped rows."""
    chosen = {flt.column_name for flt, _values in filters.get_filters_values()}
    if band := band_of_args(args):
        filters._add_filter(BandIs("state", filters.datamodel), [band])
    if "state" not in chosen:
        filters._add_filter(NotPutAway("state", filters.datamodel), [True])


def read_query(text: str) -> MultiDict[str, str]:
    """The arguments of a query string that came back in a form or stands in a job."""
    return MultiDict(parse_qsl(text.lstrip("?")[:4_000], max_num_fields=100))


def ledger_query(session: Session, text: str) -> Query[Any]:
    """The instruments that the ledger shows the principal for a query string."""
    interface = PGInterface(Instrument, session)
    filters = interface.get_filters(list(SEARCH_COLUMNS))
    args = read_query(text)
    read_filters(filters, args)
    narrow(filters, args)
    query: Query[Any] = interface.apply_filters(session.query(Instrument), filters)
    return query
