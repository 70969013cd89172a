"""Digests of what lies too long at counter and bench: each after its own term, once a working day, to the heads."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.bench_clock import tell_of_late_work
from app.workflow import COMMISSION, TASK, bear, fire
from app.workflow.commission_rules import TICKS
from models import Appointment, Commission, Message, Task
from models.enums import AccountKind, Role
from tests.world import booked, new_institute, person

QUEUED, PAUSED, CHECKING = (
    "超过2个工作日未分派的检定任务1",
    "暂停超过10个工作日的检定任务1",
    "超过2个工作日未核验的证书1",
)
PROMISED, READY = "超过承诺日期未完检的委托单1", "完检超过30天未领取的委托单1"


def at(month: int, day: int) -> datetime:
    """A morning of 2025: Monday 2 June begins a month without holidays."""
    return datetime(2025, month, day, 9, tzinfo=clock.ZONE)


@pytest.fixture(scope="module")
def house(app, world):
    """An institute of its own, with what the digests speak of: the others' rows count for the others."""
    with app.app_context():
        new_institute(world, "L", "440103")
        staff = (("rec", Role.REC), ("ver", Role.VER), ("chk", Role.VER), ("img", Role.IMG))
        for nick, role in staff:
            person(world, f"{nick}L", AccountKind.INSTITUTE, [role], institute_id=world.institutes["L"])
        person(world, "imgL2", AccountKind.INSTITUTE, [Role.REC], institute_id=world.institutes["L"])
    return world


def visit(world, session, moment: datetime) -> tuple[int, int]:
    """A commission and its task, as if everything had been done at that moment."""
    order = booked(world, "ua1", "L")
    with world.acting("recL") as actor, clock.frozen(moment):
        head = session.get(Appointment, order.id)
        copied = {key: getattr(head, key) for key in ("unit_id", "institute_id", "use_division", "mode")}
        made = Commission(appointment_id=head.id, bringer_name="王小明", bringer_phone="13800000000", **copied)
        bear(session, made, "start", actor)
        line = {"item_id": order.items[0], "verdict": "receive", "ticks": [key for key, _word in TICKS]}
        fire(session, COMMISSION, made.id, "check_line", actor, line)
        fire(session, COMMISSION, made.id, "open", actor)
        session.commit()
        task = session.scalar(select(Task.id).where(Task.commission_id == made.id))
    return made.id, task


def told(world, session, who: str) -> list[str]:
    with as_system("test"):
        session.rollback()
        mine = (
            Message.account_id == world.people[who],
            Message.subject.contains("委托单") | Message.subject.contains("请督促"),
        )
        return list(session.scalars(select(Message.subject).where(*mine).order_by(Message.id)))


def run(session, month: int, day: int) -> int:
    with as_system("test"), clock.frozen(at(month, day)):
        return tell_of_late_work(session)


def test_each_after_its_own_term(house, session):
    world = house
    commission, task = visit(world, session, at(6, 3))
    with as_system("test"):
        session.get(Commission, commission).promised_on = at(6, 10).date()
        session.commit()
    before = len(told(world, session, "imgL"))

    def news() -> str:
        found = told(world, session, "imgL")[before:]
        return found[-1] if found else ""

    run(session, 6, 5)
    assert news() == "", "two working days have not gone by"
    run(session, 6, 6)
    assert QUEUED in news()
    assert PROMISED not in news()
    told_once = len(told(world, session, "imgL"))
    assert run(session, 6, 7) == 0, "nothing on a Saturday"
    run(session, 6, 6)
    assert len(told(world, session, "imgL")) == told_once, "a second run tells nobody again"
    county = len(told(world, session, "regA1"))
    run(session, 6, 11)
    assert PROMISED in news()
    assert len(told(world, session, "regA1")) == county
    run(session, 6, 13)
    assert "委托单超过承诺日期2个工作日未完检，请督促技术机构办理。" in told(world, session, "regA1")[-1]
    assert told(world, session, "recL") == [], "the heads are told"
    with world.acting("imgL") as actor:
        fire(session, TASK, task, "assign", actor, {"verifier_id": str(world.people["verL"])})
        session.commit()
    run(session, 6, 16)
    assert QUEUED not in news()


def test_what_rests_and_what_nobody_fetches(house, session):
    world = house
    _commission, task = visit(world, session, at(9, 1))
    with world.acting("imgL") as actor:
        fire(session, TASK, task, "assign", actor, {"verifier_id": str(world.people["verL"])})
        session.commit()
    with world.acting("verL") as actor:
        fire(session, TASK, task, "begin", actor)
        session.commit()
    with world.acting("verL") as actor, clock.frozen(at(9, 1)):
        fire(session, TASK, task, "pause", actor, {"kind": "parts", "reason": "等待更换传感器"})
        session.commit()
    run(session, 9, 15)
    assert PAUSED not in told(world, session, "imgL")[-1]
    run(session, 9, 16)
    assert PAUSED in told(world, session, "imgL")[-1]
