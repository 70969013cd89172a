"""Review by the local institute, return with marks, correction with its differences, and giving up (guangdong and all)."""

import re

import pytest
from sqlalchemy import select

from app.access.principal import acting_as, as_system
from app.operations.registration_review import changes_of
from app.operations.site import put_file
from app.workflow import ACCOUNT, fire
from app.workflow.engine import why_not
from models import Account, TransitionLog
from models.base import db
from tests.client import log_in, login, post, text, visitor
from tests.registration.forms import (
    PDF,
    coded,
    declared,
    files_of,
    good,
    hand_in,
    registered,
    sent_code,
    wrong_at,
    wrongs,
)
from tests.registration.support import account_named

REASON = "证照名称与申请方名称不一致，请更正。"


def send_back(app, world, account_id: int, fields=("申请方名称", "手机号"), nick: str = "recA") -> None:
    with app.app_context():
        with as_system("test"):
            actor = world.principal(nick)
        with acting_as(actor):
            fire(db.session(), ACCOUNT, account_id, "return", actor, {"reason": REASON, "fields": list(fields)})
            db.session.commit()
        db.session.remove()


def returned(app, world, name="guangdong", kind="applicant", *, nick="recA", **more):
    """(client logged in, answers, account id)."""
    client, answers = registered(app, name, kind, world, **more)
    pk = account_named(app, answers["username"]).id
    send_back(app, world, pk, nick=nick)
    assert log_in(client, answers["username"], answers["password"]).status_code == 302
    return client, answers, pk


def correct(client, answers: dict, files: dict | None = None, **more):
    page = text(client.get("/register/mine"))
    seen = re.search(r'name="seen_version" value="(\d+)"', page).group(1)
    token = re.search(r'name="csrf_token"[^>]*?value="([^"]+)"', page).group(1)
    names = set(re.findall(r'<(?:input|select)[^>]*name="([a-z_]+)"', page))
    kept = {k: v for k, v in answers.items() if k not in {"phone_code", "email_code"}}
    data = {k: v for k, v in {**kept, **more}.items() if k in names}
    data |= {"seen_version": seen, "csrf_token": token} | (files or {})
    return client.post("/register/mine", data=data, content_type="multipart/form-data")


@pytest.mark.feature("REG-06", "REG-17", "REG-18")
def test_the_chosen_local_institute_reviews(app, world, profile_of):
    profile_of("guangdong")
    client, form = visitor(app), declared("guangdong", "applicant")
    answers = coded(app, client, form, good(form, "guangdong", world))
    refused = hand_in(client, form, answers, files_of(form, leave="authorisation"))
    assert wrong_at(text(refused), "authorisation") == "请上传“法人授权书”。"
    assert account_named(app, answers["username"]) is None
    assert hand_in(client, form, answers).status_code == 303
    done = text(client.get("/register/done"))
    assert "由当地市/区法定计量检定机构审核" in done
    assert "待审核" in done
    account = account_named(app, answers["username"])
    assert account.state == "pending"
    address = f"/accounts/show/{account.id}"
    for nick, status in (("recA", 200), ("recB", 404), ("recP", 404), ("recA1", 404)):
        assert login(app, world, nick).get(address).status_code == status, nick
    desk = login(app, world, "recA")
    page = text(desk.get(address))
    assert answers["unit_name"] in page
    assert answers["phone"] not in page
    assert len(re.findall(r'href="/files/', page)) == 2
    assert post(desk, f"/accounts/step/return/{account.id}", {"reason": ""}).status_code == 422
    assert post(desk, f"/accounts/step/approve/{account.id}").status_code == 303
    with app.app_context(), as_system("test"):
        logged = select(TransitionLog.actor_id).where(
            TransitionLog.entity == "account", TransitionLog.entity_id == account.id, TransitionLog.step == "approve"
        )
        assert db.session.scalars(logged).all() == [world.people["recA"]]
        db.session.remove()
    assert account_named(app, answers["username"]).state == "active"


@pytest.mark.feature("REG-07")
def test_the_letter_is_the_one_uploaded_last(app, world, profile_of):
    profile_of("guangdong")
    client = visitor(app)
    page = text(client.get("/register/applicant"))
    link = re.search(r'<a href="([^"]+)">(?:(?!</a>).)*下载模板', page, re.DOTALL).group(1)
    assert client.get(link).data.startswith(b"%PDF-")
    for body in (b"%PDF-1.7\nfirst", b"%PDF-1.7\nsecond"):
        with app.app_context():
            with as_system("test"):
                actor = world.principal("adm")
            put_file(db.session(), actor, "letter", filename="授权委托书.pdf", data=body)
            db.session.commit()
            db.session.remove()
        assert client.get(link).data == body
    with app.app_context(), as_system("test"):
        from models.site import SiteFile

        db.session.delete(db.session.execute(select(SiteFile).where(SiteFile.kind == "letter")).scalar_one())
        db.session.commit()
        db.session.remove()


@pytest.mark.feature("REG-21")
def test_a_person_in_guangdong_only_waits_and_is_not_passed(app, world, profile_of):
    profile_of("guangdong")
    assert "请务必注册“申请方”类型的账号" in text(visitor(app).get("/register"))
    _client, answers = registered(app, "guangdong", "applicant_person", world)
    account = account_named(app, answers["username"])
    assert (account.state, account.kind) == ("pending", "individual")
    desk = login(app, world, "recA")
    page = text(desk.get(f"/accounts/show/{account.id}"))
    assert "有营业执照的用户请以企业身份注册" in page
    assert answers["id_number"] not in page
    post(desk, f"/accounts/step/approve/{account.id}")
    assert account_named(app, answers["username"]).state == "pending"
    with app.app_context():
        with as_system("test"):
            actor = world.principal("recA")
        with acting_as(actor):
            row = db.session.get(Account, account.id)
            sentence = why_not(db.session(), ACCOUNT, row, ACCOUNT.step("approve"), actor)
        db.session.remove()
    assert sentence == "有营业执照的用户请以企业身份注册。"


@pytest.mark.feature("REG-18", "REG-19")
def test_returned_with_marks_corrected_and_compared(app, world, profile_of):
    profile_of("guangdong")
    client, answers, pk = returned(app, world)
    page = text(client.get("/register/mine"))
    assert REASON in page
    assert page.count("需要修改</span>") == 2
    for name in ("unit_name", "code", "address", "contact_name", "phone", "institute_id", "licence", "authorisation"):
        assert f'name="{name}"' in page, name
    for name in ("username", "password", "password_again", "agree"):
        assert f'name="{name}"' not in page, name
    for address in ("/instruments/list/", "/filings/list/", "/appointments/list/", "/book/", "/imports/new"):
        assert client.get(address).status_code in {302, 303, 403, 404}, address
    assert client.get("/instruments/list/").status_code != 200

    phone = f"138{answers['phone'][3:]}"
    no_code = correct(client, answers, phone=phone)
    assert wrong_at(text(no_code), "phone_code") == "请填写“短信验证码”。"
    asked = post(
        client, "/register/mine/code", {"phone": phone}, page="/register/mine", headers={"Accept": "application/json"}
    )
    assert asked.status_code == 200, text(asked)
    changed = {"unit_name": answers["unit_name"] + "（更正）", "phone": phone, "phone_code": sent_code(app, phone)}
    licence = files_of(declared("guangdong", "applicant"), leave="authorisation")
    answer = correct(client, answers, licence, **changed)
    assert answer.status_code == 303, wrongs(answer)
    assert account_named(app, answers["username"]).state == "pending"
    assert "正在等待" in text(client.get("/register/mine"))

    desk = login(app, world, "recA")
    page = text(desk.get(f"/accounts/show/{pk}"))
    assert "修改对比" in page
    assert REASON in page, "the history of the first refusal"
    assert changed["unit_name"] in page
    assert phone not in page
    assert answers["phone"] not in page
    with app.app_context(), as_system("test"):
        (change,) = changes_of(db.session(), pk)
        rows = {label: (old, new) for label, old, new in change.rows}
        log = db.session.scalar(
            select(TransitionLog.input).where(TransitionLog.entity_id == pk, TransitionLog.step == "resubmit")
        )
        assert phone not in str(log)
        db.session.remove()
    assert rows["申请方名称"] == (answers["unit_name"], changed["unit_name"])
    assert rows["手机号"][0].startswith("137****")
    assert rows["手机号"][1].startswith("138****")
    assert "《统一社会代码证》等证照" in rows
    assert "详细地址" not in rows
    assert post(desk, f"/accounts/step/approve/{pk}").status_code == 303
    assert account_named(app, answers["username"]).fields_to_correct == []


@pytest.mark.feature("REG-19")
@pytest.mark.parametrize("kind", ["enterprise", "institute"])
def test_every_kind_is_corrected_by_its_own_form(app, world, profile_of, kind):
    profile_of("national")
    client, answers, _pk = returned(
        app, world, "national", kind, nick="adm", province="150000", city="150100", division_code="150102"
    )
    page = text(client.get("/register/mine"))
    form = declared("national", kind)
    for field in form.correctable():
        assert f'name="{field.name}"' in page, field.name
    taken = correct(client, answers, province="440000", city="440100", division_code="440104")
    assert taken.status_code == 303, wrongs(taken)
    account = account_named(app, answers["username"])
    with app.app_context(), as_system("test"):
        row = db.session.get(Account, account.id)
        body = row.unit or row.institute
        assert (row.state, body.division_code, body.active) == ("pending", "440104", False)
        db.session.remove()


@pytest.mark.feature("REG-19")
def test_a_returned_person_corrects_the_own_number(app, world, profile_of):
    profile_of("guangdong")
    client, answers, pk = returned(app, world, kind="applicant_person")
    form = declared("guangdong", "applicant_person")
    number = good(form, "guangdong", world)["id_number"]
    wrong = correct(client, answers, id_number="1" * 18)
    assert wrong_at(text(wrong), "id_number")
    assert correct(client, answers, id_number=number).status_code == 303
    with app.app_context(), as_system("test"):
        row = db.session.get(Account, pk)
        assert row.id_number == number
        log = db.session.scalar(
            select(TransitionLog.input).where(TransitionLog.entity_id == pk, TransitionLog.step == "resubmit")
        )
        assert number not in str(log)
        assert answers["id_number"] not in str(log)
        db.session.remove()


@pytest.mark.feature("REG-20")
def test_giving_up_frees_name_phone_and_code(app, world, profile_of):
    profile_of("guangdong")
    client, answers, pk = returned(app, world)
    assert "自行注销账号" in text(client.get("/register/mine"))
    wrong = post(client, "/register/mine/cancel", {"current_password": "Falsch-1"}, page="/register/mine")
    assert wrong.status_code == 422
    assert "密码不正确" in text(wrong)
    assert account_named(app, answers["username"]).state == "returned"
    gone = post(client, "/register/mine/cancel", {"current_password": answers["password"]}, page="/register/mine")
    assert (gone.status_code, gone.location) == (303, "/login/")
    assert client.get("/register/mine").status_code == 302
    assert log_in(visitor(app), answers["username"], answers["password"]).status_code == 422
    with app.app_context(), as_system("test"):
        row = db.session.get(Account, pk)
        assert (row.state, row.phone_index, row.former_name_index is not None) == ("closed", None, True)
        assert row.unit.name == answers["unit_name"], "the record stays"
        db.session.remove()
    again, form = visitor(app), declared("guangdong", "applicant")
    with app.app_context(), as_system("test"):  # a minute passes between two codes to the same phone
        from models.account import VerificationCode
        from models.types import blind_index

        for code in db.session.scalars(
            select(VerificationCode).where(VerificationCode.address_index == blind_index(answers["phone"]))
        ):
            db.session.delete(code)
        db.session.commit()
        db.session.remove()
    same = {k: v for k, v in answers.items() if k != "phone_code"}
    taken = hand_in(again, form, coded(app, again, form, same))
    assert taken.status_code == 303, wrongs(taken)
    assert account_named(app, answers["username"]).id != pk


@pytest.mark.feature("REG-20")
def test_where_the_profile_does_not_offer_it_nobody_gives_up(app, world, profile_of):
    profile_of("national")
    client, answers, _pk = returned(app, world, "national", "enterprise", nick="adm")
    assert "自行注销账号" not in text(client.get("/register/mine"))
    answer = post(client, "/register/mine/cancel", {"current_password": answers["password"]}, page="/register/mine")
    assert answer.status_code == 303
    assert account_named(app, answers["username"]).state == "returned"
    assert "不提供自行注销" in text(client.get("/register/mine"))


@pytest.mark.feature("REG-20")
def test_an_institute_given_up_frees_its_name(app, world, profile_of):
    profile_of("all")
    client, answers, _pk = returned(app, world, "all", "institute", nick="adm")
    gone = post(client, "/register/mine/cancel", {"current_password": answers["password"]}, page="/register/mine")
    assert gone.status_code == 303
    form = declared("all", "institute")
    fresh = good(form, "all", institute_name=answers["institute_name"], code=answers["code"])
    taken = hand_in(visitor(app), form, {**fresh, "phone_code": "123456"})
    assert wrong_at(text(taken), "institute_name") == wrong_at(text(taken), "code") == ""


def test_a_waiting_or_foreign_account_cannot_be_given_up(app, world, profile_of):
    profile_of("guangdong")
    client, answers = registered(app, "guangdong", "applicant", world)
    log_in(client, answers["username"], answers["password"])
    post(client, "/register/mine/cancel", {"current_password": answers["password"]}, page="/register/mine")
    assert account_named(app, answers["username"]).state == "pending"
    assert post(login(app, world, "ua1"), "/register/mine/cancel", {"current_password": "x"}).status_code == 403


def test_the_letter_may_be_replaced_by_the_scan(app, world, profile_of):
    profile_of("guangdong")
    form = declared("guangdong", "applicant")
    import io

    files = {"licence": files_of(form)["licence"], "authorisation": (io.BytesIO(PDF), "授权书.pdf")}
    _client, answers = registered(app, "guangdong", "applicant", world, files)
    assert account_named(app, answers["username"]).state == "pending"
