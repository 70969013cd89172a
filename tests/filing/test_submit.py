"""提交备案: three modes, the institute, the statement; and what a submission of many does."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.access.principal import as_system
from models import Filing, Instrument
from tests.client import post, text, visitor
from tests.ledger.support import fresh_unit
from tests.world import filed, instrument

SUBMIT = "/filings/submit"


def data(world, **changes):
    return {
        "mode": "all",
        "query": "",
        "ids": "",
        "institute_id": str(world.institutes["A"]),
        "declaration": "1",
        **changes,
    }


def states(session, *instruments):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return [session.get(Instrument, i.id).state for i in instruments]


def filing_of(session, made):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        return session.execute(select(Filing).where(Filing.instrument_id == made.id)).scalar_one_or_none()


@pytest.mark.parametrize(("who", "status"), [("ua1", 200), ("recA", 403), ("regA1", 403), ("adm", 403)])
def test_only_units_submit(browser, who, status):
    assert browser(who).get(f"{SUBMIT}?mode=all").status_code == status


def test_a_visitor_logs_in_first(app, world):
    assert "/login/" in visitor(app).get(SUBMIT).headers["Location"]


@pytest.mark.feature("FIL-02")
def test_three_modes_submit_what_they_showed(world, browser, session):
    unit = fresh_unit(world, "us1")
    scales = [instrument(world, unit, name="电子计价秤") for _ in range(4)]
    lorries = [instrument(world, unit, name="电子汽车衡") for _ in range(3)]
    client = browser(unit)
    picked = ",".join(str(i.id) for i in lorries[:1])
    assert '<span class="count num">1 台' in text(client.get(f"{SUBMIT}?ids={picked}"))
    query = "mode=query&_flt_0_search_text=汽车衡"
    assert '<span class="count num">3 台' in text(client.get(f"{SUBMIT}?{query}"))
    assert '<span class="count num">7 台' in text(client.get(f"{SUBMIT}?mode=all"))
    assert post(client, SUBMIT, data(world, mode="ids", ids=picked, count="1")).status_code == 303
    assert states(session, *lorries) == ["filing", "unfiled", "unfiled"]
    assert post(client, SUBMIT, data(world, mode="query", query=query, count="2")).status_code == 303
    assert states(session, *lorries) == ["filing"] * 3
    assert states(session, *scales) == ["unfiled"] * 4
    assert post(client, SUBMIT, data(world, count="4")).status_code == 303
    assert states(session, *scales) == ["filing"] * 4


def test_the_bulk_bar_leads_there_with_the_ticked_or_the_found(world, browser, session):
    made = instrument(world, "ua1")
    answer = post(browser("ua1"), "/instruments/action_post", {"action": "file", "rowid": str(made.id)})
    assert answer.headers["Location"].endswith(f"{SUBMIT}?ids={made.id}")
    answer = post(
        browser("ua1"), "/instruments/action_post", {"action": "file", "all": "1", "query": "_flt_0_search_text=x"}
    )
    assert "mode=query" in answer.headers["Location"]
    assert "_flt_0_search_text=x" in answer.headers["Location"]


def test_a_set_that_changed_meanwhile_is_shown_again(world, browser, session):
    unit = fresh_unit(world, "us2")
    made = instrument(world, unit)
    answer = post(browser(unit), SUBMIT, data(world, count="5"))
    assert answer.status_code == 409
    assert "可提交的器具已变为 1 台" in text(answer)
    assert states(session, made) == ["unfiled"]


@pytest.mark.feature("FIL-04")
def test_without_the_statement_nothing_is_filed(world, browser, session):
    unit = fresh_unit(world, "us3")
    made = instrument(world, unit)
    answer = post(browser(unit), SUBMIT, data(world, declaration="", count="1", allow_province="1"))
    page = text(answer)
    assert answer.status_code == 422
    assert "请确认责任声明。" in page
    assert f'<option value="{world.institutes["A"]}" selected' in page
    assert 'id="allow_province" name="allow_province" value="1" checked' in page
    assert states(session, made) == ["unfiled"]
    assert post(browser(unit), SUBMIT, data(world, count="1")).status_code == 303
    kept = filing_of(session, made)
    assert (kept.declared_by_id, kept.declared_at is not None) == (world.people[unit], True)


def test_the_institute_must_be_chosen_and_serve_the_place(world, browser, session):
    unit = fresh_unit(world, "us4")
    made = instrument(world, unit)
    client = browser(unit)
    page = text(client.get(f"{SUBMIT}?ids={made.id}"))
    offered = page.split('id="institute_id"')[1].split("</select>")[0]
    assert f'value="{world.institutes["A"]}"' in offered
    assert f'value="{world.institutes["P"]}"' not in offered
    assert f'value="{world.institutes["B"]}"' not in offered
    assert post(client, SUBMIT, data(world, institute_id="", count="1")).status_code == 422
    for wrong in ("P", "B"):
        answer = post(client, SUBMIT, data(world, institute_id=str(world.institutes[wrong]), count="1"))
        assert "成功0条，未办理1条。" in text(answer)
    assert states(session, made) == ["unfiled"]


def test_rows_that_cannot_be_filed_are_named_and_the_others_go_on(world, browser, session):
    unit = fresh_unit(world, "us5")
    free, done = instrument(world, unit), filed(world, unit)
    keys = f"{free.id},{done.id}"
    page = text(post(browser(unit), SUBMIT, data(world, mode="ids", ids=keys, count="2")))
    assert "成功1条，未办理1条。" in page
    assert done.serial_no in page
    assert "当前状态为“在用”" in page
    assert states(session, free, done) == ["filing", "in_use"]


def test_posting_twice_files_once(world, browser, session):
    unit = fresh_unit(world, "us6")
    made = instrument(world, unit)
    body = data(world, mode="ids", ids=str(made.id), count="1")
    assert post(browser(unit), SUBMIT, body).status_code == 303
    assert "成功0条，未办理1条。" in text(post(browser(unit), SUBMIT, body))
    assert filing_of(session, made).state == "submitted"


def test_foreign_instruments_are_not_in_the_set(world, browser, session):
    made = instrument(world, "ub1")
    page = text(browser("ua1").get(f"{SUBMIT}?ids={made.id}"))
    assert made.serial_no not in page
    assert "没有可以提交备案的器具" in page
    assert post(browser("ua1"), SUBMIT, data(world, mode="ids", ids=str(made.id), count="0")).status_code == 422
    assert states(session, made) == ["unfiled"]
