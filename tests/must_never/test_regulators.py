"""Cases 53–60: regulators and their areas."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.errors import NotVisibleError
from app.operations.appointment import book
from app.workflow import APPOINTMENT, FILING, INSTRUMENT, fire
from models import Account, Appointment, Filing, Instrument, Unit
from models.base import db
from models.enums import AccountKind, Role
from tests.client import login, post, text
from tests.world import filed, person, slot_of

REASON = {"reason": "监督检查发现问题"}
PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")


@pytest.mark.must_never(53)
def test_case_53_the_place_of_use_decides(app, world, session):
    """An instrument of a local unit that stands in the next county: the unit's header yes, the instrument no."""
    away = filed(world, "ua1", division="440104")
    pk, serial = away.id, away.serial_no
    with as_system("test"):
        filing = session.execute(select(Filing.id).where(Filing.instrument_id == pk)).scalar_one()
    with world.acting("regA1") as actor:
        assert session.execute(select(Unit).where(Unit.id == world.units["ua1"])).scalar_one_or_none() is not None
        assert session.execute(select(Instrument).where(Instrument.id == pk)).scalar_one_or_none() is None
        for machine, key, step in ((INSTRUMENT, pk, "suspend"), (FILING, filing, "revoke")):
            with pytest.raises(NotVisibleError):
                fire(session, machine, key, step, actor, REASON)
            session.rollback()
    client = login(app, world, "regA1")
    assert client.get(f"/units/show/{world.units['ua1']}").status_code in {200, 403}
    assert client.get(f"/instruments/show/{pk}").status_code == 404
    assert post(client, f"/instruments/step/suspend/{pk}", {**REASON, "seen_version": "1"}).status_code == 404
    assert f">{serial}<" not in text(client.get(f"/search?q={serial}", follow_redirects=True))
    assert serial in text(login(app, world, "regA2").get(f"/instruments/show/{pk}"))


@pytest.mark.must_never(54)
def test_case_54_confirming_needs_the_own_city(app, world, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    made = None
    with monkeypatch.context() as patch:
        patch.setitem(app.config, "PROFILE", "all")
        made = filed(world, "ua1").id
        slot = slot_of(world, "A").id
    from app import profiles

    profiles.forget()
    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=[made], slot_id=slot).id
        session.commit()
    with as_system("test"):
        assert session.get(Appointment, order).state == "admin_review"
    steps = [s.name for s in APPOINTMENT.steps if Role.REG in s.by]
    assert steps
    for who in ("regB", "regA2"):
        with world.acting(who) as actor:
            for step in steps:
                with pytest.raises(NotVisibleError):
                    fire(session, APPOINTMENT, order, step, actor, REASON)
                session.rollback()
    with as_system("test"):
        session.expire_all()
        assert session.get(Appointment, order).state == "admin_review"


@pytest.mark.must_never(58)
def test_case_58_a_moved_regulator_sees_the_new_area_at_once(app, world):
    with app.app_context():
        if "regMove" not in world.people:
            person(world, "regMove", AccountKind.REGULATOR, [Role.REG], area="440103")
        here, there = filed(world, "ua1").id, filed(world, "ua1", division="440104").id
        db.session.remove()
    client = login(app, world, "regMove")
    assert client.get(f"/instruments/show/{here}").status_code == 200
    assert client.get(f"/instruments/show/{there}").status_code == 404
    with app.app_context(), as_system("the person was moved"):
        db.session.get(Account, world.people["regMove"]).area = "440104"
        db.session.commit()
        db.session.remove()
    assert client.get(f"/instruments/show/{here}").status_code in {302, 404}
    if client.get("/home/").status_code != 200:
        client = login(app, world, "regMove")
    assert client.get(f"/instruments/show/{here}").status_code == 404
    assert client.get(f"/instruments/show/{there}").status_code == 200


@pytest.mark.must_never(60)
@pytest.mark.parametrize("who", ["regA1", "regP"])
def test_case_60_exports_hold_no_full_phone(app, world, who):
    with app.app_context():
        serial = filed(world, "ua1").serial_no
        db.session.remove()
    client = login(app, world, who)
    addresses = [f"/instruments/export?_flt_0_search_text={serial}"]  # more than 200 rows would be a job
    addresses += [r.rule for r in app.url_map.iter_rules() if re.search("export|xlsx|csv", r.rule) and not r.arguments]
    seen = 0
    for address in sorted(set(addresses)):
        answer = client.get(address)
        if answer.status_code != 200 or "sheet" not in answer.content_type:
            continue
        sheet = openpyxl.load_workbook(io.BytesIO(answer.data))
        words = " ".join(str(v) for s in sheet for row in s.iter_rows(values_only=True) for v in row if v is not None)
        assert PHONE.search(words) is None, address
        assert re.search(r"(?<!\d)\d{17}[\dX](?!\d)", words) is None, address
        seen += 1
    assert seen >= 1
    with app.app_context(), as_system("test"):
        phones = {u.contact_phone for u in db.session.execute(select(Unit)).unique().scalars() if u.contact_phone}
        db.session.remove()
    for address in ("/units/list/", "/accounts/list/", "/appointments/list/", f"/units/show/{world.units['ua1']}"):
        body = text(client.get(address, follow_redirects=True))
        assert not [p for p in phones if p in body], address
