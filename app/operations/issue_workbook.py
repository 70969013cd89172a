"""Accounts issued from a workbook, all or none: staff and officials by one template, experts by another (REG-22).

One wrong row is named with its number as the spreadsheet shows it, and nothing is issued. Every rule is that of a
single account; besides, no user name, address or number may stand in the file twice.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.access.audit import audit
from app.access.principal import Principal
from app.access.roles import KIND_ROLES, KINDS, LABELS
from app.errors import InvalidInputError
from app.intake.errors import WorkbookRefused
from app.intake.guard import check_upload
from app.intake.scan import scan_sheet, sheet_parts
from app.intake.text import clean, fold, label_key
from app.operations.account import SELF_REGISTERED, NewAccount, area_of, issue_account, issue_problems
from models.account import Account
from models.enums import AccountKind, Role
from models.organisation import Institute
from models.reference import Division

MOST_ROWS, HEADER_WITHIN = 500, 10
BROKEN = "无法读取工作簿，请用 Excel 或 WPS 另存为 .xlsx 后再上传。"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a template: field of NewAccount, heading, whether it must be filled, what to write there."""

    field: str
    label: str
    required: bool
    hint: str


STAFF = (
    Column("kind", "账号类型", True, "技术机构人员、监管人员、审计员、系统管理员、安全管理员之一。"),
    Column("username", "用户名", True, "4～20位字母或数字。"),
    Column("name", "姓名", True, ""),
    Column("phone", "手机号", False, "11位手机号；没有邮箱时激活链接发送到手机。"),
    Column("email", "邮箱", False, "激活链接发送到该邮箱。"),
    Column(
        "roles",
        "角色",
        False,
        "技术机构人员必填：受理员、检定员、批准人、机构负责人，兼任时用顿号分开；其他类型可不填。",
    ),
    Column("institute_id", "技术机构", False, "技术机构人员必填：机构名称或机构代号。"),
    Column("area", "辖区", False, "监管人员必填：6位行政区划代码，辖区包含其下级。"),
    Column("valid_until", "任职有效期至", False, "日期，例如 2027-03-14；不填表示长期有效。"),
)
EXPERTS = (
    Column("username", "用户名", True, "4～20位字母或数字。"),
    Column("name", "姓名", True, ""),
    Column("id_number", "身份证号", True, "18位居民身份证号。"),
    Column("phone", "手机号", True, "11位手机号；激活链接发送到手机。"),
    Column("employer", "工作单位", False, ""),
    Column("specialty", "专业", False, ""),
)
TEMPLATES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "staff": ("账号派发模板", STAFF),
    "experts": ("专家账号导入模板", EXPERTS),
}
UNIQUE = {"username": "用户名", "email": "邮箱", "phone": "手机号", "id_number": "身份证号"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A row that became an account; `token` is "" while the link waits for the countersign."""

    row: int
    account: Account
    token: str


class RowsRefusedError(InvalidInputError):
    """Some rows are wrong; `rows` holds a sentence for each, in the order of the sheet."""

    def __init__(self, rows: list[str]) -> None:
        super().__init__(f"有{len(rows)}处需要修改，未派发任何账号。")
        self.rows = rows


def template(kind: str) -> bytes:
    """The empty workbook: headings, and what belongs under each."""
    title, columns = TEMPLATES[kind]
    import openpyxl  # only the page that makes a template needs it
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "账号"
    for at, column in enumerate(columns, 1):
        cell = sheet.cell(1, at, f"{column.label}*" if column.required else column.label)
        cell.font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(at)].width = 22
        for row in range(2, MOST_ROWS + 2):
            sheet.cell(row, at).number_format = "@"  # a phone or an ID number is text, not a rounded number
    sheet.freeze_panes = "A2"
    notes: Any = book.create_sheet("填写说明")
    notes.append([f"{title}：带*的列必填，每行一个账号，最多{MOST_ROWS}行；有一行不正确则全部不派发。"])
    for column in columns:
        notes.append([column.label, "必填" if column.required else "选填", column.hint])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def issue_from_workbook(session: Session, actor: Principal, kind: str, path: Path, filename: str) -> list[Issued]:
    """Issue every account of the file, or none: raises WorkbookRefused for the file, RowsRefusedError for rows."""
    check_upload(path, filename)
    title, columns = TEMPLATES[kind]
    rows = list(_rows(path, columns))
    if not rows:
        raise WorkbookRefused("文件中没有数据行，请在表头下方逐行填写后再上传。")
    parsed = [(number, *_parsed(session, kind, cells)) for number, cells in rows]
    problems = list(_problems(session, actor, columns, parsed))
    if problems:
        raise RowsRefusedError(problems)
    issued = []
    for number, new, _found in parsed:
        facts = {name: getattr(new, name) for name in NewAccount.__slots__}
        account, token = issue_account(session, actor, **facts)
        issued.append(Issued(number, account, token))
    audit(session, "issue_workbook", entity="account", kind=kind, title=title, count=len(issued))
    return issued


# -- reading -----------------------------------------------------------------------------------------------------------


def _rows(path: Path, columns: tuple[Column, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(row as the spreadsheet shows it, field → text) of every filled row under the header."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _sheet_rows(archive, path, columns)
    except (zipfile.BadZipFile, OSError) as error:
        raise WorkbookRefused(BROKEN) from error


def _sheet_rows(
    archive: zipfile.ZipFile, path: Path, columns: tuple[Column, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    parts, book = sheet_parts(archive), _native(CalamineWorkbook.from_path, path)
    try:
        for meta in book.sheets_metadata:
            if meta.typ != SheetTypeEnum.WorkSheet or meta.visible != SheetVisibleEnum.Visible:
                continue
            if parts.get(meta.name) not in archive.NameToInfo:
                continue
            marks = scan_sheet(archive, parts[meta.name], meta.name)
            sheet = _native(book.get_sheet_by_name, meta.name)
            lines = list(enumerate(_native(sheet.iter_rows), 1))
            header = _header(lines, columns)
            if header is None:
                continue
            at, places = header
            offset = sheet.start[1] if sheet.start else 0
            for number, line in lines[at:]:
                cells = {field: _text(line[place]) for field, place in places.items()}
                if any(cells.values()):
                    formulas = marks.formulas.get(number, set())
                    if any(place + offset in formulas for place in places.values()):
                        raise WorkbookRefused(f"第{number}行：单元格含公式，请粘贴为数值。")
                    yield number, cells
            return
    finally:
        book.close()
    raise WorkbookRefused(f"前{HEADER_WITHIN}行中没有找到表头，请使用本页的模板，不要修改表头文字。")


def _header(lines: list[tuple[int, list[Any]]], columns: tuple[Column, ...]) -> tuple[int, dict[str, int]] | None:
    """(rows down to the header, field → place); refuses a file without a column that must be there."""
    fields = {label_key(c.label): c for c in columns}
    for number, line in lines[:HEADER_WITHIN]:
        found = {fields[key].field: at for at, cell in enumerate(line) if (key := label_key(cell)) in fields}
        if len(found) < 2:
            continue
        missing = [c.label for c in columns if c.required and c.field not in found]
        if missing:
            raise WorkbookRefused(f"文件缺少必填列：{'、'.join(missing)}，请使用本页的模板。")
        if len(lines) - number > MOST_ROWS:
            raise WorkbookRefused(f"文件超过{MOST_ROWS}行，请拆分后分批上传。")
        return number, found
    return None


def _native(function: Any, *arguments: Any) -> Any:
    """Call the native reader; its errors, even a panic, are a file that cannot be read."""
    try:
        return function(*arguments)
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise WorkbookRefused(BROKEN) from error


def _text(value: Any) -> str:
    """A cell as typed: whole numbers without a point, days as ISO."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, datetime):
        value = value.date()
    return clean(str(value))[:200] if value is not None else ""


# -- checking ----------------------------------------------------------------------------------------------------------


def _parsed(session: Session, kind: str, cells: Mapping[str, str]) -> tuple[NewAccount, dict[str, str]]:
    """A row as a new account, and what could not be understood, by field."""
    found: dict[str, str] = {}
    kinds = {word: k for k, word in KINDS.items() if k not in SELF_REGISTERED and k != AccountKind.EXPERT}
    account_kind = AccountKind.EXPERT if kind == "experts" else kinds.get(cells.get("kind", ""))
    if account_kind is None:
        found["kind"] = f"“账号类型”须为{'、'.join(kinds)}之一。" if cells.get("kind") else "请填写“账号类型”。"
        account_kind = AccountKind.INSTITUTE
    roles, unknown = _roles(account_kind, cells.get("roles", ""))
    if unknown:
        found["roles"] = f"没有“{unknown}”这个角色，请核对。"
    new = NewAccount(
        kind=account_kind,
        username=cells["username"],
        name=cells["name"],
        roles=roles,
        email=cells.get("email") or None,
        phone=cells.get("phone") or None,
        institute_id=_institute(session, cells.get("institute_id", ""), found),
        area=_area(session, cells.get("area", ""), found),
        valid_until=_day(cells.get("valid_until", ""), found),
        id_number=cells.get("id_number") or None,
        employer=cells.get("employer") or None,
        specialty=cells.get("specialty") or None,
    )
    return new, found


def _roles(kind: AccountKind, text: str) -> tuple[tuple[Role, ...], str]:
    """(roles, the word nobody knows); kinds with one role need not name it."""
    words = {fold(word): role for role, word in LABELS.items()}
    parts = [p for p in text.replace("，", "、").replace(",", "、").replace("/", "、").split("、") if p.strip()]
    if not parts and len(KIND_ROLES[kind]) == 1:
        return tuple(KIND_ROLES[kind]), ""
    unknown = next((p.strip() for p in parts if fold(p) not in words), "")
    return tuple(words[fold(p)] for p in parts if fold(p) in words), unknown


def _institute(session: Session, text: str, found: dict[str, str]) -> int | None:
    if not text:
        return None
    statement = select(Institute.id).where(or_(Institute.name == text, Institute.code == text), Institute.active)
    key = session.execute(statement.limit(1)).scalar_one_or_none()
    if key is None:
        found["institute_id"] = f"没有名称或代号为“{text}”的技术机构，请核对。"
    return key


def _area(session: Session, text: str, found: dict[str, str]) -> str | None:
    if not text:
        return None
    division = session.get(Division, text) if len(text) == 6 else None
    if division is None:
        found["area"] = f"“{text}”不是6位行政区划代码，请核对。"
        return None
    return area_of(division.code)


def _day(text: str, found: dict[str, str]) -> date | None:
    try:
        return date.fromisoformat(text.replace("/", "-").replace(".", "-")) if text else None
    except ValueError:
        found["valid_until"] = "“任职有效期至”不是日期，例如 2027-03-14。"
        return None


Parsed = tuple[int, NewAccount, dict[str, str]]


def _problems(session: Session, actor: Principal, columns: tuple[Column, ...], parsed: list[Parsed]) -> Iterator[str]:
    """A sentence for every row that is wrong, all its problems in one."""
    seen: dict[tuple[str, str], int] = {}
    labels = {c.field: c.label for c in columns}
    for number, new, unclear in parsed:
        found = issue_problems(session, actor, new) | unclear
        if "kind" in unclear:  # what the kind asks for besides, nobody can say yet
            found = {k: v for k, v in found.items() if k not in {"roles", "institute_id"} or k in unclear}
        for column in columns:
            if column.required and column.field not in found and getattr(new, column.field) in {None, ""}:
                found[column.field] = f"请填写“{column.label}”。"
        for field, label in UNIQUE.items():
            value = fold(getattr(new, field) or "")
            first = seen.setdefault((field, value), number) if value else number
            if first != number and field not in found:
                found[field] = f"“{label}”与第{first}行重复。"
        if found:
            yield f"第{number}行：{''.join(_in_order(found, labels))}"


def _in_order(found: Mapping[str, str], labels: Iterable[str]) -> list[str]:
    order = list(labels)
    return [found[k] for k in sorted(found, key=lambda k: order.index(k) if k in order else len(order))]
