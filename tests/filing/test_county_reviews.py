"""`filing.reviewer = regulator` (WORKFLOWS 4, approve): the county of the place of use decides, institutes pass on."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app import profiles
from app.access.principal import as_system
from app.errors import NotAllowedError, NotVisibleError
from app.operations.filing import decide_many
from app.operations.todo import todos
from app.workflow import FILING, fire
from app.workflow.engine import offered
from models import Filing, Message
from tests.client import text
from tests.filing.support import WHY, filing, submitted, taken, token_of

RETURN = {"kind": "incomplete", "reason": WHY}


@pytest.fixture
def county(app, world, browser, monkeypatch, context):
    """Guangdong with the administration as reviewer; everybody is logged in before."""
    for who in ("ua1", "recA", "recA1", "regA", "regA1", "regA2"):
        browser(who)
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    monkeypatch.setattr(profiles, "_in_force", lambda: [("filing.reviewer", "regulator")])
    profiles.forget()
    yield
    profiles.forget()


def lines(session, world, who):
    with world.acting(who) as actor:
        return {line.key: line for line in todos(session, actor)}


def count(session, world, who):
    line = lines(session, world, who).get("filings")
    return line.count if line else 0


def told(session, world, who, words):
    with as_system("test"):
        own = select(Message.id).where(Message.account_id == world.people[who], Message.subject.contains(words))
        return len(session.scalars(own).all())


def steps_of(session, world, who, pk):
    with world.acting(who) as actor:
        row = session.scalar(select(Filing).where(Filing.id == pk))
        return None if row is None else {step.name for step, _why in offered(session, row, actor)}


def test_the_county_approves_and_the_holder_verifies(world, session, browser, county):
    before, heard = count(session, world, "regA1"), told(session, world, "regA1", "有新的备案申请待审核")
    pk = submitted(world, session)
    assert count(session, world, "regA1") == before + 1
    assert told(session, world, "regA1", "有新的备案申请待审核") == heard + 1
    client = browser("regA1")
    page = text(client.get("/filings/list/?mine=1"))
    assert "待本部门审核" in page
    assert f"/filings/show/{pk}" in page
    assert 'data-action="approve"' in page or 'value="approve"' in page
    shown = text(client.get(f"/filings/show/{pk}"))
    assert f"/filings/step/approve/{pk}" in shown
    assert f"/filings/step/return/{pk}" in shown
    done = client.post(
        f"/filings/step/approve/{pk}",
        data={"csrf_token": token_of(client), "seen_version": str(filing(session, pk).version)},
    )
    assert done.status_code == 303
    row = filing(session, pk)
    assert (row.state, row.final_institute_id) == ("approved", world.institutes["A"])
    assert (row.instrument.state, row.instrument.institute_id) == ("in_use", world.institutes["A"])
    assert count(session, world, "regA1") == before


def test_the_county_returns_one_and_many(world, session, county):
    one, *many = (submitted(world, session) for _ in range(3))
    taken(world, session, one, "regA1", "return", **RETURN)
    with world.acting("regA1") as actor:
        result = decide_many(session, actor, "return", many, RETURN)
        session.commit()
    assert result.done == sorted(many)
    for pk in (one, *many):
        row = filing(session, pk)
        assert (row.state, row.reason, row.return_kind) == ("returned", WHY, "incomplete")


def test_who_confirms_takes_it_and_the_county_decides(world, session, county):
    """Nobody approves by a confirmation what the administration has not seen."""
    pk = submitted(world, session)
    taken(world, session, pk, "recA", "dispatch", institute_id=str(world.institutes["A1"]))
    assert count(session, world, "recA1") >= 1
    taken(world, session, pk, "recA1", "confirm")
    row = filing(session, pk)
    assert (row.state, row.holder_institute_id, row.final_institute_id) == ("to_process", world.institutes["A1"], None)
    assert row.instrument.state == "filing"
    assert told(session, world, "ua1", "备案已由接收机构确认，待监管部门审核") >= 1
    taken(world, session, pk, "regA1", "approve")
    assert filing(session, pk).final_institute_id == world.institutes["A1"]


@pytest.mark.must_never(53, 54)
def test_an_institute_cannot_and_a_foreign_administration_cannot(world, session, browser, county):
    pk = submitted(world, session)
    for who, error in (
        ("recA", NotAllowedError),
        ("imgA", NotAllowedError),
        ("regA", NotAllowedError),
        ("regP", NotAllowedError),
        ("recA1", NotVisibleError),
        ("regA2", NotVisibleError),
        ("regB", NotVisibleError),
    ):
        for step in ("approve", "return"):
            with world.acting(who) as actor:
                with pytest.raises(error):
                    fire(session, FILING, pk, step, actor, RETURN)
                session.rollback()
        assert not (steps_of(session, world, who, pk) or set()) & {"approve", "return"}
    assert {"dispatch", "transfer"} <= steps_of(session, world, "recA", pk), "passing on stays with the institute"
    assert filing(session, pk).state == "submitted"
    for who in ("recA", "regA"):
        client = browser(who)
        page = text(client.get("/filings/list/?state=submitted"))
        assert 'value="approve"' not in page
        assert 'data-action="approve"' not in page
        answer = client.post(
            "/filings/action_post",
            data={"csrf_token": token_of(client), "action": "approve", "rowid": [str(pk)]},
        )
        assert answer.status_code in {303, 403}
    assert filing(session, pk).state == "submitted"


@pytest.mark.must_never(53, 54)
def test_without_the_setting_the_administration_only_reads(world, session, browser, guangdong):
    pk = submitted(world, session)
    for who in ("regA1", "regA"):
        with world.acting(who) as actor:
            for step in ("approve", "return"):
                with pytest.raises(NotAllowedError):
                    fire(session, FILING, pk, step, actor, RETURN)
                session.rollback()
        assert not steps_of(session, world, who, pk) & {"approve", "return"}
        assert "filings" not in lines(session, world, who)
    page = text(browser("regA").get("/filings/list/"))
    assert "待本部门审核" not in page
    taken(world, session, pk, "recA", "approve")
    assert filing(session, pk).state == "approved"
