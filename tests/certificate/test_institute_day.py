"""An institute's day by its pages: receive, record, submit, check, approve, publish, download; and who may not."""

from __future__ import annotations

import io

import pytest

from app import clock
from app.access.principal import as_system
from app.operations.certificate import publish_certificate
from app.workflow.certificate import expiry
from models import AppointmentItem, Certificate, Instrument
from models.base import db
from tests.client import login, post, text
from tests.world import booked, drafted, issued

pytestmark = pytest.mark.usefixtures("context")
XSS = "<script>alert(2)</script>"


def of(model, pk):
    with as_system("test"):
        db.session.expire_all()
        return db.session.get(model, pk)


def result(**more):
    return {
        "act": "save",
        "conclusion": "pass",
        "verified_on": clock.today().isoformat(),
        "cycle_months": "12",
        "place": "农贸市场",
        "temperature": "20.5 ℃",
        "humidity": "50 %RH",
        "item": ["外观", "示值误差", ""],
        "result": ["完好", "+1 g", ""],
        "requirement": ["无损伤", "±5 g", ""],
        "record_no": "YS-1",
        **more,
    }


@pytest.mark.feature("VER-06")
def test_from_the_counter_to_the_paper(app, world):
    from pypdf import PdfReader

    order = booked(world, "ua1", count=2)
    desk, verifier = login(app, world, "recA"), login(app, world, "verA")
    checker, approver = login(app, world, "chkA"), login(app, world, "aprA")
    asked = post(desk, "/items/action_post", {"action": "receive", "rowid": order.items})
    assert asked.status_code == 303
    page = text(desk.get(asked.location))
    assert "已逐项核对铭牌与登记信息" in page
    refused = post(desk, "/items/receive", {"ids": order.items, "rowid": order.items})
    assert refused.status_code == 422
    assert of(AppointmentItem, order.items[0]).state == "accepted"
    post(desk, "/items/receive", {"ids": order.items, "rowid": order.items, "checked": "1"})
    assert {of(AppointmentItem, pk).state for pk in order.items} == {"received"}
    post(verifier, "/items/action_post", {"action": "begin", "rowid": order.items})
    assert {of(AppointmentItem, pk).state for pk in order.items} == {"verifying"}

    item = order.items[0]
    form = text(verifier.get(f"/items/record/{item}"))
    assert form.count('name="requirement"') == 8
    assert f'value="{clock.today()}"' in form
    assert str(expiry(clock.today(), 12)) in form
    saved = post(verifier, f"/items/record/{item}", result())
    assert saved.status_code == 303, text(saved)
    pk = int(saved.location.rsplit("/", 1)[1])
    assert post(verifier, f"/items/record/{item}", result()).status_code == 422, "a double press drafts one paper"
    preview = verifier.get(f"/certificates/preview/{pk}")
    assert preview.mimetype == "application/pdf"
    assert "示值误差" in "".join(p.extract_text() for p in PdfReader(io.BytesIO(preview.data)).pages)

    show = f"/certificates/show/{pk}"
    post(verifier, f"/certificates/step/submit/{pk}")
    assert of(Certificate, pk).state == "checking"
    said = text(post(verifier, f"/certificates/step/check/{pk}", follow_redirects=True))
    assert "核验员与检定员不能为同一人。" in said
    assert of(Certificate, pk).state == "checking"
    post(checker, f"/certificates/step/check/{pk}")
    assert of(Certificate, pk).state == "approving"
    assert post(checker, f"/certificates/step/issue/{pk}").status_code == 403
    assert desk.get(f"/certificates/pdf/{pk}").status_code == 403
    post(approver, f"/certificates/step/issue/{pk}")
    waiting = text(approver.get(show))
    assert "证书生成中，请稍候" in waiting
    assert '<meta http-equiv="refresh"' in waiting
    with as_system("the worker"):
        publish_certificate(db.session(), pk)
        db.session.commit()
    paper = of(Certificate, pk)
    assert paper.state == "issued"
    ready = text(approver.get(show))
    assert '<meta http-equiv="refresh"' not in ready
    assert f"/v/{paper.number}/{paper.lookup_code}" in ready
    assert "<svg" in ready
    unit = login(app, world, "ua1")
    assert paper.number in text(unit.get("/certificates/list/"))
    answer = unit.get(f"/certificates/pdf/{pk}")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    assert f"%E6%A3%80%E5%AE%9A%E8%AF%81%E4%B9%A6_{paper.number}.pdf" in answer.headers["Content-Disposition"]
    assert "inline" in unit.get(f"/certificates/pdf/{pk}?inline=1").headers["Content-Disposition"]
    said = "".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages)
    for word in (paper.number, "示值误差", "+1 g", "农贸市场", str(paper.facts["serial_no"])):
        assert word in said
    assert of(Instrument, order.instruments[0]).last_result == "pass"


def test_what_was_typed_survives_every_refusal(app, world):
    item = booked(world, "ua1").items[0]
    desk, verifier = login(app, world, "recA"), login(app, world, "verA")
    post(desk, f"/items/step/receive/{item}", {"checked": "1"})
    assert of(AppointmentItem, item).state == "received"
    typed = result(conclusion="fail", failures="", temperature="", place=XSS, record_no="YS-778")
    answer = post(verifier, f"/items/record/{item}", typed)
    page = text(answer)
    assert answer.status_code == 422
    assert "请填写“温度”。" in page
    answer = post(verifier, f"/items/record/{item}", result(conclusion="fail", place=XSS, record_no="YS-778"))
    page = text(answer)
    assert answer.status_code == 422
    assert "检定不合格时，请填写不合格项。" in page
    assert 'value="YS-778"' in page
    assert 'value="+1 g"' in page
    assert "&lt;script&gt;alert(2)" in page
    assert XSS not in page
    late = post(verifier, f"/items/record/{item}", result(verified_on="2999-01-01"))
    assert "检定日期不能晚于今天。" in text(late)
    early = post(verifier, f"/items/record/{item}", result(valid_until="2001-01-01"))
    assert "“有效期至”须晚于检定日期。" in text(early)
    assert of(AppointmentItem, item).state == "received"
    more = post(verifier, f"/items/record/{item}", result(act="rows"))
    assert more.status_code == 200
    assert text(more).count('name="requirement"') == 16
    assert 'value="+1 g"' in text(more)
    asked = post(verifier, f"/items/record/{item}", result(act="preview", cycle_months="6"))
    assert str(expiry(clock.today(), 6)) in text(asked)


def test_a_draft_goes_back_and_is_corrected_by_its_verifier_alone(app, world):
    pk = drafted(world, booked(world, "ua1").items[0])
    verifier, checker = login(app, world, "verA"), login(app, world, "chkA")
    post(verifier, f"/certificates/step/submit/{pk}")
    post(checker, f"/certificates/step/back/{pk}", {"reason": "示值误差请复核"})
    assert of(Certificate, pk).state == "draft"
    assert "示值误差请复核" in text(verifier.get(f"/certificates/show/{pk}"))
    assert checker.get(f"/certificates/draft/{pk}").status_code == 303
    page = text(verifier.get(f"/certificates/draft/{pk}"))
    assert 'value="+1 g"' in page
    seen = of(Certificate, pk).version
    answer = post(verifier, f"/certificates/draft/{pk}", result(result=["完好", "+2 g", ""], seen_version=seen))
    assert answer.status_code == 303, text(answer)
    assert of(Certificate, pk).facts["readings"][1][1] == "+2 g"
    stale = post(verifier, f"/certificates/draft/{pk}", result(result=["完好", "+3 g", ""], seen_version=seen))
    assert stale.status_code == 422
    assert "该记录已被他人处理，请刷新后重试。" in text(stale)
    assert 'value="+3 g"' in text(stale)
    post(verifier, f"/certificates/step/drop/{pk}", {"reason": "器具已退还单位"})
    assert of(Certificate, pk).state == "dropped"


def test_correcting_keeps_the_old_paper_until_the_new_one_is_out(app, world):
    pk = issued(world, booked(world, "ua1").items[0])
    verifier, approver = login(app, world, "verA"), login(app, world, "aprA")
    assert approver.get(f"/certificates/correct/{pk}").status_code == 403, "a verifier begins, an approver ends"
    short = post(verifier, f"/certificates/correct/{pk}", {"reason": "错"})
    assert short.status_code == 422
    answer = post(verifier, f"/certificates/correct/{pk}", {"reason": "出厂编号登记有误"})
    fresh = int(answer.location.rsplit("/", 1)[1])
    assert (of(Certificate, pk).state, of(Certificate, fresh).state) == ("issued", "draft")
    assert of(Certificate, fresh).supersedes_id == pk
    assert of(Instrument, of(Certificate, pk).instrument_id).last_result == "pass"
    again = post(verifier, f"/certificates/correct/{pk}", {"reason": "出厂编号登记有误"}, follow_redirects=True)
    assert "该证书已有更正在办理" in text(again)
    assert f"/certificates/show/{pk}" in text(approver.get(f"/certificates/show/{fresh}"))
    assert f"/certificates/show/{fresh}" in text(approver.get(f"/certificates/show/{pk}"))
    post(verifier, f"/certificates/step/submit/{fresh}")
    post(login(app, world, "chkA"), f"/certificates/step/check/{fresh}")
    post(approver, f"/certificates/step/issue/{fresh}")
    with as_system("the worker"):
        publish_certificate(db.session(), fresh)
        db.session.commit()
    assert (of(Certificate, pk).state, of(Certificate, fresh).state) == ("superseded", "issued")
    assert of(Certificate, pk).reason == "出厂编号登记有误"
    assert of(Certificate, fresh).number != of(Certificate, pk).number
    assert login(app, world, "ua1").get(f"/certificates/pdf/{pk}").status_code == 200


def test_revoking_needs_two_persons(app, world):
    order = booked(world, "ua1")
    pk = issued(world, order.items[0])
    approver, head = login(app, world, "aprA"), login(app, world, "imgA")
    post(approver, f"/certificates/step/ask_revocation/{pk}", {"reason": "标准器超差，结果不可靠"})
    said = post(
        approver, f"/certificates/step/revoke/{pk}", {"reason": "标准器超差，结果不可靠"}, follow_redirects=True
    )
    assert "撤销须由两人确认。" in text(said)
    post(head, f"/certificates/step/revoke/{pk}", {"reason": "标准器超差，结果不可靠"})
    assert of(Certificate, pk).state == "revoked"
    assert of(Instrument, order.instruments[0]).last_result is None


def test_withdrawal_at_the_counter_returns_item_and_filing(app, world):
    from sqlalchemy import select

    from models import Filing

    order = booked(world, "ua1")
    desk = login(app, world, "recA")
    post(desk, f"/items/step/return/{order.items[0]}", {"kind": "mismatch", "reason": "铭牌编号与登记不一致"})
    assert of(AppointmentItem, order.items[0]).state == "returned"
    with as_system("test"):
        filing = db.session.execute(select(Filing).where(Filing.instrument_id == order.instruments[0])).scalars().one()
        assert (filing.state, filing.reason) == ("returned", "铭牌编号与登记不一致")
    assert "铭牌编号与登记不一致" in text(login(app, world, "ua1").get(f"/appointments/show/{order.id}"))


@pytest.fixture(scope="module")
def paper(app, world):
    with app.app_context():
        order = booked(world, "ua1")
        made = {"item": order.items[0], "certificate": issued(world, order.items[0])}
        made["draft"] = drafted(world, booked(world, "ua1").items[0])
        db.session.remove()
    return made


@pytest.mark.parametrize(
    ("who", "shown", "draft"),
    [
        ("ua1", 200, 404),
        ("verA", 200, 200),
        ("recA", 200, 200),
        ("imgA", 200, 200),
        ("regA", 200, 404),
        ("ua2", 404, 404),
        ("ub1", 404, 404),
        ("regA2", 404, 404),
        ("recB", 404, 404),
        ("verB", 404, 404),
        ("aud", 403, 403),
        ("adm", 403, 403),
    ],
)
def test_who_sees_papers(app, world, paper, who, shown, draft):
    client = login(app, world, who)
    assert client.get(f"/certificates/show/{paper['certificate']}").status_code == shown
    assert client.get(f"/certificates/pdf/{paper['certificate']}").status_code == shown
    assert client.get(f"/items/show/{paper['item']}").status_code == shown
    assert client.get(f"/certificates/show/{paper['draft']}").status_code == draft
    assert client.get(f"/certificates/preview/{paper['draft']}").status_code in {draft, 403}
    listed = client.get("/certificates/list/?state=issued", follow_redirects=True)
    assert (listed.status_code == 200) == (shown != 403)


@pytest.mark.parametrize("who", ["recA", "ua1", "aprA", "imgA", "regA", "adm"])
def test_only_verifiers_record(app, world, paper, who):
    client = login(app, world, who)
    assert client.get(f"/items/record/{paper['item']}").status_code == 403
    assert post(client, f"/items/record/{paper['item']}", result()).status_code == 403


@pytest.mark.parametrize("who", ["ua1", "regA", "adm", "aprA"])
def test_only_the_counter_receives(app, world, paper, who):
    assert login(app, world, who).get(f"/items/receive?ids={paper['item']}").status_code == 403


def test_receiving_a_foreign_item_is_a_404(app, world, paper):
    assert login(app, world, "recB").get(f"/items/receive?ids={paper['item']}").status_code == 404
