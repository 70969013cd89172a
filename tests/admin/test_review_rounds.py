"""Waiting registrations: the digest at the profile's times and the word about late ones, each told once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.load import account_by_id, principal_of
from app.access.principal import acting_as, as_system
from app.workflow import ACCOUNT, fire
from jobs import tasks
from models import Account, Message
from models.base import db
from tests.accounts.test_account_pages import registered

pytestmark = [pytest.mark.usefixtures("context"), pytest.mark.feature("REG-18")]
MONDAY = datetime(2031, 3, 3, 10, tzinfo=clock.ZONE)  # a year without announced exceptions: Monday to Friday


def told(world, nick, prefix):
    with as_system("test"):
        statement = select(Message).where(Message.account_id == world.people[nick], Message.key.startswith(prefix))
        return list(db.session.execute(statement.order_by(Message.id)).scalars())


def test_reviewers_hear_of_waiting_registrations_once_at_each_time(app, world):
    for _ in range(2):
        registered(world)
    with clock.frozen(MONDAY.replace(hour=8, minute=59)):
        tasks.remind_reviewers()
    assert told(world, "recA", "review-round-2031-03-03") == []
    for hour, expected in ((9, 1), (10, 1), (14, 2), (18, 3)):
        for _ in range(3):
            with clock.frozen(MONDAY.replace(hour=hour)):
                tasks.remind_reviewers()
        for nick in ("recA", "imgA"):
            assert len(told(world, nick, "review-round-2031-03-03")) == expected, (nick, hour)
    first = told(world, "recA", "review-round-2031-03-03")[0]
    assert "个注册申请等待审核" in first.subject
    assert first.link == "/accounts/list/?state=pending"
    assert told(world, "verA", "review-round-2031-03-03") == [], "who does not review is not told"
    assert told(world, "recB", "review-round-2031-03-03") == [], "nothing waits there"


def test_the_times_are_the_profiles(app, world, monkeypatch):
    registered(world, "A1", "440103")
    from app.profiles import profile

    monkeypatch.setitem(profile()["registration"], "review_times", ["11:30"])
    for hour, minute, expected in ((11, 29, 0), (11, 30, 1), (23, 0, 1)):
        with clock.frozen(datetime(2031, 3, 4, hour, minute, tzinfo=clock.ZONE)):
            tasks.remind_reviewers()
        assert len(told(world, "recA1", "review-round-2031-03-04")) == expected


def test_a_registration_that_waits_longer_than_a_working_day_is_named_once_a_day(app, world):
    with clock.frozen(datetime(2031, 3, 6, 16, tzinfo=clock.ZONE)):  # Thursday
        pk = registered(world)
    key = f"review-late-{pk}-"
    for day in (6, 7, 8, 9):  # Friday is the one working day it may take; the weekend does not count
        with clock.frozen(datetime(2031, 3, day, 20, tzinfo=clock.ZONE)):
            tasks.tell_of_late_reviews()
    assert told(world, "recA", key) == []
    for _ in range(3):
        with clock.frozen(datetime(2031, 3, 10, 9, tzinfo=clock.ZONE)):
            tasks.tell_of_late_reviews()
    for nick in ("recA", "imgA", "adm"):
        (message,) = told(world, nick, key)
        assert "已等待超过1个工作日" in message.subject
        assert message.link == f"/accounts/show/{pk}"
    assert told(world, "recB", key) == []
    with clock.frozen(datetime(2031, 3, 11, 9, tzinfo=clock.ZONE)):
        tasks.tell_of_late_reviews()
    assert len(told(world, "recA", key)) == 2, "the next day says it again"
    with clock.frozen(datetime(2031, 3, 11, 10, tzinfo=clock.ZONE)), world.acting("recA") as actor:
        fire(db.session(), ACCOUNT, pk, "return", actor, {"reason": "证照图片不清晰"})
        db.session.commit()
    with clock.frozen(datetime(2031, 3, 12, 9, tzinfo=clock.ZONE)):
        tasks.tell_of_late_reviews()
    assert len(told(world, "recA", key)) == 2, "what is returned waits no longer"


def test_a_correction_waits_anew(app, world):
    with clock.frozen(MONDAY):
        pk = registered(world)
        with world.acting("recA") as actor:
            fire(db.session(), ACCOUNT, pk, "return", actor, {"reason": "证照图片不清晰"})
            db.session.commit()
    applicant = principal_of(account_by_id(db.session(), pk))
    with clock.frozen(MONDAY + timedelta(days=3)), acting_as(applicant) as actor:
        fire(db.session(), ACCOUNT, pk, "resubmit", actor)
        db.session.commit()
        assert db.session.get(Account, pk).state == "pending"
    with clock.frozen(MONDAY + timedelta(days=4)):  # Friday: one working day after Thursday has not passed
        tasks.tell_of_late_reviews()
    assert told(world, "recA", f"review-late-{pk}-") == []


def test_the_schedule_knows_them():
    from jobs.cron import TABLE

    assert (tasks.remind_reviewers, 60) in TABLE
    assert tasks.DAILY["late_reviews"][1] is tasks.tell_of_late_reviews
