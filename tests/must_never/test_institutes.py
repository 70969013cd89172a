"""Cases 37–52: what staff of an institute never do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from app import clock
from app.access.principal import as_system
from app.errors import InvalidInputError, NotAllowedError, NotVisibleError, QuanhengError
from app.operations import account as accounts
from app.operations.appointment import book
from app.operations.certificate import record_result
from app.operations.filing import submit_filings
from app.workflow import ACCOUNT, APPOINTMENT, CERTIFICATE, FILING, INSTRUMENT, ITEM, fire
from models import (
    Account,
    Appointment,
    AppointmentItem,
    AuditLog,
    Certificate,
    Filing,
    Institute,
    InstituteCapability,
    Instrument,
    Slot,
    TransitionLog,
    Unit,
)
from models.enums import AccountKind, Role
from tests.client import login, post, text
from tests.world import booked, drafted, filed, instrument, issued, new_institute, person, result_form, slot_of

REASON = {"reason": "试图越权办理"}


def submitted(session, world, unit: str = "ua1", institute: str = "A", **more) -> int:
    """A filing that waits at the institute; gives its id."""
    made = instrument(world, unit, **more)
    with world.acting(unit) as actor:
        data = {"institute_id": world.institutes[institute], "declaration": True}
        result = submit_filings(session, actor, [made.id], data)
        assert result.done, result.skipped
        session.commit()
    with as_system("test"):
        return session.execute(select(Filing.id).where(Filing.instrument_id == made.id)).scalar_one()


def state_of(session, model, pk) -> str:
    with as_system("test"):
        session.expire_all()
        return session.get(model, pk).state


def logged(session, entity: str, pk: int) -> int:
    with as_system("test"):
        where = (TransitionLog.entity == entity, TransitionLog.entity_id == pk)
        return session.scalar(select(func.count()).where(*where))


@pytest.mark.must_never(37)
def test_case_37_only_the_holder_acts(app, world, session):
    filing = submitted(session, world)
    before = logged(session, "filing", filing)
    for who in ("recA1", "recB", "imgA2" if "imgA2" in world.people else "imgB", "recP"):
        with world.acting(who) as actor:
            for step in ("approve", "return", "dispatch", "transfer"):
                data = {**REASON, "kind": "other", "institute_id": world.institutes["A1"]}
                with pytest.raises((NotVisibleError, NotAllowedError)):
                    fire(session, FILING, filing, step, actor, data)
                session.rollback()
    with world.acting("recA") as actor:
        fire(session, FILING, filing, "dispatch", actor, {"institute_id": world.institutes["A1"], **REASON})
        session.commit()
    with world.acting("recA") as actor:  # the former holder reads and does nothing but take it back
        assert session.get(Filing, filing) is not None
        for step in ("confirm", "refuse"):
            with pytest.raises(NotAllowedError):
                fire(session, FILING, filing, step, actor, REASON)
            session.rollback()
    assert logged(session, "filing", filing) == before + 1
    assert state_of(session, Filing, filing) == "to_confirm"
    answer = post(login(app, world, "recA"), f"/filings/step/confirm/{filing}", {"seen_version": "1"})
    assert answer.status_code in {303, 403}
    assert state_of(session, Filing, filing) == "to_confirm"


@pytest.mark.must_never(38)
def test_case_38_who_dispatches_where(world, session):
    with as_system("test"):
        if "B1" not in world.institutes:
            new_institute(world, "B1", "440304")
    county = submitted(session, world, institute="A1")
    with world.acting("recA1") as actor:
        for step, target in (("dispatch", "A2"), ("transfer", "P")):
            with pytest.raises((NotAllowedError, QuanhengError)) as said:
                fire(session, FILING, county, step, actor, {"institute_id": world.institutes[target], **REASON})
            assert said.value.status == 403
            session.rollback()
    city = submitted(session, world)
    with world.acting("recA") as actor:
        for target in ("B1", "B", "P"):
            with pytest.raises(InvalidInputError, match="只能分派至本市所辖区县机构"):
                fire(session, FILING, city, "dispatch", actor, {"institute_id": world.institutes[target], **REASON})
            session.rollback()
    assert state_of(session, Filing, city) == state_of(session, Filing, county) == "submitted"


@pytest.mark.must_never(39)
def test_case_39_the_province_only_with_the_unit_s_word(app, world, session):
    filing = submitted(session, world)
    client = login(app, world, "recA")
    with as_system("test"):
        version = str(session.get(Filing, filing).version)
        session.rollback()
    data = {"institute_id": str(world.institutes["P"]), **REASON, "seen_version": version}
    before = logged(session, "filing", filing)
    answer = post(client, f"/filings/step/transfer/{filing}", data)
    assert answer.status_code == 422
    assert "申请方未授权转送省级机构" in text(answer)
    assert state_of(session, Filing, filing) == "submitted"
    assert logged(session, "filing", filing) == before
    with as_system("test"):
        tried = select(AuditLog).where(AuditLog.entity == "filing", AuditLog.entity_id == str(filing))
        found = [a for a in session.scalars(tried) if a.outcome == "refused"]
        assert found, "the attempt stands in the audit log"


@pytest.mark.must_never(40)
def test_case_40_no_acceptance_without_authorisation(world, session):
    with world.acting("ua1") as actor:
        pass
    made = filed(world, "ua1")
    with world.acting("ua1") as actor:
        order = book(session, actor, instrument_ids=[made.id], slot_id=slot_of(world, "A").id).id
        session.commit()
    mine = (
        InstituteCapability.institute_id == world.institutes["A"],
        InstituteCapability.category_id == made.category_id,
    )
    with as_system("test"):
        until = session.scalar(select(InstituteCapability.valid_until).where(*mine))
        session.execute(update(InstituteCapability).where(*mine).values(valid_until=clock.today() - timedelta(days=1)))
        session.commit()
    try:
        with world.acting("recA") as actor:
            with pytest.raises(InvalidInputError, match="已失效，不能受理"):
                fire(session, APPOINTMENT, order, "accept", actor)
            session.rollback()
        assert state_of(session, Appointment, order) == "submitted"
        waiting = submitted(session, world)
        with world.acting("recA") as actor:
            with pytest.raises(InvalidInputError, match="未获该项目授权"):
                fire(session, FILING, waiting, "approve", actor)
            session.rollback()
    finally:
        with as_system("test"):
            session.execute(update(InstituteCapability).where(*mine).values(valid_until=until))
            session.commit()


@pytest.mark.must_never(41)
def test_case_41_an_institute_sees_its_own_order_only(app, world, session):
    """An application that was split: the parent and the other institute's order are not there."""
    ours, theirs = booked(world, "ub1", "B", division="440304"), booked(world, "ua1", "A")
    with as_system("test"):
        session.execute(sql("UPDATE appointment SET parent_id = :p WHERE id = :c"), {"p": theirs.id, "c": ours.id})
        session.commit()
        number = session.get(Appointment, theirs.id).number
    with world.acting("recB"):
        assert session.get(Appointment, ours.id) is not None
        session.expire_all()
        assert session.execute(select(Appointment).where(Appointment.id == theirs.id)).scalar_one_or_none() is None
        found = select(AppointmentItem.id).where(AppointmentItem.appointment_id == theirs.id)
        assert session.execute(found).all() == []
    client = login(app, world, "recB")
    page = text(client.get(f"/appointments/show/{ours.id}"))
    assert number not in page
    assert client.get(f"/appointments/show/{theirs.id}").status_code == 404
    assert client.get(f"/appointments/sheet/{theirs.id}").status_code == 404


@pytest.mark.must_never(42, 56)
@pytest.mark.parametrize("who", ["recA", "imgA", "verA", "regA1", "regP"])
def test_case_42_and_56_the_ledger_is_the_unit_s(app, world, session, who):
    pk = filed(world, "ua1").id
    with world.acting(who) as actor:
        for step in ("edit", "bulk_edit", "complete_info", "update_address", "scrap", "retire", "copy"):
            with pytest.raises((NotAllowedError, NotVisibleError)):
                fire(session, INSTRUMENT, pk, step, actor, REASON)
            session.rollback()
    client = login(app, world, who)
    for address in (f"/instruments/edit/{pk}", f"/instruments/copy/{pk}", "/instruments/add", "/imports/new"):
        answer = post(client, address, {"place": "机构改的", "name": "x"})
        assert answer.status_code in {302, 403, 404, 405}, address
    with as_system("test"):
        session.expire_all()
        found = session.get(Instrument, pk)
        assert (found.place, found.state) == ("农贸市场1号", "in_use")


@pytest.mark.must_never(56)
def test_case_56_regulators_do_not_touch_results_and_papers(app, world, session):
    item = booked(world, "ua1").items[0]
    paper = drafted(world, item)
    done = issued(world, booked(world, "ua1").items[0])
    for who in ("regA", "regA1", "regP"):
        with world.acting(who) as actor:
            for pk in (paper, done):
                for step in ("edit", "submit", "check", "issue", "back", "drop", "correct", "ask_revocation", "revoke"):
                    with pytest.raises((NotAllowedError, NotVisibleError)):
                        fire(session, CERTIFICATE, pk, step, actor, REASON)
                    session.rollback()
            with pytest.raises(QuanhengError) as said:
                record_result(session, actor, item, result_form())
            assert said.value.status in {403, 404}
            session.rollback()
    assert (state_of(session, Certificate, paper), state_of(session, Certificate, done)) == ("draft", "issued")


@pytest.mark.must_never(43)
def test_case_43_nobody_records_for_somebody_else(world, session):
    order = booked(world, "ua1")
    item = order.items[0]
    with world.acting("recA") as actor:
        fire(session, ITEM, item, "receive", actor, {"checked": True})
        session.commit()
    for who in ("verB", "verA1", "recA", "aprA", "ua1"):
        with world.acting(who) as actor, pytest.raises(QuanhengError) as said:
            record_result(session, actor, item, result_form())
        assert said.value.status in {403, 404}
        session.rollback()
    with world.acting("verA") as actor:
        paper = record_result(session, actor, item, result_form()).id
        session.commit()
    with world.acting("chkA") as actor:  # a verifier of the same institute, but not of this paper
        for step in ("edit", "submit", "drop"):
            with pytest.raises(NotAllowedError):
                fire(session, CERTIFICATE, paper, step, actor, REASON)
            session.rollback()
        with pytest.raises(QuanhengError):
            record_result(session, actor, item, result_form("fail"))
        session.rollback()
    assert state_of(session, Certificate, paper) == "draft"


@pytest.mark.must_never(44)
def test_case_44_nobody_signs_the_own_work(app, world, session):
    with as_system("test"):
        if "vapA" not in world.people:
            person(world, "vapA", AccountKind.INSTITUTE, [Role.VER, Role.APR], institute_id=world.institutes["A"])
    item = booked(world, "ua1").items[0]
    with world.acting("recA") as actor:
        fire(session, ITEM, item, "receive", actor, {"checked": True})
        session.commit()
    with world.acting("vapA") as actor:
        paper = record_result(session, actor, item, result_form()).id
        fire(session, CERTIFICATE, paper, "submit", actor)
        session.commit()
        with pytest.raises(QuanhengError) as said:
            fire(session, CERTIFICATE, paper, "check", actor)
        assert said.value.status in {403, 422}
        session.rollback()
    with world.acting("chkA") as actor:
        fire(session, CERTIFICATE, paper, "check", actor)
        session.commit()
    client = login(app, world, "vapA")
    with world.acting("vapA") as actor, pytest.raises(QuanhengError) as said:
        fire(session, CERTIFICATE, paper, "issue", actor)
    assert said.value.status in {403, 422}
    session.rollback()
    post(client, f"/certificates/step/issue/{paper}", {"seen_version": "3"})
    post(client, "/certificates/action_post", {"action": "issue", "rowid": str(paper)})
    assert state_of(session, Certificate, paper) == "approving"
    with as_system("test"), pytest.raises(IntegrityError, match="approver_not_verifier"):
        session.execute(sql("UPDATE certificate SET approver_id = verifier_id WHERE id = :i"), {"i": paper})
    session.rollback()


@pytest.mark.must_never(45)
@pytest.mark.parametrize("column", ["valid_until", "standard_valid_until"])
def test_case_45_nothing_is_signed_after_a_lapse(world, session, column):
    """The lapse is entered after the paper was opened for signing."""
    item = booked(world, "ua1").items[0]
    paper = drafted(world, item)
    for who, step in (("verA", "submit"), ("chkA", "check")):
        with world.acting(who) as actor:
            fire(session, CERTIFICATE, paper, step, actor)
            session.commit()
    with as_system("test"):
        kind = session.get(Instrument, session.get(Certificate, paper).instrument_id).category_id
        mine = (InstituteCapability.institute_id == world.institutes["A"], InstituteCapability.category_id == kind)
        kept = session.scalar(select(getattr(InstituteCapability, column)).where(*mine))
        gone = {column: clock.today() - timedelta(days=1)}
        session.execute(update(InstituteCapability).where(*mine).values(**gone))
        session.commit()
    try:
        with world.acting("aprA") as actor:
            with pytest.raises(InvalidInputError):
                fire(session, CERTIFICATE, paper, "issue", actor)
            session.rollback()
        assert state_of(session, Certificate, paper) == "approving"
    finally:
        with as_system("test"):
            session.execute(update(InstituteCapability).where(*mine).values(**{column: kept}))
            session.commit()


@pytest.mark.must_never(45)
def test_case_45_nor_by_an_institute_whose_licence_lapsed(world, session):
    item = booked(world, "ua1").items[0]
    paper = drafted(world, item)
    for who, step in (("verA", "submit"), ("chkA", "check")):
        with world.acting(who) as actor:
            fire(session, CERTIFICATE, paper, step, actor)
            session.commit()
    with as_system("test"):
        institute = session.get(Institute, world.institutes["A"])
        kept, institute.authorised_until = institute.authorised_until, clock.today() - timedelta(days=1)
        session.commit()
    try:
        with world.acting("aprA") as actor:
            with pytest.raises(InvalidInputError):
                fire(session, CERTIFICATE, paper, "issue", actor)
            session.rollback()
    finally:
        with as_system("test"):
            session.get(Institute, world.institutes["A"]).authorised_until = kept
            session.commit()


@pytest.mark.must_never(47)
def test_case_47_a_number_is_never_given_twice(world, session):
    from app.workflow.numbers import next_number

    first = issued(world, booked(world, "ua1").items[0])
    with as_system("test"):
        number = session.get(Certificate, first).number
    for who, step in (("aprA", "ask_revocation"), ("imgA", "revoke")):
        with world.acting(who) as actor:
            fire(session, CERTIFICATE, first, step, actor, REASON)
            session.commit()
    assert state_of(session, Certificate, first) == "revoked"
    second = issued(world, booked(world, "ua1").items[0])
    with as_system("test"):
        assert session.get(Certificate, second).number > number
        statement = "UPDATE certificate SET number = :n WHERE id = :i"
        with pytest.raises(IntegrityError):
            session.execute(sql(statement), {"n": number, "i": second})
        session.rollback()
        kept = next_number(session, "case47", "1", "2026")
        session.commit()
        lost = next_number(session, "case47", "1", "2026")
        session.rollback()
        after = next_number(session, "case47", "1", "2026")
        session.commit()
    assert kept < lost <= after, "a number that was rolled back was never on a paper"


@pytest.mark.must_never(48)
def test_case_48_a_slot_holds_what_was_booked(app, world, session):
    order = booked(world, "ua1")
    with as_system("test"):
        slot = session.get(Slot, session.get(Appointment, order.id).slot_id)
        pk, taken, capacity, day = slot.id, slot.taken, slot.capacity, slot.day
    client = login(app, world, "imgA")
    answer = post(client, f"/slots/edit/{pk}", {"capacity": str(taken - 1), "closed": ""}, page=f"/slots/edit/{pk}")
    assert answer.status_code in {409, 422}, text(answer)[:200]
    moved = {
        "capacity": str(capacity),
        "day": "2030-01-01",
        "period": "afternoon",
        "mode": "deliver",
        "institute_id": "1",
    }
    post(client, f"/slots/edit/{pk}", moved, page=f"/slots/edit/{pk}")
    with as_system("test"):
        session.expire_all()
        slot = session.get(Slot, pk)
        assert (slot.capacity, slot.day, slot.taken) == (capacity, day, taken)
        with pytest.raises(IntegrityError, match="ck_slot_capacity"):
            session.execute(sql("UPDATE slot SET capacity = taken - 1 WHERE id = :i"), {"i": pk})
        session.rollback()


@pytest.mark.must_never(49)
def test_case_49_a_manager_hires_for_the_own_institute_only(app, world, session):
    with world.acting("imgA") as actor:
        for kind, roles in (
            (AccountKind.REGULATOR, [Role.REG]),
            (AccountKind.ADMIN, [Role.ADM]),
            (AccountKind.AUDITOR, [Role.AUD]),
        ):
            with pytest.raises(QuanhengError):
                accounts.issue_account(
                    session, actor, kind=kind, username="hired49a", name="乙", roles=roles, area="44"
                )
            session.rollback()
        try:
            made, _token = accounts.issue_account(
                session,
                actor,
                kind=AccountKind.INSTITUTE,
                username="hired49b",
                name="乙",
                roles=[Role.VER],
                email="hired49b@example.com",
                institute_id=world.institutes["B"],
            )
            assert made.institute_id == world.institutes["A"]
        except QuanhengError as error:
            assert error.status in {403, 404, 422}  # noqa: PT017 - either way out is right
        session.rollback()
    with world.acting("imgA") as actor:
        for step in ("assign", "disable", "enable"):
            data = {**REASON, "roles": ["VER"]}
            with pytest.raises((NotVisibleError, NotAllowedError)):
                fire(session, ACCOUNT, world.people["verB"], step, actor, data)
            session.rollback()
    client = login(app, world, "imgA")
    post(
        client,
        "/staff/issue",
        {
            "username": "hired49c",
            "name": "丙",
            "roles": "VER",
            "email": "hired49c@example.com",
            "phone": "13500049490",
            "institute_id": str(world.institutes["B"]),
            "kind": "admin",
        },
        page="/staff/issue",
    )
    assert client.get(f"/staff/show/{world.people['verB']}").status_code == 404
    with as_system("test"):
        session.expire_all()
        strangers = select(Account).where(Account.name == "丙", Account.institute_id == world.institutes["B"])
        assert session.execute(strangers).unique().all() == []
        assert session.get(Account, world.people["verB"]).state == "active"


@pytest.mark.must_never(50)
def test_case_50_phones_are_masked(app, world, session):
    order = booked(world, "ua1")
    with as_system("test"):
        unit = session.get(Unit, world.units["ua1"])
        phones = {unit.contact_phone, session.get(Appointment, order.id).contact_phone}
        phones |= {
            a.phone for a in session.execute(select(Account).where(Account.unit_id == unit.id)).unique().scalars()
        }
        phones.discard(None)
    for who in ("recA", "imgA", "verA", "recP", "recB"):
        client = login(app, world, who)
        for address in (
            f"/units/show/{unit.id}",
            "/units/list/",
            f"/accounts/show/{world.people['ua1']}",
            "/accounts/list/",
            f"/appointments/show/{order.id}",
            "/appointments/list/",
            f"/items/show/{order.items[0]}",
            f"/instruments/show/{order.instruments[0]}",
            "/filings/list/",
            f"/api/v1/appointments/{order.id}",
        ):
            body = text(client.get(address, follow_redirects=True))
            assert not [p for p in phones if p in body], f"{who} {address}"


@pytest.mark.must_never(51)
def test_case_51_readings_stay_in_the_house(app, world, session):
    """The same instrument was verified elsewhere: the other institute's paper and its draft are not there."""
    made = booked(world, "ub1", "B", division="440304")
    draft = drafted(world, made.items[0], "B", temperature="21.5℃")
    with as_system("test"):
        session.execute(
            sql("UPDATE filing SET target_institute_id = :a WHERE instrument_id = :i"),
            {"a": world.institutes["A"], "i": made.instruments[0]},
        )
        session.commit()
    with world.acting("recA"):
        assert session.get(Instrument, made.instruments[0]) is not None, "the instrument itself is known there"
    for who in ("recA", "verA", "aprA", "imgA"):
        client = login(app, world, who)
        for address in (
            f"/certificates/show/{draft}",
            f"/certificates/draft/{draft}",
            f"/certificates/preview/{draft}",
        ):
            assert client.get(address).status_code in {403, 404}, address
        for address in (f"/items/show/{made.items[0]}", f"/items/record/{made.items[0]}"):
            assert client.get(address).status_code in {403, 404}, address
        assert "21.5℃" not in text(client.get(f"/instruments/show/{made.instruments[0]}", follow_redirects=True))
