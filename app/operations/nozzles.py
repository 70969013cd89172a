"""加油枪 as rows of their dispenser, where the deployment keeps guns apart from the serial number (`gun_rows`, S4)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import InvalidInputError
from app.intake.text import clean, half_width
from app.profiles import setting
from models.enums import NozzleState
from models.instrument import Instrument
from models.ledger import Nozzle

PLACES = 16
"""Rows that the form takes; a dispenser has up to eight nozzles."""


def kept_as_rows() -> bool:
    """Whether dispensers are recorded with rows of nozzles here."""
    return bool(setting("ledger", "gun_notation") == "gun_rows")


def nozzles_of(session: Session, instrument_id: int) -> list[Nozzle]:
    """The nozzles in use, by number."""
    statement = select(Nozzle).where(Nozzle.instrument_id == instrument_id, Nozzle.state == NozzleState.IN_USE)
    return list(session.execute(statement.order_by(Nozzle.number)).scalars())


def in_words(rows: Iterable[tuple[int, str]]) -> str:
    """Nozzles as the history keeps them: 1号枪 A01；2号枪 A02."""
    return "；".join(f"{number}号枪 {serial}" for number, serial in sorted(rows))


def change_of(session: Session, instrument_id: int | None, rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What the line of history says of typed nozzles, {"nozzles": [old, new]}, or nothing when they stay the same; raises
    as `checked_nozzles`."""
    held = nozzles_of(session, instrument_id) if instrument_id is not None else []
    pair = [in_words((n.number, n.serial_no) for n in held), in_words(checked_nozzles(rows).items())]
    return {"nozzles": pair} if pair[0] != pair[1] else {}


def checked_nozzles(rows: Iterable[tuple[str, str]]) -> dict[int, str]:
    """枪号 → 枪出厂编号 as typed; raises InvalidInputError naming the row that cannot be taken."""
    found: dict[int, str] = {}
    for place, (number, serial) in enumerate(rows, 1):
        digits, text = half_width(number).strip(), clean(serial)
        if not digits.isascii() or not digits.isdecimal() or not 1 <= int(digits) <= 99:
            raise _wrong(f"加油枪第{place}行的枪号须为1～99的整数，例如 1。")
        if not text or len(text) > 100:
            raise _wrong(f"请填写加油枪第{place}行的枪出厂编号（不超过100字）。")
        if int(digits) in found:
            raise _wrong(f"加油枪的枪号{int(digits)}填写了两次，请核对。")
        found[int(digits)] = text
    return found


def set_nozzles(session: Session, instrument: Instrument, rows: Iterable[tuple[str, str]]) -> None:
    """Make the nozzles of a dispenser those of the form. After filing a nozzle is exchanged, not retyped: then the form
    does not send them (更换加油枪)."""
    wanted = checked_nozzles(rows)
    if wanted and not instrument.category.nozzle:
        raise _wrong("只有加油机、加气机才填写加油枪，请核对目录或清空加油枪。")
    if not wanted and kept_as_rows() and instrument.category.nozzle:
        raise _wrong("请填写加油枪：每支枪的枪号和枪出厂编号。")
    for nozzle in nozzles_of(session, instrument.id):
        if nozzle.number in wanted:
            nozzle.serial_no = wanted.pop(nozzle.number)
        else:
            session.delete(nozzle)
    session.flush()
    session.add_all(
        Nozzle(instrument_id=instrument.id, number=number, serial_no=serial, installed_on=instrument.installed_on)
        for number, serial in wanted.items()
    )
    session.flush()


def _wrong(sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, problems={"nozzles": sentence})
