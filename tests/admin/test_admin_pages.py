"""Pages of the administrator and of everybody: who opens what, slots, institutes, messages, mails, audit, search."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.operations.appointment import book
from app.operations.message import receive
from models import CalendarException, Category, Institute, InstituteCapability, Message, Slot, Unit
from tests.client import login, post, text, visitor
from tests.world import booked, filed, issued, slot_of

pytestmark = pytest.mark.usefixtures("context")
PAGES = {
    "/slots/list/": {"recA", "imgA"},
    "/slots/open": {"imgA"},
    "/units/list/": {"ua1", "recA", "verA", "imgA", "regA", "adm"},
    "/institutes/list/": {"adm"},
    "/institutes/add": {"adm"},
    "/institutes/options": {"ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec"},
    "/institutes/areas?term=广州": {"adm"},
    "/capabilities/list/": {"adm", "imgA"},
    "/capabilities/add": {"adm", "imgA"},
    "/categories/list/": {"adm"},
    "/categories/options": {"ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec"},
    "/calendar/list/": {"adm"},
    "/calendar/add": {"adm"},
    "/mails/list/": {"adm"},
    "/settings/": {"adm", "sec"},
    "/settings/edit?key=hotline": {"adm"},
    "/settings/export.yaml": {"adm", "sec"},
    "/site/": {"adm"},
    "/site/text?key=privacy": {"adm"},
    "/accounts/issue": {"adm"},
    "/accounts/import": {"adm"},
    "/audit/list/": {"aud", "sec"},
    "/messages/list/": {"ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec"},
    "/accounts/list/": {"ua1", "recA", "imgA", "regA", "adm", "aud", "sec"},
    "/appointments/list/": {"ua1", "recA", "verA", "imgA", "regA"},
    "/items/list/": {"ua1", "recA", "verA", "imgA", "regA"},
    "/certificates/list/": {"ua1", "recA", "verA", "imgA", "regA"},
    "/help/workflows": {"ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec"},
    "/search?q=加油": {"ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec"},
    "/book/": {"ua1"},
}
PEOPLE = ("ua1", "recA", "verA", "imgA", "regA", "adm", "aud", "sec")


@pytest.mark.parametrize("who", PEOPLE)
def test_every_page_opens_for_its_roles_only(app, world, who):
    client = login(app, world, who)
    for url, allowed in PAGES.items():
        found = client.get(url, follow_redirects=url.startswith("/search")).status_code
        assert found == (200 if who in allowed else 403), (url, who)


def test_visitors_are_sent_to_log_in(app):
    browser = visitor(app)
    for url in PAGES:
        answer = browser.get(url)
        assert answer.status_code in {302, 303}, url
        assert "/login/" in answer.location, url


def test_menu_links_lead_to_pages(app, world):
    import re

    for who in PEOPLE:
        client = login(app, world, who)
        side = text(client.get("/home/")).split("</aside>")[0]
        for href in set(re.findall(r'<li><a href="([^"]+)"', side)):
            assert client.get(href, follow_redirects=True).status_code == 200, (who, href)


# -- slots ---------------------------------------------------------------------------------------------------------------


def far(days: int) -> str:
    return (clock.today() + timedelta(days=days)).isoformat()


@pytest.mark.feature("APT-32")
def test_opening_changing_and_closing_slots(app, world, session):
    head = login(app, world, "imgA")
    wrong = post(
        head,
        "/slots/open",
        {"first": far(40), "last": far(39), "modes": ["onsite"], "periods": ["morning"], "capacity": "7"},
    )
    assert wrong.status_code == 422
    assert "“结束日期”不能早于“开始日期”。" in text(wrong)
    assert f'value="{far(40)}"' in text(wrong)
    span = {"first": far(40), "last": far(46), "modes": ["onsite"], "periods": ["morning"], "capacity": "7"}
    every = post(head, "/slots/open", span, follow_redirects=True)
    assert "新开放7个时段" in text(every)
    assert "新开放0个时段，原有7个保持不变" in text(post(head, "/slots/open", span, follow_redirects=True))
    working = {**span, "periods": ["afternoon"], "workdays_only": "y"}
    post(head, "/slots/open", working)
    with as_system("test"):
        mine = select(func.count()).where(
            Slot.institute_id == world.institutes["A"],
            Slot.day >= clock.today() + timedelta(days=40),
            Slot.day <= clock.today() + timedelta(days=46),
            Slot.mode == "onsite",
        )
        assert session.scalar(mine.where(Slot.period == "morning")) == 7
        assert session.scalar(mine.where(Slot.period == "afternoon")) < 7
        slot = session.execute(
            select(Slot).where(
                Slot.institute_id == world.institutes["A"],
                Slot.day == clock.today() + timedelta(days=40),
                Slot.mode == "onsite",
                Slot.period == "morning",
            )
        ).scalar_one()
        pk = slot.id
    ids = [filed(world, "ua1").id for _ in range(3)]
    with world.acting("ua1") as actor:
        book(session, actor, instrument_ids=ids, slot_id=pk)
        session.commit()
    few = post(head, f"/slots/edit/{pk}", {"capacity": "2"})
    assert few.status_code == 422
    assert "已有3台预约，容量不能低于该数" in text(few)
    assert 'value="2"' in text(few)
    assert post(head, f"/slots/edit/{pk}", {"capacity": "4"}).status_code == 303
    unit, made = login(app, world, "ua1"), filed(world, "ua1")
    shown = text(unit.get(f"/book/time?ids={made.id}"))
    assert f'value="{pk}"' in shown
    post(head, "/slots/action_post", {"action": "close", "rowid": [pk]})
    with as_system("test"):
        session.expire_all()
        assert (session.get(Slot, pk).capacity, session.get(Slot, pk).taken, session.get(Slot, pk).closed) == (
            4,
            3,
            True,
        )
    assert f'value="{pk}"' not in text(unit.get(f"/book/time?ids={made.id}"))
    post(head, f"/slots/action/reopen/{pk}")
    assert f'value="{pk}"' in text(unit.get(f"/book/time?ids={made.id}"))
    assert post(login(app, world, "recA"), f"/slots/edit/{pk}", {"capacity": "9"}).status_code == 403
    foreign = login(app, world, "imgB")
    assert foreign.get(f"/slots/show/{pk}").status_code == 404
    assert post(foreign, f"/slots/edit/{pk}", {"capacity": "9"}).status_code == 404


# -- institutes, capabilities, catalogue, calendar -----------------------------------------------------------------------


def test_a_new_institute_is_authorised_for_all_mandatory_categories(app, world, session):
    admin = login(app, world, "adm")
    form = {
        "name": "番禺计量检定所<b>",
        "code": "PY01",
        "division": "440113",
        "address": "市桥路1号",
        "phone": "020-1",
        "authorisation_no": "（粤）法计（2026）01",
        "authorised_until": far(900),
    }
    bad = post(admin, "/institutes/add", {**form, "code": "番禺"})
    assert bad.status_code == 422
    assert "2～8位字母或数字" in text(bad)
    assert "市桥路1号" in text(bad)
    answer = post(admin, "/institutes/add", form)
    assert answer.status_code == 303, text(answer)
    page = text(admin.get(answer.location))
    assert "登记全部强检种别授权" in page
    assert "番禺计量检定所&lt;b&gt;" in page
    pk = int(answer.location.rsplit("/", 1)[1])
    with as_system("test"):
        assert session.get(Institute, pk).level == "county"
    post(admin, f"/institutes/action/authorise_all/{pk}")
    with as_system("test"):
        wanted = sum(1 for c in session.execute(select(Category).where(Category.valid)).scalars() if c.mandatory)
        held = select(func.count()).where(InstituteCapability.institute_id == pk)
        assert session.scalar(held) == wanted
    twice = post(admin, "/institutes/add", form)
    assert twice.status_code == 422
    changed = post(admin, f"/institutes/edit/{pk}", {**form, "phone": "020-2"})
    assert changed.status_code == 303, text(changed)


def test_an_institutes_head_sees_its_own_capabilities_only(app, world, session):
    with as_system("test"):
        one = select(InstituteCapability.id).limit(1)
        own = session.scalar(one.where(InstituteCapability.institute_id == world.institutes["A"]))
        other = session.scalar(one.where(InstituteCapability.institute_id == world.institutes["B"]))
    head = login(app, world, "imgA")
    assert head.get(f"/capabilities/show/{own}").status_code == 200
    assert head.get(f"/capabilities/show/{other}").status_code == 404
    assert head.get(f"/capabilities/edit/{own}").status_code == 200
    assert head.get(f"/capabilities/edit/{other}").status_code == 404
    admin = login(app, world, "adm")
    assert admin.get(f"/capabilities/show/{other}").status_code == 200
    page = text(admin.get(f"/capabilities/edit/{other}"))
    assert "检定规程" in page


def test_catalogue_and_calendar(app, world, session):
    admin = login(app, world, "adm")
    row = session.execute(select(Category).where(Category.level2 == "非自动衡器")).scalar_one()
    pk, before = row.id, row.cycle_months
    form = {
        "verification_mode": row.verification_mode,
        "scope_text": row.scope_text,
        "typical_use": row.typical_use,
        "supervision": row.supervision,
        "valid": "y",
    }
    assert "1～120" in text(post(admin, f"/categories/edit/{pk}", {**form, "cycle_months": "999"}))
    assert post(admin, f"/categories/edit/{pk}", {**form, "cycle_months": str(before)}).status_code == 303
    day = "2031-05-05"
    answer = post(admin, "/calendar/add", {"day": day, "kind": "holiday", "holiday": "试验日"})
    assert answer.status_code == 303, text(answer)
    assert "试验日" in text(admin.get("/calendar/list/"))
    assert post(admin, "/calendar/add", {"day": day, "kind": "holiday", "holiday": "试验日"}).status_code == 422
    assert admin.get("/calendar/show/2031-13-45").status_code == 404
    assert admin.get("/calendar/show/x").status_code == 404
    assert post(admin, f"/calendar/delete/{day}").status_code == 303
    with as_system("test"):
        session.expire_all()
        assert session.get(CalendarException, date.fromisoformat(day)) is None


# -- messages, mails, audit ----------------------------------------------------------------------------------------------


@pytest.mark.must_never(19)
def test_messages_are_received_by_their_recipient_alone(app, world, session):
    with as_system("test"):
        rows = [
            Message(
                account_id=world.people["ua1"],
                key=f"t{n}-{clock.now().timestamp()}",
                subject=f"<i>通知{n}</i>",
                body="请查看",
                link=link,
            )
            for n, link in enumerate(("/appointments/list/", "//evil.example/", None))
        ]
        session.add_all(rows)
        session.commit()
        ids = [m.id for m in rows]
    client = login(app, world, "ua1")
    page = text(client.get("/messages/list/?open=1"))
    assert "&lt;i&gt;通知0&lt;/i&gt;" in page
    assert "evil.example" not in page
    client.get(f"/messages/show/{ids[0]}")
    client.get("/appointments/list/")

    def waiting():
        with as_system("test"):
            session.expire_all()
            return [pk for pk in ids if session.get(Message, pk).received_at is None]

    assert waiting() == ids, "looking at a message or its link does not receive it"
    post(client, f"/messages/action/receive/{ids[0]}")
    assert waiting() == ids[1:]
    other = login(app, world, "ua2")
    assert other.get(f"/messages/show/{ids[1]}").status_code == 404
    assert post(other, f"/messages/action/receive/{ids[1]}").status_code == 404
    assert waiting() == ids[1:]
    done = post(client, "/messages/action_post", {"action": "receive", "rowid": ids}, follow_redirects=True)
    assert "已接收2条消息。" in text(done)
    assert waiting() == []
    assert f'href="/messages/show/{ids[0]}"' not in text(client.get("/messages/list/?open=1"))
    with world.acting("ua2") as actor:
        assert receive(session, actor, ids) == 0


def test_links_in_mails_are_safe():
    from views.mail import with_links

    shown = str(with_links('请打开 http://x.example/a?b=1"onmouseover="x <script>alert(1)</script>'))
    assert '<a href="http://x.example/a?b=1" rel="noopener noreferrer">' in shown
    assert "<script>" not in shown
    assert '"onmouseover="x' not in shown


def test_the_auditor_reads_and_nobody_writes(app, world):
    client = login(app, world, "aud")
    page = text(client.get("/audit/list/"))
    assert "login" in page
    for url in ("/audit/add", "/audit/edit/1", "/audit/delete/1"):
        assert post(client, url).status_code in {403, 404, 405}


# -- search and help -----------------------------------------------------------------------------------------------------


def test_the_search_box_finds_within_scope(app, world, session):
    order = booked(world, "ua1")
    pk = issued(world, order.items[0])
    with as_system("test"):
        from models import Certificate, Instrument

        number = session.get(Certificate, pk).number
        serial = session.get(Instrument, order.instruments[0]).serial_no
        name = session.get(Unit, world.units["ua1"]).name
    unit, foreign = login(app, world, "ua1"), login(app, world, "ua2")
    assert unit.get(f"/search?q={serial}").location == f"/instruments/show/{order.instruments[0]}"
    assert unit.get(f"/search?q={serial[-5:]}").status_code in {200, 302}
    assert unit.get(f"/search?q={order.number}").location == f"/appointments/show/{order.id}"
    assert unit.get(f"/search?q={number}").location == f"/certificates/show/{pk}"
    assert login(app, world, "adm").get(f"/search?q={name}").location == f"/units/show/{world.units['ua1']}"
    for term in (serial, order.number, number):
        answer = foreign.get(f"/search?q={term}")
        assert answer.status_code == 200
        assert "没有找到" in text(answer)
    assert "没有找到" in text(login(app, world, "adm").get(f"/search?q={serial}"))
    odd = text(unit.get("/search?q=<script>alert(9)</script>%25_'"))
    assert "<script>alert(9)" not in odd
    assert unit.get("/search?q=").status_code == 200
    assert unit.get("/search?q=%20").status_code == 200


def test_the_help_page_shows_every_step_of_every_workflow(app, world):
    from app.workflow import REGISTRY

    page = text(login(app, world, "ua1").get("/help/workflows"))
    for workflow in REGISTRY.values():
        assert f'id="{workflow.name}"' in page
        for step in workflow.steps:
            assert step.label in page
    assert page.count("<svg xmlns") == len(REGISTRY)
    assert " style=" not in page


def test_slots_of_the_world_are_listed_by_day(app, world):
    slot = slot_of(world, "A")
    page = text(login(app, world, "recA").get("/slots/list/"))
    assert str(slot.day) in page
    assert "上午" in page
