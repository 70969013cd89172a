"""Correcting and revoking papers, what the ledger and the public see of it; results, notices and glyphs (VER-12…14)."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from app import clock, filestore
from app.access.principal import as_system
from app.errors import InvalidInputError
from app.operations.appointment import book
from app.operations.certificate import edit_result, publish_certificate
from app.workflow import APPOINTMENT, fire
from models import AppointmentItem, Certificate, Instrument, Message
from models.base import db
from tests.certificate.test_institute_day import result
from tests.client import login, post, text, visitor
from tests.world import booked, drafted, instrument, issued, result_form, slot_of

pytestmark = pytest.mark.usefixtures("context")
RARE = "㎡Ω℃𠮷镕㎏‰"


def of(model, pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(model, pk)


def walk(app, world, pk):
    """From the draft to the issued paper, by the pages."""
    for who, step in (("verA", "submit"), ("chkA", "check"), ("aprA", "issue")):
        assert post(login(app, world, who), f"/certificates/step/{step}/{pk}").status_code == 303
    with as_system("the worker"):
        publish_certificate(db.session(), pk)
        db.session.commit()


def words(data):
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_a_wrong_number_on_a_paper_is_corrected_by_a_new_one(app, world):
    order = booked(world, "ua1")
    old_id = issued(world, order.items[0])
    old, verifier = of(Certificate, old_id), login(app, world, "verA")
    kept, digest = filestore.read(old.pdf_sha256), old.pdf_sha256
    begun = post(verifier, f"/certificates/correct/{old_id}", {"reason": "出厂编号打印有误"})
    assert begun.status_code == 303, text(begun)
    pk = int(begun.location.rsplit("/", 1)[1])
    page = text(verifier.get(f"/certificates/draft/{pk}"))
    assert f'value="{old.facts["serial_no"]}"' in page
    assert "证书上的器具信息" in page
    snapshot = {
        "client": str(old.facts["client"]),
        "instrument_name": "电子计价秤",
        "serial_no": "RIGHT-0815",
        "model": "ACS-31",
    }
    blank = post(verifier, f"/certificates/draft/{pk}", result(**{**snapshot, "serial_no": ""}))
    assert blank.status_code == 422
    assert "请填写“出厂编号”。" in text(blank)
    assert "ACS-31" in text(blank), "nothing typed is lost"
    assert post(verifier, f"/certificates/draft/{pk}", result(**snapshot)).status_code == 303
    draft = of(Certificate, pk)
    assert (draft.facts["serial_no"], draft.facts["model"]) == ("RIGHT-0815", "ACS-31")
    assert draft.facts["correction_reason"] == "出厂编号打印有误"
    assert of(Certificate, old_id).state == "issued", "in force until the new one is out"
    walk(app, world, pk)
    new, old = of(Certificate, pk), of(Certificate, old_id)
    assert (old.state, old.pdf_sha256, old.reason) == ("superseded", digest, "出厂编号打印有误")
    assert filestore.read(digest) == kept, "the stored file stays"
    unit = login(app, world, "ua1")
    served = unit.get(f"/certificates/pdf/{old_id}").data
    assert served.startswith(kept), "a copy with a mark appended"
    assert served != kept
    assert "已更正" in words(served)
    assert str(new.number) in words(served)
    fresh = words(unit.get(f"/certificates/pdf/{pk}").data)
    assert "RIGHT-0815" in fresh
    assert "已更正" not in fresh
    checked = text(visitor(app).get(f"/v/hash/{hashlib.sha256(kept).hexdigest()}"))
    assert "已更正" in checked
    shown = text(unit.get(f"/certificates/show/{old_id}"))
    assert f"/certificates/show/{pk}" in shown
    assert of(Instrument, order.instruments[0]).certificate_no == new.number
    assert of(Instrument, order.instruments[0]).serial_no != "RIGHT-0815", "a paper does not change the ledger"


def test_a_draft_keeps_what_is_typed_for_the_plate_only_if_it_was_asked(app, world):
    pk = drafted(world, booked(world, "ua1").items[0])
    verifier = login(app, world, "verA")
    assert post(verifier, f"/certificates/draft/{pk}", result()).status_code == 303
    before = of(Certificate, pk).facts["serial_no"]
    form = {**result_form(), "snapshot": {"serial_no": " "}}
    with world.acting("verA") as actor, pytest.raises(InvalidInputError, match="检定记录有误"):
        edit_result(db.session(), actor, pk, form, seen_version=None)
    db.session.rollback()
    assert of(Certificate, pk).facts["serial_no"] == before


def test_revoking_needs_two_persons_and_the_earlier_paper_counts_again(app, world):
    order = booked(world, "ua1")
    pk = issued(world, order.items[0])
    reason = {"reason": "标准器失准，结论不成立"}
    manager, approver = login(app, world, "imgA"), login(app, world, "aprA")
    alone = post(approver, f"/certificates/step/revoke/{pk}", reason, follow_redirects=True)
    assert "撤销须由两人确认。" in text(alone)
    assert post(approver, f"/certificates/step/ask_revocation/{pk}", reason).status_code == 303
    again = post(approver, f"/certificates/step/revoke/{pk}", reason, follow_redirects=True)
    assert "撤销须由两人确认。" in text(again)
    assert "发起撤销" in text(manager.get(f"/certificates/show/{pk}")), "the other one sees who asked, and why"
    assert post(login(app, world, "verA"), f"/certificates/step/revoke/{pk}", reason).status_code == 403
    assert post(manager, f"/certificates/step/revoke/{pk}", reason).status_code == 303
    gone = of(Certificate, pk)
    assert gone.state == "revoked"
    row = of(Instrument, order.instruments[0])
    assert (row.last_result, row.valid_until, row.certificate_no) == (None, None, "")
    served = login(app, world, "ua1").get(f"/certificates/pdf/{pk}").data
    assert "已撤销" in words(served)
    assert "已撤销" in text(visitor(app).get(f"/v/{gone.number}/{gone.lookup_code}"))
    with as_system("test"):
        told = select(Message.subject).where(Message.account_id == world.people["ua1"])
        assert any(str(gone.number) in s and "已撤销" in s for s in db.session.scalars(told))


@pytest.mark.feature("VER-12")
def test_completion_is_told_once_in_every_profile(app, world, monkeypatch):
    for profile in ("national", "zhejiang", "guangdong", "bayannur"):
        order = booked(world, "ua1", count=2)
        monkeypatch.setitem(app.config, "PROFILE", profile)
        issued(world, order.items[0])
        statement = select(Message.subject).where(
            Message.account_id == world.people["ua1"], Message.subject.contains(f"{order.number}已完检")
        )
        with as_system("test"):
            assert db.session.scalars(statement).all() == [], "one instrument is still out"
        issued(world, order.items[1], conclusion="fail")
        with as_system("test"):
            assert db.session.scalars(statement).all() == [f"预约单{order.number}已完检，共1台合格、1台不合格。"]
        monkeypatch.undo()


@pytest.mark.feature("VER-13")
def test_no_result_yet_is_blank_and_counts_as_no_record(app, world, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "zhejiang")
    row = instrument(world, "ua1", name="空白结果秤")
    client = login(app, world, "ua1")
    page = text(client.get(f"/instruments/show/{row.id}"))
    fact = re.search(r"<dt>(?:上次)?检定结果</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert fact is None or "合格" not in fact.group(1)
    red = text(
        client.get(
            "/warnings/list/",
            query_string={"band": "overdue", "_flt_0_serial_no": row.serial_no},
            follow_redirects=True,
        )
    )
    assert re.search(rf"<td[^>]*>(<a[^>]*>)?{row.serial_no}<", red), "无检定记录 stands with what is overdue"
    public = text(visitor(app).get(f"/instruments?q={row.serial_no}"))
    assert "合格" not in re.sub(r"<option.*?</option>", "", public).split("<tbody", 1)[-1].split("</tbody", 1)[0]


@pytest.mark.feature("VER-14")
def test_a_later_pass_takes_it_off_the_list_of_failures(app, world, monkeypatch):
    order = booked(world, "ua1")
    yesterday = clock.today() - timedelta(days=1)
    issued(world, order.items[0], conclusion="fail", verified_on=yesterday)
    row = of(Instrument, order.instruments[0])
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    client = login(app, world, "ua1")
    listed = text(client.get("/instruments/list/?band=failed", follow_redirects=True))
    assert row.serial_no in listed
    for word in ("预约检定", "停用"):
        assert word in listed
    monkeypatch.undo()
    later(world, row)
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    assert of(Instrument, row.id).last_result == "pass"
    assert row.serial_no not in text(client.get("/instruments/list/?band=failed", follow_redirects=True))


def later(world, row):
    """The instrument is booked and verified once more, with success."""
    session = db.session()
    slot = slot_of(world, "A")
    with world.acting("ua1") as actor:
        made = book(session, actor, instrument_ids=[row.id], slot_id=slot.id)
        session.commit()
    with world.acting("recA") as actor:
        fire(session, APPOINTMENT, made.id, "accept", actor)
        session.commit()
        item = session.scalars(select(AppointmentItem.id).where(AppointmentItem.appointment_id == made.id)).one()
    return issued(world, item)


def test_rare_characters_are_printed_and_can_be_selected(app, world):
    order = booked(world, "ua1", name=f"面积仪{RARE}", model="𠮷-Ω3")
    pk = issued(world, order.items[0], readings=[[f"示值{RARE}", "+1 ℃", "±5 ㎡"]], place="镕𠮷路")
    paper = login(app, world, "ua1").get(f"/certificates/pdf/{pk}").data
    said = words(paper)
    assert [sign for sign in RARE if sign not in said] == []
