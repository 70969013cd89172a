"""The list of orders of manual 002: columns, summary, masked contact, notes, and the buttons of each state."""

from __future__ import annotations

import re

import pytest

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError, QuanhengError
from app.operations.appointment import submit
from models.appointment import Appointment
from models.organisation import Unit
from tests.client import login, post, text, visitor
from tests.clocks.test_terms import FRIDAY, run
from tests.world import instrument, new_unit

assert visitor
HEADS = [
    "预约编号",
    "发起预约日期",
    "联系人",
    "检定机构名称",
    "检定机构电话",
    "检定机构地址",
    "检定机构受理情况",
    "检定方式",
    "剩余撤销天数",
    "状态",
]


def rows(page):
    """Number of each order → (the text of its row, the words of its buttons)."""
    body = page.split("<tbody>")[1].split("</tbody>")[0] if "<tbody>" in page else ""
    found = {}
    for row in body.split("<tr")[1:]:
        cells = re.sub(r"<[^>]+>", " ", row)
        ends = row.split('class="ends"')[1]
        words = re.findall(r'(?:<a class="btn[^>]*>|<button type="submit" class="btn[^>]*>)([^<]+)<', ends)
        key = re.search(r'data-row-url="/appointments/show/(\d+)"', row).group(1)
        found[int(key)] = (cells, [w.strip() for w in words])
    return found


@pytest.fixture
def unit(world, session, profile):
    profile("all")
    with as_system("test"):
        pass
    nick = f"uz{len(world.people)}"
    new_unit(world, nick, "440103", "recA", "A")
    profile("zhejiang")
    return nick


@pytest.mark.feature("APT-15")
def test_columns_summary_and_mask(app, world, orders, session, unit):
    first = orders.sent(2, unit=unit)
    second = orders.sent(1, unit=unit, serial_no="Z-SERIAL-77")
    browser = login(app, world, unit)
    page = text(browser.get("/appointments/list/"))
    heads = [
        re.sub(r"<[^>]+>|[⇅▲▼]", "", h).strip()
        for h in re.findall(r"<th scope=\"col\" data-col[^>]*>(.*?)</th>", page, re.DOTALL)
    ]
    assert heads == HEADS
    assert "预约总数为2条，涉及器具数量3个" in page
    found = rows(page)
    assert set(found) == {first, second}
    with as_system("test"):
        contact = session.get(Unit, world.units[unit])
        name, phone = contact.contact_name, contact.contact_phone
    assert f"{name[0]}*" in found[first][0]
    assert name not in page.split("<tbody>")[1].split("</tbody>")[0], "masked for the unit too"
    assert phone not in page
    number = orders.row(second).number
    narrowed = text(browser.get("/appointments/list/?_flt_x_serial_no=Z-SERIAL"))
    assert "预约总数为1条，涉及器具数量1个" in narrowed, "the counts are those of the filtered rows"
    assert number in narrowed
    assert "预约总数" not in text(
        browser.get("/appointments/list/?_flt_x_serial_no=NOTHING")
    ) or "预约总数为0条" in text(browser.get("/appointments/list/?_flt_x_serial_no=NOTHING"))
    assert "受理后7个工作日（可申请延长至14工作日）未送检的，系统将自动撤销" in page
    assert "受理后30个自然日未检定完成的，系统将短信提醒检定机构尽快完成检定" in page
    assert "杭州市相关的预约单请前往杭州市民生计量公共服务平台办理。" in page
    assert page.index("注意事项") < page.index("<tbody>"), "the notes stand above the list"


@pytest.mark.feature("APT-16")
def test_the_buttons_of_each_state_and_the_server_agree(app, world, orders, session, unit):
    with clock.frozen(FRIDAY):
        made = {
            "draft": orders.draft(unit=unit),
            "admin_review": orders.sent(unit=unit),
            "submitted": orders.sent(unit=unit),
            "accepted": orders.accepted(unit=unit),
            "onsite": orders.accepted(unit=unit, mode="onsite"),
            "withdrawn": orders.sent(unit=unit),
            "auto": orders.accepted(unit=unit),
        }
        orders.step(made["submitted"], "admin_approve", "regA1")
        orders.step(made["withdrawn"], "cancel", unit)
        # its term alone has passed
        with as_system("test"):
            session.get(Appointment, made["auto"]).deadline_at = FRIDAY.replace(hour=1)
            session.commit()
        run(session)
        found = rows(text(login(app, world, unit).get("/appointments/list/")))
        expected = {
            "draft": ["提交", "撤销"],
            "admin_review": ["查看", "撤销"],
            "submitted": ["查看", "申请撤销"],
            "accepted": ["查看", "申请撤销", "申请延长"],
            "onsite": ["查看", "申请撤销"],
            "withdrawn": ["查看"],
            "auto": ["查看", "申请恢复"],
        }
        assert {key: found[pk][1] for key, pk in made.items()} == expected
        every = {
            "cancel": {"admin_review"},
            "request_withdraw": {"submitted", "accepted", "onsite"},
            "request_extension": {"accepted"},
            "request_restore": {"auto"},
            "delete": {"draft"},
        }
        with pytest.raises(QuanhengError):
            orders.step(made["draft"], "submit", unit)  # past the administration
        session.rollback()
        for step, allowed in every.items():
            for key in set(made) - allowed:
                before = orders.row(made[key]).state
                with pytest.raises(QuanhengError):
                    orders.step(made[key], step, unit)
                session.rollback()
                assert orders.row(made[key]).state == before, (step, key)


@pytest.mark.feature("APT-17")
def test_the_administration_confirms_and_the_unit_reads_every_number(app, world, orders, session, unit):
    pk = orders.draft(2, unit=unit)
    with world.acting(unit) as actor:
        from app.operations.appointment_draft import change_draft

        more = instrument(world, unit, delivery_mode="onsite")
        change_draft(session, actor, pk, add=[more.id], contact_name="王小明", contact_phone="13900000000")
        session.commit()
        submit(session, actor, pk)
        session.commit()
    assert orders.row(pk).state == "admin_review"
    browser = login(app, world, "regA1")
    assert "行政确认" in text(browser.get(f"/appointments/show/{pk}"))
    assert post(browser, f"/appointments/step/admin_approve/{pk}").status_code == 303
    (said,) = orders.messages("你有一个强检预约申请审核通过", unit)
    with as_system("test"):
        session.expire_all()
        from sqlalchemy import select

        numbers = list(session.scalars(select(Appointment.number).where(Appointment.parent_id == pk)))
    assert len(numbers) == 2
    assert "本次预约共生成2张预约单" in said.subject
    assert all(number in said.subject for number in numbers)


@pytest.mark.feature("APT-22")
def test_bookings_of_one_city_are_made_elsewhere(app, world, orders, session, unit, profile):
    address = "https://example.org/hangzhou"
    profile("zhejiang", appointment__redirect_url=address, appointment__redirect_regions=["3301", "440104"])
    browser = login(app, world, unit)
    for page in ("/appointments/list/", "/warnings/list/"):
        shown = text(browser.get(page))
        assert "杭州市相关的预约单请前往杭州市民生计量公共服务平台办理。" in shown
        assert f'href="{address}"' in shown
        assert "前往杭州市民生计量公共服务平台" in shown
    there = instrument(world, unit, division="440104", delivery_mode="deliver")
    from app.operations.appointment_draft import save_draft

    with world.acting(unit) as actor:
        with pytest.raises(InvalidInputError, match="请前往杭州市民生计量公共服务平台办理") as refused:
            save_draft(session, actor, instrument_ids=[there.id])
        assert refused.value.fix_url == address
        session.rollback()
    profile("zhejiang", appointment__redirect_regions=[])
    with world.acting(unit) as actor:
        draft = save_draft(session, actor, instrument_ids=[there.id]).id
        session.commit()
    profile("zhejiang", appointment__redirect_url=address, appointment__redirect_regions=["440104"])
    with world.acting(unit) as actor:
        with pytest.raises(InvalidInputError, match="请前往杭州市") as refused:
            submit(session, actor, draft)
        assert refused.value.fix_url == address, "at submission as well"
        session.rollback()
    assert orders.row(draft).state == "draft"


@pytest.mark.feature("APT-18")
def test_number_and_button_both_lead_to_instruments_and_log(app, world, orders, session, unit):
    pk = orders.accepted(unit=unit)
    browser = login(app, world, unit)
    page = text(browser.get("/appointments/list/"))
    assert page.count(f'href="/appointments/show/{pk}"') == 2, "the number and 查看"
    shown = text(browser.get(f"/appointments/show/{pk}"))
    item = orders.items(pk)[0]
    with as_system("test"):
        serial = session.merge(item).instrument.serial_no
    assert serial in shown
    for step in ("提交申请", "行政确认", "确认受理"):
        assert step in shown, "the log lists each step"


@pytest.mark.feature("APT-33")
@pytest.mark.parametrize(
    "name, word", [("national", "已反馈"), ("zhejiang", "检定机构已受理"), ("guangdong", "已确认")]
)
def test_acceptance_changes_the_state_in_all_three_variants(app, world, orders, session, profile, name, word):
    from tests.world import booked

    if name == "guangdong":
        profile("guangdong", category__pv_certificate="optional")
        pk = booked(world, "ua1").id
    else:
        profile(name)
        pk = orders.accepted()
    assert orders.row(pk).state == "accepted"
    assert orders.row(pk).accepted_at is not None
    assert (orders.row(pk).deadline_at is not None) == (name == "zhejiang"), "acceptance starts the clock"
    assert word in text(login(app, world, "ua1").get(f"/appointments/show/{pk}"))
