"""Workbooks and runs of imports."""

from __future__ import annotations

import io
import json
import random

import openpyxl
from sqlalchemy import select

from app.access.principal import as_system
from app.operations import ledger_import
from app.operations.instrument import EXPORT_COLUMNS
from models import ImportRow, Instrument
from models.base import db
from tests.client import token
from tests.ledger.support import work

GOOD = {
    "器具名称": "电子计价秤",
    "一级目录": "非自动衡器",
    "二级目录": "非自动衡器",
    "型号规格": "ACS-30",
    "测量范围": "(0-30)kg",
    "准确度等级": "Ⅲ",
    "生产厂家": "大华",
    "器具产地": "国产",
    "使用地点行政区划": "440103",
    "安装/使用地点": "农贸市场1号",
    "器具数量": 1,
    "器具用途": "贸易结算",
    "送检方式": "现场检",
}


def book(rows, columns=EXPORT_COLUMNS):
    """A workbook of our columns; each row is what differs from a good one."""
    out, made = io.BytesIO(), openpyxl.Workbook()
    made.active.append(list(columns))
    for number, row in enumerate(rows):
        cells = {**GOOD, "出厂编号": f"N{number:05d}", **row}
        made.active.append([cells.get(column) for column in columns])
    made.save(out)
    return out.getvalue()


def table(*rows):
    """A workbook of any rows."""
    out, made = io.BytesIO(), openpyxl.Workbook()
    for row in rows:
        made.active.append(list(row))
    made.save(out)
    return out.getvalue()


def checked(world, unit, data, *, mode="file", name="台账.xlsx"):
    """Upload and dry run; gives the job's id."""
    with world.acting(unit) as actor:
        job = ledger_import.start_import(db.session(), actor, filename=name, data=data, mode=mode)
        db.session.commit()
        pk = job.id
    assert work(pk) == "waiting"
    return pk


def written(world, unit, pk):
    """Confirm and write; gives the state."""
    with world.acting(unit) as actor:
        ledger_import.confirm_import(db.session(), actor, pk)
        db.session.commit()
    return work(pk)


def rows_of(pk):
    with as_system("test"):
        db.session.expire_all()
        return list(
            db.session.execute(select(ImportRow).where(ImportRow.job_id == pk).order_by(ImportRow.position)).scalars()
        )


def outcomes_of(pk):
    return [row.outcome for row in rows_of(pk)]


def sentences_of(pk):
    return [[p["message"] for p in row.problems] for row in rows_of(pk)]


def ledger_of(world, unit):
    with as_system("test"):
        db.session.expire_all()
        mine = Instrument.unit_id == world.units[unit]
        return list(db.session.execute(select(Instrument).where(mine).order_by(Instrument.id)).scalars())


def ask(client, url, **fields):
    """Post as the page's script does; gives (status, JSON)."""
    fields["csrf_token"] = token(client)
    answer = client.post(url, data=fields, headers={"Accept": "application/json"})
    return answer.status_code, json.loads(answer.get_data(as_text=True))


def messy(seed, count):
    """Rows good and bad, with repetitions."""
    dice = random.Random(seed)
    wrong = [
        {"使用地点行政区划": "440100"},
        {"使用地点行政区划": "荔湾区"},
        {"二级目录": "不存在"},
        {"器具用途": "做生意"},
        {"送检方式": ""},
        {"有效期至": "2027年13月1日"},
        {"器具数量": -1},
        {"器具名称": ""},
        {"测量范围": "(0-1.6)mpa", "一级目录": "压力仪表", "二级目录": "指示类压力表", "器具名称": "压力表"},
        {"器具名称": "电子计价称"},
    ]
    rows = []
    for number in range(count):
        row = dict(dice.choice(wrong)) if dice.random() < 0.3 else {}
        if dice.random() < 0.1 and number:
            row["出厂编号"] = f"N{dice.randrange(number):05d}"
        rows.append(row)
    return rows
