"""What can be done to many instruments at once: steps of the machine, 批量修改, and undoing a 批量修改."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from app import clock
from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError, WrongStateError
from app.operations.instrument import edit_instrument, locked_fields, locked_sentence
from app.workflow import INSTRUMENT, fire, why_not
from app.workflow.engine import Step, check_input, check_role
from models.enums import JobState, LineOutcome, Role
from models.instrument import Instrument
from models.job import BulkLine, Job

INVISIBLE = NotVisibleError().sentence
SAME = "内容与原来相同，没有修改。"
TOUCHED = "批量操作之后又有变动，未撤销。"
UNDO_FOR = timedelta(hours=24)
BULK_STEPS = ("suspend", "enable", "scrap", "retire", "delete")
EDITABLE = (
    "name",
    "model",
    "measuring_range",
    "accuracy_class",
    "manufacturer",
    "origin",
    "kind",
    "use_division",
    "place",
    "station",
    "purpose",
    "delivery_mode",
    "purchased_on",
    "installed_on",
    "produced_on",
    "note",
)
"""Fields that may be equal on many instruments; numbers, dates of validity and the catalogue are each row's own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an act: its place in the order, the instrument's id, and for an undo what the first act did."""

    position: int
    entity_id: int
    told: BulkLine | None = None


class Act:
    """A step of the machine on many rows. `told` says whether the other side gets a message at the end."""

    not_done = "未办理"
    at_once = 0
    """Rows that are done within the click where this act has a limit of its own."""
    one_by_one = False
    """The act writes rows besides the instrument, so nothing can be written together."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def step(self) -> Step:
        return INSTRUMENT.step(self.name)

    @property
    def label(self) -> str:
        return self.step.label

    @property
    def told(self) -> bool:
        return self.name in {"suspend", "scrap"}

    def preview(self, can: int, cannot: int) -> str:
        """What a dry run has found, before anything is done."""
        if self.name == "delete":
            return f"将删除{can}条，不可删除{cannot}条。"
        return f"可以办理{can}条，不能办理{cannot}条。"

    def close(self, session: Session, job_id: int, done: int, data: Mapping[str, Any]) -> None:
        """What is to be said when all rows have been through."""

    def check(self, actor: Principal) -> None:
        """Raise unless the profile offers the act and the actor has the role."""
        check_role(self.step, actor)

    def check_data(self, actor: Principal, data: Mapping[str, Any]) -> None:
        """Raise for missing inputs before a single row is touched."""
        check_input(self.step, data)
        if actor.has(Role.REG) and len(str(data.get("reason") or "").strip()) < 5:
            raise InvalidInputError("请填写原因（5～500字）。", field="reason")

    def look_ahead(self, session: Session, data: Mapping[str, Any], lines: list[Row]) -> list[Row]:
        """Read for a chunk what each row would ask for."""
        return lines

    def why_not(
        self, session: Session, actor: Principal, row: Instrument | None, line: Row, data: Mapping[str, Any]
    ) -> str | None:
        """Why the row cannot be done now, or None; nothing is written."""
        if row is None:
            return INVISIBLE
        return why_not(session, INSTRUMENT, row, self.step, actor)

    def row(self, session: Session, line: Row) -> Instrument:
        """The line's instrument; raises NotVisibleError when it has left the actor's sight since it was chosen."""
        row = session.get(Instrument, line.entity_id)
        if row is None:
            raise NotVisibleError
        return row

    def do(
        self, session: Session, actor: Principal, line: Row, data: Mapping[str, Any]
    ) -> tuple[dict[str, Any], int | None]:
        """Do one row inside the caller's savepoint; gives what an undo needs and the version afterwards."""
        done: Instrument = fire(session, INSTRUMENT, line.entity_id, self.name, actor, data)
        return {}, done.version


class EditAct(Act):
    """批量修改 (LED-15): `data["values"]` are the fields that were filled in."""

    not_done = "未修改"

    def check_data(self, actor: Principal, data: Mapping[str, Any]) -> None:
        if not data.get("values"):
            raise InvalidInputError("请至少填写一项要修改的内容。")

    def wanted(self, line: Row, data: Mapping[str, Any]) -> dict[str, Any]:
        """What the row shall have afterwards."""
        return {key: typed(key, value) for key, value in data["values"].items()}

    def why_not(
        self, session: Session, actor: Principal, row: Instrument | None, line: Row, data: Mapping[str, Any]
    ) -> str | None:
        if row is None:
            return INVISIBLE
        if said := why_not(session, INSTRUMENT, row, self.step, actor):
            return said
        changed = {key for key, value in self.wanted(line, data).items() if getattr(row, key) != value}
        if not changed:
            return SAME
        locked = locked_fields(row) & changed
        return locked_sentence(locked) if locked else None

    def do(
        self, session: Session, actor: Principal, line: Row, data: Mapping[str, Any]
    ) -> tuple[dict[str, Any], int | None]:
        return change(session, actor, self.row(session, line), self.wanted(line, data))


class UndoAct(EditAct):
    """撤销本次批量操作 (BEYOND 14): every changed field as it was, unless somebody touched the row since."""

    not_done = "未撤销"

    def __init__(self) -> None:
        super().__init__("bulk_edit")

    @property
    def label(self) -> str:
        return "撤销批量操作"

    def check_data(self, actor: Principal, data: Mapping[str, Any]) -> None:
        """Which job is undone was checked when the rows were chosen."""

    def look_ahead(self, session: Session, data: Mapping[str, Any], lines: list[Row]) -> list[Row]:
        ids = [line.entity_id for line in lines]
        first = select(BulkLine).where(BulkLine.job_id == data["of"], BulkLine.entity_id.in_(ids))
        told = {line.entity_id: line for line in session.execute(first).scalars()}
        return [Row(line.position, line.entity_id, told[line.entity_id]) for line in lines]

    def wanted(self, line: Row, data: Mapping[str, Any]) -> dict[str, Any]:
        return {key: typed(key, old) for key, (old, _new) in self._fields(line).items()}

    def _fields(self, line: Row) -> dict[str, list[Any]]:
        told: Any = line.told.before if line.told is not None else {}
        return dict(told.get("fields", {}))

    def touched(self, row: Instrument, line: Row) -> bool:
        """Whether anybody, or any step, came after the act."""
        if line.told is None or row.version != line.told.after_version:
            return True
        return any(getattr(row, key) != typed(key, new) for key, (_old, new) in self._fields(line).items())

    def why_not(
        self, session: Session, actor: Principal, row: Instrument | None, line: Row, data: Mapping[str, Any]
    ) -> str | None:
        if row is not None and self.touched(row, line):
            return TOUCHED
        return super().why_not(session, actor, row, line, data)

    def do(
        self, session: Session, actor: Principal, line: Row, data: Mapping[str, Any]
    ) -> tuple[dict[str, Any], int | None]:
        row = self.row(session, line)
        if self.touched(row, line):
            raise WrongStateError(TOUCHED)
        return change(session, actor, row, self.wanted(line, data))


ACTS: dict[str, Act] = {
    **{name: Act(name) for name in BULK_STEPS},
    "bulk_edit": EditAct("bulk_edit"),
    "undo": UndoAct(),
}


def change(
    session: Session, actor: Principal, row: Instrument, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], int | None]:
    """Write the fields that differ; gives {"fields": {key: [old, new]}} and the version."""
    fields = {key: [plain(getattr(row, key)), plain(new)] for key, new in wanted.items() if getattr(row, key) != new}
    if not fields:
        raise InvalidInputError(SAME)
    changed = {key: wanted[key] for key in fields}
    done = edit_instrument(session, actor, row.id, changed, seen_version=None, step="bulk_edit")
    left = [key for key in fields if getattr(done, key) != wanted[key]]
    return {"fields": {key: pair for key, pair in fields.items() if key not in left}}, done.version


def plain(value: Any) -> Any:
    """As JSON keeps it."""
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def typed(key: str, value: Any) -> Any:
    """As the column keeps it."""
    dated = inspect(Instrument).columns[key].type.python_type is date
    return (
        date.fromisoformat(value)
        if dated and isinstance(value, str) and value
        else value or ("" if not dated else None)
    )


def undoable(job: Job) -> bool:
    """Whether 撤销本次批量操作 is offered: an edit (or an undo of one) that ended within 24 hours."""
    ended = job.finished_at is not None and job.finished_at > clock.now() - UNDO_FOR
    act = job.params.get("act")
    return job.kind == "bulk" and act in {"bulk_edit", "undo"} and job.state != JobState.FAILED and ended


def undo_rows(session: Session, job: Job) -> list[int]:
    """The rows that an act changed."""
    if not undoable(job):
        raise WrongStateError("只能在24小时内撤销批量修改，已超过时限或不是批量修改。")
    done = select(BulkLine.entity_id).where(BulkLine.job_id == job.id, BulkLine.outcome == LineOutcome.DONE)
    ids = list(session.execute(done).scalars())
    if not ids:
        raise InvalidInputError("本次批量操作没有修改任何器具，无须撤销。")
    return ids
