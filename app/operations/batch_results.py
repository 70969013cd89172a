"""Results of several instruments at once (VER-05): common conditions, one line per instrument, all saved or none.

A line is judged by the same operation as a single result. Whoever typed thirty lines and got one wrong is told which, and
nothing is saved until all are right; lines without a conclusion are left for another day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app import clock
from app.access.principal import Principal
from app.errors import InvalidInputError, NotVisibleError, QuanhengError
from app.intake.dates import exact_date
from app.intake.errors import WorkbookRefused
from app.intake.formats import LEDGER_KINDS, open_sheets
from app.intake.guard import check_upload
from app.intake.text import clean, label_key
from app.operations.certificate import record_result
from models.appointment import AppointmentItem
from models.certificate import Certificate

MOST_LINES, MOST_READINGS, FIRST_READINGS = 100, 8, 3
COMMON = (("verified_on", "检定日期"), ("place", "检定地点"), ("temperature", "温度"), ("humidity", "湿度"))
KEY, NAME, SERIAL = "系统编号", "器具名称", "出厂编号"
OWN = {
    "检定结论": "conclusion",
    "检定周期（月）": "cycle_months",
    "有效期至": "valid_until",
    "不合格项": "failures",
    "结论中的准确度等级": "accuracy_result",
    "原始记录号": "record_no",
    "有效期说明": "validity_reason",
}
"""Headings of the workbook that are no reading, and what they fill; every other heading names a reading."""
WORDS = {"合格": "pass", "不合格": "fail", "pass": "pass", "fail": "fail"}
CUT = 120


@dataclass(slots=True)
class Line:
    """One instrument's result as typed; `results` stands beside the names of the grid."""

    conclusion: str = ""
    cycle_months: str = ""
    valid_until: str = ""
    failures: str = ""
    accuracy_result: str = ""
    record_no: str = ""
    validity_reason: str = ""
    results: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Grid:
    """What a page of results holds, as typed: common conditions, the readings' names and requirements, the lines."""

    verified_on: str = ""
    place: str = ""
    temperature: str = ""
    humidity: str = ""
    names: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)


class LinesRefusedError(InvalidInputError):
    """Nothing was saved: `problems` of the conditions, `lines` of each instrument by its item's id."""

    def __init__(self, common: dict[str, str], lines: dict[int, dict[str, str]]) -> None:
        count = len(common) + sum(len(found) for found in lines.values())
        super().__init__(f"有{count}处需要修改，尚未保存任何结果。", problems=common)
        self.lines = lines


def items_to_record(session: Session, ids: Sequence[int]) -> list[AppointmentItem]:
    """The items in their order; a foreign or missing one makes all look missing."""
    statement = (
        select(AppointmentItem)
        .where(AppointmentItem.id.in_(ids))
        .options(selectinload(AppointmentItem.instrument), selectinload(AppointmentItem.unit))
    )
    rows = {row.id: row for row in session.execute(statement).unique().scalars()}
    if len(rows) != len(set(ids)):
        raise NotVisibleError
    return [rows[pk] for pk in ids]


def blank_grid(items: Sequence[AppointmentItem]) -> Grid:
    """Defaults: today, the place of the first, the cycle of each one's catalogue entry."""
    grid = Grid(verified_on=clock.today().isoformat())
    if items:
        first = items[0]
        own = first.institute.address if first.institute is not None else ""
        grid.place = first.instrument.place if first.appointment.mode == "onsite" else own
    for item in items:
        months = item.instrument.category.cycle_months
        grid.lines[item.id] = Line(cycle_months=str(months) if months else "")
    return grid


def record_all(session: Session, actor: Principal, grid: Grid) -> list[Certificate]:
    """Record every line that has a conclusion, all or none; raises LinesRefusedError. The caller rolls back then."""
    common = {key: f"请填写“{label}”。" for key, label in COMMON if not getattr(grid, key).strip()}
    day = exact_date(grid.verified_on)
    if "verified_on" not in common and day is None:
        common["verified_on"] = "“检定日期”格式不正确，例如 2026-11-20。"
    elif day is not None and day > clock.today():
        common["verified_on"] = "“检定日期”不能晚于今天。"
    chosen = {pk: line for pk, line in grid.lines.items() if line.conclusion}
    if not chosen:
        raise InvalidInputError("请至少为一台器具选择检定结论。")
    made: list[Certificate] = []
    wrong: dict[int, dict[str, str]] = {}
    for pk, line in chosen.items():
        form, problems = _form_of(grid, line, day)
        if not problems and not common:
            problems = _record(session, actor, pk, form, made)
        if problems:
            wrong[pk] = problems
    if common or wrong:
        raise LinesRefusedError(common, wrong)
    return made


def _record(
    session: Session, actor: Principal, pk: int, form: dict[str, Any], made: list[Certificate]
) -> dict[str, str]:
    try:
        with session.begin_nested():
            made.append(record_result(session, actor, pk, form))
    except NotVisibleError:
        raise
    except InvalidInputError as error:
        return error.problems or {"": error.sentence}
    except QuanhengError as error:
        return {"": error.sentence}
    return {}


def _form_of(grid: Grid, line: Line, day: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A line as `record_result` wants it, and what cannot be read in it."""
    problems: dict[str, str] = {}
    if line.conclusion not in {"pass", "fail"}:
        problems["conclusion"] = "“检定结论”须为合格或不合格。"
    until = exact_date(line.valid_until) if line.valid_until.strip() else None
    if line.valid_until.strip() and until is None:
        problems["valid_until"] = "“有效期至”格式不正确，例如 2027-11-19。"
    months = line.cycle_months.strip()
    if months and not (months.isascii() and months.isdecimal() and len(months) <= 4):
        problems["cycle_months"] = "“检定周期（月）”须为1～120的整数。"
    readings = []
    for at, name in enumerate(grid.names):
        result = line.results[at].strip() if at < len(line.results) else ""
        wanted = grid.requirements[at] if at < len(grid.requirements) else ""
        if name.strip() or result:
            readings.append([name.strip(), result, wanted.strip()])
        if name.strip() and not result:
            problems["readings"] = f"“{name.strip()}”没有填写结果。"
        if result and not name.strip():
            problems["readings"] = f"第{at + 1}列结果没有项目名称，请在表头填写。"
    form = {
        "conclusion": line.conclusion,
        "verified_on": day,
        "cycle_months": int(months) if months and "cycle_months" not in problems else None,
        "valid_until": until,
        "readings": readings,
        "place": grid.place,
        "temperature": grid.temperature,
        "humidity": grid.humidity,
        **{key: getattr(line, key) for key in ("failures", "accuracy_result", "record_no", "validity_reason")},
    }
    return form, problems


# -- the workbook ------------------------------------------------------------------------------------------------------


def template_rows(items: Sequence[AppointmentItem]) -> tuple[list[str], list[list[Any]]]:
    """Headings and one row per instrument; two readings as an example of how they are named."""
    heads = [KEY, NAME, SERIAL, *OWN, "外观|完好", "示值误差|"]
    rows = []
    for item in items:
        months = item.instrument.category.cycle_months
        own = {"检定周期（月）": months or ""}
        facts = [item.id, item.instrument.name, item.instrument.serial_no]
        rows.append([*facts, *(own.get(head, "") for head in OWN), "", ""])
    return heads, rows


def read_grid(path: Path, filename: str, items: Sequence[AppointmentItem], grid: Grid) -> list[str]:
    """Fill the grid from a workbook; returns a sentence for every row that was not read: of no instrument here, or of
    one that an earlier row names.

    The instrument of a row is found by 系统编号, else by 出厂编号. Raises WorkbookRefused for the file.
    """
    check_upload(path, filename, LEDGER_KINDS)
    with open_sheets(path) as sheets:
        sheet = next(iter(sheets), None)
        lines = [(n, cells) for n, cells in sheet.lines if any(c != "" for c in cells)] if sheet is not None else []
    if len(lines) < 2:
        raise WorkbookRefused("文件中没有数据行，请下载模板，逐行填写后再上传。")
    heads = [_text(cell) for cell in lines[0][1]]
    if not {label_key(h) for h in heads} & {label_key(KEY), label_key(SERIAL)}:
        raise WorkbookRefused(f"第1行表头中没有“{KEY}”或“{SERIAL}”，请使用本页的模板填写。")
    known = {label_key(label): label for label in (KEY, NAME, SERIAL, *OWN)}
    readings = [at for at, head in enumerate(heads) if head and label_key(head) not in known]
    if len(readings) > MOST_READINGS:
        raise WorkbookRefused(f"检定项目超过{MOST_READINGS}列，请分两次录入或删除多余的列。")
    named = [heads[at].replace("｜", "|").partition("|") for at in readings]
    ids = {str(item.id): item.id for item in items}
    serials = {item.instrument.serial_no: item.id for item in items}
    told: list[str] = []
    read: dict[int, int] = {}
    for number, cells in lines[1:]:
        values = {known[label_key(h)]: _text(c) for h, c in zip(heads, cells, strict=False) if label_key(h) in known}
        pk = ids.get(values.get(KEY, "")) or serials.get(values.get(SERIAL, ""))
        if pk is None:
            told.append(f"第{number}行：“{values.get(SERIAL) or values.get(KEY) or '空'}”不在本次录入的器具中。")
            continue
        if pk in read:
            told.append(
                f"第{number}行：“{values.get(SERIAL) or pk}”在第{read[pk]}行已有，本行没有读入，请核对以哪一行为准。"
            )
            continue
        read[pk] = number
        grid.lines[pk] = _line_of(values, [_text(cells[at]) if at < len(cells) else "" for at in readings])
    if not read:
        raise WorkbookRefused("表中没有本次录入的器具，请核对“系统编号”和“出厂编号”，或重新下载模板。")
    grid.names, grid.requirements = [n.strip()[:CUT] for n, _, _ in named], [r.strip()[:CUT] for _, _, r in named]
    return told


def _line_of(values: dict[str, str], results: list[str]) -> Line:
    own = {key: values.get(label, "")[: 500 if key == "failures" else CUT] for label, key in OWN.items()}
    own["conclusion"] = WORDS.get(own["conclusion"], own["conclusion"])
    return Line(**own, results=[text[:CUT] for text in results])


def _text(cell: Any) -> str:
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())[:10]
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return clean(str(cell))
