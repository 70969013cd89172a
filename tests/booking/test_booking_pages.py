"""Booking by the pages: choosing, grouping, slots, the last page, refusals that keep what was typed."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.institute import open_slots
from models import Appointment, AppointmentItem, Institute, Slot
from models.base import db
from tests.client import login, post, text, token, visitor
from tests.world import booked, filed, instrument, slot_of

pytestmark = pytest.mark.usefixtures("context")
XSS = "<script>alert(1)</script>"


def form(ids, slot, **more):
    return {
        "ids": ",".join(str(i) for i in ids),
        "slot_id": str(slot),
        "contact_name": "王小明",
        "contact_phone": "13912345678",
        "note": "请先电话联系",
        **more,
    }


def of(model, pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(model, pk)


@pytest.mark.feature("APT-25")
def test_only_filed_instruments_without_an_order_are_offered(app, world, session):
    free, unfiled = filed(world, "ua1"), instrument(world, "ua1")
    taken = booked(world, "ua1")
    client = login(app, world, "ua1")
    assert f">{free.serial_no}<" in text(client.get(f"/book/?q={free.serial_no}"))
    assert f">{unfiled.serial_no}<" not in text(client.get(f"/book/?q={unfiled.serial_no}"))
    with world.acting("ua1"):
        serial = session.get(AppointmentItem, taken.items[0]).instrument.serial_no
    assert f">{serial}<" not in text(client.get(f"/book/?q={serial}"))
    answer = text(client.get(f"/book/?ids={unfiled.id}"))
    assert "备案尚未通过，不能预约" in answer


def test_booking_from_ticked_instruments_to_the_order(app, world, session):
    ids = [filed(world, "ua1").id for _ in range(2)]
    client, slot = login(app, world, "ua1"), slot_of(world, "A")
    answer = client.get(f"/book/?ids={ids[0]}&ids={ids[1]}")
    assert answer.status_code == 303
    page = text(client.get(answer.location))
    assert "可约" in page
    assert str(slot.day) in page
    before = of(Slot, slot.id).taken
    last = post(client, "/book/time", form(ids, slot.id))
    assert last.status_code == 200
    assert "共 2 台器具" in text(last)
    assert "2 个名额" in text(last)
    assert of(Slot, slot.id).taken == before
    done = post(client, "/book/submit", form(ids, slot.id, act="submit"))
    assert done.status_code == 303, text(done)
    made = of(Appointment, int(done.location.rsplit("/", 1)[1]))
    assert (made.state, made.contact_phone, made.note) == ("submitted", "13912345678", "请先电话联系")
    assert of(Slot, slot.id).taken == before + 2
    again = post(client, "/book/submit", form(ids, slot.id, act="submit"))
    assert again.status_code == 409
    assert "已在预约单" in text(again)
    assert of(Slot, slot.id).taken == before + 2


@pytest.mark.feature("APT-26")
def test_two_ways_are_booked_separately(app, world):
    onsite, deliver = filed(world, "ua1"), filed(world, "ua1", delivery_mode="deliver")
    client = login(app, world, "ua1")
    page = text(client.get(f"/book/?ids={onsite.id},{deliver.id}"))
    assert "不同机构、不同检定方式的器具须分开预约" in page
    assert f"/book/time?ids={onsite.id}" in page
    assert f"/book/time?ids={deliver.id}" in page
    slot = slot_of(world, "A")
    refused = post(client, "/book/submit", form([onsite.id, deliver.id], slot.id, act="submit"))
    assert refused.status_code == 409


def test_two_institutes_are_booked_separately(app, world):
    one, other = filed(world, "ua1"), filed(world, "ua1", institute="A1")
    page = text(login(app, world, "ua1").get(f"/book/?ids={one.id},{other.id}"))
    assert "不同机构、不同检定方式的器具须分开预约" in page


def test_what_is_missing_is_said_and_what_was_typed_is_kept(app, world):
    made = filed(world, "ua1")
    client = login(app, world, "ua1")
    answer = post(client, "/book/time", form([made.id], "", contact_phone="12", note=XSS))
    page = text(answer)
    assert answer.status_code == 422
    assert "请选择预约时段。" in page
    assert "7～20位" in page
    assert "&lt;script&gt;alert(1)" in page
    assert XSS not in page
    assert "王小明" in page


def test_losing_the_slot_keeps_everything_typed(app, world, session):
    ids = [filed(world, "ua1").id for _ in range(2)]
    client = login(app, world, "ua1")
    slot = slot_of(world, "A1")
    with as_system("test"):
        day = clock.today() + timedelta(days=45)  # offered by the page, and nobody else's
        open_slots(session, session.get(Institute, world.institutes["A"]), [day], capacity=1)
        own = select(Slot).where(Slot.institute_id == world.institutes["A"], Slot.mode == "onsite", Slot.day == day)
        full = session.execute(own.order_by(Slot.id)).scalars().first()
        full.capacity = full.taken + 1  # also where another test opened the day before
        session.commit()
        full_id, full_taken = full.id, full.taken
    answer = post(client, "/book/submit", form(ids, full_id, act="submit"))
    page = text(answer)
    assert answer.status_code == 422
    assert "该时段已约满，请选择其他时段。" in page
    assert "请先电话联系" in page
    assert re.search(rf'value="{full_id}"[^>]*disabled', page)
    foreign = post(client, "/book/submit", form(ids, slot.id, act="submit"))
    assert "该时段不可预约" in text(foreign)
    assert of(Slot, full_id).taken == full_taken


def test_losing_an_instrument_keeps_everything_typed(app, world):
    order, free = booked(world, "ua1"), filed(world, "ua1")
    answer = post(
        login(app, world, "ua1"),
        "/book/submit",
        form([order.instruments[0], free.id], slot_of(world, "A").id, act="submit"),
    )
    page = text(answer)
    assert answer.status_code == 409
    assert f"已在预约单{order.number}中" in page
    assert "请先电话联系" in page
    assert "预约这一组" in page


def test_a_draft_takes_no_place_and_can_be_submitted(app, world):
    made, slot = filed(world, "ua1"), slot_of(world, "A")
    client, before = login(app, world, "ua1"), of(Slot, slot.id).taken
    answer = post(client, "/book/submit", form([made.id], slot.id, act="draft"))
    pk = int(answer.location.rsplit("/", 1)[1])
    assert of(Appointment, pk).state == "draft"
    assert of(Slot, slot.id).taken == before
    assert client.get(f"/appointments/show/{pk}").status_code == 200
    assert login(app, world, "recA").get(f"/appointments/show/{pk}").status_code == 404
    assert post(client, f"/appointments/step/submit/{pk}").status_code == 303
    assert of(Appointment, pk).state == "submitted"
    assert of(Slot, slot.id).taken == before + 1


@pytest.mark.parametrize(("who", "status"), [("ua2", 404), ("ub1", 404), ("recA", 403), ("regA", 403), ("adm", 403)])
@pytest.mark.must_never(12)
def test_foreign_instruments_cannot_be_booked(app, world, who, status):
    made = filed(world, "ua1")
    client = login(app, world, who)
    assert client.get(f"/book/time?ids={made.id}").status_code == status
    assert post(client, "/book/submit", form([made.id], 1, act="submit")).status_code == status


def test_a_visitor_is_sent_to_log_in(app):
    assert visitor(app).get("/book/?ids=1").location.startswith("/login/?next=/book/")


# -- the order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("ua1", 200),
        ("recA", 200),
        ("verA", 200),
        ("imgA", 200),
        ("regA", 200),
        ("regA1", 200),
        ("regP", 200),
        ("ua2", 404),
        ("ub1", 404),
        ("recB", 404),
        ("regA2", 404),
        ("regB", 404),
        ("aud", 403),
        ("adm", 403),
    ],
)
def test_who_sees_an_order(app, world, who, status):
    order = booked(world, "ua1", delivery_mode="deliver")
    client = login(app, world, who)
    answer = client.get(f"/appointments/show/{order.id}")
    assert (answer.status_code, client.get(f"/appointments/sheet/{order.id}").status_code) == (status, status)
    if status == 200:
        page = text(answer)
        assert order.number in page
        assert "待送检" in page
        assert "送检期限" in page
        assert ("139****" in page) == (who != "ua1"), "only the unit reads its number without asking for it (ROLES 4)"
        assert order.number in text(client.get("/appointments/list/"))


@pytest.mark.feature("APT-09")
def test_the_sheet_lists_every_instrument_over_pages(app, world):
    from pypdf import PdfReader

    order = booked(world, "ua1", count=32)
    answer = login(app, world, "ua1").get(f"/appointments/sheet/{order.id}")
    assert answer.mimetype == "application/pdf"
    assert "filename*=UTF-8''" in answer.headers["Content-Disposition"]
    reader = PdfReader(io.BytesIO(answer.data))
    said = "".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 1
    with world.acting("ua1"):
        for pk in order.items:
            assert db.session.get(AppointmentItem, pk).instrument.serial_no in said
    assert order.number in said
    assert any("FontFile2" in str(font.get_object()) for font in _descriptors(reader))


def _descriptors(reader):
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            below = font.get_object().get("/DescendantFonts")
            yield (below[0].get_object() if below else font.get_object())["/FontDescriptor"]


@pytest.mark.feature("APT-29")
def test_a_refusal_needs_a_reason_and_frees_the_instruments(app, world):
    made, slot = filed(world, "ua1"), slot_of(world, "A")
    unit, desk = login(app, world, "ua1"), login(app, world, "recA")
    before = of(Slot, slot.id).taken
    pk = int(post(unit, "/book/submit", form([made.id], slot.id, act="submit")).location.rsplit("/", 1)[1])
    page = text(post(desk, f"/appointments/step/reject/{pk}", follow_redirects=True))
    assert "请填写原因" in page
    assert of(Appointment, pk).state == "submitted"
    post(desk, f"/appointments/step/reject/{pk}", {"reason": "当日设备停用检修"})
    assert of(Appointment, pk).state == "rejected"
    assert of(Slot, slot.id).taken == before
    assert "当日设备停用检修" in text(unit.get(f"/appointments/show/{pk}"))
    assert unit.get(f"/book/?ids={made.id}").status_code == 303


def test_rescheduling_offers_free_slots_and_moves_the_places(app, world):
    made = filed(world, "ua1")
    with as_system("test"):  # a unit moves it by itself up to a day before
        ahead = (Slot.institute_id == world.institutes["A"], Slot.mode == "onsite", Slot.taken < Slot.capacity)
        late = select(Slot).where(*ahead, ~Slot.closed, Slot.day > clock.today() + timedelta(days=2))
        slot = db.session.scalars(late.order_by(Slot.day)).first()
    client = login(app, world, "ua1")
    pk = int(post(client, "/book/submit", form([made.id], slot.id, act="submit")).location.rsplit("/", 1)[1])
    page = text(client.get(f"/appointments/step/reschedule/{pk}"))
    offered = [int(v) for v in re.findall(r'<option value="(\d+)"', page)]
    assert offered
    assert slot.id not in offered
    before = of(Slot, slot.id).taken
    answer = post(client, f"/appointments/step/reschedule/{pk}", {"slot_id": offered[0], "reason": "司机当天没有空"})
    assert answer.status_code == 303, text(answer)
    assert of(Appointment, pk).slot_id == offered[0]
    assert of(Slot, slot.id).taken == before - 1


def test_a_stale_page_is_refused(app, world):
    made, slot = filed(world, "ua1"), slot_of(world, "A")
    unit, desk = login(app, world, "ua1"), login(app, world, "recA")
    pk = int(post(unit, "/book/submit", form([made.id], slot.id, act="submit")).location.rsplit("/", 1)[1])
    seen = of(Appointment, pk).version
    post(desk, f"/appointments/step/accept/{pk}", {"seen_version": seen, "note": ""})
    assert of(Appointment, pk).state == "accepted"
    answer = post(desk, f"/appointments/step/accept/{pk}", {"seen_version": seen, "note": ""}, follow_redirects=True)
    assert "该记录已被他人处理，请刷新后重试。" in text(answer)


@pytest.mark.feature("APT-28")
def test_of_two_rivals_for_the_last_place_one_wins(app, world, session):
    """Full and past slots cannot be taken either, whatever a page sends."""
    from datetime import timedelta
    from threading import Barrier, Thread

    from app import clock

    slot = Slot(
        institute_id=world.institutes["A"],
        mode="onsite",
        day=clock.today() + timedelta(days=50),
        period="morning",
        capacity=1,
        taken=0,
    )
    past = Slot(
        institute_id=world.institutes["A"],
        mode="onsite",
        day=clock.today() - timedelta(days=3),
        period="morning",
        capacity=9,
        taken=0,
    )
    with as_system("test"):
        session.add_all([slot, past])
        session.commit()
        pk, past_pk = slot.id, past.id
    rivals = []
    for nick in ("ua1", "ua2"):
        made = filed(world, nick)
        rivals.append((login(app, world, nick), form([made.id], pk, act="submit")))
    assert "该时段不可预约" in text(post(rivals[0][0], "/book/submit", {**rivals[0][1], "slot_id": past_pk}))
    with as_system("test"):  # other tests take the first slot they find
        session.delete(session.get(Slot, past_pk))
        session.commit()
    start, answers = Barrier(2), []

    def press(client, data):
        data = {**data, "csrf_token": token(client)}
        start.wait()
        answers.append(client.post("/book/submit", data=data))

    threads = [Thread(target=press, args=rival) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [303, 422]
    lost = next(a for a in answers if a.status_code == 422)
    assert "该时段已约满，请选择其他时段。" in text(lost)
    assert of(Slot, pk).taken == 1
    third = post(rivals[0][0], "/book/time", form([filed(world, "ua1").id], pk))
    assert "该时段已约满" in text(third)
