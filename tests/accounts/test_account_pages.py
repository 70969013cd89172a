"""Accounts by the pages: the review queue, issuing with the link shown once, renewing, who may."""

from __future__ import annotations

import itertools
import re

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from app.channels.deliver import deliver
from app.operations import account as accounts
from models import Account, AuditLog, DevelopmentMail, TransitionLog
from models.base import db
from tests.client import login, post, text, visitor
from tests.world import PASSWORD, PNG, mail_code, uscc

pytestmark = pytest.mark.usefixtures("context")
_numbers = itertools.count(700_001)


def of(pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(Account, pk)


def registered(world, institute="A", division="440103", **more):
    number = next(_numbers)
    email = f"reg{number}@example.com"
    form = {
        "unit_name": f"待审单位{number}",
        "code": uscc(number),
        "division_code": division,
        "address": "建设路8号",
        "contact_name": "赵大年",
        "phone": f"137{number:08d}",
        "email": email,
        "username": f"reg{number}",
        "password": PASSWORD,
        "password_again": PASSWORD,
        "institute_id": str(world.institutes[institute]),
        "agree": "1",
        "email_code": mail_code(email),
        **more,
    }
    papers = {k: accounts.Paper(k, label, f"{k}.png", PNG) for k, label in accounts.PAPERS.items()}
    made = accounts.register_unit(db.session(), form, papers)
    db.session.commit()
    return made.id


@pytest.mark.feature("REG-18")
def test_the_review_queue(app, world):
    pk = registered(world)
    desk = login(app, world, "recA")
    listed = text(desk.get("/accounts/list/?state=pending", follow_redirects=True))
    assert f"/accounts/show/{pk}" in listed
    page = text(desk.get(f"/accounts/show/{pk}"))
    name = of(pk).unit_id
    assert "建设路8号" in page
    assert re.search(r'href="/files/[0-9a-f-]{36}"', page)
    assert "137****" in page
    with as_system("test"):
        phone = of(pk).phone
    assert phone not in page
    other = login(app, world, "recB")
    assert other.get(f"/accounts/show/{pk}").status_code == 404
    assert f"/accounts/show/{pk}" not in text(other.get("/accounts/list/?state=pending", follow_redirects=True))
    assert post(other, f"/accounts/step/approve/{pk}").status_code == 404
    form = text(desk.get(f"/accounts/step/return/{pk}"))
    labels = re.findall(r'name="fields" type="checkbox" value="([^"]+)"', form)
    assert {"申请方名称", "统一社会信用代码"} <= set(labels), "what may be corrected is ticked"
    empty = post(desk, f"/accounts/step/return/{pk}", {"reason": "", "fields": ["申请方名称"]})
    assert empty.status_code == 422
    assert "请填写原因（5～500字）" in text(empty)
    assert re.search(r'checked[^>]*value="申请方名称"|value="申请方名称"[^>]*checked', text(empty)), "the tick survives"
    assert of(pk).state == "pending"
    done = post(desk, f"/accounts/step/return/{pk}", {"reason": "证照图片不清晰", "fields": labels[:2]})
    assert done.status_code == 303
    assert of(pk).state == "returned"
    assert of(pk).fields_to_correct == labels[:2]
    second = registered(world)
    post(desk, f"/accounts/step/approve/{second}")
    assert of(second).state == "active"
    with as_system("test"):
        step = db.session.execute(
            select(TransitionLog).where(
                TransitionLog.entity == "account", TransitionLog.entity_id == second, TransitionLog.step == "approve"
            )
        ).scalar_one()
        assert step.actor_id == world.people["recA"]
        assert db.session.get(Account, pk).unit_id == name


def issue_form(**more):
    number = next(_numbers)
    return {
        "kind": "regulator",
        "username": f"jian{number}",
        "name": "钱多",
        "email": f"jian{number}@example.com",
        "phone": "",
        "roles": ["REG"],
        "institute_id": "",
        "division": "440103",
        **more,
    }


@pytest.mark.feature("REG-23")
def test_the_administrator_issues_a_regulator_of_one_county(app, world):
    """The person chooses the first password by a one-time link. That is the stronger form of "first login forces a
    password change": there is no first password that anybody else could know, and nothing to log in with before."""
    admin, form = login(app, world, "adm"), issue_form()
    answer = post(admin, "/accounts/issue", form)
    page = text(answer)
    assert answer.status_code == 200, page
    link = re.search(r'value="http://127\.0\.0\.1:8080(/activate/[^"]+)"', page).group(1)
    assert f"链接已发送到 {form['email']}" in page
    with as_system("test"):
        made = db.session.execute(select(Account).where(Account.email == form["email"])).unique().scalar_one()
        assert (made.area, made.state, made.roles) == ("440103", "invited", ["REG"])
        assert db.session.execute(
            select(AuditLog).where(AuditLog.action == "issue_account", AuditLog.entity_id == str(made.id))
        ).first()
        deliver(db.session())
        db.session.commit()
        mail = db.session.execute(
            select(DevelopmentMail).where(DevelopmentMail.recipient == form["email"])
        ).scalar_one()
    assert link in mail.body
    assert f'href="http://127.0.0.1:8080{link}"' in text(admin.get(f"/mails/show/{mail.id}"))
    for again in (f"/accounts/show/{made.id}", "/accounts/issue", "/accounts/list/"):
        assert link not in text(admin.get(again)), "the link is shown once"
    twice = post(admin, "/accounts/issue", form)
    assert twice.status_code == 422
    assert "该用户名已被使用，请更换。" in text(twice)
    assert form["email"] in text(twice)
    renewed = post(admin, f"/accounts/renew/{made.id}")
    fresh = re.search(r"(/activate/[^\"]+)\"", text(renewed)).group(1)
    assert fresh != link
    browser = visitor(app)
    assert "链接已失效" in text(browser.get(link, follow_redirects=True))
    done = post(browser, fresh, {"password": PASSWORD, "password_again": PASSWORD}, page=fresh)
    assert done.status_code in {302, 303}, text(done)
    assert of(made.id).state == "active"
    assert post(admin, f"/accounts/renew/{made.id}", follow_redirects=True).status_code == 200
    kinds = text(visitor(app).get("/register", follow_redirects=True))
    offered = re.findall(r'href="/register/([a-z_]+)"', kinds)
    assert offered
    assert not {"regulator", "auditor", "admin", "security", "expert"} & set(offered)
    for kind in ("regulator", "auditor", "admin", "security", "expert"):
        assert visitor(app).get(f"/register/{kind}").status_code == 404


def test_what_the_administrator_typed_survives(app, world):
    admin = login(app, world, "adm")
    form = issue_form(kind="institute", roles=["REC", "APR"], name="<script>alert(3)</script>", division="")
    answer = post(admin, "/accounts/issue", form)
    page = text(answer)
    assert answer.status_code == 422
    assert "不能由同一人兼任" in page
    assert "请选择“技术机构”。" in page
    assert form["username"] in page
    assert "<script>alert(3)" not in page
    assert re.search(r'value="REC"[^>]*checked|checked[^>]*value="REC"', page)
    area = post(admin, "/accounts/issue", issue_form(division="999999"))
    assert "请选择辖区的行政区划。" in text(area)
    named = post(admin, "/accounts/issue", issue_form(division="440100", roles=["REC"]))
    assert "广州市" in text(named), "the chosen area stays chosen"


@pytest.mark.parametrize("who", ["ua1", "recA", "imgA", "regA", "aud", "sec"])
def test_only_the_administrator_issues(app, world, who):
    client = login(app, world, who)
    assert client.get("/accounts/issue").status_code == 403
    assert post(client, "/accounts/issue", issue_form()).status_code == 403
    assert post(client, f"/accounts/renew/{world.people['ua1']}").status_code in {403, 404}


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("adm", 200),
        ("recA", 200),
        ("regA", 200),
        ("aud", 200),
        ("recB", 404),
        ("ua2", 404),
        ("regB", 404),
        ("verA", 403),
        ("regA2", 404),
    ],
)
def test_who_sees_a_units_account(app, world, who, status):
    answer = login(app, world, who).get(f"/accounts/show/{world.people['ua1']}")
    assert answer.status_code == status
    assert of(world.people["ua1"]).phone not in text(answer)


@pytest.mark.must_never(64)
def test_disabling_needs_a_reason_and_spares_the_last_administrator(app, world):
    admin = login(app, world, "adm")
    form = issue_form()
    page = text(post(admin, "/accounts/issue", form))
    link = re.search(r"(/activate/[^\"]+)\"", page).group(1)
    browser = visitor(app)
    post(browser, link, {"password": PASSWORD, "password_again": PASSWORD}, page=link)
    with as_system("test"):
        pk = db.session.execute(select(Account.id).where(Account.email == form["email"])).scalar_one()
    post(admin, f"/accounts/step/disable/{pk}", {"reason": ""})
    assert of(pk).state == "active"
    post(admin, f"/accounts/step/disable/{pk}", {"reason": "已调离监管岗位"})
    assert of(pk).state == "disabled"
    post(admin, f"/accounts/step/enable/{pk}")
    assert of(pk).state == "active"
    post(admin, f"/accounts/step/disable/{world.people['adm']}", {"reason": "测试停用自己"})
    assert of(world.people["adm"]).state == "active"
