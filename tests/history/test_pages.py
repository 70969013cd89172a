"""The 历史 tab and its neighbours as people see them (LED-09, LED-28, BEYOND 2)."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from app import clock
from app.access.principal import as_system
from app.operations.history import instrument_history
from app.operations.instrument import edit_instrument
from models import AppointmentItem, Certificate, Instrument, Job
from models.base import db
from tests.client import login, post, token
from tests.client import text as body
from tests.history.support import live
from tests.imports.support import book, checked, ledger_of, written
from tests.world import booked, drafted, instrument, issued


def panel(page: str, name: str) -> str:
    """One tab of a detail page."""
    return re.split(r'<div id="panel-', page.split(f'<div id="panel-{name}"')[1])[0]


@pytest.mark.feature("LED-09")
def test_one_line_each_in_order_and_the_certificate_opens(app, world, session):
    order = booked(world, "ua1")
    pk = order.instruments[0]
    paper = issued(world, order.items[0])
    client = login(app, world, "ua1")
    page = body(client.get(f"/instruments/show/{pk}"))
    for name in ("info", "history", "certificates", "bookings", "files"):
        assert f'id="panel-{name}"' in page
    told = re.findall(r"<strong>([^<]*)</strong>", panel(page, "history"))
    once = ["器具：新增", "备案：提交", "备案：通过", "预约器具：加入预约", "器具：检定结果入库"]
    found = [word for word in reversed(told) if word in once or word.split("：")[0] in {"备案", "预约器具", "器具"}]
    assert found[0] == "器具：新增"
    assert told.count("器具：新增") == 1
    assert told.count("器具：检定结果入库") == 1
    assert found.index("器具：备案通过") < found.index("器具：检定结果入库")
    with as_system("test"):
        number = session.get(Certificate, paper).number
    assert number in panel(page, "certificates")
    assert f"/certificates/pdf/{paper}" in panel(page, "certificates")
    assert f"/certificates/pdf/{paper}" in panel(page, "history")
    assert f"{number}.pdf" in panel(page, "files")
    opened = client.get(f"/certificates/pdf/{paper}")
    assert opened.status_code == 200
    assert opened.data.startswith(b"%PDF")


@pytest.mark.feature("LED-28")
def test_import_sub_user_and_rest_give_three_lines_with_the_right_author(app, world, session):
    with as_system("test"):  # other tests may have left an import of this unit on its way
        left = update(Job).where(Job.unit_id == world.units["ua1"], Job.state.in_(("queued", "running")))
        db.session.execute(left.values(state="cancelled"))
        db.session.commit()
    before = {row.id for row in ledger_of(world, "ua1")}
    job = checked(world, "ua1", book([{"出厂编号": f"HIST{clock.now():%H%M%S%f}"}]))
    assert written(world, "ua1", job) == "done"
    (pk,) = {row.id for row in ledger_of(world, "ua1")} - before
    sub = login(app, world, "sub1")
    with as_system("test"):
        row = db.session.get(Instrument, pk)
        values = {
            **{k: getattr(row, k) for k in ("name", "model", "measuring_range", "accuracy_class", "serial_no")},
            **{k: getattr(row, k) for k in ("manufacturer", "origin", "use_division", "purpose", "delivery_mode")},
        }
        values |= {"category": row.category.code, "quantity": "1", "place": "新的地点8号", "own_no": "", "note": ""}
    url = f"/instruments/edit/{pk}"
    answer = post(sub, url, {**values, "seen_version": "1"}, page=url)
    assert answer.status_code == 303, body(answer)[:2000]
    client = login(app, world, "ua1")
    headers = {"X-CSRFToken": token(client)}
    rest = client.post(f"/api/v1/instruments/{pk}/steps/suspend", json={"reason": "停用检修一段时间"}, headers=headers)
    assert rest.status_code == 200
    with world.acting("ua1") as actor:
        db.session.expire_all()
        lines = [x for x in instrument_history(db.session(), actor, pk) if x.entity_name == "instrument"]
    assert [(x.step_name, x.who, x.role, x.channel) for x in lines] == [
        ("import", "王小明", lines[0].role, "导入"),
        ("edit", "员sub1", lines[1].role, "网页"),
        ("suspend", "王小明", lines[0].role, "接口"),
    ]
    assert lines[0].role != lines[1].role
    assert {c.label: (c.old, c.new) for c in lines[1].changes}["安装/使用地点"] == ("农贸市场1号", "新的地点8号")


def test_the_row_as_it_was_stands_beside_the_row_as_it_is(app, world, session):
    pk, shots = live(world, 77, steps=12)
    moment, shot = next((m, s) for m, s in shots[3:] if s["place"] != shots[-1][1]["place"])
    client = login(app, world, "ua1")
    page = body(client.get(f"/instruments/show/{pk}?as_of={moment.isoformat()[:19]}"))
    table = panel(page, "history")
    assert shot["place"] in table
    assert shots[-1][1]["place"] in table
    assert "当时" in table
    early = body(client.get(f"/instruments/show/{pk}?as_of=2020-01-01"))
    assert "还没有这条记录" in early
    for wrong in ("gestern", "2026-02-30", "' OR 1=1"):
        answer = client.get(f"/instruments/show/{pk}", query_string={"as_of": wrong})
        assert answer.status_code == 200
        assert "日期格式不正确" in body(answer)


def test_bookings_and_papers_have_the_tab_too(app, world, session):
    order = booked(world, "ua1")
    with as_system("test"):
        item = session.scalar(select(AppointmentItem.id).where(AppointmentItem.appointment_id == order.id))
    client = login(app, world, "ua1")
    for url in (f"/appointments/show/{order.id}", f"/items/show/{item}"):
        answer = client.get(f"{url}?as_of={clock.today()}")
        if answer.status_code == 200:
            assert "当时" in panel(body(answer), "history")


def test_persons_of_other_bodies_are_masked(app, world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor:
        edit_instrument(session, actor, made.id, {"note": "改一下"}, seen_version=None)
        session.commit()
        assert instrument_history(session, actor, made.id)[-1].who == "王小明"
    with world.acting("recA") as other:
        assert {x.who for x in instrument_history(session, other, made.id)} == {"王**"}


def test_a_foreign_row_has_no_past_either(app, world, session):
    made = instrument(world, "ua1")
    assert login(app, world, "ua2").get(f"/instruments/show/{made.id}?as_of=2026-01-01").status_code == 404


@pytest.mark.must_never(51)
def test_what_was_found_is_the_institutes_own_until_the_paper_is_out(app, world, session):
    order = booked(world, "ua1")
    drafted(world, order.items[0], conclusion="fail")

    def told(nick):
        with world.acting(nick) as actor:
            lines = instrument_history(session, actor, order.instruments[0])
        of = [line for line in lines if line.entity_name == "certificate"]
        assert of, "that a draft exists is no secret"
        return [bool(line.born or line.changes or line.detail) for line in of]

    assert all(told("verA"))
    for other in ("ua1", "regA", "recB"):
        assert not any(told(other)), other


def test_a_birth_tells_what_was_given_and_not_what_has_not_happened(app, world, session):
    order = booked(world, "ua1")
    with world.acting("ua1") as actor:
        lines = instrument_history(session, actor, order.instruments[0])
    births = {line.entity_name: [one.label for one in line.born] for line in reversed(lines) if line.born}
    assert {"器具名称", "出厂编号"} <= set(births["instrument"]), births["instrument"]
    assert [label for label in births["instrument"] if "移除" in label or "强检" in label] == []
    assert "授权转送省级" not in " ".join(births["filing"])
    page = panel(body(login(app, world, "ua1").get(f"/instruments/show/{order.instruments[0]}")), "history")
    assert "已从单位库中移除" not in page
    gone = instrument(world, "ua1", quantity=3)
    with world.acting("ua1") as actor:
        born = instrument_history(session, actor, gone.id)[0].born
    assert "3" in [one.new for one in born], born
