"""The one-time link, and the rules of a password."""

import itertools
from datetime import timedelta

from app import clock
from app.access.principal import as_system
from app.operations import account as accounts
from models.account import Account
from models.base import db
from models.enums import AccountKind, Role
from tests.client import log_in, post, text, visitor
from tests.world import PASSWORD

_numbers = itertools.count(1)


def invited(app, world) -> tuple[str, str, int]:
    """(user name, token, account id) of a person who has not chosen a password yet."""
    with app.app_context(), as_system("test") as system:
        made, token = accounts.issue_account(
            db.session(),
            system,
            kind=AccountKind.INSTITUTE,
            username=f"inv{next(_numbers)}x{world.institutes['A']}",
            name="<i>钱</i>",
            roles=[Role.REC],
            institute_id=world.institutes["A"],
        )
        found = made.user.username, token, made.id
        db.session.commit()
        db.session.remove()
    return found


def choose(client, token: str, password: str, again: str | None = None):
    data = {"password": password, "password_again": password if again is None else again}
    return post(client, f"/activate/{token}", data, page=f"/activate/{token}")


def test_link_works_once(app, world):
    username, token, _pk = invited(app, world)
    client = visitor(app)
    page = client.get(f"/activate/{token}")
    assert page.status_code == 200
    assert username in text(page)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert choose(client, token, PASSWORD).location == "/login/"
    assert log_in(client, username, PASSWORD).status_code == 302
    used = visitor(app).get(f"/activate/{token}")
    assert used.status_code == 410
    assert "联系派发账号的管理员重新发送" in text(used)
    assert log_in(visitor(app), username, "Another-Secret-99").status_code == 422


def test_used_link_takes_no_second_password(app, world):
    username, token, _pk = invited(app, world)
    client = visitor(app)
    assert choose(client, token, PASSWORD).status_code == 303
    late = post(client, f"/activate/{token}", {"password": "Another-Secret-99", "password_again": "Another-Secret-99"})
    assert late.status_code == 410
    assert log_in(visitor(app), username, PASSWORD).status_code == 302


def test_expired_and_invented_links_read_the_same(app, world):
    _username, token, pk = invited(app, world)
    with app.app_context(), as_system("test"):
        db.session.get(Account, pk).activation_expires_at = clock.now() - timedelta(minutes=1)
        db.session.commit()
        db.session.remove()
    expired, invented = (visitor(app).get(f"/activate/{t}") for t in (token, "x" * 43))
    assert expired.status_code == invented.status_code == 410
    assert "链接已失效" in text(expired)
    assert "链接已失效" in text(invented)


def test_password_rules(app, world):
    username, token, _pk = invited(app, world)
    client = visitor(app)
    for password, again, sentence in (
        ("", "", "请填写“密码”。"),
        ("short1", None, "密码至少10个字符"),
        ("1234567890", None, "过于常见"),
        (f"{username}-2026", None, "不能包含用户名"),
        (PASSWORD, "Something-Else-1", "两次输入的密码不一致"),
        ("x1" * 100, None, "密码最多128个字符"),
    ):
        answer = choose(client, token, password, again)
        assert answer.status_code == 422, password
        assert sentence in text(answer)
    assert choose(client, token, PASSWORD).status_code == 303


def test_token_is_in_no_log(app, world, caplog):
    caplog.set_level("DEBUG")
    _username, token, _pk = invited(app, world)
    client = visitor(app)
    client.get(f"/activate/{token}")
    choose(client, token, "short")
    choose(client, token, PASSWORD)
    client.get(f"/activate/{token}")
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("werkzeug")]
    assert not [line for line in ours if token in line]
