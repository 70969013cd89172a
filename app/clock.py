"""What time it is. Everything that depends on time asks here, so that tests and `--on DATE` can set it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
_frozen: ContextVar[datetime | None] = ContextVar("frozen_clock", default=None)


def now() -> datetime:
    """The present moment in Asia/Shanghai, or the one that `frozen` set."""
    return _frozen.get() or datetime.now(ZONE)


def today() -> date:
    """The present day in Asia/Shanghai."""
    return now().astimezone(ZONE).date()


@contextmanager
def frozen(moment: datetime | date) -> Iterator[None]:
    """Let it be `moment` (a bare date means its noon) inside the block."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, 12, tzinfo=ZONE)
    token = _frozen.set(moment)
    try:
        yield
    finally:
        _frozen.reset(token)
