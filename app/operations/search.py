"""The one search box (BEYOND 8): numbers with their noise, names, parts of names and first letters, inside scope.

Every group is asked with few statements that an index answers, best first: the whole number, its beginning, its end,
then words. Nothing here lifts the scope: what is found passes through it like any list.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, false, func, or_, select
from sqlalchemy.orm import Session, selectinload

from app.access.principal import Principal, as_system
from app.access.roles import INSTITUTE, REGULATOR, UNIT
from app.fab.grams import contains
from app.operations.numbers import fold, folded, looks_like_number
from app.operations.pinyin import initials, looks_like_initials
from models.appointment import Appointment
from models.certificate import Certificate
from models.enums import Role
from models.instrument import Instrument
from models.organisation import Unit

MOST = 20
SHORTEST_NUMBER = 2
PUT_LAST = ("scrapped", "former")
OVERLAP = timedelta(minutes=5)
ORDER_NUMBER = re.compile(r"\d{4,20}")


@dataclass(frozen=True, slots=True)
class Hit:
    """One row found: its kind (an address), key, what it is called and what else tells it apart."""

    kind: str
    key: int
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Group:
    """Hits of one kind, best first."""

    kind: str
    hits: list[Hit]


def find(session: Session, actor: Principal, term: str, most: int = MOST) -> list[Group]:
    """Everything the term leads to, grouped; a group whose number fits exactly comes first."""
    term = unicodedata.normalize("NFKC", term).strip()
    found: list[Group] = []
    if not term:
        return found
    if actor.has(*(UNIT | INSTITUTE | REGULATOR)):
        found += [
            Group("instruments", find_instruments(session, term, most)),
            Group("appointments", find_appointments(session, term, most)),
            Group("certificates", find_certificates(session, term, most)),
        ]
    if actor.has(*INSTITUTE, Role.REG, Role.ADM):
        found.append(Group("units", find_units(session, term, most)))
    filled = [group for group in found if group.hits]
    return sorted(filled, key=lambda group: not _exact(group, term))


def _exact(group: Group, term: str) -> bool:
    first = group.hits[0]
    return fold(term) in {fold(first.name.split(" ")[-1]), fold(first.note)}


# -- instruments ----------------------------------------------------------------------------------------------------


def find_instruments(session: Session, term: str, most: int = MOST) -> list[Hit]:
    """By number (noise aside: whole, beginning, end), by code, by words of name, maker and unit; words and a number together."""
    rows: dict[int, Instrument] = {}
    parts = term.split()
    words, numbers = [p for p in parts if not looks_like_number(p)], [p for p in parts if looks_like_number(p)]
    number = fold("".join(numbers))
    tests: list[Any] = []
    about = _contains_all(session, words) if words and numbers else None
    if len(number) >= SHORTEST_NUMBER:
        column = folded(Instrument.serial_no)
        tests = [
            column == number,
            column.startswith(number, autoescape=True),
            func.reverse(column).startswith(number[::-1], autoescape=True),
        ]
        if number.isdecimal() and len(number) == 18:
            tests.insert(0, Instrument.code == number)
    for test in tests:
        _more(session, rows, test if about is None else and_(about, test), most)
    if len(rows) < most:
        _more(session, rows, _contains_all(session, parts), most)
    if not rows and numbers and words:
        _more(session, rows, _contains_all(session, words), most)
    shown = sorted(rows.values(), key=lambda row: row.state in PUT_LAST)[:most]
    return [Hit("instruments", i.id, f"{i.name} {i.serial_no}", f"{i.unit.name} · {i.place}") for i in shown]


def _contains_all(session: Session, parts: list[str], column: Any = Instrument.search_text) -> Any:
    """Every part stands in name, maker or unit; 称 is read as 秤 too, and brackets in either width."""
    return and_(*(or_(*(contains(session, column, way) for way in ways(part))) for part in parts))


def ways(part: str) -> list[str]:
    """How a word may have been written down."""
    wide = part.translate(str.maketrans("(),:", "（），："))
    found = [part, wide, part.replace("称", "秤"), part.upper() if part.isascii() else part]
    return list(dict.fromkeys(found))


def _more(session: Session, rows: dict[int, Instrument], test: Any, most: int) -> None:
    """Add what fits, without an order: sorting would make the database walk a million rows to find twenty."""
    if len(rows) >= most:
        return
    statement = select(Instrument).where(test).options(selectinload(Instrument.unit)).limit(most)
    for row in session.execute(statement).unique().scalars():
        rows.setdefault(row.id, row)


# -- orders, certificates -------------------------------------------------------------------------------------------


def find_appointments(session: Session, term: str, most: int = MOST) -> list[Hit]:
    """By the whole number or its beginning."""
    number = fold(term)
    if not ORDER_NUMBER.fullmatch(number):
        return []
    statement = select(Appointment).where(Appointment.number.startswith(number, autoescape=True))
    rows = session.execute(statement.order_by(Appointment.id.desc()).limit(most)).unique().scalars()
    return [Hit("appointments", a.id, str(a), a.unit.name) for a in rows]


def find_certificates(session: Session, term: str, most: int = MOST) -> list[Hit]:
    """By the whole number, its beginning or its end, noise aside."""
    number = fold(term)
    if len(number) < 4 or not any(c.isdigit() for c in number):
        return []
    column = folded(Certificate.number)
    test = or_(
        column.startswith(number, autoescape=True), func.reverse(column).startswith(number[::-1], autoescape=True)
    )
    rows = list(session.execute(select(Certificate).where(test).limit(most)).unique().scalars())
    rows.sort(key=lambda c: (not fold(c.number or "").startswith(number), -c.id))
    return [Hit("certificates", c.id, str(c), str(c.facts.get("instrument_name") or "")) for c in rows]


# -- units ----------------------------------------------------------------------------------------------------------


def find_units(session: Session, term: str, most: int = MOST) -> list[Hit]:
    """By 统一社会信用代码 (whole or its beginning), by parts of the name, by first letters of its pinyin."""
    code = fold(term)
    # a code holds no O, I or L: who types one means 0 or 1, so folding it loses nothing
    by_code = Unit.code.startswith(code, autoescape=True) if len(code) >= 4 and code.isalnum() else false()
    by_name = _contains_all(session, term.split(), Unit.name)
    rows = list(session.execute(select(Unit).where(or_(by_code, by_name)).limit(most)).unique().scalars())
    letters = looks_like_initials(term)
    if letters and len(rows) < most:
        rows += _by_letters(session, letters, most, {row.id for row in rows})
    rows.sort(key=lambda u: _rank(u, term, code, letters))
    return [Hit("units", u.id, u.name, u.code or "") for u in rows[:most]]


def _rank(unit: Unit, term: str, code: str, letters: str) -> tuple[int, int]:
    if unit.code == code or unit.name == term:
        return 0, len(unit.name)
    read = LETTERS.readings.get(unit.id, ())
    if letters and any(r.startswith(letters) for r in read):
        return 1, len(unit.name)
    return 2 if unit.name.startswith(term) else 3, len(unit.name)


def _by_letters(session: Session, letters: str, most: int, known: set[int]) -> list[Unit]:
    keys = [key for key in LETTERS.matching(session, letters) if key not in known]
    if not keys:
        return []
    # the best first: those that begin with the letters; scope decides which of them this person sees
    places = {key: place for place, key in enumerate(keys)}
    statement = select(Unit.id).where(Unit.id == func.any(keys))
    seen = sorted(session.execute(statement).scalars(), key=lambda key: places[key])[:most]
    return list(session.execute(select(Unit).where(Unit.id.in_(seen))).unique().scalars())


class Letters:
    """The first letters of all units' names, read once per process and kept up by what has changed since.

    Keys only leave here; names of units outside the person's scope never do.
    """

    def __init__(self) -> None:
        self.readings: dict[int, tuple[str, ...]] = {}
        self.names: dict[int, str] = {}
        self.until: datetime | None = None
        self.database = ""

    def refresh(self, session: Session) -> None:
        """Read the units that are new or renamed since the last look, and a little further back: a transaction shows its
        rows later than the moment they carry."""
        database = str(session.get_bind().url)  # type: ignore[union-attr]
        if database != self.database:
            self.readings, self.names, self.until, self.database = {}, {}, None, database
        statement = select(Unit.id, Unit.name)
        if self.until is not None:
            statement = statement.where(Unit.updated_at >= self.until)
        with as_system("first letters of all names; what is shown of them passes through the person's scope"):
            now: datetime = session.execute(select(func.now())).scalar_one()
            rows = session.execute(statement).tuples().all()
        for key, name in rows:
            if self.names.get(key) != name:
                self.readings[key], self.names[key] = initials(name), name
        self.until = now - OVERLAP

    def matching(self, session: Session, letters: str) -> list[int]:
        """Units one of whose readings holds the letters; those that begin with them first, short names first."""
        self.refresh(session)
        found = []
        for key, readings in self.readings.items():
            at = min((place for r in readings if (place := r.find(letters)) >= 0), default=-1)
            if at >= 0:
                found.append((at > 0, len(readings[0]), key))
        return [key for _inside, _length, key in sorted(found)]


LETTERS = Letters()
