"""未匹配检定记录 (UNM-01…04): finding the instrument a result belongs to, and what a unit and an institute do about it.

A record looks for its instrument when it arrives, when an instrument of its unit gets another name, number or owner, when
an import wrote new ones, and once a night. What is ambiguous stays; what a person has taken apart is not joined again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, event, func, not_, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal, as_system
from app.errors import ConflictError, InvalidInputError, NotVisibleError, WrongStateError
from app.intake.rulebook import UNCLASSIFIED
from app.operations.instrument import add_instrument, edit_instrument
from app.operations.verification_records import checked
from app.profiles import switch_on
from app.workdays import add_workdays, exceptions
from app.workflow import UNMATCHED, fire, journal
from app.workflow.engine import why_not
from app.workflow.outgoing import message
from app.workflow.unmatched import COUNTS, match_of, unit_by_code
from models.account import Account
from models.enums import AccountState, DeliveryMode, Purpose, Role, UnmatchedState
from models.instrument import Instrument
from models.organisation import Unit
from models.reference import Category
from models.unmatched import UnmatchedRecord

S = UnmatchedState
OPEN = (S.PENDING, S.CORRECTED)
"""What waits for the unit."""
LOOKING = (S.PENDING, S.CORRECTED, S.DISPUTED)
FORGOTTEN_DAYS, ANSWER_WORKDAYS = 90, 5
TELLING = {Instrument: {"serial_no", "name", "unit_id"}, UnmatchedRecord: {"serial_no", "instrument_name", "unit_id"}}
"""Columns whose change may bring a record and an instrument together."""
_WAITING = "units_to_match"
TAKEN = "台账中已有相同器具，请使用“关联”。"


# -- matching ----------------------------------------------------------------------------------------------------------


def note_unit(session: Session, unit_id: int | None) -> None:
    """Look for matches of this unit when the transaction is committed; for rows that SQL wrote."""
    if unit_id is not None:
        session.info.setdefault(_WAITING, set()).add(unit_id)


def _note(session: Session, obj: Any, changed: Mapping[str, Any]) -> None:
    if TELLING.get(type(obj), frozenset()) & set(changed):
        note_unit(session, obj.unit_id)


def _before_commit(session: Session) -> None:
    """The last moment of a transaction: a step cannot be taken in the middle of a flush, which is when rows change."""
    if not session.info.get(_WAITING) and not session.dirty and not session.new:
        return
    if session.in_nested_transaction():
        return
    session.flush()
    units = session.info.pop(_WAITING, None)
    if units and switch_on("unmatched"):
        match_units(session, units)


def _forget(session: Session) -> None:
    if not session.in_nested_transaction():  # of a savepoint only a part is undone
        session.info.pop(_WAITING, None)


def match_units(session: Session, unit_ids: Iterable[int] | None = None) -> int:
    """Link every waiting record of the units (None: of all) whose instrument is now beyond doubt; returns how many.

    One statement finds the records that have an instrument of the same number at all; a row that somebody works on at
    this moment is left to him.
    """
    same_number = (
        select(Instrument.id)
        .where(
            Instrument.unit_id == UnmatchedRecord.unit_id,
            Instrument.state.in_(COUNTS),
            func.fold_number(Instrument.serial_no) == func.fold_number(UnmatchedRecord.serial_no),
        )
        .exists()
    )
    statement = (
        select(UnmatchedRecord)
        .where(
            UnmatchedRecord.state.in_(LOOKING),
            not_(and_(UnmatchedRecord.state == S.PENDING, UnmatchedRecord.decided_at.is_not(None))),
            same_number,
        )
        .order_by(UnmatchedRecord.id)
        .with_for_update(of=UnmatchedRecord, skip_locked=True)
    )
    if unit_ids is not None:
        statement = statement.where(UnmatchedRecord.unit_id.in_(tuple(unit_ids)))
    count = 0
    with as_system("whose instrument a result belongs to follows from the numbers") as system:
        for record in session.execute(statement).unique().scalars().all():
            if match_of(session, record) is not None:
                fire(session, UNMATCHED, record.id, "match", system)
                count += 1
    return count


def adopt(session: Session) -> int:
    """Give records of a credit code that was unknown to the unit that has registered under it since."""
    count = 0
    with as_system("a record belongs to the unit of its credit code"):
        codes = select(UnmatchedRecord.unit_code).where(UnmatchedRecord.unit_id.is_(None)).distinct()
        for code in session.scalars(codes).all():
            unit = unit_by_code(session, code)
            if unit is None:
                continue
            mine = select(UnmatchedRecord).where(UnmatchedRecord.unit_id.is_(None), UnmatchedRecord.unit_code == code)
            for record in session.execute(mine).unique().scalars():
                record.unit_id, record.unit_name = unit.id, unit.name
                record.use_division = unit.division_code[:6]
                count += 1
    return count


# -- the unit ----------------------------------------------------------------------------------------------------------


def link_record(
    session: Session,
    actor: Principal,
    record_id: int,
    instrument_id: int,
    *,
    older_ok: bool = False,
    differs_ok: bool = False,
    take_serial: bool = False,
    seen_version: int | None = None,
) -> UnmatchedRecord:
    """Say which of the own instruments the record means; `take_serial`: the record's number is right, the ledger's is
    corrected. A foreign record or instrument looks missing (NotVisibleError)."""
    row = session.get(Instrument, instrument_id)
    if row is None or row.unit_id != actor.unit_id:
        raise NotVisibleError
    data = {"instrument_id": str(instrument_id), "older_ok": older_ok, "differs_ok": differs_ok}
    done: UnmatchedRecord = fire(session, UNMATCHED, record_id, "link", actor, data, seen_version=seen_version)
    if take_serial and row.serial_no != done.serial_no:
        edit_instrument(session, actor, row.id, {"serial_no": done.serial_no}, seen_version=None)
    return done


def import_record(
    session: Session, actor: Principal, record_id: int, *, seen_version: int | None = None
) -> UnmatchedRecord:
    """Add the record's instrument to the own ledger, filled in from the record and marked 待完善, and link it.

    Raises ConflictError when the ledger has it already; then the record is to be linked.
    """
    record = session.get(UnmatchedRecord, record_id)
    if record is None:
        raise NotVisibleError
    why = why_not(session, UNMATCHED, record, UNMATCHED.step("import"), actor)
    if why:
        raise WrongStateError(str(why))
    try:
        made = add_instrument(session, actor, _values_of(session, record))
    except ConflictError as error:
        raise ConflictError(TAKEN, field="serial_no") from error
    done: UnmatchedRecord = fire(
        session, UNMATCHED, record.id, "import", actor, {"instrument_id": made.id}, seen_version=seen_version
    )
    return done


def _values_of(session: Session, record: UnmatchedRecord) -> dict[str, Any]:
    """What the record says of the instrument. The catalogue entry is left open, which is what 待完善 means; purpose and
    way of delivery have the commonest value, to be corrected while completing."""
    unit = session.get(Unit, record.unit_id)
    open_entry = session.execute(select(Category.id).where(Category.code == UNCLASSIFIED)).scalar_one()
    return {
        "name": record.instrument_name,
        "model": record.model,
        "manufacturer": record.manufacturer,
        "serial_no": record.serial_no,
        "category_id": open_entry,
        "use_division": record.use_division,
        "place": (unit.address or unit.name)[:200] if unit is not None else "",
        "purpose": Purpose.TRADE,
        "delivery_mode": DeliveryMode.DELIVER,
        "quantity": 1,
    }


# -- the institute -----------------------------------------------------------------------------------------------------

CORRECTABLE = ("instrument_name", "model", "manufacturer", "serial_no", "verified_on", "valid_until", "conclusion")
"""What an institute may correct; number and unit stay, another unit is found by 改派单位."""


def correct_record(
    session: Session, actor: Principal, record_id: int, cells: Mapping[str, Any], *, seen_version: int | None = None
) -> UnmatchedRecord:
    """Answer what a unit disputed with the right values; a record that fits an instrument now is linked at once."""
    record = session.get(UnmatchedRecord, record_id)
    if record is None:
        raise NotVisibleError
    kept = {"unit_code": record.unit_code, "unit_name": record.unit_name, "certificate_no": record.certificate_no}
    values = checked({**cells, **kept, "verifier_name": record.verifier_name})
    if all(getattr(record, key) == values[key] for key in CORRECTABLE):
        raise InvalidInputError("内容没有变化，请更正有误的内容后再提交。")

    def write(row: UnmatchedRecord) -> None:
        for key in CORRECTABLE:
            setattr(row, key, values[key] if values[key] is not None or key == "valid_until" else "")

    done: UnmatchedRecord = fire(
        session, UNMATCHED, record_id, "correct", actor, seen_version=seen_version, change=write
    )
    session.flush()
    if done.unit_id is not None:
        match_units(session, [done.unit_id])
    return done


# -- every day ---------------------------------------------------------------------------------------------------------


def daily(session: Session, since: datetime | None = None) -> int:
    """Adopt, match, and tell each unit once what has come since the last time; institutes of answers that are late.
    Returns how many records are new to their units. Act as the platform."""
    if not switch_on("unmatched"):
        return 0
    adopt(session)
    session.flush()
    match_units(session)
    since = since or clock.now() - timedelta(days=1)
    rows = session.execute(
        select(UnmatchedRecord.unit_id, func.count(), func.count().filter(UnmatchedRecord.updated_at > since))
        .where(UnmatchedRecord.state.in_(OPEN), UnmatchedRecord.unit_id.is_not(None))
        .group_by(UnmatchedRecord.unit_id)
    ).tuples()
    fresh = {unit_id: (count, new) for unit_id, count, new in rows if new and unit_id is not None}
    told = Account.unit_id.in_(fresh), Account.state == AccountState.ACTIVE
    for account_id, unit_id in session.execute(select(Account.id, Account.unit_id).where(*told)).tuples().all():
        count, new = fresh[unit_id or 0]
        text = f"有{count}条未匹配的检定记录待处理，其中新增{new}条，请关联、导入台账或反馈机构。"
        message(session, account_id, text, "", "/unmatched/list/", key=f"unmatched-{clock.today()}")
    _tell_of_late_answers(session)
    return sum(new for _count, new in fresh.values())


def _tell_of_late_answers(session: Session) -> None:
    """Managers learn of feedback that nobody answered within five working days, once each."""
    free = exceptions(session)
    disputed = select(UnmatchedRecord).where(UnmatchedRecord.state == S.DISPUTED).order_by(UnmatchedRecord.id)
    for record in session.execute(disputed).unique().scalars():
        asked = record.updated_at.astimezone(clock.ZONE).date()
        if add_workdays(asked, ANSWER_WORKDAYS, free) >= clock.today():
            continue
        managers = select(Account.id).where(
            Account.institute_id == record.institute_id,
            Account.roles.contains([Role.IMG.value]),
            Account.state == AccountState.ACTIVE,
        )
        text = f"检定记录{record.certificate_no}的反馈超过{ANSWER_WORKDAYS}个工作日未答复。"
        for account_id in session.scalars(managers).all():
            link = f"/unmatched/show/{record.id}"
            message(session, account_id, text, "", link, key=f"unmatched-late-{record.id}-{record.version}")


if _note not in journal.CHANGED:
    journal.CHANGED.append(_note)
if not event.contains(Session, "before_commit", _before_commit):
    event.listen(Session, "before_commit", _before_commit)
    event.listen(Session, "after_rollback", _forget)
