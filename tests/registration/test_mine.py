"""An applicant's own registration: waiting, returned, corrected."""

import re

from app.access.principal import as_system
from app.workflow import ACCOUNT, fire
from models.base import db
from tests.client import log_in, login, post, text, visitor
from tests.registration.support import account_named, register


def returned(app, world, reason="证照名称与申请方名称不一致，请更正。", **more):
    """(client logged in as the applicant, what was registered)."""
    client = visitor(app)
    form = register(app, client, world, **more)
    account = account_named(app, form["username"])
    with app.app_context():
        with as_system("test"):
            actor = world.principal("recA")
        from app.access.principal import acting_as

        with acting_as(actor):
            fire(db.session(), ACCOUNT, account.id, "return", actor, {"reason": reason})
            db.session.commit()
        db.session.remove()
    assert log_in(client, form["username"], form["password"]).status_code == 302
    return client, form


def correction(client, form: dict, **more) -> dict:
    seen = re.search(r'name="seen_version" value="(\d+)"', text(client.get("/register/mine"))).group(1)
    names = (
        "unit_name",
        "code",
        "province",
        "city",
        "division_code",
        "address",
        "contact_name",
        "phone",
        "institute_id",
    )
    return {**{name: form[name] for name in names}, "seen_version": seen, **more}


def test_returned_is_corrected_and_waits_again(app, world):
    client, form = returned(app, world)
    page = text(client.get("/register/mine"))
    assert "证照名称与申请方名称不一致" in page
    assert f'value="{form["unit_name"]}"' in page
    assert '<option selected value="440103">' in page
    answer = post(client, "/register/mine", correction(client, form, address="中山八路9号"))
    assert (answer.status_code, answer.location) == (303, "/register/mine")
    page = text(client.get("/register/mine"))
    assert "中山八路9号" in page
    assert "正在等待" in page
    assert 'name="unit_name"' not in page
    assert account_named(app, form["username"]).state == "pending"


def test_wrong_correction_is_kept_and_refused(app, world):
    client, form = returned(app, world)
    answer = post(client, "/register/mine", correction(client, form, phone="1", address="新地址5号"))
    assert answer.status_code == 422
    assert "手机号格式不正确" in text(answer)
    assert 'value="新地址5号"' in text(answer)
    assert account_named(app, form["username"]).state == "returned"


def test_stale_correction_changes_nothing(app, world):
    client, form = returned(app, world)
    data = correction(client, form, address="别处1号")
    data["seen_version"] = "1"
    assert post(client, "/register/mine", data).status_code == 303
    page = text(client.get("/register/mine"))
    assert "该记录已被他人处理" in page
    assert "别处1号" not in page


def test_waiting_registration_is_read_only(app, world):
    client = visitor(app)
    form = register(app, client, world)
    log_in(client, form["username"], form["password"])
    data = {"unit_name": "改名", "seen_version": "2"}
    assert post(client, "/register/mine", data).status_code == 303
    page = text(client.get("/register/mine"))
    assert "暂不能修改" in page
    assert form["unit_name"] in page


def test_others_have_no_such_page(app, world):
    assert visitor(app).get("/register/mine").location == "/login/?next=/register/mine"
    assert login(app, world, "ua1").get("/register/mine").status_code == 403
    assert login(app, world, "recA").get("/register/mine").status_code == 403


def test_harmful_reason_and_names_are_text(app, world):
    client, _form = returned(app, world, reason="<script>alert(1)</script>请改", contact_name="<b>x</b>")
    page = text(client.get("/register/mine"))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page
    assert "<b>x</b>" not in page
