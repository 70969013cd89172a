"""待处理列表: instruments that somebody puts aside over many pages, to book or file them together (APT-27, S4 §五.1).

What was booked or stopped meanwhile drops out by itself: it is not shown, and the next change of the list removes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError
from app.profiles import switch_on
from models.appointment import AppointmentItem
from models.booking import BasketItem
from models.enums import LIVE_ITEM_STATES, InstrumentState
from models.instrument import Instrument

MOST = 500
"""Instruments of one person's list."""


@dataclass(frozen=True, slots=True)
class Basket:
    """What is in the list: instruments that can be booked, and those whose filing is still to be submitted."""

    to_book: tuple[Instrument, ...]
    to_file: tuple[Instrument, ...]


def _fits() -> ColumnElement[bool]:
    """Still something to do: in use and in no live order, or not filed where filing comes first."""
    live = exists().where(AppointmentItem.instrument_id == Instrument.id, AppointmentItem.state.in_(LIVE_ITEM_STATES))
    wanted = and_(Instrument.state == InstrumentState.IN_USE, Instrument.compulsory, ~live)
    if not switch_on("filing"):
        return wanted
    return or_(wanted, and_(Instrument.state == InstrumentState.UNFILED, Instrument.compulsory))


def contents(session: Session, actor: Principal) -> Basket:
    """The list as it is worth now, in the order in which it was filled."""
    statement = (
        select(Instrument)
        .join(BasketItem, BasketItem.instrument_id == Instrument.id)
        .where(BasketItem.account_id == actor.account_id, Instrument.unit_id == actor.unit_id, _fits())
        .order_by(BasketItem.added_at, Instrument.id)
        .limit(MOST)
    )
    rows = list(session.execute(statement).scalars())
    to_file = tuple(r for r in rows if r.state == InstrumentState.UNFILED)
    return Basket(tuple(r for r in rows if r.state != InstrumentState.UNFILED), to_file)


def count(session: Session, actor: Principal) -> int:
    """How many instruments wait in the list."""
    statement = (
        select(func.count())
        .select_from(BasketItem)
        .join(Instrument, BasketItem.instrument_id == Instrument.id)
        .where(BasketItem.account_id == actor.account_id, Instrument.unit_id == actor.unit_id, _fits())
    )
    return session.scalar(statement) or 0


def add(session: Session, actor: Principal, ids: Iterable[int]) -> tuple[int, int]:
    """Put instruments in; gives (how many are new, how many of those asked for do not fit). Ones that stand in the list
    already count as neither. Raises NotVisibleError for a foreign one, InvalidInputError when the list is full."""
    wanted = sorted(set(ids))
    if not wanted:
        raise InvalidInputError("请选择至少一台器具。")
    own = select(Instrument.id).where(Instrument.id.in_(wanted), Instrument.unit_id == actor.unit_id)
    if set(session.execute(own).scalars()) != set(wanted):
        raise NotVisibleError
    _drop_out(session, actor)
    fitting = list(session.execute(own.where(_fits())).scalars())
    held = select(func.count()).select_from(BasketItem).where(BasketItem.account_id == actor.account_id)
    if (session.scalar(held) or 0) + len(fitting) > MOST:
        raise InvalidInputError(f"待处理列表最多{MOST}台器具，请先提交或移出一部分。")
    if not fitting:
        return 0, len(wanted)
    rows = [{"account_id": actor.account_id, "instrument_id": pk} for pk in fitting]
    made = session.execute(insert(BasketItem).values(rows).on_conflict_do_nothing().returning(BasketItem.instrument_id))
    return len(made.all()), len(wanted) - len(fitting)


def remove(session: Session, actor: Principal, ids: Iterable[int] | None = None) -> int:
    """Take instruments out, or all of them; gives how many were in."""
    statement = delete(BasketItem).where(BasketItem.account_id == actor.account_id)
    if ids is not None:
        statement = statement.where(BasketItem.instrument_id.in_(list(ids)))
    gone = session.execute(statement.returning(BasketItem.instrument_id).execution_options(synchronize_session=False))
    return len(gone.all())


def _drop_out(session: Session, actor: Principal) -> None:
    """Remove what was booked or stopped meanwhile."""
    fitting = select(Instrument.id).where(Instrument.unit_id == actor.unit_id, _fits())
    statement = delete(BasketItem).where(
        BasketItem.account_id == actor.account_id, BasketItem.instrument_id.not_in(fitting)
    )
    session.execute(statement.execution_options(synchronize_session=False))
