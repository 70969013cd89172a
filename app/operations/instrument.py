"""The ledger's verbs for single instruments: add, edit, and what lists and exports need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principal import Principal, current_principal
from app.errors import ConflictError, InvalidInputError
from app.intake.dup import dup_key
from app.intake.fields import ALL_FIELDS, FIELDS
from app.intake.guidance import RowPolicy
from app.intake.reader import RawRow
from app.intake.reference import ReferenceTables
from app.intake.rulebook import UNCLASSIFIED
from app.intake.rules import ERROR, CheckedRow, check_row
from app.operations.assignment import proposed_institute
from app.operations.category_rules import rule_book
from app.operations.import_rivals import WHOLE_PLATFORM
from app.operations.ledger_fields import label_of, ledger_fields
from app.operations.nozzles import change_of, set_nozzles
from app.operations.reference_tables import reference_tables
from app.profiles import setting, switch_on
from app.workflow import INSTRUMENT, bear, fire
from app.workflow.live import GONE as GONE_STATES
from app.workflow.live import counted
from app.workflow.together import open_batch
from models.base import Model, db
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
    "declared_category_id",
    "compulsory",
    "kind",
    "installed_on",
    "produced_on",
    "station",
    "type_approval_no",
    "institute_id",
    "last_result",
)
"""What a person types, in one deployment or another; everything else is computed or written by a workflow."""

_CATEGORY = frozenset({"category_id", "declared_category_id", "compulsory"})

GONE = GONE_STATES


def row_policy(unit: Unit | None = None, *, session: Session | None = None, form: bool = False) -> RowPolicy:
    """The intake rules of this deployment for rows of `unit`, whose place stands in where the form asks none.

    With `form` all that the profile wants is demanded, while an import takes such rows as 待完善.
    """
    notation = setting("ledger", "gun_notation")
    return RowPolicy(
        dup_rule=tuple(setting("ledger", "duplicate_key")),
        nozzle="error" if notation == "serial_suffix" else "off",
        coded_fields=bool(setting("ledger", "coded_fields")),
        taxi_prefix=str(setting("category", "taxi_prefix")),
        fields=ledger_fields(),
        book=rule_book(session or db.session()),
        guide=bool(setting("category", "rules")),
        redirects=bool(setting("category", "redirects")),
        spelling="error" if setting("category", "spelling_blocks") else "warning",
        division=unit.division_code[:6] if unit is not None else "",
        place=(unit.address or unit.name) if unit is not None else "",
        strict=form,
    )


def search_text(name: str, maker: str, unit_name: str) -> str:
    """What the one search box of the ledger looks through (name, maker, unit), folded for search only."""
    return f"{name} {maker} {unit_name}"[:400]


def add_instrument(
    session: Session, actor: Principal, values: Mapping[str, Any], *, step: str = "add", successor_of: int = 0
) -> Instrument:
    """Add one instrument to the actor's own ledger, with its nozzles where `values` has a list of (枪号, 枪出厂编号) under
    "nozzles"; raises InvalidInputError or ConflictError with the sentence. `successor_of` is the record put away whose place
    it takes, under the same key."""
    unit = session.get(Unit, actor.unit_id) if actor.unit_id else None
    if unit is None:
        raise InvalidInputError("只有使用单位可以新增器具。")
    typed = {key: values[key] for key in TYPED if key in values}
    typed["origin"], typed["kind"] = typed.get("origin") or "domestic", typed.get("kind") or "working"
    key = dup_key(tuple(setting("ledger", "duplicate_key")), values)
    if successor_of:  # those before it have the key too, as often as it was replaced
        _unique_on_the_platform(session, key, unit.id, successor_of)
    else:
        _refuse_twin(session, key, unit.id)
    _assign(session, typed)
    instrument = Instrument(
        unit_id=unit.id,
        dup_key=key,
        **typed,
        search_text=search_text(str(typed["name"]), str(typed.get("manufacturer") or ""), unit.name),
    )
    if step == "add" and not switch_on("filing"):
        step = "add_in_use"
    guns = values.get("nozzles")
    told = change_of(session, None, guns) if guns else {}
    try:
        with session.begin_nested():
            bear(session, instrument, step, actor, {"changed": told} if told else {})
    except IntegrityError as error:
        raise _duplicate(instrument) from error
    if guns is not None:
        set_nozzles(session, instrument, guns)
    return instrument


def _assign(session: Session, values: dict[str, Any]) -> None:
    """Where nothing is filed, place and catalogue entry decide who verifies (LED-25); a typed institute stays."""
    if switch_on("filing") or values.get("institute_id") or any(f.key == "institute" for f in ledger_fields()):
        return
    found = proposed_institute(session, values.get("category_id"), str(values.get("use_division") or ""))
    values["institute_id"] = found.id if found is not None else None


def _refuse_twin(session: Session, key: str, unit_id: int, besides: int = 0) -> None:
    """LED-14 before anything is written: of records in the ledger the unique index is the judge when two come at once, of
    those that only count (scrapped, put away) and of other units' this is."""
    if twin := twin_of(session, key, unit_id, besides):
        raise _duplicate(twin)
    _unique_on_the_platform(session, key, unit_id, besides)


def twin_of(session: Session, key: str, unit_id: int, besides: int = 0) -> Instrument | None:
    """A record of the unit that the key repeats, or None; "" repeats nothing."""
    statement = select(Instrument).where(
        Instrument.unit_id == unit_id, Instrument.dup_key == key, counted(), Instrument.id != besides
    )
    with session.no_autoflush:
        return session.execute(statement.limit(1)).scalars().first() if key else None


def _unique_on_the_platform(session: Session, key: str, unit_id: int, besides: int = 0) -> None:
    """LED-14 with the scope `system`: the same instrument of another unit is a duplicate too. The unique index covers one
    unit, so rivals of the same key wait for each other here."""
    if not key or setting("ledger", "duplicate_scope") != "system":
        return
    # forms wait for each other by key, and all of them for an import that writes a chunk (import_rivals)
    session.execute(select(func.pg_advisory_xact_lock_shared(WHOLE_PLATFORM)))
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    rival = select(Instrument.id).where(
        Instrument.dup_key == key,
        Instrument.unit_id != unit_id,
        counted(),
        Instrument.id != besides,
    )
    # the rival is another unit's: only that it is there is told
    if session.execute(rival.limit(1).execution_options(unscoped=True)).first():
        raise ConflictError("该器具已由其他单位录入，不能重复录入，如有疑问请联系技术机构。", field="serial_no")


def _duplicate(instrument: Instrument) -> ConflictError:
    words = " ".join(w for w in (instrument.name, instrument.model, instrument.serial_no) if w)
    if instrument.state in {InstrumentState.SCRAPPED, InstrumentState.FORMER}:
        words += f"，{INSTRUMENT.label_of(instrument.state)}"
    return ConflictError(f"该器具已存在（{words}），不能重复录入。", field="serial_no")


def edit_instrument(
    session: Session,
    actor: Principal,
    instrument_id: int,
    values: Mapping[str, Any],
    *,
    seen_version: int | None,
    step: str = "edit",
    filling: bool = False,
) -> Instrument:
    """Change what was typed; the log keeps old and new of every changed field, and of the nozzles where `values` has them
    (see add_instrument). `step` is bulk_edit for one of many; `filling` puts something where nothing was, which what is
    fixed does not forbid."""
    current = session.get(Instrument, instrument_id)
    typed = _editable(current)
    changed = {
        key: [getattr(current, key, None), values[key]]
        for key in TYPED
        if key in typed and key in values and current is not None and getattr(current, key) != values[key]
    }
    guns = values.get("nozzles")
    told = {**changed, **(change_of(session, instrument_id, guns) if guns is not None and current is not None else {})}
    instrument: Instrument = fire(
        session, INSTRUMENT, instrument_id, step, actor, {"changed": told}, seen_version=seen_version
    )
    locked = locked_fields(instrument) & set(changed)
    if filling:
        locked = {key for key in locked - _CATEGORY if changed[key][0]}
    if locked:
        raise InvalidInputError(locked_sentence(locked))
    for key in changed:
        setattr(instrument, key, values[key])
    if {"use_division", "category_id"} & set(changed) and instrument.verified_on is None:
        place: dict[str, Any] = {"category_id": instrument.category_id, "use_division": instrument.use_division}
        _assign(session, place)
        instrument.institute_id = place.get("institute_id", instrument.institute_id)
    key = dup_key(tuple(setting("ledger", "duplicate_key")), {k: getattr(instrument, k) for k in TYPED})
    if key != instrument.dup_key:
        _refuse_twin(session, key, instrument.unit_id, instrument.id)
    instrument.dup_key = key
    instrument.search_text = search_text(instrument.name, instrument.manufacturer, instrument.unit.name)
    if open_batch(session) is not None:  # written together; what the database refuses is then done row by row
        return instrument
    doubled = _duplicate(instrument)  # made now: after a failed flush the row cannot be read
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise doubled from error
    if guns is not None:
        set_nozzles(session, instrument, guns)
    return instrument


def _editable(current: Instrument | None) -> set[str]:
    """Columns that this deployment's form asks for; those it does not ask keep what they are."""
    found = {field.key for field in ledger_fields()}
    if "institute" in found:
        found.add("institute_id")
    unclassified = current is not None and current.category.code == UNCLASSIFIED
    return found | _CATEGORY if "level2" in found or unclassified else found


def locked_fields(instrument: Instrument) -> set[str]:
    """Fields nobody may type any more: what an approved filing fixes (S4 图20), and a date that a certificate gave."""
    typed = {field.key for field in ledger_fields()}
    certified = instrument.verified_on is not None or (
        instrument.last_result is not None and "last_result" not in typed
    )
    found = {"valid_until", "last_result", "institute_id"} if certified else set()
    filed = InstrumentState.IN_USE in {instrument.state, instrument.prior_state}
    if filed and setting("ledger", "edit_lock") == "filed_partial" and switch_on("filing"):
        found |= fixed_by_filing()
    return found


def fixed_by_filing() -> set[str]:
    """Columns that change only by 变更备案信息 once a filing is approved: all that `filing.editable_fields` does not
    leave to the unit (S4 图20)."""
    free = set(setting("filing", "editable_fields"))
    if free & {"level1", "level2", "category_code"}:
        free |= _CATEGORY
    if "institute" in free:
        free.add("institute_id")
    return set(TYPED) - free


_OF_CERTIFICATES = {"valid_until": "valid_until", "last_result": "last_result", "institute_id": "institute"}


def locked_sentence(locked: set[str]) -> str:
    if locked <= set(_OF_CERTIFICATES):
        words = "、".join(label_of(_OF_CERTIFICATES[key]) for key in sorted(locked, reverse=True))
        return f"“{words}”以检定证书为准，不能修改。"
    keys = {"level2" if key in _CATEGORY else _OF_CERTIFICATES.get(key, key) for key in locked}
    words = "、".join(label_of(f.key) for f in ALL_FIELDS if f.key in keys)
    return f"备案通过后不能修改“{words}”，请在器具页面申请“变更备案信息”。"


def same_instrument(session: Session, actor: Principal, values: Mapping[str, Any], *, besides: int = 0) -> str | None:
    """The sentence about an instrument of the unit that has the same key, or None; for the check while typing."""
    key = dup_key(tuple(setting("ledger", "duplicate_key")), values)
    if not key or actor.unit_id is None:
        return None
    found = twin_of(session, key, actor.unit_id, besides)
    return _duplicate(found).sentence if found is not None else None


def check_values(
    session: Session, cells: Mapping[str, Any], ref: ReferenceTables | None = None, *, unit: Unit | None = None
) -> dict[str, Any]:
    """Typed cells through the same rules as an import; raises InvalidInputError with one sentence per field."""
    checked = check_cells(session, cells, ref, unit=unit)
    problems: dict[str, str] = {}
    for problem in checked.problems:
        if problem.severity == ERROR:
            problems.setdefault(problem.column, problem.message)
    if problems:
        raise InvalidInputError("器具信息有误，请按提示修改。", problems=problems)
    return dict(checked.values)


def check_cells(
    session: Session, cells: Mapping[str, Any], ref: ReferenceTables | None = None, *, unit: Unit | None = None
) -> CheckedRow:
    """The row with every finding, also those that only warn and those that name their cure; sentences without row."""
    raw = RawRow(number=0, cells=dict(cells), formula=frozenset(), sheet="", position=0)
    policy = row_policy(unit or _own_unit(session), session=session, form=True)
    checked = check_row(raw, ref or reference_tables(session), policy)
    problems = tuple(p._replace(message=p.message.removeprefix("第0行：")) for p in checked.problems)
    return checked._replace(problems=problems)


def _own_unit(session: Session) -> Unit | None:
    principal = current_principal()
    return session.get(Unit, principal.unit_id) if principal is not None and principal.unit_id else None


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
