"""UNM-01, UNM-03, UNM-04 and must-never 14 by the pages: units sort out, institutes answer, regulators decide."""

from __future__ import annotations

import re

import pytest

from app.access.principal import as_system
from app.operations.completeness import missing_of
from models.base import db
from tests.client import login, post, text
from tests.unmatched.support import instrument_row, record, sent
from tests.world import instrument

pytestmark = pytest.mark.usefixtures("context")
HEADS = ("检定日期", "检定机构", "器具名称", "型号规格", "出厂编号", "检定结果", "有效期", "证书编号")


def shown(client):
    return text(client.get("/unmatched/list/", follow_redirects=True))


@pytest.mark.feature("UNM-01")
def test_a_record_of_an_unknown_number_is_listed_for_the_right_unit_only(app, world):
    pk = sent(world)
    number, page = record(pk).certificate_no, shown(login(app, world, "ua1"))
    assert number in page
    head = page[page.index("<thead") : page.index("</thead")]
    places = [head.index(word) for word in HEADS]
    assert places == sorted(places)
    assert f'action="/unmatched/import/{pk}"' in page
    assert f"/unmatched/show/{pk}" in page
    for other in ("ua2", "ub1", "recB", "regB"):
        client = login(app, world, other)
        assert number not in shown(client)
        assert client.get(f"/unmatched/show/{pk}").status_code == 404
    for reader in ("sub1", "recA", "verA", "regA", "regA1"):
        assert number in text(login(app, world, reader).get("/unmatched/list/?state=pending", follow_redirects=True))


@pytest.mark.feature("UNM-03")
def test_import_puts_it_into_the_ledger_to_be_completed(app, world):
    pk, client = sent(world), login(app, world, "ua1")
    answer = post(client, f"/unmatched/import/{pk}", {"seen_version": "0"})
    done = record(pk)
    assert answer.status_code == 303, text(answer)
    assert answer.location == f"/instruments/complete/{done.instrument_id}"
    assert done.state == "imported"
    row = instrument_row(done.instrument_id)
    assert (row.name, row.model, row.serial_no, row.manufacturer) == ("电子计价秤", "ACS-30", done.serial_no, "大华")
    assert (row.last_result, row.valid_until, row.verified_on) == ("pass", done.valid_until, done.verified_on)
    with as_system("test"):
        assert "category" in missing_of(row)
    assert done.certificate_no not in shown(client)
    assert client.get(answer.location).status_code == 200


@pytest.mark.feature("UNM-03")
def test_a_duplicate_is_refused_and_linking_offered(app, world):
    row = instrument(world, "ua1", serial_no="DOUBLE-1")
    instrument(world, "ua1", serial_no="DOUBLE-I")  # reads the same: so nothing is certain
    pk, client = sent(world, serial_no="DOUBLE-1"), login(app, world, "ua1")
    assert record(pk).state == "pending"
    answer = post(client, f"/unmatched/import/{pk}", follow_redirects=True)
    page = text(answer)
    assert "台账中已有相同器具，请使用“关联”。" in page
    assert answer.request.path == f"/unmatched/link/{pk}"
    assert f'name="instrument_id" value="{row.id}"' in page
    assert record(pk).state == "pending"
    linked = post(client, f"/unmatched/link/{pk}", {"instrument_id": str(row.id), "seen_version": "0"})
    assert linked.status_code == 303, text(linked)
    assert (record(pk).state, record(pk).instrument_id) == ("linked", row.id)
    assert instrument_row(row.id).last_result == "pass"


@pytest.mark.feature("UNM-04")
def test_the_probable_reason_with_its_candidate(app, world):
    near = instrument(world, "ua1", serial_no="HINT-556677")
    typo, unknown = sent(world, serial_no="HINT-556776"), sent(world, serial_no="QQQQ-9988776655")
    client = login(app, world, "ua1")
    page = text(client.get(f"/unmatched/show/{typo}"))
    assert "出厂编号不一致" in page
    assert f"/unmatched/link/{typo}?instrument_id={near.id}" in page
    assert f"/instruments/show/{near.id}" in page
    assert "未备案" in text(client.get(f"/unmatched/show/{unknown}"))
    listed = shown(client)
    assert "出厂编号不一致" in listed
    assert "未备案" in listed


def test_linking_asks_what_is_odd_and_may_correct_the_ledgers_number(app, world):
    row = instrument(world, "ua1", serial_no="LINK-880011", name="台秤")
    pk, client = sent(world, serial_no="LINK-880012"), login(app, world, "ua1")
    data = {"instrument_id": str(row.id), "serial": "record", "q": "LINK-88"}
    refused = post(client, f"/unmatched/link/{pk}", data)
    assert refused.status_code == 422
    page = text(refused)
    assert "名称或型号不一致，请核对" in page
    assert re.search(r'value="record" checked', page), "what was chosen stays"
    assert re.search(rf'value="{row.id}" checked', page)
    assert post(client, f"/unmatched/link/{pk}", {**data, "differs_ok": "1"}).status_code == 303
    assert instrument_row(row.id).serial_no == "LINK-880012"
    assert record(pk).state == "linked"


def test_a_unit_disputes_the_institute_corrects_and_the_ledger_follows(app, world):
    row = instrument(world, "ua1", serial_no="DISP-100200")
    pk, client = sent(world, serial_no="DISP-999888"), login(app, world, "ua1")
    assert post(client, f"/unmatched/step/dispute/{pk}", {"reason": "编号与铭牌不符"}).status_code == 303
    assert record(pk).state == "disputed"
    desk = login(app, world, "recA")
    page = text(desk.get(f"/unmatched/correct/{pk}"))
    assert "编号与铭牌不符" in page
    typed = {"instrument_name": "电子计价秤", "serial_no": "DISP-100200", "conclusion": "pass", "model": "ACS-30"}
    day = record(pk).verified_on.isoformat()
    wrong = post(desk, f"/unmatched/correct/{pk}", {**typed, "verified_on": "2026-13-01"})
    assert wrong.status_code == 422
    assert "DISP-100200" in text(wrong), "nothing typed is lost"
    assert post(desk, f"/unmatched/correct/{pk}", {**typed, "verified_on": day}).status_code == 303
    assert (record(pk).state, record(pk).instrument_id) == ("linked", row.id)
    assert post(login(app, world, "recB"), f"/unmatched/correct/{pk}", typed).status_code == 404


def test_not_ours_goes_to_the_regulator_who_reassigns_or_closes(app, world):
    pk, client, official = sent(world), login(app, world, "ua1"), login(app, world, "regA1")
    assert post(client, f"/unmatched/step/not_ours/{pk}", {"reason": "本单位没有这台器具"}).status_code == 303
    assert "单位反馈非本单位的检定记录" in text(official.get("/home/"))
    assert post(client, f"/unmatched/step/reassign/{pk}", {"unit_code": world.codes["ua2"]}).status_code == 403
    done = post(official, f"/unmatched/step/reassign/{pk}", {"unit_code": world.codes["ua2"]})
    assert done.status_code == 303, text(done)
    assert record(pk).unit_id == world.units["ua2"]
    assert client.get(f"/unmatched/show/{pk}").status_code == 404
    assert record(pk).certificate_no in shown(login(app, world, "ua2"))
    assert post(official, f"/unmatched/step/close/{pk}", {"reason": "重复报送的记录"}).status_code == 303
    assert record(pk).state == "closed"


def test_home_counts_what_waits(app, world):
    sent(world)
    for who, word in (("ua1", "未匹配的检定记录"), ("recA", "待更正的检定记录")):
        if who == "recA":
            post(login(app, world, "ua1"), f"/unmatched/step/dispute/{sent(world)}", {"reason": "编号写错了吧"})
        page = text(login(app, world, who).get("/home/"))
        assert word in page
        assert "/unmatched/list/" in page


@pytest.mark.must_never(14)
def test_case_14_no_record_and_no_instrument_of_others(app, world):
    mine, foreign = sent(world), instrument(world, "ua2", serial_no="FOREIGN-14")
    theirs = sent(world, "ua2", serial_no="FOREIGN-1414")
    own, client = instrument(world, "ua1", serial_no="OWN-14"), login(app, world, "ua1")
    for record_id, instrument_id in ((mine, foreign.id), (theirs, own.id), (mine, 99_999_999), (99_999_999, own.id)):
        data = {"instrument_id": str(instrument_id), "differs_ok": "1"}
        answer = post(client, f"/unmatched/link/{record_id}", data)
        assert answer.status_code == 404, (record_id, instrument_id)
        assert "FOREIGN-14" not in text(answer)
    assert post(client, f"/unmatched/import/{theirs}").status_code == 404
    assert {record(mine).state, record(theirs).state} == {"pending"}
    db.session.rollback()
