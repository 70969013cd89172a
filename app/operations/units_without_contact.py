"""无联系人单位 (WORKFLOWS 18): units whose last account was closed; their ledger stays, and somebody has to look after it."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.models.filters import BaseFilter
from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import Query

from models.account import Account
from models.enums import AccountState, InstrumentState
from models.instrument import Instrument
from models.organisation import Unit

OVER = (AccountState.CLOSED, AccountState.DISABLED)
"""States of accounts that nobody logs in to any more; an applicant or an invited person may still come."""
GONE = (InstrumentState.SCRAPPED, InstrumentState.PURGED, InstrumentState.MERGED)
"""Instruments that nobody has to look after."""


def without_contact() -> ColumnElement[bool]:
    """Units that nobody acts for: those in business, and those whose main account was closed while a ledger is left.
    The accounts are asked outside of the reader's scope: whether there is one leaves here, and nothing about it."""
    people, ledger = Account.__table__.alias(), Instrument.__table__.alias()
    acting = exists().where(people.c.unit_id == Unit.id, people.c.state.not_in(OVER))
    left = exists().where(ledger.c.unit_id == Unit.id, ledger.c.state.not_in(GONE))
    return or_(Unit.active, left) & ~acting


class WithoutContact(BaseFilter):
    """The tab of the list of units."""

    name = "无联系人"
    arg_name = "without_contact"

    def apply(self, query: Query[Any], value: Any) -> Query[Any]:
        return query.filter(without_contact())
