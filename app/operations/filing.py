"""Filing instruments (备案): what waits to be filed, whether a row can be filed, and filing many with a result per row.

Many are an act of app.operations.bulk: the rows are fixed, tried, and done within the click up to 200, above that by a
worker in chunks; every row keeps its outcome for download (FIL-02). Whoever decides on many filings at once does it here
too, and both sides get one message for the click.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError, QuanhengError, StaleVersionError
from app.operations.bulk_acts import ACTS, INVISIBLE, Act, Row
from app.operations.instrument_code import give_code
from app.operations.site import SiteTextVersion, text_of
from app.workflow import FILING, INSTRUMENT, bear, fire
from app.workflow.engine import Context, Step
from app.workflow.engine import why_not as why_not_step
from app.workflow.filing_office import by_regulator
from app.workflow.live import live_filing_of
from app.workflow.notices import tell_of_filings
from models.enums import FilingState, InstrumentState, LineOutcome, Role
from models.filing import Filing
from models.instrument import Instrument
from models.job import BulkLine

AT_ONCE = 200
"""Instruments that are filed within the click."""
COUNTED = 10_000
STATEMENT = "filing_statement"
"""责任声明 (FIL-04): a text of the site, so that the administrator words it and every version is kept."""
DECIDED = (FilingState.RETURNED, FilingState.REVOKED)
COUNTY = 6
"""Digits of a county's division code."""
REVIEWED = (FilingState.SUBMITTED, FilingState.TO_PROCESS)
"""States in which a filing is approved or returned."""


@dataclass(slots=True)
class BulkResult:
    """How many rows a bulk act reached, and why the others were left: (what, sentence)."""

    done: list[int] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """成功a条，未办理b条。"""
        return f"成功{len(self.done)}条，未办理{len(self.skipped)}条。"


# -- what waits --------------------------------------------------------------------------------------------------------


def pending() -> ColumnElement[bool]:
    """待备案: never filed, withdrawn, or to be filed again. What was returned or revoked has lists of its own (S4 §四)."""
    decided = exists().where(Filing.instrument_id == Instrument.id, Filing.state.in_(DECIDED))
    return and_(Instrument.state == InstrumentState.UNFILED, ~decided)


def awaited_by(p: Principal) -> ColumnElement[bool] | None:
    """Filings whose next word is the principal's own: what the institute holds, or, where the administration decides
    (`filing.reviewer`), what the institute has to confirm and what the county has to review. None: nobody waits here."""
    held = Filing.holder_institute_id == p.institute_id
    if not by_regulator():
        return and_(held, Filing.state.in_((*REVIEWED, FilingState.TO_CONFIRM))) if p.of_institute else None
    if p.of_institute:
        return and_(held, Filing.state == FilingState.TO_CONFIRM)
    if not p.has(Role.REG) or p.area is None or len(p.area) != COUNTY:
        return None
    return and_(Filing.state.in_(REVIEWED), Filing.use_division == p.area)


def filing_counts(session: Session) -> dict[str, int]:
    """How many instruments each list of 备案管理 shows the principal, none counted further than 10 000: the numbers of
    the tabs and of 备案查询 (WX-07)."""
    parts = {FilingState.PENDING: select(Instrument.id).where(pending())}
    for state in FilingState:
        if state not in {FilingState.PENDING, FilingState.CLOSED}:
            parts[state] = select(Filing.id).where(Filing.state == state)
    counts = [
        select(func.count()).select_from(rows.limit(COUNTED + 1).subquery()).scalar_subquery()
        for rows in parts.values()
    ]
    found = session.execute(select(*counts)).one()
    return dict(zip((state.value for state in parts), found, strict=True))


# -- the statement -----------------------------------------------------------------------------------------------------


def statement_of(session: Session) -> SiteTextVersion:
    """The 责任声明 in force."""
    return text_of(session, STATEMENT)


def declared(session: Session, data: Mapping[str, Any], seen: str | None = None) -> dict[str, Any]:
    """The inputs of a submission with the version of the statement that is confirmed by it; the line of history keeps
    both. Raises StaleVersionError when another version than the one seen is in force by now."""
    version = statement_of(session).version
    if seen is not None and seen != str(version):
        raise StaleVersionError
    return {**data, "statement_version": version}


# -- filing --------------------------------------------------------------------------------------------------------------


def refusal(session: Session, actor: Principal, row: Instrument, data: Mapping[str, Any]) -> str | None:
    """Why the instrument cannot be filed now, or None; nothing is written. Without inputs only the row is judged."""
    if row.state != InstrumentState.UNFILED:
        return f"当前状态为“{INSTRUMENT.label_of(row.state)}”，不能执行“提交备案”。"
    step, filing = FILING.step("submit"), live_filing_of(session, row.id)
    with session.no_autoflush:
        draft = filing or Filing(
            state=FilingState.PENDING.value,
            instrument_id=row.id,
            instrument=row,
            unit_id=row.unit_id,
            use_division=row.use_division,
            route=[],
        )
        try:
            if said := why_not_step(session, FILING, draft, step, actor):
                return said
            return _input_refused(session, actor, step, draft, data)
        finally:
            if filing is None and draft in session:
                session.expunge(draft)


def _input_refused(
    session: Session, actor: Principal, step: Step, draft: Filing, data: Mapping[str, Any]
) -> str | None:
    if not data:
        return None
    ctx = Context(session, FILING, step, draft, actor, data)
    said = (guard.check(ctx) for guard in step.guards if guard.needs_input)
    return next((sentence for sentence in said if sentence), None)


def submit_filings(
    session: Session, actor: Principal, instrument_ids: Iterable[int], data: Mapping[str, Any]
) -> BulkResult:
    """Submit instruments for filing; a row that cannot be filed is skipped with its sentence, the others go on.

    Raises InvalidInputError when the statement is not confirmed or no institute is chosen: then nothing is done.
    """
    wanted = sorted(set(instrument_ids))
    check_submission(wanted, data)
    told = declared(session, data)
    result = BulkResult()
    rows = session.execute(select(Instrument).where(Instrument.id.in_(wanted)).order_by(Instrument.id)).scalars().all()
    with quiet(session):
        for instrument in rows:
            try:
                with session.begin_nested():
                    file_one(session, actor, instrument, told)
                result.done.append(instrument.id)
            except QuanhengError as error:
                result.skipped.append((f"{instrument.name} {instrument.serial_no}", error.sentence))
    tell_of_filings(session, "submit", filings_of(session, result.done))
    missing = len(wanted) - len(rows)
    if missing:
        result.skipped.append((f"{missing}条记录", "记录不存在或您无权查看。"))
    return result


def file_one(session: Session, actor: Principal, instrument: Instrument, data: Mapping[str, Any]) -> Filing:
    """File one instrument; the caller's savepoint undoes what a refusal leaves behind."""
    filing = _open(session, actor, instrument)
    fire(session, FILING, filing.id, "submit", actor, data)
    give_code(session, instrument)
    return filing


def _open(session: Session, actor: Principal, instrument: Instrument) -> Filing:
    if instrument.state != InstrumentState.UNFILED:
        raise InvalidInputError(f"当前状态为“{INSTRUMENT.label_of(instrument.state)}”，不能执行“提交备案”。")
    filing = live_filing_of(session, instrument.id)
    if filing is None:
        filing = Filing(
            instrument_id=instrument.id, unit_id=instrument.unit_id, use_division=instrument.use_division, route=[]
        )
        bear(session, filing, "open", actor)
    elif filing.state in {FilingState.PENDING, FilingState.RETURNED}:
        filing.use_division = instrument.use_division
    return filing


def check_submission(instrument_ids: Iterable[int], data: Mapping[str, Any]) -> None:
    """Raise InvalidInputError, by field, for what must be there before a single row is touched."""
    problems: dict[str, str] = {}
    if not str(data.get("institute_id") or "").isdecimal():
        problems["institute_id"] = "请选择备案的技术机构。"
    if not data.get("declaration"):
        problems["declaration"] = "请确认责任声明。"
    if problems:
        raise InvalidInputError("".join(problems.values()), problems=problems)
    if not list(instrument_ids):
        raise InvalidInputError("请至少勾选一台器具。")


def filings_of(session: Session, instrument_ids: Iterable[int]) -> list[Filing]:
    """The filings of these instruments that are not closed, as the principal sees them."""
    statement = select(Filing).where(Filing.instrument_id.in_(list(instrument_ids)), Filing.state != FilingState.CLOSED)
    return list(session.execute(statement.order_by(Filing.id)).scalars())


class FileAct(Act):
    """提交备案 of many: `data` holds the institute, the confirmed statement with its version, and the authorisation."""

    at_once = AT_ONCE
    one_by_one = True

    def __init__(self) -> None:
        super().__init__("file")

    @property
    def step(self) -> Step:
        return FILING.step("submit")

    @property
    def told(self) -> bool:
        return False

    def preview(self, can: int, cannot: int) -> str:
        return f"将提交{can}台，{cannot}台不符合条件。"

    def check_data(self, actor: Principal, data: Mapping[str, Any]) -> None:
        check_submission([0], data)

    def why_not(
        self, session: Session, actor: Principal, row: Instrument | None, line: Row, data: Mapping[str, Any]
    ) -> str | None:
        return INVISIBLE if row is None else refusal(session, actor, row, data)

    def do(
        self, session: Session, actor: Principal, line: Row, data: Mapping[str, Any]
    ) -> tuple[dict[str, Any], int | None]:
        row = self.row(session, line)
        file_one(session, actor, row, data)
        return {}, row.version

    def close(self, session: Session, job_id: int, done: int, data: Mapping[str, Any]) -> None:
        """One message to the institute for the whole submission."""
        lines = select(BulkLine.entity_id).where(BulkLine.job_id == job_id, BulkLine.outcome == LineOutcome.DONE)
        ids = lines.scalar_subquery()
        filed = select(Filing).where(Filing.instrument_id.in_(ids), Filing.state == FilingState.SUBMITTED)
        tell_of_filings(session, "submit", list(session.execute(filed.order_by(Filing.id)).scalars()))


ACTS["file"] = FileAct()


# -- deciding on many ----------------------------------------------------------------------------------------------------


@contextmanager
def quiet(session: Session) -> Iterator[None]:
    """Steps inside send no message of their own: the click is told once at its end."""
    before = session.info.get("bulk_act", False)
    session.info["bulk_act"] = True
    try:
        yield
    finally:
        session.info["bulk_act"] = before


def decide_many(
    session: Session, actor: Principal, step: str, filing_ids: Iterable[int], data: Mapping[str, Any]
) -> BulkResult:
    """Take a step on several filings, each in a savepoint; those that cannot are skipped with their sentence."""
    result, done = BulkResult(), []
    with quiet(session):
        for pk in sorted(set(filing_ids)):
            try:
                with session.begin_nested():
                    done.append(fire(session, FILING, pk, step, actor, data))
                result.done.append(pk)
            except QuanhengError as error:
                result.skipped.append((_label(session, pk), error.sentence))
    tell_of_filings(session, step, done, str(data.get("reason") or "").strip())
    return result


def _label(session: Session, pk: int) -> str:
    row = session.get(Filing, pk)
    return f"{row.instrument.name} {row.instrument.serial_no}" if row is not None else f"编号{pk}"
