"""Data quality of the ledger, stored with each row and summed by unit and county (BEYOND 15).

A row's score is written with the row itself (the engine's journal says that it changed); what time alone changes, and
what came in by SQL, is caught up by `refresh_all` every night, in chunks by key and one statement per chunk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, text
from sqlalchemy.orm import Session, aliased

from app import clock
from app.access.principal import Principal
from app.operations.quality_rules import BY_CODE, RULES, Facts, Rule, UnitFacts, faults_of, score_of, unit_faults_of
from app.workflow import journal
from app.workflow.together import open_batch
from models import Account, Category, Division, Institute, Instrument, Unit
from models.enums import InstrumentState, Level

S = InstrumentState
WATCHED = (S.UNFILED, S.FILING, S.IN_USE, S.SUSPENDED)
"""Rows somebody still works with; what is scrapped or gone has no score."""
CHUNK = 2_000
COUNTED = frozenset(journal.columns(Instrument)) - {"hidden", "code", "note", "filed_on", "merged_into_id", "own_no"}
OWN_SHARE = 20
"""Percent of a unit's score that its own particulars weigh; its instruments weigh the rest."""
STORE = text(
    "UPDATE instrument i SET quality = v.quality, quality_faults = v.faults "
    "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(id bigint, quality smallint, faults jsonb) "
    "WHERE i.id = v.id AND (i.quality IS DISTINCT FROM v.quality OR i.quality_faults <> v.faults)"
)


# -- one row, as it is written -----------------------------------------------------------------------------------------


def score_on_write(session: Session, obj: Any, changed: dict[str, Any]) -> None:
    """Listens to the journal: an instrument that got other values gets its score in the same UPDATE."""
    if not isinstance(obj, Instrument) or COUNTED.isdisjoint(changed):
        return
    with session.no_autoflush:
        category, division = session.get(Category, obj.category_id), session.get(Division, obj.use_division)
        institute = session.get(Institute, obj.institute_id) if obj.institute_id else None
        twins = _has_twin(session, obj)
    until = institute.authorised_until if institute is not None else None
    codes = faults_of(_facts(obj, category, division, until, twins, clock.today()))
    obj.quality, obj.quality_faults = score_of(codes), codes


journal.CHANGED.append(score_on_write)


def _has_twin(session: Session, row: Instrument) -> bool:
    """Whether another live row of the unit has the number; for a bulk act, which edits no numbers, asked once a chunk."""
    batch = open_batch(session)
    if batch is None or (Instrument, row.id) not in batch.rows:
        twin = select(Instrument.id).where(_twin(Instrument, row.unit_id, row.serial_no, row.id)).limit(1)
        return session.scalar(twin) is not None
    if "twins" not in batch.answers:
        other = aliased(Instrument)
        doubled = exists().where(_twin(other, Instrument.unit_id, Instrument.serial_no, Instrument.id))
        ids = [pk for model, pk in batch.rows if model is Instrument]
        batch.answers["twins"] = frozenset(
            session.scalars(select(Instrument.id).where(Instrument.id.in_(ids), doubled))
        )
    return row.id in batch.answers["twins"]


def _twin(model: Any, unit_id: Any, serial_no: Any, pk: Any) -> ColumnElement[bool]:
    """Another live row of the unit with the same number."""
    same = (model.unit_id == unit_id) & (model.serial_no == serial_no) & model.state.in_(WATCHED)
    return same & (model.id != pk) if pk is not None else same


def _facts(
    row: Any, category: Category | None, division: Division | None, until: date | None, twins: bool, today: date
) -> Facts:
    return Facts(
        row,
        today,
        level1=category.level1 if category else "",
        level2=category.level2 if category else "",
        mandatory=category.mandatory if category else True,
        category_valid=category.valid if category else True,
        nozzle=category.nozzle if category else False,
        cycle_months=category.cycle_months if category else None,
        county=_county(division),
        twins=twins,
        institute_until=until,
    )


def _county(division: Division | None) -> bool:
    """A county, or a city that has none."""
    return division is None or division.level == Level.COUNTY or not division.has_children


# -- many rows ---------------------------------------------------------------------------------------------------------


def refresh(session: Session, condition: ColumnElement[bool] | None = None, *, commit: bool = False) -> int:
    """Score every row the principal sees (that fits the condition) anew; returns how many were looked at. With `commit`
    each chunk is kept by itself, for jobs."""
    today, last, done = clock.today(), 0, 0
    categories = {c.id: c for c in session.scalars(select(Category))}
    divisions: dict[str, Division] = {}
    while rows := _chunk(session, condition, last):
        last, done = rows[-1][0].id, done + len(rows)
        missing = {row.use_division for row, *_rest in rows} - set(divisions)
        if missing:
            divisions |= {d.code: d for d in session.scalars(select(Division).where(Division.code.in_(missing)))}
        found = []
        for row, until, twins in rows:
            place = divisions.get(row.use_division)
            codes = faults_of(_facts(row, categories.get(row.category_id), place, until, twins, today))
            found.append({"id": row.id, "quality": score_of(codes), "faults": codes})
        session.execute(STORE, {"rows": json.dumps(found)})
        if commit:
            session.commit()
    return done


def _chunk(session: Session, condition: ColumnElement[bool] | None, after: int) -> list[Any]:
    """Rows as plain tuples: a million of them never become objects of the session."""
    other = aliased(Instrument)
    twins = exists().where(_twin(other, Instrument.unit_id, Instrument.serial_no, Instrument.id))
    needed = [getattr(Instrument, key) for key in ("id", "state", *sorted(COUNTED))]
    statement = (
        select(*needed, Institute.authorised_until, twins.label("twins"))
        .outerjoin(Institute, Institute.id == Instrument.institute_id)
        .where(Instrument.id > after, Instrument.state.in_(WATCHED))
        .order_by(Instrument.id)
        .limit(CHUNK)
    )
    if condition is not None:
        statement = statement.where(condition)
    return [(row, row.authorised_until, row.twins) for row in session.execute(statement)]


def refresh_all(session: Session) -> int:
    """The nightly run over the whole ledger; act as the platform."""
    return refresh(session, commit=True)


# -- what pages show ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that rows break, and how many."""

    rule: Rule
    count: int


@dataclass(frozen=True, slots=True)
class Quality:
    """A ledger's score; `score` is None before anything was scored."""

    score: int | None
    instruments: int
    clean: int
    faults: tuple[Fault, ...]
    own: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """One county of a regulator's area."""

    code: str
    name: str
    score: int
    instruments: int
    doubtful: int


def quality_of_unit(session: Session, p: Principal) -> Quality:
    """The principal's own unit: its particulars and its instruments."""
    average, count, clean = session.execute(
        select(func.avg(Instrument.quality), func.count(), func.count().filter(Instrument.quality == 100)).where(
            Instrument.unit_id == p.unit_id, Instrument.state.in_(WATCHED), Instrument.quality.is_not(None)
        )
    ).one()
    own = unit_faults_of(unit_facts(session, p.unit_id or 0))
    score = None
    if count:
        score = round((float(average) * (100 - OWN_SHARE) + score_of(own) * OWN_SHARE) / 100)
    rules = tuple(BY_CODE[code] for code in own)
    return Quality(score, count, clean, fault_counts(session, Instrument.unit_id == p.unit_id), rules)


def fault_counts(session: Session, condition: ColumnElement[bool]) -> tuple[Fault, ...]:
    """How many rows break each rule, the costliest first."""
    code = func.jsonb_array_elements_text(Instrument.quality_faults).label("code")
    inner = select(code).where(condition, Instrument.state.in_(WATCHED)).subquery()
    rows = session.execute(select(inner.c.code, func.count()).group_by(inner.c.code)).tuples().all()
    found = [Fault(BY_CODE[name], count) for name, count in rows if name in BY_CODE]
    return tuple(sorted(found, key=lambda f: (-f.rule.weight * f.count, f.rule.code)))


def quality_by_county(session: Session) -> list[Place]:
    """Average score of every county the principal sees, the worst first."""
    score = func.round(func.avg(Instrument.quality)).label("score")
    statement = (
        select(Instrument.use_division, score, func.count(), func.count().filter(Instrument.quality < 80))
        .where(Instrument.state.in_(WATCHED), Instrument.quality.is_not(None))
        .group_by(Instrument.use_division)
    )
    rows = session.execute(statement).tuples().all()
    names = dict(
        session.execute(select(Division.code, Division.name).where(Division.code.in_([r[0] for r in rows])))
        .tuples()
        .all()
    )
    found = [Place(code, str(names.get(code) or code), int(mark), count, low) for code, mark, count, low in rows]
    return sorted(found, key=lambda place: (place.score, place.code))


def unit_facts(session: Session, unit_id: int) -> UnitFacts:
    """What the rules look at of a unit."""
    unit = session.get(Unit, unit_id)
    if unit is None:
        return UnitFacts()
    active = select(Account.id).where(Account.unit_id == unit_id, Account.state == "active").limit(1)
    return UnitFacts(
        code=unit.code or "",
        phone=unit.contact_phone or "",
        contact=unit.contact_name,
        address=unit.address,
        email=unit.email or "",
        county=_county(unit.division),
        reachable=session.scalar(active) is not None,
    )


def broken_by(code: str) -> ColumnElement[bool]:
    """The condition that a row breaks the rule, for lists (`?fault=`); an unknown code fits nothing."""
    return Instrument.quality_faults.contains([code if code in BY_CODE else "-"])


def sentences(codes: Iterable[str]) -> list[str]:
    """The sentences of the rules of a row."""
    return [BY_CODE[code].sentence for code in codes if code in BY_CODE]


FIELDS = tuple(rule.code for rule in RULES)
