"""The import template 《强制检定器具信息导入模板》: entry sheet, notes, catalogue and divisions.

Its columns are the deployment's fields (IMP-01), its lists those of the live code tables; where choices are typed as
numbers (导入代码, S4) the lists offer the numbers and the notes explain them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from app.intake.fields import FIELDS, Field, template_version
from app.intake.reference import ReferenceTables

ENTRY_SHEET, NOTES_SHEET, CATALOGUE_SHEET, DIVISION_SHEET = "器具信息", "填写说明", "强检器具目录", "行政区划信息"
HEADER_ROW = 2
# Rows that carry validation and text format; rows below them can still be filled.
PREPARED_ROWS = 2000
_REQUIRED_FILL = PatternFill("solid", fgColor="FFF2CC")
_OPTIONAL_FILL = PatternFill("solid", fgColor="EDEDED")
_KINDS = {
    "text": "文本",
    "choice": "下拉选择",
    "date": "日期，例如 2027-03-14",
    "quantity": "整数",
    "division": "6位数字代码",
    "category": "下拉选择",
    "code": "数字代码",
    "institute": "文本",
}


def write_template(
    out: Path,
    ref: ReferenceTables,
    version: str = "",
    *,
    fields: Sequence[Field] = FIELDS,
    coded: bool = False,
    noun: str = "器具",
) -> None:
    """Write the empty template to ``out`` from the live code tables; ``version`` is shown in its first row."""
    book = openpyxl.Workbook()
    entry = book.active
    entry.title = ENTRY_SHEET
    columns = tuple(fields)
    version = version or template_version(columns)
    _entry_sheet(entry, version, columns, noun)
    _notes_sheet(book.create_sheet(NOTES_SHEET), version, columns, coded)
    words = {field.key: field.label for field in columns}
    last_pair, last_level1 = _catalogue_sheet(book.create_sheet(CATALOGUE_SHEET), ref, words)
    _division_sheet(book.create_sheet(DIVISION_SHEET), ref)
    _add_lists(entry, columns, coded, last_pair, last_level1)
    book.save(out)


def _entry_sheet(sheet: Any, version: str, fields: Sequence[Field], noun: str) -> None:
    sheet["A1"] = (
        f"强制检定器具信息导入模板（版本{version}）。带*的列必填；从第{HEADER_ROW + 1}行起每行一台{noun}，"
        f"请勿修改表头；各列要求见“{NOTES_SHEET}”。"
    )
    sheet.append([f"{field.label}*" if field.required or field.wanted else field.label for field in fields])
    sheet["A1"].font = Font(bold=True)
    for index, field in enumerate(fields, 1):
        cell = sheet.cell(HEADER_ROW, index)
        cell.font = Font(bold=True)
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        cell.fill = _REQUIRED_FILL if field.required or field.wanted else _OPTIONAL_FILL
        if field.hint:
            cell.comment = Comment(field.hint, "模板")
        letter = get_column_letter(index)
        sheet.column_dimensions[letter].width = 24 if field.max_length > 100 else 16
        if field.kind in ("text", "division", "code"):
            # As text, so that 007 keeps its zeros and a long number its digits.
            sheet.column_dimensions[letter].number_format = "@"
            for row in range(HEADER_ROW + 1, HEADER_ROW + 201):
                sheet.cell(row, index).number_format = "@"
    sheet.freeze_panes = f"B{HEADER_ROW + 1}"


def _notes_sheet(sheet: Any, version: str, fields: Sequence[Field], coded: bool) -> None:
    sheet.append([f"《强制检定器具信息导入模板》填写说明（版本{version}）"])
    sheet.append(["列名", "是否必填", "格式", "要求", "示例"])
    for field in fields:
        limit = f"不超过{field.max_length}字" if field.kind == "text" else ""
        late = "暂缺的可先导入，随后在“信息完善”中补齐" if field.wanted else ""
        wanted = "；".join(part for part in (field.hint, _listed(field, coded), limit, late) if part)
        kind = "数字代码" if coded and field.choices else _KINDS[field.kind]
        must = "必填" if field.required or field.wanted else "选填"
        sheet.append([field.label, must, kind, wanted, _example(field, coded)])
    for row in sheet.iter_rows(min_row=3):
        for cell in row:
            cell.data_type = "s" if cell.value is not None else cell.data_type
    for letter, width in zip("ABCDE", (18, 10, 24, 60, 20), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet["A1"].font = Font(bold=True)


def _listed(field: Field, coded: bool) -> str:
    if coded:
        return "，".join(f"{c.code}.{c.label}" for c in sorted(field.choices, key=lambda c: c.code))
    return "、".join(choice.label for choice in field.choices)


def _example(field: Field, coded: bool) -> str:
    if coded and field.choices:
        return next((c.code for c in field.choices if c.label == field.example), field.choices[0].code)
    return field.example


def _catalogue_sheet(sheet: Any, ref: ReferenceTables, words: dict[str, str]) -> tuple[int, int]:
    """Write the valid entries, grouped by level 1; return the last rows of the pairs and of the level-1 list."""
    first, second = words.get("level1", "一级目录"), words.get("level2", "二级目录")
    sheet.append([first, second, "种别代码", f"{first}清单"])
    groups: dict[str, list[tuple[str, str]]] = {}
    for category in ref.categories.values():
        if category.valid and not category.pseudo:
            groups.setdefault(category.level1, []).append((category.level2, category.code))
    row = 1
    for level1, entries in groups.items():
        for level2, code in entries:
            row += 1
            for column, value in enumerate((level1, level2, code), 1):
                sheet.cell(row, column).value = value or None
    for place, level1 in enumerate(groups, 2):
        sheet.cell(place, 4).value = level1
    for letter in "ABD":
        sheet.column_dimensions[letter].width = 32
    return row, len(groups) + 1


def _division_sheet(sheet: Any, ref: ReferenceTables) -> None:
    names = {"province": "省级", "city": "市级", "county": "区县级", "street": "乡镇街道"}
    sheet.append(["代码", "名称", "级别"])
    for division in sorted(ref.divisions.values(), key=lambda item: item.code):
        if division.level != "street":
            sheet.append([division.code, division.name, names.get(division.level, division.level)])
    sheet.column_dimensions["B"].width = 32


def _add_lists(sheet: Any, fields: Sequence[Field], coded: bool, last_pair: int, last_level1: int) -> None:
    first, last = HEADER_ROW + 1, HEADER_ROW + PREPARED_ROWS
    letters = {field.key: get_column_letter(index) for index, field in enumerate(fields, 1)}
    quoted = f"'{CATALOGUE_SHEET}'"
    formulas = {
        field.key: f'"{",".join(sorted(c.code for c in field.choices) if coded else [c.label for c in field.choices])}"'
        for field in fields
        if field.choices
    }
    if "level1" in letters and "level2" in letters:
        level1 = letters["level1"]
        formulas["level1"] = f"{quoted}!$D$2:$D${max(last_level1, 2)}"
        pairs = f"{quoted}!$A$1:$A${max(last_pair, 2)}"
        # The second list follows the first: the entries of one level-1 name stand together.
        formulas["level2"] = (
            f"OFFSET({quoted}!$B$1,MATCH(${level1}{first},{pairs},0)-1,0,COUNTIF({pairs},${level1}{first}),1)"
        )
    for key, formula in formulas.items():
        rule = DataValidation(
            type="list",
            formula1=formula,
            allow_blank=True,
            showErrorMessage=True,
            errorTitle="请从列表中选择",
            error="请从下拉列表中选择。",
        )
        rule.add(f"{letters[key]}{first}:{letters[key]}{last}")
        sheet.add_data_validation(rule)
