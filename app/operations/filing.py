"""Filing many instruments at once: one filing each, row by row, with a result per row (FIL-02)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.principal import Principal
from app.errors import InvalidInputError, QuanhengError
from app.workflow import FILING, bear, fire
from app.workflow.filing import live_filing
from models.enums import FilingState, InstrumentState
from models.filing import Filing
from models.instrument import Instrument

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
    if not data.get("declaration"):
        raise InvalidInputError("请确认责任声明。", field="declaration")
    if not data.get("institute_id"):
        raise InvalidInputError("请选择备案的技术机构。", field="institute_id")
    wanted = sorted(set(instrument_ids))
    if not wanted:
        raise InvalidInputError("请至少勾选一台器具。")
    result = BulkResult()
    rows = session.execute(select(Instrument).where(Instrument.id.in_(wanted)).order_by(Instrument.id)).scalars().all()
    for instrument in rows:
        try:
            with session.begin_nested():
                filing = _open(session, actor, instrument)
                fire(session, FILING, filing.id, "submit", actor, data)
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
