"""Filings that an institute leaves unanswered: a digest to its head after five working days, to the county after ten."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select

from app import clock, profiles
from app.access.principal import as_system
from app.operations.filing_clock import tell_of_unanswered_filings
from models import Message
from tests.filing.support import WHY, submitted, taken

pytestmark = pytest.mark.usefixtures("guangdong")
HEAD, COUNTY = "的备案超过5个工作日未处理，请尽快办理。", "的备案超过10个工作日未答复，请督促技术机构办理。"


def at(month: int, day: int) -> datetime:
    """A morning of 2025, before anything else in the tests' world happened."""
    return datetime(2025, month, day, 9, tzinfo=clock.ZONE)


def told(world, session, who, words):
    with as_system("test"):
        session.rollback()
        mine = select(Message.subject).where(Message.account_id == world.people[who], Message.subject.contains(words))
        return list(session.scalars(mine))


def run(session):
    with as_system("test"):
        return tell_of_unanswered_filings(session)


def test_the_head_after_five_working_days_and_the_county_after_ten(world, session):
    with clock.frozen(at(3, 3)):
        two = [submitted(world, session) for _ in range(2)]
    for day, head, county in ((10, 0, 0), (11, 1, 0), (11, 1, 0), (15, 1, 0), (17, 2, 0), (18, 3, 1)):
        with clock.frozen(at(3, day)):
            run(session)
        found = len(told(world, session, "imgA", HEAD)), len(told(world, session, "regA1", COUNTY))
        assert found == (head, county), f"{day} March"
    assert told(world, session, "imgA", HEAD)[0] == f"有2台器具{HEAD}"
    assert told(world, session, "regA1", COUNTY) == [f"辖区内有2台器具{COUNTY}"]
    assert told(world, session, "imgB", HEAD) == []
    assert told(world, session, "regB", COUNTY) == []
    with clock.frozen(at(3, 19)):
        for pk in two:
            taken(world, session, pk, "recA", "return", kind="incomplete", reason=WHY)
        run(session)
    assert len(told(world, session, "imgA", HEAD)) == 3, "what is decided is not spoken of"


def test_who_reviews_is_asked(world, session, monkeypatch):
    """Where the county decides it hears of it after five working days, and the institute of nothing that is not its own."""
    with clock.frozen(at(7, 7)):
        for pk in (submitted(world, session), submitted(world, session)):
            last = pk
        taken(world, session, last, "recA", "dispatch", institute_id=str(world.institutes["A1"]), unregistered_ok=True)
    monkeypatch.setattr(profiles, "_in_force", lambda: [("filing.reviewer", "regulator")])
    profiles.forget()
    people = (("imgA", HEAD), ("imgA1", HEAD), ("regA1", "的备案超过5个工作日未答复，请尽快审核或督促技术机构确认。"))
    before = [len(told(world, session, *who)) for who in people]
    with clock.frozen(at(7, 15)):
        run(session)
    after = [len(told(world, session, *who)) for who in people]
    assert [new - old for new, old in zip(after, before, strict=True)] == [0, 1, 1]


def test_where_nothing_is_filed_nobody_is_told(app, world, session, monkeypatch):
    with clock.frozen(at(5, 6)):
        submitted(world, session)
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    with clock.frozen(at(6, 6)):
        assert run(session) == 0
