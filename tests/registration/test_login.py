"""The log-in page: wrong words, logging out, where one lands."""

from tests.client import log_in, login, post, text, visitor


def test_log_in_and_out(app, world):
    client = login(app, world, "recA")
    assert client.get("/home/").status_code == 200
    answer = post(client, "/logout/")
    assert (answer.status_code, answer.location) == (302, "/")
    assert client.get("/home/").location.startswith("/login/")


def test_logging_out_is_no_get(app, world):
    client = login(app, world, "recA")
    assert client.get("/logout/").status_code == 405
    assert client.get("/home/").status_code == 200


def test_wrong_password_and_wrong_name_read_the_same(app, world):
    wrong = log_in(visitor(app), world.names["recA1"], "Falsch-Falsch-1")
    nobody = log_in(visitor(app), "nosuchperson", "Falsch-Falsch-1")
    assert wrong.status_code == nobody.status_code == 422
    assert "账号或密码错误" in text(wrong)
    assert "账号或密码错误" in text(nobody)


def test_login_goes_back_to_what_was_asked_but_never_away(app, world):
    client = visitor(app)
    name = world.names["recA"]
    from tests.client import token

    data = {"username": name, "password": "Zhongqiu-Yuebing-26", "csrf_token": token(client, "/login/")}
    answer = client.post("/login/?next=//evil.example/", data=data)
    assert (answer.status_code, answer.location) == (302, "/home/")
