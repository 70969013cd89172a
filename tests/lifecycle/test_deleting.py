"""删除, 清空, 曾用计量器具库, 恢复 and 彻底删除, each by the rule of its manual."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import AppointmentItem, Certificate, Instrument, Job, TransitionLog
from models.base import db
from tests.client import login, post, text
from tests.lifecycle.support import in_state, put, row_of, state_of
from tests.world import booked, filed, instrument, issued

LEDGER = "/instruments/list/"


def delete(client, *ids):
    data = {"action": "delete", "rowid": [str(i) for i in ids]}
    return post(client, "/instruments/action_post", data, page=LEDGER, follow_redirects=True)


def cleared(name, world, unit="ua2"):
    """Nothing is left of the unit's earlier instruments, so that counts are the test's own."""
    with as_system("fixture"):
        ids = db.session.scalars(select(Instrument.id).where(Instrument.unit_id == world.units[unit])).all()
    for pk in ids:
        if state_of(pk) != "purged":  # which nothing leaves
            put(pk, "merged")


RULES = [
    # profile, state of the one that may go, how the other was used, where the first one goes
    ("national", "in_use", "booked", "purged"),
    ("guangdong", "unfiled", "filed", "purged"),
    ("hohhot", "suspended", "live", "purged"),
    ("zhejiang", "in_use", "live", "former"),
]


@pytest.mark.feature("LED-07")
@pytest.mark.parametrize("profile, state, used, gone", RULES)
def test_one_goes_and_one_stays(app, world, context, under, profile, state, used, gone):
    """A mixed selection deletes the allowed one and reports the rest, by name."""
    if used == "filed":
        kept = filed(world, "ua1").id
    else:
        order = booked(world, "ua1")
        kept = order.instruments[0]
        if used == "booked":  # over, but it took part
            with as_system("fixture"):
                item = db.session.get(AppointmentItem, order.items[0])
                serial = item.instrument.serial_no
    serial = row_of(kept).serial_no
    free = in_state(world, state)
    under(profile)
    said = text(delete(login(app, world, "ua1"), free, kept))
    assert (state_of(free), state_of(kept)) == (gone, "in_use")
    assert "成功1条，未办理1条。" in said
    assert f"{serial}：" in said
    assert "下载原因" in said


@pytest.mark.feature("LED-08")
def test_clearing_leaves_exactly_what_was_filed(app, world, context, under):
    cleared("clear", world)
    unfiled = [instrument(world, "ua2").id for _ in range(3)]
    kept = [filed(world, "ua2").id for _ in range(2)]
    under("guangdong")
    client = login(app, world, "ua2")
    assert "/bulk/clear" in text(client.get(LEDGER))
    page = text(post(client, "/bulk/clear", page=LEDGER, follow_redirects=True))
    assert "将删除3条，不可删除2条。" in page
    assert [state_of(pk) for pk in unfiled] == ["unfiled"] * 3, "nothing is done before the number was confirmed"
    job = newest_job(world, "ua2")
    done = text(post(client, f"/bulk/{job}/confirm", page=f"/jobs/{job}", follow_redirects=True))
    assert "成功3条，未办理2条。" in done
    assert [state_of(pk) for pk in unfiled] == ["purged"] * 3
    assert [state_of(pk) for pk in kept] == ["in_use"] * 2


def newest_job(world, who) -> int:
    with as_system("test"):
        found = select(Job.id).where(Job.account_id == world.people[who]).order_by(Job.id.desc()).limit(1)
        return db.session.scalar(found)


@pytest.mark.feature("LED-17")
def test_the_library_and_its_number_on_the_home_page(app, world, context, under):
    cleared("former", world)
    pk = in_state(world, "in_use", "ua2")
    serial = row_of(pk).serial_no
    under("zhejiang")
    client = login(app, world, "ua2")
    assert serial in text(client.get(LEDGER))
    delete(client, pk)
    assert serial not in text(client.get(LEDGER))
    library = text(client.get("/former/list/"))
    assert serial in library
    assert "曾用计量器具库" in library
    home = text(client.get("/home/"))
    assert "历史器具（台）" in home
    assert "<b>1</b><span>历史器具" in home
    assert serial not in text(login(app, world, "ua1").get("/former/list/"))


def test_the_library_is_not_there_elsewhere(app, world, context, under):
    under("national")
    client, pk = login(app, world, "ua1"), in_state(world, "former")
    assert client.get("/former/list/").status_code == 404
    assert "曾用计量器具库" not in text(client.get("/home/"))
    assert post(client, f"/former/step/restore/{pk}").status_code == 404
    assert state_of(pk) == "former"


@pytest.mark.feature("LED-18")
def test_restoring_brings_everything_back(app, world, context, under):
    under("zhejiang")
    pk = in_state(world, "in_use", measuring_range="0～30kg", own_no="A-7")
    client = login(app, world, "ua1")
    before = {c.name: getattr(row_of(pk), c.name) for c in Instrument.__table__.columns}
    lines = history(pk)
    delete(client, pk)
    assert state_of(pk) == "former"
    answer = post(client, f"/former/step/restore/{pk}", page="/former/list/", follow_redirects=True)
    assert "“恢复”已完成。" in text(answer)
    after = {c.name: getattr(row_of(pk), c.name) for c in Instrument.__table__.columns}
    moved = {"version", "updated_at", "prior_state", "quality", "quality_faults"}
    assert {k: v for k, v in after.items() if k not in moved} == {k: v for k, v in before.items() if k not in moved}
    assert history(pk)[: len(lines)] == lines
    assert [line[0] for line in history(pk)[len(lines) :]] == ["delete", "restore"]


def history(pk: int) -> list[tuple[str, str | None, str]]:
    with as_system("test"):
        rows = select(TransitionLog).where(TransitionLog.entity == "instrument", TransitionLog.entity_id == pk)
        found = db.session.execute(rows.order_by(TransitionLog.id)).scalars()
        return [(r.step, r.from_state, r.to_state) for r in found]


@pytest.mark.feature("LED-18")
def test_not_restored_when_a_twin_has_come(app, world, context, under):
    under("zhejiang")
    pk = in_state(world, "in_use")
    serial = row_of(pk).serial_no
    client = login(app, world, "ua1")
    delete(client, pk)
    twin = instrument(world, "ua1", serial_no=serial).id
    page = text(client.get("/former/list/"))
    assert "已有相同器具在用，不能恢复。" in page
    assert f"/instruments/show/{twin}" in page, "the cure is one click away"
    post(client, f"/former/step/restore/{pk}", page="/former/list/")
    assert state_of(pk) == "former"


@pytest.mark.feature("LED-19")
def test_purged_from_everywhere_but_the_booking(app, world, context, under):
    """A booked one without certificate goes for good; the old appointment is still readable on both sides."""
    order = booked(world, "ua1")
    pk = order.instruments[0]
    serial = row_of(pk).serial_no
    client = login(app, world, "ua1")
    post(
        client,
        f"/appointments/step/cancel/{order.id}",
        {"reason": "门店关闭，不再使用"},
        page=f"/appointments/show/{order.id}",
    )
    put(pk, "former")
    wrong = post(client, f"/former/step/purge/{pk}", {"serial_no": "其他编号"}, page=f"/former/step/purge/{pk}")
    assert wrong.status_code == 422
    assert "输入的出厂编号与该器具不一致" in text(wrong)
    post(client, f"/former/step/purge/{pk}", {"serial_no": serial}, page=f"/former/step/purge/{pk}")
    assert state_of(pk) == "purged"
    for address in ("/former/list/", LEDGER, "/search?q=" + serial):
        assert f">{serial}<" not in text(client.get(address)), address
    assert client.get(f"/instruments/show/{pk}").status_code == 404
    assert client.get(f"/api/v1/instruments/{pk}").status_code == 404
    exported = client.get("/instruments/export?layout=template&format=xlsx")
    cells = {c for r in openpyxl.load_workbook(io.BytesIO(exported.data)).active.values for c in r}
    assert serial not in cells
    for who in ("ua1", "recA"):
        page = login(app, world, who).get(f"/appointments/show/{order.id}")
        assert page.status_code == 200
        assert serial in text(page)
        assert login(app, world, who).get(f"/items/show/{order.items[0]}").status_code == 200
        assert login(app, world, who).get("/items/list/").status_code in {200, 403}


@pytest.mark.feature("LED-19")
def test_what_has_certificates_is_kept_for_others(app, world, context, under):
    order = booked(world, "ua1")
    pk = order.instruments[0]
    serial = row_of(pk).serial_no
    paper = issued(world, order.items[0])
    put(pk, "former")
    client, kept = login(app, world, "ua1"), "该器具有检定记录，依规保留，仅从您的库中移除。"
    assert kept in text(client.get(f"/former/step/purge/{pk}")), "said before"
    page = post(client, f"/former/step/purge/{pk}", {"serial_no": serial}, page="/former/list/", follow_redirects=True)
    assert kept in text(page), "and afterwards"
    assert (row_of(pk).state, row_of(pk).hidden) == ("former", True)
    assert client.get(f"/instruments/show/{pk}").status_code == 404
    assert serial not in text(client.get("/former/list/"))
    assert login(app, world, "recA").get(f"/instruments/show/{pk}").status_code == 200
    assert login(app, world, "regA1").get(f"/instruments/show/{pk}").status_code == 200
    for address in (f"/certificates/show/{paper}", f"/appointments/show/{order.id}"):
        assert client.get(address).status_code == 200, address
    with as_system("test"):
        assert db.session.get(Certificate, paper).instrument_id == pk


def test_a_regulator_suspends_with_a_reason_and_the_unit_hears_of_it(app, world, context):
    from models import Message

    pk = in_state(world, "in_use")
    client = login(app, world, "regA1")
    headers = {"X-CSRFToken": __import__("tests.client", fromlist=["token"]).token(client)}
    address = f"/api/v1/instruments/{pk}/steps/suspend"
    refused = client.post(address, json={}, headers=headers)
    assert (refused.status_code, refused.get_json()["sentence"]) == (422, "请填写原因（5～500字）。")
    assert client.post(address, json={"reason": "现场检查发现封印损坏"}, headers=headers).status_code == 200
    serial = row_of(pk).serial_no
    with as_system("test"):
        told = select(Message.account_id).where(Message.subject.contains(serial), Message.subject.contains("已停用"))
        assert world.people["ua1"] in db.session.scalars(told).all()


def test_the_county_hears_of_what_a_unit_puts_out_of_use(app, world, context):
    from models import Message

    pk = in_state(world, "in_use")
    serial = row_of(pk).serial_no
    client = login(app, world, "ua1")
    post(client, f"/instruments/step/scrap/{pk}", {"reason": "超过使用年限"}, page=f"/instruments/show/{pk}")
    assert state_of(pk) == "scrapped"
    with as_system("test"):
        told = select(Message.account_id).where(Message.subject.contains(serial), Message.subject.contains("已报废"))
        assert db.session.scalars(told).all() == [world.people["regA1"]]
