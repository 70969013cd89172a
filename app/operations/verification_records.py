"""Results of other systems arrive (VER-05, WORKFLOWS 10): one by form or interface, many from a workbook.

Every way goes through the same checks and the same birth step. A record that the institute has sent before, known by its
certificate number, is answered as a repeat and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock, filestore
from app.access.principal import Principal
from app.access.validators import normal_code, valid_uscc
from app.errors import InvalidInputError, NotVisibleError, WrongStateError
from app.intake.errors import WorkbookRefused
from app.intake.fields import RESULTS, Field
from app.intake.formats import LEDGER_KINDS
from app.intake.guard import check_upload
from app.intake.reader import RawRow, read_ledger
from app.intake.values import BadCell, parse_choice, parse_date, parse_text
from app.operations.job import beat, begin_phase, cancelled, create_job, finish, runner
from app.workflow import bear
from app.workflow.unmatched import unit_by_code
from models.enums import JobState, RecordSource, UnmatchedState
from models.job import Job
from models.organisation import Institute, Unit
from models.unmatched import UnmatchedRecord

KIND = "verification_records"
MOST_ROWS = 5_000
CHUNK = 100
SHOWN_PROBLEMS = 500
"""Refused rows that the preview names; the rest is a number."""

FIELDS: tuple[Field, ...] = (
    Field("unit_code", "统一社会信用代码", required=True, max_length=40, hint="使用单位的18位代码"),
    Field("unit_name", "单位名称", max_length=120, aliases=("使用单位",), hint="平台上没有该单位时必填"),
    Field("certificate_no", "证书编号", required=True, max_length=40),
    Field("instrument_name", "器具名称", required=True, aliases=("仪器名称",)),
    Field("model", "型号规格", aliases=("规格型号", "型号")),
    Field("manufacturer", "生产厂家", aliases=("制造单位", "生产厂商")),
    Field("serial_no", "出厂编号", required=True),
    Field(
        "conclusion", "检定结果", "choice", required=True, aliases=("检定结论",), choices=RESULTS, hint="合格或不合格"
    ),
    Field("verified_on", "检定日期", "date", required=True, hint="例如 2026-11-20"),
    Field("valid_until", "有效期至", "date", aliases=("有效期",), hint="例如 2027-11-19；不合格时不填"),
    Field("verifier_name", "检定员", max_length=40),
)
"""What an institute sends of a verification; the interface takes the same keys."""
HEADS = tuple(f.label for f in FIELDS)


@dataclass(slots=True)
class Preview:
    """What a workbook holds: rows that can be taken, how many of them are repeats, and why the others cannot."""

    good: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)
    refused: int = 0


def checked(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one record out of cells, texts or JSON; raises InvalidInputError with one sentence per field."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for declared in FIELDS:
        cell = cells.get(declared.key)
        try:
            values[declared.key] = _value(declared, "" if cell is None else cell)
        except BadCell as error:
            problems[declared.key] = str(error)
            continue
        if declared.required and not values[declared.key]:
            problems[declared.key] = f"请填写“{declared.label}”。"
    problems |= {key: text for key, text in _beside_each_other(values).items() if key not in problems}
    if problems:
        raise InvalidInputError("检定记录有误，请按提示修改。", problems=problems)
    return values


def _value(declared: Field, cell: Any) -> Any:
    if isinstance(cell, (list, dict)):
        raise BadCell(f"“{declared.label}”须为文字或数字，请修改。")
    if declared.kind == "date":
        return parse_date(declared, cell)
    if declared.kind == "choice":
        known = {choice.value for choice in declared.choices}
        return cell if cell in known else parse_choice(declared, cell, coded=False)
    return parse_text(declared, cell)


def _beside_each_other(values: dict[str, Any]) -> dict[str, str]:
    """Rules between values; also puts the code into its one spelling."""
    found: dict[str, str] = {}
    code = values.get("unit_code")
    if code:
        values["unit_code"] = code = normal_code(code)
        if not valid_uscc(code):
            found["unit_code"] = "“统一社会信用代码”不正确，请核对18位代码。"
    day, until = values.get("verified_on"), values.get("valid_until")
    if day and day > clock.today():
        found["verified_on"] = "“检定日期”不能晚于今天。"
    if day and until and until <= day:
        found["valid_until"] = "“有效期至”须晚于检定日期。"
    if values.get("conclusion") == "fail" and until:
        found["valid_until"] = "检定不合格时不填“有效期至”。"
    return found


def send_record(
    session: Session, actor: Principal, cells: Mapping[str, Any], source: RecordSource
) -> tuple[UnmatchedRecord, bool]:
    """Take one record of the actor's institute: (record, True), or (the one sent before, False) with nothing changed.

    The unit follows the credit code, the state the ledger: linked where one instrument surely is meant, else pending.
    """
    values = checked(cells)
    institute = session.get(Institute, actor.institute_id) if actor.institute_id else None
    if institute is None:
        raise NotVisibleError
    known = sent_before(session, institute.id, values["certificate_no"])
    if known is not None:
        return known, False
    unit = unit_by_code(session, values["unit_code"])
    if unit is None and not values["unit_name"]:
        raise _nameless()
    record = UnmatchedRecord(**values, **_whose(unit, institute), source=source)
    record.unit_name = unit.name if unit is not None else values["unit_name"]
    try:
        with session.begin_nested():
            bear(session, record, "arrive", actor)
    except IntegrityError:
        known = sent_before(session, institute.id, values["certificate_no"])
        if known is None:
            raise
        return known, False  # the same record came in twice at once
    return record, True


def _nameless() -> InvalidInputError:
    sentence = "平台上没有该统一社会信用代码的单位，请填写“单位名称”。"
    return InvalidInputError(sentence, field="unit_name")


def _whose(unit: Unit | None, institute: Institute) -> dict[str, Any]:
    place = unit.division_code if unit is not None else institute.division_code
    return {
        "institute_id": institute.id,
        "unit_id": unit.id if unit is not None else None,
        "use_division": place[:6],
    }


def sent_before(session: Session, institute_id: int, certificate_no: str) -> UnmatchedRecord | None:
    """The institute's record with that certificate number."""
    statement = select(UnmatchedRecord).where(
        UnmatchedRecord.institute_id == institute_id, UnmatchedRecord.certificate_no == certificate_no
    )
    return session.execute(statement).unique().scalars().first()


# -- from a workbook ---------------------------------------------------------------------------------------------------


def start_upload(session: Session, actor: Principal, filename: str, data: bytes, path: Path) -> Job:
    """Keep the file that lies at `path`, look at all of its rows and leave a job that waits for the word to write them.

    Raises WorkbookRefused for the file as a whole; wrong rows are named in the job's parameters.
    """
    check_upload(path, filename, LEDGER_KINDS)
    seen = look_at(session, actor, path)
    params = {"sha256": filestore.put(data), "filename": filename[:120], "problems": seen.problems[:SHOWN_PROBLEMS]}
    job = create_job(session, actor, kind=KIND, title=f"报送检定记录：{filename}"[:120], params=params)
    job.state, job.phase, job.total = JobState.WAITING, "check", len(seen.good) + seen.refused
    job.counts = {"new": len(seen.good) - seen.repeated, "repeated": seen.repeated, "refused": seen.refused}
    return job


def look_at(session: Session, actor: Principal, path: Path) -> Preview:
    """Every row of a workbook through the checks, none written."""
    found = Preview()
    seen: dict[str, int] = {}
    units: dict[str, bool] = {}
    for raw in _rows(path):
        try:
            values = checked(raw.cells)
            if first := seen.get(values["certificate_no"]):
                raise InvalidInputError(f"“证书编号”与第{first}行重复，请核对。")
            code = values["unit_code"]
            if code not in units:
                units[code] = unit_by_code(session, code) is not None
            if not values["unit_name"] and not units[code]:
                raise _nameless()
        except InvalidInputError as error:
            found.refused += 1
            said = "".join(error.problems.values()) or error.sentence
            found.problems.append(f"第{raw.number}行：{said}")
            continue
        seen[values["certificate_no"]] = raw.number
        found.good.append(values)
    found.repeated = _repeats(session, actor, list(seen))
    return found


def _rows(path: Path) -> list[RawRow]:
    rows = read_ledger(path, FIELDS).rows
    if len(rows) > MOST_ROWS:
        raise WorkbookRefused(f"文件超过{MOST_ROWS}行，请拆分成几个文件后分批报送。")
    return rows


def _repeats(session: Session, actor: Principal, numbers: list[str]) -> int:
    known = select(UnmatchedRecord.id).where(
        UnmatchedRecord.institute_id == actor.institute_id, UnmatchedRecord.certificate_no.in_(numbers)
    )
    return len(session.execute(known).all())


def own_upload(session: Session, job_id: int) -> Job:
    """An upload of one's own; foreign ones look missing."""
    job = session.execute(select(Job).where(Job.id == job_id, Job.kind == KIND)).unique().scalar_one_or_none()
    if job is None:
        raise NotVisibleError
    return job


def confirm_upload(session: Session, job_id: int) -> Job:
    """Let the good rows be written by the worker."""
    job = own_upload(session, job_id)
    if job.state != JobState.WAITING:
        raise WrongStateError("该文件已经报送或已取消，请重新上传。")
    counts: Mapping[str, Any] = job.counts
    good = int(counts.get("new", 0)) + int(counts.get("repeated", 0))
    if not good:
        raise WrongStateError("没有可以报送的记录，请按提示修改文件后重新上传。")
    begin_phase(job, "commit", good)
    return job


@runner(KIND)
def run_upload(session: Session, job: Job, actor: Principal) -> None:
    """Write the good rows, a hundred to a transaction; a killed job goes on where it was, repeats change nothing."""
    with filestore.opened(str(job.params["sha256"])) as path:
        good = look_at(session, actor, path).good
    before: Mapping[str, Any] = job.counts
    counts: dict[str, Any] = {"written": 0, "linked": 0, "repeats": 0, **before}
    job.total = len(good)
    for start, part in _parts(good, job.done):
        for values in part:
            record, new = send_record(session, actor, values, RecordSource.WORKBOOK)
            counts["written" if new else "repeats"] += 1
            counts["linked"] += new and record.state == UnmatchedState.LINKED
        job.counts = dict(counts)
        beat(job, start + len(part))
        if cancelled(session, job):
            session.commit()
            return
        session.commit()
        session.expire_all()
    finish(session, job)


def _parts(rows: list[dict[str, Any]], begin: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for start in range(begin, len(rows), CHUNK):
        yield start, rows[start : start + CHUNK]
