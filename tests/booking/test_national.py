"""强检器具预约申请 as manual 001 has it: one application over several institutes, receipts, drafts, cancelling items."""

from __future__ import annotations

import re
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from app.access.principal import acting_as, as_system
from app.operations.appointment import book, save_draft, submit
from app.workflow import APPOINTMENT, ITEM, fire
from models import Appointment, AppointmentItem, Instrument
from models.base import db
from tests.client import login, post, text

pytestmark = pytest.mark.usefixtures("context")
CONTACT = {"contact_name": "王小明", "contact_phone": "13912345678", "note": "", "slot_id": "", "wish_day": ""}
OPEN = re.compile(r"/appointments/show/(\d+)")


@pytest.fixture
def national(profile):
    profile("national")


def of(model, pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(model, pk)


def below(pk):
    with as_system("test"):
        db.session.expire_all()
        return list(db.session.scalars(select(Appointment).where(Appointment.parent_id == pk).order_by(Appointment.id)))


def answered(world, order, step="accept", **data):
    who = next(f"rec{nick}" for nick, pk in world.institutes.items() if pk == order.institute_id)
    with world.acting(who) as actor:
        fire(db.session(), APPOINTMENT, order.id, step, actor, data)
        db.session.commit()


def serial(pk):
    return of(Instrument, pk).serial_no


@pytest.mark.feature("APT-06", "APT-07", "APT-01", "APT-13")
def test_two_districts_make_one_application_with_two_receipts(app, world, home, free, profile):
    # a county of B's that other tests give no institute of its own
    ids = [free(home, "440103"), free(home, "440307", delivery_mode="deliver")]
    profile("national")
    client = login(app, world, home)
    page = client.get(f"/book/?ids={ids[0]},{ids[1]}")
    assert page.status_code == 303, text(page)
    last = text(post(client, "/book/time", {**CONTACT, "ids": f"{ids[0]},{ids[1]}"}))
    assert "生成 2 张预约单，共 2 台器具" in last
    done = post(client, "/book/submit", {**CONTACT, "ids": f"{ids[0]},{ids[1]}", "act": "submit"})
    assert done.status_code == 303, text(done)
    parent = of(Appointment, int(OPEN.search(done.location).group(1)))
    orders = below(parent.id)
    assert parent.state == "split"
    assert len(parent.number) == 13
    assert {o.institute_id for o in orders} == {world.institutes["A1"], world.institutes["B"]}
    assert {o.mode for o in orders} == {"onsite", "deliver"}
    shown = text(client.get(f"/appointments/show/{parent.id}"))
    with as_system("test"):
        for order in orders:
            assert order.institute.name in shown
            assert order.number in shown
    assert 'data-guide="deliver"' in shown
    assert 'data-guide="onsite"' in shown
    assert "020-12345678" in shown
    listed = text(client.get("/appointments/list/"))
    assert parent.number in listed
    assert orders[0].number not in listed, "the unit reads one application"
    assert f'/appointments/show/{parent.id}"' in text(client.get("/appointments/list/?_flt_x_stage=sent"))
    assert f'/appointments/show/{parent.id}"' not in text(client.get("/appointments/list/?_flt_x_stage=answered"))
    answered(world, orders[0], note="请准备砝码")
    assert 'chip-info">已提交' in text(client.get(f"/appointments/show/{parent.id}")), "one institute has not answered"
    answered(world, orders[1], "reject", reason="设备停用检修中")
    shown = text(client.get(f"/appointments/show/{parent.id}"))
    assert "已反馈" in shown
    for words in ("受理结果", "不受理", "设备停用检修中", "请准备砝码", "解放路1号", "安排时间", "送检方式"):
        assert words in shown
    assert f'/appointments/show/{parent.id}"' in text(client.get("/appointments/list/?_flt_x_stage=answered"))
    assert f'/appointments/show/{parent.id}"' not in text(client.get("/appointments/list/?_flt_x_stage=sent"))
    assert parent.number in text(client.get(f"/appointments/list/?_flt_1_number={parent.number}"))
    assert orders[1].number in text(client.get(f"/appointments/list/?_flt_1_number={orders[1].number}"))
    assert client.get(f"/appointments/sheet/{parent.id}").mimetype == "application/pdf"


@pytest.mark.feature("APT-06")
def test_what_no_institute_takes_is_shown_as_unassigned_with_the_cure(app, world, home, free, profile):
    lost, good = free(home), free(home)
    with as_system("test"):
        db.session.get(Instrument, lost).use_division = "150802"
        db.session.commit()
    profile("national")
    client = login(app, world, home)
    page = text(client.get(f"/book/?ids={lost},{good}"))
    assert "未分配" in page
    assert "请核对种别和使用地点，或联系当地监管部门" in page
    assert f"/book/time?ids={good}" in page
    with world.acting(home) as actor:
        draft = save_draft(db.session(), actor, instrument_ids=[lost, good])
        assert draft.institute_id is None
        db.session.commit()
    shown = text(client.get(f"/appointments/show/{draft.id}"))
    assert "未分配" in shown
    refused = text(post(client, f"/appointments/step/submit/{draft.id}", follow_redirects=True))
    assert "没有可受理的检定机构" in refused
    assert of(Appointment, draft.id).number is None


@pytest.mark.feature("APT-02", "APT-03", "APT-04")
def test_a_draft_is_changed_emptied_refused_and_submitted(app, world, home, free, profile):
    first, second, third = free(home), free(home), free(home)
    profile("national")
    client = login(app, world, home)
    made = post(client, "/book/submit", {**CONTACT, "ids": f"{first},{second}", "act": "draft"})
    pk = int(OPEN.search(made.location).group(1))
    assert (of(Appointment, pk).number, of(Appointment, pk).state) == (None, "draft")
    assert f">{serial(first)}<" not in text(client.get(f"/book/?q={serial(first)}")), "in a draft, so not offered again"
    with as_system("test"):
        items = {i.instrument_id: i.id for i in db.session.get(Appointment, pk).items}
    page = text(client.get(f"/book/draft/{pk}"))
    assert serial(first) in page
    version = of(Appointment, pk).version
    change = {**CONTACT, "seen_version": version, "act": "save", "note": "下午联系", "wish_day": "2000-01-01"}
    wrong = post(client, f"/book/draft/{pk}", {**change, "remove": items[first]})
    assert wrong.status_code == 422
    assert "“期望日期”不能早于今天" in text(wrong)
    assert "下午联系" in text(wrong)
    assert f'value="{items[first]}" checked' in text(wrong)
    change["wish_day"] = "2099-01-02"
    saved = post(client, f"/book/draft/{pk}", {**change, "remove": items[first], "add": third, "mode": "deliver"})
    assert saved.status_code == 303, text(saved)
    draft = of(Appointment, pk)
    assert (draft.note, str(draft.wish_day), draft.mode) == ("下午联系", "2099-01-02", "deliver")
    with as_system("test"):
        live = {i.instrument_id: i.mode for i in draft.items if i.state == "pending"}
    assert live == {second: "deliver", third: "deliver"}
    assert f">{serial(first)}<" in text(client.get(f"/book/?q={serial(first)}")), "taken out, so free again"
    stale = post(client, f"/book/draft/{pk}", {**change, "act": "save"})
    assert "已被他人处理" in text(stale)
    with as_system("test"):
        gone = [i.id for i in of(Appointment, pk).items if i.state == "pending"]
    version = of(Appointment, pk).version
    emptied = post(client, f"/book/draft/{pk}", {**change, "seen_version": version, "remove": gone, "act": "submit"})
    assert emptied.status_code == 422
    assert "请选择至少一台器具。" in text(emptied)
    sent = post(client, f"/book/draft/{pk}", {**change, "seen_version": version, "act": "submit"})
    assert sent.status_code == 303, text(sent)
    order = of(Appointment, pk)
    assert order.state == "submitted"
    assert re.fullmatch(r"\d{13}", order.number)
    with as_system("test"):
        assert all(i.instrument.code for i in order.items if i.state == "assigned")
    late = client.get(f"/book/draft/{pk}", follow_redirects=True)
    assert "只有“待提交”的预约单可以修改或删除。" in text(late)
    refused = text(post(client, f"/appointments/step/delete/{pk}", follow_redirects=True))
    assert "不能执行“删除草稿”" in refused
    assert of(Appointment, pk).state == "submitted"
    assert login(app, world, "ua2").get(f"/book/draft/{pk}").status_code == 404


@pytest.mark.feature("APT-10", "APT-08", "APT-11")
def test_items_are_cancelled_one_by_one_and_tell_their_flow(app, world, home, free, profile):
    ids = [free(home, delivery_mode="deliver") for _ in range(3)]
    other = [free(home) for _ in range(2)]
    profile("national")
    with world.acting(home) as actor:
        order = book(db.session(), actor, instrument_ids=ids)
        db.session.commit()
        pk, items = order.id, sorted(i.id for i in order.items)
    with as_system("test"):
        db.session.get(Instrument, ids[0]).place = "搬到了新市场"
        db.session.commit()
    client = login(app, world, home)
    shown = text(client.get(f"/items/show/{items[0]}"))
    assert "农贸市场1号（台账现为：搬到了新市场）" in shown
    assert "已分配给检定机构，等待机构受理" in shown, "the status explains itself"
    assert "待受理" in shown
    page = text(client.get(f"/appointments/show/{pk}"))
    assert "待受理" in page
    assert "流程状态说明" in page
    answer = post(client, "/items/action_post", {"action": "cancel", "rowid": items[0], "back": "/home/"})
    assert answer.status_code == 303
    assert (of(AppointmentItem, items[0]).state, of(Appointment, pk).state) == ("cancelled", "submitted")
    answered(world, of(Appointment, pk))
    who = next(f"rec{nick}" for nick, key in world.institutes.items() if key == of(Appointment, pk).institute_id)
    with world.acting(who) as actor:
        fire(db.session(), ITEM, items[1], "receive", actor, {"checked": True})
        db.session.commit()
    kept = text(post(client, f"/items/step/cancel/{items[1]}", follow_redirects=True))
    assert "不能执行“取消预约”" in kept
    assert of(AppointmentItem, items[1]).state == "received"
    assert "已送检" in text(client.get(f"/items/show/{items[1]}"))
    with world.acting(home) as actor:
        second = book(db.session(), actor, instrument_ids=other)
        db.session.commit()
        keys = [i.id for i in second.items]
    post(client, "/items/action_post", {"action": "cancel", "rowid": keys, "back": "/home/"})
    assert of(Appointment, second.id).state == "withdrawn", "all cancelled: the order is closed"


@pytest.mark.parametrize(("name", "digits"), [("national", 13), ("zhejiang", 14)])
@pytest.mark.feature("APT-12")
def test_fifty_submissions_at_once_get_fifty_numbers(app, world, home, free, profile, name, digits):
    ids = [free(home) for _ in range(50)]
    profile(name)
    with world.acting(home) as actor:
        drafts = [save_draft(db.session(), actor, instrument_ids=[pk]).id for pk in ids]
        db.session.commit()
    start, wrong = Barrier(50), []

    def press(pk):
        with app.app_context():
            start.wait()
            try:
                with acting_as(actor):
                    submit(db.session(), actor, pk)
                    db.session.commit()
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))
            finally:
                db.session.remove()

    threads = [Thread(target=press, args=(pk,)) for pk in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with as_system("test"):
        db.session.expire_all()
        numbers = list(db.session.scalars(select(Appointment.number).where(Appointment.id.in_(drafts))))
    assert len(set(numbers)) == 50
    assert {len(n) for n in numbers} == {digits}
