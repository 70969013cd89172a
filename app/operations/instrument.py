"""The ledger's verbs for single instruments: add, edit, and what lists and exports need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError
from app.intake.dup import dup_key
from app.intake.fields import FIELDS
from app.intake.reference import ReferenceTables
from app.intake.rules import RowPolicy, check_row
from app.operations.reference_tables import reference_tables
from app.profiles import profile, setting, switch_on
from app.workflow import INSTRUMENT, bear, fire
from models.base import Model
from models.enums import InstrumentState
from models.instrument import Instrument
from models.organisation import Unit

TYPED = (
    "name",
    "model",
    "measuring_range",
    "accuracy_class",
    "serial_no",
    "own_no",
    "manufacturer",
    "origin",
    "use_division",
    "place",
    "purchased_on",
    "quantity",
    "purpose",
    "delivery_mode",
    "valid_until",
    "note",
    "category_id",
)
"""What a person types; everything else of an instrument is computed or written by a workflow."""

GONE = (InstrumentState.PURGED, InstrumentState.MERGED, InstrumentState.FORMER)


def row_policy() -> RowPolicy:
    """The intake rules of this deployment."""
    rules = profile().get("intake", {})
    return RowPolicy(dup_rule=tuple(setting("ledger", "duplicate_key")), **rules)


def search_text(name: str, maker: str, unit_name: str) -> str:
    """What the one search box of the ledger looks through (name, maker, unit), folded for search only."""
    return f"{name} {maker} {unit_name}"[:400]


def add_instrument(session: Session, actor: Principal, values: Mapping[str, Any], *, step: str = "add") -> Instrument:
    """Add one instrument to the actor's own ledger; raises InvalidInputError or ConflictError with the sentence."""
    unit = session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        raise InvalidInputError("只有使用单位可以新增器具。")
    typed = {key: values[key] for key in TYPED if key in values}
    key = dup_key(tuple(setting("ledger", "duplicate_key")), values)
    instrument = Instrument(
        unit_id=unit.id,
        dup_key=key,
        **typed,
        search_text=search_text(str(typed["name"]), str(typed.get("manufacturer") or ""), unit.name),
    )
    if step == "add" and not switch_on("filing"):
        step = "add_in_use"
    try:
        with session.begin_nested():
            bear(session, instrument, step, actor)
    except IntegrityError as error:
        raise _duplicate(instrument) from error
    return instrument


def _duplicate(instrument: Instrument) -> ConflictError:
    words = " ".join(w for w in (instrument.name, instrument.model, instrument.serial_no) if w)
    return ConflictError(f"该器具已存在（{words}），不能重复录入。", field="serial_no")


def edit_instrument(
    session: Session, actor: Principal, instrument_id: int, values: Mapping[str, Any], *, seen_version: int | None
) -> Instrument:
    """Change what was typed; the log keeps old and new of every changed field."""
    current = session.get(Instrument, instrument_id)
    changed = {
        key: [getattr(current, key, None), values[key]]
        for key in TYPED
        if key in values and current is not None and getattr(current, key) != values[key]
    }
    instrument: Instrument = fire(
        session, INSTRUMENT, instrument_id, "edit", actor, {"changed": changed}, seen_version=seen_version
    )
    locked = locked_fields(instrument) & set(changed)
    if locked:
        raise InvalidInputError(_locked_sentence(locked))
    for key in changed:
        setattr(instrument, key, values[key])
    instrument.dup_key = dup_key(tuple(setting("ledger", "duplicate_key")), {k: getattr(instrument, k) for k in TYPED})
    instrument.search_text = search_text(instrument.name, instrument.manufacturer, instrument.unit.name)
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise _duplicate(instrument) from error
    return instrument


def locked_fields(instrument: Instrument) -> set[str]:
    """Fields nobody may type any more: what an approved filing fixes (S4 图20), and a date that a certificate gave."""
    found = {"valid_until"} if instrument.last_result is not None else set()
    filed = InstrumentState.IN_USE in {instrument.state, instrument.prior_state}
    if filed and switch_on("filing"):
        found |= {"name", "category_id", "model", "serial_no", "manufacturer", "use_division"}
    return found


def _locked_sentence(locked: set[str]) -> str:
    if locked == {"valid_until"}:
        return "“有效期至”以检定证书为准，不能修改。"
    words = "、".join(f.label for f in FIELDS if f.key in locked or (f.key == "level2" and "category_id" in locked))
    return f"备案通过后不能修改“{words}”，请撤销备案后重新提交。"


def same_instrument(session: Session, actor: Principal, values: Mapping[str, Any], *, besides: int = 0) -> str | None:
    """The sentence about an instrument of the unit that has the same key, or None; for the check while typing."""
    key = dup_key(tuple(setting("ledger", "duplicate_key")), values)
    if not key or actor.unit_id is None:
        return None
    statement = select(Instrument).where(
        Instrument.unit_id == actor.unit_id,
        Instrument.dup_key == key,
        Instrument.state.not_in(GONE),
        Instrument.id != besides,
    )
    found = session.execute(statement).scalars().first()
    return _duplicate(found).sentence if found is not None else None


def check_values(session: Session, cells: Mapping[str, Any], ref: ReferenceTables | None = None) -> dict[str, Any]:
    """Typed cells through the same rules as an import; raises InvalidInputError with one sentence per field."""
    from app.intake.reader import RawRow

    raw = RawRow(number=0, cells=dict(cells), formula=frozenset(), sheet="", position=0)
    checked = check_row(raw, ref or reference_tables(session), row_policy())
    problems: dict[str, str] = {}
    for problem in checked.problems:
        if problem.severity == "error":
            sentence = problem.message.removeprefix("第0行：")
            problems.setdefault(problem.column, sentence)
    if problems:
        raise InvalidInputError("器具信息有误，请按提示修改。", problems=problems)
    return dict(checked.values)


EXPORT_COLUMNS: tuple[str, ...] = tuple(f.label for f in FIELDS if f.key != "category_code")


def export_rows(
    session: Session, *, where: Any = None, on_chunk: Callable[[int], None] | None = None
) -> Iterator[list[Any]]:
    """All rows the principal sees, in the order and with the words of the import template (IMP-09).

    Read in chunks by key, so that memory stays flat and `on_chunk`, told how many rows are out, may commit.
    """
    words = {f.key: {value: word for word, value in _choices(f)} for f in FIELDS}
    keys = [f.key for f in FIELDS if f.key != "category_code"]
    last, done = 0, 0
    while chunk := _export_chunk(session, Instrument.state.not_in(GONE) if where is None else where, last):
        last, done = chunk[-1][0].id, done + len(chunk)
        rows = [[_cell(row, key, words[key], level1, level2) for key in keys] for row, level1, level2 in chunk]
        yield from rows
        if on_chunk is not None:
            on_chunk(done)


EXPORT_CHUNK = 1_000


def _export_chunk(session: Session, where: Any, after: int) -> list[Any]:
    from models.reference import Category

    statement = (
        select(Instrument, Category.level1, Category.level2)
        .join(Category, Category.id == Instrument.category_id)
        .where(where, Instrument.id > after)
        .order_by(Instrument.id)
        .limit(EXPORT_CHUNK)
    )
    return list(session.execute(statement).tuples())


def _choices(field: Any) -> list[tuple[str, str]]:
    return [(choice.label, choice.value) for choice in field.choices]


def _cell(instrument: Model, key: str, words: Mapping[str, str], level1: str, level2: str) -> Any:
    if key == "level1":
        return level1
    if key == "level2":
        return level2
    value = getattr(instrument, key)
    return words.get(value, value)
