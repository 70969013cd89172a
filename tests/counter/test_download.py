"""Papers by 委托单号 and 客户密码 (VER-07, VER-08, must-never case 5), the hotline (VER-17), people without an order."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from models import Appointment, AppointmentItem, AuditLog, Commission
from models.base import db
from tests.client import login, post, text, visitor
from tests.counter.desk import SECRET, lines, opened, order, read, tasks_of
from tests.counter.test_tasks import paper_of, publish, result, walk
from tests.world import filed, instrument

WRONG = "ZZZZZZZZZZ"
COLUMNS = [
    "选中",
    "证书编号",
    "证书类型",
    "委托单号",
    "器具名称",
    "检测时间",
    "委托单位",
    "生产厂",
    "出厂编号",
    "测量类型",
    "下载电子证书",
]


@pytest.fixture(autouse=True)
def everything_on(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")


@pytest.fixture(scope="module")
def people(app, world):
    with app.app_context():
        return {nick: login(app, world, nick) for nick in ("recA", "imgA", "verA", "recB", "ua1")}


@pytest.fixture(scope="module")
def ready(app, world, people):
    """A commission of five instruments, all of them with a published paper."""
    kept = app.config["PROFILE"]
    app.config["PROFILE"] = "all"
    made = order(app, world, 5)
    pk, number, secret = opened(people["recA"], made)
    for task in tasks_of(app, pk):
        post(people["verA"], "/tasks/action_post", {"action": "take", "rowid": str(task.id)})
        assert post(people["verA"], f"/tasks/record/{task.id}", result()).status_code == 303
    papers = [paper_of(app, item).id for item in made.items]
    for paper in papers:
        walk(app, world, paper, ("verA", "submit"), ("chkA", "check"), ("aprA", "issue"))
        publish(app, paper)
    app.config["PROFILE"] = kept
    return {"pk": pk, "number": number, "secret": secret, "papers": papers, "made": made}


def ask(client, number: str, secret: str):
    return post(client, "/d/", {"number": number, "secret": secret}, page="/d/")


def ticket_of(answer) -> str:
    return re.search(r'name="t" value="([^"]+)"', text(answer)).group(1)


@pytest.mark.feature("VER-07")
def test_papers_for_number_and_password(app, world, ready, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    client = visitor(app)
    first = text(client.get("/d/"))
    for word in (
        "计量检测电子证书下载",
        "委托单号",
        "客户密码",
        "查询",
        "0478-8213786",
        "【推荐使用批量压缩打包下载】",
    ):
        assert word in first
    wrong, unknown = ask(client, ready["number"], WRONG), ask(client, "A9W2020999999", ready["secret"])
    plain = [re.sub(r'value="[^"]*"', "", text(answer)) for answer in (wrong, unknown)]
    assert plain[0] == plain[1], "no hint which of the two was wrong"
    assert "查询结果记录数:0" in plain[0]
    answer = ask(client, ready["number"].lower(), ready["secret"].lower())
    page = text(answer)
    assert "查询结果记录数:5" in page
    assert "全选中" in page
    assert answer.headers["Cache-Control"] == "no-store"
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page)
    assert heads[:11] == COLUMNS
    assert {int(i) for i in re.findall(r"/d/paper/(\d+)", page)} == set(ready["papers"]), "this order's papers alone"
    link = re.search(r'href="(/d/paper/[^"]+)"', page).group(1).replace("&amp;", "&")
    pdf = client.get(link)
    assert pdf.status_code == 200
    assert len(PdfReader(io.BytesIO(pdf.data)).pages) >= 1
    with clock.frozen(clock.now() + timedelta(minutes=11)):
        assert client.get(link).status_code == 404, "a link dies after ten minutes"
    assert client.get(link.split("?")[0]).status_code == 404
    assert ready["secret"] not in page


def test_a_foreign_paper_is_not_given(app, world, ready, people):
    other = order(app, world, 1)
    pk, number, secret = opened(people["recA"], other)
    client = visitor(app)
    answer = ask(client, number, secret)
    assert "查询结果记录数:0" in text(answer)
    assert "待检定" in text(answer), "progress is told before there is a paper"
    mine = ticket_of(ask(client, ready["number"], ready["secret"]))
    assert client.get(f"/d/paper/{ready['papers'][0]}?t={mine}").status_code == 200
    with app.app_context(), as_system("test"):
        from app.operations.commission_download import _ticket

        foreign = _ticket(db.session.get(Commission, pk))
        db.session.remove()
    assert client.get(f"/d/paper/{ready['papers'][0]}?t={foreign}").status_code == 404


@pytest.mark.feature("VER-08")
def test_three_of_five_in_one_zip(app, ready, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    client = visitor(app)
    ticket = ticket_of(ask(client, ready["number"], ready["secret"]))
    chosen = [str(pk) for pk in ready["papers"][:3]]
    answer = post(client, "/d/papers", {"t": ticket, "rowid": chosen, "act": "zip"}, page="/d/")
    assert answer.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        infos = archive.infolist()
        assert len(infos) == 3
        for info in infos:
            assert info.flag_bits & 0x800, "marked as UTF-8, which keeps Chinese whole on Windows"
            assert re.fullmatch(r"[^_]+_电子计价秤_S\d+\.pdf", info.filename), info.filename
            assert len(PdfReader(io.BytesIO(archive.read(info))).pages) >= 1
    every = post(client, "/d/papers", {"t": ticket, "all": "1", "act": "zip"}, page="/d/")
    with zipfile.ZipFile(io.BytesIO(every.data)) as archive:
        assert len(archive.namelist()) == 5
    files = text(post(client, "/d/papers", {"t": ticket, "rowid": chosen, "act": "files"}, page="/d/"))
    assert len(re.findall(r"/d/paper/\d+", files)) == 3
    nothing = post(client, "/d/papers", {"t": ticket, "act": "zip"}, page="/d/")
    assert nothing.status_code == 422
    assert "请先选中需要下载的证书。" in text(nothing)
    strange = post(client, "/d/papers", {"t": ticket, "rowid": ["1000000"], "act": "zip"}, page="/d/")
    assert strange.status_code == 404
    with app.app_context(), as_system("test"):
        lines_ = db.session.scalars(select(AuditLog.detail).where(AuditLog.action == "download_by_commission")).all()
    assert {"how": "zip", "count": 3} in list(lines_)


@pytest.mark.must_never(5)
def test_case_05_guessing_is_paused_and_a_restart_forgets_nothing(app, world, people, ready):
    _pk, number, secret = opened(people["recA"], order(app, world))
    client = visitor(app)
    for _try in range(5):
        assert ask(client, number, WRONG).status_code == 200
    fresh = visitor(app)
    paused = ask(fresh, number, secret)
    assert paused.status_code == 429, "from another address, with the right password"
    assert 890 <= int(paused.headers["Retry-After"]) <= 901
    app.extensions.pop("limits", None)  # what a process remembers is not what counts
    assert ask(visitor(app), number, secret).status_code == 429
    with clock.frozen(clock.now() + timedelta(minutes=15, seconds=1)):
        assert "检定进度" in text(ask(visitor(app), number, secret))


def test_fifty_wrong_from_one_address_end_the_hour(app, ready):
    client = visitor(app)
    for number in range(50):
        assert ask(client, f"X{number:06d}", WRONG).status_code == 200
    assert ask(client, ready["number"], ready["secret"]).status_code == 429
    assert "查询结果记录数:5" in text(ask(visitor(app), ready["number"], ready["secret"])), "others are not held up"
    with clock.frozen(clock.now() + timedelta(minutes=61)):
        assert "查询结果记录数:5" in text(ask(client, ready["number"], ready["secret"]))


def test_an_unknown_number_is_paused_like_a_known_one(app):
    client = visitor(app)
    answers = [ask(client, "NOSUCH0001", WRONG).status_code for _try in range(6)]
    assert answers == [200] * 5 + [429]


@pytest.mark.feature("VER-17")
def test_the_hotline_gives_the_number_and_a_new_password(app, world, people, monkeypatch):
    made = order(app, world)
    pk, number, old = opened(people["recA"], made)
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    unit = read(app, Appointment, made.id)
    with app.app_context(), as_system("test"):
        name = db.session.get(Appointment, unit.id).unit.name
        before = db.session.scalar(select(AuditLog.seq).order_by(AuditLog.seq.desc()).limit(1))
        db.session.remove()
    found = post(people["recA"], "/counter/hotline", {"unit": name[:6], "phone": "138 1234 5678"})
    assert number in text(found)
    assert old not in text(found)
    assert number not in text(post(people["recA"], "/counter/hotline", {"unit": name[:6], "phone": "13900001111"}))
    assert number not in text(post(people["recB"], "/counter/hotline", {"unit": name[:6], "phone": "13812345678"}))
    assert people["ua1"].get("/counter/hotline").status_code == 403
    with app.app_context(), as_system("test"):
        told = db.session.scalars(
            select(AuditLog).where(AuditLog.action == "hotline_lookup", AuditLog.seq > (before or 0))
        ).all()
        assert len(told) == 3, "each look-up leaves a line"
        assert "13812345678" not in str([line.detail for line in told])
    answer = post(people["recA"], f"/commissions/reset/{pk}", {})
    fresh = SECRET.search(text(answer)).group(1)
    assert fresh != old
    client = visitor(app)
    assert "检定进度" not in text(ask(client, number, old))
    assert "检定进度" in text(ask(client, number, fresh))


def test_the_unit_gives_itself_a_new_password(app, world, people):
    pk, number, old = opened(people["recA"], order(app, world))
    fresh = SECRET.search(text(post(people["ua1"], f"/commissions/reset/{pk}", {}))).group(1)
    assert "检定进度" in text(ask(visitor(app), number, fresh))
    assert post(people["recB"], f"/commissions/reset/{pk}", {}).status_code == 404
    assert old != fresh


# -- people without an order -------------------------------------------------------------------------------------------


def test_what_comes_without_an_order_is_taken_in(app, world, people):
    with app.app_context():
        row, raw = filed(world, "ua2", delivery_mode="deliver"), instrument(world, "ua2", delivery_mode="deliver")
        serial, unfiled, pk, raw_id = row.serial_no, raw.serial_no, row.id, raw.id
        db.session.remove()
    desk, code = people["recA"], world.codes["ua2"]
    found = text(post(desk, "/counter/walk-in", {"code": code.lower(), "act": "find"}))
    assert serial in found
    assert unfiled not in found, "what is not filed cannot be taken in"
    bad = post(desk, "/counter/walk-in", {"code": "123", "act": "find"})
    assert bad.status_code == 422
    data = {"code": code, "act": "start", "name": "张三", "phone": "13812345678", "mode": "deliver"}
    refused = post(desk, "/counter/walk-in", {**data, "rowid": [str(raw_id)]})
    assert refused.status_code == 422
    assert "备案尚未通过，不能受理" in text(refused)
    assert 'value="张三"' in text(refused)
    answer = post(desk, "/counter/walk-in", {**data, "rowid": [str(pk)]})
    assert answer.status_code == 303, text(answer)
    visit = int(answer.location.rsplit("/", 1)[1])
    commission = read(app, Commission, visit)
    made = read(app, Appointment, commission.appointment_id)
    assert (made.walk_in, made.state, bool(made.number)) == (True, "accepted", True)
    with app.app_context(), as_system("test"):
        (item,) = db.session.scalars(select(AppointmentItem.id).where(AppointmentItem.appointment_id == made.id)).all()
        db.session.remove()
    post(desk, f"/counter/visit/{visit}/check", lines([item]))
    assert post(desk, f"/counter/visit/{visit}/open", {}).status_code == 200
    again = post(desk, "/counter/walk-in", {**data, "rowid": [str(pk)]})
    assert again.status_code == 422
    assert "已在预约单" in text(again)


def test_without_the_switch_there_is_no_walk_in(app, people, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    assert people["recA"].get("/counter/walk-in").status_code == 404
    assert "没有预约，直接受理" not in text(people["recA"].get("/counter/"))
