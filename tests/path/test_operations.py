"""The main job by operations: registration to the public page, every step in the history."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import ANONYMOUS, acting_as, as_system
from app.operations.history import instrument_history
from app.operations.integrity import check_all
from app.operations.public import check_certificate, search
from models import Appointment, Certificate, Instrument
from tests.world import booked, issued


def test_one_instrument_walks_from_registration_to_the_public_page(world, session):
    with as_system("test"):
        before = check_all(session)  # other modules plant broken rows in the database they share
    order = booked(world, "ua1", count=2)
    good, bad = (issued(world, order.items[0]), issued(world, order.items[1], conclusion="fail"))
    with world.acting("ua1"):
        first, second = (session.get(Instrument, pk) for pk in order.instruments)
        assert (first.last_result, second.last_result) == ("pass", "fail")
        assert first.valid_until is not None
        assert second.valid_until is None
        assert session.get(Appointment, order.id).state == "completed"
        paper = session.get(Certificate, good)
        number, code, serial = paper.number, paper.lookup_code, first.serial_no
    with acting_as(ANONYMOUS):
        rows, count, _more = search(session, serial)
        assert count == 1
        assert rows[0].standing == "有效"
        assert check_certificate(session, number, code).answer == "有效"
        assert check_certificate(session, number, "AAAAAAAA") is None
    with world.acting("regA1") as actor:
        assert session.get(Instrument, order.instruments[0]) is not None
        steps = [(line.entity, line.step) for line in instrument_history(session, actor, order.instruments[0])]
    assert steps == [
        ("器具", "新增"),
        ("备案", "建立备案"),
        ("备案", "提交备案"),
        ("器具", "提交备案"),
        ("器具", "更新"),  # 计量器具编码
        ("备案", "审核通过"),
        ("器具", "备案通过"),
        ("预约器具", "选择器具"),
        ("预约器具", "分配"),
        ("预约器具", "受理"),
        ("预约器具", "收样核对"),
        ("预约器具", "开始检定"),
        ("证书", "编制"),
        ("证书", "提交核验"),
        ("证书", "核验通过"),
        ("证书", "批准签发"),
        ("证书", "生成电子证书"),
        ("预约器具", "检定完成"),
        ("器具", "检定结果入库"),
    ]
    with world.acting("regA2"):
        session.expire_all()
        assert session.execute(select(Instrument).where(Instrument.id == order.instruments[0])).first() is None
    with as_system("test"):
        assert check_all(session) == before
        assert session.get(Certificate, bad).kind == "rejection"


@pytest.mark.parametrize("who", ["ua2", "ub1", "regA2", "regB", "recB", "aud", "adm"])
def test_a_foreign_instrument_is_not_there(world, session, who):
    order = booked(world, "ua1")
    with world.acting(who):
        session.expire_all()
        assert session.execute(select(Instrument).where(Instrument.id == order.instruments[0])).first() is None
