"""Cases 11–24: one unit and the rows of another."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest
from sqlalchemy import insert, select
from sqlalchemy import text as sql

from app.access.principal import as_system
from app.errors import NotVisibleError
from app.operations.appointment import book
from app.operations.instrument import EXPORT_COLUMNS, export_rows
from app.workflow import INSTRUMENT, fire
from models import Attachment, Instrument, Unit
from models.base import db
from tests.client import TOKEN, forget_limits, login, post, text
from tests.ledger.support import form_data, fresh_unit, job_of, work
from tests.rules import leaks
from tests.world import booked, category, filed, instrument, mail_code, slot_of


@pytest.fixture(scope="module")
def rows(app, world):
    with app.app_context():
        made = leaks.one_of_each(world)
        db.session.remove()
    return made


def same(answer, *asked: str) -> tuple[int, str]:
    """Status and body without what the asker brought and without the number of the request."""
    body = re.sub(r'data-account="\d*"', "", text(answer))  # the asker's own, which may be the number asked for
    for word in asked:
        body = body.replace(word, "")
    return answer.status_code, re.sub(r"\b[0-9a-f]{16}\b|value=\"[\w.-]{20,}\"", "", body)


@pytest.mark.must_never(11)
@pytest.mark.parametrize("who", ["ua2", "ub1"])
def test_case_11_a_foreign_id_answers_like_a_missing_one(app, world, rows, who):
    routes, _unknown = leaks.row_routes(app)
    client = login(app, world, who)
    token = TOKEN.search(text(client.get("/home/"))).group(1)
    with app.app_context():
        mine = leaks.principals(world)[who]
        foreign = {m: k for m, k in rows.items() if k is not None and k not in leaks.visible(m, mine)}
        before = leaks.fingerprint(rows)
        db.session.remove()
    asked = 0
    for route in (r for r in routes if r.model in foreign):
        key = foreign[route.model]
        missing = (
            "00000000-0000-0000-0000-00000000dead" if route.argument == "pk" and "uuid" in route.rule else "99999999"
        )
        for method in sorted(route.methods):
            answers = []
            for pk in (str(key), missing):
                address = route.url(pk, "suspend")
                answer = client.open(address, method=method, data={"csrf_token": token, "reason": "试图越权办理"})
                answers.append(same(answer, address, f"/{pk}", f'"{pk}"', f"编号{pk}"))
                db_free(app)
            asked += 1
            assert answers[0] == answers[1], f"{who} {method} {route.rule}"
            assert answers[0][0] in {403, 404}, f"{who} {method} {route.rule}: {answers[0][0]}"
    with app.app_context():
        assert leaks.fingerprint(rows) == before
        db.session.remove()
    assert asked > 20


def db_free(app) -> None:
    """Between requests nothing of the last one is left in this thread's session."""
    with app.app_context():
        db.session.remove()


@pytest.mark.must_never(12)
def test_case_12_a_foreign_instrument_is_not_booked(world, session):
    theirs = filed(world, "ua2").id
    slot = slot_of(world, "A").id
    with world.acting("ua1") as actor:
        with pytest.raises(NotVisibleError):
            book(session, actor, instrument_ids=[theirs], slot_id=slot)
        session.rollback()
        mine = filed(world, "ua1").id
    with world.acting("ua1") as actor:
        with pytest.raises(NotVisibleError):
            book(session, actor, instrument_ids=[mine, theirs], slot_id=slot)
        session.rollback()


@pytest.mark.must_never(13)
def test_case_13_a_foreign_file_is_not_attached(app, world, session):
    """No form takes the id of a stored file; a ticket of another browser is worth nothing."""
    with as_system("test"):
        theirs = session.execute(
            select(Attachment).where(Attachment.unit_id == world.units["ua2"]).limit(1)
        ).scalar_one()
        pk, digest = str(theirs.id), theirs.sha256
        owner = (theirs.unit_id, theirs.owner_id)
    client = login(app, world, "ua1")
    for address in ("/unit/master", "/unit", "/instruments/add"):
        fields = {"attachment_id": pk, "licence": pk, "kept_licence": pk, "file_id": pk, "sha256": digest}
        answer = post(client, address, {**form_data(), **fields})
        assert answer.status_code in {200, 302, 303, 404, 409, 422}
    with as_system("test"):
        session.expire_all()
        found = session.execute(select(Attachment).where(Attachment.sha256 == digest)).scalars().all()
        mine = [a for a in found if a.unit_id == world.units["ua1"] and str(a.id) == pk]
        assert mine == []
        still = session.get(Attachment, theirs.id)
        assert (still.unit_id, still.owner_id) == owner


TEN_THOUSAND = 10_000


@pytest.mark.must_never(15)
def test_case_15_everything_counted_or_exported_is_in_scope(world, session):
    """10,000 rows of three units, dealt out by chance: export, count, search and selection equal the plain comparison."""
    import random

    from sqlalchemy import func

    from app.operations.ledger_query import ledger_query

    dice, owners = random.Random(15), [world.units[u] for u in ("ua1", "ua2", "ub1")]
    common = {"purpose": "trade", "delivery_mode": "onsite", "state": "in_use", "category_id": category().id}
    values = [
        {
            **common,
            "unit_id": dice.choice(owners),
            "use_division": dice.choice(("440103", "440104", "440304")),
            "name": f"第{n}台",
            "serial_no": f"T{n:05d}",
            "place": "x",
            "dup_key": f"t{n}",
            "search_text": f"T{n:05d}",
        }
        for n in range(TEN_THOUSAND)
    ]
    session.execute(insert(Instrument.__table__), values)
    column = EXPORT_COLUMNS.index("出厂编号")
    for who, fits in (
        ("ua1", lambda v: v["unit_id"] == world.units["ua1"]),
        ("regA1", lambda v: v["use_division"] == "440103"),
        ("recB", lambda v: False),
    ):
        wanted = {v["serial_no"] for v in values if fits(v)}
        with world.acting(who):
            like = Instrument.dup_key.regexp_match("^t[0-9]+$")
            exported = {r[column] for r in export_rows(session, where=like)}
            listed = {i.serial_no for i in ledger_query(session, "").filter(like)}
            counted = session.scalar(select(func.count()).select_from(Instrument).where(like))
            grouped = dict(
                session.execute(select(Instrument.unit_id, func.count()).where(like).group_by(Instrument.unit_id))
                .tuples()
                .all()
            )
        assert exported == wanted, who
        assert listed == wanted, who
        assert counted == len(wanted) == sum(grouped.values())
    session.rollback()


@pytest.mark.must_never(15)
def test_case_15_pages_of_a_unit_name_nothing_of_another(app, world):
    with app.app_context():
        foreign = filed(world, "ua2")
        theirs, pk = foreign.serial_no, foreign.id
        mine = filed(world, "ua1").serial_no
        forget_limits()  # other tests export as ua1 too
        db.session.remove()
    client = login(app, world, "ua1")
    found = client.get(f"/instruments/export?_flt_0_serial_no={theirs}")
    assert theirs not in cells(found.data)
    assert mine in cells(client.get(f"/instruments/export?_flt_0_serial_no={mine}").data)
    for address in (
        f"/search?q={theirs}",
        f"/book/?term={theirs}",
        f"/instruments/list/?_flt_0_serial_no={theirs}",
        f"/filings/list/?_flt_0_instrument={theirs}",
        f"/api/v1/instruments/?q=(filters:!((col:serial_no,opr:eq,value:{theirs})))",
        "/home/",
    ):
        answer = client.get(address, follow_redirects=True)
        body = text(answer).replace(f'value="{theirs}"', "")
        assert f">{theirs}<" not in body, address
        assert f"/show/{pk}" not in body, address
    data = {"action": "delete", "all": "1", "rowid": "", "query": f"_flt_0_serial_no={theirs}"}
    post(client, "/instruments/action_post", data)
    with app.app_context(), as_system("test"):
        assert session_state(theirs) == "in_use"
        db.session.remove()


def session_state(serial: str) -> str:
    return db.session.execute(select(Instrument.state).where(Instrument.serial_no == serial)).scalar_one()


def cells(data: bytes) -> set[str]:
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return {str(v) for row in sheet.iter_rows(values_only=True) for v in row if v is not None}


@pytest.mark.must_never(17)
def test_case_17_an_imported_row_belongs_to_the_importer(app, world):
    """Columns that name another unit, in the words of people and of the table, are not read."""
    with app.app_context():
        unit = fresh_unit(world, "um17")
        category_name = (category().level1, category().level2)
        other = world.units["ua2"]
        name = db.session.execute(select(Unit.name).where(Unit.id == other).execution_options(unscoped=True)).scalar()
        db.session.remove()
    client = login(app, world, unit)
    book = openpyxl.load_workbook(io.BytesIO(client.get("/imports/template.xlsx").data))
    sheet = book.active
    header = next(r for r in sheet.iter_rows() if any("器具名称" in str(c.value) for c in r))
    at = {str(c.value).strip("*＊ "): c.column for c in header if c.value}
    last = max(at.values())
    for extra, word in enumerate(("unit_id", "使用单位", "单位名称", "id", "state", "器具状态"), start=1):
        sheet.cell(header[0].row, last + extra).value = word
    values = {
        "器具名称": "电子计价秤",
        "一级目录": category_name[0],
        "二级目录": category_name[1],
        "出厂编号": "C17-0001",
        "型号规格": "ACS-30",
        "生产厂家": "大华",
        "器具产地": "国产",
        "使用地点行政区划": "440103",
        "安装/使用地点": "农贸市场1号",
        "器具数量": 1,
        "器具用途": "贸易结算",
        "送检方式": "现场检",
    }
    line = header[0].row + 1
    while any(sheet.cell(line, c).value for c in at.values()):
        for c in at.values():
            sheet.cell(line, c).value = None
        line += 1
    line = header[0].row + 1
    for label, value in values.items():
        column = next((c for word, c in at.items() if word.startswith(label)), None)
        if column:
            sheet.cell(line, column).value = value
    for extra, value in enumerate((other, name, name, 1, "in_use", "在用"), start=1):
        sheet.cell(line, last + extra).value = value
    out = io.BytesIO()
    book.save(out)
    answer = post(client, "/imports/new", {"file": (io.BytesIO(out.getvalue()), "c17.xlsx")}, page="/imports/new")
    job = job_of(answer)
    with app.app_context():
        work(job)
    assert post(client, f"/imports/{job}/confirm", page=f"/jobs/{job}").status_code in {302, 303}
    with app.app_context():
        work(job)
        with as_system("test"):
            found = db.session.execute(select(Instrument).where(Instrument.serial_no == "C17-0001")).scalars().all()
            assert [(i.unit_id, i.state) for i in found] == [(world.units[unit], "unfiled")]
        db.session.remove()


@pytest.mark.must_never(18)
def test_case_18_foreign_rows_are_not_copied_merged_or_undone(app, world, session):
    theirs = filed(world, "ua2")
    serial = theirs.serial_no
    client = login(app, world, "ua1")
    for method, address in (("get", f"/instruments/copy/{theirs.id}"), ("get", f"/instruments/edit/{theirs.id}")):
        assert getattr(client, method)(address).status_code == 404
    with world.acting("ua1") as actor:
        for step in ("copy", "merge", "unmerge", "transfer_unit", "purge", "retire", "restore", "edit", "scrap"):
            with pytest.raises(NotVisibleError):
                fire(session, INSTRUMENT, theirs.id, step, actor, {"reason": "试图越权办理", "into": theirs.id})
            session.rollback()
    with as_system("test"):
        assert session_state(serial) == "in_use"


@pytest.mark.must_never(21)
def test_case_21_slots_tell_free_or_full_only(app, world):
    with app.app_context():
        order = booked(world, "ua2")
        mine = filed(world, "ua1").id
        with as_system("test"):
            other = db.session.get(Unit, world.units["ua2"])
            hidden = [other.name, other.code, other.contact_name + "，", order.number]
        slot = slot_of(world, "A").id
        db.session.remove()
    client = login(app, world, "ua1")
    for address in (f"/book/time?ids={mine}", "/book/", "/slots/list/", f"/slots/show/{slot}", f"/slots/edit/{slot}"):
        answer = client.get(address, follow_redirects=True)
        assert not [h for h in hidden if h in text(answer)], address
    assert client.get("/slots/list/").status_code == 403


@pytest.mark.must_never(22)
def test_case_22_a_duplicate_does_not_name_the_other_unit(app, world):
    with app.app_context():
        theirs = filed(world, "ua2", manufacturer="大华", serial_no="DUP-22-1")
        other = db.session.execute(
            select(Unit.name, Unit.code).where(Unit.id == world.units["ua2"]).execution_options(unscoped=True)
        ).one()
        data = form_data(serial_no=theirs.serial_no)
        db.session.remove()
    client = login(app, world, "ua1")
    checked = post(client, "/instruments/check", data)
    added = post(client, "/instruments/add", data, follow_redirects=True)
    again = post(client, "/instruments/add", data)
    for answer in (checked, added, again):
        assert not [w for w in other if w in text(answer)]
    assert "该器具已存在" in text(again)
    taken = post(client, "/unit/master", {"code": other.code, "name": "新名称有限公司", "legal_person": "张三"})
    assert other.name not in text(taken)


@pytest.mark.must_never(23)
def test_case_23_the_old_owner_s_open_form_is_worth_nothing(app, world):
    with app.app_context():
        made = instrument(world, "ua1", name="易主的秤")
        pk, serial, version = made.id, made.serial_no, made.version
        db.session.remove()
    client = login(app, world, "ua1")
    page = text(client.get(f"/instruments/edit/{pk}"))
    assert serial in page
    with app.app_context(), as_system("the instrument was sold"):
        db.session.execute(sql("UPDATE instrument SET unit_id = :u WHERE id = :i"), {"u": world.units["ua2"], "i": pk})
        db.session.commit()
        db.session.remove()
        data = form_data(serial_no=serial, place="旧主人改的", seen_version=str(version))
        db.session.remove()
    answers = [
        post(client, f"/instruments/edit/{pk}", data),
        post(client, f"/instruments/step/scrap/{pk}", {"reason": "旧主人报废", "seen_version": str(version)}),
        client.get(f"/instruments/show/{pk}"),
    ]
    assert [a.status_code for a in answers] == [404, 404, 404]
    with app.app_context(), as_system("test"):
        found = db.session.get(Instrument, pk)
        assert (found.place, found.state) != ("旧主人改的", "scrapped")
        assert found.place == "农贸市场1号"
        db.session.remove()


@pytest.mark.must_never(24)
def test_case_24_one_code_one_active_unit(app, world, session):
    from sqlalchemy.exc import IntegrityError

    from app.access.validators import normal_code, valid_uscc

    code = world.codes["ua1"]
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    for written in (code, code.lower(), f" {code[:6]} {code[6:]} ", wide, f"{code[:4]}-{code[4:]}"):
        assert normal_code(written) == code
    with_letter_o = code.replace("0", "O", 1)
    assert normal_code(with_letter_o) == code or not valid_uscc(normal_code(with_letter_o))
    with as_system("test"):
        session.execute(
            insert(Unit.__table__).values(code=code, name="二号", division_code="440103", address="x", contact_name="x")
        )
        with pytest.raises(IntegrityError, match="uq_unit_code_active"):
            session.execute(sql("UPDATE unit SET active = true WHERE code = :c"), {"c": code})
        session.rollback()


@pytest.mark.must_never(24)
def test_case_24_registering_the_code_again_is_refused(app, world):
    from app.operations import account as accounts
    from tests.world import PASSWORD, PNG

    code = world.codes["ua1"]
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    for n, written in enumerate((code, code.lower(), wide, f"{code[:9]} {code[9:]}")):
        with app.app_context():
            email = f"again{n}@example.com"
            form = {
                "unit_name": "重复注册有限公司",
                "code": written,
                "division_code": "440103",
                "address": "人民路2号",
                "contact_name": "王小明",
                "phone": f"1381234{n:04d}",
                "email": email,
                "username": f"again24x{n}",
                "password": PASSWORD,
                "password_again": PASSWORD,
                "institute_id": str(world.institutes["A"]),
                "agree": "1",
                "email_code": mail_code(email),
            }
            papers = {k: accounts.Paper(k, label, f"{k}.png", PNG) for k, label in accounts.PAPERS.items()}
            from app.errors import QuanhengError

            with pytest.raises(QuanhengError) as refused:
                accounts.register_unit(db.session(), form, papers)
            assert "code" in getattr(refused.value, "problems", {}) or "已注册" in refused.value.sentence
            db.session.rollback()
            db.session.remove()
