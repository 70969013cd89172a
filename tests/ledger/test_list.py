"""The ledger's list: who sees it, what narrows it, what it costs, how it is exported."""

from __future__ import annotations

import io
from datetime import timedelta

import openpyxl
import pytest
from markupsafe import escape

from app import clock
from app.access.principal import as_system
from models import Attachment, Instrument
from models.base import db
from tests.client import post, text, visitor
from tests.ledger.support import Statements, form_data, fresh_unit, job_of, ledger_size, read_job, work
from tests.world import filed, instrument

LIST = "/instruments/list/"


@pytest.mark.parametrize("who", ["ua1", "ub1", "recA", "verA", "regA1", "regP"])
def test_those_who_work_with_instruments_see_the_list(browser, who):
    assert browser(who).get(LIST).status_code == 200


@pytest.mark.parametrize("who", ["adm", "aud", "sec"])
def test_others_do_not(browser, who):
    answer = browser(who).get(LIST)
    assert answer.status_code in {302, 403}
    assert b"data-table" not in answer.data


def test_a_visitor_is_sent_to_log_in(app, world):
    assert "/login/" in visitor(app).get(LIST).headers["Location"]
    assert "/login/" in visitor(app).get("/imports/new").headers["Location"]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("ua1", 200),
        ("regA1", 200),
        ("recA", 200),
        ("ua2", 404),
        ("ub1", 404),
        ("regA2", 404),
        ("recB", 404),
    ],
)
def test_one_instrument_is_there_for_those_in_scope(world, browser, session, who, status):
    made = filed(world, "ua1")
    assert browser(who).get(f"/instruments/show/{made.id}").status_code == status


@pytest.mark.parametrize("who", ["recA", "regA1"])
@pytest.mark.must_never(42, 56)
def test_institutes_and_regulators_cannot_write(world, browser, session, who):
    made = filed(world, "ua1")
    page = text(browser(who).get(f"/instruments/show/{made.id}"))
    assert "修改" not in page.split("<main")[1].split("tablist")[0]
    for url in ("/instruments/add", f"/instruments/edit/{made.id}", f"/instruments/copy/{made.id}"):
        assert browser(who).get(url).status_code in {302, 403}
    with pytest.raises(AssertionError):
        assert post(browser(who), "/instruments/add", form_data()).status_code == 303
    assert post(browser(who), f"/instruments/delete/{made.id}").status_code in {404, 405}


def rows_of(answer):
    return text(answer).count('<tr class="row-') + text(answer).count("<tr>") - 1


def test_each_condition_narrows_and_they_combine(world, browser, session):
    unit = fresh_unit(world, "uf1")
    instrument(world, unit, name="电子汽车衡", serial_no="QC-1001", manufacturer="梅特勒")
    instrument(world, unit, name="电子计价秤", serial_no="JJ-2001", delivery_mode="deliver")
    instrument(world, unit, name="电子计价秤", serial_no="JJ-2002", division="440304", purpose="medical")
    client = browser(unit)

    def shown(query):
        page = text(client.get(f"{LIST}?{query}"))
        return (
            {s for s in ("QC-1001", "JJ-2001", "JJ-2002") if s in page.split("<tbody>")[-1]}
            if "<tbody>" in page
            else set()
        )

    assert shown("") == {"QC-1001", "JJ-2001", "JJ-2002"}
    assert shown("_flt_0_search_text=汽车衡") == {"QC-1001"}
    assert shown("_flt_0_search_text=梅特勒") == {"QC-1001"}
    assert shown("_flt_0_serial_no=JJ") == {"JJ-2001", "JJ-2002"}
    assert shown("_flt_0_serial_no=001") == {"QC-1001", "JJ-2001"}
    assert shown("_flt_0_serial_no=001&_flt_0_search_text=计价") == {"JJ-2001"}
    assert shown("_flt_1_use_division=4403") == {"JJ-2002"}
    assert shown("_flt_0_delivery_mode=deliver") == {"JJ-2001"}
    assert shown("_flt_0_purpose=medical") == {"JJ-2002"}
    assert shown("_flt_0_state=unfiled") == {"QC-1001", "JJ-2001", "JJ-2002"}
    assert shown("_flt_0_state=in_use") == set()
    page = text(client.get(f"{LIST}?_flt_0_search_text=没有这样的"))
    assert "没有符合条件的记录" in page


def test_bands_agree_between_tab_list_and_home(world, browser, session):
    unit = fresh_unit(world, "uf2")
    today = clock.today()
    for days in (-40, -1, 0, 30, 31, 300):
        filed(world, unit, valid_until=today + timedelta(days=days))
    client = browser(unit)
    expected = {"overdue": 2, "due": 2, "good": 2, "failed": 0, "never": 0}
    for band, count in expected.items():
        page = text(client.get(f"{LIST}?band={band}"))
        assert f"{count} 台" in page, band
    page = text(client.get(LIST))
    assert page.count("row-danger") == 2
    assert page.count("row-warn") == 2
    assert 'chip-danger">已超期' in page
    assert 'chip-warn">即将到期' in page
    tabs = page.split('class="tabs"')[1].split("</nav>")[0]
    assert '已超期<span class="n num">2</span>' in tabs


def test_an_unknown_band_or_page_is_harmless(world, browser):
    for query in (
        "band=%27%3B--",
        "page_InstrumentView=abc",
        "_flt_9_name=x",
        "_flt_0_valid_until=gestern",
        "state=nonsense",
    ):
        assert browser("ua1").get(f"{LIST}?{query}", follow_redirects=True).status_code == 200


def test_scrapped_ones_leave_all_and_stand_under_their_tab(world, browser, session):
    unit = fresh_unit(world, "uf3")
    made, kept = instrument(world, unit), instrument(world, unit)
    client = browser(unit)
    answer = post(
        client, "/instruments/action_post", {"action": "scrap", "rowid": str(made.id), "reason": "损坏无法修复"}
    )
    assert answer.status_code == 303
    page = text(client.get(LIST))
    assert kept.serial_no in page
    assert made.serial_no not in page
    assert made.serial_no in text(client.get(f"{LIST}?state=scrapped", follow_redirects=True))


def test_a_mixed_selection_does_what_it_can_and_says_the_rest(world, browser, session):
    unit = fresh_unit(world, "uf4")
    free, bound = instrument(world, unit), filed(world, unit)
    data = {"action": "delete", "rowid": [str(free.id), str(bound.id)]}
    answer = post(browser(unit), "/instruments/action_post", data, follow_redirects=True)
    page = text(answer)
    assert "“删除”成功1条。" in page
    assert "未办理1条。" in page
    with as_system("test"):
        session.expire_all()
        assert (session.get(Instrument, free.id).state, session.get(Instrument, bound.id).state) == ("purged", "in_use")


def test_a_regulator_suspends_with_a_reason_only(world, browser, session):
    made = filed(world, "ua1")
    client = browser("regA1")
    post(client, "/instruments/action_post", {"action": "suspend", "rowid": str(made.id)})
    with as_system("test"):
        session.expire_all()
        assert session.get(Instrument, made.id).state == "in_use"
    post(client, "/instruments/action_post", {"action": "suspend", "rowid": str(made.id), "reason": "监督检查发现问题"})
    with as_system("test"):
        session.expire_all()
        assert session.get(Instrument, made.id).state == "suspended"


def test_foreign_ids_in_a_bulk_act_touch_nothing(world, browser, session):
    made = instrument(world, "ub1")
    page = text(
        post(
            browser("ua1"),
            "/instruments/action_post",
            {"action": "delete", "rowid": str(made.id)},
            follow_redirects=True,
        )
    )
    assert "记录不存在或您无权查看" in page
    with as_system("test"):
        session.expire_all()
        assert session.get(Instrument, made.id).state == "unfiled"


def test_the_list_costs_the_same_for_twice_the_rows(app, world, browser, session):
    unit = fresh_unit(world, "uf5")
    client = browser(unit)
    client.get(LIST)  # warms caches that are filled once per process
    counts = []
    for _ in range(2):
        for _ in range(5):
            instrument(world, unit)
        with Statements() as asked:
            assert client.get(LIST).status_code == 200
        counts.append(len(asked.seen))
    assert counts[0] == counts[1], counts


def test_what_is_shown_is_text_and_never_markup(world, browser, session):
    evil = "<script>alert(1)</script>"
    made = instrument(world, "ua1", name=evil, model='"><img src=x>', place=evil)
    for url in (
        f"{LIST}?_flt_0_serial_no={made.serial_no}",
        f"/instruments/show/{made.id}",
        f"/instruments/edit/{made.id}",
        f"/filings/submit?ids={made.id}",
    ):
        page = text(browser("ua1").get(url))
        assert evil not in page
        assert "<img src=x>" not in page
        assert str(escape(evil)) in page


def read(data):
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [list(row) for row in sheet.iter_rows(values_only=True)]


@pytest.mark.feature("IMP-08")
def test_the_export_is_the_list_filtered_or_not_and_harmless(world, browser, session):
    unit = fresh_unit(world, "uf6")
    instrument(world, unit, name="电子汽车衡", serial_no="EX-1", note="=1+1")
    instrument(world, unit, serial_no="EX-2", note="@SUM(A1)")
    client = browser(unit)
    rows = read(client.get("/instruments/export").data)
    at = rows[0].index("出厂编号")
    assert [r[at] for r in rows[1:]] == ["EX-1", "EX-2"]
    answer = client.get("/instruments/export?_flt_0_search_text=汽车衡")
    assert [r[at] for r in read(answer.data)[1:]] == ["EX-1"]
    assert "attachment" in answer.headers["Content-Disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(client.get("/instruments/export").data)).active
    assert {c.data_type for row in sheet.iter_rows() for c in row} <= {"s", "n", "d"}


@pytest.mark.feature("IMP-09")
def test_an_export_with_one_more_row_imports_only_that_row(world, browser, session):
    unit = fresh_unit(world, "uf7")
    instrument(world, unit, serial_no="RT-1")
    client = browser(unit)
    book = openpyxl.load_workbook(io.BytesIO(client.get("/instruments/export").data))
    row = [c.value for c in book.active[2]]
    row[[c.value for c in book.active[1]].index("出厂编号")] = "RT-2"
    book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    answer = post(client, "/imports/new", {"file": (io.BytesIO(out.getvalue()), "导出.xlsx")}, page="/imports/new")
    job = job_of(answer)
    assert work(job) == "waiting"
    assert (read_job(job).counts["new"], read_job(job).counts["unchanged"], read_job(job).counts["refused"]) == (
        1,
        1,
        0,
    )
    assert post(client, f"/imports/{job}/confirm").status_code == 303
    assert work(job) == "done"
    assert ledger_size(world, unit) == 2


def test_a_long_list_is_exported_by_a_job_for_its_account_alone(world, browser, session):
    unit = fresh_unit(world, "uf8")
    for _ in range(3):
        instrument(world, unit)
    client = browser(unit)
    job = job_of(post(client, "/instruments/export", {"query": ""}))
    assert text(client.get(f"/jobs/{job}")).count("排队中") >= 1
    assert work(job) == "done"
    assert browser("ua1").get(f"/jobs/{job}").status_code == 404
    link = client.get(f"/jobs/{job}.json").json["result_url"]
    answer = client.get(link)
    assert len(read(answer.data)) == 4
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert browser("ua1").get(link).status_code == 404
    assert browser("adm").get(link).status_code == 404
    with as_system("test"):
        assert db.session.query(Attachment).filter_by(owner_id=job, kind="export").count() == 1
