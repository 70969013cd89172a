"""What a change of the warning numbers would do: how many instruments stand in another band (SUP-08, WRN-08)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.operations.band import WORDS, Band
from app.profiles import profile
from app.workflow.band import SETTINGS, Scheme, band_expression, in_force, scheme


def band_changes(session: Session, key: str, value: Any) -> list[str]:
    """One sentence per change of band, most instruments first; none for settings that do not touch bands.

    Counts every instrument of the platform, whoever asks: only numbers leave this function.
    """
    name = key.removeprefix("reminder.")
    if name not in SETTINGS:
        return []
    values = profile()["reminder"]
    old, new = scheme(values), scheme({**values, name: value})
    today = clock.today()
    before, after = band_expression(today, old), band_expression(today, new)
    pairs = (
        select(before.label("before"), after.label("after"))
        .where(in_force())
        .execution_options(unscoped=True)
        .subquery()
    )
    statement = (
        select(pairs.c.before, pairs.c.after, func.count())
        .where(pairs.c.before != pairs.c.after)
        .group_by(pairs.c.before, pairs.c.after)
        .order_by(func.count().desc())
    )
    rows = session.execute(statement.execution_options(unscoped=True)).tuples().all()
    if not rows:
        return ["没有器具的预警因此改变。"]
    return [f"{count}台器具由“{_word(old, before_)}”变为“{_word(new, after_)}”。" for before_, after_, count in rows]


def _word(rules: Scheme, band: str) -> str:
    return WORDS.get(rules.name, {}).get(Band(band)) or WORDS[""][Band(band)]
