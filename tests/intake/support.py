"""Builders for ledger workbooks, good and ugly."""

import zipfile
from pathlib import Path

import openpyxl

from app.intake.fields import FIELDS
from app.intake.guard import check_upload
from app.intake.plan import plan_rows
from app.intake.reader import RawRow, read_ledger
from app.intake.rules import check_row

HEADER = [field.label for field in FIELDS]
GOOD = {
    "name": "电子计价秤",
    "level1": "非自动衡器",
    "level2": "非自动衡器",
    "model": "ACS-30",
    "measuring_range": "(0-30)kg",
    "accuracy_class": "Ⅲ",
    "serial_no": "A30-0001",
    "manufacturer": "大华",
    "origin": "国产",
    "use_division": "440103",
    "place": "农贸市场1号",
    "quantity": 1,
    "purpose": "贸易结算",
    "delivery_mode": "现场检",
}


def raw(number=2, formula=(), **changes):
    cells = {key: value for key, value in {**GOOD, **changes}.items() if value != ""}
    return RawRow(number, cells, frozenset(formula), "", number)


def line(**changes):
    cells = {**GOOD, **changes}
    return [cells.get(field.key) for field in FIELDS]


def book(path: Path, *sheets):
    """Write sheets, each (title, rows)."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets:
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def rezip(source: Path, target: Path, replace=None, add=None):
    """Copy an archive, replacing or adding parts."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry.filename)
            new.writestr(entry.filename, (replace or {}).get(entry.filename, lambda text: text)(data))
        for name, data in (add or {}).items():
            new.writestr(name, data)
    return target


def run(path: Path, ref, existing=None):
    check_upload(path, path.name)
    sheet = read_ledger(path)
    return list(plan_rows([check_row(row, ref) for row in sheet.rows], existing or {}))


def messages(row):
    return [problem.message for problem in row.problems]
