"""备案管理: who sees which filings, the institute's queue, dispatch and transfer, return and resubmission, reminders."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app import clock
from app.access.principal import as_system
from app.operations.filing import submit_filings
from app.operations.reminders import run_reminders
from models import Filing
from tests.client import post, text
from tests.ledger.support import Statements
from tests.world import filed, instrument

LIST = "/filings/list/"


def submitted(world, session, unit="ua1", **more):
    """A filing that waits with institute A."""
    made = instrument(world, unit)
    with world.acting(unit) as actor:
        submit_filings(session, actor, [made.id], {"institute_id": world.institutes["A"], "declaration": True, **more})
        session.commit()
    return state(session, made.id)


def state(session, instrument_id):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Filing).where(Filing.instrument_id == instrument_id)).scalar_one()


def step(browser, who, filing, name, **data):
    return post(browser(who), f"/filings/step/{name}/{filing.id}", data)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("ua1", 200),
        ("recA", 200),
        ("imgA", 200),
        ("regA1", 200),
        ("regP", 200),
        ("ua2", 404),
        ("ub1", 404),
        ("recB", 404),
        ("regA2", 404),
        ("regB", 404),
    ],
)
def test_a_filing_is_there_for_those_in_scope(world, browser, session, who, status):
    filing = submitted(world, session)
    assert browser(who).get(f"/filings/show/{filing.id}").status_code == status
    listed = text(browser(who).get(f"{LIST}?psize_FilingView=200"))
    assert (f'/filings/show/{filing.id}"' in listed) == (status == 200)


@pytest.mark.parametrize("who", ["verA", "adm", "aud", "sec"])
def test_others_have_no_such_page(browser, who):
    assert browser(who).get(LIST).status_code in {302, 403}


def test_the_queue_of_an_institute_and_its_tabs(world, browser, session):
    filing = submitted(world, session)
    done = state(session, filed(world, "ua1").id)
    page = text(browser("recA").get(f"{LIST}?mine=1&psize_FilingView=200"))
    assert f"/filings/show/{filing.id}" in page
    assert f"/filings/show/{done.id}" not in page
    for word in ("待备案", "已提交", "待确认", "待处理", "已审核", "被退回", "被撤销", "停用"):
        assert word in page.split('class="tabs"')[1].split("</nav>")[0]
    assert text(browser("recA1").get(f"{LIST}?mine=1")).count(f"/filings/show/{filing.id}") == 0


def test_state_links_from_the_home_page_work(browser):
    assert browser("ua1").get(f"{LIST}?state=returned", follow_redirects=True).status_code == 200
    assert browser("ua1").get(f"{LIST}?state=%3Cx%3E", follow_redirects=True).status_code == 200


@pytest.mark.feature("FIL-06")
def test_withdrawing_while_nobody_has_acted(world, browser, session):
    filing = submitted(world, session)
    assert step(browser, "ua1", filing, "withdraw").status_code == 303
    assert state(session, filing.instrument_id).state == "pending"
    page = text(browser("ua1").get(f"/instruments/edit/{filing.instrument_id}"))
    form = page.split('<form class="form"')[1]
    given = "supervision|code|institute|last_result|verified_on|certificate_no"  # by the platform, never typed
    assert "disabled" not in re.sub(rf"<(input|select)[^>]* name=\"({given})\"[^>]*>", "", form)
    approved = state(session, filed(world, "ua1").id)
    step(browser, "ua1", approved, "withdraw")
    assert state(session, approved.instrument_id).state == "approved"


def test_returned_mended_and_sent_again(world, browser, session):
    filing = submitted(world, session)
    answer = step(browser, "recA", filing, "return", kind="incomplete", reason="型号与铭牌不一致")
    assert answer.status_code == 303
    page = text(browser("ua1").get(f"/filings/show/{filing.id}"))
    assert "型号与铭牌不一致" in page
    assert "资料不完整" in page
    assert f"/instruments/edit/{filing.instrument_id}" in page
    form = text(browser("ua1").get(f"/filings/step/submit/{filing.id}"))
    assert "本单位郑重声明" in form
    assert f'value="{world.institutes["A"]}"' in form
    assert f'value="{world.institutes["B"]}"' not in form
    assert step(browser, "ua1", filing, "submit", institute_id=str(world.institutes["A"])).status_code == 422
    sent = step(browser, "ua1", filing, "submit", institute_id=str(world.institutes["A"]), declaration="y")
    assert sent.status_code == 303
    assert state(session, filing.instrument_id).state == "submitted"
    step(browser, "recA", filing, "return", kind="other", reason="请补充测量范围")
    assert "被退回的备案" in text(browser("ua1").get("/home/"))


@pytest.mark.feature("FIL-07")
@pytest.mark.must_never(37)
def test_only_the_chosen_institute_decides(world, browser, session):
    filing = submitted(world, session)
    for who in ("recB", "recA1"):
        assert step(browser, who, filing, "approve").status_code == 404
    assert step(browser, "ua1", filing, "approve").status_code in {403, 303}
    assert state(session, filing.instrument_id).state == "submitted"
    answer = post(browser("recA"), "/filings/action_post", {"action": "approve", "rowid": str(filing.id)})
    assert answer.status_code == 303
    assert state(session, filing.instrument_id).final_institute_id == world.institutes["A"]


@pytest.mark.feature("FIL-09", "FIL-10")
def test_dispatch_to_a_county_which_refuses_and_another_confirms(world, browser, session):
    filing = submitted(world, session)
    form = text(browser("recA").get(f"/filings/step/dispatch/{filing.id}"))
    offered = form.split('id="institute_id"')[1].split("</select>")[0]
    assert f'value="{world.institutes["A1"]}"' in offered
    assert f'value="{world.institutes["A2"]}"' in offered
    for far in ("A", "B", "P"):
        assert f'value="{world.institutes[far]}"' not in offered
    assert step(browser, "recA", filing, "dispatch", institute_id=str(world.institutes["A1"])).status_code == 303
    assert state(session, filing.instrument_id).state == "to_confirm"
    page = text(browser("ua1").get(f"/instruments/show/{filing.instrument_id}"))
    assert f"/book/?ids={filing.instrument_id}" not in page
    assert step(browser, "recA1", filing, "refuse", reason="本所暂无该项标准").status_code == 303
    assert state(session, filing.instrument_id).state == "to_process"
    assert f"/filings/show/{filing.id}" in text(browser("recA").get(f"{LIST}?mine=1&psize_FilingView=200"))
    assert f"/filings/show/{filing.id}" in text(
        browser("ua1").get(f"{LIST}?state=to_process&psize_FilingView=200", follow_redirects=True)
    )
    again = step(browser, "recA", filing, "dispatch", institute_id=str(world.institutes["A1"]))
    assert again.status_code == 422
    assert "该机构已退回过本器具" in text(again)
    step(browser, "recA", filing, "dispatch", institute_id=str(world.institutes["A2"]))
    page = text(browser("ua1").get(f"/filings/show/{filing.id}"))
    route = page.split('id="panel-route"')[1].split('id="panel-history"')[0]
    assert route.count("分派至区县") == 2
    assert "本所暂无该项标准" in route


@pytest.mark.feature("FIL-09")
def test_the_county_that_confirms_verifies(world, browser, session):
    filing = submitted(world, session)
    step(browser, "recA", filing, "dispatch", institute_id=str(world.institutes["A1"]))
    assert step(browser, "recA1", filing, "confirm").status_code == 303
    now = state(session, filing.instrument_id)
    assert (now.state, now.final_institute_id) == ("approved", world.institutes["A1"])


@pytest.mark.feature("FIL-05", "FIL-11")
def test_transfer_to_the_province_needs_the_units_authorisation(world, browser, session):
    data = {"institute_id": str(world.institutes["P"]), "reason": "本院无此项能力"}
    closed = submitted(world, session)
    page = text(browser("recA").get(f"/filings/show/{closed.id}"))
    assert "申请方未授权转送省级机构" in page
    assert step(browser, "recA", closed, "transfer", **data).status_code == 422
    assert state(session, closed.instrument_id).state == "submitted"
    opened = submitted(world, session, allow_province=True)
    form = text(browser("recA").get(f"/filings/step/transfer/{opened.id}"))
    assert f'value="{world.institutes["P"]}"' in form
    assert step(browser, "recA", opened, "transfer", **data).status_code == 303
    assert step(browser, "recP", opened, "confirm").status_code == 303
    now = state(session, opened.instrument_id)
    assert (now.state, now.final_institute_id) == ("approved", world.institutes["P"])


def test_a_stale_page_decides_nothing(world, browser, session):
    filing = submitted(world, session)
    page = text(browser("recA").get(f"/filings/step/return/{filing.id}"))
    assert f'name="seen_version" value="{filing.version}"' in page
    post(browser("imgA"), f"/filings/step/return/{filing.id}", {"kind": "other", "reason": "先由负责人退回"})
    answer = post(
        browser("recA"),
        f"/filings/step/approve/{filing.id}",
        {"seen_version": str(filing.version)},
        follow_redirects=True,
    )
    assert "该记录已被他人处理" in text(answer) or "当前状态为“被退回”" in text(answer)
    assert state(session, filing.instrument_id).state == "returned"


def test_the_list_costs_the_same_for_twice_the_rows(world, browser, session):
    client, counts = browser("recP"), []
    client.get(LIST)
    for _ in range(2):
        for _ in range(3):
            filing = submitted(world, session, allow_province=True)
            step(browser, "recA", filing, "transfer", institute_id=str(world.institutes["P"]), reason="本院无此项能力")
        with Statements() as asked:
            assert client.get(LIST).status_code == 200
        counts.append(len(asked.seen))
    assert counts[0] == counts[1], counts


def test_reminders_of_ones_own(world, browser, session):
    mine = filed(world, "ua1", valid_until=clock.today() + timedelta(days=5), name="<b>提醒秤</b>")
    filed(world, "ub1", "B", division="440304", valid_until=clock.today() - timedelta(days=3))
    with as_system("test"):
        run_reminders(session, clock.today())
        session.commit()
    page = text(browser("ua1").get("/reminders/list/"))
    assert f"/instruments/show/{mine.id}" in page
    assert "还有5天到期" in page
    assert "<b>提醒秤</b>" not in page
    assert mine.serial_no in text(browser("regA1").get("/reminders/list/"))
    assert mine.serial_no not in text(browser("ub1").get("/reminders/list/"))
    assert browser("recA").get("/reminders/list/").status_code in {302, 403}
    assert browser("ua1").get("/reminders/show/1").status_code == 404
