"""The forms of the profiles: tabs, fields, required marks, who is open at once and who waits."""

import re

import pytest

from app.access.principal import as_system
from app.profiles.forms import BrokenFormError, read
from models import Account, Institute
from models.base import db
from models.enums import AccountKind, Role
from tests.client import log_in, login, post, text, visitor
from tests.registration.forms import (
    FORMS,
    accounts,
    coded,
    csrf,
    declared,
    files_of,
    good,
    hand_in,
    registered,
    wrong_at,
    wrongs,
)
from tests.registration.support import account_named
from tests.world import PNG, uscc


def tabs_of(page: str) -> list[str]:
    nav = re.search(r'<nav class="tabs"[^>]*>(.*?)</nav>', page, re.DOTALL)
    return re.findall(r">([^<>]+)</a>", nav.group(1)) if nav else []


@pytest.mark.feature("REG-01")
@pytest.mark.parametrize("name", ["national", "bayannur"])
def test_three_kinds_and_no_expert(app, profile_of, name):
    profile_of(name)
    client = visitor(app)
    page = text(client.get("/register"))
    assert tabs_of(page) == ["个人注册", "企业注册", "机构注册"]
    assert "请选择用户类型" in page
    assert "返回首页" in page
    assert "专家" not in page
    for kind, word in (("personal", "公民身份证号码"), ("enterprise", "企业名称"), ("institute", "机构等级")):
        assert word in text(client.get(f"/register/{kind}"))
    for kind in ("expert", "applicant", "applicant_person", "none", "<b>"):
        assert client.get(f"/register/{kind}").status_code == 404
        assert post(client, f"/register/{kind}", {"agree": "1"}).status_code == 404


@pytest.mark.feature("REG-01")
def test_guangdong_asks_the_type_then_the_identity(app, profile_of):
    profile_of("guangdong")
    client = visitor(app)
    page = text(client.get("/register"))
    assert page.index("用户类型") < page.index(">身份<")
    assert "申请方" in page
    assert 'name="unit_name"' not in page
    step = client.get("/register/choose?user_type=applicant&identity=applicant")
    assert step.location == "/register/applicant"
    form = text(client.get(step.location))
    assert "<b>申请方</b>" in form
    assert "<b>企业/单位</b>" in form
    assert 'name="unit_name"' in form
    assert client.get("/register/choose?identity=applicant_person").location == "/register/applicant_person"
    assert client.get("/register/choose?identity=//evil.example").location == "/register"


@pytest.mark.feature("REG-01")
def test_hohhot_has_one_form_with_a_category(app, profile_of):
    profile_of("hohhot")
    page = text(visitor(app).get("/register"))
    assert tabs_of(page) == []
    assert "类别" in page
    assert visitor(app).get("/register/personal").status_code == 404


@pytest.mark.feature("REG-01", "REG-08")
def test_zhejiang_registers_nobody(app, profile_of):
    profile_of("zhejiang")
    client = visitor(app)
    page = text(client.get("/register"))
    assert 'href="https://uuser.zjzfw.gov.cn/jsp/client/uuuser/uuuserRegistStep1.jsp"' in page
    assert "去注册" in page
    assert 'name="username"' not in page
    guide = client.get(re.search(r'href="(/register/guide[^"]*|/site-files/external_guide)"', page).group(1))
    assert guide.status_code == 200
    assert guide.data.startswith(b"%PDF-")
    before = accounts(app)
    for address in ("/register", "/register/personal", "/register/enterprise", "/register/code"):
        assert post(client, address, {"username": "abcd1234", "agree": "1"}).status_code == 404
    assert accounts(app) == before


WORDS = {
    ("national", "personal"): (
        "4-20个字符, 支持字母、数字组合",
        "6-20个字符, 必须由数字、大小写字母组成",
        "请输入姓名",
        "请输入身份证号",
        "男",
        "女",
        "获取验证码",
        "短信验证码",
        "汉族",
        "我已阅读并同意",
        "《互联网政务服务门户注册协议》",
    ),
    ("national", "enterprise"): (
        "6-20个字符,必须由数字、字母或符号两种以上组成",
        "请输入9位或18位的社会信用代码/组织机构代码",
        "企业营业执照",
        "请输入法定代表人/负责人",
        "企业宣传照片",
        "《互联网政务服务门户网站注册协议》",
    ),
    ("national", "institute"): (
        "机构名称",
        "省级",
        "市级",
        "县级",
        "授权证书编号",
        "计量授权证书",
        "有效日期",
        "授权区域",
    ),
    ("hohhot", "enterprise"): (
        "是否重点用能企业",
        "登录时的账号, 不能包含汉字",
        "系统注册采用邮箱验证方式, 用户需要填入正确的邮箱地址, 并输入邮件中的验证码",
        "请输入公司完整名称",
        "与监督检查部门日常联络的负责人",
        "呼和浩特市",
        "上传类型",
        "营业执照/法人证书等企业资质证明上传, 支持图片或文件格式, 按照实际情况勾选上传类型后上传。",
        "我同意",
        "《系统服务使用协议》",
        "《个人信息隐私政策》",
        "《全国人大常委会关于加强网络信息保护的决定》",
    ),
    ("guangdong", "applicant"): (
        "注册须知",
        "以个人身份注册，或以其它账号类型注册的不会被通过。",
        "《统一社会代码证》等证照",
        "法人授权书",
        "下载模板",
        "审核机构",
    ),
}


@pytest.mark.feature("REG-02", "REG-03", "REG-04", "REG-05", "REG-06", "REG-21")
@pytest.mark.parametrize(("name", "kind"), WORDS)
def test_the_form_says_the_words_of_its_manual(app, profile_of, name, kind):
    profile_of(name)
    page = text(visitor(app).get(f"/register/{kind}"))
    for word in WORDS[name, kind]:
        assert word in page, word


@pytest.mark.feature("REG-02", "REG-03", "REG-04", "REG-05", "REG-06", "REG-09")
@pytest.mark.parametrize(("name", "kind"), FORMS)
def test_every_starred_field_left_empty_is_named_and_nothing_is_made(app, world, profile_of, name, kind):
    profile_of(name)
    client, form, before = visitor(app), declared(name, kind), accounts(app)
    answers = {**good(form, name, world), "phone_code": "123456", "email_code": "123456"}
    needed = [f for f in form.fields if f.required and not f.default]
    assert len(needed) >= 7
    for field in needed:
        empty = {**answers, field.name: ""}
        files = files_of(form, leave=field.name if field.kind == "file" else "")
        answer = hand_in(client, form, empty, files)
        if answer.status_code == 429:  # forty tries an hour from one address
            client = visitor(app)
            answer = hand_in(client, form, empty, files_of(form, leave=field.name if field.kind == "file" else ""))
        assert answer.status_code == 422, field.name
        assert f"“{field.label}”" in wrong_at(text(answer), field.name), field.name
    unticked = hand_in(client, form, {**answers, "agree": ""})
    assert wrong_at(text(unticked), "agree") == "请阅读并同意用户协议和隐私政策。"
    assert accounts(app) == before


@pytest.mark.feature("REG-02", "REG-17")
def test_a_person_is_open_at_once(app, profile_of):
    profile_of("national")
    client, answers = registered(app, "national", "personal", gender="女", ethnicity="蒙古族")
    assert "已开通" in text(client.get("/register/done"))
    account = account_named(app, answers["username"])
    assert (account.state, account.kind, account.roles) == ("active", "individual", [Role.IND.value])
    assert (account.gender, account.ethnicity, account.name) == ("女", "蒙古族", answers["person_name"])
    assert account.phone_verified_at is not None


@pytest.mark.feature("REG-02")
def test_the_place_of_a_person_may_be_left_out_where_the_profile_says_so(app, profile_of, monkeypatch):
    from app.profiles import load

    profile_of("national")
    monkeypatch.setitem(load("national")["registration"], "personal_region_required", False)
    _client, answers = registered(app, "national", "personal", province="", city="", division_code="")
    assert account_named(app, answers["username"]).state == "active"


@pytest.mark.feature("REG-03", "REG-14")
@pytest.mark.parametrize("name", ["national", "bayannur"])
def test_lengths_of_the_code(app, profile_of, name):
    profile_of(name)
    client, form = visitor(app), declared(name, "enterprise")
    answers = {**good(form, name), "phone_code": "123456"}
    for length in (1, 8, 10, 17, 19):
        answer = hand_in(client, form, {**answers, "code": "1" * length}, {})
        assert "须为9位或18位" in wrong_at(text(answer), "code"), length
    for code in (uscc(77), "100000009", "10000000-9"):
        answer = hand_in(client, form, {**answers, "code": code, "phone": "1"}, {})
        said = wrong_at(text(answer), "code")
        assert ("校验位" in said) == (code != uscc(77) and not org(code)), said


def org(code: str) -> bool:
    from app.access.validators import normal_code, valid_org_code

    return valid_org_code(normal_code(code))


@pytest.mark.feature("REG-03", "REG-14", "REG-17")
def test_an_enterprise_waits_and_nobody_registers_its_code_again(app, profile_of, world):
    profile_of("national")
    client, answers = registered(app, "national", "enterprise", code="D2143569X")
    done = text(client.get("/register/done"))
    assert "等待系统管理员审核" in done
    assert "400-813-5888" in done
    account = account_named(app, answers["username"])
    assert (account.state, account.reviewer_institute_id) == ("pending", None)
    form = declared("national", "enterprise")
    second = {**good(form, "national"), "code": answers["code"], "phone_code": "123456"}
    said = wrong_at(text(hand_in(visitor(app), form, second)), "code")
    assert said == "该统一社会信用代码已注册，请联系本单位管理员或使用“找回账号”。"
    # before the review: only the waiting notice
    assert log_in(client, answers["username"], answers["password"]).status_code == 302
    mine = text(client.get("/register/mine"))
    assert "正在等待管理员审核" in mine
    assert "400-813-5888" in mine
    assert client.get("/instruments/list/").status_code in {302, 303, 403, 404}
    assert client.get("/home/").location == "/register/mine"
    admin = login(app, world, "adm")
    page = text(admin.get(f"/accounts/show/{account.id}"))
    file = re.search(r'href="(/files/[0-9a-f-]{36})"', page).group(1)
    assert admin.get(file).data == PNG
    assert post(admin, f"/accounts/step/approve/{account.id}").status_code == 303
    assert visitor(app).get(file).status_code == 302
    assert admin.get(file).status_code == 404, "the papers are shown while they are reviewed only"
    assert "器具" in text(client.get("/instruments/list/", follow_redirects=True))
    assert client.get("/instruments/list/").status_code == 200


@pytest.mark.feature("REG-04")
def test_an_institute_counts_for_nothing_before_it_is_approved(app, profile_of, world):
    profile_of("national")
    _client, answers = registered(app, "national", "institute", level="city", division_code="")
    account = account_named(app, answers["username"])
    assert (account.kind, account.state, account.roles) == ("institute", "pending", [Role.IMG.value])
    with app.app_context(), as_system("test"):
        institute = db.session.get(Institute, account.institute_id)
        facts = (institute.active, institute.level, institute.division_code, institute.regions)
        assert facts == (False, "city", "440100", "广东省广州市")
        assert institute.unified_code == answers["code"]
        db.session.remove()
    near = [r["text"] for r in visitor(app).get("/divisions/institutes?division=440103").json["results"]]
    assert answers["institute_name"] not in near
    admin = login(app, world, "adm")
    assert post(admin, f"/accounts/step/approve/{account.id}").status_code == 303
    near = [r["text"] for r in visitor(app).get("/divisions/institutes?division=440103").json["results"]]
    assert answers["institute_name"] in near
    shown = text(admin.get(f"/institutes/show/{account.institute_id}"))
    assert "市级" in shown
    assert "广东省广州市" in shown
    twice = {**good(declared("national", "institute"), "national"), "institute_name": answers["institute_name"]}
    answer = hand_in(visitor(app), declared("national", "institute"), {**twice, "phone_code": "123456"})
    assert wrong_at(text(answer), "institute_name") == "已有同名的技术机构，请更换名称。"


@pytest.mark.feature("REG-05", "REG-11", "REG-13", "REG-17")
def test_hohhot_all_required_and_open_at_once(app, profile_of):
    profile_of("hohhot")
    client, form = visitor(app), declared("hohhot", "enterprise")
    answers = coded(app, client, form, good(form, "hohhot"))
    assert all(f.required for f in form.fields)
    refused = hand_in(client, form, {**answers, "username": "张三01"})
    assert "不能包含汉字" in wrong_at(text(refused), "username")
    wrong = "000000" if answers["email_code"] != "000000" else "000001"
    refused = hand_in(client, form, {**answers, "email_code": wrong})
    assert "邮箱验证码错误或已过期" in wrong_at(text(refused), "email_code")
    refused = hand_in(client, form, answers, {})
    assert wrong_at(text(refused), "licence") == "请上传“营业执照上传”。"
    other = hand_in(client, form, {**answers, "email": f"other-{answers['email']}"})
    assert "邮箱验证码错误或已过期" in wrong_at(text(other), "email_code"), "the code belongs to its address"
    taken = hand_in(client, form, answers)
    assert taken.status_code == 303, wrongs(taken)
    account = account_named(app, answers["username"])
    assert (account.state, account.kind) == ("active", AccountKind.ENTERPRISE)
    with app.app_context(), as_system("test"):
        unit = db.session.get(Account, account.id).unit
        assert (unit.code, unit.active, unit.division_code) == (None, True, "150102")
        assert (unit.category, unit.key_energy_user) == (answers["category"], answers["key_energy_user"] == "1")
        assert unit.contact_phone == answers["contact_phone"]
        db.session.remove()
    assert log_in(client, answers["username"], answers["password"]).status_code == 302
    assert client.get("/instruments/list/").status_code == 200


@pytest.mark.feature("REG-05")
def test_two_units_without_a_code_live_beside_each_other(app, profile_of):
    profile_of("hohhot")
    for _number in range(2):
        _client, answers = registered(app, "hohhot", "enterprise")
        assert account_named(app, answers["username"]).state == "active"


def test_a_broken_declaration_is_found(app):
    good_fields = [{"name": "username", "kind": "username", "label": "用户名"}]
    base = {"tab": "x", "account": "enterprise", "agreements": [], "fields": good_fields}
    settings = {"letter_label": "", "phone_note": ""}
    for raw in (
        base,
        {**base, "account": "nobody"},
        {**base, "fields": [{"name": "a", "kind": "magic", "label": "A"}]},
        {**base, "fields": [{"name": "a", "kind": "select", "label": "A"}]},
        {"tab": "x"},
    ):
        with pytest.raises(BrokenFormError):
            read("x", raw, settings)


def test_a_forged_form_is_refused(app):
    """The token of the form is asked for as everywhere."""
    client = visitor(app)
    csrf(client, declared("all", "applicant"))
    assert client.post("/register/applicant", data={"csrf_token": "x"}).status_code in {400, 403, 422}
