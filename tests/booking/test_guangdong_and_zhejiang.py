"""预约管理 as manuals 004 and 002 have it: tabs, refusal to mix, cancelling, the basket; 申请预约 from the ledger."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.operations.appointment import book, save_draft
from app.workflow import APPOINTMENT, ITEM, fire
from models import Appointment, BasketItem, Instrument, Slot
from models.base import db
from tests.client import login, post, text
from tests.world import filed, slot_of

pytestmark = pytest.mark.usefixtures("context")
STAGES = ("sent", "confirmed", "refused", "returned", "history")


def of(model, pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(model, pk)


def ordered(world, unit, ids, **more):
    with world.acting(unit) as actor:
        made = book(db.session(), actor, instrument_ids=ids, **more)
        db.session.commit()
    return made.id


def desk(world, pk, step, **data):
    with world.acting("recA") as actor:
        fire(db.session(), APPOINTMENT, pk, step, actor, data)
        db.session.commit()


@pytest.mark.feature("APT-24", "APT-30")
def test_one_order_per_menu_and_what_can_be_done_there(app, world, home, profile):
    slot = slot_of(world, "A")
    made = [filed(world, home).id for _ in range(5)]
    profile("guangdong")
    orders = dict(zip(STAGES, [ordered(world, home, [pk], slot_id=slot.id) for pk in made], strict=True))
    desk(world, orders["confirmed"], "accept")
    desk(world, orders["refused"], "reject", reason="当日设备停用检修")
    desk(world, orders["returned"], "accept")
    desk(world, orders["returned"], "send_back", reason="铭牌与登记不一致")
    with world.acting(home) as actor:
        fire(db.session(), APPOINTMENT, orders["history"], "cancel", actor)
        db.session.commit()
    client = login(app, world, home)
    pages = {stage: text(client.get(f"/appointments/list/?_flt_x_stage={stage}")) for stage in STAGES}
    for stage, page in pages.items():
        there = {s for s, pk in orders.items() if f'/appointments/show/{pk}"' in page}
        assert there == {stage}
    whole = text(client.get("/appointments/list/"))
    for word in ("预约中", "已确认", "被拒绝", "被退回", "历史查询"):
        assert re.search(rf'<a href="[^"]*stage[^"]*"[^>]*>{word}', whole), word
    assert "取消预约" in pages["sent"]
    assert "取消预约</button>" not in pages["confirmed"]
    assert "当日设备停用检修" in pages["refused"]
    assert f"/book/?ids={made[2]}" in pages["refused"]
    assert "铭牌与登记不一致" in pages["returned"]
    assert client.get(f"/book/?ids={made[2]}").status_code == 303, "bookable again"
    before = of(Slot, slot.id).taken
    said = text(post(client, f"/appointments/step/cancel/{orders['confirmed']}", follow_redirects=True))
    assert "机构已确认的预约不能取消，请联系检定机构。" in said
    item = of(Appointment, orders["confirmed"]).items
    with as_system("test"):
        key = next(iter(i.id for i in item))
    said = text(post(client, f"/items/step/cancel/{key}", follow_redirects=True))
    assert "机构已确认的预约不能取消，请联系检定机构。" in said
    assert of(Appointment, orders["confirmed"]).state == "accepted"
    post(client, f"/appointments/step/cancel/{orders['sent']}")
    assert of(Appointment, orders["sent"]).state == "withdrawn"
    assert of(Slot, slot.id).taken == before - 1


@pytest.mark.feature("APT-26")
def test_mixed_instruments_are_refused_where_they_are_booked_separately(world, home, profile):
    from app.errors import InvalidInputError

    ids = [filed(world, home).id, filed(world, home, "A1").id, filed(world, home, delivery_mode="deliver").id]
    profile("guangdong")
    for pair in (ids[:2], ids[::2]):
        with world.acting(home) as actor, pytest.raises(InvalidInputError, match="须分开预约"):
            save_draft(db.session(), actor, instrument_ids=pair)
        db.session.rollback()


@pytest.mark.feature("APT-27")
def test_the_basket_keeps_what_was_ticked_over_pages(app, world, home, profile):
    rows = [filed(world, home) for _ in range(4)]
    ids = [row.id for row in rows]
    profile("guangdong")
    client = login(app, world, home)
    done = post(client, "/book/choose", {"ids": ids[:1], "act": "basket", "here": "0"})
    assert done.location == "/book/?page=0"
    ledger = text(client.get("/instruments/list/?band=due"))
    assert 'value="basket"' in ledger
    post(client, "/instruments/action_post", {"action": "basket", "rowid": ids[1:], "back": "/home/"})
    page = text(client.get("/book/basket"))
    assert all(row.serial_no in page for row in rows)
    ordered(world, home, [ids[0]], slot_id=slot_of(world, "A").id)
    with world.acting(home) as actor:
        from app.workflow import INSTRUMENT

        fire(db.session(), INSTRUMENT, ids[1], "suspend", actor, {"reason": "装修停业两个月"})
        db.session.commit()
    page = text(client.get("/book/basket"))
    assert rows[0].serial_no not in page, "booked"
    assert rows[1].serial_no not in page, "stopped"
    together = post(client, "/book/basket", {"ids": ids[2:], "act": "book"})
    assert together.location == f"/book/?ids={ids[2]},{ids[3]}"
    assert client.get(together.location).location == f"/book/time?ids={ids[2]},{ids[3]}"
    post(client, "/book/basket", {"ids": ids[2:3], "act": "remove"})
    assert rows[2].serial_no not in text(client.get("/book/basket"))
    post(client, "/book/basket", {"act": "empty"})
    with as_system("test"):
        assert not list(db.session.scalars(select(BasketItem).where(BasketItem.instrument_id.in_(ids))))
    stranger = login(app, world, "ua2")
    assert post(stranger, "/book/choose", {"ids": ids[2:3], "act": "basket"}).status_code == 404


@pytest.mark.feature("APT-14", "APT-36")
def test_two_ticked_in_the_ledger_become_one_application(app, world, home, free, profile):
    ids = [free(home), free(home)]
    profile("zhejiang")
    client = login(app, world, home)
    ticked = post(client, "/instruments/action_post", {"action": "book", "rowid": ids})
    page = text(client.get(ticked.location, follow_redirects=True))
    for word in ("检定方式", "联系人", "联系电话", "期望日期", "备注"):
        assert word in page
    form = {"contact_name": "王小明", "contact_phone": "13912345678", "note": "", "wish_day": "2099-05-06"}
    sent = post(client, "/book/submit", {**form, "ids": ",".join(map(str, ids)), "mode": "deliver", "act": "submit"})
    assert sent.status_code == 303, text(sent)
    pk = int(sent.location.rsplit("/", 1)[1])
    order = of(Appointment, pk)
    assert (order.state, order.mode, str(order.wish_day), len(order.number)) == (
        "admin_review",
        "deliver",
        "2099-05-06",
        14,
    )
    with as_system("test"):
        assert sorted(i.instrument_id for i in order.items) == sorted(ids)
    number = of(Instrument, ids[0]).serial_no
    assert "待行政确认" in text(client.get(f"/instruments/list/?_flt_x_q={number}"))
    listed = text(client.get("/appointments/list/"))
    for word in ("预约编号", "发起预约日期", "检定机构名称", "检定机构受理情况", "王*"):
        assert word in listed
    again = client.get(f"/book/?ids={ids[0]}")
    assert f"已在预约单{order.number}中" in text(again)
    refused = text(
        post(client, f"/instruments/step/suspend/{ids[0]}", {"reason": "装修停业两个月"}, follow_redirects=True)
    )
    assert "器具已预约，请先取消预约" in refused
    edited = text(client.get(f"/instruments/edit/{ids[0]}", follow_redirects=True))
    assert "器具正在预约流程中，不能修改。" in edited
    post(client, f"/instruments/step/delete/{ids[0]}", {"reason": "重复登记的器具"})
    assert of(Instrument, ids[0]).state == "in_use"


def test_the_talk_stays_between_unit_and_institute(app, world, home, profile):
    made = filed(world, home).id
    pk = ordered(world, home, [made], slot_id=slot_of(world, "A").id)
    unit, clerk = login(app, world, home), login(app, world, "recA")
    assert post(unit, f"/appointments/say/{pk}", {"body": "<b>能否改到下午</b>"}).status_code == 303
    assert "&lt;b&gt;能否改到下午" in text(clerk.get(f"/appointments/show/{pk}"))
    assert "有新的留言" in text(clerk.get("/messages/list/"))
    assert post(clerk, f"/appointments/say/{pk}", {"body": "可以，请14点到"}).status_code == 303
    assert "可以，请14点到" in text(unit.get(f"/appointments/show/{pk}"))
    empty = post(unit, f"/appointments/say/{pk}", {"body": "  "})
    assert empty.status_code == 422
    assert "请填写“留言”" in text(empty)
    assert "可以，请14点到" not in text(login(app, world, "regA").get(f"/appointments/show/{pk}"))
    assert post(login(app, world, "ua2"), f"/appointments/say/{pk}", {"body": "你好"}).status_code == 404
    assert post(login(app, world, "regA"), f"/appointments/say/{pk}", {"body": "你好"}).status_code == 403


def test_an_item_cannot_leave_a_confirmed_order_where_the_manual_says_so(world, home, profile):
    from app.workflow.engine import why_not

    made = filed(world, home).id
    profile("guangdong")
    pk = ordered(world, home, [made], slot_id=slot_of(world, "A").id)
    desk(world, pk, "accept")
    with world.acting(home) as actor:
        item = db.session.get(Appointment, pk).items[0]
        said = why_not(db.session(), ITEM, item, ITEM.step("cancel"), actor)
    assert said == "机构已确认的预约不能取消，请联系检定机构。"
