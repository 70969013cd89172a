"""机构人员: issued and given duties by the head of the own institute, for a term that ends by itself."""

import re
from datetime import timedelta

import pytest

from app import clock
from app.access.principal import as_system
from models import Account
from models.base import db
from models.enums import AccountKind, Role
from tests.client import log_in, login, post, text, visitor
from tests.organisation.support import account_of, number, staff
from tests.world import PASSWORD

pytestmark = pytest.mark.feature("ORG-05")


def issue(client, **more):
    data = {"username": f"new{number()}", "name": "陈新人", "roles": ["VER"], "valid_until": "", **more}
    return data, post(client, "/staff/issue", data, page="/staff/issue")


def test_a_manager_issues_staff_of_the_own_institute(app, world):
    head = login(app, world, "imgA")
    data, answer = issue(head, roles=["REC", "VER"], institute_id=str(world.institutes["B"]), kind="admin")
    page = text(answer)
    assert answer.status_code == 200
    link = re.search(r"/activate/([\w-]+)", page).group(1)
    passwords = {"password": PASSWORD, "password_again": PASSWORD}
    assert post(visitor(app), f"/activate/{link}", passwords, page=f"/activate/{link}").status_code == 303
    client = visitor(app)
    assert log_in(client, data["username"], PASSWORD).status_code == 302
    assert client.get("/filings/list/").status_code == 200
    listed = text(head.get("/staff/list/"))
    assert "受理员、检定员" in listed
    assert "长期" in listed
    assert data["username"] not in text(login(app, world, "imgB").get("/staff/list/"))


def test_forbidden_pairs_are_refused_with_the_sentence(app, world):
    head = login(app, world, "imgA")
    _data, answer = issue(head, roles=["REC", "APR"])
    assert answer.status_code == 422
    assert "不能由同一人兼任，请分别派发账号。" in text(answer)
    _data, answer = issue(head, roles=["ADM"])
    assert answer.status_code == 422
    assert "请至少选择一个角色。" in text(answer)
    _data, answer = issue(head, valid_until=(clock.today() - timedelta(days=1)).isoformat())
    assert "“任职有效期至”不能早于今天。" in text(answer)


def test_duties_change_at_the_next_request(app, world):
    nick = staff(app, world, [Role.VER])
    pk = world.people[nick]
    head, client = login(app, world, "imgA"), login(app, world, nick)
    assert client.get("/slots/list/").status_code == 403
    form = text(head.get(f"/staff/step/assign/{pk}"))
    for word in ("受理员", "检定员", "批准人", "机构负责人", "任职有效期至"):
        assert word in form
    assert re.search(r'<input[^>]*checked[^>]*value="VER"', form)
    data = {"roles": ["REC", "APR"], "valid_until": ""}
    answer = post(head, f"/staff/step/assign/{pk}", data)
    assert answer.status_code == 422
    assert "不能由同一人兼任" in text(answer)
    data["roles"] = ["REC"]
    assert post(head, f"/staff/step/assign/{pk}", data).status_code == 303
    assert client.get("/slots/list/").status_code == 200
    assert account_of(app, pk).roles == ["REC"]


def test_a_lapsed_term_leaves_nothing_and_says_so(app, world):
    nick = staff(app, world, [Role.REC])
    client = login(app, world, nick)
    assert client.get("/filings/list/").status_code == 200
    with app.app_context():
        with as_system("test"):
            db.session.get(Account, world.people[nick]).valid_until = clock.today()
            db.session.commit()
        assert client.get("/filings/list/").status_code == 200  # the last day counts
        with as_system("test"):
            db.session.get(Account, world.people[nick]).valid_until = clock.today() - timedelta(days=1)
            db.session.commit()
        db.session.remove()
    assert client.get("/filings/list/").status_code == 403
    page = text(client.get("/home/"))
    assert "任职有效期已于" in page
    assert "请联系本机构负责人续期" in page
    assert "已届满" in text(login(app, world, "imgA").get("/staff/list/"))


def test_stopped_and_started_again(app, world):
    nick = staff(app, world, [Role.VER])
    pk, head, client = world.people[nick], login(app, world, "imgA"), login(app, world, nick)
    assert post(head, f"/staff/step/disable/{pk}", {"reason": "调离岗位，停用账号。"}).status_code == 303
    assert client.get("/items/list/").status_code == 302
    assert post(head, f"/staff/step/enable/{pk}").status_code == 303
    assert log_in(visitor(app), world.names[nick], PASSWORD).status_code == 302


def test_staff_of_another_institute_look_missing(app, world):
    """Must-never 49."""
    pk = world.people["verB"]
    head = login(app, world, "imgA")
    assert head.get(f"/staff/show/{pk}").status_code == 404
    assert post(head, f"/staff/step/assign/{pk}", {"roles": ["REC"]}).status_code == 404
    assert post(head, f"/staff/step/disable/{pk}", {"reason": "试图停用外单位人员"}).status_code == 404
    assert post(head, f"/staff/renew/{pk}").status_code == 404
    assert account_of(app, pk).roles == ["VER"]
    for nick in ("recA", "verA", "ua1", "regA", "adm"):
        assert login(app, world, nick).get("/staff/list/").status_code == 403


def test_nobody_changes_the_own_duties(app, world):
    pk = world.people["imgA"]
    head = login(app, world, "imgA")
    answer = post(head, f"/staff/step/assign/{pk}", {"roles": ["IMG", "APR"]})
    assert answer.status_code in {303, 403}
    assert account_of(app, pk).roles == ["IMG"]
    assert account_of(app, pk).kind == AccountKind.INSTITUTE
