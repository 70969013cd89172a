"""What an approved filing fixes (FIL-15), and 变更备案信息: asked by the unit, decided by the institute, old → new."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app import profiles
from app.access.principal import as_system
from app.errors import QuanhengError
from app.operations.amendment import ask_amendment
from app.operations.instrument import edit_instrument
from app.workflow import INSTRUMENT, fire
from models import Filing, FilingAmendment, Instrument, Message
from tests.client import post, text, token
from tests.filing.support import PLAIN, WHY, row_of, taken
from tests.world import booked, category, filed, instrument

pytestmark = pytest.mark.usefixtures("guangdong")
EDITABLE = ("own_no", "place", "note", "delivery_mode", "measuring_range")
LOCKED = ("name", "model", "serial_no", "category_id", "use_division", "purpose", "institute_id")
OTHER = {
    "own_no": "自编9号",
    "place": "北门柜台",
    "note": "备注一条",
    "delivery_mode": "deliver",
    "measuring_range": "0-1 kg",
    "name": "别的名称",
    "model": "别的型号",
    "serial_no": "OTHER-1",
    "use_division": "440104",
    "purpose": "safety",
}


def approved(world, **more):
    return filed(world, "ua1", **{"category_id": category(PLAIN).id, **more})


def fresh(session, model, pk):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        found = session.get(model, pk)
        session.refresh(found)
        return found


def newest(session, made):
    with as_system("test"):
        session.rollback()
        session.expire_all()
        rows = select(FilingAmendment).where(FilingAmendment.instrument_id == made).order_by(FilingAmendment.id.desc())
        return session.execute(rows).scalars().first()


def asked(session, world, made, **values):
    with world.acting("ua1") as actor:
        row = ask_amendment(session, actor, made, values, "铭牌型号登记有误")
        session.commit()
        return row.id


def form_of(browser, pk):
    """The page's fields as a browser would send them."""
    import re

    page = text(browser("ua1").get(f"/filing-change/{pk}"))
    form = page.split(f'action="/filing-change/{pk}"')[1].split("</form>")[0]
    found = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', form))
    for name, body in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option[^>]*selected[^>]*value="([^"]*)"|<option[^>]*value="([^"]*)"[^>]*selected', body)
        found[name] = (chosen.group(1) or chosen.group(2)) if chosen else ""
    return page, found


@pytest.mark.feature("FIL-15")
@pytest.mark.parametrize("field", EDITABLE + LOCKED)
def test_the_matrix_of_fields_after_filing(world, session, field):
    made = approved(world).id
    other = OTHER.get(field) or {"category_id": category("糖量计").id, "institute_id": world.institutes["B"]}[field]
    said = ""
    with world.acting("ua1") as actor:
        try:
            edit_instrument(session, actor, made, {field: other}, seen_version=None)
            session.commit()
        except QuanhengError as error:
            session.rollback()
            said = error.sentence
    changed = getattr(fresh(session, Instrument, made), field) == other
    if field in EDITABLE:
        assert (changed, said) == (True, "")
    else:
        assert not changed
        assert "变更备案信息" in said or field == "institute_id"  # no form of this deployment asks for the institute


@pytest.mark.feature("FIL-15")
def test_before_filing_everything_and_after_it_the_address_still(world, browser, session):
    free = instrument(world, "ua1", category_id=category(PLAIN).id).id
    with world.acting("ua1") as actor:
        edit_instrument(session, actor, free, {"name": "新名称", "model": "新型号"}, seen_version=None)
        session.commit()
    assert fresh(session, Instrument, free).name == "新名称"
    made = approved(world).id
    with world.acting("ua1") as actor:
        fire(session, INSTRUMENT, made, "update_address", actor, {"place": "东门"}, change=moved)
        session.commit()
    assert fresh(session, Instrument, made).place == "东门"
    page = text(browser("ua1").get(f"/instruments/edit/{made}"))
    for name in ("name", "category", "model", "serial_no", "use_division", "purpose"):
        tag = page.split(f'id="{name}"')[1].split(">")[0] + page.split(f'id="{name}"')[0].rsplit("<", 1)[1]
        assert "disabled" in tag, name


def moved(row):
    row.place = "东门"


def test_asking_from_the_page_and_the_institutes_yes(world, browser, session):
    made = approved(world).id
    client = browser("ua1")
    assert f'href="/filing-change/{made}"' in text(client.get(f"/instruments/show/{made}"))
    _page, fields = form_of(browser, made)
    assert set(fields) >= {"name", "model", "serial_no", "category", "use_division", "purpose", "csrf_token"}
    assert "place" not in fields
    good = {**fields, "model": "JD-2000", "why": "铭牌型号登记有误"}
    same = client.post(f"/filing-change/{made}", data={**fields, "why": "铭牌型号登记有误"})
    assert same.status_code == 422
    assert "内容与备案时相同" in text(same)
    wrong = client.post(f"/filing-change/{made}", data={**good, "why": "短"})
    assert wrong.status_code == 422
    assert "JD-2000" in text(wrong), "what was typed stays"
    answer = client.post(f"/filing-change/{made}", data=good)
    assert answer.status_code == 303
    row = newest(session, made)
    assert (row.state, row.changes) == ("pending", {"model": ["ACS-30", "JD-2000"]})
    assert fresh(session, Instrument, made).model == "ACS-30", "the approved values stay in force"
    page = text(browser("recA").get(f"/filing-amendments/show/{row.id}"))
    told = page.split('id="panel-changes"')[1].split('id="panel-')[0]
    for word in ("型号规格", "ACS-30", "JD-2000"):
        assert word in told
    assert "铭牌型号登记有误" in page
    assert "待审核的备案变更" in text(browser("recA").get("/home/"))
    again = client.get(f"/filing-change/{made}")
    assert again.status_code == 303
    assert post(browser("recA"), f"/filing-amendments/step/approve/{row.id}").status_code == 303
    now = fresh(session, Instrument, made)
    assert now.model == "JD-2000"
    assert "jd-2000" in now.dup_key.lower()
    assert fresh(session, FilingAmendment, row.id).state == "approved"
    assert row_of(session, made).state == "approved"
    with as_system("test"):
        said = select(Message.subject).where(Message.account_id == world.people["ua1"]).order_by(Message.id.desc())
        assert session.scalar(said.limit(1)).startswith("备案变更已同意")
        session.rollback()


def test_the_institutes_no_closes_only_the_request(world, browser, session):
    made = approved(world).id
    pk = asked(session, world, made, model="JD-3")
    assert post(browser("recA"), f"/filing-amendments/step/refuse/{pk}", {"reason": "短"}).status_code == 303
    assert fresh(session, FilingAmendment, pk).state == "pending"
    assert post(browser("recA"), f"/filing-amendments/step/refuse/{pk}", {"reason": WHY}).status_code == 303
    assert fresh(session, FilingAmendment, pk).state == "refused"
    assert fresh(session, Instrument, made).model == "ACS-30"
    assert WHY in text(browser("ua1").get(f"/filing-amendments/show/{pk}"))
    second = asked(session, world, made, model="JD-4")
    assert post(browser("ua1"), f"/filing-amendments/step/withdraw/{second}").status_code == 303
    assert fresh(session, FilingAmendment, second).state == "withdrawn"


def test_the_place_of_use_moves_the_filing_with_it(world, session):
    made = approved(world).id
    pk = asked(session, world, made, use_division="440104")
    with world.acting("recA") as actor:
        from app.workflow import AMENDMENT

        fire(session, AMENDMENT, pk, "approve", actor)
        session.commit()
    filing = row_of(session, made)
    assert fresh(session, Instrument, made).use_division == fresh(session, Filing, filing.id).use_division == "440104"
    with world.acting("ua1") as actor, pytest.raises(QuanhengError, match="不在备案机构"):
        ask_amendment(session, actor, made, {"use_division": "440304"}, "搬到别的城市去")
    session.rollback()


def test_what_stands_in_the_way(world, browser, session):
    twin, made = approved(world), approved(world)
    with world.acting("ua1") as actor:
        with pytest.raises(QuanhengError, match="重复"):
            ask_amendment(session, actor, made.id, {"serial_no": twin.serial_no}, "出厂编号登记有误")
        session.rollback()
        ask_amendment(session, actor, made.id, {"model": "JD-5"}, "铭牌型号登记有误")
        session.commit()
        with pytest.raises(QuanhengError, match="已有待审核的变更申请"):
            ask_amendment(session, actor, made.id, {"model": "JD-6"}, "铭牌型号登记有误")
        session.rollback()
    order = booked(world, "ua1", category_id=category(PLAIN).id)
    with world.acting("ua1") as actor:
        with pytest.raises(QuanhengError, match="器具已预约，不能变更备案信息。"):
            ask_amendment(session, actor, order.instruments[0], {"model": "JD-7"}, "铭牌型号登记有误")
        session.rollback()
    taken(world, session, row_of(session, twin.id).id, "imgA", "revoke", reason=WHY)
    with world.acting("ua1") as actor:
        with pytest.raises(QuanhengError, match="还没有通过审核"):
            ask_amendment(session, actor, twin.id, {"model": "JD-8"}, "铭牌型号登记有误")
        session.rollback()


def test_others_neither_see_nor_decide(world, browser, session):
    made = approved(world).id
    pk = asked(session, world, made, model="JD-9")
    for who in ("ub1", "recB", "regB", "recA1"):
        assert browser(who).get(f"/filing-amendments/show/{pk}").status_code == 404
        assert post(browser(who), f"/filing-amendments/step/approve/{pk}").status_code in {403, 404}
    assert browser("ub1").get(f"/filing-change/{made}").status_code == 404
    assert browser("recA").get(f"/filing-change/{made}").status_code == 403
    assert browser("regA").get(f"/filing-amendments/show/{pk}").status_code == 200
    assert post(browser("regA"), f"/filing-amendments/step/approve/{pk}").status_code in {302, 403}
    assert post(browser("ua1"), f"/filing-amendments/step/approve/{pk}").status_code in {303, 403}
    assert fresh(session, FilingAmendment, pk).state == "pending"


def test_programs_decide_too(world, browser, session):
    made = approved(world).id
    pk = asked(session, world, made, model="JD-10")
    client = browser("recA")
    url = f"/api/v1/filing-amendments/{pk}/steps"
    assert {s["name"] for s in client.get(url).get_json()["steps"]} == {"approve", "refuse"}
    headers = {"X-CSRFToken": token(client)}
    assert client.post(f"{url}/withdraw", json={}, headers=headers).status_code == 403
    assert client.post(f"{url}/ask", json={}, headers=headers).status_code == 404
    assert client.post(f"{url}/approve", json={}, headers=headers).status_code == 200
    assert client.post(f"{url}/refuse", json={"reason": WHY}, headers=headers).status_code == 409
    assert fresh(session, Instrument, made).model == "JD-10"


@pytest.mark.feature("FIL-16")
def test_without_filing_nothing_of_it_is_there_and_booking_works(app, world, browser, session, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "national")
    profiles.forget()
    client = browser("ua1")
    home = text(client.get("/home/"))
    for word in ("备案管理", "备案变更", "/filings/"):
        assert word not in home
    for address in ("/filings/list/", "/filings/pending/list/", "/filing-amendments/list/", "/filings/submit"):
        assert client.get(address).status_code == 404
    made = instrument(world, "ua1")
    assert made.state == "in_use"
    page = text(client.get(f"/instruments/show/{made.id}"))
    assert f"/book/?ids={made.id}" in page
    assert "/filing-change/" not in page
    assert f'name="ids" value="{made.id}"' in text(client.get(f"/book/?q={made.serial_no}", follow_redirects=True))
