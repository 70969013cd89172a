"""Issued accounts: experts, the countersign of the security administrator, duties, pairs that one person never holds."""

from __future__ import annotations

import itertools
import re

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.access.principal import as_system
from app.access.roles import KIND_ROLES, forbidden_combination
from app.channels.deliver import deliver
from app.errors import InvalidInputError, NotAllowedError
from app.operations import account as accounts
from app.workflow import ACCOUNT, fire
from models import Account, AuditLog, DevelopmentMail, Message
from models.base import db
from models.enums import AccountKind, Role
from models.types import blind_index
from tests.accounts.test_account_pages import issue_form, of
from tests.client import log_in, login, post, text, visitor
from tests.world import PASSWORD

pytestmark = pytest.mark.usefixtures("context")
LINK = re.compile(r"/activate/[\w-]+")
_numbers = itertools.count(610_001)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number(number: int) -> str:
    """A made-up 居民身份证号 with a right check digit."""
    body = f"440103198001{number // 1000 % 28 + 1:02d}{number % 1000:03d}"
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, _WEIGHTS, strict=True)) % 11]


def wrong_number(number: int) -> str:
    """The same with another check digit."""
    right = id_number(number)
    return right[:17] + ("1" if right[17] != "1" else "2")


def sent_to(address: str) -> list[str]:
    """What the development driver kept for a mail address or a phone."""
    with as_system("test"):
        deliver(db.session())
        db.session.commit()
        statement = select(DevelopmentMail.body).where(DevelopmentMail.recipient_index == blind_index(address))
        return list(db.session.execute(statement.order_by(DevelopmentMail.id)).scalars())


def by_username(name: str) -> Account:
    with as_system("test"):
        from flask_appbuilder.security.sqla.models import User

        db.session.expire_all()
        return db.session.execute(select(Account).join(User).where(User.username == name)).unique().scalar_one()


def activated(app, link: str):
    browser = visitor(app)
    answer = post(browser, link, {"password": PASSWORD, "password_again": PASSWORD}, page=link)
    assert answer.status_code in {302, 303}, text(answer)
    return browser


@pytest.mark.feature("REG-22", "SUP-03")
def test_an_expert_is_issued_and_reached_by_phone(app, world):
    admin, number = login(app, world, "adm"), next(_numbers)
    form = issue_form(kind="expert", roles=["EXP"], email="", division="", phone="")
    missing = post(admin, "/accounts/issue", form)
    assert missing.status_code == 422
    assert "请填写“手机号”" in text(missing)
    assert "请填写“身份证号”" in text(missing)
    form |= {
        "phone": f"136{number:08d}",
        "id_number": wrong_number(number),
        "employer": "省计量院",
        "specialty": "衡器",
    }
    assert "身份证号码校验不正确" in text(post(admin, "/accounts/issue", form))
    form["id_number"] = id_number(number)
    assert post(admin, "/accounts/issue", form).status_code == 200
    made = by_username(form["username"])
    assert (made.kind, made.roles, made.employer, made.specialty) == ("expert", ["EXP"], "省计量院", "衡器")
    page = text(admin.get(f"/accounts/show/{made.id}"))
    assert form["id_number"] not in page
    assert form["phone"] not in page
    (body,) = sent_to(form["phone"])
    activated(app, LINK.search(body).group())
    browser = visitor(app)
    assert log_in(browser, form["username"]).status_code == 302
    assert browser.get("/home/").status_code == 200
    twice = issue_form(kind="expert", roles=["EXP"], email="", division="", phone=f"135{number:08d}")
    assert "该身份证号已有专家账号" in text(post(admin, "/accounts/issue", twice | {"id_number": form["id_number"]}))


@pytest.mark.feature("SUP-10")
@pytest.mark.parametrize(("kind", "role"), [("auditor", "AUD"), ("security", "SEC")])
def test_auditors_and_security_administrators_are_countersigned(app, world, kind, role):
    admin, guard = login(app, world, "adm"), login(app, world, "sec")
    form = issue_form(kind=kind, roles=[role], division="")
    nowhere = post(admin, "/accounts/issue", {**form, "email": ""})
    assert nowhere.status_code == 422
    assert "激活链接只发给本人" in text(nowhere)
    answer = text(post(admin, "/accounts/issue", form))
    assert "须由安全管理员会签" in answer
    assert not LINK.search(answer), "no link exists yet"
    made = by_username(form["username"])
    assert made.activation_hash is None
    assert sent_to(form["email"]) == []
    with as_system("test"):
        asked = select(Message).where(
            Message.account_id == world.people["sec"], Message.key == f"countersign-{made.id}"
        )
        assert db.session.execute(asked).scalar_one().link == f"/accounts/show/{made.id}"
    refused = post(admin, f"/accounts/renew/{made.id}", follow_redirects=True)
    assert "须由安全管理员会签后才能发送激活链接" in text(refused)
    assert post(admin, f"/accounts/step/countersign/{made.id}").status_code == 403
    assert "会签" in text(guard.get(f"/accounts/show/{made.id}"))
    assert post(guard, f"/accounts/step/countersign/{made.id}").status_code == 303
    assert of(made.id).countersigned_by_id == world.people["sec"]
    assert not LINK.search(text(guard.get(f"/accounts/show/{made.id}"))), "nor does who signs see the link"
    (body,) = sent_to(form["email"])
    link = LINK.search(body).group()
    again = text(post(admin, f"/accounts/renew/{made.id}"))
    assert not LINK.search(again), "a renewed link goes to the person alone as well"
    assert f"链接已发送到 {form['email']}" in again
    link = LINK.search(sent_to(form["email"])[-1]).group()
    activated(app, link)
    assert of(made.id).state == "active"
    with as_system("test"):
        lines = select(AuditLog.action).where(AuditLog.entity == "account", AuditLog.entity_id == str(made.id))
        assert {"issue_account", "countersign", "activate"} <= set(db.session.execute(lines).scalars())


@pytest.mark.feature("SUP-10")
def test_a_signature_is_for_those_two_kinds_only(app, world):
    admin, guard = login(app, world, "adm"), login(app, world, "sec")
    form = issue_form()
    post(admin, "/accounts/issue", form)
    made = by_username(form["username"])
    answer = post(guard, f"/accounts/step/countersign/{made.id}", follow_redirects=True)
    assert "只有审计员和安全管理员的账号需要会签" in text(answer)


@pytest.mark.feature("SUP-10")
def test_the_security_administrator_assigns_duties(app, world):
    guard = login(app, world, "sec")
    pk = world.people["verB"]
    page = text(guard.get(f"/accounts/step/assign/{pk}"))
    offered = set(re.findall(r'name="roles" type="checkbox" value="([A-Z]+)"', page))
    assert offered == {"REC", "VER", "APR", "IMG"}, "only what the kind of account may have"
    assert re.search(r'checked[^>]*value="VER"', page), "what holds now is ticked"
    none = post(guard, f"/accounts/step/assign/{pk}", {"roles": []})
    assert none.status_code == 422
    assert "请选择“职责”。" in text(none)
    pair = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["REC", "APR"]})
    assert "不能由同一人兼任" in text(pair)
    stranger = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["VER", "ADM"]})
    assert "该类账号不能兼任“系统管理员”" in text(stranger)
    past = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["VER"], "valid_until": "2020-01-01"})
    assert "不能早于今天" in text(past)
    odd = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["VER"], "valid_until": "明天"})
    assert odd.status_code == 422
    assert "“任职有效期至”格式不正确" in text(odd)
    assert of(pk).roles == ["VER"]
    good = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["VER", "APR"], "valid_until": "2099-12-31"})
    assert good.status_code == 303, text(good)
    assert of(pk).roles == ["APR", "VER"]
    assert of(pk).valid_until.isoformat() == "2099-12-31"
    post(guard, f"/accounts/step/assign/{pk}", {"roles": ["VER"], "valid_until": ""})
    assert (of(pk).roles, of(pk).valid_until) == (["VER"], None)
    own = post(guard, f"/accounts/step/assign/{world.people['sec']}", {"roles": ["SEC"]})
    assert own.status_code in {303, 403}
    assert of(world.people["sec"]).version == of(world.people["sec"]).version
    assert post(login(app, world, "adm"), f"/accounts/step/assign/{pk}", {"roles": ["REC"]}).status_code == 403


FORBIDDEN = [
    (kind, pair)
    for kind in AccountKind
    for pair in itertools.combinations(sorted({r for rs in KIND_ROLES.values() for r in rs}), 2)
    if forbidden_combination(kind, pair)
]


@pytest.mark.feature("SUP-10")
def test_forbidden_pairs_are_refused_by_the_table_as_by_the_rules(world, session):
    """Must-never 61: every pair of roles × every kind of account; the table and app/access/roles.py say the same."""
    columns = {"enterprise": "ua1", "individual": None, "institute": "verA"}
    tried = 0
    with as_system("test"):
        for kind in ("institute", "regulator", "auditor", "admin", "security"):
            nick = columns.get(kind) or {"regulator": "regA", "auditor": "aud", "admin": "adm", "security": "sec"}[kind]
            every = sorted({r for rs in KIND_ROLES.values() for r in rs})
            for chosen in itertools.chain(itertools.combinations(every, 1), itertools.combinations(every, 2)):
                statement = (
                    update(Account)
                    .where(Account.id == world.people[nick])
                    .values(roles=sorted(r.value for r in chosen))
                    .execution_options(synchronize_session=False)
                )
                wrong = forbidden_combination(AccountKind(kind), chosen) is not None
                point = session.begin_nested()
                if wrong:
                    with pytest.raises(IntegrityError, match="ck_account_roles"):
                        session.execute(statement)
                else:
                    session.execute(statement)
                point.rollback()
                tried += 1
    session.rollback()
    assert tried == 5 * (len(every) + len(every) * (len(every) - 1) // 2)


@pytest.mark.feature("SUP-10")
@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        ("admin", ["ADM", "AUD"]),
        ("admin", ["ADM", "SEC"]),
        ("security", ["SEC", "AUD"]),
        ("admin", ["ADM", "REG"]),
        ("institute", ["REC", "REG"]),
        ("institute", ["REC", "APR"]),
    ],
)
def test_forbidden_pairs_are_refused_by_page_operation_and_command(app, world, session, kind, pair):
    admin = login(app, world, "adm")
    form = issue_form(kind=kind, roles=pair, institute_id=world.institutes["A"])
    answer = post(admin, "/accounts/issue", form)
    assert answer.status_code == 422
    assert "兼任" in text(answer)
    facts = {"username": form["username"], "name": "甲", "email": form["email"]}
    with world.acting("adm") as actor, pytest.raises(InvalidInputError) as refused:
        accounts.issue_account(session, actor, kind=AccountKind(kind), roles=[Role(r) for r in pair], **facts)
    assert "兼任" in refused.value.problems["roles"]
    options = [part for role in pair for part in ("--role", role)]
    runner = app.test_cli_runner()
    told = runner.invoke(
        args=["user", "issue", "--kind", kind, *options, "--username", form["username"], "--name", "甲"]
    )
    assert told.exit_code == 1
    assert "兼任" in told.output


@pytest.mark.feature("SUP-10")
def test_the_three_administrators_open_no_business_step(app, world, session):
    """Must-never 61: configuration, security and audit decide nothing in the business."""
    for nick in ("adm", "sec", "aud"):
        client = login(app, world, nick)
        for url in (
            "/instruments/list/",
            "/filings/list/",
            "/appointments/list/",
            "/items/list/",
            "/certificates/list/",
        ):
            assert client.get(url).status_code == 403, (nick, url)


@pytest.mark.feature("SUP-10")
def test_the_last_administrator_stays(app, world, session):
    """Must-never 64: not by disabling, not by a term, not by another administrator at the same moment."""
    pk, guard = world.people["adm"], login(app, world, "sec")
    with as_system("test"):
        others = select(Account).where(Account.roles.contains(["ADM"]), Account.state == "active", Account.id != pk)
        assert session.execute(others).unique().scalars().all() == []
    term = post(guard, f"/accounts/step/assign/{pk}", {"roles": ["ADM"], "valid_until": "2099-01-01"})
    assert term.status_code == 422
    assert "不能停用最后一个系统管理员" in text(term)
    assert of(pk).valid_until is None
    with world.acting("adm") as actor, pytest.raises(NotAllowedError):
        fire(session, ACCOUNT, pk, "disable", actor, {"reason": "停用自己试试"})
    session.rollback()
    with as_system("test") as system, pytest.raises((InvalidInputError, NotAllowedError)) as refused:
        fire(session, ACCOUNT, pk, "disable", system, {"reason": "停用最后一个"})
    assert refused.value.sentence
    session.rollback()
    assert of(pk).state == "active"


@pytest.mark.feature("SUP-10")
def test_no_form_sets_or_shows_somebody_elses_password(app, world):
    """Must-never 33: the administrator sends links; there is no input for a password on any page about accounts."""
    admin = login(app, world, "adm")
    for url in ("/accounts/issue", "/accounts/import", f"/accounts/show/{world.people['recA']}", "/accounts/list/"):
        page = text(admin.get(url))
        assert 'type="password"' not in page, url
        assert "scrypt:" not in page, url
    form = issue_form(password="Zhongqiu-26-Yuebing")
    post(admin, "/accounts/issue", form)
    made = by_username(form["username"])
    assert made.user.password is None
    assert log_in(visitor(app), form["username"], "Zhongqiu-26-Yuebing").status_code != 302


STOCK = (
    "/users/list/",
    "/users/add",
    "/users/userinfo/",
    "/roles/list/",
    "/groups/list/",
    "/permissions/list/",
    "/viewmenus/list/",
    "/permissionviews/list/",
    "/permissionview/list/",
    "/registeruser/list/",
    "/registeruser/form",
    "/register/form",
    "/userstatschartview/chart/",
    "/resetpassword/form",
    "/resetmypassword/form",
    "/userinfoeditview/form",
    "/api/v1/security/login",
    "/api/v1/security/users/",
    "/api/v1/security/roles/",
    "/api/v1/security/api_keys/",
)


@pytest.mark.feature("SUP-10")
@pytest.mark.parametrize("who", ["ua1", "recA", "imgA", "regA", "adm", "aud", "sec"])
def test_flask_appbuilders_own_views_stay_shut(app, world, who):
    """Must-never 67."""
    client = login(app, world, who)
    for url in STOCK:
        assert client.get(url).status_code in {403, 404, 405}, url


@pytest.mark.feature("SUP-10")
def test_no_stock_view_is_registered(app):
    """Must-never 67: whatever comes with Flask-AppBuilder and could manage people is not even there."""
    stock = {
        type(view).__name__
        for view in app.appbuilder.baseviews
        if type(view).__module__.startswith("flask_appbuilder.")
    }
    assert stock <= {"UtilView", "LocaleView", "IndexView", "MenuApi"}, stock
    rules = [rule.rule for rule in app.url_map.iter_rules()]
    assert not [
        r for r in rules if r.startswith(("/users", "/roles", "/permission", "/registeruser", "/resetpassword"))
    ]


PUBLIC = frozenset[tuple[str, str]]()
"""What the role Public may do through Flask-AppBuilder's permissions: nothing. Public pages are plain routes."""


@pytest.mark.feature("SUP-10")
def test_the_public_role_holds_nothing(app, session):
    """Must-never 68."""
    from app.access.grants import declared, stored

    held = {(permission, view) for role, permission, view in stored(session) if role in {"Public", "ANON"}}
    meant = {(p, v) for role, p, v in declared(app.appbuilder.baseviews) if role in {"Public", "ANON"}}
    assert held == meant == PUBLIC
