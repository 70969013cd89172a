"""VER-01, VER-02, VER-04: the counter finds the order, compares, opens the 委托单; what does not agree goes back."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader
from sqlalchemy import func, select

from app.access.principal import as_system
from app.workflow import APPOINTMENT, fire
from models import Appointment, AppointmentItem, Commission, Filing, Message, TransitionLog
from models.base import db
from tests.client import login, post, text
from tests.counter.desk import SECRET, lines, number_of, opened, order, read, start, tasks_of


@pytest.fixture(autouse=True)
def everything_on(app, monkeypatch):
    monkeypatch.setitem(app.config, "PROFILE", "all")


@pytest.fixture(scope="module")
def desk(app, world):
    with app.app_context():
        return login(app, world, "recA")


def test_the_order_is_found_by_its_number_and_by_the_sheets_code(app, world, desk):
    made = order(app, world, 2)
    for typed in (made.number, f"  {made.number} ", f"http://127.0.0.1:8080/appointments/show/{made.id}"):
        page = text(desk.get("/counter/", query_string={"q": typed}))
        assert made.number in page
        assert "开始登记" in page


def test_why_an_order_cannot_be_received_here(app, world, desk):
    foreign = order(app, world, 1, "ub1", "B", division="440304")
    page = text(desk.get("/counter/", query_string={"q": foreign.number}))
    assert "受理，请引导用户前往。" in page
    assert "B计量检定所" in page
    assert "开始登记" not in page
    made = order(app, world)
    with app.app_context(), world.acting("ua1") as actor:
        fire(db.session(), APPOINTMENT, made.id, "request_withdraw", actor, {"reason": "暂时不检定了"})
        db.session.commit()
        db.session.remove()
    page = text(desk.get("/counter/", query_string={"q": made.number}))
    assert "预约单状态为“撤销待审核”，不能登记。" in page
    assert "没有找到该预约单" in text(desk.get("/counter/", query_string={"q": "20990101000001"}))


def test_a_foreign_order_is_not_started(app, world, desk):
    foreign = order(app, world, 1, "ub1", "B", division="440304")
    data = {"appointment_id": str(foreign.id), "name": "张三", "phone": "13812345678"}
    assert post(desk, "/counter/start", data).status_code == 404


def test_starting_twice_is_one_visit(app, world, desk):
    made = order(app, world)
    assert start(desk, made) == start(desk, made)
    with app.app_context(), as_system("test"):
        count = db.session.scalar(
            select(func.count()).select_from(Commission).where(Commission.appointment_id == made.id)
        )
    assert count == 1


def test_what_is_missing_is_said_and_nothing_typed_is_lost(app, world, desk):
    made = order(app, world, 2)
    refused = post(desk, "/counter/start", {"appointment_id": str(made.id), "name": "张三", "phone": ""})
    assert refused.status_code == 422
    assert "请填写“送检人电话”" in text(refused)
    assert 'value="张三"' in text(refused)
    pk = start(desk, made)
    for one, two in (("", ""), ("receive", "")):  # no verdict at all; ticks of the second without one
        undecided = lines(made.items[:1], verdict=one) | lines(made.items[1:], verdict=two, accessories="砝码一盒")
        undecided["line"] = [str(i) for i in made.items]
        refused = post(desk, f"/counter/visit/{pk}/check", undecided)
        assert refused.status_code == 422
        assert "请选择“收样”或“退单”" in text(refused)
        assert text(refused).count(" checked") >= 10, "the ticks of both are there still"
    data = lines(made.items[:1]) | lines(made.items[1:], ticks=["name"], accessories="砝码一盒")
    data["line"] = [str(i) for i in made.items]
    refused = post(desk, f"/counter/visit/{pk}/check", data)
    assert refused.status_code == 422
    assert "型号、出厂编号、使用单位、状态未核对" in text(refused)
    assert "砝码一盒" in text(refused)
    assert read(app, AppointmentItem, made.items[0]).state == "accepted", "all lines or none"


@pytest.mark.must_never(52)
@pytest.mark.feature("VER-04")
def test_the_sheet_is_opened_once_with_number_and_password(app, world, desk):
    made = order(app, world, 2)
    pk = start(desk, made)
    assert post(desk, f"/counter/visit/{pk}/check", lines(made.items)).status_code == 303
    assert post(desk, f"/counter/visit/{pk}/check", lines(made.items)).status_code == 303, "sent twice"
    answer = post(desk, f"/counter/visit/{pk}/open", {})
    secret, number = SECRET.search(text(answer)).group(1), number_of(app, pk)
    assert number in text(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    again = post(desk, f"/counter/visit/{pk}/open", {})
    assert again.status_code == 303
    assert again.location == f"/commissions/show/{pk}"
    assert [t.state for t in tasks_of(app, pk)] == ["queued", "queued"], (
        "one task per instrument, however often pressed"
    )
    assert number_of(app, pk) == number

    sheet = post(desk, f"/commissions/sheet/{pk}?inline=1", {"secret": secret})
    words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(sheet.data)).pages)
    assert number in words
    assert secret in words
    for item in made.items:
        with app.app_context(), as_system("test"):
            row = db.session.get(AppointmentItem, item)
            assert row.instrument.serial_no in words
    copy = desk.get(f"/commissions/sheet/{pk}")
    words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(copy.data)).pages)
    assert number in words
    assert secret not in words, "shown once only (must-never case 52)"
    assert secret not in text(desk.get(f"/commissions/show/{pk}"))
    with app.app_context(), as_system("test"):
        assert secret not in str(db.session.get(Commission, pk).__dict__)
        told = db.session.scalars(select(TransitionLog.input).where(TransitionLog.entity == "commission")).all()
    assert secret not in str(told)


def test_a_wrong_password_prints_nothing(app, world, desk):
    pk, _number, _secret = opened(desk, order(app, world))
    answer = post(desk, f"/commissions/sheet/{pk}", {"secret": "AAAAAAAAAA"})
    assert answer.status_code == 303
    assert "客户密码不正确" in text(desk.get(answer.location))


@pytest.mark.feature("VER-01")
def test_receiving_stops_the_clock_and_ends_cancelling(app, world, desk, monkeypatch):
    for profile in ("all", "zhejiang"):
        monkeypatch.setitem(app.config, "PROFILE", "all")
        made = order(app, world, 2)
        monkeypatch.setitem(app.config, "PROFILE", profile)
        page = text(desk.get("/counter/", query_string={"q": made.number}))
        assert made.number in page
        if profile == "all":
            pk = start(desk, made)
            post(desk, f"/counter/visit/{pk}/check", lines(made.items[:1]))
        else:
            assert f"/items/receive?ids={made.items[0]},{made.items[1]}" in page.replace("%2C", ",")
            data = {"ids": str(made.items[0]), "rowid": str(made.items[0]), "checked": "1"}
            assert post(desk, "/items/receive", data).status_code == 303
        item = read(app, AppointmentItem, made.items[0])
        assert (item.state, item.received_at is not None) == ("received", True)
        assert read(app, AppointmentItem, made.items[1]).state == "accepted", "one may be left out"
        with app.app_context(), as_system("test") as system:
            late = db.session.get(Appointment, made.id)
            assert late.state == "in_progress"
            from datetime import timedelta

            from app.errors import QuanhengError

            late.deadline_at = late.accepted_at - timedelta(days=30)
            with pytest.raises(QuanhengError):
                fire(db.session(), APPOINTMENT, made.id, "auto_withdraw", system)
            db.session.rollback()
            db.session.remove()
        with app.app_context(), world.acting("ua1") as actor:
            with pytest.raises(QuanhengError, match=r"不能|状态"):
                fire(db.session(), APPOINTMENT, made.id, "cancel", actor, {})
            db.session.rollback()
            db.session.remove()


@pytest.mark.feature("VER-02")
def test_withdrawal_at_reception_sends_the_filing_back(app, world, desk):
    made = order(app, world, 2)
    pk = start(desk, made)
    wrong = lines(made.items[:1], verdict="return", ticks=[], kind="mismatch", reason="铭牌编号与登记不一致")
    assert post(desk, f"/counter/visit/{pk}/check", wrong).status_code == 303
    assert read(app, AppointmentItem, made.items[0]).state == "returned"
    with app.app_context(), as_system("test"):
        filing = db.session.execute(
            select(Filing).where(Filing.instrument_id == made.instruments[0], Filing.state != "closed")
        ).scalar_one()
        assert (filing.state, filing.reason) == ("returned", "铭牌编号与登记不一致")
        filing_id, version = filing.id, filing.version
        serial = db.session.get(AppointmentItem, made.items[0]).instrument.serial_no
        db.session.remove()
    with app.app_context():
        unit = login(app, world, "ua1")
    assert "铭牌编号与登记不一致" in text(unit.get(f"/filings/show/{filing_id}"))
    assert "铭牌编号与登记不一致" in text(unit.get(f"/items/show/{made.items[0]}"))
    assert serial not in text(unit.get(f"/book/?q={serial}")).split("</form>", 1)[-1] or version
    from app.operations.appointment import bookable
    from app.operations.filing import submit_filings
    from app.workflow import FILING

    with app.app_context():
        with world.acting("ua1") as actor:
            assert bookable(db.session(), actor, serial, 0, 5) == []
            data = {"institute_id": world.institutes["A"], "declaration": True}
            done = submit_filings(db.session(), actor, [made.instruments[0]], data)
            assert done.done == [made.instruments[0]], done.skipped
            db.session.commit()
        with world.acting("recA") as actor:
            again = db.session.execute(
                select(Filing).where(Filing.instrument_id == made.instruments[0], Filing.state == "submitted")
            ).scalar_one()
            fire(db.session(), FILING, again.id, "approve", actor)
            db.session.commit()
        with world.acting("ua1") as actor:
            assert [i.id for i in bookable(db.session(), actor, serial, 0, 5)] == [made.instruments[0]]
        db.session.remove()


def test_an_order_of_which_everything_goes_back_opens_no_sheet(app, world, desk):
    """The last one sent back ends the visit; nobody has to void it."""
    made = order(app, world, 2)
    pk = start(desk, made)
    back = {"verdict": "return", "ticks": [], "kind": "fault", "reason": "器具不能开机，无法检定"}
    post(desk, f"/counter/visit/{pk}/check", lines(made.items[:1], **back))
    assert read(app, Commission, pk).state == "checking", "one is still waited for"
    assert "没有可受理的器具。" in text(post(desk, f"/counter/visit/{pk}/open", {}))
    answer = post(desk, f"/counter/visit/{pk}/check", lines(made.items[1:], **back), follow_redirects=True)
    assert "送检的器具全部退单，本次登记已自动作废。" in text(answer)
    visit = read(app, Commission, pk)
    assert (visit.state, visit.reason, visit.number) == ("void", "送检的器具全部退单，没有可受理的器具。", None)
    assert visit.version == 3, "two lines and the end"
    assert read(app, Appointment, made.id).state == "sent_back"
    assert post(desk, f"/counter/visit/{pk}/open", {}).status_code == 303
    assert tasks_of(app, pk) == []
    with app.app_context(), as_system("test"):
        told = select(TransitionLog).where(TransitionLog.entity == "commission", TransitionLog.entity_id == pk)
        rows = list(db.session.scalars(told.order_by(TransitionLog.id)))
        assert [(r.step, r.from_state, r.to_state) for r in rows[-2:]] == [
            ("check_line", "checking", "checking"),
            ("void", "checking", "void"),
        ]
        assert rows[-1].caused_by == "commission.check_line"
        own = Message.account_id == world.people["ua1"]
        sentence = f"预约单{made.number}的送检登记已作废，原因：送检的器具全部退单，没有可受理的器具。"
        assert db.session.scalar(select(func.count()).select_from(Message).where(own, Message.subject == sentence)) == 1


def test_one_received_keeps_the_visit(app, world, desk):
    made = order(app, world, 2)
    pk = start(desk, made)
    post(desk, f"/counter/visit/{pk}/check", lines(made.items[:1]))
    back = {"verdict": "return", "ticks": [], "kind": "fault", "reason": "器具不能开机，无法检定"}
    post(desk, f"/counter/visit/{pk}/check", lines(made.items[1:], **back))
    assert read(app, Commission, pk).state == "checking"
    assert SECRET.search(text(post(desk, f"/counter/visit/{pk}/open", {})))


def test_visits_of_another_institute_are_not_there(app, world, desk):
    pk = start(desk, order(app, world))
    with app.app_context():
        other = login(app, world, "recB")
    assert other.get(f"/counter/visit/{pk}").status_code == 404
    assert post(other, f"/counter/visit/{pk}/open", {}).status_code == 404
    with app.app_context():
        unit = login(app, world, "ua1")
    assert unit.get("/counter/").status_code == 403
    assert unit.get(f"/commissions/show/{pk}").status_code == 404, "while it is compared it is the institute's own"
