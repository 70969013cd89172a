"""变更备案信息: asking the institute to change what an approved filing fixes (FIL-15; S4 图20 locks the fields).

The approved values stay in force until the institute agrees; the machine in app/workflow/amendment.py writes them then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import ConflictError, InvalidInputError, NotVisibleError
from app.operations.bulk_acts import plain
from app.operations.instrument import fixed_by_filing, locked_fields, twin_of
from app.operations.journal_words import Words
from app.operations.ledger_fields import label_of, ledger_fields
from app.profiles import setting, switch_on
from app.workflow import AMENDMENT, FILING, INSTRUMENT, bear, fire
from app.workflow.amendment import key_after
from app.workflow.engine import Why, check_role, why_not
from models.enums import AmendmentState, FilingState
from models.filing import Filing, FilingAmendment
from models.instrument import Instrument
from models.organisation import Institute

WAITS = "该器具已有待审核的变更申请，请等待审核结果或先撤回。"
NOT_FILED = "该器具的备案还没有通过审核，请直接修改器具信息。"
SAME = "内容与备案时相同，请修改后再提交。"
SHOWN_ONCE = frozenset({"declared_category_id", "compulsory"})
"""What follows from the catalogue entry and is not shown beside it."""


def amendable(instrument: Instrument) -> set[str]:
    """Columns whose change has to be asked for: fixed by the filing, and not by a certificate."""
    if not switch_on("filing") or setting("ledger", "edit_lock") != "filed_partial":
        return set()
    asked = {field.key for field in ledger_fields()}
    if "level2" in asked:
        asked |= {"category_id"} | SHOWN_ONCE
    return fixed_by_filing() & locked_fields(instrument) & asked - {"last_result", "valid_until"}


def approved_filing(session: Session, instrument_id: int) -> Filing | None:
    """The approved filing of an instrument that the principal sees."""
    statement = select(Filing).where(Filing.instrument_id == instrument_id, Filing.state == FilingState.APPROVED)
    return session.execute(statement).scalars().first()


def why_not_amend(session: Session, actor: Principal, instrument: Instrument) -> Why | None:
    """Why no change can be asked for now, with the way to the cure; None when it can."""
    filing = approved_filing(session, instrument.id)
    if filing is None:
        return Why(NOT_FILED, "amendment.not_filed", f"/instruments/edit/{instrument.id}")
    if waiting := _waiting(session, filing.id):
        return Why(WAITS, "amendment.waits", f"/filing-amendments/show/{waiting}")
    return why_not(session, FILING, filing, FILING.step("amend"), actor)


def ask_amendment(
    session: Session, actor: Principal, instrument_id: int, values: Mapping[str, Any], why: str
) -> FilingAmendment:
    """Ask the institute of the filing to change the fixed columns among `values` that differ from the record.

    Raises NotVisibleError for a foreign instrument, InvalidInputError for the reason, for no change, a twin or a place
    outside the institute's area, ConflictError while another request waits.
    """
    check_role(AMENDMENT.step("ask"), actor)
    instrument = session.get(Instrument, instrument_id)
    if instrument is None:
        raise NotVisibleError
    filing = approved_filing(session, instrument_id)
    if filing is None:
        raise InvalidInputError(NOT_FILED)
    if _waiting(session, filing.id):
        raise ConflictError(WAITS)
    why = why.strip()
    if not 5 <= len(why) <= 500:
        raise InvalidInputError("请填写变更原因（5～500字）。", field="why")
    changes = _changes(instrument, values)
    if not changes:
        raise InvalidInputError(SAME)
    _check_place(session, filing, changes)
    _check_twin(session, instrument, changes)
    row = FilingAmendment(
        filing_id=filing.id,
        instrument_id=instrument.id,
        unit_id=filing.unit_id,
        institute_id=filing.final_institute_id,
        use_division=filing.use_division,
        changes=changes,
        why=why,
    )
    try:
        with session.begin_nested():
            fire(session, FILING, filing.id, "amend", actor)
            bear(session, row, "ask", actor)
    except IntegrityError as error:
        raise ConflictError(WAITS) from error
    return row


def _waiting(session: Session, filing_id: int) -> int | None:
    statement = select(FilingAmendment.id).where(
        FilingAmendment.filing_id == filing_id, FilingAmendment.state == AmendmentState.PENDING
    )
    return session.scalar(statement.limit(1))


def _changes(instrument: Instrument, values: Mapping[str, Any]) -> dict[str, object]:
    """{column: [old, new]} as JSON keeps it."""
    found: dict[str, object] = {}
    for key in sorted(amendable(instrument)):
        if key in values and plain(getattr(instrument, key)) != plain(values[key]):
            found[key] = [plain(getattr(instrument, key)), plain(values[key])]
    return found if "category_id" in found else {key: pair for key, pair in found.items() if key not in SHOWN_ONCE}


def _check_place(session: Session, filing: Filing, changes: Mapping[str, Any]) -> None:
    institute = session.get(Institute, filing.final_institute_id)
    if "use_division" not in changes or institute is None:
        return
    if not str(changes["use_division"][1]).startswith(institute.area):
        raise InvalidInputError(
            f"新的使用地点不在备案机构“{institute.name}”的辖区内，请先停用器具，启用后向当地机构重新备案。",
            field="use_division",
        )


def _check_twin(session: Session, instrument: Instrument, changes: Mapping[str, Any]) -> None:
    key = key_after(instrument, changes)
    twin = twin_of(session, key, instrument.unit_id, instrument.id) if key != instrument.dup_key else None
    if twin is not None:
        raise InvalidInputError(
            f"变更后与台账中的“{twin.name} {twin.serial_no}”重复，请核对出厂编号。", field="serial_no"
        )


def changes_in_words(session: Session, row: FilingAmendment) -> list[tuple[str, str, str]]:
    """(field, old, new) of a request, in the words of the deployment."""
    changes: dict[str, Any] = {key: pair for key, pair in row.changes.items() if key not in SHOWN_ONCE}
    words = Words(session, [(INSTRUMENT, key, side) for key, pair in changes.items() for side in pair])
    return [
        (
            label_of("level2" if key == "category_id" else key),
            words.of(INSTRUMENT, key, old),
            words.of(INSTRUMENT, key, new),
        )
        for key, (old, new) in changes.items()
    ]
