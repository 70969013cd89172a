"""我的业务办理, 我的质量信息 and 我的检测能力信息."""

import re

import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.operations.band import Band, band_condition
from app.operations.filing import submit_filings
from models import Filing, InstituteCapability, Instrument
from models.base import db
from models.enums import Role
from tests.client import login, post, text
from tests.organisation.support import a_unit, linked, staff
from tests.world import booked, category, filed, instrument, issued, slot_of


@pytest.fixture(scope="module")
def unit(app, world):
    return a_unit(app, world)


@pytest.fixture(scope="module")
def order(app, world, unit):
    with app.app_context():
        made = booked(world, unit, count=2)
        db.session.remove()
    return made


@pytest.mark.feature("ORG-13")
def test_a_submitted_booking_appears_with_its_flow_number(app, world, unit, order):
    page = text(login(app, world, unit).get("/me/business"))
    for word in ("业务流水号", "申请事项", "申请时间", "结果状态", order.number, "预约检定", "已受理", "器具备案"):
        assert word in page
    assert "共 3 记录" in page
    assert order.number in text(login(app, world, linked(app, world, unit)).get("/me/business"))
    assert order.number in text(login(app, world, "imgA").get("/me/business"))
    for nick in ("ua2", "imgB"):
        assert order.number not in text(login(app, world, nick).get("/me/business"))


@pytest.mark.feature("ORG-13")
def test_the_list_is_paged(app, world, unit, order):
    with app.app_context():
        with world.acting(unit) as actor:
            from app.operations.my_business import my_business

            first, count = my_business(db.session(), actor, 0, 2)
            rest, _count = my_business(db.session(), actor, 1, 2)
        db.session.remove()
    assert count == 3
    assert [len(first), len(rest)] == [2, 1]
    assert len({(line.entity, line.id) for line in (*first, *rest)}) == 3
    assert [line.at for line in (*first, *rest)] == sorted((x.at for x in (*first, *rest)), reverse=True)
    client = login(app, world, unit)
    for query in ("?page_business=9999", "?page_business=-1&psize_business=7", "?page_business=x"):
        assert client.get(f"/me/business{query}").status_code == 200


@pytest.mark.feature("ORG-14")
def test_numbers_equal_the_ledger(app, world, unit, order):
    with app.app_context():
        issued(world, order.items[0])
        issued(world, order.items[1], conclusion="fail")
        with as_system("test"):
            own = Instrument.unit_id == world.units[unit]
            expected = {
                band: db.session.scalar(
                    select(func.count()).select_from(Instrument).where(own, band_condition(band, clock.today()))
                )
                for band in (Band.GOOD, Band.DUE, Band.OVERDUE, Band.FAILED, Band.NEVER)
            }
        db.session.remove()
    assert expected[Band.FAILED] == 1
    for nick in (unit, linked(app, world, unit)):
        client = login(app, world, nick)
        page = text(client.get("/me/quality"))
        shown = dict(re.findall(r'<a class="figure" href="([^"]+)"><b>(\d+)</b>', page))
        assert {band: int(shown[f"/instruments/list/?band={band.value}"]) for band in expected} == expected
        assert "50.0%" in page
        listed = text(client.get("/instruments/list/?band=failed"))
        assert listed.count("/instruments/show/") >= 1
    for nick in ("imgA", "recA", "ind", "regA", "exp", "adm"):
        assert login(app, world, nick).get("/me/quality").status_code == 403


@pytest.fixture
def capability(app, world):
    """A category that institute A2 alone is given and loses in the test."""
    with app.app_context(), as_system("test"):
        found = category("非自动衡器")
        row = db.session.execute(
            select(InstituteCapability).where(
                InstituteCapability.institute_id == world.institutes["A2"],
                InstituteCapability.category_id == found.id,
            )
        ).scalar_one()
        pk = row.id
        db.session.remove()
    return pk


@pytest.fixture(scope="module")
def head(app, world):
    """The head of institute A2, whom the world lacks."""
    return staff(app, world, [Role.IMG], "A2")


@pytest.mark.feature("ORG-15")
def test_removing_a_capability_ends_new_assignments(app, world, unit, head, capability):
    client = login(app, world, head)
    page = text(client.get("/capabilities/list/"))
    assert "检定能力" in page
    form = text(client.get("/capabilities/add"))
    assert 'name="institute"' not in form
    assert 'name="category"' in form
    world.people["recA2"] = world.people[staff(app, world, [Role.REC], "A2")]
    with app.app_context():
        ready = filed(world, unit, "A2", division="440104").id
        waiting = instrument(world, unit, division="440104").id
        slot = slot_of(world, "A2").id
        with world.acting(unit) as actor:
            data = {"institute_id": world.institutes["A2"], "declaration": True}
            assert submit_filings(db.session(), actor, [waiting], data).done == [waiting]
            db.session.commit()
            pk = category().id
        db.session.remove()
    assert post(client, f"/capabilities/delete/{capability}").status_code == 303
    assert refused_booking(app, world, unit, ready, slot)
    assert refused_filing(app, world, waiting)
    again = {
        "category": str(pk),
        "institute": str(world.institutes["B"]),
        "valid_from": clock.today().isoformat(),
        "valid_until": clock.today().replace(year=clock.today().year + 1).isoformat(),
        "regulation": "JJG 539",
        "standard_name": "砝码组",
        "standard_range": "0-30kg",
        "standard_uncertainty": "M1",
        "standard_certificate": "社量标证1号",
        "standard_valid_until": clock.today().replace(year=clock.today().year + 1).isoformat(),
    }
    assert post(client, "/capabilities/add", again, page="/capabilities/add").status_code == 303
    with app.app_context():
        with as_system("test"):
            rows = db.session.execute(
                select(InstituteCapability.institute_id).where(
                    InstituteCapability.standard_certificate == "社量标证1号"
                )
            )
            assert list(rows.scalars()) == [world.institutes["A2"]]  # whatever institute was sent
        db.session.remove()
    assert not refused_booking(app, world, unit, ready, slot)
    assert not refused_filing(app, world, waiting)


def refused_booking(app, world, unit: str, instrument_id: int, slot_id: int) -> str:
    """The sentence that refuses a booking at A2, "" when it is taken."""
    from app.errors import QuanhengError
    from app.operations.appointment import book

    with app.app_context():
        try:
            with world.acting(unit) as actor:
                book(db.session(), actor, instrument_ids=[instrument_id], slot_id=slot_id)
            return ""
        except QuanhengError as error:
            return error.sentence
        finally:
            db.session.rollback()
            db.session.remove()


def refused_filing(app, world, instrument_id: int) -> str:
    """The sentence that keeps A2 from approving the filing, "" when it may."""
    from app.workflow import FILING
    from app.workflow.engine import why_not

    with app.app_context():
        with world.acting("recA2") as actor:
            row = db.session.execute(select(Filing).where(Filing.instrument_id == instrument_id)).scalar_one()
            found = why_not(db.session(), FILING, row, FILING.step("approve"), actor)
        db.session.remove()
    return found or ""


@pytest.mark.feature("ORG-15")
def test_only_the_head_of_the_institute_keeps_it(app, world, capability):
    for nick, status in (("imgB", 404), ("recA", 403), ("ua1", 403), ("regA", 403)):
        client = login(app, world, nick)
        assert client.get(f"/capabilities/edit/{capability}").status_code == status
        assert post(client, f"/capabilities/delete/{capability}").status_code == status
    assert login(app, world, "imgA").get("/capabilities/list/").status_code == 200
