"""Registration of a user unit through the portal (REG-06)."""

import json
import re
import threading

import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from models import Account, Unit
from models.base import db
from models.enums import Role
from tests.client import log_in, post, text, token, visitor
from tests.registration.support import account_named, ask_code, filled, mailed_code, papers, register, send

HARM = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "';DROP TABLE unit;--",
    "{{7*7}}",
    "javascript:alert(1)",
]


def queue(app, world, nick: str) -> set[int]:
    """Ids of the registrations waiting that the person sees."""
    with app.app_context():
        with as_system("test"):
            principal = world.principal(nick)
        from app.access.principal import acting_as

        with acting_as(principal):
            found = set(db.session.scalars(select(Account.id).where(Account.state == "pending")))
        db.session.remove()
    return found


@pytest.mark.feature("REG-06")
def test_without_the_letter_refused_complete_goes_to_the_chosen_institute_only(app, world):
    client = visitor(app)
    form = filled(world, "A")
    form["email_code"] = ask_code(app, client, form["email"])
    refused = send(client, form, papers(authorisation=False))
    assert refused.status_code == 422
    assert "请上传“法人授权书”。" in text(refused)
    assert account_named(app, form["username"]) is None

    kept = re.search(r'name="kept_licence" value="([^"]+)"', text(refused)).group(1)
    complete = send(client, {**form, "kept_licence": kept}, {"authorisation": papers()["authorisation"]})
    assert (complete.status_code, complete.location) == (303, "/register/done")
    page = text(client.get("/register/done"))
    assert "已提交" in page
    assert "审核" in page

    account = account_named(app, form["username"])
    assert account.state == "pending"
    assert account.id in queue(app, world, "recA")
    for other in ("recA1", "recB", "recP", "ua1"):
        assert account.id not in queue(app, world, other)


def test_page_has_notice_identity_texts_and_template(app, world):
    client = visitor(app)
    page = text(client.get("/register"))
    for words in (
        "注册须知",
        "申请方（使用强检器具的单位）",
        "企业/单位",
        "/register/authorisation.pdf",
        "/agreement",
        "/privacy",
    ):
        assert words in page
    assert client.get("/agreement").status_code == client.get("/privacy").status_code == 200
    form = client.get("/register/authorisation.pdf")
    assert form.mimetype == "application/pdf"
    assert form.data.startswith(b"%PDF-")


def test_another_identity_is_refused(app, world):
    client = visitor(app)
    form = filled(world, identity="person")
    form["email_code"] = ask_code(app, client, form["email"])
    answer = send(client, form)
    assert answer.status_code == 422
    assert "此处只办理申请方" in text(answer)
    assert account_named(app, form["username"]) is None


def test_refusal_keeps_what_was_typed_and_the_files(app, world):
    client = visitor(app)
    form = filled(world, phone="12345")
    form["email_code"] = ask_code(app, client, form["email"])
    answer = send(client, form)
    page = text(answer)
    assert answer.status_code == 422
    assert "手机号格式不正确" in page
    for name in ("unit_name", "code", "address", "contact_name", "phone", "email", "email_code", "username"):
        assert f'value="{form[name]}"' in page, name
    assert form["password"] not in page
    assert page.count("已收到：") == 2
    assert '<option selected value="440103">' in page
    kept = {
        f"kept_{k}": re.search(rf'name="kept_{k}" value="([^"]+)"', page).group(1) for k in ("licence", "authorisation")
    }
    again = send(client, {**form, **kept, "phone": filled(world)["phone"]}, {})
    assert again.status_code == 303
    assert account_named(app, form["username"]).state == "pending"


@pytest.mark.must_never(13)
def test_kept_file_opens_for_its_own_browser_only(app, world):
    client, stranger = visitor(app), visitor(app)
    page = text(send(client, filled(world, phone="1")))
    kept = {
        f"kept_{k}": re.search(rf'name="kept_{k}" value="([^"]+)"', page).group(1) for k in ("licence", "authorisation")
    }
    answer = text(send(stranger, {**filled(world), **kept}, {}))
    assert "请上传“统一社会信用代码证等证照”。" in answer
    swapped = {"kept_licence": kept["kept_authorisation"], "kept_authorisation": kept["kept_licence"]}
    assert "请上传“法人授权书”。" in text(send(client, {**filled(world), **swapped}, {}))


def test_wrong_file_is_refused_by_its_content(app, world):
    import io

    files = {**papers(), "licence": (io.BytesIO(b"MZ" + b"0" * 100), "licence.png")}
    page = text(send(visitor(app), filled(world), files))
    assert "只能是 jpg、png 图片或 PDF 文件" in page
    assert 'name="kept_licence"' not in page
    assert 'name="kept_authorisation"' in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("unit_name", "", "请填写“申请方名称”。"),
        ("code", "91440101MA0000001X1", "校验位不正确"),
        ("division_code", "440100", "所在地须选择到区县"),
        ("phone", "1380013800", "手机号格式不正确"),
        ("email", "nobody", "邮箱格式不正确"),
        ("email_code", "000000", "邮箱验证码错误或已过期"),
        ("username", "张三01", "不能包含汉字"),
        ("password", "short", "密码至少10个字符"),
        ("password_again", "different-word", "两次输入的密码不一致"),
        ("institute_id", "²", "审核机构须为所在地"),
        ("institute_id", "9" * 25, "审核机构须为所在地"),
        ("agree", "", "请阅读并同意"),
    ],
)
def test_each_rule_says_its_sentence(app, world, field, value, sentence):
    client = visitor(app)
    form = filled(world)
    form["email_code"] = "123456"
    answer = send(client, {**form, field: value})
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert account_named(app, form["username"]) is None


def test_institute_of_another_place_is_refused(app, world):
    form = filled(world, "B", email_code="123456")
    answer = send(visitor(app), form)
    assert answer.status_code == 422
    assert "审核机构须为所在地的法定计量检定机构" in text(answer)


def test_pressing_twice_registers_once(app, world):
    client = visitor(app)
    form = register(app, client, world)
    again = send(client, form)
    assert (again.status_code, again.location) == (303, "/register/done")
    with app.app_context(), as_system("test"):
        count = db.session.scalar(select(func.count()).select_from(Unit).where(Unit.code == form["code"]))
        db.session.remove()
    assert count == 1


def test_pressing_twice_at_once_registers_once(app, world):
    client = visitor(app)
    form = filled(world)
    form["email_code"] = ask_code(app, client, form["email"])
    form["csrf_token"] = token(client, "/register")
    cookie = client.get_cookie("session").value
    answers = []

    def press():
        other = visitor(app, client.environ_base["REMOTE_ADDR"])
        other.set_cookie("session", cookie)
        answer = other.post("/register", data={**form, **papers()}, content_type="multipart/form-data")
        answers.append((answer.status_code, answer.location))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(303, "/register/done")] * 2
    with app.app_context(), as_system("test"):
        count = db.session.scalar(select(func.count()).select_from(Unit).where(Unit.code == form["code"]))
        db.session.remove()
    assert count == 1


def test_taken_names_are_refused(app, world):
    client = visitor(app)
    first = register(app, client, world)
    second = filled(
        world, code=first["code"], phone=first["phone"], username=first["username"].upper(), email=first["email"]
    )
    page = text(send(visitor(app), {**second, "email_code": "123456"}))
    for sentence in ("该统一社会信用代码已注册", "该手机号已被使用", "该用户名已被使用", "该邮箱已被使用"):
        assert sentence in page


@pytest.mark.must_never(10)
def test_extra_fields_change_nothing(app, world):
    form = register(app, visitor(app), world, state="active", roles="ADM", kind="admin", active="1", unit_id="1")
    account = account_named(app, form["username"])
    assert (account.state, account.kind, account.roles) == ("pending", "enterprise", [Role.ENT.value])


@pytest.mark.parametrize("harm", HARM)
def test_harmful_text_comes_back_as_text(app, world, harm):
    form = dict.fromkeys(filled(world), harm)
    page = text(send(visitor(app), {**form, "user_type": "applicant", "identity": "unit", "email_code": harm}))
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert ">49<" not in page


def test_code_is_refused_twice_in_a_minute_and_says_how_long(app, world):
    client = visitor(app)
    email = filled(world)["email"]
    ask_code(app, client, email)
    headers = {"Accept": "application/json"}
    answer = post(client, "/register/code", {"email": email}, page="/register", headers=headers)
    said = json.loads(text(answer))
    assert answer.status_code == 429
    assert 50 <= said["seconds"] <= 60
    assert "秒后再试" in said["error"]
    wrong = post(client, "/register/code", {"email": "nobody"}, page="/register", headers=headers)
    assert wrong.status_code == 422


def test_code_without_a_script_keeps_the_form(app, world):
    client = visitor(app)
    form = filled(world)
    data = {**form, **papers(), "csrf_token": token(client, "/register")}
    answer = client.post("/register/code", data=data, content_type="multipart/form-data")
    page = text(answer)
    assert answer.status_code == 200
    assert "验证码已发送到" in page
    assert f'value="{form["unit_name"]}"' in page
    assert page.count("已收到：") == 2
    assert mailed_code(app, form["email"])


def test_places_load_without_a_script(app, world):
    client = visitor(app)
    data = {"province": "440000", "city": "441900", "load": "1", "csrf_token": token(client, "/register")}
    page = text(client.post("/register", data=data))
    assert '<option value="440100">广州市</option>' in page
    assert '<option selected value="441900">东莞市</option>' in page  # a city without counties is its own place of use


def test_places_as_json(app, world):
    client = visitor(app)
    ids = [r["id"] for r in client.get("/divisions").json["results"]]
    assert "440000" in ids
    assert len(ids) > 30
    assert "440103" in [r["id"] for r in client.get("/divisions?parent=440100").json["results"]]
    assert [r["id"] for r in client.get("/divisions?parent=441900").json["results"]] == ["441900"]
    for nonsense in ("440103001", "999999", "44'--", "4401000000000000"):
        assert client.get("/divisions", query_string={"parent": nonsense}).json == {"results": []}
    near = [r["id"] for r in client.get("/divisions/institutes?division=440103").json["results"]]
    assert near.index(str(world.institutes["A1"])) < near.index(str(world.institutes["A"]))
    assert str(world.institutes["A2"]) not in near
    assert str(world.institutes["P"]) not in near
    assert "Set-Cookie" not in client.get("/divisions").headers


def test_registered_person_may_log_in_and_waits(app, world):
    client = visitor(app)
    form = register(app, client, world)
    assert log_in(client, form["username"], form["password"]).status_code == 302
    assert client.get("/home/").location == "/register/mine"
    assert "正在等待" in text(client.get("/register/mine"))
    assert client.get("/register").location == "/home/"
