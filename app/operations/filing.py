"""Filing many instruments at once: one filing each, row by row, with a result per row (FIL-02).

Up to 200 instruments are filed within the click; more are a job that commits in chunks and goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError, QuanhengError
from app.operations.instrument_code import give_code
from app.operations.job import beat, cancelled, create_job, finish, runner
from app.workflow import FILING, bear, fire
from app.workflow.filing import live_filing
from models.enums import FilingState, InstrumentState
from models.filing import Filing
from models.instrument import Instrument
from models.job import Job

KIND = "filing_submit"
AT_ONCE = 200
CHUNK = 50
REASONS_KEPT = 200
"""How many skipped rows a job remembers by name; all are counted."""

STATEMENT = (
    "本单位郑重声明：所提交的计量器具信息真实、准确、完整，与器具铭牌一致；器具用于贸易结算、安全防护、医疗卫生、"
    "环境监测，依法接受强制检定。如有不实，愿承担相应的法律责任。"
)
"""责任声明 (FIL-04)."""


@dataclass(slots=True)
class BulkResult:
    """How many rows a bulk act reached, and why the others were left: (what, sentence)."""

    done: list[int] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """成功a条，未办理b条。"""
        return f"成功{len(self.done)}条，未办理{len(self.skipped)}条。"


def submit_filings(
    session: Session, actor: Principal, instrument_ids: Iterable[int], data: Mapping[str, Any]
) -> BulkResult:
    """Submit instruments for filing; a row that cannot be filed is skipped with its sentence, the others go on.

    Raises InvalidInputError when the statement is not confirmed or no institute is chosen: then nothing is done.
    """
    wanted = sorted(set(instrument_ids))
    check_submission(wanted, data)
    result = BulkResult()
    rows = session.execute(select(Instrument).where(Instrument.id.in_(wanted)).order_by(Instrument.id)).scalars().all()
    for instrument in rows:
        try:
            with session.begin_nested():
                filing = _open(session, actor, instrument)
                fire(session, FILING, filing.id, "submit", actor, data)
                give_code(session, instrument)
            result.done.append(instrument.id)
        except QuanhengError as error:
            result.skipped.append((f"{instrument.name} {instrument.serial_no}", error.sentence))
    missing = len(wanted) - len(rows)
    if missing:
        result.skipped.append((f"{missing}条记录", "记录不存在或您无权查看。"))
    return result


def _open(session: Session, actor: Principal, instrument: Instrument) -> Filing:
    if instrument.state != InstrumentState.UNFILED:
        from app.workflow import INSTRUMENT

        raise InvalidInputError(f"当前状态为“{INSTRUMENT.label_of(instrument.state)}”，不能执行“提交备案”。")
    filing = live_filing(session, instrument.id)
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


def start_submission(session: Session, actor: Principal, instrument_ids: Iterable[int], data: Mapping[str, Any]) -> Job:
    """Queue the filing of many instruments; the set is fixed now and stands in the job."""
    wanted = sorted(set(instrument_ids))
    check_submission(wanted, data)
    kept = {
        "institute_id": str(data["institute_id"]),
        "declaration": True,
        "allow_province": bool(data.get("allow_province")),
    }
    title = f"提交备案：{len(wanted)}台器具"
    job = create_job(session, actor, kind=KIND, title=title, params={"ids": wanted, "data": kept})
    job.total = len(wanted)
    return job


@runner(KIND)
def run_submission(session: Session, job: Job, actor: Principal) -> None:
    """File the job's instruments in chunks; a chunk and the progress that counts it are one transaction."""
    params: Any = job.params
    ids, data = list(params["ids"]), dict(params["data"])
    while job.done < len(ids):
        if cancelled(session, job):
            session.commit()
            return
        result = submit_filings(session, actor, ids[job.done : job.done + CHUNK], data)
        before: Any = job.counts
        job.counts = {
            "filed": before.get("filed", 0) + len(result.done),
            "skipped": before.get("skipped", 0) + len(result.skipped),
            "reasons": [*before.get("reasons", []), *map(list, result.skipped)][:REASONS_KEPT],
        }
        beat(job, min(job.done + CHUNK, len(ids)))
        session.commit()
    finish(session, job)
