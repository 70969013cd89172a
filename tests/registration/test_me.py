"""One's own account, and changing the password."""

import pytest

from tests.client import log_in, login, post, text, visitor
from tests.registration.support import register
from tests.world import PASSWORD

NEW = "Duanwu-Longzhou-27"


@pytest.fixture
def applicant(app, world):
    """A person of this test alone: the world's passwords must stay."""
    client = visitor(app)
    form = register(app, client, world)
    assert log_in(client, form["username"], PASSWORD).status_code == 302
    return client, form


def change(client, old: str, new: str, again: str | None = None):
    data = {"old": old, "password": new, "password_again": new if again is None else again}
    return post(client, "/password", data, page="/password")


def test_me_shows_own_facts_with_the_phone_masked(app, world):
    page = text(login(app, world, "ua1").get("/me"))
    assert world.names["ua1"] in page
    assert "企业主账号" in page
    assert "139****" in page
    assert "加油站有限公司" in page
    staff = text(login(app, world, "recA").get("/me"))
    assert "计量检定所" in staff
    assert "受理员" in staff
    assert "广东省广州市" in text(login(app, world, "regA").get("/me"))


def test_pages_ask_to_log_in_first(app, world):
    for path in ("/me", "/password"):
        assert visitor(app).get(path).location == f"/login/?next={path}"


def test_change_ends_every_session_but_this_one(app, world, applicant):
    client, form = applicant
    other = visitor(app)
    assert log_in(other, form["username"], PASSWORD).status_code == 302
    assert other.get("/me").status_code == 200
    before = client.get_cookie("session").value
    answer = change(client, PASSWORD, NEW)
    assert (answer.status_code, answer.location) == (303, "/me")
    assert "密码已修改" in text(client.get("/me"))
    assert client.get_cookie("session").value != before
    assert other.get("/me").status_code == 302
    copied = visitor(app)
    copied.set_cookie("session", before)
    assert copied.get("/me").status_code == 302
    assert log_in(visitor(app), form["username"], PASSWORD).status_code == 422
    assert log_in(visitor(app), form["username"], NEW).status_code == 302


def test_refusals(app, world, applicant):
    client, form = applicant
    for old, new, again, sentence in (
        ("wrong-old-one", NEW, None, "旧密码不正确"),
        (PASSWORD, "short", None, "密码至少10个字符"),
        (PASSWORD, NEW, "different-again", "两次输入的密码不一致"),
        ("", NEW, None, "请填写“旧密码”。"),
        (PASSWORD, f"{form['username']}-2026", None, "不能包含用户名"),
    ):
        answer = change(client, old, new, again)
        assert answer.status_code == 422
        assert sentence in text(answer)
    assert log_in(visitor(app), form["username"], PASSWORD).status_code == 302


def test_guessing_the_old_password_ends(app, world, applicant):
    client, _form = applicant
    answers = [change(client, "guess", NEW).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
