"""线下找回 in the back office: a letter, two administrators, a text message or a mail (LOG-15)."""

import io
import itertools
import os
import re
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.channels.deliver import deliver
from app.operations import recovery_requests
from models import Account, Attachment, AuditLog, DevelopmentMail, RecoveryRequest, TransitionLog
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests.client import log_in, login, post, text, token
from tests.world import PASSWORD, PNG, person

pytestmark = pytest.mark.feature("LOG-15")
NEW = "Duanwu-Longzhou-27"
_numbers = itertools.count(int.from_bytes(os.urandom(3)) * 10)


@pytest.fixture(scope="module", autouse=True)
def second_administrator(app, world):
    with app.app_context():
        if "adm2" not in world.people:
            person(world, "adm2", AccountKind.ADMIN, [Role.ADM])
        db.session.remove()


def letter(world, **more):
    number = next(_numbers)
    return {
        "kind": "body",
        "unit_code": world.codes["ub1"],
        "id_number": "",
        "name": "ub1加油站",
        "phone": f"150{number % 10**8:08d}",
        "email": f"letter{number}@example.com",
        **more,
    }


def enter(client, typed, *, proof=True):
    files = {"proof": (io.BytesIO(PNG), "代码证.png")} if proof else {}
    data = {**typed, **files, "csrf_token": token(client, "/recovery-requests/enter")}
    return client.post("/recovery-requests/enter", data=data, content_type="multipart/form-data")


def entered(app, world, **more):
    """(client of the first administrator, id, what was typed)."""
    client, typed = login(app, world, "adm"), letter(world, **more)
    answer = enter(client, typed)
    assert answer.status_code == 303, text(answer)
    return client, int(answer.location.rsplit("/", 1)[1]), typed


def row(app, pk):
    with app.app_context(), as_system("test looks"):
        found = db.session.execute(select(RecoveryRequest).where(RecoveryRequest.id == pk)).scalar_one()
        db.session.expunge_all()
        db.session.remove()
    return found


def sent_to(app, address):
    with app.app_context(), as_system("test reads messages"):
        deliver(db.session())
        statement = select(DevelopmentMail.body).where(DevelopmentMail.recipient_index == blind_index(address))
        found = list(db.session.execute(statement.order_by(DevelopmentMail.id.desc())).scalars())
        db.session.remove()
    return found


def step(client, pk, name, **data):
    return post(client, f"/recovery-requests/step/{name}/{pk}", data, page=f"/recovery-requests/show/{pk}")


def answer(client, pk):
    return post(client, f"/recovery-requests/answer/{pk}", page=f"/recovery-requests/show/{pk}")


def test_the_whole_way_to_a_new_password(app, world):
    with app.app_context(), as_system("test looks"):
        old_phone = db.session.get(Account, world.people["ub1"]).phone
        db.session.remove()
    running = login(app, world, "ub1")
    first, pk, typed = entered(app, world)
    page = text(first.get(f"/recovery-requests/show/{pk}"))
    assert world.names["ub1"] in page
    assert typed["phone"] not in page
    assert "代码证.png" in page
    second = login(app, world, "adm2")
    proof = re.search(r'href="(/files/[0-9a-f-]+)"', page).group(1)
    assert second.get(proof).get_data() == PNG, "the other administrator reads the proof too"
    assert step(first, pk, "verify").status_code == 303
    assert row(app, pk).state == "verified"
    refused = answer(first, pk)
    assert row(app, pk).state == "verified", "nobody answers what he verified himself"
    assert "申请人与复核人不能为同一人" in text(first.get(refused.location))
    done = answer(second, pk)
    assert row(app, pk).state == "texted", text(second.get(done.location))
    [said] = sent_to(app, typed["phone"])
    assert world.names["ub1"] in said
    password = re.search(r"新密码是(\S{12})，", said).group(1)
    assert any("更换手机号" in m for m in sent_to(app, old_phone)), "the old number is told"
    for client in (first, second):
        assert password not in text(client.get(f"/recovery-requests/show/{pk}"))
        assert password not in text(client.get("/recovery-requests/list/"))
    assert running.get("/home/").location.startswith("/login/"), "sessions have ended"
    assert log_in(running, world.names["ub1"], PASSWORD).status_code == 422
    client = login(app, world, "ub1", password)
    forced = client.get("/instruments/list/")
    assert (forced.status_code, forced.location.split("?")[0]) == (303, "/password")
    data = {"old": password, "password": NEW, "password_again": NEW}
    assert post(client, "/password", data, page="/password").status_code == 303
    assert client.get("/instruments/list/").status_code == 200
    with app.app_context(), as_system("test looks"):
        account = db.session.get(Account, world.people["ub1"])
        assert (account.phone, account.must_change_password) == (typed["phone"], False)
        everything = " ".join(
            str(line)
            for table in ("outbox", "transition_log", "audit_log", "message", "recovery_request")
            for line in db.session.execute(db.text(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 60"))
        )
        assert password not in everything
        assert typed["phone"] not in everything
        assert (
            db.session.scalar(
                select(AuditLog.actor_id).where(AuditLog.action == "offline_recovery").order_by(AuditLog.seq.desc())
            )
            == world.people["adm2"]
        )
        steps = select(TransitionLog.step, TransitionLog.actor_id).where(
            TransitionLog.entity == "recovery", TransitionLog.entity_id == pk
        )
        assert [tuple(x) for x in db.session.execute(steps.order_by(TransitionLog.id))] == [
            ("enter", world.people["adm"]),
            ("verify", world.people["adm"]),
            ("answer", world.people["adm2"]),
        ]
        from app.operations.account import set_password

        set_password(account, PASSWORD)  # other tests use this person
        db.session.commit()
        db.session.remove()


def test_a_refusal_goes_out_by_mail_with_its_reason(app, world):
    client, pk, typed = entered(app, world, unit_code="91440101MA0000000X")
    page = text(client.get(f"/recovery-requests/show/{pk}"))
    assert "没有找到对应的账号" in page
    step(client, pk, "verify")
    assert row(app, pk).state == "waiting", "without an account nothing can be verified"
    assert step(client, pk, "refuse", reason="短").status_code in {303, 422}
    assert row(app, pk).state == "waiting"
    step(client, pk, "refuse", reason="该统一社会信用代码未注册过，请先注册。")
    assert row(app, pk).state == "mailed"
    [said] = sent_to(app, typed["email"])
    assert "该统一社会信用代码未注册过，请先注册。" in said
    assert sent_to(app, typed["phone"]) == []


def test_a_person_is_found_by_id_number(app, world):
    from app.operations.logins import new_user
    from app.workflow import bear

    number = next(_numbers)
    id_number = "11010119900307" + "7758"
    with app.app_context(), as_system("fixture") as system:
        session = db.session()
        made = Account(
            kind=AccountKind.INDIVIDUAL, name="李雷", roles=["IND"], id_number=id_number,
            id_number_index=blind_index(id_number), phone=f"151{number % 10**8:08d}",
        )  # fmt: skip
        made.user_id = new_user(session, f"p{number}", "李雷", None, PASSWORD).id
        bear(session, made, "register", system)
        from app.workflow import ACCOUNT, fire

        fire(session, ACCOUNT, made.id, "admit", system)
        session.commit()
        account_id = made.id
        db.session.remove()
    client, pk, _typed = entered(app, world, kind="person", unit_code="", id_number=id_number, name="李雷")
    assert row(app, pk).account_id == account_id
    page = text(client.get(f"/recovery-requests/show/{pk}"))
    assert id_number not in page
    assert "110***********7758" in page


@pytest.mark.parametrize(
    "more, field",
    [
        ({"kind": ""}, "请选择“类型”。"),
        ({"unit_code": ""}, "请填写“统一社会信用代码”。"),
        ({"unit_code": "1234567890"}, "请填写9位或18位"),
        ({"kind": "person", "id_number": "110101199003077757"}, "身份证号码校验不正确"),
        ({"name": ""}, "请填写“名称或姓名”。"),
        ({"phone": "12345"}, "手机号格式不正确"),
        ({"email": ""}, "请填写“查询人邮箱”。"),
    ],
)
def test_a_letter_without_what_it_needs_is_not_entered(app, world, more, field):
    answer = enter(login(app, world, "adm"), letter(world, **more))
    assert answer.status_code == 422
    assert field in text(answer)


def test_a_letter_without_proof_is_not_entered(app, world):
    answer = enter(login(app, world, "adm"), letter(world), proof=False)
    assert answer.status_code == 422
    assert "请上传“证明材料”。" in text(answer)


def test_one_working_day_and_then_it_is_red(app, world):
    with app.app_context():
        with clock.frozen(datetime(2026, 11, 20, 16, 0, tzinfo=clock.ZONE)), world.acting("adm") as actor:  # a Friday
            paper = recovery_requests.Paper("proof", "证明材料", "x.png", PNG)
            made = recovery_requests.enter_request(db.session(), actor, letter(world), paper)
            due = made.due_at
            assert not recovery_requests.is_overdue(made)
        assert due.astimezone(clock.ZONE).date() == date(2026, 11, 23)
        with clock.frozen(due + timedelta(seconds=1)):
            assert recovery_requests.is_overdue(made)
        with as_system("fixture"):
            made.due_at = clock.now() - timedelta(hours=1)
            db.session.commit()
        db.session.remove()
    page = text(login(app, world, "adm").get("/recovery-requests/list/"))
    assert "row-danger" in page
    assert "已超期" in page


def test_a_phone_of_somebody_else_is_not_taken(app, world):
    with app.app_context(), as_system("test looks"):
        taken = db.session.get(Account, world.people["ua2"]).phone
        db.session.remove()
    first, pk, _typed = entered(app, world, unit_code=world.codes["ua1"], phone=taken)
    step(first, pk, "verify")
    second = login(app, world, "adm2")
    answer(second, pk)
    assert row(app, pk).state == "verified"
    assert log_in(login(app, world, "ua1"), world.names["ua1"]).status_code == 302


def test_nobody_else_sees_the_queue(app, world):
    _client, pk, _typed = entered(app, world)
    with app.app_context(), as_system("test looks"):
        proof = db.session.scalar(
            select(Attachment.id).where(Attachment.owner_type == "recovery", Attachment.owner_id == pk)
        )
        db.session.remove()
    for nick in ("ua1", "recA", "regA", "aud", "sec", "imgA"):
        client = login(app, world, nick)
        assert client.get("/recovery-requests/list/").status_code in {302, 403, 404}, nick
        assert client.get(f"/recovery-requests/show/{pk}").status_code in {302, 403, 404}, nick
        assert client.get(f"/files/{proof}").status_code == 404, nick
        assert "线下找回" not in text(client.get("/home/"))
    assert "线下找回" in text(login(app, world, "adm").get("/home/"))
