"""An enterprise's own .xls and .csv through the whole dry run, and what is refused at the door."""

import pytest

from app.errors import InvalidInputError
from app.operations import ledger_import
from models.base import db
from tests.imports.support import checked, rows_of
from tests.intake.old_excel_files import biff, container
from tests.intake.support import HEADER, line
from tests.ledger.support import fresh_unit


def test_template_columns_in_xls_and_csv(world, session):
    unit = fresh_unit(world, "own1")
    rows = [list(row) for row in (HEADER, line(serial_no="XLS1"))]
    pk = checked(world, unit, container({"Workbook": biff([("器具信息", rows)])}), name="台账.xls")
    assert [(row.outcome, row.cells["serial_no"]) for row in rows_of(pk)] == [("new", "XLS1")]
    with world.acting(unit):
        ledger_import.give_up(db.session(), pk)
        db.session.commit()


def test_a_picture_is_refused_whatever_its_name(world, session):
    unit = fresh_unit(world, "own2")
    with world.acting(unit) as actor:
        for name in ("台账.xlsx", "台账.csv", "a.\x00xls"):
            with pytest.raises(InvalidInputError, match="这是图片文件"):
                ledger_import.start_import(db.session(), actor, filename=name, data=b"\x89PNG\r\n\x1a\n" + bytes(99))
