"""The engine itself: what `fire` writes, and what it refuses before it writes anything."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.errors import (
    InvalidInputError,
    NotAllowedError,
    NotVisibleError,
    StaleVersionError,
    WrongStateError,
)
from app.workflow import FILING, INSTRUMENT, ITEM, fire, offered
from app.workflow.engine import check_input, why_not
from app.workflow.guarded import DirectStateWriteError
from app.workflow.item import FINAL, SETTLING, header_state
from app.workflow.live import live_filing_of
from models import Filing, Instrument, Message, Outbox, TransitionLog
from models.enums import AppointmentState, ItemState
from tests.world import filed, instrument

WHY = "设备检修，暂停使用"


def log_of(session, entity, pk):
    rows = select(TransitionLog).where(TransitionLog.entity == entity, TransitionLog.entity_id == pk)
    with as_system("test"):
        return session.scalars(rows.order_by(TransitionLog.id)).all()


@pytest.mark.feature("LED-10")
def test_a_step_writes_state_version_reason_and_one_line_of_history(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor:
        version = made.version
        fire(session, INSTRUMENT, made.id, "suspend", actor, {"reason": f"  {WHY} "}, seen_version=version)
        session.commit()
        assert (made.state, made.prior_state, made.reason, made.version) == ("suspended", "unfiled", WHY, version + 1)
    line = log_of(session, "instrument", made.id)[-1]
    assert (line.step, line.from_state, line.to_state) == ("suspend", "unfiled", "suspended")
    assert (line.actor_id, line.actor_name, line.actor_role) == (world.people["ua1"], "王小明", "ENT")
    assert line.actor_body.startswith("ua1加油站")
    assert line.input == {"reason": f"  {WHY} "}
    assert (line.instrument_id, line.unit_id, line.use_division) == (made.id, world.units["ua1"], "440103")
    assert line.caused_by is None
    with world.acting("ua1") as actor:
        fire(session, INSTRUMENT, made.id, "enable", actor)
        session.commit()
        assert (made.state, made.prior_state) == ("unfiled", None)


def test_a_caused_step_names_its_cause_and_the_same_person(world, session):
    made = filed(world, "ua1")
    (line,) = [r for r in log_of(session, "instrument", made.id) if r.step == "filing_ok"]
    assert line.caused_by == "filing.approve"
    assert (line.actor_id, line.actor_role) == (world.people["recA"], "REC")


def test_a_page_that_is_out_of_date(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor, pytest.raises(StaleVersionError) as refused:
        fire(session, INSTRUMENT, made.id, "suspend", actor, {"reason": WHY}, seen_version=made.version - 1)
    assert refused.value.sentence == "该记录已被他人处理，请刷新后重试。"
    assert (refused.value.status, made.state) == (409, "unfiled")


@pytest.mark.parametrize("reason", ["", "   ", "四个字吧", "x" * 501])
def test_a_reason_has_five_to_five_hundred_characters(world, session, reason):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor, pytest.raises(InvalidInputError) as refused:
        fire(session, INSTRUMENT, made.id, "scrap", actor, {"reason": reason})
    assert refused.value.problems == {"reason": "请填写原因（5～500字）。"}


def test_missing_and_foreign_inputs_are_named():
    step = FILING.step("return")
    with pytest.raises(InvalidInputError) as refused:
        check_input(step, {"reason": WHY})
    assert refused.value.problems == {"kind": "请填写“退回类别”。"}
    with pytest.raises(InvalidInputError) as refused:
        check_input(step, {"reason": WHY, "kind": "because"})
    assert refused.value.problems == {"kind": "“退回类别”的值不在可选范围内，请重新选择。"}
    with pytest.raises(InvalidInputError) as refused:
        check_input(ITEM.step("receive"), {"checked": ""})
    assert "请填写“已逐项核对" in refused.value.problems["checked"]


def test_writing_a_state_by_hand_is_a_programming_mistake(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1"), pytest.raises(DirectStateWriteError):
        made.state = "in_use"
    with world.acting("ua1"):
        assert made.state == "unfiled"
        made.state = "unfiled"  # no change, no harm


@pytest.mark.parametrize("who", ["ua2", "ub1", "recB", "regA2", "regB", "aud"])
def test_a_foreign_row_looks_missing(world, session, who):
    made = filed(world, "ua1")
    with world.acting(who) as actor:
        session.expire_all()
        with pytest.raises(NotVisibleError) as refused:
            fire(session, INSTRUMENT, made.id, "suspend", actor, {"reason": WHY})
    assert (refused.value.status, refused.value.sentence) == (404, "记录不存在或您无权查看。")


def test_a_row_that_is_visible_but_not_ones_own_business(world, session):
    made = filed(world, "ua1")
    for who in ("recA", "verA", "aprA"):
        with world.acting(who) as actor, pytest.raises(NotAllowedError) as refused:
            fire(session, INSTRUMENT, made.id, "suspend", actor, {"reason": WHY})
        assert refused.value.sentence == "您没有“停用”的权限。"


@pytest.mark.parametrize("step", ["filing_ok", "filing_back", "cert_update", "submit_filing"])
def test_nobody_takes_a_step_of_the_system(world, session, step):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor, pytest.raises(NotAllowedError):
        fire(session, INSTRUMENT, made.id, step, actor)
    assert made.state == "unfiled"


def test_the_wrong_state_is_named(world, session):
    made = instrument(world, "ua1")
    with world.acting("ua1") as actor, pytest.raises(WrongStateError) as refused:
        fire(session, INSTRUMENT, made.id, "enable", actor)
    assert refused.value.sentence == "当前状态为“待备案”，不能执行“启用”。"


def test_a_refused_step_leaves_no_trace(world, session):
    made = instrument(world, "ua1")
    before = len(log_of(session, "instrument", made.id))
    with world.acting("ua1") as actor, pytest.raises(InvalidInputError):
        fire(session, INSTRUMENT, made.id, "scrap", actor, {})
    session.commit()
    assert len(log_of(session, "instrument", made.id)) == before


@pytest.mark.feature("FIL-04")
def test_notices_are_written_once_per_cause(world, session):
    from app.workflow.notices import notify

    made = filed(world, "ua1")
    with as_system("test") as system:
        row = live_filing_of(session, made.id)
        count = (
            select(func.count())
            .select_from(Message)
            .where(Message.key == f"filing-{row.id}-approve-{row.version}", Message.account_id == world.people["ua1"])
        )
        assert session.scalar(count) == 1
        ctx = SimpleNamespace(
            session=session, workflow=FILING, step=FILING.step("approve"), obj=row, actor=system, data={}
        )
        notify(ctx, "submitted")
        notify(ctx, "submitted")
        assert session.scalar(count) == 1
        told = session.scalars(
            select(Message).where(
                Message.key == f"filing-{row.id}-approve-{row.version}", Message.account_id == world.people["ua1"]
            )
        ).one()
        assert told.account_id == world.people["ua1"]
        assert told.subject == f"备案已通过：电子计价秤 {made.serial_no}"
        keys = session.scalars(select(Outbox.key)).all()
        assert len(keys) == len(set(keys))


def test_buttons_and_steps_ask_the_same(world, session):
    made = filed(world, "ua1")
    with world.acting("ua1") as actor:
        names = {step.name: sentence for step, sentence in offered(session, made, actor)}
        assert names["suspend"] is None
        assert names["scrap"] is None
        assert "filing_back" not in names
        assert (
            why_not(session, INSTRUMENT, made, INSTRUMENT.step("enable"), actor) == "当前状态为“在用”，不能执行“启用”。"
        )
    with world.acting("recA") as actor:
        assert offered(session, session.get(Instrument, made.id), actor) == []
        filing = session.scalars(select(Filing).where(Filing.instrument_id == made.id)).one()
        assert [s.name for s, _ in offered(session, filing, actor)] == []
    with world.acting("imgA") as actor:
        assert [s.name for s, _ in offered(session, filing, actor)] == ["revoke"]


# -- the header follows its items ------------------------------------------------------------------------------------

A = AppointmentState


def expected(first: ItemState, second: ItemState) -> AppointmentState | None:
    """WORKFLOWS 6 in words of its own; None keeps what was."""
    pair = {first.value, second.value}
    if pair & {"verifying", "received"}:
        return A.IN_PROGRESS
    if pair & {"pending", "assigned", "accepted"}:
        return A.IN_PROGRESS if "done" in pair else None
    if "done" in pair:
        return A.COMPLETED
    return (
        {"rejected": A.REJECTED, "cancelled": A.WITHDRAWN}.get(first.value, A.SENT_BACK)
        if len(pair) == 1
        else A.SENT_BACK
    )


@pytest.mark.feature("APT-05")
def test_header_state_of_every_mix_of_two(world):
    mixes = list(itertools.product(ItemState, repeat=2))
    assert len(mixes) == 100
    for first, second in mixes:
        for before in (A.ACCEPTED, A.IN_PROGRESS):
            want = expected(first, second) or before
            assert header_state([first.value, second.value], before.value) == want, (first, second)
            assert header_state([second.value, first.value], before.value) == want, "the order does not matter"
            assert want == before or want in SETTLING


def test_header_state_of_one_and_of_none():
    for state in ItemState:
        assert header_state([state.value], "accepted") == (expected(state, state) or A.ACCEPTED)
    assert header_state([], "accepted") == A.ACCEPTED
    assert {s.value for s in FINAL} == {"done", "rejected", "returned", "cancelled", "aborted"}
