"""Results of several instruments on one page and from a workbook: errors by row, nothing lost, all or none."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from models import Certificate
from models.base import db
from tests.client import login, post, text
from tests.world import booked

pytestmark = pytest.mark.usefixtures("context")
ADDRESS = "/results/batch"


def received(app, world, count=3):
    order = booked(world, "ua1", count=count)
    desk = login(app, world, "recA")
    post(desk, "/items/receive", {"ids": order.items, "rowid": order.items, "checked": "1"})
    return order


def papers_of(items):
    with as_system("test"):
        db.session.expire_all()
        rows = db.session.execute(select(Certificate).where(Certificate.item_id.in_(items))).unique().scalars()
        return {row.item_id: row for row in rows}


def grid(items, **more):
    data = {
        "ids": ",".join(str(i) for i in items),
        "act": "save",
        "verified_on": clock.today().isoformat(),
        "place": "农贸市场",
        "temperature": "20.5 ℃",
        "humidity": "50 %RH",
        "name": ["外观", "示值误差", ""],
        "requirement": ["无损伤", "±5 g", ""],
    }
    for n, pk in enumerate(items):
        data |= {f"conclusion_{pk}": "pass", f"cycle_months_{pk}": "12", f"result_{pk}": ["完好", f"+{n} g", ""]}
    return data | more


def test_one_page_for_a_whole_order(app, world):
    order, verifier = received(app, world), login(app, world, "verA")
    asked = post(verifier, "/items/action_post", {"action": "record", "rowid": order.items})
    assert asked.status_code == 303
    page = text(verifier.get(asked.location))
    assert page.count('name="cycle_months_') == 3
    last = order.items[2]
    left = {f"conclusion_{last}": ""}  # this one is not finished yet
    answer = post(verifier, ADDRESS, grid(order.items, **left))
    assert answer.status_code == 303, text(answer)
    made = papers_of(order.items)
    assert set(made) == set(order.items[:2])
    second = made[order.items[1]]
    assert second.state == "draft"
    assert second.facts["readings"] == [["外观", "完好", "无损伤"], ["示值误差", "+1 g", "±5 g"]]
    assert (second.facts["place"], second.facts["temperature"]) == ("农贸市场", "20.5 ℃")


def test_errors_stand_at_their_row_and_nothing_is_lost_or_half_saved(app, world):
    order, verifier = received(app, world), login(app, world, "verA")
    first, second, third = order.items
    wrong = {
        f"conclusion_{second}": "fail",
        f"cycle_months_{third}": "一年",
        f"result_{third}": ["完好", "", ""],
        "temperature": "",
    }
    answer = post(verifier, ADDRESS, grid(order.items, **wrong))
    assert answer.status_code == 422
    page = text(answer)
    for said in ("请填写“温度”。", "“检定周期（月）”须为1～120的整数。", "“示值误差”没有填写结果。"):
        assert said in page
    assert f'href="#line-{third}"' in page
    for typed in ("一年", "+1 g", "±5 g", "50 %RH"):
        assert typed in page
    assert papers_of(order.items) == {}
    answer = post(verifier, ADDRESS, grid(order.items, **{f"conclusion_{second}": "fail"}))
    assert answer.status_code == 422
    assert "检定不合格时，请填写不合格项。" in text(answer)
    assert papers_of(order.items) == {}, f"{first} alone is not saved"
    done = post(
        verifier, ADDRESS, grid(order.items, **{f"conclusion_{second}": "fail", f"failures_{second}": "示值超差"})
    )
    assert done.status_code == 303
    assert papers_of(order.items)[second].kind == "rejection"
    again = post(verifier, ADDRESS, grid(order.items))
    assert again.status_code == 422
    assert "该器具已有编制中的证书" in text(again)


def test_a_workbook_fills_the_page_which_is_saved_afterwards(app, world):
    order, verifier = received(app, world), login(app, world, "verA")
    got = verifier.get(f"/results/batch.xlsx?ids={','.join(map(str, order.items))}")
    book = openpyxl.load_workbook(io.BytesIO(got.data))
    sheet = book.active
    heads = [cell.value for cell in sheet[1]]
    for row in range(2, 5):
        sheet.cell(row, heads.index("检定结论") + 1, "合格")
        sheet.cell(row, heads.index("外观|完好") + 1, "完好")
        sheet.cell(row, heads.index("示值误差|") + 1, f"+{row} g")
    sheet.append([999_999_999, "别人的秤", "NOBODY-1"])
    sheet.append([sheet.cell(2, 1).value, "同一台又写一行", "", "不合格"])
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    data = grid(order.items) | {"act": "read", "file": (out, "结果.xlsx")}
    page = text(post(verifier, ADDRESS, data, content_type="multipart/form-data"))
    assert "已从文件读入，尚未保存" in page
    assert "第5行：“NOBODY-1”不在本次录入的器具中。" in page
    assert "在第2行已有，本行没有读入" in page, "which of two rows counts is not guessed"
    assert 'value="+4 g"' in page
    assert page.count('value="完好"') == 4, "three results and the requirement"
    assert papers_of(order.items) == {}
    bad = grid(order.items) | {"act": "read", "file": (io.BytesIO(b"%PDF-1.4"), "a.xlsx")}
    refused = post(verifier, ADDRESS, bad, content_type="multipart/form-data")
    assert refused.status_code == 422
    assert "+1 g" in text(refused)
    strangers = grid(order.items) | {"act": "read", "file": (io.BytesIO("出厂编号,检定结论\nS,合格".encode()), "a.csv")}
    page = text(post(verifier, ADDRESS, strangers, content_type="multipart/form-data"))
    assert "表中没有本次录入的器具" in page
    assert "已从文件读入" not in page
    looked = text(post(verifier, ADDRESS, grid(order.items) | {"act": "look"}))
    assert "+1 g" in looked, "Enter in a box brings the page back as it was"
    assert papers_of(order.items) == {}


def test_nobody_else_and_nothing_foreign(app, world):
    order = received(app, world, 1)
    for who, status in (("recA", 403), ("ua1", 403), ("verB", 404)):
        assert login(app, world, who).get(f"{ADDRESS}?ids={order.items[0]}").status_code == status
        assert post(login(app, world, who), ADDRESS, grid(order.items)).status_code == status
    assert papers_of(order.items) == {}
