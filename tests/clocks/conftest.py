"""A profile per test and orders made under it, with the clock in the test's hand."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import select

from app import clock, profiles
from app.access.principal import as_system
from app.operations.appointment import book, submit
from app.operations.appointment_draft import save_draft
from app.workflow import APPOINTMENT, fire
from models import Appointment, AppointmentItem, DevelopmentMail, Message, Outbox
from models.base import db
from tests.world import instrument


@pytest.fixture
def profile(app, monkeypatch, context):
    """Switch the deployment: profile("zhejiang"); the profile's own switches may be overridden by keywords."""

    def switch(name, **settings):
        monkeypatch.setitem(app.config, "PROFILE", name)
        values = [(key.replace("__", "."), value) for key, value in settings.items()]
        monkeypatch.setattr(profiles, "_in_force", lambda: values)
        profiles.forget()

    yield switch
    profiles.forget()


@pytest.fixture
def orders(world, session):
    return Orders(world, session)


class Orders:
    """What a unit, an institute and the platform do to orders, each act committed."""

    def __init__(self, world, session):
        self.world, self.session = world, session

    def draft(self, count=1, mode="deliver", unit="ua1", institute="A1", **more):
        ids = []
        for _ in range(count):
            made = instrument(self.world, unit, delivery_mode=mode, **more)
            ids.append(made.id)
        with self.world.acting(unit) as actor:
            made = save_draft(self.session, actor, instrument_ids=ids)
            self.session.commit()
        return made.id

    def sent(self, count=1, mode="deliver", unit="ua1", **more):
        pk = self.draft(count, mode, unit, **more)
        with self.world.acting(unit) as actor:
            submit(self.session, actor, pk)
            self.session.commit()
        return pk

    def accepted(self, count=1, mode="deliver", unit="ua1", who=None, **more):
        pk = self.sent(count, mode, unit, **more)
        if self.row(pk).state == "admin_review":
            self.step(pk, "admin_approve", "regA1")
        self.step(pk, "accept", who or self.reception(pk))
        return pk

    def reception(self, pk):
        """The nickname of whoever receives at the order's institute."""
        at = self.row(pk).institute_id
        return next(f"rec{nick}" for nick, own in self.world.institutes.items() if own == at)

    def step(self, pk, name, who, **data):
        with self.world.acting(who) as actor:
            fire(self.session, APPOINTMENT, pk, name, actor, {"reason": "测试中的原因说明", **data})
            self.session.commit()

    def row(self, pk) -> Appointment:
        with as_system("test"):
            self.session.expire_all()
            found = self.session.get(Appointment, pk)
            assert found is not None
            self.session.refresh(found)
            return found

    def items(self, pk):
        with as_system("test"):
            statement = select(AppointmentItem).where(AppointmentItem.appointment_id == pk)
            return list(self.session.execute(statement.order_by(AppointmentItem.id)).scalars())

    def messages(self, text, who="ua1"):
        with as_system("test"):
            statement = select(Message).where(
                Message.account_id == self.world.people[who], Message.subject.contains(text)
            )
            return list(self.session.execute(statement).scalars())

    def texts(self, pk):
        with as_system("test"):
            keys = select(Outbox.key).where(Outbox.channel == "sms", Outbox.key.contains(f"-{pk}-"))
            keys = keys.where(Outbox.key.not_like("sms:activate-%"))  # of accounts, which have numbers of their own
            return list(self.session.execute(keys).scalars())


def end_of(day, hours=12):
    return datetime.combine(day, time(hours), clock.ZONE)


def later(days, moment=None):
    return (moment or clock.now()) + timedelta(days=days)


assert db
assert book
assert DevelopmentMail
