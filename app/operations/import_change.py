"""更新地址 and 更换加油枪: workbooks that change instruments of the ledger instead of adding any (IMP-05, IMP-06).

The dry run names the instrument each row is about or says why it cannot be changed; the writing takes one workflow step
per row, in chunks that commit with their rows' checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import filestore
from app.access.principal import Principal
from app.errors import QuanhengError, SwitchedOffError
from app.intake.errors import WorkbookRefused
from app.intake.fields import Field
from app.intake.formats import open_sheets
from app.intake.plan import NEW, REFUSED, UNCHANGED, PlannedRow
from app.intake.reader import MAX_ROWS, RawRow
from app.intake.rules import ERROR, Problem, row_prefix
from app.intake.text import fold, label_key
from app.intake.values import BadCell, parse_date, parse_text
from app.operations.import_store import CREATED, chunks, copy_rows
from app.operations.instrument import GONE
from app.operations.job import beat, cancelled, finish
from app.operations.nozzles import in_words
from app.profiles import setting, switch_on
from app.workflow import INSTRUMENT, fire
from app.workflow.engine import why_not
from models.enums import JobState
from models.instrument import Instrument
from models.job import ImportRow, Job
from models.ledger import Nozzle
from models.reference import Category

ADDRESS, NOZZLE = "address", "nozzle"
STEPS = {ADDRESS: "update_address", NOZZLE: "change_nozzle"}
CHUNK = 100
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    ADDRESS: {
        "serial_no": ("出厂编号", "编号", "表号", "器具编号"),
        "name": ("器具名称", "仪器名称"),
        "model": ("型号规格", "规格型号", "型号"),
        "manufacturer": ("生产厂家", "制造单位", "生产单位"),
        "place": ("安装使用地点", "安装/使用地点", "使用地点", "安装地点", "新安装使用地点"),
    },
    NOZZLE: {
        "serial_no": ("出厂编号", "编号"),
        "model": ("型号规格", "规格型号", "型号"),
        "number": ("枪号",),
        "old": ("原枪编号",),
        "new": ("新枪编号",),
        "replaced_on": ("更换日期",),
    },
}
"""Columns of both workbooks (IMP-05, IMP-06): key → headings, the first is the template's."""
NEEDED = {ADDRESS: ("serial_no", "place"), NOZZLE: ("serial_no", "number", "new")}
HEADER_WITHIN = 10
DISPENSER = "加油机"


class Found(NamedTuple):
    """What a row comes to: the instrument, its new values, or the first problem (column, sentence)."""

    instrument: Instrument | None
    values: dict[str, Any]
    problem: tuple[str, str] | None = None
    same: bool = False


def run(session: Session, job: Job, actor: Principal, mode: str) -> None:
    """What the worker does for these two: the dry run, or the changes."""
    if mode == NOZZLE and not switch_on("change_nozzle"):
        raise SwitchedOffError
    if job.phase == "check":
        _dry_run(session, job, actor, mode)
    else:
        _write(session, job, actor, mode)


# -- reading and planning --------------------------------------------------------------------------------------------


def read_rows(path: Path, mode: str) -> list[RawRow]:
    """The filled rows below the first heading that has the columns; raises WorkbookRefused with what is missing."""
    keys = {label_key(label): key for key, labels in COLUMNS[mode].items() for label in labels}
    with open_sheets(path) as sheets:
        for sheet in sheets:
            places: dict[str, int] = {}
            rows: list[RawRow] = []
            for number, line in sheet.lines:
                if not places:
                    found = {keys[k]: at for at, k in reversed(list(enumerate(map(label_key, line)))) if k in keys}
                    if set(NEEDED[mode]) <= set(found):
                        places = found
                    elif number >= HEADER_WITHIN:
                        break
                    continue
                cells = {key: line[at] for key, at in places.items() if at < len(line) and str(line[at]).strip()}
                if cells:
                    rows.append(RawRow(number, cells, frozenset(), "", number))
                if len(rows) > MAX_ROWS:
                    raise WorkbookRefused(f"文件超过{MAX_ROWS}行，请拆分成几个文件后分批上传。")
            if rows:
                return rows
    words = "、".join(COLUMNS[mode][key][0] for key in NEEDED[mode])
    raise WorkbookRefused(f"文件中没有找到含有“{words}”列的表头和数据行，请下载模板填写后再上传。")


def _dry_run(session: Session, job: Job, actor: Principal, mode: str) -> None:
    with filestore.opened(str(job.params["sha256"])) as path:
        rows = read_rows(path, mode)
    session.execute(delete(ImportRow).where(ImportRow.job_id == job.id))
    job.total = len(rows)
    beat(job, 0)
    session.commit()
    counts: dict[str, int] = {NEW: 0, UNCHANGED: 0, REFUSED: 0, "warnings": 0}
    seen: dict[tuple[int, str], int] = {}
    judge: Callable[..., Found] = _address if mode == ADDRESS else _nozzle
    for part in chunks(rows, 500):
        ledger = _ledger(session, actor, part)
        planned = [_plan(session, actor, mode, raw, judge(session, raw, ledger), seen) for raw in part]
        copy_rows(session, job.id, zip(part, planned, strict=True))
        for row in planned:
            counts[row.outcome] += 1
        beat(job, min(job.done + len(part), job.total - 1))
        if cancelled(session, job):
            session.commit()
            return
        session.commit()
    job.counts = {**counts, "rows": len(rows)}
    job.state, job.done = JobState.WAITING, job.total
    session.commit()


Ledger = Mapping[str, list[tuple[Instrument, Category]]]


def _ledger(session: Session, actor: Principal, rows: Iterable[RawRow]) -> Ledger:
    """The unit's instruments by the folded number before any nozzle mark, those that the rows name."""
    typed = {_text(raw, "serial_no") for raw in rows} - {""}
    wanted = {fold(serial) for serial in typed}
    starts = [Instrument.serial_no.startswith(serial.partition("(")[0].strip(), autoescape=True) for serial in typed]
    found: dict[str, list[tuple[Instrument, Category]]] = {}
    for part in chunks(starts, 100):
        condition = part[0]
        for one in part[1:]:
            condition = condition | one
        statement = (
            select(Instrument, Category)
            .join(Category, Category.id == Instrument.category_id)
            .where(Instrument.unit_id == actor.unit_id, Instrument.state.not_in(GONE), condition)
        )
        for row, category in session.execute(statement).tuples():
            for key in {fold(row.serial_no), fold(row.serial_no).partition("(")[0]} & wanted:
                found.setdefault(key, []).append((row, category))
    return found


def _text(raw: RawRow, key: str) -> str:
    cell = raw.cells.get(key, "")
    try:
        return parse_text(Field(key, key, max_length=500), cell) if cell != "" else ""
    except BadCell:
        return ""


def _match(raw: RawRow, ledger: Ledger, keys: Iterable[str]) -> tuple[list[tuple[Instrument, Category]], str]:
    """Candidates with the row's number, narrowed by what else it says; and the sentence when there is none."""
    serial = _text(raw, "serial_no")
    if not serial:
        return [], "请填写“出厂编号”。"
    found = ledger.get(fold(serial), [])
    exact = [pair for pair in found if fold(pair[0].serial_no) == fold(serial)]
    found = exact or found
    for key in keys:
        typed = _text(raw, key)
        if typed:
            found = [pair for pair in found if fold(getattr(pair[0], key)) == fold(typed)]
    return found, "" if found else f"台账中没有找到出厂编号为“{serial}”的器具，请核对后重新填写。"


def _address(_session: Session, raw: RawRow, ledger: Ledger) -> Found:
    found, problem = _match(raw, ledger, ("manufacturer", "model", "name"))
    if problem:
        return Found(None, {}, ("serial_no", problem))
    if len(found) > 1:
        return Found(None, {}, ("serial_no", "有多台器具的出厂编号相同，请同时填写生产厂家和型号规格。"))
    row, category = found[0]
    meters = {fold(word) for word in setting("import", "three_meters")}
    if not meters & {fold(category.level1), fold(category.level2)}:
        return Found(row, {}, ("serial_no", "“更新地址”仅用于水表、电表、燃气表。"))
    try:
        place = parse_text(Field("place", "安装使用地点", max_length=200), raw.cells.get("place", ""))
    except BadCell as bad:
        return Found(row, {}, ("place", str(bad)))
    if not place:
        return Found(row, {}, ("place", "请填写“安装使用地点”。"))
    return Found(row, {"place": place}, same=place == row.place)


def _nozzle(session: Session, raw: RawRow, ledger: Ledger) -> Found:
    found, problem = _match(raw, ledger, ("model",))
    if problem:
        return Found(None, {}, ("serial_no", problem))
    others = [pair for pair in found if pair[1].level1 != DISPENSER]
    if len(others) == len(found):
        return Found(found[0][0], {}, ("serial_no", "“更换加油枪”仅用于加油机。"))
    number = _text(raw, "number").removesuffix("枪").removesuffix("号")
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= 99):
        return Found(None, {}, ("number", "“枪号”须为1～99的整数。"))
    new = _text(raw, "new")
    if not new or len(new) > 100:
        return Found(None, {}, ("new", "请填写“新枪编号”，不超过100字。"))
    try:
        replaced = parse_date(Field("replaced_on", "更换日期", "date"), raw.cells.get("replaced_on", ""))
    except BadCell as bad:
        return Found(None, {}, ("replaced_on", str(bad)))
    values = {"number": int(number), "new": new, "replaced_on": replaced.isoformat() if replaced else None}
    return _nozzle_of(session, raw, [row for row, category in found if category.level1 == DISPENSER], values)


def _nozzle_of(session: Session, raw: RawRow, rows: list[Instrument], values: dict[str, Any]) -> Found:
    """The row of the nozzle: an instrument whose number ends with （n枪）, or a nozzle kept with its dispenser."""
    number, old = values["number"], _text(raw, "old")
    marked = [row for row in rows if fold(row.serial_no).endswith(f"({number}枪)")]
    kept = {n.instrument_id: n for n in _nozzles(session, rows) if n.number == number}
    owners = marked or [row for row in rows if row.id in kept]
    if not owners:
        return Found(rows[0], values, ("number", f"台账中没有这台加油机的{number}号枪，请核对枪号后重新填写。"))
    if len(owners) > 1:
        return Found(None, values, ("serial_no", "有多台加油机的出厂编号相同，请同时填写型号规格。"))
    row = owners[0]
    nozzle = kept.get(row.id)
    if nozzle is not None and old and fold(nozzle.serial_no) != fold(old):
        return Found(row, values, ("old", f"{number}号枪的编号是“{nozzle.serial_no}”，与填写的“{old}”不一致，请核对。"))
    if nozzle is not None and fold(nozzle.serial_no) == fold(values["new"]):
        return Found(row, values, same=True)
    return Found(row, {**values, "nozzle": nozzle.id if nozzle is not None and not marked else None})


def _nozzles(session: Session, rows: list[Instrument]) -> Iterator[Nozzle]:
    ids = [row.id for row in rows]
    yield from session.execute(select(Nozzle).where(Nozzle.instrument_id.in_(ids), Nozzle.state == "in_use")).scalars()


def _plan(
    session: Session, actor: Principal, mode: str, raw: RawRow, found: Found, seen: dict[tuple[int, str], int]
) -> PlannedRow:
    problem, row = found.problem, found.instrument
    if problem is None and row is not None:
        key = (row.id, str(found.values.get("number", "")))
        why = why_not(session, INSTRUMENT, row, INSTRUMENT.step(STEPS[mode]), actor)
        if key in seen:
            problem = ("serial_no", f"与本文件第{seen[key]}行是同一台器具，请只保留一行。")
        elif why is not None:
            problem = ("serial_no", str(why))
        seen.setdefault(key, raw.number)
    told: tuple[Problem, ...] = ()
    if problem is not None:
        told = (Problem(raw.number, problem[0], ERROR, row_prefix(raw.number) + problem[1]),)
    outcome = REFUSED if problem else UNCHANGED if found.same else NEW
    return PlannedRow(
        raw.number, outcome, found.values, told, "", row.id if row is not None else None, "", raw.position
    )


# -- changing --------------------------------------------------------------------------------------------------------


def _write(session: Session, job: Job, actor: Principal, mode: str) -> None:
    change = _move if mode == ADDRESS else _replace
    while True:
        if cancelled(session, job):
            session.commit()
            return
        statement = (
            select(ImportRow)
            .where(ImportRow.job_id == job.id, ImportRow.outcome == NEW)
            .order_by(ImportRow.position)
            .limit(CHUNK)
            .with_for_update()
        )
        rows = list(session.execute(statement).scalars())
        if not rows:
            break
        for row in rows:
            try:
                with session.begin_nested():
                    change(session, actor, job, row)
                row.outcome = CREATED
            except QuanhengError as error:
                row.outcome = REFUSED
                row.problems = [
                    Problem(row.row_number, "serial_no", ERROR, row_prefix(row.row_number) + error.sentence)._asdict()
                ]
        beat(job, job.done + len(rows))
        session.commit()
    from app.operations.ledger_import import outcomes

    job.counts = {**job.counts, **outcomes(session, job.id)}
    finish(session, job)


def _move(session: Session, actor: Principal, job: Job, row: ImportRow) -> None:
    """Only the place changes; the history keeps old and new."""
    current = session.get(Instrument, row.instrument_id)
    place = str(row.values["place"])
    data = {"job": job.id, "changed": {"place": [current.place if current else None, place]}}
    instrument = fire(session, INSTRUMENT, row.instrument_id, "update_address", actor, data)
    instrument.place = place
    session.flush()


def _replace(session: Session, actor: Principal, job: Job, row: ImportRow) -> None:
    """The old nozzle becomes 曾用, the new one is entered and waits for its first verification."""
    from app.operations.instrument import TYPED, add_instrument

    values = row.values
    day = values.get("replaced_on")
    replaced = parse_date(Field("replaced_on", "更换日期", "date"), str(day)) if day else None
    held: Any = session.get(Nozzle, values["nozzle"]) if values.get("nozzle") else None
    told: dict[str, Any] = {"job": job.id, "number": values["number"], "new": values["new"], "replaced_on": day}
    if held is not None:
        pair = [in_words([(held.number, serial)]) for serial in (held.serial_no, str(values["new"]))]
        told |= {"old": held.serial_no, "nozzle": held.id, "changed": {"nozzles": pair}}
    instrument = fire(session, INSTRUMENT, row.instrument_id, "change_nozzle", actor, told)
    owner = instrument
    if held is not None:
        held.state, held.replaced_on = "former", replaced
        session.flush()
    else:
        typed = {key: getattr(instrument, key) for key in TYPED} | {"valid_until": None, "last_result": None}
        if replaced is not None:
            typed["installed_on"] = replaced
        owner = add_instrument(session, actor, typed, step="add", successor_of=instrument.id)
        row.instrument_id = owner.id
    session.add(
        Nozzle(instrument_id=owner.id, number=values["number"], serial_no=str(values["new"]), installed_on=replaced)
    )
    session.flush()
