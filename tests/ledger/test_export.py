"""Exports of the ledger: the workbook that SQL writes beside the rows, how often, and from the command line."""

from __future__ import annotations

import csv
import re
import time
from datetime import date

import pytest
from openpyxl import load_workbook
from sqlalchemy import text as sql

from app import profiles
from app.access.principal import as_system
from app.operations import ledger_export
from app.operations.ledger_columns import every_column, heading
from app.operations.ledger_export import Wanted, export_chunks, write_export
from models.base import db
from tests.client import login, post, text
from tests.ledger.support import fresh_unit
from tests.world import booked, instrument

HARD = "a\x01\x02\x06\x03b & <c> =1+1"


@pytest.fixture
def under(app, monkeypatch):
    def choose(name: str) -> None:
        monkeypatch.setitem(app.config, "PROFILE", name)
        profiles.forget()

    yield choose
    profiles.forget()


def sheet(path):
    return [[c.value for c in row] for row in load_workbook(path).active.iter_rows()]


def same(value):
    """As openpyxl gives a value that was written."""
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.mark.feature("IMP-08")
@pytest.mark.parametrize("profile", ["all", "national", "guangdong", "zhejiang"])
def test_the_workbook_holds_the_rows_in_the_words_of_the_list(app, world, session, tmp_path, under, profile):
    """Every column of the list, and the template's layout: SQL's text beside the tuples of the CSV."""
    unit = fresh_unit(world, f"ux{profile[:3]}")
    instrument(world, unit, serial_no="W-1", purchased_on=date(2024, 2, 29))
    instrument(world, unit, serial_no="W-2", note="=1+1", quantity=7)
    if profile == "all":
        booked(world, unit)
    under(profile)
    with world.acting(unit):
        for wanted in (Wanted("shown", "xlsx", tuple(every_column())), Wanted()):
            rows = [row for chunk in export_chunks(session, "", wanted) for row in chunk]
            out = tmp_path / "out.xlsx"
            assert write_export(session, "", wanted, out) == len(rows) >= 2
            found = sheet(out)
            assert found[0] == ledger_export.heads(wanted)
            told = [[same(v.date() if hasattr(v, "date") else v) for v in row] for row in found[1:]]
            assert told == [[same(v) if v != "" else None for v in row] for row in rows]


def test_control_characters_forge_no_cell(world, session, tmp_path, monkeypatch):
    unit = fresh_unit(world, "ux1")
    first, second = (instrument(world, unit, serial_no=f"X-{n}").id for n in range(2))
    with as_system("test"):
        session.execute(sql("UPDATE instrument SET note = :note WHERE id = :pk"), {"note": HARD, "pk": first})
        session.commit()
    wanted = Wanted("shown", "xlsx", ("serial_no", "note", "state"))
    for chunk in (1, 5_000):
        monkeypatch.setattr(ledger_export, "CHUNK", chunk)
        with world.acting(unit):
            write_export(session, "", wanted, tmp_path / "out.xlsx")
        rows = sheet(tmp_path / "out.xlsx")
        assert [row[0] for row in rows[1:]] == ["X-0", "X-1"]
        assert rows[1][1] == "ab & <c> =1+1"
        assert rows[1][2] == rows[2][2]
    assert second > first


def test_five_an_hour(app, world, session, monkeypatch):
    """The sixth is refused with the time to wait; an hour later there is another one; others are not concerned."""
    unit, other = fresh_unit(world, "ux2"), fresh_unit(world, "ux3")
    instrument(world, unit)
    instrument(world, other)
    client = login(app, world, unit)
    for kind in ("xlsx", "csv", "xlsx", "csv"):
        assert client.get(f"/instruments/export?format={kind}").status_code == 200
    assert post(client, "/instruments/export", {"query": ""}).status_code == 303
    for refused in (client.get("/instruments/export"), post(client, "/instruments/export", {"query": ""})):
        assert refused.status_code == 429
        assert re.search(r"每小时最多导出5次，请约\d+分钟后再试，或者清除筛选条件，一次导出全部器具。", text(refused))
    assert login(app, world, other).get("/instruments/export").status_code == 200
    begun = time.time()
    monkeypatch.setattr("limits.storage.redis.time.time", lambda: begun + 3_601)
    assert client.get("/instruments/export").status_code == 200


def test_the_command_follows_the_profile_and_the_chosen_columns(app, world, session, tmp_path, under):
    unit = fresh_unit(world, "ux4")
    instrument(world, unit, serial_no="C-1", name="电子汽车衡")
    instrument(world, unit, serial_no="C-2")
    under("guangdong")
    code = world.codes[unit]
    db.session.remove()

    def run(*arguments, good=True):
        with app.app_context():
            done = app.test_cli_runner().invoke(args=["ledger", "export", *map(str, arguments), "--unit", code])
        assert (done.exit_code == 0) is good, done.output
        return done.output

    out = tmp_path / "out.xlsx"
    assert "已导出 2 台器具" in run(out)
    with app.app_context():
        expected = ledger_export.heads(Wanted())
        listed = [heading(c) for c in profiles.setting("ledger", "columns")]
    assert sheet(out)[0] == expected
    run(out, "--columns", "list")
    assert sheet(out)[0] == listed
    run(tmp_path / "out.csv", "--columns", "serial_no,name", "--query", "_flt_0_serial_no=C-1")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == ["C-1"]
    assert "没有这些列：secret" in run(out, "--columns", "name,secret", good=False)
