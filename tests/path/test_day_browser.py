"""A whole day at the browser, once for each deployment: what is filed, booked, confirmed, received, verified, signed and shown.

Under each profile the same nine people do what that deployment asks of them: in Guangdong the enterprise files first and
books a half day, in Zhejiang the regulator confirms the order, nationally the institute is found by place and catalogue.
Everybody has a browser of their own; an error on its console or a breach of the content policy fails the day.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.channels.deliver import deliver
from app.operations.instrument_files import add_file
from app.profiles import forget
from models import Appointment, Certificate, Institute
from models.base import db
from tests.captcha import answer_of
from tests.client import type_of
from tests.path.live import PHONE, Person, browser, served
from tests.world import PASSWORD, PNG, instrument

DEPLOYMENTS = ("national", "zhejiang", "guangdong")
COUNT = 2


@pytest.fixture(scope="module")
def chromium(app, world):
    with browser() as made:
        yield made


@pytest.fixture
def deployment(app, world, request, monkeypatch):
    """The application under one profile on a port of its own, with two instruments the enterprise has entered."""
    name = request.param
    monkeypatch.setitem(app.config, "PROFILE", name)
    with app.app_context():
        forget()
        rows = [instrument(world, "ua1") for _number in range(COUNT)]
        serials = [row.serial_no for row in rows]
        with world.acting("ua1") as actor:
            for row in rows:  # Guangdong files a type-evaluated kind with its certificate only
                add_file(db.session(), actor, row.id, filename="型式评价证书.png", data=PNG)
            db.session.commit()
        db.session.remove()
    with served(app) as url:
        yield name, url, serials


class Day:
    """The people of one day and what they found out."""

    def __init__(self, app, world, chromium, name, url, serials):
        self.app, self.world, self.chromium = app, world, chromium
        self.name, self.url, self.serials = name, url, serials
        self.people: list[Person] = []

    def person(self, nick, viewport=None):
        made = Person(self.chromium, self.url, nick, viewport)
        self.people.append(made)
        return made

    def enters(self, nick):
        """Through the log-in page, with whatever this deployment asks for there."""
        one = self.person(nick)
        page = one.go("/login/").page
        username = self.world.names[nick]
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", PASSWORD)
        if page.locator("input[name=captcha]").count():
            page.fill("input[name=captcha]", answer_of(self.app, page.locator("[name=captcha_token]").input_value()))
        if page.locator("[name=user_type]").count():
            kind = type_of(self.app, username)
            choice = page.locator(f"input[name=user_type][value={kind}]")
            if choice.count():
                choice.check()
            else:
                page.select_option("select[name=user_type]", kind)
        page.locator("main form button[type=submit]:visible, form button[type=submit]:has-text('登录')").first.click()
        page.wait_for_url("**/home/**")
        return one

    # -- the steps -----------------------------------------------------------------------------------------------

    def files(self, unit):
        """Guangdong: file both, and the institute's receptionist approves."""
        self.tick(unit, "/instruments/list/?state=unfiled")
        unit.bulk("提交备案")
        page = unit.page
        chosen = page.locator("select[name=institute_id] option", has_text="A计量检定所").first
        chosen.wait_for(state="attached")
        page.select_option("select[name=institute_id]", chosen.get_attribute("value"))
        page.check("[name=declaration]")
        unit.send().sees(f"已提交 {COUNT} 台器具的备案")
        rec = self.enters("recA")
        self.tick(rec, "/filings/list/?mine=1")
        rec.bulk("审核通过")
        unit.go("/filings/list/?state=approved").sees(self.serials[0])
        return rec

    def tick(self, one, address):
        """Tick this day's rows of a list, which may have many more; the newest stand first."""
        page = one.go(address).page
        for serial in self.serials:
            page.locator(f"tr:has-text('{serial}') input[type=checkbox]").first.check()

    def books(self, unit):
        """The wizard, page by page, and the order's number."""
        self.tick(unit, "/instruments/list/?state=in_use")
        unit.bulk("预约检定")
        page = unit.page
        page.wait_for_url("**/book/**")
        if page.locator("a:has-text('预约这一组')").count():
            unit.press("预约这一组")
        if page.locator("input[name=slot_id]").count():
            page.locator("input[name=slot_id]:enabled").first.check()
        unit.send().sees("提交后").press("提交申请")
        page.wait_for_url("**/appointments/show/**")
        self.number = re.search(r"\d{13,14}", page.locator("main").inner_text()).group()
        with self.app.app_context(), as_system("test"):
            order = db.session.scalar(select(Appointment).where(Appointment.number == self.number))
            self.state = order.state
            db.session.remove()

    def where(self):
        """The nickname of the institute that the order went to."""
        with self.app.app_context(), as_system("test"):
            order = db.session.scalar(select(Appointment).where(Appointment.number == self.number))
            assert order.institute_id, f"order {self.number} is {order.state} and has no institute"
            assert db.session.get(Institute, order.institute_id) is not None
            found = next(nick for nick, pk in self.world.institutes.items() if pk == order.institute_id)
            db.session.remove()
        return found

    def opens(self, one, address, words):
        """Open the row of a list that shows these words."""
        one.go(address).page.locator(f"tbody tr:has-text('{words}') a").first.click()
        one.page.wait_for_url("**/show/**")
        return one

    def confirms(self, regulator):
        self.opens(regulator, "/appointments/list/?state=admin_review", self.number)
        regulator.press("行政确认", confirm=bool(regulator.page.locator("[data-confirm]").count()))
        regulator.sees("“行政确认”已完成")

    def accepts(self, rec):
        self.opens(rec, "/appointments/list/?state=submitted", self.number)
        rec.press("确认受理")
        if "/step/" in rec.page.url:
            rec.send()
        rec.sees("“确认受理”已完成")

    def receives(self, rec):
        self.tick(rec, "/items/list/?state=accepted")
        rec.bulk("收样核对")
        rec.page.check("[name=checked]")
        rec.send()
        for serial in self.serials:
            rec.sees(serial)

    def verifies(self, ver):
        """Both results, the first of them good, the second not."""
        for number, serial in enumerate(self.serials):
            self.opens(ver, "/items/list/?state=received", serial)
            ver.press("录入结果").page.wait_for_url("**/items/record/**")
            page = ver.page
            page.check(f"input[name=conclusion][value={'fail' if number else 'pass'}]")
            for field, words in (("place", "农贸市场1号"), ("temperature", "20.5 ℃"), ("humidity", "48 %RH")):
                page.fill(f"[name={field}]", words)
            if page.locator("[name=cycle_months]").input_value() == "":
                page.fill("[name=cycle_months]", "12")
            for field, words in (("item", "示值误差"), ("result", "+0.1 %"), ("requirement", "±0.3 %")):
                page.locator(f"input[name={field}]").first.fill(words)
            if number:
                page.fill("[name=failures]", "示值误差超出最大允许误差")
            ver.send().sees("编制中").press("提交核验", confirm=True).sees("待核验")

    def signs(self, one, state, step):
        self.tick(one, f"/certificates/list/?state={state}")
        one.bulk(step)
        one.sees(f"成功{COUNT}条")

    def papers_arrive(self):
        """What a worker does between two clicks; in a thread of its own, because the browser's loop runs in this one."""
        with ThreadPoolExecutor(1) as worker:
            return worker.submit(self._papers_arrive).result()

    def _papers_arrive(self):
        with self.app.app_context(), as_system("test"):
            import jobs.tasks  # registers what the outbox calls

            assert jobs.tasks
            while deliver(db.session(), 200):
                db.session.commit()
            db.session.commit()
            paper = db.session.scalars(
                select(Certificate).where(Certificate.conclusion == "pass").order_by(Certificate.id.desc())
            ).first()
            found = paper.number, paper.lookup_code, paper.state
            db.session.remove()
        assert found[2] == "issued"
        return found[:2]


@pytest.mark.browser
@pytest.mark.parametrize("deployment", DEPLOYMENTS, indirect=True)
def test_a_day(app, world, chromium, deployment):
    name, url, serials = deployment
    begun = time.monotonic()
    day = Day(app, world, chromium, name, url, serials)
    unit = day.enters("ua1")
    rec = day.files(unit) if name == "guangdong" else None
    day.books(unit)
    if name == "zhejiang":
        assert day.state == "admin_review"
        day.confirms(day.enters("regA1"))
    place = day.where()
    rec = rec if rec is not None and place == "A" else day.enters(f"rec{place}")
    day.accepts(rec)
    day.receives(rec)
    ver, chk, apr = (day.enters(f"{role}{place}") for role in ("ver", "chk", "apr"))
    day.verifies(ver)
    day.signs(chk, "checking", "核验通过")
    day.signs(apr, "approving", "批准签发")
    number, code = day.papers_arrive()
    in_the_ledger(day, unit, number)
    for nick in ("regA1", "regA2"):
        regulator_looks(day, nick, sees=nick == "regA1")
    in_public(day, number, code)
    print(f"\n{name}: order {day.number} at {place}, {len(day.people)} people, {time.monotonic() - begun:.1f} s")
    for one in day.people:
        assert one.complaints == [], f"{one.name}: {one.complaints}"
        one.context.close()


def in_the_ledger(day, unit, number):
    """The enterprise sees its order done, one good and one failed instrument, and can fetch the paper."""
    unit.go("/certificates/list/?state=issued").sees(number)
    day.opens(unit, "/certificates/list/?state=issued", number)
    with unit.page.expect_download() as download:
        unit.page.locator("a[href*='/certificates/pdf/']").first.click()
    assert download.value.suggested_filename.endswith(".pdf")
    day.opens(unit, "/appointments/list/", day.number)
    with day.app.app_context(), as_system("test"):
        assert db.session.scalar(select(Appointment.state).where(Appointment.number == day.number)) == "completed"
        db.session.remove()
    body = unit.go("/instruments/list/").sees(day.serials[0]).page.locator("main").inner_text()
    assert "不合格" in body


def regulator_looks(day, nick, *, sees):
    """The county's regulator sees the instrument with its result, the next county's does not."""
    one = next((p for p in day.people if p.name == nick), None) or day.enters(nick)
    body = one.go("/instruments/list/").page.locator("main").inner_text()
    assert (day.serials[0] in body) == sees


def in_public(day, number, code):
    """Somebody scans the code of the paper with a telephone."""
    phone = day.person("phone", PHONE)
    phone.go(f"/v/{number}/{code}").sees(number).sees("有效").fits()
    public = day.person("public")
    public.go(f"/v/{number}/WRONGXXX").sees("未找到")
