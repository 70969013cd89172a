"""乡镇街道: loaded quickly, offered below a county, and by nothing else."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import func, select

from app import reference
from app.operations import places
from app.operations.reference_tables import reference_tables
from models import Division
from tests.client import login

pytestmark = [pytest.mark.usefixtures("context"), pytest.mark.feature("SUP-11")]


def test_all_streets_are_there_each_in_its_county(session):
    streets = reference.streets()
    assert len(set(streets["codes"])) == len(streets["codes"]) == 41_352
    stored = select(func.count()).where(Division.level == reference.STREET)
    assert session.scalar(stored) == 41_352
    orphans = stored.where(Division.parent_code.not_in(select(Division.code).where(Division.level == "county")))
    lone = set(session.execute(select(Division.parent_code).where(Division.level == reference.STREET)).scalars())
    cities = select(Division.code).where(Division.level == "city", Division.has_children.is_(False))
    assert session.scalar(orphans) == session.scalar(stored.where(Division.parent_code.in_(cities))), (
        "a street lies in a county or in a city without counties"
    )
    assert len(lone) > 2_800
    name = select(Division.name).where(Division.code == "110101001")
    assert session.scalar(name) == "东华门街道"
    flagged = select(func.count()).where(Division.level == "county", Division.has_children)
    assert session.scalar(flagged) == 0, "has_children speaks of counties below a city only"


def test_loading_again_is_quick_and_changes_nothing(session):
    begun = time.perf_counter()
    assert reference.load(session, force=True)
    assert time.perf_counter() - begun < 3
    session.rollback()
    assert not reference.load(session)


def test_a_form_may_ask_for_the_street(session):
    found = places.children(session, "110101")
    assert ("110101001", "东华门街道") in found
    assert places.place_name(session, "110101001") == "北京市东城区东华门街道".replace(
        "北京市", places.place_name(session, "110100")
    )


def test_nothing_else_offers_streets(app, world, session):
    assert not [c for c in reference_tables(session).divisions if len(c) != 6]
    unit, admin = login(app, world, "ua1"), login(app, world, "adm")
    assert unit.get("/options/divisions?term=东华门").json["results"] == []
    assert unit.get("/options/divisions?term=110101001").json["results"] == []
    assert admin.get("/institutes/areas?term=东华门").json["results"] == []
    (county,) = admin.get("/institutes/areas?term=东城").json["results"]
    assert county["id"] == "110101", "counties are offered still"
    from io import BytesIO

    import openpyxl

    book = openpyxl.load_workbook(BytesIO(unit.get("/imports/divisions.xlsx").data), read_only=True)
    levels = {row[2].value for row in book.active.iter_rows(min_row=2)}
    assert levels == {"省级", "市级", "区县级"}
