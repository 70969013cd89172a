"""备案管理 in Guangdong: three ways to submit, the lists with their numbers and buttons, many at once, what is told."""

from __future__ import annotations

import io
import re

import openpyxl
import pytest
from sqlalchemy import func, select

from app.access.principal import as_system
from app.operations import bulk, filing
from app.operations import site as texts
from models import Instrument, Message, TransitionLog
from tests.client import post, text
from tests.filing.support import PLAIN, WHY, in_state, on_instrument, row_of, submitted, taken
from tests.filing.support import filing as row
from tests.ledger.support import fresh_unit, job_of, work
from tests.world import booked, category, instrument

pytestmark = pytest.mark.usefixtures("guangdong")
PENDING = "/filings/pending/list/"
SUBMIT = "/filings/submit"


def plain(world, unit, **more):
    return instrument(world, unit, **{"category_id": category(PLAIN).id, **more})


def data(world, **changes):
    return {
        "mode": "all",
        "query": "",
        "ids": "",
        "institute_id": str(world.institutes["A"]),
        "declaration": "1",
        **changes,
    }


def state_of(session, made):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.get(Instrument, made).state


def told(session, world, who):
    with as_system("test"):
        session.rollback()
        mine = select(Message.subject).where(Message.account_id == world.people[who]).order_by(Message.id)
        return list(session.scalars(mine))


def heads(page):
    """The number of rows that a list says it has."""
    return int(re.search(r'class="count num">\s*([\d,]+)', page).group(1).replace(",", ""))


def tabs(page):
    """{word: number} of the tabs."""
    nav = page.split('class="tabs"')[1].split("</nav>")[0]
    found = re.findall(r">([^<]+)<span class=\"n num\">([\d,]+)</span>", nav)
    return {word: int(number.replace(",", "")) for word, number in found}


@pytest.mark.feature("FIL-02")
def test_25_pending_18_found_3_ticked(world, browser, session):
    unit = fresh_unit(world, "ul1")
    lenses = [plain(world, unit, name="焦度计") for _ in range(18)]
    others = [plain(world, unit, name="验光机") for _ in range(6)]
    paperless = instrument(world, unit, name="电子秤")  # P+V without its certificate
    client = browser(unit)
    page = text(client.get(PENDING))
    assert heads(page) == 25
    query = "_flt_0_search_text=焦度计"
    found = text(client.get(f"{PENDING}?{query}&psize_PendingFilingView=10"))
    assert heads(found) == 18
    assert "mode=query" in found
    ticked = [str(i.id) for i in lenses[:3]]
    answer = post(client, "/filings/pending/action_post", {"action": "file", "rowid": ticked})
    assert answer.headers["Location"].endswith(f"{SUBMIT}?ids={','.join(ticked)}")
    answer = post(client, "/filings/pending/action_post", {"action": "file", "all": "1", "query": query})
    assert "mode=query" in answer.headers["Location"]
    for address, count in ((f"ids={','.join(ticked)}", 3), (f"mode=query&{query}", 18)):
        page = text(client.get(f"{SUBMIT}?{address}"))
        assert f"将提交{count}台，0台不符合条件。" in page
    page = text(client.get(f"{SUBMIT}?mode=all"))
    assert "将提交24台，1台不符合条件。" in page
    assert "需上传“型式评价”证书" in page
    body = data(world, mode="ids", ids=",".join(ticked), count="3")
    assert post(client, SUBMIT, body).status_code == 303
    assert heads(text(client.get(PENDING))) == 22
    body = data(world, mode="query", query=f"mode=query&{query}", count="15")
    assert post(client, SUBMIT, body).status_code == 303
    assert {state_of(session, i.id) for i in lenses} == {"filing"}
    page = text(post(client, SUBMIT, data(world, count="7")))
    assert "成功6条，未办理1条。" in page
    assert paperless.serial_no in page
    sheet = client.get(re.search(r"/bulk/\d+/result\.xlsx", page).group(0)).data
    lines = list(openpyxl.load_workbook(io.BytesIO(sheet)).active.iter_rows(values_only=True))[1:]
    assert len(lines) == 7
    assert sum(line[2] == "成功" for line in lines) == 6
    assert {state_of(session, i.id) for i in others} == {"filing"}
    assert state_of(session, paperless.id) == "unfiled"


@pytest.mark.feature("FIL-02")
def test_many_are_tried_first_and_then_a_job(world, browser, session, monkeypatch):
    unit = fresh_unit(world, "ul2")
    made = [plain(world, unit).id for _ in range(6)]
    instrument(world, unit)
    monkeypatch.setattr("views.filing_submit.AT_ONCE", 3)
    monkeypatch.setattr(filing.FileAct, "at_once", 3)
    monkeypatch.setattr(bulk, "CHUNK", 2)
    client = browser(unit)
    job = job_of(post(client, SUBMIT, data(world, count="7")))
    page = text(client.get(f"/jobs/{job}"))
    assert "将提交6台，1台不符合条件。" in page
    assert {state_of(session, pk) for pk in made} == {"unfiled"}, "nothing before it is confirmed"
    before = len(told(session, world, "recA"))
    assert post(client, f"/bulk/{job}/confirm").status_code == 303
    real, calls = filing.file_one, []

    def dies_on_the_fourth(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(filing, "file_one", dies_on_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        work(job)
    assert [state_of(session, pk) for pk in made].count("filing") == 2
    assert work(job) == "done"
    assert {state_of(session, pk) for pk in made} == {"filing"}
    assert "成功6条，未办理1条。" in text(client.get(f"/jobs/{job}"))
    assert told(session, world, "recA")[before:] == ["有新的备案申请待处理：6台器具"], "one digest, not one each"


@pytest.mark.feature("FIL-03")
def test_only_city_institutes_are_offered(world, browser, session):
    unit = fresh_unit(world, "ul3")
    made, client = plain(world, unit), browser(unit)
    offered = text(client.get(f"{SUBMIT}?ids={made.id}")).split('id="institute_id"')[1].split("</select>")[0]
    assert f'value="{world.institutes["A"]}"' in offered
    for other in ("A1", "A2", "P", "B"):
        assert f'value="{world.institutes[other]}"' not in offered
        answer = post(client, SUBMIT, data(world, count="1", institute_id=str(world.institutes[other])))
        assert "备案时只能选择市级技术机构" in text(answer) or "不受理该使用地点的备案" in text(answer)
    answer = post(client, SUBMIT, data(world, count="1", institute_id=""))
    assert answer.status_code == 422
    assert "请选择备案的技术机构。" in text(answer)
    assert state_of(session, made.id) == "unfiled"


@pytest.mark.feature("FIL-04")
def test_the_statement_is_the_administrators_and_each_consent_names_its_version(world, browser, session):
    unit = fresh_unit(world, "ul4")
    first, second = plain(world, unit), plain(world, unit)
    client = browser(unit)
    with as_system("test"):
        old = texts.text_of(session, filing.STATEMENT)
        session.rollback()
    body = data(world, mode="ids", ids=str(first.id), count="1", statement_version=str(old.version))
    assert post(client, SUBMIT, {**body, "declaration": ""}).status_code == 422
    assert post(client, SUBMIT, body).status_code == 303
    new = {
        "key": filing.STATEMENT,
        "seen_version": str(old.version),
        "title": "备案责任声明",
        "body": f"新声明{first.id}",
    }
    assert post(browser("adm"), "/site/text", new).status_code == 303
    late = post(client, SUBMIT, {**body, "ids": str(second.id)})
    assert late.status_code == 409
    assert "责任声明已更新" in text(late)
    assert f"新声明{first.id}" in text(late)
    assert state_of(session, second.id) == "unfiled"
    body |= {"ids": str(second.id), "statement_version": str(old.version + 1)}
    assert post(client, SUBMIT, body).status_code == 303
    for made, version in ((first, old.version), (second, old.version + 1)):
        pk = row_of(session, made.id).id
        with as_system("test"):
            lines = select(TransitionLog.input).where(
                TransitionLog.entity == "filing", TransitionLog.entity_id == pk, TransitionLog.step == "submit"
            )
            assert session.scalar(lines)["statement_version"] == version
            session.rollback()
        assert f"/texts/filing_statement?version={version}" in text(client.get(f"/filings/show/{pk}"))


@pytest.mark.feature("FIL-08")
def test_each_reason_of_a_return_has_its_remedy(world, browser, session):
    client = browser("ua1")
    before = tabs(text(client.get("/filings/list/")))["被退回"]
    mend, outside = submitted(world, session), submitted(world, session)
    taken(world, session, mend, "recA", "return", kind="incomplete", reason="请补充型号规格")
    taken(world, session, outside, "recA", "return", kind="not_listed", reason="该器具用途不在目录内")
    page = text(client.get("/filings/list/?state=returned", follow_redirects=True))
    assert tabs(page)["被退回"] == before + 2
    home = text(client.get("/home/"))
    assert re.search(rf"<b>{before + 2}</b><span>备案退回</span>", home)
    page = text(client.get(f"/filings/show/{mend}"))
    assert "请补充型号规格" in page
    assert "资料不完整" in page
    assert f"/instruments/edit/{row(session, mend).instrument_id}" in page
    assert f"/filings/step/submit/{mend}" in page
    page = text(client.get(f"/filings/show/{outside}"))
    assert "该器具用途不在目录内" in page
    assert "不能重新提交，请删除该器具" in page
    assert f"/instruments/step/delete/{row(session, outside).instrument_id}" in page
    again = {"institute_id": str(world.institutes["A"]), "declaration": "y"}
    assert post(client, f"/filings/step/submit/{outside}", again).status_code == 422
    assert post(client, f"/filings/step/submit/{mend}", again).status_code == 303
    key = row(session, outside).instrument_id
    post(client, "/filings/action_post", {"action": "delete", "rowid": str(outside)})
    assert state_of(session, key) == "purged"
    assert row(session, outside).state == "closed"
    assert row(session, mend).state == "submitted"


def test_what_was_returned_is_not_filed_again_by_the_way(world, browser, session):
    """【全部】 means what was never filed: a returned one must be mended first."""
    unit = fresh_unit(world, "ul5")
    pk = submitted(world, session, unit)
    taken(world, session, pk, "recA", "return", kind="incomplete", reason=WHY)
    assert heads(text(browser(unit).get(PENDING))) == 0
    assert "没有可以提交备案的器具" in text(browser(unit).get(f"{SUBMIT}?mode=all"))


@pytest.mark.feature("FIL-12")
def test_only_passed_filings_can_be_booked(world, browser, session):
    client, keys = browser("ua1"), {}
    for state in ("pending", "submitted", "to_confirm", "to_process", "approved", "returned", "revoked", "suspended"):
        keys[state] = row(session, in_state(world, session, state)).instrument_id
    with as_system("test"):
        serials = {pk: session.get(Instrument, pk).serial_no for pk in keys.values()}
        session.rollback()
    offered = {
        state
        for state, pk in keys.items()
        if f'name="ids" value="{pk}"' in text(client.get(f"/book/?q={serials[pk]}", follow_redirects=True))
    }
    assert offered == {"approved"}


@pytest.mark.feature("FIL-13")
def test_a_revoked_filing_ends_its_appointment_and_leaves_two_buttons(world, browser, session):
    order = booked(world, "ua1", category_id=category(PLAIN).id)
    pk = row_of(session, order.instruments[0]).id
    page = text(browser("regA").get("/filings/list/?state=approved", follow_redirects=True))
    assert 'value="revoke"' in page
    answer = post(browser("regA"), "/filings/action_post", {"action": "revoke", "rowid": str(pk), "reason": WHY})
    assert answer.status_code == 303
    assert row(session, pk).state == "revoked"
    with as_system("test"):
        from models import AppointmentItem

        assert session.get(AppointmentItem, order.items[0]).state == "returned"
        session.rollback()
    client = browser("ua1")
    actions = text(client.get(f"/filings/show/{pk}")).split('class="page-head"')[1].split("</div>")[0]
    buttons = re.findall(r"<button[^>]*>([^<]+)", actions)
    assert buttons == ["停用", "报废"]
    assert "href" not in actions
    listed = text(client.get("/filings/list/?state=revoked", follow_redirects=True))
    assert set(re.findall(r'name="action" value="(\w+)"', listed)) == {"suspend", "scrap"}
    post(client, "/filings/action_post", {"action": "suspend", "rowid": str(pk)})
    assert row(session, pk).state == "suspended"
    on_instrument(world, session, pk, "ua1", "enable")
    assert row(session, pk).state == "pending", "revoked: to be submitted again"


@pytest.mark.feature("FIL-14")
def test_the_list_of_the_suspended(world, browser, session):
    client, first, second = browser("ua1"), in_state(world, session, "suspended"), in_state(world, session, "suspended")
    listed = text(client.get("/filings/list/?state=suspended", follow_redirects=True))
    assert set(re.findall(r'name="action" value="(\w+)"', listed)) == {"enable", "scrap"}
    assert "停用" in tabs(listed)
    keys = [row(session, pk).instrument_id for pk in (first, second)]
    post(client, "/filings/action_post", {"action": "enable", "rowid": str(first)})
    post(client, "/filings/action_post", {"action": "scrap", "rowid": str(second), "reason": WHY})
    assert [state_of(session, key) for key in keys] == ["unfiled", "scrapped"]


def test_tabs_count_what_their_lists_show(world, browser, session):
    for state in ("pending", "submitted", "to_confirm", "to_process", "approved", "returned", "revoked", "suspended"):
        in_state(world, session, state)
    client = browser("ua1")
    found = tabs(text(client.get("/filings/list/")))
    assert list(found) == ["待备案", "已提交", "待确认", "待处理", "已审核", "被退回", "被撤销", "停用"]
    for state, number in zip(
        ("pending", "submitted", "to_confirm", "to_process", "approved", "returned", "revoked", "suspended"),
        found.values(),
        strict=True,
    ):
        assert heads(text(client.get(f"/filings/list/?state={state}", follow_redirects=True))) == number, state


@pytest.mark.feature("FIL-07")
def test_an_institute_decides_on_many_with_one_form(world, browser, session):
    mine = [submitted(world, session) for _ in range(4)]
    client, ids = browser("recA"), ",".join(map(str, mine[:2]))
    answer = post(client, "/filings/action_post", {"action": "return", "rowid": [str(pk) for pk in mine[:2]]})
    assert answer.headers["Location"].endswith(f"/filings/batch?step=return&ids={ids}")
    queue = text(client.get("/filings/list/?mine=1"))
    offered = set(re.findall(r'name="action" value="(\w+)"', queue))
    assert offered == {"approve", "return", "dispatch", "transfer", "confirm", "refuse"}
    form = text(client.get(f"/filings/batch?step=return&ids={ids}"))
    for word in ("资料不完整", "不属于强检目录", "其他"):
        assert word in form
    body = {"step": "return", "ids": ids, "kind": "incomplete"}
    wrong = post(client, "/filings/batch", {**body, "reason": "短"})
    assert wrong.status_code == 422
    before = len(told(session, world, "ua1"))
    assert post(client, "/filings/batch", {**body, "reason": WHY}).status_code == 303
    assert [row(session, pk).state for pk in mine] == ["returned", "returned", "submitted", "submitted"]
    assert told(session, world, "ua1")[before:] == [f"备案被退回：2台器具，原因：{WHY}"], "one message for the click"
    body = {"step": "dispatch", "ids": ",".join(map(str, mine)), "institute_id": str(world.institutes["A1"])}
    assert post(client, "/filings/batch", body).status_code == 303
    assert [row(session, pk).state for pk in mine] == ["returned", "returned", "to_confirm", "to_confirm"]
    assert told(session, world, "recA1")[-1] == "有分派的备案待确认：2台器具"
    for who in ("recB", "recA1"):
        page = browser(who).get(f"/filings/batch?step=return&ids={ids}", follow_redirects=True)
        assert f"/filings/show/{mine[0]}" not in text(page)
    assert post(browser("ua1"), "/filings/batch", {**body, "step": "return"}).status_code == 403


def test_every_arrow_of_an_institute_is_told_to_the_unit(world, browser, session):
    pk = submitted(world, session)
    a1, county = str(world.institutes["A1"]), str(world.institutes["A2"])
    told_before = len(told(session, world, "ua1"))
    taken(world, session, pk, "recA", "dispatch", institute_id=a1)
    taken(world, session, pk, "recA1", "refuse", reason=WHY)
    taken(world, session, pk, "recA", "dispatch", institute_id=county)
    taken(world, session, pk, "recA", "recall", reason=WHY)
    taken(world, session, pk, "recA", "approve")
    taken(world, session, pk, "imgA", "revoke", reason=WHY)
    said = [subject.split("：")[0] for subject in told(session, world, "ua1")[told_before:]]
    assert said == [
        "备案已分派至区县机构，待确认",
        "备案因接收机构无能力退回原机构，待处理",
        "备案已分派至区县机构，待确认",
        "备案已由原机构撤回，待处理",
        "备案已通过",
        "备案被撤销",
    ]
    assert told(session, world, "recA")[-1] == "备案被无能力退回，请处理。"


@pytest.mark.feature("FIL-10")
def test_the_way_is_seen_on_both_pages(world, browser, session):
    pk = submitted(world, session)
    taken(world, session, pk, "recA", "dispatch", institute_id=str(world.institutes["A1"]))
    taken(world, session, pk, "recA1", "refuse", reason="本所暂无该项标准")
    key = row(session, pk).instrument_id
    for address in (f"/filings/show/{pk}", f"/instruments/show/{key}"):
        route = text(browser("ua1").get(address)).split('id="panel-route"')[1].split('id="panel-')[0]
        for word in ("提交备案", "分派至区县", "A1计量检定所", "无能力退回", "本所暂无该项标准"):
            assert word in route, (address, word)


def test_the_queue_of_an_institute_is_counted(world, browser, session):
    with as_system("test"):
        from models import Filing

        waiting = select(func.count(Filing.id)).where(
            Filing.holder_institute_id == world.institutes["A"],
            Filing.state.in_(("submitted", "to_process", "to_confirm")),
        )
        count = session.scalar(waiting)
        session.rollback()
    assert tabs(text(browser("recA").get("/filings/list/?mine=1")))["待本机构处理"] == count
