"""`demo load`: a small world in seconds, sound, told once."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import func, select

from app.access.passwords import problem_with
from app.access.principal import as_system
from app.access.validators import valid_uscc
from app.operations import demo_names
from app.operations.demo import load_demo, new_password
from app.operations.integrity import check_all
from models import Certificate, Filing, Instrument, Unit
from models.base import db


def test_a_small_world(app, world):
    parts: list[int] = []
    with app.app_context():
        people = load_demo(db.session(), units=2, instruments=30, seed=7, progress=parts.append)
        assert sum(parts) == 100
        roles = {p.role for p in people}
        assert roles == {
            "系统管理员",
            "审计员",
            "安全管理员",
            "受理员",
            "检定员",
            "批准人",
            "机构负责人",
            "监管人员",
            "企业主账号",
        }
        assert len({p.password for p in people}) == len({p.username for p in people}) == len(people)
        assert all(problem_with(p.password, [p.username]) is None for p in people)
        with as_system("test"):
            units = select(Unit).where(Unit.code.like("9115%"))
            assert len(db.session.scalars(units).all()) == 2
            assert all(valid_uscc(u.code) and u.active for u in db.session.scalars(units))
            mine = Instrument.unit_id.in_(select(Unit.id).where(Unit.code.like("9115%")))
            assert db.session.scalar(select(func.count()).select_from(Instrument).where(mine)) == 30
            states = set(db.session.scalars(select(Filing.state).where(Filing.use_division.like("15%"))))
            assert {"approved", "submitted"} <= states
            assert db.session.scalar(
                select(func.count())
                .select_from(Certificate)
                .where(Certificate.use_division.like("15%"), Certificate.state == "issued")
            )
            assert [f for f in check_all(db.session()) if f.violations] == []
        db.session.remove()


def test_a_second_time_nothing_happens(app, world):
    with app.app_context():
        load_demo(db.session(), units=0, instruments=0, seed=7, progress=lambda _part: None)
        db.session.remove()
    with app.app_context():
        result = app.test_cli_runner().invoke(args=["demo", "load", "--units", "3"], catch_exceptions=False)
        assert result.exit_code == 0
        assert "演示数据已装入" in result.output
        units = json.loads(app.test_cli_runner().invoke(args=["unit", "list", "--json"]).stdout)
    assert len([u for u in units if u["code"].startswith("9115")]) <= 2


@pytest.mark.must_never(34)
def test_names_follow_from_the_seed_and_passwords_do_not():
    from random import Random

    first, second = (
        [(demo_names.person_name(r), demo_names.company_code(r, "150102")) for _ in range(5)]
        for r in (Random(3), Random(3))
    )
    assert first == second
    assert all(valid_uscc(code) for _, code in first)
    assert new_password() != new_password()
    assert re.fullmatch(r"\w{5}-\w{5}-\w{5}", new_password())


@pytest.mark.parametrize("trade", demo_names.TRADES, ids=lambda t: t[0])
def test_every_kind_is_in_the_catalogue(trade):
    from app.reference import categories

    known = {(c["level1"], c["level2"]) for c in categories() if "V" in c["supervision"]}
    assert {(k.level1, k.level2) for k in trade[1]} <= known
