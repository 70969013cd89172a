"""The demonstration in other deployments: it lies where the profile does, and what goes wrong leaves nothing behind."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.errors import ConflictError
from app.operations import demo, demo_business
from app.operations.demo_places import REGIONS, region_for
from app.operations.integrity import check_all
from app.profiles import forget, load, names
from models import Account, Appointment, Filing, Institute, Instrument, TransitionLog, Unit
from models.reference import Division
from models.unmatched import UnmatchedRecord

COUNTED = (Account, Institute, Unit, Instrument, Filing, Appointment, TransitionLog)


def counts(session):
    with as_system("test"):
        session.expire_all()
        return [session.scalar(select(func.count()).select_from(model)) for model in COUNTED]


@pytest.mark.parametrize("name", names())
def test_every_profile_has_its_world(name):
    root = str(load(name)["region"]["root"])
    region = region_for(root)
    assert region is not None
    assert all(county.startswith(root.rstrip("0")) for county, _start, _street in region.places)
    areas = {code.rstrip("0") for code, *_rest in region.institutes}
    assert all(county in areas or county[:4] in areas for county, _start, _street in region.places)
    assert {area for area, _body in region.regulators} == {demo.accounts.area_of(row[0]) for row in region.institutes}


def test_its_places_are_places(session):
    codes = {code for region in REGIONS.values() for code, *_rest in (*region.institutes, *region.places)}
    assert set(session.scalars(select(Division.code).where(Division.code.in_(codes)))) == codes


def test_a_region_without_a_world_is_said(monkeypatch, session):
    monkeypatch.setattr(demo, "setting", lambda *_names: "530000")
    with pytest.raises(ConflictError, match="没有为行政区划530000准备的演示数据"):
        demo.region_here()


def test_what_goes_wrong_leaves_nothing_behind(app, world, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    forget()
    before = counts(session)

    def breaks(*_arguments):
        raise ConflictError("检定机构忽然关门。")

    monkeypatch.setattr(demo_business, "_leave_service", breaks)
    with pytest.raises(ConflictError, match="检定机构忽然关门"):
        demo.load_demo(session, units=1, instruments=12, seed=3, progress=lambda _part: None)
    assert counts(session) == before
    assert not demo.loaded(session)
    assert not {"commit", "rollback"} & set(vars(session)), "the session is as it was"


def test_a_world_without_filing(app, world, session, monkeypatch):
    """Zhejiang: nothing filed, the regulator confirms, results come from other systems."""
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    forget()
    with as_system("test"):
        broken = check_all(session)
    people = demo.load_demo(session, units=1, instruments=30, seed=3, progress=lambda _part: None)
    assert len(people) > 30
    with as_system("test"):
        unit = session.scalars(select(Unit).where(Unit.division_code.like("33%"))).one()
        assert session.scalar(select(func.count()).where(Instrument.unit_id == unit.id)) == 30
        assert session.scalar(select(func.count()).where(Filing.unit_id == unit.id)) == 0
        states = set(session.scalars(select(Appointment.state).where(Appointment.unit_id == unit.id)))
        assert {"completed", "accepted"} <= states
        sent = set(session.scalars(select(UnmatchedRecord.state).where(UnmatchedRecord.unit_id == unit.id)))
        assert {"linked", "pending", "disputed", "not_ours"} <= sent
        assert check_all(session) == broken
    assert demo.loaded(session)
