"""A number in full: who may see it, once, with a reason that stays in the audit log 1:1 (ROLES 3 and 4, cases 50, 60)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Account, Appointment, AuditLog, Unit, UnitContact
from models.base import db
from models.types import blind_index
from tests.client import login, post, text
from tests.personal.states import over
from tests.world import booked

REASON = "与用户约定现场检定时间"
ID_NUMBER = "440103199001010014"


@pytest.fixture(scope="module")
def rows(app, world):
    """A live order and a withdrawn one of ua1 at institute A, an ID number, a further contact."""
    with app.app_context():
        live, gone = booked(world, "ua1"), over(world, "ua1")
        with as_system("test"):
            account = db.session.get(Account, world.people["ua1"])
            account.id_number, account.id_number_index = ID_NUMBER, blind_index(ID_NUMBER)
            unit = db.session.get(Unit, world.units["ua1"])
            unit.legal_id_number = "440103196505050012"
            contact = UnitContact(unit_id=unit.id, name="李四", phone="13500001234")
            db.session.add(contact)
            db.session.commit()
            found = {
                "live": live.id,
                "over": gone.id,
                "contact": contact.id,
                "order_phone": db.session.get(Appointment, live.id).contact_phone,
                "phone": account.phone,
                "unit": unit.id,
                "unit_phone": unit.contact_phone,
                "account": account.id,
            }
        db.session.remove()
    return found


def lines(app) -> list[AuditLog]:
    with app.app_context(), as_system("test reads the log"):
        found = list(
            db.session.execute(select(AuditLog).where(AuditLog.action == "unmask").order_by(AuditLog.seq)).scalars()
        )
        db.session.expunge_all()
        db.session.remove()
    return found


CASES = [
    # who, kind, row, status
    ("recA", "appointment-phone", "live", 200),
    ("imgA", "appointment-phone", "live", 200),
    ("verA", "appointment-phone", "live", 403),
    ("aprA", "appointment-phone", "live", 403),
    ("recA", "appointment-phone", "over", 403),  # case 50
    ("recB", "appointment-phone", "live", 404),
    ("regA", "appointment-phone", "over", 200),
    ("regB", "appointment-phone", "live", 404),
    ("adm", "appointment-phone", "live", 404),
    ("ua2", "appointment-phone", "live", 404),
    ("recA", "unit-phone", "unit", 200),
    ("recB", "unit-phone", "unit", 404),
    ("regA1", "unit-phone", "unit", 200),
    ("adm", "unit-phone", "unit", 403),
    ("regA1", "unit-legal-id-number", "unit", 200),
    ("recA", "unit-legal-id-number", "unit", 403),
    ("regA1", "unit-contact-phone", "contact", 200),
    ("recA", "unit-contact-phone", "contact", 404),
    ("ua1", "account-phone", "account", 200),
    ("ua1", "account-id-number", "account", 200),
    ("ua2", "account-phone", "account", 404),
    ("recA", "account-phone", "account", 403),
    ("regA1", "account-phone", "account", 200),
    ("regA1", "account-id-number", "account", 200),
    ("adm", "account-phone", "account", 403),
    ("adm", "account-id-number", "account", 403),
    ("aud", "account-phone", "account", 403),
    ("sec", "account-id-number", "account", 403),
    ("regA1", "account-password", "account", 404),
]


@pytest.mark.feature("SUP-12")
@pytest.mark.parametrize("who, kind, row, status", CASES)
def test_who_may_see_it_in_full(app, world, rows, who, kind, row, status):
    client = login(app, world, who)
    before = len(lines(app))
    answer = post(client, f"/unmask/{kind}/{rows[row]}", {"reason": REASON})
    assert answer.status_code == status, text(answer)[:1500]
    after = lines(app)
    assert len(after) - before == (status == 200), "one line per showing, none for a refusal"
    if status != 200:
        return
    line = after[-1]
    assert answer.headers["Cache-Control"] == "no-store"
    assert line.actor_id == world.people[who]
    assert (line.entity, line.entity_id) == (KIND_TABLES[kind], str(rows[row]))
    assert line.detail == {"field": FIELDS[kind], "reason": REASON}


KIND_TABLES = {
    "appointment-phone": "appointment",
    "unit-phone": "unit",
    "unit-legal-id-number": "unit",
    "unit-contact-phone": "unit_contact",
    "account-phone": "account",
    "account-id-number": "account",
}
FIELDS = {
    "appointment-phone": "contact_phone",
    "unit-phone": "contact_phone",
    "unit-legal-id-number": "legal_id_number",
    "unit-contact-phone": "phone",
    "account-phone": "phone",
    "account-id-number": "id_number",
}


@pytest.mark.feature("SUP-12")
def test_the_page_masks_and_the_answer_shows_once(app, world, rows):
    client = login(app, world, "recA")
    page = text(client.get(f"/appointments/show/{rows['live']}"))
    assert rows["order_phone"] not in page
    assert "查看完整电话" in page
    assert "王小明" in page, "the contact's name of a live order is shown in full (ROLES 4)"
    shown = post(client, f"/unmask/appointment-phone/{rows['live']}", {"reason": REASON})
    assert rows["order_phone"] in text(shown)
    assert rows["order_phone"] not in text(client.get(f"/appointments/show/{rows['live']}"))
    assert client.get(f"/unmask/appointment-phone/{rows['live']}").status_code == 405
    gone = text(client.get(f"/appointments/show/{rows['over']}"))
    assert "查看完整电话" not in gone
    assert "王小明" not in gone
    assert "王**" in gone


@pytest.mark.parametrize("reason", ["", "太短", "x" * 501])
def test_without_a_reason_nothing_is_shown(app, world, rows, reason):
    client = login(app, world, "recA")
    before = len(lines(app))
    answer = post(client, f"/unmask/appointment-phone/{rows['live']}", {"reason": reason})
    if len(reason) > 500:  # cut to what the field holds
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    assert "请填写查看原因（5～500字）。" in text(answer) or reason == ""
    assert rows["order_phone"] not in text(answer)
    assert 'name="reason"' in text(answer)
    assert len(lines(app)) == before


def test_a_phone_in_the_reason_does_not_reach_the_log(app, world, rows):
    client = login(app, world, "regA1")
    post(client, f"/unmask/account-phone/{rows['account']}", {"reason": "核对号码13912340000是否为本人"})
    assert lines(app)[-1].detail["reason"] == "核对号码139****0000是否为本人"


def test_visitors_are_sent_to_log_in(app, world, rows):
    from tests.client import visitor

    answer = post(visitor(app), f"/unmask/account-phone/{rows['account']}", {"reason": REASON})
    assert answer.status_code == 302
    assert "/login/" in answer.location
