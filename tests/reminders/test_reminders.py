"""Reminders: each once, by profile and day, re-checked when sent, one text per channel (WRN-01…08, I-8, I-9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app import clock, profiles
from app.access.principal import as_system
from app.operations import settings as rules
from app.operations.band import LABELS, band_of_row
from models import Instrument
from models.base import db
from models.outbox import NO_RECORD
from tests.world import booked, filed

SCHEDULE = {
    # days before the due date at which a unit hears of one instrument that is looked at every day
    "hohhot": [15, -1],
    "national": [30, -1],
    "bayannur": [30, -1],
    "zhejiang": [40, 20, -1],
    "guangdong": [30, -1, -31],
    "all": [30, 10, -1, -30],
}


def today():
    return clock.today()


@pytest.mark.feature("WRN-01")
def test_hohhot_sixteen_and_fifteen_days(profile, home, remind):
    profile("hohhot")
    far, near = home.add(16), home.add(15)
    remind()
    assert home.reminders() == [(near.id, 15, today() + timedelta(days=15))]
    (message,) = home.messages()
    for words in (near.name, near.serial_no, str(today() + timedelta(days=15)), "还有15天到期"):
        assert words in message.subject
    assert far.serial_no not in message.subject + message.body
    home.change(near, valid_until=today() + timedelta(days=300))
    assert LABELS[band_of_row(db.session.get(Instrument, near.id), today())] == "有效"
    remind()
    assert len(home.messages()) == 1


@pytest.mark.feature("WRN-06")
@pytest.mark.parametrize("name", list(SCHEDULE))
def test_a_year_day_by_day(profile, home, remind, name):
    """Time travel: the days of the scheme and no other, whether the job runs daily or wakes after a month."""
    profile(name)
    start = today()
    made = home.add(45)
    due = start + timedelta(days=45)
    heard = []
    for days in [*range(46, 35, -1), *range(32, 27, -1), *range(22, 7, -1), *range(2, -4, -1), *range(-28, -34, -1)]:
        before = len(home.reminders())
        with clock.frozen(due - timedelta(days=days)):
            remind(due - timedelta(days=days))
        if len(home.reminders()) > before:
            heard.append(days)
    assert heard == SCHEDULE[name]
    assert {row[0] for row in home.reminders()} == {made.id}
    assert len(home.messages()) == len(heard)
    late = home.add(45)
    with clock.frozen(due + timedelta(days=3)):
        remind(due + timedelta(days=3))
        remind(due + timedelta(days=3))
    assert [row[1] for row in home.reminders() if row[0] == late.id] == [-1], (
        "missed days are caught up by one reminder"
    )


@pytest.mark.feature("WRN-06")
def test_twice_is_once_and_the_quiet_are_left_alone(profile, home, remind):
    profile("national")
    made = home.add(5)
    for facts in ({"state": "suspended"}, {"state": "scrapped"}, {"state": "former"}, {"compulsory": False}):
        home.add(5, **facts)
    home.add(5, last_result="fail")
    remind()
    assert [row[0] for row in home.reminders()] == [made.id]
    assert remind() == 0
    assert len(home.messages()) == 1
    assert len(home.queued()) == 1


def test_a_new_due_date_is_reminded_of_anew(profile, home, remind):
    profile("national")
    made = home.add(5)
    remind()
    home.change(made, valid_until=today() + timedelta(days=20))
    remind()
    assert [row[2] for row in home.reminders()] == [today() + timedelta(days=n) for n in (5, 20)]


@pytest.mark.feature("WRN-04")
def test_guangdong_the_filing_clock(profile, home, remind):
    profile("guangdong")
    made = home.add(None, filed_on=today())
    heard = []
    for day in (0, 1, 10, 11, 12, 30, 31, 32, 60):
        before = len(home.reminders())
        remind(today() + timedelta(days=day))
        if len(home.reminders()) > before:
            heard.append(day)
    assert heard == [0, 11, 31]
    assert {row[2] for row in home.reminders()} == {today() + timedelta(days=10)}
    assert f"应在{today() + timedelta(days=10)}前检定" in home.messages()[0].subject
    assert {row[0] for row in home.reminders()} == {made.id}


def test_zhejiang_no_record_is_said_once(profile, home, remind):
    profile("zhejiang")
    made = home.add(None)
    remind()
    remind(today() + timedelta(days=30))
    assert [row[:2] for row in home.reminders()] == [(made.id, NO_RECORD)]
    assert "没有检定记录" in home.messages()[0].subject


@pytest.mark.feature("WRN-07")
def test_each_channel_one_text_naming_instrument_number_and_date(profile, home, remind):
    profile("zhejiang")
    made, due = home.add(18), today() + timedelta(days=18)
    remind()
    remind()
    (mail,), (sms,), (site,) = home.sunk("mail"), home.sunk("sms"), home.messages()
    for said in (mail.body, sms.body, site.subject):
        for words in (made.name, made.serial_no, str(due)):
            assert words in said
    assert mail.recipient == home.email
    assert home.phone not in sms.recipient
    assert "浙江省民生计量监管服务系统" in sms.body
    assert (len(home.sunk("mail")), len(home.sunk("sms"))) == (1, 1)


def test_many_instruments_are_one_digest(profile, home, remind):
    profile("hohhot")
    rows = [home.add(n) for n in range(1, 14)]
    remind()
    (site,), (mail,) = home.messages(), home.sunk("mail")
    assert "13台" in site.subject
    assert "……共13台" in site.body
    assert len(site.body) <= 1000
    assert all(row.serial_no in mail.body for row in rows), "a mail names them all"
    assert home.sunk("sms") == []


@pytest.mark.feature("WRN-07")
def test_channels_are_those_of_the_profile(profile, home, remind):
    profile("guangdong")
    home.add(5)
    remind()
    assert home.queued() == []
    assert len(home.messages()) == 1


def test_what_is_no_longer_true_when_sent_is_left_out(profile, home, remind):
    """I-9: between writing and sending one was verified and one suspended; the third stays."""
    profile("national")
    verified, stopped, stays = home.add(5), home.add(6), home.add(7)
    remind()
    home.change(verified, valid_until=today() + timedelta(days=365))
    home.change(stopped, state="suspended")
    (mail,) = home.sunk("mail")
    assert stays.serial_no in mail.subject
    assert verified.serial_no not in mail.subject + mail.body
    assert stopped.serial_no not in mail.subject + mail.body


def test_nothing_left_is_nothing_sent(profile, home, remind):
    profile("national")
    made = home.add(5)
    remind()
    home.change(made, valid_until=today() + timedelta(days=365))
    assert home.sunk("mail") == []
    (row,) = home.queued()
    assert row.sent_at is not None
    assert row.error is None


def test_a_certificate_issued_in_between(profile, world, session, remind):
    """The same with a real certificate: the date comes from it."""
    profile("all")
    from tests.reminders.conftest import Home
    from tests.world import issued

    home = Home(world)
    order = booked(world, home.nick)
    with as_system("test"):
        home.change(session.get(Instrument, order.instruments[0]), valid_until=today() + timedelta(days=3))
    remind()
    assert len(home.reminders()) == 1
    issued(world, order.items[0])
    assert home.sunk("mail") == []


@pytest.mark.feature("WRN-08")
def test_fifteen_becomes_twenty(profile, world, home, remind):
    profile("hohhot")
    at_18, told = home.add(18), home.add(10)
    remind()
    assert [row[0] for row in home.reminders()] == [told.id]
    with world.acting("adm") as actor:
        rules.change(db.session(), actor, "reminder.yellow_days", 20)
        db.session.commit()
    profiles.forget()
    assert LABELS[band_of_row(db.session.get(Instrument, at_18.id), today())] == "即将到期"
    remind()
    assert sorted(row[0] for row in home.reminders()) == sorted([at_18.id, told.id]), "and nobody is told again"


@pytest.mark.feature("WRN-08")
def test_the_settings_page_says_how_many_rows_change(profile, home):
    profile("hohhot")
    home.add(18)
    said = " ".join(rules.effects("reminder.yellow_days", 20, db.session()))
    assert "即将到期" in said
    assert "台" in said


@pytest.mark.feature("WRN-04")
def test_an_invalid_one_is_not_booked(profile, world, session):
    profile("all")
    made = filed(world, "ua2")
    profile("guangdong")
    with as_system("test"):
        row = session.get(Instrument, made.id)
        assert row.filed_on == today()
        row.filed_on = today() - timedelta(days=31)
        session.commit()
    from app.errors import InvalidInputError
    from app.operations.appointment import save_draft

    with world.acting("ua2") as actor, pytest.raises(InvalidInputError, match="已无效，须停用、启用并重新提交备案"):
        save_draft(session, actor, instrument_ids=[made.id])
    session.rollback()
    profile("all")
    with world.acting("ua2") as actor:
        assert save_draft(session, actor, instrument_ids=[made.id]).id
    session.rollback()


def test_the_hour_of_the_run_is_a_setting(profile, world):
    from jobs import tasks

    profile("national")
    assert tasks.reminder_time().isoformat() == "06:30:00"
    with world.acting("adm") as actor:
        rules.change(db.session(), actor, "reminder.run_at", "08:15")
        db.session.commit()
    profiles.forget()
    assert tasks.reminder_time().isoformat() == "08:15:00"
