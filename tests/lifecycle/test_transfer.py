"""变更使用单位: asked, accepted with a new place, refused, withdrawn, lapsed; history goes along (WORKFLOWS section 3)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.transfer import lapse_transfers
from models import Filing, InstrumentTransfer, Message
from models.base import db
from tests.client import login, post, text
from tests.lifecycle.support import in_state, put, row_of, state_of
from tests.world import booked, filed, instrument

WHY = "门店整体转让，器具随店移交"
PLACE = {"use_division": "440104", "place": "北京路8号"}


def ask(world, client, pk, to="ua2", **more):
    data = {"code": world.codes[to], "reason": WHY, **more}
    return post(client, f"/transfer/{pk}", data, page=f"/transfer/{pk}", follow_redirects=True)


def request_of(pk) -> int:
    with as_system("test"):
        rows = select(InstrumentTransfer.id).where(InstrumentTransfer.instrument_id == pk)
        return db.session.scalar(rows.order_by(InstrumentTransfer.id.desc()).limit(1))


def transfer(pk) -> InstrumentTransfer:
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(InstrumentTransfer, pk)


def told(world, who, words) -> int:
    with as_system("test"):
        rows = select(Message.subject).where(Message.account_id == world.people[who])
        return sum(words in subject for subject in db.session.scalars(rows))


def test_the_whole_way(app, world, context):
    made = filed(world, "ua1")
    pk, serial = made.id, made.serial_no
    giver, receiver = login(app, world, "ua1"), login(app, world, "ua2")
    assert f"/transfer/{pk}" in text(giver.get(f"/instruments/show/{pk}"))
    page = ask(world, giver, pk)
    assert "已提交，请等待接收单位确认。" in text(page)
    number = request_of(pk)
    assert told(world, "ua2", f"有器具待接收：电子计价秤 {serial}") == 1
    assert receiver.get(f"/instruments/show/{pk}").status_code == 404, "not yet in the receiver's ledger"
    offer = text(receiver.get(f"/transfers/show/{number}"))
    assert serial in offer
    assert "ua1加油站有限公司" in offer
    assert "大华" in offer
    form = text(receiver.get(f"/transfers/step/accept/{number}"))
    assert "安装/使用地点" in form
    missing = post(receiver, f"/transfers/step/accept/{number}", {"place": ""}, page=f"/transfers/step/accept/{number}")
    assert missing.status_code == 422
    done = post(receiver, f"/transfers/step/accept/{number}", PLACE, page=f"/transfers/step/accept/{number}")
    assert done.status_code == 303
    row = row_of(pk)
    assert (row.unit_id, row.place, row.use_division, row.state) == (
        world.units["ua2"],
        "北京路8号",
        "440104",
        "in_use",
    )
    assert "ua2加油站" in row.search_text
    assert "ua1加油站" not in row.search_text
    with as_system("test"):
        filing = db.session.scalar(select(Filing).where(Filing.instrument_id == pk))
        assert (filing.unit_id, filing.use_division, filing.state) == (world.units["ua2"], "440104", "approved")
    assert told(world, "ua1", f"{serial}已由接收单位接收") == 1
    assert told(world, "ua2", f"已接收电子计价秤 {serial}") == 1
    shown = receiver.get(f"/instruments/show/{pk}")
    assert shown.status_code == 200
    assert "备案通过" in text(shown), "the history came along"
    assert giver.get(f"/instruments/show/{pk}").status_code == 404
    kept = text(giver.get("/transfers/list/"))
    assert serial in kept, "the old unit keeps a line"
    line = text(giver.get(f"/transfers/show/{number}"))
    assert "已接收" in line
    for step in ("withdraw", "accept", "refuse"):
        answer = post(giver, f"/transfers/step/{step}/{number}", PLACE, page="/home/")
        assert answer.status_code in {303, 403, 422}, step
        assert transfer(number).state == "accepted"
    assert login(app, world, "ub1").get(f"/transfers/show/{number}").status_code == 404
    assert login(app, world, "regA1").get(f"/transfers/show/{number}").status_code == 200


def test_to_a_place_that_the_institute_does_not_serve(app, world, context):
    """Another city: the filing there begins again."""
    pk = filed(world, "ua1").id
    ask(world, login(app, world, "ua1"), pk, to="ub1")
    number = request_of(pk)
    client = login(app, world, "ub1")
    data = {"use_division": "440304", "place": "深南大道1号"}
    post(client, f"/transfers/step/accept/{number}", data, page=f"/transfers/step/accept/{number}")
    row = row_of(pk)
    assert (row.unit_id, row.state, row.institute_id) == (world.units["ub1"], "unfiled", None)
    with as_system("test"):
        assert db.session.scalar(select(Filing.state).where(Filing.instrument_id == pk)) == "closed"


def test_refused_withdrawn_and_asked_again(app, world, context):
    pk = in_state(world, "suspended")
    giver, receiver = login(app, world, "ua1"), login(app, world, "ua2")
    ask(world, giver, pk)
    first = request_of(pk)
    again = giver.get(f"/transfer/{pk}", follow_redirects=True)
    assert "该器具已有待接收的变更申请" in text(again)
    post(giver, f"/transfers/step/withdraw/{first}", page=f"/transfers/show/{first}")
    assert transfer(first).state == "withdrawn"
    ask(world, giver, pk)
    second = request_of(pk)
    assert second != first
    page = f"/transfers/step/refuse/{second}"
    post(receiver, page, {"reason": "该器具未在我方使用"}, page=page)
    assert transfer(second).state == "refused"
    assert told(world, "ua1", "申请被拒绝。原因：该器具未在我方使用") == 1
    assert row_of(pk).unit_id == world.units["ua1"]
    assert state_of(pk) == "suspended"


def test_nobody_answers_for_fourteen_days(app, world, context):
    pk = in_state(world, "in_use")
    ask(world, login(app, world, "ua1"), pk)
    number = request_of(pk)
    session = db.session()

    def run(days) -> str:
        with clock.frozen(clock.now() + timedelta(days=days)), as_system("test") as system:
            lapse_transfers(session, system)
        return transfer(number).state

    assert run(14) == "asked"
    with clock.frozen(clock.now() + timedelta(days=15)):
        late = login(app, world, "ua2")
        page = text(late.get(f"/transfers/show/{number}"))
        assert "该申请已超过14天有效期" in page
    assert run(15) == "lapsed"
    assert told(world, "ua1", "14天内未处理，已失效") >= 1
    assert told(world, "ua2", "14天内未处理，已失效") >= 1


@pytest.mark.parametrize(
    "code, said",
    [
        ("", "请填写接收单位的统一社会信用代码。"),
        ("91440101MA0000000X", "未找到该统一社会信用代码对应的使用单位"),
        ("own", "接收单位不能是本单位。"),
    ],
)
def test_the_wrong_receiver(app, world, context, code, said):
    pk = in_state(world, "in_use")
    client = login(app, world, "ua1")
    answer = ask(world, client, pk, code=world.codes["ua1"] if code == "own" else code)
    assert said in text(answer)
    assert WHY in text(answer), "what was typed is still there"
    assert request_of(pk) is None


def test_guards(app, world, context):
    """Live business, a twin at the receiver's, a foreign instrument, somebody else than the main account."""
    order = booked(world, "ua1")
    client = login(app, world, "ua1")
    page = text(client.get(f"/instruments/show/{order.instruments[0]}"))
    assert f'href="/appointments/show/{order.id}"' in page
    assert "只有在用或停用的器具" not in page
    assert "器具有未办结业务，不能变更使用单位。" in text(ask(world, client, order.instruments[0]))
    pk = in_state(world, "in_use")
    assert login(app, world, "ua2").get(f"/transfer/{pk}").status_code == 404
    assert login(app, world, "sub1").get(f"/transfer/{pk}").status_code == 403
    row = row_of(pk)
    twin = instrument(world, "ua2", serial_no=row.serial_no, manufacturer=row.manufacturer).id
    ask(world, client, pk)
    number = request_of(pk)
    receiver = login(app, world, "ua2")
    seen = text(receiver.get(f"/transfers/show/{number}"))
    assert "本单位已有相同器具，不能接收。" in seen
    assert f"/instruments/show/{twin}" in seen
    post(receiver, f"/transfers/step/accept/{number}", PLACE, page=f"/transfers/show/{number}")
    assert transfer(number).state == "asked"
    put(pk, "scrapped")
    put(twin, "merged")
    post(receiver, f"/transfers/step/accept/{number}", PLACE, page=f"/transfers/show/{number}")
    assert row_of(pk).unit_id == world.units["ua1"]


@pytest.mark.parametrize("profile", ["national", "zhejiang", "guangdong"])
def test_not_offered_elsewhere(app, world, context, under, profile):
    under(profile)
    pk = in_state(world, "in_use")
    client = login(app, world, "ua1")
    assert client.get(f"/transfer/{pk}").status_code == 404
    assert f"/transfer/{pk}" not in text(client.get(f"/instruments/show/{pk}"))
