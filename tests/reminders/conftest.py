"""A profile per test, a unit of its own whose people read mails and texts, and the clock in the test's hand."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import pytest
from flask import current_app
from sqlalchemy import delete, select, update

from app import clock, profiles
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.operations.reminders import run_reminders
from models import Account, DevelopmentMail, Instrument, Message, Outbox, ProfileSetting, Reminder
from models.base import db
from tests.world import instrument, new_unit


@pytest.fixture
def profile(app, monkeypatch, context):
    """Switch the deployment: profile("hohhot")."""

    def switch(name):
        monkeypatch.setitem(app.config, "PROFILE", name)
        profiles.forget()

    return switch


@pytest.fixture(autouse=True)
def settings_back(app, context):
    yield
    db.session.rollback()
    with as_system("test"):
        db.session.execute(delete(ProfileSetting))
        # rows put into states past the machines are no part of a sound database, which other modules ask for
        for model, key in ((Reminder, Reminder.instrument_id), (Instrument, Instrument.id)):
            db.session.execute(delete(model).where(key.in_(Home.made)))
        Home.made.clear()
        db.session.commit()
    profiles.forget()


class Home:
    """One unit with an account, and what the platform told it."""

    count = 0
    made: ClassVar[list[int]] = []

    def __init__(self, world):
        Home.count += 1
        self.world, self.nick = world, f"remind{Home.count}"
        deployed = current_app.config["PROFILE"]
        current_app.config["PROFILE"] = "all"  # whose registration form new_unit fills in
        self.unit_id = new_unit(world, self.nick, "440103", "recA", "A")
        current_app.config["PROFILE"] = deployed
        self.account_id = world.people[self.nick]
        with as_system("test"):
            account = db.session.get(Account, self.account_id)
            self.email, self.phone = account.email, account.phone

    def add(self, days, today=None, **facts):
        """An instrument in use whose date lies `days` ahead (None: without one)."""
        made = instrument(self.world, self.nick)
        Home.made.append(made.id)
        until = None if days is None else (today or clock.today()) + timedelta(days=days)
        values = {"state": "in_use", "last_result": None if days is None else "pass", "valid_until": until, **facts}
        with as_system("test"):
            db.session.execute(update(Instrument).where(Instrument.id == made.id).values(**values))
            db.session.commit()
        db.session.expire_all()
        return made

    def change(self, made, **facts):
        with as_system("test"):
            db.session.execute(update(Instrument).where(Instrument.id == made.id).values(**facts))
            db.session.commit()
        db.session.expire_all()

    def reminders(self):
        with as_system("test"):
            rows = select(Reminder.instrument_id, Reminder.threshold, Reminder.due_on)
            return sorted(tuple(r) for r in db.session.execute(rows.where(Reminder.unit_id == self.unit_id)))

    def messages(self):
        with as_system("test"):
            rows = select(Message).where(Message.account_id == self.account_id, Message.key.like("reminder-%"))
            return list(db.session.execute(rows.order_by(Message.id)).scalars())

    def queued(self):
        with as_system("test"):
            rows = select(Outbox).where(Outbox.key.like(f"%:reminder-{self.unit_id}-%"))
            return list(db.session.execute(rows.order_by(Outbox.id)).scalars())

    def sunk(self, channel):
        """What the development driver kept for this unit."""
        with as_system("test"):
            while deliver(db.session()):
                pass
            rows = select(DevelopmentMail).where(
                DevelopmentMail.channel == channel, DevelopmentMail.key.like(f"{channel}:reminder-{self.unit_id}-%")
            )
            return list(db.session.execute(rows.order_by(DevelopmentMail.id)).scalars())


@pytest.fixture
def home(world, context):
    return Home(world)


@pytest.fixture
def remind(context):
    """Run the reminders of a day and commit."""

    def run(on=None):
        with as_system("test"):
            count = run_reminders(db.session(), on or clock.today())
            db.session.commit()
        return count

    return run
