"""VER-05: results come in by form, by workbook and by the interface; a repeat changes nothing."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import func, select

from app import clock
from app.access.principal import as_system
from app.operations.job import run_job
from app.operations.verification_records import FIELDS
from models import Job
from models.base import db
from models.unmatched import UnmatchedRecord
from tests.client import login, post, text, visitor
from tests.unmatched.support import cells, record
from tests.world import PASSWORD, instrument, uscc

pytestmark = pytest.mark.usefixtures("context")


def held(**wanted):
    with as_system("test"):
        db.session.expire_all()
        return db.session.execute(select(UnmatchedRecord).filter_by(**wanted)).unique().scalars().all()


@pytest.mark.feature("VER-05")
def test_one_by_form(app, world):
    desk, typed = login(app, world, "recA"), cells(world)
    typed["conclusion"] = "pass"
    wrong = post(desk, "/verification-records/new", {**typed, "unit_code": "91440101MA0000000X", "verified_on": ""})
    assert wrong.status_code == 422
    page = text(wrong)
    assert "“统一社会信用代码”不正确" in page
    assert "请填写“检定日期”。" in page
    assert typed["serial_no"] in page, "nothing typed is lost"
    assert post(desk, "/verification-records/new", typed).status_code == 303
    (made,) = held(certificate_no=typed["certificate_no"])
    assert (made.state, made.source, made.unit_id) == ("pending", "form", world.units["ua1"])
    again = post(desk, "/verification-records/new", {**typed, "serial_no": "CHANGED"}, follow_redirects=True)
    assert "已报送过，内容未变更" in text(again)
    (same,) = held(certificate_no=typed["certificate_no"])
    assert (same.serial_no, same.version) == (typed["serial_no"], made.version)
    assert post(login(app, world, "ua1"), "/verification-records/new", typed).status_code == 403
    assert visitor(app).get("/verification-records/new").status_code == 302


@pytest.mark.parametrize(
    ("more", "key", "sentence"),
    [
        ({"verified_on": "2098-01-01"}, "verified_on", "“检定日期”不能晚于今天。"),
        ({"valid_until": "2001-01-01"}, "valid_until", "“有效期至”须晚于检定日期。"),
        ({"conclusion": "不合格"}, "valid_until", "检定不合格时不填“有效期至”。"),
        ({"conclusion": "还行"}, "conclusion", "检定结果须为合格、不合格之一。"),
        ({"serial_no": "  "}, "serial_no", "请填写“出厂编号”。"),
        ({"unit_code": uscc(3_999_999)}, "unit_name", "请填写“单位名称”"),
        ({"model": "长" * 101}, "model", "“型号规格”超过100字"),
    ],
)
def test_what_is_wrong_is_named_by_field(app, world, more, key, sentence):
    from app.errors import InvalidInputError
    from app.operations.verification_records import send_record
    from models.enums import RecordSource

    with world.acting("verA") as actor, pytest.raises(InvalidInputError) as raised:
        send_record(db.session(), actor, cells(world, **more), RecordSource.FORM)
    assert sentence in raised.value.problems[key]


def test_by_the_interface_with_a_token(app, world):
    client = visitor(app)
    token = client.post("/api/v1/token", json={"username": world.names["verA"], "password": PASSWORD}).get_json()
    headers, body = {"Authorization": f"Bearer {token['access_token']}"}, cells(world, unit_name="甲")
    first = client.post("/api/v1/verification-records/", json=body, headers=headers)
    assert first.status_code == 201, text(first)
    made = first.get_json()
    assert (made["state"], made["repeated"]) == ("pending", False)
    again = client.post("/api/v1/verification-records/", json={**body, "serial_no": "OTHER"}, headers=headers)
    assert again.status_code == 200
    assert again.get_json() == {**made, "repeated": True}
    assert record(made["id"]).serial_no == body["serial_no"]
    assert record(made["id"]).source == "api"
    bad = client.post("/api/v1/verification-records/", json={**body, "state": "linked"}, headers=headers)
    assert bad.status_code == 422
    assert client.post("/api/v1/verification-records/", json=[1], headers=headers).status_code == 422
    assert made["id"] in client.get("/api/v1/verification-records/", headers=headers).get_json()["ids"]
    unit = client.post("/api/v1/token", json={"username": world.names["ua2"], "password": PASSWORD}).get_json()
    other = {"Authorization": f"Bearer {unit['access_token']}"}
    assert client.get(f"/api/v1/verification-records/{made['id']}", headers=other).status_code == 404
    assert client.post("/api/v1/verification-records/", json=body, headers=other).status_code == 403


def workbook(rows):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([field.label for field in FIELDS])
    for row in rows:
        sheet.append([row.get(field.key, "") for field in FIELDS])
    out = io.BytesIO()
    book.save(out)
    out.seek(0)
    return out


def test_many_from_a_workbook(app, world):
    desk, row = login(app, world, "recA"), instrument(world, "ua1")
    good = [cells(world, serial_no=row.serial_no), cells(world), cells(world, verified_on=clock.today())]
    twice = cells(world, certificate_no=good[1]["certificate_no"])
    bad = cells(world, conclusion="也许", serial_no="")
    sent_file = (workbook([*good, twice, bad]), "结果.xlsx")
    answer = post(desk, "/verification-records/upload", {"file": sent_file}, content_type="multipart/form-data")
    assert answer.status_code == 303, text(answer)
    page = text(desk.get(answer.location))
    assert "第5行：“证书编号”与第3行重复，请核对。" in page
    assert "第6行：" in page
    assert "检定结果须为合格、不合格之一。" in page
    assert "报送3条记录" in page
    assert not held(certificate_no=good[0]["certificate_no"]), "nothing is written before the word is given"
    job_id = int(answer.location.rsplit("/", 1)[1])
    assert login(app, world, "verA").get(answer.location).status_code == 404
    assert post(desk, answer.location).location == f"/jobs/{job_id}"
    assert run_job(db.session(), job_id) == "done"
    states = [held(certificate_no=r["certificate_no"])[0].state for r in good]
    assert states == ["linked", "pending", "pending"]
    page = text(desk.get(f"/jobs/{job_id}"))
    assert "已报送3条，其中1条自动关联到器具" in page
    with as_system("test"):
        before = db.session.scalar(select(func.count(UnmatchedRecord.id)))
        job = db.session.get(Job, job_id)
        job.state, job.done = "queued", 0  # as after a kill: the whole file once more
        db.session.commit()
    run_job(db.session(), job_id)
    with as_system("test"):
        assert db.session.scalar(select(func.count(UnmatchedRecord.id))) == before


def test_a_file_that_is_none_is_refused_with_the_cure(app, world):
    desk = login(app, world, "recA")
    for data, name in ((b"%PDF-1.4", "a.xlsx"), (b"", "b.xlsx")):
        answer = post(
            desk,
            "/verification-records/upload",
            {"file": (io.BytesIO(data), name)},
            content_type="multipart/form-data",
        )
        assert answer.status_code == 422
        assert "请" in text(answer)
    assert desk.get("/verification-records/template.xlsx").status_code == 200
