"""Two rows that are one instrument become one, and can be parted again for thirty days (BEYOND 16).

The merged row stays, hidden, and points at the kept one. Bookings, filings, reminders, files and nozzles move; papers
never change (I-5) and stay with the row they were issued for, but count for the kept one (app/workflow/merged.py). What
was moved and what both rows held stands in `instrument_merge`, so that parting puts everything back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError, WrongStateError
from app.intake.dup import dup_key
from app.operations.instrument import search_text
from app.profiles import setting
from app.workflow import INSTRUMENT, fire
from app.workflow.certificate import instrument_facts, newest_verification
from app.workflow.engine import Context, cascade, lock
from app.workflow.journal import plain
from app.workflow.live import ever_verified
from app.workflow.merged import family
from models import AppointmentItem, Attachment, Filing, Instrument, InstrumentMerge, Nozzle, Reminder
from models.enums import FilingState, InstrumentState

CHOOSABLE = (
    *("name", "category_id", "model", "measuring_range", "accuracy_class", "serial_no", "own_no", "manufacturer"),
    *("origin", "use_division", "place", "station", "purchased_on", "installed_on", "produced_on", "quantity"),
    *("purpose", "delivery_mode", "type_approval_no", "note"),
)
"""Fields of which a person chooses whose value stays."""
COMPUTED = ("code", "valid_until", "last_result", "verified_on", "certificate_no", "dup_key", "search_text")
DAYS = 30
TWO_SERIALS = "两台器具均有检定证书且出厂编号不同，请确认是否为同一台。"


def merge(
    session: Session,
    actor: Principal,
    kept_id: int,
    merged_id: int,
    from_merged: Sequence[str] = (),
    *,
    confirmed: bool = False,
) -> InstrumentMerge:
    """Make one of two of the actor's own instruments; `from_merged` names the fields whose value the other row gives.

    Raises NotVisibleError, WrongStateError, InvalidInputError (live business; two serials on papers not confirmed) or
    ConflictError when a third row has the resulting key.
    """
    if kept_id == merged_id:
        raise InvalidInputError("请选择两台不同的器具。")
    rows = {pk: lock(session, Instrument, pk) for pk in sorted((kept_id, merged_id))}
    kept, merged = rows[kept_id], rows[merged_id]
    _check(session, actor, kept, merged, confirmed)
    chosen = {key: getattr(merged, key) for key in CHOOSABLE if key in from_merged}
    code = merged.code if kept.code is None else None
    before = {"kept": _values(kept), "merged": {**_values(merged), "prior_state": merged.prior_state}}
    data = {"into": kept.id, "serial_no": merged.serial_no}

    def hide(row: Instrument) -> None:
        row.merged_into_id = kept_id
        row.code = None if code else row.code

    def take(row: Instrument) -> None:
        for key, value in chosen.items():
            setattr(row, key, value)
        row.code = row.code or code
        _derive(row)
        _recount(session, row, family(session, row.id))

    try:
        with session.begin_nested():
            fire(session, INSTRUMENT, merged.id, "merge", actor, data, change=hide)
            moved = _move(session, kept, merged)
            told = {"merged": merged.id, "serial_no": before["merged"]["serial_no"]}
            kept = fire(session, INSTRUMENT, kept.id, "absorb", actor, told, change=take)
    except IntegrityError as error:
        raise ConflictError("合并后的器具与另一台在册器具相同，请先核对那一台。", field="serial_no") from error
    row = InstrumentMerge(
        unit_id=kept.unit_id,
        kept_id=kept.id,
        merged_id=merged_id,
        account_id=actor.account_id,
        before={**before, "written": _values(kept)},
        moved=moved,
        merged_on=clock.today(),
    )
    session.add(row)
    session.flush()
    return row


def unmerge(session: Session, actor: Principal, merge_id: int) -> Instrument:
    """Part what `merge` joined: the other row comes back with everything it had, the kept one gets back its values that
    nobody changed since. What came to the kept row later stays there. Returns the row that came back."""
    row = session.scalars(select(InstrumentMerge).where(InstrumentMerge.id == merge_id).with_for_update()).one_or_none()
    if row is None:
        raise NotVisibleError
    if row.undone_at is not None:
        raise WrongStateError("这次合并已经取消。")
    if row.merged_on + timedelta(days=DAYS) < clock.today():
        raise WrongStateError(f"合并已超过{DAYS}天，不能取消。")
    merged = session.get(Instrument, row.merged_id, execution_options={"unscoped": True})
    if merged is None:
        raise NotVisibleError
    before: dict[str, dict[str, Any]] = row.before  # type: ignore[assignment]
    apart = family(session, merged.id)

    def give_back(kept: Instrument) -> None:
        _restore(kept, before["kept"], before["written"])
        _recount(session, kept, [pk for pk in family(session, kept.id) if pk not in apart])

    def come_back(other: Instrument) -> None:
        other.merged_into_id = None
        _restore(other, before["merged"], None)
        other.prior_state = before["merged"]["prior_state"]
        _recount(session, other, apart)

    try:
        with session.begin_nested():
            told = {"merged": merged.id, "serial_no": merged.serial_no}
            kept = fire(session, INSTRUMENT, row.kept_id, "release", actor, told, change=give_back)
            ctx = Context(session, INSTRUMENT, INSTRUMENT.step("release"), kept, actor, {})
            _move_back(session, row)
            back: Instrument = cascade(ctx, merged, "unmerge", {"from": kept.id}, change=come_back)
    except IntegrityError as error:
        raise ConflictError("已有相同器具在用，不能取消合并。") from error
    row.undone_at, row.undone_by_id = clock.now(), actor.account_id
    session.flush()
    return back


def merges_of(session: Session) -> list[InstrumentMerge]:
    """The merges of the principal's unit that can still be undone, the newest first."""
    since = clock.today() - timedelta(days=DAYS)
    statement = select(InstrumentMerge).where(InstrumentMerge.undone_at.is_(None), InstrumentMerge.merged_on >= since)
    return list(session.scalars(statement.order_by(InstrumentMerge.id.desc()).limit(100)))


def _check(session: Session, actor: Principal, kept: Instrument, merged: Instrument, confirmed: bool) -> None:
    if kept.unit_id != actor.unit_id or merged.unit_id != actor.unit_id:
        raise NotVisibleError
    if kept.state == InstrumentState.UNFILED and merged.state != InstrumentState.UNFILED and setting_filing():
        raise InvalidInputError("请保留已备案的那一台。", field="kept")
    both = ever_verified(session, kept.id) and ever_verified(session, merged.id)
    if both and kept.serial_no != merged.serial_no and not confirmed:
        raise InvalidInputError(TWO_SERIALS, field="confirmed")


def setting_filing() -> bool:
    """Whether instruments of this deployment are filed at all."""
    from app.profiles import switch_on

    return switch_on("filing")


def _values(row: Instrument) -> dict[str, Any]:
    return {key: plain(getattr(row, key)) for key in (*CHOOSABLE, *COMPUTED)}


def _derive(row: Instrument) -> None:
    """Key and search text follow from the fields."""
    rule = tuple(setting("ledger", "duplicate_key"))
    row.dup_key = dup_key(rule, {key: getattr(row, key) for key in CHOOSABLE})
    row.search_text = search_text(row.name, row.manufacturer, row.unit.name)


def _recount(session: Session, row: Instrument, ids: Sequence[int]) -> None:
    """Result and validity from ALL verifications of the rows (I-7); without any, what was typed stays."""
    last = newest_verification(session, ids)
    if last is not None:
        row.last_result, row.verified_on, row.valid_until = instrument_facts(last)
        row.certificate_no = last.number or ""


def _restore(row: Instrument, values: Mapping[str, Any], written: Mapping[str, Any] | None) -> None:
    """Put old values back; with `written` only where the row still holds what the merge wrote."""
    now = _values(row)
    for key, old in values.items():
        if key == "prior_state" or (written is not None and now.get(key) != written.get(key)):
            continue
        setattr(row, key, _typed(key, old))
    if written is not None and any(now[key] != written[key] for key in CHOOSABLE):
        _derive(row)


def _typed(key: str, value: Any) -> Any:
    """A JSON value as the column wants it."""
    dated = key.endswith("_on") or key == "valid_until"
    return date.fromisoformat(value) if dated and value else value


# -- what moves --------------------------------------------------------------------------------------------------------


def _move(session: Session, kept: Instrument, merged: Instrument) -> dict[str, list[Any]]:
    """Move what hangs on the merged row, as far as the kept row has no such thing of its own; gives the ids."""
    items = list(session.scalars(select(AppointmentItem).where(AppointmentItem.instrument_id == merged.id)))
    filings = _movable_filings(session, kept, merged)
    for item in items:
        item.instrument_id = kept.id
    for filing in filings:
        filing.instrument_id = kept.id
    session.flush()
    known = select(Reminder.threshold, Reminder.due_on, Reminder.channel).where(Reminder.instrument_id == kept.id)
    taken = {tuple(r) for r in session.execute(known)}
    reminders = [
        r.id
        for r in session.scalars(select(Reminder).where(Reminder.instrument_id == merged.id))
        if (r.threshold, r.due_on, r.channel) not in taken
    ]
    numbers = set(session.scalars(select(Nozzle.number).where(Nozzle.instrument_id == kept.id)))
    guns = select(Nozzle.id).where(Nozzle.instrument_id == merged.id, Nozzle.number.not_in(numbers))
    nozzles = list(session.scalars(guns.execution_options(unscoped=True)))
    files = _files_of(session, merged.id)
    moved: dict[str, list[Any]] = {
        "appointment_item": [row.id for row in items],
        "filing": [row.id for row in filings],
        "reminder": reminders,
        "nozzle": nozzles,
        "attachment": [str(pk) for pk in files],
    }
    _hang(session, moved, kept.id)
    return moved


def _movable_filings(session: Session, kept: Instrument, merged: Instrument) -> list[Filing]:
    """Closed filings, and an approved one when the kept row has none that lives (one live filing per instrument)."""
    live = select(Filing.id).where(Filing.instrument_id == kept.id, Filing.state != FilingState.CLOSED)
    free = session.scalar(live.limit(1)) is None
    wanted = (FilingState.CLOSED, FilingState.APPROVED) if free else (FilingState.CLOSED,)
    return list(session.scalars(select(Filing).where(Filing.instrument_id == merged.id, Filing.state.in_(wanted))))


def _files_of(session: Session, instrument_id: int) -> list[Any]:
    statement = select(Attachment.id).where(Attachment.owner_type == "instrument", Attachment.owner_id == instrument_id)
    return list(session.scalars(statement))


def _hang(session: Session, moved: Mapping[str, Any], to: int) -> None:
    """Hang reminders, nozzles and files on another row."""
    quiet = {"synchronize_session": False, "unscoped": True}
    for model, key in ((Reminder, "reminder"), (Nozzle, "nozzle")):
        if moved[key]:
            statement = update(model).where(model.id.in_(moved[key])).values(instrument_id=to)
            session.execute(statement, execution_options=quiet)
    if moved["attachment"]:
        files = update(Attachment).where(Attachment.id.in_(moved["attachment"])).values(owner_id=to)
        session.execute(files, execution_options=quiet)


def _move_back(session: Session, row: InstrumentMerge) -> None:
    moved: dict[str, Any] = row.moved
    pairs: tuple[tuple[type[Any], str], ...] = ((AppointmentItem, "appointment_item"), (Filing, "filing"))
    for model, key in pairs:
        statement = select(model).where(model.id.in_(moved[key]), model.instrument_id == row.kept_id)
        for found in session.scalars(statement):
            found.instrument_id = row.merged_id
    session.flush()
    _hang(session, moved, row.merged_id)
