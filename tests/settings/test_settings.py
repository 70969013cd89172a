"""Settings by the page: what holds, changing it at once, the security administrator's word, two at the same moment."""

from __future__ import annotations

import html
import json
import re
import tomllib

import pytest
import yaml
from sqlalchemy import delete, func, select

from app import profiles
from app.access.principal import as_system
from app.errors import ConflictError, NotAllowedError
from app.operations import settings as rules
from app.profiles.schema import BY_KEY, SETTINGS, keys_of, problem_with
from app.workflow import INSTRUMENT
from models import AuditLog, Instrument, Message, ProfileSetting
from models.base import db
from tests.client import login, post, text, visitor
from tests.world import filed, instrument

pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture(autouse=True)
def as_deployed(app, context):
    yield
    db.session.rollback()
    with as_system("test"):
        db.session.execute(delete(ProfileSetting))
        db.session.commit()
    profiles.forget()


def changed(client, key, value, **more):
    """Type a value, look at the preview and confirm it."""
    page = post(client, "/settings/edit", {"key": key, "value": value, **more})
    assert page.status_code == 200, text(page)
    found = dict(re.findall(r'<input type="hidden" name="(key|value|seen)" value="([^"]*)"', text(page)))
    data = {name: html.unescape(v) for name, v in found.items()}
    return post(client, "/settings/change", data, follow_redirects=True), text(page), data


def last(action):
    with as_system("test"):
        statement = select(AuditLog).where(AuditLog.action == action).order_by(AuditLog.seq.desc()).limit(1)
        return db.session.execute(statement).scalar_one_or_none()


def side_menu(client):
    return text(client.get("/home/")).split("</aside>")[0]


@pytest.mark.feature("SUP-08")
def test_the_schema_describes_every_key_and_every_profile_is_valid():
    defaults = dict(keys_of(profiles.defaults()))
    assert set(defaults) == set(BY_KEY)
    assert len(BY_KEY) == len(SETTINGS)
    for name in [profiles.DEFAULTS, *profiles.names()]:
        own = tomllib.loads((profiles.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
        for key, value in keys_of(own):
            assert key in BY_KEY, f"{name}.toml: {key} means nothing"
            assert problem_with(BY_KEY[key], value) is None, f"{name}.toml: {key}"
    for setting in SETTINGS:
        assert re.search(r"[\u4e00-\u9fff]", setting.effect), setting.key
        assert setting.effect.endswith("。"), setting.key
        assert "\n" not in setting.effect, setting.key


@pytest.mark.feature("SUP-08")
def test_every_security_section_waits_for_the_security_administrator():
    for setting in SETTINGS:
        if setting.section in {"password", "login", "validate", "retention"} or ".review." in setting.key:
            assert setting.security, setting.key


@pytest.mark.feature("SUP-08")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("switches.filing", 1),
        ("name", ""),
        ("name", "长" * 61),
        ("reminder.yellow_days", 0),
        ("reminder.yellow_days", True),
        ("reminder.thresholds", [400]),
        ("reminder.run_at", "6:30"),
        ("reminder.scheme", "rainbow"),
        ("reminder.thresholds", [30, 30]),
        ("registration.review_times", ["25:00"]),
        ("registration.review.enterprise", "nobody"),
        ("registration.external_url", "javascript:alert(1)"),
        ("login.methods", ["password", "magic"]),
        ("registration.notice", ["长" * 501]),
        ("region.root", "33"),
    ],
)
def test_values_out_of_range_are_refused(key, value):
    assert BY_KEY[key].label in problem_with(BY_KEY[key], value)


@pytest.mark.feature("SUP-08")
def test_a_switch_changes_the_menu_at_once_and_the_data_stays(app, world):
    made = filed(world, "ua1")
    admin, unit = login(app, world, "adm"), login(app, world, "ua1")
    assert "/filings/list/" in side_menu(unit)
    early = post(admin, "/settings/edit", {"key": "switches.filing", "value": "0"})
    assert "须先打开“直接录入台账”" in text(early)
    changed(admin, "switches.ledger.direct", "1")
    answer, preview, _data = changed(admin, "switches.filing", "0")
    assert "器具备案" in preview
    assert "开" in preview
    assert "菜单将不再显示：备案管理" in preview
    assert "已有的数据保留不变" in preview
    assert "立即生效" in text(answer)
    assert "/filings/list/" not in side_menu(unit)
    with app.app_context():
        direct = instrument(world, "ua1")
        with as_system("test"):
            assert db.session.get(Instrument, direct.id).state == "in_use", "the rule changed with the switch"
            assert db.session.get(Instrument, made.id).state == "in_use", "what was there stays"
    line = last("setting_change")
    assert (line.entity_id, line.detail["old"], line.detail["new"]) == ("switches.filing", True, False)
    page = text(admin.get("/settings/"))
    assert "管理员修改" in page
    again = post(admin, "/settings/edit", {"key": "switches.filing", "restore": "1"})
    data = {"key": "switches.filing", "value": "true", "seen": "false"}
    assert "将会改变什么" in text(again)
    post(admin, "/settings/change", data)
    assert "/filings/list/" in side_menu(unit)
    with as_system("test"):
        rest = select(ProfileSetting.key)
        assert db.session.execute(rest).scalars().all() == ["switches.ledger.direct"], "nothing is left of the other"


@pytest.mark.feature("SUP-08")
def test_another_profile_is_another_face_over_the_same_data(app, world, monkeypatch):
    made = filed(world, "ua1")
    unit = login(app, world, "ua1")
    assert "/filings/list/" in side_menu(unit)
    monkeypatch.setitem(app.config, "PROFILE", "national")
    menu = side_menu(unit)
    assert "/filings/list/" not in menu
    page = text(unit.get(f"/instruments/show/{made.id}"))
    assert "在检" in page, "national says 在检"
    monkeypatch.setitem(app.config, "PROFILE", "hohhot")
    assert "/book/" not in side_menu(unit)
    assert "呼和浩特市" in text(visitor(app).get("/"))
    monkeypatch.setitem(app.config, "PROFILE", "all")
    assert "/filings/list/" in side_menu(unit)
    assert f"/instruments/show/{made.id}" in text(unit.get("/instruments/list/"))
    with app.app_context():
        assert INSTRUMENT.label_of("in_use") == "在用"


@pytest.mark.feature("SUP-08")
def test_labels_numbers_and_lists_by_the_form(app, world):
    admin = login(app, world, "adm")
    changed(admin, "labels.in_use", "使用中")
    made = filed(world, "ua1")
    assert "使用中" in text(login(app, world, "ua1").get(f"/instruments/show/{made.id}"))
    bad = post(admin, "/settings/edit", {"key": "reminder.thresholds", "value": "三十"})
    assert bad.status_code == 422
    assert "三十" in text(bad), "what was typed stays"
    changed(admin, "reminder.thresholds", "60、30，0")
    changed(admin, "registration.notice", "第一条<b>\n\n第二条")
    with app.app_context():
        assert profiles.setting("reminder", "thresholds") == [60, 30, 0]
        assert profiles.setting("registration", "notice") == ["第一条<b>", "第二条"]
    assert "第一条&lt;b&gt;" in text(admin.get("/settings/"))
    assert post(admin, "/settings/edit", {"key": "no.such", "value": "1"}).status_code == 404
    high = post(admin, "/settings/edit", {"key": "appointment.deadline_workdays", "value": "60"})
    assert "不能大于" in text(high)


@pytest.mark.feature("SUP-08")
def test_a_security_setting_waits_for_another_person(app, world):
    admin, guard = login(app, world, "adm"), login(app, world, "sec")
    answer, preview, _data = changed(admin, "password.minimum", "12")
    assert "须由安全管理员确认后才生效" in preview
    assert "由安全管理员确认后生效" in text(answer)
    with app.app_context():
        assert profiles.setting("password", "minimum") == 8
        with as_system("test"):
            row = db.session.execute(select(ProfileSetting).where(ProfileSetting.state == "proposed")).scalar_one()
            number, asked = row.id, f"setting-{row.id}"
            told = select(Message).where(Message.account_id == world.people["sec"], Message.key == asked)
            assert db.session.execute(told).scalar_one()
    twice = post(admin, "/settings/change", {"key": "password.minimum", "value": "14"}, follow_redirects=True)
    assert "已有一项修改等待安全管理员确认" in text(twice)
    assert post(admin, "/settings/confirm", {"id": number}).status_code == 403
    page = text(guard.get("/settings/"))
    assert "确认生效" in page
    assert "/settings/edit?key" not in page, "who confirms does not change"
    short = post(guard, "/settings/refuse", {"id": number, "reason": "不"}, follow_redirects=True)
    assert "请填写原因（5～500字）" in text(short)
    post(guard, "/settings/confirm", {"id": number})
    with app.app_context():
        assert profiles.setting("password", "minimum") == 12
    line = last("setting_confirm")
    assert (line.detail["old"], line.detail["new"], line.actor_id) == (8, 12, world.people["sec"])
    assert line.detail["proposed_by"] == world.people["adm"]
    gone = post(guard, "/settings/confirm", {"id": number}, follow_redirects=True)
    assert "已被处理或撤回" in text(gone)


@pytest.mark.feature("SUP-08")
def test_refused_and_withdrawn_proposals_change_nothing(app, world):
    admin, guard = login(app, world, "adm"), login(app, world, "sec")
    for answer_of, url, more in (
        (guard, "/settings/refuse", {"reason": "没有充分的理由"}),
        (admin, "/settings/withdraw", {}),
    ):
        changed(admin, "registration.review.enterprise", "none")
        with as_system("test"):
            db.session.expire_all()
            number = db.session.scalar(select(ProfileSetting.id).where(ProfileSetting.state == "proposed"))
        post(answer_of, url, {"id": number, **more})
        with app.app_context():
            assert profiles.setting("registration", "review")["enterprise"] == "local_institute"
            with as_system("test"):
                assert db.session.scalar(select(func.count()).select_from(ProfileSetting)) == 0
    assert last("setting_refuse").detail["reason"] == "没有充分的理由"


@pytest.mark.feature("SUP-08")
def test_nobody_confirms_his_own_proposal(app, world, session):
    with world.acting("adm") as actor:
        rules.change(session, actor, "login.remember", False)
        session.commit()
    with as_system("test"):
        row = session.execute(select(ProfileSetting)).scalar_one()
        row.changed_by_id = world.people["sec"]
        session.commit()
    with world.acting("sec") as actor, pytest.raises(NotAllowedError, match="不能确认自己提出的修改"):
        rules.confirm(session, actor, row.id)


@pytest.mark.feature("SUP-08")
def test_two_administrators_do_not_overwrite_each_other(app, world, session):
    admin = login(app, world, "adm")
    _answer, _page, first = changed(admin, "reminder.yellow_days", "25")
    late = post(admin, "/settings/change", {**first, "value": "20"}, follow_redirects=True)
    assert "该设置项刚被他人修改，请刷新后重试。" in text(late)
    with app.app_context():
        assert profiles.setting("reminder", "yellow_days") == 25
    # at the same moment: both saw the same value, one row is let in
    with app.app_context(), world.acting("adm") as actor:
        other = db.session()
        other.add(ProfileSetting(key="hotline", value="1", state="in_force"))
        other.commit()
        profiles.forget()
        with pytest.raises(ConflictError, match="刚被他人修改"):
            rules.change(other, actor, "hotline", "2", seen=json.dumps("12315"))


@pytest.mark.feature("SUP-08")
def test_the_export_is_yaml_with_what_holds(app, world):
    admin = login(app, world, "adm")
    changed(admin, "hotline", "0571-12345: #1")
    answer = admin.get("/settings/export.yaml")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="settings-all.yaml"'
    found = yaml.safe_load(text(answer))
    assert found["hotline"] == "0571-12345: #1"
    with app.app_context():
        assert found == profiles.profile()


@pytest.mark.feature("SUP-08")
@pytest.mark.parametrize("who", ["ua1", "recA", "imgA", "regA", "aud"])
def test_settings_are_the_administrators(app, world, who):
    client = login(app, world, who)
    assert client.get("/settings/").status_code == 403
    assert client.get("/settings/export.yaml").status_code == 403
    assert post(client, "/settings/change", {"key": "hotline", "value": '"1"'}).status_code == 403
    assert login(app, world, "sec").get("/settings/edit?key=hotline").status_code == 403


def test_a_login_without_password_would_lock_everybody_out(app, world):
    admin = login(app, world, "adm")
    answer = post(admin, "/settings/edit", {"key": "login.methods", "value": ["qq"]})
    assert answer.status_code == 422
    assert "须保留“用户名和密码”" in text(answer)
