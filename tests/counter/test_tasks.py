"""检定任务: giving out, one's own alone, results in one transaction, lateness; VER-03, VER-10 and must-never 43 and 51."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.certificate import publish_certificate, record_result
from app.operations.task import due_of
from app.operations.todo import todos
from app.workflow import APPOINTMENT, CERTIFICATE, TASK, fire
from models import Appointment, AppointmentItem, Certificate, Commission, Task, VerifierProject
from models.base import db
from tests.client import login, post, text
from tests.counter.desk import lines, opened, order, read, start, tasks_of
from tests.world import category, result_form

FORM = {
    "conclusion": "pass",
    "verified_on": "",
    "cycle_months": "12",
    "place": "检定室",
    "temperature": "20℃",
    "humidity": "50%RH",
    "item": ["外观机密一", "示值"],
    "result": ["完好", "+1 g"],
    "requirement": ["", ""],
    "act": "save",
}


@pytest.fixture(autouse=True)
def everything_on(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")


@pytest.fixture(scope="module")
def people(app, world):
    with app.app_context():
        return {nick: login(app, world, nick) for nick in ("recA", "imgA", "verA", "chkA", "verB", "ua1", "aprA")}


def given(people, app, world, count: int = 1, who: str = "verA"):
    """A commission whose tasks were given to one verifier."""
    made = order(app, world, count)
    pk, _number, _secret = opened(people["recA"], made)
    ids = [t.id for t in tasks_of(app, pk)]
    answer = post(people["imgA"], "/tasks/assign", {"ids": ",".join(map(str, ids)), "verifier_id": world.people[who]})
    assert answer.status_code == 303, text(answer)
    return made, pk, ids


def result(**more) -> dict:
    return {**FORM, "verified_on": clock.today().isoformat(), **more}


def walk(app, world, certificate: int, *steps: tuple[str, str]) -> None:
    with app.app_context():
        for who, step in steps:
            with world.acting(who) as actor:
                fire(db.session(), CERTIFICATE, certificate, step, actor, {"reason": "读数请再核对一次"})
                db.session.commit()
        db.session.remove()


def publish(app, certificate: int) -> None:
    with app.app_context(), as_system("test"):
        publish_certificate(db.session(), certificate)
        db.session.commit()
        db.session.remove()


def paper_of(app, item: int) -> Certificate | None:
    with app.app_context(), as_system("test"):
        row = db.session.execute(select(Certificate).where(Certificate.item_id == item)).scalars().first()
        if row is not None:
            db.session.expunge(row)
        return row


def test_many_are_given_out_at_once_and_one_by_its_form(people, app, world):
    _made, _pk, ids = given(people, app, world, 2)
    assert {read(app, Task, pk).verifier_id for pk in ids} == {world.people["verA"]}
    form = text(people["imgA"].get(f"/tasks/step/assign/{ids[0]}"))
    assert "员chkA" in form
    assert "员verB" not in form, "another institute's verifier is not offered"
    answer = post(people["imgA"], f"/tasks/step/assign/{ids[0]}", {"verifier_id": str(world.people["chkA"])})
    assert answer.status_code == 303
    assert read(app, Task, ids[0]).verifier_id == world.people["chkA"]
    foreign = post(people["imgA"], "/tasks/assign", {"ids": str(ids[1]), "verifier_id": str(world.people["verB"])})
    assert foreign.status_code == 422
    assert "请选择“检定员”。" in text(foreign)


def test_what_waits_at_bench_and_counter_is_counted_and_linked(people, app, world):
    given(people, app, world, 2)
    opened(people["recA"], order(app, world))
    start(people["recA"], order(app, world))
    for nick, wanted in (("recA", {"visits"}), ("imgA", {"queued", "visits"}), ("verA", {"my_tasks"})):
        with app.app_context(), world.acting(nick) as actor:
            found = {line.key: line for line in todos(db.session(), actor)}
            db.session.remove()
        assert wanted <= set(found), nick
        for key in wanted:
            page = text(people[nick].get(found[key].url, follow_redirects=True))
            total = int(re.search(r'class="count num">\s*([\d,]+)', page).group(1).replace(",", ""))
            assert total == found[key].count, (nick, key)
            assert found[key].label in text(people[nick].get("/home/"))


def test_a_verifier_takes_begins_pauses_and_goes_on(people, app, world):
    made = order(app, world)
    pk, *_ = opened(people["recA"], made)
    (task,) = tasks_of(app, pk)
    bulk = {"action": "take", "rowid": str(task.id)}
    assert post(people["verA"], "/tasks/action_post", bulk).status_code == 303
    assert read(app, Task, task.id).verifier_id == world.people["verA"]
    assert post(people["verA"], "/tasks/action_post", {"action": "begin", "rowid": str(task.id)}).status_code == 303
    assert read(app, Task, task.id).state == "in_progress"
    assert read(app, Commission, pk).state == "working"
    due = read(app, Task, task.id).due_on
    data = {"kind": "customer", "reason": "等待用户确认修理方案"}
    assert post(people["verA"], f"/tasks/step/pause/{task.id}", data).status_code == 303
    with clock.frozen(clock.now() + timedelta(days=3)):
        waits = read(app, Task, task.id)
        assert due_of(waits).waiting
        assert not due_of(waits).late
        with app.app_context(), world.acting("verA") as actor:
            fire(db.session(), TASK, task.id, "resume", actor)
            db.session.commit()
            db.session.remove()
    again = read(app, Task, task.id)
    assert (again.state, again.due_on, again.waited_days) == ("in_progress", due + timedelta(days=3), 3)


def test_lateness_is_told_on_the_list(people, app, world):
    _made, _pk, (task,) = given(people, app, world)
    with app.app_context(), as_system("test"):
        db.session.get(Task, task).due_on = clock.today() - timedelta(days=4)
        db.session.commit()
        db.session.remove()
    assert "已超期4天" in text(people["imgA"].get(f"/tasks/show/{task}"))
    assert due_of(read(app, Task, task)).late


def test_the_result_drafts_the_paper_and_takes_the_tasks_step_together(people, app, world):
    made, pk, (task,) = given(people, app, world)
    page = people["verA"].get(f"/tasks/record/{task}")
    assert page.status_code == 200
    wrong = post(people["verA"], f"/tasks/record/{task}", result(conclusion="fail"))
    assert wrong.status_code == 422
    assert "外观机密一" in text(wrong), "nothing typed is lost"
    assert read(app, Task, task).state == "assigned", "the step is taken with the draft or not at all"
    answer = post(people["verA"], f"/tasks/record/{task}", result())
    assert answer.status_code == 303
    row = read(app, Task, task)
    assert (row.state, row.conclusion, row.readings[0][0]) == ("recorded", "pass", "外观机密一")
    assert read(app, AppointmentItem, made.items[0]).state == "verifying"
    paper = paper_of(app, made.items[0])
    assert answer.location == f"/certificates/show/{paper.id}"
    walk(app, world, paper.id, ("verA", "submit"), ("chkA", "back"))
    assert read(app, Task, task).state == "in_progress", "sent back means measured again"
    walk(app, world, paper.id, ("verA", "submit"), ("chkA", "check"), ("aprA", "issue"))
    publish(app, paper.id)
    assert read(app, Task, task).state == "closed"
    assert read(app, Commission, pk).state == "ready"
    collect = {"collector_name": "李领取", "collector_phone": "13900000000"}
    assert post(people["recA"], f"/commissions/step/collect/{pk}", collect).status_code == 303
    assert read(app, Commission, pk).state == "closed"


def test_a_draft_that_is_dropped_is_measured_again(people, app, world):
    made, _pk, (task,) = given(people, app, world)
    post(people["verA"], f"/tasks/record/{task}", result())
    walk(app, world, paper_of(app, made.items[0]).id, ("verA", "drop"))
    assert read(app, Task, task).state == "in_progress"
    assert "外观机密一" in text(people["verA"].get(f"/tasks/record/{task}"))
    assert post(people["verA"], f"/tasks/record/{task}", result()).status_code == 303


@pytest.mark.must_never(43)
def test_case_43_nobody_records_on_anothers_task(people, app, world):
    made, _pk, (task,) = given(people, app, world)
    assert people["chkA"].get(f"/tasks/record/{task}").status_code == 403
    assert post(people["chkA"], f"/tasks/record/{task}", result()).status_code == 403
    through_item = post(people["chkA"], f"/items/record/{made.items[0]}", result())
    assert (through_item.status_code, through_item.location) == (303, f"/tasks/record/{task}")
    for nick, status in (("chkA", 403), ("verB", 404)):
        with app.app_context(), world.acting(nick) as actor:
            from app.errors import QuanhengError

            with pytest.raises(QuanhengError) as refused:
                record_result(db.session(), actor, made.items[0], result_form())
            assert refused.value.status == status
            db.session.rollback()
            db.session.remove()
    assert people["verB"].get(f"/tasks/record/{task}").status_code == 404
    assert paper_of(app, made.items[0]) is None


@pytest.mark.must_never(51)
def test_case_51_readings_stay_in_the_institute(people, app, world):
    _made, pk, (task,) = given(people, app, world)
    post(people["verA"], f"/tasks/record/{task}", result())
    assert "外观机密一" in text(people["imgA"].get(f"/tasks/show/{task}"))
    assert "外观机密一" in text(people["chkA"].get(f"/tasks/show/{task}"))
    for nick in ("recA", "verB", "ua1"):
        for address in (
            f"/tasks/show/{task}",
            "/tasks/list/",
            f"/commissions/show/{pk}",
            f"/instruments/show/{_made.instruments[0]}",
        ):
            assert "外观机密一" not in text(people[nick].get(address)), (nick, address)
    assert people["verB"].get(f"/tasks/show/{task}").status_code == 404
    assert people["ua1"].get(f"/tasks/show/{task}").status_code == 403


@pytest.mark.feature("VER-10")
def test_the_unit_follows_its_papers_on_the_institutes_platform(people, app, world, monkeypatch):
    made, pk, (task,) = given(people, app, world)
    monkeypatch.setitem(app.config, "PROFILE", "bayannur")
    unit, address = people["ua1"], f"/commissions/show/{pk}"
    assert "待检定" in text(unit.get(address))
    post(people["verA"], f"/tasks/record/{task}", result())
    paper = paper_of(app, made.items[0]).id
    walk(app, world, paper, ("verA", "submit"))
    page = text(unit.get(address))
    assert "待审核" in page
    assert "审核通过" not in page
    assert ">合格<" not in page, "the result is told with the paper"
    walk(app, world, paper, ("chkA", "check"))
    assert "待审核" in text(unit.get(address))
    walk(app, world, paper, ("aprA", "issue"))
    publish(app, paper)
    page = text(unit.get(address))
    assert "审核通过" in page
    assert ">合格<" in page
    assert f"/certificates/show/{paper}" in page
    assert unit.get(f"/certificates/pdf/{paper}").data.startswith(b"%PDF")


def test_breaking_off_needs_both(people, app, world):
    made, pk, (task,) = given(people, app, world)
    alone = post(people["imgA"], f"/tasks/step/abort/{task}", {"reason": "器具损坏无法检定"})
    assert alone.status_code == 303
    assert read(app, Task, task).state == "assigned"
    post(people["verA"], f"/tasks/step/ask_abort/{task}", {"reason": "器具损坏无法检定"})
    post(people["imgA"], f"/tasks/step/abort/{task}", {"reason": "器具损坏无法检定"})
    assert read(app, Task, task).state == "aborted"
    assert read(app, AppointmentItem, made.items[0]).state == "aborted"
    assert read(app, Commission, pk).state == "ready"


def test_a_commission_is_voided_before_work_begins(people, app, world):
    made, pk, (task,) = given(people, app, world)
    post(people["imgA"], f"/commissions/step/void/{pk}", {"reason": "送检人改期，器具已取回"})
    assert read(app, Commission, pk).state == "void"
    assert read(app, Task, task).state == "aborted"
    assert read(app, AppointmentItem, made.items[0]).state == "accepted"


@pytest.mark.feature("VER-03")
def test_on_site_without_reception(people, app, world, monkeypatch):
    for profile in ("guangdong", "zhejiang", "bayannur"):
        monkeypatch.setitem(app.config, "PROFILE", "all")
        made = order(app, world, delivery_mode="onsite")
        monkeypatch.setitem(app.config, "PROFILE", profile)
        assert read(app, Appointment, made.id).state == "accepted"
        (item,) = made.items
        assert people["verA"].get(f"/items/record/{item}").status_code == 200
        assert post(people["verA"], f"/items/record/{item}", result()).status_code == 303
        paper = paper_of(app, item).id
        walk(app, world, paper, ("verA", "submit"), ("chkA", "check"), ("aprA", "issue"))
        publish(app, paper)
        assert read(app, Appointment, made.id).state == "completed"
        with app.app_context(), as_system("test"):
            from models import TransitionLog

            steps = db.session.scalars(
                select(TransitionLog.step).where(TransitionLog.entity == "item", TransitionLog.entity_id == item)
            ).all()
        assert "receive" not in steps


def test_the_verifier_opens_the_commission_on_site(people, app, world):
    made = order(app, world, delivery_mode="onsite")
    pk, number, secret = opened(people["verA"], made)
    assert len(secret) == 10
    (task,) = tasks_of(app, pk)
    post(people["verA"], "/tasks/action_post", {"action": "take", "rowid": str(task.id)})
    assert post(people["verA"], f"/tasks/record/{task.id}", result()).status_code == 303
    paper = paper_of(app, made.items[0]).id
    walk(app, world, paper, ("verA", "submit"), ("chkA", "check"), ("aprA", "issue"))
    publish(app, paper)
    assert read(app, Commission, pk).state == "closed", "nothing is collected where the institute came"
    assert number


def test_whoever_lacks_the_project_gets_no_task(people, app, world):
    made = order(app, world)
    pk, *_ = opened(people["recA"], made)
    (task,) = tasks_of(app, pk)
    today = clock.today()
    entry = {"category": str(_category(app)), "certificate_no": "注计2026001"}
    days = {
        "valid_from": (today - timedelta(days=900)).isoformat(),
        "valid_until": (today - timedelta(days=1)).isoformat(),
    }
    foreign = post(people["imgA"], "/verifier-projects/add", {**entry, **days, "account": str(world.people["verB"])})
    assert foreign.status_code == 422, "must-never case 49"
    try:
        added = post(people["imgA"], "/verifier-projects/add", {**entry, **days, "account": str(world.people["verA"])})
        assert added.status_code == 303, text(added)
        assert "已到期" in text(people["imgA"].get("/verifier-projects/list/"))
        form = text(people["imgA"].get(f"/tasks/assign?ids={task.id}"))
        assert "员verA（的“非自动衡器”资格已于" in form
        data = {"ids": str(task.id), "verifier_id": str(world.people["verA"])}
        refused = post(people["imgA"], "/tasks/assign", data, follow_redirects=True)
        assert "资格已于" in text(refused)
        assert read(app, Task, task.id).state == "queued"
        with app.app_context(), as_system("test"):
            row = db.session.execute(select(VerifierProject)).scalars().one()
            row.valid_until = today
            db.session.commit()
            db.session.remove()
        post(people["imgA"], "/tasks/assign", data)
        assert read(app, Task, task.id).state == "assigned", "its last day is included"
    finally:
        with app.app_context(), as_system("test"):
            for row in db.session.execute(select(VerifierProject)).scalars():
                db.session.delete(row)
            db.session.commit()
            db.session.remove()


def _category(app) -> int:
    with app.app_context():
        return category().id


def test_a_withdrawn_regulation_stops_the_work(people, app, world):
    from models import Regulation
    from models.organisation import InstituteCapability

    with app.app_context():
        admin = login(app, world, "adm")
    _made, _pk, (task,) = given(people, app, world)
    with app.app_context(), as_system("test"):
        found = db.session.execute(
            select(InstituteCapability.regulation).where(
                InstituteCapability.institute_id == world.institutes["A"],
                InstituteCapability.category_id == _category(app),
            )
        ).scalar_one()
        db.session.remove()
    number = found.split(" ")[0][:40] or "JJG 1"
    day = clock.today()
    data = {"number": number, "name": "衡器检定规程", "in_force_from": (day - timedelta(days=700)).isoformat()}
    backwards = post(admin, "/regulations/add", {**data, "withdrawn_on": (day - timedelta(days=800)).isoformat()})
    assert backwards.status_code == 422
    try:
        made = post(admin, "/regulations/add", {**data, "withdrawn_on": day.isoformat(), "replaced_by": "JJG 999"})
        assert made.status_code == 303, text(made)
        assert "已废止" in text(people["verA"].get("/regulations/list/"))
        post(people["verA"], f"/tasks/step/begin/{task}", {})
        assert read(app, Task, task).state == "assigned"
        refused = post(people["verA"], f"/tasks/record/{task}", result())
        assert refused.status_code == 422
        assert "检定规程" in text(refused)
    finally:
        with app.app_context(), as_system("test"):
            for row in db.session.execute(select(Regulation)).scalars():
                db.session.delete(row)
            db.session.commit()
            db.session.remove()
    assert APPOINTMENT is not None
    assert lines([1])
    assert start is not None
