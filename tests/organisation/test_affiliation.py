"""A person asks to act for a unit or an institute; the body decides; rights begin and end in the running session."""

import threading
from datetime import timedelta

import pytest

from app import clock
from app.access.principal import as_system
from models import Affiliation, Institute, Job
from models.base import db
from tests import world as worlds
from tests.client import login, post, text
from tests.organisation.support import (
    a_unit,
    an_individual,
    asks,
    decide,
    link_of,
    linked,
    menu,
    number,
    state_of,
)

ONE = "企业和机构只能关联一个，请先删除现有关联。"


def ask(client, code: str):
    return post(client, "/me/affiliation", {"code": code}, page="/me/affiliation")


@pytest.fixture(scope="module")
def unit(app, world):
    return a_unit(app, world)


@pytest.mark.feature("ORG-03")
def test_panel_and_unknown_code(app, world):
    client = login(app, world, an_individual(app, world))
    page = text(client.get("/me/affiliation"))
    for word in ("关联企业信息", "状态", "统一社会信用代码/组织机构代码", "企业名称", "未关联", "申请关联"):
        assert word in page
    answer = ask(client, "91440101MA00000000")
    assert answer.status_code == 422
    assert "未找到该统一社会信用代码/组织机构代码对应的企业或机构。" in text(answer)
    assert 'value="91440101MA00000000"' in text(answer)
    assert ask(client, "").status_code == 422
    assert "未关联" in text(client.get("/me/affiliation"))
    assert "关联企业信息" in text(client.get("/me"))


@pytest.mark.feature("ORG-03")
def test_known_code_waits_and_a_second_application_is_refused(app, world, unit):
    nick = an_individual(app, world)
    client = login(app, world, nick)
    assert ask(client, f" {world.codes[unit].lower()} ").status_code == 303
    page = text(client.get("/me/affiliation"))
    assert "申请中" in page
    assert "加油站有限公司" in page
    assert "撤回申请" in page
    for code in (world.codes["ua2"], world.codes[unit]):
        answer = ask(client, code)
        assert answer.status_code in {409, 422}
        assert ONE in text(answer)
    assert state_of(app, world, nick) == "requested"
    assert client.get("/instruments/list/").status_code == 403
    assert client.get("/me/business").status_code == 403


@pytest.mark.feature("ORG-03")
def test_withdrawn_application_can_be_made_again(app, world, unit):
    nick = an_individual(app, world)
    client = login(app, world, nick)
    ask(client, world.codes[unit])
    assert post(client, "/me/affiliation/cancel", page="/me/affiliation").status_code == 303
    assert state_of(app, world, nick) == "none"
    assert "未关联" in text(client.get("/me/affiliation"))
    assert ask(client, world.codes[unit]).status_code == 303
    assert state_of(app, world, nick) == "requested"


@pytest.mark.feature("ORG-03")
def test_codes_cannot_be_searched(app, world):
    client = login(app, world, an_individual(app, world))
    answers = [ask(client, worlds.uscc(number())).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]


@pytest.mark.feature("ORG-03")
def test_two_tabs_make_one_application(app, world, unit):
    """Must-never 27: enterprise and enterprise at once; the unique index lets one through."""
    nick = an_individual(app, world)
    clients = [login(app, world, nick) for _ in range(2)]
    forms = [(clients[0], world.codes[unit]), (clients[1], world.codes["ua2"])]
    answers = []

    def press(client, code):
        answer = ask(client, code)
        answers.append((answer.status_code, text(answer)))

    threads = [threading.Thread(target=press, args=form) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(status for status, _page in answers)
    assert statuses[0] == 303
    assert statuses[1] in {409, 422}
    assert ONE in next(page for status, page in answers if status != 303)


@pytest.mark.feature("ORG-03")
def test_unanswered_application_expires(app, world, unit):
    from jobs.tasks import expire_affiliations

    nick = an_individual(app, world)
    asks(app, world, nick, world.codes[unit])
    with app.app_context():
        with as_system("test"):
            row = db.session.get(Affiliation, link_of(world, nick).id)
            row.requested_at = clock.now() - timedelta(days=29)
            db.session.commit()
        expire_affiliations()
        assert link_of(world, nick).state == "requested"
        with as_system("test"):
            db.session.get(Affiliation, link_of(world, nick).id).requested_at = clock.now() - timedelta(days=31)
            db.session.commit()
        assert expire_affiliations() >= 1
        db.session.remove()
    assert state_of(app, world, nick) == "refused"
    client = login(app, world, nick)
    assert "申请超时未处理" in text(client.get("/messages/list/"))
    assert "已拒绝" in text(client.get("/me/affiliation"))


@pytest.mark.feature("ORG-04")
def test_the_list_masks_and_the_steps_decide(app, world, unit):
    nick = an_individual(app, world)
    asks(app, world, nick, world.codes[unit])
    person, main = login(app, world, nick), login(app, world, unit)
    page = text(main.get("/affiliations/list/"))
    assert "企业授权" in page
    for word in ("姓名", "身份证号", "手机号", "申请时间", "状态", "通过", "拒绝", f"员{nick}"):
        assert word in page
    assert "440***********" in page
    assert "134****" in page
    with app.app_context():
        link = link_of(world, nick)
        pk, version = link.id, link.version
        secret = link.account.id_number
        db.session.remove()
    assert secret not in page
    assert menu(person) == ["我的个人信息", "我的消息", "修改密码"]
    answer = post(main, f"/affiliations/step/approve/{pk}", {"seen_version": version})
    assert answer.status_code == 303
    assert menu(person) == ["我的个人信息", "我的业务办理", "我的质量信息", "我的消息", "修改密码"]
    assert "已关联" in text(person.get("/me/affiliation"))
    assert "您已关联到" in text(person.get("/messages/list/"))
    assert "删除关联" in text(main.get(f"/affiliations/show/{pk}"))


@pytest.mark.feature("ORG-04")
def test_refused_with_or_without_a_reason(app, world, unit):
    nick = an_individual(app, world)
    asks(app, world, nick, world.codes[unit])
    main = login(app, world, unit)
    with app.app_context():
        pk = link_of(world, nick).id
        db.session.remove()
    data = {"reason": "请先到本单位登记。"}
    assert post(main, f"/affiliations/step/refuse/{pk}", data).status_code == 303
    page = text(login(app, world, nick).get("/me/affiliation"))
    assert "已拒绝" in page
    assert "请先到本单位登记。" in page


@pytest.mark.feature("ORG-04")
def test_removed_person_loses_everything_at_once(app, world, unit):
    """Must-never 25: the same session, an open form and a queued job see nothing of the unit any more."""
    from app.operations.ledger_export import KIND
    from jobs.tasks import run_job

    with app.app_context():
        made = worlds.instrument(world, unit, name="机密电子秤")
        pk = made.id
        db.session.remove()
    nick = linked(app, world, unit)
    client = login(app, world, nick)
    assert "机密电子秤" in text(client.get("/instruments/list/"))
    assert client.get("/me/quality").status_code == 200
    form = text(client.get(f"/instruments/edit/{pk}"))
    assert "机密电子秤" in form
    with app.app_context():
        with as_system("test"):
            account = world.people[nick]
            job = Job(kind=KIND, state="queued", title="导出台账", account_id=account, params={"query": ""})
            job.unit_id = world.units[unit]
            db.session.add(job)
            db.session.commit()
            job_id = job.id
        db.session.remove()
    decide(app, world, unit, nick, "remove")
    assert client.get("/instruments/list/").status_code == 403
    assert client.get(f"/instruments/show/{pk}").status_code in {403, 404}
    answer = post(client, f"/instruments/edit/{pk}", {"name": "改名", "seen_version": "1"})
    assert answer.status_code in {403, 404}
    assert client.get("/me/quality").status_code == 403
    assert menu(client) == ["我的个人信息", "我的消息", "修改密码"]
    with app.app_context():
        run_job(job_id)
        with as_system("test"):
            job = db.session.get(Job, job_id)
            db.session.refresh(job)
            assert "机密电子秤" not in str(job.result if hasattr(job, "result") else job.params)
            assert not job.done
        db.session.remove()


@pytest.mark.feature("ORG-04")
def test_only_the_own_main_account_decides(app, world, unit):
    """Must-never 29."""
    nick = an_individual(app, world)
    asks(app, world, nick, world.codes[unit])
    with app.app_context():
        pk = link_of(world, nick).id
        db.session.remove()
    foreign = login(app, world, "ua2")
    missing = foreign.get("/affiliations/show/999999999")
    answer = foreign.get(f"/affiliations/show/{pk}")
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert post(foreign, f"/affiliations/step/approve/{pk}").status_code == 404
    assert login(app, world, "sub1").get("/affiliations/list/").status_code == 403
    assert login(app, world, nick).get(f"/affiliations/show/{pk}").status_code == 403
    assert state_of(app, world, nick) == "requested"


@pytest.mark.feature("ORG-05")
def test_an_institute_authorises(app, world):
    code = worlds.uscc(number())
    with app.app_context():
        with as_system("test"):
            db.session.get(Institute, world.institutes["A1"]).unified_code = code
            db.session.commit()
        db.session.remove()
    nick = an_individual(app, world)
    client, head = login(app, world, nick), login(app, world, "imgA1")
    assert ask(client, code).status_code == 303
    page = text(head.get("/affiliations/list/"))
    assert "我的机构授权" in page
    assert f"员{nick}" in page
    with app.app_context():
        pk = link_of(world, nick).id
        db.session.remove()
    assert post(login(app, world, "imgA"), f"/affiliations/step/approve/{pk}").status_code == 404
    assert post(head, f"/affiliations/step/approve/{pk}").status_code == 303
    assert menu(client) == ["我的个人信息", "我的业务办理", "我的消息", "修改密码"]
    assert client.get("/me/business").status_code == 200
    assert client.get("/me/quality").status_code == 403
    assert post(head, f"/affiliations/step/remove/{pk}").status_code == 303
    assert menu(client) == ["我的个人信息", "我的消息", "修改密码"]
    assert client.get("/me/business").status_code == 403


@pytest.mark.feature("ORG-06")
def test_the_person_deletes_the_link(app, world, unit):
    nick = linked(app, world, unit)
    client = login(app, world, nick)
    assert "删除关联" in text(client.get("/me/affiliation"))
    assert client.get("/instruments/list/").status_code == 200
    assert post(client, "/me/affiliation/remove", page="/me/affiliation").status_code == 303
    assert "未关联" in text(client.get("/me/affiliation"))
    assert menu(client) == ["我的个人信息", "我的消息", "修改密码"]
    assert client.get("/instruments/list/").status_code == 403
    assert ask(client, world.codes[unit]).status_code == 303


@pytest.mark.feature("ORG-06")
def test_switched_off_there_is_no_such_page(app, world, unit, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "guangdong")
    assert login(app, world, "ind").get("/me/affiliation").status_code == 404
    assert login(app, world, unit).get("/affiliations/list/").status_code == 404
    assert "企业授权" not in menu(login(app, world, unit))
