"""Workbooks for 更新地址 and 更换加油枪, with the instruments of the unit already in them: only the new column is typed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.operations.import_change import ADDRESS, COLUMNS, DISPENSER
from app.operations.instrument import GONE
from app.profiles import setting
from models.instrument import Instrument
from models.ledger import Nozzle
from models.reference import Category

MOST = 5_000
"""Rows that a template is filled with; a longer ledger is changed in several files."""


def headings(mode: str) -> list[str]:
    """The first heading of each column."""
    return [labels[0] for labels in COLUMNS[mode].values()]


def rows(session: Session, actor: Principal, mode: str) -> Iterator[list[Any]]:
    """The unit's instruments that the workbook may change, as they are now."""
    found = _meters(session, actor) if mode == ADDRESS else _nozzles(session, actor)
    yield from islice(found, MOST)


def _meters(session: Session, actor: Principal) -> Iterator[list[Any]]:
    meters = list(setting("import", "three_meters"))
    statement = (
        select(Instrument)
        .join(Category, Category.id == Instrument.category_id)
        .where(
            Instrument.unit_id == actor.unit_id,
            Instrument.state.not_in(GONE),
            or_(Category.level1.in_(meters), Category.level2.in_(meters)),
        )
        .order_by(Instrument.id)
        .limit(MOST)
    )
    for row in session.execute(statement).scalars():
        yield [row.serial_no, row.name, row.model, row.manufacturer, row.place]


def _nozzles(session: Session, actor: Principal) -> Iterator[list[Any]]:
    statement = (
        select(Instrument, Nozzle)
        .join(Category, Category.id == Instrument.category_id)
        .outerjoin(Nozzle, (Nozzle.instrument_id == Instrument.id) & (Nozzle.state == "in_use"))
        .where(Instrument.unit_id == actor.unit_id, Instrument.state.not_in(GONE), Category.level1 == DISPENSER)
        .order_by(Instrument.id, Nozzle.number)
        .limit(MOST)
    )
    for row, nozzle in session.execute(statement).tuples():
        number, old = (nozzle.number, nozzle.serial_no) if nozzle is not None else ("", "")
        yield [row.serial_no, row.model, number, old, "", ""]
